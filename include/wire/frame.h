/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The frame word of a user stack: one frame in 64 bits, leaf first.
 *
 *    63  62 | 61     | 60 ............. 40 | 39 ................. 0
 *    kind   | return | FRAME_ADDRESS: the ip in the process, sign-extended from bit 60 (vsyscall is negative)
 *           |        | FRAME_OBJECT:  object id | elf_va, the file's own address space
 *           |        | FRAME_FILE:    object id | offset in the file
 *           |        | FRAME_INTERPRETED: kind of code | payload; a second, uninterpreted word follows
 *
 * "return" says that the address is a return address (look up at ip - 1), not an exact pc. BPF emits FRAME_ADDRESS
 * today; the collector turns addresses in files to FRAME_FILE when it attributes a sample, because mappings change and
 * because stacks of many processes of one program are then one stack. Object ids are never used twice in a run.
 *
 * Words of kernel stacks are plain kernel addresses without kinds: word 0 is exact, all others are return addresses. */
#pragma once

#include "wire/types.h"

#define FRAME_ADDRESS 0ULL
#define FRAME_OBJECT 1ULL
#define FRAME_INTERPRETED 2ULL
#define FRAME_FILE 3ULL

#define FRAME_KIND_SHIFT 62
#define FRAME_RETURN (1ULL << 61)
#define FRAME_ADDRESS_BITS 61
#define FRAME_OBJECT_SHIFT 40
#define FRAME_OBJECT_MAX ((1ULL << 21) - 1)
#define FRAME_OFFSET_MAX ((1ULL << FRAME_OBJECT_SHIFT) - 1)

/* Frames of one user stack, and words of one kernel stack (perf_event_max_stack is 127 by default). */
#define MAX_USER_FRAMES 512
#define MAX_KERNEL_FRAMES 127

static inline __u64 frame_kind(__u64 word)
{
	return word >> FRAME_KIND_SHIFT;
}

static inline int frame_is_return(__u64 word)
{
	return !!(word & FRAME_RETURN);
}

static inline __u64 frame_from_address(__u64 ip, int is_return)
{
	return (ip & (FRAME_RETURN - 1)) | (is_return ? FRAME_RETURN : 0);
}

static inline __u64 frame_address(__u64 word)
{
	return (__u64)((__s64)(word << (64 - FRAME_ADDRESS_BITS)) >> (64 - FRAME_ADDRESS_BITS));
}

static inline __u64 frame_from_object(__u64 kind, __u64 object_id, __u64 offset, int is_return)
{
	return kind << FRAME_KIND_SHIFT | (is_return ? FRAME_RETURN : 0) | object_id << FRAME_OBJECT_SHIFT | offset;
}

static inline __u64 frame_object_id(__u64 word)
{
	return (word >> FRAME_OBJECT_SHIFT) & FRAME_OBJECT_MAX;
}

static inline __u64 frame_offset(__u64 word)
{
	return word & FRAME_OFFSET_MAX;
}
