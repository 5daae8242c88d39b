/* SPDX-License-Identifier: Apache-2.0 */
/* A command's own opener or resolver, asked one thing after the other. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "ipc/channel.h"
#include "ipc/child.h"
#include "ipc/message.h"

/* Between two messages: far longer than any file takes. */
#define ROLE_LINK_PATIENCE_MS 60000

struct role_link {
	pid_t pid; /* -1: not started */
	struct channel *channel;
	bool has_servers; /* a resolver may ask for debug files of debuginfod servers */
};

#define ROLE_LINK_NONE                                                                                                 \
	{                                                                                                              \
		.pid = -1                                                                                              \
	}

/* For the invoking user; demangle: of a resolver's names. To be ended in any case. */
int role_link_start(struct role_link *link, enum role role, uint32_t demangle);
/* It leaves when its channel closes, or is killed. Returns how, as waitpid() tells; it may be started again. */
int role_link_end(struct role_link *link, bool is_hung);
int role_link_send(struct role_link *link, uint16_t type, const void *payload, size_t len, int fd);
/* The next message, to be released. -ETIMEDOUT: it hangs; -EPIPE: it is gone. */
int role_link_receive(struct role_link *link, struct message *ret);
