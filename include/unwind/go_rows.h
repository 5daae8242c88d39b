/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of Go code from the pcsp tables of .gopclntab, stripped binaries too (x86-64 and arm64). */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "unwind/row_sink.h"

struct elf_file;
struct go_rows;

/* Finds the table (elf/gopclntab.h). -ENOENT: no Go program; -ENOTSUP: another machine, or an old layout whose
 * addresses cannot be had; -EBADMSG. The file must outlive it. */
int go_rows_open(const struct elf_file *file, struct go_rows **ret);
void go_rows_free(struct go_rows *rows);
/* The code that the table describes (elf_va, limit exclusive). */
void go_rows_range(const struct go_rows *rows, uint64_t *ret_start, uint64_t *ret_limit);
/* Rows of the functions in [va_first, va_limit), which may begin and end within a function, as far as the table
 * describes it. Functions whose table is broken, and code between functions (but for padding, which is never run), get
 * UNWIND_CFA_NONE. Equal rules are told once. -EIO; or what the sink said. */
int go_rows_emit(struct go_rows *rows, uint64_t va_first, uint64_t va_limit, const struct row_sink *sink);
size_t go_rows_memory_bytes(const struct go_rows *rows);
