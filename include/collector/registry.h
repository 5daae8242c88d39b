/* SPDX-License-Identifier: Apache-2.0 */
/* Every process we have heard of, by (tgid, start time), each execution a generation of its own, with what it maps
 * where.
 *
 *    tgid -> newest generation -> older generations of the pid that samples still point to
 *                |
 *                +-> mapping set (sorted, shared by forks until one of them writes)
 *
 * Fed in time order by perf records, by the start-up scan (which only fills gaps: a record is newer knowledge), and by
 * the process records of samples. perf tells of no munmap: a new mapping replaces what it overlaps. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/object_table.h"
#include "collector/sideband.h"
#include "ipc/message.h"
#include "wire/sample.h"

#define REGISTRY_MAX_MAPPINGS 131072 /* executable mappings of one process; above vm.max_map_count's default */
#define REGISTRY_MAX_MAPPING_BYTES (128u << 20) /* of the mappings of all processes together */

struct mapping {
	uint64_t start, limit; /* limit is exclusive */
	uint64_t file_off;     /* of start */
	uint32_t object;       /* id, or 0 */
	uint32_t pad;
};

struct mapping_set;

struct process {
	uint32_t tgid, inner_tgid, parent_tgid, uid;
	uint64_t start_boottime_ns; /* 0 while only perf records told of it */
	uint32_t generation;	    /* 0, 1, … : executions seen */
	uint32_t exec_id;	    /* of the sampler, once a sample told it */
	bool has_exec_id, is_alive, is_kernel_thread, has_samples;
	bool was_running;	    /* when it was scanned */
	bool has_stored_samples;    /* the attribution's: it counts a process once */
	bool scan_asked;	    /* … and asks for its scan once */
	bool needs_scan;	    /* mappings from before we listened are missing: ask the opener */
	uint64_t from_ns, until_ns; /* CLOCK_MONOTONIC span of this generation; until is UINT64_MAX while it lasts */
	uint32_t mnt_ns, pid_ns;
	uint64_t cgroup_id;
	char comm[COMM_BYTES];
	const char *cgroup;  /* path or NULL; valid until the process learns of another */
	uint32_t executable; /* object id of the main executable: the first file mapped after exec, or what the scan
				says */
	uint32_t jitdump;    /* object id of the newest JITDUMP that it maps; 0: none */
	/* The attribution's: */
	uint32_t perf_map;			    /* object id, 0 before its first sample in generated code */
	uint64_t perf_map_due_ns, perf_map_wait_ns; /* when one that is not there is looked for again */
	struct mapping_set *mappings;
	/* The unwinding's: under which key, and as of which version of the mappings, it was published; 0: not. */
	uint64_t published_image, published_version, published_sharing;
	uint32_t published_at; /* its place in the list of published processes */
	struct process *older; /* generation before, or an earlier user of the pid */
	uint32_t batch_index;  /* scratch of the batch writer */
};

struct registry;

struct registry_options {
	size_t max_processes;	      /* generations kept; those without samples leave: first the ended ones, oldest
					 exit first, then live ones (counted as registry_processes_dropped) */
	size_t max_mapping_bytes;     /* of the mappings of all processes; 0: REGISTRY_MAX_MAPPING_BYTES */
	struct object_table *objects; /* borrowed */
};

int registry_new(const struct registry_options *options, struct registry **ret);
void registry_free(struct registry *registry);

/* One record, in time order. KSYMBOL and LOST are not for the registry (ignored). */
int registry_apply(struct registry *registry, const struct sideband_record *record);
/* Scan results. Mappings fill gaps of the generation that lived at scanned_mono_ns. */
int registry_add_scanned(struct registry *registry, const struct message_process *scanned, const char *cgroup);
int registry_add_scanned_mappings(struct registry *registry, const struct message_mappings *scanned, const char *paths);

/* The generation that ran when a sample was taken: found by tgid and time, completed from the sampler's record, made
 * anew (needs_scan set, counted as registry_forgotten_execs where an exec was missed) when no record told of it. NULL:
 * the registry is full. Sets has_samples. Valid until the registry is freed (generations with samples stay). */
struct process *registry_attribute(struct registry *registry, const struct process_record *record, uint64_t mono_ns);

/* The newest generation of a tgid if it is alive and began then (a clock tick more or less), or NULL. It stays as one
 * with samples does. */
struct process *registry_keep(struct registry *registry, uint32_t tgid, uint64_t start_boottime_ns);
/* The newest generation of a tgid, or NULL. */
struct process *registry_find(struct registry *registry, uint32_t tgid);
/* Up to n live processes in the mount namespace, newest first; returns how many. */
size_t registry_in_mount_namespace(const struct registry *registry, uint32_t mnt_ns, struct process **to, size_t n);
/* New mount namespaces seen since the last call: *tgid lives in it. false when there is none left. */
bool registry_next_new_mount_namespace(struct registry *registry, uint32_t *tgid, uint32_t *mnt_ns);

/* The mapping that holds the address, or NULL. Valid until the process changes or its mappings are listed. */
const struct mapping *process_find_mapping(const struct process *process, uint64_t ip);
/* true when any mapping is known. Cheap. */
bool process_has_mappings(const struct process *process);
/* First mapping of the object, or NULL. */
const struct mapping *process_find_object(const struct process *process, uint32_t object);
/* The mappings in address order. Valid until the process changes. */
const struct mapping *process_mappings(const struct process *process, size_t *n);

/* Iteration over all generations: start with NULL. */
struct process *registry_each(struct registry *registry, struct process *previous);
size_t registry_memory_bytes(const struct registry *registry);
