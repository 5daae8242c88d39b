/* SPDX-License-Identifier: Apache-2.0 */
/* Roots of mount namespaces that we keep open, so that files can be found when the last process in them is gone. Each
 * entry holds the namespace itself as well: without it the kernel takes the mounts below the root apart. The least
 * recently used entry leaves when the cache is full. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define ROOT_CACHE_MAX 256

struct root_cache {
	struct root_entry {
		uint32_t mnt_ns; /* 0: free */
		int root_fd, ns_fd;
		uint64_t used; /* the cache's count of uses at the last one */
	} entries[ROOT_CACHE_MAX];
	uint64_t uses;
};

void root_cache_init(struct root_cache *cache);
void root_cache_release(struct root_cache *cache);
/* Keeps root and mount namespace of the process (a descriptor of /proc/PID). 0 when that namespace is held already;
 * -ESTALE: the process lives in another one by now. */
int root_cache_hold(struct root_cache *cache, int process_fd, uint32_t mnt_ns);
/* The root's O_PATH descriptor, or -1. Valid until the next root_cache_hold(). */
int root_cache_find(struct root_cache *cache, uint32_t mnt_ns);
size_t root_cache_count(const struct root_cache *cache);
