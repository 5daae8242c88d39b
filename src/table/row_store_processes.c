/* SPDX-License-Identifier: Apache-2.0 */
/* A process is in one of the eight slots of its two buckets. A new one goes to the emptier bucket. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "table/row_store_internal.h"

static uint32_t find_process(const struct row_store *store, uint64_t key)
{
	for (uint32_t i = 0; i < 2 * UNWIND_BUCKET; i++) {
		uint32_t slot = unwind_bucket(key, i / UNWIND_BUCKET) * UNWIND_BUCKET + i % UNWIND_BUCKET;

		if (store->memory.processes[slot].key == key)
			return slot;
	}
	return NO_SLOT;
}

/* A free slot of the bucket or NO_SLOT; how many there are, and those that will be when they have aged. */
static uint32_t free_slot(const struct row_store *store, uint32_t bucket, uint64_t now_ns, uint32_t *ret_free,
			  uint32_t *ret_aging)
{
	uint32_t found = NO_SLOT;

	*ret_free = *ret_aging = 0;
	for (uint32_t slot = bucket * UNWIND_BUCKET; slot < (bucket + 1) * UNWIND_BUCKET; slot++) {
		if (store->memory.processes[slot].key)
			continue;
		if (store->processes[slot].reusable_ns > now_ns) {
			++*ret_aging;
			continue;
		}
		found = slot;
		++*ret_free;
	}
	return found;
}

static int choose_slot(const struct row_store *store, uint64_t key, uint64_t now_ns, uint32_t *ret)
{
	uint32_t free[2], aging[2], slots[2];

	for (uint32_t which = 0; which < 2; which++)
		slots[which] = free_slot(store, unwind_bucket(key, which), now_ns, &free[which], &aging[which]);
	if (!free[0] && !free[1])
		return aging[0] || aging[1] ? -EAGAIN : -ENOSPC;
	*ret = slots[free[1] > free[0]];
	return 0;
}

void row_store_write_mappings(const struct unwind_mapping *mappings, uint32_t n, void *to)
{
	uint64_t *starts = to;

	for (uint32_t i = 0; i < n; i++)
		starts[i] = mappings[i].start;
	if (n)
		memcpy(starts + n, mappings, n * sizeof(*mappings));
}

static void write_mappings(struct row_store *store, uint32_t place, uint64_t key, const struct unwind_mapping *mappings,
			   uint32_t n, bool is_partial)
{
	struct unwind_mappings *head = row_store_at(store, place);

	if (!++store->mappings_serial)
		store->mappings_serial++;
	*head = (struct unwind_mappings){
		.key = key, .n = n, .is_partial = is_partial, .serial = store->mappings_serial};
	row_store_write_mappings(mappings, n, head + 1);
}

/* Children of the process may have inherited them: nobody begins a walk by them any more. */
static void take_back(struct row_store *store, struct extent mappings, uint64_t now_ns)
{
	struct unwind_mappings *head = row_store_at(store, mappings.place);

	__atomic_store_n(&head->serial, 0, __ATOMIC_RELEASE);
	extents_retire(&store->extents, mappings, now_ns);
}

/* Points the process at them; what it had goes. */
static void set_mappings(struct row_store *store, uint32_t slot, uint64_t key, struct extent mappings, uint64_t now_ns)
{
	struct unwind_process *published = &store->memory.processes[slot];
	struct stored_process *process = &store->processes[slot];
	struct extent old = process->mappings;

	process->mappings = mappings;
	__atomic_store_n(&published->place, mappings.place, __ATOMIC_RELEASE);
	if (published->key == key) {
		take_back(store, old, now_ns);
		return;
	}
	__atomic_store_n(&published->key, key, __ATOMIC_RELEASE);
	store->stats.processes++;
}

int row_store_publish_process(struct row_store *store, uint64_t key, const struct unwind_mapping *mappings, uint32_t n,
			      bool is_partial, uint64_t now_ns)
{
	uint32_t units = unwind_mappings_bytes(n) >> UNWIND_UNIT_SHIFT;
	uint32_t slot = find_process(store, key);
	struct extent extent;
	int err = 0;

	assert(key && n <= UNWIND_MAX_MAPPINGS);
	if (slot == NO_SLOT)
		err = choose_slot(store, key, now_ns, &slot);
	if (!err)
		err = row_store_take(store, units, &extent);
	if (err == -ENOSPC && slot != NO_SLOT)
		err = row_store_make_room(store, units, NO_SLOT, now_ns);
	if (err == -ENOSPC)
		store->stats.processes_refused++;
	if (err)
		return err;
	write_mappings(store, extent.place, key, mappings, n, is_partial);
	set_mappings(store, slot, key, extent, now_ns);
	return 0;
}

void row_store_remove_process(struct row_store *store, uint64_t key, uint64_t now_ns)
{
	uint32_t slot = find_process(store, key);
	struct stored_process *process;

	if (slot == NO_SLOT)
		return;
	process = &store->processes[slot];
	__atomic_store_n(&store->memory.processes[slot].key, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&store->memory.processes[slot].place, 0, __ATOMIC_RELEASE);
	take_back(store, process->mappings, now_ns);
	*process = (struct stored_process){.reusable_ns = now_ns + UNWIND_GRACE_NS};
	store->stats.processes--;
}
