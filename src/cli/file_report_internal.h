/* SPDX-License-Identifier: Apache-2.0 */
/* What both forms of the report tell. */
#pragma once

#include "cli/file_report.h"

#define FILE_REPORT_MAX_ADVICE 4

/* NULL: it was not looked for. */
const struct message_source *file_report_source(const struct file_report *report, enum source_kind kind);

/* "program, position independent" */
const char *file_report_type(const struct file_report *report);
const char *file_report_machine(const struct file_report *report, char *to, size_t size);

struct file_report_advice {
	const char *texts[FILE_REPORT_MAX_ADVICE];
	size_t n;
};

/* What would give more names, or lines. */
void file_report_find_advice(const struct file_report *report, struct file_report_advice *advice);
