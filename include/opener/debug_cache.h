/* SPDX-License-Identifier: Apache-2.0 */
/* The directory in which debug files from debuginfod servers are kept, laid out as that of elfutils' client, so that
 * gdb, perf and others share what is in it:
 *
 *    DIRECTORY/BUILDID/debuginfo      hexadecimal digits in lower case; mode 0400
 *
 * Runs with the rights of the user whose it is; the caller sees to that. Below the directory no symbolic link is
 * followed. A file appears complete, and only when its build id was seen to be right. How large the directory may
 * become and what leaves it is a matter of elfutils' client, which looks after it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define DEBUG_CACHE_TEMPORARIES 64

struct debug_cache {
	int dir_fd;   /* -1: there is none */
	bool is_ours; /* it belongs to us, so we may add to it */
	/* Files in the making that have a name, for want of O_TMPFILE. */
	struct debug_cache_temporary {
		dev_t dev;
		ino_t ino;
		char name[32]; /* empty: a free slot */
	} temporaries[DEBUG_CACHE_TEMPORARIES];
};

void debug_cache_init(struct debug_cache *cache);
/* Opens the directory, made when it is missing, and the one that holds it too. */
int debug_cache_open(struct debug_cache *cache, const char *path);
/* Removes what is in the making. */
void debug_cache_release(struct debug_cache *cache);

/* The file of this id, where it is for people (`found`), and a descriptor that is the caller's. -ENOENT: it is not
 * here; others as debug_file_open(). */
int debug_cache_find(const struct debug_cache *cache, const uint8_t *id, uint32_t id_len, char *found, size_t size,
		     int *ret_fd);
/* An empty file to be written, and read, which debug_cache_keep() can take. -ENOENT: no directory; -EACCES: it is
 * another's. */
int debug_cache_temporary(struct debug_cache *cache, int *ret_fd);
/* The file becomes that of the id. Takes over the descriptor. -EXDEV: it is not of debug_cache_temporary(). */
int debug_cache_keep(struct debug_cache *cache, const uint8_t *id, uint32_t id_len, int fd);
