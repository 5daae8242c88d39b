/* SPDX-License-Identifier: Apache-2.0 */
/* Which units of the segments (wire/unwind.h) are free. An extent is a run of units of one segment; first fit; freed
 * neighbours merge. What readers may still be in is retired: it is free UNWIND_GRACE_NS later. Retiring and giving back
 * never fail: taking an extent reserves what they need. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/vec.h"

struct extent {
	uint32_t place, units;
};

struct extent_vec VEC(struct extent);

struct segment_extents {
	struct extent_vec free; /* sorted by place, no two touch */
	uint32_t taken;		/* how many, the retired ones too */
	uint32_t longest;	/* units: no free one has more */
};

struct retired_extent {
	struct extent extent;
	uint64_t reusable_ns;
};

struct extents {
	struct segment_vec VEC(struct segment_extents) segments;
	struct retired_vec VEC(struct retired_extent) retired; /* the oldest first */
	uint32_t taken;
	uint64_t units, free_units, retired_units;
};

void extents_init(struct extents *extents, uint32_t max_segments);
void extents_release(struct extents *extents);

/* One more segment, all free but for place 0. -E2BIG: there are max_segments; -ENOMEM. */
int extents_add_segment(struct extents *extents);
/* -ENOSPC: no free extent is long enough; -ENOMEM. */
int extents_take(struct extents *extents, uint32_t units, struct extent *ret);
/* An extent that no reader can have seen is free at once. */
void extents_give_back(struct extents *extents, struct extent extent);
void extents_retire(struct extents *extents, struct extent extent, uint64_t now_ns);
/* Frees what has aged. */
void extents_tick(struct extents *extents, uint64_t now_ns);

size_t extents_memory_bytes(const struct extents *extents);
