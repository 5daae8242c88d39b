/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Rules of the return addresses that walks have met. A look-up in a table waits for memory four times in a row: page,
 * block index, row, rule; and from one sample to the next the sampled program has thrown them out of the CPU's caches.
 * Here it waits once. The leaf's address is not kept: it seldom comes again.
 *
 * All CPUs share the entries and write them without a lock. Each is bound to its key by a checksum over key and rule:
 * one that two CPUs wrote at once, in parts, has neither's. A key names a table as it was published (its serial, which
 * no other ever has) and an offset in it, so that nothing need be taken back when tables leave. */
#pragma once

#include "scratch.h"

static __always_inline __u64 call_site_key(const struct walk *walk, __u64 page, __u32 at)
{
	return (__u64)walk->serial << 33 | page << UNWIND_PAGE_SHIFT | at;
}

_Static_assert(UNWIND_MAX_PAGES <= 1u << (33 - UNWIND_PAGE_SHIFT), "a page and an offset in it take 33 bits of a key");

/* Two odd constants, of xxHash. */
static __always_inline __u64 call_site_check(__u64 key, __u64 low, __u64 high)
{
	return key ^ (low * 0x9e3779b185ebca87ULL + high) * 0xc2b2ae3d27d4eb4fULL;
}

static __always_inline volatile struct call_site *call_site_of(__u64 key)
{
	return shim_call_site(key * 0x9e3779b185ebca87ULL >> (64 - CALL_SITE_BITS));
}

/* Is the rule of the key there? It is *ret then. */
static __always_inline int call_site_read(const volatile struct call_site *site, __u64 key, union plain_rule *ret)
{
	__u64 low = site->low, high = site->high;

	if (site->check != call_site_check(key, low, high))
		return 0;
	ret->low = low;
	ret->high = high;
	return 1;
}

static __always_inline void call_site_write(volatile struct call_site *site, __u64 key, const union plain_rule *rule)
{
	__u64 low = rule->low, high = rule->high;

	site->check = call_site_check(key, low, high);
	site->low = low;
	site->high = high;
}
