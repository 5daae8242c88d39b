/* SPDX-License-Identifier: Apache-2.0 */
/* Rows that follow each other closely become one, with a folded rule (UNWIND_CFA_FOLDED): the pushes of a prologue and
 * what makes room for the frame or sets the frame pointer, the pops of an epilogue. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "wire/unwind.h"

/* Rows that are one so far. */
struct run {
	uint64_t start, last; /* file offsets of its first and its last row */
	struct unwind_rule rule;
	struct unwind_rule end; /* the plain rule from `last` on */
	bool is_closed;		/* its last step is none that others may follow */
};

/* A run of one row, whose rule is plain. */
struct run run_of(uint64_t file_off, const struct unwind_rule *rule);
/* Takes the next row into the run, if a rule can say both: x86-64 only. The row's rule is another one than run->end. */
bool run_extend(struct run *run, uint64_t file_off, const struct unwind_rule *rule);
