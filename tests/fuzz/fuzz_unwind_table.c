/* SPDX-License-Identifier: Apache-2.0 */
/* A table as a resolver might send it. When it is read without complaint it is published twice: as it is, and where so
 * many rules are in use that rows are unfolded. Whatever it holds, what the walk can reach then is sound, and its bytes
 * have the rules that the table says. The seeds are tables of random_rows() in whole and in windows. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "../unit/published.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LIMIT_BYTES (4u << 20)

/* What is walked of a table: its first bytes, then some of those behind them. */
#define WALKED_BYTES 2048
#define WALKED_FURTHER (4 * UNWIND_PAGE_BYTES)
#define WALKED_STEP 127

/* Where 32 bytes have 32 rows, two of them are not told. */
static bool may_be_lost(struct unwind_rule rule, uint64_t file_off)
{
	return rule.cfa == UNWIND_CFA_UNSUPPORTED && (file_off % 32 == 29 || file_off % 32 == 30);
}

static void walk(const struct published *published, uint32_t slot, uint32_t generation,
		 const struct unwind_table *table)
{
	uint64_t first = (uint64_t)table->head.first_page << UNWIND_PAGE_SHIFT;
	uint64_t limit = first + (uint64_t)table->head.n_pages * UNWIND_PAGE_BYTES;
	struct table_walk told = {.table = table};

	if (limit > first + WALKED_FURTHER)
		limit = first + WALKED_FURTHER;
	for (uint64_t off = first; off < limit; off += off < first + WALKED_BYTES ? 1 : WALKED_STEP) {
		struct unwind_rule expected, rule;

		expected = table_rule_at(&told, off);
		if (published_rule(published, slot, generation, off, &rule) != FOUND_RULE)
			abort();
		if (!same_rule(rule, expected) && !may_be_lost(rule, off))
			abort();
	}
}

struct target {
	struct published published;
	struct row_store *store;
	uint64_t now_ns;
};

static void target_init(struct target *target)
{
	struct row_store_memory memory = published_memory(&target->published);

	if (row_store_new(&memory, LIMIT_BYTES, EM_X86_64, &target->store))
		abort();
}

/* A table of so many rules, which stays. */
static void use_up_rules(struct target *target, uint32_t n)
{
	struct table_writer_range range = {.file_limit = 16 * (uint64_t)n, .limit = 16 * (uint64_t)n};
	struct plain_rows rows = {0};
	struct unwind_table table;
	struct table_bytes bytes;
	uint32_t slot, generation;

	for (uint32_t i = 0; i < n; i++)
		add_row(&rows, 16 * (uint64_t)i, rule_sp((int32_t)i * 24));
	if (table_bytes_make(&rows, &range, &bytes) || unwind_table_read(bytes.bytes, bytes.len, EM_X86_64, &table) ||
	    row_store_add_object(target->store, &slot, &generation) ||
	    row_store_publish(target->store, slot, &table, 0))
		abort();
	table_bytes_release(&bytes);
	free(rows.rows);
}

/* Publishes the table, looks at it, and takes it back. */
static void publish(struct target *target, const struct unwind_table *table)
{
	struct row_store_stats before, during, after;
	uint32_t slot, generation;
	int err;

	row_store_get_stats(target->store, &before);
	if (row_store_add_object(target->store, &slot, &generation))
		abort();
	err = row_store_publish(target->store, slot, table, target->now_ns);
	if (!err)
		walk(&target->published, slot, generation, table);
	row_store_get_stats(target->store, &during);
	if (published_check_object(&target->published, slot, EM_X86_64) != during.used_bytes - before.used_bytes)
		abort();
	target->now_ns += UNWIND_GRACE_NS;
	row_store_remove_object(target->store, slot, target->now_ns);
	target->now_ns += UNWIND_GRACE_NS;
	row_store_tick(target->store, target->now_ns);
	row_store_get_stats(target->store, &after);
	if (after.used_bytes != before.used_bytes || after.rules != before.rules || after.rows != before.rows)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct target folding, unfolding;
	void *copy = aligned_alloc(8, (size + 8) & ~(size_t)7);
	struct unwind_table table;

	if (!copy)
		return 0;
	if (!folding.store) {
		target_init(&folding);
		target_init(&unfolding);
		use_up_rules(&unfolding, 60001);
	}
	memcpy(copy, data, size);
	if (!unwind_table_read(copy, size, EM_X86_64, &table)) {
		publish(&folding, &table);
		publish(&unfolding, &table);
	}
	free(copy);
	return 0;
}
