/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>

#include "collector/stack_store.h"
#include "oom.h"

static struct stack_store *store_new(size_t limit)
{
	struct stack_store *store = NULL;

	assert_int_equal(stack_store_new(limit, &store), 0);
	return store;
}

static uint32_t add(struct stack_store *store, const uint64_t *words, uint16_t n, uint8_t end, uint8_t is_kernel)
{
	const struct stored_stack stack = {.words = words, .n = n, .end = end, .is_kernel = is_kernel};
	uint32_t id = STACK_NONE;

	assert_int_equal(stack_store_add_stack(store, &stack, &id), 0);
	return id;
}

static void equal_stacks_are_one(void **state)
{
	static const uint64_t a[] = {1, 2, 3}, b[] = {1, 2, 4};
	struct stack_store *store = store_new(1 << 20);

	(void)state;
	for (int round = 0; round < 2; round++) {
		assert_int_equal(add(store, a, 3, 0, 0), 0);
		assert_int_equal(add(store, b, 3, 0, 0), 1);
		assert_int_equal(add(store, a, 2, 0, 0), 2);
		assert_int_equal(add(store, a, 3, 1, 0), 3); /* ends otherwise */
		assert_int_equal(add(store, a, 3, 0, 1), 4); /* of the kernel */
		assert_int_equal(add(store, NULL, 0, 0, 0), 5);
		assert_int_equal(add(store, NULL, 0, 1, 0), 6);
	}
	assert_int_equal(stack_store_stacks(store), 7);
	assert_memory_equal(stack_store_stack(store, 1).words, b, sizeof(b));
	assert_int_equal(stack_store_stack(store, 2).n, 2);
	assert_int_equal(stack_store_stack(store, 3).end, 1);
	assert_int_equal(stack_store_stack(store, 4).is_kernel, 1);
	assert_int_equal(stack_store_stack(store, 5).n, 0);
	stack_store_free(store);
}

static void many_stacks_keep_their_words(void **state)
{
	enum { COUNT = 20000 };
	struct stack_store *store = store_new(64 << 20);
	uint64_t words[200];

	(void)state;
	for (uint32_t i = 0; i < COUNT; i++) {
		for (uint32_t k = 0; k < 200; k++)
			words[k] = (uint64_t)i << 32 | k;
		assert_int_equal(add(store, words, (uint16_t)(i % 200 + 1), 0, 0), i);
	}
	for (uint32_t i = 0; i < COUNT; i++) {
		const struct stored_stack stack = stack_store_stack(store, i);

		assert_int_equal(stack.n, i % 200 + 1);
		for (uint16_t k = 0; k < stack.n; k++)
			assert_int_equal(stack.words[k], (uint64_t)i << 32 | k);
	}
	stack_store_free(store);
}

static void samples_of_one_key_add_up_in_order_of_first_appearance(void **state)
{
	struct stack_store *store = store_new(1 << 20);
	const struct stored_sample *samples;
	struct sample_key keys[7];
	size_t n;

	(void)state;
	memset(keys, 0, sizeof(keys));
	for (size_t i = 0; i < 7; i++)
		keys[i].kernel_stack = STACK_NONE;
	keys[1].user_stack = 1;
	keys[2].kernel_stack = 1;
	keys[3].tid = 1;
	keys[4].source = 1;
	keys[5].cpu = 1;
	keys[6].process = (struct process *)&keys;
	for (uint64_t round = 1; round <= 3; round++) {
		for (size_t i = 7; i-- > 0;)
			assert_int_equal(stack_store_count(store, &keys[i], round, 10 * i), 0);
	}
	samples = stack_store_samples(store, &n);
	assert_int_equal(n, 7);
	for (size_t i = 0; i < 7; i++) {
		assert_memory_equal(&samples[i].key, &keys[6 - i], sizeof(keys[0]));
		assert_int_equal(samples[i].count, 6);
		assert_int_equal(samples[i].weight, 30 * (6 - i));
	}
	stack_store_free(store);
}

static void bytes_behind_the_end_of_a_thread_name_do_not_count(void **state)
{
	struct stack_store *store = store_new(1 << 20);
	struct sample_key key;
	size_t n;

	(void)state;
	memset(&key, 0, sizeof(key));
	memcpy(key.thread_comm, "io\0old name", 12);
	assert_int_equal(stack_store_count(store, &key, 1, 1), 0);
	memcpy(key.thread_comm, "io\0other name", 14);
	assert_int_equal(stack_store_count(store, &key, 1, 1), 0);
	assert_int_equal(stack_store_samples(store, &n)->count, 2);
	assert_int_equal(n, 1);
	memcpy(key.thread_comm, "sixteen bytes ab", 16);
	assert_int_equal(stack_store_count(store, &key, 1, 1), 0);
	assert_memory_equal(stack_store_samples(store, &n)[1].key.thread_comm, "sixteen bytes ab", 16);
	assert_int_equal(n, 2);
	stack_store_free(store);
}

static void memory_stays_below_the_limit_and_what_is_known_still_counts(void **state)
{
	static const size_t limits[] = {100 << 10, 1 << 20, 5 << 20};

	(void)state;
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		struct stack_store *store = store_new(limits[i]);
		struct sample_key key;
		uint64_t words[30] = {0};
		struct stored_stack stack = {.words = words, .n = 30};
		uint32_t id = STACK_NONE, last = STACK_NONE;
		size_t used = 0, n;
		int err = 0;

		memset(&key, 0, sizeof(key));
		while (!err) {
			words[7]++;
			last = id;
			err = stack_store_add_stack(store, &stack, &id);
			assert_true(stack_store_memory_bytes(store) <= limits[i]);
			if (!err) {
				key.user_stack = id;
				err = stack_store_count(store, &key, 1, 1);
				assert_true(stack_store_memory_bytes(store) <= limits[i]);
			}
		}
		assert_int_equal(err, -E2BIG);
		used = stack_store_memory_bytes(store);
		assert_true(used > limits[i] / 3); /* the limit is no excuse for keeping little */
		words[7] = 1;
		assert_int_equal(stack_store_add_stack(store, &stack, &id), 0);
		assert_int_equal(id, 0);
		key.user_stack = 0;
		assert_int_equal(stack_store_count(store, &key, 1, 1), 0);
		assert_int_equal(stack_store_samples(store, &n)->count, 2);
		assert_true(last != STACK_NONE);
		stack_store_free(store);
	}
}

static void stack_longer_than_any_is_refused(void **state)
{
	struct stack_store *store = store_new(64 << 20);
	uint64_t *words = calloc(UINT16_MAX, sizeof(*words));
	const struct stored_stack stack = {.words = words, .n = UINT16_MAX};
	uint32_t id = 77;

	(void)state;
	assert_non_null(words);
	assert_int_equal(stack_store_add_stack(store, &stack, &id), -E2BIG);
	assert_int_equal(id, 77);
	free(words);
	stack_store_free(store);
}

static void failing_allocations_refuse_one_entry_only(void **state)
{
	static const uint64_t words[] = {1, 2, 3};

	(void)state;
	for (unsigned long nth = 1; nth <= 20; nth++) {
		const struct stored_stack stack = {.words = words, .n = 3};
		struct stack_store *store = NULL;
		struct sample_key key;
		uint32_t id = STACK_NONE;
		size_t n;
		int err;

		memset(&key, 0, sizeof(key));
		oom_fail_at(nth);
		if (!stack_store_new(1 << 20, &store)) {
			err = stack_store_add_stack(store, &stack, &id);
			assert_int_equal(stack_store_stacks(store), err ? 0 : 1);
			err = stack_store_count(store, &key, 1, 1);
			stack_store_samples(store, &n);
			assert_int_equal(n, err ? 0 : 1);
			oom_fail_at(0);
			assert_int_equal(stack_store_add_stack(store, &stack, &id), 0);
			assert_int_equal(id, 0);
			assert_int_equal(stack_store_count(store, &key, 1, 1), 0);
			assert_int_equal(stack_store_samples(store, &n)->count, err ? 1 : 2);
			stack_store_free(store);
		}
		oom_fail_at(0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_stacks_are_one),
		cmocka_unit_test(many_stacks_keep_their_words),
		cmocka_unit_test(samples_of_one_key_add_up_in_order_of_first_appearance),
		cmocka_unit_test(bytes_behind_the_end_of_a_thread_name_do_not_count),
		cmocka_unit_test(memory_stays_below_the_limit_and_what_is_known_still_counts),
		cmocka_unit_test(stack_longer_than_any_is_refused),
		cmocka_unit_test(failing_allocations_refuse_one_entry_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
