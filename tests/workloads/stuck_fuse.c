/* SPDX-License-Identifier: Apache-2.0 */
/* A file system with one executable whose open() answers at first and never again once a trigger file exists: what a
 * dead network file system looks like. usage: stuck_fuse MOUNTPOINT PROGRAM TRIGGER (stays in the foreground)
 *
 * MOUNTPOINT/program has PROGRAM's bytes. What is mapped already goes on running. */
#define FUSE_USE_VERSION 31
#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <fuse3/fuse.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int program_fd = -1;
static const char *trigger;

static int stuck_getattr(const char *path, struct stat *to, struct fuse_file_info *file)
{
	(void)file;
	memset(to, 0, sizeof(*to));
	if (!strcmp(path, "/")) {
		to->st_mode = S_IFDIR | 0755;
		to->st_nlink = 2;
		return 0;
	}
	if (strcmp(path, "/program"))
		return -ENOENT;
	if (fstat(program_fd, to))
		return -errno;
	to->st_mode = S_IFREG | 0755;
	to->st_nlink = 1;
	return 0;
}

static int stuck_readdir(const char *path, void *to, fuse_fill_dir_t fill, off_t offset, struct fuse_file_info *file,
			 enum fuse_readdir_flags flags)
{
	(void)path, (void)offset, (void)file, (void)flags;
	fill(to, "program", NULL, 0, 0);
	return 0;
}

static int stuck_open(const char *path, struct fuse_file_info *file)
{
	if (strcmp(path, "/program"))
		return -ENOENT;
	while (!access(trigger, F_OK))
		pause();
	/* The pages stay cached, so that the running program needs us no more. */
	file->keep_cache = 1;
	return 0;
}

static int stuck_read(const char *path, char *to, size_t n, off_t offset, struct fuse_file_info *file)
{
	(void)path, (void)file;
	ssize_t got = pread(program_fd, to, n, offset);

	return got < 0 ? -errno : (int)got;
}

static const struct fuse_operations operations = {
	.getattr = stuck_getattr,
	.readdir = stuck_readdir,
	.open = stuck_open,
	.read = stuck_read,
};

int main(int argc, char **argv)
{
	if (argc != 4) {
		fputs("usage: stuck_fuse MOUNTPOINT PROGRAM TRIGGER\n", stderr);
		return 2;
	}
	program_fd = open(argv[2], O_RDONLY | O_CLOEXEC);
	if (program_fd < 0) {
		perror(argv[2]);
		return 1;
	}
	trigger = argv[3];

	char *fuse_argv[] = {argv[0], "-f", "-o", "allow_other,default_permissions", argv[1], NULL};

	return fuse_main(5, fuse_argv, &operations, NULL);
}
