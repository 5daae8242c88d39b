/* SPDX-License-Identifier: Apache-2.0 */
/* Framed messages with descriptors between two of our processes, over a SOCK_SEQPACKET pair: a message arrives whole or
 * not at all. Larger things travel as sealed memfds (ipc/memfd.h). The layouts and their checks are in ipc/message.h.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct channel;

/* A message is header and payload in one datagram of at most this size, with at most one descriptor. */
#define CHANNEL_MAX_MESSAGE 65536
#define CHANNEL_VERSION 1

struct message_header {
	uint32_t magic; /* CHANNEL_MAGIC */
	uint16_t version;
	uint16_t type;	 /* enum message_type */
	uint32_t length; /* of the whole message, header included; equals the datagram */
	uint32_t id;	 /* answers carry the id of what they answer */
};
#define CHANNEL_MAGIC 0x6672e570u

/* One received message. */
struct message {
	uint16_t type;
	uint32_t id;
	const void *payload; /* valid until the next receive on the channel; 8-byte aligned */
	size_t len;
	int fd; /* -1 or the receiver's: take it or message_release() closes it */
};
void message_release(struct message *message);

/* Both ends of a new pair (CLOEXEC); one goes to the child. */
int channel_pair(int *ret_ours, int *ret_theirs);

/* Takes over the socket (on failure it stays the caller's). A non-blocking channel queues what the peer does not take,
 * up to max_queued bytes. */
int channel_new(int fd, bool is_blocking, size_t max_queued, struct channel **ret);
void channel_free(struct channel *channel);
int channel_fd(const struct channel *channel);

/* Sends or queues. `fd` (-1 for none) is duplicated: the caller keeps its own. -EPIPE: the peer is gone;
 * -ENOBUFS: the queue is full (in bytes or in descriptors), or the kernel has no room now; -EMSGSIZE; -EBADMSG: what
 * message_check() refuses. Non-blocking channels never wait, blocking ones never queue. `type` must be one of message.h
 * and `len` within its bounds. */
int channel_send(struct channel *channel, uint16_t type, uint32_t id, const void *payload, size_t len, int fd);
/* Sends what is queued until the socket is full. 0 (look at channel_wants_write), or -EPIPE. */
int channel_flush(struct channel *channel);
bool channel_wants_write(const struct channel *channel);

/* 1: *ret is a message whose header, length, version, type and descriptor count are right (message_check() of message.h
 * passed); 0: nothing there (non-blocking only); -EPIPE: the peer is gone; -EBADMSG: it was no valid message (dropped,
 * descriptors closed). */
int channel_receive(struct channel *channel, struct message *ret);
