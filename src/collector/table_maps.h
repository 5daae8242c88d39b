/* SPDX-License-Identifier: Apache-2.0 */
/* The BPF maps of the unwind tables as memory of ours: written by stores, never by system calls. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/vec.h"
#include "wire/unwind.h"

struct profiler;

struct table_maps {
	struct unwind_rule *rules;
	struct unwind_object *objects;
	struct unwind_process *processes;
	int outer_fd; /* borrowed: the map of segments */
	uint32_t max_segments;
	struct table_segment_vec VEC(void *) segments;
};

/* Maps the maps of a loaded object. */
int table_maps_init(struct table_maps *maps, const struct profiler *programs, uint32_t max_segments);
void table_maps_release(struct table_maps *maps);
/* Makes one more segment known to the program. Waits for a grace period of the kernel: some 10 ms. -ENOSPC: the limit.
 */
int table_maps_add_segment(struct table_maps *maps, uint32_t index, void **ret);
uint64_t table_maps_segment_bytes(const struct table_maps *maps);
