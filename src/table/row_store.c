/* SPDX-License-Identifier: Apache-2.0 */
/* Room comes from a free extent; else from one more segment, while the limit allows; else from tables that leave. What
 * they had is free only when it has aged, so whoever asked is told to come again. Until then nobody else leaves for
 * him, however often he comes: what is retired counts as free when it is decided who must leave. */
#include "table/row_store_internal.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define SEGMENT_UNITS (UNWIND_SEGMENT_BYTES >> UNWIND_UNIT_SHIFT)

/* --- the store ---------------------------------------------------------------------------------------------------- */

/* The rule of zeroes, so that a row of zeroes says nothing; and the one that stands in for rows that are lost. */
static int add_own_rules(struct row_store *store)
{
	static const struct unwind_rule none = {.cfa = UNWIND_CFA_NONE}, unsupported = {.cfa = UNWIND_CFA_UNSUPPORTED};
	uint16_t index;
	int err = rule_dictionary_ref(&store->rules, &none, 0, &index);

	if (!err)
		err = rule_dictionary_ref(&store->rules, &unsupported, 0, &store->unsupported);
	assert(err || !index);
	return err;
}

int row_store_new(const struct row_store_memory *memory, size_t limit_bytes, uint16_t machine, struct row_store **ret)
{
	struct row_store *store = calloc(1, sizeof(*store));
	size_t segments = limit_bytes / UNWIND_SEGMENT_BYTES;
	int err = -ENOMEM;

	if (!store)
		return err;
	store->memory = *memory;
	store->machine = machine;
	store->max_segments = segments < UNWIND_MAX_SEGMENTS ? (uint32_t)segments : UNWIND_MAX_SEGMENTS;
	extents_init(&store->extents, store->max_segments);
	rule_dictionary_init(&store->rules, memory->rules);
	store->objects = calloc(UNWIND_MAX_OBJECTS, sizeof(*store->objects));
	store->processes = calloc(UNWIND_MAX_PROCESSES, sizeof(*store->processes));
	if (!store->objects || !store->processes)
		goto fail;
	err = add_own_rules(store);
	if (err)
		goto fail;
	*ret = store;
	return 0;
fail:
	row_store_free(store);
	return err;
}

void row_store_free(struct row_store *store)
{
	if (!store)
		return;
	for (uint32_t slot = 0; store->objects && slot < UNWIND_MAX_OBJECTS; slot++) {
		vec_release(&store->objects[slot].extents);
		vec_release(&store->objects[slot].rules);
	}
	free(store->objects);
	free(store->processes);
	extents_release(&store->extents);
	rule_dictionary_release(&store->rules);
	free(store);
}

/* --- tables of objects -------------------------------------------------------------------------------------------- */

void row_store_write_object(struct row_store *store, uint32_t slot, uint8_t state)
{
	struct stored_object *object = &store->objects[slot];
	uint64_t word =
		unwind_object_word(object->generation, state, state == UNWIND_OBJECT_LOADED ? object->directory : 0);

	object->state = state;
	__atomic_store_n(&store->memory.objects[slot].word, word, __ATOMIC_RELEASE);
}

/* Readers that come from now on find the state; those that are in the table may stay for the grace. */
static void drop_table(struct row_store *store, uint32_t slot, uint8_t state, uint64_t now_ns)
{
	struct stored_object *object = &store->objects[slot];
	bool was_loaded = object->state == UNWIND_OBJECT_LOADED;

	row_store_write_object(store, slot, state);
	if (!was_loaded)
		return;
	vec_for_each (&object->extents, extent)
		extents_retire(&store->extents, *extent, now_ns);
	vec_for_each (&object->rules, rule)
		rule_dictionary_unref(&store->rules, *rule, now_ns);
	vec_release(&object->extents);
	vec_release(&object->rules);
	store->stats.tables--;
	store->stats.rows -= object->rows;
	store->stats.table_bytes -= object->units << UNWIND_UNIT_SHIFT;
	object->rows = object->units = 0;
}

/* --- room --------------------------------------------------------------------------------------------------------- */

void *row_store_at(const struct row_store *store, uint32_t place)
{
	return (char *)store->segments[unwind_place_segment(place)] + unwind_place_offset(place);
}

static int add_segment(struct row_store *store)
{
	uint32_t index = (uint32_t)store->extents.segments.len;
	int err = 0;

	if (index == store->max_segments)
		return -ENOSPC;
	if (!store->segments[index]) /* there already when only its bookkeeping failed */
		err = store->memory.add_segment(store->memory.ctx, index, &store->segments[index]);
	return err ? err : extents_add_segment(&store->extents);
}

int row_store_take(struct row_store *store, uint32_t units, struct extent *ret)
{
	int err = extents_take(&store->extents, units, ret);

	if (err == -ENOSPC) {
		err = add_segment(store);
		if (!err)
			err = extents_take(&store->extents, units, ret);
	}
	return err;
}

/* A table that was not used in the running epoch. */
static bool may_leave(const struct row_store *store, uint32_t slot, uint32_t keep, uint32_t *ret_age)
{
	if (slot == keep || store->objects[slot].state != UNWIND_OBJECT_LOADED)
		return false;
	*ret_age = store->epoch - __atomic_load_n(&store->memory.objects[slot].used_epoch, __ATOMIC_RELAXED);
	return *ret_age;
}

static uint32_t least_recently_used(const struct row_store *store, uint32_t keep)
{
	uint32_t oldest = NO_SLOT, oldest_age = 0, age;

	for (uint32_t slot = 0; slot < UNWIND_MAX_OBJECTS; slot++) {
		if (may_leave(store, slot, keep, &age) && age > oldest_age) {
			oldest = slot;
			oldest_age = age;
		}
	}
	return oldest;
}

/* Units that are or will be free without anybody leaving, and those that could be when all leave that may. */
static uint64_t free_units(const struct row_store *store)
{
	return store->extents.free_units + store->extents.retired_units +
	       (store->max_segments - store->extents.segments.len) * (uint64_t)SEGMENT_UNITS;
}

static uint64_t evictable_units(const struct row_store *store, uint32_t keep)
{
	uint64_t units = 0;
	uint32_t age;

	for (uint32_t slot = 0; slot < UNWIND_MAX_OBJECTS; slot++)
		if (may_leave(store, slot, keep, &age))
			units += store->objects[slot].units;
	return units;
}

int row_store_make_room(struct row_store *store, uint64_t units, uint32_t keep, uint64_t now_ns)
{
	/* Nobody leaves in vain. */
	if (free_units(store) + evictable_units(store, keep) < units)
		return -ENOSPC;
	/* Enough is free but in too small pieces, even when nothing more will be freed: one more leaves. */
	while (free_units(store) < units || !store->extents.retired_units) {
		uint32_t slot = least_recently_used(store, keep);

		if (slot == NO_SLOT)
			return -ENOSPC;
		drop_table(store, slot, UNWIND_OBJECT_UNLOADED, now_ns);
		store->stats.evictions++;
		if (store->memory.evicted)
			store->memory.evicted(store->memory.ctx, slot);
	}
	return -EAGAIN;
}

/* --- objects ------------------------------------------------------------------------------------------------------ */

int row_store_add_object(struct row_store *store, uint32_t *ret_slot, uint32_t *ret_generation)
{
	for (uint32_t tried = 0; tried < UNWIND_MAX_OBJECTS; tried++) {
		uint32_t slot = (store->next_object + tried) % UNWIND_MAX_OBJECTS;
		struct stored_object *object = &store->objects[slot];
		struct unwind_object *published = &store->memory.objects[slot];

		if (object->is_taken)
			continue;
		object->is_taken = true;
		vec_init(&object->extents, UINT32_MAX);
		vec_init(&object->rules, UINT32_MAX);
		__atomic_store_n(&published->misses, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&published->missed_page, 0, __ATOMIC_RELAXED);
		store->next_object = slot + 1;
		store->stats.objects++;
		*ret_slot = slot;
		*ret_generation = object->generation;
		return 0;
	}
	return -ENOSPC;
}

void row_store_remove_object(struct row_store *store, uint32_t slot, uint64_t now_ns)
{
	struct stored_object *object = &store->objects[slot];

	assert(object->is_taken);
	object->generation++;
	drop_table(store, slot, UNWIND_OBJECT_UNLOADED, now_ns);
	object->is_taken = false;
	store->stats.objects--;
}

void row_store_publish_none(struct row_store *store, uint32_t slot, uint64_t now_ns)
{
	assert(store->objects[slot].is_taken);
	drop_table(store, slot, UNWIND_OBJECT_NONE, now_ns);
}

/* --- time and figures --------------------------------------------------------------------------------------------- */

void row_store_tick(struct row_store *store, uint64_t now_ns)
{
	extents_tick(&store->extents, now_ns);
}

uint32_t row_store_epoch(const struct row_store *store)
{
	return store->epoch;
}

uint32_t row_store_next_epoch(struct row_store *store)
{
	return ++store->epoch;
}

void row_store_get_stats(const struct row_store *store, struct row_store_stats *ret)
{
	const struct extents *extents = &store->extents;

	*ret = store->stats;
	ret->used_bytes = (extents->units - extents->free_units - extents->retired_units) << UNWIND_UNIT_SHIFT;
	ret->segments = (uint32_t)extents->segments.len;
	ret->rules = store->rules.in_use;
}

size_t row_store_memory_bytes(const struct row_store *store)
{
	size_t bytes = sizeof(*store) + UNWIND_MAX_OBJECTS * sizeof(*store->objects) +
		       UNWIND_MAX_PROCESSES * sizeof(*store->processes) + extents_memory_bytes(&store->extents) +
		       rule_dictionary_memory_bytes(&store->rules);

	for (uint32_t slot = 0; slot < UNWIND_MAX_OBJECTS; slot++)
		bytes += store->objects[slot].extents.cap * sizeof(struct extent) +
			 store->objects[slot].rules.cap * sizeof(uint16_t);
	return bytes;
}

void *row_store_segment(const struct row_store *store, uint32_t index)
{
	return index < store->extents.segments.len ? store->segments[index] : NULL;
}
