/* SPDX-License-Identifier: Apache-2.0 */
/* The frames of addresses, as `llvm-symbolizer --inlines --no-demangle` prints them:
 *
 *     dwarf_frames -r N FILE           prints N random addresses in the code of the file
 *     dwarf_frames [-l] FILE           reads addresses from stdin, prints frames; -l: linkage names where there are any
 *     dwarf_frames -t FILE             tells to stderr what it takes, too */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "dwarf/dwarf.h"
#include "elf/elf_file.h"

static void die(const char *what, const char *path)
{
	fprintf(stderr, "dwarf_frames: %s: %s\n", what, path);
	exit(2);
}

static uint64_t random_below(uint64_t limit)
{
	static uint64_t state = 88172645463325252;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state % limit;
}

/* Any place in the code sections. */
static uint64_t random_place(const struct elf_file *file, uint64_t bytes)
{
	const struct elf_section *sections;
	uint64_t place = random_below(bytes);
	size_t n;

	sections = elf_file_sections(file, &n);
	for (size_t i = 0; i < n; i++) {
		if (!(sections[i].flags & SHF_EXECINSTR))
			continue;
		if (place < sections[i].size)
			return sections[i].addr + place;
		place -= sections[i].size;
	}
	return 0;
}

static void print_places(const struct elf_file *file, const char *path, unsigned long places)
{
	const struct elf_section *sections;
	uint64_t bytes = 0;
	size_t n;

	sections = elf_file_sections(file, &n);
	for (size_t i = 0; i < n; i++)
		bytes += sections[i].flags & SHF_EXECINSTR ? sections[i].size : 0;
	if (!bytes)
		die("no code", path);
	while (places--)
		printf("0x%" PRIx64 "\n", random_place(file, bytes));
}

static const char *or_unknown(const char *text)
{
	return *text ? text : "??";
}

static void print_frames(struct dwarf *dwarf, uint64_t va, bool with_linkage)
{
	struct dwarf_frames frames;
	int err = dwarf_find(dwarf, va, &frames);

	if (err == -ENOENT)
		printf("\?\?\n\?\?:0:0\n");
	else if (err)
		printf("error %d\n", err);
	for (size_t i = 0; !err && i < frames.n; i++) {
		const struct dwarf_frame *frame = &frames.items[i];

		printf("%s\n%s:%u:%u\n",
		       or_unknown(with_linkage && *frame->linkage_name ? frame->linkage_name : frame->name),
		       or_unknown(frame->file), frame->line, frame->column);
	}
	printf("\n");
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	unsigned long places = 0;
	bool with_linkage = false, tells_cost = false;
	struct elf_file *file;
	struct dwarf *dwarf;
	char line[64];
	int option, err;

	while ((option = getopt(argc, argv, "r:lt")) != -1) {
		if (option == 'r')
			places = strtoul(optarg, NULL, 10);
		else if (option == 'l')
			with_linkage = true;
		else if (option == 't')
			tells_cost = true;
		else
			return 2;
	}
	if (optind + 1 != argc)
		die("usage", "dwarf_frames [-r N] [-l] [-t] FILE");
	if (elf_file_open(open(argv[optind], O_RDONLY | O_CLOEXEC), &file))
		die("cannot be read", argv[optind]);
	if (places) {
		print_places(file, argv[optind], places);
		elf_file_free(file);
		return 0;
	}
	err = dwarf_open(&(struct dwarf_files){.file = file}, DWARF_CACHE_BYTES, &dwarf);
	if (err)
		die("no DWARF", argv[optind]);
	while (fgets(line, sizeof(line), stdin))
		print_frames(dwarf, strtoull(line, NULL, 16), with_linkage);
	if (tells_cost)
		fprintf(stderr, "%.3f s, %zu KiB\n", seconds(), dwarf_memory_bytes(dwarf) >> 10);
	dwarf_free(dwarf);
	elf_file_free(file);
	return 0;
}
