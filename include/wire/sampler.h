/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What the collector and the sampling programs share besides the ring: settings that are fixed before the programs are
 * loaded (the verifier treats them as constants and drops the branches not taken), and counts that user space reads
 * from mapped memory while the programs run. */
#pragma once

#include "wire/sample.h"

#define SAMPLER_MAX_COMMS 8
#define SAMPLER_MAX_SELF 8

/* Words of the direct-mapped cache of hashes that were sent; a power of two. */
#define SAMPLER_CACHE_SLOTS 32768u

/* Which hierarchy names a process' cgroup. */
#define SAMPLER_CGROUP_V2 1
#define SAMPLER_CGROUP_V1_MEMORY 2
#define SAMPLER_CGROUP_V1_PIDS 3

struct sampler_settings {
	__u64 hash_seed[4];					    /* random; see bpf/hash.h */
	__u64 wake_bytes;					    /* fill of the ring at which its reader is woken */
	__u64 copies_wake_bytes;				    /* the same, of the ring of stack copies */
	__u64 cgroup_id;					    /* filter: this cgroup and all below it; 0: all */
	__u64 comms[SAMPLER_MAX_COMMS][COMM_BYTES / sizeof(__u64)]; /* filter, zero-padded */
	__u32 n_comms;						    /* 0: all */
	__u32 kernel_frames;	      /* at most MAX_KERNEL_FRAMES, and what the sysctl allows */
	__u32 kernel_stack_bytes;     /* size of a kernel stack, for kernels without bpf_task_pt_regs() */
	__u8 cgroup_hierarchy;	      /* SAMPLER_CGROUP_*: names processes */
	__u8 cgroup_filter_hierarchy; /* … that cgroup_id belongs to */
	__u8 has_task_btf;	      /* the kernel has bpf_get_current_task_btf() (5.11) */
	__u8 has_task_regs;	      /* the kernel has bpf_task_pt_regs() (5.15) */
	__u8 in_initial_pid_ns;	      /* the collector is: pids need no translation */
	__u8 filter_tgids;
	__u8 exclude_self;
	__u8 kernel_only, user_only;
	__u8 with_threads, with_cpu;
	__u8 time_runs; /* no BPF statistics: time every 16th run */
	__u8 pad[4];
};

/* A process as the sampling program knows it: what list_images() tells. */
struct sampler_image {
	__u32 tgid; /* in the collector's pid namespace; 0: not visible there */
	__u32 pad;
	__u64 start_boottime_ns;
	__u64 image; /* as in its process records */
};

/* Counts of one CPU, written by that CPU alone. A power of two of bytes so that CPUs share no cache line. */
struct sampler_cpu_stats {
	__u64 ran, idle, self, self_weight, filtered, taken, sent;
	__u64 timed_runs, timed_ns;
	__u64 copied;	      /* stacks sent as a copy */
	__u64 copies_refused; /* their ring was full: the stack is told as far as it was walked */
	__u64 lost[LOSS_COUNT];
} __attribute__((aligned(128)));

_Static_assert(sizeof(struct sampler_cpu_stats) % 128 == 0, "a CPU's counts fill whole pairs of cache lines");
