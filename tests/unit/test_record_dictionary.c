/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>

#include "collector/record_dictionary.h"

static struct stack_record *make_stack(uint64_t hash, uint16_t words)
{
	struct stack_record *record = calloc(1, sizeof(*record) + words * sizeof(uint64_t));

	record->kind = RECORD_USER_STACK;
	record->hash = hash;
	record->words = words;
	for (uint16_t i = 0; i < words; i++)
		record->frames[i] = hash + i;
	return record;
}

static void add_stack(struct record_dictionary *dictionary, uint64_t hash, uint16_t words, int expected)
{
	struct stack_record *record = make_stack(hash, words);

	assert_int_equal(record_dictionary_add_stack(dictionary, record), expected);
	free(record);
}

static void a_stack_is_found_with_all_its_words(void **state)
{
	const struct stack_record *found;
	struct record_dictionary *dictionary;

	(void)state;
	assert_int_equal(record_dictionary_new(1 << 24, &dictionary), 0);
	for (uint16_t i = 1; i <= MAX_USER_FRAMES; i++)
		add_stack(dictionary, i, i, 0);
	for (uint16_t i = 1; i <= MAX_USER_FRAMES; i++) {
		found = record_dictionary_stack(dictionary, i);
		assert_non_null(found);
		assert_int_equal(found->words, i);
		assert_int_equal(found->frames[i - 1], 2 * i - 1);
	}
	assert_null(record_dictionary_stack(dictionary, MAX_USER_FRAMES + 1));
	record_dictionary_free(dictionary);
}

static void a_process_is_no_stack(void **state)
{
	const struct process_record process = {.kind = RECORD_PROCESS, .hash = 5, .tgid = 77};
	struct record_dictionary *dictionary;

	(void)state;
	assert_int_equal(record_dictionary_new(1 << 20, &dictionary), 0);
	assert_int_equal(record_dictionary_add_process(dictionary, &process), 0);
	add_stack(dictionary, 6, 1, 0);
	assert_null(record_dictionary_stack(dictionary, 5));
	assert_null(record_dictionary_process(dictionary, 6));
	assert_int_equal(record_dictionary_process(dictionary, 5)->tgid, 77);
	record_dictionary_free(dictionary);
}

static void an_entry_lives_for_two_epochs(void **state)
{
	struct record_dictionary *dictionary;

	(void)state;
	assert_int_equal(record_dictionary_new(1 << 24, &dictionary), 0);
	add_stack(dictionary, 1, 3, 0);
	record_dictionary_next_epoch(dictionary);
	assert_non_null(record_dictionary_stack(dictionary, 1));
	record_dictionary_next_epoch(dictionary);
	assert_null(record_dictionary_stack(dictionary, 1));
	assert_int_equal(record_dictionary_memory_bytes(dictionary), 0);
	record_dictionary_free(dictionary);
}

static void the_limit_is_kept_and_ends_with_the_epoch(void **state)
{
	struct record_dictionary *dictionary;
	uint64_t hash = 1;

	(void)state;
	assert_int_equal(record_dictionary_new(1 << 20, &dictionary), 0);
	for (int err = 0; !err; hash++) {
		struct stack_record *record = make_stack(hash, MAX_USER_FRAMES);

		err = record_dictionary_add_stack(dictionary, record);
		free(record);
		assert_true(!err || err == -E2BIG);
		assert_true(hash < 1000);
	}
	assert_true(hash > 150);
	assert_true(record_dictionary_memory_bytes(dictionary) <= 1 << 20);
	record_dictionary_next_epoch(dictionary);
	record_dictionary_next_epoch(dictionary);
	add_stack(dictionary, 1, MAX_USER_FRAMES, 0);
	record_dictionary_free(dictionary);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stack_is_found_with_all_its_words),
		cmocka_unit_test(a_process_is_no_stack),
		cmocka_unit_test(an_entry_lives_for_two_epochs),
		cmocka_unit_test(the_limit_is_kept_and_ends_with_the_epoch),
	};

	return cmocka_run_group_tests_name("record_dictionary", tests, NULL, NULL);
}
