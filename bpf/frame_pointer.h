/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The walk of a user stack by frame pointers. A frame that keeps one holds, on x86-64 as on arm64,
 *
 *     fp + 8   return address
 *     fp       the caller's fp          (0 in the first function of a thread)
 *
 * Nothing says whether the code in fact keeps a frame pointer: the register may hold anything. A step is believed only
 * if fp is aligned, not below sp and not far above it, the return address may be code, and the stack goes upwards. */
#pragma once

#include "scratch.h"

/* A frame larger than this is not believed. */
#define FP_MAX_FRAME_BYTES (8ULL << 20)
/* Nothing is ever mapped in the first page (mmap_min_addr). */
#define FP_MIN_CODE_ADDRESS 4096ULL
#define FP_FRAME_BYTES 16
/* Steps of one call of fp_walk_some(): enough to hide the call, few enough for the verifier. */
#define FP_STEPS 8
#define FP_CALLS (MAX_USER_FRAMES / FP_STEPS + 1)

/* Return addresses may carry a pointer authentication code above the address bits. */
static __always_inline __u64 fp_strip_code_address(__u64 address, __u64 task_size)
{
#ifdef __TARGET_ARCH_arm64
	return address & (task_size - 1); /* a power of two there */
#else
	(void)task_size;
	return address;
#endif
}

/* Starts a walk whose first frame is already in place. */
static __always_inline void fp_walk_begin(struct scratch *scratch, __u64 sp, __u64 fp, __u64 task_size)
{
	scratch->walk.sp = sp;
	scratch->walk.fp = fp;
	scratch->walk.task_size = task_size;
	scratch->walk.n = 1;
	scratch->walk.end = UNWIND_END_FRAME_LIMIT;
	scratch->window.base = fp + 1; /* fp is not in it: the first step reads */
	scratch->window.last = 0;
}

/* Makes the frame at fp available: 1 KiB from there, or only the frame where the stack ends sooner. */
static __always_inline long fp_window_move(struct stack_window *window, __u64 fp)
{
	window->base = fp;
	window->last = WINDOW_BYTES - FP_FRAME_BYTES;
	if (!shim_read_user(window->words, WINDOW_BYTES, fp))
		return 0;
	window->last = 0;
	return shim_read_user(window->words, FP_FRAME_BYTES, fp);
}

/* Why a word that is no address of code ends the walk. Some threads begin with an empty frame; in the leaf it is rather
 * a register that was no frame pointer and leads to zeros. */
static __always_inline __u32 fp_end_at(const struct walk *walk, __u64 caller_fp, __u64 return_address)
{
	if (caller_fp || return_address)
		return UNWIND_END_NOT_CODE;
	return walk->n == 1 ? UNWIND_END_NO_FRAME_POINTER : UNWIND_END_ROOT;
}

/* One frame. 0: go on; 1: the walk ended and walk->end says why. Comparisons are of unsigned differences, so that each
 * checks both ends of a range. */
static __always_inline int fp_walk_step(struct walk *walk, struct stack_window *window, __u64 *frames)
{
	__u64 offset, index, caller_fp, return_address;

	if (walk->n >= MAX_USER_FRAMES) {
		walk->end = UNWIND_END_FRAME_LIMIT;
		return 1;
	}
	/* Not below sp, which is the end of the frame before: the stack goes upwards and the walk ends. */
	if (walk->fp & 7 || walk->fp - walk->sp >= FP_MAX_FRAME_BYTES) {
		walk->end = walk->n == 1 ? UNWIND_END_NO_FRAME_POINTER : UNWIND_END_BAD_FRAME_POINTER;
		return 1;
	}
	offset = walk->fp - window->base;
	if (offset > window->last) {
		if (fp_window_move(window, walk->fp)) {
			walk->end = UNWIND_END_UNREADABLE_STACK;
			return 1;
		}
		offset = 0;
	}
	index = bounded(offset / sizeof(__u64), WINDOW_WORDS);
	caller_fp = window->words[index];
	return_address = fp_strip_code_address(window->words[index + 1], walk->task_size);
	if (return_address - FP_MIN_CODE_ADDRESS >= walk->task_size - FP_MIN_CODE_ADDRESS) {
		walk->end = fp_end_at(walk, caller_fp, return_address);
		return 1;
	}
	frames[bounded(walk->n, MAX_USER_FRAMES)] = return_address | FRAME_RETURN; /* an address below task_size */
	walk->n++;
	if (!caller_fp) {
		walk->end = UNWIND_END_ROOT;
		return 1;
	}
	walk->sp = walk->fp + FP_FRAME_BYTES;
	walk->fp = caller_fp;
	return 0;
}

VERIFIED_ALONE int fp_walk_some(void)
{
	struct scratch *scratch = shim_scratch();
	struct walk walk;
	int is_over = 0;

	if (!scratch)
		return 1;
	walk = scratch->walk; /* a copy lives in registers */
	for (int i = 0; i < FP_STEPS && !is_over; i++)
		is_over = fp_walk_step(&walk, &scratch->window, scratch->user_frames);
	scratch->walk = walk;
	return is_over;
}

/* Walks from fp_walk_begin() to the end. */
static __always_inline void fp_walk(void)
{
	for (int i = 0; i < FP_CALLS; i++)
		if (fp_walk_some())
			break;
}
