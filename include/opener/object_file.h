/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a file that some process maps or mapped, without being led elsewhere and without waiting: in this order
 *
 *    /proc/PID/map_files/START-END    the very file, deleted or not, while the process lives
 *    path below /proc/PID/root        through any process of the same mount namespace
 *    path below a root that we hold   when none of them is left
 *    path below our own root          when the namespace is ours
 *
 * Only regular files are opened: the file is looked at with O_PATH first. Paths come from processes: they are resolved
 * within the root, magic links refused. */
#pragma once

#include <stdint.h>

#include "ipc/message.h"
#include "opener/procfs.h"
#include "opener/root_cache.h"

struct object_finder {
	struct procfs *procfs;	  /* borrowed */
	struct root_cache *roots; /* borrowed */
	uint32_t own_mnt_ns;
};

/* `path` has request->path_len bytes and a NUL behind them. On success *ret_fd is the caller's, *ret says what was
 * opened (fstat), err is 0. -ESTALE: what is there now is another file (inode number; device too where the path was
 * taken: a file system whose stat() tells another device than its mappings, as overlayfs and btrfs, is accepted through
 * map_files alone); -ESRCH: no candidate lives and the path is of no known root; -EINVAL: not a regular file; or of
 * open(). */
int object_open(const struct object_finder *finder, const struct message_open_object *request, const char *path,
		struct message_object_opened *ret, int *ret_fd);

/* The root in which the first candidate that lives sees its files, else that of the mount namespace if we hold it or it
 * is ours: an O_PATH descriptor, the caller's. -ESRCH: none. */
int object_root_open(const struct object_finder *finder, uint32_t mnt_ns, const struct message_candidate *candidates,
		     uint32_t n, int *ret_fd);

/* /proc/kallsyms, at its start. *ret_is_restricted: the kernel shows zeros for addresses. */
int kernel_symbols_open(int proc_fd, int *ret_fd, bool *ret_is_restricted);
/* Does this beginning of kallsyms hold zero addresses alone? (The first per-CPU symbols lie at zero, the next do not.)
 */
bool kernel_symbols_are_restricted(const char *text, size_t len);
