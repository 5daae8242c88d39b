/* SPDX-License-Identifier: Apache-2.0 */
/* The sampling BPF program, its perf events on every online CPU, and its ring. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/problem.h"
#include "table/row_store.h"
#include "wire/sample.h"
#include "wire/sampler.h"

struct buf;

enum sampler_event { SAMPLER_CPU_CLOCK, SAMPLER_CYCLES };

#define SAMPLER_TABLE_BYTES (32u << 20)

struct sampler_options {
	uint32_t rate_hz;
	enum sampler_event event; /* cycles fall back to the cpu clock where there is no PMU: sampler_fell_back() */
	const uint32_t *tgids;	  /* in the collector's pid namespace; NULL: all, unless follow_children */
	size_t n_tgids;
	/* Forks of the tgids after sampler_open() join the filter. With an empty list nothing is sampled until
	 * sampler_follow(). */
	bool follow_children;
	const char *const *comms; /* of the thread group leader, exact (15 bytes, as the kernel keeps); NULL: all */
	size_t n_comms;
	uint64_t cgroup_id;	  /* the cgroup (its directory's inode number) and all below it; 0: all */
	uint8_t cgroup_hierarchy; /* SAMPLER_CGROUP_*: to which cgroup_id belongs; 0: the one that names processes */
	bool exclude_self;
	bool kernel_only; /* samples taken in kernel mode, kernel frames only */
	bool user_only;	  /* samples taken in user mode */
	bool with_threads, with_cpu;
	size_t table_bytes; /* of unwind tables in the kernel; 0: SAMPLER_TABLE_BYTES */
	size_t ring_bytes;  /* 0: for two seconds of samples that share nothing; else rounded up to a power of two */
	size_t ring_limit;  /* of the rings of samples and of copies, together; 0: none */
};

/* Receives what the ring held, in ring order. Every record was checked (size, counts, kind). Pointers are valid during
 * the call only. */
struct sampler_sink {
	void (*process)(void *ctx, const struct process_record *record);
	void (*stack)(void *ctx, const struct stack_record *record);
	void (*sample)(void *ctx, const struct sample_record *record);
	/* The copy of a sample that was passed before it, with its chunks. */
	void (*copy)(void *ctx, const struct stack_copy_record *record);
	void *ctx;
};

struct sampler_stats {
	uint64_t ran;			 /* program runs, all of them */
	uint64_t idle;			 /* … on an idle CPU */
	uint64_t self;			 /* … in our own processes, excluded */
	uint64_t filtered;		 /* … excluded by the filters */
	uint64_t taken;			 /* ran, not idle, filter passed */
	uint64_t sent;			 /* sample headers that went into the ring */
	uint64_t self_weight;		 /* weight of `self`: our own cost as sampled */
	uint64_t lost[LOSS_COUNT];	 /* in the kernel; taken = sent + their sum, exactly, while stopped */
	uint64_t copied, copies_refused; /* stacks that went out as a copy, and for which there was no room */
	uint64_t children_refused;	 /* not followed: the pid filter was full */
	uint64_t bpf_ns;		 /* run time of the program */
	bool bpf_ns_is_estimated;	 /* from timed samples, since BPF statistics were refused */
	uint64_t map_bytes;		 /* memory of all BPF maps (memlock of fdinfo) */
	uint32_t cpus;			 /* sampled now */
};

struct sampler;

/* Loads and attaches, not yet enabled. On failure the problem names what was refused and its mend (capability, sysctl,
 * ulimit, kernel version, missing BTF). */
int sampler_open(const struct sampler_options *options, struct sampler **ret, struct problem *problem);
void sampler_free(struct sampler *sampler);

/* true when cycles were asked for and refused; *why says so. */
bool sampler_fell_back(const struct sampler *sampler, const char **why);
/* In the source's unit; 0 for cycles, whose period the kernel adapts to the rate: each sample carries its own. */
uint64_t sampler_period(const struct sampler *sampler);
uint16_t sampler_source(const struct sampler *sampler);
/* SAMPLER_CGROUP_*: the hierarchy whose ids process records carry. */
uint8_t sampler_cgroup_hierarchy(const struct sampler *sampler);

/* The memory of the unwind tables that the program reads: fills all but `evicted`, ctx being the sampler. */
void sampler_table_memory(struct sampler *sampler, struct row_store_memory *ret);
/* Starts a new epoch of uses of tables. No syscall. */
void sampler_set_unwind_epoch(struct sampler *sampler, uint32_t epoch);

int sampler_start(struct sampler *sampler); /* enables the events */
int sampler_stop(struct sampler *sampler);  /* disables them; the ring can still be read */

/* Our own processes, for exclude_self: at most SAMPLER_MAX_SELF, in the collector's pid namespace. No syscall. */
void sampler_set_self(struct sampler *sampler, const uint32_t *tgids, size_t n);
/* The processes that there are, appended to the buffer: struct sampler_image each, once after sampler_open(). What the
 * kernel refuses is not there. 0 or -errno. */
int sampler_list_images(struct sampler *sampler, struct buf *images);
/* Adds a process to the pid filter (a command we are about to start). */
int sampler_follow(struct sampler *sampler, uint32_t tgid);

/* The CPUs online now ("/sys/devices/system/cpu/online"), opened or closed to match. 1: changed; 0; -errno.
 * *ret_cpus is valid until the next call. */
int sampler_update_cpus(struct sampler *sampler, const uint32_t **ret_cpus, size_t *ret_n);

int sampler_epoll_fd(const struct sampler *sampler); /* readable at the ring's high-water mark */
/* Empties the ring into the sink. 0; -EBADMSG: a record did not check, the others were passed on. */
int sampler_read(struct sampler *sampler, const struct sampler_sink *sink);
/* Empties the kernel's cache of what it sent. */
void sampler_next_epoch(struct sampler *sampler);
/* BPF maps, and what of them is mapped by this process, so that its own memory seems to have it. */
void sampler_memory(const struct sampler *sampler, uint64_t *ret_bytes, uint64_t *ret_mapped_bytes);
void sampler_get_stats(const struct sampler *sampler, struct sampler_stats *ret);
/* Reads the CPU list format "0-3,8" of sysfs, ascending. Pure; -EBADMSG, -E2BIG: more than max. */
int sampler_parse_cpu_list(const char *text, size_t len, uint32_t *cpus, size_t max, size_t *ret_n);
