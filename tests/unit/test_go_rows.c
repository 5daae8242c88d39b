/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>

#include "elf/elf_file.h"
#include "go_image.h"
#include "unwind/go_rows.h"

#define N(array) (sizeof(array) / sizeof(*(array)))

/* Changes of delta as the linker writes them. */
#define UP(n) ((n)*2)
#define DOWN(n) ((n)*2 - 1)
#define UP_LONG(n) (UP(n) & 0x7f) | 0x80, UP(n) >> 7
#define UP_LONGER(n) (UP(n) & 0x7f) | 0x80, ((UP(n) >> 7) & 0x7f) | 0x80, UP(n) >> 14
#define FIRST UP(1) /* from -1 to 0 */

#define SP(off)                                                                                                        \
	{                                                                                                              \
		.cfa = UNWIND_CFA_SP, .cfa_off = (off), .ra_off = -8                                                   \
	}
#define SP_SAVED(off)                                                                                                  \
	{                                                                                                              \
		.cfa = UNWIND_CFA_SP, .fp = UNWIND_FP_SAVED, .cfa_off = (off), .fp_off = -16, .ra_off = -8             \
	}
#define SP_LOST(off)                                                                                                   \
	{                                                                                                              \
		.cfa = UNWIND_CFA_SP, .fp = UNWIND_FP_LOST, .cfa_off = (off), .ra_off = -8                             \
	}
#define FRAME(kind)                                                                                                    \
	{                                                                                                              \
		.cfa = UNWIND_CFA_##kind, .fp = UNWIND_FP_SAVED, .cfa_off = 16, .fp_off = -16, .ra_off = -8            \
	}
#define LINK(off)                                                                                                      \
	{                                                                                                              \
		.cfa = UNWIND_CFA_SP, .ra = UNWIND_RA_LINK, .cfa_off = (off)                                           \
	}
#define ARM(off, frame)                                                                                                \
	{                                                                                                              \
		.cfa = UNWIND_CFA_SP, .cfa_off = (off), .ra_off = -(frame)                                             \
	}
#define ARM_SAVED(off, frame)                                                                                          \
	{                                                                                                              \
		.cfa = UNWIND_CFA_SP, .fp = UNWIND_FP_SAVED, .cfa_off = (off), .fp_off = -(frame)-8,                   \
		.ra_off = -(frame)                                                                                     \
	}
#define ARM_FRAME(kind, frame)                                                                                         \
	{                                                                                                              \
		.cfa = UNWIND_CFA_##kind, .fp = UNWIND_FP_SAVED, .cfa_off = (frame) + 8, .fp_off = -(frame)-8,         \
		.ra_off = -(frame)                                                                                     \
	}
#define ONLY(kind)                                                                                                     \
	{                                                                                                              \
		.cfa = UNWIND_CFA_##kind                                                                               \
	}

struct row {
	uint64_t at; /* in .text */
	struct unwind_rule rule;
};

struct rows {
	struct row items[64];
	size_t n;
	int err; /* what the sink says to the row number err_at */
	size_t err_at;
};

static int add_row(void *ctx, uint64_t elf_va, const struct unwind_rule *rule)
{
	struct rows *rows = ctx;

	if (rows->err && rows->n == rows->err_at)
		return rows->err;
	assert_true(rows->n < N(rows->items));
	rows->items[rows->n++] = (struct row){elf_va - IMAGE_TEXT, *rule};
	return 1; /* only what is negative ends it */
}

static int emit(const struct go_image *image, uint64_t first, uint64_t limit, struct rows *rows)
{
	const struct row_sink sink = {add_row, rows};
	struct elf_file *file = go_image_open(image);
	struct go_rows *go = NULL;
	int err;

	rows->n = 0;
	assert_int_equal(go_rows_open(file, &go), 0);
	err = go_rows_emit(go, first, limit, &sink);
	go_rows_free(go);
	elf_file_free(file);
	return err;
}

static void check_rows(const struct rows *rows, const struct row *expected, size_t n)
{
	for (size_t i = 0; i < rows->n && i < n; i++) {
		assert_int_equal(rows->items[i].at, expected[i].at);
		assert_memory_equal(&rows->items[i].rule, &expected[i].rule, sizeof(struct unwind_rule));
	}
	assert_int_equal(rows->n, n);
}

struct case_of {
	uint16_t machine;
	enum go_layout layout;
	struct go_image_function function;
	uint8_t code[64];
	struct row rows[8];
	size_t n;
};

static void check_case(const struct case_of *one)
{
	struct rows rows = {.n = 0};
	struct go_image image;

	go_image_init(&image, one->machine, one->layout, &one->function, 1, one->function.start + 64);
	go_image_code(&image, one->function.start, one->code, sizeof(one->code));
	assert_int_equal(emit(&image, 0, UINT64_MAX, &rows), 0);
	check_rows(&rows, one->rows, one->n);
}

#define PUSH_MOV 0x55, 0x48, 0x89, 0xe5
#define SUB_RSP(n) 0x48, 0x83, 0xec, (n)
#define ADD_RSP(n) 0x48, 0x83, 0xc4, (n)
#define SUB_RSP_LONG(n) 0x48, 0x81, 0xec, (n)&0xff, (n) >> 8, 0, 0
#define MOV_RBP(off) 0x48, 0x89, 0x6c, 0x24, (off)
#define LEA_RBP(off) 0x48, 0x8d, 0x6c, 0x24, (off)
#define MOV_RBP_LONG(off) 0x48, 0x89, 0xac, 0x24, (off)&0xff, (off) >> 8, 0, 0
#define RET 0xc3

/* push rbp; mov rbp, rsp; sub rsp, 32; …; add rsp, 32; pop rbp; ret; then code behind an early return */
static const uint8_t new_frame[] = {FIRST, 1, UP(8), 7, UP(32), 12, DOWN(32), 1, DOWN(8), 1, UP(40), 10, 0};
/* sub rsp, 40; mov [rsp + 32], rbp; lea rbp, [rsp + 32]; …; add rsp, 40; ret */
static const uint8_t old_frame[] = {FIRST, 4, UP(40), 30, DOWN(40), 1, UP(40), 5, 0};
static const uint8_t large_old_frame[] = {FIRST, 7, UP_LONG(0x200), 30, 0};
static const uint8_t push_only[] = {FIRST, 1, UP(8), 40, 0};
static const uint8_t push_two[] = {FIRST, 1, UP(16), 40, 0};
static const uint8_t no_frame[] = {FIRST, 40, 0};

static void frame_pointer_is_saved_from_the_store_on(void **state)
{
	static const struct case_of cases[] = {
		{EM_X86_64,
		 GO_LAYOUT_1_20,
		 {"main.f", 0, new_frame, sizeof(new_frame), 0},
		 {PUSH_MOV, SUB_RSP(32)},
		 {{0, SP(8)},
		  {1, SP_SAVED(16)},
		  {8, SP_SAVED(48)},
		  {20, SP_SAVED(16)},
		  {21, SP(8)},
		  {22, SP_SAVED(48)}},
		 6},
		{EM_X86_64,
		 GO_LAYOUT_1_18,
		 {"main.f", 0, old_frame, sizeof(old_frame), 0},
		 {SUB_RSP(40), MOV_RBP(32), LEA_RBP(32)},
		 {{0, SP(8)}, {4, SP(48)}, {9, SP_SAVED(48)}, {34, SP(8)}, {35, SP_SAVED(48)}},
		 5},
		{EM_X86_64,
		 GO_LAYOUT_1_16,
		 {"main.f", 0, large_old_frame, sizeof(large_old_frame), 0},
		 {SUB_RSP_LONG(0x200), MOV_RBP_LONG(0x1f8)},
		 {{0, SP(8)}, {7, SP(0x208)}, {15, SP_SAVED(0x208)}},
		 3},
		{EM_X86_64,
		 GO_LAYOUT_1_2,
		 {"main.f", 0, push_only, sizeof(push_only), 0},
		 {0x55, 0x48, 0x89, 0xe5},
		 {{0, SP(8)}, {1, SP_SAVED(16)}},
		 2},
	};

	(void)state;
	for (size_t i = 0; i < N(cases); i++)
		check_case(&cases[i]);
}

static void frame_pointer_is_lost_where_no_store_of_it_is_seen(void **state)
{
	static const struct case_of cases[] = {
		/* push r13; mov rbp, rsp would be "41 55 48 89 e5", and sp 8 lower all the same */
		{EM_X86_64,
		 GO_LAYOUT_1_20,
		 {"asm", 0, push_only, sizeof(push_only), 0},
		 {0x53},
		 {{0, SP(8)}, {1, SP_LOST(16)}},
		 2},
		/* no single push lowers sp by 16 */
		{EM_X86_64,
		 GO_LAYOUT_1_20,
		 {"asm", 0, push_two, sizeof(push_two), 0},
		 {PUSH_MOV},
		 {{0, SP(8)}, {1, SP_LOST(24)}},
		 2},
		/* saved at another place than the compiler's */
		{EM_X86_64,
		 GO_LAYOUT_1_18,
		 {"asm", 0, old_frame, sizeof(old_frame), 0},
		 {SUB_RSP(40), MOV_RBP(24), LEA_RBP(24)},
		 {{0, SP(8)}, {4, SP_LOST(48)}, {34, SP(8)}, {35, SP_LOST(48)}},
		 4},
		{EM_X86_64, GO_LAYOUT_1_20, {"asm", 0, no_frame, sizeof(no_frame), 0}, {RET}, {{0, SP(8)}}, 1},
		/* it does not use C's frame pointer either */
		{EM_X86_64,
		 GO_LAYOUT_1_18,
		 {"crosscall2", 0, old_frame, sizeof(old_frame), 0},
		 {SUB_RSP(40), MOV_RBP(24)},
		 {{0, SP(8)}, {4, SP(48)}, {34, SP(8)}, {35, SP(48)}},
		 4},
	};

	(void)state;
	for (size_t i = 0; i < N(cases); i++)
		check_case(&cases[i]);
}

#define SWITCHES(name_)                                                                                                \
	{                                                                                                              \
		EM_X86_64, GO_LAYOUT_1_20, {(name_), 0, new_frame, sizeof(new_frame), 6}, {PUSH_MOV, SUB_RSP(32)},     \
			{{0, SP(8)}, {1, SP_SAVED(16)}, {4, FRAME(SWITCH)}, {21, SP(8)}, {22, FRAME(SWITCH)}}, 5       \
	}

static void switch_of_stacks_is_undone_by_the_frame_pointer(void **state)
{
	static const struct case_of cases[] = {
		SWITCHES("runtime.systemstack"),
		SWITCHES("runtime.asmcgocall"),
		SWITCHES("runtime.cgocallback"),
		SWITCHES("time.now"),
		/* the same stack, but who knows how it was aligned */
		{EM_X86_64,
		 GO_LAYOUT_1_20,
		 {"runtime.callCgoMmap", 0, push_only, sizeof(push_only), 6},
		 {PUSH_MOV},
		 {{0, SP(8)}, {1, SP_SAVED(16)}, {4, FRAME(FP)}},
		 3},
		{EM_X86_64,
		 GO_LAYOUT_1_16,
		 {"runtime.nanotime1", 0, old_frame, sizeof(old_frame), 0},
		 {SUB_RSP(40), MOV_RBP(32), LEA_RBP(32)},
		 {{0, SP(8)}, {4, SP(48)}, {9, SP_SAVED(48)}, {14, FRAME(SWITCH)}, {34, SP(8)}, {35, FRAME(SWITCH)}},
		 6},
		/* Go 1.15 had another use for the frame pointer, 1.20 no frame. */
		{EM_X86_64,
		 GO_LAYOUT_1_2,
		 {"runtime.nanotime1", 0, old_frame, sizeof(old_frame), 0},
		 {SUB_RSP(40), MOV_RBP(32), LEA_RBP(32)},
		 {{0, ONLY(UNSUPPORTED)}},
		 1},
		{EM_X86_64,
		 GO_LAYOUT_1_20,
		 {"runtime.systemstack", 0, no_frame, sizeof(no_frame), 6},
		 {RET},
		 {{0, ONLY(UNSUPPORTED)}},
		 1},
		/* A wrapper has the name, but not the flag. */
		{EM_X86_64,
		 GO_LAYOUT_1_20,
		 {"runtime.asmcgocall", 0, push_only, sizeof(push_only), 0},
		 {PUSH_MOV},
		 {{0, SP(8)}, {1, SP_SAVED(16)}},
		 2},
	};

	(void)state;
	for (size_t i = 0; i < N(cases); i++)
		check_case(&cases[i]);
}

/* Until Go 1.20 rbp is the caller's again before the last change of rsp, which then is right. */
static void frame_pointer_is_believed_until_the_epilogue(void **state)
{
	static const uint8_t small[] = {FIRST, 4, UP(40), 20, DOWN(40), 1, 0};
	static const uint8_t large[] = {FIRST, 7, UP_LONG(0x200), 40, (DOWN(0x200) & 0x7f) | 0x80, DOWN(0x200) >> 7,
					1,     0};
	static const struct case_of cases[] = {
		{EM_X86_64,
		 GO_LAYOUT_1_16,
		 {"runtime.cgocallback", 0, small, sizeof(small), 0},
		 {SUB_RSP(40), MOV_RBP(32), LEA_RBP(32), 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, ADD_RSP(40), RET},
		 {{0, SP(8)}, {4, SP(48)}, {9, SP_SAVED(48)}, {14, FRAME(SWITCH)}, {20, SP_SAVED(48)}, {24, SP(8)}},
		 6},
		{EM_X86_64,
		 GO_LAYOUT_1_18,
		 {"runtime.callCgoMmap", 0, large, sizeof(large), 6},
		 {SUB_RSP_LONG(0x200), MOV_RBP_LONG(0x1f8), 0x48, 0x8d, 0xac, 0x24, 0xf8, 1, 0, 0, [40] = 0x48, 0x81,
		  0xc4, 0, 2, 0, 0, RET},
		 {{0, SP(8)},
		  {7, SP(0x208)},
		  {15, SP_SAVED(0x208)},
		  {23, FRAME(FP)},
		  {40, SP_SAVED(0x208)},
		  {47, SP(8)}},
		 6},
	};

	(void)state;
	for (size_t i = 0; i < N(cases); i++)
		check_case(&cases[i]);
}

static void code_that_sets_sp_is_unsupported(void **state)
{
	static const struct {
		const char *name;
		enum go_layout layout;
		uint8_t flags;
	} names[] = {
		{"gogo", GO_LAYOUT_1_20, 6},
		{"runtime.gogo", GO_LAYOUT_1_20, 6},
		{"runtime.gogo", GO_LAYOUT_1_16, 0},
		{"runtime.clone", GO_LAYOUT_1_20, 4},
		{"runtime.jmpdefer", GO_LAYOUT_1_2, 0},
		{"example.com/crypto.block", GO_LAYOUT_1_20, 6},
		{"example.com/crypto.block", GO_LAYOUT_1_16, 2},
	};

	(void)state;
	for (size_t i = 0; i < N(names); i++) {
		struct case_of one = {EM_X86_64,
				      names[i].layout,
				      {names[i].name, 0, push_only, sizeof(push_only), names[i].flags},
				      {PUSH_MOV},
				      {{0, ONLY(UNSUPPORTED)}},
				      1};

		check_case(&one);
		one.machine = EM_AARCH64;
		check_case(&one);
	}
}

static void calls_that_a_signal_handler_injects_return_to_an_instruction(void **state)
{
	static const struct {
		const char *name;
		uint8_t flags;
	} names[] = {{"runtime.asyncPreempt", 4}, {"runtime.sigpanic", 0}, {"runtime.debugCallV2", 4}};

	(void)state;
	for (size_t i = 0; i < N(names); i++) {
		struct case_of one = {EM_X86_64,
				      GO_LAYOUT_1_20,
				      {names[i].name, 0, push_only, sizeof(push_only), names[i].flags},
				      {PUSH_MOV},
				      {{0, SP(8)}, {1, SP_SAVED(16)}},
				      2};

		for (size_t row = 0; row < 2; row++)
			one.rows[row].rule.ra = UNWIND_RA_EXACT;
		check_case(&one);
	}
}

static void roots_have_no_caller(void **state)
{
	static const struct {
		const char *name;
		uint8_t flags;
	} names[] = {
		{"runtime.goexit", 0},	 {"runtime.mstart", 0},	  {"runtime.rt0_go", 0},
		{"_rt0_amd64_linux", 0}, {"_rt0_arm64_linux", 0}, {"_rt0_amd64", 0},
		{"some.newerRoot", 5},	 {"runtime.rt0_go", 7},	  {"runtime.morestack", 6},
	};

	(void)state;
	for (size_t i = 0; i < N(names); i++) {
		struct case_of one = {
			EM_X86_64,  GO_LAYOUT_1_20,    {names[i].name, 0, push_only, sizeof(push_only), names[i].flags},
			{PUSH_MOV}, {{0, ONLY(STOP)}}, 1};

		/* All that SP_WRITE says of a root does not matter, if we know it. */
		check_case(&one);
	}
}

/* The runtime's own unwinder ends at what the kernel called; ours knows the frame that the kernel made. */
static void signal_handler_is_no_root(void **state)
{
	static const struct case_of one = {
		EM_X86_64,
		GO_LAYOUT_1_20,
		{"runtime.sigtramp", 0, old_frame, sizeof(old_frame), 5},
		{SUB_RSP(40), MOV_RBP(32)},
		{{0, SP(8)}, {4, SP(48)}, {9, SP_SAVED(48)}, {34, SP(8)}, {35, SP_SAVED(48)}},
		5};

	(void)state;
	check_case(&one);
}

static void mcall_is_left_for_good_behind_the_push(void **state)
{
	static const uint8_t with_frame[] = {FIRST, 1, UP(8), 20, UP(8), 10, DOWN(8), 5, 0};
	static const uint8_t without[] = {FIRST, 20, UP(8), 20, 0};
	static const uint8_t on_arm64[] = {FIRST, 5, UP(16), 5, 0};
	static const struct case_of cases[] = {
		{EM_X86_64,
		 GO_LAYOUT_1_20,
		 {"runtime.mcall", 0, with_frame, sizeof(with_frame), 6},
		 {PUSH_MOV},
		 {{0, SP(8)},
		  {1, SP_SAVED(16)},
		  {4, FRAME(FP)},
		  {20, ONLY(UNSUPPORTED)}, /* the push itself */
		  {21, ONLY(STOP)},
		  {31, ONLY(UNSUPPORTED)}},
		 6},
		{EM_X86_64,
		 GO_LAYOUT_1_20,
		 {"runtime.mcall", 0, without, sizeof(without), 6},
		 {RET},
		 {{0, ONLY(UNSUPPORTED)}, {20, ONLY(STOP)}},
		 2},
		{EM_AARCH64,
		 GO_LAYOUT_1_20,
		 {"runtime.mcall", 0, on_arm64, sizeof(on_arm64), 6},
		 {RET},
		 {{0, ONLY(UNSUPPORTED)}, {20, ONLY(STOP)}},
		 2},
	};

	(void)state;
	for (size_t i = 0; i < N(cases); i++)
		check_case(&cases[i]);
}

/* --- arm64 -------------------------------------------------------------------------------------------------------- */

#define WORD(w) (w) & 0xff, (w) >> 8 & 0xff, (w) >> 16 & 0xff, (uint32_t)(w) >> 24
#define NOP WORD(0xd503201f)
#define STR_X30_PRE_32 WORD(0xf81e0ffe) /* str x30, [sp, #-32]! */
#define STUR_X29 WORD(0xf81f83fd)	/* stur x29, [sp, #-8] */
#define SUB_X29 WORD(0xd10023fd)	/* sub x29, sp, #8 */
#define STR_X30_X27 WORD(0xf900037e)	/* str x30, [x27] */
#define MOV_SP_X27 WORD(0x9100037f)	/* mov sp, x27 */
#define MOV_X0_X27 WORD(0x91000360)	/* add x0, x27, #0 */
#define STP_BELOW_X20 WORD(0xa93ffa9d)	/* stp x29, x30, [x20, #-8] */
#define MOV_SP_X20 WORD(0x9100029f)	/* mov sp, x20 */
#define STP_SP_176 WORD(0xa90b7bfd)	/* stp x29, x30, [sp, #176] */
#define LDR_X29_X28 WORD(0xf940379d)	/* ldr x29, [x28, #104] */
#define LDR_X29_SP WORD(0xf94007fd)	/* ldr x29, [sp, #8] */
#define LDUR_X29 WORD(0xf85f83fd)	/* ldur x29, [sp, #-8] */
#define STUR_X30_32 WORD(0xf81e03fe)	/* stur x30, [sp, #-32] */
#define STP_X29_X30_40 WORD(0xa93dfbfd) /* stp x29, x30, [sp, #-40] */
#define SUB_SP_32 WORD(0xd10083ff)	/* sub sp, sp, #32 */

/* Lowered by 32 behind the second instruction, raised before the last. */
static const uint8_t arm_frame[] = {FIRST, 2, UP(32), 6, DOWN(32), 1, 0};
/* The same, and once more by 16 within. */
static const uint8_t arm_deeper[] = {FIRST, 2, UP(32), 3, UP(16), 3, DOWN(48), 1, 0};
static const uint8_t arm_large[] = {FIRST, 3, UP_LONGER(0x8000), 5, 0};
static const uint8_t arm_544[] = {FIRST, 2, UP_LONG(544), 5, 0};
static const uint8_t arm_crosscall[] = {FIRST, 1, UP_LONG(192), 6, 0};

#define INJECTED(off)                                                                                                  \
	{                                                                                                              \
		.cfa = UNWIND_CFA_SP, .ra = UNWIND_RA_EXACT, .cfa_off = (off)                                          \
	}
#define INJECTED_FRAME(off, frame, how)                                                                                \
	{                                                                                                              \
		.cfa = UNWIND_CFA_SP, .ra = UNWIND_RA_EXACT, .cfa_off = (off), .ra_off = -(frame)-16,                  \
		.fp = UNWIND_FP_##how, .fp_off = UNWIND_FP_##how ? -(frame)-24 : 0                                     \
	}

/* On arm64 the handler pushes the interrupted code's x30, for that code may be a leaf, in 16 bytes. */
static void calls_that_a_signal_handler_injects_keep_the_link_register(void **state)
{
	static const uint8_t by_8[] = {FIRST, 2, UP(32), 6, 0};
	static const struct case_of cases[] = {
		{EM_AARCH64,
		 GO_LAYOUT_1_20,
		 {"runtime.asyncPreempt", 0, by_8, sizeof(by_8), 4},
		 {STUR_X30_32, SUB_SP_32, STUR_X29, SUB_X29},
		 {{0, INJECTED(16)}, {8, INJECTED_FRAME(48, 32, SAME)}, {12, INJECTED_FRAME(48, 32, SAVED)}},
		 3},
		{EM_AARCH64,
		 GO_LAYOUT_1_20,
		 {"runtime.debugCallV2", 0, by_8, sizeof(by_8), 4},
		 {STP_X29_X30_40, SUB_SP_32, SUB_X29, NOP},
		 {{0, INJECTED(16)}, {8, INJECTED_FRAME(48, 32, SAVED)}},
		 2},
		{EM_AARCH64,
		 GO_LAYOUT_1_20,
		 {"runtime.sigpanic", 0, by_8, sizeof(by_8), 0},
		 {NOP, STR_X30_PRE_32, STUR_X29, SUB_X29},
		 {{0, INJECTED(16)}, {8, INJECTED_FRAME(48, 32, SAME)}, {12, INJECTED_FRAME(48, 32, SAVED)}},
		 3},
		/* Nobody knows where it saves x30. */
		{EM_AARCH64,
		 GO_LAYOUT_1_20,
		 {"runtime.asyncPreempt", 0, by_8, sizeof(by_8), 4},
		 {NOP, NOP, NOP, NOP},
		 {{0, INJECTED(16)}, {8, ONLY(UNSUPPORTED)}},
		 2},
	};

	(void)state;
	for (size_t i = 0; i < N(cases); i++)
		check_case(&cases[i]);
}

static void arm64_frame_is_where_the_prologue_puts_it(void **state)
{
	static const struct case_of cases[] = {
		{EM_AARCH64,
		 GO_LAYOUT_1_20,
		 {"main.f", 0, arm_frame, sizeof(arm_frame), 0},
		 {NOP, STR_X30_PRE_32, STUR_X29, SUB_X29},
		 {{0, LINK(0)}, {8, ARM(32, 32)}, {12, ARM_SAVED(32, 32)}, {32, LINK(0)}},
		 4},
		/* before Go 1.12 there is no frame pointer */
		{EM_AARCH64,
		 GO_LAYOUT_1_2,
		 {"main.f", 0, arm_frame, sizeof(arm_frame), 0},
		 {NOP, STR_X30_PRE_32, NOP, NOP},
		 {{0, LINK(0)}, {8, ARM(32, 32)}, {32, LINK(0)}},
		 3},
		{EM_AARCH64,
		 GO_LAYOUT_1_18,
		 {"main.f", 0, arm_frame, sizeof(arm_frame), 0},
		 {STR_X30_X27, MOV_SP_X27, STUR_X29, SUB_X29},
		 {{0, LINK(0)}, {8, ARM(32, 32)}, {12, ARM_SAVED(32, 32)}, {32, LINK(0)}},
		 4},
		{EM_AARCH64,
		 GO_LAYOUT_1_20,
		 {"main.f", 0, arm_frame, sizeof(arm_frame), 0},
		 {STP_BELOW_X20, MOV_SP_X20, SUB_X29},
		 {{0, LINK(0)}, {8, ARM_SAVED(32, 32)}, {32, LINK(0)}},
		 3},
		/* what is saved stays where it is */
		{EM_AARCH64,
		 GO_LAYOUT_1_20,
		 {"runtime.asmcgocall_no_g", 0, arm_deeper, sizeof(arm_deeper), 0},
		 {NOP, STR_X30_PRE_32, STUR_X29, SUB_X29},
		 {{0, LINK(0)}, {8, ARM(32, 32)}, {12, ARM_SAVED(32, 32)}, {20, ARM_SAVED(48, 32)}, {32, LINK(0)}},
		 5},
		/* sp lowered by hand, and nothing known of the return address */
		{EM_AARCH64,
		 GO_LAYOUT_1_20,
		 {"asm", 0, arm_frame, sizeof(arm_frame), 0},
		 {NOP, NOP, STUR_X29, SUB_X29},
		 {{0, LINK(0)}, {8, ONLY(UNSUPPORTED)}, {32, LINK(0)}},
		 3},
		{EM_AARCH64,
		 GO_LAYOUT_1_20,
		 {"asm", 0, arm_frame, sizeof(arm_frame), 0},
		 {STR_X30_X27, MOV_SP_X20, STUR_X29, SUB_X29},
		 {{0, LINK(0)}, {8, ONLY(UNSUPPORTED)}, {32, LINK(0)}},
		 3},
		{EM_AARCH64,
		 GO_LAYOUT_1_20,
		 {"asm", 0, arm_frame, sizeof(arm_frame), 0},
		 {STR_X30_X27, MOV_X0_X27, STUR_X29, SUB_X29},
		 {{0, LINK(0)}, {8, ONLY(UNSUPPORTED)}, {32, LINK(0)}},
		 3},
		/* 512 more than the instruction says */
		{EM_AARCH64,
		 GO_LAYOUT_1_20,
		 {"asm", 0, arm_544, sizeof(arm_544), 0},
		 {NOP, STR_X30_PRE_32, STUR_X29, SUB_X29},
		 {{0, LINK(0)}, {8, ONLY(UNSUPPORTED)}},
		 2},
	};

	(void)state;
	for (size_t i = 0; i < N(cases); i++)
		check_case(&cases[i]);
}

/* A rule has 16 bits for where the return address is. */
static void arm64_frame_of_32_kib_is_unsupported(void **state)
{
	static const struct case_of one = {EM_AARCH64,
					   GO_LAYOUT_1_20,
					   {"main.f", 0, arm_large, sizeof(arm_large), 0},
					   {NOP, STP_BELOW_X20, MOV_SP_X20, SUB_X29},
					   {{0, LINK(0)}, {12, ONLY(UNSUPPORTED)}},
					   2};

	(void)state;
	check_case(&one);
}

static void arm64_frame_pointer_is_believed_until_it_is_set_anew(void **state)
{
	static const struct case_of cases[] = {
		/* Go 1.25: only what brings it back */
		{EM_AARCH64,
		 GO_LAYOUT_1_20,
		 {"runtime.systemstack", 0, arm_frame, sizeof(arm_frame), 6},
		 {NOP, STR_X30_PRE_32, STUR_X29, SUB_X29, NOP, LDR_X29_SP, LDUR_X29, NOP},
		 {{0, LINK(0)}, {8, ARM(32, 32)}, {12, ARM_SAVED(32, 32)}, {16, ARM_FRAME(SWITCH, 32)}, {32, LINK(0)}},
		 5},
		/* Go 1.24: the other stack's, before the call */
		{EM_AARCH64,
		 GO_LAYOUT_1_20,
		 {"runtime.systemstack", 0, arm_frame, sizeof(arm_frame), 6},
		 {NOP, STR_X30_PRE_32, STUR_X29, SUB_X29, LDR_X29_X28, NOP, NOP, NOP},
		 {{0, LINK(0)},
		  {8, ARM(32, 32)},
		  {12, ARM_SAVED(32, 32)},
		  {16, ARM_FRAME(SWITCH, 32)},
		  {20, ONLY(UNSUPPORTED)}},
		 5},
	};

	(void)state;
	for (size_t i = 0; i < N(cases); i++)
		check_case(&cases[i]);
}

static void arm64_crosscall_keeps_its_return_address_until_it_is_saved(void **state)
{
	static const struct unwind_rule saved = {
		.cfa = UNWIND_CFA_SP, .fp = UNWIND_FP_SAVED, .cfa_off = 192, .fp_off = -16, .ra_off = -8};
	struct case_of one = {EM_AARCH64,
			      GO_LAYOUT_1_20,
			      {"crosscall2", 0, arm_crosscall, sizeof(arm_crosscall), 4},
			      {NOP, NOP, NOP, STP_SP_176, NOP},
			      {{0, LINK(0)}, {4, LINK(192)}},
			      3};

	(void)state;
	one.function.start = 4; /* the prologue is looked for before it */
	one.rows[0].at += 4;
	one.rows[1].at += 4;
	one.rows[2] = (struct row){20, saved};
	check_case(&one);
}

/* --- several functions -------------------------------------------------------------------------------------------- */

static const struct go_image_function functions[] = {
	{"main.a", 0x000, push_only, sizeof(push_only), 0}, /* ends at 41 */
	{"main.b", 0x040, push_only, sizeof(push_only), 0}, /* ends at 0x69, a gap until */
	{"runtime.sigreturn__sigaction", 0x0c0, no_frame, sizeof(no_frame), 4},
	{"main.c", 0x100, push_only, sizeof(push_only), 0},
	{"main.d", 0x140, NULL, 0, 0},
	{"main.e", 0x180, no_frame, sizeof(no_frame), 0},
};
#define END 0x1a8

static const struct row all_rows[] = {
	{0x000, SP(8)},	       {0x001, SP_SAVED(16)}, {0x040, SP(8)},	     {0x041, SP_SAVED(16)}, {0x069, ONLY(NONE)},
	{0x0bf, ONLY(SIGNAL)}, {0x100, SP(8)},	      {0x101, SP_SAVED(16)}, {0x140, ONLY(NONE)},   {0x180, SP(8)},
};

static void init(struct go_image *image)
{
	static const uint8_t code[] = {PUSH_MOV};

	go_image_init(image, EM_X86_64, GO_LAYOUT_1_20, functions, N(functions), END);
	go_image_code(image, 0, code, sizeof(code));
	go_image_code(image, 0x40, code, sizeof(code));
	go_image_code(image, 0x100, code, sizeof(code));
}

static void gaps_and_functions_without_a_table_have_no_rule(void **state)
{
	struct rows rows = {.n = 0};
	struct go_image image;

	(void)state;
	init(&image);
	assert_int_equal(emit(&image, 0, UINT64_MAX, &rows), 0);
	check_rows(&rows, all_rows, N(all_rows));
}

/* The rows of any range are those of the whole, cut. */
static void range_may_begin_and_end_anywhere(void **state)
{
	struct go_image image;

	(void)state;
	init(&image);
	for (uint64_t first = 0; first < END + 8; first += 3) {
		for (uint64_t limit = first; limit < END + 8; limit += first < 0x30 ? 1 : 17) {
			struct row expected[N(all_rows)];
			struct rows rows = {.n = 0};
			size_t n = 0;

			for (size_t i = 0; i < N(all_rows) && first < END; i++) {
				uint64_t next = i + 1 < N(all_rows) ? all_rows[i + 1].at : END;

				if (next <= first || all_rows[i].at >= limit || first >= limit)
					continue;
				expected[n] = all_rows[i];
				if (expected[n].at < first)
					expected[n].at = first;
				n++;
			}
			assert_int_equal(emit(&image, IMAGE_TEXT + first, IMAGE_TEXT + limit, &rows), 0);
			check_rows(&rows, expected, n);
		}
	}
}

/* Also one that the table's reader might have. */
static void error_of_the_sink_ends_it(void **state)
{
	static const int errors[] = {-ENOSPC, -EBADMSG};
	struct go_image image;

	(void)state;
	init(&image);
	for (size_t i = 0; i < N(errors); i++) {
		struct rows rows = {.err = errors[i]};

		for (rows.err_at = 0; rows.err_at < N(all_rows); rows.err_at++) {
			assert_int_equal(emit(&image, 0, UINT64_MAX, &rows), errors[i]);
			assert_int_equal(rows.n, rows.err_at);
		}
	}
}

/* Broken after its second run: no row of it must be told. */
static void function_with_a_broken_table_has_no_rule_at_all(void **state)
{
	static const uint8_t broken[] = {FIRST, 1, UP(8), 1, DOWN(8), 0x80, 1, 0};
	struct go_image_function with_broken[N(functions)];
	struct row expected[N(all_rows)];
	struct rows rows = {.n = 0};
	struct go_image image;
	size_t n = 0;

	(void)state;
	memcpy(with_broken, functions, sizeof(functions));
	with_broken[1].pcsp = broken;
	with_broken[1].pcsp_bytes = sizeof(broken);
	init(&image);
	go_image_init(&image, EM_X86_64, GO_LAYOUT_1_20, with_broken, N(functions), END);
	go_image_code(&image, 0, (const uint8_t[]){PUSH_MOV}, 4);
	go_image_code(&image, 0x100, (const uint8_t[]){PUSH_MOV}, 4);
	for (size_t i = 0; i < N(all_rows); i++)
		if (all_rows[i].at <= 0x40 || all_rows[i].at >= 0xbf)
			expected[n++] = all_rows[i];
	expected[2] = (struct row){0x40, ONLY(NONE)};
	assert_int_equal(emit(&image, 0, UINT64_MAX, &rows), 0);
	check_rows(&rows, expected, n);
}

static void check_functions(const struct go_image_function *some, size_t n, uint32_t end, const struct row *expected,
			    size_t n_expected)
{
	struct rows rows = {.n = 0};
	struct go_image image;

	go_image_init(&image, EM_X86_64, GO_LAYOUT_1_20, some, n, end);
	assert_int_equal(emit(&image, 0, UINT64_MAX, &rows), 0);
	check_rows(&rows, expected, n_expected);
}

static void function_behind_one_out_of_order_has_no_rule(void **state)
{
	static const struct go_image_function some[] = {
		{"main.a", 0x00, no_frame, sizeof(no_frame), 0},
		{"main.b", 0x80, no_frame, sizeof(no_frame), 0},
		{"gogo", 0x40, no_frame, sizeof(no_frame), 6},
		{"main.d", 0xc0, no_frame, sizeof(no_frame), 0},
	};
	static const struct row expected[] = {{0, SP(8)}, {40, ONLY(NONE)}, {0xc0, SP(8)}};

	(void)state;
	check_functions(some, N(some), 0xe8, expected, N(expected));
}

/* Its row takes the place of the one that begins where it does. */
static void signal_frame_begins_one_byte_early_whatever_is_there(void **state)
{
	static const uint8_t to_the_end[] = {FIRST, 1, UP(8), 0x3e, DOWN(8), 1, 0};
	static const struct go_image_function some[] = {
		{"main.a", 0x00, to_the_end, sizeof(to_the_end), 0},
		{"runtime.sigreturn", 0x40, no_frame, sizeof(no_frame), 0},
	};
	static const struct row expected[] = {{0, SP(8)}, {1, SP_LOST(16)}, {0x3f, ONLY(SIGNAL)}};

	(void)state;
	check_functions(some, N(some), 0x68, expected, N(expected));
}

/* What lies at offset 0 would be read as a table: -1 for three bytes. */
static void function_without_a_table_is_not_looked_for_at_offset_0(void **state)
{
	static const uint8_t three[] = {3, 0, 0};
	static const struct go_image_function some[] = {
		{"main.a", 0x00, NULL, 0, 0},
		{"runtime.goexit", 0x40, three, sizeof(three), 0},
	};
	static const struct row expected[] = {{0, ONLY(NONE)}, {0x40, ONLY(STOP)}};

	(void)state;
	check_functions(some, N(some), 0x68, expected, N(expected));
}

/* Whatever a table says, rows come in rising order and within the range. */
static void rows_rise_in_any_table(void **state)
{
	uint64_t seed = 1;

	(void)state;
	for (size_t i = 0; i < 3000; i++) {
		struct rows rows = {.err = -ENOSPC, .err_at = N(rows.items)};
		struct go_image image;

		init(&image);
		for (size_t change = 0; change < 4; change++) {
			seed = seed * 6364136223846793005ull + 1442695040888963407ull;
			go_put(&image, GO_FUNCTAB + (seed >> 40) % (0x200 + N(functions) * GO_RECORD_BYTES) / 4 * 4,
			       seed >> 20 & (seed & 1 << 30 ? 0x3ff : 0xffffffff), 4);
		}
		image_shdr(&image.elf, SECTION_DATA)->sh_addr = IMAGE_DATA;
		{
			struct elf_file *file = go_image_open(&image);
			const struct row_sink sink = {add_row, &rows};
			struct go_rows *go = NULL;

			if (!go_rows_open(file, &go))
				assert_int_equal(go_rows_emit(go, 0, UINT64_MAX, &sink), 0);
			go_rows_free(go);
			elf_file_free(file);
		}
		for (size_t r = 0; r < rows.n; r++) {
			assert_in_range(rows.items[r].at, 0, 0x1100);
			assert_true(!r || rows.items[r].at > rows.items[r - 1].at);
			assert_true(rows.items[r].rule.cfa < UNWIND_CFA_COUNT);
		}
	}
}

static void file_that_shrank_gives_an_error_not_a_crash(void **state)
{
	struct rows rows = {.n = 0};
	const struct row_sink sink = {add_row, &rows};
	struct go_rows *go = NULL;
	struct go_image image;
	struct elf_file *file;

	(void)state;
	init(&image);
	file = go_image_open(&image);
	assert_int_equal(go_rows_open(file, &go), 0);
	assert_in_range(go_rows_memory_bytes(go), 1 << 16, 1 << 19);
	assert_int_equal(ftruncate(elf_file_fd(file), 0x200), 0);
	/* The table is kept, the code is not. */
	assert_int_equal(go_rows_emit(go, 0, UINT64_MAX, &sink), 0);
	go_rows_free(go);
	assert_int_equal(go_rows_open(file, &go), -EIO);
	elf_file_free(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frame_pointer_is_saved_from_the_store_on),
		cmocka_unit_test(frame_pointer_is_lost_where_no_store_of_it_is_seen),
		cmocka_unit_test(switch_of_stacks_is_undone_by_the_frame_pointer),
		cmocka_unit_test(frame_pointer_is_believed_until_the_epilogue),
		cmocka_unit_test(code_that_sets_sp_is_unsupported),
		cmocka_unit_test(calls_that_a_signal_handler_injects_return_to_an_instruction),
		cmocka_unit_test(calls_that_a_signal_handler_injects_keep_the_link_register),
		cmocka_unit_test(roots_have_no_caller),
		cmocka_unit_test(signal_handler_is_no_root),
		cmocka_unit_test(mcall_is_left_for_good_behind_the_push),
		cmocka_unit_test(arm64_frame_is_where_the_prologue_puts_it),
		cmocka_unit_test(arm64_frame_of_32_kib_is_unsupported),
		cmocka_unit_test(arm64_frame_pointer_is_believed_until_it_is_set_anew),
		cmocka_unit_test(arm64_crosscall_keeps_its_return_address_until_it_is_saved),
		cmocka_unit_test(gaps_and_functions_without_a_table_have_no_rule),
		cmocka_unit_test(range_may_begin_and_end_anywhere),
		cmocka_unit_test(error_of_the_sink_ends_it),
		cmocka_unit_test(function_with_a_broken_table_has_no_rule_at_all),
		cmocka_unit_test(function_behind_one_out_of_order_has_no_rule),
		cmocka_unit_test(signal_frame_begins_one_byte_early_whatever_is_there),
		cmocka_unit_test(function_without_a_table_is_not_looked_for_at_offset_0),
		cmocka_unit_test(rows_rise_in_any_table),
		cmocka_unit_test(file_that_shrank_gives_an_error_not_a_crash),
	};

	return cmocka_run_group_tests_name("go_rows", tests, NULL, NULL);
}
