/* SPDX-License-Identifier: Apache-2.0 */
/* The top tables as the resolver hands them to the terminal: a sealed memfd of one struct. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/unnamed.h"
#include "ipc/memfd.h"
#include "ipc/message.h"
#include "wire/sample.h"

#define SUMMARY_MAX_ROWS 64
#define SUMMARY_MAX_NAME 512
#define SUMMARY_MAX_ENDS 32
#define SUMMARY_MAX_UNNAMED 32

struct summary_row {
	uint64_t self, total;	     /* samples */
	uint64_t truncated;	     /* of these; rows of programs */
	char name[SUMMARY_MAX_NAME]; /* readable, NUL-terminated */
	char module[64];	     /* "libc.so.6", "[kernel]" */
};

/* Samples whose user stack ends early, by where and why. */
struct summary_end {
	uint64_t samples;
	uint32_t end; /* enum unwind_end */
	uint32_t pad;
	char module[64]; /* of the frame at which it ends; "[anon]", "[unknown]" */
};

/* Samples with a frame that has no name, by where and why. */
struct summary_unnamed {
	uint64_t samples;
	uint32_t why;	  /* enum unnamed */
	uint32_t is_read; /* the file; else the next three are 0 */
	/* Bits of enum source_kind: what was looked for, what of it there was, and what was there and no good. */
	uint32_t sought, found, bad;
	int32_t err;	    /* why it was not read, when it is not */
	int32_t server_err; /* why no debuginfod server gave a debug file, where one was asked */
	char module[64];
	char build_id[2 * DEBUG_ID_MAX + 8]; /* hex, or "" */
};

struct summary {
	uint64_t samples;
	uint64_t truncated;			       /* samples whose user stack does not reach its root */
	uint32_t functions;			       /* rows by self time */
	uint32_t processes;			       /* rows by comm: self is their samples */
	struct summary_row rows[2 * SUMMARY_MAX_ROWS]; /* functions first */
	uint32_t n_ends, pad;
	struct summary_end ends[SUMMARY_MAX_ENDS]; /* the most samples first */
	uint32_t n_unnamed, pad_unnamed;
	struct summary_unnamed unnamed[SUMMARY_MAX_UNNAMED]; /* the same */
};

int summary_write(const struct summary *summary, int *ret_fd);
/* -EBADMSG when it does not check. */
int summary_read(int fd, struct summary *ret);
