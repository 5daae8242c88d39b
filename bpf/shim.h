/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* All that the logic in these headers needs from the world. As BPF these are helpers and maps (defined in
 * profiler.bpf.c); a unit test or a fuzzer defines its own and runs the same logic as plain C. */
#pragma once

#ifdef __bpf__
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

/* A function that the verifier checks once, on its own, and not again at each call: long loops are affordable only so.
 * From 5.6 on, with scalar arguments; the state is in the scratch map. */
#define VERIFIED_ALONE __noinline
#define SHIM static __always_inline
#else
#include <stdint.h>

#define VERIFIED_ALONE static __attribute__((unused))
#define SHIM /* a test defines those that it needs */
#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif
#endif

#include "wire/sample.h"
#include "wire/sampler.h"
#include "wire/unwind.h"

/* An index within an array of `size` (a power of two). The empty asm keeps the compiler from deducing that the mask is
 * not needed; verifiers before 6.x then do not see the bound ("unbounded memory access"). */
#define bounded(value, size)                                                                                           \
	({                                                                                                             \
		__u64 opaque_ = (value);                                                                               \
		asm volatile("" : "+r"(opaque_));                                                                      \
		opaque_ % (size); /* compiles to the mask */                                                           \
	})

struct scratch;

/* The rule of a return address (call_sites.h). */
struct call_site {
	__u64 check, low, high, pad;
};

#define CALL_SITE_BITS 13

/* The CPU's own working memory; NULL never happens but the verifier wants it checked. */
SHIM struct scratch *shim_scratch(void);
/* 0, or negative when any of the bytes is not readable without faulting. */
SHIM long shim_read_user(void *to, __u32 size, __u64 address);
/* The cache's word; index below SAMPLER_CACHE_SLOTS. */
SHIM volatile __u64 *shim_cache_slot(__u32 index);
/* Copies the record into the ring without waking its reader; negative when it is full. */
SHIM long shim_ring_output(void *record, __u64 size);
/* The run's random numbers of the hash. */
SHIM __u64 shim_hash_seed(__u32 index);
/* A segment of the unwind tables: UNWIND_SEGMENT_BYTES and UNWIND_SEGMENT_SLACK; NULL: there is none. */
SHIM __u8 *shim_segment(__u32 index);
/* The index is below UNWIND_MAX_RULES, …_OBJECTS, …_PROCESSES; NULL when it is not. */
SHIM const struct unwind_rule *shim_unwind_rule(__u32 index);
SHIM struct unwind_object *shim_unwind_object(__u32 slot);
SHIM const struct unwind_process *shim_unwind_process(__u32 index);
/* The index is below UNWIND_INHERITED_SLOTS; NULL: nobody inherits here. */
SHIM struct unwind_inherited *shim_unwind_inherited(__u32 index);
/* An entry of call_sites.h; the index is below 1 << CALL_SITE_BITS. NULL: nothing is kept. */
SHIM volatile struct call_site *shim_call_site(__u32 index);
/* What a use of an object is stamped with. */
SHIM __u32 shim_unwind_epoch(void);
