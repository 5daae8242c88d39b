/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What the sampler writes to the ring buffer. A stack's frames and a process' description travel once, then each sample
 * is a small header that names them by hash:
 *
 *      PROCESS #a   USER_STACK #b   KERNEL_STACK #c   SAMPLE{#a #b #c}   SAMPLE{#a #b #c}
 *      USER_STACK #d   SAMPLE{#a #d #c}
 *
 * Hashes are 64 bits, keyed with a random seed of the run; 0 means "none". The kernel remembers what it sent in a
 * direct-mapped cache of full-width hashes that is written only after the record is in the ring, so a header never
 * lacks its frames. User space bumps `epoch` at each interval, which empties the cache, and keeps what it was sent for
 * two epochs. All records are multiples of 8 bytes, zeroed before use, host byte order.
 *
 * A stack that could not be walked for want of a table travels as a copy, through a ring of its own:
 *
 *      copies: STACK_COPY #e                    SAMPLE{#a #e STACK_COPY}
 *
 * The copy is in its ring before the sample is in the other one. */
#pragma once

#include "wire/frame.h"
#include "wire/types.h"

#define RECORD_PROCESS 1
#define RECORD_USER_STACK 2
#define RECORD_KERNEL_STACK 3
#define RECORD_SAMPLE 4
#define RECORD_STACK_COPY 5

#define COMM_BYTES 16

enum unwind_end {
#define UNWIND_END(name, is_complete, text) UNWIND_END_##name,
#include "wire/unwind_end.def"
#undef UNWIND_END
	UNWIND_END_COUNT
};

enum loss {
#define LOSS(name, help) LOSS_##name,
#include "wire/loss.def"
#undef LOSS
	LOSS_COUNT
};

/* What made the sample, hence the unit of its weight. */
#define SAMPLE_SOURCE_CPU_CLOCK 0 /* nanoseconds */
#define SAMPLE_SOURCE_CYCLES 1	  /* cycles */
#define SAMPLE_SOURCE_COUNT 2

struct stack_record {
	__u32 kind;  /* RECORD_USER_STACK or RECORD_KERNEL_STACK */
	__u16 words; /* in `frames` */
	__u8 end;    /* enum unwind_end; hashed with the frames */
	__u8 pad;
	__u64 hash;
	__u64 frames[];
};

/* A process at one moment. Its hash covers tgid, start time, exec id, cgroup and, with threads, tid and the thread's
 * name; the rest is what was true when the record was made. */
struct process_record {
	__u32 kind; /* RECORD_PROCESS */
	__u32 pad;
	__u64 hash;
	__u64 start_boottime_ns; /* of the thread group leader (CLOCK_BOOTTIME) */
	__u64 cgroup_id;	 /* v2, or of the memory, else the pids hierarchy of v1 */
	__u64 image;		 /* key of its mappings (wire/unwind.h): hash of tgid, start time and exec id */
	__u32 tgid;		 /* in the collector's pid namespace; 0: not visible there */
	__u32 exec_id;		 /* rises by one at each exec */
	__u32 inner_tgid;	 /* in the process' own innermost pid namespace */
	__u32 mnt_ns;		 /* inode number; 0 in a task that exits */
	__u32 pid_ns;
	__u32 uid;
	__u32 tid;		      /* in the collector's namespace; 0 unless threads are told apart */
	__u32 flags;		      /* PROCESS_* */
	char comm[COMM_BYTES];	      /* of the thread group leader */
	char thread_comm[COMM_BYTES]; /* zero unless threads are told apart */
};

#define PROCESS_KERNEL_THREAD 1u
#define PROCESS_COMPAT 2u  /* 32-bit */
#define PROCESS_RUNNING 4u /* scans alone: it had or wanted a CPU */

struct sample_record {
	__u32 kind; /* RECORD_SAMPLE */
	__u16 source;
	__u16 cpu;		     /* SAMPLE_CPU_NONE unless CPUs are told apart */
	__u64 process, user, kernel; /* hashes; user and kernel may be 0 */
	__u64 weight;		     /* the period, in the source's unit */
	__u64 mono_ns;		     /* CLOCK_MONOTONIC: joins the sample with perf records */
	__u32 tid;		     /* in the collector's namespace; 0 unless asked for */
	__u32 flags;		     /* SAMPLE_* */
};

#define SAMPLE_CPU_NONE 0xffffu
#define SAMPLE_KERNEL_MODE 1u /* the CPU ran kernel code */
#define SAMPLE_STACK_COPY 2u  /* `user` is the id of a copy */

/* The registers of a stack that is to be walked in user space, and its top. */
#define STACK_CHUNK_BYTES 4096u /* what is copied at once: a page, or a part of one */
#define STACK_COPY_CHUNKS 128u
#define STACK_COPY_REGISTERS 32

struct stack_copy_record {
	__u32 kind;   /* RECORD_STACK_COPY */
	__u32 chunks; /* that follow; the record may be longer */
	__u64 id;     /* unique in the run, never 0 */
	__u64 image;  /* of its process */
	__u64 ip, task_size;
	__u64 code;				/* bytes at ip; 0: not readable */
	__u64 base;				/* address of the first chunk */
	__u64 readable[STACK_COPY_CHUNKS / 64]; /* bit i: chunk i could be read; the others are not of this stack */
	__u32 is_exact;				/* ip is an instruction about to run, not one behind a system call */
	__u32 is_in_exec; /* in execve: the registers may be those of the program that was before */
	__u64 registers[STACK_COPY_REGISTERS]; /* by DWARF number */
};

_Static_assert(sizeof(struct stack_record) == 16, "stack_record is a header of two words");
_Static_assert(sizeof(struct process_record) == 104, "process_record has no padding of its own");
_Static_assert(sizeof(struct sample_record) == 56, "sample_record has no padding of its own");
_Static_assert(sizeof(struct stack_copy_record) == 336, "stack_copy_record has no padding of its own");
