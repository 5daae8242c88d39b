/* SPDX-License-Identifier: Apache-2.0 */
/* How much of a file's code has names, and how much has files and lines. */
#pragma once

#include <stdint.h>

struct dwarf;
struct elf_file;
struct gopclntab;
struct symtab;

struct coverage {
	uint64_t code; /* bytes of executable sections; of segments, where there are no sections */
	uint64_t named;
	uint64_t with_lines; /* a unit of DWARF speaks of them, or Go's table */
};

/* Where the names are; NULL: there are none. */
struct coverage_sources {
	const struct symtab *symtab;
	const struct gopclntab *go;
	const struct dwarf *dwarf; /* behind dwarf_summarize() */
};

/* -ENOMEM, -E2BIG. */
int coverage_measure(const struct elf_file *file, const struct coverage_sources *sources, struct coverage *ret);
