/* SPDX-License-Identifier: Apache-2.0 */
#include "code_scan_internal.h"

#include <elf.h>

#define NOWHERE SCAN_NOWHERE
#define MAX_DISTANCE (1 << 24) /* of sp, fp and slots from the CFA */

const struct scan_machine *scan_machine_find(uint16_t machine)
{
	switch (machine) {
	case EM_X86_64:
		return &code_scan_x86;
	case EM_AARCH64:
		return &code_scan_arm64;
	default:
		return NULL;
	}
}

struct scan_frame scan_frame_entry(const struct scan_machine *machine)
{
	return (struct scan_frame){
		.sp = machine->entry_sp,
		.fp = NOWHERE,
		.fp_slot = NOWHERE,
		.lr_slot = NOWHERE,
		.kind = SCAN_FRAME_NORMAL,
		.fp_is_callers = true,
		.lr_is_callers = true,
	};
}

struct scan_frame scan_frame_signal(void)
{
	struct scan_frame frame = scan_frame_lost(0);

	frame.kind = SCAN_FRAME_SIGNAL;
	return frame;
}

struct scan_frame scan_frame_lost(uint32_t cleared_at)
{
	return (struct scan_frame){
		.sp = NOWHERE,
		.fp = NOWHERE,
		.fp_slot = NOWHERE,
		.lr_slot = NOWHERE,
		.kind = SCAN_FRAME_LOST,
		.cleared_at = cleared_at,
	};
}

/* --- steps ---------------------------------------------------------------------------------------------------------
 */

static bool is_load(struct scan_operand operand)
{
	return operand.source == SCAN_LOAD_SP || operand.source == SCAN_LOAD_FP;
}

/* CFA - what the operand is, or - the address that it is loaded from. */
static int32_t distance_of(const struct scan_frame *frame, struct scan_operand operand)
{
	int32_t base = NOWHERE;
	int64_t distance;

	if (operand.source == SCAN_SP || operand.source == SCAN_LOAD_SP)
		base = frame->sp;
	else if (operand.source == SCAN_FP || operand.source == SCAN_LOAD_FP)
		base = frame->fp;
	if (base == NOWHERE)
		return NOWHERE;
	distance = (int64_t)base - operand.add;
	return distance > -MAX_DISTANCE && distance < MAX_DISTANCE ? (int32_t)distance : NOWHERE;
}

static int32_t value_of(const struct scan_frame *frame, struct scan_operand operand)
{
	return is_load(operand) ? NOWHERE : distance_of(frame, operand);
}

/* true when the operand is the caller's value, loaded from the slot that it was saved in. */
static bool is_restore(const struct scan_frame *frame, struct scan_operand operand, int32_t slot)
{
	int32_t distance = is_load(operand) ? distance_of(frame, operand) : NOWHERE;

	return distance != NOWHERE && slot == -distance;
}

/* The slot of a register behind a store of it to `address`. */
static int32_t slot_after_store(const struct scan_frame *frame, struct scan_operand address, int32_t slot,
				bool is_callers)
{
	int32_t distance = distance_of(frame, address);

	if (distance == NOWHERE)
		return slot;
	if (is_callers)
		return slot == NOWHERE ? -distance : slot;
	return slot == -distance ? NOWHERE : slot; /* another value in its place */
}

/* true for a slot that sp has left behind. */
static bool is_popped(const struct scan_frame *frame, int32_t slot)
{
	return slot != NOWHERE && frame->sp != NOWHERE && frame->sp < -slot;
}

struct scan_frame scan_frame_step(const struct scan_machine *machine, const struct scan_frame *before,
				  const struct scan_insn *insn, uint32_t place)
{
	struct scan_frame after = *before;

	if (before->kind != SCAN_FRAME_NORMAL)
		return after;
	after.fp_slot = slot_after_store(before, insn->fp_saved, before->fp_slot, before->fp_is_callers);
	after.lr_slot = slot_after_store(before, insn->lr_saved, before->lr_slot, before->lr_is_callers);
	if (insn->sp.source != SCAN_KEPT)
		after.sp = value_of(before, insn->sp);
	if (insn->fp.source != SCAN_KEPT) {
		if (insn->fp.source == SCAN_ZERO && before->fp_is_callers && before->fp_slot == NOWHERE)
			after.cleared_at = place + 1;
		after.fp_is_callers = is_restore(before, insn->fp, before->fp_slot);
		after.fp = value_of(before, insn->fp);
	}
	if (insn->lr.source != SCAN_KEPT)
		after.lr_is_callers = is_restore(before, insn->lr, before->lr_slot);
	/* Until then the slot is as good as the register, and compilers go on to name it. */
	if (after.fp_is_callers && is_popped(&after, after.fp_slot))
		after.fp_slot = NOWHERE;
	if (after.lr_is_callers && is_popped(&after, after.lr_slot))
		after.lr_slot = NOWHERE;
	if ((after.sp == NOWHERE && after.fp == NOWHERE) || (after.sp != NOWHERE && after.sp < machine->entry_sp))
		return scan_frame_lost(after.cleared_at);
	return after;
}

/* --- comparison ----------------------------------------------------------------------------------------------------
 */

struct scan_frame scan_frame_agreement(const struct scan_frame *a, const struct scan_frame *b)
{
	struct scan_frame both = *a;

	if (both.cleared_at != b->cleared_at)
		both.cleared_at = 0;
	if (both.sp != b->sp)
		both.sp = NOWHERE;
	if (both.fp != b->fp)
		both.fp = NOWHERE;
	if (both.fp_slot != b->fp_slot)
		both.fp_slot = NOWHERE;
	if (both.lr_slot != b->lr_slot)
		both.lr_slot = NOWHERE;
	both.fp_is_callers &= b->fp_is_callers;
	both.lr_is_callers &= b->lr_is_callers;
	if (both.kind != b->kind || (both.sp == NOWHERE && both.fp == NOWHERE))
		return scan_frame_lost(both.cleared_at);
	return both;
}

bool scan_frame_is_alike(const struct scan_frame *a, const struct scan_frame *b)
{
	return a->kind == b->kind && a->sp == b->sp && a->fp == b->fp && a->fp_slot == b->fp_slot &&
	       a->lr_slot == b->lr_slot && (a->fp_slot != NOWHERE || a->fp_is_callers == b->fp_is_callers) &&
	       (a->lr_slot != NOWHERE || a->lr_is_callers == b->lr_is_callers);
}

bool scan_frame_is_entry(const struct scan_machine *machine, const struct scan_frame *frame)
{
	return frame->kind == SCAN_FRAME_NORMAL && frame->sp == machine->entry_sp && frame->fp_is_callers &&
	       (!machine->has_link || frame->lr_is_callers);
}

/* --- rules ---------------------------------------------------------------------------------------------------------
 */

static bool fits_rule(int32_t slot)
{
	return slot >= INT16_MIN && slot <= INT16_MAX;
}

/* Where the return address is; false when nobody knows, or a rule cannot say it. */
static bool set_return_address(const struct scan_machine *machine, const struct scan_frame *frame,
			       struct unwind_rule *rule)
{
	if (!machine->has_link) {
		rule->ra = UNWIND_RA_SAVED;
		rule->ra_off = (int16_t)-machine->entry_sp;
	} else if (frame->lr_slot != NOWHERE) {
		rule->ra = UNWIND_RA_SAVED;
		rule->ra_off = (int16_t)frame->lr_slot;
		return fits_rule(frame->lr_slot);
	} else {
		rule->ra = UNWIND_RA_LINK;
		return frame->lr_is_callers;
	}
	return true;
}

struct unwind_rule scan_frame_rule(const struct scan_machine *machine, const struct scan_frame *frame)
{
	struct unwind_rule rule = {.cfa = UNWIND_CFA_NONE}, none = rule;
	bool is_from_fp = frame->sp == NOWHERE || (machine->prefers_fp && frame->fp == -frame->fp_slot);

	if (frame->kind == SCAN_FRAME_SIGNAL)
		rule.cfa = UNWIND_CFA_SIGNAL;
	if (frame->kind != SCAN_FRAME_NORMAL)
		return rule;
	rule.cfa = is_from_fp ? UNWIND_CFA_FP : UNWIND_CFA_SP;
	rule.cfa_off = is_from_fp ? frame->fp : frame->sp;
	if (fits_rule(frame->fp_slot)) {
		rule.fp = UNWIND_FP_SAVED;
		rule.fp_off = (int16_t)frame->fp_slot;
	} else {
		rule.fp = frame->fp_is_callers && frame->fp_slot == NOWHERE ? UNWIND_FP_SAME : UNWIND_FP_LOST;
	}
	return set_return_address(machine, frame, &rule) ? rule : none;
}
