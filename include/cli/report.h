/* SPDX-License-Identifier: Apache-2.0 */
/* What a person reads at the end, and the same as JSON. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "collector/truth.h"
#include "ipc/summary.h"

/* Top table, truth line, then the files with their sizes and the pprof line. Names are made safe for a terminal. As
 * wide as the terminal, 100 columns elsewhere; colours on a terminal only, and none where NO_COLOR is set. `summary`
 * may be NULL: no table. */
void report_print(FILE *to, const struct summary *summary, const struct truth *truth, const struct report_file *files,
		  size_t n_files);
/* For `record -v`: the objects at which most stacks end early, and why. Nothing where none does. */
void report_print_ends(FILE *to, const struct summary *summary);
/* One object, one line: the documented, stable form (README.md). `summary` may be NULL: nothing is known by object and
 * process. 0 or -errno of the write. */
int report_json(FILE *to, const struct summary *summary, const struct truth *truth, const struct report_file *files,
		size_t n_files);
/* The truth as key-value pairs for profile comments ("taken" -> "1234", "lost.orphan" -> "1"); calls back once a pair,
 * but not for counts of zero other than "taken" and "delivered". The keys are the paths of the JSON object. What is not
 * known is "null". */
void report_pairs(const struct truth *truth, void (*pair)(void *ctx, const char *key, const char *value), void *ctx);
