/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <fcntl.h>

#include "oom.h"
#include "unwind_rows.h"

#define PAGE UNWIND_PAGE_BYTES

/* All of a file whose code lies in [first, limit). */
static struct table_writer_range whole(uint64_t first, uint64_t limit)
{
	return (struct table_writer_range){.file_first = first, .file_limit = limit, .first = first, .limit = limit};
}

static struct unwind_table read_table(const struct table_bytes *bytes)
{
	struct unwind_table table;

	assert_int_equal(unwind_table_read(bytes->bytes, bytes->len, EM_X86_64, &table), 0);
	return table;
}

static void assert_same_rules(const struct plain_rows *rows, const struct unwind_table *table, uint64_t first,
			      uint64_t limit)
{
	struct plain_walk plain = {.rows = rows};
	struct table_walk walk = {.table = table};

	for (uint64_t off = first; off < limit; off++)
		if (!same_rule(plain_rule_at(&plain, off), table_rule_at(&walk, off)))
			fail_msg("another rule at %#lx", off);
}

enum { SP = UNWIND_CFA_SP, FP = UNWIND_CFA_FP };

/* Each lies in one page whose bytes from 0x1000 to 0x3000 are code, so that there are a row without rule in front and
 * one behind, which do not count. */
static const struct shape {
	const char *name;
	struct {
		uint16_t offset, cfa, cfa_off;
		int16_t fp_off; /* 0: the frame pointer is the same */
	} rows[8];
	uint32_t n_rows; /* that are written */
} shapes[] = {
	{"one row", {{0x1000, SP, 8, 0}}, 1},
	{"equal neighbours", {{0x1000, SP, 8, 0}, {0x1004, SP, 8, 0}, {0x1008, SP, 8, 0}}, 1},
	{"equal, but not neighbours", {{0x1000, SP, 8, 0}, {0x1004, FP, 16, 0}, {0x1008, SP, 8, 0}}, 3},
	{"pushes", {{0x1000, SP, 8, 0}, {0x1001, SP, 16, 0}, {0x1003, SP, 24, 0}, {0x1005, SP, 32, 0}}, 1},
	{"pops", {{0x1000, SP, 32, 0}, {0x1001, SP, 24, 0}, {0x1003, SP, 16, 0}, {0x1005, SP, 8, 0}}, 1},
	{"pushes and a pop", {{0x1000, SP, 8, 0}, {0x1001, SP, 16, 0}, {0x1002, SP, 24, 0}, {0x1003, SP, 16, 0}}, 1},
	{"pushes and pops",
	 {{0x1000, SP, 8, 0}, {0x1001, SP, 16, 0}, {0x1002, SP, 24, 0}, {0x1003, SP, 16, 0}, {0x1004, SP, 8, 0}},
	 2},
	{"equal rows within a run",
	 {{0x1000, SP, 8, 0}, {0x1001, SP, 16, 0}, {0x1002, SP, 16, 0}, {0x1003, SP, 24, 0}},
	 1},
	{"a last step of three bytes", {{0x1000, SP, 8, 0}, {0x1001, SP, 16, 0}, {0x1004, SP, 24, 0}}, 1},
	{"a step of three bytes", {{0x1000, SP, 8, 0}, {0x1003, SP, 16, 0}, {0x1004, SP, 24, 0}}, 2},
	{"pushes and a frame",
	 {{0x1000, SP, 16, 0}, {0x1002, SP, 24, 0}, {0x1009, SP, 536, 0}, {0x100a, SP, 544, 0}},
	 2},
	{"a frame behind eight bytes", {{0x1000, SP, 16, 0}, {0x1008, SP, 80, 0}}, 2},
	{"a frame that is too large", {{0x1000, SP, 16, 0}, {0x1004, SP, 536, 0}}, 2},
	{"a frame of odd size", {{0x1000, SP, 16, 0}, {0x1004, SP, 44, 0}}, 2},
	{"a call's arguments", {{0x1000, SP, 64, 0}, {0x1002, SP, 72, 0}, {0x1004, SP, 80, 0}, {0x1009, SP, 64, 0}}, 1},
	{"rbp among the pushes",
	 {{0x1000, SP, 16, 0}, {0x1001, SP, 24, -24}, {0x1002, SP, 32, -24}, {0x1006, SP, 96, -24}},
	 1},
	{"rbp among the pops",
	 {{0x1000, SP, 32, -24}, {0x1001, SP, 24, -24}, {0x1002, SP, 16, 0}, {0x1003, SP, 8, 0}},
	 1},
	{"rbp is popped but not told", {{0x1000, SP, 24, -16}, {0x1001, SP, 16, -16}, {0x1002, SP, 8, -16}}, 1},
	{"rbp is told too late", {{0x1000, SP, 24, -24}, {0x1001, SP, 16, -24}, {0x1002, SP, 8, 0}}, 2},
	{"rbp is saved elsewhere among the pushes",
	 {{0x1000, SP, 16, 0}, {0x1001, SP, 24, -16}, {0x1002, SP, 32, -16}},
	 2},
	{"another one is saved", {{0x1000, SP, 24, -16}, {0x1001, SP, 32, -24}}, 2},
	{"rbp is stored", {{0x1000, SP, 72, 0}, {0x1005, SP, 72, -16}}, 1},
	{"rbp is no longer stored", {{0x1000, SP, 72, -16}, {0x1005, SP, 72, 0}}, 2},
	{"a frame pointer is made", {{0x1000, SP, 16, -16}, {0x1003, FP, 16, -16}}, 1},
	{"a frame pointer is made, and a push",
	 {{0x1000, SP, 16, -16}, {0x1003, FP, 16, -16}, {0x1004, SP, 24, -16}},
	 2},
	{"a frame pointer that is not where rbp is saved", {{0x1000, SP, 24, -16}, {0x1003, FP, 24, -16}}, 2},
	{"steps from the frame pointer", {{0x1000, FP, 8, 0}, {0x1001, FP, 16, 0}}, 2},
	{"a step to another kind", {{0x1000, SP, 8, 0}, {0x1001, FP, 16, 0}}, 2},
	{"three rows at one offset",
	 {{0x1000, SP, 8, 0}, {0x1004, FP, 8, 0}, {0x1004, SP, 16, 0}, {0x1004, SP, 8, 0}},
	 1},
	{"a step that is replaced", {{0x1000, SP, 8, 0}, {0x1001, SP, 16, 0}, {0x1001, FP, 16, 0}}, 2},
};

static struct plain_rows rows_of_shape(const struct shape *shape)
{
	struct plain_rows rows = {0};

	for (size_t i = 0; i < 8 && shape->rows[i].offset; i++)
		add_row(&rows, shape->rows[i].offset,
			(struct unwind_rule){.cfa = (uint8_t)shape->rows[i].cfa,
					     .fp = shape->rows[i].fp_off ? UNWIND_FP_SAVED : UNWIND_FP_SAME,
					     .cfa_off = shape->rows[i].cfa_off,
					     .fp_off = shape->rows[i].fp_off,
					     .ra_off = -8});
	return rows;
}

static void rows_are_merged_and_folded(void **state)
{
	const struct table_writer_range range = whole(0x1000, 0x3000);

	(void)state;
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		struct plain_rows rows = rows_of_shape(&shapes[i]);
		struct table_bytes bytes;
		struct unwind_table table;

		assert_int_equal(table_bytes_make(&rows, &range, &bytes), 0);
		table = read_table(&bytes);
		if (table.head.n_rows != shapes[i].n_rows + 2)
			fail_msg("%s: %u rows", shapes[i].name, table.head.n_rows - 2);
		assert_same_rules(&rows, &table, 0, 0x3000);
		assert_int_equal(bytes.stats.rows_given, rows.n);
		assert_int_equal(bytes.stats.rows_written, table.head.n_rows);
		assert_int_equal(bytes.stats.bytes, bytes.len);
		table_bytes_release(&bytes);
		free(rows.rows);
	}
}

static void run_ends_31_bytes_behind_its_start(void **state)
{
	const struct table_writer_range range = whole(0, PAGE);
	struct plain_rows rows = {0};
	struct table_bytes bytes;
	struct unwind_table table;

	(void)state;
	for (int32_t i = 0; i < 40; i++)
		add_row(&rows, (uint64_t)i, rule_sp(8 + 8 * i));
	assert_int_equal(table_bytes_make(&rows, &range, &bytes), 0);
	table = read_table(&bytes);
	assert_int_equal(table.head.n_rows, 2);
	assert_int_equal(table.rules[0].steps, 0xfffffffe);
	assert_int_equal(unwind_row_offset(table.rows[1]), 32);
	assert_int_equal(table.rules[1].steps, 0xfe);
	assert_same_rules(&rows, &table, 0, PAGE);
	table_bytes_release(&bytes);
	free(rows.rows);
}

static void run_is_cut_at_the_end_of_its_page(void **state)
{
	const struct table_writer_range range = whole(0, 3 * PAGE);
	struct plain_rows rows = {0};
	struct table_bytes bytes;
	struct unwind_table table;

	(void)state;
	add_row(&rows, PAGE - 2, rule_sp(8));
	add_row(&rows, PAGE - 1, rule_sp(16));
	add_row(&rows, PAGE + 1, rule_sp(24));
	add_row(&rows, PAGE + 2, rule_sp(32));
	assert_int_equal(table_bytes_make(&rows, &range, &bytes), 0);
	table = read_table(&bytes);
	assert_int_equal(table.head.n_pages, 3);
	assert_int_equal(table.pages[0].n_rows, 2);
	assert_int_equal(table.pages[1].n_rows, 2);
	/* The row that continues in the next page has made all its steps. */
	assert_int_equal(unwind_row_offset(table.rows[2]), 0);
	assert_true(same_rule(table.rules[unwind_row_rule(table.rows[2])], rule_sp(16)));
	assert_int_equal(table.pages[2].n_rows, 0);
	assert_true(same_rule(table.rules[table.pages[2].rule], rule_sp(32)));
	assert_int_equal(bytes.stats.constant_pages, 1);
	assert_same_rules(&rows, &table, 0, 3 * PAGE);
	table_bytes_release(&bytes);
	free(rows.rows);
}

static void run_alone_in_its_page_stays_plain(void **state)
{
	const struct table_writer_range range = whole(0, PAGE);
	struct plain_rows rows = {0};
	struct table_bytes bytes;
	struct unwind_table table;

	(void)state;
	add_row(&rows, 0, rule_sp(8));
	add_row(&rows, 2, rule_sp(16));
	add_row(&rows, 3, rule_sp(24));
	assert_int_equal(table_bytes_make(&rows, &range, &bytes), 0);
	table = read_table(&bytes);
	assert_int_equal(table.pages[0].n_rows, 3);
	assert_same_rules(&rows, &table, 0, PAGE);
	table_bytes_release(&bytes);
	free(rows.rows);
}

static void random_tables_say_what_their_rows_said(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 40; seed++) {
		uint64_t first = seed % 4 ? seed * 1000 : seed * PAGE, limit = first + seed * 11000;
		const struct table_writer_range range = whole(first, limit);
		struct plain_rows rows = random_rows(seed, first, limit);
		struct table_bytes bytes;
		struct unwind_table table;

		assert_int_equal(table_bytes_make(&rows, &range, &bytes), 0);
		table = read_table(&bytes);
		assert_int_equal(table.head.first_page, first / PAGE);
		assert_int_equal(table.head.n_pages, (limit - 1) / PAGE - first / PAGE + 1);
		assert_int_equal(table.head.file_pages, table.head.n_pages);
		assert_same_rules(&rows, &table, first / PAGE * PAGE, limit);
		assert_true(bytes.stats.rows_written <= bytes.stats.rows_merged + bytes.stats.pages + 1);
		table_bytes_release(&bytes);
		free(rows.rows);
	}
}

static void windows_say_the_same_as_the_whole(void **state)
{
	const uint64_t file_first = 0x12345, file_limit = 0x12345 + 9 * PAGE;
	struct plain_rows rows = random_rows(7, file_first, file_limit);

	(void)state;
	for (uint64_t at = file_first; at < file_limit; at = (at / PAGE + 4) * PAGE) {
		struct table_writer_range range = {.file_first = file_first, .file_limit = file_limit, .first = at};
		struct table_bytes bytes;
		struct unwind_table table;

		range.limit = (at / PAGE + 4) * PAGE < file_limit ? (at / PAGE + 4) * PAGE : file_limit;
		assert_int_equal(table_bytes_make(&rows, &range, &bytes), 0);
		table = read_table(&bytes);
		assert_int_equal(table.head.first_page, at / PAGE);
		assert_int_equal(table.head.file_first_page, file_first / PAGE);
		assert_int_equal(table.head.file_pages, 10);
		assert_same_rules(&rows, &table, at, range.limit);
		table_bytes_release(&bytes);
	}
	free(rows.rows);
}

static void code_without_rows_has_no_rule(void **state)
{
	const struct table_writer_range range = whole(0x500, 2 * PAGE + 0x1000);
	struct plain_rows rows = {0};
	struct table_bytes bytes;
	struct unwind_table table;

	(void)state;
	assert_int_equal(table_bytes_make(&rows, &range, &bytes), 0);
	table = read_table(&bytes);
	assert_int_equal(table.head.n_pages, 3);
	assert_int_equal(table.head.n_rows, 0);
	assert_int_equal(table.head.n_rules, 1);
	add_row(&rows, 0x600, rule_sp(8));
	table_bytes_release(&bytes);
	assert_int_equal(table_bytes_make(&rows, &range, &bytes), 0);
	table = read_table(&bytes);
	assert_same_rules(&rows, &table, 0, 2 * PAGE + 0x1000);
	/* Nor has what lies behind the code. */
	add_row(&rows, 2 * PAGE + 0x1000, rule_bare(UNWIND_CFA_NONE));
	assert_same_rules(&rows, &table, 0, 3 * PAGE);
	table_bytes_release(&bytes);
	free(rows.rows);
}

static void ranges_are_whole_pages(void **state)
{
	static const struct {
		struct table_writer_range range;
		int err;
	} cases[] = {
		{{0, 1, 0, 1}, 0},
		{{0x123, 0x9999999, PAGE, 2 * PAGE}, 0},
		{{0x123, 0x99999, 0x123, PAGE}, 0},
		{{0x123, 0x99999, PAGE, 0x99999}, 0},
		{{0, (uint64_t)UNWIND_MAX_PAGES * PAGE, 0, PAGE}, 0},
		{{0x99999, 0x123, 0x99999, 0x123}, -EINVAL},
		{{0x123, 0x123, 0x123, 0x123}, -EINVAL},
		{{0x123, 0x99999, 0x122, PAGE}, -EINVAL},
		{{0x123, 0x99999, PAGE, PAGE}, -EINVAL},
		{{0x123, 0x99999, PAGE, 0x9999a}, -EINVAL},
		{{0x123, 0x99999, 0x124, PAGE}, -EINVAL},
		{{0x123, 0x99999, PAGE, PAGE + 1}, -EINVAL},
		{{0, (uint64_t)UNWIND_MAX_PAGES * PAGE + 1, 0, PAGE}, -E2BIG},
		{{UINT64_MAX - PAGE, UINT64_MAX, UINT64_MAX - PAGE, UINT64_MAX}, -E2BIG},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct table_writer *writer = NULL;

		assert_int_equal(table_writer_new(EM_X86_64, &cases[i].range, &writer), cases[i].err);
		table_writer_free(writer);
	}
}

static void rows_out_of_order_or_unknown_to_the_walk_are_refused(void **state)
{
	const struct table_writer_range range = whole(0x1000, PAGE);
	struct unwind_rule stepped, unknown = {.cfa = UNWIND_CFA_COUNT};
	struct plain_rows rows = {0};
	struct table_bytes bytes;

	(void)state;
	add_row(&rows, 0x2000, rule_sp(8));
	add_row(&rows, 0x1fff, rule_sp(16));
	assert_int_equal(table_bytes_make(&rows, &range, &bytes), -EINVAL);
	stepped = (struct unwind_rule){.cfa = UNWIND_CFA_FOLDED, .cfa_off = 8, .steps = 2};
	rows.rows[1] = (struct plain_row){.file_off = 0x3000, .rule = stepped};
	assert_int_equal(table_bytes_make(&rows, &range, &bytes), -EINVAL);
	rows.rows[1].rule = unknown;
	assert_int_equal(table_bytes_make(&rows, &range, &bytes), -EINVAL);
	/* The distance between these does not fit into an int. */
	rows.rows[0].rule = rule_sp(INT32_MIN);
	rows.rows[1].rule = rule_sp(INT32_MAX);
	assert_int_equal(table_bytes_make(&rows, &range, &bytes), -EINVAL);
	free(rows.rows);
}

static void more_rules_than_rows_can_name_are_refused(void **state)
{
	struct plain_rows rows = {0};
	const struct table_writer_range range = whole(0, 32 * PAGE);
	struct table_bytes bytes;

	(void)state;
	for (uint32_t i = 0; i < UNWIND_MAX_RULES; i++)
		add_row(&rows, 16 * i, rule_sp((int32_t)i * 16));
	assert_int_equal(table_bytes_make(&rows, &range, &bytes), 0);
	assert_int_equal(bytes.stats.rules, UNWIND_MAX_RULES);
	table_bytes_release(&bytes);
	add_row(&rows, 31 * PAGE, rule_sp(1));
	assert_int_equal(table_bytes_make(&rows, &range, &bytes), -ENOSPC);
	free(rows.rows);
}

static void failing_write_is_told(void **state)
{
	const struct table_writer_range range = whole(0, PAGE);
	struct table_writer *writer = NULL;
	struct table_writer_stats stats;
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(table_writer_new(EM_X86_64, &range, &writer), 0);
	assert_int_equal(table_writer_finish(writer, fd, &stats), -ENOSPC);
	table_writer_free(writer);
	close(fd);
}

static void lack_of_memory_is_told(void **state)
{
	const struct table_writer_range range = whole(0, 4 * PAGE);
	struct plain_rows rows = random_rows(3, 0, 4 * PAGE);

	(void)state;
	for (unsigned long nth = 1; nth <= 6; nth++) {
		struct table_bytes bytes;

		oom_fail_at(nth);
		assert_int_equal(table_bytes_make(&rows, &range, &bytes), -ENOMEM);
		oom_fail_at(0);
	}
	free(rows.rows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_merged_and_folded),
		cmocka_unit_test(run_ends_31_bytes_behind_its_start),
		cmocka_unit_test(run_is_cut_at_the_end_of_its_page),
		cmocka_unit_test(run_alone_in_its_page_stays_plain),
		cmocka_unit_test(random_tables_say_what_their_rows_said),
		cmocka_unit_test(windows_say_the_same_as_the_whole),
		cmocka_unit_test(code_without_rows_has_no_rule),
		cmocka_unit_test(ranges_are_whole_pages),
		cmocka_unit_test(rows_out_of_order_or_unknown_to_the_walk_are_refused),
		cmocka_unit_test(more_rules_than_rows_can_name_are_refused),
		cmocka_unit_test(failing_write_is_told),
		cmocka_unit_test(lack_of_memory_is_told),
	};

	return cmocka_run_group_tests_name("table_writer", tests, NULL, NULL);
}
