/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>

#include "oom.h"
#include "published.h"

#define PAGE UNWIND_PAGE_BYTES
#define MIB ((size_t)1 << 20)
#define GRACE UNWIND_GRACE_NS

struct fixture {
	struct published published;
	struct row_store *store;
};

static void fixture_init(struct fixture *fixture, size_t limit_bytes)
{
	struct row_store_memory memory = published_memory(&fixture->published);

	assert_int_equal(row_store_new(&memory, limit_bytes, EM_X86_64, &fixture->store), 0);
}

static void fixture_release(struct fixture *fixture)
{
	struct row_store_stats stats;

	row_store_get_stats(fixture->store, &stats);
	assert_int_equal(published_check(&fixture->published, EM_X86_64), stats.used_bytes);
	row_store_free(fixture->store);
	published_release(&fixture->published);
}

static struct row_store_stats stats_of(const struct fixture *fixture)
{
	struct row_store_stats stats;

	row_store_get_stats(fixture->store, &stats);
	return stats;
}

/* A table that was made of plain rows. */
struct made {
	struct plain_rows rows;
	struct table_bytes bytes;
	struct unwind_table table;
};

static struct made make_window(struct plain_rows rows, struct table_writer_range range)
{
	struct made made = {.rows = rows};

	assert_int_equal(table_bytes_make(&rows, &range, &made.bytes), 0);
	assert_int_equal(unwind_table_read(made.bytes.bytes, made.bytes.len, EM_X86_64, &made.table), 0);
	return made;
}

static struct made make_table(struct plain_rows rows, uint64_t limit)
{
	return make_window(rows, (struct table_writer_range){.file_limit = limit, .limit = limit});
}

static void made_release(struct made *made)
{
	table_bytes_release(&made->bytes);
	free(made->rows.rows);
}

/* So many rows that do not fold, 16 bytes apart, of `rules` different rules from `first_rule` on. */
static struct made make_rows(uint32_t n, uint32_t rules, uint32_t first_rule)
{
	struct plain_rows rows = {0};

	for (uint32_t i = 0; i < n; i++)
		add_row(&rows, 16 * (uint64_t)i, rule_sp((int32_t)(first_rule + i % rules) * 16));
	return make_table(rows, 16 * (uint64_t)n);
}

static uint32_t add_object(struct fixture *fixture, uint32_t *generation)
{
	uint32_t slot = UINT32_MAX, ignored;

	assert_int_equal(row_store_add_object(fixture->store, &slot, generation ? generation : &ignored), 0);
	return slot;
}

static uint32_t publish(struct fixture *fixture, const struct made *made, uint64_t now_ns)
{
	uint32_t slot = add_object(fixture, NULL);

	assert_int_equal(row_store_publish(fixture->store, slot, &made->table, now_ns), 0);
	return slot;
}

static bool is_loaded(const struct fixture *fixture, uint32_t slot)
{
	return unwind_object_state(fixture->published.objects[slot].word) == UNWIND_OBJECT_LOADED;
}

static void assert_every_byte(const struct fixture *fixture, uint32_t slot, const struct plain_rows *rows,
			      uint64_t first, uint64_t limit)
{
	uint32_t generation = unwind_object_generation(fixture->published.objects[slot].word);
	struct plain_walk plain = {.rows = rows};
	struct unwind_rule rule;

	for (uint64_t off = first; off < limit; off++)
		if (published_rule(&fixture->published, slot, generation, off, &rule) != FOUND_RULE ||
		    !same_rule(rule, plain_rule_at(&plain, off)))
			fail_msg("another rule at %#lx", off);
}

/* --- tables ------------------------------------------------------------------------------------------------------- */

static void every_byte_has_the_rule_that_its_row_gave(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_init(&fixture, 8 * MIB);
	for (uint64_t seed = 1; seed <= 20; seed++) {
		uint64_t limit = seed * 20000;
		struct made made = make_table(random_rows(seed, 0, limit), limit);
		uint32_t slot = publish(&fixture, &made, 0);

		assert_every_byte(&fixture, slot, &made.rows, 0, limit);
		published_check(&fixture.published, EM_X86_64);
		if (seed % 3)
			row_store_remove_object(fixture.store, slot, seed * GRACE);
		row_store_tick(fixture.store, seed * GRACE);
		made_release(&made);
	}
	fixture_release(&fixture);
}

/* 32 rows of 32 bytes are one more than a block can have. */
static void packed_block_knows_all_but_two_of_its_bytes(void **state)
{
	static const uint32_t unknown[] = {29, 30, 61, 62};
	struct plain_rows rows = {0};
	struct fixture fixture;
	struct made made;
	uint32_t slot, at = 0;

	(void)state;
	for (uint32_t i = 0; i < 95; i++)
		add_row(&rows, i, rule_fp((int32_t)i));
	made = make_table(rows, 2 * PAGE);
	fixture_init(&fixture, MIB);
	slot = publish(&fixture, &made, 0);
	for (uint32_t off = 0; off < 2 * PAGE; off++) {
		struct unwind_rule rule, expected = rule_fp(off < 95 ? (int32_t)off : 94);

		if (at < 4 && off == unknown[at]) {
			expected = rule_bare(UNWIND_CFA_UNSUPPORTED);
			at++;
		}
		assert_int_equal(published_rule(&fixture.published, slot, 0, off, &rule), FOUND_RULE);
		assert_true(same_rule(rule, expected));
	}
	made_release(&made);
	fixture_release(&fixture);
}

static void whole_page_of_rows_is_published(void **state)
{
	struct plain_rows rows = {0};
	struct fixture fixture;
	struct made made;

	(void)state;
	for (uint32_t i = 0; i < PAGE; i++)
		add_row(&rows, i, rule_fp((int32_t)i % 1000));
	made = make_table(rows, PAGE);
	assert_int_equal(made.table.head.n_rows, PAGE);
	fixture_init(&fixture, MIB);
	publish(&fixture, &made, 0);
	assert_int_equal(stats_of(&fixture).rows, PAGE / 32 * 31);
	made_release(&made);
	fixture_release(&fixture);
}

static void table_bytes_are_told_before(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct made made = make_table(random_rows(seed, 0, seed * 30000), seed * 30000);
		struct fixture fixture;

		fixture_init(&fixture, 8 * MIB);
		publish(&fixture, &made, 0);
		assert_int_equal(stats_of(&fixture).table_bytes, row_store_table_bytes(&made.table));
		assert_int_equal(stats_of(&fixture).used_bytes, stats_of(&fixture).table_bytes);
		made_release(&made);
		fixture_release(&fixture);
	}
}

static void windows_are_added_to_the_pages_that_are_there(void **state)
{
	const uint64_t limit = 40 * PAGE + 1234;
	struct plain_rows rows = random_rows(5, 0, limit);
	struct fixture fixture;
	struct unwind_rule rule;
	uint32_t slot;

	(void)state;
	fixture_init(&fixture, 8 * MIB);
	slot = add_object(&fixture, NULL);
	/* Every third window, then all: pages that are there stay. */
	for (uint64_t round = 0; round < 2; round++) {
		for (uint64_t first = 0; first < limit; first += (round ? 5 : 15) * PAGE) {
			uint64_t last = first + 5 * PAGE < limit ? first + 5 * PAGE : limit;
			struct table_writer_range range = {.file_limit = limit, .first = first, .limit = last};
			struct plain_rows copy = {0};
			struct made made;

			for (size_t i = 0; i < rows.n; i++)
				add_row(&copy, rows.rows[i].file_off, rows.rows[i].rule);
			made = make_window(copy, range);
			assert_int_equal(row_store_publish(fixture.store, slot, &made.table, 0), 0);
			assert_every_byte(&fixture, slot, &rows, first, last);
			if (!round && last < limit)
				assert_int_equal(published_rule(&fixture.published, slot, 0, last, &rule),
						 FOUND_UNLOADED);
			made_release(&made);
		}
	}
	assert_every_byte(&fixture, slot, &rows, 0, limit);
	assert_int_equal(stats_of(&fixture).tables, 1);
	free(rows.rows);
	fixture_release(&fixture);
}

static void table_published_twice_takes_nothing_more(void **state)
{
	struct made made = make_table(random_rows(9, 0, 9 * PAGE), 9 * PAGE);
	struct row_store_stats before, after;
	struct fixture fixture;
	uint32_t slot;

	(void)state;
	fixture_init(&fixture, MIB);
	slot = publish(&fixture, &made, 0);
	before = stats_of(&fixture);
	assert_int_equal(row_store_publish(fixture.store, slot, &made.table, 0), 0);
	after = stats_of(&fixture);
	assert_memory_equal(&before, &after, sizeof(after));
	assert_every_byte(&fixture, slot, &made.rows, 0, 9 * PAGE);
	made_release(&made);
	fixture_release(&fixture);
}

static void table_of_another_file_or_machine_is_refused(void **state)
{
	struct made made = make_table(random_rows(9, 0, 9 * PAGE), 9 * PAGE);
	struct made longer = make_table(random_rows(9, 0, 10 * PAGE), 10 * PAGE);
	struct fixture fixture;
	uint32_t slot;

	(void)state;
	fixture_init(&fixture, MIB);
	slot = publish(&fixture, &made, 0);
	assert_int_equal(row_store_publish(fixture.store, slot, &longer.table, 0), -EINVAL);
	longer.table.head.machine = EM_AARCH64;
	assert_int_equal(row_store_publish(fixture.store, add_object(&fixture, NULL), &longer.table, 0), -EINVAL);
	made_release(&made);
	made_release(&longer);
	fixture_release(&fixture);
}

static void object_without_a_table_says_so(void **state)
{
	struct made made = make_rows(100, 10, 1);
	struct fixture fixture;
	struct unwind_rule rule;
	uint32_t slot;

	(void)state;
	fixture_init(&fixture, MIB);
	slot = add_object(&fixture, NULL);
	assert_int_equal(published_rule(&fixture.published, slot, 0, 0, &rule), FOUND_UNLOADED);
	row_store_publish_none(fixture.store, slot, 0);
	assert_int_equal(published_rule(&fixture.published, slot, 0, 0, &rule), FOUND_NONE);
	assert_int_equal(row_store_publish(fixture.store, slot, &made.table, 0), 0);
	assert_int_equal(published_rule(&fixture.published, slot, 0, 0, &rule), FOUND_RULE);
	assert_int_equal(published_rule(&fixture.published, slot, 0, PAGE, &rule), FOUND_NONE);
	row_store_publish_none(fixture.store, slot, 0);
	assert_int_equal(published_rule(&fixture.published, slot, 0, 0, &rule), FOUND_NONE);
	assert_int_equal(stats_of(&fixture).used_bytes, 0);
	assert_int_equal(stats_of(&fixture).rules, 2);
	made_release(&made);
	fixture_release(&fixture);
}

/* Blobs of 17 KB go side by side into extents of 64 KiB, though there are holes into which single ones would fit. */
static void table_is_few_extents(void **state)
{
	struct made large = make_rows(200000, 10, 1), small = make_rows(5000, 10, 1);
	const struct unwind_object *object;
	const uint32_t *words;
	struct fixture fixture;
	uint32_t slot, gaps = 0;

	(void)state;
	fixture_init(&fixture, 4 * MIB);
	for (uint32_t i = 0; i < 60; i++)
		publish(&fixture, &small, 0);
	for (uint32_t i = 0; i < 60; i += 2)
		row_store_remove_object(fixture.store, i, 0);
	row_store_tick(fixture.store, GRACE);
	slot = publish(&fixture, &large, GRACE);
	object = &fixture.published.objects[slot];
	assert_int_equal(object->pages, 49);
	words = published_at(&fixture.published, unwind_object_directory(object->word), 4 * 49);
	for (uint32_t i = 0; i + 2 < object->pages; i++) {
		uint32_t bytes = unwind_index_bytes(unwind_page_block_shift(words[i])) + 4 * 4096;

		gaps += unwind_page_place(words[i + 1]) != unwind_page_place(words[i]) + (bytes + 7) / 8;
	}
	assert_in_range(gaps, 0, 49 / 3);
	made_release(&large);
	made_release(&small);
	fixture_release(&fixture);
}

/* --- generations and the grace ------------------------------------------------------------------------------------ */

static void removed_object_is_gone_for_those_who_know_its_generation(void **state)
{
	struct made made = make_rows(100, 10, 1);
	struct fixture fixture;
	struct unwind_rule rule;
	uint32_t slot, generation, again = UINT32_MAX, next;

	(void)state;
	fixture_init(&fixture, MIB);
	slot = add_object(&fixture, &generation);
	assert_int_equal(row_store_publish(fixture.store, slot, &made.table, 0), 0);
	fixture.published.objects[slot].misses = 5;
	row_store_remove_object(fixture.store, slot, 0);
	assert_int_equal(published_rule(&fixture.published, slot, generation, 0, &rule), FOUND_GONE);
	for (uint32_t i = 1; i < UNWIND_MAX_OBJECTS; i++)
		assert_int_not_equal(add_object(&fixture, NULL), slot); /* the others rested longer */
	again = add_object(&fixture, &next);
	assert_int_equal(again, slot);
	assert_int_not_equal(next, generation);
	assert_int_equal(fixture.published.objects[slot].misses, 0);
	assert_int_equal(published_rule(&fixture.published, slot, generation, 0, &rule), FOUND_GONE);
	assert_int_equal(published_rule(&fixture.published, slot, next, 0, &rule), FOUND_UNLOADED);
	assert_int_equal(row_store_add_object(fixture.store, &again, &next), -ENOSPC);
	made_release(&made);
	fixture_release(&fixture);
}

/* A reader who found the table before it was taken back reads on in it. */
static void table_that_was_taken_back_stays_readable_for_the_grace(void **state)
{
	struct made old = make_rows(20000, 50, 1), new = make_rows(20000, 50, 100);
	struct unwind_object before;
	struct fixture fixture;
	uint32_t slot;

	(void)state;
	fixture_init(&fixture, MIB);
	slot = publish(&fixture, &old, 0);
	before = fixture.published.objects[slot];
	row_store_remove_object(fixture.store, slot, 5 * GRACE);
	for (uint64_t now = 5 * GRACE; now < 6 * GRACE; now += GRACE / 4) {
		uint32_t other = publish(&fixture, &new, now);

		row_store_tick(fixture.store, now);
		fixture.published.objects[slot] = before;
		assert_every_byte(&fixture, slot, &old.rows, 0, 16 * 20000);
		fixture.published.objects[slot].word = unwind_object_word(1, UNWIND_OBJECT_UNLOADED, 0);
		row_store_remove_object(fixture.store, other, 0);
	}
	row_store_tick(fixture.store, 6 * GRACE);
	for (uint32_t i = 0; i < 11; i++)
		publish(&fixture, &new, 6 * GRACE);
	made_release(&old);
	made_release(&new);
	fixture_release(&fixture);
}

/* --- room --------------------------------------------------------------------------------------------------------- */

/* Each takes 200 KB, so that five of them fill a MiB. */
static struct made fifth_of_a_mib(void)
{
	return make_rows(50000, 10, 1);
}

static void least_recently_used_table_leaves_first(void **state)
{
	static const uint32_t used[5] = {3, 1, 4, 2, 5}, order[4] = {1, 3, 0, 2};
	struct made made = fifth_of_a_mib();
	struct fixture fixture;
	uint32_t slot;

	(void)state;
	fixture_init(&fixture, MIB);
	for (uint32_t i = 0; i < 5; i++)
		assert_int_equal(publish(&fixture, &made, 0), i);
	for (uint32_t epoch = 1; epoch <= 5; epoch++) {
		assert_int_equal(row_store_next_epoch(fixture.store), epoch);
		for (uint32_t i = 0; i < 5; i++)
			if (used[i] == epoch)
				fixture.published.objects[i].used_epoch = epoch;
	}
	for (uint32_t i = 0; i < 4; i++) {
		uint64_t now = (2 * i + 1) * GRACE;

		slot = add_object(&fixture, NULL);
		/* However often it is tried, one leaves, and there is room once it has aged. */
		for (uint32_t tried = 0; tried < 3; tried++) {
			assert_int_equal(row_store_publish(fixture.store, slot, &made.table, now), -EAGAIN);
			assert_int_equal(fixture.published.n_evicted, i + 1);
			row_store_tick(fixture.store, now + GRACE - 1);
		}
		assert_int_equal(fixture.published.evicted[i], order[i]);
		assert_false(is_loaded(&fixture, order[i]));
		row_store_tick(fixture.store, now + GRACE);
		assert_int_equal(row_store_publish(fixture.store, slot, &made.table, now + GRACE), 0);
		assert_every_byte(&fixture, slot, &made.rows, 0, 16 * 50000);
	}
	/* All that is there was used in this epoch. */
	slot = add_object(&fixture, NULL);
	assert_int_equal(row_store_publish(fixture.store, slot, &made.table, 20 * GRACE), -ENOSPC);
	assert_int_equal(stats_of(&fixture).evictions, 4);
	assert_int_equal(stats_of(&fixture).tables, 5);
	assert_int_equal(stats_of(&fixture).tables_refused, 1);
	/* One that left can come back to its slot. */
	row_store_next_epoch(fixture.store);
	assert_int_equal(row_store_publish(fixture.store, 1, &made.table, 20 * GRACE), -EAGAIN);
	row_store_tick(fixture.store, 21 * GRACE);
	assert_int_equal(row_store_publish(fixture.store, 1, &made.table, 21 * GRACE), 0);
	assert_every_byte(&fixture, 1, &made.rows, 0, 16 * 50000);
	made_release(&made);
	fixture_release(&fixture);
}

static void nobody_leaves_in_vain(void **state)
{
	struct made small = fifth_of_a_mib(), half = make_rows(110000, 10, 1), large = make_rows(260000, 10, 1);
	struct fixture fixture;
	uint32_t slot;

	(void)state;
	fixture_init(&fixture, MIB);
	for (uint32_t i = 0; i < 5; i++)
		publish(&fixture, &small, 0);
	slot = add_object(&fixture, NULL);
	row_store_next_epoch(fixture.store);
	/* Not even when all left. */
	assert_int_equal(row_store_publish(fixture.store, slot, &large.table, 0), -ENOSPC);
	/* Not when those left that may: one and two of them. */
	for (uint32_t i = 0; i < 5; i++)
		fixture.published.objects[i].used_epoch = i > 1;
	assert_int_equal(row_store_publish(fixture.store, slot, &half.table, 0), -ENOSPC);
	assert_int_equal(fixture.published.n_evicted, 0);
	fixture.published.objects[2].used_epoch = 0;
	assert_int_equal(row_store_publish(fixture.store, slot, &half.table, 0), -EAGAIN);
	assert_int_equal(fixture.published.n_evicted, 3);
	made_release(&small);
	made_release(&half);
	made_release(&large);
	fixture_release(&fixture);
}

static void table_does_not_leave_for_more_of_itself(void **state)
{
	struct made made = make_rows(300000, 10, 1);
	const struct unwind_table whole = made.table;
	struct fixture fixture;
	uint32_t slot, page = 0;
	int err;

	(void)state;
	fixture_init(&fixture, MIB);
	slot = add_object(&fixture, NULL);
	/* Windows of one page, until there is no room for one more. */
	made.table.head.n_pages = 1;
	made.table.head.n_rows = 4096;
	do {
		made.table.head.first_page = page;
		made.table.pages = &whole.pages[page];
		made.table.rows = &whole.rows[4096 * page];
		row_store_next_epoch(fixture.store);
		err = row_store_publish(fixture.store, slot, &made.table, 0);
	} while (!err && ++page);
	assert_int_equal(err, -ENOSPC);
	assert_in_range(page, 55, 64);
	assert_int_equal(fixture.published.n_evicted, 0);
	assert_every_byte(&fixture, slot, &made.rows, 0, page * PAGE);
	made_release(&made);
	fixture_release(&fixture);
}

static void small_holes_make_one_more_leave(void **state)
{
	struct made small = make_rows(7000, 10, 1), large = make_rows(60000, 10, 1);
	uint32_t slots[200], n = 0, slot;
	struct fixture fixture;
	uint64_t now = 10 * GRACE;
	int err;

	(void)state;
	fixture_init(&fixture, MIB);
	do {
		slots[n] = add_object(&fixture, NULL);
		err = row_store_publish(fixture.store, slots[n++], &small.table, 0);
	} while (!err);
	assert_int_equal(err, -ENOSPC);
	for (uint32_t i = 0; i < n; i += 2)
		row_store_remove_object(fixture.store, slots[i], 0);
	row_store_next_epoch(fixture.store);
	slot = add_object(&fixture, NULL);
	for (uint32_t tried = 0; tried < n; tried++, now += GRACE) {
		row_store_tick(fixture.store, now);
		err = row_store_publish(fixture.store, slot, &large.table, now);
		if (err != -EAGAIN)
			break;
		assert_int_equal(fixture.published.n_evicted, tried + 1);
	}
	assert_int_equal(err, 0);
	assert_every_byte(&fixture, slot, &large.rows, 0, 16 * 60000);
	made_release(&small);
	made_release(&large);
	fixture_release(&fixture);
}

static void segments_are_added_up_to_the_limit(void **state)
{
	struct made made = fifth_of_a_mib();
	struct fixture fixture;
	uint32_t slot;

	(void)state;
	fixture_init(&fixture, 3 * MIB + 12345);
	assert_int_equal(stats_of(&fixture).segments, 0);
	fixture.published.segment_error = -EPERM;
	slot = add_object(&fixture, NULL);
	assert_int_equal(row_store_publish(fixture.store, slot, &made.table, 0), -EPERM);
	fixture.published.segment_error = 0;
	for (uint32_t i = 0; i < 15; i++) {
		assert_int_equal(stats_of(&fixture).segments, (i + 4) / 5);
		publish(&fixture, &made, 0);
	}
	assert_int_equal(row_store_publish(fixture.store, slot, &made.table, 0), -ENOSPC);
	assert_int_equal(stats_of(&fixture).segments, 3);
	assert_non_null(row_store_segment(fixture.store, 2));
	assert_null(row_store_segment(fixture.store, 3));
	made_release(&made);
	fixture_release(&fixture);
}

/* --- rules -------------------------------------------------------------------------------------------------------- */

static void rules_of_equal_tables_are_shared(void **state)
{
	struct made made = make_rows(1000, 100, 1);
	struct fixture fixture;
	uint32_t slots[10];

	(void)state;
	fixture_init(&fixture, MIB);
	for (uint32_t i = 0; i < 10; i++)
		slots[i] = publish(&fixture, &made, 0);
	assert_int_equal(stats_of(&fixture).rules, 100 + 2);
	for (uint32_t i = 0; i < 9; i++)
		row_store_remove_object(fixture.store, slots[i], 0);
	assert_int_equal(stats_of(&fixture).rules, 100 + 2);
	row_store_tick(fixture.store, 9 * GRACE);
	assert_every_byte(&fixture, slots[9], &made.rows, 0, 16 * 1000);
	row_store_remove_object(fixture.store, slots[9], 0);
	assert_int_equal(stats_of(&fixture).rules, 2);
	made_release(&made);
	fixture_release(&fixture);
}

static void scarce_rules_unfold_tables(void **state)
{
	struct made many = make_rows(60000, 60000, 1), more = make_rows(6000, 6000, 60001);
	struct made folded = make_table(random_rows(11, 0, 20 * PAGE), 20 * PAGE);
	struct fixture fixture;
	uint32_t slot, many_slot;

	(void)state;
	fixture_init(&fixture, 4 * MIB);
	many_slot = publish(&fixture, &many, 0);
	slot = publish(&fixture, &folded, 0);
	assert_int_equal(stats_of(&fixture).unfolded_tables, 1);
	assert_in_range(stats_of(&fixture).rows - 60000, folded.bytes.stats.rows_merged,
			folded.bytes.stats.rows_merged + 20);
	assert_every_byte(&fixture, slot, &folded.rows, 0, 20 * PAGE);
	/* No index is left for these. */
	assert_int_equal(row_store_publish(fixture.store, add_object(&fixture, NULL), &more.table, 0), -ENOSPC);
	assert_int_equal(stats_of(&fixture).tables_refused, 1);
	/* They are free when those of a table that left have aged. */
	row_store_remove_object(fixture.store, many_slot, GRACE);
	slot = add_object(&fixture, NULL);
	assert_int_equal(row_store_publish(fixture.store, slot, &more.table, 2 * GRACE - 1), -EAGAIN);
	assert_int_equal(row_store_publish(fixture.store, slot, &more.table, 2 * GRACE), 0);
	assert_every_byte(&fixture, slot, &more.rows, 0, 16 * 6000);
	made_release(&many);
	made_release(&more);
	made_release(&folded);
	fixture_release(&fixture);
}

static void table_is_unfolded_when_its_own_rules_are_too_many(void **state)
{
	struct made many = make_rows(59990, 59990, 1), folded;
	struct plain_rows rows = {0};
	struct fixture fixture;
	uint64_t random = 3;
	uint32_t slot;

	(void)state;
	/* Runs of ten steps of 1 or 2 bytes: nearly as many rules as runs, but eleven when unfolded. */
	for (uint32_t run = 0; run < 20000; run++) {
		uint64_t off = 64 * (uint64_t)run;

		for (int32_t i = 0; i < 11; i++, off += 1 + random_next(&random) % 2)
			add_row(&rows, off, rule_sp(8 + 8 * i + 8 * (int32_t)(run % 16)));
	}
	folded = make_table(rows, 64 * 20000);
	assert_in_range(folded.table.head.n_rules, 6000, 60000);
	fixture_init(&fixture, 4 * MIB);
	publish(&fixture, &many, 0);
	slot = publish(&fixture, &folded, 0);
	assert_int_equal(stats_of(&fixture).unfolded_tables, 1);
	assert_in_range(stats_of(&fixture).rules, 59990, 60100);
	assert_every_byte(&fixture, slot, &folded.rows, 0, 64 * 20000);
	made_release(&many);
	made_release(&folded);
	fixture_release(&fixture);
}

/* As no writer of ours makes it. */
static void steps_end_with_their_row_when_they_are_unfolded(void **state)
{
	static const struct unwind_table_page page = {.n_rows = 2};
	struct unwind_rule rules[2] = {rule_sp(8), rule_fp(16)}, rule;
	const uint32_t rows[2] = {unwind_row(0, 0), unwind_row(2, 1)};
	struct unwind_table table = {
		.head = {.machine = EM_X86_64, .n_rules = 2, .n_pages = 1, .n_rows = 2, .file_pages = 1},
		.rules = rules,
		.pages = &page,
		.rows = rows,
	};
	struct made many = make_rows(60000, 60000, 100);
	struct fixture fixture;
	uint32_t slot;

	(void)state;
	rules[0] = (struct unwind_rule){.cfa = UNWIND_CFA_FOLDED, .cfa_off = 8, .steps = 0xe}; /* at 1, 2 and 3 */
	fixture_init(&fixture, 4 * MIB);
	publish(&fixture, &many, 0);
	slot = add_object(&fixture, NULL);
	assert_int_equal(row_store_publish(fixture.store, slot, &table, 0), 0);
	for (uint32_t off = 0; off < 40; off++) {
		assert_int_equal(published_rule(&fixture.published, slot, 0, off, &rule), FOUND_RULE);
		assert_true(same_rule(rule, off < 2 ? rule_sp(8 + 8 * (int32_t)off) : rule_fp(16)));
	}
	made_release(&many);
	fixture_release(&fixture);
}

static void rules_that_no_row_uses_are_not_kept(void **state)
{
	struct made made = make_rows(3000, 1000, 1);
	struct fixture fixture;

	(void)state;
	made.table.head.n_pages = 1;
	made.table.pages = &(const struct unwind_table_page){.n_rows = 0, .rule = 7};
	fixture_init(&fixture, MIB);
	publish(&fixture, &made, 0);
	assert_int_equal(stats_of(&fixture).rules, 1 + 2);
	made_release(&made);
	fixture_release(&fixture);
}

/* --- processes ---------------------------------------------------------------------------------------------------- */

static const struct unwind_mappings *find_process(const struct fixture *fixture, uint64_t key)
{
	for (uint32_t i = 0; i < 2 * UNWIND_BUCKET; i++) {
		uint32_t bucket = unwind_bucket(key, i / UNWIND_BUCKET);
		const struct unwind_process *process =
			&fixture->published.processes[bucket * UNWIND_BUCKET + i % UNWIND_BUCKET];
		const struct unwind_mappings *mappings;

		if (process->key != key || !process->place)
			continue;
		mappings = published_at(&fixture->published, process->place, sizeof(*mappings));
		assert_int_equal(mappings->key, key);
		return published_at(&fixture->published, process->place, unwind_mappings_bytes(mappings->n));
	}
	return NULL;
}

/* Their starts are in front of them. */
static void assert_mappings(const struct unwind_mappings *found, const struct unwind_mapping *mappings)
{
	const uint64_t *starts = (const uint64_t *)(found + 1);

	for (uint32_t i = 0; i < found->n; i++)
		assert_int_equal(starts[i], mappings[i].start);
	assert_memory_equal(starts + found->n, mappings, found->n * sizeof(*mappings));
}

static struct unwind_mapping mapping_at(uint64_t start)
{
	return (struct unwind_mapping){.start = start, .bias = start - 0x1000, .pages = 7, .object = 3};
}

static void process_is_found_with_its_mappings(void **state)
{
	struct unwind_mapping mappings[UNWIND_MAX_MAPPINGS];
	struct fixture fixture;

	(void)state;
	for (uint32_t i = 0; i < UNWIND_MAX_MAPPINGS; i++)
		mappings[i] = mapping_at(0x10000 * (uint64_t)i);
	fixture_init(&fixture, MIB);
	assert_null(find_process(&fixture, 77));
	for (uint32_t n = 0; n <= UNWIND_MAX_MAPPINGS; n += 512) {
		const struct unwind_mappings *found;
		bool is_partial = n == UNWIND_MAX_MAPPINGS;

		assert_int_equal(row_store_publish_process(fixture.store, 77 + n, mappings, n, is_partial, 0), 0);
		found = find_process(&fixture, 77 + n);
		assert_non_null(found);
		assert_int_equal(found->n, n);
		assert_int_equal(found->is_partial, is_partial);
		assert_mappings(found, mappings);
	}
	assert_int_equal(stats_of(&fixture).processes, 3);
	row_store_remove_process(fixture.store, 78, 0); /* nobody's */
	row_store_remove_process(fixture.store, 77, 0);
	assert_null(find_process(&fixture, 77));
	assert_int_equal(stats_of(&fixture).processes, 2);
	assert_int_equal(stats_of(&fixture).used_bytes, unwind_mappings_bytes(512) + unwind_mappings_bytes(1024));
	fixture_release(&fixture);
}

static void replaced_mappings_stay_readable_for_the_grace(void **state)
{
	struct unwind_mapping old = mapping_at(0x1000), new = mapping_at(0x2000);
	const struct unwind_mappings *before;
	struct fixture fixture;

	(void)state;
	fixture_init(&fixture, MIB);
	assert_int_equal(row_store_publish_process(fixture.store, 5, &old, 1, false, 0), 0);
	before = find_process(&fixture, 5);
	for (uint64_t now = GRACE; now < 2 * GRACE; now += GRACE / 10) {
		assert_int_equal(row_store_publish_process(fixture.store, 5, &new, 1, false, now), 0);
		row_store_tick(fixture.store, now);
		assert_mappings(before, &old);
		assert_mappings(find_process(&fixture, 5), &new);
	}
	row_store_tick(fixture.store, 2 * GRACE);
	assert_int_equal(row_store_publish_process(fixture.store, 6, &new, 1, false, 2 * GRACE), 0);
	assert_ptr_equal(find_process(&fixture, 6), before);
	assert_int_equal(stats_of(&fixture).processes, 2);
	fixture_release(&fixture);
}

static void slot_of_a_removed_process_rests_for_the_grace(void **state)
{
	struct unwind_mapping mapping = mapping_at(0x1000);
	const uint64_t step = UNWIND_BUCKETS; /* both buckets are the first one */
	struct fixture fixture;

	(void)state;
	fixture_init(&fixture, MIB);
	for (uint64_t i = 1; i <= UNWIND_BUCKET; i++)
		assert_int_equal(row_store_publish_process(fixture.store, i * step, &mapping, 1, false, 0), 0);
	assert_int_equal(row_store_publish_process(fixture.store, 9 * step, &mapping, 1, false, 0), -ENOSPC);
	assert_int_equal(stats_of(&fixture).processes_refused, 1);
	row_store_remove_process(fixture.store, 2 * step, GRACE);
	assert_int_equal(row_store_publish_process(fixture.store, 9 * step, &mapping, 1, false, 2 * GRACE - 1),
			 -EAGAIN);
	/* Those that are there are replaced meanwhile. */
	assert_int_equal(row_store_publish_process(fixture.store, 1 * step, &mapping, 1, false, 2 * GRACE - 1), 0);
	assert_int_equal(row_store_publish_process(fixture.store, 9 * step, &mapping, 1, false, 2 * GRACE), 0);
	assert_int_equal(stats_of(&fixture).processes_refused, 1);
	fixture_release(&fixture);
}

/* Where the buckets are at fault, a slot in a thousand is refused at 60 % and one in a hundred at 80 %. */
static void processes_fill_half_of_the_slots(void **state)
{
	struct fixture fixture;
	uint64_t random = 1;

	(void)state;
	fixture_init(&fixture, 4 * MIB);
	for (uint32_t i = 0; i < UNWIND_MAX_PROCESSES / 2; i++)
		assert_int_equal(row_store_publish_process(fixture.store, random_next(&random), NULL, 0, false, 0), 0);
	assert_int_equal(stats_of(&fixture).processes, UNWIND_MAX_PROCESSES / 2);
	fixture_release(&fixture);
}

static void mappings_make_tables_leave(void **state)
{
	struct unwind_mapping mappings[UNWIND_MAX_MAPPINGS] = {{0}};
	struct made made = fifth_of_a_mib();
	struct fixture fixture;
	uint64_t key = 0;
	int err;

	(void)state;
	fixture_init(&fixture, MIB);
	for (uint32_t i = 0; i < 5; i++)
		publish(&fixture, &made, 0);
	do
		err = row_store_publish_process(fixture.store, ++key, mappings, UNWIND_MAX_MAPPINGS, false, 0);
	while (!err);
	assert_int_equal(err, -ENOSPC);
	row_store_next_epoch(fixture.store);
	assert_int_equal(row_store_publish_process(fixture.store, key, mappings, UNWIND_MAX_MAPPINGS, false, 0),
			 -EAGAIN);
	row_store_tick(fixture.store, GRACE);
	assert_int_equal(row_store_publish_process(fixture.store, key, mappings, UNWIND_MAX_MAPPINGS, false, 0), 0);
	assert_int_equal(fixture.published.n_evicted, 1);
	made_release(&made);
	fixture_release(&fixture);
}

/* --- memory ------------------------------------------------------------------------------------------------------- */

static void lack_of_memory_leaves_the_store_as_it_was(void **state)
{
	struct made made = make_table(random_rows(4, 0, 2 * PAGE), 2 * PAGE);
	struct unwind_mapping mapping = mapping_at(0x1000);

	(void)state;
	for (unsigned long nth = 1; nth <= 40; nth++) {
		struct fixture fixture = {.store = NULL};
		struct row_store_memory memory = published_memory(&fixture.published);
		uint32_t slot, generation;
		int err;

		oom_fail_at(nth);
		if (row_store_new(&memory, MIB, EM_X86_64, &fixture.store)) {
			published_release(&fixture.published);
			continue;
		}
		assert_int_equal(row_store_add_object(fixture.store, &slot, &generation), 0);
		err = row_store_publish(fixture.store, slot, &made.table, 0);
		if (err) {
			assert_int_equal(err, -ENOMEM);
			assert_int_equal(stats_of(&fixture).used_bytes, 0);
			assert_int_equal(stats_of(&fixture).rules, 2);
		}
		err = row_store_publish_process(fixture.store, 1, &mapping, 1, false, 0);
		assert_true(!err || err == -ENOMEM);
		oom_fail_at(0);
		assert_int_equal(row_store_publish(fixture.store, slot, &made.table, 0), 0);
		assert_every_byte(&fixture, slot, &made.rows, 0, 2 * PAGE);
		assert_int_equal(row_store_publish_process(fixture.store, 1, &mapping, 1, false, 0), 0);
		fixture_release(&fixture);
	}
	made_release(&made);
}

/* Tables, windows and processes come, go and change at random, with little room. */
static void store_stays_sound_over_random_operations(void **state)
{
	enum { TABLES = 12, OBJECTS = 60, STEPS = 6000 };
	struct unwind_mapping mappings[200] = {{0}};
	uint32_t slots[OBJECTS], n_objects = 0;
	int has[OBJECTS];
	struct made made[TABLES];
	struct fixture fixture;
	uint64_t random = 12345;

	(void)state;
	for (uint64_t i = 0; i < TABLES; i++) {
		uint64_t limit = (i + 1) * i * 60000 + 500;

		made[i] = make_table(random_rows(i + 50, 0, limit), limit);
	}
	fixture_init(&fixture, MIB);
	for (uint64_t step = 0; step < STEPS; step++) {
		uint64_t now = step * (GRACE / 7), key = random_next(&random) % 30 + 1;
		uint32_t object = (uint32_t)(random_next(&random) % OBJECTS);

		fixture.published.n_evicted = 0;
		switch (random_next(&random) % 12) {
		case 0:
			if (n_objects == OBJECTS)
				break;
			has[n_objects] = -1;
			slots[n_objects++] = add_object(&fixture, NULL);
			break;
		case 1:
			if (object >= n_objects || n_objects < OBJECTS)
				break;
			row_store_remove_object(fixture.store, slots[object], now);
			slots[object] = slots[--n_objects];
			has[object] = has[n_objects];
			break;
		case 2:
			row_store_remove_process(fixture.store, key, now);
			break;
		case 3:
			row_store_publish_process(fixture.store, key, mappings, (uint32_t)(random_next(&random) % 200),
						  false, now);
			break;
		case 4:
			row_store_tick(fixture.store, now);
			break;
		case 5:
			row_store_next_epoch(fixture.store);
			break;
		case 6:
			if (object < n_objects)
				row_store_publish_none(fixture.store, slots[object], now);
			break;
		default:
			if (object >= n_objects)
				break;
			if (has[object] < 0)
				has[object] = (int)(random_next(&random) % TABLES);
			row_store_publish(fixture.store, slots[object], &made[has[object]].table, now);
		}
		if (step % 100)
			continue;
		assert_int_equal(published_check(&fixture.published, EM_X86_64), stats_of(&fixture).used_bytes);
		for (uint32_t i = 0; i < n_objects; i++)
			if (is_loaded(&fixture, slots[i]))
				assert_every_byte(&fixture, slots[i], &made[has[i]].rows, 0, 500);
	}
	assert_in_range(stats_of(&fixture).evictions, 20, STEPS);
	for (uint32_t i = 0; i < TABLES; i++)
		made_release(&made[i]);
	fixture_release(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_byte_has_the_rule_that_its_row_gave),
		cmocka_unit_test(packed_block_knows_all_but_two_of_its_bytes),
		cmocka_unit_test(whole_page_of_rows_is_published),
		cmocka_unit_test(table_bytes_are_told_before),
		cmocka_unit_test(windows_are_added_to_the_pages_that_are_there),
		cmocka_unit_test(table_published_twice_takes_nothing_more),
		cmocka_unit_test(table_of_another_file_or_machine_is_refused),
		cmocka_unit_test(object_without_a_table_says_so),
		cmocka_unit_test(table_is_few_extents),
		cmocka_unit_test(removed_object_is_gone_for_those_who_know_its_generation),
		cmocka_unit_test(table_that_was_taken_back_stays_readable_for_the_grace),
		cmocka_unit_test(least_recently_used_table_leaves_first),
		cmocka_unit_test(nobody_leaves_in_vain),
		cmocka_unit_test(table_does_not_leave_for_more_of_itself),
		cmocka_unit_test(small_holes_make_one_more_leave),
		cmocka_unit_test(segments_are_added_up_to_the_limit),
		cmocka_unit_test(rules_of_equal_tables_are_shared),
		cmocka_unit_test(scarce_rules_unfold_tables),
		cmocka_unit_test(table_is_unfolded_when_its_own_rules_are_too_many),
		cmocka_unit_test(steps_end_with_their_row_when_they_are_unfolded),
		cmocka_unit_test(rules_that_no_row_uses_are_not_kept),
		cmocka_unit_test(process_is_found_with_its_mappings),
		cmocka_unit_test(replaced_mappings_stay_readable_for_the_grace),
		cmocka_unit_test(slot_of_a_removed_process_rests_for_the_grace),
		cmocka_unit_test(processes_fill_half_of_the_slots),
		cmocka_unit_test(mappings_make_tables_leave),
		cmocka_unit_test(lack_of_memory_leaves_the_store_as_it_was),
		cmocka_unit_test(store_stays_sound_over_random_operations),
	};

	return cmocka_run_group_tests_name("row_store", tests, NULL, NULL);
}
