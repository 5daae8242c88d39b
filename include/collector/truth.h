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

/* What all processes took together at the moment when that was most; each page once. */
struct truth_memory {
	/* Proportional share, but for what the others are. */
	uint64_t collector_bytes, opener_bytes, resolver_bytes, sender_bytes;
	uint64_t bpf_bytes;   /* maps, whether mapped or not */
	uint64_t ring_bytes;  /* of process events */
	uint64_t memfd_bytes; /* files in memory that travel between processes */
};

static inline uint64_t truth_memory_sum(const struct truth_memory *memory)
{
	return memory->collector_bytes + memory->opener_bytes + memory->resolver_bytes + memory->sender_bytes +
	       memory->bpf_bytes + memory->ring_bytes + memory->memfd_bytes;
}

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
	uint64_t memory_limit_bytes; /* --mem */
	struct truth_memory memory_peak;
	uint64_t bpf_map_bytes; /* at the end */
	struct truth_unwind unwind;
};

/* A file that the recording left. */
struct report_file {
	const char *path;
	uint64_t bytes;
};
