/* SPDX-License-Identifier: Apache-2.0 */
/* What the passes of a scan share: the places of a region, what is known at each, and what one pass offers the next. */
#pragma once

#include "base/map.h"
#include "base/vec.h"
#include "code_scan_internal.h"

/* Flags of a place. */
#define START 0x01    /* a function begins */
#define CALLED 0x02   /* a direct call leads here */
#define TARGET 0x04   /* a branch or jump leads here */
#define HEAD 0x08     /* what stands before does not run into it: a jump, a call, padding */
#define FIRM 0x10     /* its frame did not only come from behind a call */
#define QUEUED 0x20   /* in `branches` */
#define GUESSED 0x40  /* its frame was guessed, or follows from a guess */
#define RETURNED 0x80 /* fp was cleared here in a function that returns: it is no thread's first */

/* Of an instruction. */
#define INSN_LENGTH 0x0f
#define INSN_PLAIN 0x10	  /* goes to the next one and leaves frames alone: this and the length are all there is */
#define INSN_PADDING 0x20 /* nop, int3 */
#define INSN_LEAVES 0x40  /* a call or indirect jump */
#define INSN_ENDS 0x80	  /* does not go on to the next one, but for a call */

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

struct frame_vec VEC(struct scan_frame);
struct place_vec VEC(uint32_t);

struct scan {
	const struct code_scan_region *region;
	const struct scan_machine *machine;
	size_t places;	    /* region->n >> machine->shift */
	uint16_t *frame_of; /* number of the frame of each place */
	uint8_t *flags;
	uint8_t *insns;		   /* what is kept of the instruction at each place that was decoded: INSN_* */
	struct frame_vec frames;   /* by number */
	struct map numbers;	   /* of frames */
	struct map callees;	   /* struct callee by address */
	struct place_vec branches; /* places whose frame is new: to be followed */
	struct place_vec calls;	   /* calls behind which to go on */
	bool is_guessing;
	uint64_t trial_steps; /* left */
	int err;
};

/* --- places and frames (code_scan_places.c) ----------------------------------------------------------------------- */

int scan_init(struct scan *scan);
void scan_release(struct scan *scan);

/* The instruction at a place; returns the place behind it, the next one when there is none. */
size_t scan_decode(const struct scan *scan, size_t place, struct scan_insn *ret);
/* The same of what is kept, 0: there is none, or none that the decoder knows. */
size_t scan_look(const struct scan *scan, size_t place, uint8_t *ret);
/* Where a branch or call leads to; false when that is outside the region. */
bool scan_find_target(const struct scan *scan, size_t place, const struct scan_insn *insn, size_t *ret);
uint64_t scan_address(const struct scan *scan, size_t place);
static inline bool scan_is_start(const struct scan *scan, size_t place)
{
	return place < scan->places && scan->flags[place] & START;
}
void scan_set_start(struct scan *scan, size_t place, enum frame_number number);
/* The first place from `place` on that is a start or holds something else than padding; or is too far away for that. */
size_t scan_skip_padding(const struct scan *scan, size_t place);
const struct scan_frame *scan_frame_at(const struct scan *scan, size_t place);
/* FRAME_LOST when there are too many. */
uint16_t scan_frame_number(struct scan *scan, const struct scan_frame *frame);

/* --- sweep (code_scan_sweep.c) ------------------------------------------------------------------------------------ */

/* Finds starts, targets and callees. */
void scan_sweep(struct scan *scan);
/* true when a call that ends at `next` does not return: compilers fill up only before what is jumped to, or before the
 * next function. */
bool scan_is_end_of_code(const struct scan *scan, size_t next, size_t behind);
bool scan_never_returns(const struct scan *scan, size_t place, const struct scan_insn *call);

/* --- follow (code_scan_follow.c) ---------------------------------------------------------------------------------- */

/* A frame comes to a place; true when what is known there has changed by it. */
bool scan_arrive(struct scan *scan, size_t place, uint16_t number, bool is_firm);
/* From a place to all that it leads to: along branches first, for they are sure. */
void scan_follow_all(struct scan *scan, size_t place);

/* --- guess (code_scan_guess.c) ------------------------------------------------------------------------------------ */

/* Gives frames to what nothing leads to, as far as something speaks for them. */
void scan_fill_gaps(struct scan *scan);
