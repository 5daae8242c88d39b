/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>

#include "base/map.h"
#include "oom.h"

static uint64_t *insert(struct map *map, uint64_t key, bool want_new)
{
	void *value = NULL;
	bool is_new = !want_new;

	assert_int_equal(map_insert(map, &key, &value, &is_new), 0);
	assert_int_equal(is_new, want_new);
	return value;
}

static uint64_t *find(const struct map *map, uint64_t key)
{
	return map_find(map, &key);
}

static bool remove_key(struct map *map, uint64_t key)
{
	return map_remove(map, &key);
}

static void empty_map_has_nothing(void **state)
{
	struct map map;
	size_t pos = 0;

	(void)state;
	map_init(&map, 8, 8, 10);
	assert_null(find(&map, 1));
	assert_false(remove_key(&map, 1));
	assert_false(map_next(&map, &pos, NULL, NULL));
	map_clear(&map);
	assert_int_equal(map_memory_bytes(&map), 0);
	map_release(&map);
}

static void inserted_value_is_zeroed_and_found_again(void **state)
{
	struct map map;

	(void)state;
	map_init(&map, 8, 8, 10);
	assert_int_equal(*insert(&map, 7, true), 0);
	*find(&map, 7) = 70;
	assert_int_equal(*insert(&map, 7, false), 70);
	assert_int_equal(map.len, 1);
	assert_true(remove_key(&map, 7));
	assert_null(find(&map, 7));
	assert_int_equal(*insert(&map, 7, true), 0);
	map_release(&map);
}

static void full_map_refuses_new_keys_and_finds_old_ones(void **state)
{
	struct map map;
	void *value = &map;
	uint64_t key = 100;

	(void)state;
	map_init(&map, 8, 8, 100);
	for (uint64_t i = 0; i < 100; i++)
		*insert(&map, i, true) = i;
	assert_int_equal(map_insert(&map, &key, &value, NULL), -E2BIG);
	assert_ptr_equal(value, &map);
	for (uint64_t i = 0; i < 100; i++)
		assert_int_equal(*insert(&map, i, false), i);
	assert_true(remove_key(&map, 50));
	insert(&map, 100, true);
	map_release(&map);
}

static void map_of_no_entries_refuses_all(void **state)
{
	struct map map;
	uint64_t key = 1;
	void *value;

	(void)state;
	map_init(&map, 8, 8, 0);
	assert_int_equal(map_insert(&map, &key, &value, NULL), -E2BIG);
	map_release(&map);
}

/* Keys from a small range come and go: runs form, wrap round the end and are closed again. */
static void agrees_with_an_array_over_random_operations(void **state)
{
	enum { KEYS = 700, STEPS = 300000 };
	static uint64_t truth[KEYS];
	static bool present[KEYS];
	uint64_t random = 88172645463325252ULL;
	struct map map;
	size_t len = 0;

	(void)state;
	map_init(&map, 8, 8, KEYS);
	for (uint64_t step = 0; step < STEPS; step++) {
		uint64_t key, *value;

		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		key = random % KEYS;
		value = find(&map, key);
		assert_int_equal(value != NULL, present[key]);
		if (value)
			assert_int_equal(*value, truth[key]);
		if (random >> 60 < 8) {
			assert_int_equal(remove_key(&map, key), present[key]);
			len -= present[key];
			present[key] = false;
		} else {
			*insert(&map, key, !present[key]) = step;
			len += !present[key];
			present[key] = true;
			truth[key] = step;
		}
		assert_int_equal(map.len, len);
	}
	for (uint64_t key = 0; key < KEYS; key++)
		assert_int_equal(find(&map, key) != NULL, present[key]);
	map_release(&map);
}

static void iteration_meets_each_entry_once(void **state)
{
	struct map map;
	bool seen[1000] = {false};
	const void *key;
	void *value;
	size_t pos = 0, met = 0;

	(void)state;
	map_init(&map, 8, 8, 1000);
	for (uint64_t i = 0; i < 1000; i++)
		*insert(&map, i, true) = i * 3;
	while (map_next(&map, &pos, &key, &value)) {
		uint64_t number = *(const uint64_t *)key;

		assert_true(number < 1000);
		assert_false(seen[number]);
		assert_int_equal(*(uint64_t *)value, number * 3);
		seen[number] = true;
		met++;
	}
	assert_int_equal(met, 1000);
	map_release(&map);
}

static void cleared_map_is_empty_and_usable(void **state)
{
	struct map map;

	(void)state;
	map_init(&map, 8, 8, 100);
	for (uint64_t i = 0; i < 100; i++)
		*insert(&map, i, true) = 1;
	map_clear(&map);
	assert_int_equal(map.len, 0);
	for (uint64_t i = 0; i < 100; i++)
		assert_null(find(&map, i));
	assert_int_equal(*insert(&map, 5, true), 0);
	map_release(&map);
}

static void keys_and_values_are_aligned_for_their_size(void **state)
{
	static const struct {
		size_t key, value, align_key, align_value;
	} cases[] = {{1, 8, 1, 8}, {4, 4, 4, 4},  {12, 8, 4, 8}, {20, 16, 4, 16},
		     {3, 0, 1, 1}, {8, 24, 8, 8}, {16, 1, 16, 1}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct map map;
		uint8_t bytes[32] = {0};
		const void *key;
		void *value;
		size_t pos = 0;

		map_init(&map, cases[i].key, cases[i].value, 100);
		for (uint8_t n = 0; n < 100; n++) {
			bytes[0] = n;
			assert_int_equal(map_insert(&map, bytes, &value, NULL), 0);
			memset(value, 0xee, cases[i].value);
		}
		while (map_next(&map, &pos, &key, &value)) {
			assert_int_equal((uintptr_t)key % cases[i].align_key, 0);
			assert_int_equal((uintptr_t)value % cases[i].align_value, 0);
			for (size_t n = 1; n < cases[i].key; n++)
				assert_int_equal(((const uint8_t *)key)[n], 0);
		}
		map_release(&map);
	}
}

static void lack_of_memory_keeps_the_entries(void **state)
{
	(void)state;
	for (unsigned long nth = 1; nth <= 2; nth++) {
		struct map map;
		uint64_t key = 12;
		void *value = NULL;

		map_init(&map, 8, 8, 1000);
		for (uint64_t i = 0; i < 12; i++)
			*insert(&map, i, true) = i;
		oom_fail_at(nth);
		assert_int_equal(map_insert(&map, &key, &value, NULL), -ENOMEM);
		assert_null(value);
		for (uint64_t i = 0; i < 12; i++)
			assert_int_equal(*find(&map, i), i);
		insert(&map, 12, true);
		map_release(&map);
	}
}

static void hash_differs_by_every_byte_and_by_length(void **state)
{
	uint8_t bytes[24] = {0};
	uint64_t plain;

	(void)state;
	for (size_t n = 0; n <= sizeof(bytes); n++) {
		plain = hash_bytes(bytes, n);
		assert_int_equal(plain, hash_bytes(bytes, n));
		if (n)
			assert_int_not_equal(plain, hash_bytes(bytes, n - 1));
		for (size_t i = 0; i < n; i++) {
			bytes[i] = 1;
			assert_int_not_equal(plain, hash_bytes(bytes, n));
			bytes[i] = 0;
		}
	}
}

/* Home slots come from the low bits, tags from the high ones: both must spread for keys that count upwards. */
static void hash_spreads_counting_keys(void **state)
{
	unsigned int low[64] = {0}, high[64] = {0};

	(void)state;
	for (uint64_t i = 0; i < 64000; i++) {
		uint64_t key = i << 12, hash = hash_bytes(&key, sizeof(key));

		low[hash & 63]++;
		high[hash >> 58]++;
	}
	/* 1000 expected with a deviation of 31: ten of them are never seen in a lifetime of runs. */
	for (size_t i = 0; i < 64; i++) {
		assert_in_range(low[i], 690, 1310);
		assert_in_range(high[i], 690, 1310);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_map_has_nothing),
		cmocka_unit_test(inserted_value_is_zeroed_and_found_again),
		cmocka_unit_test(full_map_refuses_new_keys_and_finds_old_ones),
		cmocka_unit_test(map_of_no_entries_refuses_all),
		cmocka_unit_test(agrees_with_an_array_over_random_operations),
		cmocka_unit_test(iteration_meets_each_entry_once),
		cmocka_unit_test(cleared_map_is_empty_and_usable),
		cmocka_unit_test(keys_and_values_are_aligned_for_their_size),
		cmocka_unit_test(lack_of_memory_keeps_the_entries),
		cmocka_unit_test(hash_differs_by_every_byte_and_by_length),
		cmocka_unit_test(hash_spreads_counting_keys),
	};

	return cmocka_run_group_tests_name("map", tests, NULL, NULL);
}
