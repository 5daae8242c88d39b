/* SPDX-License-Identifier: Apache-2.0 */
/* Where the readers of CFI, of Go's tables and of code put the rows that they find. */
#pragma once

#include <stdint.h>

#include "wire/unwind.h"

/* The rule from elf_va on (the file's own address space), within the range that was asked for, in rising order. A
 * negative result ends the reader, which returns it. */
struct row_sink {
	int (*row)(void *ctx, uint64_t elf_va, const struct unwind_rule *rule);
	void *ctx;
};
