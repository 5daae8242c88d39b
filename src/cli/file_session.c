/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/file_session.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "ipc/child.h"
#include "ipc/confine.h"

/* Between two messages: far longer than any file takes. */
#define PATIENCE_MS 60000

int file_session_start(struct file_session *session)
{
	const struct invoker invoker = invoker_from_environment();
	const struct message_start start = {.invoker_uid = invoker.uid,
					    .invoker_gid = invoker.gid,
					    .memory_bytes = RESOLVER_MEMORY_BYTES,
					    .demangle = session->demangle};
	int fd, err = child_spawn(ROLE_RESOLVER, &session->pid, &fd);

	if (err) {
		session->pid = -1;
		return err;
	}
	err = channel_new(fd, true, 0, &session->channel);
	if (err)
		close(fd);
	return err ? err : channel_send(session->channel, MESSAGE_START, 0, &start, sizeof(start), -1);
}

int file_session_end(struct file_session *session, bool is_hung)
{
	int status = 0;

	channel_free(session->channel);
	if (session->pid <= 0)
		return 0;
	if (is_hung)
		kill(session->pid, SIGKILL);
	while (waitpid(session->pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

int file_session_send_object(struct file_session *session, uint32_t id, const char *path, const uint8_t *build_id,
			     size_t id_len, int fd)
{
	struct {
		struct message_object head;
		char path[MESSAGE_MAX_PATH];
	} message = {0};
	size_t len = strlen(path);
	struct stat st;

	if (len > sizeof(message.path))
		return -ENAMETOOLONG;
	if (fstat(fd, &st))
		return -errno;
	message.head = (struct message_object){
		.object = id,
		.kind = OBJECT_FILE,
		.dev = st.st_dev,
		.ino = st.st_ino,
		.size = (uint64_t)st.st_size,
		.expected_dev = st.st_dev,
		.expected_ino = st.st_ino,
		.build_id_len = (uint32_t)id_len,
		.path_len = (uint32_t)len,
	};
	if (id_len)
		memcpy(message.head.build_id, build_id, id_len);
	memcpy(message.path, path, len);
	return channel_send(session->channel, MESSAGE_OBJECT, 0, &message, sizeof(message.head) + len, fd);
}

int file_session_receive(struct file_session *session, uint16_t type, struct message *ret)
{
	struct pollfd poll_fd = {.fd = channel_fd(session->channel), .events = POLLIN};

	for (;;) {
		int n = poll(&poll_fd, 1, PATIENCE_MS), err;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -EIO : -ETIMEDOUT;
		err = channel_receive(session->channel, ret);
		if (err < 0)
			return err;
		if (ret->type == type)
			return 0;
		message_release(ret);
	}
}

int file_session_open_regular(const char *path, int *ret_fd)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	*ret_fd = take_fd(&fd);
	return 0;
}
