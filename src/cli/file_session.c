/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/file_session.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/session_downloads.h"
#include "opener/debug_file.h"

static int open_places(struct file_session *session, const char **ret_bad_directory)
{
	for (size_t i = 0; i < DEBUG_MAX_DIRECTORIES; i++)
		session->directory_fds[i] = -1;
	session->root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (session->root_fd < 0)
		return -errno;
	for (size_t i = 0; i < session->n_debug_directories; i++) {
		const char *path = session->debug_directories[i];

		session->directory_fds[i] = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (session->directory_fds[i] >= 0)
			continue;
		*ret_bad_directory = path;
		return -errno;
	}
	session->real_path = realpath(session->path, NULL);
	return 0;
}

static int send_answer(struct file_session *session, const struct message_debug_opened *opened, const char *where,
		       int fd)
{
	struct {
		struct message_debug_opened head;
		char where[MESSAGE_MAX_PATH];
	} answer = {.head = *opened};

	answer.head.path_len = (uint32_t)strnlen(where, sizeof(answer.where));
	memcpy(answer.where, where, answer.head.path_len);
	return role_link_send(&session->resolver, MESSAGE_DEBUG_FILE, &answer,
			      sizeof(answer.head) + answer.head.path_len, fd);
}

/* Of what is downloaded, or was before. */
static void answer_later(void *ctx, const struct message_debug_opened *opened, const char *where, int fd)
{
	struct file_session *session = ctx;
	int err = send_answer(session, opened, where, fd);

	if (!opened->err)
		memcpy(session->found[DEBUG_REMOTE], where, strlen(where) + 1);
	if (err && !session->answer_err)
		session->answer_err = err;
}

int file_session_start(struct file_session *session, const char **ret_bad_directory)
{
	int err;

	*ret_bad_directory = NULL;
	session->debug_path = session->supplementary_path = "";
	err = open_places(session, ret_bad_directory);
	if (!err && session->downloads)
		err = session_downloads_new(session->downloads, answer_later, session, &session->session_downloads);
	session->resolver.has_servers = session->downloads;
	return err ? err : role_link_start(&session->resolver, ROLE_RESOLVER, session->demangle);
}

int file_session_end(struct file_session *session, bool is_hung)
{
	session_downloads_free(session->session_downloads);
	free(session->real_path);
	cleanup_close(&session->root_fd);
	for (size_t i = 0; i < DEBUG_MAX_DIRECTORIES; i++)
		cleanup_close(&session->directory_fds[i]);
	return role_link_end(&session->resolver, is_hung);
}

int file_session_send_object(struct file_session *session, int fd)
{
	struct {
		struct message_object head;
		char path[MESSAGE_MAX_PATH];
	} message = {0};
	size_t len = strlen(session->path);
	struct stat st;

	if (len > sizeof(message.path))
		return -ENAMETOOLONG;
	if (fstat(fd, &st))
		return -errno;
	message.head = (struct message_object){
		.object = THE_OBJECT,
		.kind = OBJECT_FILE,
		.dev = st.st_dev,
		.ino = st.st_ino,
		.size = (uint64_t)st.st_size,
		.expected_dev = st.st_dev,
		.expected_ino = st.st_ino,
		.path_len = (uint32_t)len,
	};
	memcpy(message.path, session->path, len);
	return role_link_send(&session->resolver, MESSAGE_OBJECT, &message, sizeof(message.head) + len, fd);
}

/* The folder of the file, '/', and the name. */
static void spell_debug_path(const struct file_session *session, const struct message_want_debug *want,
			     char to[MESSAGE_MAX_PATH + 1])
{
	const char *slash = session->real_path ? strrchr(session->real_path, '/') : NULL;
	int folder = slash ? (int)(slash - session->real_path) : 0;
	int n = snprintf(to, MESSAGE_MAX_PATH + 1, "%.*s/%.*s", folder, session->real_path ? session->real_path : "",
			 (int)want->name_len, (const char *)(want + 1));

	if (n > MESSAGE_MAX_PATH)
		to[0] = '\0';
}

static int open_wanted(struct file_session *session, const struct message_want_debug *want,
		       struct message_debug_opened *ret, char found[MESSAGE_MAX_PATH + 1], int *ret_fd)
{
	const struct debug_places places = {.own_root = session->root_fd,
					    .host_root = -1,
					    .directories = session->directory_fds,
					    .n_directories = session->n_debug_directories};
	struct message_open_debug request = {
		.kind = want->kind, .place = want->place, .request = want->request, .id_len = want->id_len};
	char path[MESSAGE_MAX_PATH + 1];

	if (want->kind == DEBUG_TEMPORARY)
		return debug_file_temporary(NULL, ret_fd);
	memcpy(request.id, want->id, sizeof(request.id));
	spell_debug_path(session, want, path);
	return debug_file_open(&places, &request, path, ret, found, ret_fd);
}

/* As the opener of a recording does it, with the caller's rights. */
static int answer_debug(struct file_session *session, const struct message_want_debug *want)
{
	struct message_debug_opened opened = {.request = want->request};
	char found[MESSAGE_MAX_PATH + 1] = "";
	const char *slash = strrchr(session->path, '/');
	auto_close int fd = -1;

	if (want->kind == DEBUG_REMOTE && session->session_downloads) {
		session_downloads_want(session->session_downloads, want, slash ? slash + 1 : session->path);
		return session->answer_err;
	}
	opened.err = open_wanted(session, want, &opened, found, &fd);
	if (!opened.err)
		memcpy(session->found[want->kind], found, strlen(found) + 1);
	return send_answer(session, &opened, found, fd);
}

/* The last file that was found of a kind is the one that serves, if any does. */
static void keep_sources(struct file_session *session, const struct message_sources *sources)
{
	session->sources = *sources;
	session->has_sources = true;
	for (uint32_t i = 0; i < sources->n; i++) {
		if (sources->sources[i].err)
			continue;
		if (sources->sources[i].kind == SOURCE_BUILD_ID)
			session->debug_path = session->found[DEBUG_BUILD_ID];
		else if (sources->sources[i].kind == SOURCE_LINK)
			session->debug_path = session->found[DEBUG_LINK];
		else if (sources->sources[i].kind == SOURCE_SUPPLEMENTARY)
			session->supplementary_path = session->found[DEBUG_SUPPLEMENTARY];
		else if (sources->sources[i].kind == SOURCE_SERVER)
			session->debug_path = session->found[DEBUG_REMOTE];
	}
	if (session->session_downloads)
		session_downloads_sources(session->session_downloads, sources);
}

/* 0: the resolver says something. */
static int wait_for_resolver(struct file_session *session)
{
	bool is_readable = false;
	int err = 0;

	while (!err && !is_readable) {
		err = session_downloads_wait(session->session_downloads, channel_fd(session->resolver.channel),
					     &is_readable);
		if (!err)
			err = session->answer_err;
	}
	return err;
}

int file_session_receive(struct file_session *session, uint16_t type, struct message *ret)
{
	for (;;) {
		int err = wait_for_resolver(session);

		if (!err)
			err = role_link_receive(&session->resolver, ret);
		if (err)
			return err;
		if (ret->type == MESSAGE_SOURCES)
			keep_sources(session, ret->payload);
		if (ret->type == type)
			return 0;
		err = ret->type == MESSAGE_WANT_DEBUG ? answer_debug(session, ret->payload) : 0;
		message_release(ret);
		if (err)
			return err;
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
