/* SPDX-License-Identifier: Apache-2.0 */
/* Ranges lie within one another; a question wants the innermost. So they become pieces side by side:
 *
 *     1 ├───────────────────────┤            1    2  3   2   1     gap
 *     2      ├───────────┤            ──►   ├────┼──┼───┼───┼─────┤
 *     3           ├───┤
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

/* --- sorting by `low`, digit by digit from the last one, which keeps what is equal in its order ---------------------
 */

#define DIGIT_BITS 11u
#define DIGITS (1u << DIGIT_BITS)
#define FEW 64u /* are sorted otherwise */

static void sort_by_digit(const struct dwarf_interval *from, size_t n, uint64_t base, unsigned int shift,
			  struct dwarf_interval *to)
{
	size_t starts[DIGITS] = {0}, sum = 0;

	for (size_t i = 0; i < n; i++)
		starts[(from[i].low - base) >> shift & (DIGITS - 1)]++;
	for (size_t digit = 0; digit < DIGITS; digit++) {
		size_t count = starts[digit];

		starts[digit] = sum;
		sum += count;
	}
	for (size_t i = 0; i < n; i++)
		to[starts[(from[i].low - base) >> shift & (DIGITS - 1)]++] = from[i];
}

static int sort(struct dwarf_interval_vec *intervals)
{
	struct dwarf_interval *from = intervals->items, *to, *spare;
	uint64_t base = UINT64_MAX, last = 0;

	vec_for_each (intervals, interval) {
		base = interval->low < base ? interval->low : base;
		last = interval->low > last ? interval->low : last;
	}
	if (intervals->len < FEW) {
		qsort(from, intervals->len, sizeof(*from), compare_lows);
		return 0;
	}
	to = spare = calloc(intervals->len, sizeof(*spare));
	if (!spare)
		return -ENOMEM;
	for (unsigned int shift = 0; shift < 64 && (last - base) >> shift; shift += DIGIT_BITS) {
		struct dwarf_interval *sorted = to;

		sort_by_digit(from, intervals->len, base, shift, to);
		to = from;
		from = sorted;
	}
	if (from == spare)
		memcpy(intervals->items, spare, intervals->len * sizeof(*spare));
	free(spare);
	return 0;
}

int dwarf_pieces_make(struct dwarf_interval_vec *intervals, struct dwarf_piece_vec *pieces)
{
	struct sweep sweep = {.pieces = pieces};
	int err;

	if (!intervals->len)
		return 0;
	err = sort(intervals);
	if (err)
		return err;
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
