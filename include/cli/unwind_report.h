/* SPDX-License-Identifier: Apache-2.0 */
/* What `hostprof symbols` tells of the walk through a file's code: the sum over its tables, which are several where the
 * file is large.
 */
#pragma once

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

#include "base/map.h"
#include "ipc/message.h"
#include "table/unwind_table.h"

struct unwind_report {
	const char *path;
	const char *debug_path; /* of the debug file that helped; NULL: none */
	uint16_t machine;	/* EM_*; 0: no table told */
	uint8_t build_id[DEBUG_ID_MAX];
	uint32_t build_id_len;
	uint32_t tables;
	/* Bytes of code. */
	uint64_t code, eh_frame, debug_frame, go, scanned, none, unsupported;
	uint64_t bad_entries;
	uint64_t rows_given, rows_merged, rows_written;
	struct map rules; /* of all tables, each once */
	uint64_t table_bytes;
	uint64_t cpu_ns;
	uint32_t n_gaps;
	struct message_gap gaps[MESSAGE_MAX_GAPS]; /* the largest first */
};

/* The paths are borrowed. */
void unwind_report_init(struct unwind_report *report, const char *path);
void unwind_report_release(struct unwind_report *report);

/* Adds what one message told, with its table, or NULL when it brought none. 0 or -ENOMEM. */
int unwind_report_add(struct unwind_report *report, const struct message_table *message,
		      const struct unwind_table *table);

/* For people. */
void unwind_report_print(FILE *to, const struct unwind_report *report);
/* In short: what there is of the same lines, behind others about the file. */
void unwind_report_print_short(FILE *to, const struct unwind_report *report);
/* One object, one line (README.md). 0 or -ENOMEM; errors of the stream are the caller's to look for. */
int unwind_report_json(FILE *to, const struct unwind_report *report);
/* The object without what it says of the file itself; NULL: no memory. */
json_t *unwind_report_to_json(const struct unwind_report *report);
