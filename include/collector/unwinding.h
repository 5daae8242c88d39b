/* SPDX-License-Identifier: Apache-2.0 */
/* Which tables and mappings the walk in the kernel has: what a sample lacked is asked of the resolver, one table at a
 * time, and published; and the walks that the kernel could not do are done here when the tables are there.
 *
 *     sample of a process ──► its mappings are published, if they changed
 *     walk lacked a table ──► object wanted ──► resolver makes its table ──► row store ──► kernel
 *                      └───── copy of the stack waits for it, then is walked
 *
 * Making tables is paced: UNWINDING_BURST_NS of CPU time at once, then UNWINDING_SHARE of one CPU. Wanted objects are
 * taken by misses times age, those that three processes or more have mapped first. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/object_table.h"
#include "collector/registry.h"
#include "ipc/message.h"
#include "table/host_walk.h"
#include "table/row_store.h"

/* How long the copy of a stack waits for its tables. */
#define UNWINDING_PATIENCE_NS (30ULL * 1000000000)
#define UNWINDING_BURST_NS (1000ULL * 1000000)
#define UNWINDING_SHARE 0.02

struct unwinding;
struct mapping_set;

struct unwinding_options {
	struct object_table *objects;		      /* borrowed */
	struct row_store_memory memory;		      /* `evicted` is filled in here */
	size_t table_bytes;			      /* limit of what is published */
	uint16_t machine;			      /* EM_X86_64 or EM_AARCH64 */
	void (*set_epoch)(void *ctx, uint32_t epoch); /* of uses, for the kernel's stamps */
	/* An object that is OBJECT_UNSEEN is to be opened. */
	void (*want_object)(void *ctx, struct object *object, struct process *process, const struct mapping *mapping);
	/* Asks for a table; unwinding_table() is told what came of it. -errno: not now. */
	int (*make_table)(void *ctx, const struct object *object, uint32_t page);
	void *ctx;
};

struct unwinding_stats {
	struct row_store_stats store;
	uint64_t tables_made, tables_failed;
	uint64_t making_cpu_ns;
	uint64_t walks, walks_given_up; /* of copies; and those that ended for want of a table */
	uint64_t mappings_unpublished;	/* of processes with more than UNWIND_MAX_MAPPINGS */
};

int unwinding_new(const struct unwinding_options *options, struct unwinding **ret);
void unwinding_free(struct unwinding *unwinding);

/* Before anything is sampled: asks for the tables of what the process maps if it is sure to be sampled, else of what
 * several such processes map. */
void unwinding_preload(struct unwinding *unwinding, struct process *process, bool is_sure, uint64_t now_ns);
/* Tables are being made, or files opened for them. */
bool unwinding_is_busy(const struct unwinding *unwinding);

/* Publishes the mappings of a process that is sampled under this key, if they changed since. */
void unwinding_publish(struct unwinding *unwinding, struct process *process, uint64_t image, uint64_t now_ns);

/* Walks the copy in these mappings of the process. -EAGAIN: a table is missing that may come; with `is_last` the walk's
 * result as far as it went. */
int unwinding_walk(struct unwinding *unwinding, struct process *process, struct mapping_set *mappings,
		   const struct stack_copy_record *copy, bool is_last, uint64_t now_ns, struct host_walk_result *ret);
/* Changes whenever a walk that answered -EAGAIN, and lacked the table of this slot, may go further. */
uint32_t unwinding_slot_version(const struct unwinding *unwinding, uint32_t slot);
/* Changes with each table. */
uint64_t unwinding_version(const struct unwinding *unwinding);

/* What the resolver says; the descriptor is borrowed (-1: none). */
void unwinding_table(struct unwinding *unwinding, const struct message_table *table, int fd, uint64_t now_ns);
/* The object that was asked for last must be asked for again: its resolver is gone. */
void unwinding_ask_again(struct unwinding *unwinding);
/* A debug file of the object was found that may tell more than its table was made of. */
void unwinding_table_is_stale(struct unwinding *unwinding, uint32_t object);
/* The object is open, or could not be opened. */
void unwinding_object_changed(struct unwinding *unwinding, const struct object *object, uint64_t now_ns);

/* Now and then: asks for the next table, frees what has aged, forgets processes that ended. */
void unwinding_tick(struct unwinding *unwinding, uint64_t now_ns);
/* Sampling is over: tables are made without a pause. */
void unwinding_hurry(struct unwinding *unwinding);

void unwinding_get_stats(const struct unwinding *unwinding, struct unwinding_stats *ret);
size_t unwinding_memory_bytes(const struct unwinding *unwinding);
