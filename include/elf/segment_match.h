/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses of a process to the file's own, also of debug files, whose segments are where they were in memory and no
 * longer in the file. */
#pragma once

#include <stdint.h>

struct elf_file;

/* A mapping of the file as the kernel tells it: whole pages. */
struct segment_mapping {
	uint64_t start, limit;
	uint64_t file_off; /* of start */
};

/* By the file offset; of a debug file by the one executable segment that takes as many pages as the mapping. -ENOENT:
 * there is none, or more than one. */
int segment_match_va(const struct elf_file *file, const struct segment_mapping *mapping, uint64_t address,
		     uint64_t *ret_elf_va);
