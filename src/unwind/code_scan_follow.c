/* SPDX-License-Identifier: Apache-2.0 */
#include "code_scan_passes.h"

#include <errno.h>

bool scan_arrive(struct scan *scan, size_t place, uint16_t number, bool is_firm)
{
	uint8_t *flags = &scan->flags[place];
	uint16_t known = scan->frame_of[place];

	if (*flags & START || (known && !is_firm && *flags & FIRM))
		return false;
	if (known && scan->is_guessing && !(*flags & GUESSED))
		return false; /* what was followed is better than what was guessed */
	if (known && known != number && (!is_firm || *flags & FIRM)) {
		struct scan_frame both = scan_frame_agreement(&scan->frames.items[known], &scan->frames.items[number]);

		number = scan_frame_number(scan, &both);
	}
	*flags |= (is_firm ? FIRM : 0) | (scan->is_guessing ? GUESSED : 0);
	scan->frame_of[place] = number;
	return number != known;
}

/* When the list is full, what would be followed keeps the frames it has, or none. */
static void push_place(struct scan *scan, struct place_vec *places, size_t place)
{
	uint32_t *slot = vec_push(places);

	if (slot)
		*slot = (uint32_t)place;
	else if (places->len < places->max)
		scan->err = -ENOMEM;
}

static void branch_to(struct scan *scan, size_t place, uint16_t number)
{
	if (!scan_arrive(scan, place, number, true) || scan->flags[place] & QUEUED)
		return;
	scan->flags[place] |= QUEUED;
	push_place(scan, &scan->branches, place);
}

/* The number of the frame behind the instruction at a place. */
static uint16_t frame_behind(struct scan *scan, size_t place, const struct scan_insn *insn)
{
	struct scan_frame after;

	if (scan_insn_keeps_frame(insn))
		return scan->frame_of[place];
	after = scan_frame_step(scan->machine, scan_frame_at(scan, place), insn, (uint32_t)place);
	return scan_frame_number(scan, &after);
}

/* Straight on from a place whose frame is new, until nothing new comes of it. */
static void follow(struct scan *scan, size_t place)
{
	for (bool is_new = true; is_new && !scan->err;) {
		struct scan_insn insn;
		size_t next = scan_decode(scan, place, &insn), target;
		uint32_t cleared_at;
		uint16_t number;

		if (!insn.length)
			return;
		number = frame_behind(scan, place, &insn);
		if (insn.flow == SCAN_CALL && !scan_never_returns(scan, place, &insn))
			push_place(scan, &scan->calls, place);
		else if (insn.flow != SCAN_CALL && scan_find_target(scan, place, &insn, &target))
			branch_to(scan, target, number);
		cleared_at = scan->frames.items[number].cleared_at;
		if (insn.flow == SCAN_RETURN && cleared_at)
			scan->flags[cleared_at - 1] |= RETURNED;
		if ((insn.flow != SCAN_NEXT && insn.flow != SCAN_BRANCH) || next >= scan->places)
			return;
		is_new = scan_arrive(scan, next, number, true);
		place = next;
	}
}

static void go_on_behind_call(struct scan *scan, size_t place)
{
	struct scan_insn insn;
	size_t next = scan_decode(scan, place, &insn), behind = scan_skip_padding(scan, next);
	struct scan_frame after = scan_frame_step(scan->machine, scan_frame_at(scan, place), &insn, (uint32_t)place);

	if (next >= scan->places || scan_is_end_of_code(scan, next, behind))
		return;
	if (behind < scan->places)
		scan_decode(scan, behind, &insn);
	if (!insn.is_landing && scan_arrive(scan, next, scan_frame_number(scan, &after), false))
		follow(scan, next);
}

void scan_follow_all(struct scan *scan, size_t place)
{
	follow(scan, place);
	while (!scan->err) {
		if (scan->branches.len) {
			place = scan->branches.items[--scan->branches.len];
			scan->flags[place] &= (uint8_t)~QUEUED;
			follow(scan, place);
		} else if (scan->calls.len) {
			go_on_behind_call(scan, scan->calls.items[--scan->calls.len]);
		} else {
			return;
		}
	}
}
