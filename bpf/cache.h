/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What was sent in this epoch and need not be sent again: one word per slot, the full hash xored with the epoch. A slot
 * is written only after its record is in the ring, and the ring keeps order, so a header that finds its hash here comes
 * after the record. Two CPUs that write one slot at a time only make a record travel twice. */
#pragma once

#include "shim.h"

static __always_inline volatile __u64 *cache_slot(__u64 hash)
{
	return shim_cache_slot(hash & (SAMPLER_CACHE_SLOTS - 1));
}

static __always_inline int cache_has(volatile __u64 *slot, __u64 hash, __u64 epoch)
{
	return *slot == (hash ^ epoch);
}

/* 0, or negative: the ring is full, and the next sample tries again. */
static __always_inline long cache_send(volatile __u64 *slot, void *record, __u64 size, __u64 hash, __u64 epoch)
{
	long err = shim_ring_output(record, size);

	if (!err)
		*slot = hash ^ epoch;
	return err;
}
