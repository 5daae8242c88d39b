/* SPDX-License-Identifier: Apache-2.0 */
/* How fast symbol tables are indexed: reading, sorting, choosing among aliases. One line a figure:
 * "name target measured ok|MISS". usage: symbol_index [ELF FILE]. Without one, libLLVM where it is installed;
 * without that, or with a file of few symbols, one with 300,000 functions that the assembler writes. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "elf/elf_file.h"
#include "elf/symtab.h"

#define TARGET_SYMBOLS_PER_SECOND 5e6
#define TARGET_LOOKUP_NS 5000
#define ROUNDS 9
#define LOOKUPS 50000
#define GENERATED 300000
#define MIN_SYMBOLS 20000

/* Function symbols in the file's tables, aliases included: what there is to index. */
static uint64_t raw_symbols(const struct elf_file *file)
{
	const struct elf_section *sections;
	uint64_t symbols = 0;
	size_t n;

	sections = elf_file_sections(file, &n);
	for (size_t i = 0; i < n; i++)
		if (sections[i].type == 2 || sections[i].type == 11) /* SHT_SYMTAB, SHT_DYNSYM */
			symbols += sections[i].size / 24;
	return symbols;
}

static int generate(char *path)
{
	char command[256]; /* path is mkstemp's */
	int fd = mkstemp(path);
	FILE *as;

	if (fd < 0)
		return -errno;
	close(fd);
	snprintf(command, sizeof(command), "as -o %.40s -", path);
	as = popen(command, "w");
	if (!as)
		return -errno;
	fprintf(as, ".text\n");
	for (unsigned int i = 0; i < GENERATED; i++)
		fprintf(as,
			".globl _ZN5bench%uEv\n.type _ZN5bench%uEv,@function\n_ZN5bench%uEv: ret\n.size "
			"_ZN5bench%uEv,1\n",
			i, i, i, i);
	if (pclose(as))
		return -EIO;
	snprintf(command, sizeof(command), "ld -shared -o %.40s.so %.40s && mv %.40s.so %.40s", path, path, path, path);
	return system(command) ? -EIO : 0;
}

static int compare_u64(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return (a > b) - (a < b);
}

static void report(const char *name, double target, double measured, int is_ok)
{
	printf("%s %.0f %.0f %s\n", name, target, measured, is_ok ? "ok" : "MISS");
}

static int measure(const struct elf_file *file, const char *path)
{
	uint64_t times[ROUNDS], symbols = raw_symbols(file), start, va, limit = 0;
	struct symtab *symtab = NULL;
	const struct elf_segment *segments;
	size_t n_segments, found = 0, text = 0;
	double rate, lookup_ns;

	for (size_t i = 0; i < ROUNDS; i++) {
		symtab_free(symtab);
		start = clock_mono_ns(&clock_system);
		if (symtab_new(file, &symtab)) {
			fprintf(stderr, "symbol_index: cannot index %s\n", path);
			return 1;
		}
		times[i] = clock_mono_ns(&clock_system) - start;
	}
	qsort(times, ROUNDS, sizeof(times[0]), compare_u64);
	rate = (double)symbols * 1e9 / (double)times[ROUNDS / 2];
	fprintf(stderr, "%s: %lu raw symbols, %zu kept, %.2f ms, %zu bytes\n", path, symbols, symtab_count(symtab),
		(double)times[ROUNDS / 2] / 1e6, symtab_memory_bytes(symtab));
	report("symbols_indexed_per_second", TARGET_SYMBOLS_PER_SECOND, rate, rate >= TARGET_SYMBOLS_PER_SECOND);

	segments = elf_file_segments(file, &n_segments);
	for (size_t i = 0; i < n_segments; i++)
		if ((segments[i].flags & 1) && segments[i].memsz > limit) /* PF_X */
			limit = segments[i].memsz, text = i;
	srand(1);
	start = clock_mono_ns(&clock_system);
	for (size_t i = 0; limit && i < LOOKUPS; i++) {
		struct symbol symbol;
		char name[4096];

		va = segments[text].vaddr + ((uint64_t)rand() << 16 ^ (uint64_t)rand()) % limit;
		found += !symtab_find(symtab, va, &symbol, name, sizeof(name));
	}
	lookup_ns = (double)(clock_mono_ns(&clock_system) - start) / LOOKUPS;
	fprintf(stderr, "%zu of %d random addresses have a name\n", found, LOOKUPS);
	report("symbol_lookup_ns", TARGET_LOOKUP_NS, lookup_ns, lookup_ns <= TARGET_LOOKUP_NS);
	symtab_free(symtab);
	return rate < TARGET_SYMBOLS_PER_SECOND || lookup_ns > TARGET_LOOKUP_NS;
}

static struct elf_file *open_elf(const char *path)
{
	struct elf_file *file = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd >= 0 && !elf_file_open(fd, &file) ? file : NULL;
}

/* The first libLLVM there is, in an order that prefers version 14. */
static struct elf_file *open_llvm(char *path, size_t size)
{
	static const char *const patterns[] = {"/usr/lib/*/libLLVM-14.so.1", "/usr/lib/*/libLLVM*.so.*",
					       "/usr/lib64/libLLVM*.so.*"};
	struct elf_file *file = NULL;

	for (size_t i = 0; !file && i < sizeof(patterns) / sizeof(patterns[0]); i++) {
		glob_t found;

		if (glob(patterns[i], 0, NULL, &found))
			continue;
		snprintf(path, size, "%s", found.gl_pathv[0]);
		file = open_elf(path);
		globfree(&found);
	}
	return file;
}

int main(int argc, char **argv)
{
	char path[4096] = "/tmp/symbol_index.XXXXXX";
	struct elf_file *file;
	int status;

	if (argc > 1)
		snprintf(path, sizeof(path), "%s", argv[1]);
	file = argc > 1 ? open_elf(path) : open_llvm(path, sizeof(path));
	if (!file || raw_symbols(file) < MIN_SYMBOLS) {
		elf_file_free(file);
		snprintf(path, sizeof(path), "/tmp/symbol_index.XXXXXX");
		status = generate(path);
		file = status ? NULL : open_elf(path);
		unlink(path);
		if (!file) {
			fprintf(stderr, "symbol_index: cannot make a test file\n");
			return 1;
		}
	}
	status = measure(file, path);
	elf_file_free(file);
	return status;
}
