/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses of one file and what they are called, as `hostprof symbols` asks and the resolver answers: sealed memfds of
 * the addresses, and of their names in the same order. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cursor.h"
#include "ipc/memfd.h"

#define NAMED_ADDRESSES_MAX 65536u /* of one question */
#define NAMED_ADDRESSES_MAX_LINES 1024u

/* One function of those that an address belongs to. */
struct named_line {
	const char *name;	 /* readable; never "" */
	const char *system_name; /* as in the file */
	const char *file;	 /* "": unknown */
	uint32_t line;		 /* 0: unknown */
};

/* The question. -E2BIG: too many. */
int addresses_write(const uint64_t *addresses, size_t n, int *ret_fd);
/* *ret_n addresses, the caller's to free. -EBADMSG when it does not check. */
int addresses_read(int fd, uint64_t **ret, size_t *ret_n);

/* The answer in the making: for each address the number of its lines, 0 when it has no name, then the lines, what was
 * inlined first. The buffer is the caller's; a failure stays in it. */
void named_addresses_put(struct buf *answer, uint32_t n_lines);
void named_addresses_put_line(struct buf *answer, const struct named_line *line);

/* The answer as it is read. Texts are valid until it is released. */
struct named_addresses {
	struct memfd_map map;
	struct cursor cursor;
};
int named_addresses_open(int fd, struct named_addresses *ret);
void named_addresses_release(struct named_addresses *named);
/* Of the next address; -EBADMSG. */
int named_addresses_next(struct named_addresses *named, uint32_t *ret_lines);
int named_addresses_next_line(struct named_addresses *named, struct named_line *ret);
/* Reads on behind the lines of the next address. -EBADMSG. */
int named_addresses_skip(struct named_addresses *named);
/* Where the next address is, for named_addresses_seek(). */
size_t named_addresses_tell(const struct named_addresses *named);
void named_addresses_seek(struct named_addresses *named, size_t place);
