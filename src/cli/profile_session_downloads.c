/* SPDX-License-Identifier: Apache-2.0 */
#include "profile_session_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/text.h"
#include "cli/session_downloads.h"

/* Of the session itself; the resolver counts from 1. */
#define OWN_REQUEST UINT32_MAX

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static void take_own(struct profile_session *session, const struct message_debug_opened *opened, const char *where,
		     int fd)
{
	struct profile_search *search = session->download;

	session->download = NULL;
	search->answer = *opened;
	text_copy(search->found, sizeof(search->found), where);
	search->fd = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
	if (fd >= 0 && search->fd < 0)
		search->answer.err = -errno;
}

static void on_answer(void *ctx, const struct message_debug_opened *opened, const char *where, int fd)
{
	struct profile_session *session = ctx;
	struct {
		struct message_debug_opened head;
		char where[MESSAGE_MAX_PATH];
	} answer = {.head = *opened};
	int err;

	if (opened->request == OWN_REQUEST) {
		if (session->download)
			take_own(session, opened, where, fd);
		return;
	}
	answer.head.path_len = (uint32_t)strnlen(where, sizeof(answer.where));
	memcpy(answer.where, where, answer.head.path_len);
	/* A resolver that is gone is noticed where it is read from. */
	err = role_link_send(&session->resolver, MESSAGE_DEBUG_FILE, &answer,
			     sizeof(answer.head) + answer.head.path_len, fd);
	if (err && err != -EPIPE && !session->answer_err)
		session->answer_err = err;
}

int profile_session_start_downloads(struct profile_session *session, const struct downloads_settings *settings)
{
	return session_downloads_new(settings, on_answer, session, &session->downloads);
}

void profile_session_want_download(struct profile_session *session, const struct message_want_debug *want)
{
	const struct session_file *file = profile_session_file(session, want->object);

	session_downloads_want(session->downloads, want, file ? base_name(file->told.path) : "");
}

int profile_session_download(struct profile_session *session, const char *name, struct profile_search *search)
{
	struct message_want_debug want = {.request = OWN_REQUEST,
					  .kind = DEBUG_REMOTE,
					  .place = search->request.place,
					  .id_len = search->request.id_len};
	bool is_readable;
	int err = 0;

	memcpy(want.id, search->request.id, sizeof(want.id));
	session->download = search;
	session_downloads_want(session->downloads, &want, base_name(name));
	while (!err && session->download)
		err = session_downloads_wait(session->downloads, -1, &is_readable);
	session->download = NULL;
	return err;
}

void profile_session_keep_download(struct profile_session *session)
{
	session_downloads_accepted(session->downloads, OWN_REQUEST);
}

int profile_session_wait(struct profile_session *session)
{
	bool is_readable = false;
	int err = 0;

	while (!err && !is_readable) {
		err = session_downloads_wait(session->downloads, channel_fd(session->resolver.channel), &is_readable);
		if (!err)
			err = session->answer_err;
	}
	return err;
}
