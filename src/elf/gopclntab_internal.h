/* SPDX-License-Identifier: Apache-2.0 */
/* Between gopclntab.c (the table, its functions, pc-value tables) and gopclntab_lines.c (files, lines, inlined calls).
 */
#pragma once

#include "elf/gopclntab.h"

struct file_pages;

struct gopclntab {
	const struct elf_file *file;
	struct file_pages *pages;
	enum go_layout layout;
	uint8_t quantum;
	uint64_t offset, size; /* of the table, or of what is left of the section that holds it */
	uint64_t va;
	uint64_t names, units, files, pctab, functab, records; /* from its start */
	size_t n;
	uint64_t text;		   /* what entries count from; 0 until Go 1.17 */
	uint64_t start, limit;	   /* elf_va */
	uint64_t first_entry, end; /* as the table has them */
	bool is_sought;		   /* was what function data counts from looked for? */
	uint64_t function_data;	   /* elf_va; 0: not found */
};

static inline unsigned int gopclntab_entry_bytes(const struct gopclntab *table)
{
	return table->layout < GO_LAYOUT_1_18 ? 8 : 4;
}

/* Bytes of the table. -EBADMSG: they are not within it; -EIO. */
int gopclntab_read(const struct gopclntab *table, uint64_t at, void *to, size_t n);
/* The NUL-terminated text there, cut at size - 1. */
int gopclntab_text(const struct gopclntab *table, uint64_t at, char *to, size_t size);
