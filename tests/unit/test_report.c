/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/counters.h"
#include "base/unnamed.h"
#include "cli/report.h"
#include "oom.h"
#include "readme.h"

static struct summary summary;

static struct truth some_truth(void)
{
	struct truth truth = {
		.taken = 12345,
		.delivered = 12345,
		.stacks_complete = 11259,
		.frames_named = 97300,
		.frames_unnamed = 2700,
		.hz_wanted = 99,
		.hz_achieved = 98.9,
		.expected = 21780,
		.ran = 21770,
		.idle_share = 0.43,
		.self_samples = 67,
		.first_sample_ms = 180.04,
		.seconds = 10.0123456789,
		.user_cpu_seconds = 0.6,
		.bpf_seconds = 0.004,
		.memory_limit_bytes = 96 << 20,
		.memory_peak = {.collector_bytes = 2345678,
				.opener_bytes = 1000000,
				.resolver_bytes = 8500000,
				.bpf_bytes = 1900000,
				.ring_bytes = 500000,
				.memfd_bytes = 700000},
		.bpf_map_bytes = 1900000,
		.unwind = {.tables = 61,
			   .tables_failed = 2,
			   .evictions = 3,
			   .rows = 123456,
			   .table_bytes = 654321,
			   .copies = 70,
			   .copies_refused = 4,
			   .walks = 69,
			   .walks_given_up = 5},
	};

	truth.stacks_by_end[UNWIND_END_ROOT] = 11259;
	truth.stacks_by_end[UNWIND_END_NO_FRAME_POINTER] = 1000;
	truth.stacks_by_end[UNWIND_END_UNREADABLE_STACK] = 85;
	truth.stacks_by_end[UNWIND_END_NOT_CODE] = 1;
	return truth;
}

static void summary_add(uint64_t self, uint64_t total, const char *name, const char *module)
{
	struct summary_row *row = &summary.rows[summary.functions + summary.processes];

	memset(row, 0, sizeof(*row));
	row->self = self;
	row->total = total;
	snprintf(row->name, sizeof(row->name), "%s", name);
	snprintf(row->module, sizeof(row->module), "%s", module);
	if (total)
		summary.functions++;
	else
		summary.processes++;
}

static void summary_add_end(uint64_t samples, const char *module, enum unwind_end end)
{
	struct summary_end *row = &summary.ends[summary.n_ends++];

	*row = (struct summary_end){.samples = samples, .end = end};
	snprintf(row->module, sizeof(row->module), "%s", module);
}

static int set_up(void **state)
{
	(void)state;
	memset(&summary, 0, sizeof(summary));
	summary.samples = 12345;
	return 0;
}

static char output[65536]; /* of the last print */

static FILE *output_opened(void)
{
	FILE *to = fmemopen(output, sizeof(output), "w");

	assert_non_null(to);
	return to;
}

static const char *printed(const struct summary *from, const struct truth *truth, const struct report_file *files,
			   size_t n_files)
{
	FILE *to = output_opened();

	report_print(to, from, truth, files, n_files);
	fclose(to);
	return output;
}

static const char *json_printed(const struct truth *truth, const struct report_file *files, size_t n_files)
{
	FILE *to = output_opened();

	assert_int_equal(report_json(to, &summary, truth, files, n_files), 0);
	fclose(to);
	return output;
}

static void assert_contains(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("no \"%s\" in:\n%s", part, text);
}

static void assert_lacks(const char *text, const char *part)
{
	if (strstr(text, part))
		fail_msg("\"%s\" in:\n%s", part, text);
}

static void report_has_tables_truth_and_files(void **state)
{
	const struct report_file files[] = {{"hostprof-box/cc1-4711.pb.gz", 812},
					    {"hostprof-box/all.pb.gz", 123456},
					    {"hostprof-box/flame.html", 1999999}};
	struct truth truth = some_truth();
	const char *text;

	(void)state;
	summary_add(6172, 6200, "main_loop", "server");
	summary_add(3000, 3000, "copy_user_generic", "[kernel]");
	summary_add(3, 12344, "rare", "");
	summary_add(6172, 0, "server", "");
	summary_add(3001, 0, "tar", "");
	text = printed(&summary, &truth, files, 3);
	assert_string_equal(
		text,
		"    self     total   function           module\n"
		"  50.0 %    50.2 %   main_loop          server\n"
		"  24.3 %    24.3 %   copy_user_generic  [kernel]\n"
		"  <0.1 %   >99.9 %   rare\n"
		"\n"
		"   share   samples   process\n"
		"  50.0 %      6172   server\n"
		"  24.3 %      3001   tar\n"
		"\n"
		"12345 samples taken in 10.0 s, 12345 delivered, 0 lost; stacks: 91.2 % complete, 8.8 % truncated\n"
		"  (no unwind information, no frame pointer 8.1 %, stack not readable 0.7 %,\n"
		"  return address outside code <0.1 %); frames named 97.3 %; 99 Hz wanted, 98.9 achieved;\n"
		"  idle 43 % (derived); cost 0.27 % of the CPU time (processes 0.60 s, BPF 0.004 s),\n"
		"  memory 14.9 MB of 100.7 MB; first sample after 180 ms\n"
		"Written:\n"
		"  123.5 kB  hostprof-box/all.pb.gz\n"
		"    2.0 MB  hostprof-box/flame.html\n"
		"     812 B  hostprof-box/cc1-4711.pb.gz\n"
		"go tool pprof -http=: hostprof-box/all.pb.gz\n");
}

static const char *ends_printed(void)
{
	FILE *to = output_opened();

	report_print_ends(to, &summary);
	fclose(to);
	return output;
}

static void objects_at_which_stacks_end_are_listed_with_reasons(void **state)
{
	(void)state;
	summary_add_end(1235, "libfoo.so", UNWIND_END_NO_FRAME_POINTER);
	summary_add_end(617, "[anon]", UNWIND_END_BAD_FRAME_POINTER);
	summary_add_end(1, "a_module_with_quite_a_long_file_name.so.6", UNWIND_END_REGISTER_UNKNOWN);
	assert_string_equal(
		ends_printed(),
		"\n"
		"   share   samples   stacks end early in       because\n"
		"  10.0 %      1235   libfoo.so                 no unwind information, no frame pointer\n"
		"   5.0 %       617   [anon]                    no unwind information, bad frame pointer\n"
		"  <0.1 %         1   a_module_with_qu…me.so.6  unwind rule needs a register that is not known here"
		"\n");
}

static void at_most_twenty_objects_are_listed_and_nothing_where_all_stacks_are_complete(void **state)
{
	size_t lines = 0;

	(void)state;
	memset(output, 0, sizeof(output));
	assert_string_equal(ends_printed(), "");
	for (int i = 0; i < SUMMARY_MAX_ENDS; i++)
		summary_add_end(100, "\x1b[31mred", UNWIND_END_NOT_CODE);
	for (const char *text = ends_printed(); *text; text++) {
		assert_true(*text != '\x1b');
		lines += *text == '\n';
	}
	assert_int_equal(lines, 1 + 1 + 20);
}

static void a_run_without_samples_is_told_as_such(void **state)
{
	struct truth truth = {.hz_wanted = 99, .hz_achieved = NAN, .idle_share = -1, .first_sample_ms = -1};
	const char *text = printed(NULL, &truth, NULL, 0);

	(void)state;
	assert_string_equal(text,
			    "0 samples taken in 0.0 s, 0 delivered, 0 lost; cost (processes 0.000 s, BPF 0.000 s),\n"
			    "  memory 0 B of 0 B; no sample came\n");
}

static void losses_are_told_by_cause(void **state)
{
	struct truth truth = some_truth();
	const char *text;

	(void)state;
	truth.lost[LOSS_ring_full_stack] = 40;
	truth.lost[LOSS_orphan] = 2;
	truth.delivered -= 42;
	text = printed(NULL, &truth, NULL, 0);
	assert_contains(text, "12303 delivered, 42 lost (ring_full_stack 40, orphan 2);");
	assert_lacks(text, "ACCOUNTED");
}

static void a_sample_that_is_in_no_sum_is_told(void **state)
{
	struct truth truth = some_truth();
	const char *text;

	(void)state;
	truth.delivered -= 7;
	text = printed(NULL, &truth, NULL, 0);
	assert_contains(text, "7 NOT ACCOUNTED FOR;");
	truth.delivered += 9;
	text = printed(NULL, &truth, NULL, 0);
	assert_contains(text, "-2 NOT ACCOUNTED FOR;");
}

static void no_line_is_longer_than_the_width(void **state)
{
	struct truth truth = some_truth();
	char name[SUMMARY_MAX_NAME];
	const char *text;

	(void)state;
	memset(name, 'n', sizeof(name));
	memcpy(name, "std::first", 10);
	memcpy(name + sizeof(name) - 12, "last(int)", 10);
	summary_add(10, 10, name, "a_module_with_quite_a_long_file_name.so.6");
	summary_add(10, 0, name, "");
	for (size_t i = 0; i < LOSS_COUNT; i++)
		truth.lost[i] = UINT64_MAX / 16;
	for (size_t i = 0; i < UNWIND_END_COUNT; i++)
		truth.stacks_by_end[i] = UINT64_MAX / 32;
	text = printed(&summary, &truth, NULL, 0);
	for (const char *line = text; *line; line += strcspn(line, "\n") + 1) {
		size_t columns = 0;

		for (size_t i = 0; line[i] && line[i] != '\n'; i++)
			columns += ((unsigned char)line[i] & 0xc0) != 0x80;
		assert_in_range(columns, 0, 100);
	}
	assert_contains(text, "std::firstnnn");
	assert_contains(text, "n…n");
	assert_contains(text, "nnlast(int)");
}

static void foreign_names_cannot_write_to_the_terminal(void **state)
{
	const struct report_file files[] = {{"dir\x1b[2J/all.pb.gz", 1}};
	struct truth truth = some_truth();
	const char *text;

	(void)state;
	summary_add(1, 1, "\x1b]0;title\a\xc2\x9b\xff", "mod\r\n");
	summary_add(1, 0, "\x1b[31mred", "");
	text = printed(&summary, &truth, files, 1);
	assert_lacks(text, "\xc2\x9b");
	assert_lacks(text, "\xff");
	for (const char *pos = text; *pos; pos++)
		assert_true((unsigned char)*pos >= 0x20 || *pos == '\n');
}

static void of_many_files_the_main_ones_come_first(void **state)
{
	struct report_file files[500];
	char names[500][32];
	const char *text;
	struct truth truth = some_truth();
	size_t lines = 0;

	(void)state;
	for (size_t i = 0; i < 500; i++) {
		snprintf(names[i], sizeof(names[i]),
			 i == 400   ? "d/flame.html"
			 : i == 499 ? "d/all.pb.gz"
				    : "d/p-%zu.pb.gz",
			 i);
		files[i] = (struct report_file){names[i], 1000};
	}
	text = strstr(printed(NULL, &truth, files, 500), "Written:\n");
	assert_non_null(text);
	assert_memory_equal(
		text, "Written:\n    1.0 kB  d/flame.html\n    1.0 kB  d/all.pb.gz\n    1.0 kB  d/p-0.pb.gz\n", 77);
	assert_contains(text, "  484.0 kB  in 484 more\ngo tool pprof -http=: d/all.pb.gz\n");
	for (; *text; text++)
		lines += *text == '\n';
	assert_int_equal(lines, 1 + 16 + 1 + 1);
}

static void the_pprof_line_can_be_pasted_into_a_shell(void **state)
{
	static const struct {
		const char *path, *word;
	} cases[] = {
		{"my profile.pb.gz", "'my profile.pb.gz'"}, {"it's.pb", "'it'\\''s.pb'"},
		{"$(reboot).pprof", "'$(reboot).pprof'"},   {"-x.pb", "'./-x.pb'"},
		{"/a/b_c-1.pb.gz", "/a/b_c-1.pb.gz"},
	};
	struct truth truth = some_truth();
	char expected[128];
	const char *text;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct report_file file = {cases[i].path, 1};

		snprintf(expected, sizeof(expected), "\ngo tool pprof -http=: %s\n", cases[i].word);
		text = printed(NULL, &truth, &file, 1);
		assert_contains(text, expected);
	}
}

/* What report_print() writes to a terminal of that width. */
static const char *printed_on_terminal(unsigned short width, const struct truth *truth)
{
	struct winsize size = {.ws_row = 25, .ws_col = width};
	size_t len = 0;
	FILE *to;
	int pty = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (pty < 0 || grantpt(pty) || unlockpt(pty)) {
		if (pty >= 0)
			close(pty);
		return NULL;
	}
	assert_int_equal(ioctl(pty, TIOCSWINSZ, &size), 0);
	to = fopen(ptsname(pty), "we");
	if (!to) {
		close(pty);
		return NULL;
	}
	report_print(to, &summary, truth, NULL, 0);
	fclose(to);
	for (;;) { /* until EIO: all was read and nobody has it open */
		ssize_t n = read(pty, output + len, sizeof(output) - 1 - len);

		if (n <= 0)
			break;
		len += (size_t)n;
	}
	output[len] = 0;
	close(pty);
	return output;
}

static void a_terminal_gets_its_width_and_colours_unless_refused(void **state)
{
	struct truth truth = some_truth();
	char name[200];
	const char *text;

	(void)state;
	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = 0;
	summary_add(1, 1, name, "m");
	truth.lost[LOSS_orphan] = 1;
	truth.delivered--;
	setenv("TERM", "xterm", 1);
	unsetenv("NO_COLOR");
	text = printed_on_terminal(250, &truth);
	if (!text)
		skip();
	assert_contains(text, name);
	assert_contains(text, "\x1b[31m1 lost\x1b[0m");
	setenv("NO_COLOR", "1", 1);
	text = printed_on_terminal(80, &truth);
	assert_lacks(text, name);
	assert_lacks(text, "\x1b");
	for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
		assert_in_range(strcspn(line, "\r\n"), 0, 82); /* an ellipsis is three bytes */
	unsetenv("NO_COLOR");
	setenv("TERM", "dumb", 1);
	assert_lacks(printed_on_terminal(80, &truth), "\x1b");
	printed_on_terminal(1, &truth); /* no crash */
}

static void json_is_the_documented_object(void **state)
{
	const struct report_file files[] = {{"a/all.pb.gz", 1234}, {"b\xff.html", 5}};
	struct truth truth = some_truth();
	const char *text;

	(void)state;
	truth.lost[LOSS_store_full] = 3;
	summary_add(5, 5, "function", "module");
	summary_add(12000, 0, "java", "");
	summary.rows[1].truncated = 1086;
	summary_add(345, 0, "b\xff", "");
	summary_add_end(1000, "[anon]", UNWIND_END_NO_FRAME_POINTER);
	summary_add_end(86, "lib\xff.so", UNWIND_END_UNREADABLE_STACK);
	text = json_printed(&truth, files, 2);
	assert_string_equal(
		text,
		"{\"taken\":12345,\"delivered\":12345,"
		"\"lost\":{\"ring_full_process\":0,\"ring_full_stack\":0,\"ring_full_sample\":0,\"orphan\":0,"
		"\"store_full\":3,\"process_table_full\":0,\"output_failed\":0},"
		"\"stacks\":{\"complete\":11259,\"truncated\":{\"no_frame_pointer\":1000,\"bad_frame_pointer\":0,"
		"\"unreadable_stack\":85,\"frame_limit\":0,\"not_code\":1,\"no_registers\":0,\"compat_task\":0,"
		"\"process_unknown\":0,\"table_unloaded\":0,\"mapping_unpublished\":0,\"unsupported_rule\":0,"
		"\"register_unknown\":0,\"bad_stack_pointer\":0,\"copy_too_short\":0,\"over_budget\":0}},"
		"\"frames\":{\"named\":97300,\"unnamed\":2700,\"unnamed_by_module\":[]},"
		"\"hz\":{\"wanted\":99.0,\"achieved\":98.9},\"first_sample_ms\":180.0,"
		"\"cost\":{\"cpu_seconds\":0.6,\"bpf_seconds\":0.004,\"peak_rss_bytes\":12345678,"
		"\"bpf_map_bytes\":1900000},"
		"\"files\":[{\"path\":\"a/all.pb.gz\",\"bytes\":1234},{\"path\":\"b\xef\xbf\xbd.html\",\"bytes\":5}],"
		"\"seconds\":10.012346,\"expected\":21780,\"ran\":21770,\"idle_share\":0.43,\"self_samples\":67,"
		"\"bpf_is_estimated\":false,"
		"\"unwind\":{\"tables\":61,\"tables_failed\":2,\"evictions\":3,\"rows\":123456,\"table_bytes\":654321,"
		"\"copies\":70,\"copies_refused\":4,\"walks\":69,\"walks_given_up\":5,"
		"\"truncated_by_object\":[{\"module\":\"[anon]\",\"reason\":\"no_frame_pointer\",\"samples\":1000},"
		"{\"module\":\"lib\xef\xbf\xbd.so\",\"reason\":\"unreadable_stack\",\"samples\":86}],"
		"\"truncated_by_process\":[{\"comm\":\"java\",\"samples\":12000,\"truncated\":1086},"
		"{\"comm\":\"b\xef\xbf\xbd\",\"samples\":345,\"truncated\":0}]},"
		"\"memory_peak\":{\"bytes\":14945678,\"limit_bytes\":100663296,\"collector_bytes\":2345678,"
		"\"opener_bytes\":1000000,\"resolver_bytes\":8500000,\"sender_bytes\":0,\"bpf_bytes\":1900000,\"ring_"
		"bytes\":500000,"
		"\"memfd_bytes\":700000}}\n");
}

static void json_says_null_for_what_is_not_known(void **state)
{
	struct truth truth = {.first_sample_ms = -1, .idle_share = -1, .hz_achieved = NAN, .hz_wanted = INFINITY};
	const char *text = json_printed(&truth, NULL, 0);

	(void)state;
	assert_contains(text, "\"truncated_by_object\":[],\"truncated_by_process\":[]},");
	assert_contains(text, "\"hz\":{\"wanted\":null,\"achieved\":null},\"first_sample_ms\":null");
	assert_contains(text, "\"idle_share\":null");
	assert_contains(text, "\"files\":[]");
}

static void json_counts_beyond_its_range_stay_at_the_end_of_it(void **state)
{
	struct truth truth = {.taken = UINT64_MAX};
	const char *text = json_printed(&truth, NULL, 0);

	(void)state;
	assert_contains(text, "{\"taken\":9223372036854775807,");
}

static void json_that_cannot_be_written_is_an_error(void **state)
{
	struct truth truth = some_truth();
	FILE *full = fopen("/dev/full", "we");

	(void)state;
	if (!full)
		skip();
	assert_int_equal(report_json(full, NULL, &truth, NULL, 0), -ENOSPC);
	fclose(full);
}

struct pair_check {
	json_t *root;
	size_t pairs;
};

static void pair_is_in_json(void *ctx, const char *key, const char *value)
{
	struct pair_check *check = ctx;
	const json_t *node = check->root;
	char name[64], text[64];

	for (const char *pos = key; pos; pos = strchr(pos, '.') ? strchr(pos, '.') + 1 : NULL) {
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(pos, "."), pos);
		node = json_object_get(node, name);
	}
	assert_non_null(node);
	if (json_is_integer(node))
		snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT, json_integer_value(node));
	else if (json_is_real(node))
		snprintf(text, sizeof(text), "%.15g", json_real_value(node));
	else
		snprintf(text, sizeof(text), "%s", json_is_null(node) ? "null" : json_is_true(node) ? "true" : "false");
	assert_string_equal(value, text);
	check->pairs++;
}

/* All that is not zero. */
static size_t leaves(const json_t *node)
{
	const char *key;
	json_t *child;
	size_t n = 0;

	if (!json_is_object(node))
		return !json_is_array(node) && (!json_is_integer(node) || json_integer_value(node));
	json_object_foreach((json_t *)(uintptr_t)node, key, child) n += leaves(child);
	return n;
}

static void pairs_are_the_json_object(void **state)
{
	struct truth truth = some_truth();
	struct pair_check check = {NULL, 0};
	const char *text;

	(void)state;
	truth.first_sample_ms = -1;
	truth.bpf_is_estimated = true;
	for (size_t i = 0; i < LOSS_COUNT; i++)
		truth.lost[i] = 100 + i;
	for (size_t i = 0; i < UNWIND_END_COUNT; i++)
		truth.stacks_by_end[i] = 200 + i;
	text = json_printed(&truth, NULL, 0);
	check.root = json_loads(text, 0, NULL);
	assert_non_null(check.root);
	report_pairs(&truth, pair_is_in_json, &check);
	assert_int_equal(check.pairs, leaves(check.root));
	json_decref(check.root);
}

static void count_pair(void *ctx, const char *key, const char *value)
{
	size_t *sums = ctx;

	*sums += strcmp(value, "0") == 0 && (strcmp(key, "taken") == 0 || strcmp(key, "delivered") == 0);
	if (strncmp(key, "lost.", 5) == 0 || strncmp(key, "stacks.", 7) == 0)
		fail_msg("'%s' is zero", key);
}

static void of_counts_that_are_zero_pairs_tell_only_the_sums(void **state)
{
	const struct truth nothing = {0};
	size_t sums = 0;

	(void)state;
	report_pairs(&nothing, count_pair, &sums);
	assert_int_equal(sums, 2);
}

static void a_report_without_memory_does_no_harm(void **state)
{
	const struct report_file file = {"a/all.pb.gz", 1};
	struct truth truth = some_truth();
	FILE *to = fopen("/dev/null", "we");

	(void)state;
	assert_non_null(to);
	summary_add(1, 1, "function", "module");
	summary_add(1, 0, "process", "");
	summary_add_end(1, "module", UNWIND_END_NOT_CODE);
	for (unsigned long nth = 1; nth <= 16; nth++) {
		oom_fail_at(nth);
		report_print(to, &summary, &truth, &file, 1);
		oom_fail_at(nth);
		report_json(to, &summary, &truth, &file, 1);
		oom_fail_at(nth);
		report_print_ends(to, &summary);
	}
	oom_fail_at(0);
	fclose(to);
}

static const char *lower(const char *name)
{
	static char text[64];
	size_t len = 0;

	for (; *name && len + 1 < sizeof(text); name++)
		text[len++] = *name >= 'A' && *name <= 'Z' ? (char)(*name | 0x20) : *name;
	text[len] = 0;
	return text;
}

static void assert_has_row(const char *text, const char *name, const char *help)
{
	char row[256];

	snprintf(row, sizeof(row), "| `%s` | %s |\n", lower(name), help);
	assert_contains(text, row);
}

static const char *example_module(enum unnamed why)
{
	switch (why) {
	case UNNAMED_MEMORY_FILE:
		return "memfd:name";
	case UNNAMED_ANONYMOUS:
		return "[anon]";
	case UNNAMED_JIT:
		return "[jit node]";
	case UNNAMED_VDSO:
		return "[vdso]";
	case UNNAMED_KERNEL:
		return "[kernel]";
	default:
		return "libfoo.so";
	}
}

static void readme_explains_each_loss_end_and_counter(void **state)
{
	char *text = readme(__FILE__);

	(void)state;
#define LOSS(name, help) assert_has_row(text, #name, help);
#include "wire/loss.def"
#undef LOSS
#define UNWIND_END(name, is_complete, help)                                                                            \
	assert_has_row(text, #name, is_complete ? "complete | " help : "truncated | " help);
#include "wire/unwind_end.def"
#undef UNWIND_END
	for (enum unnamed why = 0; why < UNNAMED_COUNT; why++) {
		char spelled[64], row[256];

		unnamed_spell(why, example_module(why), 0x1234, spelled, sizeof(spelled));
		snprintf(row, sizeof(row), "| `%s` | %s |\n", spelled, unnamed_text(why));
		assert_contains(text, row);
	}
	for (enum counter counter = 0; counter < COUNTER_COUNT; counter++)
		assert_has_row(text, counter_name(counter), counter_help(counter));
	free(text);
}

static void key_is_in_readme(const char *text, const char *key)
{
	char row[128];

	if (!strncmp(key, "lost.", 5))
		key = "lost.CAUSE";
	if (!strncmp(key, "stacks.truncated.", 17))
		key = "stacks.truncated.REASON";
	snprintf(row, sizeof(row), "| `%s` | ", key);
	assert_contains(text, row);
}

/* `path` is that of the object, with a dot at its end. */
static void keys_are_in_readme(const char *text, const json_t *object, const char *path)
{
	char full[128];
	const char *key;
	json_t *child;

	json_object_foreach((json_t *)(uintptr_t)object, key, child)
	{
		snprintf(full, sizeof(full), "%s%s%s", path, key, json_is_object(child) ? "." : "");
		if (json_is_object(child))
			keys_are_in_readme(text, child, full);
		else
			key_is_in_readme(text, full);
	}
}

static void readme_explains_each_json_key(void **state)
{
	struct truth truth = some_truth();
	json_t *root = json_loads(json_printed(&truth, NULL, 0), 0, NULL);
	char *text = readme(__FILE__);

	(void)state;
	assert_non_null(root);
	keys_are_in_readme(text, root, "");
	key_is_in_readme(text, "files");
	key_is_in_readme(text, "frames.unnamed_by_module");
	key_is_in_readme(text, "unwind.truncated_by_object");
	key_is_in_readme(text, "unwind.truncated_by_process");
	json_decref(root);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(report_has_tables_truth_and_files, set_up),
		cmocka_unit_test_setup(objects_at_which_stacks_end_are_listed_with_reasons, set_up),
		cmocka_unit_test_setup(at_most_twenty_objects_are_listed_and_nothing_where_all_stacks_are_complete,
				       set_up),
		cmocka_unit_test_setup(a_run_without_samples_is_told_as_such, set_up),
		cmocka_unit_test_setup(losses_are_told_by_cause, set_up),
		cmocka_unit_test_setup(a_sample_that_is_in_no_sum_is_told, set_up),
		cmocka_unit_test_setup(no_line_is_longer_than_the_width, set_up),
		cmocka_unit_test_setup(foreign_names_cannot_write_to_the_terminal, set_up),
		cmocka_unit_test_setup(of_many_files_the_main_ones_come_first, set_up),
		cmocka_unit_test_setup(the_pprof_line_can_be_pasted_into_a_shell, set_up),
		cmocka_unit_test_setup(a_terminal_gets_its_width_and_colours_unless_refused, set_up),
		cmocka_unit_test_setup(json_is_the_documented_object, set_up),
		cmocka_unit_test_setup(json_says_null_for_what_is_not_known, set_up),
		cmocka_unit_test_setup(json_counts_beyond_its_range_stay_at_the_end_of_it, set_up),
		cmocka_unit_test_setup(json_that_cannot_be_written_is_an_error, set_up),
		cmocka_unit_test_setup(pairs_are_the_json_object, set_up),
		cmocka_unit_test(of_counts_that_are_zero_pairs_tell_only_the_sums),
		cmocka_unit_test_setup(a_report_without_memory_does_no_harm, set_up),
		cmocka_unit_test_setup(readme_explains_each_loss_end_and_counter, set_up),
		cmocka_unit_test_setup(readme_explains_each_json_key, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
