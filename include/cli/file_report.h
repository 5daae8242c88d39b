/* SPDX-License-Identifier: Apache-2.0 */
/* What `hostprof symbols FILE` tells: what there is to name the code of a file by, what that gives, how stacks are
 * walked through it, and what would help. */
#pragma once

#include <stddef.h>
#include <stdio.h>

#include "ipc/message.h"

struct unwind_report;

/* All borrowed. */
struct file_report {
	const char *path;
	const struct message_description *description;
	const struct message_sources *sources;
	/* The debug file that serves, and what dwz shares: "" is none. */
	const char *debug_path, *supplementary_path;
	size_t n_debug_directories; /* that were looked into */
	const struct unwind_report *unwind;
	int unwind_err; /* why there is no table at all */
};

/* For people: 80 columns at most. */
void file_report_print(FILE *to, const struct file_report *report);
/* One object, one line (README.md). 0 or -ENOMEM; errors of the stream are the caller's to look for. */
int file_report_json(FILE *to, const struct file_report *report);
