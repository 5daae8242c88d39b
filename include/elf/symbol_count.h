/* SPDX-License-Identifier: Apache-2.0 */
/* What a symbol table has, before anything is chosen of it. */
#pragma once

#include <stdint.h>

struct elf_file;

struct symbol_count {
	uint64_t symbols;   /* entries, without the empty one that comes first */
	uint64_t functions; /* of these: functions that the file itself has */
};

/* Of all tables of the section type (SHT_SYMTAB, SHT_DYNSYM), up to SYMTAB_MAX_SYMBOLS entries. -ENOENT: there is none;
 * -EIO, -ENOMEM. */
int symbol_count(const struct elf_file *file, uint32_t section_type, struct symbol_count *ret);
