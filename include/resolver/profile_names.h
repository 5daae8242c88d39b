/* SPDX-License-Identifier: Apache-2.0 */
/* A finished profile gets the names that it lacks.
 *
 *     mappings of the profile      files                          objects of the cache
 *     libfoo.so  text       ─────► { build id, path, frames } ─── 1
 *     libfoo.so  hot text   ───┘                                  …
 *     [kernel.kallsyms]     ─────► { no build id … }          ─── 2
 *
 * Nothing that the profile says of a file is believed but its build id, and that must be the one of the object's file,
 * all of it. */
#pragma once

#include <stdint.h>

struct object_cache;
struct profile_names;

/* Reads the profile; the descriptor is borrowed. Errors of pprof_edit_read(); -E2BIG, too: of too many files. */
int profile_names_read(int fd, struct profile_names **ret);
void profile_names_free(struct profile_names *names);

struct profile_names_result {
	uint64_t named, unnamed; /* of the locations that had no name */
	uint64_t lined;		 /* that had one, and have file or line now */
};

/* By the objects that the cache has, which were parsed. Once. */
int profile_names_find(struct profile_names *names, struct object_cache *cache, struct profile_names_result *ret);

/* The list of ipc/profile_files.h: of the files with locations that had no name when the profile was read, and what
 * profile_names_find() made of them. */
int profile_names_files(const struct profile_names *names, int *ret_fd);
/* The profile as a sealed memfd. */
int profile_names_write(const struct profile_names *names, int *ret_fd);
