/* SPDX-License-Identifier: Apache-2.0 */
/* The files whose code a profile has frames of without a name, or without file and line, as the resolver tells them,
 * and again what became of them: a sealed memfd. */
#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "base/cursor.h"
#include "ipc/memfd.h"
#include "ipc/message.h"

#define PROFILE_FILES_MAX 65536u

struct profile_file {
	uint32_t object; /* 1, 2, 3 …: the number of its OBJECT */
	uint32_t unnamed;
	uint32_t named; /* that were unnamed before */
	/* Of what is still unnamed; as in struct summary_unnamed. */
	uint32_t why; /* enum unnamed */
	uint32_t is_read, sought, found, bad;
	int32_t err;
	uint32_t build_id_len; /* 0: the profile tells none */
	uint8_t build_id[DEBUG_ID_MAX];
	const char *path; /* as the profile has it: not to be believed */
};

void profile_files_put(struct buf *list, const struct profile_file *file);

struct profile_files {
	struct memfd_map map;
	struct cursor cursor;
	uint32_t last;
};
int profile_files_open(int fd, struct profile_files *ret);
void profile_files_release(struct profile_files *files);
/* 1: the next one, whose path is valid until they are released; 0: there is no more; -EBADMSG. */
int profile_files_next(struct profile_files *files, struct profile_file *ret);
