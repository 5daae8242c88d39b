/* SPDX-License-Identifier: Apache-2.0 */
/* How far a file that its writer appends to was read. It is another file when its inode is, and when what was read last
 * is not there any more: it shrank, or was cut and written anew. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GROWING_FILE_TAIL 64

struct growing_file {
	uint64_t dev, ino;
	uint64_t offset; /* of what is to be read next */
	uint8_t tail[GROWING_FILE_TAIL];
	size_t tail_len;
};

/* To be called before one goes on reading. *ret_is_new: from the start, with all that was read before forgotten; also
 * the first time. *ret_size: of the file now. -EINVAL: no regular file; -EIO. */
int growing_file_look(struct growing_file *file, int fd, bool *ret_is_new, uint64_t *ret_size);
/* The n bytes at the offset were read. */
void growing_file_advance(struct growing_file *file, const void *bytes, size_t n);
/* The same for bytes that nobody looked at. They are read where the file is compared; -EIO. */
int growing_file_skip(struct growing_file *file, int fd, uint64_t n);
