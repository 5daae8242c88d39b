/* SPDX-License-Identifier: Apache-2.0 */
/* Makes a struct unwind_table of plain rows that come in the order of their file offsets. Rows equal to the one before
 * are dropped; prologues and epilogues become one row (table/fold.h); rows are cut at page ends.
 *
 * Nothing is kept but rules (interned) and finished rows: 4 bytes each. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "wire/unwind.h"

struct table_writer;

struct table_writer_range {
	uint64_t file_first, file_limit; /* offsets of all executable code of the file: the directory's size */
	uint64_t first, limit;		 /* what this table covers of it: whole pages, or up to the file's ends */
};

struct table_writer_stats {
	uint64_t rows_given, rows_merged /* after dropping equal neighbours */, rows_written /* after folding runs */;
	uint32_t rules, pages, constant_pages;
	uint64_t bytes; /* of the finished table */
};

/* Of the rows before range.first the last one holds from there on; where no row holds there is no rule
 * (UNWIND_CFA_NONE). Rows from range.limit on are dropped.
 * -EINVAL: an empty or reversed range, or parts of pages; -E2BIG: more than UNWIND_MAX_PAGES pages. */
int table_writer_new(uint16_t machine, const struct table_writer_range *range, struct table_writer **ret);
void table_writer_free(struct table_writer *writer);

/* The rule from file_off on. Of two rows at one offset the later one counts. rule->steps is 0: folding is the writer's.
 * -EINVAL: the offset fell, or unwind_rule_is_valid() says no; -ENOSPC: more than UNWIND_MAX_RULES rules; -E2BIG: more
 * than UNWIND_TABLE_MAX_BYTES; -ENOMEM. After a failure there is no table: only free. */
int table_writer_row(struct table_writer *writer, uint64_t file_off, const struct unwind_rule *rule);

/* Writes the table to the descriptor, from its position on. The errors of table_writer_row() and of write(2). Call
 * once; then only free. */
int table_writer_finish(struct table_writer *writer, int fd, struct table_writer_stats *ret);
