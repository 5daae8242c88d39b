/* SPDX-License-Identifier: Apache-2.0 */
/* An option is a row of its command's table and nothing else: its type says how the argument is read and where the
 * value goes in the command's struct, the other columns are what --help, the man page and README.md show. The parser is
 * our own loop and not getopt_long(): it has no global state, never prints, and its errors name the option and the
 * range.
 */
#include "cli/options.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/budget.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"

#define COMM_MAX_LEN 15	      /* TASK_COMM_LEN less the NUL */
#define PID_MAX 4194304	      /* PID_MAX_LIMIT of 64-bit kernels */
#define DURATION_MAX 31536000 /* a year */
#define KIB 1024.0
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define QUOTE_MAX_BYTES 64 /* of an argument in an error */
#define HELP_WIDTH 80
#define HELP_COLUMN 32

enum option_type {
	OPTION_FLAG,	   /* bool = true */
	OPTION_CLEAR,	   /* bool = false */
	OPTION_CHOICE,	   /* bool = the word is `if_true`; the argument column "a|b" lists the words */
	OPTION_WORD,	   /* uint32_t: which of the words of the argument column, from 0 */
	OPTION_COUNT,	   /* int, one more each time up to `max` */
	OPTION_UINT,	   /* uint32_t from `min` to `max` */
	OPTION_SECONDS,	   /* double from `min` to `max` */
	OPTION_SIZE,	   /* uint64_t: bytes from `min` to `max`, with K, M or G for 1024 of the one before */
	OPTION_STRING,	   /* const char *, not empty */
	OPTION_PIDS,	   /* adds to pids */
	OPTION_COMMS,	   /* adds to comms */
	OPTION_OUTPUT,	   /* adds to outputs, the suffix decides the kind */
	OPTION_FOLDED,	   /* adds to outputs */
	OPTION_DEBUG_DIR,  /* adds to a struct debug_directories */
	OPTION_DEBUGINFOD, /* a struct debuginfod_choice */
	OPTION_PAGE	   /* enum options_page is `target` */
};

enum option_group { GROUP_TIME, GROUP_WHAT, GROUP_OUTPUT, GROUP_OTHER, GROUP_HIDDEN };

struct option_row {
	char letter; /* 0: none */
	const char *name;
	const char *argument; /* NULL: takes none; "[=…]" may be left out */
	const char *help;
	enum option_type type;
	size_t target;
	double min, max;
	const char *default_text;
	enum option_group group;
	const char *if_true;
	const char *more; /* a further sentence, for the man page and README.md */
};

#define TARGET(field) offsetof(struct record_options, field)
#define DEBUG_DIR_MORE                                                                                                 \
	"Behind /usr/lib/debug, and laid out as that is: .build-id/xx/rest.debug, or the program's folder; or with "   \
	"the file in DIR itself. May be given several times."
#define DEBUGINFOD_MORE                                                                                                \
	"From these servers, each asked in turn, or those of $DEBUGINFOD_URLS (sudo "                                  \
	"--preserve-env=DEBUGINFOD_URLS passes it on). They learn the build ids of what has no debug file here. "      \
	"Files "                                                                                                       \
	"are kept for gdb, perf and the next time in $DEBUGINFOD_CACHE_PATH, else in "                                 \
	"$XDG_CACHE_HOME/debuginfod_client or ~/.cache/debuginfod_client. $DEBUGINFOD_TIMEOUT, $DEBUGINFOD_MAXTIME "   \
	"and $DEBUGINFOD_MAXSIZE mean what they mean to elfutils' client; 90, 600 and 2 GiB where they are not set."
#define SYMBOLS_TARGET(field) offsetof(struct symbols_options, field)
#define SYMBOLIZE_TARGET(field) offsetof(struct symbolize_options, field)

#define DEMANGLE_MORE                                                                                                  \
	"full: all of it. simple: without parameters and return types, template arguments as <...>, much as pprof "    \
	"and "                                                                                                         \
	"Pyroscope shorten them; overloads and instances of a template share a name then. none: as in the file."

/* clang-format off */
static const struct option_row record_rows[] = {
	{ 'd', "duration", "SECONDS", "stop after this time; a fraction is allowed", OPTION_SECONDS,
	  TARGET(duration_seconds), 0.001, DURATION_MAX, "until Ctrl-C or COMMAND ends", GROUP_TIME, NULL, NULL },
	{ 'F', "frequency", "HZ", "samples a second on each CPU", OPTION_UINT,
	  TARGET(rate_hz), 1, 10000, "99", GROUP_TIME, NULL, NULL },
	{ 0, "event", "cpu-clock|cycles", "what drives the sampling", OPTION_CHOICE,
	  TARGET(event_cycles), 0, 0, "cpu-clock", GROUP_TIME, "cycles",
	  "cycles needs a hardware counter; where there is none, as on most virtual machines, the CPU clock is used "
	  "and a warning says so." },

	{ 'p', "pid", "PID[,...]", "these processes with all their threads", OPTION_PIDS,
	  0, 1, PID_MAX, NULL, GROUP_WHAT, NULL, "May be given several times." },
	{ 0, "children", NULL, "with --pid: and those they start from now on", OPTION_FLAG,
	  TARGET(children), 0, 0, NULL, GROUP_WHAT, NULL, NULL },
	{ 0, "comm", "NAME[,...]", "processes of this name, 8 names at most", OPTION_COMMS,
	  0, 0, 0, NULL, GROUP_WHAT, NULL,
	  "The name is the one in /proc/PID/comm and must match exactly. May be given several times." },
	{ 0, "cgroup", "PATH", "processes in this cgroup or below it", OPTION_STRING,
	  TARGET(cgroup), 0, 0, NULL, GROUP_WHAT, NULL,
	  "Its directory, or the path below /sys/fs/cgroup." },
	{ 0, "exclude-self", "[=yes|no]", "leave hostprof's own work out", OPTION_CHOICE,
	  TARGET(exclude_self), 0, 0, "yes", GROUP_WHAT, "yes", "The report tells its cost either way." },
	{ 0, "include-self", NULL, "the same as --exclude-self=no", OPTION_CLEAR,
	  TARGET(exclude_self), 0, 0, NULL, GROUP_WHAT, NULL, NULL },
	{ 'K', "kernel-only", NULL, "samples of kernel mode, kernel frames alone", OPTION_FLAG,
	  TARGET(kernel_only), 0, 0, NULL, GROUP_WHAT, NULL, NULL },
	{ 'U', "user-only", NULL, "samples of user mode", OPTION_FLAG,
	  TARGET(user_only), 0, 0, NULL, GROUP_WHAT, NULL, NULL },
	{ 'a', "all-processes", NULL, "with COMMAND: everything, not it alone", OPTION_FLAG,
	  TARGET(all_processes), 0, 0, NULL, GROUP_WHAT, NULL, NULL },

	{ 'o', "output", "PATH", "FILE.pb.gz, FILE.html, or else a directory", OPTION_OUTPUT,
	  0, 0, 0, "./hostprof-HOST-TIME/", GROUP_OUTPUT, NULL,
	  "A path that ends in .pb.gz, .pb or .pprof is one merged pprof profile, .html is a flame graph page, anything "
	  "else, and every path that ends in a slash, is a directory with a profile of each process, all.pb.gz and "
	  "flame.html. May be given several times. The default directory is not made when --folded is the only output." },
	{ 0, "folded", "FILE|-", "stacks for FlameGraph's tools; - is stdout", OPTION_FOLDED,
	  0, 0, 0, NULL, GROUP_OUTPUT, NULL, NULL },
	{ 'f', "force", NULL, "replace files that are there", OPTION_FLAG,
	  TARGET(force), 0, 0, NULL, GROUP_OUTPUT, NULL, NULL },
	{ 0, "threads", NULL, "label samples with thread id and thread name", OPTION_FLAG,
	  TARGET(threads), 0, 0, NULL, GROUP_OUTPUT, NULL, NULL },
	{ 0, "no-error-frames", NULL, "hide the frames \"[truncated: ...]\"", OPTION_CLEAR,
	  TARGET(error_frames), 0, 0, NULL, GROUP_OUTPUT, NULL, NULL },
	{ 0, "demangle", "full|simple|none", "how C++, Rust and D names are shown", OPTION_WORD,
	  TARGET(demangle), 0, 0, "full", GROUP_OUTPUT, NULL, DEMANGLE_MORE },
	{ 0, "json", NULL, "the report's figures as one JSON line on stdout", OPTION_FLAG,
	  TARGET(json), 0, 0, NULL, GROUP_OUTPUT, NULL, NULL },

	{ 0, "trust-kernel", NULL, "sample also a kernel known to lock up", OPTION_FLAG,
	  TARGET(trusts_kernel), 0, 0, NULL, GROUP_OTHER, NULL,
	  "5.19 to 6.3 can lock up while they are sampled, unless they are 6.1.36 or later, or 6.3.10 or later; hostprof "
	  "refuses the others. For kernels that a distribution has repaired." },
	{ 0, "mem", "SIZE", "memory to keep to", OPTION_SIZE,
	  TARGET(memory_bytes), BUDGET_MIN_BYTES, BUDGET_MAX_BYTES, "96M", GROUP_OTHER, NULL,
	  "In bytes, or with K, M or G: of all processes of hostprof, their BPF maps and what travels between them. What "
	  "was not used for the longest time leaves; no sample does. Where stacks are too many, the rarest are counted "
	  "for their process alone, as \"[truncated: over the memory budget]\"." },
	{ 0, "debug-dir", "DIR", "look for debug files in DIR too", OPTION_DEBUG_DIR,
	  TARGET(debug_directories), 0, 0, NULL, GROUP_OTHER, NULL, DEBUG_DIR_MORE },
	{ 0, "debuginfod", "[=URL[,...]]", "download missing debug files", OPTION_DEBUGINFOD,
	  TARGET(debuginfod), 0, 0, "off", GROUP_OTHER, NULL,
	  DEBUGINFOD_MORE " They are downloaded while sampling goes on; naming waits for what is left, 5 minutes at most, "
	  "or until Ctrl-C." },
	{ 'q', "quiet", NULL, "no report and no progress, errors only", OPTION_FLAG,
	  TARGET(quiet), 0, 0, NULL, GROUP_OTHER, NULL, NULL },
	{ 'v', "verbose", NULL, "say more; twice: everything", OPTION_COUNT,
	  TARGET(verbose), 0, 2, NULL, GROUP_OTHER, NULL,
	  "The report then tells in which files most stacks end early, and in which most frames have no name, and why." },
	{ 0, "version", NULL, "print the version", OPTION_PAGE,
	  OPTIONS_PAGE_VERSION, 0, 0, NULL, GROUP_OTHER, NULL, NULL },
	{ 'h', "help", NULL, "print this page", OPTION_PAGE,
	  OPTIONS_PAGE_HELP, 0, 0, NULL, GROUP_OTHER, NULL, NULL },
	{ 0, "man", NULL, "print the man page as roff", OPTION_PAGE,
	  OPTIONS_PAGE_MAN, 0, 0, NULL, GROUP_HIDDEN, NULL, NULL },
	{ 0, "help-markdown", NULL, "print the table of options for README.md", OPTION_PAGE,
	  OPTIONS_PAGE_TABLE, 0, 0, NULL, GROUP_HIDDEN, NULL, NULL },
};

static const struct option_row symbols_rows[] = {
	{ 0, "unwind", NULL, "how stacks are walked through each FILE's code", OPTION_FLAG,
	  SYMBOLS_TARGET(unwind), 0, 0, NULL, GROUP_WHAT, NULL,
	  "Where the rules come from, the size of the table that they become, and the largest parts of the code that "
	  "have none." },
	{ 'a', "addresses", NULL, "each ADDRESS before its functions", OPTION_FLAG,
	  SYMBOLS_TARGET(addresses), 0, 0, NULL, GROUP_WHAT, NULL, NULL },
	{ 0, "demangle", "full|simple|none", "how C++, Rust and D names are shown", OPTION_WORD,
	  SYMBOLS_TARGET(demangle), 0, 0, "full", GROUP_WHAT, NULL, DEMANGLE_MORE },
	{ 0, "debug-dir", "DIR", "look for debug files in DIR too", OPTION_DEBUG_DIR,
	  SYMBOLS_TARGET(debug_directories), 0, 0, NULL, GROUP_OTHER, NULL, DEBUG_DIR_MORE },
	{ 0, "debuginfod", "[=URL[,...]]", "download a missing debug file", OPTION_DEBUGINFOD,
	  SYMBOLS_TARGET(debuginfod), 0, 0, "off", GROUP_OTHER, NULL, DEBUGINFOD_MORE },
	{ 0, "json", NULL, "a JSON object for each FILE or ADDRESS, one a line", OPTION_FLAG,
	  SYMBOLS_TARGET(json), 0, 0, NULL, GROUP_OTHER, NULL, NULL },
	{ 'h', "help", NULL, "print this page", OPTION_PAGE,
	  OPTIONS_PAGE_HELP, 0, 0, NULL, GROUP_OTHER, NULL, NULL },
	{ 0, "help-markdown", NULL, "print the table of options for README.md", OPTION_PAGE,
	  OPTIONS_PAGE_TABLE, 0, 0, NULL, GROUP_HIDDEN, NULL, NULL },
};

static const struct option_row symbolize_rows[] = {
	{ 'o', "output", "PATH", "where the named profile goes", OPTION_STRING,
	  SYMBOLIZE_TARGET(output), 0, 0, "FILE with .named.pb.gz", GROUP_OUTPUT, NULL,
	  "It may be FILE itself, which is then replaced when all is done." },
	{ 'f', "force", NULL, "replace a file that is there", OPTION_FLAG,
	  SYMBOLIZE_TARGET(force), 0, 0, NULL, GROUP_OUTPUT, NULL, NULL },
	{ 0, "demangle", "full|simple|none", "how C++, Rust and D names are shown", OPTION_WORD,
	  SYMBOLIZE_TARGET(demangle), 0, 0, "full", GROUP_OUTPUT, NULL, DEMANGLE_MORE },
	{ 0, "json", NULL, "what became of it as one JSON line on stdout", OPTION_FLAG,
	  SYMBOLIZE_TARGET(json), 0, 0, NULL, GROUP_OUTPUT, NULL, NULL },
	{ 0, "debug-dir", "DIR", "look for programs and debug files in DIR too", OPTION_DEBUG_DIR,
	  SYMBOLIZE_TARGET(debug_directories), 0, 0, NULL, GROUP_OTHER, NULL,
	  DEBUG_DIR_MORE " Programs and libraries are found there too: by build id (.build-id/xx/rest), at their path below "
	  "DIR, or in DIR itself." },
	{ 0, "debuginfod", "[=URL[,...]]", "download missing debug files", OPTION_DEBUGINFOD,
	  SYMBOLIZE_TARGET(debuginfod), 0, 0, "off", GROUP_OTHER, NULL, DEBUGINFOD_MORE },
	{ 'q', "quiet", NULL, "no report, errors only", OPTION_FLAG,
	  SYMBOLIZE_TARGET(quiet), 0, 0, NULL, GROUP_OTHER, NULL, NULL },
	{ 'h', "help", NULL, "print this page", OPTION_PAGE,
	  OPTIONS_PAGE_HELP, 0, 0, NULL, GROUP_OTHER, NULL, NULL },
	{ 0, "help-markdown", NULL, "print the table of options for README.md", OPTION_PAGE,
	  OPTIONS_PAGE_TABLE, 0, 0, NULL, GROUP_HIDDEN, NULL, NULL },
};
/* clang-format on */

#define N_ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))

struct command {
	const char *name;
	const char *usage;			/* the head of its page */
	const char *group_titles[GROUP_HIDDEN]; /* NULL: no such group */
	const struct option_row *rows;
	size_t n_rows;
};

static const struct command commands[] = {
	[OPTIONS_RECORD] = {.name = "record",
			    .usage = "Usage: hostprof [record] [OPTIONS] [-- COMMAND ...]\n"
				     "       hostprof symbols FILE [ADDRESS ...]\n"
				     "       hostprof symbols --unwind FILE ...\n"
				     "       hostprof symbolize [OPTIONS] FILE.pb.gz\n"
				     "Profile the whole host, or a part of it, into pprof files and a flame graph.\n",
			    .group_titles = {[GROUP_TIME] = "How long and how often",
					     [GROUP_WHAT] = "What to profile",
					     [GROUP_OUTPUT] = "What to write",
					     [GROUP_OTHER] = "Other"},
			    .rows = record_rows,
			    .n_rows = N_ROWS(record_rows)},
	[OPTIONS_SYMBOLS] =
		{.name = "symbols",
		 .usage = "Usage: hostprof symbols [--json] FILE\n"
			  "       hostprof symbols [-a] [--json] FILE ADDRESS ...\n"
			  "       hostprof symbols --unwind [--json] FILE ...\n"
			  "Show what a program or library tells a profiler. Needs no rights but to read it.\n"
			  "An ADDRESS is hexadecimal; - reads them from stdin. Named as by addr2line -fiC:\n"
			  "a line with the function, one with file and line; inlined calls first.\n",
		 .group_titles = {[GROUP_WHAT] = "What to show", [GROUP_OTHER] = "Other"},
		 .rows = symbols_rows,
		 .n_rows = N_ROWS(symbols_rows)},
	[OPTIONS_SYMBOLIZE] =
		{.name = "symbolize",
		 .usage = "Usage: hostprof symbolize [OPTIONS] FILE.pb.gz\n"
			  "Give the frames of a pprof profile the names that they lack, whoever recorded it.\n"
			  "Programs, libraries and debug files are known by the build ids in the profile.\n",
		 .group_titles = {[GROUP_OUTPUT] = "What to write", [GROUP_OTHER] = "Other"},
		 .rows = symbolize_rows,
		 .n_rows = N_ROWS(symbolize_rows)},
};

#define for_each_row(row, of) for (const struct option_row *row = (of)->rows; row < (of)->rows + (of)->n_rows; row++)

/* --- parsing --- */

struct parser {
	int argc;
	char **argv;
	int pos; /* of the next argument */
	const struct command *command;
	struct record_options *options;
	struct symbols_options *symbols;
	struct symbolize_options *symbolize;
	void *target; /* of the rows: one of them */
	enum options_page page;
	char *error; /* OPTIONS_ERROR_BYTES */
};

/* The argument as it may stand in a message: safe for a terminal and of bounded length. */
struct quoted {
	char text[QUOTE_MAX_BYTES * 3 + 8]; /* a byte becomes three at most (U+FFFD) */
};

static struct quoted quote_n(const char *value, size_t len)
{
	bool is_cut = len > QUOTE_MAX_BYTES;
	struct quoted quoted = {""};
	struct buf buf;

	if (is_cut) {
		len = QUOTE_MAX_BYTES;
		while (len && ((uint8_t)value[len] & 0xc0) == 0x80) /* not inside a character */
			len--;
	}
	buf_init(&buf, sizeof(quoted.text) - 4);
	text_append_terminal(&buf, value, len);
	if (is_cut)
		buf_append_str(&buf, "...");
	if (buf_cstr(&buf))
		text_copy(quoted.text, sizeof(quoted.text), buf_cstr(&buf));
	buf_release(&buf);
	return quoted;
}

static struct quoted quote(const char *value)
{
	return quote_n(value, strlen(value));
}

static int usage_error(struct parser *parser, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int usage_error(struct parser *parser, const char *format, ...)
{
	char what[OPTIONS_ERROR_BYTES - 64];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	snprintf(parser->error, OPTIONS_ERROR_BYTES, "hostprof: %s; see hostprof %s --help", what,
		 parser->command->name);
	return -EINVAL;
}

/* Decimal digits with an optional fraction, nothing else. False also when it is no number from min to max. */
static bool number_parse(const char *text, size_t len, bool has_fraction, double min, double max, double *ret)
{
	double value = 0, unit = 1;
	bool is_fraction = false;
	size_t digits = 0;

	for (size_t i = 0; i < len; i++) {
		if (text[i] == '.' && has_fraction && !is_fraction && digits && i + 1 < len) {
			is_fraction = true;
			continue;
		}
		if (text[i] < '0' || text[i] > '9')
			return false;
		digits++;
		if (is_fraction)
			value += (text[i] - '0') * (unit /= 10);
		else
			value = value * 10 + (text[i] - '0'); /* ends at infinity, which is above max */
	}
	if (!digits || value < min || value > max)
		return false;
	*ret = value;
	return true;
}

static int read_number(struct parser *parser, const struct option_row *row, const char *text, size_t len, double *ret)
{
	if (number_parse(text, len, row->type == OPTION_SECONDS, row->min, row->max, ret))
		return 0;
	return usage_error(parser, "--%s: '%s' is not a number from %.10g to %.10g", row->name, quote_n(text, len).text,
			   row->min, row->max);
}

/* "96M" */
static void size_text(double bytes, char to[32])
{
	static const char *const units[] = {"", "K", "M", "G"};
	size_t unit = 0;

	for (; bytes >= KIB && unit + 1 < sizeof(units) / sizeof(units[0]); unit++)
		bytes /= KIB;
	snprintf(to, 32, "%.10g%s", bytes, units[unit]);
}

static int read_size(struct parser *parser, const struct option_row *row, const char *text, uint64_t *ret)
{
	size_t len = strlen(text);
	char min[32], max[32];
	double unit = 1, bytes;

	switch (text[len - 1]) {
	case 'K':
		unit = KIB;
		break;
	case 'M':
		unit = MIB;
		break;
	case 'G':
		unit = GIB;
		break;
	}
	if (number_parse(text, len - (unit > 1), false, row->min / unit, row->max / unit, &bytes)) {
		*ret = (uint64_t)(bytes * unit);
		return 0;
	}
	size_text(row->min, min);
	size_text(row->max, max);
	return usage_error(parser, "--%s: '%s' is not a size from %s to %s", row->name, quote(text).text, min, max);
}

/* Which of the row's words it is. */
static int read_word(struct parser *parser, const struct option_row *row, const char *value, uint32_t *ret)
{
	const char *words = row->argument + strspn(row->argument, "[=");
	size_t len = strlen(value);
	uint32_t index = 0;

	for (const char *word = words; *word; word += strspn(word, "|]")) {
		size_t word_len = strcspn(word, "|]");

		if (word_len == len && !memcmp(word, value, len)) {
			*ret = index;
			return 0;
		}
		word += word_len;
		index++;
	}
	return usage_error(parser, "--%s: '%s' is not one of %.*s", row->name, quote(value).text,
			   (int)strcspn(words, "]"), words);
}

static int read_choice(struct parser *parser, const struct option_row *row, const char *value, bool *ret)
{
	uint32_t index;
	int err = read_word(parser, row, value, &index);

	if (!err)
		*ret = !strcmp(value, row->if_true);
	return err;
}

static int add_pid(struct parser *parser, const struct option_row *row, const char *text, size_t len)
{
	struct record_options *options = parser->options;
	double value = 0;
	int err = read_number(parser, row, text, len, &value);

	if (err)
		return err;
	for (size_t i = 0; i < options->n_pids; i++)
		if (options->pids[i] == (uint32_t)value)
			return 0;
	if (options->n_pids == RECORD_MAX_PIDS)
		return usage_error(parser, "--%s: more than %d processes", row->name, RECORD_MAX_PIDS);
	options->pids[options->n_pids++] = (uint32_t)value;
	return 0;
}

static int add_comm(struct parser *parser, const struct option_row *row, const char *name, size_t len)
{
	struct record_options *options = parser->options;

	if (!len)
		return usage_error(parser, "--%s: a name is empty", row->name);
	if (len > COMM_MAX_LEN)
		return usage_error(parser, "--%s: '%s' is longer than the %d bytes that the kernel keeps; give '%s'",
				   row->name, quote_n(name, len).text, COMM_MAX_LEN, quote_n(name, COMM_MAX_LEN).text);
	for (size_t i = 0; i < options->n_comms; i++)
		if (!strcmp(options->comms[i], name))
			return 0;
	if (options->n_comms == RECORD_MAX_COMMS)
		return usage_error(parser, "--%s: more than %d names", row->name, RECORD_MAX_COMMS);
	options->comms[options->n_comms++] = name;
	return 0;
}

static int read_list(struct parser *parser, const struct option_row *row, char *value)
{
	while (true) {
		size_t len = strcspn(value, ",");
		bool is_last = !value[len];
		int err;

		if (row->type == OPTION_COMMS)
			value[len] = 0; /* names stay where they are, in argv */
		err = row->type == OPTION_PIDS ? add_pid(parser, row, value, len) : add_comm(parser, row, value, len);
		if (err || is_last)
			return err;
		value += len + 1;
	}
}

static enum record_output_kind output_kind(const char *path)
{
	static const struct {
		const char *suffix;
		enum record_output_kind kind;
	} suffixes[] = {
		{".pb.gz", RECORD_OUTPUT_PPROF},
		{".pb", RECORD_OUTPUT_PPROF},
		{".pprof", RECORD_OUTPUT_PPROF},
		{".html", RECORD_OUTPUT_HTML},
	};
	size_t len = strlen(path);

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		size_t n = strlen(suffixes[i].suffix);

		if (len >= n && !strcmp(path + len - n, suffixes[i].suffix))
			return suffixes[i].kind;
	}
	return RECORD_OUTPUT_DIRECTORY;
}

static int add_output(struct parser *parser, const struct option_row *row, const char *path)
{
	struct record_options *options = parser->options;
	struct record_output output = {RECORD_OUTPUT_FOLDED, path};

	if (row->type == OPTION_OUTPUT) {
		if (!strcmp(path, "-"))
			return usage_error(parser, "--%s: '-': only --folded writes to stdout", row->name);
		output.kind = output_kind(path);
	}
	for (size_t i = 0; i < options->n_outputs; i++)
		if (!strcmp(options->outputs[i].path, path))
			return usage_error(parser, "--%s: '%s' is written twice", row->name, quote(path).text);
	if (options->n_outputs == RECORD_MAX_OUTPUTS)
		return usage_error(parser, "--%s: more than %d outputs", row->name, RECORD_MAX_OUTPUTS);
	options->outputs[options->n_outputs++] = output;
	return 0;
}

static int add_debug_directory(struct parser *parser, const struct option_row *row,
			       struct debug_directories *directories, const char *path)
{
	if (directories->n == OPTIONS_MAX_DEBUG_DIRECTORIES)
		return usage_error(parser, "--%s: more than %d directories", row->name, OPTIONS_MAX_DEBUG_DIRECTORIES);
	directories->paths[directories->n++] = path;
	return 0;
}

/* `value` NULL: those of the environment. The last one counts. */
static int read_debuginfod(struct parser *parser, const struct option_row *row, char *value,
			   struct debuginfod_choice *choice)
{
	const char *bad = "";
	int err;

	*choice = (struct debuginfod_choice){.is_on = true};
	err = value ? debuginfod_add_urls(value, false, choice, &bad) : 0;
	if (err == -E2BIG)
		return usage_error(parser, "--%s: more than %d servers", row->name, DEBUG_MAX_SERVERS);
	if (err || (value && !choice->n_urls))
		return usage_error(parser, "--%s: '%s' is not http://HOST or https://HOST", row->name, quote(bad).text);
	return 0;
}

/* Stores a row's value; `value` is NULL when the option takes no argument, or an optional one was left out. */
static int apply(struct parser *parser, const struct option_row *row, char *value)
{
	void *target = (char *)parser->target + row->target;
	size_t len = value ? strlen(value) : 0;
	double number = 0;
	int err;

	if (value && !len)
		return usage_error(parser, "--%s: the argument is empty", row->name);
	switch (row->type) {
	case OPTION_FLAG:
		*(bool *)target = true;
		return 0;
	case OPTION_CLEAR:
		*(bool *)target = false;
		return 0;
	case OPTION_CHOICE:
		if (value)
			return read_choice(parser, row, value, target);
		*(bool *)target = true;
		return 0;
	case OPTION_WORD:
		return read_word(parser, row, value, target);
	case OPTION_COUNT:
		*(int *)target += *(int *)target < row->max;
		return 0;
	case OPTION_UINT:
		err = read_number(parser, row, value, len, &number);
		if (!err)
			*(uint32_t *)target = (uint32_t)number;
		return err;
	case OPTION_SECONDS:
		return read_number(parser, row, value, len, target);
	case OPTION_SIZE:
		return read_size(parser, row, value, target);
	case OPTION_STRING:
		*(const char **)target = value;
		return 0;
	case OPTION_PIDS:
	case OPTION_COMMS:
		return read_list(parser, row, value);
	case OPTION_OUTPUT:
	case OPTION_FOLDED:
		return add_output(parser, row, value);
	case OPTION_DEBUG_DIR:
		return add_debug_directory(parser, row, target, value);
	case OPTION_DEBUGINFOD:
		return read_debuginfod(parser, row, value, target);
	case OPTION_PAGE:
		parser->page = (enum options_page)row->target;
		return 0;
	}
	return -EINVAL;
}

static bool argument_is_optional(const struct option_row *row)
{
	return row->argument && row->argument[0] == '[';
}

/* The argument of an option that stands in an argv element of its own. */
static int next_value(struct parser *parser, const struct option_row *row, char **ret)
{
	if (parser->pos == parser->argc || !strcmp(parser->argv[parser->pos], "--"))
		return usage_error(parser, "--%s needs an argument: %s", row->name, row->argument);
	*ret = parser->argv[parser->pos++];
	return 0;
}

static int read_long(struct parser *parser, char *name)
{
	size_t len = strcspn(name, "=");
	char *value = name[len] ? name + len + 1 : NULL;

	for_each_row(row, parser->command)
	{
		if (strlen(row->name) != len || memcmp(row->name, name, len))
			continue;
		if (value && !row->argument)
			return usage_error(parser, "--%s takes no argument", row->name);
		if (!value && row->argument && !argument_is_optional(row)) {
			int err = next_value(parser, row, &value);

			if (err)
				return err;
		}
		return apply(parser, row, value);
	}
	return usage_error(parser, "unknown option '--%s'", quote_n(name, len).text);
}

static const struct option_row *find_letter(const struct parser *parser, char letter)
{
	for_each_row(row, parser->command) if (row->letter == letter) return row;
	return NULL;
}

static int unknown_letter(struct parser *parser, const char *letter)
{
	uint32_t point;
	size_t len = text_utf8_sequence(letter, strlen(letter), &point);

	return usage_error(parser, "unknown option '-%s'", quote_n(letter, len ? len : 1).text);
}

/* "-qvF99": letters without an argument may be bundled, the last one may have its argument behind it. */
static int read_letters(struct parser *parser, char *letters)
{
	for (char *pos = letters; *pos && !parser->page; pos++) {
		const struct option_row *row = find_letter(parser, *pos);
		char *value = NULL;
		int err = 0;

		if (!row)
			return unknown_letter(parser, pos);
		if (!row->argument) {
			err = apply(parser, row, NULL);
			if (err)
				return err;
			continue;
		}
		value = pos + 1;
		if (!*value)
			err = next_value(parser, row, &value);
		return err ? err : apply(parser, row, value);
	}
	return 0;
}

static int check_symbols(struct parser *parser)
{
	struct symbols_options *symbols = parser->symbols;

	if (!symbols->n_files)
		return usage_error(parser, "no FILE to show");
	if (symbols->unwind)
		return 0;
	symbols->texts = symbols->files + 1;
	symbols->n_texts = symbols->n_files - 1;
	symbols->n_files = 1;
	return 0;
}

/* What no single row can tell: options that need or exclude each other. */
static int check_record(struct parser *parser)
{
	struct record_options *options = parser->options;
	bool folded_to_stdout = false;

	for (size_t i = 0; i < options->n_outputs; i++)
		folded_to_stdout |=
			options->outputs[i].kind == RECORD_OUTPUT_FOLDED && !strcmp(options->outputs[i].path, "-");
	if (options->json && folded_to_stdout)
		return usage_error(parser, "--json and --folded -: both want stdout");
	if (options->kernel_only && options->user_only)
		return usage_error(parser, "--kernel-only and --user-only exclude each other");
	if (options->n_pids && options->command)
		return usage_error(parser, "--pid and a command exclude each other");
	if (options->n_pids && options->all_processes)
		return usage_error(parser, "--pid and --all-processes exclude each other");
	if (options->children && !options->n_pids)
		return usage_error(parser, "--children needs --pid%s",
				   options->command ? "; a command's children are followed anyway" : "");
	return 0;
}

static int check_symbolize(struct parser *parser)
{
	return parser->symbolize->file ? 0 : usage_error(parser, "no FILE to give names to");
}

static int check(struct parser *parser)
{
	if (parser->target == parser->symbols)
		return check_symbols(parser);
	return parser->target == parser->symbolize ? check_symbolize(parser) : check_record(parser);
}

static bool is_word(const struct parser *parser, enum options_command command)
{
	return !strcmp(parser->argv[1], commands[command].name);
}

/* The first word, which may be left out, chooses the command. */
static int choose_command(struct parser *parser)
{
	bool is_named = parser->argc > 1 && parser->argv[1][0] != '-';

	parser->command = &commands[OPTIONS_RECORD];
	parser->target = parser->options;
	parser->pos = is_named ? 2 : 1;
	if (!is_named || is_word(parser, OPTIONS_RECORD))
		return 0;
	if (is_word(parser, OPTIONS_SYMBOLS)) {
		parser->command = &commands[OPTIONS_SYMBOLS];
		parser->target = parser->symbols;
	} else if (is_word(parser, OPTIONS_SYMBOLIZE)) {
		parser->command = &commands[OPTIONS_SYMBOLIZE];
		parser->target = parser->symbolize;
	} else {
		return usage_error(parser, "unknown command '%s'; commands: record, symbols, symbolize",
				   quote(parser->argv[1]).text);
	}
	return 0;
}

/* Those of `symbols` move to the front, behind the command's name, where arguments were read already. */
static int add_file(struct parser *parser, char *path)
{
	if (parser->target == parser->symbolize) {
		if (parser->symbolize->file)
			return usage_error(parser, "'%s': one FILE at a time", quote(path).text);
		parser->symbolize->file = path;
		return *path ? 0 : usage_error(parser, "the name of FILE is empty");
	}
	parser->symbols->files = parser->argv + 2;
	parser->argv[2 + parser->symbols->n_files++] = path;
	return 0;
}

static int read_operand(struct parser *parser, char *argument)
{
	if (parser->command == &commands[OPTIONS_RECORD])
		return usage_error(parser, "'%s' is no option; a command to profile stands behind --",
				   quote(argument).text);
	return add_file(parser, argument);
}

/* What stands behind "--": of `record` a command, of others files. */
static int read_rest(struct parser *parser)
{
	if (parser->command == &commands[OPTIONS_RECORD]) {
		if (parser->pos >= parser->argc)
			return usage_error(parser, "no command behind --");
		parser->options->command = parser->argv + parser->pos;
		return 0;
	}
	while (parser->pos < parser->argc) {
		int err = add_file(parser, parser->argv[parser->pos++]);

		if (err)
			return err;
	}
	return 0;
}

static int read_arguments(struct parser *parser)
{
	int err = choose_command(parser);

	if (err)
		return err;
	while (parser->pos < parser->argc && !parser->page) {
		char *argument = parser->argv[parser->pos++];

		if (!strcmp(argument, "--")) {
			err = read_rest(parser);
			if (err)
				return err;
			break;
		}
		if (argument[0] != '-' || !argument[1])
			err = read_operand(parser, argument);
		else
			err = argument[1] == '-' ? read_long(parser, argument + 2) : read_letters(parser, argument + 1);
		if (err)
			return err;
	}
	if (parser->page)
		return 0;
	return check(parser);
}

int options_read(int argc, char **argv, struct options *ret, enum options_page *ret_page,
		 char error[OPTIONS_ERROR_BYTES])
{
	struct record_options options = {
		.rate_hz = 99, .exclude_self = true, .error_frames = true, .memory_bytes = BUDGET_DEFAULT_BYTES};
	struct symbols_options symbols = {0};
	struct symbolize_options symbolize = {0};
	struct parser parser = {
		.argc = argc, .argv = argv, .options = &options, .symbols = &symbols, .symbolize = &symbolize};
	int err;

	parser.error = error;
	err = read_arguments(&parser);
	if (err)
		return err;
	*ret_page = parser.page;
	ret->command = (enum options_command)(parser.command - commands);
	if (parser.page)
		return 0;
	if (!options.n_outputs)
		options.outputs[options.n_outputs++] = (struct record_output){RECORD_OUTPUT_DIRECTORY, NULL};
	ret->record = options;
	ret->symbols = symbols;
	ret->symbolize = symbolize;
	return 0;
}

int options_parse(int argc, char **argv, struct options *ret)
{
	char error[OPTIONS_ERROR_BYTES];
	enum options_page page;
	int err = options_read(argc, argv, ret, &page, error);

	if (err) {
		fprintf(stderr, "%s\n", error);
		return err;
	}
	if (page) {
		err = options_print(stdout, ret->command, page);
		if (err) {
			fprintf(stderr, "hostprof: cannot write to stdout: %s\n", err_name(err));
			return err;
		}
		ret->command = OPTIONS_EXIT;
	}
	return 0;
}

/* --- pages --- */

/* Words with single spaces, wrapped at HELP_WIDTH; `column` is where the cursor stands. */
static void print_wrapped(FILE *to, const char *text, unsigned int column)
{
	bool is_first = true;

	while (*text) {
		unsigned int len = (unsigned int)strcspn(text, " ");

		if (!is_first && column + 1 + len > HELP_WIDTH) {
			fprintf(to, "\n%*s", HELP_COLUMN, "");
			column = HELP_COLUMN;
			is_first = true;
		}
		column += (unsigned int)fprintf(to, "%s%.*s", is_first ? "" : " ", (int)len, text);
		is_first = false;
		text += len;
		text += strspn(text, " ");
	}
}

/* "--pid PID[,...]" */
static void long_form(const struct option_row *row, char *to, size_t size)
{
	snprintf(to, size, "--%s%s%s", row->name, row->argument && !argument_is_optional(row) ? " " : "",
		 row->argument ? row->argument : "");
}

/* What it does, with the range of a number: "samples a second on each CPU, 1 to 10000" */
static void describe(const struct option_row *row, char *to, size_t size)
{
	char min[32], max[32];

	if (row->type == OPTION_UINT) {
		snprintf(to, size, "%s, %.10g to %.10g", row->help, row->min, row->max);
	} else if (row->type == OPTION_SIZE) {
		size_text(row->min, min);
		size_text(row->max, max);
		snprintf(to, size, "%s, %s to %s", row->help, min, max);
	} else {
		text_copy(to, size, row->help);
	}
}

static void print_help_row(FILE *to, const struct option_row *row)
{
	char left[64], form[64], what[128], text[256];
	int len;

	long_form(row, form, sizeof(form));
	if (row->letter)
		len = snprintf(left, sizeof(left), "  -%c, %s", row->letter, form);
	else
		len = snprintf(left, sizeof(left), "      %s", form);
	if (len > HELP_COLUMN - 2)
		fprintf(to, "%s\n%*s", left, HELP_COLUMN, "");
	else
		fprintf(to, "%-*s", HELP_COLUMN, left);
	describe(row, what, sizeof(what));
	snprintf(text, sizeof(text), row->default_text ? "%s (default %s)" : "%s", what, row->default_text);
	print_wrapped(to, text, HELP_COLUMN);
	fputc('\n', to);
}

static void print_help(FILE *to, const struct command *command)
{
	fputs(command->usage, to);
	for (enum option_group group = 0; group < GROUP_HIDDEN; group++) {
		if (!command->group_titles[group])
			continue;
		fprintf(to, "\n%s:\n", command->group_titles[group]);
		for_each_row(row, command) if (row->group == group) print_help_row(to, row);
	}
}

/* Text between roff requests: hyphens that are typed stay hyphens, and no line begins with a control character. */
static void print_roff(FILE *to, const char *text)
{
	if (*text == '.' || *text == '\'')
		fputs("\\&", to);
	for (; *text; text++) {
		if (*text == '\\')
			fputs("\\e", to);
		else if (*text == '-')
			fputs("\\-", to);
		else
			fputc(*text, to);
	}
}

static void print_man_row(FILE *to, const struct option_row *row)
{
	char what[128];

	fputs(".TP\n\\fB", to);
	if (row->letter)
		fprintf(to, "\\-%c\\fR, \\fB", row->letter);
	fputs("\\-\\-", to);
	print_roff(to, row->name);
	fputs("\\fR", to);
	if (row->argument) {
		fputs(argument_is_optional(row) ? "\\fI" : " \\fI", to);
		print_roff(to, row->argument);
		fputs("\\fR", to);
	}
	fputc('\n', to);
	describe(row, what, sizeof(what));
	print_roff(to, what);
	if (row->default_text) {
		fputs(" (default ", to);
		print_roff(to, row->default_text);
		fputc(')', to);
	}
	fputs(".\n", to);
	if (row->more) {
		print_roff(to, row->more);
		fputc('\n', to);
	}
}

static const char man_head[] =
	".SH NAME\n"
	"hostprof \\- profile a whole Linux host with eBPF\n"
	".SH SYNOPSIS\n"
	"\\fBhostprof\\fR [\\fBrecord\\fR] [\\fIOPTIONS\\fR] [\\fB\\-\\-\\fR \\fICOMMAND\\fR ...]\n"
	".br\n"
	"\\fBhostprof symbols\\fR [\\fB\\-\\-json\\fR] \\fIFILE\\fR\n"
	".br\n"
	"\\fBhostprof symbols\\fR [\\fB\\-a\\fR] [\\fB\\-\\-json\\fR] \\fIFILE ADDRESS\\fR ...\n"
	".br\n"
	"\\fBhostprof symbols \\-\\-unwind\\fR [\\fB\\-\\-json\\fR] \\fIFILE\\fR ...\n"
	".br\n"
	"\\fBhostprof symbolize\\fR [\\fIOPTIONS\\fR] \\fIFILE\\fR\n"
	".SH DESCRIPTION\n"
	"Samples the stacks of all processes on all CPUs, kernel and user, gives the frames their names, prints where "
	"the\n"
	"CPU time went and writes profiles that\n"
	".B go tool pprof\n"
	"and other readers of the pprof format open, and a flame graph page for the browser.\n"
	".PP\n"
	"Without \\fB\\-d\\fR it runs until Ctrl\\-C, which is a normal end, or until\n"
	".I COMMAND\n"
	"ends. The command runs as the user who called hostprof, also through\n"
	".BR sudo (8).\n"
	"It is profiled alone, with all it starts, unless \\fB\\-a\\fR is given.\n"
	".PP\n"
	"The report goes to the standard error, so that the standard output is free for \\fB\\-\\-json\\fR or\n"
	"\\fB\\-\\-folded \\-\\fR. Every sample that was taken is in a profile or counted as lost, with the cause.\n"
	".SH OPTIONS\n";

static const char man_symbols[] =
	".SH \"HOSTPROF SYMBOLS\"\n"
	"Shows what a program or library tells a profiler. It needs no rights but to read the\n"
	".IR FILE ,\n"
	"which is parsed by a process that can do nothing else.\n"
	".PP\n"
	"Of a\n"
	".I FILE\n"
	"alone it prints what there is to name its code by, what was looked for in vain, how much of the code that "
	"names,\n"
	"how stacks are walked through it, and what would help.\n"
	".PP\n"
	"For each\n"
	".I ADDRESS\n"
	"(hexadecimal, in the file's own address space; \\- reads them from the standard input) it prints what\n"
	".B addr2line \\-fiC\n"
	"prints: two lines for each function, its name, then file and line; what was inlined comes first.\n";

static const char man_symbolize[] =
	".SH \"HOSTPROF SYMBOLIZE\"\n"
	"Gives the frames of a pprof profile the names that they lack, as if they had been there when it was recorded. "
	"The\n"
	"programs, libraries and debug files are sought by the build ids in the profile: where it says that they were, "
	"below\n"
	"/usr/lib/debug, and in \\fB\\-\\-debug\\-dir\\fR. A file with another build id is not used. Names that are "
	"there "
	"stay,\n"
	"and so does all else in the profile. Profiles of other tools get names too, where they have addresses and "
	"build "
	"ids.\n";

static const char man_tail[] =
	".SH EXIT STATUS\n"
	"0 after a normal end, Ctrl\\-C included; 1 after a failure; 2 for wrong usage.\n"
	"With a\n"
	".IR COMMAND ,\n"
	"its own status.\n"
	".SH ENVIRONMENT\n"
	".TP\n"
	".BR DEBUGINFOD_URLS \", \" DEBUGINFOD_CACHE_PATH \", \" DEBUGINFOD_TIMEOUT \", \" DEBUGINFOD_MAXTIME \", "
	"\" DEBUGINFOD_MAXSIZE\n"
	"With \\fB\\-\\-debuginfod\\fR, as for\n"
	".BR debuginfod\\-find (1).\n"
	".TP\n"
	".BR http_proxy \", \" https_proxy \", \" all_proxy \", \" no_proxy \", \" SSL_CERT_FILE\n"
	"With \\fB\\-\\-debuginfod\\fR: the way to the network, and the certificates that are trusted.\n"
	".TP\n"
	".B NO_COLOR\n"
	"When set and not empty, the report has no colours. It has none either where it is not shown on a terminal.\n"
	".TP\n"
	".BR SUDO_UID \", \" SUDO_GID\n"
	"Set by\n"
	".BR sudo (8):\n"
	"the user who owns the files and whom the command runs as.\n"
	".SH FILES\n"
	"A directory (the default is\n"
	".IR ./hostprof\\-HOST\\-TIME/ )\n"
	"holds\n"
	".TP\n"
	".I COMM\\-PID.pb.gz\n"
	"the profile of one process, with \\-2, \\-3 ... before the suffix after it executed another program\n"
	".TP\n"
	".I all.pb.gz\n"
	"all processes, with pid and comm as labels of the samples\n"
	".TP\n"
	".I flame.html\n"
	"a flame graph in one page that fetches nothing from the network\n"
	".PP\n"
	"Files have mode 0600, belong to the user who called hostprof, appear complete or not at all, and replace "
	"nothing\n"
	"unless \\fB\\-\\-force\\fR is given.\n"
	".SH EXAMPLES\n"
	".TP\n"
	".B sudo hostprof \\-d 10\n"
	"Where does the CPU time of this machine go?\n"
	".TP\n"
	".B sudo hostprof \\-o build.html \\-\\- make \\-j8\n"
	"A flame graph of a build.\n"
	".TP\n"
	".B sudo hostprof \\-d 30 \\-p 4711 \\-\\-children \\-o server.pb.gz\n"
	"One process and what it starts, as one pprof file.\n"
	".TP\n"
	".B sudo hostprof \\-q \\-d 10 \\-\\-folded \\- | flamegraph.pl >graph.svg\n"
	"Folded stacks for other tools.\n"
	".SH NOTES\n"
	"It needs root, or CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH, CAP_CHECKPOINT_RESTORE and "
	"CAP_SYSLOG,\n"
	"and a kernel with BTF (/sys/kernel/btf/vmlinux).\n"
	"User stacks are walked by .eh_frame, .debug_frame, the tables of Go programs, rules found by scanning the "
	"code, "
	"and\n"
	"frame pointers. What a JIT compiler made is walked by frame pointers alone. A stack that ends early has a "
	"frame "
	"that\n"
	"says why.\n"
	".SH SEE ALSO\n"
	".BR perf\\-record (1)\n";

static void print_man_rows(FILE *to, const struct command *command)
{
	for (enum option_group group = 0; group < GROUP_HIDDEN; group++) {
		if (!command->group_titles[group])
			continue;
		fprintf(to, ".SS %s\n", command->group_titles[group]);
		for_each_row(row, command) if (row->group == group) print_man_row(to, row);
	}
}

static void print_man(FILE *to)
{
	fprintf(to, ".TH HOSTPROF 1 \"\" \"hostprof %s\" \"User Commands\"\n", HOSTPROF_VERSION);
	fputs(man_head, to);
	print_man_rows(to, &commands[OPTIONS_RECORD]);
	fputs(man_symbols, to);
	print_man_rows(to, &commands[OPTIONS_SYMBOLS]);
	fputs(man_symbolize, to);
	print_man_rows(to, &commands[OPTIONS_SYMBOLIZE]);
	fputs(man_tail, to);
}

/* A cell of a table: a bar would end it. */
static void print_cell(FILE *to, const char *text)
{
	for (; *text; text++)
		fprintf(to, *text == '|' ? "\\%c" : "%c", *text);
}

static void print_table(FILE *to, const struct command *command)
{
	fputs("| Option | What it does | Default |\n| --- | --- | --- |\n", to);
	for_each_row(row, command)
	{
		char form[64], what[128];

		if (row->group == GROUP_HIDDEN)
			continue;
		long_form(row, form, sizeof(form));
		fputs("| ", to);
		if (row->letter)
			fprintf(to, "`-%c`, ", row->letter);
		fputc('`', to);
		print_cell(to, form);
		fputs("` | ", to);
		describe(row, what, sizeof(what));
		print_cell(to, what);
		if (row->more) {
			fputs(". ", to);
			print_cell(to, row->more);
		}
		fputs(" | ", to);
		print_cell(to, row->default_text ? row->default_text : "");
		fputs(row->default_text ? " |\n" : "|\n", to);
	}
}

int options_print(FILE *to, enum options_command command, enum options_page page)
{
	errno = 0;
	switch (page) {
	case OPTIONS_PAGE_NONE:
		break;
	case OPTIONS_PAGE_HELP:
		print_help(to, &commands[command]);
		break;
	case OPTIONS_PAGE_VERSION:
		fprintf(to, "hostprof %s\n", HOSTPROF_VERSION);
		break;
	case OPTIONS_PAGE_MAN:
		print_man(to);
		break;
	case OPTIONS_PAGE_TABLE:
		print_table(to, &commands[command]);
		break;
	}
	if (!fflush(to) && !ferror(to))
		return 0;
	return errno ? -errno : -EIO;
}
