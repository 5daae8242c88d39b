/* SPDX-License-Identifier: Apache-2.0 */
#include "profile_session_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"

#define MAX_TRIES 64 /* places of one file */

/* With the descriptor, which is borrowed; without one (-1): why there is none. */
static int send_object(struct profile_session *session, const struct session_file *file, int fd, int why)
{
	struct {
		struct message_object head;
		char path[MESSAGE_MAX_PATH + 1];
	} message = {.head = {.object = file->told.object, .kind = OBJECT_FILE, .flags = file->flags, .err = why}};
	struct stat st;

	if (fd >= 0 && fstat(fd, &st))
		return -errno;
	if (fd >= 0) {
		message.head.dev = st.st_dev;
		message.head.ino = message.head.expected_ino = st.st_ino;
		message.head.expected_dev = st.st_dev;
		message.head.size = (uint64_t)st.st_size;
	}
	/* A longer one is compared in the end, by the resolver, as all are. */
	if (file->told.build_id_len <= BUILD_ID_MAX) {
		message.head.build_id_len = file->told.build_id_len;
		memcpy(message.head.build_id, file->told.build_id, file->told.build_id_len);
	}
	profile_session_spell_path(file, message.path);
	message.head.path_len = (uint32_t)strlen(message.path);
	return role_link_send(&session->resolver, MESSAGE_OBJECT, &message,
			      sizeof(message.head) + message.head.path_len, fd);
}

/* Sends it and waits until it is known whether it is the file. */
static int offer(struct profile_session *session, const struct session_file *file, int fd, int *ret_parsed_err)
{
	struct message message;
	int err = send_object(session, file, fd, 0);

	if (!err)
		err = profile_session_receive(session, MESSAGE_PARSED, file->told.object, &message);
	if (err)
		return err;
	*ret_parsed_err = ((const struct message_parsed *)message.payload)->err;
	message_release(&message);
	return 0;
}

static int keep(struct session_file *file, const char *found, int *fd)
{
	file->found = strdup(found);
	if (!file->found)
		return -ENOMEM;
	file->fd = take_fd(fd);
	file->state = SESSION_FILE_FOUND;
	return 0;
}

/* In the places of this kind. file->state says what came of it. */
static int seek(struct profile_session *session, struct session_file *file, enum debug_kind kind)
{
	struct profile_search search = {.request = {.kind = kind, .id_len = file->told.build_id_len}, .fd = -1};
	int err = 0;

	memcpy(search.request.id, file->told.build_id, sizeof(search.request.id));
	if (kind == DEBUG_EXECUTABLE)
		profile_session_spell_path(file, search.path);
	for (int tries = 0; !err && tries < MAX_TRIES && file->state != SESSION_FILE_FOUND; tries++) {
		int parsed_err = 0;

		err = kind == DEBUG_REMOTE ? profile_session_download(session, file->told.path, &search)
					   : profile_session_open_debug(session, &search);
		if (err || search.answer.err)
			break;
		err = offer(session, file, search.fd, &parsed_err);
		if (!err && !parsed_err && kind == DEBUG_REMOTE)
			profile_session_keep_download(session);
		if (!err && !parsed_err)
			err = keep(file, search.found, &search.fd);
		else if (!err && kind == DEBUG_EXECUTABLE)
			file->state = SESSION_FILE_OTHER;
		search.request.place = search.answer.place + 1;
		cleanup_close(&search.fd);
		search.fd = -1;
	}
	return err;
}

/* The file itself; without it its debug file may do. */
static int find_file(struct profile_session *session, struct session_file *file)
{
	int err;

	if (file->told.path[0] == '[')
		file->state = SESSION_FILE_NONE;
	else if (!file->told.build_id_len)
		file->state = SESSION_FILE_NAMELESS;
	if (file->state != SESSION_FILE_UNSOUGHT)
		return send_object(session, file, -1, -ENOENT);
	file->state = SESSION_FILE_MISSING;
	err = seek(session, file, DEBUG_EXECUTABLE);
	if (!err && file->state != SESSION_FILE_FOUND)
		err = seek(session, file, DEBUG_BUILD_ID);
	if (!err && file->state != SESSION_FILE_FOUND && session->downloads)
		err = seek(session, file, DEBUG_REMOTE);
	if (!err && file->state != SESSION_FILE_FOUND)
		err = send_object(session, file, -1, file->state == SESSION_FILE_OTHER ? -ESTALE : -ENOENT);
	if (err)
		file->state = SESSION_FILE_UNSOUGHT;
	return err;
}

/* Found before: for a resolver that is new. */
static int send_file(struct profile_session *session, const struct session_file *file)
{
	if (file->flags & OBJECT_QUARANTINED)
		return send_object(session, file, -1, 0);
	return send_object(session, file, file->fd, file->fd < 0 ? -ENOENT : 0);
}

int profile_session_send_files(struct profile_session *session)
{
	int err = 0;

	for (size_t i = 0; i < session->files.len && !err; i++) {
		struct session_file *file = &session->files.items[i];

		err = file->state == SESSION_FILE_UNSOUGHT ? find_file(session, file) : send_file(session, file);
	}
	return err;
}
