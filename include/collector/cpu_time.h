/* SPDX-License-Identifier: Apache-2.0 */
/* How busy the machine was, as /proc/stat tells it (proc(5)). */
#pragma once

#include <stdint.h>

/* A descriptor for cpu_time_busy_ns(), or -1. */
int cpu_time_open(void);
/* CPU time of all CPUs since boot that was neither idle nor waiting nor stolen; 0 when it cannot be read. */
uint64_t cpu_time_busy_ns(int fd);
