/* Generated from the BTF of Linux 6.1.176 by: vmlinux/generate.sh x86_64 FILE 6.1.176 >vmlinux/x86_64/vmlinux.h */
/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Layouts are the kernel's at load time (CO-RE): members not used here are left out, order and offsets mean nothing. */
#pragma once

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef unsigned char __u8;

typedef short int __s16;

typedef short unsigned int __u16;

typedef int __s32;

typedef unsigned int __u32;

typedef long long int __s64;

typedef long long unsigned int __u64;

typedef __s32 s32;

typedef __u32 u32;

typedef __u64 u64;

typedef int __kernel_pid_t;

typedef unsigned int __kernel_uid32_t;

typedef __u16 __be16;

typedef __u32 __be32;

typedef __u32 __wsum;

typedef __kernel_pid_t pid_t;

typedef __kernel_uid32_t uid_t;

typedef struct {
	int counter;
} atomic_t;

struct pt_regs {
	long unsigned int orig_ax;
};

typedef struct {
	uid_t val;
} kuid_t;

struct task_struct {
	void *stack;
	unsigned int flags;
	struct mm_struct *mm;
	pid_t pid;
	pid_t tgid;
	struct task_struct *group_leader;
	struct pid *thread_pid;
	u64 start_boottime;
	const struct cred *real_cred;
	char comm[16];
	struct nsproxy *nsproxy;
	struct signal_struct *signal;
	u64 self_exec_id;
	struct css_set *cgroups;
};

struct mm_struct {
	long unsigned int task_size;
	long unsigned int start_stack;
};

struct ns_common {
	unsigned int inum;
};

struct cgroup_subsys_state {
	struct cgroup *cgroup;
	struct cgroup_subsys_state *parent;
};

struct cred {
	kuid_t uid;
};

struct upid {
	int nr;
	struct pid_namespace *ns;
};

struct pid_namespace {
	struct ns_common ns;
};

struct pid {
	unsigned int level;
	struct upid numbers[0];
};

struct signal_struct {
	atomic_t live;
};

struct nsproxy {
	struct mnt_namespace *mnt_ns;
};

struct css_set {
	struct cgroup_subsys_state *subsys[14];
	struct cgroup *dfl_cgrp;
};

struct kernfs_node {
	u64 id;
};

struct cgroup {
	struct cgroup_subsys_state self;
	struct kernfs_node *kn;
};

enum cgroup_subsys_id {
	cpuset_cgrp_id = 0,
	cpu_cgrp_id = 1,
	cpuacct_cgrp_id = 2,
	io_cgrp_id = 3,
	memory_cgrp_id = 4,
	devices_cgrp_id = 5,
	freezer_cgrp_id = 6,
	net_cls_cgrp_id = 7,
	perf_event_cgrp_id = 8,
	net_prio_cgrp_id = 9,
	hugetlb_cgrp_id = 10,
	pids_cgrp_id = 11,
	rdma_cgrp_id = 12,
	misc_cgrp_id = 13,
	CGROUP_SUBSYS_COUNT = 14,
};

enum {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_STACK_TRACE = 7,
	BPF_MAP_TYPE_ARRAY_OF_MAPS = 12,
	BPF_MAP_TYPE_RINGBUF = 27,
};

struct bpf_iter_meta {
	struct seq_file *seq;
};

enum {
	BPF_ANY = 0,
	BPF_NOEXIST = 1,
};

enum {
	BPF_F_MMAPABLE = 1024,
};

struct mnt_namespace {
	struct ns_common ns;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

enum {
	BPF_RB_NO_WAKEUP = 1,
	BPF_RB_FORCE_WAKEUP = 2,
};

enum {
	BPF_RB_AVAIL_DATA = 0,
};

enum {
	BPF_F_USER_STACK = 256,
};

struct bpf_raw_tracepoint_args {
	__u64 args[0];
};

#pragma clang attribute pop
