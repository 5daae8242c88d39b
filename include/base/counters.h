/* SPDX-License-Identifier: Apache-2.0 */
/* User-space counters of work and loss; names and help come from counters.def alone. */
#pragma once

#include <stdint.h>

enum counter {
#define COUNTER(name, help) COUNTER_##name,
#include "counters.def"
#undef COUNTER
	COUNTER_COUNT
};

/* This process' values; single-threaded. */
extern uint64_t counters[COUNTER_COUNT];

static inline void count(enum counter counter)
{
	counters[counter]++;
}

static inline void count_n(enum counter counter, uint64_t n)
{
	counters[counter] += n;
}

/* "registry_mappings_dropped" */
const char *counter_name(enum counter counter);
const char *counter_help(enum counter counter);
