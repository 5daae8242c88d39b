/* SPDX-License-Identifier: Apache-2.0 */
#include "regular_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "ipc/message.h"

/* openat2 answers EAGAIN when a rename elsewhere disturbed it. */
#define OPEN_ATTEMPTS 3

int regular_file_find(int root_fd, const char *path, uint64_t resolve, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)(O_PATH | O_CLOEXEC | flags),
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | resolve,
	};
	int fd = -1;

	for (int i = 0; i < OPEN_ATTEMPTS; i++) {
		fd = (int)syscall(SYS_openat2, root_fd, path, &how, sizeof(how));
		if (fd >= 0 || errno != EAGAIN)
			break;
	}
	return fd < 0 ? -errno : fd;
}

/* Opens for reading what the O_PATH descriptor stands for, if that is a regular file. */
static int reopen(int path_fd, int *ret_fd)
{
	char link[64];
	struct stat status;
	int fd;

	if (fstat(path_fd, &status))
		return -errno;
	if (!S_ISREG(status.st_mode))
		return -EINVAL;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", path_fd);
	fd = open(link, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

static int64_t timespec_ns(const struct timespec *ts)
{
	int64_t ns;

	/* Times are the file system's word: keep them in range. */
	if (__builtin_mul_overflow((int64_t)ts->tv_sec, (int64_t)NSEC_PER_SEC, &ns) ||
	    __builtin_add_overflow(ns, (int64_t)ts->tv_nsec, &ns))
		return ts->tv_sec < 0 ? INT64_MIN : INT64_MAX;
	return ns;
}

static int describe(int fd, struct message_object_opened *ret)
{
	struct stat status;

	if (fstat(fd, &status))
		return -errno;
	if (!S_ISREG(status.st_mode) || status.st_size < 0)
		return -EINVAL;
	ret->err = 0;
	ret->dev = status.st_dev;
	ret->ino = status.st_ino;
	ret->size = (uint64_t)status.st_size;
	ret->mtime_ns = timespec_ns(&status.st_mtim);
	return 0;
}

int regular_file_open(int path_fd, struct message_object_opened *ret, int *ret_fd)
{
	auto_close int fd = -1;
	int err = reopen(path_fd, &fd);

	if (!err)
		err = describe(fd, ret);
	if (!err)
		*ret_fd = take_fd(&fd);
	return err;
}
