/* SPDX-License-Identifier: Apache-2.0 */
/* One datagram is one message, so there is no stream to lose step with: what does not check is dropped whole and the
 * next one is read as if nothing had been.
 *
 *    channel_send ──► queue (non-blocking only; own copies and own descriptors) ──► socket ──► receive buffer
 *
 * The socket's own flags are never touched; MSG_DONTWAIT makes a call non-blocking. */
#include "ipc/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/counters.h"
#include "ipc/message.h"

/* Queued descriptors come out of our own table (RLIMIT_NOFILE, and what that gives first): the bytes alone would allow
 * a million. */
#define CHANNEL_MAX_QUEUED_FDS 1024
/* Room for more than the one descriptor that is allowed, so that others arrive, are seen and closed. */
#define CHANNEL_CONTROL_FDS 4
/* The kernel's default is net.core.wmem_default, which may be lower than one message. Best effort. */
#define CHANNEL_SEND_BUFFER (4 * CHANNEL_MAX_MESSAGE)

struct queued {
	struct queued *next;
	int fd;
	size_t len;
	uint8_t bytes[];
};

struct channel {
	int fd;
	bool is_blocking, is_broken;
	size_t max_queued, queued_bytes, queued_fds;
	struct queued *first, **last;
	uint8_t *buffer; /* CHANNEL_MAX_MESSAGE bytes */
};

_Static_assert(sizeof(struct message_header) % 8 == 0, "payloads in the receive buffer are 8-byte aligned");

void message_release(struct message *message)
{
	if (message->fd >= 0)
		close(message->fd);
	message->fd = -1;
	message->payload = NULL;
	message->len = 0;
}

int channel_pair(int *ret_ours, int *ret_theirs)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	*ret_ours = pair[0];
	*ret_theirs = pair[1];
	return 0;
}

int channel_new(int fd, bool is_blocking, size_t max_queued, struct channel **ret)
{
	const int send_buffer = CHANNEL_SEND_BUFFER;
	int type = 0, err = -ENOMEM;
	socklen_t len = sizeof(type);
	struct channel *channel;

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len))
		return -errno;
	if (type != SOCK_SEQPACKET)
		return -EPROTOTYPE;
	channel = calloc(1, sizeof(*channel));
	if (!channel)
		return err;
	channel->fd = -1; /* until all is well the socket is the caller's */
	channel->is_blocking = is_blocking;
	channel->max_queued = max_queued;
	channel->last = &channel->first;
	channel->buffer = malloc(CHANNEL_MAX_MESSAGE);
	if (!channel->buffer)
		goto fail;
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof(send_buffer));
	channel->fd = fd;
	*ret = channel;
	return 0;
fail:
	channel_free(channel);
	return err;
}

static void drop_first(struct channel *channel)
{
	struct queued *queued = channel->first;

	channel->first = queued->next;
	if (!channel->first)
		channel->last = &channel->first;
	channel->queued_bytes -= sizeof(*queued) + queued->len;
	if (queued->fd >= 0) {
		close(queued->fd);
		channel->queued_fds--;
	}
	free(queued);
}

static void drop_queue(struct channel *channel)
{
	while (channel->first)
		drop_first(channel);
}

void channel_free(struct channel *channel)
{
	if (!channel)
		return;
	drop_queue(channel);
	if (channel->fd >= 0)
		close(channel->fd);
	free(channel->buffer);
	free(channel);
}

int channel_fd(const struct channel *channel)
{
	return channel->fd;
}

bool channel_wants_write(const struct channel *channel)
{
	return channel->first;
}

/* The peer is gone: what is queued has no reader. */
static int broken(struct channel *channel)
{
	channel->is_broken = true;
	drop_queue(channel);
	return -EPIPE;
}

static bool is_gone(int err)
{
	return err == EPIPE || err == ECONNRESET || err == ECONNREFUSED || err == ENOTCONN;
}

/* 0, -EAGAIN, -EPIPE, or another -errno of sendmsg. */
static int send_now(struct channel *channel, const struct iovec *parts, size_t n, int fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr alignment;
	} control = {.bytes = {0}};
	struct msghdr packet = {.msg_iov = (struct iovec *)parts, .msg_iovlen = n};
	int flags = MSG_NOSIGNAL | (channel->is_blocking ? 0 : MSG_DONTWAIT);
	struct cmsghdr *rights;
	ssize_t done;

	if (fd >= 0) {
		packet.msg_control = control.bytes;
		packet.msg_controllen = sizeof(control.bytes);
		rights = CMSG_FIRSTHDR(&packet);
		rights->cmsg_level = SOL_SOCKET;
		rights->cmsg_type = SCM_RIGHTS;
		rights->cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(rights), &fd, sizeof(fd));
	}
	do {
		done = sendmsg(channel->fd, &packet, flags);
	} while (done < 0 && errno == EINTR);
	if (done >= 0)
		return 0;
	if (is_gone(errno))
		return broken(channel);
	return errno == EWOULDBLOCK ? -EAGAIN : -errno;
}

static int enqueue(struct channel *channel, const struct message_header *header, const void *payload, size_t len,
		   int fd)
{
	size_t total = sizeof(*header) + len, room = channel->max_queued - channel->queued_bytes;
	struct queued *queued;

	if (sizeof(*queued) + total > room || (fd >= 0 && channel->queued_fds >= CHANNEL_MAX_QUEUED_FDS))
		return -ENOBUFS;
	queued = malloc(sizeof(*queued) + total);
	if (!queued)
		return -ENOMEM;
	queued->fd = -1;
	if (fd >= 0) {
		queued->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		if (queued->fd < 0) {
			int err = errno == EMFILE ? -ENOBUFS : -errno;

			free(queued);
			return err;
		}
		channel->queued_fds++;
	}
	queued->next = NULL;
	queued->len = total;
	memcpy(queued->bytes, header, sizeof(*header));
	if (len)
		memcpy(queued->bytes + sizeof(*header), payload, len);
	*channel->last = queued;
	channel->last = &queued->next;
	channel->queued_bytes += sizeof(*queued) + total;
	return 0;
}

int channel_send(struct channel *channel, uint16_t type, uint32_t id, const void *payload, size_t len, int fd)
{
	struct message_header header = {
		.magic = CHANNEL_MAGIC,
		.version = CHANNEL_VERSION,
		.type = type,
		.id = id,
	};
	struct iovec parts[] = {
		{.iov_base = &header, .iov_len = sizeof(header)},
		{.iov_base = (void *)payload, .iov_len = len},
	};
	int err;

	if (channel->is_broken)
		return -EPIPE;
	if (len > CHANNEL_MAX_MESSAGE - sizeof(header))
		return -EMSGSIZE;
	header.length = (uint32_t)(sizeof(header) + len);
	err = message_check(type, payload, len, fd >= 0);
	if (err)
		return err;
	err = channel_flush(channel);
	if (err)
		return err;
	if (channel->first) /* keep the order */
		return enqueue(channel, &header, payload, len, fd);
	err = send_now(channel, parts, len ? 2 : 1, fd);
	if (err == -EAGAIN)
		return enqueue(channel, &header, payload, len, fd);
	return err == -ETOOMANYREFS || err == -ENOMEM ? -ENOBUFS : err;
}

int channel_flush(struct channel *channel)
{
	if (channel->is_broken)
		return -EPIPE;
	while (channel->first) {
		struct queued *queued = channel->first;
		const struct iovec part = {.iov_base = queued->bytes, .iov_len = queued->len};
		int err = send_now(channel, &part, 1, queued->fd);

		if (err == -EPIPE)
			return err;
		if (err) /* full, or short of memory or of descriptors in flight: all pass when the peer reads */
			return 0;
		drop_first(channel);
	}
	return 0;
}

/* The one descriptor of the packet, or -1; others are closed. Returns how many there were. */
static size_t take_rights(struct msghdr *packet, int *ret_fd)
{
	size_t count = 0;

	for (struct cmsghdr *part = CMSG_FIRSTHDR(packet); part; part = CMSG_NXTHDR(packet, part)) {
		size_t n;

		if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS || part->cmsg_len < CMSG_LEN(0))
			continue;
		n = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof(fd));
			if (!count++)
				*ret_fd = fd;
			else
				close(fd);
		}
	}
	return count;
}

static bool header_is_right(const struct message_header *header, size_t got)
{
	return header->magic == CHANNEL_MAGIC && header->version == CHANNEL_VERSION && header->length == got;
}

/* Fills the buffer and *fd. The size, 0 at the end, -EAGAIN, -EBADMSG (descriptors closed), or another -errno. */
static ssize_t receive_packet(struct channel *channel, int *ret_fd)
{
	union {
		char bytes[CMSG_SPACE(CHANNEL_CONTROL_FDS * sizeof(int))];
		struct cmsghdr alignment;
	} control;
	struct iovec part = {.iov_base = channel->buffer, .iov_len = CHANNEL_MAX_MESSAGE};
	struct msghdr packet = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	int flags = MSG_CMSG_CLOEXEC | (channel->is_blocking ? 0 : MSG_DONTWAIT);
	auto_close int fd = -1;
	ssize_t got;

	/* ECONNRESET tells once that the peer died with messages unread; those that it sent itself come after. */
	do {
		got = recvmsg(channel->fd, &packet, flags);
	} while (got < 0 && (errno == EINTR || errno == ECONNRESET));
	if (got < 0)
		return errno == EWOULDBLOCK ? -EAGAIN : -errno;
	if (take_rights(&packet, &fd) > 1 || (packet.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
		return -EBADMSG;
	*ret_fd = take_fd(&fd);
	return got;
}

int channel_receive(struct channel *channel, struct message *ret)
{
	struct message_header header;
	auto_close int fd = -1;
	ssize_t got = receive_packet(channel, &fd);
	size_t len;

	if (got == -EAGAIN)
		return 0;
	/* An empty datagram looks like the end; none of ours is empty, so a peer that sends one is as good as gone. */
	if (!got)
		return -EPIPE;
	if (got < 0 && got != -EBADMSG)
		return is_gone((int)-got) ? -EPIPE : (int)got;
	if (got < (ssize_t)sizeof(header))
		goto bad;
	memcpy(&header, channel->buffer, sizeof(header));
	if (!header_is_right(&header, (size_t)got))
		goto bad;
	len = (size_t)got - sizeof(header);
	if (message_check(header.type, channel->buffer + sizeof(header), len, fd >= 0))
		goto bad;
	*ret = (struct message){
		.type = header.type,
		.id = header.id,
		.payload = channel->buffer + sizeof(header),
		.len = len,
		.fd = take_fd(&fd),
	};
	return 1;
bad:
	count(COUNTER_bad_messages);
	return -EBADMSG;
}
