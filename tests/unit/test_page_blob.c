/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "table/page_blob.h"

#define UNSUPPORTED 999

/* Rows at 0 and then from `first` on, so many and so far apart; row i has the rule i. */
static uint32_t make_rows(uint32_t *rows, uint32_t first, uint32_t step, uint32_t n)
{
	uint32_t made = 0;

	if (first)
		rows[made++] = unwind_row(0, 0);
	for (uint32_t i = 0; i < n; i++, made++)
		rows[made] = unwind_row(first + i * step, made);
	return made;
}

static const struct {
	const char *name;
	uint32_t first, step, n, shift, rows;
} layouts[] = {
	{"one row", 0, 1, 1, 12, 1},
	{"as many as a block can have", 0, 1, 31, 12, 31},
	{"31 in one block of 4096 and one in the next", 4096 - 30, 1, 31, 12, 32},
	{"32 in one block of 4096", 4096 - 32, 2, 16, 12, 17},
	{"32 over the middle of 4096 bytes", 2048 - 16, 1, 32, 11, 33},
	{"32 over the middle of 64 bytes", 32 - 16, 1, 32, 5, 33},
	{"32 over the end of 64 bytes", 64 - 16, 1, 32, 6, 33},
	{"every other byte", 0, 2, 32768, 5, 32768},
	{"every third byte", 0, 3, 21845, 6, 21845},
	{"every 128th byte", 0, 128, 512, 11, 512},
	{"every 130th byte", 0, 130, 500, 11, 500},
	{"every 133rd byte", 0, 133, 400, 12, 400},
	{"32 packed into 32 bytes", 64, 1, 32, 5, 32},
	{"31 packed into 32 bytes", 64, 1, 31, 6, 32},
	{"64 packed into 64 bytes", 64, 1, 64, 5, 63},
	{"64 packed into the middle of 96 bytes", 80, 1, 64, 5, 64},
	{"packed up to the page's end", 65536 - 40, 1, 40, 5, 40},
	{"all bytes", 0, 1, 65536, 5, 65536 / 32 * 31},
};

static void blocks_are_the_largest_with_few_enough_rows(void **state)
{
	static uint32_t rows[UNWIND_PAGE_BYTES + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
		uint32_t n = make_rows(rows, layouts[i].first, layouts[i].step, layouts[i].n);
		struct page_blob blob = page_blob_layout(rows, n);

		if (blob.block_shift != layouts[i].shift || blob.rows != layouts[i].rows)
			fail_msg("%s: %u rows in blocks of 1 << %u", layouts[i].name, blob.rows, blob.block_shift);
		assert_int_equal(blob.units, (unwind_index_bytes(blob.block_shift) + 4 * blob.rows + 7) / 8);
		assert_true(8 * blob.units <= UNWIND_MAX_BLOB_BYTES);
	}
}

/* The rule at the offset: the last row at or before it, in its block or the row before the block's. */
static uint32_t blob_rule(const struct page_blob *blob, const void *bytes, uint32_t offset)
{
	const uint16_t *first = bytes;
	const uint32_t *rows = (const uint32_t *)((const char *)bytes + unwind_index_bytes(blob->block_shift));
	uint32_t block = offset >> blob->block_shift, found = first[block] ? first[block] - 1u : 0;

	assert_true(first[block] <= first[block + 1] && first[block + 1] - first[block] <= UNWIND_MAX_BLOCK_ROWS);
	for (uint32_t i = first[block]; i < first[block + 1] && unwind_row_offset(rows[i]) <= offset; i++)
		found = i;
	return unwind_row_rule(rows[found]);
}

static void every_byte_finds_its_row(void **state)
{
	static uint32_t rows[UNWIND_PAGE_BYTES + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
		uint32_t n = make_rows(rows, layouts[i].first, layouts[i].step, layouts[i].n), row = 0, lost = 0;
		struct page_blob blob = page_blob_layout(rows, n);
		uint64_t *bytes = malloc((size_t)blob.units * 8);

		assert_non_null(bytes);
		page_blob_write(&blob, rows, n, UNSUPPORTED, bytes);
		for (uint32_t offset = 0; offset < UNWIND_PAGE_BYTES; offset++) {
			uint32_t rule = blob_rule(&blob, bytes, offset);

			while (row + 1 < n && unwind_row_offset(rows[row + 1]) <= offset)
				row++;
			if (rule == unwind_row_rule(rows[row]))
				continue;
			if (rule != UNSUPPORTED || (offset % 32 != 29 && offset % 32 != 30))
				fail_msg("%s: rule %u at %u", layouts[i].name, rule, offset);
			lost++;
		}
		assert_int_equal(lost, 2 * (n - blob.rows));
		free(bytes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_are_the_largest_with_few_enough_rows),
		cmocka_unit_test(every_byte_finds_its_row),
	};

	return cmocka_run_group_tests_name("page_blob", tests, NULL, NULL);
}
