/* SPDX-License-Identifier: Apache-2.0 */
/* One line that rewrites itself on a terminal; silent elsewhere. Log lines wipe it first (log_set_before_line). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct progress;

/* duration_seconds 0: open end. Nothing is shown when is_quiet or stderr is no terminal. One at a time. */
int progress_new(double duration_seconds, bool is_quiet, struct progress **ret);
void progress_free(struct progress *progress); /* wipes the line */
/* Draws at most four times a second of elapsed_seconds, and not while the terminal is stopped (Ctrl-S): it never
 * waits. */
void progress_update(struct progress *progress, double elapsed_seconds, uint64_t samples, uint64_t processes,
		     uint64_t lost);
void progress_note(struct progress *progress, const char *text); /* "naming frames …" */
