/* SPDX-License-Identifier: Apache-2.0 */
/* The frames of addresses, as `llvm-symbolizer --inlines --no-demangle` prints them:
 *
 *     dwarf_frames -r N FILE           prints N random addresses in the code of the file
 *     dwarf_frames FILE                reads addresses from stdin, prints frames
 *
 *     -l           linkage names where there are any
 *     -s FILE      the supplementary file
 *     -p FILE      the package of split units
 *     -d FOLDER    where .dwo files lie
 *     -t           tells to stderr what it takes, too */
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

/* --- files beside it ---------------------------------------------------------------------------------------------- */

#define MAX_SPLIT 4096u

struct beside {
	const char *folder;
	const struct elf_file *package;
	struct elf_file *opened[MAX_SPLIT];
	size_t n;
};

static struct elf_file *open_or_die(const char *path)
{
	struct elf_file *file;

	if (elf_file_open(open(path, O_RDONLY | O_CLOEXEC), &file))
		die("cannot be read", path);
	return file;
}

static int find_split(void *ctx, const char *base_name, uint64_t id, const struct elf_file **ret)
{
	struct beside *beside = ctx;
	int folder, fd;

	(void)id;
	if (beside->package) {
		*ret = beside->package;
		return 0;
	}
	if (!beside->folder || beside->n == MAX_SPLIT)
		return -ENOENT;
	folder = open(beside->folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	fd = openat(folder, base_name, O_RDONLY | O_CLOEXEC);
	if (folder >= 0)
		close(folder);
	if (fd < 0 || elf_file_open(fd, &beside->opened[beside->n]))
		return -ENOENT;
	*ret = beside->opened[beside->n++];
	return 0;
}

static int make_temporary(void *ctx, int *ret_fd)
{
	(void)ctx;
	*ret_fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	return *ret_fd < 0 ? -errno : 0;
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void answer(struct dwarf *dwarf, bool with_linkage, bool tells_cost)
{
	char line[64];

	while (fgets(line, sizeof(line), stdin))
		print_frames(dwarf, strtoull(line, NULL, 16), with_linkage);
	if (tells_cost)
		fprintf(stderr, "%.3f s, %zu KiB\n", seconds(), dwarf_memory_bytes(dwarf) >> 10);
}

int main(int argc, char **argv)
{
	static struct beside beside;
	struct dwarf_files files = {.split = find_split, .temporary = make_temporary, .ctx = &beside};
	struct elf_file *file, *supplementary = NULL, *package = NULL;
	bool with_linkage = false, tells_cost = false;
	unsigned long places = 0;
	struct dwarf *dwarf;
	int option;

	while ((option = getopt(argc, argv, "r:lts:p:d:")) != -1) {
		if (option == 'r')
			places = strtoul(optarg, NULL, 10);
		else if (option == 'l')
			with_linkage = true;
		else if (option == 't')
			tells_cost = true;
		else if (option == 's')
			supplementary = open_or_die(optarg);
		else if (option == 'p')
			package = open_or_die(optarg);
		else if (option == 'd')
			beside.folder = optarg;
		else
			return 2;
	}
	if (optind + 1 != argc)
		die("usage", "dwarf_frames [-r N] [-lt] [-s FILE] [-p FILE | -d FOLDER] FILE");
	file = open_or_die(argv[optind]);
	beside.package = package;
	files.file = file;
	files.supplementary = supplementary;
	if (places) {
		print_places(file, argv[optind], places);
	} else {
		if (dwarf_open(&files, DWARF_CACHE_BYTES, &dwarf))
			die("no DWARF", argv[optind]);
		answer(dwarf, with_linkage, tells_cost);
		dwarf_free(dwarf);
	}
	for (size_t i = 0; i < beside.n; i++)
		elf_file_free(beside.opened[i]);
	elf_file_free(supplementary);
	elf_file_free(package);
	elf_file_free(file);
	return 0;
}
