/* SPDX-License-Identifier: Apache-2.0 */
/* The top table as the resolver hands it to the terminal. A sealed memfd of one struct */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "ipc/memfd.h"

#define SUMMARY_MAX_ROWS 64
#define SUMMARY_MAX_NAME 512

struct summary_row {
	uint64_t self, total;	     /* samples */
	char name[SUMMARY_MAX_NAME]; /* readable, NUL-terminated */
	char module[64];	     /* "libc.so.6", "[kernel]" */
};

struct summary {
	uint64_t samples;
	uint64_t truncated;			       /* samples whose user stack does not reach its root */
	uint32_t functions;			       /* rows by self time */
	uint32_t processes;			       /* rows by comm: self is their samples */
	struct summary_row rows[2 * SUMMARY_MAX_ROWS]; /* functions first */
};

int summary_write(const struct summary *summary, int *ret_fd);
/* -EBADMSG when it does not check. */
int summary_read(int fd, struct summary *ret);
