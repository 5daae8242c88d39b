/* SPDX-License-Identifier: Apache-2.0 */
/* The search for the debug files of one object, a request at a time:
 *
 *    the file lacks symbols or DWARF ─► by build id ─► by .gnu_debuglink ─► by build id, of a server
 *                                                                                   found ─► what that one shares (dwz)
 *
 * A file that is found is believed only if it is the one that was meant (build id equal, or checksum equal and build
 * ids not different; same machine; code at the same addresses); else the next place is asked for. It is followed no
 * further: of what a debug file says only the supplementary file counts. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ipc/message.h"
#include "resolver/image.h"

struct debug_search;

struct debug_search_options {
	struct image_table *images; /* borrowed */
	uint32_t object;
	struct image *image; /* of the object's file; borrowed, must outlive the search */
	bool is_lone;	     /* is to do without debug files */
	bool has_servers;    /* what no place has is asked of debuginfod servers */
	/* Asks for it; debug_search_answer() is told what came. Sets want->request. -errno: nobody answers, nor
	 * ever will. */
	int (*want)(void *ctx, struct message_want_debug *want, const char *name);
	void *ctx;
};

/* Begins; it may be over at once. */
int debug_search_new(const struct debug_search_options *options, struct debug_search **ret);
void debug_search_free(struct debug_search *search);

/* The request that waits for its answer; 0: the search is over. */
uint32_t debug_search_request(const struct debug_search *search);
/* Takes over the descriptor (-1: none). -errno: as `want` says. */
int debug_search_answer(struct debug_search *search, const struct message_debug_opened *answer, int fd);

/* What was found; NULL: nothing. They live as long as the search. */
struct image *debug_search_debug(const struct debug_search *search);
struct image *debug_search_supplementary(const struct debug_search *search);
/* What was there, and what was looked for. */
void debug_search_sources(const struct debug_search *search, struct message_sources *ret);
