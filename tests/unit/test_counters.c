/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/counters.h"

static void every_counter_has_its_own_name_and_a_help(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < COUNTER_COUNT; i++) {
		assert_true(strlen(counter_name(i)) > 0);
		assert_true(strlen(counter_help(i)) > 0);
		for (unsigned int other = 0; other < i; other++)
			assert_string_not_equal(counter_name(i), counter_name(other));
	}
}

/* They become metric names: [a-z][a-z0-9_]* */
static void names_are_metric_names(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < COUNTER_COUNT; i++) {
		const char *name = counter_name(i);

		assert_in_range(name[0], 'a', 'z');
		assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_"), strlen(name));
	}
}

static void counts_add_up(void **state)
{
	(void)state;
	assert_int_equal(counters[COUNTER_registry_mappings_dropped], 0);
	count(COUNTER_registry_mappings_dropped);
	count_n(COUNTER_registry_mappings_dropped, 41);
	assert_int_equal(counters[COUNTER_registry_mappings_dropped], 42);
	assert_string_equal(counter_name(COUNTER_registry_mappings_dropped), "registry_mappings_dropped");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_counter_has_its_own_name_and_a_help),
		cmocka_unit_test(names_are_metric_names),
		cmocka_unit_test(counts_add_up),
	};

	return cmocka_run_group_tests_name("counters", tests, NULL, NULL);
}
