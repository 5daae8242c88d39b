/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/session_downloads.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "cli/progress.h"
#include "cli/role_link.h"
#include "ipc/confine.h"
#include "opener/debug_cache.h"
#include "opener/debug_file.h"

#define MODULE "symbols"
/* While something is downloaded. */
#define DOWNLOAD_TICK_MS 100

struct session_downloads {
	struct downloads *downloads;
	struct debug_cache cache;
	struct progress *progress;
	session_downloads_answer answer;
	void *ctx;
	int epoll_fd;
	uint64_t next_note_ns;
};

static int want_file(void *ctx, uint32_t download)
{
	struct session_downloads *session = ctx;
	int fd = -1, err = debug_cache_temporary(&session->cache, &fd);

	if (err)
		err = debug_file_temporary(NULL, &fd);
	downloads_file(session->downloads, download, err, fd);
	return 0;
}

static void on_settled(void *ctx, uint32_t number, int err, uint32_t server, const char *where, int fd)
{
	const struct session_downloads *session = ctx;
	const struct message_debug_opened opened = {
		.request = number, .err = err, .place = DEBUG_SERVER_PLACE + server, .origin = DEBUG_ORIGIN_SERVER};

	session->answer(session->ctx, &opened, where, fd);
}

static void keep_debug(void *ctx, const struct message_keep_debug *keep, int fd)
{
	struct session_downloads *session = ctx;
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	int err = copy < 0 ? -errno : debug_cache_keep(&session->cache, keep->id, keep->id_len, copy);

	if (err)
		log_write(LOG_INFO, MODULE, "a downloaded debug file is not kept in the cache: %s", err_name(err));
}

int session_downloads_new(const struct downloads_settings *settings, session_downloads_answer answer, void *ctx,
			  struct session_downloads **ret)
{
	struct session_downloads *session = calloc(1, sizeof(*session));
	struct downloads_options options = {.settings = settings,
					    .sender = {.role = ROLE_SENDER, .memory_bytes = SENDER_MEMORY_BYTES},
					    .want_file = want_file,
					    .settled = on_settled,
					    .keep = keep_debug};
	int err;

	if (!session)
		return -ENOMEM;
	session->answer = answer;
	session->ctx = ctx;
	debug_cache_init(&session->cache);
	session->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	err = session->epoll_fd < 0 ? -errno : 0;
	options.sender.epoll_fd = session->epoll_fd;
	options.ctx = session;
	if (!err)
		err = downloads_new(&options, &session->downloads);
	if (!err)
		err = progress_new(0, false, &session->progress);
	if (err) {
		session_downloads_free(session);
		return err;
	}
	if (settings->cache) {
		int cache_err = debug_cache_open(&session->cache, settings->cache);

		if (cache_err)
			log_write(LOG_WARN, MODULE, "downloads are not kept, %s cannot be used: %s", settings->cache,
				  err_name(cache_err));
	}
	*ret = session;
	return 0;
}

void session_downloads_free(struct session_downloads *session)
{
	if (!session)
		return;
	progress_free(session->progress);
	downloads_free(session->downloads);
	debug_cache_release(&session->cache);
	cleanup_close(&session->epoll_fd);
	free(session);
}

/* false: it is not in the cache. */
static bool answer_from_cache(struct session_downloads *session, const struct message_want_debug *want)
{
	const struct message_debug_opened opened = {
		.request = want->request, .place = want->place, .origin = DEBUG_ORIGIN_CACHE};
	char found[MESSAGE_MAX_PATH + 1];
	auto_close int fd = -1;

	if (want->place || debug_cache_find(&session->cache, want->id, want->id_len, found, sizeof(found), &fd))
		return false;
	session->answer(session->ctx, &opened, found, fd);
	return true;
}

void session_downloads_want(struct session_downloads *session, const struct message_want_debug *want, const char *name)
{
	uint32_t server = want->place < DEBUG_SERVER_PLACE ? 0 : want->place - DEBUG_SERVER_PLACE;
	struct message_debug_opened none = {
		.request = want->request, .place = want->place, .origin = DEBUG_ORIGIN_SERVER};

	if (answer_from_cache(session, want))
		return;
	none.err = downloads_want(session->downloads, want->request, want->id, want->id_len, server, name);
	if (none.err)
		session->answer(session->ctx, &none, "", -1);
	else
		downloads_tick(session->downloads, clock_mono_ns(&clock_system));
}

void session_downloads_sources(struct session_downloads *session, const struct message_sources *sources)
{
	for (uint32_t i = 0; i < sources->n; i++)
		if (!sources->sources[i].err && sources->sources[i].origin == DEBUG_ORIGIN_SERVER)
			downloads_accepted(session->downloads, sources->sources[i].request);
}

static void show_progress(struct session_downloads *session, uint64_t now_ns)
{
	char what[128], text[160];

	if (now_ns < session->next_note_ns || !downloads_describe(session->downloads, what, sizeof(what)))
		return;
	session->next_note_ns = now_ns + 250 * NSEC_PER_MSEC;
	snprintf(text, sizeof(text), "downloading %s", what);
	progress_note(session->progress, text);
}

static void serve(struct session_downloads *session)
{
	uint64_t now_ns = clock_mono_ns(&clock_system);
	struct epoll_event event;

	if (epoll_wait(session->epoll_fd, &event, 1, 0) == 1)
		downloads_serve(session->downloads, now_ns, event.events & EPOLLOUT);
	downloads_tick(session->downloads, now_ns);
	show_progress(session, now_ns);
}

void session_downloads_accepted(struct session_downloads *session, uint32_t request)
{
	downloads_accepted(session->downloads, request);
}

int session_downloads_wait(struct session_downloads *session, int fd, bool *ret_is_readable)
{
	struct pollfd fds[] = {{.fd = fd, .events = POLLIN},
			       {.fd = session ? session->epoll_fd : -1, .events = POLLIN}};
	bool is_busy = session && downloads_outstanding(session->downloads);
	int n = poll(fds, 2, is_busy ? DOWNLOAD_TICK_MS : ROLE_LINK_PATIENCE_MS);

	if (n < 0 && errno != EINTR)
		return -errno;
	if (!n && !is_busy)
		return -ETIMEDOUT;
	*ret_is_readable = n > 0 && fds[0].revents;
	if (session)
		serve(session);
	return 0;
}
