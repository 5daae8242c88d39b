/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of wire/unwind.h: who may use which bytes of them, and in which order they are written.
 *
 *    segments    extents of 8-byte units: directories, blobs, mapping arrays; first fit, freed ones merge
 *    rules       interned over all tables, counted by table, reused when no table has them
 *    objects     slots with generations
 *    processes   two-choice hash of slots
 *
 * The memory is the owner's: BPF maps in the collector, plain memory in tests and tools. What readers may be in is
 * reused only UNWIND_GRACE_NS later (row_store_tick). When the limit is reached, tables leave, least recently used
 * first, one at a time, until there is room; a table that was used in the running epoch stays. No system call is made
 * but through add_segment. Times are of one clock that does not go back. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "table/unwind_table.h"
#include "wire/unwind.h"

struct row_store;

struct row_store_memory {
	struct unwind_rule *rules;	  /* UNWIND_MAX_RULES */
	struct unwind_object *objects;	  /* UNWIND_MAX_OBJECTS */
	struct unwind_process *processes; /* UNWIND_MAX_PROCESSES */
	/* One more zeroed segment, from index 0 upwards; it stays for the store's life. 0 or -errno. */
	int (*add_segment)(void *ctx, uint32_t index, void **ret);
	/* A table left to make room: its slot is UNLOADED again. Must not call the store. May be NULL. */
	void (*evicted)(void *ctx, uint32_t slot);
	void *ctx;
};

struct row_store_stats {
	uint32_t segments;
	uint64_t used_bytes;  /* of segments: tables and mappings */
	uint64_t table_bytes; /* directories and blobs */
	uint64_t rows;
	uint32_t rules /* two of them the store's own */, objects, tables, processes;
	uint64_t evictions, unfolded_tables;
	uint64_t processes_refused, tables_refused; /* -ENOSPC */
};

/* limit_bytes: of segments, whole MiB, at least one. The memory is borrowed and must be zeroed. */
int row_store_new(const struct row_store_memory *memory, size_t limit_bytes, uint16_t machine, struct row_store **ret);
void row_store_free(struct row_store *store);

/* --- objects --- */

/* A slot without a table. -ENOSPC: all are taken. *ret_generation goes into struct unwind_mapping. */
int row_store_add_object(struct row_store *store, uint32_t *ret_slot, uint32_t *ret_generation);
/* Takes back its table and its slot. */
void row_store_remove_object(struct row_store *store, uint32_t slot, uint64_t now_ns);
/* Publishes a table that unwind_table_read() found good: the whole of the slot's, or a window of it. Its pages are
 * added to those that are there, which stay as they are. -EINVAL: another machine, or another file than theirs
 * (file_first_page, file_pages). -EAGAIN: no room until what was evicted or freed has aged (try again after a tick);
 * -ENOSPC: it cannot fit beside what may not leave; -ENOMEM, or the error of add_segment. */
int row_store_publish(struct row_store *store, uint32_t slot, const struct unwind_table *table, uint64_t now_ns);
/* There is no table to be had for the slot. Takes back what it had. */
void row_store_publish_none(struct row_store *store, uint32_t slot, uint64_t now_ns);

/* --- processes --- */

/* Publishes the mappings (sorted, not overlapping) of the process, or replaces what was published. There are at most
 * UNWIND_MAX_MAPPINGS: of more the caller chose which; is_partial says so. The key is not 0. Errors as above; both of
 * the process' buckets may be full, too. */
int row_store_publish_process(struct row_store *store, uint64_t key, const struct unwind_mapping *mappings, uint32_t n,
			      bool is_partial, uint64_t now_ns);
/* Writes the starts of n mappings and the mappings, as they lie behind a struct unwind_mappings. `to` is 8-byte
 * aligned. */
void row_store_write_mappings(const struct unwind_mapping *mappings, uint32_t n, void *to);
void row_store_remove_process(struct row_store *store, uint64_t key, uint64_t now_ns);

/* --- time --- */

/* Frees what has aged. */
void row_store_tick(struct row_store *store, uint64_t now_ns);
/* The walk stamps objects with this; start a new one every few seconds. Returns it. The first one is 0. */
uint32_t row_store_next_epoch(struct row_store *store);
uint32_t row_store_epoch(const struct row_store *store);

void row_store_get_stats(const struct row_store *store, struct row_store_stats *ret);
/* What the store keeps beside the memory that it was given. */
size_t row_store_memory_bytes(const struct row_store *store);

/* The bytes of a segment (for the host's walk); NULL: no such segment. */
void *row_store_segment(const struct row_store *store, uint32_t index);
/* Bytes that publishing this table alone would take of segments: what `hostprof symbols --unwind` tells. */
uint64_t row_store_table_bytes(const struct unwind_table *table);
