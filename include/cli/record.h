/* SPDX-License-Identifier: Apache-2.0 */
/* The command `hostprof record`. */
#pragma once

#include <stdint.h>

struct record_options;

/* Runs it. program_start_ns: CLOCK_MONOTONIC at the start of main(). Returns the exit status: that of the command when
 * there was one, 0, or 1 after an error line on stderr. */
int record_run(const struct record_options *options, uint64_t program_start_ns);
