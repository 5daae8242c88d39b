/* SPDX-License-Identifier: Apache-2.0 */
/* What `hostprof symbolize` tells when it is done: how many frames have names now, and per file why others have none.
 */
#pragma once

#include <stdint.h>
#include <stdio.h>

struct profile_session;

struct symbolize_report {
	const struct profile_session *session;
	const char *input, *output;
	uint64_t output_bytes;
};

/* For people. */
void symbolize_report_print(FILE *to, const struct symbolize_report *report);
/* One object, one line (README.md). 0 or -ENOMEM; errors of the stream are the caller's to look for. */
int symbolize_report_json(FILE *to, const struct symbolize_report *report);
