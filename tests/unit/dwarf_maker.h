/* SPDX-License-Identifier: Apache-2.0 */
/* DWARF made by hand, a DIE at a time, and questions about it. */
#pragma once

#include "test.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/buf.h"
#include "dwarf/dwarf.h"
#include "dwarf_image.h"
#include "elf/elf_file.h"

#define T 0x401000u
#define MAX_SECTION_BYTES (1u << 20)
#define BASES 8u /* behind the head of .debug_addr and .debug_str_offsets */
#define LISTS_BASE 12u

/* --- making it ---------------------------------------------------------------------------------------------------- */

/* Abbreviations: see put_abbrevs(). */
enum {
	UNIT = 1,
	FUNCTION,
	ABSTRACT,
	INLINED,
	RANGED,
	INSTANCE_ELSEWHERE,
	INDEXED_UNIT,
	INDEXED_FUNCTION,
	BLOCK,
	SPECIFIED,
	INLINED_ABROAD,
	CLOSED_FUNCTION,
	CLOSED_ABSTRACT,
	CLOSED_TYPE,
	DECLARED,
	NO_FUNCTION = 99
};

struct image {
	uint16_t version;
	bool is_64;
	struct buf sections[IMAGE_SECTIONS];
	size_t unit; /* where the open one starts */
};

static inline void put(struct image *image, int section, uint64_t value, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_append_byte(&image->sections[section], i < sizeof(value) ? (uint8_t)(value >> 8 * i) : 0);
}

static inline void put_text(struct image *image, int section, const char *text)
{
	buf_append(&image->sections[section], text, strlen(text) + 1);
}

static inline void put_offset(struct image *image, int section, uint64_t value)
{
	put(image, section, value, image->is_64 ? 8 : 4);
}

static inline size_t at(const struct image *image)
{
	return image->sections[IMAGE_INFO].len;
}

static inline void put_abbrevs(struct image *image)
{
	static const uint8_t abbrevs[] = {
		/* low_pc addr, high_pc data8, stmt_list, comp_dir string */
		UNIT, 0x11, 1, 0x11, 0x01, 0x12, 0x07, 0x10, 0x17, 0x1b, 0x08, 0, 0,
		/* name, linkage_name string, low_pc, high_pc data4 */
		FUNCTION, 0x2e, 1, 0x03, 0x08, 0x6e, 0x08, 0x11, 0x01, 0x12, 0x06, 0, 0,
		/* name string, inline as an implicit constant */
		ABSTRACT, 0x2e, 0, 0x03, 0x08, 0x20, 0x21, 0x01, 0, 0,
		/* abstract_origin ref4, low_pc, high_pc data4, call_file data1, call_line data2, call_column data1 */
		INLINED, 0x1d, 0, 0x31, 0x13, 0x11, 0x01, 0x12, 0x06, 0x58, 0x0b, 0x59, 0x05, 0x57, 0x0b, 0, 0,
		/* name strp, ranges */
		RANGED, 0x2e, 0, 0x03, 0x0e, 0x55, 0x17, 0, 0,
		/* abstract_origin ref_addr, low_pc, high_pc data4 */
		INSTANCE_ELSEWHERE, 0x2e, 0, 0x31, 0x10, 0x11, 0x01, 0x12, 0x06, 0, 0,
		/* low_pc addrx, ranges rnglistx, addr_base, str_offsets_base, rnglists_base */
		INDEXED_UNIT, 0x11, 1, 0x11, 0x1b, 0x55, 0x23, 0x73, 0x17, 0x72, 0x17, 0x74, 0x17, 0, 0,
		/* name strx1, low_pc addrx1, high_pc udata */
		INDEXED_FUNCTION, 0x2e, 0, 0x03, 0x25, 0x11, 0x29, 0x12, 0x0f, 0, 0,
		/* a block of bytes */
		BLOCK, 0x0b, 1, 0x02, 0x18, 0, 0,
		/* specification ref4, low_pc, high_pc data4 */
		SPECIFIED, 0x2e, 0, 0x47, 0x13, 0x11, 0x01, 0x12, 0x06, 0, 0,
		/* abstract_origin GNU_ref_alt, low_pc, high_pc data4 */
		INLINED_ABROAD, 0x1d, 0, 0x31, 0xa0, 0x3e, 0x11, 0x01, 0x12, 0x06, 0, 0,
		/* name string, sibling ref4, low_pc, high_pc data4 */
		CLOSED_FUNCTION, 0x2e, 1, 0x03, 0x08, 0x01, 0x13, 0x11, 0x01, 0x12, 0x06, 0, 0,
		/* sibling ref4, name string, inline as an implicit constant */
		CLOSED_ABSTRACT, 0x2e, 1, 0x01, 0x13, 0x03, 0x08, 0x20, 0x21, 0x01, 0, 0,
		/* sibling ref4 */
		CLOSED_TYPE, 0x13, 1, 0x01, 0x13, 0, 0,
		/* sibling ref4, declaration */
		DECLARED, 0x2e, 1, 0x01, 0x13, 0x3c, 0x19, 0, 0, 0};

	buf_append(&image->sections[IMAGE_ABBREV], abbrevs, sizeof(abbrevs));
}

static inline void image_init(struct image *image, uint16_t version, bool is_64)
{
	*image = (struct image){.version = version, .is_64 = is_64};
	for (int i = 0; i < IMAGE_SECTIONS; i++)
		buf_init(&image->sections[i], MAX_SECTION_BYTES);
	put_abbrevs(image);
}

static inline void image_release(struct image *image)
{
	for (int i = 0; i < IMAGE_SECTIONS; i++)
		buf_release(&image->sections[i]);
}

static inline size_t put_length(struct image *image, int section)
{
	if (image->is_64)
		put(image, section, UINT32_MAX, 4);
	put_offset(image, section, 0);
	return image->sections[section].len;
}

/* What was put since `start` has that length. */
static inline void end_length(struct image *image, int section, size_t start)
{
	struct buf *buf = &image->sections[section];
	size_t width = image->is_64 ? 8 : 4;

	assert_int_equal(buf->err, 0);
	for (size_t i = 0; i < width; i++)
		buf->data[start - width + i] = (uint8_t)((buf->len - start) >> 8 * i);
}

static inline size_t begin_unit(struct image *image)
{
	size_t start;

	image->unit = at(image);
	start = put_length(image, IMAGE_INFO);
	put(image, IMAGE_INFO, image->version, 2);
	if (image->version >= 5)
		put(image, IMAGE_INFO, 0x0801, 2); /* compile, addresses of 8 bytes */
	put_offset(image, IMAGE_INFO, 0);
	if (image->version < 5)
		put(image, IMAGE_INFO, 8, 1);
	return start;
}

static inline void put_unit_die(struct image *image, uint64_t low, uint64_t bytes)
{
	put(image, IMAGE_INFO, UNIT, 1);
	put(image, IMAGE_INFO, low, 8);
	put(image, IMAGE_INFO, bytes, 8);
	put_offset(image, IMAGE_INFO, 0);
	put_text(image, IMAGE_INFO, "/src");
}

static inline void put_function(struct image *image, const char *name, const char *linkage, uint64_t low,
				uint32_t bytes)
{
	put(image, IMAGE_INFO, FUNCTION, 1);
	put_text(image, IMAGE_INFO, name);
	put_text(image, IMAGE_INFO, linkage);
	put(image, IMAGE_INFO, low, 8);
	put(image, IMAGE_INFO, bytes, 4);
}

static inline void put_range(struct image *image, uint64_t low, uint32_t bytes)
{
	put(image, IMAGE_INFO, low, 8);
	put(image, IMAGE_INFO, bytes, 4);
}

/* What is inlined: `origin` counts from the unit. */
static inline void put_inlined(struct image *image, size_t origin, uint64_t low, uint32_t bytes)
{
	put(image, IMAGE_INFO, INLINED, 1);
	put(image, IMAGE_INFO, origin, 4);
	put_range(image, low, bytes);
	put(image, IMAGE_INFO, 1, 1);
	put(image, IMAGE_INFO, 7, 2);
	put(image, IMAGE_INFO, 3, 1);
}

static inline void put_end(struct image *image)
{
	put(image, IMAGE_INFO, 0, 1);
}

/* main.c:10, from T + 0x10 lib/inner.h:4:5, from T + 0x20 main.c:11, ends at T + 0x100. */
static inline void put_lines(struct image *image)
{
	static const uint8_t operands[] = {0, 1, 1, 1, 1, 0, 0, 0, 1};
	static const uint8_t set_address[] = {0, 9, 2};
	static const uint8_t program[] = {4,	1, 3, 9, 1, 2, 0x10, 4, 2, 5,	 5,    3, 0x7a, 1, 2,
					  0x10, 4, 1, 5, 0, 3, 7,    1, 2, 0xe0, 0x01, 0, 1,	1};
	size_t start = put_length(image, IMAGE_LINE), header;
	struct buf *buf = &image->sections[IMAGE_LINE];

	put(image, IMAGE_LINE, image->version, 2);
	if (image->version >= 5)
		put(image, IMAGE_LINE, 8, 2);
	header = (put_offset(image, IMAGE_LINE, 0), buf->len);
	put(image, IMAGE_LINE, 1, 1);
	if (image->version >= 4)
		put(image, IMAGE_LINE, 1, 1);
	put(image, IMAGE_LINE, 1, 1);
	put(image, IMAGE_LINE, 0xfb, 1); /* -5 */
	put(image, IMAGE_LINE, 14, 1);
	put(image, IMAGE_LINE, sizeof(operands) + 1, 1);
	buf_append(buf, operands, sizeof(operands));
	if (image->version >= 5) {
		put(image, IMAGE_LINE, 0x080101, 3); /* one entry: path, string */
		put(image, IMAGE_LINE, 2, 1);
		put_text(image, IMAGE_LINE, "/src");
		put_text(image, IMAGE_LINE, "lib");
		put(image, IMAGE_LINE, 0x0b021f0102, 5); /* path line_strp, directory data1 */
		put(image, IMAGE_LINE, 3, 1);
		put_text(image, IMAGE_LINE_STR, "main.c");
		put_text(image, IMAGE_LINE_STR, "inner.h");
		for (int i = 0; i < 3; i++) {
			put_offset(image, IMAGE_LINE, i == 2 ? 7 : 0);
			put(image, IMAGE_LINE, i == 2, 1);
		}
	} else {
		put_text(image, IMAGE_LINE, "lib");
		put(image, IMAGE_LINE, 0, 1);
		put_text(image, IMAGE_LINE, "main.c");
		put(image, IMAGE_LINE, 0, 3);
		put_text(image, IMAGE_LINE, "inner.h");
		put(image, IMAGE_LINE, 1, 3);
		put(image, IMAGE_LINE, 0, 1);
	}
	end_length(image, IMAGE_LINE, header);
	buf_append(buf, set_address, sizeof(set_address));
	put(image, IMAGE_LINE, T, 8);
	buf_append(buf, program, sizeof(program));
	end_length(image, IMAGE_LINE, start);
}

/* outer() [T, T + 0x100) with inner() inlined [T + 0x10, T + 0x20). */
static inline void put_example(struct image *image)
{
	size_t start = begin_unit(image), inner;

	put_unit_die(image, T, 0x100);
	inner = at(image) - image->unit;
	put(image, IMAGE_INFO, ABSTRACT, 1);
	put_text(image, IMAGE_INFO, "inner");
	put_function(image, "outer", "_Z5outerv", T, 0x100);
	put_inlined(image, inner, T + 0x10, 0x10);
	put_end(image);
	put_end(image);
	end_length(image, IMAGE_INFO, start);
	put_lines(image);
}

/* --- asking it ---------------------------------------------------------------------------------------------------- */

struct opened {
	struct elf_file *file;
	struct dwarf *dwarf; /* NULL: none */
};

static inline struct elf_file *image_file(const struct image *image, uint64_t flags, const char *suffix)
{
	struct image_bytes sections[IMAGE_SECTIONS];
	struct elf_file *file = NULL;

	for (int i = 0; i < IMAGE_SECTIONS; i++)
		sections[i] = (struct image_bytes){image->sections[i].data, image->sections[i].len};
	assert_int_equal(elf_file_open(dwarf_image_fd_named(sections, flags, suffix), &file), 0);
	return file;
}

static inline struct opened image_open(const struct image *image, size_t cache_bytes)
{
	struct opened opened = {image_file(image, 0, ""), NULL};

	if (dwarf_open(&(struct dwarf_files){.file = opened.file}, cache_bytes, &opened.dwarf))
		opened.dwarf = NULL;
	return opened;
}

static inline void close_opened(struct opened *opened)
{
	dwarf_free(opened->dwarf);
	elf_file_free(opened->file);
}

/* "name|linkage file:line:column" of each frame, " < " between; "" when nothing is known. */
static const char *ask(struct dwarf *dwarf, uint64_t va)
{
	static char text[4096];
	struct dwarf_frames frames;
	size_t len = 0;
	int err;

	assert_non_null(dwarf);
	err = dwarf_find(dwarf, va, &frames);
	text[0] = 0;
	if (err)
		assert_int_equal(err, -ENOENT);
	for (size_t i = 0; !err && i < frames.n && len < sizeof(text); i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s|%s %s:%u:%u", i ? " < " : "",
					frames.items[i].name, frames.items[i].linkage_name, frames.items[i].file,
					frames.items[i].line, frames.items[i].column);
	return text;
}

/* What put_example() put. */
#define IN_OUTER "outer|_Z5outerv /src/main.c:10:0"
#define IN_INNER "inner| /src/lib/inner.h:4:5 < outer|_Z5outerv /src/main.c:7:3"
#define BEHIND_INNER "outer|_Z5outerv /src/main.c:11:0"
