/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the row store share: row_store.c room and objects, row_store_publish.c tables,
 * row_store_processes.c mappings. */
#pragma once

#include "table/extents.h"
#include "table/row_store.h"
#include "table/rule_dictionary.h"

#define NO_SLOT UINT32_MAX

struct rule_index_vec VEC(uint16_t);

/* The store's side of a slot of an object. */
struct stored_object {
	bool is_taken;
	uint8_t state;	     /* UNWIND_OBJECT_… */
	uint16_t generation; /* the next one begins when the object is removed */
	uint32_t directory;  /* its place, when LOADED */
	uint32_t first_page, pages;
	uint64_t units, rows;
	struct extent_vec extents;
	struct rule_index_vec rules; /* a reference each */
};

/* Of a slot of a process: its mappings while it has a key, then when the next one may have it. */
struct stored_process {
	struct extent mappings;
	uint64_t reusable_ns;
};

struct row_store {
	struct row_store_memory memory;
	uint16_t machine;
	uint16_t unsupported; /* index of the rule */
	uint32_t max_segments;
	uint32_t epoch;
	uint32_t directory_serial; /* of the one that was written last */
	uint32_t next_object;	   /* where the search for a free slot begins: slots rest as long as can be */
	uint32_t mappings_serial;  /* of those published last */
	struct extents extents;
	struct rule_dictionary rules;
	struct stored_object *objects;
	struct stored_process *processes;
	struct row_store_stats stats; /* what is counted, not what is asked of others */
	void *segments[UNWIND_MAX_SEGMENTS];
};

void *row_store_at(const struct row_store *store, uint32_t place);

/* An extent that nothing points at yet; a segment is added while the limit allows. -ENOSPC: see row_store_make_room();
 * -ENOMEM, or the error of add_segment. */
int row_store_take(struct row_store *store, uint32_t units, struct extent *ret);
/* Evicts what must leave for so many units, but for the object `keep` (or NO_SLOT). -EAGAIN: they will be free when
 * what was retired has aged; -ENOSPC. */
int row_store_make_room(struct row_store *store, uint64_t units, uint32_t keep, uint64_t now_ns);

/* Readers see the object in this state, with the directory that it has. */
void row_store_write_object(struct row_store *store, uint32_t slot, uint8_t state);
