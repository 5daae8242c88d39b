/* SPDX-License-Identifier: Apache-2.0 */
/* Two runs of ranges, each without overlaps, are merged in one pass, the later one winning. That is all: what is
 * pending is halved until a half is a single range, and what has come of it is merged into what is known. */
#include "symbol/code_ranges.h"

#include <errno.h>
#include <stdbool.h>

#include "base/cursor.h"
#include "base/partition_point.h"
#include "base/vec.h"

/* So many are told before they are sorted in. */
#define PENDING_MAX 65536

void code_ranges_init(struct code_ranges *ranges, size_t max_bytes)
{
	size_t max = max_bytes / sizeof(struct code_range);

	ranges->max_bytes = max_bytes;
	vec_init(&ranges->known, max / 2);
	vec_init(&ranges->pending, max / 8 < PENDING_MAX ? max / 8 : PENDING_MAX);
}

void code_ranges_release(struct code_ranges *ranges)
{
	vec_release(&ranges->known);
	vec_release(&ranges->pending);
}

void code_ranges_clear(struct code_ranges *ranges)
{
	code_ranges_release(ranges);
	code_ranges_init(ranges, ranges->max_bytes);
}

static uint64_t limit_of(const struct code_range *range)
{
	return range->start + range->size;
}

static struct code_range part_of(const struct code_range *range, uint64_t start, uint64_t limit)
{
	return (struct code_range){.start = start, .size = (uint32_t)(limit - start), .code = range->code};
}

static bool take(const struct code_range_vec *from, size_t *next, struct code_range *ret)
{
	if (*next == from->len)
		return false;
	*ret = from->items[(*next)++];
	return true;
}

/* `to` has room for both and a further piece for each new one, which may split an old one. */
static void merge(const struct code_range_vec *old, const struct code_range_vec *new, struct code_range_vec *to)
{
	struct code_range before;
	size_t next = 0;
	bool has_before = take(old, &next, &before);

	for (size_t i = 0; i < new->len; i++) {
		const struct code_range *range = &new->items[i];

		while (has_before && before.start < limit_of(range)) {
			uint64_t limit = limit_of(&before);

			if (before.start < range->start)
				*vec_push_reserved(to) =
					part_of(&before, before.start, limit < range->start ? limit : range->start);
			if (limit > limit_of(range))
				before = part_of(&before, limit_of(range), limit);
			else
				has_before = take(old, &next, &before);
		}
		*vec_push_reserved(to) = *range;
	}
	for (; has_before; has_before = take(old, &next, &before))
		*vec_push_reserved(to) = before;
}

static int merge_new(const struct code_range_vec *old, const struct code_range_vec *new, size_t max,
		     struct code_range_vec *ret)
{
	int err;

	vec_init(ret, max);
	err = vec_reserve(ret, old->len + 2 * new->len);
	if (!err)
		merge(old, new, ret);
	return err;
}

/* n ranges in any order, the later ones winning: at most 2 n - 1 of them come of it. */
static int flatten(const struct code_range *told, size_t n, struct code_range_vec *ret)
{
	struct code_range_vec older, newer;
	int err;

	vec_init(ret, 2 * n);
	if (n == 1) {
		err = vec_reserve(ret, 1);
		if (!err)
			*vec_push_reserved(ret) = *told;
		return err;
	}
	err = flatten(told, n / 2, &older);
	if (err)
		return err;
	err = flatten(told + n / 2, n - n / 2, &newer);
	if (!err) {
		err = merge_new(&older, &newer, 4 * n, ret);
		vec_release(&newer);
	}
	vec_release(&older);
	return err;
}

int code_ranges_settle(struct code_ranges *ranges)
{
	struct code_range_vec flat, merged;
	int err;

	if (!ranges->pending.len)
		return 0;
	err = flatten(ranges->pending.items, ranges->pending.len, &flat);
	vec_clear(&ranges->pending);
	if (err)
		return err;
	err = merge_new(&ranges->known, &flat, ranges->known.max, &merged);
	vec_release(&flat);
	if (err)
		return err;
	vec_release(&ranges->known);
	ranges->known = merged;
	return 0;
}

int code_ranges_add(struct code_ranges *ranges, uint64_t start, uint64_t size, uint32_t code)
{
	struct code_range *slot;
	uint64_t limit;
	int err;

	if (!size || size > CODE_RANGE_MAX_BYTES || !checked_add(start, size, &limit))
		return -EINVAL;
	if (ranges->pending.len == ranges->pending.max) {
		err = code_ranges_settle(ranges);
		if (err)
			return err;
	}
	if (!ranges->pending.max)
		return -E2BIG;
	slot = vec_push(&ranges->pending);
	if (!slot)
		return -ENOMEM;
	*slot = (struct code_range){.start = start, .size = (uint32_t)size, .code = code};
	return 0;
}

const struct code_range *code_ranges_find(const struct code_ranges *ranges, uint64_t address)
{
	const struct code_range *items = ranges->known.items;
	size_t n = partition_point(ranges->known.len, i, items[i].start <= address);

	return n && address - items[n - 1].start < items[n - 1].size ? &items[n - 1] : NULL;
}

size_t code_ranges_memory_bytes(const struct code_ranges *ranges)
{
	return (ranges->known.cap + ranges->pending.cap) * sizeof(struct code_range);
}
