/* SPDX-License-Identifier: Apache-2.0 */
/* Where the debug files of a program are, in this order:
 *
 *    the root of its process   build id:      /usr/lib/debug/.build-id/xx/rest.debug
 *                              link:          beside the program, in .debug/ there, in /usr/lib/debug/ + its folder
 *                              supplementary: by build id as above, and in /usr/lib/debug/.dwz/
 *                              split:         beside the program, in /usr/lib/debug/ + its folder
 *                              executable:     at its path, /usr/lib{,/debug}/.build-id/xx/rest
 *    the root of the machine   the same
 *    each directory given      the same as in /usr/lib/debug, names also in the directory itself
 *
 * What files say of each other is foreign: of a path only its last component arrives here (message_check() sees to it),
 * and it is looked up within the root as opener/object_file.h does it, regular files alone. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "ipc/message.h"

struct invoker;

/* Descriptors of directories, borrowed. */
struct debug_places {
	int own_root;  /* -1: none */
	int host_root; /* -1: none, or it is the same */
	const int *directories;
	size_t n_directories;
	const struct invoker *invoker; /* with whose rights the directories are looked into; NULL: as we are */
};

/* The first regular file at request->place or behind it. `path` has request->path_len bytes and a NUL behind them. *ret
 * is filled in any case: err, and the place where it was found or behind the last one. On success *ret_fd is the
 * caller's and `found` says where it was. -ENOENT: there is none; else what was wrong with one that is there (-EINVAL:
 * no regular file, -EACCES …). -ENOTRECOVERABLE: our rights could not be raised again. */
int debug_file_open(const struct debug_places *places, const struct message_open_debug *request, const char *path,
		    struct message_debug_opened *ret, char found[MESSAGE_MAX_PATH + 1], int *ret_fd);

/* An empty file without a name where temporary files are kept, to be read and written. */
int debug_file_temporary(const struct invoker *invoker, int *ret_fd);
