/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>

#include "base/buf.h"
#include "oom.h"

static const char *cstr(struct buf *buf)
{
	const char *str = buf_cstr(buf);

	assert_non_null(str);
	return str;
}

static void appends_follow_each_other(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 100);
	assert_int_equal(buf_append(&buf, "ab", 2), 0);
	assert_int_equal(buf_append_byte(&buf, 'c'), 0);
	assert_int_equal(buf_append_str(&buf, "def"), 0);
	assert_int_equal(buf_append(&buf, NULL, 0), 0);
	assert_int_equal(buf_append_zero(&buf, 2), 0);
	assert_int_equal(buf.len, 8);
	assert_memory_equal(buf.data, "abcdef\0\0", 8);
	buf_release(&buf);
	assert_null(buf.data);
}

static void grows_over_many_appends(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 1 << 20);
	for (int i = 0; i < 100000; i++)
		assert_int_equal(buf_append_byte(&buf, (uint8_t)i), 0);
	for (int i = 0; i < 100000; i++)
		assert_int_equal(buf.data[i], (uint8_t)i);
	buf_release(&buf);
}

static void holds_its_maximum_and_not_a_byte_more(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 3);
	assert_int_equal(buf_append(&buf, "abc", 3), 0);
	assert_string_equal(cstr(&buf), "abc");
	assert_int_equal(buf_append(&buf, NULL, 0), 0);
	assert_int_equal(buf_append_byte(&buf, 'd'), -E2BIG);
	assert_int_equal(buf.len, 3);
	buf_release(&buf);
}

static void stays_failed_until_cleared(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 4);
	assert_int_equal(buf_append(&buf, "abcde", 5), -E2BIG);
	assert_int_equal(buf_append_byte(&buf, 'a'), -E2BIG);
	assert_int_equal(buf_printf(&buf, "%d", 1), -E2BIG);
	assert_int_equal(buf_align(&buf, 1), -E2BIG);
	assert_null(buf_reserve(&buf, 0));
	assert_null(buf_cstr(&buf));
	assert_int_equal(buf.len, 0);
	buf_clear(&buf);
	assert_int_equal(buf_append_byte(&buf, 'a'), 0);
	buf_release(&buf);
}

static void size_that_overflows_is_too_big(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, SIZE_MAX);
	assert_int_equal(buf_append(&buf, "abc", 3), 0);
	assert_null(buf_reserve(&buf, SIZE_MAX));
	assert_int_equal(buf.err, -E2BIG);
	buf_clear(&buf);
	assert_int_equal(buf_append(&buf, "abc", 3), 0);
	assert_null(buf_reserve(&buf, SIZE_MAX - 4));
	assert_int_equal(buf.err, -ENOMEM);
	buf_release(&buf);
}

static void align_pads_with_zeros(void **state)
{
	static const struct {
		size_t len, align, want;
	} cases[] = {{0, 8, 0}, {1, 8, 8}, {8, 8, 8}, {9, 8, 16}, {5, 1, 5}, {5, 4, 8}, {63, 64, 64}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf buf;

		buf_init(&buf, 100);
		for (size_t n = 0; n < cases[i].len; n++)
			assert_int_equal(buf_append_byte(&buf, 0xff), 0);
		assert_int_equal(buf_align(&buf, cases[i].align), 0);
		assert_int_equal(buf.len, cases[i].want);
		for (size_t n = cases[i].len; n < buf.len; n++)
			assert_int_equal(buf.data[n], 0);
		buf_release(&buf);
	}
}

static void printf_fits_every_length(void **state)
{
	(void)state;
	for (int width = 0; width < 300; width++) {
		struct buf buf;

		buf_init(&buf, 302);
		assert_int_equal(buf_append_str(&buf, "x:"), 0);
		assert_int_equal(buf_printf(&buf, "%*s", width, ""), 0);
		assert_int_equal(buf.len, width + 2);
		assert_int_equal(strlen(cstr(&buf)), width + 2);
		buf_release(&buf);
	}
}

static void printf_over_the_maximum_writes_nothing(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 10);
	assert_int_equal(buf_printf(&buf, "%s", "0123456789"), 0);
	assert_string_equal(cstr(&buf), "0123456789");
	buf_clear(&buf);
	assert_int_equal(buf_printf(&buf, "%s", "0123456789a"), -E2BIG);
	assert_int_equal(buf.len, 0);
	buf_release(&buf);
}

static void cstr_of_an_empty_buffer_is_empty(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 0);
	assert_string_equal(cstr(&buf), "");
	assert_int_equal(buf.len, 0);
	buf_release(&buf);
}

static void cstr_has_room_for_its_nul_at_every_length(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 200);
	for (size_t len = 0; len <= 200; len++) {
		assert_int_equal(strlen(cstr(&buf)), len);
		assert_true(buf.cap > buf.len);
		if (len < 200)
			assert_int_equal(buf_append_byte(&buf, 'x'), 0);
	}
	buf_release(&buf);
}

static void reserved_bytes_count_when_told(void **state)
{
	struct buf buf;
	uint8_t *to;

	(void)state;
	buf_init(&buf, 1000);
	to = buf_reserve(&buf, 1000);
	assert_non_null(to);
	memset(to, 'r', 1000);
	assert_int_equal(buf.len, 0);
	buf.len += 1000;
	assert_int_equal(buf_append_byte(&buf, 0), -E2BIG);
	buf_release(&buf);
}

static void lack_of_memory_sticks_and_keeps_what_was_there(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 1 << 20);
	assert_int_equal(buf_append(&buf, "kept", 4), 0);
	oom_fail_at(1);
	assert_int_equal(buf_append_zero(&buf, 4096), -ENOMEM);
	assert_int_equal(buf_append_byte(&buf, 'x'), -ENOMEM);
	assert_null(buf_cstr(&buf));
	assert_memory_equal(buf.data, "kept", 4);
	buf_release(&buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(appends_follow_each_other),
		cmocka_unit_test(grows_over_many_appends),
		cmocka_unit_test(holds_its_maximum_and_not_a_byte_more),
		cmocka_unit_test(stays_failed_until_cleared),
		cmocka_unit_test(size_that_overflows_is_too_big),
		cmocka_unit_test(align_pads_with_zeros),
		cmocka_unit_test(printf_fits_every_length),
		cmocka_unit_test(printf_over_the_maximum_writes_nothing),
		cmocka_unit_test(cstr_of_an_empty_buffer_is_empty),
		cmocka_unit_test(cstr_has_room_for_its_nul_at_every_length),
		cmocka_unit_test(reserved_bytes_count_when_told),
		cmocka_unit_test(lack_of_memory_sticks_and_keeps_what_was_there),
	};

	return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
