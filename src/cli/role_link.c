/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/role_link.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ipc/confine.h"

int role_link_start(struct role_link *link, enum role role, uint32_t demangle)
{
	const struct invoker invoker = invoker_from_environment();
	const struct message_start start = {.invoker_uid = invoker.uid,
					    .invoker_gid = invoker.gid,
					    .memory_bytes = RESOLVER_MEMORY_BYTES,
					    .demangle = demangle,
					    .has_servers = link->has_servers};
	int fd, err = child_spawn(role, &link->pid, &fd);

	if (err) {
		link->pid = -1;
		return err;
	}
	err = channel_new(fd, true, 0, &link->channel);
	if (err)
		close(fd);
	return err ? err : role_link_send(link, MESSAGE_START, &start, sizeof(start), -1);
}

int role_link_end(struct role_link *link, bool is_hung)
{
	int status = 0;

	channel_free(link->channel);
	link->channel = NULL;
	if (link->pid <= 0)
		return 0;
	if (is_hung)
		kill(link->pid, SIGKILL);
	while (waitpid(link->pid, &status, 0) < 0 && errno == EINTR)
		;
	link->pid = -1;
	return status;
}

int role_link_send(struct role_link *link, uint16_t type, const void *payload, size_t len, int fd)
{
	return channel_send(link->channel, type, 0, payload, len, fd);
}

int role_link_receive(struct role_link *link, struct message *ret)
{
	struct pollfd poll_fd = {.fd = channel_fd(link->channel), .events = POLLIN};
	int n;

	do
		n = poll(&poll_fd, 1, ROLE_LINK_PATIENCE_MS);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n ? -EIO : -ETIMEDOUT;
	n = channel_receive(link->channel, ret);
	return n < 0 ? n : 0;
}
