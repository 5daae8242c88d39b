/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of Go code from the pcsp tables of .gopclntab, stripped binaries too (Go 1.16 and newer, x86-64 and arm64). */
#pragma once

#include <stdint.h>

#include "unwind/row_sink.h"

struct elf_file;
struct go_rows;

/* Finds the table by its section (".gopclntab", ".data.rel.ro.gopclntab") or, where section headers are gone, by its
 * magic in the segments. -ENOENT: no Go binary; -ENOTSUP: a layout older than Go 1.16; -EBADMSG. The file must outlive
 * it. */
int go_rows_open(const struct elf_file *file, struct go_rows **ret);
void go_rows_free(struct go_rows *rows);
/* The code that the table describes (elf_va, limit exclusive). */
void go_rows_range(const struct go_rows *rows, uint64_t *ret_start, uint64_t *ret_limit);
/* Rows of the functions in [va_first, va_limit), which may begin and end within a function. Code between functions, and
 * functions whose table is broken, get UNWIND_CFA_NONE. */
int go_rows_emit(struct go_rows *rows, uint64_t va_first, uint64_t va_limit, const struct row_sink *sink);
