/* SPDX-License-Identifier: Apache-2.0 */
#include "profile_session_internal.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"

#define OUTPUT_NUMBER 0

/* Its next message of the type, to be released. */
static int ask_opener(struct profile_session *session, uint16_t type, const void *payload, size_t len, int fd,
		      uint16_t answer_type, struct message *ret)
{
	int err = role_link_send(&session->opener, type, payload, len, fd);

	while (!err) {
		err = role_link_receive(&session->opener, ret);
		if (!err && ret->type == answer_type)
			return 0;
		if (!err)
			message_release(ret);
	}
	session->is_opener_lost = true;
	return err;
}

int profile_session_add_directory(struct profile_session *session, uint32_t index, const char *path)
{
	struct {
		struct message_debug_directory head;
		char path[MESSAGE_MAX_PATH];
	} request = {.head = {.index = index}};
	size_t len = strlen(path);
	struct message message;
	int err;

	if (len > sizeof(request.path))
		return -ENAMETOOLONG;
	request.head.path_len = (uint32_t)len;
	memcpy(request.path, path, len);
	err = ask_opener(session, MESSAGE_DEBUG_DIRECTORY, &request, sizeof(request.head) + len, -1,
			 MESSAGE_DEBUG_DIRECTORY_OPENED, &message);
	if (err)
		return err;
	err = ((const struct message_debug_directory_opened *)message.payload)->err;
	message_release(&message);
	return err;
}

int profile_session_prepare(struct profile_session *session, const char *path, uint32_t flags)
{
	struct {
		struct message_output_prepare head;
		char path[MESSAGE_MAX_PATH];
	} request = {.head = {.output = OUTPUT_NUMBER, .place = OUTPUT_FILE, .flags = flags}};
	size_t len = strlen(path);
	struct message message;
	int err;

	if (len > sizeof(request.path))
		return -ENAMETOOLONG;
	request.head.path_len = (uint32_t)len;
	memcpy(request.path, path, len);
	err = ask_opener(session, MESSAGE_OUTPUT_PREPARE, &request, sizeof(request.head) + len, -1,
			 MESSAGE_OUTPUT_PREPARED, &message);
	if (err)
		return err;
	err = ((const struct message_output_result *)message.payload)->err;
	message_release(&message);
	return err;
}

int profile_session_write(struct profile_session *session, int fd, uint64_t *ret_bytes)
{
	const struct message_output_write request = {.output = OUTPUT_NUMBER};
	const struct message_output_result *result;
	struct message message;
	int err = ask_opener(session, MESSAGE_OUTPUT_WRITE, &request, sizeof(request), fd, MESSAGE_OUTPUT_WRITTEN,
			     &message);

	if (err)
		return err;
	result = message.payload;
	err = result->err;
	*ret_bytes = result->bytes;
	message_release(&message);
	return err;
}

int profile_session_open_debug(struct profile_session *session, struct profile_search *search)
{
	struct {
		struct message_open_debug head;
		char path[MESSAGE_MAX_PATH];
	} request = {.head = search->request};
	struct message message;
	int err;

	request.head.request = ++session->last_request;
	request.head.path_len = (uint32_t)strlen(search->path);
	memcpy(request.path, search->path, request.head.path_len);
	err = ask_opener(session, MESSAGE_OPEN_DEBUG, &request, sizeof(request.head) + request.head.path_len, -1,
			 MESSAGE_DEBUG_OPENED, &message);
	if (err)
		return err;
	search->answer = *(const struct message_debug_opened *)message.payload;
	memcpy(search->found, (const struct message_debug_opened *)message.payload + 1, search->answer.path_len);
	search->found[search->answer.path_len] = '\0';
	search->fd = take_fd(&message.fd);
	message_release(&message);
	return 0;
}
