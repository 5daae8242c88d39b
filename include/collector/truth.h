/* SPDX-License-Identifier: Apache-2.0 */
/* What a recording is worth and what it cost: stored in each profile, printed, and given as JSON. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "wire/sample.h"

/* What the walk by unwind tables had and did. */
struct truth_unwind {
	uint64_t tables,
		tables_failed;	    /* published; and those that could not be made, or for which there was no room */
	uint64_t evictions;	    /* tables that left to make room */
	uint64_t rows, table_bytes; /* of the tables that are published at the end */
	uint64_t copies,
		copies_refused; /* stacks copied for user space to walk; and those for which there was no room */
	uint64_t walks, walks_given_up; /* of copies; and those that ended for want of a table */
};

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
	struct truth_unwind unwind;
};

/* A file that the recording left. */
struct report_file {
	const char *path;
	uint64_t bytes;
};
