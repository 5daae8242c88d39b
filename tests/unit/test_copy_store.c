/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>

#include "base/counters.h"
#include "collector/copy_store.h"

#define MIB ((size_t)1 << 20)

/* All of whose words are `outer`, but for those of the first chunk. */
static struct stack_copy_record *make_copy(uint64_t id, uint32_t chunks, uint64_t inner, uint64_t outer)
{
	size_t n = (size_t)chunks * STACK_CHUNK_BYTES / sizeof(uint64_t);
	struct stack_copy_record *record = calloc(1, sizeof(*record) + n * sizeof(uint64_t));
	uint64_t *words = (uint64_t *)(record + 1);

	assert_non_null(record);
	record->kind = RECORD_STACK_COPY;
	record->id = id;
	record->ip = 0x1000 + id;
	record->chunks = chunks;
	record->readable[0] = record->readable[1] = UINT64_MAX;
	for (size_t i = 0; i < n; i++)
		words[i] = (i < STACK_CHUNK_BYTES / sizeof(uint64_t) ? inner : outer) + i;
	return record;
}

static void add(struct copy_store *store, uint64_t id, uint32_t chunks, uint64_t inner, uint64_t outer)
{
	struct stack_copy_record *record = make_copy(id, chunks, inner, outer);

	assert_int_equal(copy_store_add(store, record), 0);
	free(record);
}

static void assert_copy(struct copy_store *store, uint64_t id, uint32_t chunks, uint64_t inner, uint64_t outer)
{
	struct stack_copy_record *record = make_copy(id, chunks, inner, outer);
	const struct stack_copy_record *found = copy_store_get(store, id);

	assert_non_null(found);
	assert_memory_equal(found, record, sizeof(*record) + (size_t)chunks * STACK_CHUNK_BYTES);
	assert_memory_equal(copy_store_head(store, id), record, sizeof(*record));
	free(record);
}

static void a_copy_comes_back_as_it_was(void **state)
{
	static const uint32_t chunks[] = {0, 1, 9, STACK_COPY_CHUNKS};
	struct copy_store *store;

	(void)state;
	assert_int_equal(copy_store_new(4 * MIB, &store), 0);
	for (uint64_t i = 0; i < 4; i++)
		add(store, i + 1, chunks[i], i << 32, i << 48);
	for (uint64_t i = 0; i < 4; i++)
		assert_copy(store, i + 1, chunks[i], i << 32, i << 48);
	copy_store_drop(store, 2);
	assert_null(copy_store_get(store, 2));
	assert_null(copy_store_head(store, 2));
	assert_null(copy_store_get(store, 77));
	copy_store_drop(store, 77);
	assert_copy(store, 3, 9, 2ULL << 32, 2ULL << 48);
	copy_store_free(store);
}

static void what_could_not_be_read_is_zero(void **state)
{
	struct stack_copy_record *record = make_copy(5, 3, 7, 7);
	static const uint8_t zeros[STACK_CHUNK_BYTES];
	const uint8_t *chunks = (const uint8_t *)(record + 1), *found;
	struct copy_store *store;

	(void)state;
	record->readable[0] = 5;
	assert_int_equal(copy_store_new(MIB, &store), 0);
	assert_int_equal(copy_store_add(store, record), 0);
	found = (const uint8_t *)(copy_store_get(store, 5) + 1);
	assert_memory_equal(found, chunks, STACK_CHUNK_BYTES);
	assert_memory_equal(found + STACK_CHUNK_BYTES, zeros, STACK_CHUNK_BYTES);
	assert_memory_equal(found + 2 * STACK_CHUNK_BYTES, chunks + 2 * STACK_CHUNK_BYTES, STACK_CHUNK_BYTES);
	copy_store_free(store);
	free(record);
}

/* A hundred stacks of 128 KiB whose outer 124 are the same. */
static void what_stacks_have_in_common_is_kept_once(void **state)
{
	uint64_t cut = counters[COUNTER_stack_copies_cut];
	struct copy_store *store;
	size_t bytes;

	(void)state;
	assert_int_equal(copy_store_new(2 * MIB, &store), 0);
	bytes = copy_store_memory_bytes(store);
	for (uint64_t id = 1; id <= 100; id++)
		add(store, id, 32, id << 32, 0);
	assert_int_equal(counters[COUNTER_stack_copies_cut], cut);
	/* Some go, what they shared stays with the others. */
	for (uint64_t id = 1; id <= 100; id += 2)
		copy_store_drop(store, id);
	for (uint64_t id = 2; id <= 100; id += 2)
		assert_copy(store, id, 32, id << 32, 0);
	for (uint64_t id = 2; id <= 100; id += 2)
		copy_store_drop(store, id);
	assert_true(copy_store_memory_bytes(store) - bytes < MIB / 4); /* the empty maps */
	copy_store_free(store);
}

static void beyond_the_limit_the_registers_stay(void **state)
{
	uint64_t cut = counters[COUNTER_stack_copies_cut];
	struct copy_store *store;

	(void)state;
	assert_int_equal(copy_store_new(MIB, &store), 0);
	for (uint64_t id = 1; id <= 20; id++)
		add(store, id, 32, id << 32, id << 32);
	assert_true(counters[COUNTER_stack_copies_cut] - cut >= 12);
	assert_true(counters[COUNTER_stack_copies_cut] - cut <= 14);
	assert_copy(store, 6, 32, 6ULL << 32, 6ULL << 32);
	assert_int_equal(copy_store_get(store, 20)->chunks, 0);
	assert_int_equal(copy_store_get(store, 20)->ip, 0x1000 + 20);
	/* What was taken for a copy that did not fit was given back. */
	for (uint64_t id = 1; id <= 20; id++)
		copy_store_drop(store, id);
	cut = counters[COUNTER_stack_copies_cut];
	for (uint64_t id = 1; id <= 6; id++)
		add(store, id, 32, id << 32, id << 32);
	assert_int_equal(counters[COUNTER_stack_copies_cut], cut);
	copy_store_free(store);
}

static void the_last_copy_of_an_id_holds(void **state)
{
	struct copy_store *store;

	(void)state;
	assert_int_equal(copy_store_new(MIB, &store), 0);
	add(store, 3, 4, 1, 1);
	add(store, 3, 2, 5, 5);
	assert_copy(store, 3, 2, 5, 5);
	copy_store_drop(store, 3);
	assert_null(copy_store_get(store, 3));
	copy_store_free(store);
}

/* Others need the memory: copies that are there give way until they fit, and are still found. */
static void a_lower_limit_leaves_registers_alone(void **state)
{
	uint64_t cut_before = counters[COUNTER_stack_copies_cut], cut = 0;
	struct copy_store *store;

	(void)state;
	assert_int_equal(copy_store_new(4 * MIB, &store), 0);
	for (uint64_t id = 1; id <= 50; id++)
		add(store, id, 16, id, id << 32);
	copy_store_set_limit(store, 2 * MIB);
	assert_true(copy_store_memory_bytes(store) > MIB);
	copy_store_set_limit(store, MIB / 4);
	assert_true(copy_store_memory_bytes(store) < MIB / 2);
	for (uint64_t id = 1; id <= 50; id++) {
		const struct stack_copy_record *head = copy_store_head(store, id);

		assert_non_null(head);
		assert_int_equal(head->ip, 0x1000 + id);
		if (head->chunks)
			assert_copy(store, id, 16, id, id << 32);
		else
			cut++;
	}
	assert_true(cut > 25 && cut < 50);
	assert_int_equal(counters[COUNTER_stack_copies_cut] - cut_before, cut);
	copy_store_set_limit(store, 4 * MIB);
	add(store, 60, 16, 1, 2);
	assert_copy(store, 60, 16, 1, 2);
	copy_store_free(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_copy_comes_back_as_it_was),
		cmocka_unit_test(what_could_not_be_read_is_zero),
		cmocka_unit_test(what_stacks_have_in_common_is_kept_once),
		cmocka_unit_test(beyond_the_limit_the_registers_stay),
		cmocka_unit_test(the_last_copy_of_an_id_holds),
		cmocka_unit_test(a_lower_limit_leaves_registers_alone),
	};

	return cmocka_run_group_tests_name("copy_store", tests, NULL, NULL);
}
