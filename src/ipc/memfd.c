/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/memfd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U /* linux/memfd.h, 6.3 */
#endif

#define SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

int memfd_new(const char *name, int *ret_fd)
{
	/* vm.memfd_noexec=2 refuses memfds that could be executed; kernels before 6.3 do not know the flag. */
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

int memfd_seal(int fd)
{
	return fcntl(fd, F_ADD_SEALS, SEALS) < 0 ? -errno : 0;
}

int memfd_from_bytes(const char *name, const void *bytes, size_t n, int *ret_fd)
{
	auto_close int fd = -1;
	int err = memfd_new(name, &fd);

	if (err)
		return err;
	err = io_write_full(fd, bytes, n);
	if (!err)
		err = memfd_seal(fd);
	if (err)
		return err;
	*ret_fd = take_fd(&fd);
	return 0;
}

int memfd_map(int fd, size_t max_bytes, struct memfd_map *ret)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat status;
	void *bytes;

	/* EINVAL: no memfd at all, so nothing keeps it from changing. */
	if (seals < 0)
		return errno == EINVAL ? -EPERM : -errno;
	if ((seals & SEALS) != SEALS)
		return -EPERM;
	if (fstat(fd, &status))
		return -errno;
	if (status.st_size < 0 || (uint64_t)status.st_size > max_bytes)
		return -E2BIG;
	if (!status.st_size) {
		*ret = (struct memfd_map){.bytes = NULL};
		return 0;
	}
	/* Private: before 6.7 a shared mapping of a write-sealed memfd is refused even when it is read-only. */
	bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (bytes == MAP_FAILED)
		return -errno;
	*ret = (struct memfd_map){.bytes = bytes, .len = (size_t)status.st_size};
	return 0;
}

void memfd_unmap(struct memfd_map *map)
{
	if (map->bytes)
		munmap((void *)map->bytes, map->len);
	*map = (struct memfd_map){.bytes = NULL};
}
