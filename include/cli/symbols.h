/* SPDX-License-Identifier: Apache-2.0 */
/* The command `hostprof symbols`. */
#pragma once

struct symbols_options;

/* Runs it, with the caller's rights. Returns the exit status: 0, or 1 after a line on stderr for each file that could
 * not be shown. */
int symbols_run(const struct symbols_options *options);
