/* SPDX-License-Identifier: Apache-2.0 */
/* Rows that the input chooses, written as a table and read again: each byte has the rule that its row gave, or the
 * writer refused them. An input is a head of four bytes (pages, first and last page of the window, where the code
 * begins) and three bytes for each row (distance, kind, CFA offset). The seeds are a few functions each: with pushes
 * and pops, with rows across pages, with rows that are refused. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "../unit/unwind_rows.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEAD_BYTES 4
#define ROW_BYTES 3
#define REACH_BYTES 40

/* At most 15 pages, of which the window has some. */
static struct table_writer_range range_of(const uint8_t *head)
{
	uint64_t pages = head[0] % 15 + 1, first = head[1] % pages, limit = first + head[2] % (pages - first) + 1;
	struct table_writer_range range = {.file_first = 256 * head[3], .file_limit = pages * UNWIND_PAGE_BYTES - 100};

	range.first = first ? first * UNWIND_PAGE_BYTES : range.file_first;
	range.limit = limit < pages ? limit * UNWIND_PAGE_BYTES : range.file_limit;
	return range;
}

/* Small distances are bytes, the largest ones 8 KiB each. */
static uint64_t distance_of(uint8_t byte)
{
	return byte < 240 ? byte : (byte - 239) * 8192ull;
}

static struct unwind_rule rule_of(uint8_t kind, uint8_t offset, int32_t before)
{
	/* The frame pointer, at the slot that the last push made or at any other. */
	if (kind & 0x80)
		return rule_saved(rule_sp(before + 8 * (kind % 4)),
				  (int16_t)(kind & 0x40 ? -before - 8 : -8 * (offset % 8)));
	switch (kind % 8) {
	case 0:
		return rule_sp(8 * offset);
	case 1:
		return rule_sp(before + 8);
	case 2:
		return rule_sp(before - 8);
	case 3:
		return rule_sp(offset << 23);
	case 4:
		return rule_fp(offset);
	case 5:
		return (struct unwind_rule){
			.cfa = UNWIND_CFA_SP, .fp = UNWIND_FP_LOST, .cfa_off = before + 8, .ra_off = -8};
	case 6:
		return rule_bare(offset % UNWIND_CFA_COUNT);
	default:
		return (struct unwind_rule){.cfa = offset, .cfa_off = before, .steps = offset >> 7};
	}
}

/* The bytes to which the steps of a row reach are all looked at, of those behind them only the last ones before the
 * next row or page. */
static uint64_t next_offset(const struct plain_walk *walk, uint64_t off)
{
	const struct plain_rows *rows = walk->rows;
	uint64_t next = (off | (UNWIND_PAGE_BYTES - 1)) + 1;

	if (walk->next && off < rows->rows[walk->next - 1].file_off + REACH_BYTES)
		return off + 1;
	if (walk->next < rows->n && rows->rows[walk->next].file_off < next)
		next = rows->rows[walk->next].file_off;
	return next - 1 > off ? next - 1 : next;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct table_writer_range range;
	struct plain_rows rows = {0};
	struct table_bytes bytes;
	uint64_t off = 0;

	if (size < HEAD_BYTES)
		return 0;
	range = range_of(data);
	for (size_t i = HEAD_BYTES; i + ROW_BYTES <= size; i += ROW_BYTES) {
		int32_t before = rows.n ? rows.rows[rows.n - 1].rule.cfa_off : 0;

		off += distance_of(data[i]);
		add_row(&rows, off, rule_of(data[i + 1], data[i + 2], before));
	}
	if (!table_bytes_make(&rows, &range, &bytes)) {
		struct plain_walk plain = {.rows = &rows};
		struct unwind_table table;
		struct table_walk told = {.table = &table};

		if (unwind_table_read(bytes.bytes, bytes.len, EM_X86_64, &table))
			abort();
		for (off = range.first; off < range.limit; off = next_offset(&plain, off))
			if (!same_rule(plain_rule_at(&plain, off), table_rule_at(&told, off)))
				abort();
		table_bytes_release(&bytes);
	}
	free(rows.rows);
	return 0;
}
