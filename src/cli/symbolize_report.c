/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/symbolize_report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "cli/profile_session.h"
#include "cli/spell.h"
#include "cli/terminal.h"
#include "cli/unnamed_report.h"

#define MAX_SHOWN 12

#define BY_HAND "give --debug-dir with the file, or with its debug file"

static const char *module_of(const struct session_file *file)
{
	const char *path = file->told.path, *slash = strrchr(path, '/');

	if (slash && slash[1])
		path = slash + 1;
	return *path ? path : "[unknown]";
}

static enum unnamed reason_of(const struct session_file *file)
{
	return file->flags & (OBJECT_QUARANTINED | OBJECT_LONE) ? UNNAMED_QUARANTINED : (enum unnamed)file->told.why;
}

/* Why frames of it have no name. */
static const char *why_text(const struct session_file *file)
{
	switch (file->state) {
	case SESSION_FILE_NONE:
		return "the kernel's, or of no file: only a recording can name it";
	case SESSION_FILE_NAMELESS:
		return "the profile tells no build id to know the file by";
	case SESSION_FILE_OTHER:
		return "the file that is there now has another build id";
	case SESSION_FILE_MISSING:
		return file->flags & OBJECT_QUARANTINED ? unnamed_text(UNNAMED_QUARANTINED)
							: "no file of its build id was found";
	default:
		return !(file->flags & OBJECT_QUARANTINED) && file->flags & OBJECT_LONE
			       ? "its debug file made a resolver fail, so it is done without"
			       : unnamed_text(reason_of(file));
	}
}

static const char *advice_of(const struct session_file *file)
{
	switch (file->state) {
	case SESSION_FILE_NONE:
	case SESSION_FILE_NAMELESS:
		return NULL;
	case SESSION_FILE_OTHER:
	case SESSION_FILE_MISSING:
		return file->flags & OBJECT_QUARANTINED ? unnamed_advice(UNNAMED_QUARANTINED, "") : BY_HAND;
	default:
		return unnamed_advice(reason_of(file), module_of(file));
	}
}

static int by_unnamed(const void *left, const void *right)
{
	const struct session_file *a = *(const struct session_file *const *)left;
	const struct session_file *b = *(const struct session_file *const *)right;

	if (a->told.unnamed != b->told.unnamed)
		return (a->told.unnamed < b->told.unnamed) - (a->told.unnamed > b->told.unnamed);
	return (a->told.object > b->told.object) - (a->told.object < b->told.object);
}

/* --- for people --------------------------------------------------------------------------------------------------- */

static void print_file(const struct terminal *terminal, const struct session_file *file, double whole)
{
	struct summary_unnamed row = {
		.samples = file->told.unnamed,
		.why = reason_of(file),
		.is_read = file->told.is_read,
		.sought = file->told.sought,
		.found = file->told.found,
		.bad = file->told.bad,
		.err = file->told.err,
	};

	text_copy(row.module, sizeof(row.module), module_of(file));
	spell_hex(file->told.build_id, file->told.build_id_len, row.build_id, sizeof(row.build_id));
	unnamed_report_print_row(terminal, &row, whole, why_text(file), advice_of(file));
}

static void print_files(FILE *to, const struct profile_session *session)
{
	auto_free const struct session_file **order = malloc((session->files.len + 1) * sizeof(*order));
	struct terminal terminal;
	size_t n = 0;

	for (size_t i = 0; order && i < session->files.len; i++)
		if (session->files.items[i].told.unnamed)
			order[n++] = &session->files.items[i];
	if (!n)
		return;
	qsort(order, n, sizeof(*order), by_unnamed);
	terminal_init(&terminal, to);
	terminal_title(&terminal, "   share    frames   that have no name still: why, what there is, what would help");
	for (size_t i = 0; i < n && i < MAX_SHOWN; i++)
		print_file(&terminal, order[i], (double)(session->named + session->unnamed));
	if (n > MAX_SHOWN)
		fprintf(to, "%21s…\n", "");
}

void symbolize_report_print(FILE *to, const struct symbolize_report *report)
{
	const struct profile_session *session = report->session;
	auto_free char *output = spell_name(report->output);
	uint64_t all = session->named + session->unnamed;
	char bytes[16];

	if (!all)
		fprintf(to, "hostprof: all frames had names\n");
	else
		fprintf(to, "hostprof: %" PRIu64 " of %" PRIu64 " frames that had no name have one now\n",
			session->named, all);
	if (session->lined)
		fprintf(to, "hostprof: %" PRIu64 " frames that had a name have a file or line now\n", session->lined);
	print_files(to, session);
	fprintf(to, "Written:\n%10s  %s\n", spell_bytes(report->output_bytes, bytes), output ? output : "");
	fflush(to);
}

/* --- for programs ------------------------------------------------------------------------------------------------- */

static json_t *file_to_json(const struct session_file *file)
{
	char id[2 * DEBUG_ID_MAX + 1];
	bool is_short = file->told.unnamed;
	const char *advice = is_short ? advice_of(file) : NULL;

	return json_pack("{s:o, s:s, s:o, s:o, s:o, s:o, s:o}", "path", spell_json_text(file->told.path), "build_id",
			 spell_hex(file->told.build_id, file->told.build_id_len, id, sizeof(id)), "named",
			 spell_json_count(file->told.named), "unnamed", spell_json_count(file->told.unnamed), "found",
			 file->found ? spell_json_text(file->found) : json_null(), "reason",
			 is_short ? json_string(why_text(file)) : json_null(), "advice",
			 advice ? json_string(advice) : json_null());
}

int symbolize_report_json(FILE *to, const struct symbolize_report *report)
{
	const struct profile_session *session = report->session;
	json_t *files = json_array(), *root;
	int err = 0;

	for (size_t i = 0; i < session->files.len && !err; i++)
		err = json_array_append_new(files, file_to_json(&session->files.items[i])) ? -ENOMEM : 0;
	root = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "input", spell_json_text(report->input), "output",
			 spell_json_text(report->output), "bytes", spell_json_count(report->output_bytes), "named",
			 spell_json_count(session->named), "unnamed", spell_json_count(session->unnamed), "lined",
			 spell_json_count(session->lined), "files", files);
	if (!err)
		err = root ? spell_json_line(to, root) : -ENOMEM;
	json_decref(root);
	return err;
}
