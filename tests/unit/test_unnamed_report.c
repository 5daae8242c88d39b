/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <stdio.h>

#include "cli/unnamed_report.h"
#include "oom.h"

static struct summary summary; /* large */
static char output[65536];     /* of the last print */

static int set_up(void **state)
{
	(void)state;
	memset(&summary, 0, sizeof(summary));
	summary.samples = 1000;
	return 0;
}

static struct summary_unnamed *add(uint64_t samples, const char *module, enum unnamed why)
{
	struct summary_unnamed *row = &summary.unnamed[summary.n_unnamed++];

	row->samples = samples;
	row->why = why;
	snprintf(row->module, sizeof(row->module), "%s", module);
	return row;
}

static void add_stripped(void)
{
	struct summary_unnamed *row = add(120, "libfoo.so", UNNAMED_STRIPPED);

	row->is_read = 1;
	row->sought = (1u << SOURCE_SYMTAB) | (1u << SOURCE_DWARF) | (1u << SOURCE_DEBUGDATA) | (1u << SOURCE_DYNSYM) |
		      (1u << SOURCE_GO) | (1u << SOURCE_BUILD_ID) | (1u << SOURCE_LINK);
	row->found = 1u << SOURCE_DYNSYM;
	row->bad = 1u << SOURCE_LINK;
	snprintf(row->build_id, sizeof(row->build_id), "0123abcd");
}

static const char *printed(void)
{
	FILE *to = fmemopen(output, sizeof(output), "w");

	assert_non_null(to);
	unnamed_report_print(to, &summary);
	fclose(to);
	return output;
}

static void each_module_says_why_what_there_is_and_what_helps(void **state)
{
	(void)state;
	add_stripped();
	add(30, "[jit node]", UNNAMED_JIT);
	add(20, "slow.so", UNNAMED_UNREADABLE)->err = -ETIMEDOUT;
	add(1, "[unknown]", UNNAMED_COMPAT);
	assert_string_equal(
		printed(),
		"\n"
		"   share   samples   with frames that have no name: why, what there is, what would help\n"
		"  12.0 %       120   libfoo.so: the file has no table of its own functions\n"
		"                     build id 0123abcd\n"
		"                     found .dynsym; no .symtab, no DWARF, no .gnu_debugdata\n"
		"                     no debug file by build id, no good: debug file by .gnu_debuglink\n"
		"                     install its debug package (-dbgsym, -dbg, -debuginfo), or try --debuginfod\n"
		"   3.0 %        30   [jit node]: generated code whose runtime told no name of it\n"
		"                     start it with node --perf-basic-prof\n"
		"   2.0 %        20   slow.so: the file could not be opened or read, or not in time\n"
		"                     -ETIMEDOUT\n"
		"                     see why with -vv; a network or FUSE file system may have been too slow\n"
		"   0.1 %         1   [unknown]: a 32-bit process, whose stacks are not walked\n");
}

static void nothing_is_said_where_all_is_named_and_not_too_much_elsewhere(void **state)
{
	size_t lines = 0;

	(void)state;
	memset(output, 0, sizeof(output));
	assert_string_equal(printed(), "");
	for (int i = 0; i < SUMMARY_MAX_UNNAMED; i++)
		add(1, "[vdso]", UNNAMED_VDSO);
	for (const char *line = printed(); (line = strchr(line, '\n')); line++)
		lines++;
	assert_int_equal(lines, 2 + 12);
}

static void each_runtime_has_its_own_way(void **state)
{
	static const char *const cases[][2] = {
		{"[jit node]", "--perf-basic-prof"},	 {"[jit java]", "Compiler.perfmap"},
		{"[jit python3.12]", "python3 -X perf"}, {"[jit unheard-of]", "perf map or a JITDUMP"},
		{"[jit]", "perf map or a JITDUMP"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		set_up(state);
		add(1, cases[i][0], UNNAMED_JIT);
		if (!strstr(printed(), cases[i][1]))
			fail_msg("%s: no %s in %s", cases[i][0], cases[i][1], output);
	}
}

static void the_c_library_has_a_package_of_its_own(void **state)
{
	(void)state;
	add(1, "libc.so.6", UNNAMED_STRIPPED);
	assert_non_null(strstr(printed(), "libc6-dbg"));
	snprintf(summary.unnamed[0].module, sizeof(summary.unnamed[0].module), "libcrypto.so.3");
	assert_null(strstr(printed(), "libc6-dbg"));
}

static void foreign_names_cannot_write_to_the_terminal(void **state)
{
	(void)state;
	add(1, "a\x1b[31m\n", UNNAMED_MISSING);
	assert_null(strchr(printed(), '\x1b'));
	assert_non_null(strstr(output, ": the file, or the process"));
}

static char *json_of(const struct summary *of)
{
	json_t *frames = json_object();
	char *text;

	assert_int_equal(unnamed_report_json(frames, of), 0);
	text = json_dumps(frames, JSON_COMPACT);
	json_decref(frames);
	assert_non_null(text);
	return text;
}

static void json_has_the_same(void **state)
{
	char *text;

	(void)state;
	add_stripped();
	add(2, "[kernel]", UNNAMED_KERNEL);
	text = json_of(&summary);
	assert_string_equal(
		text, "{\"unnamed_by_module\":[{\"module\":\"libfoo.so\",\"reason\":\"stripped\",\"samples\":120,"
		      "\"build_id\":\"0123abcd\",\"found\":[\".dynsym\"],"
		      "\"missing\":[\".symtab\",\"DWARF\",\".gnu_debugdata\",\"debug file by build id\","
		      "\"debug file by .gnu_debuglink\"],\"debuginfod\":null,"
		      "\"advice\":\"install its debug package (-dbgsym, -dbg, -debuginfo), or try --debuginfod\"},"
		      "{\"module\":\"[kernel]\",\"reason\":\"kernel\",\"samples\":2,\"build_id\":\"\",\"found\":[],"
		      "\"missing\":[],\"debuginfod\":null,\"advice\":null}]}");
	free(text);
	text = json_of(NULL);
	assert_string_equal(text, "{\"unnamed_by_module\":[]}");
	free(text);
}

static void what_a_debuginfod_server_said_is_told(void **state)
{
	static const struct {
		int err;
		const char *text;
	} cases[] = {
		{-ENOENT, "debuginfod: not found (404)\n"},	     {-ETIMEDOUT, "debuginfod: timed out\n"},
		{-ESTALE, "debuginfod: build id differs\n"},	     {-EFBIG, "debuginfod: over the limit of size\n"},
		{-ECONNREFUSED, "debuginfod: server not reached\n"}, {-EPROTO, "debuginfod: failed: -EPROTO\n"},
	};
	struct summary_unnamed *row;
	char *text;

	(void)state;
	add_stripped();
	row = &summary.unnamed[0];
	assert_null(strstr(printed(), "debuginfod:"));
	row->sought |= 1u << SOURCE_SERVER;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		row->server_err = cases[i].err;
		assert_non_null(strstr(printed(), cases[i].text));
	}
	text = json_of(&summary);
	assert_non_null(strstr(text, "\"debuginfod\":\"failed: -EPROTO\""));
	free(text);
	row->bad = 0;
	row->sought = row->found = 1u << SOURCE_SERVER;
	assert_null(strstr(printed(), "debuginfod:"));
	assert_non_null(strstr(printed(), "found debug file by debuginfod"));
}

static void without_memory_it_fails_and_does_no_harm(void **state)
{
	(void)state;
	add_stripped();
	assert_int_equal(unnamed_report_json(NULL, &summary), -ENOMEM);
	for (unsigned long nth = 1; nth <= 16; nth++) {
		json_t *frames = json_object();

		oom_fail_at(nth);
		printed();
		oom_fail_at(nth);
		unnamed_report_json(frames, &summary);
		oom_fail_at(0);
		json_decref(frames);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(each_module_says_why_what_there_is_and_what_helps, set_up),
		cmocka_unit_test_setup(nothing_is_said_where_all_is_named_and_not_too_much_elsewhere, set_up),
		cmocka_unit_test_setup(each_runtime_has_its_own_way, set_up),
		cmocka_unit_test_setup(the_c_library_has_a_package_of_its_own, set_up),
		cmocka_unit_test_setup(foreign_names_cannot_write_to_the_terminal, set_up),
		cmocka_unit_test_setup(json_has_the_same, set_up),
		cmocka_unit_test_setup(what_a_debuginfod_server_said_is_told, set_up),
		cmocka_unit_test_setup(without_memory_it_fails_and_does_no_harm, set_up),
	};

	return cmocka_run_group_tests_name("unnamed_report", tests, NULL, NULL);
}
