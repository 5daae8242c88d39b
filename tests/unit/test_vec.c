/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>

#include "base/vec.h"
#include "oom.h"

struct item {
	uint64_t value;
	uint32_t other;
};

struct item_vec VEC(struct item);

static void pushed_items_are_zeroed_and_kept(void **state)
{
	struct item_vec vec = VEC_INIT(10000);
	size_t seen = 0;

	(void)state;
	for (uint64_t i = 0; i < 10000; i++) {
		struct item *item = vec_push(&vec);

		assert_non_null(item);
		assert_int_equal(item->value, 0);
		assert_int_equal(item->other, 0);
		item->value = i;
		item->other = 1;
	}
	vec_for_each (&vec, item)
		assert_int_equal(item->value, seen++);
	assert_int_equal(seen, 10000);
	vec_clear(&vec);
	assert_int_equal(vec_reserve(&vec, 1), 0);
	assert_int_equal(vec_push(&vec)->other, 0);
	vec_release(&vec);
	assert_null(vec.items);
}

static void push_beyond_the_maximum_is_null(void **state)
{
	struct item_vec vec = VEC_INIT(3);

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_non_null(vec_push(&vec));
	assert_null(vec_push(&vec));
	assert_int_equal(vec.len, 3);
	assert_int_equal(vec_reserve(&vec, 4), -E2BIG);
	vec_release(&vec);
}

static void reserve_makes_room_once(void **state)
{
	struct item_vec vec;
	struct item *items;

	(void)state;
	vec_init(&vec, 100);
	assert_int_equal(vec_reserve(&vec, 50), 0);
	items = vec.items;
	for (uint64_t i = 0; i < 50; i++)
		*vec_push_reserved(&vec) = (struct item){.value = i};
	assert_int_equal(vec.items[49].value, 49);
	assert_ptr_equal(vec.items, items);
	vec_release(&vec);
}

static void loop_over_nothing_does_nothing(void **state)
{
	struct item_vec vec = VEC_INIT(3);

	(void)state;
	vec_for_each (&vec, item)
		fail_msg("%p", (void *)item);
	vec_release(&vec);
}

static void size_that_overflows_is_refused(void **state)
{
	struct item_vec vec = VEC_INIT(SIZE_MAX);

	(void)state;
	assert_int_equal(vec_reserve(&vec, SIZE_MAX / 8), -ENOMEM);
	assert_int_equal(vec_reserve(&vec, SIZE_MAX), -ENOMEM);
	assert_int_equal(vec.cap, 0);
	vec_release(&vec);
}

static void lack_of_memory_keeps_the_items(void **state)
{
	struct item_vec vec = VEC_INIT(1000);

	(void)state;
	for (uint64_t i = 0; i < 8; i++) {
		struct item *item = vec_push(&vec);

		assert_non_null(item);
		item->value = i;
	}
	assert_int_equal(vec.cap, vec.len);
	oom_fail_at(1);
	assert_null(vec_push(&vec));
	assert_int_equal(vec.len, 8);
	assert_int_equal(vec.items[7].value, 7);
	assert_non_null(vec_push(&vec));
	vec_release(&vec);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pushed_items_are_zeroed_and_kept), cmocka_unit_test(push_beyond_the_maximum_is_null),
		cmocka_unit_test(reserve_makes_room_once),	    cmocka_unit_test(loop_over_nothing_does_nothing),
		cmocka_unit_test(size_that_overflows_is_refused),   cmocka_unit_test(lack_of_memory_keeps_the_items),
	};

	return cmocka_run_group_tests_name("vec", tests, NULL, NULL);
}
