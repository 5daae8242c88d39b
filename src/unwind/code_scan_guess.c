/* SPDX-License-Identifier: Apache-2.0 */
#include "code_scan_passes.h"

#include <errno.h>

#include "unwind/code_scan.h"

#define MAX_CANDIDATES 16
#define MAX_TRIAL_BRANCHES 8
#define MAX_TRIAL_STEPS 256    /* of one */
#define MAX_TRIAL_TURNS 2      /* jumps back of one path: it is a loop */
#define TRIAL_STEPS_PER_BYTE 4 /* of all trials */
#define SMALL_REGION (64u << 10)
#define CALL_ALIGNMENT 16 /* of sp at a call, and so of its distance from the CFA (both psABIs) */

/* A function of which something was not reached: [first, limit). */
struct gap {
	uint32_t first, limit;
};

struct gap_vec VEC(struct gap);

enum verdict {
	OPEN,
	LIKELY, /* all is as it must be for a call */
	CONFIRMED,
	REFUTED,
};

struct candidates {
	struct {
		struct scan_frame frame;
		bool is_of_jump;
	} list[MAX_CANDIDATES];
	unsigned int n;
};

static enum verdict verdict_if(bool is_right)
{
	return is_right ? CONFIRMED : REFUTED;
}

/* What the instruction at a place says about a frame there. */
static enum verdict try_place(const struct scan *scan, size_t place, const struct scan_insn *insn,
			      const struct scan_frame *frame)
{
	if (scan->frame_of[place] && !scan_is_start(scan, place))
		return verdict_if(scan_frame_is_alike(frame, scan_frame_at(scan, place)));
	if (!insn->length || frame->kind != SCAN_FRAME_NORMAL)
		return REFUTED;
	if (insn->flow == SCAN_RETURN)
		return verdict_if(scan_frame_is_entry(scan->machine, frame));
	if (insn->flow != SCAN_CALL || frame->sp == SCAN_NOWHERE)
		return OPEN;
	if (frame->sp % CALL_ALIGNMENT || (scan->machine->has_link && frame->lr_slot == SCAN_NOWHERE))
		return REFUTED;
	return LIKELY;
}

struct path {
	size_t place;
	struct scan_frame frame;
	unsigned int turns;
	bool is_behind_call; /* which may not return, so what comes there speaks for the frame, but not against it */
};

struct trial {
	struct path paths[MAX_TRIAL_BRANCHES]; /* to be followed */
	unsigned int n, steps;
	enum verdict verdict;
};

/* Follows a path until there is a proof. */
static void try_path(struct scan *scan, struct trial *trial, struct path now)
{
	while (trial->steps++ < MAX_TRIAL_STEPS && now.place < scan->places && scan->trial_steps) {
		struct scan_insn insn;
		size_t next = scan_decode(scan, now.place, &insn), target = 0;
		enum verdict verdict = try_place(scan, now.place, &insn, &now.frame);
		bool is_inside = scan_find_target(scan, now.place, &insn, &target);

		scan->trial_steps--;
		if (verdict == REFUTED && now.is_behind_call)
			return;
		if (verdict > trial->verdict)
			trial->verdict = verdict;
		if (verdict > LIKELY || insn.flow == SCAN_INDIRECT || insn.flow == SCAN_END)
			return;
		if (!scan_insn_keeps_frame(&insn))
			now.frame = scan_frame_step(scan->machine, &now.frame, &insn, (uint32_t)now.place);
		if (insn.flow == SCAN_CALL && scan_never_returns(scan, now.place, &insn))
			return;
		now.is_behind_call |= insn.flow == SCAN_CALL;
		if (insn.flow == SCAN_JUMP || insn.flow == SCAN_BRANCH) {
			if (is_inside && scan_is_start(scan, target)) { /* a tail call */
				trial->verdict = verdict_if(scan_frame_is_entry(scan->machine, &now.frame));
				return;
			}
			if (insn.flow == SCAN_BRANCH && is_inside && trial->n < MAX_TRIAL_BRANCHES)
				trial->paths[trial->n++] =
					(struct path){target, now.frame, now.turns, now.is_behind_call};
			if (insn.flow == SCAN_JUMP &&
			    (!is_inside || (target <= now.place && ++now.turns > MAX_TRIAL_TURNS)))
				return;
		}
		if (insn.flow != SCAN_JUMP && scan_is_start(scan, next))
			return;
		now.place = insn.flow == SCAN_JUMP ? target : next;
	}
}

/* What speaks for a frame at a place that nothing leads to. Changes nothing. */
static enum verdict try_frame(struct scan *scan, size_t place, const struct scan_frame *frame)
{
	struct trial trial = {.paths = {{place, *frame}}, .n = 1, .verdict = OPEN};

	while (trial.n && trial.verdict <= LIKELY)
		try_path(scan, &trial, trial.paths[--trial.n]);
	return trial.verdict;
}

static void add_candidate(struct candidates *candidates, const struct scan_frame *frame, bool is_of_jump)
{
	unsigned int i = 0;

	while (i < candidates->n && !scan_frame_is_alike(&candidates->list[i].frame, frame))
		i++;
	if (i == MAX_CANDIDATES)
		return;
	if (i == candidates->n) {
		candidates->n++;
		candidates->list[i].frame = *frame;
		candidates->list[i].is_of_jump = false;
	}
	candidates->list[i].frame = scan_frame_agreement(&candidates->list[i].frame, frame);
	candidates->list[i].is_of_jump |= is_of_jump;
}

/* The frames of calls and indirect jumps in [first, limit). Returns whether something there was not reached. */
static bool find_candidates(const struct scan *scan, size_t first, size_t limit, struct candidates *ret)
{
	bool has_gaps = false;

	ret->n = 0;
	for (size_t place = first, next; place < limit; place = next) {
		uint8_t kept;

		next = scan_look(scan, place, &kept);
		if (!scan->frame_of[place])
			has_gaps |= !(kept & INSN_PADDING);
		else if (kept & INSN_LEAVES && scan_frame_at(scan, place)->kind == SCAN_FRAME_NORMAL)
			add_candidate(ret, scan_frame_at(scan, place), kept & INSN_ENDS);
	}
	return has_gaps;
}

/* The frame for a place that nothing leads to, or NULL: one that is proven, or an entry's that looks right. */
static const struct scan_frame *guess(struct scan *scan, size_t place, const struct candidates *candidates)
{
	const struct scan_frame *entry = &scan->frames.items[FRAME_ENTRY];

	for (unsigned int i = 0; i < candidates->n; i++)
		if (try_frame(scan, place, &candidates->list[i].frame) == CONFIRMED)
			return &candidates->list[i].frame;
	switch (try_frame(scan, place, entry)) {
	case LIKELY:
	case CONFIRMED:
		return entry;
	default:
		return NULL;
	}
}

/* The frame of the function's indirect jumps, when nothing speaks against it, nor for another one: between the known
 * starts there may be more than one function. Calls with more on the stack do not count, as they may have arguments
 * there, and jumps from the frame of an entry leave the function. */
static const struct scan_frame *guess_case(struct scan *scan, size_t place, const struct candidates *candidates)
{
	const struct scan_frame *found = NULL;
	int32_t least = INT32_MAX;

	for (unsigned int i = 0; i < candidates->n; i++) {
		const struct scan_frame *frame = &candidates->list[i].frame;
		bool is_exit = candidates->n > 1 && frame->sp == scan->machine->entry_sp;

		if (try_frame(scan, place, frame) == REFUTED)
			continue;
		if (candidates->list[i].is_of_jump && !is_exit) {
			if (found)
				return NULL;
			found = frame;
		}
		if (!is_exit && frame->sp < least)
			least = frame->sp;
	}
	return found && found->sp <= least ? found : NULL;
}

typedef const struct scan_frame *guess_function(struct scan *scan, size_t place, const struct candidates *candidates);

/* What begins a frame of its own there is a function, and the frames of other functions are no candidates for it. */
static void fill_gap(struct scan *scan, size_t place, const struct scan_frame *frame)
{
	struct scan_insn insn;

	if (!scan_arrive(scan, place, scan_frame_number(scan, frame), true))
		return;
	scan_follow_all(scan, place);
	scan_decode(scan, place, &insn);
	if (scan->frame_of[place] == FRAME_ENTRY && (insn.is_landing || (insn.sp.source == SCAN_SP && insn.sp.add < 0)))
		scan->flags[place] |= START;
}

/* Fills what it can of a function, [first, limit). Returns whether there was anything to fill. */
static bool fill_function(struct scan *scan, size_t first, size_t limit, guess_function *choose)
{
	struct candidates candidates;
	bool is_head = true; /* no other instruction runs into this place */

	if (!find_candidates(scan, first, limit, &candidates))
		return false;
	for (size_t place = first, next; place < limit && scan->trial_steps && !scan->err; place = next) {
		const struct scan_frame *frame = NULL;
		uint8_t kept;

		next = scan_look(scan, place, &kept);
		if (is_head && !scan->frame_of[place] && !(kept & INSN_PADDING))
			frame = choose(scan, place, &candidates);
		if (frame && scan->trial_steps) /* else the trial was cut short */
			fill_gap(scan, place, frame);
		if (scan->frame_of[place])
			is_head = true;
		else if (!(kept & INSN_PADDING))
			is_head = kept & INSN_ENDS;
	}
	return true;
}

/* What lies between two starts is a function; those that were not known wholly are added to `gaps`, if that is given.
 */
static void fill_functions(struct scan *scan, size_t first, size_t limit, guess_function *choose, struct gap_vec *gaps)
{
	for (size_t next; first < limit && !scan->err; first = next) {
		struct gap *gap;

		next = first + 1;
		while (next < limit && !scan_is_start(scan, next))
			next++;
		if (!fill_function(scan, first, next, choose) || !gaps)
			continue;
		gap = vec_push(gaps);
		if (gap)
			*gap = (struct gap){(uint32_t)first, (uint32_t)next};
		else if (gaps->len < gaps->max)
			scan->err = -ENOMEM;
	}
}

/* Of much code to which no call leads it is not worth it: it is not made in the common way (GHC has a stack of its own
 * for Haskell). */
static bool is_worth_guessing(const struct scan *scan)
{
	size_t place = 0;

	while (place < scan->places && scan->frame_of[place] == NOT_REACHED)
		place++;
	return place < scan->places || scan->region->n <= SMALL_REGION;
}

/* Proofs first, as they may find functions, between which there are other candidates then. */
void scan_fill_gaps(struct scan *scan)
{
	struct gap_vec gaps = VEC_INIT(scan->places / 4 + 1);

	if (!is_worth_guessing(scan))
		return;
	scan->is_guessing = true;
	scan->trial_steps = (uint64_t)scan->region->n * TRIAL_STEPS_PER_BYTE;
	fill_functions(scan, 0, scan->places, guess, &gaps);
	vec_for_each (&gaps, gap)
		fill_functions(scan, gap->first, gap->limit, guess_case, NULL);
	vec_for_each (&gaps, again)
		fill_functions(scan, again->first, again->limit, guess, NULL);
	vec_release(&gaps);
}
