/* SPDX-License-Identifier: Apache-2.0 */
/* The unwind table of a file from everything that it tells: .eh_frame, .debug_frame where that covers less than half
 * of the code (not of Go programs), Go's tables, and the code itself where nothing else covers it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "table/table_writer.h"
#include "table/unwind_table.h"

struct elf_file;

#define TABLE_MAX_GAPS 10

/* Code, one range in the file, for which there is no rule. */
struct table_gap {
	uint64_t elf_va, file_off, bytes;
};

/* What the table is made of: bytes of executable code by where their rules came from. */
struct table_coverage {
	bool is_whole; /* of the file, not of a window */
	uint64_t code;
	uint64_t eh_frame, debug_frame, go, scanned;
	uint64_t none;	      /* no rule: the frame pointer may tell */
	uint64_t unsupported; /* a rule that the walk does not know, or a broken one */
	uint64_t bad_entries; /* FDEs and CIEs that could not be read */
	uint32_t n_gaps;
	struct table_gap gaps[TABLE_MAX_GAPS]; /* the largest parts of `none` and `unsupported`, the largest first */
};

/* Makes the table that holds the file's page `page` (file offset >> UNWIND_PAGE_SHIFT): all of the file, or its window.
 * `debug` is the file's debug file or NULL. Writes it to fd. *ret_coverage is filled even on
 * failure, as far as it went. -ENOENT: the file has no code (coverage.code is 0), or no rules at
 * all; -ENOTSUP: another machine. */
int table_build(const struct elf_file *file, const struct elf_file *debug, uint32_t page, int fd,
		struct table_writer_stats *ret_stats, struct table_coverage *ret_coverage);
