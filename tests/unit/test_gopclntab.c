/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <stdio.h>

#include "elf/elf_file.h"
#include "elf/gopclntab.h"
#include "go_image.h"

#define N(array) (sizeof(array) / sizeof(*(array)))

/* -1 → 0 for 1, 0 → 8 for 3, 8 → 0 for 2, end. In quanta. */
static const uint8_t up_and_down[] = {2, 1, 16, 3, 15, 2, 0};
/* -1 → 300 for 200: two bytes each. */
static const uint8_t long_numbers[] = {0xda, 4, 0xc8, 1, 0};

/* A first change of 0 is one: the value is -1. */
static const uint8_t minus_one[] = {0, 5, 0};

static const struct go_image_function functions[] = {
	{"_rt0_amd64_linux", 0x000, up_and_down, sizeof(up_and_down), 0},
	{"runtime.goexit", 0x020, NULL, 0, GO_FUNCTION_TOP_FRAME | GO_FUNCTION_ASSEMBLY},
	{"main.(*T).Method[go.shape.int]", 0x040, long_numbers, sizeof(long_numbers), 0},
	{"main.main", 0x400, up_and_down, sizeof(up_and_down), GO_FUNCTION_SP_WRITE},
};
#define END 0x480

static const enum go_layout layouts[] = {GO_LAYOUT_1_2, GO_LAYOUT_1_16, GO_LAYOUT_1_18, GO_LAYOUT_1_20};
static const uint16_t machines[] = {EM_X86_64, EM_AARCH64};

static void init(struct go_image *image, enum go_layout layout)
{
	go_image_init(image, EM_X86_64, layout, functions, N(functions), END);
}

static struct gopclntab *open_table(const struct elf_file *file)
{
	struct gopclntab *table = NULL;

	assert_int_equal(gopclntab_open(file, &table), 0);
	return table;
}

static int open_error(const struct go_image *image)
{
	struct elf_file *file = go_image_open(image);
	struct gopclntab *table = NULL;
	int err = gopclntab_open(file, &table);

	assert_int_equal(!!table, !err);
	gopclntab_free(table);
	elf_file_free(file);
	return err;
}

static void check_functions(const struct go_image *image)
{
	struct elf_file *file = go_image_open(image);
	struct gopclntab *table = open_table(file);
	uint64_t start, limit;

	assert_int_equal(gopclntab_layout(table), image->layout);
	assert_int_equal(gopclntab_count(table), N(functions));
	gopclntab_range(table, &start, &limit);
	assert_int_equal(start, IMAGE_TEXT);
	assert_int_equal(limit, IMAGE_TEXT + END);
	for (size_t i = 0; i < N(functions); i++) {
		uint64_t next = i + 1 < N(functions) ? functions[i + 1].start : END;
		struct go_function function;
		char name[64];
		size_t index;

		assert_int_equal(gopclntab_function(table, i, &function), 0);
		assert_int_equal(function.start, IMAGE_TEXT + functions[i].start);
		assert_int_equal(function.limit, IMAGE_TEXT + next);
		assert_int_equal(!!function.pcsp, !!functions[i].pcsp);
		assert_int_equal(function.flags, image->layout == GO_LAYOUT_1_2 ? 0 : functions[i].flags);
		assert_int_equal(gopclntab_name(table, &function, name, sizeof(name)), 0);
		assert_string_equal(name, functions[i].name);
		assert_int_equal(gopclntab_find(table, function.start, &index), 0);
		assert_int_equal(index, i);
		assert_int_equal(gopclntab_find(table, function.limit - 1, &index), 0);
		assert_int_equal(index, i);
	}
	gopclntab_free(table);
	elf_file_free(file);
}

static void functions_of_every_layout_are_read(void **state)
{
	struct go_image image;

	(void)state;
	for (size_t i = 0; i < N(layouts); i++) {
		for (size_t m = 0; m < N(machines); m++) {
			go_image_init(&image, machines[m], layouts[i], functions, N(functions), END);
			check_functions(&image);
		}
	}
}

static void addresses_outside_the_table_have_no_function(void **state)
{
	struct gopclntab *table;
	struct go_function function;
	struct go_image image;
	struct elf_file *file;
	size_t index;

	(void)state;
	init(&image, GO_LAYOUT_1_20);
	file = go_image_open(&image);
	table = open_table(file);
	assert_int_equal(gopclntab_find(table, 0, &index), -ENOENT);
	assert_int_equal(gopclntab_find(table, IMAGE_TEXT - 1, &index), -ENOENT);
	assert_int_equal(gopclntab_find(table, IMAGE_TEXT + END, &index), -ENOENT);
	assert_int_equal(gopclntab_find(table, UINT64_MAX, &index), -ENOENT);
	assert_int_equal(gopclntab_function(table, N(functions), &function), -EBADMSG);
	assert_int_equal(gopclntab_function(table, SIZE_MAX, &function), -EBADMSG);
	gopclntab_free(table);
	elf_file_free(file);
}

static void name_is_cut_to_the_buffer(void **state)
{
	struct go_image image;
	struct elf_file *file;
	struct gopclntab *table;
	struct go_function function;
	char name[8];

	(void)state;
	init(&image, GO_LAYOUT_1_20);
	file = go_image_open(&image);
	table = open_table(file);
	assert_int_equal(gopclntab_function(table, 1, &function), 0);
	assert_int_equal(gopclntab_name(table, &function, name, sizeof(name)), 0);
	assert_string_equal(name, "runtime");
	assert_int_equal(gopclntab_name(table, &function, name, 0), -EINVAL);
	function.name = 0xffffffff;
	assert_int_equal(gopclntab_name(table, &function, name, sizeof(name)), -EBADMSG);
	gopclntab_free(table);
	elf_file_free(file);
}

/* --- where the code is -------------------------------------------------------------------------------------------- */

static void text_is_taken_from_the_module_of_newer_programs(void **state)
{
	struct go_image image;

	(void)state;
	init(&image, GO_LAYOUT_1_20);
	go_image_module(&image, IMAGE_TEXT, IMAGE_TEXT + END, IMAGE_TEXT);
	check_functions(&image);
}

static void text_is_taken_from_relocations_of_the_module(void **state)
{
	const Elf64_Rela rela[] = {
		{IMAGE_PLT + 8 * 19, ELF64_R_INFO(0, R_X86_64_RELATIVE), 0x1234},
		{IMAGE_PLT + 8 * 21, ELF64_R_INFO(0, R_X86_64_RELATIVE), IMAGE_TEXT + END},
		{IMAGE_PLT + 8 * 20, ELF64_R_INFO(0, R_X86_64_RELATIVE), IMAGE_TEXT},
		{IMAGE_PLT + 8 * 22, ELF64_R_INFO(0, R_X86_64_RELATIVE), IMAGE_TEXT},
		{IMAGE_PLT + 8 * 22, ELF64_R_INFO(0, R_X86_64_64), 0x1234},
		{IMAGE_PLT + 8 * 22 - 4, ELF64_R_INFO(0, R_X86_64_RELATIVE), 0x1234},
		{IMAGE_PLT + 8 * 23, ELF64_R_INFO(0, R_X86_64_RELATIVE), 0x1234},
	};
	struct go_image image;

	(void)state;
	init(&image, GO_LAYOUT_1_20);
	go_image_module(&image, 0, 0, 0);
	go_image_relocations(&image, rela, N(rela));
	check_functions(&image);
}

static void text_is_taken_from_the_relocation_of_the_header(void **state)
{
	const Elf64_Rela rela = {IMAGE_DATA + 24, ELF64_R_INFO(0, R_X86_64_RELATIVE), IMAGE_TEXT};
	struct go_image image;

	(void)state;
	init(&image, GO_LAYOUT_1_18);
	go_put(&image, 24, 0, 8);
	go_image_relocations(&image, &rela, 1);
	check_functions(&image);
}

static void text_section_is_believed_when_the_program_starts_in_it_at_a_go_function(void **state)
{
	struct go_image image;

	(void)state;
	init(&image, GO_LAYOUT_1_20);
	go_put(&image, 24, 0, 8);
	image_ehdr(&image.elf)->e_entry = IMAGE_TEXT;
	check_functions(&image);
	image_ehdr(&image.elf)->e_entry = IMAGE_TEXT + 0x20; /* goexit */
	assert_int_equal(open_error(&image), -ENOTSUP);
	image_ehdr(&image.elf)->e_entry = IMAGE_TEXT + 1;
	assert_int_equal(open_error(&image), -ENOTSUP);
}

static void module_that_contradicts_the_table_is_not_believed(void **state)
{
	static const uint64_t words[][3] = {
		{IMAGE_TEXT, IMAGE_TEXT + END + 1, IMAGE_TEXT},
		{IMAGE_TEXT + 1, IMAGE_TEXT + END, IMAGE_TEXT},
		{IMAGE_TEXT, IMAGE_TEXT + END, IMAGE_TEXT + 0x20},
		{0, 0, UINT64_MAX},
	};
	struct go_image image;

	(void)state;
	for (size_t i = 0; i < N(words); i++) {
		init(&image, GO_LAYOUT_1_20);
		go_image_module(&image, words[i][0], words[i][1], words[i][2]);
		assert_int_equal(open_error(&image), -ENOTSUP);
	}
}

static void code_outside_the_executable_segment_is_refused(void **state)
{
	struct go_image image;

	(void)state;
	for (size_t i = 0; i < N(layouts); i++) {
		go_image_init(&image, EM_X86_64, layouts[i], functions, N(functions), 0x1101);
		assert_int_equal(open_error(&image), -ENOTSUP);
		go_image_init(&image, EM_X86_64, layouts[i], functions, N(functions), functions[0].start);
		assert_int_equal(open_error(&image), -ENOTSUP);
		go_image_init(&image, EM_X86_64, layouts[i], functions, N(functions), 0x1100);
		assert_int_equal(open_error(&image), 0);
		image_phdr(&image.elf, 0)->p_flags = PF_R;
		assert_int_equal(open_error(&image), -ENOTSUP);
		image_phdr(&image.elf, 0)->p_flags = PF_R | PF_X;
		image_phdr(&image.elf, 0)->p_offset = IMAGE_BYTES - 0x10ff; /* the file lacks a byte of it */
		assert_int_equal(open_error(&image), -ENOTSUP);
		image_phdr(&image.elf, 0)->p_offset = IMAGE_BYTES + 1;
		assert_int_equal(open_error(&image), -ENOTSUP);
	}
}

/* --- where the table is ------------------------------------------------------------------------------------------- */

static void name_table_section(struct go_image *image, const char *name)
{
	image_section(&image->elf, SECTION_DATA, name, *image_shdr(&image->elf, SECTION_DATA));
}

static void table_of_a_position_independent_program_is_found(void **state)
{
	struct go_image image;

	(void)state;
	init(&image, GO_LAYOUT_1_18);
	name_table_section(&image, ".data.rel.ro.gopclntab");
	check_functions(&image);
}

static void table_among_other_data_is_found_by_its_magic(void **state)
{
	struct go_image image;

	(void)state;
	init(&image, GO_LAYOUT_1_20);
	memmove(image.elf.bytes + GO_TABLE_OFFSET + 0x40, image.elf.bytes + GO_TABLE_OFFSET, 0xfc0);
	/* Something that looks like its beginning. */
	memset(image.elf.bytes + GO_TABLE_OFFSET + 8, 0xff, 0x38);
	name_table_section(&image, ".data.rel.ro");
	assert_int_equal(open_error(&image), -ENOENT); /* that of a C program is not even looked at */
	image_section(&image.elf, SECTION_PLT, ".note.go.buildid", *image_shdr(&image.elf, SECTION_PLT));
	check_functions(&image);
	image_section(&image.elf, SECTION_PLT, ".go.buildinfo", *image_shdr(&image.elf, SECTION_PLT));
	check_functions(&image);
}

/* It has names elsewhere, and its code nowhere. */
static void header_that_is_refused_leaves_nothing_behind(void **state)
{
	struct go_image image;

	(void)state;
	init(&image, GO_LAYOUT_1_2);
	memmove(image.elf.bytes + GO_TABLE_OFFSET + 0x48, image.elf.bytes + GO_TABLE_OFFSET, 0xfb8);
	go_put(&image, 0, go_magic(GO_LAYOUT_1_18), 4);
	go_put(&image, 8, 1, 8);
	go_put(&image, 32, 0x100, 8);
	go_put(&image, 56, 0x100, 8);
	go_put(&image, 64, 0x200, 8);
	name_table_section(&image, ".data.rel.ro");
	image_section(&image.elf, SECTION_PLT, ".go.buildinfo", *image_shdr(&image.elf, SECTION_PLT));
	check_functions(&image);
}

static void table_of_a_file_without_section_headers_is_found(void **state)
{
	struct go_image image;

	(void)state;
	init(&image, GO_LAYOUT_1_20);
	image_ehdr(&image.elf)->e_shoff = 0;
	image_ehdr(&image.elf)->e_shnum = 0;
	check_functions(&image);
	go_put(&image, 0, 0, 4);
	assert_int_equal(open_error(&image), -ENOENT);
}

static void program_without_a_table_is_no_go_program(void **state)
{
	struct elf_image image;
	struct gopclntab *table = NULL;
	struct elf_file *file;

	(void)state;
	image_init(&image);
	assert_int_equal(elf_file_open(image_fd(&image), &file), 0);
	assert_int_equal(gopclntab_open(file, &table), -ENOENT);
	elf_file_free(file);
	image_ehdr(&image)->e_machine = EM_RISCV;
	assert_int_equal(elf_file_open(image_fd(&image), &file), 0);
	assert_int_equal(gopclntab_open(file, &table), -ENOTSUP);
	elf_file_free(file);
	assert_null(table);
}

static void nonsense_in_the_header_is_refused(void **state)
{
	static const struct {
		size_t at, n;
		uint64_t value;
	} cases[] = {
		{0, 4, 0xfffffff2},			/* a magic to come */
		{4, 1, 1},				/* padding */
		{6, 1, 4},				/* the quantum of another machine */
		{7, 1, 4},				/* 32 bits */
		{8, 8, 0},				/* no functions */
		{8, 8, GOPCLNTAB_MAX_FUNCTIONS + 1ull}, /* too many */
		{8, 8, 0x200},				/* more than the section holds */
		{8, 8, UINT64_MAX},
		{32, 8, 0x1001}, /* parts outside */
		{56, 8, UINT64_MAX},
		{64, 8, UINT64_MAX - 8},
		{64, 8, 0x1000},
	};
	struct go_image image;

	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		init(&image, GO_LAYOUT_1_20);
		go_put(&image, cases[i].at, cases[i].value, cases[i].n);
		assert_int_equal(open_error(&image), -EBADMSG);
	}
	for (size_t size = 0; size < 0x820; size += 8) {
		init(&image, GO_LAYOUT_1_20);
		image_shdr(&image.elf, SECTION_DATA)->sh_size = size;
		assert_int_equal(open_error(&image), -EBADMSG);
	}
}

/* --- functions that lie ------------------------------------------------------------------------------------------- */

static int function_error(const struct go_image *image, size_t index)
{
	struct elf_file *file = go_image_open(image);
	struct gopclntab *table = open_table(file);
	struct go_function function;
	int err = gopclntab_function(table, index, &function);

	gopclntab_free(table);
	elf_file_free(file);
	return err;
}

static void broken_function_costs_itself_only(void **state)
{
	static const struct {
		size_t at;
		uint32_t value;
	} cases[] = {
		{GO_FUNCTAB + 8 + 4, 0x1000},	    /* record outside */
		{GO_FUNCTAB + 8 + 4, 0xffffffff},   /* record outside */
		{GO_FUNCTAB + 8 + 4, 0x800 - 0x20}, /* record cut */
		{GO_FUNCTAB + 8 + 4, 0x200},	    /* another one's record */
	};
	struct go_image image;

	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		init(&image, GO_LAYOUT_1_20);
		go_put(&image, cases[i].at, cases[i].value, 4);
		assert_int_equal(function_error(&image, 1), -EBADMSG);
		assert_int_equal(function_error(&image, 0), 0);
		assert_int_equal(function_error(&image, 2), 0);
	}
}

static void functions_out_of_order_are_broken(void **state)
{
	static const uint32_t entries[] = {0x40, 0x500, 0xffffffff};
	struct go_image image;

	(void)state;
	for (size_t i = 0; i < N(entries); i++) {
		init(&image, GO_LAYOUT_1_20);
		go_put(&image, GO_FUNCTAB + 8, entries[i], 4);
		go_put(&image, GO_FUNCTAB + 0x200 + GO_RECORD_BYTES, entries[i], 4);
		assert_int_equal(function_error(&image, 1), -EBADMSG);
		assert_int_equal(function_error(&image, 2), 0);
		/* Until where the next one begins, if that is in the range. */
		assert_int_equal(function_error(&image, 0), entries[i] > END ? -EBADMSG : 0);
	}
}

static void function_before_the_first_is_broken(void **state)
{
	struct go_image_function some[N(functions)];
	struct go_image image;

	(void)state;
	memcpy(some, functions, sizeof(some));
	some[0].start = 0x30;
	go_image_init(&image, EM_X86_64, GO_LAYOUT_1_20, some, N(some), END);
	assert_int_equal(function_error(&image, 1), -EBADMSG);
	assert_int_equal(function_error(&image, 2), 0);
}

/* --- pc-value tables ---------------------------------------------------------------------------------------------- */

static int next_value(const uint8_t *pcsp, size_t n, uint16_t machine, size_t calls, uint64_t *ret_limit,
		      int32_t *ret_value)
{
	const struct go_image_function function = {"f", 0, pcsp, n, 0};
	struct gopclntab *table;
	struct go_function found;
	struct go_values values;
	struct elf_file *file;
	struct go_image image;
	int more = 0;

	go_image_init(&image, machine, GO_LAYOUT_1_20, &function, 1, 0x400);
	file = go_image_open(&image);
	table = open_table(file);
	assert_int_equal(gopclntab_function(table, 0, &found), 0);
	go_values_init(&values, table, &found, found.pcsp);
	for (size_t i = 0; i < calls; i++)
		more = go_values_next(&values, ret_limit, ret_value);
	gopclntab_free(table);
	elf_file_free(file);
	return more;
}

static void values_are_told_in_runs(void **state)
{
	static const struct {
		const uint8_t *pcsp;
		size_t n, calls;
		uint64_t limit;
		int32_t value;
		int more;
	} cases[] = {
		{up_and_down, sizeof(up_and_down), 1, 1, 0, 1},	      {up_and_down, sizeof(up_and_down), 2, 4, 8, 1},
		{up_and_down, sizeof(up_and_down), 3, 6, 0, 1},	      {up_and_down, sizeof(up_and_down), 4, 0, 0, 0},
		{long_numbers, sizeof(long_numbers), 1, 200, 300, 1}, {long_numbers, sizeof(long_numbers), 2, 0, 0, 0},
		{minus_one, sizeof(minus_one), 1, 5, -1, 1},
	};

	(void)state;
	for (size_t m = 0; m < N(machines); m++) {
		for (size_t i = 0; i < N(cases); i++) {
			uint64_t limit = 0, quantum = machines[m] == EM_AARCH64 ? 4 : 1;
			int32_t value = 0;

			assert_int_equal(
				next_value(cases[i].pcsp, cases[i].n, machines[m], cases[i].calls, &limit, &value),
				cases[i].more);
			if (!cases[i].more)
				continue;
			assert_int_equal(limit - IMAGE_TEXT, cases[i].limit * quantum);
			assert_int_equal(value, cases[i].value);
		}
	}
}

static void broken_values_are_refused(void **state)
{
	static const struct {
		uint8_t bytes[8];
		size_t n, calls;
	} cases[] = {
		{{2, 0, 0}, 3, 1},			   /* no pcs */
		{{2, 0x81, 8, 0}, 4, 1},		   /* one pc too many */
		{{2, 0x80, 4, 2, 0x81, 4, 0}, 7, 2},	   /* the same, in the second run */
		{{2, 0xff, 0xff, 0xff, 0xff, 0x1f}, 6, 1}, /* 33 bits */
		{{0x82, 0x80, 0x80, 0x80, 0x10, 5, 0}, 7, 1},
		{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, 7, 1}, /* no end */
	};

	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		uint64_t limit;
		int32_t value;

		assert_int_equal(next_value(cases[i].bytes, cases[i].n, EM_X86_64, cases[i].calls, &limit, &value),
				 -EBADMSG);
	}
}

/* --- lines ---------------------------------------------------------------------------------------------------------
 */

static int lines_at(const struct go_image *image, uint64_t distance, char *text, size_t size)
{
	struct elf_file *file = go_image_open(image);
	struct go_line lines[GOPCLNTAB_MAX_LINES];
	struct go_function function;
	struct gopclntab *table;
	char name[64], source[64];
	size_t n = 0;
	int err;

	*text = '\0';
	assert_int_equal(gopclntab_open(file, &table), 0);
	assert_int_equal(gopclntab_function(table, 0, &function), 0);
	err = gopclntab_lines(table, &function, function.start + distance, lines, N(lines), &n);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(gopclntab_line_name(table, &lines[i], name, sizeof(name)), 0);
		assert_int_equal(gopclntab_line_file(table, &lines[i], source, sizeof(source)), 0);
		snprintf(text + strlen(text), size - strlen(text), "%s %s:%u(%u) ", name, source, lines[i].line,
			 lines[i].start_line);
	}
	gopclntab_free(table);
	elf_file_free(file);
	return err;
}

static void lines_follow_inlined_calls(void **state)
{
	static const struct {
		enum go_layout layout;
		const char *inlined, *plain;
	} cases[] = {
		{GO_LAYOUT_1_16,
		 "main.inner /src/inner.go:100(0) main.middle /src/outer.go:50(0) main.outer /src/outer.go:12(0) ",
		 "main.outer /src/outer.go:10(0) "},
		{GO_LAYOUT_1_18,
		 "main.inner /src/inner.go:100(0) main.middle /src/outer.go:50(0) main.outer /src/outer.go:12(0) ",
		 "main.outer /src/outer.go:10(0) "},
		{GO_LAYOUT_1_20,
		 "main.inner /src/inner.go:100(90) main.middle /src/outer.go:50(40) main.outer /src/outer.go:12(8) ",
		 "main.outer /src/outer.go:10(8) "},
	};

	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		struct go_image image;
		char text[512];

		go_image_inlined(&image, cases[i].layout);
		assert_int_equal(lines_at(&image, 0x28, text, sizeof(text)), 0);
		assert_string_equal(text, cases[i].inlined);
		assert_int_equal(lines_at(&image, 0x1f, text, sizeof(text)), 0);
		assert_string_equal(text, cases[i].plain);
		assert_int_equal(lines_at(&image, GO_OUTER_BYTES, text, sizeof(text)), -EINVAL);
	}
}

/* A line of what was inlined must not be told as one of the function that holds it. */
static void chain_that_is_not_whole_has_no_lines(void **state)
{
	static const struct {
		size_t at, bytes;
		uint64_t value;
		int err;
	} cases[] = {
		{GO_MODULE_DATA, 8, 0, -ENOTSUP},		     /* no module */
		{GO_MODULE_DATA + 20 * 8, 8, 1, -ENOTSUP},	     /* another's */
		{GO_MODULE_DATA + 40 * 8, 8, 0x123456789, -ENOTSUP}, /* outside the file */
		{GO_TREE + 16 + 8, 4, GO_OUTER_BYTES, -EBADMSG},     /* behind the function */
		{GO_TREE + 16 + 8, 4, 0x28, -EBADMSG},		     /* itself, for ever */
		{GO_FUNCTAB + 0x200 + 20, 4, 0x7fffffff, -EBADMSG},  /* pcfile */
		{GO_FUNCTAB + 0x200 + 24, 4, 0, -EBADMSG},	     /* no pcln */
		{GO_FUNCTAB + 0x200 + 32, 4, 0x7fffffff, -EBADMSG},  /* unit */
	};

	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		struct go_image image;
		char text[512];

		go_image_inlined(&image, GO_LAYOUT_1_20);
		go_put(&image, cases[i].at, cases[i].value, cases[i].bytes);
		assert_int_equal(lines_at(&image, 0x28, text, sizeof(text)), cases[i].err);
		assert_string_equal(text, "");
	}
}

static void values_end_with_the_table(void **state)
{
	struct go_function function = {.start = IMAGE_TEXT, .limit = IMAGE_TEXT + 0x400};
	struct gopclntab *table;
	struct go_values values;
	struct elf_file *file;
	struct go_image image;
	uint64_t limit;
	int32_t value;

	(void)state;
	init(&image, GO_LAYOUT_1_20);
	go_put(&image, 0xffe, 0x0302, 2);
	file = go_image_open(&image);
	table = open_table(file);
	go_values_init(&values, table, &function, 0xffe - GO_PCTAB);
	assert_int_equal(go_values_next(&values, &limit, &value), 1);
	assert_int_equal(go_values_next(&values, &limit, &value), -EBADMSG);
	go_values_init(&values, table, &function, 0xffffffff);
	assert_int_equal(go_values_next(&values, &limit, &value), -EBADMSG);
	gopclntab_free(table);
	elf_file_free(file);
}

static void file_that_shrank_gives_an_error_not_a_crash(void **state)
{
	struct gopclntab *table = NULL;
	struct go_image image;
	struct elf_file *file;

	(void)state;
	init(&image, GO_LAYOUT_1_20);
	file = go_image_open(&image);
	assert_int_equal(ftruncate(elf_file_fd(file), GO_TABLE_OFFSET + 0x100), 0);
	assert_int_equal(gopclntab_open(file, &table), -EIO);
	assert_int_equal(ftruncate(elf_file_fd(file), 0), 0);
	assert_int_equal(gopclntab_open(file, &table), -EIO);
	assert_null(table);
	elf_file_free(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(functions_of_every_layout_are_read),
		cmocka_unit_test(addresses_outside_the_table_have_no_function),
		cmocka_unit_test(name_is_cut_to_the_buffer),
		cmocka_unit_test(text_is_taken_from_the_module_of_newer_programs),
		cmocka_unit_test(text_is_taken_from_relocations_of_the_module),
		cmocka_unit_test(text_is_taken_from_the_relocation_of_the_header),
		cmocka_unit_test(text_section_is_believed_when_the_program_starts_in_it_at_a_go_function),
		cmocka_unit_test(module_that_contradicts_the_table_is_not_believed),
		cmocka_unit_test(code_outside_the_executable_segment_is_refused),
		cmocka_unit_test(table_of_a_position_independent_program_is_found),
		cmocka_unit_test(table_among_other_data_is_found_by_its_magic),
		cmocka_unit_test(header_that_is_refused_leaves_nothing_behind),
		cmocka_unit_test(table_of_a_file_without_section_headers_is_found),
		cmocka_unit_test(program_without_a_table_is_no_go_program),
		cmocka_unit_test(nonsense_in_the_header_is_refused),
		cmocka_unit_test(broken_function_costs_itself_only),
		cmocka_unit_test(functions_out_of_order_are_broken),
		cmocka_unit_test(function_before_the_first_is_broken),
		cmocka_unit_test(values_are_told_in_runs),
		cmocka_unit_test(broken_values_are_refused),
		cmocka_unit_test(lines_follow_inlined_calls),
		cmocka_unit_test(chain_that_is_not_whole_has_no_lines),
		cmocka_unit_test(values_end_with_the_table),
		cmocka_unit_test(file_that_shrank_gives_an_error_not_a_crash),
	};

	return cmocka_run_group_tests_name("gopclntab", tests, NULL, NULL);
}
