/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "ipc/memfd.h"

static void bytes_come_back(void **state)
{
	struct memfd_map map;
	int fd;

	(void)state;
	assert_int_equal(memfd_from_bytes("test", "hello", 5, &fd), 0);
	assert_int_equal(memfd_map(fd, 5, &map), 0);
	close(fd);
	assert_int_equal(map.len, 5);
	assert_memory_equal(map.bytes, "hello", 5);
	memfd_unmap(&map);
	assert_null(map.bytes);
	memfd_unmap(&map);
}

static void an_empty_one_maps_to_nothing(void **state)
{
	struct memfd_map map;
	auto_close int fd = -1;

	(void)state;
	assert_int_equal(memfd_from_bytes("test", NULL, 0, &fd), 0);
	assert_int_equal(memfd_map(fd, 0, &map), 0);
	assert_null(map.bytes);
	assert_int_equal(map.len, 0);
}

static void a_sealed_one_cannot_change(void **state)
{
	auto_close int fd = -1;

	(void)state;
	assert_int_equal(memfd_from_bytes("test", "hello", 5, &fd), 0);
	assert_int_equal(pwrite(fd, "j", 1, 0), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ftruncate(fd, 1), -1);
	assert_int_equal(ftruncate(fd, 10), -1);
	assert_ptr_equal(mmap(NULL, 5, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, 0), -1);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static void one_seal_missing_is_refused(void **state)
{
	static const int seals[] = {F_SEAL_WRITE, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_SEAL};
	const int all = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	struct memfd_map map;

	(void)state;
	for (size_t i = 0; i < sizeof(seals) / sizeof(seals[0]); i++) {
		auto_close int fd = -1;

		assert_int_equal(memfd_new("test", &fd), 0);
		assert_int_equal(write(fd, "hello", 5), 5);
		assert_int_equal(fcntl(fd, F_ADD_SEALS, all & ~seals[i]), 0);
		assert_int_equal(memfd_map(fd, 100, &map), -EPERM);
	}
}

static void other_descriptors_are_refused(void **state)
{
	auto_close int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct memfd_map map;

	(void)state;
	assert_int_equal(memfd_map(file, 1 << 30, &map), -EPERM);
	assert_int_equal(memfd_map(-1, 100, &map), -EBADF);
}

static void too_large_is_refused(void **state)
{
	struct memfd_map map;
	auto_close int fd = -1;

	(void)state;
	assert_int_equal(memfd_from_bytes("test", "hello", 5, &fd), 0);
	assert_int_equal(memfd_map(fd, 4, &map), -E2BIG);
}

static void a_streamed_one_can_be_sealed_late(void **state)
{
	struct memfd_map map;
	auto_close int fd = -1;

	(void)state;
	assert_int_equal(memfd_new("test", &fd), 0);
	assert_int_equal(write(fd, "ab", 2), 2);
	assert_int_equal(write(fd, "cd", 2), 2);
	assert_int_equal(memfd_map(fd, 100, &map), -EPERM);
	assert_int_equal(memfd_seal(fd), 0);
	assert_int_equal(memfd_map(fd, 100, &map), 0);
	assert_memory_equal(map.bytes, "abcd", 4);
	memfd_unmap(&map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_come_back),
		cmocka_unit_test(an_empty_one_maps_to_nothing),
		cmocka_unit_test(a_sealed_one_cannot_change),
		cmocka_unit_test(one_seal_missing_is_refused),
		cmocka_unit_test(other_descriptors_are_refused),
		cmocka_unit_test(too_large_is_refused),
		cmocka_unit_test(a_streamed_one_can_be_sealed_late),
	};

	return cmocka_run_group_tests_name("memfd", tests, NULL, NULL);
}
