/* SPDX-License-Identifier: Apache-2.0 */
/* Debug files that are downloaded: once for each build id, however many files ask for it, and not again when no server
 * has it.
 *
 *     wanted ─► a file to write to ─► fetched by the sender ─► given to all who wait ─► accepted by the resolver ─►
 * kept
 *
 * What was downloaded is anybody's bytes until the resolver has seen that it is the file of that id. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/worker.h"
#include "ipc/message.h"

/* In a run. What is beyond is not downloaded. */
#define DOWNLOADS_MAX_BYTES (8ULL << 30)

struct downloads;

/* As the user wants it; strings are borrowed. */
struct downloads_settings {
	const char *servers[DEBUG_MAX_SERVERS]; /* URLs, in the order in which they are asked */
	size_t n_servers;
	const char *cache; /* directory; NULL: none */
	uint32_t stall_seconds, total_seconds;
	uint64_t max_bytes; /* of a file */
};

struct downloads_options {
	const struct downloads_settings *settings; /* borrowed */
	struct worker_options sender;
	/* Asks for a file to write to; downloads_file() is told. -errno: there will be none. */
	int (*want_file)(void *ctx, uint32_t index);
	/* The end of downloads_want(): the number that was given, and the file (borrowed; -1 with an error). `where` is
	 * for people. */
	void (*settled)(void *ctx, uint32_t number, int err, uint32_t server, const char *where, int fd);
	/* The file goes into the cache. */
	void (*keep)(void *ctx, const struct message_keep_debug *keep, int fd);
	void *ctx;
};

int downloads_new(const struct downloads_options *options, struct downloads **ret);
void downloads_free(struct downloads *downloads);

/* Somebody, who is told by this number, wants the debug file of the id from this server or one behind it. `name` is
 * what it is called on the terminal. 0, and `settled` later, or at once; -errno: never. */
int downloads_want(struct downloads *downloads, uint32_t number, const uint8_t *id, uint32_t id_len, uint32_t server,
		   const char *name);
/* The file to write to. Takes over the descriptor. */
void downloads_file(struct downloads *downloads, uint32_t index, int err, int fd);
/* The file that was given under this number is the one that was meant. */
void downloads_accepted(struct downloads *downloads, uint32_t number);
/* Nobody waits any longer: all that is under way fails with -ETIMEDOUT, and what is wanted later at once. */
void downloads_give_up(struct downloads *downloads);

void downloads_serve(struct downloads *downloads, uint64_t now_ns, bool is_writable);
void downloads_tick(struct downloads *downloads, uint64_t now_ns);
size_t downloads_outstanding(const struct downloads *downloads);
/* "libfoo.so 12.3 of 45.0 MB, and 3 more"; false: nothing is under way. */
bool downloads_describe(const struct downloads *downloads, char *to, size_t size);
/* NULL: it does not run. */
struct worker *downloads_worker(struct downloads *downloads);
