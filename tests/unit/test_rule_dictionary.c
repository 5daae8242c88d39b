/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>

#include "oom.h"
#include "table/rule_dictionary.h"

#define GRACE UNWIND_GRACE_NS

static struct unwind_rule rules[UNWIND_MAX_RULES];

static struct unwind_rule rule_number(uint32_t number)
{
	return (struct unwind_rule){.cfa = UNWIND_CFA_SP, .cfa_off = (int32_t)number};
}

static int ref_number(struct rule_dictionary *dictionary, uint32_t number, uint64_t now_ns, uint16_t *ret)
{
	const struct unwind_rule rule = rule_number(number);

	return rule_dictionary_ref(dictionary, &rule, now_ns, ret);
}

static uint16_t ref(struct rule_dictionary *dictionary, uint32_t number, uint64_t now_ns)
{
	const struct unwind_rule rule = rule_number(number);
	uint16_t index = 0;

	assert_int_equal(ref_number(dictionary, number, now_ns, &index), 0);
	assert_memory_equal(&rules[index], &rule, sizeof(rule));
	return index;
}

static void equal_rules_have_one_index(void **state)
{
	struct rule_dictionary dictionary;

	(void)state;
	rule_dictionary_init(&dictionary, rules);
	for (uint32_t round = 0; round < 3; round++)
		for (uint32_t number = 0; number < 100; number++)
			assert_int_equal(ref(&dictionary, number, 0), number);
	assert_int_equal(dictionary.in_use, 100);
	for (uint16_t round = 0; round < 3; round++) {
		rule_dictionary_unref(&dictionary, 7, 0);
		assert_int_equal(dictionary.in_use, round == 2 ? 99 : 100);
	}
	rule_dictionary_release(&dictionary);
}

static void unused_index_is_taken_by_another_rule_when_it_has_aged(void **state)
{
	struct rule_dictionary dictionary;

	(void)state;
	rule_dictionary_init(&dictionary, rules);
	for (uint32_t number = 0; number < 4; number++)
		ref(&dictionary, number, 0);
	rule_dictionary_unref(&dictionary, 2, 5 * GRACE);
	rule_dictionary_unref(&dictionary, 1, 5 * GRACE + 1);
	assert_int_equal(ref(&dictionary, 10, 6 * GRACE - 1), 4);
	assert_int_equal(ref(&dictionary, 11, 6 * GRACE), 2);
	assert_int_equal(ref(&dictionary, 12, 6 * GRACE), 5);
	assert_int_equal(ref(&dictionary, 13, 6 * GRACE + 1), 1);
	/* Those that were replaced are new ones. */
	assert_int_equal(ref(&dictionary, 2, 9 * GRACE), 6);
	rule_dictionary_release(&dictionary);
}

static void unused_rule_that_is_wanted_again_is_the_same(void **state)
{
	static const uint16_t again[] = {2, 4, 0}; /* the middle, the end and the start of the list of unused ones */
	struct rule_dictionary dictionary;

	(void)state;
	rule_dictionary_init(&dictionary, rules);
	for (uint32_t number = 0; number < 5; number++)
		ref(&dictionary, number, 0);
	for (uint16_t index = 0; index < 5; index++)
		rule_dictionary_unref(&dictionary, index, GRACE);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(ref(&dictionary, again[i], 9 * GRACE), again[i]);
	assert_int_equal(ref(&dictionary, 10, 9 * GRACE), 1);
	assert_int_equal(ref(&dictionary, 11, 9 * GRACE), 3);
	assert_int_equal(ref(&dictionary, 12, 9 * GRACE), 5);
	assert_int_equal(dictionary.in_use, 6);
	rule_dictionary_release(&dictionary);
}

static void rule_that_was_given_back_need_not_age(void **state)
{
	struct rule_dictionary dictionary;

	(void)state;
	rule_dictionary_init(&dictionary, rules);
	ref(&dictionary, 0, 0);
	ref(&dictionary, 1, 0);
	rule_dictionary_unref(&dictionary, 0, 5 * GRACE);
	rule_dictionary_give_back(&dictionary, ref(&dictionary, 2, 5 * GRACE));
	assert_int_equal(ref(&dictionary, 3, 5 * GRACE), 2);
	/* But one that readers have seen before must. */
	rule_dictionary_give_back(&dictionary, ref(&dictionary, 0, 5 * GRACE));
	assert_int_equal(ref(&dictionary, 4, 6 * GRACE - 1), 3);
	assert_int_equal(ref(&dictionary, 5, 6 * GRACE), 0);
	/* And one that others refer to stays. */
	rule_dictionary_give_back(&dictionary, ref(&dictionary, 1, 6 * GRACE));
	assert_int_equal(ref(&dictionary, 6, 9 * GRACE), 4);
	assert_int_equal(ref(&dictionary, 1, 9 * GRACE), 1);
	rule_dictionary_release(&dictionary);
}

static void full_dictionary_says_whether_waiting_helps(void **state)
{
	struct rule_dictionary dictionary;
	uint16_t index = 77;

	(void)state;
	rule_dictionary_init(&dictionary, rules);
	for (uint32_t number = 0; number < UNWIND_MAX_RULES; number++)
		ref(&dictionary, number, 0);
	assert_int_equal(ref_number(&dictionary, UNWIND_MAX_RULES, 0, &index), -ENOSPC);
	rule_dictionary_unref(&dictionary, 40000, GRACE);
	assert_int_equal(ref_number(&dictionary, UNWIND_MAX_RULES, 2 * GRACE - 1, &index), -EAGAIN);
	assert_int_equal(index, 77);
	assert_int_equal(ref(&dictionary, UNWIND_MAX_RULES, 2 * GRACE), 40000);
	assert_int_equal(dictionary.in_use, UNWIND_MAX_RULES);
	assert_int_equal(ref(&dictionary, 12345, 0), 12345);
	rule_dictionary_release(&dictionary);
}

static void lack_of_memory_adds_nothing(void **state)
{
	(void)state;
	for (unsigned long nth = 1; nth <= 12; nth++) {
		struct rule_dictionary dictionary;

		rule_dictionary_init(&dictionary, rules);
		oom_fail_at(nth);
		for (uint32_t number = 0; number < 50; number++) {
			uint16_t index;
			int err = ref_number(&dictionary, number, 0, &index);

			assert_true(!err || err == -ENOMEM);
			assert_int_equal(err ? ref(&dictionary, number, 0) : index, number);
		}
		oom_fail_at(0);
		assert_int_equal(dictionary.in_use, 50);
		rule_dictionary_release(&dictionary);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_rules_have_one_index),
		cmocka_unit_test(unused_index_is_taken_by_another_rule_when_it_has_aged),
		cmocka_unit_test(unused_rule_that_is_wanted_again_is_the_same),
		cmocka_unit_test(rule_that_was_given_back_need_not_age),
		cmocka_unit_test(full_dictionary_says_whether_waiting_helps),
		cmocka_unit_test(lack_of_memory_adds_nothing),
	};

	return cmocka_run_group_tests_name("rule_dictionary", tests, NULL, NULL);
}
