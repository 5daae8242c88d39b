/* SPDX-License-Identifier: Apache-2.0 */
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
	uint32_t start = (uint32_t)extents->segments.len * SEGMENT_UNITS;
	struct segment_runs *segment;
	struct unit_run *run;
	int err = vec_reserve(&extents->segments, extents->segments.len + 1);

	if (err)
		return err;
	segment = vec_push_reserved(&extents->segments);
	vec_init(&segment->free, SEGMENT_UNITS);
	run = vec_push(&segment->free);
	if (!run) {
		extents->segments.len--;
		return -ENOMEM;
	}
	*run = (struct unit_run){.start = start, .n = SEGMENT_UNITS};
	if (!start) { /* place 0 means nothing */
		run->start++;
		run->n--;
	}
	segment->longest = run->n;
	extents->units += run->n;
	extents->free_units += run->n;
	return 0;
}

static struct segment_runs *segment_of(struct extents *extents, uint32_t place)
{
	return &extents->segments.items[unwind_place_segment(place)];
}

static void insert_run(struct segment_runs *segment, size_t at, struct unit_run run)
{
	struct unit_run *items = segment->free.items;

	assert(segment->free.len < segment->free.cap);
	memmove(&items[at + 1], &items[at], (segment->free.len++ - at) * sizeof(*items));
	items[at] = run;
}

static void remove_run(struct segment_runs *segment, size_t at)
{
	struct unit_run *items = segment->free.items;

	memmove(&items[at], &items[at + 1], (--segment->free.len - at) * sizeof(*items));
}

/* The first run that is long enough; NULL: there is none, and `longest` is exact from now on. */
static struct unit_run *first_fit(struct segment_runs *segment, uint32_t units)
{
	uint32_t longest = 0;

	if (segment->longest < units)
		return NULL;
	vec_for_each (&segment->free, run) {
		if (run->n >= units)
			return run;
		if (run->n > longest)
			longest = run->n;
	}
	segment->longest = longest;
	return NULL;
}

/* So that whatever is given back or retired finds room: between and around n extents are at most n + 1 free runs. */
static int reserve_returns(struct extents *extents, struct segment_runs *segment)
{
	int err = vec_reserve(&segment->free, (size_t)segment->taken + 2);

	if (!err)
		err = vec_reserve(&extents->retired, (size_t)extents->taken + 1);
	return err;
}

int extents_take(struct extents *extents, uint32_t units, uint32_t *ret_place)
{
	assert(units);
	vec_for_each (&extents->segments, segment) {
		struct unit_run *run = first_fit(segment, units);
		size_t at;
		int err;

		if (!run)
			continue;
		at = (size_t)(run - segment->free.items);
		err = reserve_returns(extents, segment);
		if (err)
			return err;
		run = &segment->free.items[at];
		*ret_place = run->start;
		run->start += units;
		run->n -= units;
		if (!run->n)
			remove_run(segment, at);
		segment->taken++;
		extents->taken++;
		extents->free_units -= units;
		return 0;
	}
	return -ENOSPC;
}

void extents_give_back(struct extents *extents, uint32_t place, uint32_t units)
{
	struct segment_runs *segment = segment_of(extents, place);
	struct unit_run *runs = segment->free.items;
	size_t low = 0, high = segment->free.len;
	bool joins_before, joins_behind;
	uint32_t length;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (runs[middle].start < place)
			low = middle + 1;
		else
			high = middle;
	}
	joins_before = low && runs[low - 1].start + runs[low - 1].n == place;
	joins_behind = low < segment->free.len && place + units == runs[low].start;
	assert(!low || runs[low - 1].start + runs[low - 1].n <= place);
	assert(low == segment->free.len || place + units <= runs[low].start);
	if (joins_before) {
		length = runs[low - 1].n += units;
		if (joins_behind) {
			length = runs[low - 1].n += runs[low].n;
			remove_run(segment, low);
		}
	} else if (joins_behind) {
		runs[low].start = place;
		length = runs[low].n += units;
	} else {
		insert_run(segment, low, (struct unit_run){.start = place, .n = units});
		length = units;
	}
	if (length > segment->longest)
		segment->longest = length;
	segment->taken--;
	extents->taken--;
	extents->free_units += units;
}

void extents_retire(struct extents *extents, uint32_t place, uint32_t units, uint64_t now_ns)
{
	struct retired_extent *retired = vec_push_reserved(&extents->retired);

	*retired = (struct retired_extent){.place = place, .units = units, .retired_ns = now_ns};
	extents->retired_units += units;
}

void extents_tick(struct extents *extents, uint64_t now_ns)
{
	struct retired_extent *retired = extents->retired.items;
	size_t aged = 0;

	for (; aged < extents->retired.len && retired[aged].retired_ns + UNWIND_GRACE_NS <= now_ns; aged++) {
		extents_give_back(extents, retired[aged].place, retired[aged].units);
		extents->retired_units -= retired[aged].units;
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
		bytes += extents->segments.items[i].free.cap * sizeof(struct unit_run);
	return bytes;
}
