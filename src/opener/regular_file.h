/* SPDX-License-Identifier: Apache-2.0 */
/* Opening without being led elsewhere and without waiting: a path is looked up with O_PATH, and what it stands for is
 * opened for reading only if it is a regular file. */
#pragma once

#include <stdint.h>

struct message_object_opened;

/* An O_PATH descriptor of what is at the path below the directory, which stands for "/" there; magic links are refused,
 * and so is what `resolve` (RESOLVE_* of openat2) says. */
int regular_file_find(int root_fd, const char *path, uint64_t resolve, int flags);
/* Opens it for reading and says what it is. -EINVAL: it is no regular file; of open(). */
int regular_file_open(int path_fd, struct message_object_opened *ret, int *ret_fd);
