/* SPDX-License-Identifier: Apache-2.0 */
/* An error as its reader needs it: what failed, why, and how to mend it, in one line:
 *     cannot load the sampling program: -EPERM; run as root or give CAP_BPF and CAP_PERFMON */
#pragma once

#include <stdarg.h>

struct problem {
	int err;	/* -errno */
	char what[384]; /* "cannot …" without the errno */
	char mend[384]; /* "run …", or empty */
};

/* Fills the problem (NULL is accepted) and returns err. */
int problem_set(struct problem *problem, int err, const char *mend, const char *what_format, ...)
	__attribute__((format(printf, 4, 5)));
/* "what: -EPERM; mend", bounded. */
void problem_text(const struct problem *problem, char *to, unsigned long size);
