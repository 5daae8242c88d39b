/* SPDX-License-Identifier: Apache-2.0 */
#include "elf/symbol_count.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "elf/elf_file.h"
#include "elf/symtab.h"

#define READ_SYMBOLS 4096 /* per piece: 96 KiB */

static bool is_function(const Elf64_Sym *sym)
{
	const unsigned int type = ELF64_ST_TYPE(sym->st_info);

	return (type == STT_FUNC || type == STT_GNU_IFUNC) && sym->st_shndx != SHN_UNDEF;
}

static int count_table(const struct elf_file *file, const struct elf_section *section, Elf64_Sym *piece,
		       struct symbol_count *count)
{
	uint64_t n = section->size / sizeof(*piece);

	if (n > SYMTAB_MAX_SYMBOLS)
		n = SYMTAB_MAX_SYMBOLS;
	for (uint64_t done = 0; done < n;) {
		size_t part = n - done < READ_SYMBOLS ? (size_t)(n - done) : READ_SYMBOLS;
		int err = io_pread_exact(elf_file_fd(file), piece, part * sizeof(*piece),
					 section->offset + done * sizeof(*piece));

		if (err)
			return err;
		for (size_t i = 0; i < part; i++)
			count->functions += is_function(&piece[i]);
		done += part;
	}
	count->symbols += n ? n - 1 : 0;
	return 0;
}

int symbol_count(const struct elf_file *file, uint32_t section_type, struct symbol_count *ret)
{
	auto_free Elf64_Sym *piece = malloc(READ_SYMBOLS * sizeof(*piece));
	struct symbol_count count = {0};
	const struct elf_section *sections;
	bool is_there = false;
	size_t n;

	if (!piece)
		return -ENOMEM;
	sections = elf_file_sections(file, &n);
	for (size_t i = 0; i < n; i++) {
		int err;

		if (sections[i].type != section_type || !sections[i].size)
			continue;
		is_there = true;
		err = count_table(file, &sections[i], piece, &count);
		if (err)
			return err;
	}
	if (!is_there)
		return -ENOENT;
	*ret = count;
	return 0;
}
