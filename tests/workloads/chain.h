/* SPDX-License-Identifier: Apache-2.0 */
/* What the workloads with a known call chain share. Each says its chains on top, as tests/integration/unwind_chains.py
 * has them, and runs until it is killed, or for the seconds given as its first argument. */
#pragma once

#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

/* A link of a chain: its callers know nothing about its body, so it stays a call. What they do with the result keeps it
 * from being a tail call. */
#if __has_attribute(noipa)
#define LINK __attribute__((noipa))
#else
#define LINK __attribute__((noinline))
#endif

static inline void end_after(int argc, char **argv)
{
	if (argc > 1)
		alarm((unsigned int)atoi(argv[1]));
}

/* Always true, and the compiler does not know it: what stands behind the loop stays. */
static inline int is_alive(void)
{
	int alive = 1;

	__asm__ volatile("" : "+r"(alive));
	return alive;
}

/* The leaf of many chains: less than a microsecond, so that calls and returns have a share too. */
static __attribute__((unused)) LINK uint64_t spin(uint64_t x)
{
	for (unsigned int i = 0; i < 500; i++)
		x = x * 6364136223846793005ULL + 1;
	return x;
}
