/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <jansson.h>
#include <stdio.h>

#include "cli/unwind_report.h"
#include "oom.h"
#include "readme.h"
#include "unwind_rows.h"

#define WINDOW_BYTES ((uint64_t)TABLE_WINDOW_PAGES << UNWIND_PAGE_SHIFT)
/* Two windows, and the head of their directory. */
#define DIRECTORY_BYTES (4 * 2 * TABLE_WINDOW_PAGES)

static char output[65536]; /* of the last print */

static const char *printed(const struct unwind_report *report)
{
	FILE *to = fmemopen(output, sizeof(output), "w");

	assert_non_null(to);
	unwind_report_print(to, report);
	fclose(to);
	return output;
}

static const char *json_printed(const struct unwind_report *report)
{
	FILE *to = fmemopen(output, sizeof(output), "w");

	assert_non_null(to);
	assert_int_equal(unwind_report_json(to, report), 0);
	fclose(to);
	return output;
}

static struct message_table some_message(void)
{
	return (struct message_table){
		.build_id_len = 4,
		.build_id = {0x01, 0xab, 0xcd, 0xef},
		.cpu_ns = 1234567,
		.code = 100000,
		.eh_frame = 99000,
		.debug_frame = 500,
		.go = 200,
		.scanned = 100,
		.none = 190,
		.unsupported = 10,
		.bad_entries = 3,
		.rows_given = 3000,
		.rows_merged = 2000,
		.rows_written = 1000,
		.is_whole = 1,
		.n_gaps = 2,
		.gaps = {{0x401000, 0x1000, 150}, {0x402000, 0x2000, 40}},
	};
}

/* A table of a window, all of one rule of its own and one that all windows have. */
static void add_window(struct unwind_report *report, unsigned window, const struct message_table *message)
{
	const struct table_writer_range range = {
		.file_limit = 2 * WINDOW_BYTES, .first = window * WINDOW_BYTES, .limit = (window + 1) * WINDOW_BYTES};
	struct plain_rows rows = {0};
	struct unwind_table table;
	struct table_bytes bytes;

	add_row(&rows, range.first, rule_sp(8));
	add_row(&rows, range.first + UNWIND_PAGE_BYTES, rule_sp(16 + 8 * (int)window));
	assert_int_equal(table_bytes_make(&rows, &range, &bytes), 0);
	assert_int_equal(unwind_table_read(bytes.bytes, bytes.len, EM_X86_64, &table), 0);
	assert_int_equal(unwind_report_add(report, message, &table), 0);
	table_bytes_release(&bytes);
	free(rows.rows);
}

static void a_file_is_told_for_people(void **state)
{
	const struct message_table message = some_message();
	struct unwind_report report;

	(void)state;
	unwind_report_init(&report, "/lib/lib\x1b[31mc.so");
	add_window(&report, 0, &message);
	report.debug_path = "/usr/lib/debug/.build-id/01/abcdef.debug";
	assert_string_equal(printed(&report),
			    "/lib/lib\xef\xbf\xbd[31mc.so\n"
			    "  build id        01abcdef\n"
			    "  machine         x86-64\n"
			    "  debug file      /usr/lib/debug/.build-id/01/abcdef.debug\n"
			    "  code                100000 bytes  100.0 %\n"
			    "  .eh_frame            99000 bytes   99.0 %\n"
			    "  .debug_frame           500 bytes    0.5 %\n"
			    "  Go's tables            200 bytes    0.2 %\n"
			    "  code scanned           100 bytes    0.1 %\n"
			    "  no rule                190 bytes    0.2 %\n"
			    "  not supported           10 bytes   <0.1 %\n"
			    "  bad entries              3\n"
			    "  rows            3000 given, 2000 merged, 1000 written; 2 rules\n"
			    "  published       2.0 kB, 1.0 bytes a merged row; made in 1.2 ms\n"
			    "  largest gaps           150 bytes  0x401000-0x401096 (in the file at 0x1000)\n"
			    "                          40 bytes  0x402000-0x402028 (in the file at 0x2000)\n");
	unwind_report_release(&report);
}

static void windows_add_up_and_share_rules_and_directory(void **state)
{
	struct message_table message = some_message();
	struct unwind_report report;

	(void)state;
	unwind_report_init(&report, "large");
	add_window(&report, 0, &message);
	assert_int_equal(report.table_bytes, DIRECTORY_BYTES);
	message.gaps[0].bytes = 50;
	message.gaps[1].bytes = 45;
	add_window(&report, 1, &message);
	assert_int_equal(report.table_bytes, DIRECTORY_BYTES);
	assert_int_equal(report.rules.len, 3);
	assert_int_equal(report.code, 200000);
	assert_int_equal(report.eh_frame, 198000);
	assert_int_equal(report.n_gaps, 4);
	assert_int_equal(report.gaps[0].bytes, 150);
	assert_int_equal(report.gaps[1].bytes, 50);
	assert_int_equal(report.gaps[2].bytes, 45);
	assert_int_equal(report.gaps[3].bytes, 40);
	assert_non_null(strstr(printed(&report), "6000 given, 4000 merged, 2000 written; 3 rules\n"));
	assert_non_null(strstr(output, "made in 2.5 ms, in 2 windows\n"));
	for (uint32_t i = 0; i < MESSAGE_MAX_GAPS; i++)
		add_window(&report, 0, &message);
	assert_int_equal(report.n_gaps, MESSAGE_MAX_GAPS);
	assert_int_equal(report.gaps[MESSAGE_MAX_GAPS - 1].bytes, 50);
	unwind_report_release(&report);
}

static void a_file_without_rules_has_its_code_told(void **state)
{
	const struct message_table message = {.err = -2, .code = 64, .none = 64, .n_gaps = 1, .gaps = {{16, 16, 64}}};
	struct unwind_report report;

	(void)state;
	unwind_report_init(&report, "bare");
	assert_int_equal(unwind_report_add(&report, &message, NULL), 0);
	assert_string_equal(printed(&report), "bare\n"
					      "  build id        none\n"
					      "  code                    64 bytes  100.0 %\n"
					      "  .eh_frame                0 bytes    0.0 %\n"
					      "  .debug_frame             0 bytes    0.0 %\n"
					      "  Go's tables              0 bytes    0.0 %\n"
					      "  code scanned             0 bytes    0.0 %\n"
					      "  no rule                 64 bytes  100.0 %\n"
					      "  not supported            0 bytes    0.0 %\n"
					      "  bad entries              0\n"
					      "  largest gaps            64 bytes  0x10-0x50 (in the file at 0x10)\n");
	assert_string_equal(
		json_printed(&report),
		"{\"path\":\"bare\",\"build_id\":\"\",\"machine\":null,\"debug_file\":null,\"code\":64,"
		"\"coverage\":{\"eh_frame\":0,\"debug_frame\":0,\"go\":0,\"scanned\":0,\"none\":64,\"unsupported\":0},"
		"\"bad_entries\":0,\"rows\":{\"given\":0,\"merged\":0,\"written\":0},\"rules\":0,\"tables\":0,"
		"\"table_bytes\":0,\"seconds\":0.0,\"gaps\":[{\"address\":16,\"file_offset\":16,\"bytes\":64}]}\n");
	unwind_report_release(&report);
}

static void json_is_the_documented_object(void **state)
{
	const struct message_table message = some_message();
	char *text = readme(__FILE__), row[64];
	struct unwind_report report;
	const char *key;
	json_t *root, *value;

	(void)state;
	unwind_report_init(&report, "lib\xff.so");
	add_window(&report, 0, &message);
	report.debug_path = "/usr/lib/debug/x";
	assert_string_equal(
		json_printed(&report),
		"{\"path\":\"lib\xef\xbf\xbd.so\",\"build_id\":\"01abcdef\",\"machine\":\"x86-64\","
		"\"debug_file\":\"/usr/lib/debug/x\",\"code\":100000,"
		"\"coverage\":{\"eh_frame\":99000,\"debug_frame\":500,\"go\":200,\"scanned\":100,\"none\":190,"
		"\"unsupported\":10},\"bad_entries\":3,\"rows\":{\"given\":3000,\"merged\":2000,\"written\":1000},"
		"\"rules\":2,\"tables\":1,\"table_bytes\":2048,\"seconds\":0.001235,"
		"\"gaps\":[{\"address\":4198400,\"file_offset\":4096,\"bytes\":150},"
		"{\"address\":4202496,\"file_offset\":8192,\"bytes\":40}]}\n");
	root = json_loads(output, 0, NULL);
	assert_non_null(root);
	json_object_foreach(root, key, value)
	{
		snprintf(row, sizeof(row), "`%s`", key);
		if (!strstr(text, row))
			fail_msg("README.md does not explain %s", key);
	}
	json_decref(root);
	unwind_report_release(&report);
	free(text);
}

static void a_report_without_memory_does_no_harm(void **state)
{
	const struct message_table message = some_message();
	FILE *to = fopen("/dev/null", "we");
	struct unwind_report report;

	(void)state;
	assert_non_null(to);
	unwind_report_init(&report, "file");
	add_window(&report, 0, &message);
	for (unsigned long nth = 1; nth <= 16; nth++) {
		oom_fail_at(nth);
		unwind_report_print(to, &report);
		oom_fail_at(nth);
		unwind_report_json(to, &report);
	}
	oom_fail_at(0);
	unwind_report_release(&report);
	fclose(to);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_is_told_for_people),
		cmocka_unit_test(windows_add_up_and_share_rules_and_directory),
		cmocka_unit_test(a_file_without_rules_has_its_code_told),
		cmocka_unit_test(json_is_the_documented_object),
		cmocka_unit_test(a_report_without_memory_does_no_harm),
	};

	return cmocka_run_group_tests_name("unwind_report", tests, NULL, NULL);
}
