/* SPDX-License-Identifier: Apache-2.0 */
/* Unwind tables of all ELF files of this machine: their size, and the CPU time that making them takes.
 * usage: tables [FOLDER|FILE]... (default: /usr/bin /usr/sbin /usr/lib). A line a figure: "name target measured
 * ok|MISS"; exit status 1 on a MISS. Each file counts once, whatever its names are. Files that take long are tried
 * thrice, and the best time counts: others use the machine, too. */
#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/map.h"
#include "table/row_store.h"

#include "built_table.h"
#include "program_cost.h"

#define TARGET_BYTES_PER_ROW 2.5
#define TARGET_ALL_S 5.0
#define TARGET_FILE_MS 150.0
#define TARGET_LLVM_MS 60.0
#define TARGET_LLVM_BYTES 1.3e6

#define SLOW_MS 40.0
#define TRIES 3
#define MAX_FILES (1u << 20)
#define MAX_RULES (1u << 20)
#define MAX_OPEN_FOLDERS 32

struct figures {
	uint64_t bytes, rows_given, rows_merged, rows_written;
	double ms;
};

struct file_id {
	uint64_t dev, ino;
};

static struct map seen;	 /* of struct file_id */
static struct map rules; /* of struct unwind_rule: those of all files */
static struct figures all, of_go, slowest, llvm;
static char slowest_path[4096], llvm_path[4096];
static unsigned int files, failed;
static uint64_t code, without_rule, unsupported;

static double cpu_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static uint32_t code_pages(const struct elf_file *file)
{
	const struct elf_segment *segments;
	uint64_t limit = 0;
	size_t n;

	segments = elf_file_segments(file, &n);
	for (size_t i = 0; i < n; i++)
		if ((segments[i].flags & PF_X) && segments[i].offset + segments[i].filesz > limit)
			limit = segments[i].offset + segments[i].filesz;
	return (uint32_t)((limit + UNWIND_PAGE_BYTES - 1) >> UNWIND_PAGE_SHIFT);
}

static void add_coverage(struct table_coverage *sum, const struct table_coverage *one)
{
	sum->code += one->code;
	sum->none += one->none;
	sum->unsupported += one->unsupported;
	sum->go += one->go;
}

static void add_figures(struct figures *sum, const struct figures *one)
{
	sum->bytes += one->bytes;
	sum->rows_given += one->rows_given;
	sum->rows_merged += one->rows_merged;
	sum->rows_written += one->rows_written;
	sum->ms += one->ms;
}

static void add_rules(const struct unwind_table *table)
{
	void *unused;

	for (uint32_t i = 0; i < table->head.n_rules; i++)
		if (map_insert(&rules, &table->rules[i], &unused, NULL))
			exit(1);
}

/* The file's table, a window after the other when it is large. -ENOENT: it has none. */
static int measure_once(const struct elf_file *file, struct figures *ret, struct table_coverage *coverage)
{
	uint32_t pages = code_pages(file);
	double began_ms = cpu_ms();

	*ret = (struct figures){0};
	*coverage = (struct table_coverage){0};
	for (uint32_t page = 0; page < pages; page += TABLE_WINDOW_PAGES) {
		struct built_table built;
		int err = built_table_make(file, page, &built);
		bool is_whole;

		if (err == -ENOENT)
			continue;
		if (err)
			return err;
		is_whole = built.table.head.n_pages == built.table.head.file_pages;
		add_coverage(coverage, &built.coverage);
		ret->bytes += row_store_table_bytes(&built.table);
		ret->rows_given += built.stats.rows_given;
		ret->rows_merged += built.stats.rows_merged;
		ret->rows_written += built.stats.rows_written;
		add_rules(&built.table);
		built_table_release(&built);
		if (is_whole)
			break;
	}
	ret->ms = cpu_ms() - began_ms;
	return ret->rows_written ? 0 : -ENOENT;
}

static void measure(const struct elf_file *file, const char *path)
{
	struct table_coverage coverage;
	struct figures figures, again;
	int err = measure_once(file, &figures, &coverage);

	if (err) {
		failed += err != -ENOENT;
		return;
	}
	for (int i = 1; i < TRIES && figures.ms > SLOW_MS; i++)
		if (!measure_once(file, &again, &coverage) && again.ms < figures.ms)
			figures.ms = again.ms;
	files++;
	add_figures(&all, &figures);
	if (coverage.go)
		add_figures(&of_go, &figures);
	code += coverage.code;
	without_rule += coverage.none;
	unsupported += coverage.unsupported;
	if (figures.ms > slowest.ms) {
		slowest = figures;
		snprintf(slowest_path, sizeof(slowest_path), "%s", path);
	}
	if (strstr(path, "/libLLVM-14.so") || (!llvm.ms && strstr(path, "/libLLVM"))) {
		llvm = figures;
		snprintf(llvm_path, sizeof(llvm_path), "%s", path);
	}
}

static int on_file(const char *path, const struct stat *stat, int kind, struct FTW *where)
{
	const struct file_id id = {stat->st_dev, stat->st_ino};
	struct elf_file *file;
	void *unused;
	int fd;

	(void)where;
	if (kind != FTW_F || stat->st_size < 64 || map_find(&seen, &id))
		return 0;
	if (map_insert(&seen, &id, &unused, NULL))
		return -1;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || elf_file_open(fd, &file))
		return 0;
	if (elf_file_machine(file) == HOST_MACHINE && (elf_file_type(file) == ET_EXEC || elf_file_type(file) == ET_DYN))
		measure(file, path);
	elf_file_free(file);
	return 0;
}

int main(int argc, char **argv)
{
	static const char *const folders[] = {"/usr/bin", "/usr/sbin", "/usr/lib"};
	int missed = 0;

	map_init(&seen, sizeof(struct file_id), 0, MAX_FILES);
	map_init(&rules, sizeof(struct unwind_rule), 0, MAX_RULES);
	if (argc > 1)
		for (int i = 1; i < argc; i++)
			nftw(argv[i], on_file, MAX_OPEN_FOLDERS, FTW_PHYS);
	else
		for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++)
			nftw(folders[i], on_file, MAX_OPEN_FOLDERS, FTW_PHYS);
	map_release(&seen);
	if (!files || !all.rows_merged) {
		fprintf(stderr, "tables: no ELF files\n");
		return 1;
	}
	fprintf(stderr,
		"  %u files, %u failed: %.1f MB of code, %.2f %% without a rule, %.3f %% with none that is known; "
		"rows: %lu "
		"given, %lu merged, %lu written; %.1f MB\n",
		files, failed, (double)code / 1e6, 100.0 * (double)without_rule / (double)code,
		100.0 * (double)unsupported / (double)code, all.rows_given, all.rows_merged, all.rows_written,
		(double)all.bytes / 1e6);
	fprintf(stderr, "  slowest: %s; %.1f MB of Go programs, %.2f bytes a row; %zu rules in all\n", slowest_path,
		(double)of_go.bytes / 1e6, of_go.rows_merged ? (double)of_go.bytes / (double)of_go.rows_merged : 0,
		rules.len);
	map_release(&rules);
	missed += report_at_most("table_bytes_per_row", TARGET_BYTES_PER_ROW,
				 (double)all.bytes / (double)all.rows_merged, "B");
	missed += report_at_most("tables_of_all_files", TARGET_ALL_S, all.ms / 1e3, "s");
	missed += report_at_most("table_of_slowest_file", TARGET_FILE_MS, slowest.ms, "ms");
	if (llvm.ms > 0) {
		fprintf(stderr, "  LLVM: %s\n", llvm_path);
		missed += report_at_most("table_of_llvm", TARGET_LLVM_MS, llvm.ms, "ms");
		missed +=
			report_at_most("table_bytes_of_llvm", TARGET_LLVM_BYTES / 1e6, (double)llvm.bytes / 1e6, "MB");
	}
	return missed > 0;
}
