/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>

#include "oom.h"
#include "table/extents.h"
#include "wire/unwind.h"

#define SEGMENT_UNITS (UNWIND_SEGMENT_BYTES >> UNWIND_UNIT_SHIFT)
#define GRACE UNWIND_GRACE_NS

static struct extents extents_of(uint32_t segments)
{
	struct extents extents;

	extents_init(&extents, segments);
	for (uint32_t i = 0; i < segments; i++)
		assert_int_equal(extents_add_segment(&extents), 0);
	return extents;
}

static uint32_t take(struct extents *extents, uint32_t units)
{
	struct extent extent = {.place = 0};

	assert_int_equal(extents_take(extents, units, &extent), 0);
	assert_int_equal(extent.units, units);
	return extent.place;
}

static void give_back(struct extents *extents, uint32_t place, uint32_t units)
{
	extents_give_back(extents, (struct extent){.place = place, .units = units});
}

static void retire(struct extents *extents, uint32_t place, uint32_t units, uint64_t now_ns)
{
	extents_retire(extents, (struct extent){.place = place, .units = units}, now_ns);
}

static void place_zero_is_never_given_out(void **state)
{
	struct extents extents = extents_of(1);
	struct extent extent;

	(void)state;
	assert_int_equal(extents_take(&extents, SEGMENT_UNITS, &extent), -ENOSPC);
	assert_int_equal(take(&extents, SEGMENT_UNITS - 1), 1);
	assert_int_equal(extents_take(&extents, 1, &extent), -ENOSPC);
	extents_release(&extents);
}

static void extent_lies_in_one_segment(void **state)
{
	struct extents extents = extents_of(3);
	struct extent extent;
	uint32_t place;

	(void)state;
	for (uint32_t segment = 0; segment < 3; segment++) {
		place = take(&extents, SEGMENT_UNITS - 10);
		assert_int_equal(unwind_place_segment(place), segment);
		assert_int_equal(unwind_place_offset(place), segment ? 0 : 8);
	}
	assert_int_equal(extents.free_units, 29);
	assert_int_equal(extents_take(&extents, 11, &extent), -ENOSPC);
	take(&extents, 10);
	take(&extents, 10);
	take(&extents, 9);
	assert_int_equal(extents.free_units, 0);
	extents_release(&extents);
}

static void no_more_segments_than_allowed(void **state)
{
	struct extents extents = extents_of(2);

	(void)state;
	assert_int_equal(extents_add_segment(&extents), -E2BIG);
	extents_release(&extents);
}

static void first_hole_that_fits_is_taken(void **state)
{
	struct extents extents = extents_of(1);
	uint32_t places[5];

	(void)state;
	for (uint32_t i = 0; i < 5; i++)
		places[i] = take(&extents, 10 * (i + 1));
	give_back(&extents, places[3], 40);
	give_back(&extents, places[1], 20);
	assert_int_equal(take(&extents, 15), places[1]);
	assert_int_equal(take(&extents, 6), places[3]);
	assert_int_equal(take(&extents, 5), places[1] + 15);
	extents_release(&extents);
}

static void freed_neighbours_merge_in_any_order(void **state)
{
	static const uint8_t orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

	(void)state;
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		struct extents extents = extents_of(1);
		uint32_t before = take(&extents, 1), places[3];

		for (uint32_t k = 0; k < 3; k++)
			places[k] = take(&extents, 100);
		take(&extents, 1);
		for (uint32_t k = 0; k < 3; k++)
			give_back(&extents, places[orders[i][k]], 100);
		assert_int_equal(take(&extents, 300), before + 1);
		extents_release(&extents);
	}
}

static void retired_extent_is_free_when_it_has_aged(void **state)
{
	struct extents extents = extents_of(1);
	uint32_t old = take(&extents, 100), young = take(&extents, 100);

	(void)state;
	retire(&extents, old, 100, 5 * GRACE);
	retire(&extents, young, 100, 5 * GRACE + 10);
	assert_int_equal(extents.retired_units, 200);
	extents_tick(&extents, 6 * GRACE - 1);
	assert_int_equal(extents.retired_units, 200);
	assert_int_equal(take(&extents, 50), young + 100);
	extents_tick(&extents, 6 * GRACE + 9);
	assert_int_equal(extents.retired_units, 100);
	assert_int_equal(take(&extents, 101), young + 150);
	assert_int_equal(take(&extents, 100), old);
	extents_tick(&extents, 6 * GRACE + 10);
	assert_int_equal(extents.retired_units, 0);
	assert_int_equal(take(&extents, 100), young);
	extents_release(&extents);
}

/* Against a map of units: nothing is given out twice, and what fits is found. */
static void agrees_with_an_array_over_random_operations(void **state)
{
	enum { SEGMENTS = 2, EXTENTS = 600, STEPS = 60000 };
	static uint8_t taken[SEGMENTS * SEGMENT_UNITS];
	struct extent live[EXTENTS];
	struct extents extents = extents_of(SEGMENTS);
	uint64_t random = 88172645463325252ULL, now = 0, used = 0;
	uint32_t n = 0;

	(void)state;
	memset(taken, 0, sizeof(taken));
	for (uint32_t step = 0; step < STEPS; step++, now += GRACE / 50) {
		uint32_t units, at;

		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		units = (uint32_t)(random >> 20) % (random >> 60 ? 700 : 9000) + 1;
		if (random % 2 && n < EXTENTS) {
			if (extents_take(&extents, units, &live[n]))
				continue;
			for (uint32_t i = 0; i < units; i++)
				assert_false(taken[live[n].place + i]++);
			n++;
			used += units;
		} else if (n) {
			at = (uint32_t)(random >> 32) % n;
			if (random >> 33 & 1) {
				extents_give_back(&extents, live[at]);
			} else {
				extents_retire(&extents, live[at], now);
				extents_tick(&extents, now + GRACE);
			}
			memset(taken + live[at].place, 0, live[at].units);
			used -= live[at].units;
			live[at] = live[--n];
		}
		assert_int_equal(extents.free_units, extents.units - used);
	}
	while (n--)
		extents_give_back(&extents, live[n]);
	for (uint32_t i = 0; i < SEGMENTS; i++)
		take(&extents, i ? SEGMENT_UNITS : SEGMENT_UNITS - 1);
	extents_release(&extents);
}

static void lack_of_memory_takes_nothing(void **state)
{
	(void)state;
	for (unsigned long nth = 1; nth <= 6; nth++) {
		uint32_t places[40];
		struct extent extent;
		struct extents extents;
		int err;

		extents_init(&extents, 1);
		oom_fail_at(nth);
		err = extents_add_segment(&extents);
		if (err) {
			assert_int_equal(err, -ENOMEM);
			assert_int_equal(extents_add_segment(&extents), 0);
		}
		for (uint32_t i = 0; i < 40; i++) {
			err = extents_take(&extents, 10, &extent);
			places[i] = err ? take(&extents, 10) : extent.place;
			assert_int_equal(places[i], 1 + 10 * i);
		}
		oom_fail_at(1);
		for (uint32_t i = 0; i < 40; i += 2)
			retire(&extents, places[i], 10, 0);
		for (uint32_t i = 1; i < 40; i += 2)
			give_back(&extents, places[i], 10);
		extents_tick(&extents, GRACE);
		oom_fail_at(0);
		assert_int_equal(take(&extents, SEGMENT_UNITS - 1), 1);
		extents_release(&extents);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(place_zero_is_never_given_out),
		cmocka_unit_test(extent_lies_in_one_segment),
		cmocka_unit_test(no_more_segments_than_allowed),
		cmocka_unit_test(first_hole_that_fits_is_taken),
		cmocka_unit_test(freed_neighbours_merge_in_any_order),
		cmocka_unit_test(retired_extent_is_free_when_it_has_aged),
		cmocka_unit_test(agrees_with_an_array_over_random_operations),
		cmocka_unit_test(lack_of_memory_takes_nothing),
	};

	return cmocka_run_group_tests_name("extents", tests, NULL, NULL);
}
