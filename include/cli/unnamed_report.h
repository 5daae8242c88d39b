/* SPDX-License-Identifier: Apache-2.0 */
/* Where most samples have frames without a name, what there was to name them by, and what would help. */
#pragma once

#include <jansson.h>
#include <stdio.h>

#include "base/unnamed.h"
#include "ipc/summary.h"

struct terminal;

/* What would give names to frames of the module that have none for this reason; NULL: nothing. */
const char *unnamed_advice(enum unnamed why, const char *module);
/* What became of the request to debuginfod servers: "not found (404)". Static, or in `to`. */
const char *unnamed_server_failure(int err, char to[64]);
/* One of them: what it costs of the whole, why it has no names, and what would help (NULL: nothing). Its title has the
 * columns "share", "samples" (or other things that are counted) and then the text. */
void unnamed_report_print_row(const struct terminal *terminal, const struct summary_unnamed *row, double whole,
			      const char *why, const char *help);
/* For `record -v`. Nothing where all frames are named. */
void unnamed_report_print(FILE *to, const struct summary *summary);
/* Adds "unnamed_by_module" to the object, which may be NULL: -ENOMEM. `summary` may be NULL: an empty array. */
int unnamed_report_json(json_t *frames, const struct summary *summary);
