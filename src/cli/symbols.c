/* SPDX-License-Identifier: Apache-2.0 */
/* No file is parsed here. It is opened with the caller's rights and handed to a resolver, the same confined process as
 * that of a recording, one for each file; what comes back is checked like there.
 *
 *     START, OBJECT + file, MAKE_TABLE ────────► resolver ──► TABLE + memfd    again for each window of a large file
 *                           DESCRIBE ────────►          ──► DESCRIPTION
 *                           NAME_ADDRESSES + memfd ──►  ──► ADDRESSES_NAMED + memfd */
#include "cli/symbols.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "cli/address_names.h"
#include "cli/debuginfod.h"
#include "cli/file_report.h"
#include "cli/file_session.h"
#include "cli/options.h"
#include "cli/spell.h"
#include "cli/unwind_report.h"
#include "ipc/child.h"
#include "ipc/memfd.h"
#include "table/unwind_table.h"

#define EXIT_OK 0
#define EXIT_RUNTIME 1
#define ALL_PAGES UINT32_MAX

/* One line on stderr that names the file. */
static int complain(const char *path, int err, const char *what)
{
	auto_free char *safe = spell_name(path);

	fprintf(stderr, "hostprof: %s: %s\n", safe ? safe : "", what);
	return err;
}

static int explain(const struct file_session *session, int err, int wait_status)
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
		snprintf(text, sizeof(text), "cannot read it: %s", err_name(err));
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

static struct file_session session_of(const struct symbols_options *options, const struct downloads_settings *downloads,
				      const char *path)
{
	return (struct file_session){.resolver = ROLE_LINK_NONE,
				     .root_fd = -1,
				     .path = path,
				     .demangle = options->demangle,
				     .debug_directories = options->debug_directories.paths,
				     .n_debug_directories = options->debug_directories.n,
				     .downloads = downloads};
}

/* With the file, whose descriptor is borrowed. -ENOTDIR, told: of --debug-dir. */
static int start_session(struct file_session *session, int fd)
{
	const char *bad_directory;
	int err = file_session_start(session, &bad_directory);

	if (!err)
		err = file_session_send_object(session, fd);
	if (!err || !bad_directory)
		return err;
	explain_open(bad_directory, err);
	return -ENOTDIR;
}

/* --- unwinding ---------------------------------------------------------------------------------------------------- */

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

/* It tells little, and a debug file is being sought: waits for the end of that. true: the table is to be made anew. */
static int await_sources(struct file_session *session, bool *ret_is_stale)
{
	struct message message = {.fd = -1};
	int err = session->has_sources ? 0 : file_session_receive(session, MESSAGE_SOURCES, &message);

	if (!err)
		message_release(&message);
	*ret_is_stale = !err && session->sources.is_table_stale;
	return err;
}

/* Asks for the table of the page, and adds it. *ret_next is the page to ask for next. */
static int ask_for_table(struct file_session *session, struct unwind_report *report, uint32_t page, uint32_t *ret_next)
{
	const struct message_make_table request = {.object = THE_OBJECT, .page = page};
	struct message message = {.fd = -1};
	struct message_table table;
	bool is_stale = false;
	auto_close int fd = -1;
	int err = role_link_send(&session->resolver, MESSAGE_MAKE_TABLE, &request, sizeof(request), -1);

	if (!err)
		err = file_session_receive(session, MESSAGE_TABLE, &message);
	if (err)
		return err;
	memcpy(&table, message.payload, sizeof(table));
	fd = take_fd(&message.fd);
	message_release(&message);
	if (table.awaits_debug)
		err = await_sources(session, &is_stale);
	if (err)
		return err;
	*ret_next = page;
	if (is_stale)
		return 0;
	*ret_next = table.is_whole ? ALL_PAGES : page - page % TABLE_WINDOW_PAGES + TABLE_WINDOW_PAGES;
	if (table.err == -ENOENT)
		return unwind_report_add(report, &table, NULL);
	return table.err ? table.err : add_table(report, &table, fd);
}

/* All of the session's file, which has been sent. */
static int read_tables(struct file_session *session, struct unwind_report *report, int fd)
{
	uint32_t page = 0;
	struct stat st;
	int err = fstat(fd, &st) ? -errno : 0;

	do {
		if (!err)
			err = ask_for_table(session, report, page, &page);
	} while (!err && (uint64_t)page << UNWIND_PAGE_SHIFT < (uint64_t)st.st_size);
	if (report->debug_frame && *session->debug_path)
		report->debug_path = session->debug_path;
	return err;
}

static int show_unwind(const struct symbols_options *options, const struct downloads_settings *downloads,
		       const char *path)
{
	struct file_session session = session_of(options, downloads, path);
	struct unwind_report report;
	auto_close int fd = -1;
	int err = file_session_open_regular(path, &fd), wait_status;

	if (err)
		return explain_open(path, err);
	unwind_report_init(&report, path);
	err = start_session(&session, fd);
	if (!err)
		err = read_tables(&session, &report, fd);
	wait_status = file_session_end(&session, err == -ETIMEDOUT);
	if (err && err != -ENOTDIR)
		explain(&session, err, wait_status);
	else if (!err && !report.code)
		err = complain(path, -ENOENT, "it has no code");
	else if (!err && options->json)
		err = unwind_report_json(stdout, &report);
	else if (!err)
		unwind_report_print(stdout, &report);
	unwind_report_release(&report);
	return err;
}

/* --- names -------------------------------------------------------------------------------------------------------- */

static int complain_of_address(const struct file_session *session, const char *word)
{
	auto_free char *safe = spell_name(word);
	char text[256];

	snprintf(text, sizeof(text), "'%s' is no address: hexadecimal digits, 0x before them or not", safe ? safe : "");
	return complain(session->path, -EINVAL, text);
}

static int show_named(struct file_session *session, const struct symbols_options *options)
{
	const struct address_names_options how = {.json = options->json, .with_addresses = options->addresses};
	auto_free uint64_t *addresses = malloc(options->n_texts * sizeof(*addresses) + 1);
	auto_free char *bad = NULL;
	int err;

	if (!addresses)
		return -ENOMEM;
	if (options->n_texts == 1 && !strcmp(options->texts[0], "-")) {
		err = address_names_show_stream(session, &how, stdin, &bad);
		return bad && err == -EINVAL ? complain_of_address(session, bad) : err;
	}
	for (size_t i = 0; i < options->n_texts; i++)
		if (!address_names_parse(options->texts[i], &addresses[i]))
			return complain_of_address(session, options->texts[i]);
	return address_names_show(session, &how, addresses, options->n_texts);
}

static int show_names(const struct symbols_options *options, const struct downloads_settings *downloads)
{
	struct file_session session = session_of(options, downloads, options->files[0]);
	auto_close int fd = -1;
	int err = file_session_open_regular(session.path, &fd), wait_status;

	if (err)
		return explain_open(session.path, err);
	err = start_session(&session, fd);
	if (!err)
		err = show_named(&session, options);
	wait_status = file_session_end(&session, err == -ETIMEDOUT);
	if (err && err != -EINVAL && err != -ENOTDIR)
		explain(&session, err, wait_status);
	return err;
}

/* --- the file itself ---------------------------------------------------------------------------------------------- */

static int describe(struct file_session *session, struct message_description *ret)
{
	const struct message_describe request = {.object = THE_OBJECT};
	struct message message;
	int err = role_link_send(&session->resolver, MESSAGE_DESCRIBE, &request, sizeof(request), -1);

	if (!err)
		err = file_session_receive(session, MESSAGE_DESCRIPTION, &message);
	if (err)
		return err;
	memcpy(ret, message.payload, sizeof(*ret));
	message_release(&message);
	return ret->err;
}

/* The description first: it waits for the debug files, and the tables are made once. */
static int show_page(struct file_session *session, const struct symbols_options *options, int fd)
{
	struct message_description description;
	struct unwind_report unwind;
	struct file_report report = {.path = session->path,
				     .description = &description,
				     .sources = &session->sources,
				     .unwind = &unwind,
				     .n_debug_directories = session->n_debug_directories};
	int err = describe(session, &description);

	if (err)
		return err;
	unwind_report_init(&unwind, session->path);
	report.unwind_err = read_tables(session, &unwind, fd);
	report.debug_path = session->debug_path;
	report.supplementary_path = session->supplementary_path;
	if (report.unwind_err && report.unwind_err != -ENOTSUP)
		err = report.unwind_err;
	else if (options->json)
		err = file_report_json(stdout, &report);
	else
		file_report_print(stdout, &report);
	unwind_report_release(&unwind);
	return err;
}

static int show_file(const struct symbols_options *options, const struct downloads_settings *downloads)
{
	struct file_session session = session_of(options, downloads, options->files[0]);
	auto_close int fd = -1;
	int err = file_session_open_regular(session.path, &fd), wait_status;

	if (err)
		return explain_open(session.path, err);
	err = start_session(&session, fd);
	if (!err)
		err = show_page(&session, options, fd);
	wait_status = file_session_end(&session, err == -ETIMEDOUT);
	if (err && err != -ENOTDIR)
		explain(&session, err, wait_status);
	return err;
}

int symbols_run(const struct symbols_options *options)
{
	const struct downloads_settings *downloads;
	struct debuginfod_use debuginfod = {0};
	int status = EXIT_OK;

	if (debuginfod_use_for_command(&debuginfod, &options->debuginfod))
		return EXIT_RUNTIME;
	downloads = options->debuginfod.is_on ? &debuginfod.settings : NULL;
	if (options->n_texts)
		status = show_names(options, downloads) ? EXIT_RUNTIME : EXIT_OK;
	else if (!options->unwind)
		status = show_file(options, downloads) ? EXIT_RUNTIME : EXIT_OK;
	for (size_t i = 0; i < options->n_files && options->unwind; i++)
		if (show_unwind(options, downloads, options->files[i]))
			status = EXIT_RUNTIME;
	debuginfod_use_release(&debuginfod);
	errno = 0;
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "hostprof: cannot write to stdout: %s\n", err_name(errno ? errno : EIO));
		status = EXIT_RUNTIME;
	}
	return status;
}
