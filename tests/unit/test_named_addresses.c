/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "ipc/named_addresses.h"

static void addresses_come_back(void **state)
{
	static const uint64_t sent[] = {0, 1, UINT64_MAX};
	auto_free uint64_t *addresses = NULL;
	auto_close int fd = -1;
	size_t n;

	(void)state;
	assert_int_equal(addresses_write(sent, 3, &fd), 0);
	assert_int_equal(addresses_read(fd, &addresses, &n), 0);
	assert_int_equal(n, 3);
	assert_memory_equal(addresses, sent, sizeof(sent));
}

static void too_many_addresses_are_refused(void **state)
{
	auto_free uint64_t *addresses = calloc(NAMED_ADDRESSES_MAX + 1, sizeof(*addresses)), *got = NULL;
	auto_close int fd = -1;
	size_t n;

	(void)state;
	assert_int_equal(addresses_write(addresses, NAMED_ADDRESSES_MAX + 1, &fd), -E2BIG);
	assert_int_equal(memfd_from_bytes("test", addresses, 8 * (NAMED_ADDRESSES_MAX + 1), &fd), 0);
	assert_int_equal(addresses_read(fd, &got, &n), -EBADMSG);
}

static void half_an_address_is_refused(void **state)
{
	auto_close int fd = -1;
	uint64_t *addresses;
	size_t n;

	(void)state;
	assert_int_equal(memfd_from_bytes("test", "123456789abc", 12, &fd), 0);
	assert_int_equal(addresses_read(fd, &addresses, &n), -EBADMSG);
}

static const struct named_line lines[] = {
	{.name = "inner", .system_name = "_Z5innerv", .file = "a.cc", .line = 7},
	{.name = "outer", .system_name = "", .file = "", .line = 0},
};

/* Of two addresses: one without a name, one with two lines. */
static void put_answer(struct buf *answer)
{
	buf_init(answer, 1 << 20);
	named_addresses_put(answer, 0);
	named_addresses_put(answer, 2);
	named_addresses_put_line(answer, &lines[0]);
	named_addresses_put_line(answer, &lines[1]);
	assert_int_equal(answer->err, 0);
}

/* All that is there; -EBADMSG where it breaks off. */
static int read_answer(int fd)
{
	struct named_addresses named;
	struct named_line line;
	uint32_t n = 9;
	int err = named_addresses_open(fd, &named);

	if (!err)
		err = named_addresses_next(&named, &n);
	if (!err) {
		assert_int_equal(n, 0);
		err = named_addresses_next(&named, &n);
	}
	for (uint32_t i = 0; !err && i < n; i++) {
		assert_int_equal(n, 2);
		err = named_addresses_next_line(&named, &line);
		if (err)
			break;
		assert_string_equal(line.name, lines[i].name);
		assert_string_equal(line.system_name, lines[i].system_name);
		assert_string_equal(line.file, lines[i].file);
		assert_int_equal(line.line, lines[i].line);
	}
	named_addresses_release(&named);
	return err;
}

static void an_answer_comes_back_or_is_seen_to_be_cut(void **state)
{
	struct buf answer;

	(void)state;
	put_answer(&answer);
	for (size_t len = 0; len <= answer.len; len++) {
		auto_close int fd = -1;

		assert_int_equal(memfd_from_bytes("test", answer.data, len, &fd), 0);
		assert_int_equal(read_answer(fd), len < answer.len ? -EBADMSG : 0);
	}
	buf_release(&answer);
}

static void an_answer_is_found_again(void **state)
{
	struct named_addresses named;
	struct named_line line;
	auto_close int fd = -1;
	struct buf answer;
	size_t places[3];
	uint32_t n;

	(void)state;
	put_answer(&answer);
	assert_int_equal(memfd_from_bytes("test", answer.data, answer.len, &fd), 0);
	assert_int_equal(named_addresses_open(fd, &named), 0);
	for (size_t i = 0; i < 2; i++) {
		places[i] = named_addresses_tell(&named);
		assert_int_equal(named_addresses_skip(&named), 0);
	}
	assert_int_equal(named_addresses_tell(&named), answer.len);
	for (size_t i = 2; i--;) {
		named_addresses_seek(&named, places[i]);
		assert_int_equal(named_addresses_next(&named, &n), 0);
		assert_int_equal(n, i ? 2 : 0);
	}
	named_addresses_seek(&named, places[1]);
	assert_int_equal(named_addresses_next(&named, &n), 0);
	assert_int_equal(named_addresses_next_line(&named, &line), 0);
	assert_string_equal(line.name, "inner");
	named_addresses_release(&named);
	buf_release(&answer);
}

static void an_answer_that_is_cut_is_not_passed_over(void **state)
{
	struct buf answer;

	(void)state;
	put_answer(&answer);
	for (size_t len = sizeof(uint32_t); len < answer.len; len++) {
		struct named_addresses named;
		auto_close int fd = -1;

		assert_int_equal(memfd_from_bytes("test", answer.data, len, &fd), 0);
		assert_int_equal(named_addresses_open(fd, &named), 0);
		assert_int_equal(named_addresses_skip(&named), 0);
		assert_int_equal(named_addresses_skip(&named), -EBADMSG);
		named_addresses_release(&named);
	}
	buf_release(&answer);
}

static void lines_beyond_the_maximum_are_refused(void **state)
{
	const uint32_t n = NAMED_ADDRESSES_MAX_LINES + 1;
	struct named_addresses named;
	auto_close int fd = -1;
	uint32_t got;

	(void)state;
	assert_int_equal(memfd_from_bytes("test", &n, sizeof(n), &fd), 0);
	assert_int_equal(named_addresses_open(fd, &named), 0);
	assert_int_equal(named_addresses_next(&named, &got), -EBADMSG);
	named_addresses_release(&named);
}

static void a_function_without_a_name_is_refused(void **state)
{
	const struct named_line nameless = {.name = "", .system_name = "x", .file = ""};
	struct named_addresses named;
	struct named_line line;
	auto_close int fd = -1;
	struct buf answer;

	(void)state;
	buf_init(&answer, 1 << 20);
	named_addresses_put_line(&answer, &nameless);
	assert_int_equal(memfd_from_bytes("test", answer.data, answer.len, &fd), 0);
	buf_release(&answer);
	assert_int_equal(named_addresses_open(fd, &named), 0);
	assert_int_equal(named_addresses_next_line(&named, &line), -EBADMSG);
	named_addresses_release(&named);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_come_back),
		cmocka_unit_test(too_many_addresses_are_refused),
		cmocka_unit_test(half_an_address_is_refused),
		cmocka_unit_test(an_answer_comes_back_or_is_seen_to_be_cut),
		cmocka_unit_test(an_answer_is_found_again),
		cmocka_unit_test(an_answer_that_is_cut_is_not_passed_over),
		cmocka_unit_test(lines_beyond_the_maximum_are_refused),
		cmocka_unit_test(a_function_without_a_name_is_refused),
	};

	return cmocka_run_group_tests_name("named_addresses", tests, NULL, NULL);
}
