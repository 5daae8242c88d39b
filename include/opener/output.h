/* SPDX-License-Identifier: Apache-2.0 */
/* Finished outputs become files: each is complete under its name or not there at all, mode 0600, never through a
 * symbolic link, never over another file unless that is asked for. The directory is opened once, when the output is
 * prepared, so that whoever renames or replaces a path meanwhile cannot lead the files elsewhere.
 * Runs with the rights of the invoking user; the caller sees to that. */
#pragma once

#include <stdint.h>

#include "ipc/message.h"

#define OUTPUTS_MAX 64
/* A content larger than this is none of our resolver's. */
#define OUTPUT_MAX_BYTES (4ULL << 30)

struct output;

struct outputs {
	struct output *items[OUTPUTS_MAX];
};

void outputs_init(struct outputs *outputs);
/* A directory that was made here and stayed empty is removed. */
void outputs_release(struct outputs *outputs);

/* `path` has request->path_len bytes and a NUL behind them, relative to the working directory. A number that was
 * prepared before is prepared anew. A directory is made (0755) when it is missing, its parent must exist; a file is
 * tried by making a nameless one beside it. -ELOOP: a symbolic link; -EEXIST: there is such a file, or the directory is
 * not empty; -ENOTDIR, -EISDIR, -EINVAL: of another kind; -E2BIG: too many outputs; or why it cannot be written. */
int outputs_prepare(struct outputs *outputs, const struct message_output_prepare *request, const char *path);

/* Writes the sealed memfd as the output, or as the file `name` ("" for OUTPUT_FILE) of its directory. On success
 * *ret_bytes is its size. -ENOENT: not prepared; -EINVAL: a name that does not fit the place; -EPERM: not sealed;
 * -EEXIST, -ELOOP as above; -ENOSPC and others leave nothing behind. */
int outputs_write(struct outputs *outputs, uint32_t number, const char *name, int memfd, uint64_t *ret_bytes);

/* The path as it was given, with the name behind it for a directory: what the user can type. At most size-1 bytes,
 * always terminated; empty when the output was not prepared. Returns the length. */
size_t outputs_path(const struct outputs *outputs, uint32_t number, const char *name, char *to, size_t size);
