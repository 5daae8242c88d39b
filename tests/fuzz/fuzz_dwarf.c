/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as DWARF: questions about addresses that it may know, with a cache that holds one unit. Input: each section
 * in the order of dwarf_image.h, its length in two bytes before it; then the same of a second file, which is what dwz
 * shares as well as the other half of split units; then a byte: 1, the first file's sections are packed, 2, the second
 * one's. Seeds: tests/fuzz/dwarf_seeds.sh. */
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

struct input {
	const uint8_t *data;
	size_t size;
};

static struct elf_file *open_image(const struct image_bytes sections[IMAGE_SECTIONS], bool is_packed,
				   const char *suffix)
{
	struct elf_file *file = NULL;
	int fd = dwarf_image_fd_named(sections, is_packed ? SHF_COMPRESSED : 0, suffix);

	check(fd >= 0 && !elf_file_open(fd, &file));
	return file;
}

static void take_sections(struct input *input, struct image_bytes sections[IMAGE_SECTIONS])
{
	for (size_t i = 0; i < IMAGE_SECTIONS && input->size >= 2; i++) {
		size_t n = (size_t)input->data[0] | (size_t)input->data[1] << 8;

		input->data += 2;
		input->size -= 2;
		sections[i] = (struct image_bytes){input->data, n < input->size ? n : input->size};
		input->data += sections[i].n;
		input->size -= sections[i].n;
	}
}

static int give_split(void *ctx, const char *base_name, uint64_t id, const struct elf_file **ret)
{
	(void)id;
	check(*base_name && strlen(base_name) < DWARF_MAX_NAME_BYTES && !strchr(base_name, '/'));
	*ret = ctx;
	return *ret ? 0 : -ENOENT;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct image_bytes sections[IMAGE_SECTIONS] = {{NULL, 0}}, others[IMAGE_SECTIONS] = {{NULL, 0}};
	struct elf_file *file, *supplementary, *split;
	struct input input = {data, size};
	struct dwarf_files files = {.split = give_split};
	struct dwarf_link link;
	struct dwarf *dwarf;
	uint8_t packed;

	take_sections(&input, sections);
	take_sections(&input, others);
	packed = input.size ? input.data[0] : 0;
	file = open_image(sections, packed & 1, "");
	supplementary = open_image(others, packed & 2, "");
	split = open_image(others, packed & 2, ".dwo");
	if (!dwarf_supplementary_of(file, &link))
		check(*link.name && link.id_bytes && link.id_bytes <= sizeof(link.id) && !strchr(link.name, '/'));
	files.file = file;
	files.supplementary = supplementary;
	files.ctx = split;
	if (!dwarf_open(&files, 0, &dwarf)) {
		for (uint64_t va = CODE_START; va < CODE_START + CODE_BYTES; va += STEP)
			ask(dwarf, va);
		ask(dwarf, 0);
		ask(dwarf, 1);
		ask(dwarf, UINT64_MAX);
		dwarf_free(dwarf);
	}
	elf_file_free(file);
	elf_file_free(supplementary);
	elf_file_free(split);
	return 0;
}
