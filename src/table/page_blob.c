/* SPDX-License-Identifier: Apache-2.0 */
#include "table/page_blob.h"

#include <stdbool.h>
#include <string.h>

#define SMALLEST_BLOCK (1u << UNWIND_MIN_BLOCK_SHIFT)

_Static_assert(UNWIND_MAX_BLOCK_ROWS == SMALLEST_BLOCK - 1,
	       "one row at most is lost in a block, where bytes are packed");

/* Rows i and i + UNWIND_MAX_BLOCK_ROWS lie in different blocks exactly when their offsets differ above the block's
 * shift. So the smallest of these differences tells the largest shift. */
struct page_blob page_blob_layout(const uint32_t *rows, uint32_t n)
{
	uint32_t smallest = UNWIND_PAGE_BYTES, lost = 0;
	struct page_blob blob;

	for (uint32_t i = 0; i + UNWIND_MAX_BLOCK_ROWS < n; i++) {
		uint32_t difference = unwind_row_offset(rows[i] ^ rows[i + UNWIND_MAX_BLOCK_ROWS]);

		lost += difference < SMALLEST_BLOCK;
		if (difference < smallest)
			smallest = difference;
	}
	blob.rows = n - lost;
	if (smallest < SMALLEST_BLOCK)
		blob.block_shift = UNWIND_MIN_BLOCK_SHIFT;
	else if (smallest >= 1u << UNWIND_MAX_BLOCK_SHIFT)
		blob.block_shift = UNWIND_MAX_BLOCK_SHIFT;
	else
		blob.block_shift = 31 - (uint32_t)__builtin_clz(smallest);
	blob.units =
		(unwind_index_bytes(blob.block_shift) + blob.rows * sizeof(*rows) + (1u << UNWIND_UNIT_SHIFT) - 1) >>
		UNWIND_UNIT_SHIFT;
	return blob;
}

/* Does every byte of a smallest block that begins with row i have a row? */
static bool is_packed(const uint32_t *rows, uint32_t n, uint32_t i)
{
	return i + UNWIND_MAX_BLOCK_ROWS < n &&
	       unwind_row_offset(rows[i] ^ rows[i + UNWIND_MAX_BLOCK_ROWS]) < SMALLEST_BLOCK;
}

/* A packed block loses its last row but one: the last one must stay, because its rule may hold behind the block. */
static void copy_rows(const uint32_t *rows, uint32_t n, uint16_t unsupported, uint32_t *to)
{
	for (uint32_t i = 0; i < n; i++) {
		if (!is_packed(rows, n, i)) {
			*to++ = rows[i];
			continue;
		}
		memcpy(to, rows + i, (SMALLEST_BLOCK - 3) * sizeof(*to));
		to += SMALLEST_BLOCK - 3;
		*to++ = unwind_row(unwind_row_offset(rows[i]) + SMALLEST_BLOCK - 3, unsupported);
		i += SMALLEST_BLOCK - 1;
		*to++ = rows[i];
	}
}

void page_blob_write(const struct page_blob *blob, const uint32_t *rows, uint32_t n, uint16_t unsupported, void *to)
{
	uint32_t *written = (uint32_t *)((char *)to + unwind_index_bytes(blob->block_shift)), row = 0;
	uint16_t *first = to;

	if (blob->rows == n)
		memcpy(written, rows, n * sizeof(*rows));
	else
		copy_rows(rows, n, unsupported, written);
	for (uint32_t block = 0; block <= UNWIND_PAGE_BYTES >> blob->block_shift; block++) {
		while (row < blob->rows && unwind_row_offset(written[row]) < block << blob->block_shift)
			row++;
		first[block] = (uint16_t)row;
	}
}
