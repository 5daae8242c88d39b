/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>

#include "base/buf.h"
#include "base/text.h"
#include "guard.h"

#define CASES(array) (sizeof(array) / sizeof(*(array)))
#define BYTES(literal) (literal), sizeof(literal) - 1
/* The buffer's text; the test fails when there is none. */
static const char *cstr(struct buf *buf)
{
	const char *str = buf_cstr(buf);

	assert_non_null(str);
	return str;
}

#define BAD "\xef\xbf\xbd"

static void copy_is_cut_and_terminated(void **state)
{
	static const struct {
		const char *from;
		size_t size;
		const char *want;
	} cases[] = {{"abc", 10, "abc"}, {"abc", 4, "abc"}, {"abc", 3, "ab"}, {"abc", 1, ""}, {"", 4, ""}};
	char to[10] = "x";

	(void)state;
	for (size_t i = 0; i < CASES(cases); i++) {
		memset(to, '.', sizeof(to));
		assert_int_equal(text_copy(to, cases[i].size, cases[i].from), strlen(cases[i].want));
		assert_string_equal(to, cases[i].want);
	}
	to[0] = 'k';
	assert_int_equal(text_copy(to, 0, "abc"), 0);
	assert_int_equal(to[0], 'k');
}

static void utf8_is_strict(void **state)
{
	static const struct {
		const char *from;
		size_t len;
		const char *want;
	} cases[] = {
		{BYTES(""), ""},
		{BYTES("plain"), "plain"},
		{BYTES("\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80"), "\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80"},
		{BYTES("\xf4\x8f\xbf\xbf"), "\xf4\x8f\xbf\xbf"}, /* U+10FFFF */
		{BYTES("\xf4\x90\x80\x80"), BAD BAD BAD BAD},	 /* U+110000 */
		{BYTES("\xf5\x80\x80\x80"), BAD BAD BAD BAD},
		{BYTES("\xc0\xaf"), BAD BAD}, /* overlong */
		{BYTES("\xc1\xbf"), BAD BAD},
		{BYTES("\xc2\x80"), "\xc2\x80"},      /* C1 is text for a profile */
		{BYTES("\xe0\x9f\xbf"), BAD BAD BAD}, /* overlong */
		{BYTES("\xe0\xa0\x80"), "\xe0\xa0\x80"},
		{BYTES("\xf0\x8f\xbf\xbf"), BAD BAD BAD BAD}, /* overlong */
		{BYTES("\xf0\x90\x80\x80"), "\xf0\x90\x80\x80"},
		{BYTES("\xed\x9f\xbf"), "\xed\x9f\xbf"},
		{BYTES("\xed\xa0\x80"), BAD BAD BAD}, /* surrogate */
		{BYTES("\xed\xbf\xbf"), BAD BAD BAD},
		{BYTES("\xee\x80\x80"), "\xee\x80\x80"},
		{BYTES("a\x80z"), "a" BAD "z"}, /* continuation alone */
		{BYTES("\xe2\x82"), BAD BAD},	/* cut */
		{BYTES("\xe2\x82z"), BAD BAD "z"},
		{BYTES("\xe2\xc3\xbc"), BAD "\xc3\xbc"}, /* a good one behind a bad one */
		{BYTES("\xff\xfe"), BAD BAD},
		{BYTES("a\0b"), "a" BAD "b"},
		{BYTES("\x1b[31m\n\t\x7f"), BAD "[31m" BAD BAD BAD},
	};

	(void)state;
	for (size_t i = 0; i < CASES(cases); i++) {
		struct guarded guarded = guarded_copy(cases[i].from, cases[i].len);
		struct buf buf;

		buf_init(&buf, 100);
		assert_int_equal(text_append_utf8(&buf, (const char *)guarded.bytes, cases[i].len), 0);
		assert_string_equal(cstr(&buf), cases[i].want);
		buf_release(&buf);
		guarded_release(&guarded);
	}
}

static void every_code_point_passes_or_is_replaced(void **state)
{
	(void)state;
	for (uint32_t point = 0x80; point < 0x120000; point += point < 0x3000 ? 1 : 0x3f) {
		uint32_t got = 0;
		char bytes[4];
		size_t n;

		if (point < 0x800) {
			bytes[0] = (char)(0xc0 | point >> 6);
			bytes[1] = (char)(0x80 | (point & 63));
			n = 2;
		} else if (point < 0x10000) {
			bytes[0] = (char)(0xe0 | point >> 12);
			bytes[1] = (char)(0x80 | (point >> 6 & 63));
			bytes[2] = (char)(0x80 | (point & 63));
			n = 3;
		} else {
			bytes[0] = (char)(0xf0 | point >> 18);
			bytes[1] = (char)(0x80 | (point >> 12 & 63));
			bytes[2] = (char)(0x80 | (point >> 6 & 63));
			bytes[3] = (char)(0x80 | (point & 63));
			n = 4;
		}
		if (point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) {
			assert_int_equal(text_utf8_sequence(bytes, n, &got), 0);
		} else {
			assert_int_equal(text_utf8_sequence(bytes, n, &got), n);
			assert_int_equal(got, point);
			assert_int_equal(text_utf8_sequence(bytes, n - 1, &got), 0);
		}
	}
}

static void terminal_text_has_no_c1_controls(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 100);
	assert_int_equal(text_append_terminal(&buf, BYTES("\xc2\x9b"
							  "2J\xc2\xa0\x9b\x1bz")),
			 0);
	assert_string_equal(cstr(&buf), BAD "2J\xc2\xa0" BAD BAD "z");
	buf_release(&buf);
}

static void utf8_over_the_maximum_is_an_error(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 4);
	assert_int_equal(text_append_utf8(&buf, "\x01\x02", 2), -E2BIG);
	buf_release(&buf);
}

static void file_name_is_one_safe_component(void **state)
{
	static const struct {
		const char *from;
		size_t size;
		const char *want;
	} cases[] = {
		{"cc1plus", 64, "cc1plus"},
		{"a.b_c+d-e9Z", 64, "a.b_c+d-e9Z"},
		{"", 64, "unknown"},
		{"", 4, "unk"},
		{".", 64, "_"},
		{"..", 64, "_."},
		{".hidden", 64, "_hidden"},
		{"../../etc/passwd", 64, "_._.._etc_passwd"},
		{"kworker/0:1-events", 64, "kworker_0_1-events"},
		{"a\x1b\n\xff b", 64, "a____b"},
		{"abcdef", 4, "abc"},
		{"\xc3\xbc", 64, "__"},
	};
	char to[64];

	(void)state;
	for (size_t i = 0; i < CASES(cases); i++) {
		text_file_name(to, cases[i].size, cases[i].from);
		assert_string_equal(to, cases[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copy_is_cut_and_terminated),
		cmocka_unit_test(utf8_is_strict),
		cmocka_unit_test(every_code_point_passes_or_is_replaced),
		cmocka_unit_test(terminal_text_has_no_c1_controls),
		cmocka_unit_test(utf8_over_the_maximum_is_an_error),
		cmocka_unit_test(file_name_is_one_safe_component),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
