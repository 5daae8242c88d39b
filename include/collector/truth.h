/* SPDX-License-Identifier: Apache-2.0 */
/* What a recording is worth and what it cost: stored in each profile, printed, and given as JSON. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "wire/sample.h"

struct truth {
	uint64_t taken, delivered, lost[LOSS_COUNT];
	uint64_t stacks_complete, stacks_by_end[UNWIND_END_COUNT]; /* samples by how their user stack ended */
	uint64_t frames_named, frames_unnamed;
	double hz_wanted, hz_achieved; /* achieved: samples taken per second of busy CPU */
	uint64_t expected, ran; /* ticks expected of all CPUs, and program runs; the difference is mostly idle time */
	double idle_share;	/* derived, 0 … 1; negative: unknown */
	uint64_t self_samples;	/* our own, excluded */
	double first_sample_ms; /* start of the program to the first sample in user space; negative: none came */
	double seconds;
	double user_cpu_seconds, bpf_seconds; /* ours; `bpf_is_estimated` */
	bool bpf_is_estimated;
	uint64_t peak_memory_bytes, bpf_map_bytes;
};

/* A file that the recording left. */
struct report_file {
	const char *path;
	uint64_t bytes;
};
