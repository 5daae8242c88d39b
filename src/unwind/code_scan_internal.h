/* SPDX-License-Identifier: Apache-2.0 */
/* Between the parts of the scan. The decoders know one instruction and no function: what it does to the stack pointer
 * (sp), the frame pointer (fp: rbp, x29) and the link register (lr: x30). A frame is what is known about these at one
 * place of a function. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/unwind.h"

struct code_scan_region;
struct row_sink;

/* --- instructions ------------------------------------------------------------------------------------------------- */

enum scan_flow {
	SCAN_NEXT,
	SCAN_BRANCH,   /* to the target, or next */
	SCAN_JUMP,     /* to the target */
	SCAN_CALL,     /* next, if what was called returns */
	SCAN_INDIRECT, /* a jump to where only the running program knows */
	SCAN_RETURN,
	SCAN_END, /* traps: nothing follows */
};

/* What a register becomes, or an address. sp and fp stand for what they held before the instruction. */
enum scan_source {
	SCAN_KEPT,
	SCAN_SP,      /* sp + add */
	SCAN_FP,      /* fp + add */
	SCAN_LOAD_SP, /* the word at sp + add */
	SCAN_LOAD_FP, /* the word at fp + add */
	SCAN_ZERO,
	SCAN_UNKNOWN,
};

struct scan_operand {
	enum scan_source source;
	int32_t add;
};

struct scan_insn {
	unsigned int length; /* in bytes; 0: none that the decoder knows, and nothing else is set */
	enum scan_flow flow;
	bool has_target;   /* of a branch, jump or call */
	bool is_padding;   /* nop, int3: may fill the space between functions */
	bool is_landing;   /* endbr64, bti: what is reached indirectly, and not from the instruction before it */
	bool is_sigreturn; /* begins the sequence that calls rt_sigreturn */
	int64_t target;	   /* from the first byte of the instruction */
	struct scan_operand sp, fp, lr;		/* what they become */
	struct scan_operand fp_saved, lr_saved; /* the address that they are written to: SCAN_SP, SCAN_FP or none */
};

/* Frames are the same before and behind it. */
static inline bool scan_insn_keeps_frame(const struct scan_insn *insn)
{
	return insn->sp.source == SCAN_KEPT && insn->fp.source == SCAN_KEPT && insn->lr.source == SCAN_KEPT &&
	       insn->fp_saved.source == SCAN_KEPT && insn->lr_saved.source == SCAN_KEPT;
}

struct scan_machine {
	unsigned int shift; /* instructions begin at multiples of 1 << shift */
	int32_t entry_sp;   /* CFA - sp at the first instruction of a function */
	bool has_link;	    /* functions return to lr */
	bool prefers_fp;    /* the CFA is counted from fp, not sp, where fp points at the fp that it saved */
	/* The instruction at `at` < n. Looks at no byte outside bytes[0 … n). */
	void (*decode)(const uint8_t *bytes, size_t n, size_t at, struct scan_insn *ret);
};

extern const struct scan_machine code_scan_x86, code_scan_arm64;

/* NULL: a machine that cannot be scanned. */
const struct scan_machine *scan_machine_find(uint16_t machine);

/* code_scan() with a machine that is not necessarily the region's: tests alter one. */
int code_scan_with(const struct scan_machine *machine, const struct code_scan_region *region,
		   const struct row_sink *sink);

/* --- frames ------------------------------------------------------------------------------------------------------- */

#define SCAN_NOWHERE INT32_MAX

enum scan_frame_kind {
	SCAN_FRAME_NORMAL,
	SCAN_FRAME_LOST,
	SCAN_FRAME_SIGNAL,
};

/* Compared as bytes, so it has no padding. */
struct scan_frame {
	int32_t sp, fp; /* CFA - sp, CFA - fp; NOWHERE: it does not point into the frame, or where is not known */
	int32_t fp_slot, lr_slot; /* CFA + slot is where the caller's was saved; NOWHERE: it was not */
	uint16_t kind;
	uint8_t fp_is_callers, lr_is_callers; /* the register holds what the caller left in it */
	/* One more than the place where fp was cleared before it was saved, 0: nowhere. What does that is the first
	 * function of its thread, unless it returns. */
	uint32_t cleared_at;
};

struct scan_frame scan_frame_entry(const struct scan_machine *machine);
struct scan_frame scan_frame_signal(void);
/* cleared_at: what is still known. */
struct scan_frame scan_frame_lost(uint32_t cleared_at);

/* The frame behind an instruction at a place. */
struct scan_frame scan_frame_step(const struct scan_machine *machine, const struct scan_frame *before,
				  const struct scan_insn *insn, uint32_t place);
/* What both frames say. */
struct scan_frame scan_frame_agreement(const struct scan_frame *a, const struct scan_frame *b);
/* true when both unwind alike: what a register holds does not count once the caller's was saved. */
bool scan_frame_is_alike(const struct scan_frame *a, const struct scan_frame *b);
/* true where a function may return or jump to another. */
bool scan_frame_is_entry(const struct scan_machine *machine, const struct scan_frame *frame);
/* cleared_at is not looked at. */
struct unwind_rule scan_frame_rule(const struct scan_machine *machine, const struct scan_frame *frame);
