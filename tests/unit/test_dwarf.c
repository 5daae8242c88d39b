/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "dwarf_maker.h"
#include "oom.h"

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
	/* What only says that it is compressed counts as absent. */
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
		cmocka_unit_test(sections_cut_anywhere),
		cmocka_unit_test(numbers_replaced_anywhere),
		cmocka_unit_test(memory_that_is_not_there_is_an_error_once),
	};

	return cmocka_run_group_tests_name("dwarf", tests, NULL, NULL);
}
