/* SPDX-License-Identifier: Apache-2.0 */
/* Function symbols of an ELF file, sorted by address: .symtab, and .dynsym for what .symtab lacks. 16 bytes a symbol;
 * the names stay in the file and are read when asked for. Sizes are respected: an address behind a symbol's end is no
 * symbol's; of nested symbols the innermost holds it. A symbol without a size (assembly) ends at the next one or with
 * its section, and counts only where no sized one holds it. Untyped symbols count when global. Aliases: the global one
 * before weak before local, then the shorter, then the first by byte order. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct elf_file;
struct symtab;

#define SYMTAB_MAX_SYMBOLS (16u << 20)

struct symbol {
	uint64_t elf_va;
	uint64_t size;
};

/* The file must outlive the table (names are read from it). A file without symbols gives an empty table. */
int symtab_new(const struct elf_file *file, struct symtab **ret);
void symtab_free(struct symtab *symtab);
size_t symtab_count(const struct symtab *symtab);
/* Where symbol number `index` begins; they are in the order of their addresses, of which some may be equal. */
uint64_t symtab_address(const struct symtab *symtab, size_t index);
size_t symtab_memory_bytes(const struct symtab *symtab);

/* The symbol that holds the address and its name, NUL-terminated in `name` (cut at size - 1). -ENOENT: none.
 * Reads the name from the file: one or a few preads. */
int symtab_find(const struct symtab *symtab, uint64_t elf_va, struct symbol *ret, char *name, size_t size);
