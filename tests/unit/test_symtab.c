/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <link.h>
#include <stdio.h>

#include "elf/dynamic.h"
#include "elf/elf_file.h"
#include "elf/symbol_count.h"
#include "elf/symtab.h"
#include "elf_image.h"

#define T IMAGE_TEXT
#define FUNC(name, va, size, bind)                                                                                     \
	{                                                                                                              \
		name, va, size, STT_FUNC, STB_##bind, SECTION_TEXT, 0                                                  \
	}

struct lookup {
	uint64_t va;
	const char *name; /* NULL: none */
	uint64_t start;
};

struct table {
	struct elf_file *file;
	struct symtab *symtab;
};

static struct table open_table(int fd)
{
	struct table table = {NULL, NULL};

	assert_int_equal(elf_file_open(fd, &table.file), 0);
	assert_int_equal(symtab_new(table.file, &table.symtab), 0);
	return table;
}

static void close_table(struct table *table)
{
	symtab_free(table->symtab);
	elf_file_free(table->file);
}

static void check_lookups(const struct symtab *symtab, const struct lookup *lookups, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct symbol symbol = {0, 0};
		char name[64] = "";
		int err = symtab_find(symtab, lookups[i].va, &symbol, name, sizeof(name));

		if (err != (lookups[i].name ? 0 : -ENOENT) || (lookups[i].name && strcmp(name, lookups[i].name) != 0) ||
		    symbol.elf_va != (lookups[i].name ? lookups[i].start : 0))
			fail_msg("0x%lx: '%s' at 0x%lx (%d), not '%s'", lookups[i].va, name, symbol.elf_va, err,
				 lookups[i].name ? lookups[i].name : "none");
	}
}

static void check(const struct image_symbol *symbols, size_t n_symbols, const struct lookup *lookups, size_t n_lookups)
{
	struct elf_image image;
	struct table table;

	/* In both orders: what is found must not hang on where it stands in the file. And with a string table that is
	 * too large to be held. */
	for (int round = 0; round < 4; round++) {
		bool is_backward = round & 1, is_large = round & 2;
		int fd;

		image_init(&image);
		for (size_t i = 0; i < n_symbols; i++)
			image_add_symbol(&image, &symbols[is_backward ? n_symbols - 1 - i : i]);
		if (is_large)
			image_shdr(&image, SECTION_STRTAB)->sh_size = 40 << 20;
		fd = image_fd(&image);
		assert_int_equal(ftruncate(fd, 64 << 20), 0);
		table = open_table(fd);
		check_lookups(table.symtab, lookups, n_lookups);
		close_table(&table);
	}
}

#define CHECK(symbols, lookups)                                                                                        \
	check(symbols, sizeof(symbols) / sizeof((symbols)[0]), lookups, sizeof(lookups) / sizeof((lookups)[0]))

static void symbol_ends_with_its_size(void **state)
{
	const struct image_symbol symbols[] = {FUNC("first", T, 0x10, GLOBAL), FUNC("second", T + 0x20, 0x10, LOCAL)};
	const struct lookup lookups[] = {
		{T - 1, NULL, 0},
		{T, "first", T},
		{T + 0xf, "first", T},
		{T + 0x10, NULL, 0},
		{T + 0x1f, NULL, 0},
		{T + 0x20, "second", T + 0x20},
		{T + 0x2f, "second", T + 0x20},
		{T + 0x30, NULL, 0},
		{UINT64_MAX, NULL, 0},
		{0, NULL, 0},
	};

	(void)state;
	CHECK(symbols, lookups);
}

static void best_alias_names_an_address(void **state)
{
	const struct image_symbol symbols[] = {
		FUNC("l", T, 8, LOCAL),
		FUNC("weak", T, 8, WEAK),
		FUNC("global_long", T, 8, GLOBAL),
		FUNC("global_b", T, 8, GLOBAL),
		FUNC("global_a", T, 8, GLOBAL),
		FUNC("w", T + 8, 8, WEAK),
		FUNC("ll", T + 8, 8, LOCAL),
		FUNC("x", T + 8, 8, LOCAL),
		FUNC("aa", T + 16, 8, LOCAL),
		FUNC("b", T + 16, 8, LOCAL),
		{"unique", T + 24, 8, STT_FUNC, STB_GNU_UNIQUE, SECTION_TEXT, 0},
		FUNC("v", T + 24, 8, WEAK),
	};
	const struct lookup lookups[] = {
		{T, "global_a", T}, {T + 8, "w", T + 8}, {T + 16, "b", T + 16}, {T + 24, "unique", T + 24}};

	(void)state;
	CHECK(symbols, lookups);
}

static void innermost_symbol_wins_and_outer_one_goes_on_behind_it(void **state)
{
	const struct image_symbol symbols[] = {FUNC("outer", T, 0x100, GLOBAL), FUNC("middle", T + 0x20, 0x40, LOCAL),
					       FUNC("inner", T + 0x30, 0x10, LOCAL)};
	const struct lookup lookups[] = {
		{T + 0x1f, "outer", T},		{T + 0x20, "middle", T + 0x20}, {T + 0x30, "inner", T + 0x30},
		{T + 0x40, "middle", T + 0x20}, {T + 0x60, "outer", T},		{T + 0xff, "outer", T},
		{T + 0x100, NULL, 0},
	};

	(void)state;
	CHECK(symbols, lookups);
}

static void outer_symbol_is_found_behind_many_inner_ones(void **state)
{
	struct image_symbol symbols[IMAGE_MAX_SYMBOLS - 1] = {FUNC("outer", T, 0xf00, GLOBAL)};
	const struct lookup lookups[] = {{T + 1, "outer", T},
					 {T + 0x10, "inner", T + 0x10},
					 {T + 0x7e8, "outer", T},
					 {T + 0xeff, "outer", T},
					 {T + 0xf00, NULL, 0}};

	(void)state;
	for (size_t i = 1; i < IMAGE_MAX_SYMBOLS - 1; i++)
		symbols[i] = (struct image_symbol)FUNC("inner", T + 0x10 * i, 8, LOCAL);
	CHECK(symbols, lookups);
}

static void alias_that_reaches_further_names_the_rest(void **state)
{
	const struct image_symbol symbols[] = {FUNC("short", T, 0x10, GLOBAL), FUNC("longer", T, 0x20, LOCAL),
					       FUNC("longest", T, 0x40, WEAK), FUNC("b_longest", T, 0x40, LOCAL)};
	const struct lookup lookups[] = {
		{T + 0xf, "short", T}, {T + 0x10, "longest", T}, {T + 0x3f, "longest", T}, {T + 0x40, NULL, 0}};

	(void)state;
	CHECK(symbols, lookups);
}

static void symbol_without_size_ends_at_the_next_or_with_its_section(void **state)
{
	const struct image_symbol symbols[] = {
		FUNC("sized", T, 0x10, GLOBAL),	      FUNC("no_size", T + 0x40, 0, GLOBAL),
		FUNC("next", T + 0x60, 0x10, GLOBAL), {"label", T + 0x80, 0, STT_NOTYPE, STB_GLOBAL, SECTION_TEXT, 0},
		FUNC("last", T + 0xf00, 0, LOCAL),
	};
	const struct lookup lookups[] = {
		{T + 0x3f, NULL, 0},
		{T + 0x40, "no_size", T + 0x40},
		{T + 0x5f, "no_size", T + 0x40},
		{T + 0x60, "next", T + 0x60},
		{T + 0x70, NULL, 0},
		{T + 0xeff, "label", T + 0x80},
		{T + 0xfff, "last", T + 0xf00},
		{IMAGE_PLT, NULL, 0},
	};

	(void)state;
	CHECK(symbols, lookups);
}

static void label_within_a_function_does_not_name_it(void **state)
{
	const struct image_symbol symbols[] = {
		FUNC("function", T, 0x40, LOCAL),
		{"label", T + 0x10, 0, STT_NOTYPE, STB_GLOBAL, SECTION_TEXT, 0},
		{"entry", T, 0, STT_NOTYPE, STB_GLOBAL, SECTION_TEXT, 0},
		FUNC("global_no_size", T + 0x80, 0, GLOBAL),
		FUNC("local_sized", T + 0x80, 0x10, LOCAL),
	};
	const struct lookup lookups[] = {
		{T, "function", T},
		{T + 0x10, "function", T},
		{T + 0x3f, "function", T},
		{T + 0x40, NULL, 0},
		{T + 0x8f, "global_no_size", T + 0x80},
		{T + 0x90, NULL, 0},
	};

	(void)state;
	CHECK(symbols, lookups);
}

static void what_is_no_function_is_left_out(void **state)
{
	const struct image_symbol symbols[] = {
		{"$x", T, 0, STT_NOTYPE, STB_LOCAL, SECTION_TEXT, 0},
		{"$d", T + 0x10, 0, STT_NOTYPE, STB_LOCAL, SECTION_TEXT, 0},
		{".L1", T + 0x20, 0, STT_NOTYPE, STB_LOCAL, SECTION_TEXT, 0},
		{"object", T + 0x30, 8, STT_OBJECT, STB_GLOBAL, SECTION_TEXT, 0},
		{"undefined", T + 0x40, 8, STT_FUNC, STB_GLOBAL, SHN_UNDEF, 0},
		{"absolute", T + 0x50, 8, STT_FUNC, STB_GLOBAL, SHN_ABS, 0},
		{"data", IMAGE_DATA, 8, STT_FUNC, STB_GLOBAL, SECTION_DATA, 0},
		{"elsewhere", IMAGE_DATA, 8, STT_FUNC, STB_GLOBAL, SECTION_TEXT, 0},
		{"no_section", T + 0x60, 8, STT_FUNC, STB_GLOBAL, 999, 0},
		{"", T + 0x70, 8, STT_FUNC, STB_GLOBAL, SECTION_TEXT, 0},
		{"file.c", T, 0, STT_FILE, STB_LOCAL, SHN_ABS, 0},
		{"high", UINT64_MAX - 4, 8, STT_FUNC, STB_GLOBAL, SECTION_TEXT, 0},
		{"end", T + 0x1000, 0, STT_NOTYPE, STB_GLOBAL, SECTION_TEXT, 0},
		{"resolver", T + 0x80, 8, STT_GNU_IFUNC, STB_GLOBAL, SECTION_TEXT, 0},
	};
	struct elf_image image;
	struct table table;

	(void)state;
	image_init(&image);
	image_ehdr(&image)->e_machine = EM_AARCH64;
	for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++)
		image_add_symbol(&image, &symbols[i]);
	table = open_table(image_fd(&image));
	check_lookups(table.symtab,
		      (struct lookup[]){{T + 0x80, "resolver", T + 0x80}, {T, NULL, 0}, {T + 0x70, NULL, 0}}, 3);
	close_table(&table);
}

static void read_only_data_within_an_executable_segment_is_left_out(void **state)
{
	struct elf_image image;
	struct table table;

	(void)state;
	image_init(&image);
	image_shdr(&image, SECTION_PLT)->sh_flags = SHF_ALLOC;
	image_add_symbol(&image, &(struct image_symbol){"data", IMAGE_PLT, 8, STT_FUNC, STB_GLOBAL, SECTION_PLT, 0});
	table = open_table(image_fd(&image));
	assert_int_equal(symtab_count(table.symtab), 0);
	close_table(&table);
}

static void dynamic_symbols_fill_what_the_full_table_lacks(void **state)
{
	const struct image_symbol symbols[] = {
		FUNC("open@@VERSION_1", T, 8, GLOBAL),
		{"open", T, 8, STT_FUNC, STB_GLOBAL, SECTION_TEXT, 1},
		FUNC("local_only", T + 8, 8, LOCAL),
		{"dynamic_only", T + 16, 8, STT_FUNC, STB_WEAK, SECTION_TEXT, 1},
	};
	const struct lookup lookups[] = {
		{T, "open", T}, {T + 8, "local_only", T + 8}, {T + 16, "dynamic_only", T + 16}};

	(void)state;
	CHECK(symbols, lookups);
}

static void addresses_are_told_in_their_order(void **state)
{
	const struct image_symbol symbols[] = {FUNC("last", T + 0x80, 0x10, LOCAL), FUNC("outer", T, 0x40, GLOBAL),
					       FUNC("inner", T + 0x10, 8, LOCAL), FUNC("alias", T, 0x40, WEAK),
					       FUNC("longer", T, 0x60, LOCAL)};
	static const uint64_t expected[] = {T, T, T + 0x10, T + 0x80};
	struct elf_image image;
	struct table table;

	(void)state;
	image_init(&image);
	for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++)
		image_add_symbol(&image, &symbols[i]);
	table = open_table(image_fd(&image));
	assert_int_equal(symtab_count(table.symtab), 4);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(symtab_address(table.symtab, i), expected[i]);
	close_table(&table);
}

static void name_is_cut_to_the_buffer(void **state)
{
	const struct image_symbol symbols[] = {FUNC("a_long_name", T, 8, GLOBAL)};
	struct elf_image image;
	struct symbol symbol;
	struct table table;
	char name[8];

	(void)state;
	image_init(&image);
	image_add_symbol(&image, &symbols[0]);
	table = open_table(image_fd(&image));
	assert_int_equal(symtab_find(table.symtab, T, &symbol, name, sizeof(name)), 0);
	assert_string_equal(name, "a_long_");
	assert_int_equal(symtab_find(table.symtab, T, &symbol, name, 1), 0);
	assert_string_equal(name, "");
	close_table(&table);
}

static void name_longer_than_one_read_is_whole(void **state)
{
	char long_name[2000], name[4096];
	struct elf_image image;
	struct symbol symbol;
	struct table table;

	(void)state;
	for (size_t i = 0; i < sizeof(long_name) - 1; i++)
		long_name[i] = (char)('a' + i % 26);
	long_name[sizeof(long_name) - 1] = '\0';
	image_init(&image);
	image_add_symbol(&image, &(struct image_symbol)FUNC(long_name, T, 8, GLOBAL));
	table = open_table(image_fd(&image));
	assert_int_equal(symtab_find(table.symtab, T, &symbol, name, sizeof(name)), 0);
	assert_string_equal(name, long_name);
	close_table(&table);
}

static void bad_tables_give_no_symbols(void **state)
{
	static const struct {
		const char *what;
		size_t section, offset, size;
		uint64_t value;
	} cases[] = {
		{"entry size", SECTION_SYMTAB, offsetof(Elf64_Shdr, sh_entsize), 8, 16},
		{"string table of another type", SECTION_STRTAB, offsetof(Elf64_Shdr, sh_type), 4, SHT_PROGBITS},
		{"string table beyond the file", SECTION_STRTAB, offsetof(Elf64_Shdr, sh_offset), 8, IMAGE_BYTES},
		{"string table that is no section", SECTION_SYMTAB, offsetof(Elf64_Shdr, sh_link), 4, 99},
		{"table beyond the file", SECTION_SYMTAB, offsetof(Elf64_Shdr, sh_offset), 8, UINT64_MAX - 3},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct elf_image image;
		struct table table;

		image_init(&image);
		image_add_symbol(&image, &(struct image_symbol)FUNC("main", T, 8, GLOBAL));
		memcpy((uint8_t *)image_shdr(&image, cases[i].section) + cases[i].offset, &cases[i].value,
		       cases[i].size);
		table = open_table(image_fd(&image));
		if (symtab_count(table.symtab))
			fail_msg("%s: symbols", cases[i].what);
		close_table(&table);
	}
}

static void file_that_shrank_gives_an_error_not_a_crash(void **state)
{
	struct elf_image image;
	struct elf_file *file = NULL;
	struct symtab *symtab = NULL;
	struct symbol symbol;
	char name[16];
	int fd;

	(void)state;
	image_init(&image);
	image_add_symbol(&image, &(struct image_symbol)FUNC("main", T, 8, GLOBAL));
	fd = image_fd(&image);
	assert_int_equal(elf_file_open(fd, &file), 0);
	assert_int_equal(symtab_new(file, &symtab), 0);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(symtab_find(symtab, T, &symbol, name, sizeof(name)), -ENOENT);
	symtab_free(symtab);
	symtab = NULL;
	assert_int_equal(symtab_new(file, &symtab), -EIO);
	assert_null(symtab);
	elf_file_free(file);
}

/* --- a file in the file --------------------------------------------------------------------------------------------
 */

/* The embedded image's file is closed before anything is looked up. */
static struct table open_embedded(struct elf_image *own, struct elf_image *embedded)
{
	struct table table = {NULL, NULL};
	struct elf_file *file;

	assert_int_equal(elf_file_open(image_fd(own), &table.file), 0);
	assert_int_equal(elf_file_open(image_fd(embedded), &file), 0);
	assert_int_equal(symtab_new_from(&(struct symtab_files){.file = table.file, .embedded = file}, &table.symtab),
			 0);
	elf_file_free(file);
	return table;
}

static void add_all(struct elf_image *image, const struct image_symbol *symbols, size_t n)
{
	image_init(image);
	for (size_t i = 0; i < n; i++)
		image_add_symbol(image, &symbols[i]);
}

static void embedded_symbols_fill_what_the_file_lacks(void **state)
{
	const struct image_symbol own[] = {
		{"exported", T, 0x100, STT_FUNC, STB_GLOBAL, SECTION_TEXT, 1},
		{"assembly", T + 0x200, 0, STT_FUNC, STB_GLOBAL, SECTION_TEXT, 1},
		{"outer", T + 0x400, 0x100, STT_FUNC, STB_GLOBAL, SECTION_TEXT, 1},
		{"twice", T + 0x600, 0x10, STT_FUNC, STB_GLOBAL, SECTION_TEXT, 1},
		{"weak_own", T + 0x700, 0x10, STT_FUNC, STB_WEAK, SECTION_TEXT, 1},
	};
	const struct image_symbol embedded[] = {
		FUNC("local", T + 0x100, 0x80, LOCAL),
		FUNC("local_in_the_gap", T + 0x280, 0x40, LOCAL),
		FUNC("inner", T + 0x440, 0x20, LOCAL),
		FUNC("label", T + 0x480, 0, GLOBAL),
		FUNC("twice", T + 0x600, 0x10, GLOBAL),
		FUNC("strong_embedded", T + 0x700, 0x10, GLOBAL),
		{"not_dynamic_here", T + 0x800, 0x10, STT_FUNC, STB_GLOBAL, SECTION_TEXT, 1},
	};
	const struct lookup lookups[] = {
		{T, "exported", T},
		{T + 0xff, "exported", T},
		{T + 0x100, "local", T + 0x100},
		{T + 0x17f, "local", T + 0x100},
		{T + 0x180, NULL, 0},
		{T + 0x27f, "assembly", T + 0x200}, /* without a size it ends at the next, of whichever table */
		{T + 0x280, "local_in_the_gap", T + 0x280},
		{T + 0x2c0, NULL, 0},
		{T + 0x43f, "outer", T + 0x400},
		{T + 0x440, "inner", T + 0x440},
		{T + 0x460, "outer", T + 0x400},
		{T + 0x480, "outer", T + 0x400},
		{T + 0x500, NULL, 0},
		{T + 0x600, "twice", T + 0x600},
		{T + 0x700, "strong_embedded", T + 0x700},
		{T + 0x800, NULL, 0},
	};
	struct elf_image image, inner;
	struct table table;
	size_t bytes;

	(void)state;
	add_all(&image, own, sizeof(own) / sizeof(own[0]));
	add_all(&inner, embedded, sizeof(embedded) / sizeof(embedded[0]));
	table = open_embedded(&image, &inner);
	check_lookups(table.symtab, lookups, sizeof(lookups) / sizeof(lookups[0]));
	bytes = symtab_memory_bytes(table.symtab);
	close_table(&table);
	/* The names of the embedded file are held. */
	table = open_table(image_fd(&image));
	assert_true(bytes > symtab_memory_bytes(table.symtab) + image_shdr(&inner, SECTION_STRTAB)->sh_size);
	close_table(&table);
}

static void embedded_file_needs_neither_contents_nor_segments(void **state)
{
	const struct image_symbol local[] = {FUNC("local", T, 0x100, LOCAL)};
	const struct lookup found = {T, "local", T}, none = {T, NULL, 0};
	struct elf_image image, inner;
	struct table table;

	(void)state;
	image_init(&image);
	add_all(&inner, local, 1);
	image_shdr(&inner, SECTION_TEXT)->sh_type = SHT_NOBITS;
	image_shdr(&inner, SECTION_TEXT)->sh_offset = 1ull << 40;
	image_ehdr(&inner)->e_phnum = 0;
	table = open_embedded(&image, &inner);
	check_lookups(table.symtab, &found, 1);
	close_table(&table);
	/* What the file itself does not load as code has no names. */
	image_phdr(&image, 0)->p_flags = PF_R;
	table = open_embedded(&image, &inner);
	check_lookups(table.symtab, &none, 1);
	assert_int_equal(symtab_count(table.symtab), 0);
	close_table(&table);
}

static void embedded_file_may_be_useless(void **state)
{
	const struct image_symbol own[] = {FUNC("own", T, 0x100, GLOBAL)}, local[] = {FUNC("local", T, 0x100, LOCAL)};
	const struct lookup found = {T, "own", T};
	struct elf_file *file, *large;
	struct elf_image image, inner;
	struct symtab *symtab = NULL;
	struct table table;
	int fd;

	(void)state;
	add_all(&image, own, 1);
	image_init(&inner);
	table = open_embedded(&image, &inner); /* no symbols */
	check_lookups(table.symtab, &found, 1);
	close_table(&table);
	add_all(&inner, local, 1);
	image_shdr(&inner, SECTION_SYMTAB)->sh_link = 77;
	table = open_embedded(&image, &inner);
	check_lookups(table.symtab, &found, 1);
	close_table(&table);
	fd = image_fd(&inner);
	assert_int_equal(ftruncate(fd, SYMTAB_MAX_EMBEDDED_BYTES + 1), 0);
	assert_int_equal(elf_file_open(image_fd(&image), &file), 0);
	assert_int_equal(elf_file_open(fd, &large), 0);
	assert_int_equal(symtab_new_from(&(struct symtab_files){.file = file, .embedded = large}, &symtab), -E2BIG);
	assert_null(symtab);
	elf_file_free(large);
	elf_file_free(file);
}

/* --- against libelf ------------------------------------------------------------------------------------------------
 */

struct oracle_symbol {
	uint64_t va, size;
	unsigned int rank;
	int section;
	bool is_dynamic;
	char *name;
};

struct oracle {
	struct oracle_symbol *symbols;
	size_t n;
};

static unsigned int oracle_rank(const GElf_Sym *sym)
{
	unsigned int bind = GELF_ST_BIND(sym->st_info), rank = bind == STB_LOCAL ? 2 : bind == STB_WEAK ? 1 : 0;

	return GELF_ST_TYPE(sym->st_info) == STT_NOTYPE ? rank + 10 : rank;
}

static void oracle_read(struct oracle *oracle, Elf *elf, Elf_Scn *scn, const GElf_Shdr *shdr)
{
	Elf_Data *data = elf_getdata(scn, NULL);
	GElf_Sym sym;

	for (int i = 0; gelf_getsym(data, i, &sym); i++) {
		unsigned int type = GELF_ST_TYPE(sym.st_info);
		bool is_label = type == STT_NOTYPE && GELF_ST_BIND(sym.st_info) != STB_LOCAL;
		struct oracle_symbol *symbol;
		GElf_Shdr section;

		if ((type != STT_FUNC && type != STT_GNU_IFUNC && !is_label) || sym.st_shndx == SHN_UNDEF ||
		    sym.st_shndx >= SHN_LORESERVE || !sym.st_name ||
		    !gelf_getshdr(elf_getscn(elf, sym.st_shndx), &section) || !(section.sh_flags & SHF_EXECINSTR) ||
		    sym.st_value - section.sh_addr >= section.sh_size)
			continue;
		oracle->symbols = realloc(oracle->symbols, (oracle->n + 1) * sizeof(*symbol));
		assert_non_null(oracle->symbols);
		symbol = &oracle->symbols[oracle->n++];
		*symbol = (struct oracle_symbol){sym.st_value,
						 sym.st_size,
						 oracle_rank(&sym),
						 sym.st_shndx,
						 shdr->sh_type == SHT_DYNSYM,
						 strdup(elf_strptr(elf, shdr->sh_link, sym.st_name))};
	}
}

static void oracle_open(struct oracle *oracle, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	Elf *elf;
	Elf_Scn *scn = NULL;
	GElf_Shdr shdr;

	oracle->symbols = NULL;
	oracle->n = 0;
	assert_true(fd >= 0);
	elf = elf_begin(fd, ELF_C_READ, NULL);
	assert_non_null(elf);
	while ((scn = elf_nextscn(elf, scn)))
		if (gelf_getshdr(scn, &shdr) && (shdr.sh_type == SHT_SYMTAB || shdr.sh_type == SHT_DYNSYM))
			oracle_read(oracle, elf, scn, &shdr);
	elf_end(elf);
	close(fd);
}

static bool oracle_is_better(const struct oracle_symbol *a, const struct oracle_symbol *b)
{
	if (a->rank != b->rank)
		return a->rank < b->rank;
	if (strlen(a->name) != strlen(b->name))
		return strlen(a->name) < strlen(b->name);
	return strcmp(a->name, b->name) < 0;
}

/* The rules of symtab.h as one loop over all symbols. */
static const struct oracle_symbol *oracle_find(const struct oracle *oracle, uint64_t va)
{
	const struct oracle_symbol *best = NULL, *nearest = NULL;

	for (size_t i = 0; i < oracle->n; i++) {
		const struct oracle_symbol *symbol = &oracle->symbols[i];

		if (symbol->va > va)
			continue;
		if (!nearest || symbol->va > nearest->va || (symbol->va == nearest->va && symbol->size > nearest->size))
			nearest = symbol; /* of those, one with a size */
		if (va - symbol->va < symbol->size &&
		    (!best || symbol->va > best->va || (symbol->va == best->va && oracle_is_better(symbol, best))))
			best = symbol;
	}
	if (best) { /* a better name without a size stands for the longest one */
		bool is_longest = true;
		const struct oracle_symbol *sizeless = NULL;

		for (size_t i = 0; i < oracle->n; i++) {
			const struct oracle_symbol *symbol = &oracle->symbols[i];

			if (symbol->va != best->va)
				continue;
			is_longest &= symbol->size <= best->size;
			if (!symbol->size && (!sizeless || oracle_is_better(symbol, sizeless)))
				sizeless = symbol;
		}
		return is_longest && sizeless && oracle_is_better(sizeless, best) ? sizeless : best;
	}
	return nearest && !nearest->size ? nearest : NULL;
}

static void oracle_close(struct oracle *oracle)
{
	for (size_t i = 0; i < oracle->n; i++)
		free(oracle->symbols[i].name);
	free(oracle->symbols);
}

static uint64_t random_below(uint64_t *seed, uint64_t limit)
{
	*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
	return (*seed >> 20) % limit;
}

#define ADDRESSES 4000

static void check_file_against_libelf(const char *path)
{
	struct table table = open_table(open(path, O_RDONLY | O_CLOEXEC));
	struct oracle oracle;
	uint64_t seed = 1;
	size_t named = 0;

	oracle_open(&oracle, path);
	assert_true(oracle.n > 50);
	for (size_t i = 0; i < ADDRESSES; i++) {
		const struct oracle_symbol *near = &oracle.symbols[random_below(&seed, oracle.n)], *expected;
		uint64_t va = near->va + random_below(&seed, near->size + 32) - 16;
		struct symbol symbol = {0, 0};
		char name[4096] = "";
		int err;

		expected = oracle_find(&oracle, va);
		err = symtab_find(table.symtab, va, &symbol, name, sizeof(name));
		if (expected && !expected->size && err)
			continue; /* its section may have ended */
		named += !err;
		if (err != (expected ? 0 : -ENOENT) || (expected && strcmp(expected->name, name) != 0) ||
		    (expected && expected->va != symbol.elf_va))
			fail_msg("%s 0x%lx: '%s' (%d), libelf says '%s'", path, va, name, err,
				 expected ? expected->name : "none");
	}
	assert_true(named > ADDRESSES / 2);
	oracle_close(&oracle);
	close_table(&table);
}

static int find_libc(struct dl_phdr_info *info, size_t size, void *path)
{
	(void)size;
	if (!strstr(info->dlpi_name, "/libc.so"))
		return 0;
	snprintf(path, 256, "%s", info->dlpi_name);
	return 1;
}

static void libc_path(char path[256])
{
	path[0] = '\0';
	assert_int_equal(dl_iterate_phdr(find_libc, path), 1);
}

static void libc_is_named_as_libelf_would(void **state)
{
	char path[256];

	(void)state;
	libc_path(path);
	check_file_against_libelf(path);
}

static void own_program_is_named_as_libelf_would(void **state)
{
	(void)state;
	check_file_against_libelf("/proc/self/exe");
}

/* Every function that nm prints for libc is found at its address: as it, or as an alias that nm prints there too. */
static void every_function_of_nm_is_found(void **state)
{
	char path[256], command[320], line[1024];
	size_t lines = 0, same = 0;
	struct table table;
	FILE *nm;

	(void)state;
	libc_path(path);
	table = open_table(open(path, O_RDONLY | O_CLOEXEC));
	snprintf(command, sizeof(command), "nm -D -S --defined-only --without-symbol-versions '%s'", path);
	nm = popen(command, "r");
	assert_non_null(nm);
	while (fgets(line, sizeof(line), nm)) {
		char *end, name[512];
		uint64_t va = strtoull(line, &end, 16);
		uint64_t size = strtoull(end, &end, 16);
		struct symbol symbol;

		if (strlen(end) < 4 || !strchr("tTwWi", end[1]) || !size)
			continue;
		line[strcspn(line, "\n")] = '\0';
		assert_int_equal(symtab_find(table.symtab, va, &symbol, name, sizeof(name)), 0);
		assert_int_equal(symbol.elf_va, va);
		same += strcmp(name, end + 3) == 0;
		lines++;
	}
	assert_int_equal(pclose(nm), 0);
	assert_true(lines > 1000);
	assert_true(same > lines / 2);
	close_table(&table);
}

/* Neighbours and nested ones are one run. */
static void code_with_symbols_is_told_in_runs(void **state)
{
	const struct image_symbol symbols[] = {
		FUNC("a", T, 0x10, GLOBAL),
		FUNC("b", T + 0x10, 0x10, LOCAL),
		FUNC("outer", T + 0x40, 0x40, GLOBAL),
		FUNC("in", T + 0x50, 8, LOCAL),
		FUNC("alone", T + 0x90, 0x10, WEAK),
	};
	const uint64_t runs[][2] = {{T, T + 0x20}, {T + 0x40, T + 0x80}, {T + 0x90, T + 0xa0}};
	uint64_t start, limit;
	struct elf_image image;
	struct table table;
	size_t pos = 0;

	(void)state;
	image_init(&image);
	for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++)
		image_add_symbol(&image, &symbols[i]);
	table = open_table(image_fd(&image));
	for (size_t i = 0; i < 3; i++) {
		assert_true(symtab_next_run(table.symtab, &pos, &start, &limit));
		assert_int_equal(start, runs[i][0]);
		assert_int_equal(limit, runs[i][1]);
	}
	assert_false(symtab_next_run(table.symtab, &pos, &start, &limit));
	close_table(&table);
}

/* Entries and functions as they stand there; what is imported is not the file's. */
static void tables_are_counted(void **state)
{
	const struct image_symbol symbols[] = {
		{"", 0, 0, STT_NOTYPE, STB_LOCAL, 0, 0},
		FUNC("a", T, 0x10, GLOBAL),
		FUNC("alias", T, 0x10, LOCAL),
		{"data", T, 8, STT_OBJECT, STB_GLOBAL, SECTION_DATA, 0},
		{"imported", 0, 0, STT_FUNC, STB_GLOBAL, SHN_UNDEF, 0},
	};
	struct symbol_count count;
	struct elf_image image;
	struct elf_file *file;

	(void)state;
	image_init(&image);
	for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++)
		image_add_symbol(&image, &symbols[i]);
	assert_int_equal(elf_file_open(image_fd(&image), &file), 0);
	assert_int_equal(symbol_count(file, SHT_SYMTAB, &count), 0);
	assert_int_equal(count.symbols, 4);
	assert_int_equal(count.functions, 2);
	assert_int_equal(symbol_count(file, SHT_DYNSYM, &count), -ENOENT);
	elf_file_free(file);
}

static void programs_and_libraries_are_told_apart(void **state)
{
	static const Elf64_Dyn pie[] = {{.d_tag = DT_FLAGS}, {.d_tag = DT_FLAGS_1, .d_un.d_val = DF_1_NOW | DF_1_PIE}};
	static const Elf64_Dyn library[] = {{.d_tag = DT_FLAGS_1, .d_un.d_val = DF_1_NOW}, {.d_tag = DT_NULL}};
	struct elf_image image;
	struct elf_file *file;

	(void)state;
	image_init(&image);
	image_shdr(&image, SECTION_DATA)->sh_type = SHT_DYNAMIC;
	image_shdr(&image, SECTION_DATA)->sh_size = sizeof(pie);
	memcpy(image.bytes + image_shdr(&image, SECTION_DATA)->sh_offset, pie, sizeof(pie));
	assert_int_equal(elf_file_open(image_fd(&image), &file), 0);
	assert_true(dynamic_is_pie(file));
	elf_file_free(file);
	memcpy(image.bytes + image_shdr(&image, SECTION_DATA)->sh_offset, library, sizeof(library));
	assert_int_equal(elf_file_open(image_fd(&image), &file), 0);
	assert_false(dynamic_is_pie(file));
	elf_file_free(file);
	image_shdr(&image, SECTION_DATA)->sh_size = UINT64_MAX;
	assert_int_equal(elf_file_open(image_fd(&image), &file), 0);
	assert_false(dynamic_is_pie(file));
	elf_file_free(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(symbol_ends_with_its_size),
		cmocka_unit_test(best_alias_names_an_address),
		cmocka_unit_test(innermost_symbol_wins_and_outer_one_goes_on_behind_it),
		cmocka_unit_test(outer_symbol_is_found_behind_many_inner_ones),
		cmocka_unit_test(alias_that_reaches_further_names_the_rest),
		cmocka_unit_test(symbol_without_size_ends_at_the_next_or_with_its_section),
		cmocka_unit_test(label_within_a_function_does_not_name_it),
		cmocka_unit_test(what_is_no_function_is_left_out),
		cmocka_unit_test(read_only_data_within_an_executable_segment_is_left_out),
		cmocka_unit_test(dynamic_symbols_fill_what_the_full_table_lacks),
		cmocka_unit_test(addresses_are_told_in_their_order),
		cmocka_unit_test(code_with_symbols_is_told_in_runs),
		cmocka_unit_test(tables_are_counted),
		cmocka_unit_test(programs_and_libraries_are_told_apart),
		cmocka_unit_test(name_is_cut_to_the_buffer),
		cmocka_unit_test(name_longer_than_one_read_is_whole),
		cmocka_unit_test(bad_tables_give_no_symbols),
		cmocka_unit_test(file_that_shrank_gives_an_error_not_a_crash),
		cmocka_unit_test(embedded_symbols_fill_what_the_file_lacks),
		cmocka_unit_test(embedded_file_needs_neither_contents_nor_segments),
		cmocka_unit_test(embedded_file_may_be_useless),
		cmocka_unit_test(libc_is_named_as_libelf_would),
		cmocka_unit_test(own_program_is_named_as_libelf_would),
		cmocka_unit_test(every_function_of_nm_is_found),
	};

	return elf_version(EV_CURRENT) == EV_NONE ? 1 : cmocka_run_group_tests_name("symtab", tests, NULL, NULL);
}
