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
		assert_int_equal(add(store, a, 3, 0, 0), 1);
		assert_int_equal(add(store, b, 3, 0, 0), 2);
		assert_int_equal(add(store, a, 2, 0, 0), 3);
		assert_int_equal(add(store, a, 3, 1, 0), 4); /* ends otherwise */
		assert_int_equal(add(store, a, 3, 0, 1), 5); /* of the kernel */
		assert_int_equal(add(store, NULL, 0, 0, 0), 6);
		assert_int_equal(add(store, NULL, 0, 1, 0), 7);
		assert_int_equal(add(store, NULL, 0, UNWIND_END_OVER_BUDGET, 0), STACK_FOLDED);
	}
	assert_int_equal(stack_store_stacks(store), 8);
	assert_memory_equal(stack_store_stack(store, 2).words, b, sizeof(b));
	assert_int_equal(stack_store_stack(store, 3).n, 2);
	assert_int_equal(stack_store_stack(store, 4).end, 1);
	assert_int_equal(stack_store_stack(store, 5).is_kernel, 1);
	assert_int_equal(stack_store_stack(store, 6).n, 0);
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
		assert_int_equal(add(store, words, (uint16_t)(i % 200 + 1), 0, 0), i + 1);
	}
	for (uint32_t i = 0; i < COUNT; i++) {
		const struct stored_stack stack = stack_store_stack(store, i + 1);

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
	keys[1].user_stack = add(store, (const uint64_t[]){1}, 1, 0, 0);
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

struct process; /* any pointer will do */

static struct sample_key key_of(const void *process, uint32_t user_stack)
{
	struct sample_key key;

	memset(&key, 0, sizeof(key));
	key.process = (struct process *)process;
	key.user_stack = user_stack;
	key.kernel_stack = STACK_NONE;
	return key;
}

static int count_one(struct stack_store *store, const void *process, uint32_t user_stack, uint64_t n, uint64_t weight)
{
	const struct sample_key key = key_of(process, user_stack);

	return stack_store_count(store, &key, n, weight);
}

static uint64_t count_of(const struct stack_store *store, uint32_t user_stack)
{
	const struct stored_sample *samples;
	uint64_t sum = 0;
	size_t n;

	samples = stack_store_samples(store, &n);
	for (size_t i = 0; i < n; i++)
		if (samples[i].key.user_stack == user_stack)
			sum += samples[i].count;
	return sum;
}

static uint64_t count_of_all(const struct stack_store *store)
{
	const struct stored_sample *samples;
	uint64_t sum = 0;
	size_t n;

	samples = stack_store_samples(store, &n);
	for (size_t i = 0; i < n; i++)
		sum += samples[i].count;
	return sum;
}

/* Many times what the store can hold, of two processes; a hot stack among them, which comes late. */
static void full_store_folds_what_is_rare_and_loses_no_sample(void **state)
{
	static const size_t limits[] = {100 << 10, 1 << 20, 5 << 20};
	static const uint64_t hot_words[] = {7, 8, 9};

	(void)state;
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		struct stack_store *store = store_new(limits[i]);
		uint32_t n = (uint32_t)(limits[i] / 60), hot = STACK_NONE;
		uint64_t words[30] = {0}, hot_count = 0;
		size_t most = 0;

		for (uint32_t round = 0; round < n; round++) {
			const struct sample_key key =
				key_of(round % 2 ? words : hot_words, add(store, words, 30, UNWIND_END_ROOT, 0));

			assert_int_equal(stack_store_count(store, &key, 1, 10), 0);
			words[7]++;
			if (round > n / 2 && round % 2) {
				hot = add(store, hot_words, 3, UNWIND_END_ROOT, 0);
				assert_int_equal(count_one(store, words, hot, 1, 10), 0);
				hot_count++;
			}
			assert_true(stack_store_memory_bytes(store) <= limits[i]);
			if (stack_store_memory_bytes(store) > most)
				most = stack_store_memory_bytes(store);
		}
		assert_true(most > limits[i] / 3); /* the limit is no excuse for keeping little */
		assert_int_equal(count_of_all(store), n + hot_count);
		assert_int_equal(count_of(store, hot), hot_count);
		assert_true(count_of(store, STACK_FOLDED) > n / 2);
		assert_int_equal(stack_store_folded(store)[UNWIND_END_ROOT], count_of(store, STACK_FOLDED));
		assert_int_equal(stack_store_stack(store, STACK_FOLDED).end, UNWIND_END_OVER_BUDGET);
		stack_store_free(store);
	}
}

/* What is left of a store of which half was folded is found as before. */
static void stacks_that_stay_keep_their_ids_and_words(void **state)
{
	enum { KEPT = 50 };
	struct stack_store *store = store_new(200 << 10);
	uint64_t words[30] = {0};
	uint32_t ids[KEPT], kernel;

	(void)state;
	kernel = add(store, (const uint64_t[]){1, 2}, 2, 0, 1);
	for (uint32_t i = 0; i < KEPT; i++) {
		words[0] = i + 1;
		ids[i] = add(store, words, 30, 0, 0);
		assert_int_equal(count_one(store, NULL, ids[i], 100, 1), 0);
	}
	for (words[0] = KEPT + 1; words[0] < 5000; words[0]++) {
		const struct sample_key key = key_of(NULL, add(store, words, 30, 0, 0));

		assert_int_equal(stack_store_count(store, &key, 1, 1), 0);
	}
	for (uint32_t i = 0; i < KEPT; i++) {
		words[0] = i + 1;
		assert_int_equal(add(store, words, 30, 0, 0), ids[i]);
		assert_memory_equal(stack_store_stack(store, ids[i]).words, words, sizeof(words));
		assert_int_equal(count_of(store, ids[i]), 100);
	}
	assert_int_equal(add(store, (const uint64_t[]){1, 2}, 2, 0, 1), kernel);
	stack_store_free(store);
}

/* As many processes as samples: there is nothing to fold, and the limit holds. */
static void store_of_nothing_but_processes_is_full_at_its_limit(void **state)
{
	struct stack_store *store = store_new(100 << 10);
	uint64_t n = 0;

	(void)state;
	for (;; n++) {
		const struct sample_key key = key_of((const void *)(n + 1), STACK_NONE);
		int err = stack_store_count(store, &key, 1, 1);

		assert_true(stack_store_memory_bytes(store) <= 100 << 10);
		if (!err)
			continue;
		assert_int_equal(err, -E2BIG);
		break;
	}
	assert_int_equal(count_of_all(store), n);
	assert_int_equal(count_one(store, (const void *)1, STACK_NONE, 1, 1), 0);
	stack_store_free(store);
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
		struct sample_key key = key_of(NULL, STACK_NONE);
		struct stack_store *store = NULL;
		uint32_t id = STACK_NONE;
		size_t n;
		int err;

		oom_fail_at(nth);
		if (!stack_store_new(1 << 20, &store)) {
			err = stack_store_add_stack(store, &stack, &id);
			assert_int_equal(stack_store_stacks(store), err ? 1 : 2);
			key.user_stack = id;
			err = stack_store_count(store, &key, 1, 1);
			stack_store_samples(store, &n);
			assert_int_equal(n, err ? 0 : 1);
			oom_fail_at(0);
			assert_int_equal(stack_store_add_stack(store, &stack, &key.user_stack), 0);
			assert_int_equal(key.user_stack, 1);
			assert_int_equal(stack_store_count(store, &key, 1, 1), 0);
			assert_int_equal(count_of_all(store), err ? 1 : 2);
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
		cmocka_unit_test(full_store_folds_what_is_rare_and_loses_no_sample),
		cmocka_unit_test(stacks_that_stay_keep_their_ids_and_words),
		cmocka_unit_test(store_of_nothing_but_processes_is_full_at_its_limit),
		cmocka_unit_test(stack_longer_than_any_is_refused),
		cmocka_unit_test(failing_allocations_refuse_one_entry_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
