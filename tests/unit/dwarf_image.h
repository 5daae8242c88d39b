/* SPDX-License-Identifier: Apache-2.0 */
/* An ELF file in memory that has nothing but sections of DWARF. */
#pragma once

#include <elf.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	IMAGE_INFO,
	IMAGE_ABBREV,
	IMAGE_LINE,
	IMAGE_STR,
	IMAGE_LINE_STR,
	IMAGE_RANGES,
	IMAGE_RNGLISTS,
	IMAGE_ADDR,
	IMAGE_STR_OFFSETS,
	IMAGE_ARANGES,
	IMAGE_ALTLINK,
	IMAGE_SUP,
	IMAGE_CU_INDEX,
	IMAGE_SECTIONS,
};

struct image_bytes {
	const uint8_t *bytes;
	size_t n;
};

/* flags: of all sections. suffix: of all names; ".dwo" are the sections of split units. -1: no memory. */
static inline int dwarf_image_fd_named(const struct image_bytes sections[IMAGE_SECTIONS], uint64_t flags,
				       const char *suffix)
{
	static const char names[IMAGE_SECTIONS][24] = {
		".debug_info",	     ".debug_abbrev",	".debug_line",	  ".debug_str",		".debug_line_str",
		".debug_ranges",     ".debug_rnglists", ".debug_addr",	  ".debug_str_offsets", ".debug_aranges",
		".gnu_debugaltlink", ".debug_sup",	".debug_cu_index"};
	struct {
		Elf64_Ehdr ehdr;
		Elf64_Shdr shdrs[IMAGE_SECTIONS + 2];
		char names[1 + sizeof(names)];
	} head = {
		.ehdr = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
			 .e_type = ET_DYN,
			 .e_machine = EM_X86_64,
			 .e_version = EV_CURRENT,
			 .e_shoff = sizeof(Elf64_Ehdr),
			 .e_ehsize = sizeof(Elf64_Ehdr),
			 .e_phentsize = sizeof(Elf64_Phdr),
			 .e_shentsize = sizeof(Elf64_Shdr),
			 .e_shnum = IMAGE_SECTIONS + 2,
			 .e_shstrndx = 1},
	};
	uint64_t offset = sizeof(head);
	int fd = memfd_create("dwarf", MFD_CLOEXEC);

	memcpy(head.names + 1, names, sizeof(names));
	for (size_t i = 0; i < IMAGE_CU_INDEX; i++) {
		char *name = head.names + 1 + i * sizeof(names[0]);
		size_t n = strlen(name);

		for (size_t at = 0; suffix[at] && n + at + 1 < sizeof(names[0]); at++)
			name[n + at] = suffix[at];
	}
	head.shdrs[1] = (Elf64_Shdr){
		.sh_type = SHT_STRTAB, .sh_offset = offsetof(__typeof__(head), names), .sh_size = sizeof(head.names)};
	for (size_t i = 0; i < IMAGE_SECTIONS; i++) {
		head.shdrs[i + 2] = (Elf64_Shdr){.sh_name = (uint32_t)(1 + i * sizeof(names[0])),
						 .sh_type = SHT_PROGBITS,
						 .sh_flags = flags,
						 .sh_offset = offset,
						 .sh_size = sections[i].n};
		if (fd >= 0 && sections[i].n &&
		    pwrite(fd, sections[i].bytes, sections[i].n, (off_t)offset) != (ssize_t)sections[i].n) {
			close(fd);
			return -1;
		}
		offset += sections[i].n;
	}
	if (fd >= 0 && (ftruncate(fd, (off_t)offset) || pwrite(fd, &head, sizeof(head), 0) != sizeof(head))) {
		close(fd);
		return -1;
	}
	return fd;
}

static inline int dwarf_image_fd(const struct image_bytes sections[IMAGE_SECTIONS], uint64_t flags)
{
	return dwarf_image_fd_named(sections, flags, "");
}
