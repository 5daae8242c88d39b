/* SPDX-License-Identifier: Apache-2.0 */
/* The sampler's parts: CPUs that are there, perf events on them, and the loading of the programs. */
#pragma once

#include <linux/perf_event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/problem.h"
#include "base/vec.h"
#include "collector/sampler.h"
#include "wire/sampler.h"

/* CONFIG_NR_CPUS goes no higher. */
#define SAMPLER_MAX_CPUS 8192u

/* --- sampler_cpus.c --- */

/* The file that lists the online CPUs, to be kept for re-reading; -1 when there is no sysfs. */
int cpus_open_online(void);
/* The CPUs online now; without sysfs (fd -1) the first ones, as many as libc knows. At most SAMPLER_MAX_CPUS. */
int cpus_read_online(int fd, uint32_t *cpus, size_t *ret_n);
/* One more than the highest CPU number that there can be while the machine runs. */
uint32_t cpus_possible(void);

/* --- sampler_events.c --- */

struct cpu_event {
	uint32_t cpu;
	int fd;
	/* As of the last look: an event whose CPU went away and came back in between counts neither. */
	uint64_t ran, enabled_ns;
};

struct events {
	struct perf_event_attr attr;
	struct cpu_event_vec VEC(struct cpu_event) list; /* by CPU */
	int prog_fd;					 /* borrowed */
	int online_fd;
	bool is_enabled;
	uint32_t *online;    /* scratch */
	uint32_t *cpus;	     /* of `list` */
	char fell_back[128]; /* why not cycles; "" when as asked */
};

int events_init(struct events *events);
void events_release(struct events *events);
/* Opens the kind of event on the online CPUs, with the program, disabled. Falls back from cycles to the CPU clock. */
int events_open(struct events *events, enum sampler_event kind, uint32_t rate_hz, int prog_fd, struct problem *problem);
int events_enable(struct events *events);
int events_disable(struct events *events);
/* Follows CPUs that came and went. 1: the list changed; 0; -errno. `stats` are those of all possible CPUs. */
int events_update(struct events *events, const struct sampler_cpu_stats *stats, uint32_t n_stats);

/* --- sampler_load.c --- */

struct profiler;

/* Opens, configures and loads the BPF object. */
int programs_load(const struct sampler_options *options, uint32_t n_possible, struct sampler_settings *settings,
		  struct profiler **ret, struct problem *problem);
/* The limit of segments that the options ask for. */
uint32_t sampler_table_segments(const struct sampler_options *options);
/* Kernel memory of the object's maps, but for the segments of tables. */
uint64_t programs_map_bytes(const struct profiler *programs);
/* Of those that user space maps whole: segments of unwind tables aside. */
uint64_t programs_mapped_bytes(const struct profiler *programs);
