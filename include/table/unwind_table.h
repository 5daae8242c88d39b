/* SPDX-License-Identifier: Apache-2.0 */
/* The unwind table of one file (or of a window of a large one) as it travels from the resolver, which read the file, to
 * the collector, which publishes it to the kernel: one run of bytes in a sealed memfd.
 *
 *    head | rules | pages | rows
 *
 * Rules are the table's own (row -> index into `rules`); the publisher interns them. Pages are consecutive; rows of a
 * page are sorted by offset, strictly rising, the first at offset 0. A page of one row has no rows: it is constant, and
 * its rule has no steps (they would have no row to count from).
 *
 * Who reads one believes nothing: unwind_table_read() checks every number, once. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/unwind.h"

#define UNWIND_TABLE_MAGIC 0x74775568u
#define UNWIND_TABLE_VERSION 1
#define UNWIND_TABLE_MAX_BYTES (256u << 20)

/* A file with more code than this has a table for each TABLE_WINDOW_PAGES of it. */
#define TABLE_WHOLE_BYTES (256u << 20)
#define TABLE_WINDOW_PAGES 256u

struct unwind_table_head {
	uint32_t magic;
	uint16_t version, machine; /* EM_X86_64 or EM_AARCH64 */
	uint32_t n_rules, n_pages, n_rows;
	uint32_t first_page; /* of `pages`, in the file */
	uint32_t file_pages; /* of the directory: all pages of the file's code from file_first_page on */
	uint32_t file_first_page;
};

struct unwind_table_page {
	uint32_t n_rows; /* 0: constant */
	uint32_t rule;	 /* of a constant page, else 0 */
};

struct unwind_table {
	struct unwind_table_head head;
	const struct unwind_rule *rules;
	const struct unwind_table_page *pages;
	const uint32_t *rows; /* of all pages, in their order */
};

/* A frame of a GiB is a broken rule. */
#define UNWIND_MAX_CFA_OFF (1 << 30)

/* Is this a rule that the walk knows? Kinds in range and of the machine, unused fields 0, registers that exist, the CFA
 * offset within ± UNWIND_MAX_CFA_OFF before and after all steps (PLT: 0 .. 15). */
bool unwind_rule_is_valid(const struct unwind_rule *rule, uint16_t machine);

/* The rule without steps that holds `distance` bytes behind the start of its row. */
struct unwind_rule unwind_rule_stepped(const struct unwind_rule *rule, uint32_t distance);

/* The pointers of *ret are into `bytes` (4-byte aligned). -EBADMSG: anything out of place. */
int unwind_table_read(const void *bytes, size_t len, uint16_t machine, struct unwind_table *ret);
