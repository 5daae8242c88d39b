/* SPDX-License-Identifier: Apache-2.0 */
#include "table/host_walk.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "walk.h"

/* The mappings of a walk pose as a segment that no store has. */
#define MAPPINGS_SEGMENT (UNWIND_MAX_SEGMENTS - 1)
#define MAPPINGS_PLACE (MAPPINGS_SEGMENT << (UNWIND_SEGMENT_SHIFT - UNWIND_UNIT_SHIFT))

struct host_walk {
	struct scratch scratch;
	const struct row_store *store;
	struct row_store_memory memory;
	const struct stack_copy_record *copy;
	bool left_copy; /* a word behind the copy's end was asked for */
	/* With room for the most, so that the search may look behind the last one. */
	uint64_t mappings[UNWIND_MAX_MAPPINGS * (1 + sizeof(struct unwind_mapping) / sizeof(uint64_t))];
};

/* The shims have no argument that could say whose they are. */
static _Thread_local struct host_walk *current;

SHIM struct scratch *shim_scratch(void)
{
	return &current->scratch;
}

SHIM long shim_read_user(void *to, __u32 size, __u64 address)
{
	const struct stack_copy_record *copy = current->copy;
	__u64 offset = address - copy->base, bytes = (__u64)copy->chunks * STACK_CHUNK_BYTES;

	if (address == copy->ip && size <= sizeof(copy->code)) {
		memcpy(to, &copy->code, size);
		return 0;
	}
	if (offset >= bytes || size > bytes - offset) {
		current->left_copy = current->left_copy || offset < FP_MAX_FRAME_BYTES;
		return -EFAULT;
	}
	for (__u64 chunk = offset / STACK_CHUNK_BYTES; chunk <= (offset + size - 1) / STACK_CHUNK_BYTES; chunk++)
		if (!(copy->readable[chunk / 64] >> chunk % 64 & 1))
			return -EFAULT;
	memcpy(to, (const uint8_t *)(copy + 1) + offset, size);
	return 0;
}

SHIM __u8 *shim_segment(__u32 index)
{
	if (index == MAPPINGS_SEGMENT)
		return (__u8 *)current->mappings;
	return row_store_segment(current->store, index);
}

SHIM const struct unwind_rule *shim_unwind_rule(__u32 index)
{
	return index < UNWIND_MAX_RULES ? &current->memory.rules[index] : NULL;
}

/* Copies are few: nothing is gained. */
SHIM volatile struct call_site *shim_call_site(__u32 index)
{
	(void)index;
	return NULL;
}

SHIM struct unwind_object *shim_unwind_object(__u32 slot)
{
	return slot < UNWIND_MAX_OBJECTS ? &current->memory.objects[slot] : NULL;
}

SHIM const struct unwind_process *shim_unwind_process(__u32 index)
{
	return index < UNWIND_MAX_PROCESSES ? &current->memory.processes[index] : NULL;
}

SHIM struct unwind_inherited *shim_unwind_inherited(__u32 index)
{
	(void)index;
	return NULL;
}

SHIM __u32 shim_unwind_epoch(void)
{
	return row_store_epoch(current->store);
}

int host_walk_new(const struct row_store *store, const struct row_store_memory *memory, struct host_walk **ret)
{
	struct host_walk *walk = calloc(1, sizeof(*walk));

	if (!walk)
		return -ENOMEM;
	walk->store = store;
	walk->memory = *memory;
	*ret = walk;
	return 0;
}

void host_walk_free(struct host_walk *walk)
{
	free(walk);
}

void host_walk_run(struct host_walk *walk, const struct stack_copy_record *copy, const struct unwind_mapping *mappings,
		   uint32_t n, int is_partial, struct host_walk_result *ret)
{
	struct walk *state = &walk->scratch.walk;

	if (n > UNWIND_MAX_MAPPINGS)
		n = UNWIND_MAX_MAPPINGS;
	row_store_write_mappings(mappings, n, walk->mappings);
	memcpy(walk->scratch.registers, copy->registers, sizeof(copy->registers));
	walk->copy = copy;
	walk->left_copy = false;
	current = walk;
	walk_begin(&walk->scratch, copy->ip, (int)copy->is_exact, copy->task_size);
	state->mappings = MAPPINGS_PLACE;
	state->n_mappings = n;
	state->is_partial = (uint32_t)is_partial;
	walk_run();
	current = NULL;
	*ret = (struct host_walk_result){.frames = (const uint64_t *)walk->scratch.user_frames,
					 .n = state->n,
					 .end = state->end,
					 .lacking_slot = state->object,
					 .lacking_page = state->missed_page};
	if (ret->end == UNWIND_END_UNREADABLE_STACK && walk->left_copy)
		ret->end = UNWIND_END_COPY_TOO_SHORT;
	/* The new program is there already, the registers are the old one's. */
	if (copy->is_in_exec && ret->n == 1 &&
	    (ret->end == UNWIND_END_NOT_CODE || ret->end == UNWIND_END_PROCESS_UNKNOWN)) {
		ret->end = UNWIND_END_EXECUTING;
		ret->n = 0;
	}
}
