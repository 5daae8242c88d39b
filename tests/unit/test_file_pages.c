/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "elf/file_pages.h"

#define FILE_BYTES (20 * FILE_PAGE_BYTES + 100)

static uint8_t bytes[FILE_BYTES];

static int file_fd(void)
{
	int fd = memfd_create("file", MFD_CLOEXEC);

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 2654435761u >> 13);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, sizeof(bytes)), sizeof(bytes));
	return fd;
}

static struct file_pages *pages_of(int fd, size_t n)
{
	struct file_pages *pages = NULL;

	assert_int_equal(file_pages_new(fd, n, &pages), 0);
	return pages;
}

static void bytes_are_those_of_the_file_wherever_they_are_read(void **state)
{
	static const size_t kept[] = {1, 4, 9, 64};
	int fd = file_fd();
	uint64_t seed = 1;

	(void)state;
	for (size_t k = 0; k < sizeof(kept) / sizeof(*kept); k++) {
		struct file_pages *pages = pages_of(fd, kept[k]);

		for (size_t i = 0; i < 20000; i++) {
			uint8_t to[2 * FILE_PAGE_BYTES];
			size_t offset, n;

			seed = seed * 6364136223846793005ull + 1442695040888963407ull;
			offset = (seed >> 33) % FILE_BYTES;
			n = i % 50 ? seed % 64 : seed % sizeof(to);
			if (n > FILE_BYTES - offset)
				n = FILE_BYTES - offset;
			assert_int_equal(file_pages_read(pages, offset, to, n), 0);
			assert_memory_equal(to, bytes + offset, n);
		}
		file_pages_free(pages);
	}
	close(fd);
}

static void page_that_is_kept_is_not_read_again(void **state)
{
	int fd = file_fd();
	struct file_pages *pages = pages_of(fd, 4);
	uint8_t to[8], changed[8] = {1, 2, 3, 4, 5, 6, 7, 8};

	(void)state;
	assert_int_equal(file_pages_read(pages, 16, to, sizeof(to)), 0);
	assert_int_equal(pwrite(fd, changed, sizeof(changed), 16), sizeof(changed));
	for (uint64_t page = 1; page < 4; page++)
		assert_int_equal(file_pages_read(pages, page * FILE_PAGE_BYTES, to, sizeof(to)), 0);
	assert_int_equal(file_pages_read(pages, 16, to, sizeof(to)), 0);
	assert_memory_equal(to, bytes + 16, sizeof(to));
	/* A fifth page takes the place of the one longest unused, which is page 1; two more, and it is page 0. */
	for (uint64_t page = 4; page < 8; page++)
		assert_int_equal(file_pages_read(pages, page * FILE_PAGE_BYTES, to, sizeof(to)), 0);
	assert_int_equal(file_pages_read(pages, 16, to, sizeof(to)), 0);
	assert_memory_equal(to, changed, sizeof(to));
	file_pages_free(pages);
	close(fd);
}

static void reading_behind_the_end_is_an_error(void **state)
{
	static const uint64_t offsets[] = {FILE_BYTES - 7, FILE_BYTES, 21 * FILE_PAGE_BYTES,
					   INT64_MAX - 7,  INT64_MAX,  UINT64_MAX};
	int fd = file_fd();
	struct file_pages *pages = pages_of(fd, 8);
	uint8_t to[8];

	(void)state;
	for (size_t i = 0; i < sizeof(offsets) / sizeof(*offsets); i++)
		assert_int_equal(file_pages_read(pages, offsets[i], to, sizeof(to)), -EIO);
	assert_int_equal(file_pages_read(pages, FILE_BYTES - 8, to, sizeof(to)), 0);
	assert_memory_equal(to, bytes + FILE_BYTES - 8, sizeof(to));
	file_pages_free(pages);
	close(fd);
}

static void error_of_the_file_is_told(void **state)
{
	struct file_pages *pages = pages_of(-1, 4);
	uint8_t to[8];

	(void)state;
	assert_int_equal(file_pages_read(pages, 0, to, sizeof(to)), -EBADF);
	assert_int_equal(file_pages_read(pages, 0, to, 0), 0);
	file_pages_free(pages);
	file_pages_free(NULL);
}

static void memory_is_bounded_by_the_pages(void **state)
{
	struct file_pages *pages = pages_of(-1, 61);

	(void)state;
	assert_in_range(file_pages_memory_bytes(pages), 64 * FILE_PAGE_BYTES, 66 * FILE_PAGE_BYTES);
	file_pages_free(pages);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_are_those_of_the_file_wherever_they_are_read),
		cmocka_unit_test(page_that_is_kept_is_not_read_again),
		cmocka_unit_test(reading_behind_the_end_is_an_error),
		cmocka_unit_test(error_of_the_file_is_told),
		cmocka_unit_test(memory_is_bounded_by_the_pages),
	};

	return cmocka_run_group_tests_name("file_pages", tests, NULL, NULL);
}
