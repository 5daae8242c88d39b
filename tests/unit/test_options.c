/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <stdio.h>

#include "base/demangle_mode.h"
#include "cli/options.h"
#include "oom.h"
#include "readme.h"

#define MAX_ARGS 64

static struct options parsed;
static struct record_options options; /* of `parsed` */
static char error[OPTIONS_ERROR_BYTES];
static enum options_page page;
static char *args[MAX_ARGS + 1]; /* of the last parse(): options point into them */

static char *owned[MAX_ARGS + 1]; /* the same: files move in `args` */

static void args_release(void)
{
	for (size_t i = 0; owned[i]; i++) {
		free(owned[i]);
		owned[i] = args[i] = NULL;
	}
}

static int parse_array(const char *const *words)
{
	int argc = 0, err;

	args_release();
	args[argc] = owned[argc] = strdup("hostprof");
	argc++;
	for (; words[argc - 1] && argc < MAX_ARGS; argc++)
		args[argc] = owned[argc] = strdup(words[argc - 1]);
	memset(&parsed, 0xa5, sizeof(parsed));
	memset(error, 0, sizeof(error));
	page = OPTIONS_PAGE_NONE;
	err = options_read(argc, args, &parsed, &page, error);
	options = parsed.record;
	return err;
}

#define parse(...) parse_array((const char *const[]){__VA_ARGS__, NULL})

static int release(void **state)
{
	(void)state;
	args_release();
	return 0;
}

static char *printed_of(enum options_command command, enum options_page what)
{
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	assert_non_null(to);
	assert_int_equal(options_print(to, command, what), 0);
	fclose(to);
	return text;
}

static char *printed(enum options_page what)
{
	return printed_of(OPTIONS_RECORD, what);
}

static void nothing_given_means_everything_at_99_hz_into_the_default_directory(void **state)
{
	const char *const none[] = {NULL};

	(void)state;
	assert_int_equal(parse_array(none), 0);
	assert_int_equal(page, OPTIONS_PAGE_NONE);
	assert_int_equal(parsed.command, OPTIONS_RECORD);
	assert_int_equal(options.memory_bytes, 96 << 20);
	assert_true(options.duration_seconds == 0);
	assert_int_equal(options.rate_hz, 99);
	assert_int_equal(options.n_pids + options.n_comms, 0);
	assert_true(options.exclude_self && options.error_frames);
	assert_false(options.event_cycles || options.children || options.kernel_only || options.user_only ||
		     options.all_processes || options.threads || options.force || options.trusts_kernel ||
		     options.json || options.quiet);
	assert_int_equal(options.verbose, 0);
	assert_null(options.cgroup);
	assert_null(options.command);
	assert_int_equal(options.n_outputs, 1);
	assert_int_equal(options.outputs[0].kind, RECORD_OUTPUT_DIRECTORY);
	assert_null(options.outputs[0].path);
}

static void names_are_demangled_as_the_word_says(void **state)
{
	static const char *const words[DEMANGLE_MODE_COUNT] = {"full", "simple", "none"};

	(void)state;
	assert_int_equal(parse("record"), 0);
	assert_int_equal(options.demangle, DEMANGLE_FULL);
	for (uint32_t mode = 0; mode < DEMANGLE_MODE_COUNT; mode++) {
		assert_int_equal(parse("record", "--demangle", words[mode]), 0);
		assert_int_equal(options.demangle, mode);
		assert_int_equal(parse("symbols", "--demangle", words[mode], "file", "1"), 0);
		assert_int_equal(parsed.symbols.demangle, mode);
	}
}

static void the_word_record_may_be_left_out(void **state)
{
	(void)state;
	assert_int_equal(parse("record", "-F", "7"), 0);
	assert_int_equal(options.rate_hz, 7);
	assert_int_equal(parse("-F", "8"), 0);
	assert_int_equal(options.rate_hz, 8);
	assert_int_equal(parse("record"), 0);
	assert_int_equal(options.rate_hz, 99);
}

static void an_argument_follows_in_each_gnu_form(void **state)
{
	static const char *const forms[][3] = {{"-F", "250"},	    {"-F250"},	{"--frequency", "250"},
					       {"--frequency=250"}, {"-qF250"}, {"-vqF", "250"}};

	(void)state;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		assert_int_equal(parse_array(forms[i]), 0);
		assert_int_equal(options.rate_hz, 250);
	}
}

static void each_flag_sets_its_own_field(void **state)
{
	static const struct {
		const char *letter, *name;
		size_t offset;
		bool value;
	} flags[] = {
		{NULL, "--include-self", offsetof(struct record_options, exclude_self), false},
		{NULL, "--exclude-self", offsetof(struct record_options, exclude_self), true},
		{NULL, "--exclude-self=yes", offsetof(struct record_options, exclude_self), true},
		{NULL, "--exclude-self=no", offsetof(struct record_options, exclude_self), false},
		{NULL, "--event=cycles", offsetof(struct record_options, event_cycles), true},
		{NULL, "--event=cpu-clock", offsetof(struct record_options, event_cycles), false},
		{"-K", "--kernel-only", offsetof(struct record_options, kernel_only), true},
		{"-U", "--user-only", offsetof(struct record_options, user_only), true},
		{"-a", "--all-processes", offsetof(struct record_options, all_processes), true},
		{NULL, "--threads", offsetof(struct record_options, threads), true},
		{NULL, "--no-error-frames", offsetof(struct record_options, error_frames), false},
		{"-f", "--force", offsetof(struct record_options, force), true},
		{NULL, "--trust-kernel", offsetof(struct record_options, trusts_kernel), true},
		{NULL, "--json", offsetof(struct record_options, json), true},
		{"-q", "--quiet", offsetof(struct record_options, quiet), true},
	};
	struct record_options plain;

	(void)state;
	assert_int_equal(parse("record"), 0);
	plain = options;
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		for (int is_short = 0; is_short < (flags[i].letter ? 2 : 1); is_short++) {
			assert_int_equal(parse(is_short ? flags[i].letter : flags[i].name), 0);
			for (size_t j = 0; j < sizeof(flags) / sizeof(flags[0]); j++)
				assert_int_equal(*((bool *)&options + flags[j].offset),
						 flags[j].offset == flags[i].offset
							 ? flags[i].value
							 : *((bool *)&plain + flags[j].offset));
		}
	}
}

static void verbose_counts_to_two(void **state)
{
	(void)state;
	assert_int_equal(parse("-v"), 0);
	assert_int_equal(options.verbose, 1);
	assert_int_equal(parse("-vv", "--verbose"), 0);
	assert_int_equal(options.verbose, 2);
}

static void duration_may_be_a_fraction(void **state)
{
	(void)state;
	assert_int_equal(parse("-d", "0.25"), 0);
	assert_true(options.duration_seconds == 0.25);
	assert_int_equal(parse("--duration=010.50"), 0);
	assert_true(options.duration_seconds == 10.5);
	assert_int_equal(parse("-d31536000"), 0);
	assert_true(options.duration_seconds == 31536000);
}

static void a_size_may_have_a_unit(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} cases[] = {
		{"32M", 32 << 20},  {"33554432", 32 << 20}, {"32768K", 32 << 20},	{"0100M", 100 << 20},
		{"1G", 1ULL << 30}, {"2G", 2ULL << 30},	    {"2147483648", 2ULL << 30}, {"33554433", (32 << 20) + 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(parse("--mem", cases[i].text), 0);
		assert_int_equal(options.memory_bytes, cases[i].bytes);
	}
}

static void pids_add_up_and_count_once(void **state)
{
	static const uint32_t pids[] = {1, 4194304, 7, 8};

	(void)state;
	assert_int_equal(parse("-p", "1,4194304", "--pid=7,1", "-p8", "--children"), 0);
	assert_int_equal(options.n_pids, 4);
	assert_memory_equal(options.pids, pids, sizeof(pids));
	assert_true(options.children);
}

static void more_pids_than_fit_are_refused(void **state)
{
	char list[RECORD_MAX_PIDS * 5 + 16] = "";
	size_t len = 0;

	(void)state;
	for (int i = 1; i <= RECORD_MAX_PIDS; i++)
		len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%d", i > 1 ? "," : "", i);
	assert_int_equal(parse("-p", list), 0);
	assert_int_equal(options.n_pids, RECORD_MAX_PIDS);
	assert_int_equal(parse("-p", list, "-p", "1"), 0);
	assert_int_equal(parse("-p", list, "-p", "4711"), -EINVAL);
	assert_string_equal(error, "hostprof: --pid: more than 1024 processes; see hostprof record --help");
}

static void names_add_up_and_count_once(void **state)
{
	(void)state;
	assert_int_equal(parse("--comm", "cc1,as", "--comm=abcdefghijklmno,cc1"), 0);
	assert_int_equal(options.n_comms, 3);
	assert_string_equal(options.comms[0], "cc1");
	assert_string_equal(options.comms[1], "as");
	assert_string_equal(options.comms[2], "abcdefghijklmno");
	assert_int_equal(parse("--comm=a,b,c,d,e,f,g,h,a"), 0);
	assert_int_equal(parse("--comm=a,b,c,d,e,f,g,h,i"), -EINVAL);
	assert_string_equal(error, "hostprof: --comm: more than 8 names; see hostprof record --help");
}

static void suffix_decides_what_an_output_is(void **state)
{
	static const struct {
		const char *path;
		enum record_output_kind kind;
	} cases[] = {
		{"a.pb.gz", RECORD_OUTPUT_PPROF},
		{"/x/a.pb", RECORD_OUTPUT_PPROF},
		{"a.pprof", RECORD_OUTPUT_PPROF},
		{"a.html", RECORD_OUTPUT_HTML},
		{"a", RECORD_OUTPUT_DIRECTORY},
		{"a.pb.gz/", RECORD_OUTPUT_DIRECTORY},
		{"a.html/", RECORD_OUTPUT_DIRECTORY},
		{"a.gz", RECORD_OUTPUT_DIRECTORY},
		{"a.html.d", RECORD_OUTPUT_DIRECTORY},
		{"html", RECORD_OUTPUT_DIRECTORY},
		{"dir.with.dots", RECORD_OUTPUT_DIRECTORY},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(parse("-o", cases[i].path), 0);
		assert_int_equal(options.n_outputs, 1);
		assert_string_equal(options.outputs[0].path, cases[i].path);
		assert_int_equal(options.outputs[0].kind, cases[i].kind);
	}
}

static void outputs_keep_their_order_and_replace_the_default(void **state)
{
	(void)state;
	assert_int_equal(parse("-o", "b.html", "--folded", "-", "-oa"), 0);
	assert_int_equal(options.n_outputs, 3);
	assert_int_equal(options.outputs[0].kind, RECORD_OUTPUT_HTML);
	assert_int_equal(options.outputs[1].kind, RECORD_OUTPUT_FOLDED);
	assert_string_equal(options.outputs[1].path, "-");
	assert_int_equal(options.outputs[2].kind, RECORD_OUTPUT_DIRECTORY);
	assert_int_equal(parse("--folded=x.html", "--json"), 0);
	assert_int_equal(options.n_outputs, 1);
	assert_int_equal(options.outputs[0].kind, RECORD_OUTPUT_FOLDED);
}

static void more_outputs_than_fit_are_refused(void **state)
{
	const char *words[2 * RECORD_MAX_OUTPUTS + 3] = {NULL};
	char paths[RECORD_MAX_OUTPUTS + 1][8];

	(void)state;
	for (size_t i = 0; i <= RECORD_MAX_OUTPUTS; i++) {
		snprintf(paths[i], sizeof(paths[i]), "o%zu", i);
		words[2 * i] = "-o";
		words[2 * i + 1] = paths[i];
	}
	assert_int_equal(parse_array(words), -EINVAL);
	assert_string_equal(error, "hostprof: --output: more than 16 outputs; see hostprof record --help");
}

static void everything_behind_two_dashes_is_the_command(void **state)
{
	(void)state;
	assert_int_equal(parse("record", "-F", "9", "--", "make", "-F", "--json", "--"), 0);
	assert_int_equal(options.rate_hz, 9);
	assert_false(options.json);
	assert_ptr_equal(options.command, &args[5]);
	assert_string_equal(options.command[0], "make");
	assert_string_equal(options.command[3], "--");
	assert_null(options.command[4]);
	assert_int_equal(parse("--", "record"), 0);
	assert_string_equal(options.command[0], "record");
}

static void symbols_takes_files_between_and_behind_its_options(void **state)
{
	static const char *const words[][8] = {
		{"symbols", "--unwind", "a", "-", "-c"},
		{"symbols", "a", "--unwind", "-", "--", "-c"},
		{"symbols", "a", "-", "--unwind", "--", "-c"},
	};

	(void)state;
	for (size_t i = 1; i < sizeof(words) / sizeof(words[0]); i++) {
		assert_int_equal(parse_array(words[i]), 0);
		assert_int_equal(parsed.command, OPTIONS_SYMBOLS);
		assert_true(parsed.symbols.unwind);
		assert_false(parsed.symbols.json);
		assert_int_equal(parsed.symbols.n_files, 3);
		assert_string_equal(parsed.symbols.files[0], "a");
		assert_string_equal(parsed.symbols.files[1], "-");
		assert_string_equal(parsed.symbols.files[2], "-c");
	}
	assert_int_equal(parse_array(words[0]), -EINVAL);
	assert_int_equal(parse("symbols", "--json", "--unwind", "--", "--unwind"), 0);
	assert_true(parsed.symbols.json);
	assert_int_equal(parsed.symbols.n_files, 1);
	assert_string_equal(parsed.symbols.files[0], "--unwind");
}

static void symbols_takes_addresses_behind_the_file(void **state)
{
	(void)state;
	assert_int_equal(parse("symbols", "a", "0x12", "-a", "34"), 0);
	assert_false(parsed.symbols.unwind);
	assert_true(parsed.symbols.addresses);
	assert_int_equal(parsed.symbols.n_files, 1);
	assert_string_equal(parsed.symbols.files[0], "a");
	assert_int_equal(parsed.symbols.n_texts, 2);
	assert_string_equal(parsed.symbols.texts[0], "0x12");
	assert_string_equal(parsed.symbols.texts[1], "34");
	assert_int_equal(parse("symbols", "a", "-"), 0);
	assert_int_equal(parsed.symbols.n_texts, 1);
	assert_int_equal(parse("symbols", "--json", "a"), 0);
	assert_false(parsed.symbols.unwind);
	assert_int_equal(parsed.symbols.n_files, 1);
	assert_int_equal(parsed.symbols.n_texts, 0);
	assert_int_equal(parse("symbols", "a", "b", "--unwind"), 0);
	assert_int_equal(parsed.symbols.n_texts, 0);
}

static void directories_of_debug_files_add_up(void **state)
{
	(void)state;
	assert_int_equal(parse("--debug-dir", "/a", "--debug-dir=b"), 0);
	assert_int_equal(parsed.record.debug_directories.n, 2);
	assert_string_equal(parsed.record.debug_directories.paths[0], "/a");
	assert_string_equal(parsed.record.debug_directories.paths[1], "b");
	assert_int_equal(parse("symbols", "--debug-dir", "/a", "file", "0"), 0);
	assert_int_equal(parsed.symbols.debug_directories.n, 1);
	assert_string_equal(parsed.symbols.debug_directories.paths[0], "/a");
}

static void symbolize_takes_one_file(void **state)
{
	static const struct {
		const char *words[6];
		const char *error; /* between "hostprof: " and "; see hostprof symbolize --help" */
	} cases[] = {
		{{"symbolize"}, "no FILE to give names to"},
		{{"symbolize", ""}, "the name of FILE is empty"},
		{{"symbolize", "a", "b"}, "'b': one FILE at a time"},
		{{"symbolize", "a", "--", "b"}, "'b': one FILE at a time"},
		{{"symbolize", "a", "--unwind"}, "unknown option '--unwind'"},
	};
	char expected[OPTIONS_ERROR_BYTES];

	(void)state;
	assert_int_equal(parse("symbolize", "a", "-o", "b", "-f", "--debug-dir", "c", "--json", "-q"), 0);
	assert_int_equal(parsed.command, OPTIONS_SYMBOLIZE);
	assert_string_equal(parsed.symbolize.file, "a");
	assert_string_equal(parsed.symbolize.output, "b");
	assert_true(parsed.symbolize.force);
	assert_true(parsed.symbolize.json);
	assert_true(parsed.symbolize.quiet);
	assert_int_equal(parsed.symbolize.debug_directories.n, 1);
	assert_int_equal(parse("symbolize", "--demangle=none", "--", "-a"), 0);
	assert_string_equal(parsed.symbolize.file, "-a");
	assert_null(parsed.symbolize.output);
	assert_int_equal(parsed.symbolize.demangle, DEMANGLE_NONE);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(expected, sizeof(expected), "hostprof: %s; see hostprof symbolize --help", cases[i].error);
		assert_int_equal(parse_array(cases[i].words), -EINVAL);
		assert_string_equal(error, expected);
	}
}

static void wrong_usage_of_symbols_points_to_its_own_help(void **state)
{
	static const struct {
		const char *words[6];
		const char *error; /* between "hostprof: " and "; see hostprof symbols --help" */
	} cases[] = {
		{{"symbols"}, "no FILE to show"},
		{{"symbols", "--unwind"}, "no FILE to show"},
		{{"symbols", "--unwind", "--"}, "no FILE to show"},
		{{"symbols", "--unwind=a"}, "--unwind takes no argument"},
		{{"symbols", "--duration", "1"}, "unknown option '--duration'"},
		{{"symbols", "-F", "9"}, "unknown option '-F'"},
	};
	char expected[OPTIONS_ERROR_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(expected, sizeof(expected), "hostprof: %s; see hostprof symbols --help", cases[i].error);
		assert_int_equal(parse_array(cases[i].words), -EINVAL);
		assert_string_equal(error, expected);
	}
}

static void pages_are_asked_for_in_place_of_a_run(void **state)
{
	static const struct {
		const char *words[4];
		enum options_page page;
		enum options_command command;
	} cases[] = {
		{{"--help"}, OPTIONS_PAGE_HELP, OPTIONS_RECORD},
		{{"-h"}, OPTIONS_PAGE_HELP, OPTIONS_RECORD},
		{{"record", "--help"}, OPTIONS_PAGE_HELP, OPTIONS_RECORD},
		{{"symbols", "--help"}, OPTIONS_PAGE_HELP, OPTIONS_SYMBOLS},
		{{"symbols", "x", "-h"}, OPTIONS_PAGE_HELP, OPTIONS_SYMBOLS},
		{{"-vh"}, OPTIONS_PAGE_HELP, OPTIONS_RECORD},
		{{"-F", "1", "--version"}, OPTIONS_PAGE_VERSION, OPTIONS_RECORD},
		{{"--man"}, OPTIONS_PAGE_MAN, OPTIONS_RECORD},
		{{"--help-markdown"}, OPTIONS_PAGE_TABLE, OPTIONS_RECORD},
		{{"symbols", "--help-markdown"}, OPTIONS_PAGE_TABLE, OPTIONS_SYMBOLS},
		{{"symbolize", "-h"}, OPTIONS_PAGE_HELP, OPTIONS_SYMBOLIZE},
		{{"--help", "--nonsense"}, OPTIONS_PAGE_HELP, OPTIONS_RECORD},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(parse_array(cases[i].words), 0);
		assert_int_equal(page, cases[i].page);
		assert_int_equal(parsed.command, cases[i].command);
	}
}

static void wrong_usage_is_told_with_option_and_range(void **state)
{
	static const struct {
		const char *words[6];
		const char *error; /* between "hostprof: " and "; see hostprof record --help" */
	} cases[] = {
		{{"foo"}, "unknown command 'foo'; commands: record, symbols, symbolize"},
		{{""}, "unknown command ''; commands: record, symbols, symbolize"},
		{{"--mem", "31M"}, "--mem: '31M' is not a size from 32M to 2G"},
		{{"--mem", "33554431"}, "--mem: '33554431' is not a size from 32M to 2G"},
		{{"--mem", "2147483649"}, "--mem: '2147483649' is not a size from 32M to 2G"},
		{{"--mem", "3G"}, "--mem: '3G' is not a size from 32M to 2G"},
		{{"--mem", "M"}, "--mem: 'M' is not a size from 32M to 2G"},
		{{"--mem", "64MB"}, "--mem: '64MB' is not a size from 32M to 2G"},
		{{"--mem", "64m"}, "--mem: '64m' is not a size from 32M to 2G"},
		{{"--mem", "1.5G"}, "--mem: '1.5G' is not a size from 32M to 2G"},
		{{"--mem", "-64M"}, "--mem: '-64M' is not a size from 32M to 2G"},
		{{"record", "foo"}, "'foo' is no option; a command to profile stands behind --"},
		{{"-d", "1", "record"}, "'record' is no option; a command to profile stands behind --"},
		{{"-"}, "'-' is no option; a command to profile stands behind --"},
		{{"--frequenc=9"}, "unknown option '--frequenc'"},
		{{"--=9"}, "unknown option '--'"},
		{{"-x"}, "unknown option '-x'"},
		{{"-q9"}, "unknown option '-9'"},
		{{"--frequency", "0"}, "--frequency: '0' is not a number from 1 to 10000"},
		{{"-F10001"}, "--frequency: '10001' is not a number from 1 to 10000"},
		{{"-F", "99x"}, "--frequency: '99x' is not a number from 1 to 10000"},
		{{"-F", " 99"}, "--frequency: ' 99' is not a number from 1 to 10000"},
		{{"-F", "+99"}, "--frequency: '+99' is not a number from 1 to 10000"},
		{{"-F", "-1"}, "--frequency: '-1' is not a number from 1 to 10000"},
		{{"-F", "0x10"}, "--frequency: '0x10' is not a number from 1 to 10000"},
		{{"-F", "99.5"}, "--frequency: '99.5' is not a number from 1 to 10000"},
		{{"-F", "4294967395"}, "--frequency: '4294967395' is not a number from 1 to 10000"},
		{{"-F", "18446744073709551715"}, "--frequency: '18446744073709551715' is not a number from 1 to 10000"},
		{{"-F"}, "--frequency needs an argument: HZ"},
		{{"-F", "--", "ls"}, "--frequency needs an argument: HZ"},
		{{"--frequency="}, "--frequency: the argument is empty"},
		{{"-d", "0"}, "--duration: '0' is not a number from 0.001 to 31536000"},
		{{"-d", "0.0009"}, "--duration: '0.0009' is not a number from 0.001 to 31536000"},
		{{"-d", "31536000.5"}, "--duration: '31536000.5' is not a number from 0.001 to 31536000"},
		{{"-d", "1e3"}, "--duration: '1e3' is not a number from 0.001 to 31536000"},
		{{"-d", "nan"}, "--duration: 'nan' is not a number from 0.001 to 31536000"},
		{{"-d", "1."}, "--duration: '1.' is not a number from 0.001 to 31536000"},
		{{"-d", ".5"}, "--duration: '.5' is not a number from 0.001 to 31536000"},
		{{"-d", "1.2.3"}, "--duration: '1.2.3' is not a number from 0.001 to 31536000"},
		{{"-p", "0"}, "--pid: '0' is not a number from 1 to 4194304"},
		{{"-p", "1,,2"}, "--pid: '' is not a number from 1 to 4194304"},
		{{"-p", "1,"}, "--pid: '' is not a number from 1 to 4194304"},
		{{"-p", "4194305"}, "--pid: '4194305' is not a number from 1 to 4194304"},
		{{"--event", "cpu"}, "--event: 'cpu' is not one of cpu-clock|cycles"},
		{{"--demangle", "some"}, "--demangle: 'some' is not one of full|simple|none"},
		{{"--event", "cpu-clock|cycles"}, "--event: 'cpu-clock|cycles' is not one of cpu-clock|cycles"},
		{{"--exclude-self=ye"}, "--exclude-self: 'ye' is not one of yes|no"},
		{{"--json=yes"}, "--json takes no argument"},
		{{"--comm="}, "--comm: the argument is empty"},
		{{"--comm=a,,b"}, "--comm: a name is empty"},
		{{"--comm=abcdefghijklmnop"},
		 "--comm: 'abcdefghijklmnop' is longer than the 15 bytes that the kernel keeps; give "
		 "'abcdefghijklmno'"},
		{{"--cgroup", ""}, "--cgroup: the argument is empty"},
		{{"-o", "-"}, "--output: '-': only --folded writes to stdout"},
		{{"-o", "a", "-o", "a"}, "--output: 'a' is written twice"},
		{{"-o", "a", "--folded=a"}, "--folded: 'a' is written twice"},
		{{"--json", "--folded", "-"}, "--json and --folded -: both want stdout"},
		{{"-KU"}, "--kernel-only and --user-only exclude each other"},
		{{"-p1", "--", "ls"}, "--pid and a command exclude each other"},
		{{"-p1", "-a"}, "--pid and --all-processes exclude each other"},
		{{"--children"}, "--children needs --pid"},
		{{"--children", "--", "ls"}, "--children needs --pid; a command's children are followed anyway"},
		{{"--"}, "no command behind --"},
	};
	char expected[OPTIONS_ERROR_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(expected, sizeof(expected), "hostprof: %s; see hostprof record --help", cases[i].error);
		assert_int_equal(parse_array(cases[i].words), -EINVAL);
		assert_string_equal(error, expected);
	}
}

static void nothing_is_written_when_the_usage_is_wrong(void **state)
{
	struct options untouched;

	(void)state;
	memset(&untouched, 0xa5, sizeof(untouched));
	assert_int_equal(parse("-F", "5", "-F", "x"), -EINVAL);
	assert_memory_equal(&parsed, &untouched, sizeof(parsed));
	assert_int_equal(parse("symbols", "--unwind"), -EINVAL);
	assert_memory_equal(&parsed, &untouched, sizeof(parsed));
}

static void hostile_arguments_cannot_write_to_the_terminal(void **state)
{
	static const char *const arguments[] = {"--\x1b[31mred",
						"-\x1b",
						"\x1b]0;title\a",
						"-F\r9\n",
						"--event=\xc2\x9b",
						"-\xff",
						"--comm=\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f"
						"\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f"};

	(void)state;
	for (size_t i = 0; i < sizeof(arguments) / sizeof(arguments[0]); i++) {
		assert_int_equal(parse(arguments[i]), -EINVAL);
		assert_null(strstr(error, "\xc2\x9b"));
		for (const char *pos = error; *pos; pos++)
			assert_true((unsigned char)*pos >= 0x20 && *pos != 0x7f);
	}
}

static void long_arguments_are_cut_in_the_error_but_its_end_stays(void **state)
{
	char word[5000];
	size_t len;

	(void)state;
	memset(word, 1, sizeof(word) - 1); /* each byte becomes three */
	word[sizeof(word) - 1] = 0;
	for (size_t at = 0; at < 3; at++) {
		const char *words[3] = {at == 0 ? word : at == 1 ? "-o" : "--comm", at ? word : NULL, NULL};

		if (at == 1) {
			assert_int_equal(parse("-o", word, "-o", word), -EINVAL);
		} else {
			assert_int_equal(parse_array(words), -EINVAL);
		}
		len = strlen(error);
		assert_true(len < OPTIONS_ERROR_BYTES);
		assert_non_null(strstr(error, "...'"));
		assert_string_equal(error + len - strlen("; see hostprof record --help"),
				    "; see hostprof record --help");
	}
}

static void wrong_usage_is_told_without_memory_too(void **state)
{
	char *words[] = {(char[]){"hostprof"}, (char[]){"--event=x"}, NULL};

	(void)state;
	oom_fail_at(1);
	assert_int_equal(options_read(2, words, &parsed, &page, error), -EINVAL);
	oom_fail_at(0);
	assert_string_equal(error, "hostprof: --event: '' is not one of cpu-clock|cycles; see hostprof record --help");
}

static void help_fits_on_one_screen(void **state)
{
	char *help = printed(OPTIONS_PAGE_HELP);
	size_t lines = 0;

	(void)state;
	for (char *line = help; *line; line += strcspn(line, "\n") + 1) {
		size_t len = strcspn(line, "\n");

		assert_true(len <= 80);
		assert_true(!len || line[len - 1] != ' ');
		lines++;
	}
	assert_true(lines <= 45);
	assert_non_null(strstr(help, "-F, --frequency HZ"));
	assert_non_null(strstr(help, "1 to 10000"));
	assert_non_null(strstr(help, "--exclude-self[=yes|no]"));
	assert_null(strstr(help, "--man"));
	assert_null(strstr(help, "--help-markdown"));
	free(help);
}

/* How many options the page has; all must be in the man page. */
static size_t options_in(char *help, const char *man)
{
	size_t found = 0;

	for (char *pos = help; (pos = strstr(pos, " --")); pos += 3) {
		char name[64] = "\\fB\\-\\-";
		size_t len = strlen(name);

		if (pos - help < 5 || (memcmp(pos - 4, "    ", 4) && pos[-1] != ',')) /* in prose */
			continue;
		for (const char *from = pos + 3; *from && !strchr(" =[\n", *from); from++) {
			if (*from == '-')
				name[len++] = '\\';
			name[len++] = *from;
		}
		memcpy(name + len, "\\fR", 4);
		assert_non_null(strstr(man, name));
		found++;
	}
	return found;
}

static void man_page_has_each_option_of_the_help(void **state)
{
	char *help = printed(OPTIONS_PAGE_HELP), *man = printed(OPTIONS_PAGE_MAN);
	char *symbols = printed_of(OPTIONS_SYMBOLS, OPTIONS_PAGE_HELP);
	char *symbolize = printed_of(OPTIONS_SYMBOLIZE, OPTIONS_PAGE_HELP);

	(void)state;
	assert_memory_equal(man, ".TH HOSTPROF 1 ", 15);
	assert_int_equal(options_in(help, man), 27);
	assert_int_equal(options_in(symbols, man), 7);
	assert_int_equal(options_in(symbolize, man), 8);
	free(help);
	free(symbols);
	free(symbolize);
	free(man);
}

static void readme_has_the_tables_of_options(void **state)
{
	static const char *const words[] = {
		[OPTIONS_RECORD] = "", [OPTIONS_SYMBOLS] = " symbols", [OPTIONS_SYMBOLIZE] = " symbolize"};
	char *text = readme(__FILE__);

	(void)state;
	for (enum options_command command = OPTIONS_RECORD; command <= OPTIONS_SYMBOLIZE; command++) {
		char *table = printed_of(command, OPTIONS_PAGE_TABLE);

		if (!strstr(text, table))
			fail_msg("a table of options in README.md differs from hostprof%s --help-markdown:\n%s",
				 words[command], table);
		free(table);
	}
	free(text);
}

static void a_page_that_cannot_be_written_is_an_error(void **state)
{
	FILE *full = fopen("/dev/full", "we");

	(void)state;
	if (!full)
		skip();
	assert_int_equal(options_print(full, OPTIONS_RECORD, OPTIONS_PAGE_HELP), -ENOSPC);
	fclose(full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(nothing_given_means_everything_at_99_hz_into_the_default_directory, release),
		cmocka_unit_test_teardown(names_are_demangled_as_the_word_says, release),
		cmocka_unit_test_teardown(the_word_record_may_be_left_out, release),
		cmocka_unit_test_teardown(an_argument_follows_in_each_gnu_form, release),
		cmocka_unit_test_teardown(each_flag_sets_its_own_field, release),
		cmocka_unit_test_teardown(verbose_counts_to_two, release),
		cmocka_unit_test_teardown(duration_may_be_a_fraction, release),
		cmocka_unit_test_teardown(a_size_may_have_a_unit, release),
		cmocka_unit_test_teardown(pids_add_up_and_count_once, release),
		cmocka_unit_test_teardown(more_pids_than_fit_are_refused, release),
		cmocka_unit_test_teardown(names_add_up_and_count_once, release),
		cmocka_unit_test_teardown(suffix_decides_what_an_output_is, release),
		cmocka_unit_test_teardown(outputs_keep_their_order_and_replace_the_default, release),
		cmocka_unit_test_teardown(more_outputs_than_fit_are_refused, release),
		cmocka_unit_test_teardown(everything_behind_two_dashes_is_the_command, release),
		cmocka_unit_test_teardown(symbols_takes_files_between_and_behind_its_options, release),
		cmocka_unit_test_teardown(symbols_takes_addresses_behind_the_file, release),
		cmocka_unit_test_teardown(directories_of_debug_files_add_up, release),
		cmocka_unit_test_teardown(symbolize_takes_one_file, release),
		cmocka_unit_test_teardown(wrong_usage_of_symbols_points_to_its_own_help, release),
		cmocka_unit_test_teardown(pages_are_asked_for_in_place_of_a_run, release),
		cmocka_unit_test_teardown(wrong_usage_is_told_with_option_and_range, release),
		cmocka_unit_test_teardown(nothing_is_written_when_the_usage_is_wrong, release),
		cmocka_unit_test_teardown(hostile_arguments_cannot_write_to_the_terminal, release),
		cmocka_unit_test_teardown(long_arguments_are_cut_in_the_error_but_its_end_stays, release),
		cmocka_unit_test(wrong_usage_is_told_without_memory_too),
		cmocka_unit_test(help_fits_on_one_screen),
		cmocka_unit_test(man_page_has_each_option_of_the_help),
		cmocka_unit_test(readme_has_the_tables_of_options),
		cmocka_unit_test(a_page_that_cannot_be_written_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
