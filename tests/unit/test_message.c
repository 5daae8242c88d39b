/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <stdio.h>

#include "ipc/channel.h"
#include "base/demangle_mode.h"
#include "ipc/message.h"

/* A payload in the making. */
static _Alignas(8) uint8_t bytes[CHANNEL_MAX_MESSAGE];

static size_t put(const void *fixed, size_t n, const char *text, size_t text_len)
{
	memcpy(bytes, fixed, n);
	memcpy(bytes + n, text, text_len);
	return n + text_len;
}

#define PUT(fixed, text) put(&(fixed), sizeof(fixed), (text), strlen(text))

static void check(uint16_t type, size_t len, bool has_fd, int expected)
{
	int err = message_check(type, bytes, len, has_fd);

	if (err != expected)
		fail_msg("%s of %zu bytes, fd %d: %d and not %d", message_type_name(type), len, has_fd, err, expected);
}

static void every_type_has_a_name_and_a_layout(void **state)
{
	static const struct {
		uint16_t type;
		size_t fixed;
		bool has_fd;
	} types[] = {
		{MESSAGE_START, sizeof(struct message_start), false},
		{MESSAGE_READY, sizeof(struct message_ready), false},
		{MESSAGE_PING, 0, false},
		{MESSAGE_PONG, sizeof(struct message_pong), false},
		{MESSAGE_SCAN, sizeof(struct message_scan), false},
		{MESSAGE_SCAN_DONE, sizeof(struct message_scan_done), false},
		{MESSAGE_OPEN_OBJECT, sizeof(struct message_open_object), false},
		{MESSAGE_OBJECT_OPENED, sizeof(struct message_object_opened), true},
		{MESSAGE_OPEN_KERNEL_SYMBOLS, 0, false},
		{MESSAGE_KERNEL_SYMBOLS, sizeof(struct message_kernel_symbols), true},
		{MESSAGE_OUTPUT_PREPARED, sizeof(struct message_output_result), false},
		{MESSAGE_OUTPUT_WRITE, sizeof(struct message_output_write), true},
		{MESSAGE_OUTPUT_WRITTEN, sizeof(struct message_output_result), false},
		{MESSAGE_OBJECT, sizeof(struct message_object), true},
		{MESSAGE_PARSING, sizeof(struct message_parsing), false},
		{MESSAGE_PARSED, sizeof(struct message_parsed), false},
		{MESSAGE_BATCH, sizeof(struct message_batch), true},
		{MESSAGE_OUTPUT, sizeof(struct message_output), true},
		{MESSAGE_SUMMARY, sizeof(struct message_summary), true},
		{MESSAGE_BATCH_DONE, sizeof(struct message_batch_done), false},
		{MESSAGE_MAKE_TABLE, sizeof(struct message_make_table), false},
		{MESSAGE_TABLE, sizeof(struct message_table), true},
		{MESSAGE_DEBUG_DIRECTORY_OPENED, sizeof(struct message_debug_directory_opened), false},
		{MESSAGE_OPEN_DEBUG, sizeof(struct message_open_debug), false},
		{MESSAGE_DEBUG_OPENED, sizeof(struct message_debug_opened), true},
		{MESSAGE_DEBUG_FILE, sizeof(struct message_debug_opened), true},
		{MESSAGE_SOURCES, sizeof(struct message_sources), false},
		{MESSAGE_DESCRIBE, sizeof(struct message_describe), false},
		{MESSAGE_DESCRIPTION, sizeof(struct message_description), false},
		{MESSAGE_PROFILE, 0, true},
		{MESSAGE_PROFILE_FILES, sizeof(struct message_profile_files), true},
		{MESSAGE_SYMBOLIZE, 0, false},
		{MESSAGE_SYMBOLIZED, sizeof(struct message_symbolized), true},
		{MESSAGE_DEBUG_KEPT, sizeof(struct message_debug_kept), false},
		{MESSAGE_FETCH_PROGRESS, sizeof(struct message_fetch_progress), false},
		{MESSAGE_DEBUG_FETCHED, sizeof(struct message_debug_fetched), false},
		{MESSAGE_NAME_ADDRESSES, sizeof(struct message_name_addresses), true},
		{MESSAGE_ADDRESSES_NAMED, sizeof(struct message_addresses_named), true},
	};

	(void)state;
	memset(bytes, 0, sizeof(bytes));
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		check(types[i].type, types[i].fixed, types[i].has_fd, 0);
		check(types[i].type, types[i].fixed, !types[i].has_fd, -EBADMSG);
		check(types[i].type, types[i].fixed + 1, types[i].has_fd, -EBADMSG);
		if (types[i].fixed)
			check(types[i].type, types[i].fixed - 1, types[i].has_fd, -EBADMSG);
	}
	for (uint16_t type = MESSAGE_NONE + 1; type < MESSAGE_TYPE_COUNT; type++)
		assert_string_not_equal(message_type_name(type), "unknown");
}

static void a_way_of_demangling_is_one_of_the_known(void **state)
{
	struct message_start start = {.demangle = DEMANGLE_MODE_COUNT - 1};

	(void)state;
	assert_int_equal(message_check(MESSAGE_START, &start, sizeof(start), false), 0);
	start.demangle = DEMANGLE_MODE_COUNT;
	assert_int_equal(message_check(MESSAGE_START, &start, sizeof(start), false), -EBADMSG);
}

static void unknown_types_are_refused(void **state)
{
	(void)state;
	check(MESSAGE_NONE, 0, false, -EBADMSG);
	check(MESSAGE_TYPE_COUNT, 0, false, -EBADMSG);
	check(UINT16_MAX, 0, false, -EBADMSG);
	assert_string_equal(message_type_name(MESSAGE_TYPE_COUNT), "unknown");
}

static void text_lengths_must_add_up(void **state)
{
	struct message_output_prepare prepare = {.path_len = 5};

	(void)state;
	check(MESSAGE_OUTPUT_PREPARE, PUT(prepare, "/a/b/"), false, 0);
	check(MESSAGE_OUTPUT_PREPARE, PUT(prepare, "/a/b"), false, -EBADMSG);
	check(MESSAGE_OUTPUT_PREPARE, PUT(prepare, "/a/b/c"), false, -EBADMSG);
	prepare.path_len = UINT32_MAX;
	check(MESSAGE_OUTPUT_PREPARE, PUT(prepare, "/a/b"), false, -EBADMSG);
	prepare.path_len = 0;
	check(MESSAGE_OUTPUT_PREPARE, PUT(prepare, ""), false, -EBADMSG);
}

static void paths_hold_no_nul_and_have_a_maximum(void **state)
{
	struct message_open_object open = {.path_len = 3};
	static char path[MESSAGE_MAX_PATH + 1];

	(void)state;
	check(MESSAGE_OPEN_OBJECT, put(&open, sizeof(open), "/\0a", 3), false, -EBADMSG);
	memset(path, 'a', sizeof(path));
	open.path_len = MESSAGE_MAX_PATH;
	check(MESSAGE_OPEN_OBJECT, put(&open, sizeof(open), path, open.path_len), false, 0);
	open.path_len++;
	check(MESSAGE_OPEN_OBJECT, put(&open, sizeof(open), path, open.path_len), false, -EBADMSG);
}

static void names_are_one_harmless_component(void **state)
{
	static const struct {
		const char *name;
		bool is_safe;
	} names[] = {
		{"all.pb.gz", true}, {"kworker_0_1-H-123.pb.gz", true},
		{"a+b-2", true},     {"", true},
		{"a/b", false},	     {"..", false},
		{".", false},	     {".hidden", false},
		{"a b", false},	     {"a\n", false},
		{"\xc3\xa4", false},
	};
	struct message_output_write write = {.output = 1};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		write.name_len = (uint32_t)strlen(names[i].name);
		check(MESSAGE_OUTPUT_WRITE, PUT(write, names[i].name), true, names[i].is_safe ? 0 : -EBADMSG);
	}
	assert_false(message_name_is_safe("", 0));
}

static void enums_and_errors_have_a_range(void **state)
{
	struct message_output_prepare prepare = {.path_len = 1};
	struct message_object object = {.kind = OBJECT_VDSO};
	struct message_parsed parsed = {.err = -ENOEXEC};
	struct message_open_object open = {.candidates = OPEN_CANDIDATES};
	struct message_process process = {.tgid = 1};
	struct message_open_perf_map map = {.tgid = 1u << 22};
	struct message_table table = {.err = -ENOENT, .is_whole = 1, .n_gaps = MESSAGE_MAX_GAPS};

	(void)state;
	prepare.place = OUTPUT_DIRECTORY + 1;
	check(MESSAGE_OUTPUT_PREPARE, PUT(prepare, "a"), false, -EBADMSG);
	prepare.place = OUTPUT_FILE;
	prepare.flags = 4;
	check(MESSAGE_OUTPUT_PREPARE, PUT(prepare, "a"), false, -EBADMSG);

	check(MESSAGE_OPEN_PERF_MAP, PUT(map, ""), false, 0);
	map.tgid = 0;
	check(MESSAGE_OPEN_PERF_MAP, PUT(map, ""), false, -EBADMSG);
	map.tgid = 1;
	map.inner_tgid = (1u << 22) + 1;
	check(MESSAGE_OPEN_PERF_MAP, PUT(map, ""), false, -EBADMSG);

	check(MESSAGE_OBJECT, PUT(object, ""), false, 0);
	object.kind = OBJECT_KIND_COUNT;
	check(MESSAGE_OBJECT, PUT(object, ""), false, -EBADMSG);
	object.kind = OBJECT_VDSO;
	object.build_id_len = BUILD_ID_MAX + 1;
	check(MESSAGE_OBJECT, PUT(object, ""), false, -EBADMSG);

	check(MESSAGE_PARSED, PUT(parsed, ""), false, 0);
	parsed.err = 1;
	check(MESSAGE_PARSED, PUT(parsed, ""), false, -EBADMSG);
	parsed.err = INT32_MIN;
	check(MESSAGE_PARSED, PUT(parsed, ""), false, -EBADMSG);
	parsed.err = 0;
	parsed.embedded_err = 1;
	check(MESSAGE_PARSED, PUT(parsed, ""), false, -EBADMSG);

	for (size_t i = 0; i < OPEN_CANDIDATES; i++)
		open.candidate[i].tgid = 1;
	check(MESSAGE_OPEN_OBJECT, PUT(open, ""), false, 0);
	open.candidate[OPEN_CANDIDATES - 1].tgid = 0;
	check(MESSAGE_OPEN_OBJECT, PUT(open, ""), false, -EBADMSG);
	open.candidates = OPEN_CANDIDATES + 1;
	check(MESSAGE_OPEN_OBJECT, PUT(open, ""), false, -EBADMSG);

	check(MESSAGE_TABLE, PUT(table, ""), false, 0);
	table.n_gaps = MESSAGE_MAX_GAPS + 1;
	check(MESSAGE_TABLE, PUT(table, ""), false, -EBADMSG);
	table.n_gaps = 0;
	table.is_whole = 2;
	check(MESSAGE_TABLE, PUT(table, ""), false, -EBADMSG);

	check(MESSAGE_PROCESS, PUT(process, ""), false, 0);
	memset(process.comm, 'c', sizeof(process.comm));
	check(MESSAGE_PROCESS, PUT(process, ""), false, -EBADMSG);
}

static void a_descriptor_comes_exactly_when_the_content_says(void **state)
{
	struct message_object object = {.kind = OBJECT_FILE};
	struct message_object_opened opened = {.err = -ENOENT};
	struct message_kernel_symbols symbols = {.err = -EACCES};
	static const uint32_t files[] = {OBJECT_PERF_MAP, OBJECT_JITDUMP, OBJECT_FILE};

	(void)state;
	object.kind = OBJECT_JIT;
	check(MESSAGE_OBJECT, PUT(object, ""), false, 0);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		object.kind = files[i];
		check(MESSAGE_OBJECT, PUT(object, ""), true, 0);
		check(MESSAGE_OBJECT, PUT(object, ""), false, -EBADMSG);
	}
	check(MESSAGE_OBJECT, PUT(object, ""), true, 0);
	object.flags = OBJECT_QUARANTINED;
	check(MESSAGE_OBJECT, PUT(object, ""), false, 0);
	check(MESSAGE_OBJECT, PUT(object, ""), true, -EBADMSG);
	object.flags = 0;
	object.err = -ESTALE;
	check(MESSAGE_OBJECT, PUT(object, ""), false, 0);
	check(MESSAGE_OBJECT_OPENED, PUT(opened, ""), false, 0);
	check(MESSAGE_OBJECT_OPENED, PUT(opened, ""), true, -EBADMSG);
	check(MESSAGE_KERNEL_SYMBOLS, PUT(symbols, ""), false, 0);
	check(MESSAGE_KERNEL_SYMBOLS, PUT(symbols, ""), true, -EBADMSG);
}

/* Two mappings, the second with the path "/lib/x". */
static size_t put_mappings(uint32_t n, uint32_t path_len, uint64_t start)
{
	struct message_mappings head = {.tgid = 7, .is_last = 1, .n = n};
	struct message_mapping mappings[2] = {
		{.start = 0x1000, .limit = 0x2000},
		{.start = start, .limit = 0x4000, .path_len = path_len},
	};

	memcpy(bytes, &head, sizeof(head));
	memcpy(bytes + sizeof(head), mappings, sizeof(mappings));
	memcpy(bytes + sizeof(head) + sizeof(mappings), "/lib/x", 6);
	return sizeof(head) + sizeof(mappings) + 6;
}

static void mappings_and_their_paths_add_up(void **state)
{
	(void)state;
	check(MESSAGE_MAPPINGS, put_mappings(2, 6, 0x3000), false, 0);
	check(MESSAGE_MAPPINGS, put_mappings(2, 5, 0x3000), false, -EBADMSG);
	check(MESSAGE_MAPPINGS, put_mappings(2, 7, 0x3000), false, -EBADMSG);
	check(MESSAGE_MAPPINGS, put_mappings(2, UINT32_MAX, 0x3000), false, -EBADMSG);
	check(MESSAGE_MAPPINGS, put_mappings(1, 6, 0x3000), false, -EBADMSG);
	check(MESSAGE_MAPPINGS, put_mappings(3, 6, 0x3000), false, -EBADMSG);
	check(MESSAGE_MAPPINGS, put_mappings(UINT32_MAX, 6, 0x3000), false, -EBADMSG);
	check(MESSAGE_MAPPINGS, put_mappings(2, 6, 0x4000), false, -EBADMSG); /* empty range */
}

static void a_payload_may_lie_anywhere(void **state)
{
	static uint8_t shifted[256];
	size_t len = put_mappings(2, 6, 0x3000);

	(void)state;
	memcpy(shifted + 1, bytes, len);
	assert_int_equal(message_check(MESSAGE_MAPPINGS, shifted + 1, len, false), 0);
	assert_int_equal(message_check(MESSAGE_PING, NULL, 0, false), 0);
}

static void debug_files_are_wanted_by_an_id_or_a_base_name(void **state)
{
	static const struct {
		const char *what, *name;
		uint32_t kind, id_len;
		int expected;
	} cases[] = {
		{"an id", "", DEBUG_BUILD_ID, 20, 0},
		{"a short id", "", DEBUG_BUILD_ID, 8, 0},
		{"the longest id", "", DEBUG_BUILD_ID, DEBUG_ID_MAX, 0},
		{"an id too short", "", DEBUG_BUILD_ID, 3, -EBADMSG},
		{"an id too long", "", DEBUG_BUILD_ID, DEBUG_ID_MAX + 1, -EBADMSG},
		{"an id and a name", "x.debug", DEBUG_BUILD_ID, 20, -EBADMSG},
		{"a name", "x.debug", DEBUG_LINK, 0, 0},
		{"any bytes", "\x01 \xff.debug", DEBUG_LINK, 0, 0},
		{"no name", "", DEBUG_LINK, 0, -EBADMSG},
		{"a path", "a/x.debug", DEBUG_LINK, 0, -EBADMSG},
		{"a path upwards", "../../x", DEBUG_LINK, 0, -EBADMSG},
		{"an absolute path", "/etc/shadow", DEBUG_SPLIT, 0, -EBADMSG},
		{"this directory", ".", DEBUG_SPLIT, 0, -EBADMSG},
		{"the one above", "..", DEBUG_LINK, 0, -EBADMSG},
		{"both", "x.debug", DEBUG_SUPPLEMENTARY, 20, 0},
		{"a name without the id", "x.debug", DEBUG_SUPPLEMENTARY, 0, -EBADMSG},
		{"nothing at all", "", DEBUG_TEMPORARY, 0, 0},
		{"a name for what has none", "x", DEBUG_TEMPORARY, 0, -EBADMSG},
		{"an id of a server's", "", DEBUG_REMOTE, 20, 0},
		{"a name of a server's", "x", DEBUG_REMOTE, 0, -EBADMSG},
		{"what is the collector's to ask", "", DEBUG_DOWNLOAD, 20, -EBADMSG},
		{"no kind", "x", DEBUG_KINDS, 0, -EBADMSG},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct message_want_debug want = {.request = 1,
						  .object = 1,
						  .kind = cases[i].kind,
						  .id_len = cases[i].id_len,
						  .name_len = (uint32_t)strlen(cases[i].name)};
		size_t len = PUT(want, cases[i].name);
		int err = message_check(MESSAGE_WANT_DEBUG, bytes, len, false);

		if (err != cases[i].expected)
			fail_msg("%s: %d", cases[i].what, err);
	}
}

static void sources_are_checked(void **state)
{
	struct message_sources sources = {.n = 1};

	(void)state;
	sources.sources[0] = (struct message_source){.kind = SOURCE_LINK, .err = -ESTALE};
	check(MESSAGE_SOURCES, PUT(sources, ""), false, 0);
	sources.sources[0].kind = SOURCE_KINDS;
	check(MESSAGE_SOURCES, PUT(sources, ""), false, -EBADMSG);
	sources.sources[0] = (struct message_source){.err = 1};
	check(MESSAGE_SOURCES, PUT(sources, ""), false, -EBADMSG);
	sources.sources[0] = (struct message_source){.origin = DEBUG_ORIGINS};
	check(MESSAGE_SOURCES, PUT(sources, ""), false, -EBADMSG);
	sources.sources[0] = (struct message_source){0};
	sources.n = MESSAGE_MAX_SOURCES + 1;
	check(MESSAGE_SOURCES, PUT(sources, ""), false, -EBADMSG);
}

static void descriptions_are_checked(void **state)
{
	struct message_description description = {.object = 1, .build_id_len = DEBUG_ID_MAX, .dwarf_split = 1};
	const struct message_description good = description;

	(void)state;
	check(MESSAGE_DESCRIPTION, PUT(description, ""), false, 0);
	description.build_id_len++;
	check(MESSAGE_DESCRIPTION, PUT(description, ""), false, -EBADMSG);
	description = good;
	description.symtab.is_there = 2;
	check(MESSAGE_DESCRIPTION, PUT(description, ""), false, -EBADMSG);
	description = good;
	description.debugdata_err = 1;
	check(MESSAGE_DESCRIPTION, PUT(description, ""), false, -EBADMSG);
	description = good;
	memset(description.link_name, 'x', sizeof(description.link_name));
	check(MESSAGE_DESCRIPTION, PUT(description, ""), false, -EBADMSG);
	description = good;
	memset(description.supplementary_name, 'x', sizeof(description.supplementary_name));
	check(MESSAGE_DESCRIPTION, PUT(description, ""), false, -EBADMSG);
}

static void downloads_are_of_an_id_and_a_server(void **state)
{
	struct message_fetch_debug fetch = {.id_len = DEBUG_ID_MIN, .server = DEBUG_MAX_SERVERS - 1};
	struct message_keep_debug keep = {.id_len = DEBUG_ID_MAX};
	struct message_debug_fetched fetched = {.err = -ENOENT};
	struct message_debug_server server = {.url_len = 8};

	(void)state;
	check(MESSAGE_FETCH_DEBUG, PUT(fetch, ""), true, 0);
	check(MESSAGE_FETCH_DEBUG, PUT(fetch, ""), false, -EBADMSG);
	fetch.id_len = DEBUG_ID_MIN - 1;
	check(MESSAGE_FETCH_DEBUG, PUT(fetch, ""), true, -EBADMSG);
	fetch.id_len = DEBUG_ID_MAX;
	fetch.server = DEBUG_MAX_SERVERS;
	check(MESSAGE_FETCH_DEBUG, PUT(fetch, ""), true, -EBADMSG);
	check(MESSAGE_KEEP_DEBUG, PUT(keep, ""), true, 0);
	check(MESSAGE_KEEP_DEBUG, PUT(keep, ""), false, -EBADMSG);
	keep.id_len++;
	check(MESSAGE_KEEP_DEBUG, PUT(keep, ""), true, -EBADMSG);
	check(MESSAGE_DEBUG_FETCHED, PUT(fetched, ""), false, 0);
	fetched.err = 1;
	check(MESSAGE_DEBUG_FETCHED, PUT(fetched, ""), false, -EBADMSG);
	fetched.err = 0;
	fetched.server = DEBUG_MAX_SERVERS;
	check(MESSAGE_DEBUG_FETCHED, PUT(fetched, ""), false, -EBADMSG);
	check(MESSAGE_DEBUG_SERVER, PUT(server, "http://a"), false, 0);
	check(MESSAGE_DEBUG_SERVER, PUT(server, "http://"), false, -EBADMSG);
	server.url_len = 0;
	check(MESSAGE_DEBUG_SERVER, PUT(server, ""), false, -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_type_has_a_name_and_a_layout),
		cmocka_unit_test(a_way_of_demangling_is_one_of_the_known),
		cmocka_unit_test(unknown_types_are_refused),
		cmocka_unit_test(descriptions_are_checked),
		cmocka_unit_test(text_lengths_must_add_up),
		cmocka_unit_test(paths_hold_no_nul_and_have_a_maximum),
		cmocka_unit_test(names_are_one_harmless_component),
		cmocka_unit_test(enums_and_errors_have_a_range),
		cmocka_unit_test(a_descriptor_comes_exactly_when_the_content_says),
		cmocka_unit_test(mappings_and_their_paths_add_up),
		cmocka_unit_test(a_payload_may_lie_anywhere),
		cmocka_unit_test(debug_files_are_wanted_by_an_id_or_a_base_name),
		cmocka_unit_test(sources_are_checked),
		cmocka_unit_test(downloads_are_of_an_id_and_a_server),
	};

	return cmocka_run_group_tests_name("message", tests, NULL, NULL);
}
