/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The walk of a user stack, from the registers to the root. */
#pragma once

#include "unwind_step.h"

/* Steps of one call of walk_some(): enough to hide the call, few enough for the verifier. */
#define WALK_STEPS 8
#define WALK_CALLS (MAX_USER_FRAMES / WALK_STEPS + 1)

/* Starts a walk at scratch->registers and `ip` (`is_exact`: not a return address), in the process of the key. */
static __always_inline void walk_begin(struct scratch *scratch, __u64 ip, int is_exact, __u64 task_size)
{
	struct walk *walk = &scratch->walk;

	walk->ip = ip;
	walk->sp = scratch->registers[REGISTER_SP];
	walk->fp = scratch->registers[REGISTER_FP];
	walk->other = scratch->registers[REGISTER_OTHER];
	walk->task_size = task_size;
	walk->map_start = walk->map_bytes = walk->map_bias = 0;
	walk->object = UNWIND_NO_OBJECT;
	walk->page_words = walk->first_page = walk->pages = 0;
	walk->mappings = walk->n_mappings = walk->is_partial = walk->may_be_news = walk->is_inherited = 0;
	walk->flags = WALK_LINK | WALK_REGISTERS_KNOWN | (is_exact ? WALK_EXACT : 0);
	walk->is_in_exec = 0;
	walk->n = 1;
	walk->end = UNWIND_END_FRAME_LIMIT;
	scratch->window.base = scratch->window.bytes = 0;
	scratch->user_frames[0] = frame_from_address(ip, !is_exact);
}

VERIFIED_ALONE int walk_some(void)
{
	struct scratch *scratch = shim_scratch();
	int is_over = 0;

	if (!scratch)
		return 1;
	for (int i = 0; i < WALK_STEPS && !is_over; i++)
		is_over = walk_step(scratch);
	return is_over;
}

/* Walks to the end. */
static __always_inline void walk_run(void)
{
	for (int i = 0; i < WALK_CALLS; i++)
		if (walk_some())
			break;
}

/* The walk lacks something that user space will have soon. */
static __always_inline int walk_lacks_tables(const struct walk *walk)
{
	return walk->end == UNWIND_END_PROCESS_UNKNOWN || walk->end == UNWIND_END_TABLE_UNLOADED;
}
