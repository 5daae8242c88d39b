/* SPDX-License-Identifier: Apache-2.0 */
/* Which units of the segments (wire/unwind.h) are free. An extent is a run of units of one segment; first fit; freed
 * neighbours merge. What readers may still be in is retired: it is free UNWIND_GRACE_NS later. Retiring and giving back
 * never fail: taking an extent reserves what they need. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/vec.h"

/* Free units: `n` from `start` (a place) on. */
struct unit_run {
	uint32_t start, n;
};

struct segment_runs {
	struct unit_run_vec VEC(struct unit_run) free; /* sorted, no two touch */
	uint32_t taken;				       /* extents, the retired ones too */
	uint32_t longest;			       /* no free run is longer */
};

struct retired_extent {
	uint32_t place, units;
	uint64_t retired_ns;
};

struct extents {
	struct segment_vec VEC(struct segment_runs) segments;
	struct retired_vec VEC(struct retired_extent) retired; /* the oldest first */
	uint32_t taken;
	uint64_t units, free_units, retired_units;
};

void extents_init(struct extents *extents, uint32_t max_segments);
void extents_release(struct extents *extents);

/* One more segment, all free but for place 0. -E2BIG: there are max_segments; -ENOMEM. */
int extents_add_segment(struct extents *extents);
/* -ENOSPC: no free run is long enough; -ENOMEM. */
int extents_take(struct extents *extents, uint32_t units, uint32_t *ret_place);
/* An extent that no reader can have seen is free at once. */
void extents_give_back(struct extents *extents, uint32_t place, uint32_t units);
void extents_retire(struct extents *extents, uint32_t place, uint32_t units, uint64_t now_ns);
/* Frees what has aged. */
void extents_tick(struct extents *extents, uint64_t now_ns);

size_t extents_memory_bytes(const struct extents *extents);
