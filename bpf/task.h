/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The sampled task: who it is, to which cgroup it belongs, and its pids as the collector sees them. */
#pragma once

#include "shim.h"

#define PF_KTHREAD 0x00200000u
/* Ancestors of a cgroup that the filter looks at. */
#define CGROUP_MAX_DEPTH 32
/* The highest end of memory that a 32-bit process can have. */
#define TASK_SIZE_32 (1ULL << 32)

extern const volatile struct sampler_settings settings;
extern __u32 pid_ns_level;
extern __u64 pid_ns_address;

/* A chain of pointers from the current task. Where the kernel has typed task pointers (5.11) these are plain loads of a
 * nanosecond, else a helper call each. Only for a task from current_task() and what this macro made of it. */
#define current_read(task, ...) (settings.has_task_btf ? ___arrow(task, __VA_ARGS__) : BPF_CORE_READ(task, __VA_ARGS__))

static __always_inline struct task_struct *current_task(void)
{
	if (settings.has_task_btf)
		return bpf_get_current_task_btf();
	return (struct task_struct *)bpf_get_current_task();
}

/* The pid's number in the collector's namespace, 0 when it is not visible there. A task of another container may be as
 * deep as we are: the namespace itself is compared. */
static __always_inline __u32 pid_seen_by_collector(const struct pid *pid)
{
	__u32 level = pid_ns_level;
	struct upid number = {};

	if (!pid || BPF_CORE_READ(pid, level) < level)
		return 0;
	bpf_probe_read_kernel(&number.nr, sizeof(number.nr),
			      (void *)pid + bpf_core_field_offset(pid->numbers) +
				      level * bpf_core_type_size(struct upid) + bpf_core_field_offset(number.nr));
	bpf_probe_read_kernel(&number.ns, sizeof(number.ns),
			      (void *)pid + bpf_core_field_offset(pid->numbers) +
				      level * bpf_core_type_size(struct upid) + bpf_core_field_offset(number.ns));
	return (__u64)number.ns == pid_ns_address ? number.nr : 0;
}

static __always_inline __u32 task_tid(const struct task_struct *task)
{
	if (settings.in_initial_pid_ns)
		return BPF_CORE_READ(task, pid);
	return pid_seen_by_collector(BPF_CORE_READ(task, thread_pid));
}

static __always_inline __u32 task_tgid(const struct task_struct *task)
{
	if (settings.in_initial_pid_ns)
		return BPF_CORE_READ(task, tgid);
	return pid_seen_by_collector(BPF_CORE_READ(task, group_leader, thread_pid));
}

/* The task's cgroup in the hierarchy of a v1 controller. */
static __always_inline struct cgroup *task_cgroup_v1(const struct task_struct *task, __u32 subsystem)
{
	struct cgroup_subsys_state *css = NULL;
	struct css_set *set = BPF_CORE_READ(task, cgroups);

	bpf_probe_read_kernel(&css, sizeof(css),
			      (void *)set + bpf_core_field_offset(set->subsys) + subsystem * sizeof(void *));
	return BPF_CORE_READ(css, cgroup);
}

static __always_inline struct cgroup *task_cgroup(const struct task_struct *task, __u8 hierarchy)
{
	if (hierarchy == SAMPLER_CGROUP_V1_MEMORY && bpf_core_enum_value_exists(enum cgroup_subsys_id, memory_cgrp_id))
		return task_cgroup_v1(task, bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id));
	if (hierarchy == SAMPLER_CGROUP_V1_PIDS && bpf_core_enum_value_exists(enum cgroup_subsys_id, pids_cgrp_id))
		return task_cgroup_v1(task, bpf_core_enum_value(enum cgroup_subsys_id, pids_cgrp_id));
	return BPF_CORE_READ(task, cgroups, dfl_cgrp);
}

/* The same of the current task, through typed pointers: the subsystem's number is a constant to the verifier. */
static __always_inline __u64 current_cgroup_id_v1(struct task_struct *task, __u32 subsystem)
{
	struct css_set *set = task->cgroups;
	struct cgroup_subsys_state **css =
		(void *)set + bpf_core_field_offset(set->subsys) + subsystem * sizeof(void *);

	return (*css)->cgroup->kn->id;
}

static __always_inline __u64 current_cgroup_id(struct task_struct *task)
{
	struct cgroup *cgroup;

	if (settings.cgroup_hierarchy == SAMPLER_CGROUP_V2)
		return current_read(task, cgroups, dfl_cgrp, kn, id);
	if (settings.has_task_btf && settings.cgroup_hierarchy == SAMPLER_CGROUP_V1_MEMORY &&
	    bpf_core_enum_value_exists(enum cgroup_subsys_id, memory_cgrp_id))
		return current_cgroup_id_v1(task, bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id));
	cgroup = task_cgroup(task, settings.cgroup_hierarchy);
	return BPF_CORE_READ(cgroup, kn, id);
}

/* The cgroup of the filter, or one below it. */
static __always_inline int task_is_in_cgroup(const struct task_struct *task, __u64 cgroup_id)
{
	struct cgroup *cgroup = task_cgroup(task, settings.cgroup_filter_hierarchy);

	for (int i = 0; i < CGROUP_MAX_DEPTH && cgroup; i++) {
		struct cgroup_subsys_state *parent;

		if (BPF_CORE_READ(cgroup, kn, id) == cgroup_id)
			return 1;
		parent = BPF_CORE_READ(cgroup, self.parent);
		if (!parent)
			break;
		cgroup = BPF_CORE_READ(parent, cgroup);
	}
	return 0;
}

/* The task's name into COMM_BYTES zeroed bytes. In the task the rest of an older, longer name may follow the NUL. */
static __always_inline void comm_read(void *to, const struct task_struct *task)
{
	bpf_probe_read_kernel_str(to, COMM_BYTES, (const void *)task + bpf_core_field_offset(task->comm));
}

/* The thread group leader's name is one of the filter's. */
static __always_inline int task_has_comm(const struct task_struct *task)
{
	__u64 comm[COMM_BYTES / sizeof(__u64)] = {};
	const struct task_struct *leader = BPF_CORE_READ(task, group_leader);

	comm_read(comm, leader);
	for (__u32 i = 0; i < SAMPLER_MAX_COMMS; i++) {
		if (i >= settings.n_comms)
			break;
		if (comm[0] == settings.comms[i][0] && comm[1] == settings.comms[i][1])
			return 1;
	}
	return 0;
}

/* Fills all but kind, hash and flags. */
static __always_inline void process_describe(struct process_record *record, const struct task_struct *task)
{
	const struct task_struct *leader = BPF_CORE_READ(task, group_leader);
	struct pid *pid = BPF_CORE_READ(leader, thread_pid);

	record->tgid = task_tgid(task);
	record->inner_tgid = 0;
	record->pid_ns = 0;
	if (pid) {
		__u32 level = BPF_CORE_READ(pid, level);
		struct upid *inner = (void *)pid + bpf_core_field_offset(pid->numbers) +
				     (__u64)level * bpf_core_type_size(struct upid);

		record->inner_tgid = BPF_CORE_READ(inner, nr);
		record->pid_ns = BPF_CORE_READ(inner, ns, ns.inum);
	}
	record->mnt_ns = BPF_CORE_READ(task, nsproxy, mnt_ns, ns.inum);
	record->uid = BPF_CORE_READ(task, real_cred, uid.val);
	__builtin_memset(record->comm, 0, COMM_BYTES);
	comm_read(record->comm, leader);
	__builtin_memset(record->thread_comm, 0, COMM_BYTES);
	record->tid = 0;
	if (settings.with_threads) {
		record->tid = task_tid(task);
		comm_read(record->thread_comm, task);
	}
}
