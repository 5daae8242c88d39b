/* SPDX-License-Identifier: Apache-2.0 */
#include "base/counters.h"

#include <assert.h>

uint64_t counters[COUNTER_COUNT];

static const char *const names[] = {
#define COUNTER(name, help) #name,
#include "counters.def"
#undef COUNTER
};

static const char *const helps[] = {
#define COUNTER(name, help) help,
#include "counters.def"
#undef COUNTER
};

const char *counter_name(enum counter counter)
{
	assert(counter < COUNTER_COUNT);
	return names[counter];
}

const char *counter_help(enum counter counter)
{
	assert(counter < COUNTER_COUNT);
	return helps[counter];
}
