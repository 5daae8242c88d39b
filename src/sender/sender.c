/* SPDX-License-Identifier: Apache-2.0 */
#include "sender/sender.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "debuginfod.h"
#include "ipc/channel.h"
#include "ipc/confine.h"
#include "ipc/message.h"
#include "ipc/usage.h"
#include "net/ca_bundle.h"
#include "net/http_client.h"
#include "net/name_service.h"

#define MODULE "sender"
#define MAX_QUEUED_BYTES (4u << 20)
#define MAX_CERTIFICATE_BYTES (4u << 20)
#define PROGRESS_NS (250 * NSEC_PER_MSEC)
#define BUSY_WAIT_MS 250
#define IDLE_WAIT_MS 60000

struct sender {
	struct channel *channel;
	struct name_service *names;
	struct http_client *client; /* NULL: there is no libcurl */
	struct debuginfod *debuginfod;
	struct buf certificates;
	struct usage usage;
	bool is_started;
	uint64_t next_progress_ns;
};

static void tell_progress(void *ctx, const struct message_fetch_progress *progress)
{
	const struct sender *sender = ctx;

	channel_send(sender->channel, MESSAGE_FETCH_PROGRESS, 0, progress, sizeof(*progress), -1);
}

static void tell_fetched(void *ctx, const struct message_debug_fetched *fetched)
{
	const struct sender *sender = ctx;

	channel_send(sender->channel, MESSAGE_DEBUG_FETCHED, 0, fetched, sizeof(*fetched), -1);
}

/* What opens files, and what loads libraries. */
static int prepare_network(struct sender *sender)
{
	const struct debuginfod_events events = {.progress = tell_progress, .fetched = tell_fetched, .ctx = sender};
	struct http_client_options options = {.user_agent = "hostprof/" HOSTPROF_VERSION};
	int err = name_service_start(&sender->names);

	if (err)
		return log_errno(err, MODULE, "cannot start the resolution of names");
	err = ca_bundle_read(&sender->certificates);
	if (err)
		log_write(LOG_INFO, MODULE, "no trusted certificates, so no https: %s", err_name(err));
	options.trusted = err ? NULL : sender->certificates.data;
	options.trusted_bytes = err ? 0 : sender->certificates.len;
	options.names = sender->names;
	err = http_client_new(&options, &sender->client);
	if (err == -ENOPKG)
		log_write(LOG_WARN, MODULE, "libcurl.so.4 is not installed (Debian: libcurl4): nothing is downloaded");
	else if (err)
		return log_errno(err, MODULE, "cannot set up libcurl");
	return debuginfod_new(sender->client, &events, &sender->debuginfod);
}

static int on_start(struct sender *sender, const struct message *message)
{
	const struct message_start *start = message->payload;
	struct message_ready ready = {0};
	int err;

	if (sender->is_started)
		return -EBADMSG;
	sender->usage = usage_open();
	err = confine_sender(start->memory_bytes);
	if (err)
		return log_errno(err, MODULE, "cannot give up rights");
	err = prepare_network(sender);
	if (err)
		return err;
	err = confine_sender_calls();
	if (err)
		return log_errno(err, MODULE, "cannot give up system calls");
	sender->is_started = true;
	confine_describe(ready.capabilities, sizeof(ready.capabilities));
	return channel_send(sender->channel, MESSAGE_READY, message->id, &ready, sizeof(ready), -1);
}

static int on_ping(struct sender *sender, uint32_t id)
{
	struct message_pong pong = {0};

	usage_read(&sender->usage, &pong);
	return channel_send(sender->channel, MESSAGE_PONG, id, &pong, sizeof(pong), -1);
}

static int on_server(struct sender *sender, const struct message *message)
{
	const struct message_debug_server *server = message->payload;
	char url[MESSAGE_MAX_PATH + 1];

	memcpy(url, server + 1, server->url_len);
	url[server->url_len] = '\0';
	return debuginfod_add_server(sender->debuginfod, url);
}

static int dispatch(struct sender *sender, struct message *message)
{
	if (message->type == MESSAGE_START)
		return on_start(sender, message);
	if (!sender->is_started)
		return -EBADMSG;
	switch (message->type) {
	case MESSAGE_PING:
		return on_ping(sender, message->id);
	case MESSAGE_DEBUG_SERVER:
		return on_server(sender, message);
	case MESSAGE_FETCH_DEBUG:
		debuginfod_fetch(sender->debuginfod, message->payload, take_fd(&message->fd));
		return 0;
	default:
		return -EBADMSG;
	}
}

/* All messages that are there. */
static int serve_channel(struct sender *sender)
{
	struct message message;
	int err;

	while ((err = channel_receive(sender->channel, &message)) > 0) {
		err = dispatch(sender, &message);
		message_release(&message);
		if (err)
			return err;
	}
	return err;
}

/* Before the start, and without libcurl, there is the channel alone. */
static int wait_for_work(const struct sender *sender)
{
	struct pollfd poll_fd = {.fd = channel_fd(sender->channel), .events = POLLIN};
	bool is_busy = sender->debuginfod && debuginfod_is_busy(sender->debuginfod);
	int wait_ms = is_busy ? BUSY_WAIT_MS : IDLE_WAIT_MS;

	if (channel_wants_write(sender->channel))
		poll_fd.events |= POLLOUT;
	if (sender->client)
		return http_client_wait(sender->client, &poll_fd, 1, wait_ms);
	return poll(&poll_fd, 1, wait_ms) < 0 && errno != EINTR ? -errno : 0;
}

static int serve(struct sender *sender)
{
	int err = 0;

	while (!err) {
		uint64_t now_ns;

		err = wait_for_work(sender);
		if (!err)
			err = serve_channel(sender);
		if (!err)
			err = channel_flush(sender->channel);
		now_ns = clock_mono_ns(&clock_system);
		if (err || !sender->is_started || now_ns < sender->next_progress_ns)
			continue;
		sender->next_progress_ns = now_ns + PROGRESS_NS;
		debuginfod_tell_progress(sender->debuginfod);
	}
	return err;
}

int sender_main(int channel_fd)
{
	struct sender *sender = calloc(1, sizeof(*sender));
	int err = -ENOMEM;

	if (sender) {
		sender->usage = USAGE_NONE;
		buf_init(&sender->certificates, MAX_CERTIFICATE_BYTES);
		err = channel_new(channel_fd, false, MAX_QUEUED_BYTES, &sender->channel);
	}
	if (!err)
		err = serve(sender);
	if (err != -EPIPE)
		log_errno(err, MODULE, "stopped");
	if (sender) {
		debuginfod_free(sender->debuginfod);
		http_client_free(sender->client);
		name_service_free(sender->names);
		buf_release(&sender->certificates);
		cleanup_close(&sender->usage.fd);
		channel_free(sender->channel);
		free(sender);
	}
	return err == -EPIPE ? 0 : 1;
}
