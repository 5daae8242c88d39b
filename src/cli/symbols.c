/* SPDX-License-Identifier: Apache-2.0 */
/* No file is parsed here. It is opened with the caller's rights and handed to a resolver, the same confined process as
 * that of a recording, one for each file; what comes back is checked like there.
 *
 *     START, OBJECT + file, MAKE_TABLE ──► resolver ──► TABLE + memfd     and again for each window of a large file */
#include "cli/symbols.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "cli/options.h"
#include "cli/spell.h"
#include "cli/unwind_report.h"
#include "collector/object_table.h"
#include "ipc/channel.h"
#include "ipc/child.h"
#include "ipc/confine.h"
#include "ipc/memfd.h"
#include "ipc/message.h"
#include "table/unwind_table.h"

#define EXIT_OK 0
#define EXIT_RUNTIME 1
/* Between two messages: far longer than any file takes. */
#define PATIENCE_MS 60000
#define THE_OBJECT 1
#define THE_DEBUG_FILE 2
#define ALL_PAGES UINT32_MAX

struct session {
	pid_t pid;
	struct channel *channel;
	const char *path;
	uint32_t debug; /* THE_DEBUG_FILE once it was sent; 0: not yet, or there is none */
	bool has_tried_debug;
	char debug_path[OBJECT_DEBUG_PATH_BYTES];
};

/* One line on stderr that names the file. */
static int complain(const char *path, int err, const char *what)
{
	auto_free char *safe = spell_name(path);

	fprintf(stderr, "hostprof: %s: %s\n", safe ? safe : "", what);
	return err;
}

/* --- the resolver ------------------------------------------------------------------------------------------------- */

static int session_start(struct session *session)
{
	const struct invoker invoker = invoker_from_environment();
	const struct message_start start = {
		.invoker_uid = invoker.uid, .invoker_gid = invoker.gid, .memory_bytes = RESOLVER_MEMORY_BYTES};
	int fd, err = child_spawn(ROLE_RESOLVER, &session->pid, &fd);

	if (err) {
		session->pid = -1;
		return err;
	}
	err = channel_new(fd, true, 0, &session->channel);
	if (err)
		close(fd);
	return err ? err : channel_send(session->channel, MESSAGE_START, 0, &start, sizeof(start), -1);
}

/* It leaves when its channel closes. Returns how, as waitpid() tells. */
static int session_end(struct session *session, bool is_hung)
{
	int status = 0;

	channel_free(session->channel);
	if (session->pid <= 0)
		return 0;
	if (is_hung)
		kill(session->pid, SIGKILL);
	while (waitpid(session->pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

static int send_object(struct session *session, uint32_t id, const char *path, const uint8_t *build_id, size_t id_len,
		       int fd)
{
	struct {
		struct message_object head;
		char path[MESSAGE_MAX_PATH];
	} message = {0};
	size_t len = strlen(path);
	struct stat st;

	if (len > sizeof(message.path))
		return -ENAMETOOLONG;
	if (fstat(fd, &st))
		return -errno;
	message.head = (struct message_object){
		.object = id,
		.kind = OBJECT_FILE,
		.dev = st.st_dev,
		.ino = st.st_ino,
		.size = (uint64_t)st.st_size,
		.expected_dev = st.st_dev,
		.expected_ino = st.st_ino,
		.build_id_len = (uint32_t)id_len,
		.path_len = (uint32_t)len,
	};
	if (id_len)
		memcpy(message.head.build_id, build_id, id_len);
	memcpy(message.path, path, len);
	return channel_send(session->channel, MESSAGE_OBJECT, 0, &message, sizeof(message.head) + len, fd);
}

/* The next message of the type; what comes before it is passed over. */
static int receive(struct session *session, uint16_t type, struct message *ret)
{
	struct pollfd poll_fd = {.fd = channel_fd(session->channel), .events = POLLIN};

	for (;;) {
		int n = poll(&poll_fd, 1, PATIENCE_MS), err;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -EIO : -ETIMEDOUT;
		err = channel_receive(session->channel, ret);
		if (err < 0)
			return err;
		if (ret->type == type)
			return 0;
		message_release(ret);
	}
}

/* --- a file ------------------------------------------------------------------------------------------------------- */

/* Not a device or a pipe: it would wait, or do things. */
static int open_regular(const char *path, int *ret_fd)
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

/* As a recording does it: a file that tells little may have a debug file that tells more. true: it was sent. */
static bool send_debug_file(struct session *session, const struct message_table *table)
{
	auto_close int fd = -1;

	if (!table->wants_debug || session->has_tried_debug)
		return false;
	session->has_tried_debug = true;
	if (!object_debug_path(table->build_id, table->build_id_len, session->debug_path) ||
	    open_regular(session->debug_path, &fd) ||
	    send_object(session, THE_DEBUG_FILE, session->debug_path, table->build_id, table->build_id_len, fd))
		return false;
	session->debug = THE_DEBUG_FILE;
	return true;
}

static int add_table(struct unwind_report *report, const struct message_table *message, int fd)
{
	struct unwind_table_head head = {0};
	struct unwind_table table;
	struct memfd_map map;
	int err = memfd_map(fd, UNWIND_TABLE_MAX_BYTES, &map);

	if (err)
		return err;
	if (map.len >= sizeof(head))
		memcpy(&head, map.bytes, sizeof(head));
	err = unwind_table_read(map.bytes, map.len, head.machine, &table);
	if (!err)
		err = unwind_report_add(report, message, &table);
	memfd_unmap(&map);
	return err;
}

/* Asks for the table of the page, and adds it. *ret_next is the page to ask for next. */
static int ask_for_table(struct session *session, struct unwind_report *report, uint32_t page, uint32_t *ret_next)
{
	const struct message_make_table request = {.object = THE_OBJECT, .page = page, .debug = session->debug};
	struct message message = {.fd = -1};
	struct message_table table;
	int err = channel_send(session->channel, MESSAGE_MAKE_TABLE, 0, &request, sizeof(request), -1);

	if (!err)
		err = receive(session, MESSAGE_TABLE, &message);
	if (err)
		return err;
	memcpy(&table, message.payload, sizeof(table));
	*ret_next = page;
	if (send_debug_file(session, &table)) {
		message_release(&message);
		return 0;
	}
	*ret_next = table.is_whole ? ALL_PAGES : page - page % TABLE_WINDOW_PAGES + TABLE_WINDOW_PAGES;
	if (table.err == -ENOENT)
		err = unwind_report_add(report, &table, NULL);
	else
		err = table.err ? table.err : add_table(report, &table, message.fd);
	message_release(&message);
	return err;
}

static int read_tables(struct session *session, struct unwind_report *report, int fd)
{
	uint32_t page = 0;
	struct stat st;
	int err = session_start(session);

	if (!err && fstat(fd, &st))
		err = -errno;
	if (!err)
		err = send_object(session, THE_OBJECT, session->path, NULL, 0, fd);
	do {
		if (!err)
			err = ask_for_table(session, report, page, &page);
	} while (!err && (uint64_t)page << UNWIND_PAGE_SHIFT < (uint64_t)st.st_size);
	if (session->debug)
		report->debug_path = session->debug_path;
	return err;
}

static int explain(const struct session *session, int err, int wait_status)
{
	char text[128];

	switch (err) {
	case -ENOEXEC:
		return complain(session->path, err, "no ELF file of a 64-bit little-endian machine");
	case -ENOTSUP:
		return complain(session->path, err, "its machine is neither x86-64 nor arm64");
	case -ETIMEDOUT:
		return complain(session->path, err, "it took more than a minute to read it");
	case -EPIPE:
		snprintf(text, sizeof(text), "the process that read it ended: %s", child_end_text(wait_status));
		return complain(session->path, err, text);
	default:
		snprintf(text, sizeof(text), "cannot read what it tells of unwinding: %s", err_name(err));
		return complain(session->path, err, text);
	}
}

static int explain_open(const char *path, int err)
{
	char text[64];

	if (err == -EINVAL || err == -EISDIR)
		return complain(path, err, err == -EISDIR ? "it is a directory" : "it is no regular file");
	snprintf(text, sizeof(text), "cannot open it: %s", err_name(err));
	return complain(path, err, text);
}

static int show_unwind(const struct symbols_options *options, const char *path)
{
	struct session session = {.pid = -1, .path = path};
	struct unwind_report report;
	auto_close int fd = -1;
	int err = open_regular(path, &fd), wait_status;

	if (err)
		return explain_open(path, err);
	unwind_report_init(&report, path);
	err = read_tables(&session, &report, fd);
	wait_status = session_end(&session, err == -ETIMEDOUT);
	if (err)
		explain(&session, err, wait_status);
	else if (!report.code)
		err = complain(path, -ENOENT, "it has no code");
	else if (options->json)
		err = unwind_report_json(stdout, &report);
	else
		unwind_report_print(stdout, &report);
	unwind_report_release(&report);
	return err;
}

int symbols_run(const struct symbols_options *options)
{
	int status = EXIT_OK;

	for (size_t i = 0; i < options->n_files; i++)
		if (show_unwind(options, options->files[i]))
			status = EXIT_RUNTIME;
	errno = 0;
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "hostprof: cannot write to stdout: %s\n", err_name(errno ? errno : EIO));
		status = EXIT_RUNTIME;
	}
	return status;
}
