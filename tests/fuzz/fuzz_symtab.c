/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as an ELF file whose symbols are indexed and looked up; then once more as if it were embedded in itself.
 * Seeds, a few hundred bytes each:
 *     printf '.globl f,g\n.type f,@function\nf: nop\n.size f,1\n.weak w\nw: g: nop\n' | as -o f.o
 *     ld -N -shared --build-id -o tests/fuzz/corpus/symtab/shared f.o
 *     ld -N --build-id -e f -o tests/fuzz/corpus/symtab/static f.o */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "elf/elf_file.h"
#include "elf/symtab.h"

static void look_up(const struct symtab *symtab, const struct elf_file *file)
{
	const struct elf_segment *segments;
	size_t n;

	segments = elf_file_segments(file, &n);
	for (size_t i = 0; i < n; i++) {
		for (uint64_t step = 0; step < 64; step++) {
			uint64_t va = segments[i].vaddr + segments[i].memsz / 64 * step + step;
			struct symbol symbol;
			char name[300];

			if (symtab_find(symtab, va, &symbol, name, sizeof(name)))
				continue;
			if (va < symbol.elf_va || va - symbol.elf_va >= symbol.size ||
			    strnlen(name, sizeof(name)) == sizeof(name))
				abort();
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_close int fd = memfd_create("fuzz", MFD_CLOEXEC);
	struct elf_file *file;
	struct symtab *symtab;

	if (fd < 0 || io_write_full(fd, data, size))
		abort();
	if (elf_file_open(take_fd(&fd), &file))
		return 0;
	for (int round = 0; round < 2; round++) {
		if (symtab_new_from(&(struct symtab_files){.file = file, .embedded = round ? file : NULL}, &symtab))
			continue;
		look_up(symtab, file);
		symtab_free(symtab);
	}
	elf_file_free(file);
	return 0;
}
