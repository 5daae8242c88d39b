/* SPDX-License-Identifier: Apache-2.0 */
/*     [ with the sender, MAX_SENT at most ] [ waiting … ]
 *
 * A queue in the order of asking; answers come in any order. */
#include "collector/sender_link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/counters.h"
#include "base/err.h"
#include "base/log.h"
#include "base/vec.h"
#include "ipc/channel.h"

#define MODULE "collector"
#define MAX_FETCHES 65536
#define MAX_SENT 4
/* It tells of each fetch four times a second. */
#define DEADLINE_NS (10 * NSEC_PER_SEC)
#define MAX_TRIES 2
#define MAX_STARTS 8
#define FIRST_PAUSE_NS (100 * NSEC_PER_MSEC)

struct fetch {
	struct message_fetch_debug request;
	unsigned int tries;
	bool is_sent;
	int fd;
};
struct fetch_vec VEC(struct fetch);

struct sender_link {
	struct worker worker;
	struct sender_events events;
	const char *const *servers;
	size_t n_servers;
	struct fetch_vec fetches;
	unsigned int starts;
	bool is_running;
	uint64_t not_before_ns;
};

int sender_link_new(const struct worker_options *worker, const char *const *servers, size_t n_servers,
		    const struct sender_events *events, struct sender_link **ret)
{
	struct sender_link *link = calloc(1, sizeof(*link));

	if (!link)
		return -ENOMEM;
	link->events = *events;
	link->servers = servers;
	link->n_servers = n_servers;
	vec_init(&link->fetches, MAX_FETCHES);
	worker_init(&link->worker, worker);
	*ret = link;
	return 0;
}

void sender_link_free(struct sender_link *link)
{
	if (!link)
		return;
	worker_stop(&link->worker, 100);
	vec_for_each (&link->fetches, fetch)
		cleanup_close(&fetch->fd);
	vec_release(&link->fetches);
	free(link);
}

static int start(struct sender_link *link, uint64_t now_ns)
{
	int err = worker_start(&link->worker, now_ns);

	for (size_t i = 0; !err && i < link->n_servers; i++) {
		struct {
			struct message_debug_server head;
			char url[MESSAGE_MAX_PATH];
		} message = {.head = {.url_len = (uint32_t)strlen(link->servers[i])}};

		if (message.head.url_len > sizeof(message.url))
			return -ENAMETOOLONG;
		memcpy(message.url, link->servers[i], message.head.url_len);
		err = worker_send(&link->worker, MESSAGE_DEBUG_SERVER, 0, &message,
				  sizeof(message.head) + message.head.url_len, -1);
	}
	return err;
}

static void finish(struct sender_link *link, size_t index, const struct message_debug_fetched *fetched)
{
	cleanup_close(&link->fetches.items[index].fd);
	link->fetches.len--;
	memmove(&link->fetches.items[index], &link->fetches.items[index + 1],
		(link->fetches.len - index) * sizeof(struct fetch));
	link->events.fetched(link->events.ctx, fetched);
}

static void fail(struct sender_link *link, size_t index, int err)
{
	const struct message_fetch_debug *request = &link->fetches.items[index].request;
	const struct message_debug_fetched failed = {
		.request = request->request, .err = err, .server = request->server};

	finish(link, index, &failed);
}

void sender_link_give_up(struct sender_link *link, int err)
{
	worker_stop(&link->worker, 0);
	link->is_running = false;
	while (link->fetches.len)
		fail(link, 0, err);
}

/* The sender is gone: those that were with it may be why. */
static void ended(struct sender_link *link, bool is_hung, uint64_t now_ns)
{
	const char *text;
	enum worker_end end = worker_end(&link->worker, is_hung, &text);
	size_t i = 0;

	link->is_running = false;
	count(COUNTER_child_restarts);
	log_write(LOG_INFO, MODULE, "sender %s (%s)", end == WORKER_END_HUNG ? "did not answer in time" : "ended",
		  text);
	while (i < link->fetches.len) {
		struct fetch *fetch = &link->fetches.items[i];

		if (fetch->is_sent && fetch->tries >= MAX_TRIES) {
			fail(link, i, end == WORKER_END_HUNG ? -ETIMEDOUT : -EPIPE);
			continue;
		}
		fetch->is_sent = false;
		i++;
	}
	link->not_before_ns = now_ns + (FIRST_PAUSE_NS << link->starts);
}

static void send_queue(struct sender_link *link)
{
	size_t n = link->fetches.len < MAX_SENT ? link->fetches.len : MAX_SENT;

	for (size_t i = 0; link->is_running && i < n; i++) {
		struct fetch *fetch = &link->fetches.items[i];

		if (fetch->is_sent || worker_send(&link->worker, MESSAGE_FETCH_DEBUG, 0, &fetch->request,
						  sizeof(fetch->request), fetch->fd))
			continue;
		fetch->is_sent = true;
		fetch->tries++;
	}
}

int sender_link_fetch(struct sender_link *link, const struct message_fetch_debug *request, int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	struct fetch *fetch = copy < 0 ? NULL : vec_push(&link->fetches);

	if (!fetch) {
		cleanup_close(&copy);
		return copy < 0 ? -errno : -ENOBUFS;
	}
	*fetch = (struct fetch){.request = *request, .fd = copy};
	send_queue(link);
	return 0;
}

static void on_fetched(struct sender_link *link, const struct message_debug_fetched *fetched)
{
	for (size_t i = 0; i < link->fetches.len && i < MAX_SENT; i++)
		if (link->fetches.items[i].request.request == fetched->request && link->fetches.items[i].is_sent) {
			finish(link, i, fetched);
			return;
		}
}

static void on_message(void *ctx, struct message *message)
{
	struct sender_link *link = ctx;

	switch (message->type) {
	case MESSAGE_FETCH_PROGRESS:
		link->events.progress(link->events.ctx, message->payload);
		break;
	case MESSAGE_DEBUG_FETCHED:
		on_fetched(link, message->payload);
		break;
	default:
		count(COUNTER_bad_messages);
	}
}

void sender_link_serve(struct sender_link *link, uint64_t now_ns, bool is_writable)
{
	if (!link->is_running)
		return;
	if (worker_serve(&link->worker, now_ns, is_writable, on_message, link))
		ended(link, false, now_ns);
	else
		send_queue(link);
}

static void start_due(struct sender_link *link, uint64_t now_ns)
{
	int err;

	if (now_ns < link->not_before_ns)
		return;
	if (link->starts == MAX_STARTS) {
		sender_link_give_up(link, -EPIPE);
		return;
	}
	link->starts++;
	err = start(link, now_ns);
	link->is_running = true;
	if (err) {
		log_write(LOG_WARN, MODULE, "cannot start the sender: %s", err_name(err));
		ended(link, false, now_ns);
		return;
	}
	send_queue(link);
}

void sender_link_tick(struct sender_link *link, uint64_t now_ns)
{
	if (!link->fetches.len && !link->worker.is_pinged)
		link->worker.last_heard_ns = now_ns;
	else if (!link->is_running && link->fetches.len)
		start_due(link, now_ns);
	else if (link->is_running && now_ns - link->worker.last_heard_ns > DEADLINE_NS)
		ended(link, true, now_ns);
}

size_t sender_link_outstanding(const struct sender_link *link)
{
	return link->fetches.len;
}

struct worker *sender_link_worker(struct sender_link *link)
{
	return &link->worker;
}
