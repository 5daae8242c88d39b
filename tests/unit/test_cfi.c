/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdbool.h>
#include <stdio.h>

#include "cfi_image.h"
#include "elf/elf_file.h"
#include "table/unwind_table.h"
#include "unwind/cfi.h"

#define T IMAGE_TEXT
#define T_BYTES 0x1100 /* of the executable segment */
#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* --- rules -------------------------------------------------------------------------------------------------------- */

#define RULE(...)                                                                                                      \
	{                                                                                                              \
		__VA_ARGS__                                                                                            \
	}
#define ROW(offset, ...)                                                                                               \
	{                                                                                                              \
		offset, RULE(__VA_ARGS__)                                                                              \
	}
#define SP(n) .cfa = UNWIND_CFA_SP, .cfa_off = (n), .ra_off = -8
#define CFA_FP(n) .cfa = UNWIND_CFA_FP, .cfa_off = (n), .ra_off = -8
#define CFA_REGISTER(number, n) .cfa = UNWIND_CFA_REGISTER, .reg = (number), .cfa_off = (n), .ra_off = -8
#define FP_SAVED(n) .fp = UNWIND_FP_SAVED, .fp_off = (n)
#define FP_LOST .fp = UNWIND_FP_LOST
#define STOP .cfa = UNWIND_CFA_STOP
#define SIGNAL .cfa = UNWIND_CFA_SIGNAL
#define UNSUPPORTED .cfa = UNWIND_CFA_UNSUPPORTED
#define LINK(n) .cfa = UNWIND_CFA_SP, .cfa_off = (n), .ra = UNWIND_RA_LINK

#define MAX_ROWS 12

struct row {
	uint64_t offset; /* from the function's start */
	struct unwind_rule rule;
};

struct program_case {
	const char *what;
	size_t n;
	uint8_t code[MAX_CODE];
	struct row rows[MAX_ROWS]; /* up to one with UNWIND_CFA_NONE, which no FDE gives */
};

struct opened {
	struct elf_file *file;
	struct cfi *cfi;
};

/* Releases the frame. */
static struct opened frame_open_range(struct frame *frame, uint64_t va_first, uint64_t va_limit)
{
	struct opened opened = {NULL, NULL};

	assert_int_equal(elf_file_open(frame_fd(frame), &opened.file), 0);
	assert_int_equal(cfi_open(opened.file, &elf_file_sections(opened.file, &(size_t){0})[SECTION_DATA], va_first,
				  va_limit, &opened.cfi),
			 0);
	buf_release(&frame->bytes);
	return opened;
}

static struct opened frame_open(struct frame *frame)
{
	return frame_open_range(frame, 0, UINT64_MAX);
}

static void close_opened(struct opened *opened)
{
	cfi_free(opened->cfi);
	elf_file_free(opened->file);
}

/* --- what is found ------------------------------------------------------------------------------------------------ */

struct found {
	struct row rows[MAX_ROWS];
	size_t n;
	uint64_t start;
};

static int take_row(void *ctx, uint64_t va, const struct unwind_rule *rule)
{
	struct found *found = ctx;

	if (found->n == MAX_ROWS)
		return -E2BIG;
	if (!unwind_rule_is_valid(rule, EM_X86_64) && !unwind_rule_is_valid(rule, EM_AARCH64))
		fail_msg("the rule at 0x%lx is none that a table may have", va);
	found->rows[found->n++] = (struct row){.offset = va - found->start, .rule = *rule};
	return 0;
}

static int find_rows(struct cfi *cfi, size_t index, struct found *ret)
{
	size_t n;

	*ret = (struct found){.start = cfi_fdes(cfi, &n)[index].start};
	assert_true(index < n);
	return cfi_rows(cfi, index, &(struct row_sink){.row = take_row, .ctx = ret});
}

static void check_rows(const char *what, const struct row *expected, const struct found *found)
{
	size_t n = 0;

	while (n < MAX_ROWS && expected[n].rule.cfa != UNWIND_CFA_NONE)
		n++;
	for (size_t i = 0; i < n && i < found->n; i++) {
		const struct unwind_rule *rule = &found->rows[i].rule;

		if (found->rows[i].offset != expected[i].offset || memcmp(rule, &expected[i].rule, sizeof(*rule)) != 0)
			fail_msg("%s: row %zu at +0x%lx has cfa %u, fp %u, ra %u, reg %u, %d, %d, %d", what, i,
				 found->rows[i].offset, rule->cfa, rule->fp, rule->ra, rule->reg, rule->cfa_off,
				 rule->fp_off, rule->ra_off);
	}
	if (found->n != n)
		fail_msg("%s: %zu rows, not %zu", what, found->n, n);
}

static void check_programs(uint16_t machine, const struct program_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct opened opened;
		struct frame frame;
		struct found found;
		int err;

		frame_init(&frame, false);
		frame.machine = machine;
		put_fde(&frame, put_plain_cie(&frame), T, 0x80, cases[i].code, cases[i].n);
		opened = frame_open(&frame);
		err = find_rows(opened.cfi, 0, &found);
		if (err != (cases[i].rows[0].rule.cfa ? 0 : -EBADMSG))
			fail_msg("%s: %d", cases[i].what, err);
		check_rows(cases[i].what, cases[i].rows, &found);
		close_opened(&opened);
	}
}

static void check_fdes(const struct cfi *cfi, const uint64_t (*expected)[2], size_t n_expected)
{
	size_t n;
	const struct cfi_fde *fdes = cfi_fdes(cfi, &n);

	for (size_t i = 0; i < n && i < n_expected; i++)
		if (fdes[i].start != expected[i][0] || fdes[i].limit != expected[i][1])
			fail_msg("FDE %zu is 0x%lx..0x%lx", i, fdes[i].start, fdes[i].limit);
	assert_int_equal(n, n_expected);
}

#define CHECK_FDES(cfi, ...) check_fdes(cfi, (const uint64_t[][2]){__VA_ARGS__}, LENGTH(((uint64_t[][2]){__VA_ARGS__})))

/* --- instructions ------------------------------------------------------------------------------------------------- */

static void instructions_become_rows(void **state)
{
	static const struct program_case cases[] = {
		{"none", CODE(NOP), {ROW(0, SP(8))}},
		{"a frame with a frame pointer",
		 CODE(ADVANCE(1), DEF_CFA_OFFSET(16), OFFSET(RBP, 2), ADVANCE(3), DEF_CFA_REGISTER(RBP), ADVANCE(30),
		      DEF_CFA(RSP, 8), RESTORE(RBP)),
		 {ROW(0, SP(8)), ROW(1, SP(16), FP_SAVED(-16)), ROW(4, CFA_FP(16), FP_SAVED(-16)), ROW(34, SP(8))}},
		{"an epilogue in the middle",
		 CODE(ADVANCE(4), DEF_CFA_OFFSET(32), ADVANCE(8), REMEMBER, DEF_CFA_OFFSET(8), ADVANCE(1),
		      RESTORE_STATE),
		 {ROW(0, SP(8)), ROW(4, SP(32)), ROW(12, SP(8)), ROW(13, SP(32))}},
		{"remembered states nest",
		 CODE(REMEMBER, ADVANCE(1), DEF_CFA_OFFSET(16), REMEMBER, ADVANCE(1), DEF_CFA_OFFSET(24), ADVANCE(1),
		      RESTORE_STATE, ADVANCE(1), RESTORE_STATE),
		 {ROW(0, SP(8)), ROW(1, SP(16)), ROW(2, SP(24)), ROW(3, SP(16)), ROW(4, SP(8))}},
		{"each way to advance",
		 CODE(DEF_CFA_OFFSET(16), ADVANCE1(1), DEF_CFA_OFFSET(24), ADVANCE2(2), DEF_CFA_OFFSET(32), ADVANCE4(3),
		      DEF_CFA_OFFSET(40), ADVANCE8(4), DEF_CFA_OFFSET(48), SET_LOC(0x10, 0x10, 0x40, 0, 0, 0, 0, 0),
		      DEF_CFA_OFFSET(56)),
		 {ROW(0, SP(16)), ROW(1, SP(24)), ROW(3, SP(32)), ROW(6, SP(40)), ROW(10, SP(48)), ROW(16, SP(56))}},
		{"what does not change a rule makes no row",
		 CODE(ADVANCE(1), OFFSET(RBX, 3), ADVANCE(1), ARGS_SIZE(16), ADVANCE(1), DEF_CFA_OFFSET(8), ADVANCE(0),
		      DEF_CFA_OFFSET(16)),
		 {ROW(0, SP(8)), ROW(3, SP(16))}},
		{"only the last of several at one address counts",
		 CODE(ADVANCE(1), DEF_CFA_OFFSET(16), ADVANCE(0), DEF_CFA_OFFSET(24)),
		 {ROW(0, SP(8)), ROW(1, SP(24))}},
		{"behind the function nothing counts, even if broken",
		 CODE(ADVANCE1(0x7f), DEF_CFA_OFFSET(16), ADVANCE(1), DEF_CFA_OFFSET(24), 0x3f),
		 {ROW(0, SP(8)), ROW(0x7f, SP(16))}},
		{"signed and factored forms",
		 CODE(DEF_CFA_SF(RSP, -2), ADVANCE(1), DEF_CFA_OFFSET_SF(-3), ADVANCE(1), OFFSET_EXTENDED_SF(RBP, 2),
		      ADVANCE(1), OFFSET_EXTENDED(RBP, 3), ADVANCE(1), NEGATIVE_OFFSET(RBP, 4)),
		 {ROW(0, SP(16)), ROW(1, SP(24)), ROW(2, SP(24), FP_SAVED(-16)), ROW(3, SP(24), FP_SAVED(-24)),
		  ROW(4, SP(24), FP_SAVED(32))}},
		{"restore goes back to what the CIE says",
		 CODE(OFFSET(RIP, 3), OFFSET(RBP, 2), ADVANCE(1), RESTORE(RIP), RESTORE_EXTENDED(RBP)),
		 {ROW(0, .cfa = UNWIND_CFA_SP, .cfa_off = 8, .ra_off = -24, FP_SAVED(-16)), ROW(1, SP(8))}},
		{"another register as base",
		 CODE(DEF_CFA(R10, 0), ADVANCE(1), DEF_CFA_REGISTER(RDI)),
		 {ROW(0, CFA_REGISTER(R10, 0)), ROW(1, CFA_REGISTER(RDI, 0))}},
		{"no number of a register", CODE(DEF_CFA(99, 0)), {ROW(0, UNSUPPORTED)}},
		{"the return address in a register",
		 CODE(DEF_CFA_OFFSET(0), REGISTER(RIP, RDI)),
		 {ROW(0, .cfa = UNWIND_CFA_SP, .ra = UNWIND_RA_REGISTER, .reg = RDI)}},
		{"two registers in a rule", CODE(DEF_CFA(R10, 0), REGISTER(RIP, RDI)), {ROW(0, UNSUPPORTED)}},
		{"the end of the stack", CODE(UNDEFINED(RIP), ADVANCE(1), DEF_CFA_OFFSET(16)), {ROW(0, STOP)}},
		{"other ways to lose the return address",
		 CODE(SAME_VALUE(RIP), ADVANCE(1), VAL_OFFSET(RIP, 1), ADVANCE(1), EXPRESSION(RIP, BREG(RSP, 8)),
		      ADVANCE(1), REGISTER(RIP, RIP), ADVANCE(1), REGISTER(RIP, 99)),
		 {ROW(0, UNSUPPORTED)}},
		{"ways to lose the frame pointer",
		 CODE(UNDEFINED(RBP), ADVANCE(1), OFFSET(RBP, 2), ADVANCE(1), REGISTER(RBP, RBX), ADVANCE(1),
		      SAME_VALUE(RBP), ADVANCE(1), VAL_OFFSET(RBP, 2), ADVANCE(1), REGISTER(RBP, RBP), ADVANCE(1),
		      VAL_OFFSET_SF(RBP, 2), ADVANCE(1), RESTORE(RBP), ADVANCE(1), EXPRESSION(RBP, BREG(RSP, 0)),
		      ADVANCE(1), SAME_VALUE(RBP), ADVANCE(1), VAL_EXPRESSION(RBP, BREG(RBP, 0))),
		 {ROW(0, SP(8), FP_LOST), ROW(1, SP(8), FP_SAVED(-16)), ROW(2, SP(8), FP_LOST), ROW(3, SP(8)),
		  ROW(4, SP(8), FP_LOST), ROW(5, SP(8)), ROW(6, SP(8), FP_LOST), ROW(7, SP(8)), ROW(8, SP(8), FP_LOST),
		  ROW(9, SP(8)), ROW(10, SP(8), FP_LOST)}},
		{"a frame pointer where it points itself",
		 CODE(EXPRESSION(RBP, BREG(RBP, 0)), ADVANCE(1), EXPRESSION(RBP, BREG(RBP, 0x78))),
		 {ROW(0, SP(8), .fp = UNWIND_FP_AT_FP), ROW(1, SP(8), .fp = UNWIND_FP_AT_FP, .fp_off = -8)}},
		{"a stack pointer that is not the CFA",
		 CODE(VAL_OFFSET(RSP, 0), ADVANCE(1), OFFSET(RSP, 3), ADVANCE(1), RESTORE(RSP), ADVANCE(1),
		      SAME_VALUE(RSP), ADVANCE(1), VAL_OFFSET(RSP, 1)),
		 {ROW(0, SP(8)), ROW(1, UNSUPPORTED), ROW(2, SP(8)), ROW(3, UNSUPPORTED)}},
		{"offsets at their limits",
		 CODE(OFFSET(RBP, 0x80), 0x20, ADVANCE(1), OFFSET(RBP, 0x81), 0x20, ADVANCE(1), OFFSET(RIP, 0x80), 0x20,
		      ADVANCE(1), OFFSET(RIP, 0x81), 0x20, ADVANCE(1), OFFSET(RIP, 1), RESTORE(RBP),
		      DEF_CFA_OFFSET(0x80), 0x80, 0x80, 0x80, 0x04, ADVANCE(1), DEF_CFA_OFFSET(0x81), 0x80, 0x80, 0x80,
		      0x04),
		 {ROW(0, SP(8), FP_SAVED(-32768)), ROW(1, SP(8), FP_LOST),
		  ROW(2, .cfa = UNWIND_CFA_SP, .cfa_off = 8, FP_LOST, .ra_off = -32768), ROW(3, UNSUPPORTED),
		  ROW(4, SP(UNWIND_MAX_CFA_OFF)), ROW(5, UNSUPPORTED)}},
	};

	(void)state;
	check_programs(EM_X86_64, cases, LENGTH(cases));
}

static void instructions_of_arm64_become_rows(void **state)
{
#define STACK(n, fp_n, ra_n) .cfa = UNWIND_CFA_SP, .cfa_off = (n), FP_SAVED(fp_n), .ra_off = (ra_n)
	static const struct program_case cases[] = {
		{"a leaf", CODE(NOP), {ROW(0, LINK(0))}},
		{"a frame",
		 CODE(ADVANCE(1), DEF_CFA_OFFSET(32), OFFSET(FP, 4), OFFSET(LR, 3), ADVANCE(2), OFFSET(X19, 2),
		      ADVANCE(8), RESTORE(LR), RESTORE(FP), DEF_CFA_OFFSET(0)),
		 {ROW(0, LINK(0)), ROW(4, STACK(32, -32, -24)), ROW(44, LINK(0))}},
		{"by the frame pointer",
		 CODE(DEF_CFA(FP, 16), OFFSET(FP, 2), OFFSET(LR, 1)),
		 {ROW(0, .cfa = UNWIND_CFA_FP, .cfa_off = 16, FP_SAVED(-16), .ra_off = -8)}},
		{"signed return addresses",
		 CODE(NEGATE_RA_STATE, ADVANCE(1), DEF_CFA_OFFSET(16), ADVANCE(1), NEGATE_RA_STATE_WITH_PC),
		 {ROW(0, LINK(0)), ROW(4, LINK(16))}},
		{"the return address in its own register", CODE(REGISTER(LR, LR)), {ROW(0, LINK(0))}},
		{"the return address in another register",
		 CODE(REGISTER(LR, 17)),
		 {ROW(0, .cfa = UNWIND_CFA_SP, .ra = UNWIND_RA_REGISTER, .reg = 17)}},
		{"another register as base",
		 CODE(DEF_CFA(9, 16)),
		 {ROW(0, .cfa = UNWIND_CFA_REGISTER, .reg = 9, .cfa_off = 16, .ra = UNWIND_RA_LINK)}},
		{"no number of a register", CODE(DEF_CFA(32, 0)), {ROW(0, UNSUPPORTED)}},
		{"the end of the stack", CODE(UNDEFINED(LR)), {ROW(0, STOP)}},
		{"the lazy PLT of x86-64",
		 CODE(OFFSET(LR, 1), DEF_CFA_EXPRESSION(LAZY_PLT(11))),
		 {ROW(0, UNSUPPORTED)}},
	};

	(void)state;
	check_programs(EM_AARCH64, cases, LENGTH(cases));
}

static void expressions_become_rules_where_one_says_the_same(void **state)
{
#define PLT(n) ROW(0, .cfa = UNWIND_CFA_PLT, .cfa_off = (n), .ra_off = -8)
#define DEREF_SP(n, m) ROW(0, .cfa = UNWIND_CFA_DEREF_SP, .cfa_off = (n), .ra_off = (m))
#define DEREF_FP(n, m) ROW(0, .cfa = UNWIND_CFA_DEREF_FP, .cfa_off = (n), .ra_off = (m))
#define EXPRESSION_CASE(what, row, ...)                                                                                \
	{                                                                                                              \
		what, CODE(DEF_CFA_EXPRESSION(__VA_ARGS__)),                                                           \
		{                                                                                                      \
			row                                                                                            \
		}                                                                                                      \
	}
	static const struct program_case cases[] = {
		EXPRESSION_CASE("lazy PLT", PLT(11), LAZY_PLT(11)),
		EXPRESSION_CASE("lazy PLT with IBT", PLT(10), LAZY_PLT(10)),
		EXPRESSION_CASE("lazy PLT of 32 bytes", ROW(0, UNSUPPORTED), LAZY_PLT(16)),
		EXPRESSION_CASE("not quite a PLT", ROW(0, UNSUPPORTED), BREG(RSP, 16), BREG(RIP, 0), LIT(15), AND,
				LIT(11), GE, LIT(3), SHL, PLUS),
		EXPRESSION_CASE("a PLT and more", ROW(0, UNSUPPORTED), LAZY_PLT(11), 0x96),
		EXPRESSION_CASE("register", ROW(0, SP(16)), BREG(RSP, 16)),
		EXPRESSION_CASE("register of any number", ROW(0, CFA_REGISTER(R10, -8)), BREGX(R10, -8)),
		EXPRESSION_CASE("sum", ROW(0, SP(40)), BREG(RSP, 16), LIT(20), PLUS, PLUS_UCONST(4), 0x96),
		EXPRESSION_CASE("sum the other way round", ROW(0, SP(24)), 0x08, 8, BREG(RSP, 16), PLUS),
		EXPRESSION_CASE("difference", ROW(0, CFA_FP(8)), BREG(RBP, 16), 0x09, 8, MINUS),
		EXPRESSION_CASE("word at sp", DEREF_SP(24, 0), BREG(RSP, 24), DEREF),
		EXPRESSION_CASE("word at sp and more", DEREF_SP(24, 8), BREG(RSP, 24), DEREF, PLUS_UCONST(8)),
		EXPRESSION_CASE("word at fp", DEREF_FP(-8, 0), BREG(RBP, -8), DEREF),
		EXPRESSION_CASE("word at fp, computed", DEREF_FP(-16, -8), BREG(RBP, -8), LIT(8), MINUS, DEREF, 0x0b,
				0xf8, 0xff, PLUS),
		EXPRESSION_CASE("every constant", DEREF_SP(8 * 0x11, 0), BREG(RSP, 0), 0x08, 0x11, PLUS, 0x09, 0x11,
				PLUS, 0x0a, 0x11, 0, PLUS, 0x0b, 0x11, 0, PLUS, 0x0c, 0x11, 0, 0, 0, PLUS, 0x0d, 0x11,
				0, 0, 0, PLUS, 0x10, 0x11, PLUS, 0x11, 0x11, PLUS, DEREF),
		EXPRESSION_CASE("constants of 8 bytes", ROW(0, SP(6)), BREG(RSP, 0), 0x0e, 8, 0, 0, 0, 0, 0, 0, 0, PLUS,
				0x0f, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, PLUS),
		EXPRESSION_CASE("word at another register", ROW(0, UNSUPPORTED), BREG(R10, 0), DEREF),
		EXPRESSION_CASE("word at a word", ROW(0, UNSUPPORTED), BREG(RSP, 0), DEREF, DEREF),
		EXPRESSION_CASE("two registers", ROW(0, UNSUPPORTED), BREG(RSP, 0), BREG(RBP, 0), PLUS),
		EXPRESSION_CASE("number less a register", ROW(0, UNSUPPORTED), LIT(8), BREG(RSP, 0), MINUS),
		EXPRESSION_CASE("number", ROW(0, UNSUPPORTED), LIT(8)),
		EXPRESSION_CASE("word at a number", ROW(0, UNSUPPORTED), LIT(8), DEREF),
		EXPRESSION_CASE("nothing to add", ROW(0, UNSUPPORTED), BREG(RSP, 8), PLUS),
		EXPRESSION_CASE("nothing to add to", ROW(0, UNSUPPORTED), PLUS_UCONST(8)),
		EXPRESSION_CASE("nothing to read", ROW(0, UNSUPPORTED), DEREF),
		EXPRESSION_CASE("two results", ROW(0, UNSUPPORTED), BREG(RSP, 8), LIT(1)),
		EXPRESSION_CASE("too deep", ROW(0, UNSUPPORTED), BREG(RSP, 8), LIT(1), LIT(1), LIT(1), LIT(1), PLUS,
				PLUS, PLUS, PLUS),
		EXPRESSION_CASE("unknown operation", ROW(0, UNSUPPORTED), BREG(RSP, 8), 0x9c),
		EXPRESSION_CASE("cut operand", ROW(0, UNSUPPORTED), BREG(RSP, 8), 0x0c, 1, 2),
		EXPRESSION_CASE("added to the word: beyond the field", ROW(0, UNSUPPORTED), BREG(RSP, 8), DEREF, 0x0d,
				0, 0, 1, 0, PLUS),
		{"no expression", .n = 2, .code = {0x0f, 0}, {ROW(0, UNSUPPORTED)}},
		{"word at sp, the frame pointer saved",
		 CODE(DEF_CFA_EXPRESSION(BREG(RSP, 24), DEREF, PLUS_UCONST(8)), OFFSET(RBP, 2)),
		 {ROW(0, .cfa = UNWIND_CFA_DEREF_SP, .cfa_off = 24, .ra_off = 8, FP_SAVED(-16))}},
		{"word at sp, the return address elsewhere",
		 CODE(DEF_CFA_EXPRESSION(BREG(RSP, 24), DEREF), OFFSET(RIP, 2)),
		 {ROW(0, UNSUPPORTED)}},
		{"lazy PLT, the return address elsewhere",
		 CODE(DEF_CFA_EXPRESSION(LAZY_PLT(11)), OFFSET(RIP, 2)),
		 {ROW(0, UNSUPPORTED)}},
		{"a register behind an expression: the offset from before it",
		 CODE(DEF_CFA_OFFSET(56), DEF_CFA_EXPRESSION(BREG(RSP, 24), DEREF), ADVANCE(1), DEF_CFA_REGISTER(RSP)),
		 {DEREF_SP(24, 0), ROW(1, SP(56))}},
		{"an offset behind an expression, which stays",
		 CODE(DEF_CFA_EXPRESSION(BREG(RSP, 24), DEREF), ADVANCE(1), DEF_CFA_OFFSET(16), ADVANCE(1),
		      DEF_CFA_REGISTER(RBP)),
		 {DEREF_SP(24, 0), ROW(2, CFA_FP(16))}},
		{"lazy PLT, the frame pointer saved",
		 CODE(DEF_CFA_EXPRESSION(LAZY_PLT(11)), OFFSET(RBP, 2)),
		 {ROW(0, UNSUPPORTED)}},
	};

	(void)state;
	check_programs(EM_X86_64, cases, LENGTH(cases));
}

static void broken_instructions_give_no_row(void **state)
{
#define TWICE(...) __VA_ARGS__, __VA_ARGS__
	static const struct program_case cases[] = {
		{"unknown instruction", CODE(ADVANCE(1), 0x3f)},
		{"state that was not remembered", CODE(ADVANCE(1), RESTORE_STATE)},
		{"33 states", CODE(ADVANCE(1), REMEMBER, TWICE(TWICE(TWICE(TWICE(TWICE(REMEMBER))))))},
		{"cut operand", CODE(ADVANCE(1), 0x0c, RSP)},
		{"cut number", CODE(ADVANCE(1), 0x0e, 0x80)},
		{"cut address", CODE(ADVANCE(1), 0x01, 0, 0)},
		{"cut expression", CODE(ADVANCE(1), 0x0f, 3, BREG(RSP, 8))},
		{"cut expression of a register", CODE(ADVANCE(1), 0x10, RBX, 3, BREG(RSP, 8))},
		{"a way back", CODE(ADVANCE(1), SET_LOC(0, 0x10, 0x40, 0, 0, 0, 0, 0))},
		{"beyond the last address", CODE(ADVANCE(1), 0x1d, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)},
		{"an offset too large to be counted",
		 CODE(0x05, RBP, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f)},
		{"a negative offset too large",
		 CODE(0x2f, RBP, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01)},
	};

	(void)state;
	check_programs(EM_X86_64, cases, LENGTH(cases));
}

static void thirty_two_states_are_remembered(void **state)
{
	static const struct program_case cases[] = {
		{"32 states",
		 CODE(TWICE(TWICE(TWICE(TWICE(TWICE(REMEMBER))))), ADVANCE(1), DEF_CFA_OFFSET(16), ADVANCE(1),
		      RESTORE_STATE),
		 {ROW(0, SP(8)), ROW(1, SP(16)), ROW(2, SP(8))}},
	};

	(void)state;
	check_programs(EM_X86_64, cases, LENGTH(cases));
}

/* As the dynamic linker's, whose lazy binding counts its CFA from rbx. */
static void rbx_is_told_of_where_a_cfa_needs_it(void **state)
{
	static const uint8_t saves[] = {ADVANCE(1),	    DEF_CFA_OFFSET(16), OFFSET(RBX, 2),
					ADVANCE(4),	    DEF_CFA(RBP, 16),	ADVANCE(4),
					REGISTER(RBX, R10), ADVANCE(4),		DEF_CFA(R10, 0)};
	static const uint8_t needs[] = {ADVANCE(4), DEF_CFA(RBX, 16)};
	const struct row told[MAX_ROWS] = {ROW(0, SP(8), .reg = UNWIND_BX_SAME), ROW(1, SP(16), .reg = 2),
					   ROW(5, CFA_FP(16), .reg = 2), ROW(9, CFA_FP(16)),
					   ROW(13, CFA_REGISTER(R10, 0))};
	const struct row not_told[MAX_ROWS] = {ROW(0, SP(8)), ROW(1, SP(16)), ROW(5, CFA_FP(16)),
					       ROW(13, CFA_REGISTER(R10, 0))};

	(void)state;
	for (int round = 0; round < 3; round++) {
		bool is_needed = round > 0, is_long = round > 1;
		struct opened opened;
		struct frame frame;
		struct found found;
		size_t cie;

		frame_init(&frame, false);
		cie = put_plain_cie(&frame);
		put_fde(&frame, cie, T, 0x20, saves, sizeof(saves));
		if (is_needed)
			put_fde(&frame, cie, T + 0x40, 0x20, needs, sizeof(needs));
		for (size_t i = 0; i < (is_long ? 65536 / 4 : 0); i++)
			put_uint(&frame, 0, 4);
		opened = frame_open(&frame);
		assert_int_equal(find_rows(opened.cfi, 0, &found), 0);
		check_rows(is_needed ? "needed" : "not needed", is_needed && !is_long ? told : not_told, &found);
		close_opened(&opened);
	}
}

static void rows_end_with_the_sink(void **state)
{
	static const uint8_t code[] = {ADVANCE(1), DEF_CFA_OFFSET(16)};
	struct found full = {.n = MAX_ROWS};
	struct opened opened;
	struct frame frame;

	(void)state;
	frame_init(&frame, false);
	put_fde(&frame, put_plain_cie(&frame), T, 0x10, code, sizeof(code));
	opened = frame_open(&frame);
	assert_int_equal(cfi_rows(opened.cfi, 0, &(struct row_sink){.row = take_row, .ctx = &full}), -E2BIG);
	close_opened(&opened);
}

/* --- entries ------------------------------------------------------------------------------------------------------ */

static void cie_of_every_form_is_read(void **state)
{
#define KERNEL_FRAME DEF_CFA_EXPRESSION(BREG(RSP, 0), 0x0a, 160, 0, PLUS, DEREF), OFFSET(RIP, 1)
#define BAD                                                                                                            \
	{                                                                                                              \
		.cfa = UNWIND_CFA_NONE                                                                                 \
	}
	static const struct {
		const char *what;
		uint16_t machine;
		bool is_debug_frame;
		struct cie cie;
		struct unwind_rule rule;
	} cases[] = {
		{"version 1", EM_X86_64, false, {CODE(X86_ENTRY)}, {SP(8)}},
		{"version 3", EM_X86_64, false, {CODE(X86_ENTRY), .version = 3}, {SP(8)}},
		{"version 4", EM_X86_64, true, {CODE(X86_ENTRY), .version = 4}, {SP(8)}},
		{"version 2", EM_X86_64, false, {CODE(X86_ENTRY), .version = 2}, BAD},
		{"version 5", EM_X86_64, true, {CODE(X86_ENTRY), .version = 5}, BAD},
		{"addresses of 4 bytes", EM_X86_64, true, {CODE(X86_ENTRY), .version = 4, .address_size = 4}, BAD},
		{"segments", EM_X86_64, true, {CODE(X86_ENTRY), .version = 4, .selector_size = 2}, BAD},
		{"64 bits", EM_X86_64, false, {CODE(X86_ENTRY), .is_64_bit = true}, {SP(8)}},
		{"64 bits of .debug_frame", EM_X86_64, true, {CODE(X86_ENTRY), .is_64_bit = true}, {SP(8)}},
		{"eh", EM_X86_64, false, {CODE(X86_ENTRY), .augmentation = "eh"}, {SP(8)}},
		{"z", EM_X86_64, false, {CODE(X86_ENTRY), .augmentation = "z"}, {SP(8)}},
		{"zR", EM_X86_64, false, {CODE(X86_ENTRY), .augmentation = "zR", DATA(0x04)}, {SP(8)}},
		{"zRX", EM_X86_64, false, {CODE(X86_ENTRY), .augmentation = "zRX", DATA(0x00, 1, 2, 3)}, {SP(8)}},
		{"zX", EM_X86_64, false, {CODE(X86_ENTRY), .augmentation = "zX", DATA(1, 2, 3)}, {SP(8)}},
		{"X", EM_X86_64, false, {CODE(X86_ENTRY), .augmentation = "X"}, BAD},
		{"zLR", EM_X86_64, false, {CODE(X86_ENTRY), .augmentation = "zLR", DATA(0x1b, 0x00)}, {SP(8)}},
		{"zP, 4 bytes",
		 EM_X86_64,
		 false,
		 {CODE(X86_ENTRY), .augmentation = "zPLR", DATA(0x9b, 1, 2, 3, 4, 0x1b, 0x00)},
		 {SP(8)}},
		{"zP, data relative",
		 EM_X86_64,
		 false,
		 {CODE(X86_ENTRY), .augmentation = "zPR", DATA(0xb4, 1, 2, 3, 4, 5, 6, 7, 8, 0x00)},
		 {SP(8)}},
		{"zP, omitted", EM_X86_64, false, {CODE(X86_ENTRY), .augmentation = "zPR", DATA(0xff, 0x00)}, {SP(8)}},
		{"zP, aligned", /* the encoding is byte 17 of the entry */
		 EM_X86_64,
		 false,
		 {CODE(X86_ENTRY), .augmentation = "zPR", DATA(0x50, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0x00)},
		 {SP(8)}},
		{"zP, no encoding", EM_X86_64, false, {CODE(X86_ENTRY), .augmentation = "zPR", DATA(0x0d, 0x00)}, BAD},
		{"zP, cut", EM_X86_64, false, {CODE(X86_ENTRY), .augmentation = "zP", DATA(0x04, 1, 2)}, BAD},
		{"data longer than the entry",
		 EM_X86_64,
		 false,
		 {CODE(X86_ENTRY), .augmentation = "zR", DATA(0x00), .excess = 90},
		 BAD},
		{"return address in another column",
		 EM_X86_64,
		 false,
		 {CODE(DEF_CFA(RSP, 8), OFFSET(R10, 1)), .ra = R10},
		 {SP(8)}},
		{"return address in a register of its own",
		 EM_X86_64,
		 false,
		 {CODE(DEF_CFA(RSP, 8)), .ra = R10},
		 {.cfa = UNWIND_CFA_SP, .cfa_off = 8, .ra = UNWIND_RA_REGISTER, .reg = R10}},
		{"return address nowhere", EM_X86_64, false, {CODE(DEF_CFA(RSP, 8))}, {UNSUPPORTED}},
		{"no CFA", EM_X86_64, false, {CODE(OFFSET(RIP, 1))}, {UNSUPPORTED}},
		{"no instructions", EM_AARCH64, false, {.n = 0}, {UNSUPPORTED}},
		{"arm64", EM_AARCH64, false, {CODE(ARM64_ENTRY), .augmentation = "zRBG", DATA(0x00)}, {LINK(0)}},
		{"arm64 signal frame", EM_AARCH64, false, {CODE(DEF_CFA(FP, 0)), .augmentation = "zS"}, {SIGNAL}},
		{"signal frame", EM_X86_64, false, {CODE(KERNEL_FRAME), .augmentation = "zRS", DATA(0x00)}, {SIGNAL}},
		{"signal frame of .debug_frame", EM_X86_64, true, {CODE(KERNEL_FRAME), .augmentation = "S"}, {SIGNAL}},
		{"signal frame that the kernel did not make",
		 EM_X86_64,
		 false,
		 {CODE(X86_ENTRY), .augmentation = "zS"},
		 {UNSUPPORTED}},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		const struct cie *cie = &cases[i].cie;
		bool has_data = cie->augmentation && *cie->augmentation == 'z';
		/* The data of an FDE are its own language's; one of two bytes would break the instructions. */
		static const uint8_t code[] = {2, 0x3f, 0x3f, NOP};
		struct opened opened;
		struct found found;
		struct frame frame;
		size_t n;

		frame_init(&frame, cases[i].is_debug_frame);
		frame.machine = cases[i].machine;
		put_fde(&frame, put_cie(&frame, cie), T, 0x40, has_data ? code : NULL, has_data ? sizeof(code) : 0);
		put_empty_fde(&frame, put_plain_cie(&frame), T + 0x80, 0x40);
		opened = frame_open(&frame);
		cfi_fdes(opened.cfi, &n);
		if (n != (cases[i].rule.cfa ? 2 : 1) || cfi_bad_entries(opened.cfi) != (cases[i].rule.cfa ? 0 : 2))
			fail_msg("%s: %zu FDEs, %zu bad entries", cases[i].what, n, cfi_bad_entries(opened.cfi));
		if (find_rows(opened.cfi, 0, &found))
			fail_msg("%s: no rows", cases[i].what);
		if (cases[i].rule.cfa)
			check_rows(cases[i].what, (struct row[MAX_ROWS]){{0, cases[i].rule}}, &found);
		close_opened(&opened);
	}
}

static void fde_addresses_of_every_encoding_are_read(void **state)
{
#define LE4(n) (n) & 0xff, ((n) >> 8) & 0xff, ((n) >> 16) & 0xff, ((n) >> 24) & 0xff
	/* The address is at 0x1e of the section, which has a CIE of 22 bytes before. */
	static const struct {
		uint8_t encoding;
		bool is_good;
		uint8_t n, bytes[20];
	} cases[] = {
		{0x00, true, 16, {LE4(T), 0, 0, 0, 0, 0x40}},
		{0x01, true, 5, {0x80, 0xa0, 0x80, 0x02, 0x40}},
		{0x03, true, 8, {LE4(T), 0x40}},
		{0x04, true, 16, {LE4(T), 0, 0, 0, 0, 0x40}},
		{0x08, true, 16, {LE4(T), 0, 0, 0, 0, 0x40}},
		{0x09, true, 6, {0x80, 0xa0, 0x80, 0x02, 0xc0, 0x00}},
		{0x0b, true, 8, {LE4(T), 0x40}},
		{0x0c, true, 16, {LE4(T), 0, 0, 0, 0, 0x40}},
		{0x10, true, 16, {LE4(T - FRAME_VA - 0x1e), 0xff, 0xff, 0xff, 0xff, 0x40}},
		{0x1b, true, 8, {LE4(T - FRAME_VA - 0x1e), 0x40}},
		{0x50, true, 18, {0xee, 0xee, LE4(T), 0, 0, 0, 0, 0x40}},
		{0x02, false, 4, {0x00, 0x10, 0x40}}, /* two bytes reach no code here */
		{0x0a, false, 4, {0x00, 0x10, 0x40}},
		{0x12, false, 4, {0x00, 0x10, 0x40}},
		{0x05, false, 16, {LE4(T), 0, 0, 0, 0, 0x40}}, /* there is no such form */
		{0x0d, false, 16, {LE4(T), 0, 0, 0, 0, 0x40}},
		{0x23, false, 8, {LE4(0), 0x40}}, /* relative to what only a loader knows */
		{0x33, false, 8, {LE4(0), 0x40}},
		{0x43, false, 8, {LE4(0), 0x40}},
		{0x60, false, 16, {LE4(T), 0, 0, 0, 0, 0x40}},
		{0x80, false, 16, {LE4(T), 0, 0, 0, 0, 0x40}},
		{0x9b, false, 8, {LE4(T - FRAME_VA - 0x1e), 0x40}},
		{0xff, false, 16, {LE4(T), 0, 0, 0, 0, 0x40}},
		{0x04, false, 15, {LE4(T), 0, 0, 0, 0, 0x40}},				   /* cut */
		{0x04, false, 16, {LE4(T), 0, 0, 0, 0, LE4(0xffffffff), LE4(0xffffffff)}}, /* beyond the last address */
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		const struct cie cie = {CODE(X86_ENTRY), .augmentation = "zR", DATA(cases[i].encoding)};
		struct opened opened;
		struct frame frame;
		size_t start, n;
		const struct cfi_fde *fdes;

		frame_init(&frame, false);
		start = put_head(&frame, false, false, put_cie(&frame, &cie));
		assert_int_equal(frame.bytes.len, 0x1e);
		put_bytes(&frame, cases[i].bytes, cases[i].n);
		if (cases[i].is_good)
			put_uint(&frame, 0, 1); /* length of the augmentation */
		put_end(&frame, start);
		opened = frame_open(&frame);
		fdes = cfi_fdes(opened.cfi, &n);
		if (n != cases[i].is_good || (n && (fdes[0].start != T || fdes[0].limit != T + 0x40)))
			fail_msg("encoding 0x%x (%zu): %zu FDEs", cases[i].encoding, i, n);
		if (n) {
			struct found found;

			assert_int_equal(find_rows(opened.cfi, 0, &found), 0);
			check_rows("encoded", (struct row[MAX_ROWS]){ROW(0, SP(8))}, &found);
		}
		close_opened(&opened);
	}
}

static void bad_entry_costs_only_itself(void **state)
{
	static const struct cie unknown_cie = {CODE(X86_ENTRY), .augmentation = "X"};
	static const struct cie broken_cie = {CODE(X86_ENTRY, 0x3f)};
	static const struct cie moving_cie = {CODE(X86_ENTRY, ADVANCE(1))};
	static const struct cie restoring_cie = {CODE(X86_ENTRY, RESTORE(RBP))};
	static const struct cie *const without_rows[] = {&broken_cie, &moving_cie, &restoring_cie};
	static const uint8_t broken[] = {ADVANCE(1), DEF_CFA_OFFSET(16), ADVANCE(1), 0x3f};
	struct opened opened;
	struct frame frame;
	struct found found;
	size_t good;

	(void)state;
	frame_init(&frame, false);
	good = put_plain_cie(&frame);
	put_empty_fde(&frame, good, T, 0x10);
	/* These have no place: a CIE that is an FDE, that lies outside, that is not understood. And an entry without
	 * id. */
	put_empty_fde(&frame, put_empty_fde(&frame, good, T + 0x10, 0x10), T + 0x20, 0x10);
	put_uint(&frame, 0x14, 4);
	put_uint(&frame, 0x7fffffff, 4);
	put_uint(&frame, T + 0x20, 8);
	put_uint(&frame, 0x10, 8);
	put_empty_fde(&frame, put_cie(&frame, &unknown_cie), T + 0x20, 0x10);
	put_uint(&frame, 2, 4);
	put_uint(&frame, 0x1234, 2);
	/* And these no rows. */
	for (size_t i = 0; i < LENGTH(without_rows); i++)
		put_empty_fde(&frame, put_cie(&frame, without_rows[i]), T + 0x30 + 0x10 * i, 0x10);
	put_fde(&frame, good, T + 0x60, 0x10, broken, sizeof(broken));
	put_empty_fde(&frame, good, T + 0x70, 0x10);
	/* The last one reaches out of the section. */
	put_uint(&frame, 0x1000, 4);
	put_uint(&frame, 0, 4);
	opened = frame_open(&frame);
	CHECK_FDES(opened.cfi, {T, T + 0x10}, {T + 0x10, T + 0x20}, {T + 0x30, T + 0x40}, {T + 0x40, T + 0x50},
		   {T + 0x50, T + 0x60}, {T + 0x60, T + 0x70}, {T + 0x70, T + 0x80});
	assert_int_equal(cfi_bad_entries(opened.cfi), 4 + 2 + 3 + 1); /* FDEs, their CIEs, broken CIEs, the last one */
	for (size_t i = 0; i < 7; i++) {
		bool has_rows = i < 2 || i == 6;

		assert_int_equal(find_rows(opened.cfi, i, &found), has_rows ? 0 : -EBADMSG);
		assert_int_equal(found.n, has_rows);
	}
	close_opened(&opened);
}

/* --- the index ---------------------------------------------------------------------------------------------------- */

static void fdes_are_sorted_and_cut(void **state)
{
	static const uint8_t frame_code[] = {ADVANCE(4), DEF_CFA_OFFSET(16), ADVANCE(12), DEF_CFA_OFFSET(24)};
	static const uint8_t duplicate_code[] = {DEF_CFA_OFFSET(64)};
	struct opened opened;
	struct frame frame;
	struct found found;
	size_t cie;

	(void)state;
	frame_init(&frame, false);
	cie = put_plain_cie(&frame);
	put_empty_fde(&frame, cie, T + 0x200, 0x40);
	put_fde(&frame, cie, T + 0x100, 0x40, frame_code, sizeof(frame_code));
	put_empty_fde(&frame, cie, T + 0x180, 0x10);
	put_fde(&frame, cie, T + 0x100, 0x80, duplicate_code, sizeof(duplicate_code));
	put_empty_fde(&frame, cie, T + 0x110, 0x40); /* overlaps the one at 0x100 */
	put_uint(&frame, 0, 4);			     /* the end of a section that ld joined with the next */
	cie = put_plain_cie(&frame);
	put_empty_fde(&frame, cie, T + 0x40, 0); /* of no code */
	put_empty_fde(&frame, cie, 0, 0x40);	 /* of code that was dropped */
	put_empty_fde(&frame, cie, T - 1, 0x40); /* outside */
	put_empty_fde(&frame, cie, T + T_BYTES, 0x40);
	put_empty_fde(&frame, cie, IMAGE_DATA, 0x40);
	put_empty_fde(&frame, cie, T + T_BYTES - 8, 0x40); /* begins inside */
	put_empty_fde(&frame, cie, T, 8);
	put_uint(&frame, 0, 4);
	opened = frame_open(&frame);
	CHECK_FDES(opened.cfi, {T, T + 8}, {T + 0x100, T + 0x110}, {T + 0x110, T + 0x150}, {T + 0x180, T + 0x190},
		   {T + 0x200, T + 0x240}, {T + T_BYTES - 8, T + T_BYTES});
	assert_int_equal(cfi_bad_entries(opened.cfi), 0);
	assert_int_equal(find_rows(opened.cfi, 1, &found), 0);
	check_rows("cut", (struct row[MAX_ROWS]){ROW(0, SP(8)), ROW(4, SP(16))}, &found);
	close_opened(&opened);
}

static void section_without_fdes_is_empty(void **state)
{
	struct opened opened;
	struct frame frame;

	(void)state;
	for (int round = 0; round < 3; round++) {
		frame_init(&frame, false);
		if (round)
			put_plain_cie(&frame);
		if (round == 2)
			put_uint(&frame, 0, 4);
		opened = frame_open(&frame);
		check_fdes(opened.cfi, NULL, 0);
		assert_int_equal(cfi_bad_entries(opened.cfi), 0);
		close_opened(&opened);
	}
}

static void section_of_something_else_is_refused(void **state)
{
	static const struct {
		const char *what, *name;
		uint32_t type;
		uint64_t flags;
		uint16_t machine;
		uint8_t first;
		int err;
	} cases[] = {
		{"a good one", ".eh_frame", SHT_PROGBITS, SHF_ALLOC, EM_X86_64, 0, 0},
		{"unwind", ".eh_frame", 0x70000001, SHF_ALLOC, EM_X86_64, 0, 0},
		{"another name", ".eh_frame_entry", SHT_PROGBITS, SHF_ALLOC, EM_X86_64, 0, -EINVAL},
		{"compressed", ".debug_frame", SHT_PROGBITS, SHF_COMPRESSED, EM_X86_64, 0, -ENOTSUP},
		{"no bytes", ".eh_frame", SHT_NOBITS, SHF_ALLOC, EM_X86_64, 0, -ENOTSUP},
		{"another machine", ".eh_frame", SHT_PROGBITS, SHF_ALLOC, EM_S390, 0, -ENOTSUP},
		{"text", ".eh_frame", SHT_PROGBITS, SHF_ALLOC, EM_X86_64, 0x7f, -EBADMSG},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		struct elf_file *file;
		struct cfi *cfi = NULL;
		struct frame frame;
		Elf64_Shdr shdr;
		size_t n;
		int fd, err;

		frame_init(&frame, false);
		put_empty_fde(&frame, put_plain_cie(&frame), T, 0x10);
		frame.bytes.data[3] = cases[i].first;
		close(frame_fd(&frame)); /* makes the section */
		shdr = *image_shdr(&frame.image, SECTION_DATA);
		shdr.sh_type = cases[i].type;
		shdr.sh_flags = cases[i].flags;
		image_section(&frame.image, SECTION_DATA, cases[i].name, shdr);
		image_ehdr(&frame.image)->e_machine = cases[i].machine;
		fd = image_fd(&frame.image);
		assert_int_equal(pwrite(fd, frame.bytes.data, frame.bytes.len, FRAME_OFFSET), frame.bytes.len);
		buf_release(&frame.bytes);
		assert_int_equal(elf_file_open(fd, &file), 0);
		err = cfi_open(file, &elf_file_sections(file, &n)[SECTION_DATA], 0, UINT64_MAX, &cfi);
		if (err != cases[i].err || !cfi != !!err)
			fail_msg("%s: %d", cases[i].what, err);
		cfi_free(cfi);
		elf_file_free(file);
	}
}

/* So many that they are read in pieces; in an order that leaves one piece for another at each step. */
static void fdes_of_a_long_section_are_all_found(void **state)
{
	enum { STREAMS = 3, FDES = 4000 };
	uint8_t padding[60] = {NOP};
	struct opened opened;
	struct frame frame;
	struct found found;
	size_t cie, n;
	const struct cfi_fde *fdes;

	(void)state;
	for (int is_backward = 0; is_backward < 2; is_backward++) {
		frame_init(&frame, false);
		cie = put_plain_cie(&frame);
		for (uint64_t i = 0; i < FDES; i++) {
			/* of three streams of functions, one lies behind the other in the section */
			uint64_t number = i % (FDES / STREAMS + 1) * STREAMS + i / (FDES / STREAMS + 1);

			padding[1] = 0x0e;
			padding[2] = (uint8_t)(number % 100);
			put_fde(&frame, cie, T + (is_backward ? FDES - number : number), 1, padding, sizeof(padding));
		}
		opened = frame_open(&frame);
		fdes = cfi_fdes(opened.cfi, &n);
		assert_true(n > FDES - STREAMS);
		for (size_t i = 0; i < n; i++) {
			uint64_t number = is_backward ? FDES - (fdes[i].start - T) : fdes[i].start - T;

			assert_int_equal(find_rows(opened.cfi, i, &found), 0);
			check_rows("one of many", (struct row[MAX_ROWS]){ROW(0, SP((int32_t)(number % 100)))}, &found);
		}
		assert_true(cfi_memory_bytes(opened.cfi) < 2 << 20);
		close_opened(&opened);
	}
}

static void entry_is_read_whole_up_to_a_mebibyte(void **state)
{
	static const size_t sizes[] = {70000, (1u << 20) - 24, (1u << 20) - 23};
	static const uint8_t last[] = {ADVANCE(1), DEF_CFA_OFFSET(16)};

	(void)state;
	for (size_t i = 0; i < LENGTH(sizes); i++) {
		struct opened opened;
		struct frame frame;
		struct found found;
		uint8_t *code = calloc(1, sizes[i]); /* no operations */

		assert_non_null(code);
		memcpy(code + sizes[i] - sizeof(last), last, sizeof(last));
		frame_init(&frame, false);
		put_fde(&frame, put_plain_cie(&frame), T, 0x10, code, sizes[i]);
		put_empty_fde(&frame, put_plain_cie(&frame), T + 0x20, 0x10);
		free(code);
		opened = frame_open(&frame);
		CHECK_FDES(opened.cfi, {T, T + 0x10}, {T + 0x20, T + 0x30});
		assert_int_equal(find_rows(opened.cfi, 0, &found), i == 2 ? -EBADMSG : 0);
		if (i < 2)
			check_rows("long", (struct row[MAX_ROWS]){ROW(0, SP(8)), ROW(1, SP(16))}, &found);
		assert_int_equal(find_rows(opened.cfi, 1, &found), 0);
		close_opened(&opened);
	}
}

static void file_that_shrank_or_changed_gives_an_error(void **state)
{
	struct opened opened;
	struct elf_file *file;
	struct cfi *cfi = NULL;
	struct frame frame;
	struct found found;
	size_t n;
	int fd;

	(void)state;
	frame_init(&frame, false);
	put_empty_fde(&frame, put_plain_cie(&frame), T, 0x10);
	fd = frame_fd(&frame);
	assert_int_equal(elf_file_open(fd, &file), 0);
	assert_int_equal(ftruncate(fd, FRAME_OFFSET), 0);
	assert_int_equal(cfi_open(file, &elf_file_sections(file, &n)[SECTION_DATA], 0, UINT64_MAX, &cfi), -EIO);
	assert_null(cfi);
	elf_file_free(file);

	/* So long that nothing of the first FDE is still at hand. */
	for (size_t i = 0; i < 80000; i++)
		put_uint(&frame, 0, 8);
	opened = frame_open(&frame);
	assert_int_equal(pwrite(elf_file_fd(opened.file), (uint8_t[64]){0}, 64, FRAME_OFFSET), 64);
	assert_int_equal(find_rows(opened.cfi, 0, &found), -EBADMSG);
	assert_int_equal(ftruncate(elf_file_fd(opened.file), 0), 0);
	assert_int_equal(find_rows(opened.cfi, 0, &found), -EBADMSG);
	close_opened(&opened);
}

/* --- parts of a file ---------------------------------------------------------------------------------------------- */

/* Five functions of 0x20 bytes, 0x40 apart; their FDEs stand the other way round. */
static void put_five(struct frame *frame, uint64_t (*ret_rows)[2])
{
	size_t cie = put_plain_cie(frame);

	for (uint64_t i = 5; i-- > 0;) {
		ret_rows[i][0] = T + 0x40 * i;
		ret_rows[i][1] = put_empty_fde(frame, cie, T + 0x40 * i, 0x20);
	}
}

static void part_of_a_file_has_the_functions_that_reach_it(void **state)
{
	static const struct {
		uint64_t first, limit;
		size_t from, n;
	} cases[] = {
		{T, T + 1, 0, 1},
		{T + 0x40, T + 0x80, 1, 1},
		{T + 0x5f, T + 0x81, 1, 2},
		{T + 0x60, T + 0x80, 0, 0},
		{T + 0x60, T + 0x81, 2, 1},
		{0, T, 0, 0},
		{T + 0x110, T + 0x1000, 4, 1},
		{T + 0x120, T + 0x1000, 0, 0},
		{0, T + T_BYTES, 0, 5},
	};

	(void)state;
	for (int has_table = 0; has_table < 2; has_table++) {
		for (size_t i = 0; i < LENGTH(cases); i++) {
			uint64_t rows[5][2];
			const struct cfi_fde *fdes;
			struct opened opened;
			struct frame frame;
			size_t n;

			frame_init(&frame, false);
			put_five(&frame, rows);
			if (has_table)
				put_table(&frame, rows, 5);
			opened = frame_open_range(&frame, cases[i].first, cases[i].limit);
			fdes = cfi_fdes(opened.cfi, &n);
			if (n != cases[i].n || (n && fdes[0].start != rows[cases[i].from][0]) ||
			    (n && fdes[n - 1].start != rows[cases[i].from + n - 1][0]))
				fail_msg("%d %zu: %zu FDEs", has_table, i, n);
			close_opened(&opened);
		}
	}
}

static void table_is_used_for_a_part_of_the_file_alone(void **state)
{
	uint64_t rows[5][2];
	struct opened opened;
	struct frame frame;

	(void)state;
	for (int is_part = 0; is_part < 2; is_part++) {
		frame_init(&frame, false);
		put_five(&frame, rows);
		put_table(&frame, rows, 2); /* does not tell of the others */
		opened = frame_open_range(&frame, T, is_part ? T + T_BYTES - 1 : T + T_BYTES);
		if (is_part)
			CHECK_FDES(opened.cfi, {T, T + 0x20}, {T + 0x40, T + 0x60});
		else
			CHECK_FDES(opened.cfi, {T, T + 0x20}, {T + 0x40, T + 0x60}, {T + 0x80, T + 0xa0},
				   {T + 0xc0, T + 0xe0}, {T + 0x100, T + 0x120});
		close_opened(&opened);
	}
}

static void unsound_table_is_not_used(void **state)
{
	static const struct {
		const char *what;
		size_t offset, n;
		uint64_t value; /* added to what is there */
	} cases[] = {
		{"version", 0, 1, 1},
		{"encoding of .eh_frame's address", 1, 1, 0x80},
		{"encoding of the number", 2, 1, 0xfc},
		{"encoding of the rows", 3, 1, -0x0full},
		{"address of .eh_frame", 4, 4, 8},
		{"number", 8, 4, 1},
		{"huge number", 8, 4, 0xfffffff0},
		{"address of a function", 12 + 8 * 2, 4, 4},
		{"FDE of another function", 12 + 8 * 2 + 4, 4, -24ull},
		{"a CIE for an FDE", 12 + 8 * 4 + 4, 4, -20ull},
		{"FDE outside the section", 12 + 8 * 2 + 4, 4, 0x10000},
		{"FDE before the section", 12 + 8 * 2 + 4, 4, 0x80000000},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		uint64_t rows[5][2], value = 0;
		struct opened opened;
		struct frame frame;
		uint8_t *at = frame.image.bytes + TABLE_OFFSET + cases[i].offset;
		size_t n;

		frame_init(&frame, false);
		put_five(&frame, rows);
		put_table(&frame, rows, 5);
		memcpy(&value, at, cases[i].n);
		value += cases[i].value;
		memcpy(at, &value, cases[i].n);
		opened = frame_open_range(&frame, T, T + 0x1000);
		cfi_fdes(opened.cfi, &n);
		if (n != 5)
			fail_msg("%s: %zu FDEs", cases[i].what, n);
		close_opened(&opened);
	}
}

/* One FDE that many rows point at would be run as many times. */
static void table_of_overlapping_entries_is_not_used(void **state)
{
	uint64_t rows[12][2];
	struct opened opened;
	struct frame frame;
	size_t cie;

	(void)state;
	frame_init(&frame, false);
	cie = put_plain_cie(&frame);
	for (uint64_t i = 0; i < 12; i++) {
		rows[i][0] = T;
		rows[i][1] = frame.bytes.len;
	}
	put_empty_fde(&frame, cie, T, 0x20);
	put_empty_fde(&frame, cie, T + 0x40, 0x20);
	put_table(&frame, rows, 12);
	opened = frame_open_range(&frame, T - 1, T + 0x1000);
	CHECK_FDES(opened.cfi, {T, T + 0x20}, {T + 0x40, T + 0x60});
	close_opened(&opened);
}

/* --- against readelf ---------------------------------------------------------------------------------------------- */

#define MAX_COLUMNS 24

/* The table that readelf prints of an FDE: a head with names of registers, then rows. */
struct listing {
	char names[MAX_COLUMNS][8];
	size_t columns;
	struct unwind_rule *rules; /* of the FDE, by distance from its start */
	uint64_t start, limit;
};

static int spread_row(void *ctx, uint64_t va, const struct unwind_rule *rule)
{
	struct listing *listing = ctx;

	assert_true(va >= listing->start && va < listing->limit);
	for (; va < listing->limit; va++)
		listing->rules[va - listing->start] = *rule;
	return 0;
}

static void begin_listing(struct listing *listing, struct cfi *cfi, uint64_t start, uint64_t limit)
{
	const struct cfi_fde *fdes;
	size_t n, i = 0;

	fdes = cfi_fdes(cfi, &n);
	while (i < n && fdes[i].start != start)
		i++;
	assert_true(i < n);
	assert_int_equal(fdes[i].limit, limit);
	free(listing->rules);
	*listing = (struct listing){.start = start, .limit = limit};
	listing->rules = calloc(limit - start, sizeof(*listing->rules));
	assert_non_null(listing->rules);
	assert_int_equal(cfi_rows(cfi, i, &(struct row_sink){.row = spread_row, .ctx = listing}), 0);
}

static const char *x86_name(uint8_t reg)
{
	static const char *const names[] = {"rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp",
					    "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};

	return reg < LENGTH(names) ? names[reg] : "?";
}

static bool is_cfa_as_listed(const struct unwind_rule *rule, const char *text)
{
	uint8_t reg = rule->cfa == UNWIND_CFA_SP ? RSP : rule->cfa == UNWIND_CFA_FP ? RBP : rule->reg;
	char expected[24];

	if (strcmp(text, "exp") == 0)
		return rule->cfa == UNWIND_CFA_PLT || rule->cfa == UNWIND_CFA_DEREF_SP ||
		       rule->cfa == UNWIND_CFA_DEREF_FP || rule->cfa == UNWIND_CFA_SIGNAL ||
		       rule->cfa == UNWIND_CFA_UNSUPPORTED;
	snprintf(expected, sizeof(expected), "%s%+d", x86_name(reg), rule->cfa_off);
	return strcmp(text, expected) == 0;
}

/* "c-16" is at CFA - 16; "u" is what was not said, or undefined. */
static bool is_fp_as_listed(const struct unwind_rule *rule, const char *text)
{
	if (text[0] == 'c')
		return rule->fp == UNWIND_FP_SAVED && rule->fp_off == atol(text + 1);
	return rule->fp != UNWIND_FP_SAVED;
}

static bool is_ra_as_listed(const struct unwind_rule *rule, const char *text)
{
	if (text[0] == 'c')
		return rule->ra == UNWIND_RA_SAVED && (rule->ra_off == atol(text + 1) || rule->cfa > UNWIND_CFA_PLT);
	return rule->ra == UNWIND_RA_REGISTER && strcmp(text, x86_name(rule->reg)) == 0;
}

static void check_listed_row(const struct listing *listing, uint64_t va, char *const *words, size_t n)
{
	const struct unwind_rule *rule = &listing->rules[va - listing->start];
	bool is_same = true, has_ra = true;

	if (va < listing->start || va >= listing->limit || n != listing->columns)
		fail_msg("0x%lx: %zu columns in 0x%lx..0x%lx", va, n, listing->start, listing->limit);
	for (size_t i = 0; i < n; i++)
		if (strcmp(listing->names[i], "ra") == 0 && strcmp(words[i], "u") == 0)
			has_ra = false;
	if (!has_ra)
		is_same = rule->cfa == UNWIND_CFA_STOP;
	for (size_t i = 0; i < n && has_ra && rule->cfa != UNWIND_CFA_SIGNAL && rule->cfa != UNWIND_CFA_UNSUPPORTED;
	     i++) {
		if (strcmp(listing->names[i], "CFA") == 0)
			is_same &= is_cfa_as_listed(rule, words[i]);
		else if (strcmp(listing->names[i], "rbp") == 0)
			is_same &= is_fp_as_listed(rule, words[i]);
		else if (strcmp(listing->names[i], "ra") == 0)
			is_same &= is_ra_as_listed(rule, words[i]);
	}
	if (!is_same)
		fail_msg("0x%lx: cfa %u, fp %u, ra %u, reg %u, %d, %d, %d; readelf says CFA %s", va, rule->cfa,
			 rule->fp, rule->ra, rule->reg, rule->cfa_off, rule->fp_off, rule->ra_off, words[0]);
}

/* Returns the number of rows. */
static size_t check_file_against_readelf(const char *path)
{
	struct listing listing = {.rules = NULL};
	char command[320], line[1024];
	struct elf_file *file;
	struct cfi *cfi;
	size_t rows = 0;
	bool is_fde = false;
	FILE *readelf;

	assert_int_equal(elf_file_open(open(path, O_RDONLY | O_CLOEXEC), &file), 0);
	assert_int_equal(cfi_open(file, elf_file_section(file, ".eh_frame"), 0, UINT64_MAX, &cfi), 0);
	snprintf(command, sizeof(command), "readelf --debug-dump=frames-interp,no-follow-links '%s'", path);
	readelf = popen(command, "r");
	assert_non_null(readelf);
	while (fgets(line, sizeof(line), readelf)) {
		char *words[MAX_COLUMNS + 1], *rest = line;
		const char *pc = strstr(line, " pc=");
		size_t n = 0;

		if (strstr(line, "Contents of the .debug"))
			break;
		if (pc) {
			char *end;
			uint64_t start = strtoull(pc + 4, &end, 16), limit = strtoull(end + 2, NULL, 16);

			is_fde = start < limit;
			if (is_fde)
				begin_listing(&listing, cfi, start, limit);
			continue;
		}
		while (n < LENGTH(words) && (words[n] = strtok_r(rest, " \n", &rest))) {
			if (words[n][0] == '(') /* "r5 (rdi)" is one value */
				words[n - 1] = strtok(words[n], "()");
			else
				n++;
		}
		if (!n || !is_fde)
			is_fde = false;
		else if (strcmp(words[0], "LOC") == 0)
			for (listing.columns = 0; listing.columns < n - 1; listing.columns++)
				snprintf(listing.names[listing.columns], sizeof(listing.names[0]), "%s",
					 words[listing.columns + 1]);
		else
			check_listed_row(&listing, strtoull(words[0], NULL, 16), words + 1, n - 1), rows++;
	}
	pclose(readelf);
	free(listing.rules);
	cfi_free(cfi);
	elf_file_free(file);
	return rows;
}

static int find_libc(struct dl_phdr_info *info, size_t size, void *path)
{
	(void)size;
	if (!strstr(info->dlpi_name, "/libc.so"))
		return 0;
	snprintf(path, 256, "%s", info->dlpi_name);
	return 1;
}

static void rows_of_libc_are_those_of_readelf(void **state)
{
	char path[256] = "";

	(void)state;
	assert_int_equal(dl_iterate_phdr(find_libc, path), 1);
	assert_true(check_file_against_readelf(path) > 10000);
}

static void rows_of_own_program_are_those_of_readelf(void **state)
{
	char path[32];

	(void)state;
	snprintf(path, sizeof(path), "/proc/%d/exe", getpid());
	assert_true(check_file_against_readelf(path) > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(instructions_become_rows),
		cmocka_unit_test(instructions_of_arm64_become_rows),
		cmocka_unit_test(expressions_become_rules_where_one_says_the_same),
		cmocka_unit_test(broken_instructions_give_no_row),
		cmocka_unit_test(thirty_two_states_are_remembered),
		cmocka_unit_test(rbx_is_told_of_where_a_cfa_needs_it),
		cmocka_unit_test(rows_end_with_the_sink),
		cmocka_unit_test(cie_of_every_form_is_read),
		cmocka_unit_test(fde_addresses_of_every_encoding_are_read),
		cmocka_unit_test(bad_entry_costs_only_itself),
		cmocka_unit_test(fdes_are_sorted_and_cut),
		cmocka_unit_test(section_without_fdes_is_empty),
		cmocka_unit_test(section_of_something_else_is_refused),
		cmocka_unit_test(fdes_of_a_long_section_are_all_found),
		cmocka_unit_test(entry_is_read_whole_up_to_a_mebibyte),
		cmocka_unit_test(file_that_shrank_or_changed_gives_an_error),
		cmocka_unit_test(part_of_a_file_has_the_functions_that_reach_it),
		cmocka_unit_test(table_is_used_for_a_part_of_the_file_alone),
		cmocka_unit_test(unsound_table_is_not_used),
		cmocka_unit_test(table_of_overlapping_entries_is_not_used),
		cmocka_unit_test(rows_of_libc_are_those_of_readelf),
		cmocka_unit_test(rows_of_own_program_are_those_of_readelf),
	};

	return cmocka_run_group_tests_name("cfi", tests, NULL, NULL);
}
