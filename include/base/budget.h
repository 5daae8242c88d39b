/* SPDX-License-Identifier: Apache-2.0 */
/* One number for the memory of all: what the user gives (--mem) is divided here, and nowhere else. Each module gets its
 * share as a limit when it is made. */
#pragma once

#include <stdint.h>

/* Programs, kernel symbols, and the maps of the kernel that have one size. */
#define BUDGET_FIXED_BYTES (12ULL << 20)
#define BUDGET_MIN_BYTES (32ULL << 20)
#define BUDGET_DEFAULT_BYTES (96ULL << 20)
#define BUDGET_MAX_BYTES (2ULL << 30)
#define BUDGET_PARTS 64
/* Of a sender, where there is one: libcurl, TLS, and a few downloads, which go to files. */
#define BUDGET_SENDER_BYTES (12ULL << 20)

struct memory_budget {
	uint64_t total;
#define BUDGET_SHARE(name, parts, text) uint64_t name;
#include "base/budget.def"
#undef BUDGET_SHARE
	/* When sampling is over its tables, rings and records are gone: the resolver may have this much. */
	uint64_t naming;
};

/* total: from BUDGET_MIN_BYTES to BUDGET_MAX_BYTES; 0 is BUDGET_DEFAULT_BYTES. */
void memory_budget_divide(uint64_t total, struct memory_budget *ret);

/* What is freed goes back to the kernel soon. To be called once at the start of a process. */
void memory_keep_small(void);
/* Gives back what was freed lately, after work that took much. */
void memory_give_back(void);
