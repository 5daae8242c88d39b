/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/unnamed_report.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/unnamed.h"
#include "cli/spell.h"
#include "cli/terminal.h"

#define MAX_SHOWN 12
#define MODULE_MAX_WIDTH 24
#define LEFT 21 /* columns before the module */
#define INDENT "                     "
#define MAX_TEXT 512

static const char *const source_names[SOURCE_KINDS] = {
	[SOURCE_SYMTAB] = ".symtab",
	[SOURCE_DYNSYM] = ".dynsym",
	[SOURCE_DEBUGDATA] = ".gnu_debugdata",
	[SOURCE_DWARF] = "DWARF",
	[SOURCE_GO] = "Go's function table",
	[SOURCE_BUILD_ID] = "debug file by build id",
	[SOURCE_LINK] = "debug file by .gnu_debuglink",
	[SOURCE_SUPPLEMENTARY] = "file that dwz made",
	[SOURCE_SERVER] = "debug file by debuginfod",
};

/* Debug files; what comes before is in the file itself. */
#define FIRST_OTHER_FILE SOURCE_BUILD_ID

static bool is_found(const struct summary_unnamed *row, uint32_t kind)
{
	return row->found >> kind & 1;
}

/* Few files are Go programs: there it is no news. */
static bool is_missing(const struct summary_unnamed *row, uint32_t kind)
{
	return kind != SOURCE_GO && row->sought >> kind & 1 && !is_found(row, kind);
}

/* --- what would help ---------------------------------------------------------------------------------------------- */

static const char *const advice[UNNAMED_COUNT] = {
	[UNNAMED_STRIPPED] = "install its debug package (-dbgsym, -dbg, -debuginfo), or try --debuginfod",
	[UNNAMED_NO_SYMBOL] = "stubs of the linker, or assembly without symbols: nothing to mend",
	[UNNAMED_DELETED] = "keep the file until the recording ends, or record while its process runs",
	[UNNAMED_REPLACED] = "restart the program, so that it runs the file that is there now",
	[UNNAMED_MISSING] = "keep the file, and what it is mounted on, until the recording ends",
	[UNNAMED_DENIED] = "record as root, or with CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH",
	[UNNAMED_UNREADABLE] = "see why with -vv; a network or FUSE file system may have been too slow",
	[UNNAMED_QUARANTINED] = "a fault of hostprof, or of a file made to harm it: please report it",
	[UNNAMED_MEMORY_FILE] = "have the runtime write a perf map or a JITDUMP file",
	[UNNAMED_ANONYMOUS] = "have the runtime write a perf map or a JITDUMP file",
	[UNNAMED_JIT] = "have the runtime write a perf map or a JITDUMP file",
	[UNNAMED_TOO_LARGE] = "give more with --mem",
	[UNNAMED_TOO_SLOW] = "see which with -vv; a debug file may have been made to harm",
	[UNNAMED_OVER_BUDGET] = "give more with --mem",
	[UNNAMED_KERNEL_RESTRICTED] = "give CAP_SYSLOG, or set kernel.kptr_restrict to 0",
};

/* By the name of the program, as in "[jit node]". */
static const struct {
	const char *program, *advice;
} runtimes[] = {
	{"node", "start it with node --perf-basic-prof"},
	{"java", "jcmd PID Compiler.perfmap while it runs, or java -XX:+DumpPerfMapAtExit (17 and newer)"},
	{"python", "start it with python3 -X perf (3.12 and newer)"},
	{"dotnet", "start it with DOTNET_PerfMapEnabled=1 in its environment"},
	{"ruby", "start it with ruby --yjit-perf (3.3 and newer)"},
	{"beam", "start it with erl +JPperf true"},
	{"wasmtime", "start it with wasmtime --profile=perfmap"},
};

/* Those of the C library, which are in every stack and have a package of one name. */
static bool is_libc(const char *module)
{
	static const char *const prefixes[] = {"libc.so.",    "ld-linux",	"libm.so.",
					       "libmvec.so.", "libpthread.so.", "libdl.so.",
					       "librt.so.",   "libresolv.so.",	"libnss_"};

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (!strncmp(module, prefixes[i], strlen(prefixes[i])))
			return true;
	return false;
}

const char *unnamed_advice(enum unnamed why, const char *module)
{
	static const char prefix[] = "[jit ";

	if (why == UNNAMED_JIT && !strncmp(module, prefix, sizeof(prefix) - 1)) {
		const char *program = module + sizeof(prefix) - 1;

		for (size_t i = 0; i < sizeof(runtimes) / sizeof(runtimes[0]); i++)
			if (!strncmp(program, runtimes[i].program, strlen(runtimes[i].program)))
				return runtimes[i].advice;
	}
	if (why == UNNAMED_STRIPPED && is_libc(module))
		return "install libc6-dbg (Debian) or glibc-debuginfo (Fedora), or try --debuginfod";
	return advice[why];
}

/* --- for people --------------------------------------------------------------------------------------------------- */

static void append_word(struct buf *buf, const char *first, const char *next, const char *word)
{
	buf_append_str(buf, buf->len ? next : first);
	buf_append_str(buf, word);
}

/* "found .dynsym; no .symtab, no DWARF, no .gnu_debugdata" */
static void describe_file(struct buf *buf, const struct summary_unnamed *row)
{
	bool is_first = true;

	for (uint32_t kind = 0; kind < FIRST_OTHER_FILE; kind++)
		if (is_found(row, kind))
			append_word(buf, "found ", ", ", source_names[kind]);
	for (uint32_t kind = 0; kind < FIRST_OTHER_FILE; kind++) {
		if (!is_missing(row, kind))
			continue;
		append_word(buf, "no ", is_first ? "; no " : ", no ", source_names[kind]);
		is_first = false;
	}
}

const char *unnamed_server_failure(int err, char to[64])
{
	switch (err) {
	case -ENOENT:
		return "not found (404)";
	case -ETIMEDOUT:
		return "timed out";
	case -ESTALE:
		return "build id differs";
	case -EBADMSG:
	case -ENOEXEC:
		return "no debug file";
	case -EFBIG:
	case -EDQUOT:
		return "over the limit of size";
	case -EHOSTUNREACH:
		return "no such host";
	case -ECONNREFUSED:
		return "server not reached";
	case -EKEYREJECTED:
		return "certificate refused";
	case -ENOPKG:
		return "libcurl is not installed";
	default:
		snprintf(to, 64, "failed: %s", err_name(err));
		return to;
	}
}

/* Why a debuginfod server did not help; NULL: none was asked, or it did. */
static const char *server_failure(const struct summary_unnamed *row, char to[64])
{
	if (!(row->sought >> SOURCE_SERVER & 1) || is_found(row, SOURCE_SERVER))
		return NULL;
	return unnamed_server_failure(row->server_err, to);
}

/* "debuginfod: timed out" */
static void describe_server(struct buf *buf, const struct summary_unnamed *row)
{
	char text[64];
	const char *failure = server_failure(row, text);

	if (failure)
		buf_printf(buf, "debuginfod: %s", failure);
}

/* "no debug file by build id, no debug file by .gnu_debuglink" */
static void describe_debug_files(struct buf *buf, const struct summary_unnamed *row)
{
	for (uint32_t kind = FIRST_OTHER_FILE; kind < SOURCE_KINDS; kind++) {
		if (kind == SOURCE_SERVER && !is_found(row, kind)) /* a line of its own */
			continue;
		if (is_found(row, kind))
			append_word(buf, "found ", ", found ", source_names[kind]);
		else if (row->bad >> kind & 1)
			append_word(buf, "no good: ", ", no good: ", source_names[kind]);
		else if (is_missing(row, kind))
			append_word(buf, "no ", ", no ", source_names[kind]);
	}
}

static void print_detail(const struct terminal *terminal, const char *text)
{
	fputs(INDENT, terminal->to);
	terminal_colour(terminal, TERMINAL_DIM);
	terminal_name(terminal, text, terminal->width - LEFT);
	terminal_colour(terminal, TERMINAL_OFF);
	fputc('\n', terminal->to);
}

static void print_sources(const struct terminal *terminal, const struct summary_unnamed *row,
			  void (*describe)(struct buf *buf, const struct summary_unnamed *row))
{
	struct buf buf;

	buf_init(&buf, MAX_TEXT);
	describe(&buf, row);
	if (buf.len && buf_cstr(&buf))
		print_detail(terminal, buf_cstr(&buf));
	buf_release(&buf);
}

void unnamed_report_print_row(const struct terminal *terminal, const struct summary_unnamed *row, double whole,
			      const char *why, const char *help)
{
	char share[16], text[MAX_TEXT];
	unsigned int columns;

	fprintf(terminal->to, "%8s  %8" PRIu64 "   ", spell_percent((double)row->samples, whole, share), row->samples);
	columns = terminal_name(terminal, row->module, MODULE_MAX_WIDTH);
	fputs(": ", terminal->to);
	terminal_name(terminal, why, terminal->width - LEFT - columns - 2);
	fputc('\n', terminal->to);
	if (row->build_id[0]) {
		snprintf(text, sizeof(text), "build id %s", row->build_id);
		print_detail(terminal, text);
	}
	print_sources(terminal, row, describe_file);
	print_sources(terminal, row, describe_debug_files);
	print_sources(terminal, row, describe_server);
	if (row->why == UNNAMED_UNREADABLE)
		print_detail(terminal, err_name(row->err));
	if (help)
		print_detail(terminal, help);
}

void unnamed_report_print(FILE *to, const struct summary *summary)
{
	unsigned int n = summary->n_unnamed < MAX_SHOWN ? summary->n_unnamed : MAX_SHOWN;
	struct terminal terminal;

	if (!n)
		return;
	terminal_init(&terminal, to);
	fputc('\n', to);
	terminal_title(&terminal,
		       "   share   samples   with frames that have no name: why, what there is, what would help");
	for (unsigned int i = 0; i < n; i++) {
		const struct summary_unnamed *row = &summary->unnamed[i];

		unnamed_report_print_row(&terminal, row, (double)summary->samples, unnamed_text(row->why),
					 unnamed_advice(row->why, row->module));
	}
	fflush(to);
}

/* --- for programs ------------------------------------------------------------------------------------------------- */

static json_t *sources_to_json(const struct summary_unnamed *row,
			       bool (*is_it)(const struct summary_unnamed *row, uint32_t kind))
{
	json_t *array = json_array();

	for (uint32_t kind = 0; kind < SOURCE_KINDS; kind++) {
		if (is_it(row, kind) && json_array_append_new(array, json_string(source_names[kind]))) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

static json_t *row_to_json(const struct summary_unnamed *row)
{
	const char *help = unnamed_advice(row->why, row->module);
	char reason[32], text[64];
	const char *failure = server_failure(row, text);
	size_t len = 0;

	for (const char *name = unnamed_name(row->why); *name && len + 1 < sizeof(reason); name++)
		reason[len++] = (char)tolower((unsigned char)*name);
	reason[len] = '\0';
	return json_pack("{s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "module", spell_json_text(row->module), "reason",
			 reason, "samples", spell_json_count(row->samples), "build_id", spell_json_text(row->build_id),
			 "found", sources_to_json(row, is_found), "missing", sources_to_json(row, is_missing),
			 "debuginfod", failure ? json_string(failure) : json_null(), "advice",
			 help ? json_string(help) : json_null());
}

int unnamed_report_json(json_t *frames, const struct summary *summary)
{
	json_t *rows = json_array();

	if (json_object_set_new(frames, "unnamed_by_module", rows))
		return -ENOMEM;
	for (uint32_t i = 0; summary && i < summary->n_unnamed; i++)
		if (json_array_append_new(rows, row_to_json(&summary->unnamed[i])))
			return -ENOMEM;
	return 0;
}
