/* SPDX-License-Identifier: Apache-2.0 */
/* Opening the file in which a process says what its generated code is called:
 *
 *    /tmp/perf-INNER.map below the root of the process, or of its mount namespace when it is gone
 *    /tmp/perf-TGID.map  below our own root, for a process of our own mount namespace
 *
 * INNER is what the process takes for its own pid. Anyone may write into /tmp: the file must be a regular one with one
 * name, belong to the process' user or to root, and have changed since the process began, or it is of another that had
 * the pid before. /tmp may be a symbolic link, for that is the word of who made the root; the file may not. */
#pragma once

#include <stdint.h>

#include "ipc/message.h"
#include "opener/object_file.h"

/* On success *ret_fd is the caller's and *ret says what was opened. -ENOENT: there is none; -ESRCH: the process is gone
 * and its root is not known; -EPERM: of another owner, or with a further name; -ESTALE: older than the process; -ELOOP:
 * a symbolic link; -EINVAL: no regular file. */
int perf_map_file_open(const struct object_finder *finder, const struct message_open_perf_map *request,
		       struct message_object_opened *ret, int *ret_fd);
