/* SPDX-License-Identifier: Apache-2.0 */
/* What the resolver wants of debug files, and what came of it. A file that was found is kept until the run ends, so a
 * resolver that is started anew asks again and has it at once, also when the container that it lies in is gone.
 *
 *     (object, kind, id or name, place)  ─►  { err | descriptor, where }  ─►  requests of the resolver that wait for it
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipc/message.h"

#define DEBUG_FILES_MAX 65536	 /* answers that are kept; what is beyond is not there */
#define DEBUG_FILES_TEMPORARY 64 /* files to write to, in a run */

struct debug_files;
struct object;
struct object_table;

struct debug_files_options {
	struct object_table *objects; /* borrowed */
	/* Asks the opener for the file of number request->request, which is one of the object (0: of none);
	 * debug_files_opened() is told what came of it. -errno: it cannot be asked. */
	int (*open)(void *ctx, struct message_open_debug *request, uint32_t object, const char *path);
	/* Asks for the file of number `number` by its id, of this debuginfod server or one behind it; the same is told
	 * what came of it. NULL: there are no servers. */
	int (*fetch)(void *ctx, uint32_t number, const struct message_want_debug *want, uint32_t server,
		     const struct object *object);
	/* Sends an answer to the resolver, with a copy of the descriptor (-1: none). -ENOBUFS: no room now. */
	int (*send)(void *ctx, const struct message_debug_opened *answer, const char *path, int fd);
	void *ctx;
};

int debug_files_new(const struct debug_files_options *options, struct debug_files **ret);
void debug_files_free(struct debug_files *files);

/* The resolver asks; it is answered in any case. */
void debug_files_want(struct debug_files *files, const struct message_want_debug *want, const char *name);
/* The opener answers, or what fetches from servers; takes over the descriptor. */
void debug_files_opened(struct debug_files *files, const struct message_debug_opened *opened, const char *path, int fd);
/* Which file (its number) the object's request was answered with last; false: none. */
bool debug_files_find_answer(const struct debug_files *files, uint32_t object, uint32_t request, uint32_t *ret_number);
/* Sends what waits for room. */
void debug_files_flush(struct debug_files *files);
/* The resolver is gone: nobody waits for an answer any more. */
void debug_files_forget_requests(struct debug_files *files);
size_t debug_files_memory_bytes(const struct debug_files *files);
