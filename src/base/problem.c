/* SPDX-License-Identifier: Apache-2.0 */
#include "base/problem.h"

#include <stdio.h>

#include "base/err.h"
#include "base/text.h"

int problem_set(struct problem *problem, int err, const char *mend, const char *what_format, ...)
{
	va_list args;

	if (!problem)
		return err;
	problem->err = err;
	text_copy(problem->mend, sizeof(problem->mend), mend ? mend : "");
	va_start(args, what_format);
	vsnprintf(problem->what, sizeof(problem->what), what_format, args);
	va_end(args);
	return err;
}

void problem_text(const struct problem *problem, char *to, unsigned long size)
{
	snprintf(to, size, "%s%s%s%s%s", problem->what, problem->err ? ": " : "",
		 problem->err ? err_name(problem->err) : "", problem->mend[0] ? "; " : "", problem->mend);
}
