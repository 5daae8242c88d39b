/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/downloads.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/counters.h"
#include "base/err.h"
#include "base/log.h"
#include "base/map.h"
#include "base/text.h"
#include "base/vec.h"
#include "collector/sender_link.h"

#define MODULE "collector"
#define MAX_DOWNLOADS 16384
#define MAX_WAITING 65536
#define NAME_BYTES 64
#define WARNINGS_A_MINUTE 4

struct download_key {
	uint32_t server, id_len;
	uint8_t id[DEBUG_ID_MAX];
};
_Static_assert(sizeof(struct download_key) == 2 * 4 + DEBUG_ID_MAX, "download_key is hashed as bytes");

enum state { STATE_WANTS_FILE, STATE_FETCHING, STATE_SETTLED };

struct download {
	struct download_key key;
	enum state state;
	int fd, err;
	uint32_t server; /* that had it */
	uint64_t bytes, total;
	bool is_kept;
	char name[NAME_BYTES];
};

struct waiting {
	uint32_t number, download;
};

struct download_vec VEC(struct download);
struct waiting_vec VEC(struct waiting);

struct downloads {
	struct downloads_options options;
	struct sender_link *sender;
	struct map by_key;    /* struct download_key -> index + 1 */
	struct map by_number; /* uint32_t -> index + 1, of what was given */
	struct download_vec items;
	struct waiting_vec waiting;
	uint64_t bytes; /* of all */
	size_t outstanding;
	bool is_over;
	struct log_limit failure_limit;
};

static void on_progress(void *ctx, const struct message_fetch_progress *progress);
static void on_fetched(void *ctx, const struct message_debug_fetched *fetched);

int downloads_new(const struct downloads_options *options, struct downloads **ret)
{
	struct downloads *downloads = calloc(1, sizeof(*downloads));
	const struct sender_events events = {.progress = on_progress, .fetched = on_fetched, .ctx = downloads};
	int err;

	if (!downloads)
		return -ENOMEM;
	downloads->options = *options;
	downloads->failure_limit.burst = WARNINGS_A_MINUTE;
	map_init(&downloads->by_key, sizeof(struct download_key), sizeof(uint32_t), MAX_DOWNLOADS);
	map_init(&downloads->by_number, sizeof(uint32_t), sizeof(uint32_t), MAX_WAITING);
	vec_init(&downloads->items, MAX_DOWNLOADS);
	vec_init(&downloads->waiting, MAX_WAITING);
	err = sender_link_new(&options->sender, options->settings->servers, options->settings->n_servers, &events,
			      &downloads->sender);
	if (err) {
		downloads_free(downloads);
		return err;
	}
	*ret = downloads;
	return 0;
}

void downloads_free(struct downloads *downloads)
{
	if (!downloads)
		return;
	sender_link_free(downloads->sender);
	vec_for_each (&downloads->items, download)
		cleanup_close(&download->fd);
	vec_release(&downloads->items);
	vec_release(&downloads->waiting);
	map_release(&downloads->by_key);
	map_release(&downloads->by_number);
	free(downloads);
}

static void tell(struct downloads *downloads, uint32_t number, uint32_t index)
{
	const struct downloads_options *options = &downloads->options;
	const struct download *download = &downloads->items.items[index];
	const char *where = download->err ? "" : options->settings->servers[download->server];
	uint32_t *slot;
	bool is_new;

	/* Without room it is not kept, no more. */
	if (!download->err && !map_insert(&downloads->by_number, &number, (void **)&slot, &is_new))
		*slot = index + 1;
	options->settled(options->ctx, number, download->err, download->server, where, download->fd);
}

static void count_failure(int err)
{
	if (err == -ENOENT)
		count(COUNTER_debuginfod_not_found);
	else
		count(COUNTER_debuginfod_failed);
}

static void tell_failure(struct downloads *downloads, const struct download *download)
{
	bool is_told = download->err != -ENOENT && !downloads->is_over &&
		       log_limit_passes(&downloads->failure_limit, clock_mono_ns(&clock_system));

	log_write(is_told ? LOG_WARN : LOG_DEBUG, MODULE, "no debug file for %s from debuginfod: %s", download->name,
		  err_name(download->err));
}

/* What waits may ask anew when it is told, so the list is looked through from the start each time. */
static void settle(struct downloads *downloads, uint32_t index, int err)
{
	struct download *download = &downloads->items.items[index];

	if (download->state == STATE_SETTLED)
		return;
	download->state = STATE_SETTLED;
	download->err = err;
	downloads->outstanding--;
	if (err) {
		cleanup_close(&download->fd);
		download->fd = -1;
		count_failure(err);
		tell_failure(downloads, download);
	} else {
		count(COUNTER_debuginfod_files);
	}
	for (size_t i = 0; i < downloads->waiting.len;) {
		struct waiting waiting = downloads->waiting.items[i];

		if (waiting.download != index) {
			i++;
			continue;
		}
		downloads->waiting.items[i] = downloads->waiting.items[--downloads->waiting.len];
		tell(downloads, waiting.number, index);
		i = 0;
	}
}

static void on_progress(void *ctx, const struct message_fetch_progress *progress)
{
	struct downloads *downloads = ctx;
	struct download *download;

	if (progress->request >= downloads->items.len)
		return;
	download = &downloads->items.items[progress->request];
	download->bytes = progress->bytes;
	download->total = progress->total;
}

static void on_fetched(void *ctx, const struct message_debug_fetched *fetched)
{
	struct downloads *downloads = ctx;
	struct download *download;

	if (fetched->request >= downloads->items.len)
		return;
	download = &downloads->items.items[fetched->request];
	/* The sender is believed in nothing that is used as an index. */
	if (fetched->server < downloads->options.settings->n_servers)
		download->server = fetched->server;
	downloads->bytes += fetched->bytes;
	if (fetched->err && fetched->status)
		log_write(LOG_DEBUG, MODULE, "debuginfod: %s: HTTP status %u", download->name, fetched->status);
	settle(downloads, fetched->request, fetched->err);
}

/* A new download; NULL: no room. */
static struct download *add(struct downloads *downloads, const struct download_key *key, const char *name,
			    uint32_t *ret_index)
{
	struct download *download;
	uint32_t *slot;
	bool is_new;

	if (map_insert(&downloads->by_key, key, (void **)&slot, &is_new))
		return NULL;
	if (!is_new) {
		*ret_index = *slot - 1;
		return &downloads->items.items[*ret_index];
	}
	download = vec_push(&downloads->items);
	if (!download) {
		map_remove(&downloads->by_key, key);
		return NULL;
	}
	*ret_index = (uint32_t)downloads->items.len - 1;
	*slot = *ret_index + 1;
	*download = (struct download){.key = *key, .fd = -1, .server = key->server};
	text_copy(download->name, sizeof(download->name), name);
	downloads->outstanding++;
	return download;
}

/* The end of one that has not begun. */
static int begin(struct downloads *downloads, uint32_t index)
{
	if (downloads->is_over)
		return -ETIMEDOUT;
	if (downloads->bytes >= DOWNLOADS_MAX_BYTES)
		return -EDQUOT;
	return downloads->options.want_file(downloads->options.ctx, index);
}

int downloads_want(struct downloads *downloads, uint32_t number, const uint8_t *id, uint32_t id_len, uint32_t server,
		   const char *name)
{
	struct download_key key = {.server = server, .id_len = id_len};
	size_t before = downloads->items.len;
	struct download *download;
	struct waiting *waiting;
	uint32_t index;
	int err;

	if (server >= downloads->options.settings->n_servers || id_len > DEBUG_ID_MAX)
		return -ENOENT;
	memcpy(key.id, id, id_len);
	download = add(downloads, &key, name, &index);
	waiting = download ? vec_push(&downloads->waiting) : NULL;
	if (!waiting)
		return -ENOBUFS;
	*waiting = (struct waiting){number, index};
	if (downloads->items.len > before) {
		err = begin(downloads, index);
		if (err)
			settle(downloads, index, err);
	} else if (download->state == STATE_SETTLED) {
		downloads->waiting.len--;
		tell(downloads, number, index);
	}
	return 0;
}

void downloads_file(struct downloads *downloads, uint32_t index, int err, int fd)
{
	const struct downloads_settings *settings = downloads->options.settings;
	auto_close int taken = fd;
	struct message_fetch_debug request = {.request = index,
					      .stall_seconds = settings->stall_seconds,
					      .total_seconds = settings->total_seconds,
					      .max_bytes = DOWNLOADS_MAX_BYTES - downloads->bytes};
	struct download *download;

	if (index >= downloads->items.len || downloads->items.items[index].state != STATE_WANTS_FILE)
		return;
	download = &downloads->items.items[index];
	if (settings->max_bytes < request.max_bytes)
		request.max_bytes = settings->max_bytes;
	request.server = download->key.server;
	request.id_len = download->key.id_len;
	memcpy(request.id, download->key.id, sizeof(request.id));
	if (!err)
		err = downloads->is_over ? -ETIMEDOUT : sender_link_fetch(downloads->sender, &request, taken);
	if (err) {
		settle(downloads, index, err);
		return;
	}
	download->state = STATE_FETCHING;
	download->fd = take_fd(&taken);
}

void downloads_accepted(struct downloads *downloads, uint32_t number)
{
	const struct downloads_options *options = &downloads->options;
	const uint32_t *slot = map_find(&downloads->by_number, &number);
	struct message_keep_debug keep = {0};
	struct download *download;

	if (!slot)
		return;
	download = &downloads->items.items[*slot - 1];
	if (download->is_kept || !options->settings->cache)
		return;
	download->is_kept = true;
	keep.id_len = download->key.id_len;
	memcpy(keep.id, download->key.id, sizeof(keep.id));
	options->keep(options->ctx, &keep, download->fd);
}

void downloads_give_up(struct downloads *downloads)
{
	if (downloads->is_over)
		return;
	downloads->is_over = true;
	for (size_t i = 0; i < downloads->outstanding; i++)
		count(COUNTER_debuginfod_late);
	sender_link_give_up(downloads->sender, -ETIMEDOUT);
	for (uint32_t i = 0; i < downloads->items.len; i++)
		settle(downloads, i, -ETIMEDOUT);
}

void downloads_serve(struct downloads *downloads, uint64_t now_ns, bool is_writable)
{
	sender_link_serve(downloads->sender, now_ns, is_writable);
}

void downloads_tick(struct downloads *downloads, uint64_t now_ns)
{
	sender_link_tick(downloads->sender, now_ns);
}

size_t downloads_outstanding(const struct downloads *downloads)
{
	return downloads->outstanding;
}

static double megabytes(uint64_t bytes)
{
	return (double)bytes / 1e6;
}

static uint64_t left_of(const struct download *download)
{
	return download->total > download->bytes ? download->total - download->bytes : 0;
}

/* The one that has most to come, and how many others. */
bool downloads_describe(const struct downloads *downloads, char *to, size_t size)
{
	const struct download *shown = NULL;
	int len;

	for (size_t i = 0; i < downloads->items.len; i++) {
		const struct download *download = &downloads->items.items[i];

		if (download->state != STATE_SETTLED && (!shown || left_of(download) > left_of(shown)))
			shown = download;
	}
	if (!shown)
		return false;
	if (shown->total)
		len = snprintf(to, size, "%s %.1f of %.1f MB", shown->name, megabytes(shown->bytes),
			       megabytes(shown->total));
	else
		len = snprintf(to, size, "%s %.1f MB", shown->name, megabytes(shown->bytes));
	if (downloads->outstanding > 1 && len > 0 && (size_t)len < size)
		snprintf(to + len, size - (size_t)len, ", and %zu more", downloads->outstanding - 1);
	return true;
}

struct worker *downloads_worker(struct downloads *downloads)
{
	return sender_link_worker(downloads->sender);
}
