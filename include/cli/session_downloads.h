/* SPDX-License-Identifier: Apache-2.0 */
/* Debug files from debuginfod servers, and from the cache of such, for one file session: what opener and collector do
 * for a recording, with the caller's rights. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/downloads.h"
#include "ipc/message.h"

struct session_downloads;

/* Answers the request of the resolver; borrows the descriptor. */
typedef void (*session_downloads_answer)(void *ctx, const struct message_debug_opened *answer, const char *where,
					 int fd);

/* Borrows the settings. */
int session_downloads_new(const struct downloads_settings *settings, session_downloads_answer answer, void *ctx,
			  struct session_downloads **ret);
void session_downloads_free(struct session_downloads *session);
/* A request of kind DEBUG_REMOTE, which is answered now or later. `name` is for people. */
void session_downloads_want(struct session_downloads *session, const struct message_want_debug *want, const char *name);
/* What the resolver made use of goes into the cache. */
void session_downloads_sources(struct session_downloads *session, const struct message_sources *sources);
/* The file that this request was answered with is the one that was meant. */
void session_downloads_accepted(struct session_downloads *session, uint32_t request);
/* Waits until the descriptor is readable, or for one round of downloading (*ret_is_readable false). -ETIMEDOUT: nothing
 * comes, and nothing is being downloaded. NULL: nothing is downloaded at all. */
int session_downloads_wait(struct session_downloads *session, int fd, bool *ret_is_readable);
