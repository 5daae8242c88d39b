/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/file_report.h"

#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "cli/spell.h"
#include "cli/terminal.h"
#include "cli/unnamed_report.h"
#include "cli/unwind_report.h"
#include "file_report_internal.h"

#define WIDTH 80
#define LEFT 18 /* columns before what is told */
#define MAX_TEXT 1024

/* --- what is known ------------------------------------------------------------------------------------------------ */

const struct message_source *file_report_source(const struct file_report *report, enum source_kind kind)
{
	for (uint32_t i = 0; i < report->sources->n; i++)
		if (report->sources->sources[i].kind == kind)
			return &report->sources->sources[i];
	return NULL;
}

static bool has_source(const struct file_report *report, enum source_kind kind)
{
	const struct message_source *source = file_report_source(report, kind);

	return source && !source->err;
}

/* It was there and did not serve: why; else 0. */
static int bad_source(const struct file_report *report, enum source_kind kind)
{
	const struct message_source *source = file_report_source(report, kind);

	return source && source->err != -ENOENT ? source->err : 0;
}

const char *file_report_type(const struct file_report *report)
{
	const struct message_description *description = report->description;

	switch (description->type) {
	case ET_REL:
		return "object file";
	case ET_CORE:
		return "core dump";
	case ET_EXEC:
	case ET_DYN:
		if (!description->code)
			return "no code: a debug file, or data";
		if (description->type == ET_EXEC)
			return "program";
		return description->is_pie ? "program, position independent" : "library";
	default:
		return "of an unknown type";
	}
}

const char *file_report_machine(const struct file_report *report, char *to, size_t size)
{
	const char *name = spell_machine(report->description->machine);

	if (name)
		snprintf(to, size, "%s", name);
	else
		snprintf(to, size, "machine %u", report->description->machine);
	return to;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

static bool has_functions(const struct file_report *report)
{
	const struct message_description *description = report->description;

	return description->symtab.is_there || description->debug_symtab.is_there || description->go_since ||
	       (description->debugdata_bytes && !description->debugdata_err);
}

static void add_advice(struct file_report_advice *advice, const char *text)
{
	if (text && advice->n < FILE_REPORT_MAX_ADVICE)
		advice->texts[advice->n++] = text;
}

/* What would give more names, or lines. */
void file_report_find_advice(const struct file_report *report, struct file_report_advice *advice)
{
	const struct message_description *description = report->description;
	bool is_linked = description->code && description->type != ET_REL;
	bool lacks_functions = is_linked && !has_functions(report);
	bool lacks_lines = is_linked && !description->with_lines && !has_source(report, SOURCE_DWARF);

	if (bad_source(report, SOURCE_BUILD_ID) || bad_source(report, SOURCE_LINK))
		add_advice(advice, "the debug file that is there is not this file's: install that of the same version");
	else if (!*report->debug_path && (lacks_functions || lacks_lines))
		add_advice(advice, unnamed_advice(UNNAMED_STRIPPED, base_name(report->path)));
	if ((lacks_functions || lacks_lines) && !description->build_id_len && !*description->link_name)
		add_advice(advice, "it says of no debug file: link it with --build-id");
	if (description->supplementary_id_len && !*report->supplementary_path)
		add_advice(advice, "install the file that dwz made: it comes with the debug package");
	if (description->dwarf_split)
		add_advice(advice, "keep the .dwo files, or the .dwp file, beside the program");
}

/* --- for people --------------------------------------------------------------------------------------------------- */

static void print_label(FILE *to, const char *label)
{
	fprintf(to, "  %-14s  ", label);
}

/* Wrapped between words. */
static void print_text(FILE *to, const char *label, const char *text)
{
	unsigned int column = LEFT;

	print_label(to, label);
	for (bool is_first = true; *text; is_first = false) {
		int len = (int)strcspn(text, " ");

		if (!is_first && column + 1 + (unsigned int)len > WIDTH) {
			fprintf(to, "\n%*s", LEFT, "");
			column = LEFT;
			is_first = true;
		}
		column += (unsigned int)fprintf(to, "%s%.*s", is_first ? "" : " ", len, text);
		text += len;
		text += strspn(text, " ");
	}
	fputc('\n', to);
}

/* A foreign name: one line, which loses its middle where it is too long. */
static void print_name(FILE *to, const char *label, const char *before, const char *name)
{
	struct terminal terminal;

	terminal_init(&terminal, to);
	print_label(to, label);
	fputs(before, to);
	terminal_name(&terminal, name, WIDTH - LEFT - (unsigned int)strlen(before));
	fputc('\n', to);
}

/* "1 unit", "2 units" */
static const char *count_text(uint64_t n, const char *noun, char to[48])
{
	snprintf(to, 48, "%" PRIu64 " %s%s", n, noun, n == 1 ? "" : "s");
	return to;
}

static void print_symbols(FILE *to, const char *label, const struct message_symbols *symbols)
{
	char text[128] = "none", n[48], functions[48];

	if (symbols->is_there)
		snprintf(text, sizeof(text), "%s, %s", count_text(symbols->symbols, "symbol", n),
			 count_text(symbols->functions, "function", functions));
	print_text(to, label, text);
}

static void print_debugdata(FILE *to, const struct message_description *description)
{
	char text[96] = "none", bytes[16];

	if (description->debugdata_bytes && description->debugdata_err)
		snprintf(text, sizeof(text), "no good: %s", err_name(description->debugdata_err));
	else if (description->debugdata_bytes)
		snprintf(text, sizeof(text), "%s of packed symbols", spell_bytes(description->debugdata_bytes, bytes));
	print_text(to, ".gnu_debugdata", text);
}

/* "version 5", "versions 4 and 5" */
static void append_versions(struct buf *text, uint32_t versions)
{
	const char *before = versions & (versions - 1) ? "versions " : "version ";

	for (uint32_t version = 0; version < 32; version++) {
		if (!(versions >> version & 1))
			continue;
		buf_printf(text, "%s%" PRIu32, before, version);
		versions &= ~(1u << version);
		before = versions & (versions - 1) ? ", " : " and ";
	}
}

static void describe_dwarf(const struct file_report *report, struct buf *text)
{
	const struct message_description *description = report->description;
	char n[48];

	if (!description->dwarf_units) {
		buf_append_str(text, has_source(report, SOURCE_DWARF) ? "there, and cannot be read" : "none");
		return;
	}
	append_versions(text, description->dwarf_versions);
	buf_printf(text, ", %s", count_text(description->dwarf_units, "unit", n));
	if (description->dwarf_split)
		buf_printf(text, ", %" PRIu32 " of them split into .dwo files", description->dwarf_split);
	if (description->dwarf_is_debug)
		buf_append_str(text, "; in the debug file");
}

static void print_dwarf(FILE *to, const struct file_report *report)
{
	struct buf text;

	buf_init(&text, MAX_TEXT);
	describe_dwarf(report, &text);
	if (buf_cstr(&text))
		print_text(to, "DWARF", buf_cstr(&text));
	buf_release(&text);
}

static void print_go(FILE *to, const struct message_description *description)
{
	char text[96], n[48];

	if (!description->go_since)
		return;
	snprintf(text, sizeof(text), "%s, in the layout since Go 1.%" PRIu32,
		 count_text(description->go_functions, "function", n), description->go_since);
	print_text(to, "Go's table", text);
}

/* What came of the search; then comes the name. */
static void print_search(FILE *to, const char *label, const struct message_source *source, const char *manner)
{
	char text[128];

	if (source->err == -ENOENT)
		snprintf(text, sizeof(text), "none %s:", manner);
	else if (source->err == -ESTALE)
		snprintf(text, sizeof(text), "one of another file, %s:", manner);
	else
		snprintf(text, sizeof(text), "no good (%s), %s:", err_name(source->err), manner);
	print_text(to, label, text);
}

static void print_no_debug_file(FILE *to, const struct file_report *report)
{
	const struct message_description *description = report->description;
	const struct message_source *by_id = file_report_source(report, SOURCE_BUILD_ID);
	const struct message_source *by_link = file_report_source(report, SOURCE_LINK);
	const struct message_source *by_server = file_report_source(report, SOURCE_SERVER);
	char why[64], text[96];
	char id[2 * DEBUG_ID_MAX + 1], path[sizeof(id) + 64];

	if (by_id) {
		spell_hex(description->build_id, description->build_id_len, id, sizeof(id));
		snprintf(path, sizeof(path), "/usr/lib/debug/.build-id/%.2s/%s.debug", id, id + 2);
		print_search(to, "debug file", by_id, "by build id");
		print_name(to, "", "", path);
	}
	if (by_link) {
		print_search(to, by_id ? "" : "debug file", by_link,
			     "by link, beside it, in .debug/, in /usr/lib/debug");
		print_name(to, "", "", description->link_name);
	}
	if ((by_id || by_link) && report->n_debug_directories)
		print_text(to, "", "nor in --debug-dir");
	if (by_server) {
		snprintf(text, sizeof(text), "debuginfod: %s", unnamed_server_failure(by_server->err, why));
		print_text(to, "", text);
	}
	if (!by_id && !by_link)
		print_text(to, "debug file",
			   has_source(report, SOURCE_SYMTAB) && has_source(report, SOURCE_DWARF)
				   ? "not needed"
				   : "none, and the file names none");
}

static void print_debug_file(FILE *to, const struct file_report *report)
{
	if (!*report->debug_path) {
		print_no_debug_file(to, report);
		return;
	}
	print_name(to, "debug file", "", report->debug_path);
	print_symbols(to, "  its .symtab", &report->description->debug_symtab);
}

static void print_supplementary(FILE *to, const struct file_report *report)
{
	if (!report->description->supplementary_id_len)
		return;
	if (*report->supplementary_path)
		print_name(to, "file of dwz", "", report->supplementary_path);
	else
		print_name(to, "file of dwz", bad_source(report, SOURCE_SUPPLEMENTARY) ? "no good: " : "not found: ",
			   report->description->supplementary_name);
}

static void print_names(FILE *to, const struct message_description *description)
{
	char text[128], share[16], bytes[16], n[48];

	if (!description->code)
		return;
	snprintf(text, sizeof(text), "%s: %s of %s of code", count_text(description->functions, "function", n),
		 spell_percent((double)description->named, (double)description->code, share),
		 spell_bytes(description->code, bytes));
	print_text(to, "names", text);
	if (description->with_lines)
		snprintf(text, sizeof(text), "of %s of the code",
			 spell_percent((double)description->with_lines, (double)description->code, share));
	print_text(to, "source lines", description->with_lines ? text : "none");
}

static void print_unwinding(FILE *to, const struct file_report *report)
{
	if (!report->unwind_err && !report->unwind->code)
		return;
	fputc('\n', to);
	if (report->unwind_err)
		print_text(to, "unwinding", "not of this machine");
	else
		unwind_report_print_short(to, report->unwind);
}

void file_report_print(FILE *to, const struct file_report *report)
{
	const struct message_description *description = report->description;
	char id[2 * DEBUG_ID_MAX + 1], machine[32], text[128];
	struct file_report_advice advice = {.n = 0};
	struct terminal terminal;

	terminal_init(&terminal, to);
	terminal_name(&terminal, report->path, TERMINAL_MAX_WIDTH);
	snprintf(text, sizeof(text), "%s, %s", file_report_machine(report, machine, sizeof(machine)),
		 file_report_type(report));
	fputc('\n', to);
	print_text(to, "file", text);
	spell_hex(description->build_id, description->build_id_len, id, sizeof(id));
	print_name(to, "build id", "", description->build_id_len ? id : "none");
	fputc('\n', to);
	print_symbols(to, ".symtab", &description->symtab);
	print_symbols(to, ".dynsym", &description->dynsym);
	print_debugdata(to, description);
	print_go(to, description);
	print_dwarf(to, report);
	print_debug_file(to, report);
	print_supplementary(to, report);
	print_names(to, description);
	print_unwinding(to, report);
	file_report_find_advice(report, &advice);
	for (size_t i = 0; i < advice.n; i++) {
		if (!i)
			fputc('\n', to);
		print_text(to, i ? "" : "advice", advice.texts[i]);
	}
}
