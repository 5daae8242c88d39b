/* SPDX-License-Identifier: Apache-2.0 */
#include "base/budget.h"

#include <malloc.h>

/* Blocks from this size on are mappings of their own, which go when they are freed. */
#define OWN_MAPPING_BYTES (128 << 10)
#define TRIM_BYTES (256 << 10)

#define BUDGET_SHARE(name, parts, text) +(parts)
_Static_assert(0
#include "base/budget.def"
		       == BUDGET_PARTS,
	       "all is given away, and no more");
#undef BUDGET_SHARE

void memory_budget_divide(uint64_t total, struct memory_budget *ret)
{
	uint64_t part;

	ret->total = total ? total : BUDGET_DEFAULT_BYTES;
	part = (ret->total - BUDGET_FIXED_BYTES) / BUDGET_PARTS;
#define BUDGET_SHARE(name, parts, text) ret->name = (parts)*part;
#include "base/budget.def"
#undef BUDGET_SHARE
	ret->naming = ret->resolver + ret->tables + ret->rings + ret->records;
}

void memory_keep_small(void)
{
	mallopt(M_MMAP_THRESHOLD, OWN_MAPPING_BYTES);
	mallopt(M_TRIM_THRESHOLD, TRIM_BYTES);
}

void memory_give_back(void)
{
	malloc_trim(0);
}
