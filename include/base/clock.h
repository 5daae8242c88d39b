/* SPDX-License-Identifier: Apache-2.0 */
/* Time as a value passed in, so that tests own it. */
#pragma once

#include <stdint.h>

#define NSEC_PER_SEC 1000000000ULL
#define NSEC_PER_MSEC 1000000ULL
#define NSEC_PER_USEC 1000ULL

struct clock {
	uint64_t (*mono_ns)(void *ctx); /* CLOCK_MONOTONIC, as bpf_ktime_get_ns() and our perf records */
	uint64_t (*wall_ns)(void *ctx); /* CLOCK_REALTIME since 1970 */
	void *ctx;
};

/* The kernel's clocks. */
extern const struct clock clock_system;

static inline uint64_t clock_mono_ns(const struct clock *clock)
{
	return clock->mono_ns(clock->ctx);
}

static inline uint64_t clock_wall_ns(const struct clock *clock)
{
	return clock->wall_ns(clock->ctx);
}
