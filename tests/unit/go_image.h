/* SPDX-License-Identifier: Apache-2.0 */
/* A Go program made in memory: elf_image.h with code in .text and a function table where .data was.
 *
 *     from 0x6000 in the file, 0x404000 in memory
 *     0x000 header     0x080 names     0x400 pctab     0x800 functab, records
 */
#pragma once

#include "elf/elf_file.h"
#include "elf/gopclntab.h"
#include "elf_image.h"

#define GO_TABLE_OFFSET 0x6000
#define GO_NAMES 0x80
#define GO_PCTAB 0x400
#define GO_FUNCTAB 0x800
#define GO_RECORD_BYTES 64
#define GO_MODULE_OFFSET 0x5000 /* in .plt, which becomes .go.module */
#define GO_RELA_OFFSET 0x5400	/* the same, as .rela.dyn in place of the note */

struct go_image_function {
	const char *name;
	uint32_t start;	     /* in .text */
	const uint8_t *pcsp; /* NULL: none */
	size_t pcsp_bytes;
	uint8_t flags;
};

struct go_image {
	struct elf_image elf;
	enum go_layout layout;
	size_t names, pctab, records; /* used so far */
};

static inline void go_put(struct go_image *image, size_t at, uint64_t value, size_t n)
{
	memcpy(image->elf.bytes + GO_TABLE_OFFSET + at, &value, n);
}

static inline uint32_t go_magic(enum go_layout layout)
{
	static const uint32_t magics[] = {0xfffffffb, 0xfffffffa, 0xfffffff0, 0xfffffff1};

	return magics[layout];
}

/* In the oldest layout everything is counted from the table's start, and functab follows the header. */
static inline size_t go_functab(const struct go_image *image)
{
	return image->layout == GO_LAYOUT_1_2 ? 16 : GO_FUNCTAB;
}

static inline size_t go_entry_bytes(const struct go_image *image)
{
	return image->layout < GO_LAYOUT_1_18 ? 8 : 4;
}

static inline void go_put_function(struct go_image *image, size_t index, const struct go_image_function *function)
{
	size_t word = go_entry_bytes(image), functab = go_functab(image);
	uint64_t entry = function->start + (word == 8 ? IMAGE_TEXT : 0);
	size_t record = image->records, base = image->layout == GO_LAYOUT_1_2 ? 0 : functab;
	static const size_t flags[] = {0, 33, 33, 37};

	go_put(image, functab + index * 2 * word, entry, word);
	go_put(image, functab + (index * 2 + 1) * word, record - base, word);
	go_put(image, record, entry, word);
	go_put(image, record + word, image->names - (base ? GO_NAMES : 0), 4);
	if (function->pcsp)
		go_put(image, record + word + 12, image->pctab - (base ? GO_PCTAB : 0), 4);
	if (flags[image->layout])
		go_put(image, record + word + flags[image->layout], function->flags, 1);
	memcpy(image->elf.bytes + GO_TABLE_OFFSET + image->names, function->name, strlen(function->name) + 1);
	image->names += strlen(function->name) + 1;
	if (function->pcsp)
		memcpy(image->elf.bytes + GO_TABLE_OFFSET + image->pctab, function->pcsp, function->pcsp_bytes);
	image->pctab += function->pcsp_bytes;
	image->records += GO_RECORD_BYTES;
	assert_true(image->names <= GO_PCTAB && image->pctab <= GO_FUNCTAB && image->records <= 0x1000);
}

/* `end` is where the last function ends, in .text. The address of the code is in the header. */
static inline void go_image_init(struct go_image *image, uint16_t machine, enum go_layout layout,
				 const struct go_image_function *functions, size_t n, uint32_t end)
{
	size_t at = 8;

	image_init(&image->elf);
	image_ehdr(&image->elf)->e_machine = machine;
	image_section(&image->elf, SECTION_DATA, ".gopclntab",
		      (Elf64_Shdr){.sh_type = SHT_PROGBITS,
				   .sh_flags = SHF_ALLOC,
				   .sh_addr = IMAGE_DATA,
				   .sh_offset = GO_TABLE_OFFSET,
				   .sh_size = 0x1000});
	image->layout = layout;
	image->names = GO_NAMES;
	image->pctab = GO_PCTAB + 1; /* offset 0: no table */
	image->records = GO_FUNCTAB + 0x200;
	if (layout == GO_LAYOUT_1_2)
		image->names = 0x200; /* behind functab */
	go_put(image, 0, go_magic(layout), 4);
	go_put(image, 6, machine == EM_AARCH64 ? 4 : 1, 1);
	go_put(image, 7, 8, 1);
	go_put(image, at, n, 8);
	if (layout >= GO_LAYOUT_1_18)
		go_put(image, at += 16, IMAGE_TEXT, 8);
	else
		at += 8;
	if (layout != GO_LAYOUT_1_2) {
		go_put(image, at + 8, GO_NAMES, 8);
		go_put(image, at + 32, GO_PCTAB, 8);
		go_put(image, at + 40, GO_FUNCTAB, 8);
	}
	for (size_t i = 0; i < n; i++)
		go_put_function(image, i, &functions[i]);
	go_put(image, go_functab(image) + n * 2 * go_entry_bytes(image),
	       end + (layout < GO_LAYOUT_1_18 ? IMAGE_TEXT : 0), go_entry_bytes(image));
}

static inline void go_image_code(struct go_image *image, uint32_t at, const void *code, size_t n)
{
	memcpy(image->elf.bytes + IMAGE_TEXT_OFFSET + at, code, n);
}

/* As Go 1.26 does: the address of the code in .go.module, not in the header. */
static inline void go_image_module(struct go_image *image, uint64_t minpc, uint64_t maxpc, uint64_t text)
{
	const uint64_t words[] = {minpc, maxpc, text};

	go_put(image, 24, 0, 8);
	image_section(&image->elf, SECTION_PLT, ".go.module",
		      (Elf64_Shdr){.sh_type = SHT_PROGBITS,
				   .sh_flags = SHF_ALLOC,
				   .sh_addr = IMAGE_PLT,
				   .sh_offset = GO_MODULE_OFFSET,
				   .sh_size = 184});
	memcpy(image->elf.bytes + GO_MODULE_OFFSET + 160, words, sizeof(words));
}

static inline void go_image_relocations(struct go_image *image, const Elf64_Rela *rela, size_t n)
{
	image_section(&image->elf, SECTION_NOTE, ".rela.dyn",
		      (Elf64_Shdr){.sh_type = SHT_RELA,
				   .sh_flags = SHF_ALLOC,
				   .sh_entsize = sizeof(*rela),
				   .sh_offset = GO_RELA_OFFSET,
				   .sh_size = n * sizeof(*rela)});
	memcpy(image->elf.bytes + GO_RELA_OFFSET, rela, n * sizeof(*rela));
}

static inline struct elf_file *go_image_open(const struct go_image *image)
{
	struct elf_file *file;

	assert_int_equal(elf_file_open(image_fd(&image->elf), &file), 0);
	return file;
}
