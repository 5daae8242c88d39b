/* SPDX-License-Identifier: Apache-2.0 */
/* One file before a resolver of its own: opened with the caller's rights, parsed by a process that has none. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "cli/role_link.h"
#include "collector/object_table.h"
#include "ipc/channel.h"
#include "ipc/message.h"

/* The only object of a session. */
#define THE_OBJECT 1

struct downloads_settings;
struct session_downloads;

struct file_session {
	struct role_link resolver;
	const char *path;
	uint32_t demangle; /* enum demangle_mode */
	/* Where debug files are looked for besides. */
	const char *const *debug_directories;
	size_t n_debug_directories;
	const struct downloads_settings *downloads; /* of debug files; NULL: none */
	/* Opened by file_session_start(). */
	int root_fd, directory_fds[DEBUG_MAX_DIRECTORIES];
	char *real_path;
	struct session_downloads *session_downloads; /* NULL: none */
	int answer_err;				     /* of an answer that could not be sent */
	/* The last file found of each kind. */
	char found[DEBUG_KINDS][MESSAGE_MAX_PATH + 1];
	/* The debug file that serves, and what dwz shares: known when the sources are. "": none, or not yet. */
	const char *debug_path, *supplementary_path;
	struct message_sources sources;
	bool has_sources;
};

/* Not a device or a pipe: it would wait, or do things. -EISDIR, -EINVAL: no regular file; or of open(). */
int file_session_open_regular(const char *path, int *ret_fd);

/* Opens the directories and starts the resolver; what downloads is started when something is wanted. To be ended in any
 * case. *ret_bad_directory (NULL else) is one that could not be opened. */
int file_session_start(struct file_session *session, const char **ret_bad_directory);
/* It leaves when its channel closes, or is killed. Returns how, as waitpid() tells. */
int file_session_end(struct file_session *session, bool is_hung);
/* Borrows the descriptor of the session's file. */
int file_session_send_object(struct file_session *session, int fd);
/* The next message of the type, to be released. What comes before it is answered, where it asks for a debug file, or
 * passed over. -ETIMEDOUT: it hangs; -EPIPE: it is gone. */
int file_session_receive(struct file_session *session, uint16_t type, struct message *ret);
