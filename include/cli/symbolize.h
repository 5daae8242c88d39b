/* SPDX-License-Identifier: Apache-2.0 */
/* The command `hostprof symbolize`. */
#pragma once

struct symbolize_options;

/* Runs it. Returns the exit status: 0 when the profile was written, whatever of it has names now, or 1 after an error
 * line on stderr. */
int symbolize_run(const struct symbolize_options *options);
