/* SPDX-License-Identifier: Apache-2.0 */
#include "opener/output.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/text.h"
#include "ipc/memfd.h"
#include "temporary_file.h"

#define DIRECTORY_MODE 0755
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
	struct temporary_file temporary = {.fd = -1};
	int err = temporary_file_open(dir_fd, &temporary);

	if (!err)
		temporary_file_discard(&temporary);
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
	struct temporary_file temporary;
	int err = check_target(output->dir_fd, name, output->is_forced);

	if (!err)
		err = temporary_file_open(output->dir_fd, &temporary);
	if (err)
		return err;
	err = io_write_full(temporary.fd, content->bytes, content->len);
	if (!err)
		err = temporary_file_publish(&temporary, name, output->is_forced);
	if (err)
		temporary_file_discard(&temporary);
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
