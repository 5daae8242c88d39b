/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* One frame of the walk: the rule of the code at ip says where its caller's sp, return address and frame pointer are.
 * Where no table tells, the frame pointer may.
 *
 * The look-up address of a return address is the byte before it, for the call may be the last instruction of its
 * function; ip of the leaf, and of what a signal interrupted, is looked up as it is. */
#pragma once

#include "frame_pointer.h"
#include "unwind_tables.h"

/* Nothing is ever mapped in the first page (mmap_min_addr). */
#define MIN_CODE_ADDRESS 4096ULL
/* arch/x86/include/uapi/asm/vsyscall.h: three entries that all begin with what a call left. */
#define VSYSCALL_ADDRESS 0xffffffffff600000ULL
#define VSYSCALL_BYTES 4096

/* Return addresses may carry a pointer authentication code above the address bits. */
static __always_inline __u64 strip_code_address(__u64 address, __u64 task_size)
{
#ifdef __TARGET_ARCH_arm64
	return address & (task_size - 1); /* a power of two there */
#else
	(void)task_size;
	return address;
#endif
}

/* The frame that the kernel made for a signal handler: all registers are in it. */
#ifdef __TARGET_ARCH_arm64
/* struct rt_sigframe of arch/arm64/kernel/signal.c: siginfo (128), then ucontext: flags, link, stack (40), sigmask
 * (128), 8 of padding, then sigcontext: fault address (8), x0 … x30, sp, pc. */
#define SIGNAL_FRAME_REGISTERS 312
#define SIGNAL_FRAME_WORDS 33
static __always_inline __u32 step_over_signal(struct scratch *scratch, __u64 *ret_ip)
{
	__u64 *registers = scratch->registers + WALK_REGISTERS;
	struct walk *walk = &scratch->walk;

	if (shim_read_user(scratch->saved_registers, SIGNAL_FRAME_WORDS * sizeof(__u64),
			   walk->sp + SIGNAL_FRAME_REGISTERS))
		return UNWIND_END_UNREADABLE_STACK;
	for (int i = 0; i < UNWIND_ARM64_REGISTERS; i++)
		registers[i] = scratch->saved_registers[i];
	walk->fp = registers[UNWIND_ARM64_FP];
	walk->other = registers[UNWIND_ARM64_LR];
	walk->sp = registers[UNWIND_ARM64_SP];
	walk->flags = WALK_EXACT | WALK_LINK | WALK_REGISTERS_KNOWN | WALK_INTERRUPTED;
	*ret_ip = scratch->saved_registers[32];
	return 0;
}
#else
/* struct rt_sigframe of arch/x86/include/asm/sigframe.h behind its first word, which was popped: ucontext's flags, link
 * and stack (40), then sigcontext: r8 … r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip. */
#define SIGNAL_FRAME_REGISTERS 40
#define SIGNAL_FRAME_WORDS 17
static __always_inline __u32 step_over_signal(struct scratch *scratch, __u64 *ret_ip)
{
	const __u64 *saved = scratch->saved_registers;
	__u64 *registers = scratch->registers + WALK_REGISTERS;
	struct walk *walk = &scratch->walk;

	if (shim_read_user(scratch->saved_registers, SIGNAL_FRAME_WORDS * sizeof(__u64),
			   walk->sp + SIGNAL_FRAME_REGISTERS))
		return UNWIND_END_UNREADABLE_STACK;
	for (int i = 0; i < 8; i++)
		registers[8 + i] = saved[i];
	registers[5] = saved[8];
	registers[4] = saved[9];
	walk->other = registers[UNWIND_X86_RBX] = saved[11];
	registers[1] = saved[12];
	registers[0] = saved[13];
	registers[2] = saved[14];
	walk->fp = registers[UNWIND_X86_RBP] = saved[10];
	walk->sp = registers[UNWIND_X86_RSP] = saved[15];
	walk->flags = WALK_EXACT | WALK_REGISTERS_KNOWN | WALK_INTERRUPTED;
	*ret_ip = saved[16];
	return 0;
}
#endif

/* A register of the frame, where all are known. */
static __always_inline __u64 walk_register(const struct scratch *scratch, __u32 number)
{
	__u32 set = scratch->walk.flags & WALK_INTERRUPTED ? WALK_REGISTERS : 0;

	return scratch->registers[bounded(number % WALK_REGISTERS + set, 2 * WALK_REGISTERS)];
}

/* The caller's sp by the rule. 0, or the end. */
static __always_inline __u32 rule_cfa(struct scratch *scratch, const struct unwind_rule *rule, __u64 *ret_cfa)
{
	/* Assembly calls subroutines of its own that leave such a register alone (libcrypto's AES-GCM). */
	__u32 known = WALK_REGISTERS_KNOWN | WALK_REGISTERS_LEFT;
	const struct walk *walk = &scratch->walk;
	__u64 word, base;

	switch (rule->cfa) {
	case UNWIND_CFA_SP:
		*ret_cfa = walk->sp + rule->cfa_off;
		return 0;
	case UNWIND_CFA_FP:
	case UNWIND_CFA_SWITCH:
		if (walk->flags & WALK_FP_LOST)
			return UNWIND_END_REGISTER_UNKNOWN;
		*ret_cfa = walk->fp + rule->cfa_off;
		return 0;
	case UNWIND_CFA_PLT:
		*ret_cfa = walk->sp + 8 + ((walk->ip & 15) >= (__u64)rule->cfa_off ? 8 : 0);
		return 0;
	case UNWIND_CFA_REGISTER:
#ifndef __TARGET_ARCH_arm64
		if (rule->reg == UNWIND_X86_RBX && !(walk->flags & WALK_BX_LOST)) {
			*ret_cfa = walk->other + rule->cfa_off;
			return 0;
		}
		if (rule->reg == UNWIND_X86_RBX)
			known = WALK_REGISTERS_KNOWN;
#endif
		if (!(walk->flags & known))
			return UNWIND_END_REGISTER_UNKNOWN;
		*ret_cfa = walk_register(scratch, rule->reg) + rule->cfa_off;
		return 0;
	case UNWIND_CFA_DEREF_SP:
	case UNWIND_CFA_DEREF_FP:
		if (rule->cfa == UNWIND_CFA_DEREF_FP && walk->flags & WALK_FP_LOST)
			return UNWIND_END_REGISTER_UNKNOWN;
		base = rule->cfa == UNWIND_CFA_DEREF_FP ? walk->fp : walk->sp;
		if (window_peek(&scratch->window, base + rule->cfa_off, &word))
			return UNWIND_END_UNREADABLE_STACK;
		*ret_cfa = word + rule->ra_off;
		return 0;
	}
	return UNWIND_END_UNSUPPORTED_RULE;
}

#ifndef __TARGET_ARCH_arm64
/* The caller's rbx. */
static __always_inline void rule_bx(struct scratch *scratch, const struct unwind_rule *rule, __u64 cfa)
{
	struct walk *walk = &scratch->walk;
	__u64 bx;

	if (rule->cfa > UNWIND_CFA_FP || rule->ra != UNWIND_RA_SAVED || rule->reg == UNWIND_BX_UNKNOWN) {
		walk->flags |= WALK_BX_LOST;
	} else if (rule->reg != UNWIND_BX_SAME) {
		if (window_peek(&scratch->window, cfa - 8 * rule->reg, &bx))
			walk->flags |= WALK_BX_LOST;
		else
			walk->other = bx;
	}
}
#endif

/* The return address and the caller's frame pointer, relative to the CFA. 0, or the end. */
static __always_inline __u32 rule_callers(struct scratch *scratch, const struct unwind_rule *rule, __u64 cfa,
					  __u64 *ret_ip)
{
	int is_deref = rule->cfa == UNWIND_CFA_DEREF_SP || rule->cfa == UNWIND_CFA_DEREF_FP;
	struct stack_window *window = &scratch->window;
	struct walk *walk = &scratch->walk;
	__u64 fp;

	if (rule->ra == UNWIND_RA_SAVED || (rule->ra == UNWIND_RA_EXACT && rule->ra_off)) {
		if (window_read(window, cfa + (is_deref ? -8 : rule->ra_off), ret_ip))
			return UNWIND_END_UNREADABLE_STACK;
	} else if (rule->ra == UNWIND_RA_LINK || rule->ra == UNWIND_RA_EXACT) {
		if (!(walk->flags & WALK_LINK))
			return UNWIND_END_REGISTER_UNKNOWN;
		*ret_ip = walk->other;
	} else {
		if (!(walk->flags & WALK_REGISTERS_KNOWN))
			return UNWIND_END_REGISTER_UNKNOWN;
		*ret_ip = walk_register(scratch, rule->reg);
	}
	if (rule->fp == UNWIND_FP_SAVED || rule->fp == UNWIND_FP_AT_FP) {
		if (window_peek(window, (rule->fp == UNWIND_FP_SAVED ? cfa : walk->fp) + rule->fp_off, &fp))
			return UNWIND_END_UNREADABLE_STACK;
		walk->fp = fp;
		walk->flags &= ~WALK_FP_LOST;
	} else if (rule->fp == UNWIND_FP_LOST) {
		walk->flags |= WALK_FP_LOST;
	}
#ifdef __TARGET_ARCH_arm64
	if (rule->ra == UNWIND_RA_EXACT && window_peek(window, cfa - UNWIND_ARM64_SAVED_LINK, &walk->other))
		return UNWIND_END_UNREADABLE_STACK;
#else
	rule_bx(scratch, rule, cfa);
#endif
	return 0;
}

/* The caller by the rule: its ip in *ret_ip, sp and fp in the walk. 0, or the end. */
static __always_inline __u32 rule_step(struct scratch *scratch, __u64 *ret_ip)
{
	const struct unwind_rule *rule = &scratch->walk.rule.rule;
	struct walk *walk = &scratch->walk;
	__u32 end, flags;
	__u64 cfa = 0;

	if (rule->cfa == UNWIND_CFA_SIGNAL)
		return step_over_signal(scratch, ret_ip);
	if (rule->cfa == UNWIND_CFA_STOP)
		return UNWIND_END_ROOT;
	end = rule_cfa(scratch, rule, &cfa);
	if (end)
		return end;
	/* Stacks go upwards: what does not would go round in circles. (A leaf on arm64 may have no frame at all.) */
	if (rule->cfa != UNWIND_CFA_SWITCH && is_below(cfa, walk->sp + (rule->ra == UNWIND_RA_SAVED)))
		return UNWIND_END_BAD_STACK_POINTER;
	end = rule_callers(scratch, rule, cfa, ret_ip);
	if (end)
		return end;
	walk->sp = cfa;
	flags = walk->flags & (WALK_FP_LOST | WALK_BX_LOST);
	if (walk->flags & WALK_REGISTERS_KNOWN)
		flags |= WALK_REGISTERS_LEFT | (walk->flags & WALK_INTERRUPTED);
	if (rule->ra == UNWIND_RA_EXACT)
		flags |= WALK_EXACT | WALK_LINK;
	walk->flags = flags;
	return 0;
}

/* The step from the frame that walk->ip is in: its caller's ip in *ret_ip, the rest in the walk. 0, or the end. */
static __always_inline __u32 walk_to_caller(struct scratch *scratch, __u64 *ret_ip)
{
	struct walk *walk = &scratch->walk;
	__u64 address = walk->flags & WALK_EXACT ? walk->ip : walk->ip - 1;
	int is_known;
	__u32 end;

#ifndef __TARGET_ARCH_arm64
	if (walk->ip - VSYSCALL_ADDRESS < VSYSCALL_BYTES) {
		if (window_read(&scratch->window, walk->sp, ret_ip))
			return UNWIND_END_UNREADABLE_STACK;
		walk->sp += 8;
		walk->flags = WALK_BX_LOST;
		return 0;
	}
#endif
	if (address - walk->map_start >= walk->map_bytes) {
		walk->flags &= ~WALK_REGISTERS_LEFT; /* it is no subroutine of its own */
		end = walk_enter_mapping(walk, address);
		if (end)
			return end;
	}
	is_known = walk_find_rule(walk, address, &end);
	if (end)
		return end;
	if (is_known && walk->rule.rule.cfa != UNWIND_CFA_NONE)
		return rule_step(scratch, ret_ip);
	end = fp_step(walk, &scratch->window, ret_ip);
	walk->flags = WALK_BX_LOST;
	return end;
}

/* One frame. 0: go on; 1: the walk ended and walk->end says why. */
static __always_inline int walk_step(struct scratch *scratch)
{
	struct walk *walk = &scratch->walk;
	__u32 end, n = walk->n;
	__u64 ip = 0;

	if (n >= MAX_USER_FRAMES) {
		walk->end = UNWIND_END_FRAME_LIMIT;
		return 1;
	}
	end = walk_to_caller(scratch, &ip);
	if (end) {
		/* What was taken for a return address and is none is no frame. */
		if ((end == UNWIND_END_NOT_CODE || end == UNWIND_END_MAPPING_UNPUBLISHED ||
		     end == UNWIND_END_PROCESS_UNKNOWN) &&
		    n > 1)
			walk->n = n - 1;
		walk->end = end;
		return 1;
	}
	ip = strip_code_address(ip, walk->task_size);
	if (ip - MIN_CODE_ADDRESS >= walk->task_size - MIN_CODE_ADDRESS) {
		walk->end = ip ? UNWIND_END_NOT_CODE : UNWIND_END_ROOT;
		return 1;
	}
	/* An address below task_size. */
	scratch->user_frames[bounded(n, MAX_USER_FRAMES)] = ip | (walk->flags & WALK_EXACT ? 0 : FRAME_RETURN);
	walk->ip = ip;
	walk->n = n + 1;
	return 0;
}
