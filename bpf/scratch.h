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
	__u64 bytes;		       /* that were read */
	__u64 words[WINDOW_WORDS + 1]; /* an index that was masked to WINDOW_WORDS may have one added */
};

/* Registers by DWARF number; those of both architectures fit. */
#define WALK_REGISTERS 32
#ifdef __TARGET_ARCH_arm64
#define REGISTER_SP UNWIND_ARM64_SP
#define REGISTER_FP UNWIND_ARM64_FP
#define REGISTER_OTHER UNWIND_ARM64_LR
#else
#define REGISTER_SP UNWIND_X86_RSP
#define REGISTER_FP UNWIND_X86_RBP
#define REGISTER_OTHER UNWIND_X86_RBX
#endif

/* What is known of the frame that the walk stands in. */
#define WALK_EXACT 1u		/* ip is the next instruction, not a return address */
#define WALK_LINK 2u		/* arm64: lr is the frame's own */
#define WALK_REGISTERS_KNOWN 4u /* all registers are those of the frame: nobody was called from it yet */
#define WALK_INTERRUPTED 8u	/* … and they are what a signal interrupted: the second set */
#define WALK_FP_LOST 16u	/* the frame pointer could not be followed to here */
#define WALK_BX_LOST 32u	/* x86-64: rbx likewise */
#define WALK_REGISTERS_LEFT 64u /* of the registers that were known, the frame below may have changed some */

/* A rule without steps. */
union plain_rule {
	struct unwind_rule rule;
	struct {
		__u64 low, high;
	};
};

_Static_assert(sizeof(struct unwind_rule) == 2 * sizeof(__u64), "a rule is two words");

/* Where the walk of the user stack stands. */
struct walk {
	__u64 ip, sp, fp;
	__u64 other;	 /* x86-64: rbx; arm64: x30 */
	__u64 task_size; /* user addresses are below */
	/* The mapping that holds ip, and the table of its object. */
	__u64 map_start, map_bytes, map_bias;
	__u32 object;		 /* slot, or UNWIND_NO_OBJECT */
	__u32 page_words;	 /* place of the directory's words; 0: there is no table */
	__u32 first_page, pages; /* of the directory */
	__u32 mappings;		 /* place of the starts of the mappings */
	__u32 n_mappings;	 /* 0: none are known */
	__u32 is_partial;	 /* the process has more mappings than were published */
	__u32 may_be_news;	 /* an address in none of them may be in one that was mapped just now */
	__u32 is_inherited;	 /* they are the parent's, as they were when the process was forked */
	__u32 is_in_exec;	 /* the sample was taken in execve */
	__u32 flags;		 /* WALK_* */
	__u32 n;		 /* frames so far */
	__u32 end;		 /* enum unwind_end once the walk ended */
	__u32 missed_page;	 /* of the object, when the end is TABLE_UNLOADED */
	__u32 serial;		 /* of the table */
	union plain_rule rule;	 /* of the frame's code */
};

#define STACK_HEADER_WORDS (sizeof(struct stack_record) / sizeof(__u64))

/* The largest set: arm64's. */
#define SAVED_REGISTERS_WORDS 34

struct scratch {
	__u64 saved_registers[SAVED_REGISTERS_WORDS];
	__u64 registers[2 * WALK_REGISTERS]; /* of the sample, and of what the last signal on the stack interrupted */
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
