/* SPDX-License-Identifier: Apache-2.0 */
/* What the code of one file is called, by all that the file itself and its debug files have: Go's function table, which
 * no strip removes and which knows files, lines and inlined calls, for the code that it speaks of; symbol tables for
 * the rest, and DWARF for the files, lines and inlined functions of it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dwarf/dwarf.h"
#include "elf/gopclntab.h"
#include "symbol/coverage.h"

#define CODE_MAX_LINES 64
#define CODE_TEXT_BYTES 65536

struct elf_file;
struct file_names;

/* One function of those that an address belongs to. Texts are offsets in code_place.text; "" is unknown. */
struct code_line {
	uint32_t function; /* as in the file */
	uint32_t file;
	uint32_t line, start_line; /* 0: unknown */
};

/* Innermost first: what was inlined at an address, what that was inlined into …, the function that holds it. */
struct code_place {
	struct code_line lines[CODE_MAX_LINES];
	size_t n;
	uint64_t start; /* elf_va of the function that holds it */
	bool is_go;	/* names are Go's, which are not mangled */
	size_t text_bytes;
	char text[CODE_TEXT_BYTES];
};

/* The files must outlive the names, which are read from them when they are asked for. NULL: there is none. */
struct file_names_files {
	const struct elf_file *file;
	const struct elf_file *debug;	      /* its debug file, known to be that */
	const struct elf_file *supplementary; /* that dwz shares: of the one that has the DWARF */
	const struct elf_file *embedded;      /* that in .gnu_debugdata; need not outlive the names */
	/* As in struct dwarf_files. */
	int (*split)(void *ctx, const char *base_name, uint64_t dwo_id, const struct elf_file **ret);
	int (*temporary)(void *ctx, int *ret_fd);
	uint64_t *temporary_left;
	void *ctx;
	size_t max_bytes; /* of an index while it is made, and of DWARF that is held; 0: no limit */
};

/* -E2BIG: max_bytes. A file without any gives no names. A table that is broken is one less; but what is wrong with the
 * embedded file is an error. -ENOMEM, -EIO; of `embedded` those of symtab_new(). */
int file_names_new(const struct file_names_files *files, struct file_names **ret);
void file_names_free(struct file_names *names);
/* Functions that have a name. */
size_t file_names_count(const struct file_names *names);
size_t file_names_memory_bytes(const struct file_names *names);
/* Whether Go's function table is a source of them. */
bool file_names_has_go(const struct file_names *names);

/* What it is made of, and how much of the code that is. */
struct file_names_summary {
	size_t functions; /* that have a name, each once */
	bool has_go;
	enum go_layout go_layout;
	size_t go_functions;
	bool has_dwarf; /* that names are taken from */
	struct dwarf_summary dwarf;
	struct coverage coverage;
};

/* `file` is that of the names. Errors of coverage_measure() and dwarf_summarize(). */
int file_names_summarize(const struct file_names *names, const struct elf_file *file, struct file_names_summary *ret);

/* What the address is called; at least one line, each with a function. -ENOENT: it has no name. */
int file_names_find(const struct file_names *names, uint64_t elf_va, struct code_place *ret);
