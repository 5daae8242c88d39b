/* SPDX-License-Identifier: Apache-2.0 */
/* The walk of bpf/walk.h in user space: over copies of stacks, through the tables of a row store. The very same code as
 * in the kernel, which reads nothing but words at addresses that it computes; here they must lie within the copy. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "table/row_store.h"
#include "wire/sample.h"

struct host_walk;

struct host_walk_result {
	const uint64_t *frames; /* frame words (wire/frame.h), leaf first; valid until the next walk */
	uint32_t n;
	uint32_t end; /* enum unwind_end */
	/* Of end TABLE_UNLOADED: the object's slot, and the page that was missed. */
	uint32_t lacking_slot, lacking_page;
};

/* The store is borrowed. Its segments must have UNWIND_SEGMENT_SLACK readable bytes behind them. */
int host_walk_new(const struct row_store *store, const struct row_store_memory *memory, struct host_walk **ret);
void host_walk_free(struct host_walk *walk);

/* Walks the copy (head and chunks in one piece, checked) in these mappings, sorted, at most UNWIND_MAX_MAPPINGS. */
void host_walk_run(struct host_walk *walk, const struct stack_copy_record *copy, const struct unwind_mapping *mappings,
		   uint32_t n, int is_partial, struct host_walk_result *ret);
