/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>

#include "encode/folded_encode.h"
#include "encoded.h"

static void encode(const struct profile *profile, struct buf *ret)
{
	const struct sink sink = sink_to_buf(ret);

	assert_int_equal(folded_encode(profile, &sink), 0);
	assert_non_null(buf_cstr(ret));
}

/* Samples of stacks "root;…;leaf" with their counts. */
static void assert_lines(const char *const stacks[], const char *expected)
{
	struct profile *profile = new_profile();
	struct buf text;

	for (size_t i = 0; stacks[i]; i++) {
		uint32_t frames[16];
		char stack[128], *rest = stack, *name;
		size_t at = 16;

		snprintf(stack, sizeof(stack), "%s", stacks[i]);
		while ((name = strsep(&rest, ";")))
			frames[--at] = add_location(profile, 0, 0, name);
		add_sample(profile, "c", "1", frames + at, 16 - at, 1);
	}
	encode(profile, &text);
	assert_string_equal(buf_cstr(&text), expected);
	buf_release(&text);
	profile_free(profile);
}

static void folded_profile_is_the_golden_one(void **state)
{
	struct profile *profile = sample_profile(false), *reversed = sample_profile(true);
	struct buf text, other;

	(void)state;
	encode(profile, &text);
	assert_golden(__FILE__, "sample.folded", &text);
	encode(reversed, &other);
	assert_string_equal(buf_cstr(&text), buf_cstr(&other));
	buf_release(&text);
	buf_release(&other);
	profile_free(profile);
	profile_free(reversed);
}

/* As "sort" with LC_ALL=C sorts the stacks: ' ' and '+' come before ';', letters behind it. */
static void lines_are_sorted_by_bytes(void **state)
{
	(void)state;
	assert_lines((const char *[]){"a;x", "a", "a b;x", "a b", "a+;x", "ab", "ab;y", "A", "a;x;y", "\xc3\xa4", NULL},
		     "c;A 1\n"
		     "c;a 1\n"
		     "c;a b 1\n"
		     "c;a b;x 1\n"
		     "c;a+;x 1\n"
		     "c;a;x 1\n"
		     "c;a;x;y 1\n"
		     "c;ab 1\n"
		     "c;ab;y 1\n"
		     "c;\xc3\xa4 1\n");
}

static void recursion_keeps_its_depth(void **state)
{
	(void)state;
	assert_lines((const char *[]){"f;f;f", "f", "f;f", "f", NULL}, "c;f 2\nc;f;f 1\nc;f;f;f 1\n");
}

static void equal_texts_are_one_line(void **state)
{
	struct profile *profile = new_profile();
	const uint32_t semicolon = add_location(profile, 0, 1, "a;b"), colon = add_location(profile, 0, 2, "a:b");
	struct buf text;

	(void)state;
	add_sample(profile, "c", "1", &semicolon, 1, 2);
	add_sample(profile, "c", "2", &colon, 1, 3);
	encode(profile, &text);
	assert_string_equal(buf_cstr(&text), "c;a:b 5\n");
	buf_release(&text);
	profile_free(profile);
}

static void kernel_frames_are_marked(void **state)
{
	struct profile *profile = new_profile();
	const struct profile_mapping restricted = {.file = "[kernel.kallsyms]"};
	uint32_t mapping, stack[4];
	struct buf text;

	(void)state;
	assert_int_equal(profile_add_mapping(profile, &restricted, &mapping), 0);
	stack[0] = add_location(profile, mapping, 0, "[kernel restricted]");
	stack[1] = add_location(profile, add_mapping(profile, "[ext4]", 1ULL << 63), 1ULL << 63, "ext4_read");
	stack[2] = add_location(profile, add_mapping(profile, "/bin/a", 0x7fffffff0000), 0x7fffffff0000, "main");
	stack[3] = add_location(profile, 0, UINT64_MAX, "nowhere");
	add_sample(profile, "c", "1", stack, 4, 1);
	encode(profile, &text);
	assert_string_equal(buf_cstr(&text), "c;nowhere;main;ext4_read_[k];[kernel restricted]_[k] 1\n");
	buf_release(&text);
	profile_free(profile);
}

static void what_has_no_name_is_unknown(void **state)
{
	struct profile *profile = new_profile();
	const int64_t values[] = {4, 40};
	uint32_t location;
	struct buf text;

	(void)state;
	assert_int_equal(profile_add_location(profile, 0, 0x1234, NULL, 0, &location), 0);
	assert_int_equal(profile_add_sample(profile, &location, 1, NULL, 0, values), 0);
	encode(profile, &text);
	assert_string_equal(buf_cstr(&text), "[unknown];[unknown] 4\n");
	buf_release(&text);
	profile_free(profile);
}

static void empty_profile_is_no_line(void **state)
{
	struct profile *profile = new_profile();
	struct buf text;

	(void)state;
	encode(profile, &text);
	assert_int_equal(text.len, 0);
	buf_release(&text);
	profile_free(profile);
}

static void full_disk_is_an_error(void **state)
{
	struct profile *profile = sample_profile(false);
	size_t left = 10;
	const struct sink sink = {.write = sink_to_full_disk_write, .ctx = &left};

	(void)state;
	assert_int_equal(folded_encode(profile, &sink), -ENOSPC);
	profile_free(profile);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(folded_profile_is_the_golden_one), cmocka_unit_test(lines_are_sorted_by_bytes),
		cmocka_unit_test(recursion_keeps_its_depth),	    cmocka_unit_test(equal_texts_are_one_line),
		cmocka_unit_test(kernel_frames_are_marked),	    cmocka_unit_test(what_has_no_name_is_unknown),
		cmocka_unit_test(empty_profile_is_no_line),	    cmocka_unit_test(full_disk_is_an_error),
	};

	return cmocka_run_group_tests_name("folded_encode", tests, NULL, NULL);
}
