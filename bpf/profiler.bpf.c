/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The sampling program: maps and entry points. include/wire/sample.h tells what it writes.
 *
 *      timer or counter ── ran ──┬── idle CPU
 *                                ├── our own processes
 *                                ├── filtered
 *                                └── taken ──┬── sent
 *                                            └── lost, by cause
 */
#include "shim.h"

#include "cache.h"
#include "hash.h"
#include "registers.h"
#include "scratch.h"
#include "stack_copy.h"
#include "task.h"
#include "walk.h"

char LICENSE[] SEC("license") = "GPL";

const volatile struct sampler_settings settings = {};

/* User space writes these: the source before the first sample, the others while the program runs. */
__u16 source;
__u64 epoch;
__u32 unwind_epoch;
__u32 self_tgids[SAMPLER_MAX_SELF];

/* find_pid_ns() writes these once; children_refused is written by follow_fork(). */
__u32 pid_ns_level;
__u64 pid_ns_address;
__u64 children_refused;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20); /* set at load */
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SAMPLER_CACHE_SLOTS);
	__type(key, __u32);
	__type(value, __u64);
} cache SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch);
} scratch SEC(".maps");

/* By CPU, in memory that user space maps: a map system call would hide samples of the CPU that makes it. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* possible CPUs, set at load */
	__type(key, __u32);
	__type(value, struct sampler_cpu_stats);
} cpu_stats SEC(".maps");

/* The pid filter: tgid in the collector's namespace to start time (0: named by the user). */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1); /* set at load */
	__type(key, __u32);
	__type(value, __u64);
} followed SEC(".maps");

/* A process still runs, and is sampled, for a while after it is reported dead: its entry in the filter stays until
 * GRAVES more have died on the CPU. */
#define GRAVES 64

struct grave {
	__u64 start_ns;
	__u32 tgid;
	__u32 pad;
};

struct graveyard {
	__u64 next;
	struct grave graves[GRAVES];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct graveyard);
} graveyard SEC(".maps");

/* The unwind tables (wire/unwind.h): user space writes them through its mappings. */
struct unwind_segment {
	__u8 bytes[UNWIND_SEGMENT_BYTES + UNWIND_SEGMENT_SLACK];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1); /* the limit of segments, set at load */
	__type(key, __u32);
	__type(value, __u32);
	__array(
		values, struct {
			__uint(type, BPF_MAP_TYPE_ARRAY);
			__uint(map_flags, BPF_F_MMAPABLE);
			__uint(max_entries, 1);
			__uint(key_size, sizeof(__u32));
			__uint(value_size, sizeof(struct unwind_segment));
		});
} unwind_segments SEC(".maps");

/* One element: its address does not wait for the number of the rule that is wanted. */
struct unwind_rule_array {
	struct unwind_rule rules[UNWIND_MAX_RULES];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct unwind_rule_array);
} unwind_rules SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, UNWIND_MAX_OBJECTS);
	__type(key, __u32);
	__type(value, struct unwind_object);
} unwind_objects SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, UNWIND_MAX_PROCESSES);
	__type(key, __u32);
	__type(value, struct unwind_process);
} unwind_processes SEC(".maps");

/* What children have of their parents; direct-mapped. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, UNWIND_INHERITED_SLOTS);
	__type(key, __u32);
	__type(value, struct unwind_inherited);
} unwind_inherited SEC(".maps");

struct call_sites {
	struct call_site sites[1 << CALL_SITE_BITS];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE); /* begins with a page, so that no entry lies in two lines of a cache */
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct call_sites);
} call_sites SEC(".maps");

/* Stacks that cannot be walked yet go out as they are. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20); /* set at load */
} copies SEC(".maps");

SHIM __u8 *shim_segment(__u32 index)
{
	__u32 zero = 0;
	void *segment = bpf_map_lookup_elem(&unwind_segments, &index);

	return segment ? bpf_map_lookup_elem(segment, &zero) : NULL;
}

SHIM const struct unwind_rule *shim_unwind_rule(__u32 index)
{
	__u32 zero = 0;
	struct unwind_rule_array *all = bpf_map_lookup_elem(&unwind_rules, &zero);

	return all ? &all->rules[bounded(index, UNWIND_MAX_RULES)] : NULL;
}

SHIM volatile struct call_site *shim_call_site(__u32 index)
{
	__u32 zero = 0;
	struct call_sites *all = bpf_map_lookup_elem(&call_sites, &zero);

	return all ? &all->sites[bounded(index, 1 << CALL_SITE_BITS)] : NULL;
}

SHIM struct unwind_object *shim_unwind_object(__u32 slot)
{
	return bpf_map_lookup_elem(&unwind_objects, &slot);
}

SHIM const struct unwind_process *shim_unwind_process(__u32 index)
{
	return bpf_map_lookup_elem(&unwind_processes, &index);
}

SHIM struct unwind_inherited *shim_unwind_inherited(__u32 index)
{
	return bpf_map_lookup_elem(&unwind_inherited, &index);
}

SHIM __u32 shim_unwind_epoch(void)
{
	return *(volatile __u32 *)&unwind_epoch;
}

SHIM struct stack_copy_record *shim_copies_reserve(__u64 size)
{
	return bpf_ringbuf_reserve(&copies, size, 0);
}

SHIM void shim_copies_submit(struct stack_copy_record *record)
{
	bpf_ringbuf_submit(record, bpf_ringbuf_query(&copies, BPF_RB_AVAIL_DATA) >= settings.copies_wake_bytes
					   ? BPF_RB_FORCE_WAKEUP
					   : BPF_RB_NO_WAKEUP);
}

SHIM struct scratch *shim_scratch(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&scratch, &zero);
}

SHIM long shim_read_user(void *to, __u32 size, __u64 address)
{
	return bpf_probe_read_user(to, size, (const void *)address);
}

SHIM volatile __u64 *shim_cache_slot(__u32 index)
{
	return bpf_map_lookup_elem(&cache, &index);
}

SHIM long shim_ring_output(void *record, __u64 size)
{
	return bpf_ringbuf_output(&ring, record, size, BPF_RB_NO_WAKEUP);
}

SHIM __u64 shim_hash_seed(__u32 index)
{
	return settings.hash_seed[index];
}

static __always_inline int is_self(__u32 tgid)
{
	for (int i = 0; i < SAMPLER_MAX_SELF; i++)
		if (tgid && self_tgids[i] == tgid)
			return 1;
	return 0;
}

static __always_inline int filters_pass(const struct task_struct *task, __u32 tgid, int in_kernel)
{
	if (settings.kernel_only && !in_kernel)
		return 0;
	if (settings.user_only && in_kernel)
		return 0;
	if (settings.filter_tgids && !bpf_map_lookup_elem(&followed, &tgid))
		return 0;
	if (settings.n_comms && !task_has_comm(task))
		return 0;
	if (settings.cgroup_id && !task_is_in_cgroup(task, settings.cgroup_id))
		return 0;
	return 1;
}

/* Collects the user stack; its frames and end are in the scratch. */
static __always_inline void user_stack_collect(struct sample_context *context, struct task_struct *task, int in_kernel,
					       __u64 task_size, __u64 image, struct scratch *own)
{
	struct user_registers registers = {};

	own->walk.n = 0;
	if (settings.kernel_only) {
		own->walk.end = UNWIND_END_NOT_ASKED;
		return;
	}
	if (current_read(task, flags) & PF_KTHREAD) {
		own->walk.end = UNWIND_END_KERNEL_THREAD;
		return;
	}
	if (!task_size) {
		own->walk.end = UNWIND_END_EXITED;
		return;
	}
	if (!in_kernel) {
		user_registers_of_sample(&context->registers, own, &registers);
	} else {
		const struct pt_regs *saved;

		if (settings.has_task_btf && settings.has_task_regs)
			saved = (const struct pt_regs *)bpf_task_pt_regs(task);
		else
			saved = registers_on_stack(task, settings.kernel_stack_bytes);
		if (user_registers_of_saved(saved, own, &registers)) {
			own->walk.end = UNWIND_END_NO_REGISTERS;
			return;
		}
		/* A thread that the kernel made for itself within a process (io_uring, vhost) never was in user mode.
		 */
		if (!registers.ip && !own->registers[REGISTER_SP]) {
			own->walk.end = UNWIND_END_KERNEL_THREAD;
			return;
		}
	}
	if (registers.is_32_bit || task_size <= TASK_SIZE_32) {
		own->walk.end = UNWIND_END_COMPAT_TASK;
		return;
	}
	/* Looked up as it is also behind a system call: what holds there is what held before, and while a signal is
	 * delivered, ip is the first instruction of its handler already. */
	walk_begin(own, registers.ip, 1, task_size);
	own->walk.is_in_exec = registers.is_in_exec;
	walk_find_process(&own->walk, image);
	walk_run();
}

/* The stack as a copy, for user space to walk: its id, or 0. */
static __always_inline __u64 user_stack_copy(struct task_struct *task, __u64 image, __u32 cpu,
					     struct sampler_cpu_stats *stats)
{
	/* Unique: a CPU has not run this often, and there are not so many. */
	__u64 id = stack_copy_send(image, (__u64)(cpu + 1) << 48 | stats->ran, current_read(task, mm, start_stack));

	if (id)
		stats->copied++;
	else
		stats->copies_refused++;
	return id;
}

/* Returns the number of words, at least the sampled ip, and how they end. */
static __always_inline __u32 kernel_stack_collect(struct sample_context *context, struct scratch *own, __u32 *ret_end)
{
	__u32 max = settings.kernel_frames;
	long bytes;

	if (max > MAX_KERNEL_FRAMES)
		max = MAX_KERNEL_FRAMES;
	/* Starts from the sampled registers: the interrupt that brought us here is not part of it. */
	bytes = bpf_get_stack(context, own->kernel_frames, max * sizeof(__u64), 0);
	if (bytes < (long)sizeof(__u64)) {
		own->kernel_frames[0] = context->registers.ip;
		*ret_end = UNWIND_END_UNREADABLE_STACK;
		return 1;
	}
	*ret_end = (__u32)bytes / sizeof(__u64) < max ? UNWIND_END_ROOT : UNWIND_END_FRAME_LIMIT;
	return (__u32)bytes / sizeof(__u64);
}

/* The stack's hash, after its frames are in the ring; 0 when there was no room. */
static __always_inline __u64 stack_send(struct stack_record *record, __u32 kind, __u64 n, __u32 end, __u64 hash,
					__u64 now_epoch)
{
	__u32 max = kind == RECORD_USER_STACK ? MAX_USER_FRAMES : MAX_KERNEL_FRAMES;
	volatile __u64 *slot = cache_slot(hash);

	if (!slot)
		return 0;
	if (cache_has(slot, hash, now_epoch))
		return hash;
	asm volatile("" : "+r"(n)); /* the verifier sees the bound below only on the register that it tests */
	if (n > max)
		return 0;
	record->kind = kind;
	record->words = n;
	record->end = end;
	record->pad = 0;
	record->hash = hash;
	if (cache_send(slot, record, sizeof(*record) + n * sizeof(__u64), hash, now_epoch))
		return 0;
	return hash;
}

static __always_inline __u64 process_send(struct scratch *own, struct task_struct *task, __u64 task_size,
					  __u64 now_epoch, __u64 *ret_image)
{
	__u64 id = bpf_get_current_pid_tgid(), cgroup_id = current_cgroup_id(task);
	__u64 start_ns = current_read(task, group_leader, start_boottime);
	__u32 exec_id = current_read(task, self_exec_id);
	__u64 name[COMM_BYTES / sizeof(__u64)] = {}, hash;
	struct process_record *record = &own->process;
	volatile __u64 *slot;

	if (settings.with_threads)
		bpf_get_current_comm(name, sizeof(name));
	*ret_image = hash_image(id >> 32, start_ns, exec_id);
	hash = hash_process(id >> 32, start_ns, exec_id, cgroup_id, settings.with_threads ? (__u32)id : 0, name);
	slot = cache_slot(hash);
	if (!slot)
		return 0;
	if (cache_has(slot, hash, now_epoch))
		return hash;
	record->kind = RECORD_PROCESS;
	record->pad = 0;
	record->hash = hash;
	record->start_boottime_ns = start_ns;
	record->cgroup_id = cgroup_id;
	record->image = *ret_image;
	record->exec_id = exec_id;
	record->flags = 0;
	if (current_read(task, flags) & PF_KTHREAD)
		record->flags |= PROCESS_KERNEL_THREAD;
	else if (task_size && task_size <= TASK_SIZE_32)
		record->flags |= PROCESS_COMPAT;
	process_describe(record, task);
	if (cache_send(slot, record, sizeof(*record), hash, now_epoch))
		return 0;
	return hash;
}

static __always_inline void sample_take(struct sample_context *context, struct task_struct *task, int in_kernel,
					__u32 cpu, struct sampler_cpu_stats *stats)
{
	__u64 now_epoch = *(volatile __u64 *)&epoch, task_size = 0, image = 0;
	struct scratch *own = shim_scratch();
	struct sample_record sample = {
		.kind = RECORD_SAMPLE,
		.source = source,
		.cpu = settings.with_cpu ? cpu : SAMPLE_CPU_NONE,
		.weight = context->sample_period,
		.mono_ns = bpf_ktime_get_ns(),
		.tid = settings.with_threads ? task_tid(task) : 0,
		.flags = in_kernel ? SAMPLE_KERNEL_MODE : 0,
	};

	stats->taken++;
	if (!own) {
		stats->lost[LOSS_ring_full_stack]++;
		return;
	}
	if (!(current_read(task, flags) & PF_KTHREAD) && current_read(task, mm))
		task_size = current_read(task, mm, task_size);

	sample.process = process_send(own, task, task_size, now_epoch, &image);
	if (!sample.process) {
		stats->lost[LOSS_ring_full_process]++;
		return;
	}
	user_stack_collect(context, task, in_kernel, task_size, image, own);
	if (walk_lacks_tables(&own->walk)) {
		sample.user = user_stack_copy(task, image, cpu, stats);
		sample.flags |= sample.user ? SAMPLE_STACK_COPY : 0;
	}
	if (!sample.user)
		sample.user = stack_send((struct stack_record *)own->user_header, RECORD_USER_STACK, own->walk.n,
					 own->walk.end, hash_user_stack(own->walk.n, own->walk.end), now_epoch);
	if (!sample.user) {
		stats->lost[LOSS_ring_full_stack]++;
		return;
	}
	if (in_kernel) {
		__u32 end, n = kernel_stack_collect(context, own, &end);

		sample.kernel = stack_send((struct stack_record *)own->kernel_header, RECORD_KERNEL_STACK, n, end,
					   hash_kernel_stack(n, end), now_epoch);
		if (!sample.kernel) {
			stats->lost[LOSS_ring_full_stack]++;
			return;
		}
	}
	if (bpf_ringbuf_output(&ring, &sample, sizeof(sample),
			       bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) >= settings.wake_bytes ? BPF_RB_FORCE_WAKEUP
												  : BPF_RB_NO_WAKEUP)) {
		stats->lost[LOSS_ring_full_sample]++;
		return;
	}
	stats->sent++;
}

static __always_inline void sample_sort(struct sample_context *context, __u32 cpu, struct sampler_cpu_stats *stats)
{
	int in_kernel = !registers_are_user(&context->registers);
	struct task_struct *task;
	__u32 tgid = 0;

	if (!(__u32)bpf_get_current_pid_tgid()) {
		stats->idle++;
		return;
	}
	task = current_task();
	if (settings.exclude_self || settings.filter_tgids)
		tgid = settings.in_initial_pid_ns ? bpf_get_current_pid_tgid() >> 32 : task_tgid(task);
	if (settings.exclude_self && is_self(tgid)) {
		stats->self++;
		stats->self_weight += context->sample_period;
		return;
	}
	if (!filters_pass(task, tgid, in_kernel)) {
		stats->filtered++;
		return;
	}
	sample_take(context, task, in_kernel, cpu, stats);
}

SEC("perf_event")
int sample(struct sample_context *context)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct sampler_cpu_stats *stats = bpf_map_lookup_elem(&cpu_stats, &cpu);
	__u64 began_ns = 0;

	if (!stats)
		return 0;
	if (settings.time_runs && !(stats->ran & 15))
		began_ns = bpf_ktime_get_ns();
	stats->ran++;
	sample_sort(context, cpu, stats);
	if (began_ns) {
		stats->timed_runs++;
		stats->timed_ns += bpf_ktime_get_ns() - began_ns;
	}
	return 0;
}

static __always_inline __u64 image_of(const struct task_struct *task)
{
	return hash_image(BPF_CORE_READ(task, tgid), BPF_CORE_READ(task, group_leader, start_boottime),
			  BPF_CORE_READ(task, self_exec_id));
}

/* A child is sampled before user space can know of it: by then it has its parent's mappings. It does not run yet. */
SEC("raw_tp/sched_process_fork")
int inherit_mappings(struct bpf_raw_tracepoint_args *context)
{
	const struct task_struct *parent = (const void *)context->args[0], *child = (const void *)context->args[1];

	if (BPF_CORE_READ(child, pid) != BPF_CORE_READ(child, tgid))
		return 0; /* a thread */
	mappings_inherit(image_of(parent), image_of(child));
	return 0;
}

/* Children of followed processes are followed. Loaded only when that is asked for. */
SEC("raw_tp/sched_process_fork")
int follow_fork(struct bpf_raw_tracepoint_args *context)
{
	const struct task_struct *parent = (const void *)context->args[0], *child = (const void *)context->args[1];
	__u32 parent_tgid = task_tgid(parent), child_tgid;
	__u64 start_ns;

	if (BPF_CORE_READ(child, pid) != BPF_CORE_READ(child, tgid))
		return 0; /* a thread */
	child_tgid = task_tgid(child);
	if (!child_tgid)
		return 0;
	if (!bpf_map_lookup_elem(&followed, &parent_tgid)) {
		/* The number may be that of a dead process whose entry waits in a graveyard. */
		if (bpf_map_lookup_elem(&followed, &child_tgid))
			bpf_map_delete_elem(&followed, &child_tgid);
		return 0;
	}
	start_ns = BPF_CORE_READ(child, start_boottime);
	if (bpf_map_update_elem(&followed, &child_tgid, &start_ns, BPF_ANY))
		__sync_fetch_and_add(&children_refused, 1);
	return 0;
}

SEC("raw_tp/sched_process_exit")
int follow_exit(struct bpf_raw_tracepoint_args *context)
{
	const struct task_struct *task = (const void *)context->args[0];
	__u32 zero = 0, tgid = task_tgid(task), dead_tgid;
	struct graveyard *yard;
	struct grave *grave;
	__u64 *start_ns, *now_start_ns, dead_start_ns;

	if (BPF_CORE_READ(task, signal, live.counter))
		return 0; /* threads of the process are left */
	start_ns = bpf_map_lookup_elem(&followed, &tgid);
	yard = bpf_map_lookup_elem(&graveyard, &zero);
	if (!start_ns || !yard)
		return 0;
	grave = &yard->graves[bounded(yard->next, GRAVES)];
	yard->next++;
	dead_tgid = grave->tgid;
	dead_start_ns = grave->start_ns;
	grave->tgid = tgid;
	grave->start_ns = *start_ns;
	if (!dead_tgid)
		return 0;
	/* Unless the number belongs to a younger process by now. */
	now_start_ns = bpf_map_lookup_elem(&followed, &dead_tgid);
	if (now_start_ns && *now_start_ns == dead_start_ns)
		bpf_map_delete_elem(&followed, &dead_tgid);
	return 0;
}

/* Read by the collector before it samples: the processes that there are. */
SEC("iter/task")
int list_images(struct bpf_iter__task *context)
{
	struct task_struct *task = context->task;
	struct sampler_image image = {};

	if (!task || task->flags & PF_KTHREAD || task->pid != task->tgid)
		return 0;
	image.tgid = task_tgid(task);
	image.start_boottime_ns = task->start_boottime;
	image.image = hash_image(task->tgid, task->start_boottime, task->self_exec_id);
	bpf_seq_write(context->meta->seq, &image, sizeof(image));
	return 0;
}

/* Run once by the collector on itself (BPF_PROG_TEST_RUN) when it is in a pid namespace of its own: nothing in /proc
 * tells a namespace's depth from within. */
SEC("raw_tp")
int find_pid_ns(struct bpf_raw_tracepoint_args *context)
{
	const struct task_struct *task = (const void *)bpf_get_current_task();
	const struct pid *pid = BPF_CORE_READ(task, thread_pid);
	__u32 level = BPF_CORE_READ(pid, level);
	const struct upid *number =
		(void *)pid + bpf_core_field_offset(pid->numbers) + (__u64)level * bpf_core_type_size(struct upid);

	(void)context;
	pid_ns_address = (__u64)BPF_CORE_READ(number, ns);
	pid_ns_level = level;
	return 0;
}
