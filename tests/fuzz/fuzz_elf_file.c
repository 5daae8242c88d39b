/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as an ELF file: opened, walked, digested. Seeds: see fuzz_symtab.c. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "elf/elf_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t build_id[ELF_BUILD_ID_MAX], digest[ELF_DIGEST_BYTES];
	auto_close int fd = memfd_create("fuzz", MFD_CLOEXEC);
	const struct elf_section *sections;
	struct elf_file *file;
	uint64_t va, length = 0;
	size_t n;

	if (fd < 0 || io_write_full(fd, data, size))
		abort();
	if (elf_file_open(take_fd(&fd), &file))
		return 0;
	sections = elf_file_sections(file, &n);
	for (size_t i = 0; i < n; i++)
		length += strlen(sections[i].name);
	elf_file_section(file, ".eh_frame");
	if (length > n * 255 || elf_file_build_id(file, build_id) > sizeof(build_id))
		abort();
	for (uint64_t offset = 0; offset < elf_file_size(file); offset += 64)
		elf_file_offset_to_va(file, offset, &va);
	elf_file_digest(file, digest);
	elf_file_free(file);
	return 0;
}
