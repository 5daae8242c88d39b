/* SPDX-License-Identifier: Apache-2.0 */
/* What a process maps where: ranges that do not overlap, the newest winning over what it covers. Forks share a set
 * until one of them writes to it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/registry.h"

/* Memory of many sets together. A process with a great many mappings that forks and maps would multiply them. */
struct mapping_budget {
	size_t used_bytes, limit_bytes;
	uint64_t versions; /* given out */
};

struct mapping_set;

/* An empty set; the budget is borrowed for the set's life. */
int mapping_set_new(struct mapping_budget *budget, struct mapping_set **ret);
struct mapping_set *mapping_set_ref(struct mapping_set *set);
/* NULL is accepted. */
void mapping_set_unref(struct mapping_set *set);

/* Adds the mapping (start < limit) and cuts what it overlaps. A shared set is copied first: *set changes, the others
 * keep theirs. -ENOBUFS: the budget; -ENOMEM. Beyond REGISTRY_MAX_MAPPINGS mappings are dropped and counted as
 * registry_mappings_dropped. */
int mapping_set_insert(struct mapping_set **set, const struct mapping *mapping);
/* Adds those parts of the mapping that nothing covers, for all who share the set: what nobody told of is older than
 * their fork. Errors as mapping_set_insert(); a part of the gaps may be filled then. */
int mapping_set_fill(struct mapping_set *set, const struct mapping *mapping);

/* Puts replace(object) in the place of each object, for all who share the set. */
void mapping_set_replace_objects(struct mapping_set *set, uint32_t (*replace)(void *ctx, uint32_t object), void *ctx);

/* Another number after each change, and for each set; never 0. */
uint64_t mapping_set_version(const struct mapping_set *set);
bool mapping_set_is_empty(const struct mapping_set *set);
/* The mapping that holds the address, or NULL. Valid until the set changes or mapping_set_all() is called. Its ends may
 * lie under a newer mapping. */
const struct mapping *mapping_set_find(const struct mapping_set *set, uint64_t ip);
/* All of them in address order; valid until the set changes. Without memory for it the newest may be missing. */
const struct mapping *mapping_set_all(struct mapping_set *set, size_t *n);
