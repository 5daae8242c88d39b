/* SPDX-License-Identifier: Apache-2.0 */
#include "debuginfod.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "net/http_client.h"

#define MODULE "sender"
#define CONNECT_MS 15000
/* As elfutils' client: so much in the time that the caller gives, or it is given up. */
#define STALL_BYTES (100u << 10)
#define MAX_REDIRECTS 5
/* In a row, of one server. */
#define MAX_FAILURES 3
#define URL_BYTES (MESSAGE_MAX_PATH + 2 * DEBUG_ID_MAX + 64)

struct server {
	char *url;
	unsigned int failures; /* to reach it, in a row */
	int err;	       /* of the last */
};

struct download {
	struct download *next;
	struct debuginfod *debuginfod;
	struct message_fetch_debug request;
	uint32_t server;
	int fd;
	int err; /* the most telling so far */
	unsigned int status;
	uint64_t offset;
	struct http_transfer *transfer; /* NULL: none */
	char url[URL_BYTES];
};

struct debuginfod {
	struct http_client *client;
	struct debuginfod_events events;
	struct server servers[DEBUG_MAX_SERVERS];
	uint32_t n_servers;
	struct download *downloads;
};

int debuginfod_new(struct http_client *client, const struct debuginfod_events *events, struct debuginfod **ret)
{
	struct debuginfod *debuginfod = calloc(1, sizeof(*debuginfod));

	if (!debuginfod)
		return -ENOMEM;
	debuginfod->client = client;
	debuginfod->events = *events;
	*ret = debuginfod;
	return 0;
}

static void download_free(struct download *download)
{
	struct download **link = &download->debuginfod->downloads;

	while (*link && *link != download)
		link = &(*link)->next;
	if (*link)
		*link = download->next;
	if (download->transfer)
		http_client_cancel(download->debuginfod->client, download->transfer);
	cleanup_close(&download->fd);
	free(download);
}

void debuginfod_free(struct debuginfod *debuginfod)
{
	if (!debuginfod)
		return;
	while (debuginfod->downloads)
		download_free(debuginfod->downloads);
	for (uint32_t i = 0; i < debuginfod->n_servers; i++)
		free(debuginfod->servers[i].url);
	free(debuginfod);
}

int debuginfod_add_server(struct debuginfod *debuginfod, const char *url)
{
	char *copy;

	if (debuginfod->n_servers == DEBUG_MAX_SERVERS)
		return -E2BIG;
	copy = strdup(url);
	if (!copy)
		return -ENOMEM;
	debuginfod->servers[debuginfod->n_servers++].url = copy;
	return 0;
}

static void finish(struct download *download, int err)
{
	const struct debuginfod_events events = download->debuginfod->events;
	uint32_t last = download->debuginfod->n_servers ? download->debuginfod->n_servers - 1 : 0;
	const struct message_debug_fetched fetched = {.request = download->request.request,
						      .err = err,
						      .server = download->server < last ? download->server : last,
						      .status = download->status,
						      .bytes = err ? 0 : download->offset};

	download_free(download);
	events.fetched(events.ctx, &fetched);
}

static int on_body(void *ctx, const void *bytes, size_t n)
{
	struct download *download = ctx;
	const char *from = bytes;

	while (n) {
		ssize_t done = pwrite(download->fd, from, n, (off_t)download->offset);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -errno;
		from += done;
		n -= (size_t)done;
		download->offset += (uint64_t)done;
	}
	return 0;
}

/* Not reached: not this file's doing. */
static bool is_of_server(int err)
{
	return err == -EHOSTUNREACH || err == -ECONNREFUSED || err == -ETIMEDOUT || err == -EKEYREJECTED;
}

/* That a server does not have it says less than that one could not say. */
static void note(struct download *download, int err, unsigned int status)
{
	if (download->err != -ENOENT)
		return;
	download->err = err;
	download->status = status;
}

static void ask_servers(struct download *download);

static void on_done(void *ctx, const struct http_reply *reply)
{
	struct download *download = ctx;
	struct server *server = &download->debuginfod->servers[download->server];

	download->transfer = NULL;
	if (is_of_server(reply->err) && !reply->body_bytes) {
		server->failures++;
		server->err = reply->err;
	} else {
		server->failures = 0;
	}
	if (!reply->err && download->offset) {
		download->status = reply->status;
		finish(download, 0);
		return;
	}
	log_write(LOG_DEBUG, MODULE, "%s: status %u, %s: %s", download->url, reply->status, err_name(reply->err),
		  reply->text);
	note(download, reply->err ? reply->err : -ENODATA, reply->status);
	if (download->offset && ftruncate(download->fd, 0)) {
		finish(download, -errno);
		return;
	}
	download->offset = 0;
	download->server++;
	ask_servers(download);
}

static int spell_url(struct download *download)
{
	const struct message_fetch_debug *request = &download->request;
	const char *base = download->debuginfod->servers[download->server].url;
	bool has_slash = *base && base[strlen(base) - 1] == '/';
	int len = snprintf(download->url, sizeof(download->url), "%s%sbuildid/", base, has_slash ? "" : "/");

	if (len < 0 || len + 2 * (int)request->id_len + (int)sizeof("/debuginfo") > (int)sizeof(download->url))
		return -ENAMETOOLONG;
	for (uint32_t i = 0; i < request->id_len; i++)
		len += snprintf(download->url + len, 3, "%02x", request->id[i]);
	memcpy(download->url + len, "/debuginfo", sizeof("/debuginfo"));
	return 0;
}

static int ask(struct download *download)
{
	const struct message_fetch_debug *fetch = &download->request;
	struct http_request request = {.max_bytes = fetch->max_bytes,
				       .connect_ms = CONNECT_MS,
				       .stall_seconds = fetch->stall_seconds,
				       .stall_bytes = STALL_BYTES,
				       .total_seconds = fetch->total_seconds,
				       .max_redirects = MAX_REDIRECTS,
				       .on_body = on_body,
				       .on_done = on_done,
				       .ctx = download};
	int err = spell_url(download);

	request.url = download->url;
	if (fetch->stall_seconds && fetch->stall_seconds * 1000ull < request.connect_ms)
		request.connect_ms = fetch->stall_seconds * 1000;
	return err ? err : http_client_start(download->debuginfod->client, &request, &download->transfer);
}

/* From download->server on. */
static void ask_servers(struct download *download)
{
	const struct debuginfod *debuginfod = download->debuginfod;

	for (; download->server < debuginfod->n_servers; download->server++) {
		const struct server *server = &debuginfod->servers[download->server];
		int err = server->failures >= MAX_FAILURES ? server->err : ask(download);

		if (!err)
			return;
		note(download, err, 0);
	}
	finish(download, download->err);
}

void debuginfod_fetch(struct debuginfod *debuginfod, const struct message_fetch_debug *request, int fd)
{
	struct download *download = calloc(1, sizeof(*download));
	const struct message_debug_fetched failed = {.request = request->request, .err = -ENOMEM};

	if (!download) {
		cleanup_close(&fd);
		debuginfod->events.fetched(debuginfod->events.ctx, &failed);
		return;
	}
	download->debuginfod = debuginfod;
	download->request = *request;
	download->server = request->server;
	download->fd = fd;
	download->err = -ENOENT;
	download->next = debuginfod->downloads;
	debuginfod->downloads = download;
	if (debuginfod->client)
		ask_servers(download);
	else
		finish(download, -ENOPKG);
}

void debuginfod_tell_progress(const struct debuginfod *debuginfod)
{
	for (const struct download *download = debuginfod->downloads; download; download = download->next) {
		struct message_fetch_progress progress = {.request = download->request.request,
							  .server = download->server};

		if (download->transfer)
			http_client_progress(debuginfod->client, download->transfer, &progress.bytes, &progress.total);
		debuginfod->events.progress(debuginfod->events.ctx, &progress);
	}
}

bool debuginfod_is_busy(const struct debuginfod *debuginfod)
{
	return debuginfod->downloads;
}
