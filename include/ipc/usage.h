/* SPDX-License-Identifier: Apache-2.0 */
/* What this process costs. */
#pragma once

#include "ipc/message.h"

struct usage {
	int fd; /* -1: the kernel has no smaps_rollup */
	uint64_t peak_bytes;
};

#define USAGE_NONE ((struct usage){.fd = -1})

/* To be called before rights are given up. */
struct usage usage_open(void);
/* CPU time; proportional share of memory but for files in memory, the most since the last call (0: not known); peak
 * resident set. */
void usage_read(struct usage *usage, struct message_pong *ret);
