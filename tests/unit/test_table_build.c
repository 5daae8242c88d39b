/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>

#include "cfi_image.h"
#include "elf/elf_file.h"
#include "go_image.h"
#include "go_image.h"
#include "unwind/table_build.h"
#include "unwind_rows.h"

#define T IMAGE_TEXT
#define DEBUG_OFFSET 0x20000 /* of .debug_frame in a file that has both */
#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* --- files -------------------------------------------------------------------------------------------------------- */

struct function {
	uint64_t offset, size; /* from the beginning of .text */
	uint8_t cfa_off;       /* 0: its instructions are broken */
};

static void put_functions(struct frame *frame, const struct function *functions, size_t n)
{
	size_t cie = put_plain_cie(frame);

	for (size_t i = 0; i < n; i++) {
		uint8_t good[] = {DEF_CFA_OFFSET(functions[i].cfa_off)};
		uint8_t broken[] = {ADVANCE(1), DEF_CFA_OFFSET(80), ADVANCE(1), 0x3f};

		if (functions[i].cfa_off)
			put_fde(frame, cie, T + functions[i].offset, functions[i].size, good, sizeof(good));
		else
			put_fde(frame, cie, T + functions[i].offset, functions[i].size, broken, sizeof(broken));
	}
}

/* A frame in a file whose second section of code is no linkage table. */
static void plain_init(struct frame *frame, bool is_debug_frame)
{
	frame_init(frame, is_debug_frame);
	image_section(&frame->image, SECTION_PLT, ".fini", *image_shdr(&frame->image, SECTION_PLT));
}

static struct elf_file *open_fd(int fd)
{
	struct elf_file *file;

	assert_int_equal(elf_file_open(fd, &file), 0);
	return file;
}

/* A file with what the frame holds, which is released. */
static struct elf_file *frame_file(struct frame *frame)
{
	struct elf_file *file = open_fd(frame_fd(frame));

	buf_release(&frame->bytes);
	return file;
}

static struct elf_file *file_of(const struct function *functions, size_t n)
{
	struct frame frame;

	plain_init(&frame, false);
	put_functions(&frame, functions, n);
	return frame_file(&frame);
}

/* A second section of CFI in the same file. */
static void add_debug_frame(struct frame *frame, int fd, const struct frame *debug)
{
	image_section(&frame->image, SECTION_NOTE, ".debug_frame",
		      (Elf64_Shdr){.sh_type = SHT_PROGBITS, .sh_offset = DEBUG_OFFSET, .sh_size = debug->bytes.len});
	assert_int_equal(pwrite(fd, frame->image.bytes, sizeof(frame->image.bytes), 0), sizeof(frame->image.bytes));
	assert_int_equal(pwrite(fd, debug->bytes.data, debug->bytes.len, DEBUG_OFFSET), debug->bytes.len);
}

/* --- tables ------------------------------------------------------------------------------------------------------- */

struct built {
	void *bytes;
	size_t len;
	struct unwind_table table;
	struct table_writer_stats stats;
	struct table_coverage coverage;
};

static void check_coverage(const struct table_coverage *coverage)
{
	assert_int_equal(coverage->eh_frame + coverage->debug_frame + coverage->go + coverage->scanned +
				 coverage->none + coverage->unsupported,
			 coverage->code);
}

static struct built build(const struct elf_file *file, const struct elf_file *debug, uint32_t page)
{
	struct built built;
	int fd = memfd_create("table", MFD_CLOEXEC);

	assert_int_equal(table_build(file, debug, page, fd, &built.stats, &built.coverage), 0);
	built.len = (size_t)lseek(fd, 0, SEEK_END);
	built.bytes = mmap(NULL, built.len, PROT_READ, MAP_PRIVATE, fd, 0);
	assert_ptr_not_equal(built.bytes, MAP_FAILED);
	close(fd);
	assert_int_equal(unwind_table_read(built.bytes, built.len, elf_file_machine(file), &built.table), 0);
	check_coverage(&built.coverage);
	return built;
}

static void built_release(struct built *built)
{
	munmap(built->bytes, built->len);
}

/* The rule at a place in the file. */
static struct unwind_rule rule_at(const struct built *built, uint64_t file_off)
{
	struct table_walk walk = {.table = &built->table};

	return table_rule_at(&walk, file_off);
}

/* From a place in .text on holds: sp + cfa_off; 0: no rule; -1: one that is not supported. */
struct expected {
	uint64_t offset;
	int cfa_off;
};

static void check_text(const struct built *built, const struct expected *expected, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t limit = i + 1 < n ? expected[i + 1].offset : expected[i].offset + 1;
		int cfa_off = expected[i].cfa_off;
		struct unwind_rule rule = cfa_off > 0 ? rule_sp(cfa_off)
					  : cfa_off   ? rule_bare(UNWIND_CFA_UNSUPPORTED)
						      : rule_bare(UNWIND_CFA_NONE);

		for (uint64_t offset = expected[i].offset; offset < limit; offset++) {
			struct unwind_rule found = rule_at(built, IMAGE_TEXT_OFFSET + offset);

			if (!same_rule(found, rule))
				fail_msg(".text+0x%lx: cfa %u, offset %d; not %d", offset, found.cfa, found.cfa_off,
					 cfa_off);
		}
	}
}

#define CHECK_TEXT(built, ...)                                                                                         \
	check_text(built, (const struct expected[]){__VA_ARGS__}, LENGTH(((struct expected[]){__VA_ARGS__})))

/* --- tests -------------------------------------------------------------------------------------------------------- */

static void rules_hold_from_one_function_to_the_next(void **state)
{
	static const struct function functions[] = {
		{0x10, 0x20, 16}, /* directly behind it another one, */
		{0x30, 0x11, 24}, /* then 15 bytes of padding, */
		{0x50, 0x10, 32}, /* then 16 bytes that may be anything */
		{0x70, 0x10, 40},
	};
	struct elf_file *file = file_of(functions, LENGTH(functions));
	struct built built = build(file, NULL, 0);

	(void)state;
	CHECK_TEXT(&built, {0, 0}, {0x10, 16}, {0x30, 24}, {0x50, 32}, {0x60, 0}, {0x70, 40}, {0x80, 0}, {0xfff, 0});
	assert_int_equal(built.coverage.code, 0x1100); /* .text and .plt */
	assert_int_equal(built.coverage.eh_frame, 0x20 + 0x20 + 0x10 + 0x10);
	assert_int_equal(built.coverage.none, 0x1100 - 0x60);
	assert_true(built.coverage.is_whole);
	built_release(&built);
	elf_file_free(file);
}

static void largest_gaps_are_told_with_their_places(void **state)
{
	static const struct function functions[] = {
		{0x30, 0x20, 16},
		{0x80, 0x10, 0}, /* not supported, and behind it 16 bytes without a rule */
		{0xa0, 0xf40, 16},
	};
	static const struct table_gap gaps[] = {
		/* .plt lies behind .text, in memory and in the file. */
		{IMAGE_TEXT + 0xfe0, IMAGE_TEXT_OFFSET + 0xfe0, 0x120},
		{IMAGE_TEXT + 0x50, IMAGE_TEXT_OFFSET + 0x50, 0x50},
		{IMAGE_TEXT, IMAGE_TEXT_OFFSET, 0x30},
	};
	struct elf_file *file = file_of(functions, LENGTH(functions));
	struct built built = build(file, NULL, 0);

	(void)state;
	assert_int_equal(built.coverage.n_gaps, LENGTH(gaps));
	assert_memory_equal(built.coverage.gaps, gaps, sizeof(gaps));
	built_release(&built);
	elf_file_free(file);
}

static void of_many_gaps_the_largest_are_kept(void **state)
{
	struct function functions[32];
	struct elf_file *file;
	struct built built;

	(void)state;
	/* Gaps of 16 … 31 bytes, and as many again, between functions of 16 bytes. */
	for (size_t i = 0, at = 0; i < LENGTH(functions); i++, at += 16 + 16 + i % 16)
		functions[i] = (struct function){at, 16, 16};
	file = file_of(functions, LENGTH(functions));
	built = build(file, NULL, 0);
	assert_int_equal(built.coverage.n_gaps, TABLE_MAX_GAPS);
	for (size_t i = 1; i < TABLE_MAX_GAPS; i++) /* gap 0 is the rest of the code */
		assert_int_equal(built.coverage.gaps[i].bytes, 31 - (i - 1) / 2);
	assert_true(built.coverage.gaps[1].elf_va < built.coverage.gaps[2].elf_va); /* the first of equal ones */
	built_release(&built);
	elf_file_free(file);
}

static void broken_function_costs_its_own_range(void **state)
{
	static const struct function functions[] = {{0, 0x20, 16}, {0x20, 0x20, 0}, {0x40, 0x20, 24}};
	struct elf_file *file = file_of(functions, LENGTH(functions));
	struct built built = build(file, NULL, 0);

	(void)state;
	CHECK_TEXT(&built, {0, 16}, {0x20, -1}, {0x40, 24}, {0x60, 0});
	assert_int_equal(built.coverage.unsupported, 0x20);
	assert_int_equal(built.coverage.bad_entries, 0); /* they could be read */
	built_release(&built);
	elf_file_free(file);
}

static void last_function_ends_with_its_section(void **state)
{
	static const struct function functions[] = {{0, 0xff8, 16}, {0x1000, 0x100, 24}};
	struct elf_file *file = file_of(functions, LENGTH(functions));
	struct built built = build(file, NULL, 0);

	(void)state;
	CHECK_TEXT(&built, {0, 16}, {0x1000, 24}, {0x1100, 0});
	assert_int_equal(built.coverage.none, 0);
	built_release(&built);
	elf_file_free(file);
}

/* nop; mov x8, #139; svc #0: as much as padding may be. The look-up is by the return address less one, and by the
 * address behind it once it is in the system call. */
static void signal_trampoline_at_the_end_of_its_section_is_no_padding(void **state)
{
	static const uint32_t trampoline[] = {0xd503201f, 0xd2801168, 0xd4000001};
	static const struct {
		uint64_t size; /* of the section: the next one begins at 0x1000 */
		uint8_t behind;
	} cases[] = {{0x1000, UNWIND_CFA_SP}, {0xf00, UNWIND_CFA_SIGNAL}};

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		const uint64_t end = IMAGE_TEXT_OFFSET + cases[i].size;
		const struct function functions[] = {{0, cases[i].size - 12, 16}, {0x1000, 0x100, 24}};
		const struct image_symbol symbol = {.name = "__kernel_rt_sigreturn",
						    .va = T + cases[i].size - 8,
						    .type = STT_NOTYPE,
						    .bind = STB_GLOBAL,
						    .section = SECTION_TEXT,
						    .is_dynamic = true};
		struct elf_file *file;
		struct frame frame;
		struct built built;

		frame_init(&frame, false);
		frame.machine = EM_AARCH64;
		image_shdr(&frame.image, SECTION_TEXT)->sh_size = cases[i].size;
		put_functions(&frame, functions, LENGTH(functions));
		memcpy(frame.image.bytes + end - sizeof(trampoline), trampoline, sizeof(trampoline));
		image_add_symbol(&frame.image, &symbol);
		file = frame_file(&frame);
		built = build(file, NULL, 0);
		assert_int_equal(rule_at(&built, end - 13).cfa, UNWIND_CFA_SP);
		assert_int_equal(rule_at(&built, end - 10).cfa, UNWIND_CFA_NONE);
		assert_int_equal(rule_at(&built, end - 9).cfa, UNWIND_CFA_SIGNAL);
		assert_int_equal(rule_at(&built, end - 1).cfa, UNWIND_CFA_SIGNAL);
		assert_int_equal(rule_at(&built, end).cfa, cases[i].behind);
		if (cases[i].behind == UNWIND_CFA_SIGNAL)
			assert_int_equal(rule_at(&built, end + 1).cfa, UNWIND_CFA_NONE);
		built_release(&built);
		elf_file_free(file);
	}
}

/* As in files whose one segment holds everything that is only read. */
static void what_is_no_section_of_code_has_no_rule(void **state)
{
	static const struct function functions[] = {{0, 0x1100, 16}};
	struct elf_file *file;
	struct frame frame;
	struct built built;

	(void)state;
	plain_init(&frame, false);
	put_functions(&frame, functions, LENGTH(functions));
	image_shdr(&frame.image, SECTION_TEXT)->sh_size = 0x800;
	image_shdr(&frame.image, SECTION_PLT)->sh_flags = SHF_ALLOC;
	file = frame_file(&frame);
	built = build(file, NULL, 0);
	CHECK_TEXT(&built, {0, 16}, {0x800, 0}, {0x10ff, 0});
	assert_int_equal(built.coverage.code, 0x800);
	assert_int_equal(built.coverage.none, 0);
	built_release(&built);
	elf_file_free(file);
}

static void segments_are_taken_in_the_order_of_the_file(void **state)
{
	static const struct function functions[] = {{0, 0x1000, 16}};
	static const uint8_t code[] = {DEF_CFA_OFFSET(24)};
	struct elf_file *file;
	struct frame frame;
	struct built built;
	size_t cie;

	(void)state;
	plain_init(&frame, false);
	put_functions(&frame, functions, LENGTH(functions));
	/* .plt lies in front of .text in the file, behind it in memory. */
	image_phdr(&frame.image, 0)->p_filesz = image_phdr(&frame.image, 0)->p_memsz = 0x1000;
	*image_phdr(&frame.image, 1) = (Elf64_Phdr){.p_type = PT_LOAD,
						    .p_flags = PF_R | PF_X,
						    .p_offset = 0x2000,
						    .p_vaddr = 0x800000,
						    .p_filesz = 0x100,
						    .p_memsz = 0x100};
	image_shdr(&frame.image, SECTION_PLT)->sh_addr = 0x800000;
	cie = put_plain_cie(&frame);
	put_fde(&frame, cie, 0x800010, 0x20, code, sizeof(code));
	file = frame_file(&frame);
	built = build(file, NULL, 0);
	CHECK_TEXT(&built, {0, 16}, {0x1000, 0});
	assert_true(same_rule(rule_at(&built, 0x200f), rule_bare(UNWIND_CFA_NONE)));
	assert_true(same_rule(rule_at(&built, 0x2010), rule_sp(24)));
	assert_true(same_rule(rule_at(&built, 0x2030), rule_bare(UNWIND_CFA_NONE)));
	built_release(&built);
	elf_file_free(file);
}

static void segments_that_share_bytes_of_the_file_are_told_once(void **state)
{
	enum { OTHER_VA = 0x800000, OTHER_OFFSET = IMAGE_TEXT_OFFSET - 0x100, OTHER_BYTES = 0x4000 };
	static const struct function functions[] = {{0, 0x1000, 16}};
	static const uint8_t code[] = {DEF_CFA_OFFSET(24)};
	struct elf_file *file;
	struct frame frame;
	struct built built;

	(void)state;
	plain_init(&frame, false);
	put_functions(&frame, functions, LENGTH(functions));
	put_fde(&frame, 0, OTHER_VA + 0x180, 0x20, code, sizeof(code));
	*image_phdr(&frame.image, 1) = (Elf64_Phdr){.p_type = PT_LOAD,
						    .p_flags = PF_R | PF_X,
						    .p_offset = OTHER_OFFSET,
						    .p_vaddr = OTHER_VA,
						    .p_filesz = 0x100000, /* more than the file has */
						    .p_memsz = 0x100000};
	image_section(&frame.image, SECTION_NOTE, ".other",
		      (Elf64_Shdr){.sh_type = SHT_PROGBITS,
				   .sh_flags = SHF_ALLOC | SHF_EXECINSTR,
				   .sh_addr = OTHER_VA,
				   .sh_offset = OTHER_OFFSET,
				   .sh_size = OTHER_BYTES});
	file = frame_file(&frame);
	built = build(file, NULL, 0);
	/* The one that begins first counts. */
	CHECK_TEXT(&built, {0, 0}, {0x80, 24}, {0xa0, 0}, {0xfff, 0});
	assert_int_equal(built.coverage.code, OTHER_BYTES);
	built_release(&built);
	elf_file_free(file);
}

/* --- .debug_frame ------------------------------------------------------------------------------------------------- */

static void debug_frame_fills_what_a_sparse_eh_frame_lacks(void **state)
{
	static const struct function debug_functions[] = {
		{0x20, 0x20, 24}, {0x80, 0x40, 32}, {0x100, 0x20, 40}, {0x140, 0x20, 0}};
	static const struct {
		struct function eh[2];
		struct expected expected[10];
		size_t n;
	} cases[] = {
		/* Little is known: of what both know .eh_frame counts. */
		{{{0, 0x30, 16}, {0x90, 0x10, 48}},
		 {{0, 16},
		  {0x30, 24},
		  {0x40, 0},
		  {0x80, 32},
		  {0x90, 48},
		  {0xa0, 32},
		  {0xc0, 0},
		  {0x100, 40},
		  {0x120, 0},
		  {0x140, -1}},
		 10},
		/* Half of the code is known. */
		{{{0, 0x30, 16}, {0x400, 0x880, 48}}, {{0, 16}, {0x30, 0}, {0x400, 48}, {0xc80, 0}}, 4},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		for (int in_debug_file = 0; in_debug_file < 2; in_debug_file++) {
			struct frame frame, debug_frame;
			struct elf_file *file, *debug = NULL;
			struct built built;
			int fd;

			plain_init(&frame, false);
			plain_init(&debug_frame, true);
			put_functions(&frame, cases[i].eh, 2);
			put_functions(&debug_frame, debug_functions, LENGTH(debug_functions));
			fd = frame_fd(&frame);
			if (in_debug_file) {
				image_phdr(&debug_frame.image, 0)->p_filesz = 0;
				debug = open_fd(frame_fd(&debug_frame));
			} else {
				add_debug_frame(&frame, fd, &debug_frame);
			}
			file = open_fd(fd);
			built = build(file, debug, 0);
			check_text(&built, cases[i].expected, cases[i].n);
			assert_int_equal(built.coverage.debug_frame, i ? 0 : 0x10 + 0x30 + 0x20);
			built_release(&built);
			elf_file_free(file);
			elf_file_free(debug);
			buf_release(&frame.bytes);
			buf_release(&debug_frame.bytes);
		}
	}
}

static void debug_file_of_another_machine_is_not_used(void **state)
{
	static const struct function functions[] = {{0x20, 0x20, 24}};
	struct elf_file *file = file_of((struct function[]){{0, 0x10, 16}}, 1), *debug;
	struct frame debug_frame;
	struct built built;

	(void)state;
	plain_init(&debug_frame, true);
	put_functions(&debug_frame, functions, LENGTH(functions));
	debug_frame.machine = EM_AARCH64;
	debug = frame_file(&debug_frame);
	built = build(file, debug, 0);
	assert_int_equal(built.coverage.debug_frame, 0);
	built_release(&built);
	elf_file_free(file);
	elf_file_free(debug);
}

/* It says of the one function what it says of the other. */
static void debug_frame_of_a_go_program_is_not_used(void **state)
{
	static const uint8_t pcsp[] = {2, 0x80, 2, 0}; /* 0 for 256 bytes */
	static const struct go_image_function go_functions[] = {
		{"main.main", 0, pcsp, sizeof(pcsp), 0},
		{"gogo", 0x100, pcsp, sizeof(pcsp), GO_FUNCTION_ASSEMBLY | GO_FUNCTION_SP_WRITE},
	};
	static const struct function functions[] = {{0, 0x100, 24}, {0x100, 0x100, 32}};
	static const struct expected expected[] = {{0, 8}, {0x100, -1}};
	struct elf_file *file, *debug;
	struct frame debug_frame;
	struct go_image image;
	struct built built;

	(void)state;
	go_image_init(&image, EM_X86_64, GO_LAYOUT_1_20, go_functions, LENGTH(go_functions), 0x200);
	file = go_image_open(&image);
	frame_init(&debug_frame, true);
	put_functions(&debug_frame, functions, LENGTH(functions));
	debug = frame_file(&debug_frame);
	built = build(file, debug, 0);
	check_text(&built, expected, LENGTH(expected));
	assert_int_equal(built.coverage.debug_frame, 0);
	assert_int_equal(built.coverage.go, 0x100);
	assert_true(built.coverage.unsupported >= 0x100);
	built_release(&built);
	elf_file_free(file);
	elf_file_free(debug);
}

static void section_that_is_no_cfi_is_passed_over(void **state)
{
	static const struct function functions[] = {{0x20, 0x20, 24}};
	struct frame frame, debug_frame;
	struct elf_file *file;
	struct built built;
	int fd;

	(void)state;
	plain_init(&frame, false);
	plain_init(&debug_frame, true);
	put_uint(&frame, 0x7fffffff, 4);
	put_functions(&debug_frame, functions, LENGTH(functions));
	fd = frame_fd(&frame);
	add_debug_frame(&frame, fd, &debug_frame);
	file = open_fd(fd);
	built = build(file, NULL, 0);
	CHECK_TEXT(&built, {0, 0}, {0x20, 24}, {0x40, 0});
	built_release(&built);
	elf_file_free(file);
	buf_release(&frame.bytes);
	buf_release(&debug_frame.bytes);
}

/* --- large files -------------------------------------------------------------------------------------------------- */

static void large_file_is_built_window_by_window(void **state)
{
	enum { WINDOW = TABLE_WINDOW_PAGES << UNWIND_PAGE_SHIFT };
	static const uint64_t text_bytes = TABLE_WHOLE_BYTES + WINDOW + 0x1234;
	/* In the first window; over the border between the second and the third; in the last. */
	static const struct function functions[] = {
		{0x100, 0x20, 16},
		{2 * (uint64_t)WINDOW - IMAGE_TEXT_OFFSET - 0x100, 0x200, 24},
		{TABLE_WHOLE_BYTES + WINDOW + 0x1000, 0x234, 32},
	};
	static const struct {
		uint32_t page;
		uint32_t first_page, pages;
		uint64_t eh_frame;
	} cases[] = {
		{0, 0, 256, 0x20},	{255, 0, 256, 0x20},  {256, 256, 256, 0x100},
		{512, 512, 256, 0x100}, {1024, 1024, 256, 0}, {16 * 256 + 256, 17 * 256, 1, 0x234},
	};
	struct elf_file *file;
	struct frame frame;

	(void)state;
	plain_init(&frame, false);
	put_functions(&frame, functions, LENGTH(functions));
	image_phdr(&frame.image, 0)->p_filesz = image_phdr(&frame.image, 0)->p_memsz = text_bytes;
	image_shdr(&frame.image, SECTION_TEXT)->sh_size = text_bytes;
	image_shdr(&frame.image, SECTION_PLT)->sh_flags = 0;
	{
		int fd = frame_fd(&frame);

		assert_int_equal(ftruncate(fd, (off_t)(IMAGE_TEXT_OFFSET + text_bytes)), 0);
		file = open_fd(fd);
	}
	for (size_t i = 0; i < LENGTH(cases); i++) {
		struct table_writer_stats stats;
		struct table_coverage coverage;
		struct built built;
		int fd = memfd_create("table", MFD_CLOEXEC);

		if (!cases[i].eh_frame) {
			assert_int_equal(table_build(file, NULL, cases[i].page, fd, &stats, &coverage), -ENOENT);
			assert_true(coverage.code > 0 && coverage.none == coverage.code);
			assert_int_equal(coverage.gaps[0].bytes, coverage.code);
			close(fd);
			continue;
		}
		close(fd);
		built = build(file, NULL, cases[i].page);
		assert_int_equal(built.table.head.first_page, cases[i].first_page);
		assert_int_equal(built.table.head.n_pages, cases[i].pages);
		assert_int_equal(built.table.head.file_first_page, 0);
		assert_int_equal(built.table.head.file_pages, 17 * 256 + 1);
		assert_int_equal(built.coverage.eh_frame, cases[i].eh_frame);
		assert_false(built.coverage.is_whole);
		built_release(&built);
	}
	buf_release(&frame.bytes);
	elf_file_free(file);
}

/* --- code without CFI --------------------------------------------------------------------------------------------- */

/* push rbx; sub rsp, 32; add rsp, 32; pop rbx; ret */
#define FRAME_CODE 0x53, 0x48, 0x83, 0xec, 0x20, 0x48, 0x83, 0xc4, 0x20, 0x5b, 0xc3
#define FRAME_BYTES 11
#define FRAME_ROWS(at)                                                                                                 \
	{(at), 8}, {(at) + 1, 16}, {(at) + 5, 48}, {(at) + 9, 16},                                                     \
	{                                                                                                              \
		(at) + 10, 8                                                                                           \
	}

static void put_code(struct frame *frame, uint64_t offset)
{
	memcpy(frame->image.bytes + IMAGE_TEXT_OFFSET + offset, (uint8_t[]){FRAME_CODE}, FRAME_BYTES);
}

static void put_symbol(struct frame *frame, const char *name, uint64_t offset)
{
	image_add_symbol(&frame->image, &(struct image_symbol){.name = name,
							       .va = T + offset,
							       .size = FRAME_BYTES,
							       .type = STT_FUNC,
							       .bind = STB_GLOBAL,
							       .section = SECTION_TEXT});
}

static void functions_that_symbols_tell_are_scanned(void **state)
{
	static const struct function functions[] = {{0, 0x100, 64}, {0x200, 0x100, 72}};
	static const uint8_t loop[] = {0x90, 0xeb, 0xfd};
	struct elf_file *file;
	struct frame frame;
	struct built built;

	(void)state;
	plain_init(&frame, false);
	put_functions(&frame, functions, LENGTH(functions));
	memset(frame.image.bytes + IMAGE_TEXT_OFFSET, 0xcc, 0x1000);
	/* One where .eh_frame knows better, one in a gap; a loop that is no function, one that nobody tells of. */
	put_code(&frame, 0x80);
	put_code(&frame, 0x180);
	memcpy(frame.image.bytes + IMAGE_TEXT_OFFSET + 0x380, loop, sizeof(loop));
	memcpy(frame.image.bytes + IMAGE_TEXT_OFFSET + 0x480, loop, sizeof(loop));
	put_symbol(&frame, "known", 0x80);
	put_symbol(&frame, "in_the_gap", 0x180);
	put_symbol(&frame, "part.cold", 0x380);
	file = frame_file(&frame);
	built = build(file, NULL, 0);
	CHECK_TEXT(&built, {0, 64}, {0x100, 0}, FRAME_ROWS(0x180));
	CHECK_TEXT(&built, {0x200, 72}, {0x300, 0}, {0xfff, 0});
	assert_true(built.coverage.scanned >= FRAME_BYTES);
	built_release(&built);
	elf_file_free(file);
}

static void symbols_of_the_debug_file_tell_of_functions(void **state)
{
	struct elf_file *file, *debug;
	struct frame frame, debug_frame;
	struct built built;

	(void)state;
	plain_init(&frame, false);
	plain_init(&debug_frame, true);
	put_code(&frame, 0x180);
	put_symbol(&debug_frame, "function", 0x180);
	file = frame_file(&frame);
	debug = frame_file(&debug_frame);
	built = build(file, debug, 0);
	CHECK_TEXT(&built, {0, 0}, FRAME_ROWS(0x180), {0x180 + FRAME_BYTES, 0});
	built_release(&built);
	elf_file_free(file);
	elf_file_free(debug);
}

static void linkage_table_is_a_row_of_leaves(void **state)
{
	static const uint8_t entry[16] = {0xff, 0x25, 0, 0, 0, 0, 0x66, 0x90}; /* jmp *0(rip) */
	struct elf_file *file;
	struct frame frame;
	struct built built;

	(void)state;
	frame_init(&frame, false);
	for (size_t i = 0; i < 16; i++)
		memcpy(frame.image.bytes + IMAGE_TEXT_OFFSET + 0x1000 + 16 * i, entry, sizeof(entry));
	file = frame_file(&frame);
	built = build(file, NULL, 0);
	CHECK_TEXT(&built, {0, 0}, {0x1000, 8}, {0x1006, 8}, {0x10f5, 8});
	assert_true(built.coverage.scanned >= 16 * 6);
	built_release(&built);
	elf_file_free(file);
}

static void entry_of_a_program_has_no_caller(void **state)
{
	struct elf_file *file;
	struct frame frame;
	struct built built;
	struct unwind_rule stop = rule_bare(UNWIND_CFA_STOP);

	(void)state;
	plain_init(&frame, false);
	image_ehdr(&frame.image)->e_entry = T + 0x40;
	put_code(&frame, 0x60);
	put_symbol(&frame, "next", 0x60);
	file = frame_file(&frame);
	built = build(file, NULL, 0);
	assert_true(same_rule(rule_at(&built, IMAGE_TEXT_OFFSET + 0x40), stop));
	assert_true(same_rule(rule_at(&built, IMAGE_TEXT_OFFSET + 0x5f), stop));
	assert_true(same_rule(rule_at(&built, IMAGE_TEXT_OFFSET + 0x3f), stop));
	CHECK_TEXT(&built, {0, 0}, {0x3e, 0});
	CHECK_TEXT(&built, FRAME_ROWS(0x60), {0x60 + FRAME_BYTES, 0});
	built_release(&built);
	elf_file_free(file);
}

/* As the static programs of musl begin: what the entry calls comes right behind it. */
static void what_the_entry_calls_has_rules(void **state)
{
	static const uint8_t code[] = {
		0x31, 0xed,		   /* 40: xor %ebp,%ebp */
		0xe8, 0,    0,	  0,	0, /* 42: call 47 */
		0x48, 0x83, 0xec, 0x18,	   /* 47: sub $0x18,%rsp */
		0xe8, 0,    0x01, 0,	0, /* 4b: call 150 */
		0x48, 0x83, 0xc4, 0x18,	   /* 50: add $0x18,%rsp */
		0xc3,			   /* 54: ret */
	};
	struct unwind_rule stop = rule_bare(UNWIND_CFA_STOP);
	struct elf_file *file;
	struct frame frame;
	struct built built;

	(void)state;
	plain_init(&frame, false);
	image_ehdr(&frame.image)->e_entry = T + 0x40;
	memcpy(frame.image.bytes + IMAGE_TEXT_OFFSET + 0x40, code, sizeof(code));
	file = frame_file(&frame);
	built = build(file, NULL, 0);
	assert_true(same_rule(rule_at(&built, IMAGE_TEXT_OFFSET + 0x40), stop));
	assert_true(same_rule(rule_at(&built, IMAGE_TEXT_OFFSET + 0x46), stop));
	CHECK_TEXT(&built, {0x47, 8}, {0x4b, 32}, {0x50, 32}, {0x54, 8});
	built_release(&built);
	elf_file_free(file);
}

static void go_code_has_the_rows_of_its_table(void **state)
{
	static const uint8_t pcsp[] = {2, 1, 16, 0x1f, 0}; /* 0 up to +1, 8 up to the end */
	const struct go_image_function functions[] = {{"main.main", 0x100, pcsp, sizeof(pcsp), 0}};
	struct go_image image;
	struct elf_file *file;
	struct built built;

	(void)state;
	go_image_init(&image, EM_X86_64, GO_LAYOUT_1_20, functions, 1, 0x120);
	image_section(&image.elf, SECTION_PLT, ".fini", *image_shdr(&image.elf, SECTION_PLT));
	go_image_code(&image, 0x100, (uint8_t[]){0x53}, 1);
	file = go_image_open(&image);
	built = build(file, NULL, 0);
	CHECK_TEXT(&built, {0, 0}, {0x100, 8});
	assert_int_equal(rule_at(&built, IMAGE_TEXT_OFFSET + 0x101).cfa_off, 16);
	assert_int_equal(rule_at(&built, IMAGE_TEXT_OFFSET + 0x11f).cfa_off, 16);
	CHECK_TEXT(&built, {0x120, 0}, {0xfff, 0});
	assert_int_equal(built.coverage.go, 0x20);
	built_release(&built);
	elf_file_free(file);
}

/* A file of that much code, of which the first function is known. */
static struct elf_file *large_file(uint64_t text_bytes, const uint8_t *code, size_t n)
{
	struct frame frame;
	int fd;

	plain_init(&frame, false);
	put_functions(&frame, (struct function[]){{0, 0x20, 16}}, 1);
	image_phdr(&frame.image, 0)->p_filesz = image_phdr(&frame.image, 0)->p_memsz = text_bytes;
	image_shdr(&frame.image, SECTION_TEXT)->sh_size = text_bytes;
	image_shdr(&frame.image, SECTION_PLT)->sh_flags = 0;
	put_symbol(&frame, "f", text_bytes - 0x100);
	fd = frame_fd(&frame);
	assert_int_equal(ftruncate(fd, (off_t)(IMAGE_TEXT_OFFSET + text_bytes)), 0);
	for (uint64_t at = FRAME_OFFSET + 0x1000; at + n < IMAGE_TEXT_OFFSET + text_bytes; at += n)
		assert_int_equal(pwrite(fd, code, n, (off_t)at), n);
	assert_int_equal(
		pwrite(fd, (uint8_t[]){FRAME_CODE}, FRAME_BYTES, (off_t)(IMAGE_TEXT_OFFSET + text_bytes - 0x100)),
		FRAME_BYTES);
	buf_release(&frame.bytes);
	return open_fd(fd);
}

static void much_code_is_scanned_only_within_limits(void **state)
{
	/* push rbp; mov rbp, rsp; ...; pop rbp; ret, and a filling of nops */
	uint8_t with_frame_pointer[64] = {0x55, 0x48, 0x89, 0xe5}, without[64];
	static const struct {
		uint64_t bytes;
		bool has_frame_pointer, is_scanned;
	} cases[] = {
		{512 << 10, true, true},
		{2 << 20, false, true},
		{2 << 20, true, false},
		{5 << 20, false, false},
	};

	(void)state;
	memset(with_frame_pointer + 4, 0x90, 58);
	with_frame_pointer[62] = 0x5d, with_frame_pointer[63] = 0xc3;
	memset(without, 0x90, sizeof(without));
	without[63] = 0xc3;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		struct elf_file *file = large_file(
			cases[i].bytes, cases[i].has_frame_pointer ? with_frame_pointer : without, sizeof(without));
		struct built built = build(file, NULL, 0);

		if (!built.coverage.scanned != !cases[i].is_scanned)
			fail_msg("%zu: %lu bytes scanned", i, built.coverage.scanned);
		built_release(&built);
		elf_file_free(file);
	}
}

/* --- files without a table ---------------------------------------------------------------------------------------- */

static int build_error(const struct elf_file *file)
{
	struct table_writer_stats stats;
	struct table_coverage coverage;
	int fd = memfd_create("table", MFD_CLOEXEC), err;

	err = table_build(file, NULL, 0, fd, &stats, &coverage);
	assert_int_equal(lseek(fd, 0, SEEK_END), 0);
	close(fd);
	return err;
}

static void file_without_rules_has_no_table(void **state)
{
	static const struct function functions[] = {{0, 0x20, 16}};
	struct elf_file *file;
	struct frame frame;

	(void)state;
	for (int what = 0; what < 5; what++) {
		int expected = -ENOENT;

		plain_init(&frame, false);
		if (what)
			put_functions(&frame, functions, 1);
		if (what == 1) /* no code */
			image_phdr(&frame.image, 0)->p_flags = PF_R;
		if (what == 2) /* no sections, so no .eh_frame either */
			image_ehdr(&frame.image)->e_shoff = 0, image_ehdr(&frame.image)->e_shnum = 0;
		if (what == 3) { /* no sections of code */
			image_shdr(&frame.image, SECTION_TEXT)->sh_flags = SHF_ALLOC;
			image_shdr(&frame.image, SECTION_PLT)->sh_flags = SHF_ALLOC;
		}
		if (what == 4) {
			frame.machine = EM_S390;
			expected = -ENOTSUP;
		}
		file = frame_file(&frame);
		if (build_error(file) != expected)
			fail_msg("%d: %d", what, build_error(file));
		elf_file_free(file);
	}
}

static void file_that_shrank_gives_an_error(void **state)
{
	struct elf_file *file = file_of((struct function[]){{0, 0x10, 16}}, 1);

	(void)state;
	assert_int_equal(ftruncate(elf_file_fd(file), FRAME_OFFSET), 0);
	assert_int_equal(build_error(file), -EIO);
	elf_file_free(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_hold_from_one_function_to_the_next),
		cmocka_unit_test(largest_gaps_are_told_with_their_places),
		cmocka_unit_test(of_many_gaps_the_largest_are_kept),
		cmocka_unit_test(broken_function_costs_its_own_range),
		cmocka_unit_test(last_function_ends_with_its_section),
		cmocka_unit_test(signal_trampoline_at_the_end_of_its_section_is_no_padding),
		cmocka_unit_test(what_is_no_section_of_code_has_no_rule),
		cmocka_unit_test(segments_are_taken_in_the_order_of_the_file),
		cmocka_unit_test(segments_that_share_bytes_of_the_file_are_told_once),
		cmocka_unit_test(debug_frame_fills_what_a_sparse_eh_frame_lacks),
		cmocka_unit_test(debug_file_of_another_machine_is_not_used),
		cmocka_unit_test(debug_frame_of_a_go_program_is_not_used),
		cmocka_unit_test(section_that_is_no_cfi_is_passed_over),
		cmocka_unit_test(large_file_is_built_window_by_window),
		cmocka_unit_test(functions_that_symbols_tell_are_scanned),
		cmocka_unit_test(symbols_of_the_debug_file_tell_of_functions),
		cmocka_unit_test(linkage_table_is_a_row_of_leaves),
		cmocka_unit_test(entry_of_a_program_has_no_caller),
		cmocka_unit_test(what_the_entry_calls_has_rules),
		cmocka_unit_test(go_code_has_the_rows_of_its_table),
		cmocka_unit_test(much_code_is_scanned_only_within_limits),
		cmocka_unit_test(file_without_rules_has_no_table),
		cmocka_unit_test(file_that_shrank_gives_an_error),
	};

	return cmocka_run_group_tests_name("table_build", tests, NULL, NULL);
}
