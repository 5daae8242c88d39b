/* SPDX-License-Identifier: Apache-2.0 */
/* A file in the making, in the directory where it will be: nameless, or under a name of its own where the file system
 * has no O_TMPFILE. */
#pragma once

#include <stdbool.h>

struct temporary_file {
	int dir_fd, fd;
	char name[32]; /* empty: nameless */
};

/* Mode 0600, whatever the umask is; to be read and written. Borrows the directory. */
int temporary_file_open(int dir_fd, struct temporary_file *ret);
/* Closes and removes it. */
void temporary_file_discard(struct temporary_file *temporary);
/* Puts the finished file in place, over another one if is_forced; the temporary is used up on success. -EEXIST, or of
 * the write that close() tells of. */
int temporary_file_publish(struct temporary_file *temporary, const char *name, bool is_forced);
/* The same in another directory of the file system, over what is there. */
int temporary_file_replace(struct temporary_file *temporary, int dir_fd, const char *name);
