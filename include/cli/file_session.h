/* SPDX-License-Identifier: Apache-2.0 */
/* One file before a resolver of its own: opened with the caller's rights, parsed by a process that has none. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "collector/object_table.h"
#include "ipc/channel.h"
#include "ipc/message.h"

/* Objects of a session. */
#define THE_OBJECT 1
#define THE_DEBUG_FILE 2

struct file_session {
	pid_t pid; /* -1 before it is started */
	struct channel *channel;
	const char *path;
	uint32_t demangle; /* enum demangle_mode */
	uint32_t debug;	   /* THE_DEBUG_FILE once it was sent; 0: not yet, or there is none */
	bool has_tried_debug;
	char debug_path[OBJECT_DEBUG_PATH_BYTES];
};

/* Not a device or a pipe: it would wait, or do things. -EISDIR, -EINVAL: no regular file; or of open(). */
int file_session_open_regular(const char *path, int *ret_fd);

/* Starts the resolver. To be ended in any case. */
int file_session_start(struct file_session *session);
/* It leaves when its channel closes, or is killed. Returns how, as waitpid() tells. */
int file_session_end(struct file_session *session, bool is_hung);
/* Borrows the descriptor. id_len 0: the build id is not known. */
int file_session_send_object(struct file_session *session, uint32_t id, const char *path, const uint8_t *build_id,
			     size_t id_len, int fd);
/* The next message of the type, to be released; what comes before it is passed over. -ETIMEDOUT: it hangs; -EPIPE: it
 * is gone. */
int file_session_receive(struct file_session *session, uint16_t type, struct message *ret);
