/* SPDX-License-Identifier: Apache-2.0 */
/* The function table that the Go linker puts into every program, stripped or not (golang.org/s/go12symtab, and since
 * then cmd/link/internal/ld/pcln.go): functions by address, their names, and pc-value tables, which tell of each pc a
 * number (how far sp has moved; file, line and inlined call). Layouts of Go 1.2 to 1.26, x86-64 and arm64.
 *
 * Nothing is copied: the table is read in place through a few cached pages. The file is hostile: what a function says
 * of itself is checked when it is asked for, and a bad one costs itself only. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GOPCLNTAB_MAX_FUNCTIONS (16u << 20)

struct elf_file;
struct gopclntab;

/* By the magic number. */
enum go_layout {
	GO_LAYOUT_1_2,	/* 0xfffffffb: up to Go 1.15 */
	GO_LAYOUT_1_16, /* 0xfffffffa: and Go 1.17 */
	GO_LAYOUT_1_18, /* 0xfffffff0: and Go 1.19 */
	GO_LAYOUT_1_20, /* 0xfffffff1: up to (at least) Go 1.26 */
};

/* internal/abi.FuncFlag; 0 up to Go 1.16. */
#define GO_FUNCTION_TOP_FRAME 1u /* a root: nobody called it */
#define GO_FUNCTION_SP_WRITE 2u	 /* sets sp in ways that its pcsp table does not tell */
#define GO_FUNCTION_ASSEMBLY 4u

struct go_function {
	uint64_t start, limit; /* elf_va; it ends at or before the limit, where the next one begins */
	uint32_t name;	       /* where it lies in the table of names */
	uint32_t pcsp;	       /* the pc-value table of sp's distance from its place at the entry; 0: none */
	uint8_t flags;
	uint64_t record; /* where its record is, from the table's start */
};

#define GOPCLNTAB_MAX_LINES 64

/* A place in the source. */
struct go_line {
	uint32_t name;	     /* of the function, as in struct go_function */
	uint64_t file;	     /* where its name lies, from the table's start */
	uint32_t line;	     /* 0: unknown */
	uint32_t start_line; /* of the function; 0: unknown, as always before Go 1.20 */
};

/* Finds the table by its section (".gopclntab", ".data.rel.ro.gopclntab"), else by its magic number in .data.rel.ro of
 * a Go program (there other linkers put it), or in the segments of a file without section headers. -ENOENT: no Go
 * program; -ENOTSUP: another machine, or the addresses of its code are nowhere to be found (Go 1.17 and older linked
 * as PIE by another linker); -EBADMSG: its header is nonsense. The file must outlive it. */
int gopclntab_open(const struct elf_file *file, struct gopclntab **ret);
void gopclntab_free(struct gopclntab *table);

enum go_layout gopclntab_layout(const struct gopclntab *table);
size_t gopclntab_count(const struct gopclntab *table);
/* From the first function to the end of the last (elf_va, limit exclusive): within one executable segment, and in the
 * file. */
void gopclntab_range(const struct gopclntab *table, uint64_t *ret_start, uint64_t *ret_limit);
size_t gopclntab_memory_bytes(const struct gopclntab *table);

/* The last function that starts at or before the address. -ENOENT: it lies outside the range; -EIO. */
int gopclntab_find(struct gopclntab *table, uint64_t elf_va, size_t *ret_index);
/* Functions are sorted by address. -EBADMSG: this one is broken (out of order, outside the range, or its record is);
 * -EIO. */
int gopclntab_function(struct gopclntab *table, size_t index, struct go_function *ret);
/* NUL-terminated, cut at size - 1. -EBADMSG, -EIO. */
int gopclntab_name(struct gopclntab *table, const struct go_function *function, char *name, size_t size);

/* The places in the source that the address of the function stands for, innermost first: a call that was inlined, the
 * one that it was inlined into …, the function itself. At most `max`, *ret_n of them. -ENOTSUP: before Go 1.16, or what
 * was inlined is nowhere to be found (Go 1.18 to 1.25, linked as PIE by another linker); -EBADMSG; -EIO. */
int gopclntab_lines(struct gopclntab *table, const struct go_function *function, uint64_t elf_va, struct go_line *lines,
		    size_t max, size_t *ret_n);
/* The names of a line's function and file, NUL-terminated, cut at size - 1. -EBADMSG, -EIO. */
int gopclntab_line_name(struct gopclntab *table, const struct go_line *line, char *name, size_t size);
int gopclntab_line_file(struct gopclntab *table, const struct go_line *line, char *file, size_t size);

/* Steps through a pc-value table of a function. */
struct go_values {
	struct gopclntab *table;
	uint64_t at; /* in the file, of the next piece */
	uint64_t pc, limit;
	int32_t value;
	bool is_first;
	uint8_t piece[40];
	uint8_t pos, len;
};

/* `offset` as in struct go_function. */
void go_values_init(struct go_values *values, struct gopclntab *table, const struct go_function *function,
		    uint32_t offset);
/* The next run of pcs with one value: those from values->pc (before the call) to *ret_limit. 1, or 0 at the end;
 * -EBADMSG: broken, or it goes beyond the function; -EIO. */
int go_values_next(struct go_values *values, uint64_t *ret_limit, int32_t *ret_value);
