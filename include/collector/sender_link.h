/* SPDX-License-Identifier: Apache-2.0 */
/* The collector's side of the sender. It is started by the first fetch. A few are with it at a time, the others wait
 * here, so that a sender that dies or hangs costs those few another try and nothing else. It is started anew after a
 * pause that grows, and not for ever: then what is asked of it fails at once. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/worker.h"
#include "ipc/message.h"

struct sender_link;

struct sender_events {
	void (*progress)(void *ctx, const struct message_fetch_progress *progress);
	/* Each fetch is answered once; not from within sender_link_fetch(). */
	void (*fetched)(void *ctx, const struct message_debug_fetched *fetched);
	void *ctx;
};

/* The servers' URLs are borrowed; DEBUG_MAX_SERVERS at most. Starts nothing yet. */
int sender_link_new(const struct worker_options *worker, const char *const *servers, size_t n_servers,
		    const struct sender_events *events, struct sender_link **ret);
void sender_link_free(struct sender_link *link);

/* A copy of the descriptor is taken. */
int sender_link_fetch(struct sender_link *link, const struct message_fetch_debug *request, int fd);
/* Fails all with this error, and ends the sender. */
void sender_link_give_up(struct sender_link *link, int err);

void sender_link_serve(struct sender_link *link, uint64_t now_ns, bool is_writable);
/* Now and then: starts it, and replaces one that says nothing any more. */
void sender_link_tick(struct sender_link *link, uint64_t now_ns);
size_t sender_link_outstanding(const struct sender_link *link);
struct worker *sender_link_worker(struct sender_link *link);
