/* SPDX-License-Identifier: Apache-2.0 */
#include "temporary_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

#define FILE_MODE 0600
#define ATTEMPTS 16

static int temporary_name(char *to, size_t size)
{
	uint64_t random;

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return -EIO;
	snprintf(to, size, ".hostprof-%016llx", (unsigned long long)random);
	return 0;
}

static int temporary_open_named(struct temporary_file *temporary)
{
	for (int i = 0; i < ATTEMPTS; i++) {
		int err = temporary_name(temporary->name, sizeof(temporary->name));

		if (err)
			return err;
		temporary->fd = openat(temporary->dir_fd, temporary->name,
				       O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
		if (temporary->fd >= 0)
			return 0;
		if (errno != EEXIST)
			break;
	}
	temporary->name[0] = 0;
	return -errno;
}

void temporary_file_discard(struct temporary_file *temporary)
{
	cleanup_close(&temporary->fd);
	temporary->fd = -1;
	if (temporary->name[0])
		unlinkat(temporary->dir_fd, temporary->name, 0);
	temporary->name[0] = 0;
}

int temporary_file_open(int dir_fd, struct temporary_file *ret)
{
	struct temporary_file temporary = {.dir_fd = dir_fd};
	int err;

	temporary.fd = openat(dir_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, FILE_MODE);
	/* EISDIR and ENOENT come from kernels or file systems that take the flag for something else. */
	if (temporary.fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT || errno == EINVAL)) {
		err = temporary_open_named(&temporary);
		if (err)
			return err;
	} else if (temporary.fd < 0) {
		return -errno;
	}
	if (fchmod(temporary.fd, FILE_MODE)) { /* whatever the umask is */
		err = -errno;
		temporary_file_discard(&temporary);
		return err;
	}
	*ret = temporary;
	return 0;
}

/* Gives a nameless file a name. -EEXIST. */
static int temporary_link(const struct temporary_file *temporary, const char *name)
{
	char link[64];

	snprintf(link, sizeof(link), "/proc/self/fd/%d", temporary->fd);
	return linkat(AT_FDCWD, link, temporary->dir_fd, name, AT_SYMLINK_FOLLOW) ? -errno : 0;
}

/* The last word on writing: some file systems tell at close() that there was no room. */
static int temporary_close(struct temporary_file *temporary)
{
	int fd = take_fd(&temporary->fd);

	return close(fd) && errno != EINTR ? -errno : 0;
}

static int rename_over(struct temporary_file *temporary, int dir_fd, const char *name)
{
	if (renameat(temporary->dir_fd, temporary->name, dir_fd, name))
		return -errno;
	temporary->name[0] = 0; /* it is the output now */
	return 0;
}

static int rename_beside(struct temporary_file *temporary, const char *name)
{
	int fd, err;

	if (!renameat2(temporary->dir_fd, temporary->name, temporary->dir_fd, name, RENAME_NOREPLACE)) {
		temporary->name[0] = 0;
		return 0;
	}
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	/* No such flag there (network file systems): claim the name with an empty file that is ours to replace. */
	fd = openat(temporary->dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
	if (fd < 0)
		return -errno;
	close(fd);
	err = rename_over(temporary, temporary->dir_fd, name);
	if (err)
		unlinkat(temporary->dir_fd, name, 0);
	return err;
}

/* Under a name of its own, and closed: what is left is to rename it. */
static int finish(struct temporary_file *temporary)
{
	char link_name[sizeof(temporary->name)] = "";
	int err;

	if (!temporary->name[0]) {
		err = temporary_name(link_name, sizeof(link_name));
		if (!err)
			err = temporary_link(temporary, link_name);
		if (err)
			return err;
		memcpy(temporary->name, link_name, sizeof(link_name));
	}
	return temporary_close(temporary);
}

int temporary_file_publish(struct temporary_file *temporary, const char *name, bool is_forced)
{
	int err;

	if (!temporary->name[0] && !is_forced) {
		err = temporary_link(temporary, name);
		if (err)
			return err;
		err = temporary_close(temporary);
		if (err)
			unlinkat(temporary->dir_fd, name, 0);
		return err;
	}
	if (is_forced)
		return temporary_file_replace(temporary, temporary->dir_fd, name);
	err = finish(temporary);
	return err ? err : rename_beside(temporary, name);
}

int temporary_file_replace(struct temporary_file *temporary, int dir_fd, const char *name)
{
	int err = finish(temporary);

	return err ? err : rename_over(temporary, dir_fd, name);
}
