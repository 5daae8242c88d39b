/* SPDX-License-Identifier: Apache-2.0 */
#include "profile_session_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/vec.h"
#include "cli/session_downloads.h"

#define MAX_RESOLVERS 16 /* that may break, one file each */
#define DELETED " (deleted)"

/* A descriptor is kept for each file that was found, here and by the resolver. */
static void raise_descriptor_limit(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files))
		return;
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}

int profile_session_start(struct profile_session *session, uint32_t demangle,
			  const struct downloads_settings *downloads)
{
	int err = 0;

	*session = (struct profile_session){.opener = ROLE_LINK_NONE, .resolver = ROLE_LINK_NONE, .demangle = demangle};
	vec_init(&session->files, PROFILE_FILES_MAX);
	raise_descriptor_limit();
	if (downloads)
		err = profile_session_start_downloads(session, downloads);
	session->resolver.has_servers = downloads;
	return err ? err : role_link_start(&session->opener, ROLE_OPENER, 0);
}

void profile_session_release(struct profile_session *session)
{
	role_link_end(&session->opener, session->is_opener_lost);
	role_link_end(&session->resolver, true);
	session_downloads_free(session->downloads);
	vec_for_each (&session->files, file) {
		cleanup_close(&file->fd);
		free((char *)file->told.path);
		free(file->found);
	}
	vec_release(&session->files);
}

struct session_file *profile_session_file(struct profile_session *session, uint32_t object)
{
	return object && object <= session->files.len ? &session->files.items[object - 1] : NULL;
}

void profile_session_spell_path(const struct session_file *file, char to[MESSAGE_MAX_PATH + 1])
{
	size_t len = strnlen(file->told.path, MESSAGE_MAX_PATH + 1), suffix = strlen(DELETED);

	if (len > MESSAGE_MAX_PATH)
		len = 0;
	if (len > suffix && !memcmp(file->told.path + len - suffix, DELETED, suffix))
		len -= suffix;
	memcpy(to, file->told.path, len);
	to[len] = '\0';
}

static int answer_debug(struct profile_session *session, const struct message_want_debug *want)
{
	struct profile_search search = {.request = {.kind = want->kind, .place = want->place, .id_len = want->id_len},
					.fd = -1};
	const struct session_file *file = profile_session_file(session, want->object);
	struct {
		struct message_debug_opened head;
		char found[MESSAGE_MAX_PATH];
	} answer;
	char path[MESSAGE_MAX_PATH + 1] = "", *slash;
	uint32_t request = want->request;
	int err;

	if (want->kind == DEBUG_REMOTE && session->downloads) {
		profile_session_want_download(session, want);
		return session->answer_err;
	}
	memcpy(search.request.id, want->id, sizeof(search.request.id));
	if (file)
		profile_session_spell_path(file, path);
	slash = strrchr(path, '/');
	err = snprintf(search.path, sizeof(search.path), "%.*s/%.*s", slash ? (int)(slash - path) : 0, path,
		       (int)want->name_len, (const char *)(want + 1)) > MESSAGE_MAX_PATH;
	if (err)
		search.path[0] = '\0';
	err = profile_session_open_debug(session, &search);
	if (err)
		return err;
	answer.head = search.answer;
	answer.head.request = request;
	memcpy(answer.found, search.found, answer.head.path_len);
	err = role_link_send(&session->resolver, MESSAGE_DEBUG_FILE, &answer,
			     sizeof(answer.head) + answer.head.path_len, search.fd);
	cleanup_close(&search.fd);
	return err;
}

static void note(struct profile_session *session, const struct message *message)
{
	const struct message_parsing *parsing = message->payload;

	if (message->type == MESSAGE_PARSING) {
		session->looking_at = parsing->object;
		session->is_looking_at_debug = parsing->is_debug;
	} else if (message->type == MESSAGE_PARSED) {
		session->looking_at = 0;
	}
}

/* What a resolver that broke had said, and nobody had heard yet. */
static void hear_out(struct profile_session *session)
{
	struct message message;

	while (session->resolver.channel && !role_link_receive(&session->resolver, &message)) {
		note(session, &message);
		message_release(&message);
	}
}

int profile_session_receive(struct profile_session *session, uint16_t type, uint32_t object, struct message *ret)
{
	for (;;) {
		int err = profile_session_wait(session);

		if (!err)
			err = role_link_receive(&session->resolver, ret);
		if (err)
			return err;
		note(session, ret);
		if (ret->type == type &&
		    (type != MESSAGE_PARSED || ((const struct message_parsed *)ret->payload)->object == object))
			return 0;
		if (ret->type == MESSAGE_WANT_DEBUG)
			err = answer_debug(session, ret->payload);
		else if (ret->type == MESSAGE_SOURCES && session->downloads)
			session_downloads_sources(session->downloads, ret->payload);
		message_release(ret);
		if (err)
			return err;
	}
}

static int add_file(struct profile_session *session, const struct profile_file *told)
{
	struct session_file *file;
	int err = vec_reserve(&session->files, session->files.len + 1);

	if (err)
		return err;
	file = vec_push_reserved(&session->files);
	*file = (struct session_file){.told = *told, .fd = -1};
	file->told.path = strdup(told->path);
	return file->told.path ? 0 : -ENOMEM;
}

/* The list as it comes: new, or what became of the files that are known. */
static int take_file(struct profile_session *session, const struct profile_file *told)
{
	struct session_file *file = profile_session_file(session, told->object);
	const char *path;

	if (!file)
		return told->object == session->files.len + 1 ? add_file(session, told) : -EBADMSG;
	path = file->told.path;
	file->told = *told;
	file->told.path = path;
	return 0;
}

static int receive_files(struct profile_session *session, int *ret_profile_err)
{
	struct profile_file told;
	struct profile_files list;
	struct message message;
	auto_close int fd = -1;
	int err = profile_session_receive(session, MESSAGE_PROFILE_FILES, 0, &message), n = 0;

	if (err)
		return err;
	*ret_profile_err = ((const struct message_profile_files *)message.payload)->err;
	fd = take_fd(&message.fd);
	message_release(&message);
	if (*ret_profile_err)
		return 0;
	err = profile_files_open(fd, &list);
	if (err)
		return err;
	while (!err && (n = profile_files_next(&list, &told)) > 0)
		err = take_file(session, &told);
	profile_files_release(&list);
	return err ? err : n;
}

static int receive_profile(struct profile_session *session, int *ret_fd)
{
	const struct message_symbolized *symbolized;
	struct message message;
	int err = profile_session_receive(session, MESSAGE_SYMBOLIZED, 0, &message);

	if (err)
		return err;
	symbolized = message.payload;
	session->named = symbolized->named;
	session->unnamed = symbolized->unnamed;
	session->lined = symbolized->lined;
	err = symbolized->err;
	if (!err)
		*ret_fd = take_fd(&message.fd);
	message_release(&message);
	return err;
}

static int converse(struct profile_session *session, int profile_fd, int *ret_profile_err, int *ret_fd)
{
	int err = role_link_start(&session->resolver, ROLE_RESOLVER, session->demangle);

	session->looking_at = 0;
	if (!err)
		err = role_link_send(&session->resolver, MESSAGE_PROFILE, "", 0, profile_fd);
	if (!err)
		err = receive_files(session, ret_profile_err);
	if (err || *ret_profile_err)
		return err;
	err = profile_session_send_files(session);
	if (!err)
		err = role_link_send(&session->resolver, MESSAGE_SYMBOLIZE, "", 0, -1);
	if (!err)
		err = receive_files(session, ret_profile_err);
	return err ? err : receive_profile(session, ret_fd);
}

/* Does without what the resolver broke at. false: that is not known. */
static bool avoid(struct profile_session *session)
{
	struct session_file *file = profile_session_file(session, session->looking_at);
	uint32_t flag = session->is_looking_at_debug ? OBJECT_LONE : OBJECT_QUARANTINED;

	if (!file || session->is_opener_lost || file->flags & OBJECT_QUARANTINED)
		return false;
	file->flags |= file->flags & flag ? OBJECT_QUARANTINED : flag;
	if (file->flags & OBJECT_QUARANTINED && file->state == SESSION_FILE_UNSOUGHT)
		file->state = SESSION_FILE_MISSING;
	return true;
}

int profile_session_symbolize(struct profile_session *session, int profile_fd, bool *ret_is_profile_bad, int *ret_fd)
{
	int profile_err = 0, err;

	for (int tries = 0; tries < MAX_RESOLVERS; tries++) {
		err = converse(session, profile_fd, &profile_err, ret_fd);
		if (err == -EPIPE && !session->is_opener_lost)
			hear_out(session);
		session->wait_status = role_link_end(&session->resolver, err == -ETIMEDOUT);
		if ((err != -EPIPE && err != -ETIMEDOUT) || !avoid(session))
			break;
	}
	*ret_is_profile_bad = !err && profile_err;
	return err ? err : profile_err;
}
