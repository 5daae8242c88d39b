/* SPDX-License-Identifier: Apache-2.0 */
#include "opener/debug_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "ipc/message.h"
#include "regular_file.h"
#include "temporary_file.h"

#define FILE_NAME "debuginfo"
#define FILE_MODE 0400
#define DIRECTORY_MODE 0700
#define ID_BYTES (2 * DEBUG_ID_MAX + 1)

void debug_cache_init(struct debug_cache *cache)
{
	*cache = (struct debug_cache){.dir_fd = -1};
}

static void make_directories(const char *path)
{
	auto_free char *parent = strdup(path);
	char *slash = parent ? strrchr(parent, '/') : NULL;

	if (slash && slash != parent) {
		*slash = '\0';
		mkdir(parent, DIRECTORY_MODE);
	}
	mkdir(path, DIRECTORY_MODE);
}

int debug_cache_open(struct debug_cache *cache, const char *path)
{
	struct stat status;

	if (cache->dir_fd >= 0)
		return -EALREADY;
	cache->dir_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (cache->dir_fd < 0 && errno == ENOENT) {
		make_directories(path);
		cache->dir_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	}
	if (cache->dir_fd < 0)
		return -errno;
	cache->is_ours = !fstat(cache->dir_fd, &status) && status.st_uid == geteuid();
	return 0;
}

void debug_cache_release(struct debug_cache *cache)
{
	for (size_t i = 0; i < DEBUG_CACHE_TEMPORARIES; i++)
		if (cache->temporaries[i].name[0])
			unlinkat(cache->dir_fd, cache->temporaries[i].name, 0);
	cleanup_close(&cache->dir_fd);
	debug_cache_init(cache);
}

/* -EBADMSG: no id. */
static int spell_id(const uint8_t *id, uint32_t len, char to[ID_BYTES])
{
	if (len < DEBUG_ID_MIN || len > DEBUG_ID_MAX)
		return -EBADMSG;
	for (uint32_t i = 0; i < len; i++)
		snprintf(to + (size_t)i * 2, 3, "%02x", id[i]);
	return 0;
}

int debug_cache_find(const struct debug_cache *cache, const uint8_t *id, uint32_t id_len, char *found, size_t size,
		     int *ret_fd)
{
	struct message_object_opened opened = {0};
	auto_close int path_fd = -1, fd = -1;
	char text[ID_BYTES];
	int err = spell_id(id, id_len, text);

	if (err || cache->dir_fd < 0)
		return err ? err : -ENOENT;
	snprintf(found, size, "%s/" FILE_NAME, text);
	path_fd = regular_file_find(cache->dir_fd, found, RESOLVE_NO_SYMLINKS, 0);
	err = path_fd < 0 ? path_fd : regular_file_open(path_fd, &opened, &fd);
	if (!err && !opened.size) /* elfutils' client notes so that the servers do not have it */
		err = -ENOENT;
	if (err)
		found[0] = '\0';
	else
		*ret_fd = take_fd(&fd);
	return err;
}

static int remember(struct debug_cache *cache, const struct temporary_file *temporary)
{
	struct stat status;
	size_t slot = 0;

	if (!temporary->name[0])
		return 0;
	while (slot < DEBUG_CACHE_TEMPORARIES && cache->temporaries[slot].name[0])
		slot++;
	if (slot == DEBUG_CACHE_TEMPORARIES)
		return -ENOBUFS;
	if (fstat(temporary->fd, &status))
		return -errno;
	cache->temporaries[slot] = (struct debug_cache_temporary){.dev = status.st_dev, .ino = status.st_ino};
	text_copy(cache->temporaries[slot].name, sizeof(cache->temporaries[slot].name), temporary->name);
	return 0;
}

int debug_cache_temporary(struct debug_cache *cache, int *ret_fd)
{
	struct temporary_file temporary;
	int err;

	if (cache->dir_fd < 0)
		return -ENOENT;
	if (!cache->is_ours)
		return -EACCES;
	err = temporary_file_open(cache->dir_fd, &temporary);
	if (err)
		return err;
	err = remember(cache, &temporary);
	if (err)
		temporary_file_discard(&temporary);
	else
		*ret_fd = temporary.fd;
	return err;
}

/* Under which name it is in the making; "": under none. */
static void recall(struct debug_cache *cache, const struct stat *status, char name[32])
{
	name[0] = '\0';
	for (size_t i = 0; i < DEBUG_CACHE_TEMPORARIES; i++) {
		struct debug_cache_temporary *known = &cache->temporaries[i];

		if (!known->name[0] || known->dev != status->st_dev || known->ino != status->st_ino)
			continue;
		memcpy(name, known->name, sizeof(known->name));
		known->name[0] = '\0';
		return;
	}
}

/* The folder of the id, made if need be. */
static int open_folder(const struct debug_cache *cache, const char *name)
{
	if (mkdirat(cache->dir_fd, name, DIRECTORY_MODE) && errno != EEXIST)
		return -errno;
	return regular_file_find(cache->dir_fd, name, RESOLVE_NO_SYMLINKS, O_DIRECTORY);
}

int debug_cache_keep(struct debug_cache *cache, const uint8_t *id, uint32_t id_len, int fd)
{
	struct temporary_file temporary = {.dir_fd = cache->dir_fd, .fd = fd};
	auto_close int folder_fd = -1;
	char text[ID_BYTES];
	struct stat status;
	int err = spell_id(id, id_len, text);

	if (!err && fstat(fd, &status))
		err = -errno;
	if (!err && (!S_ISREG(status.st_mode) || !status.st_size))
		err = -EINVAL;
	if (!err && !cache->is_ours)
		err = -EACCES;
	if (!err)
		recall(cache, &status, temporary.name);
	if (!err && fchmod(fd, FILE_MODE))
		err = -errno;
	if (!err) {
		folder_fd = open_folder(cache, text);
		err = folder_fd < 0 ? folder_fd : temporary_file_replace(&temporary, folder_fd, FILE_NAME);
	}
	temporary_file_discard(&temporary);
	return err;
}
