/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The keyed hash that stands for a stack or a process on the wire.
 *
 * Whoever can choose a stack's frames must not be able to make two stacks look like one, so start values and
 * multipliers are random numbers of the run: two lanes, even and odd words, run beside each other (a multiplication
 * takes longer to finish than to start), each word is xored in, multiplied by a secret odd number, and the high half
 * folded into the low one. 64 bits: a million stacks collide by chance once in 37 million runs. */
#pragma once

#include "scratch.h"

static __always_inline __u64 hash_mix(__u64 state, __u64 word, __u64 multiplier)
{
	state = (state ^ word) * multiplier;
	return state ^ state >> 32;
}

/* Both lanes into one, every bit of the input reaching every bit of the result; never 0, which means "none". */
static __always_inline __u64 hash_finish(__u64 even, __u64 odd)
{
	__u64 hash = even ^ (odd << 23 | odd >> 41);

	hash = (hash ^ hash >> 29) * 0xbf58476d1ce4e5b9ULL;
	hash = (hash ^ hash >> 32) * 0x94d049bb133111ebULL;
	hash ^= hash >> 29;
	return hash ? hash : 1;
}

/* `what` tells apart what is hashed (kind of record, number of words, how the stack ended). The n words are hashed in
 * pairs: the word behind an odd last one must be 0. */
static __always_inline __u64 hash_words(const __u64 *words, __u32 n, __u32 max, __u64 what)
{
	__u64 even = shim_hash_seed(0) ^ what, odd = shim_hash_seed(1);
	__u64 even_multiplier = shim_hash_seed(2) | 1, odd_multiplier = shim_hash_seed(3) | 1;

	for (__u32 i = 0; i < max; i += 2) {
		if (i >= n)
			break;
		even = hash_mix(even, words[i], even_multiplier);
		odd = hash_mix(odd, words[i + 1], odd_multiplier);
	}
	return hash_finish(even, odd);
}

static __always_inline __u64 hash_what(__u32 kind, __u32 n, __u32 end)
{
	return (__u64)kind << 32 | (__u64)end << 16 | n;
}

VERIFIED_ALONE __u64 hash_user_stack(__u32 n, __u32 end)
{
	struct scratch *scratch = shim_scratch();

	if (!scratch)
		return 0;
	if (n & 1)
		scratch->user_frames[bounded(n, MAX_USER_FRAMES)] = 0;
	return hash_words(scratch->user_frames, n, MAX_USER_FRAMES, hash_what(RECORD_USER_STACK, n, end));
}

VERIFIED_ALONE __u64 hash_kernel_stack(__u32 n, __u32 end)
{
	struct scratch *scratch = shim_scratch();

	if (!scratch)
		return 0;
	if (n & 1)
		scratch->kernel_frames[bounded(n, MAX_KERNEL_FRAMES + 1)] = 0;
	return hash_words(scratch->kernel_frames, n, MAX_KERNEL_FRAMES + 1, hash_what(RECORD_KERNEL_STACK, n, end));
}

/* What makes a process another process: not its names, which are looked up only when the hash is new. A thread that is
 * told apart may rename itself, and no perf record that names its process would say so: `name` is its name then, else
 * zero. */
static __always_inline __u64 hash_process(__u32 tgid, __u64 start_ns, __u32 exec_id, __u64 cgroup_id, __u32 tid,
					  const __u64 name[COMM_BYTES / sizeof(__u64)])
{
	__u64 words[6] = {(__u64)exec_id << 32 | tgid, start_ns, cgroup_id, tid, name[0], name[1]};

	return hash_words(words, 6, 6, hash_what(RECORD_PROCESS, 6, 0));
}

/* The key under which a process' mappings are published: another one after each exec. */
static __always_inline __u64 hash_image(__u32 tgid, __u64 start_ns, __u32 exec_id)
{
	__u64 words[2] = {(__u64)exec_id << 32 | tgid, start_ns};

	return hash_words(words, 2, 2, hash_what(RECORD_PROCESS, 2, 0));
}
