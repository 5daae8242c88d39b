/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Registers of the sampled CPU, and those with which the task entered the kernel. */
#pragma once

#include "scratch.h"
#include "shim.h"

/* The program's context, bpf_perf_event_data, in the layout that ptrace(2) users know for ever. The kernel's own
 * pt_regs has other types for some members in some versions; the context must be read as whole words. */
#if defined(__TARGET_ARCH_x86)
struct sampled_registers {
	__u64 r15, r14, r13, r12, fp, rbx;
	__u64 r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
	__u64 orig_ax, ip, cs, flags, sp, ss;
};
/* Code segment of 32-bit user code. */
#define CS_USER_32 0x23
#elif defined(__TARGET_ARCH_arm64)
struct sampled_registers {
	__u64 x[29], fp, lr, sp, ip, pstate;
};
#define PSTATE_MODE_MASK 0xfULL /* 0: EL0 */
#define PSTATE_MODE_32 0x10ULL
#else
#error "no registers known for this architecture"
#endif

struct sample_context {
	struct sampled_registers registers;
	__u64 sample_period;
	__u64 addr;
};

static __always_inline int registers_are_user(const struct sampled_registers *registers)
{
#if defined(__TARGET_ARCH_x86)
	return (registers->cs & 3) == 3;
#else
	return (registers->pstate & PSTATE_MODE_MASK) == 0;
#endif
}

static __always_inline int registers_are_32_bit(const struct sampled_registers *registers)
{
#if defined(__TARGET_ARCH_x86)
	return registers->cs == CS_USER_32;
#else
	return (registers->pstate & PSTATE_MODE_32) != 0;
#endif
}

_Static_assert(sizeof(struct sampled_registers) <= SAVED_REGISTERS_WORDS * sizeof(__u64),
	       "the scratch has room for them");

/* What the walk of the user stack starts from; the registers go to scratch->registers, by DWARF number. */
struct user_registers {
	__u64 ip;
	__u32 is_32_bit;
	__u32 is_in_exec; /* in the system call execve or execveat */
};

/* arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h */
#if defined(__TARGET_ARCH_x86)
#define SYSCALL_EXECVE 59
#define SYSCALL_EXECVEAT 322
#else
#define SYSCALL_EXECVE 221
#define SYSCALL_EXECVEAT 281
#endif

#if defined(__TARGET_ARCH_x86)
#define registers_spread(from, to)                                                                                     \
	do {                                                                                                           \
		(to)[0] = (from)->rax;                                                                                 \
		(to)[1] = (from)->rdx;                                                                                 \
		(to)[2] = (from)->rcx;                                                                                 \
		(to)[3] = (from)->rbx;                                                                                 \
		(to)[4] = (from)->rsi;                                                                                 \
		(to)[5] = (from)->rdi;                                                                                 \
		(to)[6] = (from)->fp;                                                                                  \
		(to)[7] = (from)->sp;                                                                                  \
		(to)[8] = (from)->r8;                                                                                  \
		(to)[9] = (from)->r9;                                                                                  \
		(to)[10] = (from)->r10;                                                                                \
		(to)[11] = (from)->r11;                                                                                \
		(to)[12] = (from)->r12;                                                                                \
		(to)[13] = (from)->r13;                                                                                \
		(to)[14] = (from)->r14;                                                                                \
		(to)[15] = (from)->r15;                                                                                \
	} while (0)
#else
#define registers_spread(from, to)                                                                                     \
	do {                                                                                                           \
		for (int i_ = 0; i_ < 29; i_++)                                                                        \
			(to)[i_] = (from)->x[i_];                                                                      \
		(to)[29] = (from)->fp;                                                                                 \
		(to)[30] = (from)->lr;                                                                                 \
		(to)[31] = (from)->sp;                                                                                 \
	} while (0)
#endif

static __always_inline void user_registers_of_sample(const struct sampled_registers *sampled, struct scratch *own,
						     struct user_registers *ret)
{
	registers_spread(sampled, own->registers);
	ret->ip = sampled->ip;
	ret->is_32_bit = registers_are_32_bit(sampled);
	ret->is_in_exec = 0;
	/* Keeps these loads here. Where two branches load from the context and from elsewhere, the compiler likes to
	 * make one load of them through a pointer to either, and the verifier does not allow that with the context. */
	asm volatile("" : "+r"(ret->ip), "+r"(ret->is_32_bit) : : "memory");
}

/* From the registers that the kernel saved at `saved` (its pt_regs) when the task entered it. */
static __always_inline long user_registers_of_saved(const struct pt_regs *saved, struct scratch *own,
						    struct user_registers *ret)
{
	const struct sampled_registers *room = (const struct sampled_registers *)own->saved_registers;
	__s64 syscall;
	long err = bpf_probe_read_kernel(own->saved_registers, sizeof(*room), saved);

	if (err)
		return err;
	registers_spread(room, own->registers);
	ret->ip = room->ip;
	ret->is_32_bit = registers_are_32_bit(room);
#if defined(__TARGET_ARCH_x86)
	syscall = room->orig_ax;
#else
	syscall = BPF_CORE_READ(saved, syscallno);
#endif
	ret->is_in_exec = syscall == SYSCALL_EXECVE || syscall == SYSCALL_EXECVEAT;
	return 0;
}

/* Where they are on kernels that do not tell: at the top of the task's kernel stack. */
static __always_inline const struct pt_regs *registers_on_stack(const struct task_struct *task, __u32 stack_bytes)
{
	__u64 stack = (__u64)BPF_CORE_READ(task, stack);

	return (const struct pt_regs *)(stack + stack_bytes - bpf_core_type_size(struct pt_regs));
}
