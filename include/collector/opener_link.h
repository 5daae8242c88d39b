/* SPDX-License-Identifier: Apache-2.0 */
/* The collector's side of the opener: requests in order, each kept until its answer came, so that an opener that died
 * or hangs on a dead file system is replaced and asked again. The request at which it hung past a deadline fails with
 * -ETIMEDOUT: a file system that never answers costs its files' names and nothing else. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/object_table.h"
#include "collector/registry.h"
#include "collector/worker.h"
#include "ipc/message.h"

struct opener_link;

/* Answers. Strings are NUL-terminated copies, valid during the call. */
struct opener_events {
	void (*process)(void *ctx, const struct message_process *process, const char *cgroup);
	void (*mappings)(void *ctx, const struct message_mappings *mappings, const char *paths);
	void (*scanned)(void *ctx, uint32_t tgid);
	/* fd: the receiver's, or -1. */
	void (*object)(void *ctx, const struct message_object_opened *opened, int fd);
	void (*debug_directory)(void *ctx, uint32_t index, int err, const char *path);
	/* fd: the receiver's, or -1. */
	void (*debug_opened)(void *ctx, const struct message_debug_opened *opened, const char *path, int fd);
	/* What came of opener_link_keep_debug(). */
	void (*debug_kept)(void *ctx, int err);
	void (*kernel_symbols)(void *ctx, const struct message_kernel_symbols *symbols, int fd);
	void (*output_prepared)(void *ctx, uint32_t output, int err, const char *path);
	void (*output_written)(void *ctx, uint32_t output, int err, const char *path, uint64_t bytes);
	void *ctx;
};

int opener_link_new(const struct worker_options *worker, const struct opener_events *events, uint64_t now_ns,
		    struct opener_link **ret);
void opener_link_free(struct opener_link *link);

int opener_link_scan(struct opener_link *link, uint32_t tgid);
int opener_link_hold_root(struct opener_link *link, uint32_t tgid, uint32_t mnt_ns);
int opener_link_open(struct opener_link *link, const struct message_open_object *request, const char *path);
/* Answered as opener_link_open(). */
int opener_link_perf_map(struct opener_link *link, const struct message_open_perf_map *request);
/* Debug files are looked for there too. In the order of their numbers; or the cache (DEBUG_CACHE_DIRECTORY). */
int opener_link_debug_directory(struct opener_link *link, uint32_t index, const char *path);
/* `path` as in struct message_open_debug. */
int opener_link_open_debug(struct opener_link *link, const struct message_open_debug *request, const char *path);
/* A file that was downloaded goes into the cache; the descriptor stays the caller's. */
int opener_link_keep_debug(struct opener_link *link, const struct message_keep_debug *keep, int fd);
int opener_link_kernel_symbols(struct opener_link *link);
int opener_link_prepare(struct opener_link *link, uint32_t output, enum output_place place, uint32_t flags,
			const char *path);
int opener_link_write(struct opener_link *link, uint32_t output, const char *name, int memfd);
/* Asks what it uses. */
/* Files in memory that it was given to write, and has not written yet. */
uint64_t opener_link_unwritten_bytes(const struct opener_link *link);
void opener_link_ping(struct opener_link *link);

/* When its channel is readable or writable. */
void opener_link_serve(struct opener_link *link, uint64_t now_ns, bool is_writable);
/* Now and then: replaces an opener past its deadline. */
void opener_link_tick(struct opener_link *link, uint64_t now_ns);
/* Requests without an answer. */
size_t opener_link_outstanding(const struct opener_link *link);
/* Fails every outstanding request for an object: the run ends and nobody waits for names any more. */
void opener_link_give_up_objects(struct opener_link *link, uint64_t now_ns);
struct worker *opener_link_worker(struct opener_link *link);
