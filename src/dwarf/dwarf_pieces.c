/* SPDX-License-Identifier: Apache-2.0 */
/* Ranges lie within one another; a question wants the innermost. So they become pieces side by side:
 *
 *     1 ├───────────────────────┤            1    2  3   2   1     gap
 *     2      ├───────────┤            ──►   ├────┼──┼───┼───┼─────┤
 *     3           ├───┤
 */
#include <errno.h>

#include "base/partition_point.h"
#include "dwarf/dwarf_internal.h"

struct sweep {
	struct dwarf_piece_vec *pieces;
	uint64_t at;
	size_t n;
	struct dwarf_interval active[DWARF_MAX_OVERLAP]; /* by owner, the greatest last */
};

static int compare_lows(const void *a, const void *b)
{
	const struct dwarf_interval *one = a, *other = b;

	if (one->low != other->low)
		return one->low < other->low ? -1 : 1;
	return (one->owner > other->owner) - (one->owner < other->owner);
}

static int emit(struct sweep *sweep, uint32_t owner)
{
	struct dwarf_piece_vec *pieces = sweep->pieces;
	struct dwarf_piece *piece = pieces->len ? &pieces->items[pieces->len - 1] : NULL;

	if (piece && piece->owner == owner)
		return 0;
	if (!piece || piece->start != sweep->at) {
		if (vec_reserve(pieces, pieces->len + 1))
			return -ENOMEM;
		piece = vec_push_reserved(pieces);
		piece->start = sweep->at;
	}
	piece->owner = owner;
	return 0;
}

static int advance(struct sweep *sweep, uint64_t to)
{
	while (sweep->at < to) {
		const struct dwarf_interval *top;
		int err;

		while (sweep->n && sweep->active[sweep->n - 1].limit <= sweep->at)
			sweep->n--;
		top = sweep->n ? &sweep->active[sweep->n - 1] : NULL;
		err = emit(sweep, top ? top->owner : DWARF_NOBODY);
		if (err)
			return err;
		sweep->at = top && top->limit < to ? top->limit : to;
	}
	return 0;
}

static void activate(struct sweep *sweep, const struct dwarf_interval *interval)
{
	size_t i = 0, n = 0;

	if (sweep->n == DWARF_MAX_OVERLAP) {
		for (i = 0; i < sweep->n; i++)
			if (sweep->active[i].limit > sweep->at)
				sweep->active[n++] = sweep->active[i];
		sweep->n = n;
		if (n == DWARF_MAX_OVERLAP)
			return; /* nonsense, so that it has no names does not matter */
	}
	for (i = sweep->n++; i && sweep->active[i - 1].owner > interval->owner; i--)
		sweep->active[i] = sweep->active[i - 1];
	sweep->active[i] = *interval;
}

int dwarf_pieces_make(struct dwarf_interval_vec *intervals, struct dwarf_piece_vec *pieces)
{
	struct sweep sweep = {.pieces = pieces};
	int err;

	if (!intervals->len)
		return 0;
	qsort(intervals->items, intervals->len, sizeof(struct dwarf_interval), compare_lows);
	vec_for_each (intervals, interval) {
		err = advance(&sweep, interval->low);
		if (err)
			return err;
		activate(&sweep, interval);
	}
	return advance(&sweep, UINT64_MAX);
}

uint32_t dwarf_piece_owner(const struct dwarf_piece_vec *pieces, uint64_t va)
{
	size_t n = partition_point(pieces->len, i, pieces->items[i].start <= va);
	return n ? pieces->items[n - 1].owner : DWARF_NOBODY;
}
