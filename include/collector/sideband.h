/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's own log of process life: MMAP2, COMM, FORK, EXIT, NAMESPACES, CGROUP and KSYMBOL records of a
 * system-wide dummy perf event (perf_event_open(2), include/uapi/linux/perf_event.h), one ring a CPU, merged by time.
 *
 * CGROUP records are asked for only where all of /proc/cgroups is on the unified hierarchy: their ids are those of the
 * hierarchy of the perf_event controller, and ids of different hierarchies collide. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/problem.h"

enum sideband_type {
	SIDEBAND_MMAP, /* executable mappings only */
	SIDEBAND_COMM,
	SIDEBAND_FORK, /* of a process or a thread: tgid == parent_tgid is a thread */
	SIDEBAND_EXIT,
	SIDEBAND_NAMESPACES,
	SIDEBAND_CGROUP,
	SIDEBAND_KSYMBOL,
	SIDEBAND_LOST
};

/* Unread records kept in our memory, all CPUs together. */
#define SIDEBAND_MAX_UNREAD_BYTES (64u << 20)

/* Strings are NUL-terminated and borrowed: valid until the next sideband_read(), sideband_feed() or
 * sideband_set_cpus(). */
struct sideband_record {
	enum sideband_type type;
	uint64_t mono_ns;
	uint32_t tgid, tid; /* in the collector's pid namespace; 0 or -1 for the kernel's own */
	uint32_t cpu;
	union {
		struct {
			uint64_t start, len, file_off;
			uint64_t ino, ino_generation; /* 0 when the build id is given instead */
			uint32_t dev_major, dev_minor;
			uint32_t prot, flags;
			uint8_t build_id[20];
			uint8_t build_id_len; /* 0: none */
			bool is_kernel;	      /* kernel text or a module: not a process' mapping */
			const char *path;
		} mmap;
		struct {
			bool is_exec;
			const char *comm;
		} comm;
		struct {
			uint32_t parent_tgid, parent_tid;
		} task; /* FORK, EXIT */
		struct {
			uint32_t mnt_ns, pid_ns; /* 0: not told */
		} namespaces;
		struct {
			uint64_t id;
			const char *path;
		} cgroup;
		struct {
			uint64_t address;
			uint32_t len;
			uint16_t type; /* PERF_RECORD_KSYMBOL_TYPE_* */
			bool is_unregister;
			const char *name;
		} ksymbol;
		struct {
			uint64_t records;
		} lost;
	};
};

/* Parses one record (header included, `len` bytes, as the kernel wrote it with sample_id_all and
 * PERF_SAMPLE_TID|TIME|CPU|IDENTIFIER as sideband_open() asks). 1: *ret is filled (strings point into `bytes`);
 * 0: a kind we do not use; -EBADMSG: it does not parse. Pure. */
int sideband_parse(const void *bytes, size_t len, struct sideband_record *ret);

struct sideband;

struct sideband_options {
	size_t ring_bytes; /* a CPU; a power of two; halved until the kernel grants it. 0: SIDEBAND_RING_BYTES */
};

/* What the kernel grants a CPU without CAP_IPC_LOCK by default (kernel.perf_event_mlock_kb is this plus a page). */
#define SIDEBAND_RING_BYTES (512u << 10)

/* Opens a ring on each CPU of the list, disabled. A CPU that is offline by now is passed over. On failure the problem
 * (may be NULL) names what was refused and its mend. */
int sideband_open(const struct sideband_options *options, const uint32_t *cpus, size_t n_cpus, struct sideband **ret,
		  struct problem *problem);
void sideband_free(struct sideband *sideband);
int sideband_start(struct sideband *sideband);
int sideband_stop(struct sideband *sideband);
/* CPU hot-plug: opens what is new and drops what is gone (its ring is read first). The first error is returned after
 * all CPUs were tried; what could be opened is open. */
int sideband_set_cpus(struct sideband *sideband, const uint32_t *cpus, size_t n_cpus);
/* Becomes readable each time a ring passes its watermark, and is told once: read then, and on a timer. Borrowed; -1
 * when detached. */
int sideband_epoll_fd(const struct sideband *sideband);

/* Moves everything in the rings into our memory (bounded; what does not fit is a SIDEBAND_LOST record and counted).
 * Frees records already returned. Never fails for the kernel's sake: 0. */
int sideband_read(struct sideband *sideband);
/* The oldest record read and not returned yet, if it is not later than `until_ns`. Time order over all CPUs. */
bool sideband_next(struct sideband *sideband, uint64_t until_ns, struct sideband_record *ret);
/* For replay in tests and benchmarks: as if these bytes had been in CPU `cpu`'s ring. -EINVAL: no such CPU. */
int sideband_feed(struct sideband *sideband, uint32_t cpu, const void *bytes, size_t len);
/* A sideband without the kernel, to be fed: CPUs 0 to n_cpus - 1. */
int sideband_new_detached(size_t n_cpus, struct sideband **ret);
/* Memory of the rings, all CPUs together. */
uint64_t sideband_ring_bytes(const struct sideband *sideband);
