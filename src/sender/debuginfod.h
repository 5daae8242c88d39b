/* SPDX-License-Identifier: Apache-2.0 */
/* Debug files of debuginfod servers (debuginfod(8), "WEBAPI": GET /buildid/BUILDID/debuginfo), each server asked in
 * turn until one has the file. A server that could not be reached several times in a row is not asked any more. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipc/message.h"

struct debuginfod;
struct http_client;

/* Payloads for the collector. */
struct debuginfod_events {
	void (*progress)(void *ctx, const struct message_fetch_progress *progress);
	void (*fetched)(void *ctx, const struct message_debug_fetched *fetched);
	void *ctx;
};

/* Without a client (NULL) each fetch fails with -ENOPKG. */
int debuginfod_new(struct http_client *client, const struct debuginfod_events *events, struct debuginfod **ret);
void debuginfod_free(struct debuginfod *debuginfod);
/* -E2BIG: too many. */
int debuginfod_add_server(struct debuginfod *debuginfod, const char *url);
/* Takes over the descriptor. It is answered in any case. */
void debuginfod_fetch(struct debuginfod *debuginfod, const struct message_fetch_debug *request, int fd);
/* Tells of each that is under way. */
void debuginfod_tell_progress(const struct debuginfod *debuginfod);
bool debuginfod_is_busy(const struct debuginfod *debuginfod);
