/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <stdio.h>

#include "base/intern.h"
#include "oom.h"

static struct intern *new_intern(size_t max_strings, size_t max_bytes)
{
	struct intern *intern = NULL;

	assert_int_equal(intern_new(max_strings, max_bytes, &intern), 0);
	assert_non_null(intern);
	return intern;
}

static uint32_t add(struct intern *intern, const char *str)
{
	uint32_t id = UINT32_MAX;

	assert_int_equal(intern_add_str(intern, str, &id), 0);
	return id;
}

static void empty_string_is_id_zero(void **state)
{
	struct intern *intern = new_intern(0, 0);
	uint32_t id = 9;

	(void)state;
	assert_int_equal(intern_count(intern), 1);
	assert_int_equal(add(intern, ""), 0);
	assert_int_equal(intern_add(intern, NULL, 0, &id), 0);
	assert_int_equal(id, 0);
	assert_string_equal(intern_str(intern, 0), "");
	assert_int_equal(intern_len(intern, 0), 0);
	intern_free(intern);
}

static void ids_are_dense_and_equal_for_equal_strings(void **state)
{
	struct intern *intern = new_intern(100, 1000);

	(void)state;
	assert_int_equal(add(intern, "main"), 1);
	assert_int_equal(add(intern, "read"), 2);
	assert_int_equal(add(intern, "main"), 1);
	assert_int_equal(add(intern, "mai"), 3);
	assert_int_equal(add(intern, "mainx"), 4);
	assert_int_equal(intern_count(intern), 5);
	assert_string_equal(intern_str(intern, 2), "read");
	assert_int_equal(intern_len(intern, 4), 5);
	intern_free(intern);
}

static void length_cuts_the_string(void **state)
{
	struct intern *intern = new_intern(100, 1000);
	uint32_t id;

	(void)state;
	assert_int_equal(intern_add(intern, "mainframe", 4, &id), 0);
	assert_string_equal(intern_str(intern, id), "main");
	assert_int_equal(add(intern, "main"), id);
	intern_free(intern);
}

static void nul_within_is_refused(void **state)
{
	struct intern *intern = new_intern(100, 1000);
	uint32_t id = 77;

	(void)state;
	assert_int_equal(intern_add(intern, "a\0b", 3, &id), -EINVAL);
	assert_int_equal(id, 77);
	assert_int_equal(intern_count(intern), 1);
	intern_free(intern);
}

static void pointers_stay_while_many_are_added(void **state)
{
	struct intern *intern = new_intern(50000, 1 << 20);
	const char *first;
	char name[32];

	(void)state;
	first = intern_str(intern, add(intern, "first"));
	for (unsigned int i = 0; i < 40000; i++) {
		snprintf(name, sizeof(name), "symbol_%u", i);
		assert_int_equal(add(intern, name), i + 2);
	}
	assert_ptr_equal(intern_str(intern, 1), first);
	assert_string_equal(first, "first");
	for (unsigned int i = 0; i < 40000; i++) {
		snprintf(name, sizeof(name), "symbol_%u", i);
		assert_string_equal(intern_str(intern, i + 2), name);
		assert_int_equal(add(intern, name), i + 2);
	}
	assert_in_range(intern_memory_bytes(intern), 40000 * 12, 8 << 20);
	intern_free(intern);
}

static void string_larger_than_a_chunk_is_kept_whole(void **state)
{
	struct intern *intern = new_intern(10, 8 << 20);
	size_t len = 3 << 20;
	char *large = malloc(len + 1);
	uint32_t id;

	(void)state;
	assert_non_null(large);
	memset(large, 'x', len);
	large[len] = 0;
	add(intern, "before");
	id = add(intern, large);
	assert_int_equal(add(intern, "after"), id + 1);
	assert_int_equal(intern_len(intern, id), len);
	assert_string_equal(intern_str(intern, id), large);
	assert_string_equal(intern_str(intern, id + 1), "after");
	free(large);
	intern_free(intern);
}

static void maxima_hold(void **state)
{
	struct intern *intern = new_intern(2, 10);
	uint32_t id = 77;

	(void)state;
	assert_int_equal(add(intern, "abc"), 1);
	assert_int_equal(intern_add_str(intern, "abcdef", &id), -E2BIG); /* 4 + 7 bytes */
	assert_int_equal(add(intern, "abcde"), 2);
	assert_int_equal(intern_add_str(intern, "x", &id), -E2BIG);
	assert_int_equal(id, 77);
	assert_int_equal(add(intern, "abc"), 1);
	intern_free(intern);

	intern = new_intern(2, 1000);
	add(intern, "a");
	add(intern, "b");
	assert_int_equal(intern_add_str(intern, "c", &id), -E2BIG);
	assert_int_equal(id, 77);
	assert_int_equal(intern_count(intern), 3);
	intern_free(intern);
}

static void lack_of_memory_adds_nothing(void **state)
{
	struct intern *intern = NULL;
	uint32_t id = 77;

	(void)state;
	for (unsigned long nth = 1; nth <= 2; nth++) {
		oom_fail_at(nth);
		assert_int_equal(intern_new(100, 1000, &intern), -ENOMEM);
		assert_null(intern);
	}
	/* The first string takes two allocations for the map and one for a chunk. */
	for (unsigned long nth = 1; nth <= 3; nth++) {
		intern = new_intern(1, 1000);
		oom_fail_at(nth);
		assert_int_equal(intern_add_str(intern, "name", &id), -ENOMEM);
		assert_int_equal(id, 77);
		assert_int_equal(intern_count(intern), 1);
		/* The failed one takes no place of the single one there is. */
		assert_int_equal(add(intern, "other"), 1);
		assert_string_equal(intern_str(intern, 1), "other");
		intern_free(intern);
		intern = NULL;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_string_is_id_zero),
		cmocka_unit_test(ids_are_dense_and_equal_for_equal_strings),
		cmocka_unit_test(length_cuts_the_string),
		cmocka_unit_test(nul_within_is_refused),
		cmocka_unit_test(pointers_stay_while_many_are_added),
		cmocka_unit_test(string_larger_than_a_chunk_is_kept_whole),
		cmocka_unit_test(maxima_hold),
		cmocka_unit_test(lack_of_memory_adds_nothing),
	};

	return cmocka_run_group_tests_name("intern", tests, NULL, NULL);
}
