/* SPDX-License-Identifier: Apache-2.0 */
#include "elf/dynamic.h"

#include <elf.h>
#include <stddef.h>
#include <stdint.h>

#include "base/io.h"
#include "elf/elf_file.h"

#define MAX_ENTRIES 512 /* real ones have some 30 */

bool dynamic_is_pie(const struct elf_file *file)
{
	const struct elf_section *sections;
	Elf64_Dyn entries[MAX_ENTRIES];
	size_t n_sections, n = 0;

	sections = elf_file_sections(file, &n_sections);
	for (size_t i = 0; i < n_sections && !n; i++) {
		if (sections[i].type != SHT_DYNAMIC)
			continue;
		n = sections[i].size / sizeof(*entries) < MAX_ENTRIES ? (size_t)(sections[i].size / sizeof(*entries))
								      : MAX_ENTRIES;
		if (io_pread_exact(elf_file_fd(file), entries, n * sizeof(*entries), sections[i].offset))
			return false;
	}
	for (size_t i = 0; i < n && entries[i].d_tag != DT_NULL; i++)
		if (entries[i].d_tag == DT_FLAGS_1)
			return entries[i].d_un.d_val & DF_1_PIE;
	return false;
}
