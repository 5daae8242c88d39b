/* SPDX-License-Identifier: Apache-2.0 */
/* Paths of cgroups by id. Bounded: the entry that was added first leaves first. A path lives on as long as a process
 * holds it. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/map.h"

#define CGROUP_TABLE_MAX 4096

struct cgroup_path {
	uint32_t refs;
	char text[];
};

/* One reference; NULL without memory. */
struct cgroup_path *cgroup_path_new(const char *text);
struct cgroup_path *cgroup_path_ref(struct cgroup_path *path);
void cgroup_path_unref(struct cgroup_path *path);

struct cgroup_table {
	struct map by_id;		  /* uint64_t -> struct cgroup_path * */
	uint64_t order[CGROUP_TABLE_MAX]; /* ids as they came, a ring */
	size_t next;
	size_t path_bytes;
};

void cgroup_table_init(struct cgroup_table *table);
void cgroup_table_release(struct cgroup_table *table);
/* Holds a reference of its own. An id that is known already gets the new path. A failure for memory is no news. */
void cgroup_table_put(struct cgroup_table *table, uint64_t id, struct cgroup_path *path);
/* Borrowed until the next put; NULL when unknown. */
struct cgroup_path *cgroup_table_find(const struct cgroup_table *table, uint64_t id);
size_t cgroup_table_memory_bytes(const struct cgroup_table *table);
