/* SPDX-License-Identifier: Apache-2.0 */
/* The store under the registry: generations by pid, in the order of their end for eviction, and by mount namespace. It
 * knows how they hang together, not what they mean.
 *
 *     by_tgid ─> newest ─older─> generation ─older─> …      of one pid; ─newer─> leads back
 *     live    ─> those without samples that run, oldest first      ┐ what may leave, in this order:
 *     ended   ─> those without samples that ended, oldest first    ┘ ended, then live
 *     namespaces ─> { mnt_ns, live processes in it, newest first }
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/map.h"
#include "collector/cgroup_table.h"
#include "collector/mapping_set.h"
#include "collector/registry.h"

/* A doubly linked ring through its members; a member of none points to itself. */
struct link {
	struct link *prev, *next;
};

struct mount_namespace;

struct generation {
	struct process process; /* first: callers hold this pointer */
	struct generation *newer;
	struct link in_all, in_age, in_namespace;
	struct mount_namespace *mounts;	 /* it is listed in; NULL: in none */
	struct cgroup_path *cgroup_path; /* holds process.cgroup */
	uint64_t key;
	bool is_born_seen;	/* its FORK was seen: nothing of this process came before from_ns */
	bool start_is_exact;	/* the sampler's nanoseconds, not the clock ticks of /proc */
	bool has_uid;		/* any source told it */
	bool began_by_exec;	/* an exec record made it */
	bool awaits_executable; /* the next file mapped is the main executable */
	bool executable_sought; /* among all mappings */
};

struct process_table {
	struct map by_key;     /* uint64_t -> struct generation *, the newest */
	struct map namespaces; /* uint32_t -> struct mount_namespace * */
	struct link all, live, ended, new_namespaces;
	size_t len, max;
	struct mapping_budget budget;
};

void process_table_init(struct process_table *table, size_t max_processes);
void process_table_release(struct process_table *table);

/* What a pid is filed under. A process that is not visible in our pid namespace has none: its start time serves. */
uint64_t process_table_key(uint32_t tgid, uint64_t start_boottime_ns);

struct generation *process_table_newest(const struct process_table *table, uint64_t key);
struct generation *generation_older(const struct generation *generation);

/* A new live generation behind `older` in time (NULL: before all others of the key). Neither `older` nor `keep` (may be
 * NULL) is evicted for it, any other without samples may be. -E2BIG: all have samples, counted; -ENOMEM. */
int process_table_insert(struct process_table *table, uint64_t key, struct generation *older,
			 const struct generation *keep, struct generation **ret);
void process_table_end(struct process_table *table, struct generation *generation, uint64_t mono_ns);
/* From now on it stays until the table is released. */
void process_table_set_sampled(struct generation *generation);
void process_table_set_mount_namespace(struct process_table *table, struct generation *generation, uint32_t mnt_ns);
/* Takes over the reference (NULL: no path). */
void generation_set_cgroup(struct generation *generation, uint64_t id, struct cgroup_path *path);
/* Evicts the ended generation without samples that is first in line, but not `keep`; false when there is none. */
bool process_table_evict_ended(struct process_table *table, const struct generation *keep);

size_t process_table_in_namespace(const struct process_table *table, uint32_t mnt_ns, struct process **to, size_t n);
bool process_table_next_new_namespace(struct process_table *table, uint32_t *tgid, uint32_t *mnt_ns);
/* In order of creation; NULL begins and ends. */
struct generation *process_table_each(const struct process_table *table, const struct generation *previous);
size_t process_table_memory_bytes(const struct process_table *table);
