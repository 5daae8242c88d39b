/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>

#include "base/counters.h"
#include "collector/mapping_set.h"
#include "oom.h"

static struct mapping_budget budget;

static int setup(void **state)
{
	(void)state;
	budget = (struct mapping_budget){.limit_bytes = REGISTRY_MAX_MAPPING_BYTES};
	return 0;
}

/* Whatever a test did, no memory stays charged. */
static int teardown(void **state)
{
	(void)state;
	return budget.used_bytes ? -1 : 0;
}

static struct mapping_set *set_new(void)
{
	struct mapping_set *set = NULL;

	assert_int_equal(mapping_set_new(&budget, &set), 0);
	return set;
}

static int insert(struct mapping_set **set, uint64_t start, uint64_t limit, uint32_t object)
{
	const struct mapping mapping = {.start = start, .limit = limit, .file_off = 0x10000, .object = object};

	return mapping_set_insert(set, &mapping);
}

static void assert_mapped(const struct mapping_set *set, uint64_t ip, uint32_t object, uint64_t file_off)
{
	const struct mapping *mapping = mapping_set_find(set, ip);

	if (!object) {
		assert_null(mapping);
		return;
	}
	assert_non_null(mapping);
	assert_int_equal(mapping->object, object);
	assert_int_equal(ip - mapping->start + mapping->file_off, file_off);
}

static void new_mapping_replaces_what_it_overlaps(void **state)
{
	static const struct {
		uint64_t start, limit; /* over an old one of 0x2000 to 0x6000 */
		size_t left;	       /* mappings that remain */
		uint32_t at_2000, at_3fff, at_5fff;
	} cases[] = {
		{0x1000, 0x2000, 2, 1, 1, 1}, {0x6000, 0x7000, 2, 1, 1, 1}, {0x2000, 0x6000, 1, 2, 2, 2},
		{0x1000, 0x7000, 1, 2, 2, 2}, {0x1000, 0x3000, 2, 2, 1, 1}, {0x5000, 0x7000, 2, 1, 1, 2},
		{0x3000, 0x5000, 3, 1, 2, 1}, {0x2000, 0x4000, 2, 2, 2, 1}, {0x4000, 0x6000, 2, 1, 1, 2},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct mapping_set *set = set_new();
		size_t n;

		assert_int_equal(insert(&set, 0x2000, 0x6000, 1), 0);
		assert_int_equal(insert(&set, cases[i].start, cases[i].limit, 2), 0);
		mapping_set_all(set, &n);
		assert_int_equal(n, cases[i].left);
		assert_int_equal(mapping_set_find(set, 0x2000)->object, cases[i].at_2000);
		assert_int_equal(mapping_set_find(set, 0x3fff)->object, cases[i].at_3fff);
		assert_int_equal(mapping_set_find(set, 0x5fff)->object, cases[i].at_5fff);
		mapping_set_unref(set);
	}
}

static void split_mapping_keeps_its_file_offsets(void **state)
{
	struct mapping_set *set = set_new();

	(void)state;
	assert_int_equal(insert(&set, 0x2000, 0x6000, 1), 0);
	assert_int_equal(insert(&set, 0x3000, 0x4000, 2), 0);
	assert_mapped(set, 0x1fff, 0, 0);
	assert_mapped(set, 0x2fff, 1, 0x10fff);
	assert_mapped(set, 0x3000, 2, 0x10000);
	assert_mapped(set, 0x4000, 1, 0x12000);
	assert_mapped(set, 0x5fff, 1, 0x13fff);
	assert_mapped(set, 0x6000, 0, 0);
	mapping_set_unref(set);
}

static void highest_addresses_are_mappable(void **state)
{
	struct mapping_set *set = set_new();

	(void)state;
	assert_int_equal(insert(&set, UINT64_MAX - 0xfff, UINT64_MAX, 1), 0);
	assert_int_equal(insert(&set, 0, 1, 2), 0);
	assert_mapped(set, UINT64_MAX - 1, 1, 0x10ffe);
	assert_mapped(set, UINT64_MAX, 0, 0);
	assert_mapped(set, 0, 2, 0x10000);
	mapping_set_unref(set);
}

static void filling_leaves_known_mappings_alone(void **state)
{
	struct mapping_set *set = set_new();
	const struct mapping scanned = {.start = 0x1000, .limit = 0x9000, .file_off = 0x50000, .object = 9};
	size_t n;

	(void)state;
	assert_int_equal(insert(&set, 0x2000, 0x3000, 1), 0);
	assert_int_equal(insert(&set, 0x8000, 0xa000, 2), 0);
	assert_int_equal(mapping_set_fill(set, &scanned), 0);
	assert_mapped(set, 0x1000, 9, 0x50000);
	assert_mapped(set, 0x2000, 1, 0x10000);
	assert_mapped(set, 0x3000, 9, 0x52000);
	assert_mapped(set, 0x7fff, 9, 0x56fff);
	assert_mapped(set, 0x8000, 2, 0x10000);
	mapping_set_all(set, &n);
	assert_int_equal(n, 4);
	assert_int_equal(mapping_set_fill(set, &scanned), 0); /* nothing left to fill */
	mapping_set_all(set, &n);
	assert_int_equal(n, 4);
	mapping_set_unref(set);
}

static void forks_share_until_one_writes(void **state)
{
	struct mapping_set *parent = set_new(), *child;

	(void)state;
	assert_int_equal(insert(&parent, 0x1000, 0x2000, 1), 0);
	child = mapping_set_ref(parent);
	assert_int_equal(insert(&child, 0x1000, 0x2000, 2), 0);
	assert_ptr_not_equal(parent, child);
	assert_mapped(parent, 0x1000, 1, 0x10000);
	assert_mapped(child, 0x1000, 2, 0x10000);
	mapping_set_unref(parent);
	assert_int_equal(insert(&child, 0x3000, 0x4000, 3), 0);
	mapping_set_unref(child);
}

static void filling_reaches_all_who_share(void **state)
{
	struct mapping_set *parent = set_new(), *child = mapping_set_ref(parent);
	const struct mapping scanned = {.start = 0x1000, .limit = 0x2000, .object = 9};

	(void)state;
	assert_int_equal(mapping_set_fill(parent, &scanned), 0);
	mapping_set_unref(parent);
	assert_mapped(child, 0x1000, 9, 0);
	mapping_set_unref(child);
}

/* What the set must say, address by address. */
#define MODEL_SIZE 4096
struct model {
	uint32_t object[MODEL_SIZE];
	uint64_t file_off[MODEL_SIZE];
};

static uint64_t random_state;

static uint64_t random_next(void)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return random_state >> 33;
}

static void assert_as_model(struct mapping_set *set, const struct model *model, bool with_all)
{
	const struct mapping *all;
	uint64_t behind = 0;
	size_t n;

	for (uint64_t ip = 0; ip < MODEL_SIZE; ip++)
		assert_mapped(set, ip, model->object[ip], model->file_off[ip]);
	if (!with_all)
		return;
	all = mapping_set_all(set, &n);
	for (size_t i = 0; i < n; i++) {
		assert_true(all[i].start >= behind && all[i].start < all[i].limit);
		assert_int_equal(all[i].pad, 0);
		for (uint64_t ip = all[i].start; ip < all[i].limit; ip++)
			assert_int_equal(all[i].object, model->object[ip]);
		for (uint64_t ip = behind; ip < all[i].start; ip++)
			assert_int_equal(model->object[ip], 0);
		behind = all[i].limit;
	}
}

/* Short ranges give many mappings, so that base and tail are both in use. */
static void any_order_of_insertions_and_fills_gives_the_newest(void **state)
{
	static struct model model;

	(void)state;
	for (uint64_t seed = 1; seed <= 6; seed++) {
		struct mapping_set *set = set_new();
		uint32_t object = 1;

		memset(&model, 0, sizeof(model));
		random_state = seed;
		for (int round = 0; round < 12000; round++) {
			uint64_t start = random_next() % MODEL_SIZE;
			uint64_t len = 1 + random_next() % (round % 500 ? 3 : 700);
			uint64_t limit = start + len < MODEL_SIZE ? start + len : MODEL_SIZE;
			struct mapping mapping = {
				.start = start, .limit = limit, .file_off = random_next(), .object = object++};
			bool fill = random_next() % 4 == 0;

			if (fill)
				assert_int_equal(mapping_set_fill(set, &mapping), 0);
			else
				assert_int_equal(mapping_set_insert(&set, &mapping), 0);
			for (uint64_t ip = start; ip < limit; ip++) {
				if (fill && model.object[ip])
					continue;
				model.object[ip] = mapping.object;
				model.file_off[ip] = mapping.file_off + (ip - start);
			}
			if (round % 997 == 0)
				assert_as_model(set, &model, round % 2);
		}
		assert_as_model(set, &model, true);
		mapping_set_unref(set);
	}
}

static void hundred_thousand_mappings_in_any_order_are_kept(void **state)
{
	enum { COUNT = 100000 };

	(void)state;
	/* Upwards, downwards, scattered. */
	for (int order = 0; order < 3; order++) {
		struct mapping_set *set = set_new();
		uint64_t dropped = counters[COUNTER_registry_mappings_dropped];
		const struct mapping *all;
		size_t n;

		for (uint64_t i = 0; i < COUNT; i++) {
			uint64_t place = order == 0 ? i : order == 1 ? COUNT - i : i * 7919 % COUNT;

			assert_int_equal(insert(&set, place * 0x3000, place * 0x3000 + 0x2000, (uint32_t)place + 1), 0);
		}
		all = mapping_set_all(set, &n);
		assert_int_equal(n, COUNT);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(all[i].start, (uint64_t)(all[i].object - 1) * 0x3000);
		assert_int_equal(counters[COUNTER_registry_mappings_dropped], dropped);
		mapping_set_unref(set);
	}
}

static void mappings_beyond_the_limit_are_dropped_and_counted(void **state)
{
	struct mapping_set *set = set_new();
	uint64_t dropped = counters[COUNTER_registry_mappings_dropped];
	size_t n;

	(void)state;
	for (uint64_t i = 0; i < REGISTRY_MAX_MAPPINGS + 5000; i++)
		assert_int_equal(insert(&set, i * 0x2000, i * 0x2000 + 0x1000, 1), 0);
	mapping_set_all(set, &n);
	assert_int_equal(n, REGISTRY_MAX_MAPPINGS);
	assert_int_equal(counters[COUNTER_registry_mappings_dropped] - dropped, 5000);
	/* A full set still learns what is no longer where it was: right or absent. */
	assert_int_equal(insert(&set, 0, 0x1000000, 2), 0);
	mapping_set_all(set, &n);
	assert_int_equal(mapping_set_find(set, 0x2000)->object, 2);
	assert_int_equal(n, REGISTRY_MAX_MAPPINGS - 0x800 + 1);
	mapping_set_unref(set);
}

static void oldest_mappings_are_kept_at_the_limit(void **state)
{
	struct mapping_set *set = set_new();
	const struct mapping *all;
	size_t n;

	(void)state;
	for (uint64_t i = REGISTRY_MAX_MAPPINGS + 5000; i > 0; i--)
		assert_int_equal(insert(&set, i * 0x2000, i * 0x2000 + 0x1000, 1), 0);
	all = mapping_set_all(set, &n);
	assert_int_equal(n, REGISTRY_MAX_MAPPINGS);
	assert_int_equal(all[0].start, 5001 * 0x2000);
	mapping_set_unref(set);
}

static void budget_that_is_used_up_refuses_and_changes_nothing(void **state)
{
	struct mapping_set *set = set_new();
	uint64_t i;
	size_t n;
	int err = 0;

	(void)state;
	budget.limit_bytes = 64 << 10;
	for (i = 0; !err; i++)
		err = insert(&set, i * 0x2000, i * 0x2000 + 0x1000, 1);
	assert_int_equal(err, -ENOBUFS);
	assert_true(budget.used_bytes <= budget.limit_bytes);
	mapping_set_all(set, &n);
	assert_int_equal(n, i - 1);
	mapping_set_unref(set);
}

static void failing_allocations_leave_the_set_as_it_was(void **state)
{
	(void)state;
	for (unsigned long nth = 1; nth <= 4; nth++) {
		struct mapping_set *set = set_new(), *other;
		size_t n;

		for (uint64_t i = 0; i < 8; i++)
			assert_int_equal(insert(&set, i * 0x2000, i * 0x2000 + 0x1000, 1), 0);
		other = mapping_set_ref(set);
		oom_fail_at(nth);
		if (insert(&set, 0x100000, 0x101000, 2)) {
			oom_fail_at(0);
			mapping_set_all(set, &n);
			assert_int_equal(n, 8);
		}
		oom_fail_at(0);
		mapping_set_unref(set);
		mapping_set_unref(other);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(new_mapping_replaces_what_it_overlaps, setup, teardown),
		cmocka_unit_test_setup_teardown(split_mapping_keeps_its_file_offsets, setup, teardown),
		cmocka_unit_test_setup_teardown(highest_addresses_are_mappable, setup, teardown),
		cmocka_unit_test_setup_teardown(filling_leaves_known_mappings_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(forks_share_until_one_writes, setup, teardown),
		cmocka_unit_test_setup_teardown(filling_reaches_all_who_share, setup, teardown),
		cmocka_unit_test_setup_teardown(any_order_of_insertions_and_fills_gives_the_newest, setup, teardown),
		cmocka_unit_test_setup_teardown(hundred_thousand_mappings_in_any_order_are_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(mappings_beyond_the_limit_are_dropped_and_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(oldest_mappings_are_kept_at_the_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(budget_that_is_used_up_refuses_and_changes_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(failing_allocations_leave_the_set_as_it_was, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
