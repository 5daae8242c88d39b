/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as DWARF: questions about addresses that it may know, with a cache that holds one unit. Input: each section
 * in the order of dwarf_image.h, its length in two bytes before it. Seeds: tests/fuzz/dwarf_seeds.sh. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "dwarf/dwarf.h"
#include "dwarf_image.h"
#include "elf/elf_file.h"

#define CODE_START 0x401000u /* of the seeds */
#define CODE_BYTES 0x400u
#define STEP 7u

static void check(bool is_true)
{
	if (!is_true)
		abort();
}

static void ask(struct dwarf *dwarf, uint64_t va)
{
	struct dwarf_frames frames;
	int err = dwarf_find(dwarf, va, &frames);

	check(err == 0 || err == -ENOENT);
	if (err)
		return;
	check(frames.n && frames.n <= DWARF_MAX_FRAMES);
	for (size_t i = 0; i < frames.n; i++) {
		check(strlen(frames.items[i].name) <= DWARF_MAX_STRING_BYTES + 64);
		check(strlen(frames.items[i].linkage_name) <= DWARF_MAX_STRING_BYTES + 64);
		check(strlen(frames.items[i].file) <= 4 * DWARF_MAX_STRING_BYTES);
	}
	check(dwarf_memory_bytes(dwarf) >= frames.n * sizeof(*frames.items));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct image_bytes sections[IMAGE_SECTIONS] = {{NULL, 0}};
	struct elf_file *file;
	struct dwarf *dwarf;
	int fd;

	for (size_t i = 0; i < IMAGE_SECTIONS && size >= 2; i++) {
		size_t n = (size_t)data[0] | (size_t)data[1] << 8;

		data += 2;
		size -= 2;
		sections[i] = (struct image_bytes){data, n < size ? n : size};
		data += sections[i].n;
		size -= sections[i].n;
	}
	fd = dwarf_image_fd(sections, 0);
	check(fd >= 0 && !elf_file_open(fd, &file));
	if (!dwarf_open(&(struct dwarf_files){.file = file}, 0, &dwarf)) {
		for (uint64_t va = CODE_START; va < CODE_START + CODE_BYTES; va += STEP)
			ask(dwarf, va);
		ask(dwarf, 0);
		ask(dwarf, 1);
		ask(dwarf, UINT64_MAX);
		dwarf_free(dwarf);
	}
	elf_file_free(file);
	return 0;
}
