/* SPDX-License-Identifier: Apache-2.0 */
#include "opener/output.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/text.h"
#include "ipc/memfd.h"

#define FILE_MODE 0600
#define DIRECTORY_MODE 0755
#define TEMPORARY_ATTEMPTS 16
#define NAME_BYTES 256 /* NAME_MAX and NUL */

struct output {
	uint32_t number;
	enum output_place place;
	bool is_forced;
	bool is_made; /* the directory is ours: it goes when it stays empty */
	int dir_fd;
	char name[NAME_BYTES]; /* of a file in dir_fd; empty for a directory */
	char path[];	       /* as given, a directory's without slashes at the end */
};

/* A file in the making, in the directory where it will be: nameless, or under a name of its own where the file system
 * has no O_TMPFILE. */
struct temporary {
	int dir_fd, fd;
	char name[32]; /* empty: nameless */
};

static int temporary_name(char *to, size_t size)
{
	uint64_t random;

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return -EIO;
	snprintf(to, size, ".hostprof-%016llx", (unsigned long long)random);
	return 0;
}

static int temporary_open_named(struct temporary *temporary)
{
	for (int i = 0; i < TEMPORARY_ATTEMPTS; i++) {
		int err = temporary_name(temporary->name, sizeof(temporary->name));

		if (err)
			return err;
		temporary->fd = openat(temporary->dir_fd, temporary->name,
				       O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
		if (temporary->fd >= 0)
			return 0;
		if (errno != EEXIST)
			break;
	}
	temporary->name[0] = 0;
	return -errno;
}

static void temporary_discard(struct temporary *temporary)
{
	cleanup_close(&temporary->fd);
	temporary->fd = -1;
	if (temporary->name[0])
		unlinkat(temporary->dir_fd, temporary->name, 0);
	temporary->name[0] = 0;
}

static int temporary_open(int dir_fd, struct temporary *ret)
{
	struct temporary temporary = {.dir_fd = dir_fd};
	int err;

	temporary.fd = openat(dir_fd, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, FILE_MODE);
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
		temporary_discard(&temporary);
		return err;
	}
	*ret = temporary;
	return 0;
}

/* Gives a nameless file a name. -EEXIST. */
static int temporary_link(const struct temporary *temporary, const char *name)
{
	char link[64];

	snprintf(link, sizeof(link), "/proc/self/fd/%d", temporary->fd);
	return linkat(AT_FDCWD, link, temporary->dir_fd, name, AT_SYMLINK_FOLLOW) ? -errno : 0;
}

/* The last word on writing: some file systems tell at close() that there was no room. */
static int temporary_close(struct temporary *temporary)
{
	int fd = take_fd(&temporary->fd);

	return close(fd) && errno != EINTR ? -errno : 0;
}

static int rename_over(struct temporary *temporary, const char *name)
{
	if (renameat(temporary->dir_fd, temporary->name, temporary->dir_fd, name))
		return -errno;
	temporary->name[0] = 0; /* it is the output now */
	return 0;
}

static int rename_beside(struct temporary *temporary, const char *name)
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
	err = rename_over(temporary, name);
	if (err)
		unlinkat(temporary->dir_fd, name, 0);
	return err;
}

/* Puts the finished file in place; the temporary is used up on success. */
static int temporary_publish(struct temporary *temporary, const char *name, bool is_forced)
{
	char link_name[sizeof(temporary->name)] = "";
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
	if (!temporary->name[0]) {
		err = temporary_name(link_name, sizeof(link_name));
		if (!err)
			err = temporary_link(temporary, link_name);
		if (err)
			return err;
		memcpy(temporary->name, link_name, sizeof(link_name));
	}
	err = temporary_close(temporary);
	if (err)
		return err;
	return is_forced ? rename_over(temporary, name) : rename_beside(temporary, name);
}

/* May this name be written? A link is refused here; one that appears later is replaced, never followed. */
static int check_target(int dir_fd, const char *name, bool is_forced)
{
	struct stat status;

	if (fstatat(dir_fd, name, &status, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? 0 : -errno;
	if (S_ISLNK(status.st_mode))
		return -ELOOP;
	if (S_ISDIR(status.st_mode))
		return -EISDIR;
	if (!S_ISREG(status.st_mode))
		return -EINVAL;
	return is_forced ? 0 : -EEXIST;
}

static int check_is_empty(int dir_fd)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), err = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (!dir) {
		err = -errno;
		cleanup_close(&fd);
		return err;
	}
	while (!err && (entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			err = -EEXIST;
	closedir(dir);
	return err;
}

static int open_directory(const char *path, int *ret_fd)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), err;
	struct stat status;

	if (fd >= 0) {
		*ret_fd = fd;
		return 0;
	}
	err = -errno;
	if (err == -ENOTDIR && !lstat(path, &status) && S_ISLNK(status.st_mode))
		return -ELOOP;
	return err;
}

static int try_to_write(int dir_fd)
{
	struct temporary temporary = {.fd = -1};
	int err = temporary_open(dir_fd, &temporary);

	if (!err)
		temporary_discard(&temporary);
	return err;
}

static int prepare_directory(struct output *output, bool is_again)
{
	int err = open_directory(output->path, &output->dir_fd);

	if (err == -ENOENT) {
		output->is_made = !mkdir(output->path, DIRECTORY_MODE);
		if (!output->is_made && errno != EEXIST)
			return -errno;
		err = open_directory(output->path, &output->dir_fd);
	}
	if (!err && !output->is_forced && !is_again)
		err = check_is_empty(output->dir_fd);
	return err ? err : try_to_write(output->dir_fd);
}

static int prepare_file(struct output *output)
{
	const char *slash = strrchr(output->path, '/');
	const char *name = slash ? slash + 1 : output->path;
	auto_free char *parent =
		slash ? strndup(output->path, slash == output->path ? 1 : (size_t)(slash - output->path)) : strdup(".");
	int err;

	if (!parent)
		return -ENOMEM;
	if (!*name || !strcmp(name, ".") || !strcmp(name, ".."))
		return -EISDIR;
	if (strlen(name) >= sizeof(output->name))
		return -ENAMETOOLONG;
	text_copy(output->name, sizeof(output->name), name);
	/* The user's own path: links on the way to the parent are followed with the user's rights. */
	output->dir_fd = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (output->dir_fd < 0)
		return -errno;
	err = check_target(output->dir_fd, output->name, output->is_forced);
	return err ? err : try_to_write(output->dir_fd);
}

static void output_free(struct output *output)
{
	if (!output)
		return;
	if (output->is_made)
		rmdir(output->path); /* fails when it holds anything, as it should */
	cleanup_close(&output->dir_fd);
	free(output);
}

static int output_new(const struct message_output_prepare *request, const char *path, struct output **ret)
{
	size_t len = request->path_len;
	struct output *output;
	int err;

	/* "dir/" names the directory and not what a link of that name leads to. */
	while (request->place == OUTPUT_DIRECTORY && len > 1 && path[len - 1] == '/')
		len--;
	output = calloc(1, sizeof(*output) + len + 1);
	if (!output)
		return -ENOMEM;
	output->number = request->output;
	output->place = request->place;
	output->is_forced = request->flags & OUTPUT_FORCE;
	output->dir_fd = -1;
	memcpy(output->path, path, len);
	err = request->place == OUTPUT_DIRECTORY ? prepare_directory(output, request->flags & OUTPUT_AGAIN)
						 : prepare_file(output);
	if (err)
		goto fail;
	*ret = output;
	return 0;
fail:
	output_free(output);
	return err;
}

void outputs_init(struct outputs *outputs)
{
	*outputs = (struct outputs){.items = {NULL}};
}

void outputs_release(struct outputs *outputs)
{
	for (size_t i = 0; i < OUTPUTS_MAX; i++)
		output_free(outputs->items[i]);
	outputs_init(outputs);
}

static struct output *find(const struct outputs *outputs, uint32_t number)
{
	for (size_t i = 0; i < OUTPUTS_MAX; i++)
		if (outputs->items[i] && outputs->items[i]->number == number)
			return outputs->items[i];
	return NULL;
}

int outputs_prepare(struct outputs *outputs, const struct message_output_prepare *request, const char *path)
{
	struct output *before = find(outputs, request->output);
	struct output *output;
	size_t slot = 0;
	int err;

	while (slot < OUTPUTS_MAX && outputs->items[slot] != before)
		slot++;
	if (slot == OUTPUTS_MAX)
		return -E2BIG;
	err = output_new(request, path, &output);
	if (err)
		return err;
	if (before)
		before->is_made = false; /* its directory may be the one in use */
	output_free(before);
	outputs->items[slot] = output;
	return 0;
}

static int write_content(const struct output *output, const char *name, const struct memfd_map *content)
{
	struct temporary temporary;
	int err = check_target(output->dir_fd, name, output->is_forced);

	if (!err)
		err = temporary_open(output->dir_fd, &temporary);
	if (err)
		return err;
	err = io_write_full(temporary.fd, content->bytes, content->len);
	if (!err)
		err = temporary_publish(&temporary, name, output->is_forced);
	if (err)
		temporary_discard(&temporary);
	return err;
}

int outputs_write(struct outputs *outputs, uint32_t number, const char *name, int memfd, uint64_t *ret_bytes)
{
	const struct output *output = find(outputs, number);
	struct memfd_map content;
	uint64_t bytes;
	int err;

	if (!output)
		return -ENOENT;
	if (output->place == OUTPUT_FILE ? *name != 0 : !message_name_is_safe(name, strlen(name)))
		return -EINVAL;
	err = memfd_map(memfd, OUTPUT_MAX_BYTES, &content);
	if (err)
		return err;
	bytes = content.len;
	err = write_content(output, *name ? name : output->name, &content);
	memfd_unmap(&content);
	if (!err)
		*ret_bytes = bytes;
	return err;
}

size_t outputs_path(const struct outputs *outputs, uint32_t number, const char *name, char *to, size_t size)
{
	const struct output *output = find(outputs, number);
	size_t len;

	to[0] = 0;
	if (!output)
		return 0;
	len = text_copy(to, size, output->path);
	if (!*name)
		return len;
	if (len && to[len - 1] != '/')
		len += text_copy(to + len, size - len, "/");
	return len + text_copy(to + len, size - len, name);
}
