/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <elf.h>
#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "cli/file_report.h"
#include "cli/unwind_report.h"
#include "oom.h"
#include "readme.h"

static char output[65536]; /* of the last print */
static struct message_description description;
static struct message_sources sources;
static struct unwind_report unwind;
static struct file_report report;

static void add_source(enum source_kind kind, int err)
{
	sources.sources[sources.n++] = (struct message_source){.kind = kind, .err = err};
}

/* A stripped library, whose debug file was sought in vain. */
static int set_up(void **state)
{
	const struct message_table table = {.code = 1000, .eh_frame = 999, .none = 1};

	(void)state;
	description = (struct message_description){
		.machine = EM_X86_64,
		.type = ET_DYN,
		.build_id_len = 4,
		.build_id = {0x01, 0xab, 0xcd, 0xef},
		.dynsym = {1, 0, 20, 1},
		.link_name = "libfoo.debug",
		.functions = 1,
		.code = 1000,
		.named = 100,
	};
	sources = (struct message_sources){.n = 0};
	add_source(SOURCE_SYMTAB, -ENOENT);
	add_source(SOURCE_DWARF, -ENOENT);
	add_source(SOURCE_BUILD_ID, -ENOENT);
	add_source(SOURCE_LINK, -ENOENT);
	unwind_report_init(&unwind, "");
	assert_int_equal(unwind_report_add(&unwind, &table, NULL), 0);
	report = (struct file_report){.path = "/lib/libfoo.so",
				      .description = &description,
				      .sources = &sources,
				      .debug_path = "",
				      .supplementary_path = "",
				      .unwind = &unwind};
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unwind_report_release(&unwind);
	return 0;
}

static const char *printed(void)
{
	FILE *to = fmemopen(output, sizeof(output), "w");

	assert_non_null(to);
	file_report_print(to, &report);
	fclose(to);
	return output;
}

static json_t *json_printed(void)
{
	FILE *to = fmemopen(output, sizeof(output), "w");
	json_t *json;

	assert_non_null(to);
	assert_int_equal(file_report_json(to, &report), 0);
	fclose(to);
	json = json_loads(output, 0, NULL);
	assert_non_null(json);
	return json;
}

static void assert_tells(const char *text)
{
	if (!strstr(printed(), text))
		fail_msg("no '%s' in:\n%s", text, output);
}

static void a_stripped_library_says_what_is_missing_and_what_helps(void **state)
{
	(void)state;
	report.n_debug_directories = 1;
	assert_string_equal(printed(),
			    "/lib/libfoo.so\n"
			    "  file            x86-64, library\n"
			    "  build id        01abcdef\n"
			    "\n"
			    "  .symtab         none\n"
			    "  .dynsym         20 symbols, 1 function\n"
			    "  .gnu_debugdata  none\n"
			    "  DWARF           none\n"
			    "  debug file      none by build id:\n"
			    "                  /usr/lib/debug/.build-id/01/abcdef.debug\n"
			    "                  none by link, beside it, in .debug/, in /usr/lib/debug:\n"
			    "                  libfoo.debug\n"
			    "                  nor in --debug-dir\n"
			    "  names           1 function: 10.0 % of 1.0 kB of code\n"
			    "  source lines    none\n"
			    "\n"
			    "  .eh_frame              999 bytes   99.9 %\n"
			    "  no rule                  1 bytes    0.1 %\n"
			    "\n"
			    "  advice          install its debug package (-dbgsym, -dbg, -debuginfo), or try\n"
			    "                  --debuginfod\n");
}

static void a_debug_file_that_serves_is_told_and_nothing_advised(void **state)
{
	(void)state;
	sources.sources[2].err = 0;
	sources.n = 3;
	report.debug_path = "/usr/lib/debug/.build-id/01/abcdef.debug";
	description.debug_symtab = (struct message_symbols){1, 0, 30, 20};
	description.dwarf_units = 2;
	description.dwarf_versions = 1u << 3 | 1u << 4 | 1u << 5;
	description.dwarf_is_debug = 1;
	description.with_lines = 900;
	assert_tells("  DWARF           versions 3, 4 and 5, 2 units; in the debug file\n"
		     "  debug file      /usr/lib/debug/.build-id/01/abcdef.debug\n"
		     "    its .symtab   30 symbols, 20 functions\n");
	assert_tells("  source lines    of 90.0 % of the code\n");
	assert_null(strstr(output, "advice"));
}

static void a_debug_file_of_another_build_is_told(void **state)
{
	(void)state;
	sources.sources[2].err = -ESTALE;
	sources.sources[3].err = -EBADMSG;
	assert_tells("one of another file, by build id:\n");
	assert_tells("no good (-EBADMSG), by link, beside it");
	assert_tells("is not this file's");
	assert_null(strstr(output, "install its debug package"));
}

static void rarer_sources_are_told_where_they_are(void **state)
{
	(void)state;
	description.symtab = (struct message_symbols){1, 0, 1, 1};
	description.debugdata_bytes = 12345;
	description.go_since = 18;
	description.go_functions = 7;
	description.dwarf_units = 1;
	description.dwarf_split = 1;
	description.dwarf_versions = 1u << 5;
	description.supplementary_id_len = 4;
	snprintf(description.supplementary_name, sizeof(description.supplementary_name), "shared.dwz");
	sources.sources[0].err = sources.sources[1].err = 0;
	sources.n = 2;
	assert_tells("  .gnu_debugdata  12.3 kB of packed symbols\n");
	assert_tells("  Go's table      7 functions, in the layout since Go 1.18\n");
	assert_tells("  DWARF           version 5, 1 unit, 1 of them split into .dwo files\n");
	assert_tells("  debug file      not needed\n");
	assert_tells("  file of dwz     not found: shared.dwz\n");
	assert_tells("keep the .dwo files");
	assert_tells("install the file that dwz made");
	report.supplementary_path = "/usr/lib/debug/.dwz/shared.dwz";
	assert_tells("  file of dwz     /usr/lib/debug/.dwz/shared.dwz\n");
	assert_null(strstr(output, "install the file that dwz made"));
	description.debugdata_err = -E2BIG;
	assert_tells("  .gnu_debugdata  no good: -E2BIG\n");
}

static void kinds_of_files_are_told_apart(void **state)
{
	static const struct {
		uint32_t type, is_pie, machine;
		const char *text;
	} cases[] = {
		{ET_EXEC, 0, EM_X86_64, "  file            x86-64, program\n"},
		{ET_DYN, 1, EM_AARCH64, "  file            arm64, program, position independent\n"},
		{ET_REL, 0, EM_X86_64, "  file            x86-64, object file\n"},
		{ET_CORE, 0, 243, "  file            machine 243, core dump\n"},
		{77, 0, EM_X86_64, "  file            x86-64, of an unknown type\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		description.type = cases[i].type;
		description.is_pie = cases[i].is_pie;
		description.machine = cases[i].machine;
		assert_tells(cases[i].text);
	}
	description.type = ET_DYN;
	description.code = 0;
	assert_tells("no code: a debug file, or data\n");
	assert_null(strstr(output, "advice"));
	report.unwind_err = -ENOTSUP;
	assert_tells("  unwinding       not of this machine\n");
}

/* Whatever names are in it: 80 columns, and nothing that a terminal would obey. */
static void foreign_names_keep_to_their_line(void **state)
{
	char path[300];

	(void)state;
	memset(path, 'p', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	memset(description.link_name, 'x', sizeof(description.link_name) - 1);
	description.link_name[3] = '\x1b';
	assert_null(strchr(printed(), '\x1b'));
	report.debug_path = path;
	printed();
	for (char *line = strchr(output, '\n'); line && line[1]; line = strchr(line + 1, '\n'))
		assert_true(strcspn(line + 1, "\n") <=
			    80 + 2); /* the character that stands for the middle has three bytes */
}

static void json_has_it_all(void **state)
{
	json_t *json;

	(void)state;
	json = json_printed();
	assert_string_equal(json_string_value(json_object_get(json, "path")), "/lib/libfoo.so");
	assert_string_equal(json_string_value(json_object_get(json, "build_id")), "01abcdef");
	assert_true(json_is_null(json_object_get(json, "symtab")));
	assert_int_equal(json_integer_value(json_object_get(json_object_get(json, "dynsym"), "functions")), 1);
	assert_string_equal(json_string_value(json_object_get(json_object_get(json, "debug_by_build_id"), "error")),
			    "-ENOENT");
	assert_int_equal(json_integer_value(json_object_get(json_object_get(json, "names"), "named")), 100);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(json, "unwind"), "code")), 1000);
	assert_int_equal(json_array_size(json_object_get(json, "advice")), 1);
	json_decref(json);
}

static void readme_explains_each_json_key(void **state)
{
	char *text = readme(__FILE__), row[64];
	json_t *json = json_printed();
	const char *key;
	json_t *value;

	(void)state;
	json_object_foreach(json, key, value)
	{
		snprintf(row, sizeof(row), "`%s`", key);
		if (!strstr(text, row))
			fail_msg("README.md has no %s", row);
	}
	json_decref(json);
	free(text);
}

static void without_memory_it_fails_and_does_no_harm(void **state)
{
	bool has_failed = false;

	(void)state;
	for (unsigned long nth = 1; nth <= 32; nth++) {
		FILE *to = fmemopen(output, sizeof(output), "w");
		int err;

		assert_non_null(to);
		oom_fail_at(nth);
		err = file_report_json(to, &report);
		oom_fail_at(nth);
		file_report_print(to, &report);
		oom_fail_at(0);
		assert_true(!err || err == -ENOMEM);
		has_failed |= err != 0;
		fclose(to);
	}
	assert_true(has_failed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_stripped_library_says_what_is_missing_and_what_helps, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_debug_file_that_serves_is_told_and_nothing_advised, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_debug_file_of_another_build_is_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(rarer_sources_are_told_where_they_are, set_up, tear_down),
		cmocka_unit_test_setup_teardown(kinds_of_files_are_told_apart, set_up, tear_down),
		cmocka_unit_test_setup_teardown(foreign_names_keep_to_their_line, set_up, tear_down),
		cmocka_unit_test_setup_teardown(json_has_it_all, set_up, tear_down),
		cmocka_unit_test_setup_teardown(readme_explains_each_json_key, set_up, tear_down),
		cmocka_unit_test_setup_teardown(without_memory_it_fails_and_does_no_harm, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("file_report", tests, NULL, NULL);
}
