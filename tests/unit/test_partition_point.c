/* SPDX-License-Identifier: Apache-2.0 */
#include "base/partition_point.h"

#include "test.h"

static const int sorted[] = {1, 3, 3, 5, 8};

/* Each number of items, each place between two of them. */
static void it_counts_what_meets_the_condition(void **state)
{
	(void)state;
	for (size_t n = 0; n <= sizeof(sorted) / sizeof(*sorted); n++) {
		for (int limit = 0; limit < 10; limit++) {
			size_t expected = 0;

			while (expected < n && sorted[expected] <= limit)
				expected++;
			assert_int_equal(partition_point(n, i, sorted[i] <= limit), expected);
		}
	}
}

static void it_asks_of_no_item_that_is_not_there(void **state)
{
	size_t asked = 0;

	(void)state;
	assert_int_equal(partition_point(0, i, asked++ + i), 0);
	assert_int_equal(asked, 0);
}

/* As many questions as the number has binary digits. */
static void its_questions_are_few(void **state)
{
	size_t asked = 0;

	(void)state;
	assert_int_equal(partition_point(1000000, i, (asked++, i < 777777)), 777777);
	assert_in_range(asked, 1, 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_counts_what_meets_the_condition),
		cmocka_unit_test(it_asks_of_no_item_that_is_not_there),
		cmocka_unit_test(its_questions_are_few),
	};

	return cmocka_run_group_tests_name("partition_point", tests, NULL, NULL);
}
