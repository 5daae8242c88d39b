/* SPDX-License-Identifier: Apache-2.0 */
/* Function symbols of an ELF file, sorted by address: .symtab, that of its debug files, and .dynsym for what those
 * lack. 16 bytes a symbol; the names stay in the file and are read when asked for. Sizes are respected: an address
 * behind a symbol's end is no symbol's; of nested symbols the innermost holds it. A symbol without a size (assembly)
 * ends at the next one or with its section, and counts only where no sized one holds it. Untyped symbols count when
 * global. Aliases: the global one before weak before local, then the shorter, then the first by byte order. Of equal
 * ones the file's own. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct elf_file;
struct symtab;

#define SYMTAB_MAX_SYMBOLS (16u << 20)
#define SYMTAB_MAX_EMBEDDED_BYTES (64u << 20)

struct symbol {
	uint64_t elf_va;
	uint64_t size;
};

/* The file must outlive the table (names are read from it). A file without symbols gives an empty table. */
int symtab_new(const struct elf_file *file, struct symtab **ret);
/* Where code is, the file itself says, by its segments. */
struct symtab_files {
	const struct elf_file *file;
	const struct elf_file *debug;	 /* its debug file, which must outlive the table too; NULL: none */
	const struct elf_file *embedded; /* that in .gnu_debugdata, which has what .dynsym lacks; NULL: none. Its names
					    are kept in memory: it need not outlive the table */
	size_t max_bytes;		 /* while it is made; 0: no limit. -E2BIG beyond */
};
/* The same with the .symtab of these. -E2BIG, too: the embedded one is larger than the limit above. */
int symtab_new_from(const struct symtab_files *files, struct symtab **ret);
void symtab_free(struct symtab *symtab);
size_t symtab_count(const struct symtab *symtab);
/* Where symbol number `index` begins; they are in the order of their addresses, of which some may be equal. */
uint64_t symtab_address(const struct symtab *symtab, size_t index);
/* The next code that symbols hold without a gap, in the order of addresses (elf_va, limit exclusive). *pos begins at 0.
 * false: there is no more. */
bool symtab_next_run(const struct symtab *symtab, size_t *pos, uint64_t *ret_start, uint64_t *ret_limit);
size_t symtab_memory_bytes(const struct symtab *symtab);

/* The symbol that holds the address and its name, NUL-terminated in `name` (cut at size - 1). -ENOENT: none.
 * Reads the name from the file: one or a few preads. */
int symtab_find(const struct symtab *symtab, uint64_t elf_va, struct symbol *ret, char *name, size_t size);
