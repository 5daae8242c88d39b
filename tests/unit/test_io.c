/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "oom.h"

static int file_of(size_t n)
{
	int fd = memfd_create("test", MFD_CLOEXEC);
	uint8_t *bytes = malloc(n + 1);

	assert_true(fd >= 0);
	assert_non_null(bytes);
	for (size_t i = 0; i < n; i++)
		bytes[i] = (uint8_t)(i * 7);
	assert_int_equal(io_write_full(fd, bytes, n), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	free(bytes);
	return fd;
}

static void pread_stops_at_the_end(void **state)
{
	static const struct {
		size_t n;
		uint64_t offset;
		ssize_t want;
		int exact;
	} cases[] = {
		{10, 0, 10, 0},
		{10, 95, 5, -EIO},
		{10, 100, 0, -EIO},
		{10, 1 << 20, 0, -EIO},
		{0, 0, 0, 0},
		{100, 0, 100, 0},
		{10, INT64_MAX, -EOVERFLOW, -EOVERFLOW},
		{10, UINT64_MAX, -EOVERFLOW, -EOVERFLOW},
	};
	auto_close int fd = file_of(100);
	uint8_t to[100];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(io_pread_full(fd, to, cases[i].n, cases[i].offset), cases[i].want);
		assert_int_equal(io_pread_exact(fd, to, cases[i].n, cases[i].offset), cases[i].exact);
		for (ssize_t n = 0; n < cases[i].want; n++)
			assert_int_equal(to[n], (uint8_t)((cases[i].offset + (uint64_t)n) * 7));
	}
}

static void bad_descriptor_is_an_error(void **state)
{
	struct buf buf;
	char byte;

	(void)state;
	buf_init(&buf, 10);
	assert_int_equal(io_pread_full(-1, &byte, 1, 0), -EBADF);
	assert_int_equal(io_pread_exact(-1, &byte, 1, 0), -EBADF);
	assert_int_equal(io_read_all(-1, &buf), -EBADF);
	assert_int_equal(io_write_full(-1, &byte, 1), -EBADF);
	buf_release(&buf);
}

static void read_all_respects_the_maximum(void **state)
{
	static const struct {
		size_t size, max;
		int want;
	} cases[] = {
		{0, 10, 0},	     {10, 10, 0},	  {11, 10, -E2BIG}, {4096, 4096, 0}, {4097, 4096, -E2BIG},
		{100000, 100000, 0}, {100000, 200000, 0}, {0, 0, 0},	    {1, 0, -E2BIG},  {100000, 99999, -E2BIG},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		auto_close int fd = file_of(cases[i].size);
		struct buf buf;

		buf_init(&buf, cases[i].max);
		assert_int_equal(io_read_all(fd, &buf), cases[i].want);
		assert_int_equal(buf.err, cases[i].want);
		assert_int_equal(buf.len, cases[i].want ? 0 : cases[i].size);
		for (size_t n = 0; n < buf.len; n++)
			assert_int_equal(buf.data[n], (uint8_t)(n * 7));
		buf_release(&buf);
	}
}

static void read_all_appends(void **state)
{
	auto_close int fd = file_of(3);
	struct buf buf;

	(void)state;
	buf_init(&buf, 100);
	buf_append_str(&buf, "before");
	assert_int_equal(io_read_all(fd, &buf), 0);
	assert_int_equal(buf.len, 9);
	assert_memory_equal(buf.data, "before\0\x07\x0e", 9);
	buf_release(&buf);
}

static void read_all_reads_proc(void **state)
{
	auto_close int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	const char *text;
	struct buf buf;

	(void)state;
	if (fd < 0)
		skip();
	buf_init(&buf, 1 << 20);
	assert_int_equal(io_read_all(fd, &buf), 0);
	text = buf_cstr(&buf);
	assert_non_null(text);
	assert_non_null(strstr(text, "[stack]"));
	buf_release(&buf);
}

static void lack_of_memory_leaves_the_buffer_as_it_was(void **state)
{
	auto_close int fd = file_of(100000);
	struct buf buf;

	(void)state;
	buf_init(&buf, 1 << 20);
	buf_append_str(&buf, "before");
	oom_fail_at(3);
	assert_int_equal(io_read_all(fd, &buf), -ENOMEM);
	assert_int_equal(buf.len, 6);
	buf_release(&buf);
}

static void full_device_is_an_error(void **state)
{
	auto_close int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

	(void)state;
	if (fd < 0)
		skip();
	assert_int_equal(io_write_full(fd, "x", 1), -ENOSPC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pread_stops_at_the_end),
		cmocka_unit_test(bad_descriptor_is_an_error),
		cmocka_unit_test(read_all_respects_the_maximum),
		cmocka_unit_test(read_all_appends),
		cmocka_unit_test(read_all_reads_proc),
		cmocka_unit_test(lack_of_memory_leaves_the_buffer_as_it_was),
		cmocka_unit_test(full_device_is_an_error),
	};

	return cmocka_run_group_tests_name("io", tests, NULL, NULL);
}
