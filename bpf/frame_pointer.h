/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* A step by frame pointer, for code of which no table tells. A frame that keeps one holds, on x86-64 as on arm64,
 *
 *     fp + 8   return address
 *     fp       the caller's fp          (0 in the first function of a thread)
 *
 * Nothing says whether the code in fact keeps a frame pointer: the register may hold anything. A step is believed only
 * if fp is aligned, not below sp and not far above it, and leads upwards; the return address must be code, which the
 * walk finds out when it looks for its mapping. */
#pragma once

#include "stack_window.h"

/* A frame larger than this is not believed. */
#define FP_MAX_FRAME_BYTES (8ULL << 20)
#define FP_FRAME_BYTES 16

/* In the leaf, the instruction tells whether the frame is made already. */
enum fp_leaf {
	FP_LEAF_BODY,	/* made, as far as one can see */
	FP_LEAF_ENTRY,	/* not begun, or taken down again: the return address is where the call put it */
	FP_LEAF_PUSHED, /* the caller's fp is saved, the register still its own */
};

#if defined(__TARGET_ARCH_arm64)
static __always_inline enum fp_leaf fp_leaf_state(__u64 ip)
{
	__u32 code = 0;

	if (shim_read_user(&code, sizeof(code), ip))
		return FP_LEAF_BODY;
	if ((code & 0xffc07fff) == 0xa9807bfd ||			    /* stp x29, x30, [sp, #-N]! */
	    code == 0xd503233f || code == 0xd503237f ||			    /* paciasp, pacibsp */
	    (code & 0xffffff3f) == 0xd503241f ||			    /* bti */
	    code == 0xd65f03c0 || code == 0xd65f0bff || code == 0xd65f0fff) /* ret, retaa, retab */
		return FP_LEAF_ENTRY;
	return code == 0x910003fd ? FP_LEAF_PUSHED : FP_LEAF_BODY; /* mov x29, sp */
}
#else
static __always_inline enum fp_leaf fp_leaf_state(__u64 ip)
{
	__u32 code = 0;

	if (shim_read_user(&code, sizeof(code), ip))
		return FP_LEAF_BODY;
	if ((code & 0xff) == 0x55 || (code & 0xff) == 0xc3 || /* push rbp, ret */
	    code == 0xfa1e0ff3)				      /* endbr64 */
		return FP_LEAF_ENTRY;
	if ((code & 0xffffff) == 0xe58948 || (code & 0xffffff) == 0xec8b48) /* mov rbp, rsp */
		return FP_LEAF_PUSHED;
	return FP_LEAF_BODY;
}
#endif

/* The caller of a leaf whose frame is not made. Returns 0 and the caller's ip in *ret_ip, or the end. */
static __always_inline __u32 fp_step_leaf(struct walk *walk, struct stack_window *window, enum fp_leaf leaf,
					  __u64 *ret_ip)
{
	__u64 fp, sp = walk->sp;

	if (leaf == FP_LEAF_PUSHED) {
		if (window_read(window, sp + 8, ret_ip) || window_peek(window, sp, &fp))
			return UNWIND_END_UNREADABLE_STACK;
		walk->fp = fp;
		walk->sp = sp + FP_FRAME_BYTES;
		return 0;
	}
#if defined(__TARGET_ARCH_arm64)
	*ret_ip = walk->other;
#else
	if (window_read(window, sp, ret_ip))
		return UNWIND_END_UNREADABLE_STACK;
	walk->sp = sp + 8;
#endif
	return 0;
}

/* One frame. Returns 0 and the caller's ip in *ret_ip, or the end. */
static __always_inline __u32 fp_step(struct walk *walk, struct stack_window *window, __u64 *ret_ip)
{
	__u64 fp = walk->fp, caller_fp, return_address;

	if (walk->flags & WALK_EXACT) {
		enum fp_leaf leaf = fp_leaf_state(walk->ip);

		if (leaf != FP_LEAF_BODY)
			return fp_step_leaf(walk, window, leaf, ret_ip);
	}
	/* The first function of a thread keeps a frame pointer of 0. */
	if (!fp && walk->n > 1 && !(walk->flags & WALK_FP_LOST))
		return UNWIND_END_ROOT;
	/* An unsigned difference checks both ends of the range. */
	if (walk->flags & WALK_FP_LOST || fp & 7 || fp - walk->sp >= FP_MAX_FRAME_BYTES)
		return walk->n == 1 ? UNWIND_END_NO_FRAME_POINTER : UNWIND_END_BAD_FRAME_POINTER;
	if (window_read(window, fp + 8, &return_address) || window_peek(window, fp, &caller_fp))
		return UNWIND_END_UNREADABLE_STACK;
	/* Some threads begin with an empty frame; in the leaf it is rather a register that was no frame pointer and
	 * leads to zeros. */
	if (!caller_fp && !return_address)
		return walk->n == 1 ? UNWIND_END_NO_FRAME_POINTER : UNWIND_END_ROOT;
	if (caller_fp && caller_fp <= fp)
		return UNWIND_END_BAD_FRAME_POINTER;
	walk->sp = fp + FP_FRAME_BYTES;
	walk->fp = caller_fp;
	*ret_ip = return_address;
	return 0;
}
