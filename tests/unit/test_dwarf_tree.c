/* SPDX-License-Identifier: Apache-2.0 */
/* What a quick walk leaves out, because DW_AT_sibling says where a DIE ends, and when it is read after all. */
#include "test.h"

#include "dwarf_maker.h"
#include "oom.h"

/* Where the sibling is to be put, once it is known. */
static size_t put_sibling(struct image *image)
{
	put(image, IMAGE_INFO, 0, 4);
	return at(image) - 4;
}

static void set_sibling(struct image *image, size_t place, uint32_t to)
{
	assert_int_equal(image->sections[IMAGE_INFO].err, 0);
	memcpy(image->sections[IMAGE_INFO].data + place, &to, sizeof(to));
}

/* Ends the children of the DIE: what comes next is its sibling. */
static void close_die(struct image *image, size_t place)
{
	put_end(image);
	set_sibling(image, place, (uint32_t)(at(image) - image->unit));
}

static size_t put_closed_function(struct image *image, const char *name, uint64_t low, uint32_t bytes)
{
	size_t place;

	put(image, IMAGE_INFO, CLOSED_FUNCTION, 1);
	put_text(image, IMAGE_INFO, name);
	place = put_sibling(image);
	put_range(image, low, bytes);
	return place;
}

static size_t put_closed(struct image *image, int abbrev, const char *name)
{
	size_t place;

	put(image, IMAGE_INFO, (uint64_t)abbrev, 1);
	place = put_sibling(image);
	if (name)
		put_text(image, IMAGE_INFO, name);
	return place;
}

/* first() [T, T + 0x40) with inner() inlined [T + 0x10, T + 0x20), a type with method() [T + 0x40, T + 0x50), what is
 * declared, abstract() with nested() [T + 0x50, T + 0x60), and last() [T + 0x60, T + 0x100) with inner() inlined
 * [T + 0x80, T + 0x90). Where the sibling of first() is written. */
static size_t put_closed_unit(struct image *image)
{
	size_t start = begin_unit(image), inner, first, place;

	put_unit_die(image, T, 0x100);
	inner = at(image) - image->unit;
	put(image, IMAGE_INFO, ABSTRACT, 1);
	put_text(image, IMAGE_INFO, "inner");
	first = put_closed_function(image, "first", T, 0x40);
	put_inlined(image, inner, T + 0x10, 0x10);
	close_die(image, first);
	place = put_closed(image, CLOSED_TYPE, NULL);
	put_function(image, "method", "", T + 0x40, 0x10);
	put_end(image);
	close_die(image, place);
	place = put_closed(image, DECLARED, NULL);
	put_end(image); /* more than one ends: nobody is to see it */
	close_die(image, place);
	place = put_closed(image, CLOSED_ABSTRACT, "abstract");
	put_function(image, "nested", "", T + 0x50, 0x10);
	put_end(image);
	close_die(image, place);
	place = put_closed_function(image, "last", T + 0x60, 0xa0);
	put_inlined(image, inner, T + 0x80, 0x10);
	close_die(image, place);
	put_end(image);
	end_length(image, IMAGE_INFO, start);
	put_lines(image);
	return first;
}

static const struct {
	uint64_t va;
	const char *frames;
} told[] = {
	{T, "first| /src/main.c:10:0"},
	{T + 0x10, "inner| /src/lib/inner.h:4:5 < first| /src/main.c:7:3"},
	{T + 0x30, "first| /src/main.c:11:0"},
	{T + 0x40, "method| /src/main.c:11:0"},
	{T + 0x50, "nested| /src/main.c:11:0"},
	{T + 0x60, "last| /src/main.c:11:0"},
	{T + 0x80, "inner| /src/main.c:11:0 < last| /src/main.c:7:3"},
	{T + 0x90, "last| /src/main.c:11:0"},
};
#define TOLD (sizeof(told) / sizeof(told[0]))

static void all_is_found_in_any_order(void **state)
{
	(void)state;
	for (uint16_t version = 2; version <= 5; version++) {
		for (size_t step = 1; step < 8; step += 2) {
			struct opened opened;
			struct image image;

			image_init(&image, version, false);
			put_closed_unit(&image);
			opened = image_open(&image, step > 3 ? 0 : DWARF_CACHE_BYTES);
			for (size_t i = 0; i < 2 * TOLD; i++)
				assert_string_equal(ask(opened.dwarf, told[(3 + i * step) % TOLD].va),
						    told[(3 + i * step) % TOLD].frames);
			close_opened(&opened);
			image_release(&image);
		}
	}
}

/* Another unit is asked about in between, so that this one leaves, and with it what is held of its functions. */
static void units_that_leave_take_it_with_them(void **state)
{
	struct opened opened;
	struct image image;
	size_t start;

	(void)state;
	image_init(&image, 5, false);
	put_closed_unit(&image);
	start = begin_unit(&image);
	put_unit_die(&image, T + 0x1000, 0x100);
	close_die(&image, put_closed_function(&image, "other", T + 0x1000, 0x100));
	put_end(&image);
	end_length(&image, IMAGE_INFO, start);
	opened = image_open(&image, 0);
	for (size_t i = 0; i < TOLD; i++) {
		assert_string_equal(ask(opened.dwarf, told[i].va), told[i].frames);
		assert_string_equal(ask(opened.dwarf, T + 0x1000), "other| :0:0");
	}
	close_opened(&opened);
	image_release(&image);
}

static void siblings_that_lead_nowhere_are_not_followed(void **state)
{
	static const uint32_t bad[] = {0, 1, 11, 60, 0x10000, 0x7fffffff, UINT32_MAX};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct opened opened;
		struct image image;

		image_init(&image, 4, false);
		set_sibling(&image, put_closed_unit(&image), bad[i]);
		opened = image_open(&image, DWARF_CACHE_BYTES);
		for (size_t j = 0; j < TOLD; j++)
			assert_string_equal(ask(opened.dwarf, told[j].va), told[j].frames);
		close_opened(&opened);
		image_release(&image);
	}
}

static void a_broken_inside_costs_itself(void **state)
{
	struct opened opened;
	struct image image;
	size_t start, place;

	(void)state;
	image_init(&image, 5, false);
	start = begin_unit(&image);
	put_unit_die(&image, T, 0x100);
	place = put_closed_function(&image, "broken", T, 0x40);
	put(&image, IMAGE_INFO, NO_FUNCTION, 1);
	close_die(&image, place);
	place = put_closed_function(&image, "whole", T + 0x40, 0x40);
	close_die(&image, place);
	put_end(&image);
	end_length(&image, IMAGE_INFO, start);
	opened = image_open(&image, DWARF_CACHE_BYTES);
	assert_string_equal(ask(opened.dwarf, T + 0x10), "broken| :0:0");
	assert_string_equal(ask(opened.dwarf, T + 0x40), "whole| :0:0");
	/* Of no function: all of the unit is read for it, and all of it is broken. */
	assert_string_equal(ask(opened.dwarf, T + 0x90), "");
	assert_string_equal(ask(opened.dwarf, T + 0x90), "");
	close_opened(&opened);
	image_release(&image);
}

/* Many functions, more than are sorted by comparing, in any order of addresses. */
static void many_functions_have_their_addresses(void **state)
{
	enum { FUNCTIONS = 3000, BYTES = 0x1230 };
	struct opened opened;
	struct image image;
	size_t start;

	(void)state;
	image_init(&image, 4, false);
	start = begin_unit(&image);
	put_unit_die(&image, T, (uint64_t)FUNCTIONS * BYTES);
	for (size_t i = 0; i < FUNCTIONS; i++) {
		size_t slot = i * 1867 % FUNCTIONS;
		char name[16];

		snprintf(name, sizeof(name), "f%zu", slot);
		close_die(&image, put_closed_function(&image, name, T + slot * BYTES, BYTES - 16));
	}
	put_end(&image);
	end_length(&image, IMAGE_INFO, start);
	opened = image_open(&image, DWARF_CACHE_BYTES);
	for (size_t slot = 0; slot < FUNCTIONS; slot++) {
		char expected[32];

		snprintf(expected, sizeof(expected), "f%zu| :0:0", slot);
		assert_string_equal(ask(opened.dwarf, T + slot * BYTES), expected);
		assert_string_equal(ask(opened.dwarf, T + slot * BYTES + BYTES - 17), expected);
	}
	close_opened(&opened);
	image_release(&image);
}

static void memory_that_is_not_there_is_an_error_once(void **state)
{
	struct opened opened;
	struct image image;
	bool is_done = false;

	(void)state;
	image_init(&image, 5, false);
	put_closed_unit(&image);
	opened = image_open(&image, 0);
	for (unsigned long n = 1; !is_done; n++) {
		struct dwarf *dwarf = NULL;
		struct dwarf_frames frames;

		oom_fail_at(n);
		is_done = !dwarf_open(&(struct dwarf_files){.file = opened.file}, 0, &dwarf);
		for (size_t i = 0; dwarf && i < TOLD; i++)
			is_done &= !dwarf_find(dwarf, told[i].va, &frames);
		oom_fail_at(0);
		for (size_t i = 0; dwarf && i < TOLD; i++)
			assert_string_equal(ask(dwarf, told[i].va), told[i].frames);
		dwarf_free(dwarf);
	}
	close_opened(&opened);
	image_release(&image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_is_found_in_any_order),
		cmocka_unit_test(units_that_leave_take_it_with_them),
		cmocka_unit_test(siblings_that_lead_nowhere_are_not_followed),
		cmocka_unit_test(a_broken_inside_costs_itself),
		cmocka_unit_test(many_functions_have_their_addresses),
		cmocka_unit_test(memory_that_is_not_there_is_an_error_once),
	};

	return cmocka_run_group_tests_name("dwarf_tree", tests, NULL, NULL);
}
