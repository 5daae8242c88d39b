/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "go_image.h"
#include "symbol/file_names.h"

#define T IMAGE_TEXT

static struct code_place place;

static int find(const struct file_names *names, uint64_t elf_va)
{
	return file_names_find(names, elf_va, &place);
}

#define assert_found(names, elf_va, expected_start, expected_name)                                                     \
	do {                                                                                                           \
		assert_int_equal(find(names, elf_va), 0);                                                              \
		assert_int_equal(place.n, 1);                                                                          \
		assert_int_equal(place.start, expected_start);                                                         \
		assert_string_equal(place.text + place.lines[0].function, expected_name);                              \
		assert_string_equal(place.text + place.lines[0].file, "");                                             \
		assert_int_equal(place.lines[0].line, 0);                                                              \
	} while (0)

static const struct go_image_function functions[] = {
	{"main.main", 0, NULL, 0, 0},
	{"main.Map[...]", 0x40, NULL, 0, 0},
	{"", 0x80, NULL, 0, 0},
};

/* The code of C that a Go program is linked with lies behind that of Go. */
static const struct image_symbol symbols[] = {
	{"main.main.abi0", T, 0x40, STT_FUNC, STB_GLOBAL, SECTION_TEXT, 0},
	{"unnamed_for_go", T + 0x80, 0x40, STT_FUNC, STB_GLOBAL, SECTION_TEXT, 0},
	{"in_c", T + 0x100, 0x20, STT_FUNC, STB_LOCAL, SECTION_TEXT, 0},
};

static void init(struct go_image *image)
{
	go_image_init(image, EM_X86_64, GO_LAYOUT_1_20, functions, 3, 0xc0);
	for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++)
		image_add_symbol(&image->elf, &symbols[i]);
}

static void go_names_come_first(void **state)
{
	struct go_image image;
	struct file_names *names;
	struct elf_file *file;

	(void)state;
	init(&image);
	file = go_image_open(&image);
	assert_int_equal(file_names_new(&(struct file_names_files){.file = file}, &names), 0);
	assert_int_equal(file_names_count(names), 3 + 3);
	assert_true(file_names_memory_bytes(names) > 0);
	assert_found(names, T + 0x3f, T, "main.main");
	assert_found(names, T + 0x40, T + 0x40, "main.Map[...]");
	assert_found(names, T + 0x80, T + 0x80, "unnamed_for_go");
	assert_found(names, T + 0x11f, T + 0x100, "in_c");
	assert_int_equal(find(names, T + 0x120), -ENOENT);
	file_names_free(names);
	elf_file_free(file);
}

static void stripped_go_program_has_names(void **state)
{
	struct go_image image;
	struct file_names *names;
	struct elf_file *file;

	(void)state;
	go_image_init(&image, EM_X86_64, GO_LAYOUT_1_20, functions, 3, 0xc0);
	image_shdr(&image.elf, SECTION_SYMTAB)->sh_type = SHT_NULL;
	image_shdr(&image.elf, SECTION_DYNSYM)->sh_type = SHT_NULL;
	file = go_image_open(&image);
	assert_int_equal(file_names_new(&(struct file_names_files){.file = file}, &names), 0);
	assert_found(names, T + 0x20, T, "main.main");
	assert_int_equal(find(names, T + 0x100), -ENOENT);
	assert_int_equal(find(names, 0), -ENOENT);
	file_names_free(names);
	elf_file_free(file);
}

/* One function's record points nowhere: it costs itself, and the symbol table may help. */
static void broken_go_function_has_its_symbol(void **state)
{
	struct go_image image;
	struct file_names *names;
	struct elf_file *file;

	(void)state;
	init(&image);
	go_put(&image, GO_FUNCTAB + 4, 0x7fffffff, 4);
	file = go_image_open(&image);
	assert_int_equal(file_names_new(&(struct file_names_files){.file = file}, &names), 0);
	assert_found(names, T, T, "main.main.abi0");
	assert_found(names, T + 0x40, T + 0x40, "main.Map[...]");
	file_names_free(names);
	elf_file_free(file);
}

static void go_code_has_lines_and_inlined_functions(void **state)
{
	static const struct {
		const char *function, *file;
		uint32_t line, start_line;
	} expected[] = {
		{"main.inner", "/src/inner.go", 100, 90},
		{"main.middle", "/src/outer.go", 50, 40},
		{"main.outer", "/src/outer.go", 12, 8},
	};
	struct go_image image;
	struct file_names *names;
	struct elf_file *file;

	(void)state;
	go_image_inlined(&image, GO_LAYOUT_1_20);
	file = go_image_open(&image);
	assert_int_equal(file_names_new(&(struct file_names_files){.file = file}, &names), 0);
	assert_int_equal(find(names, T + 0x10 + 0x28), 0);
	assert_int_equal(place.n, 3);
	assert_int_equal(place.start, T + 0x10);
	assert_true(place.is_go);
	for (size_t i = 0; i < place.n; i++) {
		assert_string_equal(place.text + place.lines[i].function, expected[i].function);
		assert_string_equal(place.text + place.lines[i].file, expected[i].file);
		assert_int_equal(place.lines[i].line, expected[i].line);
		assert_int_equal(place.lines[i].start_line, expected[i].start_line);
	}
	file_names_free(names);
	elf_file_free(file);
	/* Where the chain is broken there is the function, without a line that may be another's. */
	go_put(&image, GO_TREE + 16 + 4, 0x7fffff, 4);
	file = go_image_open(&image);
	assert_int_equal(file_names_new(&(struct file_names_files){.file = file}, &names), 0);
	assert_found(names, T + 0x10 + 0x28, T + 0x10, "main.outer");
	file_names_free(names);
	elf_file_free(file);
}

/* --- DWARF: this program's own -------------------------------------------------------------------------------------
 */

enum { FIRST_LINE = __LINE__ };
static inline __attribute__((always_inline)) int inlined_here(volatile int *x)
{
	for (int i = 0; i < 3; i++)
		*x = *x * 3 + 1;
	return *x;
}

static __attribute__((noinline)) int holds_it(volatile int *x)
{
	return inlined_here(x) + 1;
}
enum { LAST_LINE = __LINE__ };

static uint64_t own_address(const struct elf_file *file, uintptr_t address)
{
	extern const char __executable_start;

	return elf_file_type(file) == ET_DYN ? address - (uintptr_t)&__executable_start : address;
}

static void assert_own_line(const struct code_line *line)
{
	const char *file = place.text + line->file, *slash = strrchr(file, '/');

	assert_non_null(slash);
	assert_string_equal(slash + 1, "test_file_names.c");
	assert_in_range(line->line, FIRST_LINE, LAST_LINE);
}

static void programs_with_dwarf_have_lines_and_inlined_functions(void **state)
{
	volatile int x = 1;
	struct elf_file *file;
	struct file_names *names;
	uint64_t start, va;

	(void)state;
	assert_int_equal(holds_it(&x), 41);
	assert_int_equal(elf_file_open(open("/proc/self/exe", O_RDONLY | O_CLOEXEC), &file), 0);
	assert_int_equal(file_names_new(&(struct file_names_files){.file = file}, &names), 0);
	start = va = own_address(file, (uintptr_t)holds_it);
	assert_int_equal(find(names, start), 0);
	assert_int_equal(place.start, start);
	assert_string_equal(place.text + place.lines[place.n - 1].function, "holds_it");
	assert_own_line(&place.lines[place.n - 1]);
	while (!find(names, va) && place.start == start && place.n == 1)
		va++;
	assert_int_equal(place.n, 2);
	assert_string_equal(place.text + place.lines[0].function, "inlined_here");
	assert_own_line(&place.lines[0]);
	assert_string_equal(place.text + place.lines[1].function, "holds_it");
	assert_own_line(&place.lines[1]);
	assert_true(place.lines[1].line > place.lines[0].line);
	file_names_free(names);
	elf_file_free(file);
}

static void other_programs_have_their_symbols(void **state)
{
	struct elf_image image;
	struct file_names *names;
	struct elf_file *file;

	(void)state;
	image_init(&image);
	assert_int_equal(elf_file_open(image_fd(&image), &file), 0);
	assert_int_equal(file_names_new(&(struct file_names_files){.file = file}, &names), 0);
	assert_int_equal(file_names_count(names), 0);
	assert_int_equal(find(names, T), -ENOENT);
	file_names_free(names);
	elf_file_free(file);
	image_add_symbol(&image, &symbols[2]);
	assert_int_equal(elf_file_open(image_fd(&image), &file), 0);
	assert_int_equal(file_names_new(&(struct file_names_files){.file = file}, &names), 0);
	assert_found(names, T + 0x100, T + 0x100, "in_c");
	file_names_free(names);
	elf_file_free(file);
}

/* Of 0x1100 bytes of code Go's table has 0xc0 and a symbol 0x20 behind them. */
static void what_they_are_made_of_is_told(void **state)
{
	struct file_names_summary summary;
	struct go_image image;
	struct file_names *names;
	struct elf_file *file;

	(void)state;
	init(&image);
	file = go_image_open(&image);
	assert_int_equal(file_names_new(&(struct file_names_files){.file = file}, &names), 0);
	assert_int_equal(file_names_summarize(names, file, &summary), 0);
	assert_true(summary.has_go);
	assert_false(summary.has_dwarf);
	assert_int_equal(summary.go_layout, GO_LAYOUT_1_20);
	assert_int_equal(summary.go_functions, 3);
	assert_int_equal(summary.functions, 3);
	assert_int_equal(summary.coverage.code, 0x1100);
	assert_int_equal(summary.coverage.named, 0xc0 + 0x20);
	assert_int_equal(summary.coverage.with_lines, 0xc0);
	file_names_free(names);
	elf_file_free(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(go_names_come_first),
		cmocka_unit_test(stripped_go_program_has_names),
		cmocka_unit_test(broken_go_function_has_its_symbol),
		cmocka_unit_test(go_code_has_lines_and_inlined_functions),
		cmocka_unit_test(programs_with_dwarf_have_lines_and_inlined_functions),
		cmocka_unit_test(other_programs_have_their_symbols),
		cmocka_unit_test(what_they_are_made_of_is_told),
	};

	return cmocka_run_group_tests_name("file_names", tests, NULL, NULL);
}
