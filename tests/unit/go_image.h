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

/* main.inner is inlined into main.middle, and that into main.outer:
 *
 *     from         0    0x20    0x40    0x60
 *     line        10     100      50      12
 *     call        -1       1       0      -1 */
#define GO_OUTER_BYTES 0x70
#define GO_UNITS 0xe00
#define GO_FILES 0xe40
#define GO_TREE 0xe80
#define GO_MODULE_DATA 0xc00
#define GO_PLUS(n) (uint8_t)((n)*2)
#define GO_PLUS_LONG(n) ((n)*2 & 0x7f) | 0x80, ((n)*2 >> 7)

static inline void go_image_inlined(struct go_image *image, enum go_layout layout)
{
	static const struct go_image_function outer = {"main.outer\0main.middle\0main.inner", 0x10, NULL, 0, 0};
	static const uint8_t pcfile[] = {GO_PLUS(1), 0x20, GO_PLUS(1), 0x20, 1, 0x30, 0};
	static const uint8_t lines[] = {GO_PLUS(11), 0x20, GO_PLUS_LONG(90), 0x20, 99, 0x20, 75, 0x10, 0};
	static const uint8_t calls[] = {0, 0x20, GO_PLUS(2), 0x20, 1, 0x20, 1, 0x10, 0};
	static const char files[] = "/src/outer.go\0/src/inner.go";
	static const char names[] = "main.outer\0main.middle\0main.inner";
	const bool is_old = layout < GO_LAYOUT_1_20;
	size_t record = GO_FUNCTAB + 0x200, word = layout < GO_LAYOUT_1_18 ? 8 : 4, at = record + word + 16;
	size_t header = layout < GO_LAYOUT_1_18 ? 32 : 40, table = GO_PCTAB;

	go_image_init(image, EM_X86_64, layout, &outer, 1, 0x10 + GO_OUTER_BYTES);
	memcpy(image->elf.bytes + GO_TABLE_OFFSET + GO_NAMES, names, sizeof(names));
	go_put(image, header, GO_UNITS, 8);
	go_put(image, header + 8, GO_FILES, 8);
	memcpy(image->elf.bytes + GO_TABLE_OFFSET + table + 1, pcfile, sizeof(pcfile));
	memcpy(image->elf.bytes + GO_TABLE_OFFSET + table + 0x20, lines, sizeof(lines));
	memcpy(image->elf.bytes + GO_TABLE_OFFSET + table + 0x40, calls, sizeof(calls));
	go_put(image, at, 1, 4);
	go_put(image, at + 4, 0x20, 4);
	go_put(image, at + 8, 3, 4);  /* npcdata */
	go_put(image, at + 12, 1, 4); /* the unit's first file is number 1 */
	at += 16;
	if (!is_old) {
		go_put(image, at, 8, 4);
		at += 4;
	}
	go_put(image, at + 3, 4, 1); /* nfuncdata */
	go_put(image, at + 4 + 2 * 4, 0x40, 4);
	at += 16;
	if (word == 8)
		go_put(image, ((at + 7) & ~7ul) + 3 * 8, IMAGE_DATA + GO_TREE, 8);
	else
		go_put(image, at + 3 * 4, 0x10, 4);
	go_put(image, GO_UNITS + 4, 0, 4);
	go_put(image, GO_UNITS + 8, 14, 4);
	memcpy(image->elf.bytes + GO_TABLE_OFFSET + GO_FILES, files, sizeof(files));
	for (size_t i = 0; i < 2; i++) {
		size_t call = GO_TREE + i * (is_old ? 20 : 16) + (is_old ? 12 : 4);

		go_put(image, call, i ? 23 : 11, 4);
		go_put(image, call + 4, i ? 0x44 : 0x64, 4);
		if (!is_old)
			go_put(image, call + 8, i ? 90 : 40, 4);
	}
	image_section(&image->elf, SECTION_PLT, ".noptrdata",
		      (Elf64_Shdr){.sh_type = SHT_PROGBITS,
				   .sh_flags = SHF_ALLOC,
				   .sh_addr = IMAGE_DATA + GO_MODULE_DATA,
				   .sh_offset = GO_TABLE_OFFSET + GO_MODULE_DATA,
				   .sh_size = 0x150});
	go_put(image, GO_MODULE_DATA, IMAGE_DATA, 8);
	go_put(image, GO_MODULE_DATA + 20 * 8, IMAGE_TEXT + 0x10, 8);
	go_put(image, GO_MODULE_DATA + 21 * 8, IMAGE_TEXT + 0x10 + GO_OUTER_BYTES, 8);
	go_put(image, GO_MODULE_DATA + (layout == GO_LAYOUT_1_18 ? 38 : 40) * 8, IMAGE_DATA + GO_TREE - 0x10, 8);
}

static inline struct elf_file *go_image_open(const struct go_image *image)
{
	struct elf_file *file;

	assert_int_equal(elf_file_open(image_fd(&image->elf), &file), 0);
	return file;
}
