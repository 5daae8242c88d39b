/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What profilers commonly do: both stacks by bpf_get_stackid(), counted in a hash map. And the kernel's own walk of the
 * user stack alone. */
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

#define MAX_DEPTH 127

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_STACK_TRACE);
	__uint(max_entries, 16384);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, MAX_DEPTH * sizeof(__u64));
} stacks SEC(".maps");

struct count_key {
	__u32 tgid;
	__s32 user, kernel;
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, struct count_key);
	__type(value, __u64);
} counts SEC(".maps");

SEC("perf_event")
int by_stackid(void *context)
{
	struct count_key key = {.tgid = bpf_get_current_pid_tgid() >> 32};
	__u64 one = 1, *count;

	if (!key.tgid)
		return 0;
	key.user = bpf_get_stackid(context, &stacks, BPF_F_USER_STACK);
	key.kernel = bpf_get_stackid(context, &stacks, 0);
	count = bpf_map_lookup_elem(&counts, &key);
	if (count)
		__sync_fetch_and_add(count, 1);
	else
		bpf_map_update_elem(&counts, &key, &one, BPF_NOEXIST);
	return 0;
}

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, MAX_DEPTH * sizeof(__u64));
} user_stack SEC(".maps");

long user_stack_bytes; /* of the last run */

SEC("perf_event")
int by_frame_pointers(void *context)
{
	__u32 zero = 0;
	void *stack = bpf_map_lookup_elem(&user_stack, &zero);

	if (stack)
		user_stack_bytes = bpf_get_stack(context, stack, MAX_DEPTH * sizeof(__u64), BPF_F_USER_STACK);
	return 0;
}
