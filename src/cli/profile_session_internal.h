/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of a session: profile_session.c (the conversation with the resolver), profile_session_opener.c (what is
 * asked of the opener), profile_session_files.c (each file is found and sent). */
#pragma once

#include "cli/profile_session.h"

/* profile_session_opener.c: what is asked of the opener, and what it found. */
struct profile_search {
	struct message_open_debug request;
	char path[MESSAGE_MAX_PATH + 1]; /* folder, '/', name */
	struct message_debug_opened answer;
	char found[MESSAGE_MAX_PATH + 1];
	int fd; /* -1: none; the caller's */
};

int profile_session_open_debug(struct profile_session *session, struct profile_search *search);
/* profile_session_downloads.c: the same of debuginfod servers, for the resolver and for the session itself, whose file
 * is told to be the one that was meant by the second; the resolver's next message is waited for meanwhile. */
int profile_session_start_downloads(struct profile_session *session, const struct downloads_settings *settings);
void profile_session_want_download(struct profile_session *session, const struct message_want_debug *want);
int profile_session_download(struct profile_session *session, const char *name, struct profile_search *search);
void profile_session_keep_download(struct profile_session *session);
int profile_session_wait(struct profile_session *session);

/* profile_session.c: NULL: there is no such file; its path as the profile has it, less what the kernel adds; the
 * resolver's next message of the type, to be released, of PARSED that of the object. */
struct session_file *profile_session_file(struct profile_session *session, uint32_t object);
void profile_session_spell_path(const struct session_file *file, char to[MESSAGE_MAX_PATH + 1]);
int profile_session_receive(struct profile_session *session, uint16_t type, uint32_t object, struct message *ret);

/* profile_session_files.c: those that were not sought before are. */
int profile_session_send_files(struct profile_session *session);
