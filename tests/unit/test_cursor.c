/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/cursor.h"
#include "guard.h"

#define CASES(array) (sizeof(array) / sizeof(*(array)))

/* A string literal with its length, NULs inside included. */
#define BYTES(literal) (literal), sizeof(literal) - 1

static struct cursor open_cursor(struct guarded *guarded, const void *bytes, size_t n)
{
	struct cursor cursor;

	*guarded = guarded_copy(bytes, n);
	cursor_init(&cursor, guarded->bytes, n);
	return cursor;
}

static void integers_are_little_endian(void **state)
{
	struct guarded guarded;
	struct cursor cursor =
		open_cursor(&guarded, BYTES("\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\xff"));

	(void)state;
	assert_int_equal(cursor_u8(&cursor), 0x01);
	assert_int_equal(cursor_u16(&cursor), 0x0302);
	assert_int_equal(cursor_u32(&cursor), 0x07060504);
	assert_int_equal(cursor_u64(&cursor), 0xff0e0d0c0b0a0908);
	assert_true(cursor_at_end(&cursor));
	assert_true(cursor_ok(&cursor));
	assert_int_equal(cursor_offset(&cursor), 15);
	guarded_release(&guarded);
}

static void read_past_the_end_fails_for_good(void **state)
{
	struct guarded guarded;
	struct cursor cursor = open_cursor(&guarded, BYTES("\xff\xff\xff"));

	(void)state;
	assert_int_equal(cursor_u32(&cursor), 0);
	assert_false(cursor_ok(&cursor));
	assert_int_equal(cursor_u8(&cursor), 0);
	assert_int_equal(cursor_left(&cursor), 0);
	assert_true(cursor_at_end(&cursor));
	assert_null(cursor_bytes(&cursor, 0));
	cursor_seek(&cursor, 2);
	assert_false(cursor_ok(&cursor));
	assert_int_equal(cursor_offset(&cursor), 0); /* where it failed */
	guarded_release(&guarded);
}

static void nothing_at_all_is_a_valid_cursor(void **state)
{
	struct cursor cursor, line;

	(void)state;
	cursor_init(&cursor, NULL, 0);
	assert_true(cursor_ok(&cursor));
	assert_true(cursor_at_end(&cursor));
	assert_non_null(cursor_bytes(&cursor, 0));
	assert_true(cursor_equals(&cursor, ""));
	assert_false(cursor_line(&cursor, &line));
	assert_true(cursor_ok(&cursor));
	assert_int_equal(cursor_u8(&cursor), 0);
	assert_false(cursor_ok(&cursor));
}

static void skip_and_seek_stay_within(void **state)
{
	static const struct {
		size_t skip, seek;
		bool ok;
	} cases[] = {{0, 4, true},  {4, 0, true},	  {4, 4, true},	       {5, 0, false},
		     {0, 5, false}, {SIZE_MAX, 0, false}, {1, SIZE_MAX, false}};

	(void)state;
	for (size_t i = 0; i < CASES(cases); i++) {
		struct guarded guarded;
		struct cursor cursor = open_cursor(&guarded, "abcd", 4);

		cursor_skip(&cursor, cases[i].skip);
		cursor_seek(&cursor, cases[i].seek);
		assert_int_equal(cursor_ok(&cursor), cases[i].ok);
		if (cases[i].ok)
			assert_int_equal(cursor_offset(&cursor), cases[i].seek);
		guarded_release(&guarded);
	}
}

static void uleb128_follows_dwarf(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		bool ok;
		uint64_t want;
	} cases[] = {
		{BYTES("\x00"), true, 0},
		{BYTES("\x02"), true, 2},
		{BYTES("\x7f"), true, 127},
		{BYTES("\x80\x01"), true, 128},
		{BYTES("\xb9\x64"), true, 12857},
		{BYTES("\x80\x80\x00"), true, 0}, /* padded */
		{BYTES("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), true, UINT64_MAX},
		{BYTES("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"), false, 0}, /* 65 bits */
		{BYTES("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00"), false, 0},
		{BYTES("\x80"), false, 0},
		{BYTES(""), false, 0},
	};

	(void)state;
	for (size_t i = 0; i < CASES(cases); i++) {
		struct guarded guarded;
		struct cursor cursor = open_cursor(&guarded, cases[i].bytes, cases[i].n);

		assert_int_equal(cursor_uleb128(&cursor), cases[i].want);
		assert_int_equal(cursor_ok(&cursor), cases[i].ok);
		if (cases[i].ok)
			assert_true(cursor_at_end(&cursor));
		guarded_release(&guarded);
	}
}

static void sleb128_follows_dwarf(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		bool ok;
		int64_t want;
	} cases[] = {
		{BYTES("\x02"), true, 2},
		{BYTES("\x7e"), true, -2},
		{BYTES("\xff\x00"), true, 127},
		{BYTES("\x81\x7f"), true, -127},
		{BYTES("\x80\x01"), true, 128},
		{BYTES("\x80\x7f"), true, -128},
		{BYTES("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00"), true, INT64_MAX},
		{BYTES("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x7f"), true, INT64_MIN},
		{BYTES("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), false, 0},
		{BYTES("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00"), false, 0},
		{BYTES("\x80"), false, 0},
		{BYTES(""), false, 0},
	};

	(void)state;
	for (size_t i = 0; i < CASES(cases); i++) {
		struct guarded guarded;
		struct cursor cursor = open_cursor(&guarded, cases[i].bytes, cases[i].n);

		assert_int_equal(cursor_sleb128(&cursor), cases[i].want);
		assert_int_equal(cursor_ok(&cursor), cases[i].ok);
		guarded_release(&guarded);
	}
}

static void copy_is_whole_or_zeros(void **state)
{
	struct guarded guarded;
	struct cursor cursor = open_cursor(&guarded, "abcd", 4);
	char to[4] = "....";

	(void)state;
	cursor_copy(&cursor, to, 3);
	assert_memory_equal(to, "abc.", 4);
	cursor_copy(&cursor, NULL, 0);
	assert_true(cursor_ok(&cursor));
	cursor_copy(&cursor, to, 2);
	assert_memory_equal(to, "\0\0c.", 4);
	assert_false(cursor_ok(&cursor));
	guarded_release(&guarded);
}

static void cstr_needs_its_nul(void **state)
{
	struct guarded guarded;
	struct cursor cursor = open_cursor(&guarded, BYTES("ab\0\0cd"));
	size_t len = 99;

	(void)state;
	assert_string_equal(cursor_cstr(&cursor, &len), "ab");
	assert_int_equal(len, 2);
	assert_string_equal(cursor_cstr(&cursor, NULL), "");
	assert_null(cursor_cstr(&cursor, &len));
	assert_int_equal(len, 2);
	assert_false(cursor_ok(&cursor));
	guarded_release(&guarded);
}

static void sub_cursor_ends_where_told(void **state)
{
	struct guarded guarded;
	struct cursor cursor = open_cursor(&guarded, "abcdef", 6), sub;

	(void)state;
	sub = cursor_sub(&cursor, 4);
	assert_int_equal(cursor_left(&cursor), 2);
	cursor_skip(&sub, 4);
	assert_int_equal(cursor_u8(&sub), 0);
	assert_false(cursor_ok(&sub));
	assert_true(cursor_ok(&cursor));
	sub = cursor_sub(&cursor, 0);
	assert_true(cursor_ok(&sub));
	sub = cursor_sub(&cursor, 3);
	assert_false(cursor_ok(&sub));
	assert_false(cursor_ok(&cursor));
	assert_true(cursor_at_end(&sub));
	guarded_release(&guarded);
}

static void lines_end_at_newlines_or_at_the_end(void **state)
{
	static const struct {
		const char *text;
		const char *lines[4];
	} cases[] = {
		{"", {NULL}},	    {"a", {"a"}},	  {"a\n", {"a"}},
		{"\n", {""}},	    {"a\nb", {"a", "b"}}, {"a\n\nb\n", {"a", "", "b"}},
		{"a\r\n", {"a\r"}},
	};

	(void)state;
	for (size_t i = 0; i < CASES(cases); i++) {
		struct guarded guarded;
		struct cursor cursor = open_cursor(&guarded, cases[i].text, strlen(cases[i].text)), line;
		size_t n = 0;

		for (; cases[i].lines[n]; n++) {
			assert_true(cursor_line(&cursor, &line));
			assert_true(cursor_equals(&line, cases[i].lines[n]));
		}
		assert_false(cursor_line(&cursor, &line));
		assert_true(cursor_ok(&cursor));
		guarded_release(&guarded);
	}
}

static void words_are_parted_by_blanks(void **state)
{
	struct guarded guarded;
	struct cursor cursor = open_cursor(&guarded, BYTES(" ab\t c  ")), word;

	(void)state;
	assert_true(cursor_word(&cursor, &word));
	assert_true(cursor_equals(&word, "ab"));
	assert_true(cursor_word(&cursor, &word));
	assert_true(cursor_equals(&word, "c"));
	assert_false(cursor_word(&cursor, &word));
	assert_true(cursor_ok(&cursor));
	assert_true(cursor_at_end(&cursor));
	guarded_release(&guarded);
}

static void numbers_in_text(void **state)
{
	static const struct {
		const char *text;
		bool hex, ok;
		uint64_t want;
		size_t left;
	} cases[] = {
		{"0", false, true, 0, 0},
		{"0012x", false, true, 12, 1},
		{"18446744073709551615", false, true, UINT64_MAX, 0},
		{"18446744073709551616", false, false, 0, 0},
		{"99999999999999999999", false, false, 0, 0},
		{"", false, false, 0, 0},
		{"-1", false, false, 0, 0},
		{"+1", false, false, 0, 0},
		{" 1", false, false, 0, 0},
		{"a", false, false, 0, 0},
		{"1a", false, true, 1, 1},
		{"7fFf0-", true, true, 0x7fff0, 1},
		{"ffffffffffffffff", true, true, UINT64_MAX, 0},
		{"00000000000000000001", true, true, 1, 0},
		{"10000000000000000", true, false, 0, 0},
		{"0x1", true, true, 0, 2},
		{"g", true, false, 0, 0},
		{"/", true, false, 0, 0},
		{":", true, false, 0, 0},
		{"@", true, false, 0, 0},
		{"`", true, false, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < CASES(cases); i++) {
		struct guarded guarded;
		struct cursor cursor = open_cursor(&guarded, cases[i].text, strlen(cases[i].text));
		uint64_t value = cases[i].hex ? cursor_hex(&cursor) : cursor_dec(&cursor);

		assert_int_equal(value, cases[i].want);
		assert_int_equal(cursor_ok(&cursor), cases[i].ok);
		assert_int_equal(cursor_left(&cursor), cases[i].left);
		guarded_release(&guarded);
	}
}

static void expect_takes_its_byte_alone(void **state)
{
	struct guarded guarded;
	struct cursor cursor = open_cursor(&guarded, BYTES("-\xff")), again;

	(void)state;
	cursor_expect(&cursor, '-');
	again = cursor;
	cursor_expect(&again, '-');
	assert_false(cursor_ok(&again));
	cursor_expect(&cursor, (char)0xff);
	assert_true(cursor_ok(&cursor));
	cursor_expect(&cursor, '\0');
	assert_false(cursor_ok(&cursor));
	guarded_release(&guarded);
}

static void equals_means_all_that_is_left(void **state)
{
	struct guarded guarded;
	struct cursor cursor = open_cursor(&guarded, BYTES("vdso"));

	(void)state;
	assert_true(cursor_equals(&cursor, "vdso"));
	assert_false(cursor_equals(&cursor, "vds"));
	assert_false(cursor_equals(&cursor, "vdso]"));
	assert_false(cursor_equals(&cursor, ""));
	cursor_skip(&cursor, 1);
	assert_true(cursor_equals(&cursor, "dso"));
	cursor_skip(&cursor, 9);
	assert_false(cursor_equals(&cursor, ""));
	guarded_release(&guarded);
}

static void checked_arithmetic_tells_of_overflow(void **state)
{
	uint64_t ret = 77;

	(void)state;
	assert_false(checked_add(UINT64_MAX, 1, &ret));
	assert_false(checked_mul(1ULL << 32, 1ULL << 32, &ret));
	assert_int_equal(ret, 77);
	assert_true(checked_add(UINT64_MAX, 0, &ret));
	assert_int_equal(ret, UINT64_MAX);
	assert_true(checked_mul(1ULL << 32, (1ULL << 32) - 1, &ret));
	assert_int_equal(ret, 0xffffffff00000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(integers_are_little_endian),
		cmocka_unit_test(read_past_the_end_fails_for_good),
		cmocka_unit_test(nothing_at_all_is_a_valid_cursor),
		cmocka_unit_test(skip_and_seek_stay_within),
		cmocka_unit_test(uleb128_follows_dwarf),
		cmocka_unit_test(sleb128_follows_dwarf),
		cmocka_unit_test(copy_is_whole_or_zeros),
		cmocka_unit_test(cstr_needs_its_nul),
		cmocka_unit_test(sub_cursor_ends_where_told),
		cmocka_unit_test(lines_end_at_newlines_or_at_the_end),
		cmocka_unit_test(words_are_parted_by_blanks),
		cmocka_unit_test(numbers_in_text),
		cmocka_unit_test(expect_takes_its_byte_alone),
		cmocka_unit_test(equals_means_all_that_is_left),
		cmocka_unit_test(checked_arithmetic_tells_of_overflow),
	};

	return cmocka_run_group_tests_name("cursor", tests, NULL, NULL);
}
