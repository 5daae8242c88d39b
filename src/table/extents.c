/* SPDX-License-Identifier: Apache-2.0 */
#include "base/partition_point.h"
#include "table/extents.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>

#include "wire/unwind.h"

#define SEGMENT_UNITS (UNWIND_SEGMENT_BYTES >> UNWIND_UNIT_SHIFT)

void extents_init(struct extents *extents, uint32_t max_segments)
{
	assert(max_segments <= UNWIND_MAX_SEGMENTS);
	*extents = (struct extents){.taken = 0};
	vec_init(&extents->segments, max_segments);
	vec_init(&extents->retired, (size_t)UNWIND_MAX_SEGMENTS * SEGMENT_UNITS);
}

void extents_release(struct extents *extents)
{
	vec_for_each (&extents->segments, segment)
		vec_release(&segment->free);
	vec_release(&extents->segments);
	vec_release(&extents->retired);
}

int extents_add_segment(struct extents *extents)
{
	struct extent all = {.place = (uint32_t)extents->segments.len * SEGMENT_UNITS, .units = SEGMENT_UNITS};
	struct segment_extents segment = {.taken = 0};
	struct extent *slot;
	int err = vec_reserve(&extents->segments, extents->segments.len + 1);

	if (err)
		return err;
	vec_init(&segment.free, SEGMENT_UNITS);
	slot = vec_push(&segment.free);
	if (!slot)
		return -ENOMEM;
	if (!all.place) { /* which means "nothing there" */
		all.place++;
		all.units--;
	}
	*slot = all;
	segment.longest = all.units;
	extents->segments.items[extents->segments.len++] = segment;
	extents->units += all.units;
	extents->free_units += all.units;
	return 0;
}

static void insert_at(struct extent_vec *free, size_t at, struct extent extent)
{
	assert(free->len < free->cap);
	memmove(&free->items[at + 1], &free->items[at], (free->len++ - at) * sizeof(extent));
	free->items[at] = extent;
}

static void remove_at(struct extent_vec *free, size_t at)
{
	memmove(&free->items[at], &free->items[at + 1], (--free->len - at) * sizeof(*free->items));
}

/* Index of the first free extent that is long enough. Where there is none, `longest` is exact from now on. */
static bool first_fit(struct segment_extents *segment, uint32_t units, size_t *ret)
{
	uint32_t longest = 0;

	if (segment->longest < units)
		return false;
	for (size_t i = 0; i < segment->free.len; i++) {
		const struct extent *extent = &segment->free.items[i];

		if (extent->units >= units) {
			*ret = i;
			return true;
		}
		if (extent->units > longest)
			longest = extent->units;
	}
	segment->longest = longest;
	return false;
}

/* So that whatever is given back or retired finds room: between and around n taken extents are at most n + 1 free
 * ones. */
static int reserve_returns(struct extents *extents, struct segment_extents *segment)
{
	int err = vec_reserve(&segment->free, (size_t)segment->taken + 2);

	return err ? err : vec_reserve(&extents->retired, (size_t)extents->taken + 1);
}

int extents_take(struct extents *extents, uint32_t units, struct extent *ret)
{
	assert(units);
	vec_for_each (&extents->segments, segment) {
		struct extent *from;
		size_t at;
		int err;

		if (!first_fit(segment, units, &at))
			continue;
		err = reserve_returns(extents, segment);
		if (err)
			return err;
		from = &segment->free.items[at];
		*ret = (struct extent){.place = from->place, .units = units};
		from->place += units;
		from->units -= units;
		if (!from->units)
			remove_at(&segment->free, at);
		segment->taken++;
		extents->taken++;
		extents->free_units -= units;
		return 0;
	}
	return -ENOSPC;
}

/* Index of the first free extent behind the place. */
static size_t first_behind(const struct extent_vec *free, uint32_t place)
{
	return partition_point(free->len, i, free->items[i].place < place);
}

void extents_give_back(struct extents *extents, struct extent extent)
{
	struct segment_extents *segment = &extents->segments.items[unwind_place_segment(extent.place)];
	struct extent_vec *free = &segment->free;
	size_t at = first_behind(free, extent.place);

	segment->taken--;
	extents->taken--;
	extents->free_units += extent.units;
	assert(at == free->len || extent.place + extent.units <= free->items[at].place);
	if (at < free->len && extent.place + extent.units == free->items[at].place) {
		extent.units += free->items[at].units;
		remove_at(free, at);
	}
	assert(!at || free->items[at - 1].place + free->items[at - 1].units <= extent.place);
	if (at && free->items[at - 1].place + free->items[at - 1].units == extent.place) {
		extent.place = free->items[--at].place;
		extent.units += free->items[at].units;
		remove_at(free, at);
	}
	insert_at(free, at, extent);
	if (extent.units > segment->longest)
		segment->longest = extent.units;
}

void extents_retire(struct extents *extents, struct extent extent, uint64_t now_ns)
{
	struct retired_extent *retired = vec_push_reserved(&extents->retired);

	*retired = (struct retired_extent){.extent = extent, .reusable_ns = now_ns + UNWIND_GRACE_NS};
	extents->retired_units += extent.units;
}

void extents_tick(struct extents *extents, uint64_t now_ns)
{
	struct retired_extent *retired = extents->retired.items;
	size_t aged = 0;

	for (; aged < extents->retired.len && retired[aged].reusable_ns <= now_ns; aged++) {
		extents_give_back(extents, retired[aged].extent);
		extents->retired_units -= retired[aged].extent.units;
	}
	if (!aged)
		return;
	extents->retired.len -= aged;
	memmove(retired, retired + aged, extents->retired.len * sizeof(*retired));
}

size_t extents_memory_bytes(const struct extents *extents)
{
	size_t bytes = extents->segments.cap * sizeof(*extents->segments.items) +
		       extents->retired.cap * sizeof(*extents->retired.items);

	for (size_t i = 0; i < extents->segments.len; i++)
		bytes += extents->segments.items[i].free.cap * sizeof(struct extent);
	return bytes;
}
