/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>

#include "elf/elf_file.h"
#include "elf/segment_match.h"
#include "elf_image.h"

#define START 0x7f0000000000

static struct elf_file *open_image(const struct elf_image *image)
{
	struct elf_file *file;

	assert_int_equal(elf_file_open(image_fd(image), &file), 0);
	return file;
}

/* As --only-keep-debug leaves it: addresses, and nothing in the file. */
static void take_code(struct elf_image *image)
{
	image_shdr(image, SECTION_TEXT)->sh_type = SHT_NOBITS;
	image_phdr(image, 0)->p_offset = 0;
	image_phdr(image, 0)->p_filesz = 0;
}

static void by_the_offset_in_the_file(void **state)
{
	const struct segment_mapping mapping = {START, START + 0x2000, IMAGE_TEXT_OFFSET};
	struct elf_image image;
	struct elf_file *file;
	uint64_t va;

	(void)state;
	image_init(&image);
	file = open_image(&image);
	assert_int_equal(segment_match_va(file, &mapping, START, &va), 0);
	assert_int_equal(va, IMAGE_TEXT);
	assert_int_equal(segment_match_va(file, &mapping, START + 0x123, &va), 0);
	assert_int_equal(va, IMAGE_TEXT + 0x123);
	/* Behind the segment, within its last page; behind the mapping, and before it. */
	assert_int_equal(segment_match_va(file, &mapping, START + 0x1100, &va), -ENOENT);
	assert_int_equal(segment_match_va(file, &mapping, START + 0x2000, &va), -ENOENT);
	assert_int_equal(segment_match_va(file, &mapping, START - 1, &va), -ENOENT);
	elf_file_free(file);
}

/* The segment has 0x1100 bytes at the start of a page: two pages. */
static void of_a_debug_file_by_the_pages_that_it_takes(void **state)
{
	const struct segment_mapping mapping = {START, START + 0x2000, IMAGE_TEXT_OFFSET};
	const struct segment_mapping part = {START, START + 0x1000, IMAGE_TEXT_OFFSET};
	struct elf_image image;
	struct elf_file *file;
	uint64_t va;

	(void)state;
	image_init(&image);
	take_code(&image);
	file = open_image(&image);
	assert_int_equal(segment_match_va(file, &mapping, START + 0x123, &va), 0);
	assert_int_equal(va, IMAGE_TEXT + 0x123);
	assert_int_equal(segment_match_va(file, &part, START + 0x123, &va), -ENOENT);
	elf_file_free(file);
}

static void two_that_could_be_it_are_none(void **state)
{
	const struct segment_mapping mapping = {START, START + 0x1000, 0};
	struct elf_image image;
	struct elf_file *file;
	uint64_t va;

	(void)state;
	image_init(&image);
	take_code(&image);
	image_phdr(&image, 0)->p_memsz = 0x1000;
	file = open_image(&image);
	assert_int_equal(segment_match_va(file, &mapping, START, &va), 0);
	elf_file_free(file);
	image_phdr(&image, 1)->p_flags |= PF_X;
	file = open_image(&image);
	assert_int_equal(segment_match_va(file, &mapping, START, &va), -ENOENT);
	elf_file_free(file);
}

static void numbers_that_overflow_are_nowhere(void **state)
{
	const struct segment_mapping far = {START, START + 0x2000, UINT64_MAX};
	struct elf_image image;
	struct elf_file *file;
	uint64_t va;

	(void)state;
	image_init(&image);
	file = open_image(&image);
	assert_int_equal(segment_match_va(file, &far, START + 0x123, &va), -ENOENT);
	elf_file_free(file);
	take_code(&image);
	image_phdr(&image, 0)->p_memsz = UINT64_MAX - 0x10;
	file = open_image(&image);
	assert_int_equal(segment_match_va(file, &(struct segment_mapping){0, UINT64_MAX, 0}, 0x123, &va), -ENOENT);
	elf_file_free(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_the_offset_in_the_file),
		cmocka_unit_test(of_a_debug_file_by_the_pages_that_it_takes),
		cmocka_unit_test(two_that_could_be_it_are_none),
		cmocka_unit_test(numbers_that_overflow_are_nowhere),
	};

	return cmocka_run_group_tests_name("segment_match", tests, NULL, NULL);
}
