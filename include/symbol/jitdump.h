/* SPDX-License-Identifier: Apache-2.0 */
/* What a runtime calls the code that it makes, as records with times and source lines: JITDUMP (Linux,
 * tools/perf/Documentation/jitdump-specification.txt, version 1). Code that was loaded or moved later goes before what
 * was at its addresses. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define JITDUMP_MAX_FILE_BYTES (8ull << 30) /* most of it code, which is not read */
#define JITDUMP_MAX_RECORDS 10000000
#define JITDUMP_MAX_NAME 4096	/* longer ones are cut */
#define JITDUMP_MAX_LINES 65536 /* of one function */

struct jitdump;

/* Texts are valid until the next update. */
struct jitdump_code {
	const char *name;
	const char *file; /* "": unknown */
	uint32_t line;	  /* 0: unknown */
};

/* Keeps at most about max_bytes. */
int jitdump_new(size_t max_bytes, struct jitdump **ret);
void jitdump_free(struct jitdump *dump);

/* Reads the records that came since the last call, up to the first one that is later than until_ns (CLOCK_MONOTONIC;
 * where the file has another clock, all of them). A record that is not there as a whole is being written: it waits.
 * -EBADMSG: no JITDUMP of this machine's byte order, or its records make no sense from some point on; -E2BIG: more than
 * is read or kept; -EINVAL: no regular file; -EIO; -ENOMEM. What was read before an error counts. */
int jitdump_update(struct jitdump *dump, int fd, uint64_t until_ns);

/* 0, or -ENOENT. */
int jitdump_find(const struct jitdump *dump, uint64_t address, struct jitdump_code *ret);
/* Records read, and those among them that make no sense. */
uint64_t jitdump_records(const struct jitdump *dump);
uint64_t jitdump_bad_records(const struct jitdump *dump);
size_t jitdump_memory_bytes(const struct jitdump *dump);
