/* SPDX-License-Identifier: Apache-2.0 */
/* A profile that is to get names, before an opener and a resolver of its own:
 *
 *     profile ──► resolver    which files have frames without a name?
 *     files   ◄── opener      each by its build id: the file itself, else its debug file alone
 *     files   ──► resolver    debug files as it wants them, from the opener
 *     named profile ◄── resolver, and to the opener, which writes it as the invoking user
 *
 * A file at which the resolver breaks is done without: all is asked again of the next resolver. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/vec.h"
#include "cli/role_link.h"
#include "ipc/message.h"
#include "ipc/profile_files.h"

enum session_file_state {
	SESSION_FILE_UNSOUGHT,
	SESSION_FILE_FOUND,
	SESSION_FILE_NONE,     /* code of no file, as its name says: "[kernel.kallsyms]" */
	SESSION_FILE_NAMELESS, /* the profile tells no build id of it */
	SESSION_FILE_OTHER,    /* what is at its path has another build id, and nothing else was found */
	SESSION_FILE_MISSING,
};

struct session_file {
	struct profile_file told; /* its path is the session's */
	enum session_file_state state;
	int fd;		/* -1: none */
	uint32_t flags; /* OBJECT_QUARANTINED, OBJECT_LONE */
	char *found;	/* where; NULL: nowhere */
};

struct session_file_vec VEC(struct session_file);

struct downloads_settings;
struct profile_search;
struct session_downloads;

struct profile_session {
	struct role_link opener, resolver;
	struct session_downloads *downloads; /* NULL: none */
	struct profile_search *download;     /* the file itself that is being downloaded; NULL: none */
	int answer_err;			     /* of an answer that could not be sent */
	uint32_t demangle;		     /* enum demangle_mode */
	struct session_file_vec files;
	uint32_t last_request;
	/* What the resolver looks into: 0 is the profile itself. */
	uint32_t looking_at;
	bool is_looking_at_debug;
	bool is_opener_lost;
	int wait_status;		/* of the last resolver that broke */
	uint64_t named, unnamed, lined; /* as in struct message_symbolized */
};

/* Starts the opener. Errors of role_link_start(). To be released in any case. downloads: of debug files, borrowed;
 * NULL: none. */
int profile_session_start(struct profile_session *session, uint32_t demangle,
			  const struct downloads_settings *downloads);
void profile_session_release(struct profile_session *session);

/* Before the names. Why debug files cannot be sought there; the directories are numbered 0, 1, 2 … */
int profile_session_add_directory(struct profile_session *session, uint32_t index, const char *path);
/* Can the output be written there? flags: OUTPUT_FORCE. Errors of outputs_prepare(). */
int profile_session_prepare(struct profile_session *session, const char *path, uint32_t flags);

/* Borrows the descriptor. *ret_fd is a sealed memfd of the named profile; session->files say what became of each.
 * *ret_is_profile_bad: the error is that of reading the profile (pprof_edit_read()). -EPIPE, -ETIMEDOUT: a process
 * broke that is needed (session->is_opener_lost: the opener, else session->wait_status). */
int profile_session_symbolize(struct profile_session *session, int profile_fd, bool *ret_is_profile_bad, int *ret_fd);

/* Writes it where it was prepared. */
int profile_session_write(struct profile_session *session, int fd, uint64_t *ret_bytes);
