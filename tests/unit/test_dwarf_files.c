/* SPDX-License-Identifier: Apache-2.0 */
/* DWARF that lies in several files, or packed: what dwz shares, split units and their packages, compressed sections. */
#include "test.h"

#include <elf.h>
#include <zlib.h>

#include "dwarf_maker.h"
#include "oom.h"

/* Replaces the abbreviations. */
static void put_abbrevs_of(struct image *image, const void *bytes, size_t n)
{
	buf_clear(&image->sections[IMAGE_ABBREV]);
	buf_append(&image->sections[IMAGE_ABBREV], bytes, n);
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

/* --- what dwz shares ---------------------------------------------------------------------------------------------- */

/* In the file: f() with the name in the other one, and g() whose whole DIE is there. */
static void names_in_the_supplementary_file(void **state)
{
	static const struct {
		uint16_t version, text_form, die_form;
		size_t die_bytes;
	} cases[] = {{4, 0x1f21, 0x1f20, 4}, {5, 0x1d, 0x1c, 4}, {5, 0x1d, 0x24, 8}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t text_low = (uint8_t)(cases[i].text_form | 0x80), die_low = (uint8_t)(cases[i].die_form | 0x80);
		uint8_t high = cases[i].version < 5 ? 0x3e : 0;
		/* Long forms of numbers: both are as good. */
		const uint8_t abbrevs[] = {UNIT, 0x11, 1, 0x11, 0x01, 0x12, 0x07, 0x10, 0x17, 0x1b, 0x08, 0, 0,
					   /* name in the other file, low_pc, high_pc data4 */
					   FUNCTION, 0x2e, 0, 0x03, text_low, high, 0x11, 0x01, 0x12, 0x06, 0, 0,
					   /* abstract_origin in the other file, low_pc, high_pc data4 */
					   SPECIFIED, 0x2e, 0, 0x31, die_low, high, 0x11, 0x01, 0x12, 0x06, 0, 0, 0};
		static const uint8_t shared_abbrevs[] = {/* partial_unit; name string; name strp */
							 1, 0x3c, 1, 0,	   0, 2,    0x2e, 0, 0x03, 0x08,
							 0, 0,	  3, 0x2e, 0, 0x03, 0x0e, 0, 0,	   0};
		struct image image, shared;
		struct elf_file *file, *other;
		struct dwarf *dwarf;
		size_t start, die;

		image_init(&shared, cases[i].version, false);
		put_abbrevs_of(&shared, shared_abbrevs, sizeof(shared_abbrevs));
		put_text(&shared, IMAGE_STR, "f");
		put_text(&shared, IMAGE_STR, "g");
		for (int unit = 0; unit < 2; unit++) {
			start = begin_unit(&shared);
			put(&shared, IMAGE_INFO, 1, 1);
			put(&shared, IMAGE_INFO, 2, 1);
			put_text(&shared, IMAGE_INFO, "somebody");
			die = at(&shared);
			put(&shared, IMAGE_INFO, 3, 1);
			put(&shared, IMAGE_INFO, 2, 4);
			put_end(&shared);
			end_length(&shared, IMAGE_INFO, start);
		}
		image_init(&image, cases[i].version, false);
		put_abbrevs_of(&image, abbrevs, sizeof(abbrevs));
		start = begin_unit(&image);
		put_unit_die(&image, T, 0x100);
		put(&image, IMAGE_INFO, FUNCTION, 1);
		put(&image, IMAGE_INFO, 0, 4);
		put_range(&image, T, 0x10);
		put(&image, IMAGE_INFO, SPECIFIED, 1);
		put(&image, IMAGE_INFO, die, cases[i].die_bytes);
		put_range(&image, T + 0x10, 0x10);
		put(&image, IMAGE_INFO, SPECIFIED, 1);
		put(&image, IMAGE_INFO, UINT32_MAX, cases[i].die_bytes);
		put_range(&image, T + 0x20, 0x10);
		put_end(&image);
		end_length(&image, IMAGE_INFO, start);
		file = image_file(&image, 0, "");
		other = image_file(&shared, 0, "");
		assert_int_equal(dwarf_open(&(struct dwarf_files){.file = file, .supplementary = other}, 0, &dwarf), 0);
		assert_string_equal(ask(dwarf, T), "f| :0:0");
		assert_string_equal(ask(dwarf, T + 0x10), "g| :0:0");
		assert_string_equal(ask(dwarf, T + 0x20), "| :0:0");
		dwarf_free(dwarf);
		assert_int_equal(dwarf_open(&(struct dwarf_files){.file = file}, 0, &dwarf), 0);
		assert_string_equal(ask(dwarf, T), "| :0:0");
		assert_string_equal(ask(dwarf, T + 0x10), "| :0:0");
		dwarf_free(dwarf);
		elf_file_free(file);
		elf_file_free(other);
		image_release(&image);
		image_release(&shared);
	}
}

/* --- split units -------------------------------------------------------------------------------------------------- */

#define ID 0x1122334455667788u

/* Who gives the other half. */
struct giver {
	const struct elf_file *file; /* NULL: there is none */
	int err;
	unsigned int asked;
	char name[DWARF_MAX_NAME_BYTES];
	uint64_t id;
};

static int give(void *ctx, const char *base_name, uint64_t id, const struct elf_file **ret)
{
	struct giver *giver = ctx;

	giver->asked++;
	snprintf(giver->name, sizeof(giver->name), "%s", base_name);
	giver->id = id;
	if (giver->err || !giver->file)
		return giver->err ? giver->err : -ENOENT;
	*ret = giver->file;
	return 0;
}

/* A skeleton at T, of 0x100 bytes, with two addresses: T + 0x10 and T + 0x40. */
static void put_skeleton(struct image *image, uint16_t version)
{
	static const uint8_t abbrevs[] = {
		/* 5: skeleton_unit: low_pc addr, high_pc data8, stmt_list, comp_dir string, dwo_name string, addr_base
		 */
		5, 0x4a, 0, 0x11, 0x01, 0x12, 0x07, 0x10, 0x17, 0x1b, 0x08, 0x76, 0x08, 0x73, 0x17, 0, 0,
		/* 4: compile_unit: the same, with GNU_dwo_name, GNU_addr_base, and GNU_dwo_id data8, GNU_ranges_base */
		4, 0x11, 0, 0x11, 0x01, 0x12, 0x07, 0x10, 0x17, 0x1b, 0x08, 0xb0, 0x42, 0x08, 0xb3, 0x42, 0x17, 0xb1,
		0x42, 0x07, 0xb2, 0x42, 0x17, 0, 0, 0};
	size_t start;

	image_init(image, version, false);
	put_abbrevs_of(image, abbrevs, sizeof(abbrevs));
	put(image, IMAGE_ADDR, 0, 16); /* of another unit */
	put(image, IMAGE_ADDR, T + 0x10, 8);
	put(image, IMAGE_ADDR, T + 0x40, 8);
	put(image, IMAGE_RANGES, 0, 16);
	put(image, IMAGE_RANGES, 0x40, 8);
	put(image, IMAGE_RANGES, 0x50, 8);
	put(image, IMAGE_RANGES, 0, 16);
	image->unit = 0;
	start = put_length(image, IMAGE_INFO);
	put(image, IMAGE_INFO, version, 2);
	if (version >= 5)
		put(image, IMAGE_INFO, 0x0804, 2); /* skeleton, addresses of 8 bytes */
	put(image, IMAGE_INFO, 0, 4);
	if (version < 5)
		put(image, IMAGE_INFO, 8, 1);
	else
		put(image, IMAGE_INFO, ID, 8);
	put(image, IMAGE_INFO, version, 1);
	put(image, IMAGE_INFO, T, 8);
	put(image, IMAGE_INFO, 0x100, 8);
	put(image, IMAGE_INFO, 0, 4);
	put_text(image, IMAGE_INFO, "/src");
	put_text(image, IMAGE_INFO, "../../etc/one.dwo");
	put(image, IMAGE_INFO, 16, 4);
	if (version < 5) {
		put(image, IMAGE_INFO, ID, 8);
		put(image, IMAGE_INFO, 16, 4);
	}
	end_length(image, IMAGE_INFO, start);
	put_lines(image);
}

/* f() at the first address, 0x10 bytes; g() as a list of ranges at the second one. `id` is the unit's; offsets count
 * from what is in the sections already, as in a part of a package. */
static void put_half(struct image *image, uint64_t id)
{
	const uint16_t version = image->version;
	static const uint8_t abbrevs[] = {/* 5: compile_unit: dwo_name string, as clang has it */
					  5, 0x11, 1, 0x76, 0x08, 0, 0,
					  /* 4: compile_unit: GNU_dwo_id data8 */
					  4, 0x11, 1, 0xb1, 0x42, 0x07, 0, 0,
					  /* 6: name strx1, low_pc addrx, high_pc udata */
					  6, 0x2e, 0, 0x03, 0x25, 0x11, 0x1b, 0x12, 0x0f, 0, 0,
					  /* 7: name GNU_str_index, low_pc GNU_addr_index, high_pc udata */
					  7, 0x2e, 0, 0x03, 0x82, 0x3e, 0x11, 0x81, 0x3e, 0x12, 0x0f, 0, 0,
					  /* 8: name strx1, ranges rnglistx */
					  8, 0x2e, 0, 0x03, 0x25, 0x55, 0x23, 0, 0,
					  /* 9: name GNU_str_index, ranges sec_offset */
					  9, 0x2e, 0, 0x03, 0x82, 0x3e, 0x55, 0x17, 0, 0, 0};
	size_t start;

	buf_append(&image->sections[IMAGE_ABBREV], abbrevs, sizeof(abbrevs));
	if (version >= 5) {
		start = put_length(image, IMAGE_STR_OFFSETS);
		put(image, IMAGE_STR_OFFSETS, 5, 4);
	}
	put(image, IMAGE_STR_OFFSETS, 0, 4);
	put(image, IMAGE_STR_OFFSETS, 2, 4);
	if (version >= 5) {
		end_length(image, IMAGE_STR_OFFSETS, start);
		start = put_length(image, IMAGE_RNGLISTS);
		put(image, IMAGE_RNGLISTS, 0x00080005, 4);
		put(image, IMAGE_RNGLISTS, 1, 4);
		put(image, IMAGE_RNGLISTS, 4, 4);
		put(image, IMAGE_RNGLISTS, 0x100103, 3); /* startx_length */
		put(image, IMAGE_RNGLISTS, 0, 1);
		end_length(image, IMAGE_RNGLISTS, start);
	}
	start = put_length(image, IMAGE_INFO);
	put(image, IMAGE_INFO, version, 2);
	if (version >= 5)
		put(image, IMAGE_INFO, 0x0805, 2); /* split_compile */
	put(image, IMAGE_INFO, 0, 4);
	if (version < 5)
		put(image, IMAGE_INFO, 8, 1);
	else
		put(image, IMAGE_INFO, id, 8);
	put(image, IMAGE_INFO, version, 1);
	if (version < 5)
		put(image, IMAGE_INFO, id, 8);
	else
		put_text(image, IMAGE_INFO, "one.dwo");
	put(image, IMAGE_INFO, version >= 5 ? 6 : 7, 1);
	put(image, IMAGE_INFO, 0x100000, 3);
	put(image, IMAGE_INFO, version >= 5 ? 8 : 9, 1);
	put(image, IMAGE_INFO, 1, 1);
	put(image, IMAGE_INFO, 0, version >= 5 ? 1 : 4);
	put_end(image);
	end_length(image, IMAGE_INFO, start);
}

static void half_init(struct image *image, uint16_t version)
{
	image_init(image, version, false);
	buf_clear(&image->sections[IMAGE_ABBREV]);
	put_text(image, IMAGE_STR, "f");
	put_text(image, IMAGE_STR, "g");
}

static struct dwarf *open_split(const struct elf_file *file, struct giver *giver)
{
	struct dwarf *dwarf;

	assert_int_equal(dwarf_open(&(struct dwarf_files){.file = file, .split = give, .ctx = giver}, 0, &dwarf), 0);
	return dwarf;
}

static void expect_both_halves(struct dwarf *dwarf)
{
	assert_string_equal(ask(dwarf, T + 0x10), "f| /src/lib/inner.h:4:5");
	assert_string_equal(ask(dwarf, T + 0x1f), "f| /src/lib/inner.h:4:5");
	assert_string_equal(ask(dwarf, T + 0x20), "| /src/main.c:11:0");
	assert_string_equal(ask(dwarf, T + 0x40), "g| /src/main.c:11:0");
	assert_string_equal(ask(dwarf, T + 0x4f), "g| /src/main.c:11:0");
	assert_string_equal(ask(dwarf, T + 0x50), "| /src/main.c:11:0");
}

static void split_units_have_their_functions_elsewhere(void **state)
{
	(void)state;
	for (uint16_t version = 4; version <= 5; version++) {
		struct image image, half;
		struct giver giver = {0};
		struct elf_file *file, *other;
		struct dwarf *dwarf;

		put_skeleton(&image, version);
		half_init(&half, version);
		put_half(&half, ID + 1); /* some linkers' .dwo files have several */
		half.sections[IMAGE_ABBREV].len = half.sections[IMAGE_STR_OFFSETS].len = 0;
		half.sections[IMAGE_RNGLISTS].len = 0;
		put_half(&half, ID);
		file = image_file(&image, 0, "");
		giver.file = other = image_file(&half, 0, ".dwo");
		dwarf = open_split(file, &giver);
		assert_int_equal(giver.asked, 0);
		expect_both_halves(dwarf);
		assert_int_equal(giver.asked, 1);
		assert_string_equal(giver.name, "one.dwo");
		assert_true(giver.id == ID);
		dwarf_free(dwarf);
		elf_file_free(file);
		elf_file_free(other);
		image_release(&image);
		image_release(&half);
	}
}

/* Two units, the wanted one is the second; the parts in a table as in 7.3.5.3. */
static void put_package(struct image *image, uint16_t version)
{
	static const int sections[] = {IMAGE_INFO, IMAGE_ABBREV, IMAGE_STR_OFFSETS, IMAGE_RNGLISTS};
	static const uint32_t columns[] = {1, 3, 6, 8};
	const size_t n = version >= 5 ? 4 : 3;
	size_t starts[2][4], limits[2][4];

	half_init(image, version);
	for (size_t unit = 0; unit < 2; unit++) {
		if (unit)
			put(image, IMAGE_ABBREV, 0, 3); /* between the parts */
		for (size_t i = 0; i < n; i++)
			starts[unit][i] = image->sections[sections[i]].len;
		put_half(image, ID + !unit * 2);
		for (size_t i = 0; i < n; i++)
			limits[unit][i] = image->sections[sections[i]].len;
	}
	put(image, IMAGE_CU_INDEX, version >= 5 ? 5 : 2, 4);
	put(image, IMAGE_CU_INDEX, n, 4);
	put(image, IMAGE_CU_INDEX, 2, 4);
	put(image, IMAGE_CU_INDEX, 4, 4);
	/* ID has slot 0, which another one has already; its step is 1. ID + 2 has slot 2. */
	put(image, IMAGE_CU_INDEX, ID + 4, 8);
	put(image, IMAGE_CU_INDEX, ID, 8);
	put(image, IMAGE_CU_INDEX, ID + 2, 8);
	put(image, IMAGE_CU_INDEX, 0, 8);
	put(image, IMAGE_CU_INDEX, 1, 4);
	put(image, IMAGE_CU_INDEX, 2, 4);
	put(image, IMAGE_CU_INDEX, 1, 4);
	put(image, IMAGE_CU_INDEX, 0, 4);
	for (size_t i = 0; i < n; i++)
		put(image, IMAGE_CU_INDEX, columns[i], 4);
	for (size_t unit = 0; unit < 2; unit++)
		for (size_t i = 0; i < n; i++)
			put(image, IMAGE_CU_INDEX, starts[unit][i], 4);
	for (size_t unit = 0; unit < 2; unit++)
		for (size_t i = 0; i < n; i++)
			put(image, IMAGE_CU_INDEX, limits[unit][i] - starts[unit][i], 4);
}

static void packages_have_many_split_units(void **state)
{
	(void)state;
	for (uint16_t version = 4; version <= 5; version++) {
		struct image image, package;
		struct giver giver = {0};
		struct elf_file *file, *other;
		struct dwarf *dwarf;

		put_skeleton(&image, version);
		put_package(&package, version);
		file = image_file(&image, 0, "");
		giver.file = other = image_file(&package, 0, ".dwo");
		dwarf = open_split(file, &giver);
		expect_both_halves(dwarf);
		dwarf_free(dwarf);
		elf_file_free(other);

		/* Another's package. */
		package.sections[IMAGE_CU_INDEX].data[24]++;
		giver.file = other = image_file(&package, 0, ".dwo");
		dwarf = open_split(file, &giver);
		assert_string_equal(ask(dwarf, T + 0x10), "| /src/lib/inner.h:4:5");
		dwarf_free(dwarf);
		elf_file_free(other);
		elf_file_free(file);
		image_release(&image);
		image_release(&package);
	}
}

static void halves_that_are_not_there(void **state)
{
	struct dwarf_frames frames;
	struct image image, half;
	struct giver giver = {.err = -EAGAIN};
	struct elf_file *file, *other;
	struct dwarf *dwarf;

	(void)state;
	put_skeleton(&image, 5);
	half_init(&half, 5);
	put_half(&half, ID);
	file = image_file(&image, 0, "");
	other = image_file(&half, 0, ".dwo");

	/* Not yet. */
	dwarf = open_split(file, &giver);
	assert_int_equal(dwarf_find(dwarf, T + 0x10, &frames), -EAGAIN);
	assert_int_equal(dwarf_find(dwarf, T + 0x10, &frames), -EAGAIN);
	giver.err = 0;
	giver.file = other;
	expect_both_halves(dwarf);
	dwarf_free(dwarf);

	/* Nowhere. */
	giver = (struct giver){0};
	dwarf = open_split(file, &giver);
	assert_string_equal(ask(dwarf, T + 0x10), "| /src/lib/inner.h:4:5");
	assert_string_equal(ask(dwarf, T + 0x40), "| /src/main.c:11:0");
	assert_int_equal(giver.asked, 1);
	dwarf_free(dwarf);
	assert_int_equal(dwarf_open(&(struct dwarf_files){.file = file}, 0, &dwarf), 0);
	assert_string_equal(ask(dwarf, T + 0x10), "| /src/lib/inner.h:4:5");
	dwarf_free(dwarf);
	elf_file_free(other);

	/* Of another build. */
	half.sections[IMAGE_INFO].data[12]++;
	giver.file = other = image_file(&half, 0, ".dwo");
	dwarf = open_split(file, &giver);
	assert_string_equal(ask(dwarf, T + 0x10), "| /src/lib/inner.h:4:5");
	dwarf_free(dwarf);
	elf_file_free(other);
	elf_file_free(file);
	image_release(&image);
	image_release(&half);
}

/* --- packed sections ---------------------------------------------------------------------------------------------- */

static void pack(struct buf *buf, uint64_t claimed)
{
	Elf64_Chdr chdr = {.ch_type = ELFCOMPRESS_ZLIB, .ch_size = claimed ? claimed : buf->len, .ch_addralign = 1};
	uLongf n = compressBound(buf->len);
	uint8_t *packed = test_malloc(n);

	assert_int_equal(compress(packed, &n, buf->data, buf->len), Z_OK);
	buf_clear(buf);
	buf_append(buf, &chdr, sizeof(chdr));
	buf_append(buf, packed, n);
	test_free(packed);
}

static void pack_all(struct image *image)
{
	for (int i = 0; i < IMAGE_SECTIONS; i++)
		pack(&image->sections[i], 0);
}

static void packed_sections_are_unpacked(void **state)
{
	struct image image;
	struct elf_file *file;
	struct dwarf *dwarf;

	(void)state;
	image_init(&image, 5, false);
	put_example(&image);
	pack_all(&image);
	file = image_file(&image, SHF_COMPRESSED, "");
	assert_int_equal(dwarf_open(&(struct dwarf_files){.file = file}, 0, &dwarf), 0);
	assert_string_equal(ask(dwarf, T + 0x10), IN_INNER);
	assert_string_equal(ask(dwarf, T + 0x20), BEHIND_INNER);
	dwarf_free(dwarf);
	elf_file_free(file);
	image_release(&image);
}

static void packed_split_units_and_packages(void **state)
{
	(void)state;
	for (int is_package = 0; is_package < 2; is_package++) {
		struct image image, half;
		struct giver giver = {0};
		struct elf_file *file, *other;
		struct dwarf *dwarf;

		put_skeleton(&image, 5);
		if (is_package) {
			put_package(&half, 5);
		} else {
			half_init(&half, 5);
			put_half(&half, ID);
		}
		for (int i = 0; i < IMAGE_CU_INDEX; i++)
			pack(&half.sections[i], 0);
		if (!is_package)
			pack_all(&image);
		file = image_file(&image, is_package ? 0 : SHF_COMPRESSED, "");
		/* The flag is of the index, too, which nobody packs. */
		giver.file = other = image_file(&half, SHF_COMPRESSED, ".dwo");
		dwarf = open_split(file, &giver);
		expect_both_halves(dwarf);
		dwarf_free(dwarf);
		elf_file_free(file);
		elf_file_free(other);
		image_release(&image);
		image_release(&half);
	}
}

struct temporary {
	int err;
	unsigned int asked;
};

static int make_temporary(void *ctx, int *ret_fd)
{
	struct temporary *temporary = ctx;

	temporary->asked++;
	if (temporary->err)
		return temporary->err;
	*ret_fd = memfd_create("temporary", MFD_CLOEXEC);
	assert_true(*ret_fd >= 0);
	return 0;
}

/* A section that is too large for memory, unless there is nothing better. */
static void large_sections_are_unpacked_to_a_file(void **state)
{
	struct image image;
	struct buf *strings = &image.sections[IMAGE_LINE_STR];
	struct elf_file *file;
	uint32_t noise = 1;

	(void)state;
	image_init(&image, 5, false);
	put_example(&image);
	strings->max = 8u << 20;
	for (size_t n = 0; n < 1200u << 10; n++)
		buf_append_byte(strings, (uint8_t)((noise = noise * 1103515245 + 12345) >> 28));
	for (int i = 0; i < IMAGE_SECTIONS; i++)
		pack(&image.sections[i], 0);
	file = image_file(&image, SHF_COMPRESSED, "");
	for (int kind = 0; kind < 3; kind++) {
		struct temporary temporary = {.err = kind == 1 ? -EMFILE : 0};
		struct dwarf_files files = {
			.file = file, .temporary = kind < 2 ? make_temporary : NULL, .ctx = &temporary};
		struct dwarf *dwarf;

		assert_int_equal(dwarf_open(&files, 0, &dwarf), 0);
		assert_string_equal(ask(dwarf, T + 0x10), IN_INNER);
		dwarf_free(dwarf);
		assert_int_equal(temporary.asked, kind < 2);
	}
	for (int is_enough = 0; is_enough < 2; is_enough++) {
		struct temporary temporary = {0};
		const uint64_t before = is_enough ? 2u << 20 : 1u << 20;
		uint64_t left = before;
		struct dwarf_files files = {
			.file = file, .temporary = make_temporary, .temporary_left = &left, .ctx = &temporary};
		struct dwarf *dwarf;

		assert_int_equal(dwarf_open(&files, 0, &dwarf), 0);
		assert_string_equal(ask(dwarf, T + 0x10), is_enough ? IN_INNER : "inner| :4:5 < outer|_Z5outerv :7:3");
		assert_true(is_enough ? left <= before - (1200u << 10) : left == before);
		dwarf_free(dwarf);
		assert_true(left == before);
	}
	elf_file_free(file);
	image_release(&image);
}

static void what_cannot_be_unpacked_is_not_there(void **state)
{
	static const uint64_t claims[] = {1, 1ull << 20, 1ull << 40, UINT64_MAX};

	(void)state;
	for (size_t i = 0; i < sizeof(claims) / sizeof(claims[0]); i++) {
		for (int section = IMAGE_INFO; section <= IMAGE_LINE; section++) {
			struct image image;
			struct elf_file *file;
			struct dwarf *dwarf;

			image_init(&image, 4, false);
			put_example(&image);
			for (int s = 0; s < IMAGE_SECTIONS; s++)
				pack(&image.sections[s], s == section ? claims[i] : 0);
			file = image_file(&image, SHF_COMPRESSED, "");
			assert_int_equal(dwarf_open(&(struct dwarf_files){.file = file}, 0, &dwarf), 0);
			assert_string_equal(ask(dwarf, T + 0x10),
					    section == IMAGE_LINE ? "inner| :0:0 < outer|_Z5outerv :7:3" : "");
			dwarf_free(dwarf);
			elf_file_free(file);
			image_release(&image);
		}
	}
}

/* --- whatever the bytes are --------------------------------------------------------------------------------------- */

static void ask_split(const struct image *image, const struct image *half)
{
	struct giver giver = {0};
	struct elf_file *file = image_file(image, 0, ""), *other = image_file(half, 0, ".dwo");
	struct dwarf *dwarf;

	giver.file = other;
	if (!dwarf_open(&(struct dwarf_files){.file = file, .supplementary = other, .split = give, .ctx = &giver}, 0,
			&dwarf)) {
		for (uint64_t va = T; va < T + 0x60; va += 0x10)
			ask(dwarf, va);
		dwarf_free(dwarf);
	}
	elf_file_free(file);
	elf_file_free(other);
}

static void numbers_replaced_anywhere_in_another_file(void **state)
{
	static const uint8_t replacements[] = {0xff, 0, 0x7f, 0x80};

	(void)state;
	for (uint16_t version = 4; version <= 5; version++) {
		struct image image, package;

		put_skeleton(&image, version);
		put_package(&package, version);
		for (int i = 0; i < IMAGE_SECTIONS; i++) {
			struct buf *buf = &package.sections[i];
			size_t whole = buf->len;

			for (size_t place = 0; place < whole; place++) {
				uint8_t saved = buf->data[place];

				for (size_t r = 0; r < sizeof(replacements); r++) {
					buf->data[place] = replacements[r];
					ask_split(&image, &package);
				}
				buf->data[place] = saved;
				buf->len = place;
				ask_split(&image, &package);
				buf->len = whole;
			}
		}
		image_release(&image);
		image_release(&package);
	}
}

static void memory_that_is_not_there_is_an_error_once(void **state)
{
	struct image image, package;
	struct dwarf_frames frames;
	struct elf_file *file, *other;

	(void)state;
	put_skeleton(&image, 5);
	put_package(&package, 5);
	for (int i = 0; i < IMAGE_CU_INDEX; i++)
		pack(&package.sections[i], 0);
	file = image_file(&image, 0, "");
	other = image_file(&package, SHF_COMPRESSED, ".dwo");
	for (unsigned long nth = 1; nth < 200; nth++) {
		struct giver giver = {.file = other};
		struct dwarf *dwarf = open_split(file, &giver);
		int err;

		oom_fail_at(nth);
		err = dwarf_find(dwarf, T + 0x10, &frames);
		oom_fail_at(0);
		assert_true(err == 0 || err == -ENOMEM);
		expect_both_halves(dwarf);
		dwarf_free(dwarf);
		if (!err)
			break;
		assert_int_not_equal(nth, 199);
	}
	elf_file_free(file);
	elf_file_free(other);
	image_release(&image);
	image_release(&package);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_supplementary_file_is_told_without_its_folder),
		cmocka_unit_test(links_that_lead_nowhere_are_none),
		cmocka_unit_test(names_in_the_supplementary_file),
		cmocka_unit_test(split_units_have_their_functions_elsewhere),
		cmocka_unit_test(packages_have_many_split_units),
		cmocka_unit_test(halves_that_are_not_there),
		cmocka_unit_test(packed_sections_are_unpacked),
		cmocka_unit_test(packed_split_units_and_packages),
		cmocka_unit_test(large_sections_are_unpacked_to_a_file),
		cmocka_unit_test(what_cannot_be_unpacked_is_not_there),
		cmocka_unit_test(numbers_replaced_anywhere_in_another_file),
		cmocka_unit_test(memory_that_is_not_there_is_an_error_once),
	};

	return cmocka_run_group_tests_name("dwarf_files", tests, NULL, NULL);
}
