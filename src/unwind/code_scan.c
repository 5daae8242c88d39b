/* SPDX-License-Identifier: Apache-2.0 */
/* A flow analysis of all functions of a region at once. Each place where an instruction begins gets the frame that
 * holds before it, by number:
 *
 *     start            push %rbx        call f           pop %rbx         ret
 *     CFA = sp + 8 ──► sp + 16 ───────► sp + 16 ─ ─ ─ ─► sp + 16 ───────► sp + 8
 *                          └─ a branch brings its frame along ──────────────▲
 *
 *   1. sweep    straight through the bytes: where calls and branches lead, and which callees never return.
 *   2. follow   from each start, along every branch. A place that is reached with two frames keeps what they agree on.
 *               A start has the frame of an entry, whatever jumps to it.
 *   3. guess    for what nothing leads to: functions called through pointers, cases of a switch, landing pads. The
 *               frames of calls and indirect jumps nearby and that of an entry are tried: one that meets what was
 *               followed with the right frame, or returns with it, is proven; calls want sp aligned. The one frame of
 *               indirect jumps that nothing speaks against is taken without a proof.
 *   4. emit     a row wherever the rule changes.
 *
 * What stands behind a call is reached by it only if the callee returns, so its frame gives way to that of any branch
 * that leads there (FIRM). Where the paths of a function disagree, nothing is known from there on; a frame only ever
 * loses what it says, so each place is followed a few times at most. */
#include "unwind/code_scan.h"

#include <errno.h>
#include <string.h>

#include "base/map.h"
#include "base/vec.h"
#include "code_scan_internal.h"

#define MAX_FRAMES (UINT16_MAX + 1) /* different ones; what is beyond is lost */
#define MAX_CALLEES (1u << 17)	    /* what is beyond returns */
#define MAX_CANDIDATES 16
#define MAX_TRIAL_BRANCHES 8
#define MAX_TRIAL_STEPS 256    /* of one */
#define MAX_TRIAL_TURNS 2      /* jumps back of one path: it is a loop */
#define TRIAL_STEPS_PER_BYTE 4 /* of all trials */
#define SMALL_REGION (64u << 10)
#define MAX_PADDING 64	  /* bytes */
#define MAX_PROLOGUE 8	  /* instructions */
#define CALL_ALIGNMENT 16 /* of sp at a call, and so of its distance from the CFA (both psABIs) */

/* Flags of a place. */
#define START 0x01    /* a function begins */
#define CALLED 0x02   /* a direct call leads here */
#define TARGET 0x04   /* a branch or jump leads here */
#define HEAD 0x08     /* what stands before does not run into it: a jump, a call, padding */
#define FIRM 0x10     /* its frame did not only come from behind a call */
#define QUEUED 0x20   /* in `branches` */
#define GUESSED 0x40  /* its frame was guessed, or follows from a guess */
#define RETURNED 0x80 /* fp was cleared here in a function that returns: it is no thread's first */

enum frame_number {
	NOT_REACHED,
	FRAME_LOST,
	FRAME_ENTRY,
	FRAME_SIGNAL,
};

/* What the calls of a function tell about it, by what stands behind them. */
struct callee {
	uint32_t ends;	  /* another function */
	uint32_t targets; /* what a branch leads to */
	uint32_t others;  /* what nothing else leads to */
	bool has_no_exit; /* no instruction leads out of it */
};

/* A function of which something was not reached: [first, limit). */
struct gap {
	uint32_t first, limit;
};

struct frame_vec VEC(struct scan_frame);
struct gap_vec VEC(struct gap);
struct place_vec VEC(uint32_t);

struct scan {
	const struct code_scan_region *region;
	const struct scan_machine *machine;
	size_t places;	    /* region->n >> machine->shift */
	uint16_t *frame_of; /* number of the frame of each place */
	uint8_t *flags;
	struct frame_vec frames;   /* by number */
	struct map numbers;	   /* of frames */
	struct map callees;	   /* struct callee by address */
	struct place_vec branches; /* places whose frame is new: to be followed */
	struct place_vec calls;	   /* calls behind which to go on */
	bool is_guessing;
	uint64_t trial_steps; /* left */
	int err;
};

/* --- places and instructions ---------------------------------------------------------------------------------------
 */

/* The instruction at a place; returns the place behind it, the next one when there is none. */
static size_t decode(const struct scan *scan, size_t place, struct scan_insn *ret)
{
	scan->machine->decode(scan->region->bytes, scan->region->n, place << scan->machine->shift, ret);
	return place + (ret->length ? ret->length >> scan->machine->shift : 1);
}

/* Where a branch or call leads to; false when that is outside the region. */
static bool find_target(const struct scan *scan, size_t place, const struct scan_insn *insn, size_t *ret)
{
	int64_t offset = (int64_t)(place << scan->machine->shift) + insn->target;

	if (!insn->has_target || offset < 0 || (uint64_t)offset >> scan->machine->shift >= scan->places)
		return false;
	*ret = (size_t)offset >> scan->machine->shift;
	return true;
}

static uint64_t address_of(const struct scan *scan, size_t place)
{
	return scan->region->va + (place << scan->machine->shift);
}

static bool is_start(const struct scan *scan, size_t place)
{
	return place < scan->places && scan->flags[place] & START;
}

/* The first place from `place` on that is a start or holds something else than padding; or is too far away for that. */
static size_t skip_padding(const struct scan *scan, size_t place)
{
	size_t limit = place + (MAX_PADDING >> scan->machine->shift);

	while (place < scan->places && place < limit && !is_start(scan, place)) {
		struct scan_insn insn;
		size_t next = decode(scan, place, &insn);

		if (!insn.is_padding)
			break;
		place = next;
	}
	return place;
}

/* --- frames by number ----------------------------------------------------------------------------------------------
 */

static const struct scan_frame *frame_at(const struct scan *scan, size_t place)
{
	return &scan->frames.items[scan->frame_of[place]];
}

static uint16_t number_of(struct scan *scan, const struct scan_frame *frame)
{
	struct scan_frame *slot;
	uint16_t *number;
	bool is_new;
	int err = map_insert(&scan->numbers, frame, (void **)&number, &is_new);

	if (!err && !is_new)
		return *number;
	slot = err ? NULL : vec_push(&scan->frames);
	if (!slot) {
		if (err != -E2BIG)
			scan->err = -ENOMEM;
		return FRAME_LOST;
	}
	*slot = *frame;
	*number = (uint16_t)(scan->frames.len - 1);
	return *number;
}

/* --- sweep ---------------------------------------------------------------------------------------------------------
 */

/* As decode(), but never over a start: what stands before one may be data. */
static size_t decode_up_to_start(const struct scan *scan, size_t place, struct scan_insn *ret)
{
	size_t next = decode(scan, place, ret);

	for (size_t inside = place + 1; inside < next; inside++) {
		if (is_start(scan, inside)) {
			*ret = (struct scan_insn){0};
			return inside;
		}
	}
	return next;
}

static void set_start(struct scan *scan, size_t place, enum frame_number number)
{
	scan->flags[place] |= START | FIRM;
	scan->frame_of[place] = (uint16_t)number;
}

static void add_known_starts(struct scan *scan)
{
	const struct code_scan_region *region = scan->region;

	for (size_t i = 0; i < region->n_starts; i++) {
		uint64_t place = (region->starts[i] - region->va) >> scan->machine->shift;

		if (region->starts[i] >= region->va && place < scan->places)
			set_start(scan, place, FRAME_ENTRY);
	}
}

static void find_targets(struct scan *scan)
{
	bool is_head = true;

	for (size_t place = 0, next; place < scan->places; place = next) {
		struct scan_insn insn;
		size_t target;

		next = decode_up_to_start(scan, place, &insn);
		if (is_head)
			scan->flags[place] |= HEAD;
		if (insn.is_sigreturn)
			set_start(scan, place, FRAME_SIGNAL);
		if (find_target(scan, place, &insn, &target))
			scan->flags[target] |= insn.flow == SCAN_CALL ? CALLED : TARGET;
		is_head = !insn.length || insn.is_padding || (insn.flow != SCAN_NEXT && insn.flow != SCAN_BRANCH);
	}
	/* A call into the middle of code is that of a subroutine within a function, or no call but data. */
	for (size_t place = 0; place < scan->places; place++)
		if ((scan->flags[place] & (CALLED | HEAD | START)) == (CALLED | HEAD))
			set_start(scan, place, FRAME_ENTRY);
}

static struct callee *add_callee(struct scan *scan, uint64_t address)
{
	struct callee *callee;
	int err = map_insert(&scan->callees, &address, (void **)&callee, NULL);

	if (err && err != -E2BIG)
		scan->err = err;
	return err ? NULL : callee;
}

/* true for what begins by saving the link register: behind a call that holds nobody's return address. */
static bool saves_link(const struct scan *scan, size_t place)
{
	struct scan_insn insn = {0};

	for (unsigned int i = 0; i < MAX_PROLOGUE && scan->machine->has_link && place < scan->places; i++) {
		place = decode(scan, place, &insn);
		if (insn.lr_saved.source != SCAN_KEPT)
			return true;
		if (insn.lr.source != SCAN_KEPT || insn.flow != SCAN_NEXT)
			return false;
	}
	return false;
}

/* true when a call that ends at `next` does not return: compilers fill up only before what is jumped to, or before the
 * next function. */
static bool is_end_of_code(const struct scan *scan, size_t next, size_t behind)
{
	return is_start(scan, behind) || saves_link(scan, next) ||
	       (behind != next && behind < scan->places && !(scan->flags[behind] & TARGET));
}

static void count_call(struct scan *scan, uint64_t callee_address, size_t next)
{
	struct callee *callee = add_callee(scan, callee_address);
	size_t behind = skip_padding(scan, next);

	if (!callee || behind >= scan->places)
		return;
	if (is_end_of_code(scan, next, behind))
		callee->ends++;
	else if (scan->flags[behind] & TARGET)
		callee->targets++;
	else
		callee->others++;
}

static void find_callees(struct scan *scan)
{
	size_t start = 0, furthest = 0; /* of the function: its start, and how far its branches go */
	bool has_exit = true, goes_on = false;

	for (size_t place = 0, next; place < scan->places && !scan->err; place = next) {
		struct scan_insn insn;
		size_t target;

		if (is_start(scan, place)) {
			struct callee *callee = NULL;

			if (!has_exit && !goes_on && furthest < place)
				callee = add_callee(scan, address_of(scan, start));
			if (callee)
				callee->has_no_exit = true;
			start = furthest = place;
			has_exit = scan->frame_of[place] != FRAME_ENTRY;
		}
		next = decode_up_to_start(scan, place, &insn);
		if (insn.is_padding)
			continue;
		goes_on = insn.flow == SCAN_NEXT || insn.flow == SCAN_BRANCH;
		if (!insn.length || insn.flow == SCAN_INDIRECT || insn.flow == SCAN_RETURN)
			has_exit = true;
		if (insn.flow == SCAN_BRANCH || insn.flow == SCAN_JUMP) {
			if (!find_target(scan, place, &insn, &target) || target < start)
				has_exit = true;
			else if (target > furthest)
				furthest = target;
		}
		if (insn.flow == SCAN_CALL && insn.has_target)
			count_call(scan, address_of(scan, place) + (uint64_t)insn.target, next);
	}
}

/* Compilers leave out what is behind a call that does not return, so most such calls are the last instruction before
 * something else. But a single one may also stand there because what would follow it is undefined. */
static bool never_returns(const struct scan *scan, size_t place, const struct scan_insn *call)
{
	uint64_t address = address_of(scan, place) + (uint64_t)call->target;
	const struct callee *callee = call->has_target ? map_find(&scan->callees, &address) : NULL;

	return callee && (callee->has_no_exit || (callee->ends && callee->ends + callee->targets > callee->others));
}

/* --- follow --------------------------------------------------------------------------------------------------------
 */

/* A frame comes to a place; true when what is known there has changed by it. */
static bool arrive(struct scan *scan, size_t place, uint16_t number, bool is_firm)
{
	uint8_t *flags = &scan->flags[place];
	uint16_t known = scan->frame_of[place];

	if (*flags & START || (known && !is_firm && *flags & FIRM))
		return false;
	if (known && scan->is_guessing && !(*flags & GUESSED))
		return false; /* what was followed is better than what was guessed */
	if (known && known != number && (!is_firm || *flags & FIRM)) {
		struct scan_frame both = scan_frame_agreement(&scan->frames.items[known], &scan->frames.items[number]);

		number = number_of(scan, &both);
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
	if (!arrive(scan, place, number, true) || scan->flags[place] & QUEUED)
		return;
	scan->flags[place] |= QUEUED;
	push_place(scan, &scan->branches, place);
}

/* Straight on from a place whose frame is new, until nothing new comes of it. */
static void follow(struct scan *scan, size_t place)
{
	for (bool is_new = true; is_new && !scan->err;) {
		struct scan_insn insn;
		struct scan_frame after;
		uint16_t number;
		size_t next = decode(scan, place, &insn), target;

		if (!insn.length)
			return;
		after = scan_frame_step(scan->machine, frame_at(scan, place), &insn, (uint32_t)place);
		number = number_of(scan, &after);
		if (insn.flow == SCAN_CALL && !never_returns(scan, place, &insn))
			push_place(scan, &scan->calls, place);
		else if (insn.flow != SCAN_CALL && find_target(scan, place, &insn, &target))
			branch_to(scan, target, number);
		if (insn.flow == SCAN_RETURN && after.cleared_at)
			scan->flags[after.cleared_at - 1] |= RETURNED;
		if ((insn.flow != SCAN_NEXT && insn.flow != SCAN_BRANCH) || next >= scan->places)
			return;
		is_new = arrive(scan, next, number, true);
		place = next;
	}
}

static void go_on_behind_call(struct scan *scan, size_t place)
{
	struct scan_insn insn;
	size_t next = decode(scan, place, &insn), behind = skip_padding(scan, next);
	struct scan_frame after = scan_frame_step(scan->machine, frame_at(scan, place), &insn, (uint32_t)place);

	if (next >= scan->places || is_end_of_code(scan, next, behind))
		return;
	if (behind < scan->places)
		decode(scan, behind, &insn);
	if (!insn.is_landing && arrive(scan, next, number_of(scan, &after), false))
		follow(scan, next);
}

/* From a place to all that it leads to: along branches first, for they are sure. */
static void follow_all(struct scan *scan, size_t place)
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

/* --- guess ---------------------------------------------------------------------------------------------------------
 */

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
	if (scan->frame_of[place] && !is_start(scan, place))
		return verdict_if(scan_frame_is_alike(frame, frame_at(scan, place)));
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
		size_t next = decode(scan, now.place, &insn), target = 0;
		enum verdict verdict = try_place(scan, now.place, &insn, &now.frame);
		bool is_inside = find_target(scan, now.place, &insn, &target);

		scan->trial_steps--;
		if (verdict == REFUTED && now.is_behind_call)
			return;
		if (verdict > trial->verdict)
			trial->verdict = verdict;
		if (verdict > LIKELY || insn.flow == SCAN_INDIRECT || insn.flow == SCAN_END)
			return;
		now.frame = scan_frame_step(scan->machine, &now.frame, &insn, (uint32_t)now.place);
		if (insn.flow == SCAN_CALL && never_returns(scan, now.place, &insn))
			return;
		now.is_behind_call |= insn.flow == SCAN_CALL;
		if (insn.flow == SCAN_JUMP || insn.flow == SCAN_BRANCH) {
			if (is_inside && is_start(scan, target)) { /* a tail call */
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
		if (insn.flow != SCAN_JUMP && is_start(scan, next))
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
		struct scan_insn insn;

		next = decode(scan, place, &insn);
		if (!scan->frame_of[place])
			has_gaps |= !insn.is_padding;
		else if ((insn.flow == SCAN_CALL || insn.flow == SCAN_INDIRECT) &&
			 frame_at(scan, place)->kind == SCAN_FRAME_NORMAL)
			add_candidate(ret, frame_at(scan, place), insn.flow == SCAN_INDIRECT);
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
static void fill_gap(struct scan *scan, size_t place, const struct scan_insn *insn, const struct scan_frame *frame)
{
	if (!arrive(scan, place, number_of(scan, frame), true))
		return;
	follow_all(scan, place);
	if (scan->frame_of[place] == FRAME_ENTRY &&
	    (insn->is_landing || (insn->sp.source == SCAN_SP && insn->sp.add < 0)))
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
		struct scan_insn insn;

		next = decode(scan, place, &insn);
		if (is_head && !scan->frame_of[place] && !insn.is_padding)
			frame = choose(scan, place, &candidates);
		if (frame && scan->trial_steps) /* else the trial was cut short */
			fill_gap(scan, place, &insn, frame);
		if (scan->frame_of[place])
			is_head = true;
		else if (!insn.is_padding)
			is_head = insn.flow != SCAN_NEXT && insn.flow != SCAN_BRANCH && insn.flow != SCAN_CALL;
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
		while (next < limit && !is_start(scan, next))
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
static void fill_gaps(struct scan *scan)
{
	struct gap_vec gaps = VEC_INIT(scan->places / 4 + 1);

	scan->is_guessing = true;
	scan->trial_steps = (uint64_t)scan->region->n * TRIAL_STEPS_PER_BYTE;
	fill_functions(scan, 0, scan->places, guess, &gaps);
	vec_for_each (&gaps, gap)
		fill_functions(scan, gap->first, gap->limit, guess_case, NULL);
	vec_for_each (&gaps, again)
		fill_functions(scan, again->first, again->limit, guess, NULL);
	vec_release(&gaps);
}

/* --- emit ----------------------------------------------------------------------------------------------------------
 */

static struct unwind_rule rule_at(const struct scan *scan, size_t place)
{
	const struct scan_frame *frame = frame_at(scan, place);

	if (frame->cleared_at && !(scan->flags[frame->cleared_at - 1] & RETURNED))
		return (struct unwind_rule){.cfa = UNWIND_CFA_STOP};
	return scan_frame_rule(scan->machine, frame);
}

/* The rule from a place on; returns where to look next. */
static size_t next_rule(const struct scan *scan, size_t place, struct unwind_rule *rule)
{
	struct scan_insn insn;
	size_t next = decode(scan, place, &insn), inside = place + 1;

	if (scan->frame_of[place]) {
		*rule = rule_at(scan, place);
		while (inside < next && inside < scan->places && !scan->frame_of[inside])
			inside++;
		return inside;
	}
	if (insn.is_padding) /* nobody is in there: no need for a row */
		return next;
	*rule = (struct unwind_rule){.cfa = UNWIND_CFA_NONE};
	return inside;
}

static int emit(const struct scan *scan, const struct row_sink *sink)
{
	struct unwind_rule last = {.cfa = UNWIND_CFA_COUNT}, rule = {.cfa = UNWIND_CFA_NONE};
	int err = 0;

	for (size_t place = 0, next; !err && place < scan->places; place = next) {
		uint64_t va = address_of(scan, place);

		next = next_rule(scan, place, &rule);
		if (!memcmp(&rule, &last, sizeof(rule)))
			continue;
		if (rule.cfa == UNWIND_CFA_SIGNAL && place)
			va--;
		err = sink->row(sink->ctx, va, &rule);
		last = rule;
	}
	return err;
}

/* --- the whole -----------------------------------------------------------------------------------------------------
 */

static int scan_init(struct scan *scan)
{
	const struct scan_frame frames[] = {
		[NOT_REACHED] = {.kind = SCAN_FRAME_LOST},
		[FRAME_LOST] = scan_frame_lost(0),
		[FRAME_ENTRY] = scan_frame_entry(scan->machine),
		[FRAME_SIGNAL] = scan_frame_signal(),
	};

	vec_init(&scan->frames, MAX_FRAMES);
	vec_init(&scan->branches, scan->places / 2 + 1);
	vec_init(&scan->calls, scan->places / 2 + 1);
	map_init(&scan->numbers, sizeof(struct scan_frame), sizeof(uint16_t), MAX_FRAMES);
	map_init(&scan->callees, sizeof(uint64_t), sizeof(struct callee), MAX_CALLEES);
	scan->frame_of = calloc(scan->places, sizeof(*scan->frame_of));
	scan->flags = calloc(scan->places, sizeof(*scan->flags));
	if (!scan->frame_of || !scan->flags)
		return -ENOMEM;
	for (size_t i = 0; i < sizeof(frames) / sizeof(*frames) && !scan->err; i++)
		number_of(scan, &frames[i]);
	return scan->err;
}

static void scan_release(struct scan *scan)
{
	free(scan->frame_of);
	free(scan->flags);
	vec_release(&scan->frames);
	vec_release(&scan->branches);
	vec_release(&scan->calls);
	map_release(&scan->numbers);
	map_release(&scan->callees);
}

int code_scan_with(const struct scan_machine *machine, const struct code_scan_region *region,
		   const struct row_sink *sink)
{
	struct scan scan = {.region = region, .machine = machine, .places = region->n >> machine->shift};
	int err;

	if (region->n > CODE_SCAN_MAX_BYTES)
		return -E2BIG;
	if (!scan.places)
		return 0;
	err = scan_init(&scan);
	if (!err) {
		add_known_starts(&scan);
		find_targets(&scan);
		find_callees(&scan);
		for (size_t place = 0; place < scan.places; place++)
			if (scan.flags[place] & START)
				follow_all(&scan, place);
		if (is_worth_guessing(&scan))
			fill_gaps(&scan);
		err = scan.err;
	}
	if (!err)
		err = emit(&scan, sink);
	scan_release(&scan);
	return err;
}

int code_scan(const struct code_scan_region *region, const struct row_sink *sink)
{
	const struct scan_machine *machine = scan_machine_find(region->machine);

	return machine ? code_scan_with(machine, region, sink) : -ENOTSUP;
}
