/* SPDX-License-Identifier: Apache-2.0 */
/* What this process costs. */
#pragma once

#include "ipc/message.h"

/* A descriptor for usage_read(), to be opened before rights are given up; -1 when the kernel has no smaps_rollup. */
int usage_open(void);
/* CPU time, proportional share of memory (0 with fd -1), peak resident set. */
void usage_read(int fd, struct message_pong *ret);
