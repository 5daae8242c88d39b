/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>

#include "symbol/code_ranges.h"

#define SPACE 4096

static uint32_t code_at(const struct code_ranges *ranges, uint64_t address)
{
	const struct code_range *range = code_ranges_find(ranges, address);

	return range ? range->code : 0;
}

static void later_code_wins_where_it_lies(void **state)
{
	struct code_ranges ranges;

	(void)state;
	code_ranges_init(&ranges, 1u << 20);
	assert_int_equal(code_ranges_add(&ranges, 100, 100, 1), 0);
	assert_int_equal(code_ranges_add(&ranges, 140, 20, 2), 0);
	assert_int_equal(code_ranges_settle(&ranges), 0);
	assert_int_equal(code_ranges_add(&ranges, 190, 20, 3), 0);
	assert_int_equal(code_ranges_settle(&ranges), 0);
	assert_int_equal(code_at(&ranges, 99), 0);
	assert_int_equal(code_at(&ranges, 100), 1);
	assert_int_equal(code_at(&ranges, 139), 1);
	assert_int_equal(code_at(&ranges, 140), 2);
	assert_int_equal(code_at(&ranges, 159), 2);
	assert_int_equal(code_at(&ranges, 160), 1);
	assert_int_equal(code_at(&ranges, 190), 3);
	assert_int_equal(code_at(&ranges, 209), 3);
	assert_int_equal(code_at(&ranges, 210), 0);
	code_ranges_release(&ranges);
}

/* Against an array with the code of each address. */
static void any_order_gives_the_last_code_of_each_address(void **state)
{
	static uint32_t wanted[SPACE];
	struct code_ranges ranges;
	uint32_t random = 7;

	(void)state;
	code_ranges_init(&ranges, 1u << 20);
	for (uint32_t i = 1; i <= 20000; i++) {
		uint32_t start = (random = random * 1664525 + 1013904223) >> 8, size = (random >> 4) % 60 + 1;

		start %= SPACE - 64;
		assert_int_equal(code_ranges_add(&ranges, start, size, i), 0);
		for (uint32_t at = start; at < start + size; at++)
			wanted[at] = i;
		if (i % 997 == 0)
			assert_int_equal(code_ranges_settle(&ranges), 0);
	}
	assert_int_equal(code_ranges_settle(&ranges), 0);
	for (uint32_t at = 0; at < SPACE; at++)
		assert_int_equal(code_at(&ranges, at), wanted[at]);
	code_ranges_release(&ranges);
}

static void what_is_no_range_is_refused(void **state)
{
	static const struct {
		uint64_t start, size;
		int err;
	} cases[] = {
		{100, 0, -EINVAL},
		{100, 1ull << 63, -EINVAL},
		{UINT64_MAX - 1, 2, -EINVAL},
		{100, CODE_RANGE_MAX_BYTES + 1ull, -EINVAL},
		{UINT64_MAX - 2, 2, 0},
		{100, CODE_RANGE_MAX_BYTES, 0},
	};
	struct code_ranges ranges;

	(void)state;
	code_ranges_init(&ranges, 1u << 20);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(code_ranges_add(&ranges, cases[i].start, cases[i].size, 1), cases[i].err);
	assert_int_equal(code_ranges_settle(&ranges), 0);
	assert_int_equal(code_at(&ranges, UINT64_MAX), 0);
	assert_int_equal(code_at(&ranges, UINT64_MAX - 1), 1);
	code_ranges_release(&ranges);
}

static void memory_stays_below_the_limit(void **state)
{
	struct code_ranges ranges;
	int err = 0;

	(void)state;
	code_ranges_init(&ranges, 1u << 20);
	for (uint32_t i = 0; i < 1000000 && !err; i++)
		err = code_ranges_add(&ranges, i * 16ull, 16, i);
	assert_int_equal(err, -E2BIG);
	assert_true(code_ranges_memory_bytes(&ranges) <= 1u << 20);
	assert_int_equal(code_ranges_settle(&ranges), 0);
	assert_int_equal(code_at(&ranges, 16), 1);
	code_ranges_release(&ranges);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(later_code_wins_where_it_lies),
		cmocka_unit_test(any_order_gives_the_last_code_of_each_address),
		cmocka_unit_test(what_is_no_range_is_refused),
		cmocka_unit_test(memory_stays_below_the_limit),
	};

	return cmocka_run_group_tests_name("code_ranges", tests, NULL, NULL);
}
