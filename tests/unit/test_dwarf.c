/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/buf.h"
#include "dwarf/dwarf.h"
#include "dwarf_image.h"
#include "elf/elf_file.h"
#include "oom.h"

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
	NO_FUNCTION = 99
};

struct image {
	uint16_t version;
	bool is_64;
	struct buf sections[IMAGE_SECTIONS];
	size_t unit; /* where the open one starts */
};

static void put(struct image *image, int section, uint64_t value, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_append_byte(&image->sections[section], i < sizeof(value) ? (uint8_t)(value >> 8 * i) : 0);
}

static void put_text(struct image *image, int section, const char *text)
{
	buf_append(&image->sections[section], text, strlen(text) + 1);
}

static void put_offset(struct image *image, int section, uint64_t value)
{
	put(image, section, value, image->is_64 ? 8 : 4);
}

static size_t at(const struct image *image)
{
	return image->sections[IMAGE_INFO].len;
}

static void put_abbrevs(struct image *image)
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
		INLINED_ABROAD, 0x1d, 0, 0x31, 0xa0, 0x3e, 0x11, 0x01, 0x12, 0x06, 0, 0, 0};

	buf_append(&image->sections[IMAGE_ABBREV], abbrevs, sizeof(abbrevs));
}

static void image_init(struct image *image, uint16_t version, bool is_64)
{
	*image = (struct image){.version = version, .is_64 = is_64};
	for (int i = 0; i < IMAGE_SECTIONS; i++)
		buf_init(&image->sections[i], MAX_SECTION_BYTES);
	put_abbrevs(image);
}

static void image_release(struct image *image)
{
	for (int i = 0; i < IMAGE_SECTIONS; i++)
		buf_release(&image->sections[i]);
}

static size_t put_length(struct image *image, int section)
{
	if (image->is_64)
		put(image, section, UINT32_MAX, 4);
	put_offset(image, section, 0);
	return image->sections[section].len;
}

/* What was put since `start` has that length. */
static void end_length(struct image *image, int section, size_t start)
{
	struct buf *buf = &image->sections[section];
	size_t width = image->is_64 ? 8 : 4;

	assert_int_equal(buf->err, 0);
	for (size_t i = 0; i < width; i++)
		buf->data[start - width + i] = (uint8_t)((buf->len - start) >> 8 * i);
}

static size_t begin_unit(struct image *image)
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

static void put_unit_die(struct image *image, uint64_t low, uint64_t bytes)
{
	put(image, IMAGE_INFO, UNIT, 1);
	put(image, IMAGE_INFO, low, 8);
	put(image, IMAGE_INFO, bytes, 8);
	put_offset(image, IMAGE_INFO, 0);
	put_text(image, IMAGE_INFO, "/src");
}

static void put_function(struct image *image, const char *name, const char *linkage, uint64_t low, uint32_t bytes)
{
	put(image, IMAGE_INFO, FUNCTION, 1);
	put_text(image, IMAGE_INFO, name);
	put_text(image, IMAGE_INFO, linkage);
	put(image, IMAGE_INFO, low, 8);
	put(image, IMAGE_INFO, bytes, 4);
}

static void put_range(struct image *image, uint64_t low, uint32_t bytes)
{
	put(image, IMAGE_INFO, low, 8);
	put(image, IMAGE_INFO, bytes, 4);
}

/* What is inlined: `origin` counts from the unit. */
static void put_inlined(struct image *image, size_t origin, uint64_t low, uint32_t bytes)
{
	put(image, IMAGE_INFO, INLINED, 1);
	put(image, IMAGE_INFO, origin, 4);
	put_range(image, low, bytes);
	put(image, IMAGE_INFO, 1, 1);
	put(image, IMAGE_INFO, 7, 2);
	put(image, IMAGE_INFO, 3, 1);
}

static void put_end(struct image *image)
{
	put(image, IMAGE_INFO, 0, 1);
}

/* main.c:10, from T + 0x10 lib/inner.h:4:5, from T + 0x20 main.c:11, ends at T + 0x100. */
static void put_lines(struct image *image)
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
static void put_example(struct image *image)
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

static struct opened image_open(const struct image *image, size_t cache_bytes)
{
	struct image_bytes sections[IMAGE_SECTIONS];
	struct opened opened = {NULL, NULL};

	for (int i = 0; i < IMAGE_SECTIONS; i++)
		sections[i] = (struct image_bytes){image->sections[i].data, image->sections[i].len};
	assert_int_equal(elf_file_open(dwarf_image_fd(sections, 0), &opened.file), 0);
	if (dwarf_open(&(struct dwarf_files){.file = opened.file}, cache_bytes, &opened.dwarf))
		opened.dwarf = NULL;
	return opened;
}

static void close_opened(struct opened *opened)
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

#define IN_OUTER "outer|_Z5outerv /src/main.c:10:0"
#define IN_INNER "inner| /src/lib/inner.h:4:5 < outer|_Z5outerv /src/main.c:7:3"
#define BEHIND_INNER "outer|_Z5outerv /src/main.c:11:0"

static void functions_inlines_and_lines(void **state)
{
	static const struct {
		uint16_t version;
		bool is_64;
	} kinds[] = {{2, false}, {3, false}, {3, true}, {4, false}, {4, true}, {5, false}, {5, true}};

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct opened opened;
		struct image image;

		image_init(&image, kinds[i].version, kinds[i].is_64);
		put_example(&image);
		opened = image_open(&image, DWARF_CACHE_BYTES);
		assert_non_null(opened.dwarf);
		assert_string_equal(ask(opened.dwarf, T - 1), "");
		assert_string_equal(ask(opened.dwarf, T), IN_OUTER);
		assert_string_equal(ask(opened.dwarf, T + 0xf), IN_OUTER);
		assert_string_equal(ask(opened.dwarf, T + 0x10), IN_INNER);
		assert_string_equal(ask(opened.dwarf, T + 0x1f), IN_INNER);
		assert_string_equal(ask(opened.dwarf, T + 0x20), BEHIND_INNER);
		assert_string_equal(ask(opened.dwarf, T + 0xff), BEHIND_INNER);
		assert_string_equal(ask(opened.dwarf, T + 0x100), "");
		close_opened(&opened);
		image_release(&image);
	}
}

static void units_are_counted_and_their_code_told(void **state)
{
	struct dwarf_summary summary;
	struct opened opened;
	struct image image;
	uint64_t start, limit;
	size_t pos = 0;

	(void)state;
	image_init(&image, 4, false);
	put_example(&image);
	opened = image_open(&image, DWARF_CACHE_BYTES);
	assert_int_equal(dwarf_summarize(opened.dwarf, &summary), 0);
	assert_int_equal(summary.units, 1);
	assert_int_equal(summary.split, 0);
	assert_int_equal(summary.versions, 1u << 4);
	assert_true(dwarf_next_run(opened.dwarf, &pos, &start, &limit));
	assert_int_equal(start, T);
	assert_int_equal(limit, T + 0x100);
	assert_false(dwarf_next_run(opened.dwarf, &pos, &start, &limit));
	close_opened(&opened);
	image_release(&image);
}

static void files_without_dwarf_have_none(void **state)
{
	struct image_bytes sections[IMAGE_SECTIONS] = {{NULL, 0}};
	struct elf_file *file;
	struct dwarf *dwarf;
	struct image image;

	(void)state;
	assert_int_equal(elf_file_open(dwarf_image_fd(sections, 0), &file), 0);
	assert_int_equal(dwarf_open(&(struct dwarf_files){.file = file}, 0, &dwarf), -ENOENT);
	elf_file_free(file);
	/* Compressed ones count as absent. */
	image_init(&image, 5, false);
	put_example(&image);
	for (int i = 0; i < IMAGE_SECTIONS; i++)
		sections[i] = (struct image_bytes){image.sections[i].data, image.sections[i].len};
	assert_int_equal(elf_file_open(dwarf_image_fd(sections, SHF_COMPRESSED), &file), 0);
	assert_int_equal(dwarf_open(&(struct dwarf_files){.file = file}, 0, &dwarf), -ENOENT);
	elf_file_free(file);
	image_release(&image);
}

static void lines_without_a_function_are_a_frame_without_a_name(void **state)
{
	struct opened opened;
	struct image image;
	size_t start;

	(void)state;
	image_init(&image, 5, false);
	start = begin_unit(&image);
	put_unit_die(&image, T, 0x200);
	put_end(&image);
	end_length(&image, IMAGE_INFO, start);
	put_lines(&image);
	opened = image_open(&image, 0);
	assert_string_equal(ask(opened.dwarf, T + 0x10), "| /src/lib/inner.h:4:5");
	assert_string_equal(ask(opened.dwarf, T + 0x100), "");
	close_opened(&opened);
	image_release(&image);
}

static void names_and_ranges_by_index(void **state)
{
	static const uint8_t list[] = {3,    1,	   0x40, 1, 0, 4, 0x80, 0x01, 0x90, 0x01, 5, 0,
				       0x20, 0x40, 0,	 0, 0, 0, 0,	4,    0,    8,	  0};
	struct opened opened;
	struct image image;
	size_t start;

	(void)state;
	image_init(&image, 5, false);
	put(&image, IMAGE_STR, 'x', 2);
	put_text(&image, IMAGE_STR, "indexed");
	start = put_length(&image, IMAGE_STR_OFFSETS);
	put(&image, IMAGE_STR_OFFSETS, 5, 4);
	put(&image, IMAGE_STR_OFFSETS, 0, 4);
	put(&image, IMAGE_STR_OFFSETS, 2, 4);
	end_length(&image, IMAGE_STR_OFFSETS, start);
	start = put_length(&image, IMAGE_ADDR);
	put(&image, IMAGE_ADDR, 0x00080005, 4);
	put(&image, IMAGE_ADDR, T + 0x1000, 8);
	put(&image, IMAGE_ADDR, T, 8);
	end_length(&image, IMAGE_ADDR, start);
	start = put_length(&image, IMAGE_RNGLISTS);
	put(&image, IMAGE_RNGLISTS, 0x00080005, 4);
	put(&image, IMAGE_RNGLISTS, 1, 4);
	put(&image, IMAGE_RNGLISTS, 4, 4);
	buf_append(&image.sections[IMAGE_RNGLISTS], list, sizeof(list));
	end_length(&image, IMAGE_RNGLISTS, start);

	start = begin_unit(&image);
	put(&image, IMAGE_INFO, INDEXED_UNIT, 1);
	put(&image, IMAGE_INFO, 0x0001, 2);
	put(&image, IMAGE_INFO, BASES, 4);
	put(&image, IMAGE_INFO, BASES, 4);
	put(&image, IMAGE_INFO, LISTS_BASE, 4);
	put(&image, IMAGE_INFO, INDEXED_FUNCTION, 1);
	put(&image, IMAGE_INFO, 0x100101, 3);
	put(&image, IMAGE_INFO, INDEXED_FUNCTION, 1);
	put(&image, IMAGE_INFO, 0x01840000, 4);
	put_end(&image);
	end_length(&image, IMAGE_INFO, start);
	opened = image_open(&image, 0);
	assert_string_equal(ask(opened.dwarf, T), "indexed| :0:0");
	assert_string_equal(ask(opened.dwarf, T + 0xf), "indexed| :0:0");
	assert_string_equal(ask(opened.dwarf, T + 0x10), "");
	/* The list has [T, T + 0x40), [T + 0x1080, T + 0x1090) and [T + 0x1000, T + 0x1008). */
	assert_string_equal(ask(opened.dwarf, T + 0x1007), "x| :0:0");
	assert_string_equal(ask(opened.dwarf, T + 0x1008), "");
	assert_string_equal(ask(opened.dwarf, T + 0x1083), "x| :0:0");
	assert_string_equal(ask(opened.dwarf, T + 0x1084), "");
	close_opened(&opened);
	image_release(&image);
}

static void units_without_ranges_are_found_by_aranges(void **state)
{
	(void)state;
	for (int is_64 = 0; is_64 < 2; is_64++) {
		struct opened opened;
		struct image image;
		size_t start;

		image_init(&image, 4, is_64);
		start = begin_unit(&image);
		put(&image, IMAGE_INFO, BLOCK, 1); /* as good a root as any */
		put(&image, IMAGE_INFO, 0, 1);
		put_function(&image, "f", "", T, 0x10);
		put_end(&image);
		put_end(&image);
		end_length(&image, IMAGE_INFO, start);
		start = put_length(&image, IMAGE_ARANGES);
		put(&image, IMAGE_ARANGES, 2, 2);
		put_offset(&image, IMAGE_ARANGES, 0);
		put(&image, IMAGE_ARANGES, 8, 2);
		buf_align(&image.sections[IMAGE_ARANGES], 16);
		put(&image, IMAGE_ARANGES, T, 8);
		put(&image, IMAGE_ARANGES, 0x10, 8);
		put(&image, IMAGE_ARANGES, 0, 16);
		end_length(&image, IMAGE_ARANGES, start);
		opened = image_open(&image, 0);
		assert_string_equal(ask(opened.dwarf, T + 0xf), "f| :0:0");
		assert_string_equal(ask(opened.dwarf, T + 0x10), "");
		close_opened(&opened);
		image_release(&image);
	}
}

static void parts_of_a_function_and_what_the_linker_dropped(void **state)
{
	struct opened opened;
	struct image image;
	size_t start;

	(void)state;
	image_init(&image, 4, false);
	put_text(&image, IMAGE_STR, "split");
	for (int i = 0; i < 2; i++) {
		put(&image, IMAGE_RANGES, i ? 0x80 : 0, 8); /* from the unit's low_pc */
		put(&image, IMAGE_RANGES, i ? 0x90 : 0x10, 8);
	}
	put(&image, IMAGE_RANGES, UINT64_MAX, 8); /* another base */
	put(&image, IMAGE_RANGES, T + 0x40, 8);
	put(&image, IMAGE_RANGES, 0, 8);
	put(&image, IMAGE_RANGES, 8, 8);
	put(&image, IMAGE_RANGES, 0, 8);
	put(&image, IMAGE_RANGES, 0, 8);
	start = begin_unit(&image);
	put_unit_die(&image, T, 0x100);
	put(&image, IMAGE_INFO, RANGED, 1);
	put(&image, IMAGE_INFO, 0, 8);
	put_function(&image, "dropped", "", 0, 0x1000000);
	put_end(&image);
	put_end(&image);
	end_length(&image, IMAGE_INFO, start);
	opened = image_open(&image, 0);
	assert_string_equal(ask(opened.dwarf, T), "split| :0:0");
	assert_string_equal(ask(opened.dwarf, T + 0x10), "");
	assert_string_equal(ask(opened.dwarf, T + 0x47), "split| :0:0");
	assert_string_equal(ask(opened.dwarf, T + 0x48), "");
	assert_string_equal(ask(opened.dwarf, T + 0x8f), "split| :0:0");
	assert_string_equal(ask(opened.dwarf, 0x10), "");
	close_opened(&opened);
	image_release(&image);
}

/* Two units: one whose function is an instance of what the first one has, and one that is broken. */
static void names_from_another_unit_and_broken_units(void **state)
{
	struct opened opened;
	struct image image;
	size_t start, abstract;

	(void)state;
	for (size_t cache = 0; cache <= DWARF_CACHE_BYTES; cache += DWARF_CACHE_BYTES) {
		image_init(&image, 5, false);
		put_example(&image);
		abstract = at(&image);
		start = begin_unit(&image);
		put_unit_die(&image, T + 0x200, 0x100);
		abstract = at(&image);
		put(&image, IMAGE_INFO, ABSTRACT, 1);
		put_text(&image, IMAGE_INFO, "far away");
		put(&image, IMAGE_INFO, NO_FUNCTION, 1);
		end_length(&image, IMAGE_INFO, start);
		start = begin_unit(&image);
		put_unit_die(&image, T + 0x300, 0x100);
		put(&image, IMAGE_INFO, INSTANCE_ELSEWHERE, 1);
		put(&image, IMAGE_INFO, abstract, 4);
		put_range(&image, T + 0x300, 0x10);
		put_end(&image);
		end_length(&image, IMAGE_INFO, start);
		opened = image_open(&image, cache);
		for (int i = 0; i < 2; i++) {
			assert_string_equal(ask(opened.dwarf, T), IN_OUTER);
			assert_string_equal(ask(opened.dwarf, T + 0x200), "");
			assert_string_equal(ask(opened.dwarf, T + 0x300), "far away| :0:0");
		}
		assert_true(dwarf_memory_bytes(opened.dwarf) < 1u << 20);
		close_opened(&opened);
		image_release(&image);
	}
}

static void names_that_lead_in_a_circle_are_none(void **state)
{
	struct opened opened;
	struct image image;
	size_t start, first;

	(void)state;
	image_init(&image, 5, false);
	start = begin_unit(&image);
	put_unit_die(&image, T, 0x100);
	first = at(&image) - image.unit;
	put(&image, IMAGE_INFO, SPECIFIED, 1);
	put(&image, IMAGE_INFO, first + 17, 4);
	put_range(&image, T, 0x10);
	assert_int_equal(at(&image) - image.unit, first + 17);
	put(&image, IMAGE_INFO, SPECIFIED, 1);
	put(&image, IMAGE_INFO, first, 4);
	put_range(&image, T + 0x10, 0x10);
	/* And others that lead nowhere. */
	put(&image, IMAGE_INFO, SPECIFIED, 1);
	put(&image, IMAGE_INFO, UINT32_MAX, 4);
	put_range(&image, T + 0x20, 0x10);
	put(&image, IMAGE_INFO, SPECIFIED, 1);
	put(&image, IMAGE_INFO, 1, 4);
	put_range(&image, T + 0x30, 0x10);
	put(&image, IMAGE_INFO, INLINED_ABROAD, 1);
	put(&image, IMAGE_INFO, 1, 4);
	put_range(&image, T + 0x40, 0x10);
	put_end(&image);
	end_length(&image, IMAGE_INFO, start);
	opened = image_open(&image, 0);
	for (uint64_t va = T; va < T + 0x50; va += 0x10)
		assert_string_equal(ask(opened.dwarf, va), "| :0:0");
	close_opened(&opened);
	image_release(&image);
}

static void trees_too_deep_have_no_functions(void **state)
{
	struct opened opened;
	struct image image;
	size_t start;

	(void)state;
	for (unsigned int depth = 1000; depth <= 2000; depth += 1000) {
		image_init(&image, 5, false);
		start = begin_unit(&image);
		put_unit_die(&image, T, 0x100);
		put_function(&image, "f", "", T, 0x100);
		for (unsigned int i = 0; i < depth; i++)
			put(&image, IMAGE_INFO, BLOCK | 0xee0100, 3);
		for (unsigned int i = 0; i < depth + 2; i++)
			put_end(&image);
		end_length(&image, IMAGE_INFO, start);
		opened = image_open(&image, 0);
		assert_string_equal(ask(opened.dwarf, T), depth == 1000 ? "f| :0:0" : "");
		close_opened(&opened);
		image_release(&image);
	}
}

/* --- other files that a file names ------------------------------------------------------------------------------- */

static int link_of(int section, const void *bytes, size_t n, struct dwarf_link *ret)
{
	struct image_bytes sections[IMAGE_SECTIONS] = {{NULL, 0}};
	struct elf_file *file;
	int err;

	sections[section] = (struct image_bytes){bytes, n};
	assert_int_equal(elf_file_open(dwarf_image_fd(sections, 0), &file), 0);
	err = dwarf_supplementary_of(file, ret);
	elf_file_free(file);
	return err;
}

static void the_supplementary_file_is_told_without_its_folder(void **state)
{
	static const char gnu[] = "../../.dwz/common.debug\0IDID", standard[] = "\5\0\0/a/common.debug\0\4IDID";
	struct dwarf_link link;

	(void)state;
	assert_int_equal(link_of(IMAGE_ALTLINK, gnu, sizeof(gnu) - 1, &link), 0);
	assert_string_equal(link.name, "common.debug");
	assert_int_equal(link.id_bytes, 4);
	assert_memory_equal(link.id, "IDID", 4);
	assert_int_equal(link_of(IMAGE_SUP, standard, sizeof(standard) - 1, &link), 0);
	assert_string_equal(link.name, "common.debug");
	assert_int_equal(link.id_bytes, 4);
	assert_memory_equal(link.id, "IDID", 4);
}

static void links_that_lead_nowhere_are_none(void **state)
{
	static const struct {
		int section;
		const char *bytes;
		size_t n;
		int err;
	} cases[] = {
		{IMAGE_ALTLINK, "", 0, -ENOENT},
		{IMAGE_ALTLINK, "name", 4, -EBADMSG},
		{IMAGE_ALTLINK, "name\0", 5, -EBADMSG},
		{IMAGE_ALTLINK, "a/\0ID", 5, -EBADMSG},
		{IMAGE_ALTLINK, "a/..\0ID", 7, -EBADMSG},
		{IMAGE_ALTLINK, ".\0ID", 4, -EBADMSG},
		{IMAGE_SUP, "\5\0\1\0\2ID", 7, -ENOENT},
		{IMAGE_SUP, "\5\0\0name\0\3ID", 11, -EBADMSG},
		{IMAGE_SUP, "\6\0\0name\0\2ID", 11, -EBADMSG},
		{IMAGE_INFO, "", 0, -ENOENT},
	};
	char text[DWARF_MAX_NAME_BYTES + 2];
	struct dwarf_link link;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(link_of(cases[i].section, cases[i].bytes, cases[i].n, &link), cases[i].err);
	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 2] = 0; /* one too many */
	assert_int_equal(link_of(IMAGE_ALTLINK, text, sizeof(text), &link), -EBADMSG);
	assert_int_equal(link_of(IMAGE_ALTLINK, text + 1, sizeof(text) - 1, &link), 0);
	memset(text, 0, sizeof(text));
	text[0] = 'a';
	assert_int_equal(link_of(IMAGE_ALTLINK, text, 2 + DWARF_MAX_LINK_ID_BYTES + 1, &link), -EBADMSG);
	assert_int_equal(link_of(IMAGE_ALTLINK, text, 2 + DWARF_MAX_LINK_ID_BYTES, &link), 0);
}

/* --- whatever the bytes are --------------------------------------------------------------------------------------- */

static void ask_around(const struct image *image)
{
	struct opened opened = image_open(image, 0);

	for (uint64_t va = T; opened.dwarf && va < T + 0x30; va += 0x10)
		ask(opened.dwarf, va);
	close_opened(&opened);
}

static void put_mixed(struct image *image, uint16_t version)
{
	size_t start;

	image_init(image, version, false);
	put_text(image, IMAGE_STR, "split");
	put(image, IMAGE_RANGES, 0, 8);
	put(image, IMAGE_RANGES, 0x10, 8);
	put(image, IMAGE_RANGES, 0, 16);
	put(image, IMAGE_RNGLISTS, 0x00100004, 4);
	put_example(image);
	start = begin_unit(image);
	put_unit_die(image, T + 0x100, 0x100);
	put(image, IMAGE_INFO, RANGED, 1);
	put(image, IMAGE_INFO, 0, 8);
	put_end(image);
	end_length(image, IMAGE_INFO, start);
	start = begin_unit(image);
	put(image, IMAGE_INFO, BLOCK, 2);
	put_end(image);
	end_length(image, IMAGE_INFO, start);
	start = put_length(image, IMAGE_ARANGES);
	put(image, IMAGE_ARANGES, 2, 2);
	put_offset(image, IMAGE_ARANGES, image->unit);
	put(image, IMAGE_ARANGES, 8, 6);
	put(image, IMAGE_ARANGES, T + 0x20, 8);
	put(image, IMAGE_ARANGES, 0x10, 8);
	end_length(image, IMAGE_ARANGES, start);
}

static void sections_cut_anywhere(void **state)
{
	(void)state;
	for (uint16_t version = 4; version <= 5; version++) {
		struct image image;

		put_mixed(&image, version);
		for (int i = 0; i < IMAGE_SECTIONS; i++) {
			size_t whole = image.sections[i].len;

			for (size_t n = 0; n < whole; n++) {
				image.sections[i].len = n;
				ask_around(&image);
			}
			image.sections[i].len = whole;
		}
		image_release(&image);
	}
}

static void numbers_replaced_anywhere(void **state)
{
	static const struct {
		uint8_t byte;
		size_t n;
	} replacements[] = {{0xff, 1}, {0xff, 4}, {0xff, 8}, {0, 1}, {0, 4}, {0x7f, 1}, {0x80, 1}, {0x80, 12}};

	(void)state;
	for (uint16_t version = 4; version <= 5; version++) {
		struct image image;

		put_mixed(&image, version);
		for (int i = 0; i < IMAGE_SECTIONS; i++) {
			struct buf *buf = &image.sections[i];

			for (size_t place = 0; place < buf->len; place++) {
				for (size_t r = 0; r < sizeof(replacements) / sizeof(replacements[0]); r++) {
					uint8_t saved[12];
					size_t n = replacements[r].n;

					n = n < buf->len - place ? n : buf->len - place;
					memcpy(saved, buf->data + place, n);
					memset(buf->data + place, replacements[r].byte, n);
					ask_around(&image);
					memcpy(buf->data + place, saved, n);
				}
			}
		}
		image_release(&image);
	}
}

static void memory_that_is_not_there_is_an_error_once(void **state)
{
	struct dwarf_frames frames;
	struct image image;

	(void)state;
	image_init(&image, 5, false);
	put_example(&image);
	for (unsigned long nth = 1; nth < 64; nth++) {
		struct opened opened = image_open(&image, DWARF_CACHE_BYTES);
		int err;

		assert_non_null(opened.dwarf);
		oom_fail_at(nth);
		err = dwarf_find(opened.dwarf, T + 0x10, &frames);
		oom_fail_at(0);
		assert_true(err == 0 || err == -ENOMEM);
		assert_string_equal(ask(opened.dwarf, T + 0x10), IN_INNER);
		close_opened(&opened);
		if (!err)
			break;
		assert_int_not_equal(nth, 63);
	}
	image_release(&image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(functions_inlines_and_lines),
		cmocka_unit_test(units_are_counted_and_their_code_told),
		cmocka_unit_test(files_without_dwarf_have_none),
		cmocka_unit_test(lines_without_a_function_are_a_frame_without_a_name),
		cmocka_unit_test(names_and_ranges_by_index),
		cmocka_unit_test(units_without_ranges_are_found_by_aranges),
		cmocka_unit_test(parts_of_a_function_and_what_the_linker_dropped),
		cmocka_unit_test(names_from_another_unit_and_broken_units),
		cmocka_unit_test(names_that_lead_in_a_circle_are_none),
		cmocka_unit_test(trees_too_deep_have_no_functions),
		cmocka_unit_test(the_supplementary_file_is_told_without_its_folder),
		cmocka_unit_test(links_that_lead_nowhere_are_none),
		cmocka_unit_test(sections_cut_anywhere),
		cmocka_unit_test(numbers_replaced_anywhere),
		cmocka_unit_test(memory_that_is_not_there_is_an_error_once),
	};

	return cmocka_run_group_tests_name("dwarf", tests, NULL, NULL);
}
