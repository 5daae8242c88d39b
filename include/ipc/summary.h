/* SPDX-License-Identifier: Apache-2.0 */
/* The top tables as the resolver hands them to the terminal: a sealed memfd of one struct. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "ipc/memfd.h"
#include "wire/sample.h"

#define SUMMARY_MAX_ROWS 64
#define SUMMARY_MAX_NAME 512
#define SUMMARY_MAX_ENDS 32

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

struct summary {
	uint64_t samples;
	uint64_t truncated;			       /* samples whose user stack does not reach its root */
	uint32_t functions;			       /* rows by self time */
	uint32_t processes;			       /* rows by comm: self is their samples */
	struct summary_row rows[2 * SUMMARY_MAX_ROWS]; /* functions first */
	uint32_t n_ends, pad;
	struct summary_end ends[SUMMARY_MAX_ENDS]; /* the most samples first */
};

int summary_write(const struct summary *summary, int *ret_fd);
/* -EBADMSG when it does not check. */
int summary_read(int fd, struct summary *ret);
