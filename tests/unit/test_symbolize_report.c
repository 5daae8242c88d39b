/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>

#include "base/unnamed.h"
#include "base/vec.h"
#include "cli/profile_session.h"
#include "cli/symbolize_report.h"
#include "readme.h"

static char output[65536]; /* of the last print */
static struct profile_session session;
static struct symbolize_report report;

static int set_up(void **state)
{
	(void)state;
	session = (struct profile_session){.named = 90, .unnamed = 10};
	vec_init(&session.files, 64);
	report = (struct symbolize_report){
		.session = &session, .input = "a.pb.gz", .output = "a.named.pb.gz", .output_bytes = 1234};
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	vec_release(&session.files);
	return 0;
}

static struct session_file *add(const char *path, enum session_file_state file_state, uint32_t unnamed)
{
	struct session_file *file = vec_push(&session.files);

	*file = (struct session_file){.told = {.object = (uint32_t)session.files.len,
					       .unnamed = unnamed,
					       .build_id_len = 2,
					       .build_id = {0x12, 0xab},
					       .path = path},
				      .state = file_state,
				      .fd = -1};
	return file;
}

static const char *printed(void)
{
	FILE *to = fmemopen(output, sizeof(output), "w");

	assert_non_null(to);
	symbolize_report_print(to, &report);
	fclose(to);
	return output;
}

static void what_has_no_name_still_says_why(void **state)
{
	struct session_file *file;

	(void)state;
	add("/lib/all.so", SESSION_FILE_FOUND, 0);
	file = add("/lib/stripped.so", SESSION_FILE_FOUND, 2);
	file->told.is_read = 1;
	file->told.why = UNNAMED_STRIPPED;
	file->told.sought = 1u << SOURCE_SYMTAB | 1u << SOURCE_BUILD_ID | 1u << SOURCE_DYNSYM;
	file->told.found = 1u << SOURCE_DYNSYM;
	add("/lib/gone.so", SESSION_FILE_MISSING, 5);
	add("/lib/other.so", SESSION_FILE_OTHER, 1);
	add("[kernel.kallsyms]", SESSION_FILE_NONE, 1)->told.build_id_len = 0;
	add("/bin/n\x1b[31m", SESSION_FILE_NAMELESS, 1)->told.build_id_len = 0;
	assert_string_equal(
		printed(),
		"hostprof: 90 of 100 frames that had no name have one now\n"
		"   share    frames   that have no name still: why, what there is, what would help\n"
		"   5.0 %         5   gone.so: no file of its build id was found\n"
		"                     build id 12ab\n"
		"                     give --debug-dir with the file, or with its debug file\n"
		"   2.0 %         2   stripped.so: the file has no table of its own functions\n"
		"                     build id 12ab\n"
		"                     found .dynsym; no .symtab\n"
		"                     no debug file by build id\n"
		"                     install its debug package (-dbgsym, -dbg, -debuginfo), or try --debuginfod\n"
		"   1.0 %         1   other.so: the file that is there now has another build id\n"
		"                     build id 12ab\n"
		"                     give --debug-dir with the file, or with its debug file\n"
		"   1.0 %         1   [kernel.kallsyms]: the kernel's, or of no file: only a recording can name it\n"
		"   1.0 %         1   n\xef\xbf\xbd[31m: the profile tells no build id to know the file by\n"
		"Written:\n"
		"    1.2 kB  a.named.pb.gz\n");
}

static void lines_that_came_are_told(void **state)
{
	(void)state;
	session.lined = 7;
	assert_non_null(strstr(printed(), "hostprof: 7 frames that had a name have a file or line now\n"));
}

static void a_file_that_broke_the_resolver_is_told(void **state)
{
	(void)state;
	add("/lib/evil.so", SESSION_FILE_FOUND, 5)->flags = OBJECT_QUARANTINED;
	assert_non_null(strstr(printed(), "evil.so: reading the file made a resolver fail"));
	assert_non_null(strstr(output, "please report it"));
	session.files.items[0].flags = OBJECT_LONE;
	assert_non_null(strstr(printed(), "evil.so: its debug file made a resolver fail"));
	session.files.items[0].flags = OBJECT_LONE | OBJECT_QUARANTINED;
	assert_non_null(strstr(printed(), "evil.so: reading the file made a resolver fail"));
	session.files.items[0].state = SESSION_FILE_MISSING;
	assert_non_null(strstr(printed(), "evil.so: reading the file made a resolver fail"));
}

static void many_files_are_cut_short_and_none_is_one_line(void **state)
{
	size_t lines = 0;

	(void)state;
	for (uint32_t i = 0; i < 40; i++)
		add("/lib/a.so", SESSION_FILE_NONE, 1);
	for (const char *line = printed(); (line = strchr(line, '\n')); line++)
		lines++;
	assert_true(lines < 40);
	assert_non_null(strstr(output, "…\n"));
	vec_clear(&session.files);
	session.named = session.unnamed = 0;
	assert_string_equal(printed(), "hostprof: all frames had names\nWritten:\n    1.2 kB  a.named.pb.gz\n");
}

static void json_has_each_file_and_readme_explains_its_keys(void **state)
{
	char *text = readme(__FILE__), row[64];
	FILE *to = fmemopen(output, sizeof(output), "w");
	json_t *json, *file, *value;
	const char *key;

	(void)state;
	add("/lib/gone.so", SESSION_FILE_MISSING, 5);
	assert_non_null(to);
	assert_int_equal(symbolize_report_json(to, &report), 0);
	fclose(to);
	assert_string_equal(strchr(output, '\n'), "\n");
	json = json_loads(output, 0, NULL);
	assert_int_equal(json_integer_value(json_object_get(json, "named")), 90);
	file = json_array_get(json_object_get(json, "files"), 0);
	assert_string_equal(json_string_value(json_object_get(file, "build_id")), "12ab");
	assert_true(json_is_null(json_object_get(file, "found")));
	json_object_foreach(json, key, value)
	{
		snprintf(row, sizeof(row), "`%s`", key);
		if (!strstr(text, row))
			fail_msg("README.md has no %s", row);
	}
	json_object_foreach(file, key, value)
	{
		snprintf(row, sizeof(row), "`%s`", key);
		if (!strstr(text, row))
			fail_msg("README.md has no %s", row);
	}
	json_decref(json);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_has_no_name_still_says_why, set_up, tear_down),
		cmocka_unit_test_setup_teardown(lines_that_came_are_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_file_that_broke_the_resolver_is_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(many_files_are_cut_short_and_none_is_one_line, set_up, tear_down),
		cmocka_unit_test_setup_teardown(json_has_each_file_and_readme_explains_its_keys, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("symbolize_report", tests, NULL, NULL);
}
