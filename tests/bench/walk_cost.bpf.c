/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The sampling program's walk, timed from the registers to its end, without what comes before and after. */
#include "profiler.bpf.c"

struct walk_cost {
	__u64 walks, frames, ns, incomplete;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct walk_cost);
} walk_cost SEC(".maps");

SEC("perf_event")
int time_walk(struct sample_context *context)
{
	int in_kernel = !registers_are_user(&context->registers);
	struct task_struct *task = current_task();
	struct scratch *own = shim_scratch();
	__u64 began_ns, task_size = 0, image;
	struct walk_cost *cost;
	__u32 zero = 0;

	cost = bpf_map_lookup_elem(&walk_cost, &zero);
	if (!own || !cost)
		return 0;
	if (current_read(task, mm))
		task_size = current_read(task, mm, task_size);
	image = hash_image(bpf_get_current_pid_tgid() >> 32, current_read(task, group_leader, start_boottime),
			   current_read(task, self_exec_id));
	began_ns = bpf_ktime_get_ns();
	user_stack_collect(context, task, in_kernel, task_size, image, own);
	__sync_fetch_and_add(&cost->ns, bpf_ktime_get_ns() - began_ns);
	__sync_fetch_and_add(&cost->walks, 1);
	__sync_fetch_and_add(&cost->frames, own->walk.n);
	if (own->walk.end != UNWIND_END_ROOT)
		__sync_fetch_and_add(&cost->incomplete, 1);
	return 0;
}
