/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/unwinding.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "unwinding_internal.h"

#define EPOCH_NS (5 * NSEC_PER_SEC)
#define SWEEP_NS NSEC_PER_SEC
#define MISSES_NS (250 * NSEC_PER_MSEC)
#define MAX_TABLE_OBJECTS (1u << 20)

static void on_evicted(void *ctx, uint32_t slot)
{
	struct unwinding *unwinding = ctx;

	if (unwinding->by_slot[slot])
		unwinding->by_slot[slot]->state = TABLE_IDLE;
}

static int add_segment(void *ctx, uint32_t index, void **ret)
{
	struct unwinding *unwinding = ctx;

	return unwinding->options.memory.add_segment(unwinding->options.memory.ctx, index, ret);
}

int unwinding_new(const struct unwinding_options *options, struct unwinding **ret)
{
	struct unwinding *unwinding = calloc(1, sizeof(*unwinding));
	struct row_store_memory memory = options->memory;
	int err = -ENOMEM;

	if (!unwinding)
		return err;
	unwinding->options = *options;
	unwinding->tokens_ns = UNWINDING_BURST_NS;
	map_init(&unwinding->by_id, sizeof(uint32_t), sizeof(struct table_object *), MAX_TABLE_OBJECTS);
	vec_init(&unwinding->wanted, MAX_TABLE_OBJECTS);
	vec_init(&unwinding->published, UNWIND_MAX_PROCESSES);
	vec_init(&unwinding->mappings, UNWIND_MAX_MAPPINGS);
	unwinding->by_slot = calloc(UNWIND_MAX_OBJECTS, sizeof(struct table_object *));
	unwinding->slot_versions = calloc(UNWIND_MAX_OBJECTS, sizeof(uint32_t));
	if (!unwinding->by_slot || !unwinding->slot_versions)
		goto fail;
	memory.add_segment = add_segment;
	memory.evicted = on_evicted;
	memory.ctx = unwinding;
	err = row_store_new(&memory, options->table_bytes, options->machine, &unwinding->store);
	if (!err)
		err = host_walk_new(unwinding->store, &memory, &unwinding->walk);
	if (err)
		goto fail;
	*ret = unwinding;
	return 0;
fail:
	unwinding_free(unwinding);
	return err;
}

void unwinding_free(struct unwinding *unwinding)
{
	const void *key;
	size_t pos = 0;
	void *value;

	if (!unwinding)
		return;
	while (map_next(&unwinding->by_id, &pos, &key, &value))
		free(*(struct table_object **)value);
	map_release(&unwinding->by_id);
	vec_release(&unwinding->wanted);
	vec_for_each (&unwinding->published, entry)
		free(entry->objects);
	vec_release(&unwinding->published);
	vec_release(&unwinding->mappings);
	memfd_unmap(&unwinding->waiting_bytes);
	host_walk_free(unwinding->walk);
	row_store_free(unwinding->store);
	free(unwinding->by_slot);
	free(unwinding->slot_versions);
	free(unwinding);
}

/* --- before the first sample ---------------------------------------------------------------------------------------
 */

/* Counts in `misses`, which makes the most common ones the first. */
static void preload_mapping(struct unwinding *unwinding, struct process *process, const struct mapping *mapping,
			    uint32_t weight, uint64_t now_ns)
{
	struct table_object *entry = unwinding_object_of(unwinding, mapping->object, now_ns);
	struct object *object = object_table_get(unwinding->options.objects, mapping->object);

	if (!entry)
		return;
	entry->misses += weight;
	if (entry->misses < UNWINDING_SHARED_BY || entry->state != TABLE_IDLE)
		return;
	unwinding_want(unwinding, entry, (uint32_t)(mapping->file_off >> UNWIND_PAGE_SHIFT), now_ns);
	if (object->state == OBJECT_UNSEEN)
		unwinding->options.want_object(unwinding->options.ctx, object, process, mapping);
}

void unwinding_preload(struct unwinding *unwinding, struct process *process, bool is_sure, uint64_t now_ns)
{
	size_t n;
	const struct mapping *mappings = process_mappings(process, &n);

	for (size_t i = 0; i < n; i++)
		preload_mapping(unwinding, process, &mappings[i], is_sure ? UNWINDING_SHARED_BY : 1, now_ns);
}

bool unwinding_is_busy(const struct unwinding *unwinding)
{
	return unwinding->asked || unwinding->waiting.object || unwinding->wanted.len;
}

/* --- copies ------------------------------------------------------------------------------------------------------- */

int unwinding_walk(struct unwinding *unwinding, struct process *process, struct mapping_set *mappings,
		   const struct stack_copy_record *copy, bool is_last, uint64_t now_ns, struct host_walk_result *ret)
{
	bool is_partial = mappings ? unwinding_convert_mappings(unwinding, mappings, now_ns) : false;
	struct table_object *lacking;
	struct object *object;

	if (!mappings)
		vec_clear(&unwinding->mappings);
	host_walk_run(unwinding->walk, copy, unwinding->mappings.items, (uint32_t)unwinding->mappings.len, is_partial,
		      ret);
	lacking = ret->end == UNWIND_END_TABLE_UNLOADED && ret->lacking_slot < UNWIND_MAX_OBJECTS
			  ? unwinding->by_slot[ret->lacking_slot]
			  : NULL;
	if (!lacking || is_last) {
		unwinding->stats.walks++;
		unwinding->stats.walks_given_up += lacking != NULL;
		return 0;
	}
	unwinding_want(unwinding, lacking, ret->lacking_page, now_ns);
	object = object_table_get(unwinding->options.objects, lacking->id);
	if (object->state == OBJECT_UNSEEN) {
		const struct mapping *mapping = process_find_object(process, lacking->id);

		if (mapping)
			unwinding->options.want_object(unwinding->options.ctx, object, process, mapping);
	}
	return -EAGAIN;
}

uint32_t unwinding_slot_version(const struct unwinding *unwinding, uint32_t slot)
{
	return slot < UNWIND_MAX_OBJECTS ? unwinding->slot_versions[slot] : 0;
}

uint64_t unwinding_version(const struct unwinding *unwinding)
{
	return unwinding->version;
}

/* --- now and then ------------------------------------------------------------------------------------------------- */

/* Walks that lacked a table and could not even leave a copy. */
static void look_at_misses(struct unwinding *unwinding, uint64_t now_ns)
{
	for (uint32_t slot = 0; slot < UNWIND_MAX_OBJECTS; slot++) {
		struct table_object *entry = unwinding->by_slot[slot];
		uint32_t misses;

		if (!entry)
			continue;
		misses = __atomic_load_n(&unwinding->options.memory.objects[slot].misses, __ATOMIC_RELAXED);
		if (misses == entry->misses_seen)
			continue;
		entry->misses_seen = misses;
		unwinding_want(unwinding, entry,
			       __atomic_load_n(&unwinding->options.memory.objects[slot].missed_page, __ATOMIC_RELAXED),
			       now_ns);
	}
}

void unwinding_tick(struct unwinding *unwinding, uint64_t now_ns)
{
	unwinding_refill_tokens(unwinding, now_ns);
	row_store_tick(unwinding->store, now_ns);
	if (unwinding->waiting.object)
		unwinding_publish_waiting(unwinding, now_ns);
	if (now_ns >= unwinding->next_misses_ns) {
		unwinding->next_misses_ns = now_ns + MISSES_NS;
		look_at_misses(unwinding, now_ns);
	}
	unwinding_ask_for_next(unwinding, now_ns);
	if (now_ns >= unwinding->next_epoch_ns) {
		unwinding->next_epoch_ns = now_ns + EPOCH_NS;
		unwinding->options.set_epoch(unwinding->options.ctx, row_store_next_epoch(unwinding->store));
	}
	if (now_ns >= unwinding->next_sweep_ns) {
		unwinding->next_sweep_ns = now_ns + SWEEP_NS;
		unwinding_forget_ended(unwinding, now_ns);
	}
}

void unwinding_hurry(struct unwinding *unwinding)
{
	unwinding->is_in_hurry = true;
}

void unwinding_get_stats(const struct unwinding *unwinding, struct unwinding_stats *ret)
{
	*ret = unwinding->stats;
	row_store_get_stats(unwinding->store, &ret->store);
}

size_t unwinding_memory_bytes(const struct unwinding *unwinding)
{
	return sizeof(*unwinding) + row_store_memory_bytes(unwinding->store) + map_memory_bytes(&unwinding->by_id) +
	       unwinding->by_id.len * sizeof(struct table_object) + UNWIND_MAX_OBJECTS * sizeof(struct table_object *) +
	       unwinding->published.cap * sizeof(*unwinding->published.items);
}
