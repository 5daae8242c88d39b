/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Working memory of a CPU: 512 bytes of BPF stack hold no stack of frames. Sampling programs do not nest on a CPU, so
 * one is enough. */
#pragma once

#include "shim.h"

/* A piece of the user stack, read at once: one read of 1 KiB costs about as much as two of 16 bytes. */
#define WINDOW_WORDS 128
#define WINDOW_BYTES (WINDOW_WORDS * sizeof(__u64))

struct stack_window {
	__u64 base;		       /* address of the first word */
	__u64 last;		       /* offset of the last frame that is whole in it */
	__u64 words[WINDOW_WORDS + 1]; /* an index that was masked to WINDOW_WORDS may have one added */
};

/* Where the walk of the user stack stands. */
struct walk {
	__u64 sp, fp;
	__u64 task_size; /* user addresses are below */
	__u32 n;	 /* frames so far */
	__u32 end;	 /* enum unwind_end once the walk ended */
};

#define STACK_HEADER_WORDS (sizeof(struct stack_record) / sizeof(__u64))

/* The largest set: arm64's. */
#define SAVED_REGISTERS_WORDS 34

struct scratch {
	__u64 saved_registers[SAVED_REGISTERS_WORDS];
	struct walk walk;
	struct stack_window window;
	/* Ring records: a struct stack_record each, header and frames in one piece. Hashing reads frames in pairs: the
	 * word behind an odd last one is zeroed. */
	__u64 user_header[STACK_HEADER_WORDS];
	__u64 user_frames[MAX_USER_FRAMES];
	__u64 kernel_header[STACK_HEADER_WORDS];
	__u64 kernel_frames[MAX_KERNEL_FRAMES + 1];
	struct process_record process;
};

_Static_assert((MAX_USER_FRAMES & (MAX_USER_FRAMES - 1)) == 0, "user frames are indexed by a mask");
_Static_assert(((MAX_KERNEL_FRAMES + 1) & MAX_KERNEL_FRAMES) == 0, "kernel frames are indexed by a mask");
