/* SPDX-License-Identifier: Apache-2.0 */
#include "elf/segment_match.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>

#include "base/cursor.h"
#include "elf/elf_file.h"

#define PAGE_BYTES 4096u

/* strip --only-keep-debug and its like: sections are told, and their bytes are gone. */
static bool is_without_code(const struct elf_file *file)
{
	const struct elf_section *sections;
	size_t n;

	sections = elf_file_sections(file, &n);
	for (size_t i = 0; i < n; i++)
		if (sections[i].flags & SHF_EXECINSTR && sections[i].type == SHT_NOBITS)
			return true;
	return false;
}

/* Where the mapping of the segment begins; false: it has another length. */
static bool begins_mapping(const struct elf_segment *segment, uint64_t bytes, uint64_t *ret_elf_va)
{
	uint64_t start = segment->vaddr & ~(uint64_t)(PAGE_BYTES - 1), limit;

	if (!(segment->flags & PF_X) || !checked_add(segment->vaddr, segment->memsz, &limit) ||
	    !checked_add(limit, PAGE_BYTES - 1, &limit))
		return false;
	*ret_elf_va = start;
	return (limit & ~(uint64_t)(PAGE_BYTES - 1)) - start == bytes;
}

static int match_by_size(const struct elf_file *file, uint64_t bytes, uint64_t *ret_elf_va)
{
	const struct elf_segment *segments;
	size_t n, matches = 0;
	uint64_t start;

	segments = elf_file_segments(file, &n);
	for (size_t i = 0; i < n; i++) {
		if (!begins_mapping(&segments[i], bytes, &start))
			continue;
		*ret_elf_va = start;
		matches++;
	}
	return matches == 1 ? 0 : -ENOENT;
}

int segment_match_va(const struct elf_file *file, const struct segment_mapping *mapping, uint64_t address,
		     uint64_t *ret_elf_va)
{
	uint64_t distance = address - mapping->start, file_off, start;

	if (address < mapping->start || address >= mapping->limit)
		return -ENOENT;
	if (!is_without_code(file))
		return checked_add(mapping->file_off, distance, &file_off)
			       ? elf_file_offset_to_va(file, file_off, ret_elf_va)
			       : -ENOENT;
	if (match_by_size(file, mapping->limit - mapping->start, &start))
		return -ENOENT;
	return checked_add(start, distance, ret_elf_va) ? 0 : -ENOENT;
}
