/* SPDX-License-Identifier: Apache-2.0 */
/* From the sampler's records to the stack store: each sample meets the process and the mappings of its own moment.
 *
 *     sampler ring ──► dictionary ┐
 *                     pending ────┼─ merged by time ─► registry ─► located stack ─► stack store
 *     side-band rings ────────────┘                      │
 *     scans of /proc ─────────────┘                      ├─ mappings missing? the sample waits for a scan
 *                                                        └─ copied stack, tables missing? it waits for them
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/object_table.h"
#include "collector/registry.h"
#include "collector/sampler.h"
#include "collector/sideband.h"
#include "collector/stack_store.h"
#include "wire/sample.h"

struct attribution;
struct jit_code;
struct unwinding;

/* Copies of stacks that wait for tables, all together (copy_store.h); those on top keep only their registers. */
#define ATTRIBUTION_COPY_BYTES (24u << 20)
#define ATTRIBUTION_RECORD_BYTES (64u << 20)

struct attribution_options {
	struct registry *registry; /* all borrowed */
	struct object_table *objects;
	struct stack_store *store;
	struct jit_code *jit; /* NULL: generated code has no objects */
	/* Copies of stacks that wait; 0: ATTRIBUTION_COPY_BYTES. With stack_bytes it is that which stacks and processes
	 * and objects beyond registry_bytes leave free of it, at least a quarter, which is never theirs; and half of
	 * what tables leave free of table_bytes, for copies are many when tables are not there yet. */
	size_t copy_bytes;
	size_t stack_bytes, registry_bytes, table_bytes;
	size_t record_bytes; /* of what samples name by hash, and of samples that wait; 0: ATTRIBUTION_RECORD_BYTES */
	/* First sample in an object that is OBJECT_UNSEEN. */
	void (*want_object)(void *ctx, struct object *object, struct process *process, const struct mapping *mapping);
	/* A process whose older mappings are missing; called once a process. */
	void (*want_scan)(void *ctx, struct process *process);
	void (*on_ksymbol)(void *ctx, const struct sideband_record *record);
	/* perf records were lost: mappings may be missing from now on. */
	void (*on_records_lost)(void *ctx);
	void *ctx;
};

struct attribution_stats {
	uint64_t received;		   /* sample records */
	uint64_t stored;		   /* counted in the store */
	uint64_t lost[LOSS_COUNT];	   /* in user space */
	uint64_t by_end[UNWIND_END_COUNT]; /* stored samples by how their user stack ended */
	uint64_t processes;		   /* with samples */
	uint64_t first_stored_ns;	   /* CLOCK_MONOTONIC; 0: none yet */
};

int attribution_new(const struct attribution_options *options, struct attribution **ret);
void attribution_free(struct attribution *attribution);

/* From now on copied stacks are walked (borrowed). Without it only their leaf is known. */
void attribution_use_unwinding(struct attribution *attribution, struct unwinding *unwinding);

/* To be given to sampler_read(). */
struct sampler_sink attribution_sink(struct attribution *attribution);

/* Works off all records and samples up to until_ns in time order. now_ns is for the samples that wait for a scan. */
void attribution_step(struct attribution *attribution, struct sideband *sideband, uint64_t until_ns, uint64_t now_ns);
/* What a scan of /proc said. Kept until the records of its moment were worked off, for a scan runs ahead of them. */
int attribution_scan_process(struct attribution *attribution, const struct message_process *process,
			     const char *cgroup);
int attribution_scan_mappings(struct attribution *attribution, const struct message_mappings *mappings,
			      const char *paths);
/* A scan of this process (0: of all) is complete: what waited for it is stored. */
int attribution_scan_done(struct attribution *attribution, uint32_t tgid, uint64_t now_ns);
/* Stores everything that still waits. */
void attribution_flush(struct attribution *attribution);
size_t attribution_waiting(const struct attribution *attribution);

void attribution_next_epoch(struct attribution *attribution);
/* What samples name by hash fills its share: the next epoch is due. */
bool attribution_wants_epoch(const struct attribution *attribution);
void attribution_get_stats(const struct attribution *attribution, struct attribution_stats *ret);
size_t attribution_memory_bytes(const struct attribution *attribution);
