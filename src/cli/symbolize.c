/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/symbolize.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "cli/debuginfod.h"
#include "cli/file_session.h"
#include "cli/options.h"
#include "cli/profile_session.h"
#include "cli/spell.h"
#include "cli/symbolize_report.h"
#include "ipc/child.h"

#define NAMED_SUFFIX ".named.pb.gz"

/* One line on stderr; `mend` may be "". */
static int complain(const char *path, int err, const char *what, const char *mend)
{
	auto_free char *safe = spell_name(path);

	fprintf(stderr, "hostprof: %s: %s%s%s\n", safe ? safe : "", what, *mend ? "; " : "", mend);
	return err;
}

static int complain_of_err(const char *path, int err, const char *what, const char *mend)
{
	char text[128];

	snprintf(text, sizeof(text), "%s: %s", what, err_name(err));
	return complain(path, err, text, mend);
}

/* "a.pb.gz" to "a.named.pb.gz" */
static int default_output(const char *path, char *to, size_t size)
{
	static const char *const suffixes[] = {".pb.gz", ".pprof", ".pb", ".gz"};
	size_t len = strlen(path);
	int n;

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		size_t suffix = strlen(suffixes[i]);

		if (len > suffix && path[len - suffix - 1] != '/' && !strcmp(path + len - suffix, suffixes[i])) {
			len -= suffix;
			break;
		}
	}
	n = snprintf(to, size, "%.*s" NAMED_SUFFIX, (int)len, path);
	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

static bool is_same_file(const char *path, int fd)
{
	struct stat a, b;

	return !lstat(path, &a) && !fstat(fd, &b) && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* --- before ------------------------------------------------------------------------------------------------------- */

static int open_input(const char *path, int *ret_fd)
{
	int err = file_session_open_regular(path, ret_fd);

	if (err == -EISDIR)
		return complain(path, err, "it is a directory", "");
	if (err == -EINVAL)
		return complain(path, err, "it is no regular file", "");
	return err ? complain_of_err(path, err, "cannot open it", "") : 0;
}

static int add_directories(struct profile_session *session, const struct debug_directories *directories)
{
	for (size_t i = 0; i < directories->n; i++) {
		int err = profile_session_add_directory(session, (uint32_t)i, directories->paths[i]);

		if (err)
			return complain_of_err(directories->paths[i], err, "cannot look for files there",
					       "--debug-dir wants a directory that you may read");
	}
	return 0;
}

static int prepare_output(struct profile_session *session, const char *path, bool may_replace)
{
	int err = profile_session_prepare(session, path, may_replace ? OUTPUT_FORCE : 0);
	const char *mend = "check the path and its rights";

	if (err == -EEXIST)
		mend = "give another path, or --force to replace what is there";
	else if (err == -ELOOP)
		mend = "it is a symbolic link, and those are not followed: give the path that it stands for";
	else if (err == -ENOENT)
		mend = "make the directory that is to hold it";
	return err ? complain_of_err(path, err, "cannot write it", mend) : 0;
}

/* --- names -------------------------------------------------------------------------------------------------------- */

static int explain_profile(const char *path, int err)
{
	switch (err) {
	case -EBADMSG:
		return complain(path, err, "no pprof profile, or it is cut or broken", "");
	case -E2BIG:
		return complain(path, err, "too large: unpacked it takes more memory than it may", "");
	default:
		return complain_of_err(path, err, "cannot read it", "");
	}
}

static int explain_session(const struct profile_session *session, const char *path, int err)
{
	char text[160];

	if (session->is_opener_lost)
		return complain_of_err(path, err, "the process that opens files does not answer", "");
	if (err != -EPIPE && err != -ETIMEDOUT)
		return complain_of_err(path, err, "cannot give it names", "");
	snprintf(text, sizeof(text), "the process that read it %s: %s",
		 err == -ETIMEDOUT ? "did not answer in time" : "ended", child_end_text(session->wait_status));
	return complain(path, err, text, "");
}

static int report(const struct symbolize_options *options, const struct symbolize_report *told)
{
	int err = 0;

	if (!options->quiet)
		symbolize_report_print(stderr, told);
	if (!options->json)
		return 0;
	errno = 0;
	err = symbolize_report_json(stdout, told);
	if (!err && (fflush(stdout) || ferror(stdout)))
		err = errno ? -errno : -EIO;
	if (err)
		fprintf(stderr, "hostprof: cannot write to stdout: %s\n", err_name(err));
	return err;
}

static int symbolize(struct profile_session *session, const struct symbolize_options *options, int input_fd,
		     const char *output)
{
	struct symbolize_report told = {.session = session, .input = options->file, .output = output};
	bool is_profile_bad = false;
	auto_close int fd = -1;
	int err = profile_session_symbolize(session, input_fd, &is_profile_bad, &fd);

	if (err)
		return is_profile_bad ? explain_profile(options->file, err)
				      : explain_session(session, options->file, err);
	err = profile_session_write(session, fd, &told.output_bytes);
	if (err)
		return complain_of_err(output, err, "cannot write it",
				       err == -ENOSPC || err == -EDQUOT ? "free some room, or give another path" : "");
	return report(options, &told);
}

int symbolize_run(const struct symbolize_options *options)
{
	char beside[MESSAGE_MAX_PATH];
	const char *output = options->output ? options->output : beside;
	struct debuginfod_use debuginfod = {0};
	struct profile_session session;
	auto_close int fd = -1;
	int err = open_input(options->file, &fd);

	if (err)
		return 1;
	if (!options->output && default_output(options->file, beside, sizeof(beside))) {
		complain(options->file, -ENAMETOOLONG, "its name is too long to add to", "give --output");
		return 1;
	}
	if (debuginfod_use_for_command(&debuginfod, &options->debuginfod))
		return 1;
	err = profile_session_start(&session, options->demangle,
				    options->debuginfod.is_on ? &debuginfod.settings : NULL);
	if (err)
		complain_of_err(options->file, err, "cannot start the process that opens files", "");
	if (!err)
		err = add_directories(&session, &options->debug_directories);
	if (!err)
		err = prepare_output(&session, output, options->force || is_same_file(output, fd));
	if (!err)
		err = symbolize(&session, options, fd, output);
	profile_session_release(&session);
	debuginfod_use_release(&debuginfod);
	return err ? 1 : 0;
}
