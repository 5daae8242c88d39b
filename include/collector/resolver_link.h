/* SPDX-License-Identifier: Apache-2.0 */
/* The collector's side of the resolver. All that a resolver knows is sent again to the next one: kernel symbols,
 * objects with their descriptors, the batch with the number of outputs that arrived already. An object at which a
 * resolver crashed or hung is quarantined: its frames become "[quarantined module+0x1234]", nothing else suffers. Was
 * it in a debug file of the object, then that is done without. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "collector/object_table.h"
#include "collector/worker.h"
#include "ipc/message.h"

struct resolver_link;

struct resolver_events {
	/* fd: borrowed, sealed. `name` is "" for a file destination. */
	void (*output)(void *ctx, const struct message_output *output, const char *name, int fd);
	void (*summary)(void *ctx, int fd);
	/* The unwind table that was asked for last; fd: borrowed, sealed, or -1. */
	void (*table)(void *ctx, const struct message_table *table, int fd);
	/* The resolver that was asked for it is gone. */
	void (*table_lost)(void *ctx);
	/* It asks for a debug file; resolver_link_debug_file() is the answer. `name` may be "". */
	void (*want_debug)(void *ctx, const struct message_want_debug *want, const char *name);
	void (*sources)(void *ctx, const struct message_sources *sources);
	/* The resolver is gone, and a new one knows nothing yet. */
	void (*started_anew)(void *ctx);
	/* The batch is through, or failed for good (done->err). */
	void (*done)(void *ctx, const struct message_batch_done *done);
	/* Kernel symbols are indexed. */
	void (*kernel_symbols_ready)(void *ctx);
	void *ctx;
};

int resolver_link_new(const struct worker_options *worker, const struct resolver_events *events,
		      struct object_table *objects, uint64_t now_ns, struct resolver_link **ret);
void resolver_link_free(struct resolver_link *link);
/* CPU time that resolvers may spend with one file and its debug files, all in all; RESOLVER_FILE_CPU_NS unless told. A
 * file that takes more is read no more (-ETIME), counted as objects_too_slow; one whose debug file was being read does
 * without that first. */
#define RESOLVER_FILE_CPU_NS (20 * NSEC_PER_SEC)
void resolver_link_set_file_cpu(struct resolver_link *link, uint64_t cpu_ns);

/* Takes over the descriptor. */
void resolver_link_kernel_symbols(struct resolver_link *link, const struct message_kernel_symbols *symbols, int fd);
/* Sends what is known of the object, with a copy of its descriptor. */
void resolver_link_object(struct resolver_link *link, const struct object *object);
/* Asks for the object's unwind table. -EAGAIN: the resolver does not know the object yet. */
int resolver_link_make_table(struct resolver_link *link, const struct object *object, uint32_t page, uint64_t now_ns);
/* Answers a request for a debug file, with a copy of the descriptor (-1: none). -ENOBUFS: no room now. */
int resolver_link_debug_file(struct resolver_link *link, const struct message_debug_opened *answer, const char *path,
			     int fd);
/* Takes over the memfd. One batch at a time. */
int resolver_link_batch(struct resolver_link *link, uint64_t batch, int memfd, uint64_t now_ns);
void resolver_link_ping(struct resolver_link *link);
/* What is kept for the next resolver, should this one die; -1: none. */
int resolver_link_symbols_fd(const struct resolver_link *link);
int resolver_link_batch_fd(const struct resolver_link *link);

void resolver_link_serve(struct resolver_link *link, uint64_t now_ns, bool is_writable);
void resolver_link_tick(struct resolver_link *link, uint64_t now_ns);
struct worker *resolver_link_worker(struct resolver_link *link);
