/* SPDX-License-Identifier: Apache-2.0 */
#include "opener/root_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/cleanup.h"

void root_cache_init(struct root_cache *cache)
{
	cache->uses = 0;
	for (size_t i = 0; i < ROOT_CACHE_MAX; i++)
		cache->entries[i] = (struct root_entry){.root_fd = -1, .ns_fd = -1};
}

static void entry_clear(struct root_entry *entry)
{
	cleanup_close(&entry->root_fd);
	cleanup_close(&entry->ns_fd);
	*entry = (struct root_entry){.root_fd = -1, .ns_fd = -1};
}

void root_cache_release(struct root_cache *cache)
{
	for (size_t i = 0; i < ROOT_CACHE_MAX; i++)
		entry_clear(&cache->entries[i]);
}

static struct root_entry *find(struct root_cache *cache, uint32_t mnt_ns)
{
	for (size_t i = 0; mnt_ns && i < ROOT_CACHE_MAX; i++)
		if (cache->entries[i].mnt_ns == mnt_ns)
			return &cache->entries[i];
	return NULL;
}

/* A free one, or the least recently used. */
static struct root_entry *victim(struct root_cache *cache)
{
	struct root_entry *oldest = &cache->entries[0];

	for (size_t i = 0; i < ROOT_CACHE_MAX; i++) {
		if (!cache->entries[i].mnt_ns)
			return &cache->entries[i];
		if (cache->entries[i].used < oldest->used)
			oldest = &cache->entries[i];
	}
	return oldest;
}

/* The descriptor of the namespace is opened first and says which it is: the root is that namespace's if the process
 * still lives in it afterwards. */
static int open_both(int process_fd, uint32_t mnt_ns, int *ret_root, int *ret_ns)
{
	auto_close int ns_fd = openat(process_fd, "ns/mnt", O_RDONLY | O_CLOEXEC), root_fd = -1;
	struct stat held, now;

	if (ns_fd < 0 || fstat(ns_fd, &held))
		return -errno;
	if (held.st_ino != mnt_ns)
		return -ESTALE;
	root_fd = openat(process_fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root_fd < 0 || fstatat(process_fd, "ns/mnt", &now, 0))
		return -errno;
	if (now.st_ino != held.st_ino)
		return -ESTALE;
	*ret_root = take_fd(&root_fd);
	*ret_ns = take_fd(&ns_fd);
	return 0;
}

int root_cache_hold(struct root_cache *cache, int process_fd, uint32_t mnt_ns)
{
	struct root_entry *entry = find(cache, mnt_ns);
	int root_fd, ns_fd, err;

	if (!mnt_ns)
		return -EINVAL;
	if (!entry) {
		err = open_both(process_fd, mnt_ns, &root_fd, &ns_fd);
		if (err)
			return err == -ENOENT ? -ESRCH : err;
		entry = victim(cache);
		entry_clear(entry);
		entry->mnt_ns = mnt_ns;
		entry->root_fd = root_fd;
		entry->ns_fd = ns_fd;
	}
	entry->used = ++cache->uses;
	return 0;
}

int root_cache_find(struct root_cache *cache, uint32_t mnt_ns)
{
	struct root_entry *entry = find(cache, mnt_ns);

	if (!entry)
		return -1;
	entry->used = ++cache->uses;
	return entry->root_fd;
}

size_t root_cache_count(const struct root_cache *cache)
{
	size_t n = 0;

	for (size_t i = 0; i < ROOT_CACHE_MAX; i++)
		n += cache->entries[i].mnt_ns != 0;
	return n;
}
