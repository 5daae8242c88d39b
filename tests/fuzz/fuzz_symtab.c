/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as an ELF file whose symbols are indexed and looked up. Seeds, a few hundred bytes each:
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_close int fd = memfd_create("fuzz", MFD_CLOEXEC);
	const struct elf_segment *segments;
	struct elf_file *file;
	struct symtab *symtab;
	size_t n;

	if (fd < 0 || io_write_full(fd, data, size))
		abort();
	if (elf_file_open(take_fd(&fd), &file))
		return 0;
	segments = elf_file_segments(file, &n);
	if (!symtab_new(file, &symtab)) {
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
		symtab_free(symtab);
	}
	elf_file_free(file);
	return 0;
}
