/* SPDX-License-Identifier: Apache-2.0 */
/* A small ELF file made in memory:
 *
 *     file                       address
 *     0x0000 headers, tables     -
 *     0x4000 .text    4 KiB      0x401000  PT_LOAD R+X, with .plt
 *     0x5000 .plt   0x100        0x402000
 *     0x6000 .data    4 KiB      0x404000  PT_LOAD R+W
 */
#pragma once

#include <elf.h>
#include <sys/mman.h>
#include <unistd.h>

#include "test.h"

#define IMAGE_TEXT 0x401000
#define IMAGE_TEXT_OFFSET 0x4000
#define IMAGE_PLT 0x402000
#define IMAGE_DATA 0x404000
#define IMAGE_BYTES 0x7000
#define IMAGE_PHDRS 0x40
#define IMAGE_SHDRS 0x200
#define IMAGE_NOTE 0x800
#define IMAGE_STRINGS 0x2800
#define IMAGE_NAMES 0xa00
#define IMAGE_SYMBOLS 0x1000
#define IMAGE_MAX_SYMBOLS 128

enum {
	SECTION_NULL,
	SECTION_TEXT,
	SECTION_PLT,
	SECTION_DATA,
	SECTION_SYMTAB,
	SECTION_DYNSYM,
	SECTION_STRTAB,
	SECTION_NOTE,
	SECTION_NAMES,
	SECTIONS
};

struct image_symbol {
	const char *name;
	uint64_t va, size;
	unsigned int type, bind, section;
	int is_dynamic;
};

struct elf_image {
	uint8_t bytes[IMAGE_BYTES];
	size_t strings, symbols[2];
};

static inline Elf64_Ehdr *image_ehdr(struct elf_image *image)
{
	return (Elf64_Ehdr *)image->bytes;
}

static inline Elf64_Phdr *image_phdr(struct elf_image *image, size_t index)
{
	return (Elf64_Phdr *)(image->bytes + IMAGE_PHDRS) + index;
}

static inline Elf64_Shdr *image_shdr(struct elf_image *image, size_t index)
{
	return (Elf64_Shdr *)(image->bytes + IMAGE_SHDRS) + index;
}

static inline void image_section(struct elf_image *image, size_t index, const char *name, Elf64_Shdr shdr)
{
	static const size_t slot = 24;
	char *names = (char *)image->bytes + IMAGE_NAMES;

	shdr.sh_name = (uint32_t)(index * slot);
	memcpy(names + shdr.sh_name, name, strlen(name) + 1);
	*image_shdr(image, index) = shdr;
}

static inline void image_build_id(struct elf_image *image, const void *id, size_t len)
{
	Elf64_Nhdr note = {.n_namesz = 4, .n_descsz = (uint32_t)len, .n_type = NT_GNU_BUILD_ID};
	uint64_t size = len ? sizeof(note) + 4 + (len + 3) / 4 * 4 : 0;

	memcpy(image->bytes + IMAGE_NOTE, &note, sizeof(note));
	memcpy(image->bytes + IMAGE_NOTE + sizeof(note), "GNU", 4);
	memcpy(image->bytes + IMAGE_NOTE + sizeof(note) + 4, id, len);
	image_phdr(image, 2)->p_filesz = image_phdr(image, 2)->p_memsz = size;
	image_shdr(image, SECTION_NOTE)->sh_size = size;
}

static inline void image_init(struct elf_image *image)
{
	Elf64_Ehdr *ehdr = image_ehdr(image);

	memset(image, 0, sizeof(*image));
	image->strings = 1;
	memcpy(ehdr->e_ident, ELFMAG, SELFMAG);
	ehdr->e_ident[EI_CLASS] = ELFCLASS64;
	ehdr->e_ident[EI_DATA] = ELFDATA2LSB;
	ehdr->e_ident[EI_VERSION] = EV_CURRENT;
	ehdr->e_type = ET_DYN;
	ehdr->e_machine = EM_X86_64;
	ehdr->e_version = EV_CURRENT;
	ehdr->e_ehsize = sizeof(Elf64_Ehdr);
	ehdr->e_phoff = IMAGE_PHDRS;
	ehdr->e_phentsize = sizeof(Elf64_Phdr);
	ehdr->e_phnum = 3;
	ehdr->e_shoff = IMAGE_SHDRS;
	ehdr->e_shentsize = sizeof(Elf64_Shdr);
	ehdr->e_shnum = SECTIONS;
	ehdr->e_shstrndx = SECTION_NAMES;
	*image_phdr(image, 0) = (Elf64_Phdr){.p_type = PT_LOAD,
					     .p_flags = PF_R | PF_X,
					     .p_offset = IMAGE_TEXT_OFFSET,
					     .p_vaddr = IMAGE_TEXT,
					     .p_filesz = 0x1100,
					     .p_memsz = 0x1100};
	*image_phdr(image, 1) = (Elf64_Phdr){.p_type = PT_LOAD,
					     .p_flags = PF_R | PF_W,
					     .p_offset = 0x6000,
					     .p_vaddr = IMAGE_DATA,
					     .p_filesz = 0x1000,
					     .p_memsz = 0x1000};
	*image_phdr(image, 2) = (Elf64_Phdr){.p_type = PT_NOTE, .p_flags = PF_R, .p_offset = IMAGE_NOTE, .p_align = 4};
	image_section(image, SECTION_TEXT, ".text",
		      (Elf64_Shdr){.sh_type = SHT_PROGBITS,
				   .sh_flags = SHF_ALLOC | SHF_EXECINSTR,
				   .sh_addr = IMAGE_TEXT,
				   .sh_offset = IMAGE_TEXT_OFFSET,
				   .sh_size = 0x1000});
	image_section(image, SECTION_PLT, ".plt",
		      (Elf64_Shdr){.sh_type = SHT_PROGBITS,
				   .sh_flags = SHF_ALLOC | SHF_EXECINSTR,
				   .sh_addr = IMAGE_PLT,
				   .sh_offset = 0x5000,
				   .sh_size = 0x100});
	image_section(image, SECTION_DATA, ".data",
		      (Elf64_Shdr){.sh_type = SHT_PROGBITS,
				   .sh_flags = SHF_ALLOC | SHF_WRITE,
				   .sh_addr = IMAGE_DATA,
				   .sh_offset = 0x6000,
				   .sh_size = 0x1000});
	image_section(image, SECTION_SYMTAB, ".symtab",
		      (Elf64_Shdr){.sh_type = SHT_SYMTAB,
				   .sh_link = SECTION_STRTAB,
				   .sh_entsize = sizeof(Elf64_Sym),
				   .sh_offset = IMAGE_SYMBOLS});
	image_section(image, SECTION_DYNSYM, ".dynsym",
		      (Elf64_Shdr){.sh_type = SHT_DYNSYM,
				   .sh_link = SECTION_STRTAB,
				   .sh_entsize = sizeof(Elf64_Sym),
				   .sh_offset = IMAGE_SYMBOLS + IMAGE_MAX_SYMBOLS * sizeof(Elf64_Sym)});
	image_section(image, SECTION_STRTAB, ".strtab",
		      (Elf64_Shdr){.sh_type = SHT_STRTAB,
				   .sh_offset = IMAGE_STRINGS,
				   .sh_size = IMAGE_TEXT_OFFSET - IMAGE_STRINGS});
	image_section(image, SECTION_NOTE, ".note.gnu.build-id",
		      (Elf64_Shdr){.sh_type = SHT_NOTE, .sh_offset = IMAGE_NOTE, .sh_addralign = 4});
	image_section(
		image, SECTION_NAMES, ".shstrtab",
		(Elf64_Shdr){.sh_type = SHT_STRTAB, .sh_offset = IMAGE_NAMES, .sh_size = IMAGE_SYMBOLS - IMAGE_NAMES});
}

static inline void image_add_symbol(struct elf_image *image, const struct image_symbol *symbol)
{
	size_t table = symbol->is_dynamic ? 1 : 0;
	Elf64_Shdr *section = image_shdr(image, table ? SECTION_DYNSYM : SECTION_SYMTAB);
	Elf64_Sym *slot = (Elf64_Sym *)(image->bytes + section->sh_offset) + image->symbols[table]++;

	assert_true(image->symbols[table] <= IMAGE_MAX_SYMBOLS);
	assert_true(IMAGE_STRINGS + image->strings + strlen(symbol->name) < IMAGE_TEXT_OFFSET);
	memcpy(image->bytes + IMAGE_STRINGS + image->strings, symbol->name, strlen(symbol->name) + 1);
	*slot = (Elf64_Sym){.st_name = (uint32_t)image->strings,
			    .st_value = symbol->va,
			    .st_size = symbol->size,
			    .st_info = (uint8_t)ELF64_ST_INFO(symbol->bind, symbol->type),
			    .st_shndx = (uint16_t)symbol->section};
	image->strings += strlen(symbol->name) + 1;
	section->sh_size = image->symbols[table] * sizeof(Elf64_Sym);
}

/* A descriptor with the first n bytes of the image. */
static inline int image_fd_cut(const struct elf_image *image, size_t n)
{
	int fd = memfd_create("image", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, image->bytes, n), n);
	return fd;
}

static inline int image_fd(const struct elf_image *image)
{
	return image_fd_cut(image, sizeof(image->bytes));
}
