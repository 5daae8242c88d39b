/* SPDX-License-Identifier: Apache-2.0 */
/* The walk of the sampling program on made-up x86-64 stacks. */
#define __TARGET_ARCH_x86
#define MACHINE EM_X86_64
#include <elf.h>

#include "walk_harness.h"

/* Functions of the text, by offset. */
#define LEAF 0x100
#define MIDDLE 0x200
#define OUTER 0x300
#define START 0x400
#define OTHER 0x10500 /* in another page */

static const struct unwind_rule stop = {.cfa = UNWIND_CFA_STOP};
static const struct unwind_rule none = {.cfa = UNWIND_CFA_NONE};

static struct unwind_rule sp_rule(int32_t offset)
{
	return (struct unwind_rule){.cfa = UNWIND_CFA_SP, .cfa_off = offset, .ra_off = -8};
}

static struct unwind_rule with_saved_fp(struct unwind_rule rule, int16_t offset)
{
	rule.fp = UNWIND_FP_SAVED;
	rule.fp_off = offset;
	return rule;
}

static struct unwind_rule fp_rule(void)
{
	return with_saved_fp((struct unwind_rule){.cfa = UNWIND_CFA_FP, .cfa_off = 16, .ra_off = -8}, -16);
}

static uint64_t ip(uint64_t offset)
{
	return CODE_BASE + offset;
}

static void stack_offsets_lead_to_the_root(void **state)
{
	const struct text_row rows[] = {{LEAF, sp_rule(24)}, {MIDDLE, sp_rule(8)}, {OUTER, sp_rule(1048)},
					{START, stop},	     {START + 64, none},   {OTHER, sp_rule(16)}};
	const uint64_t frames[] = {ip(LEAF + 4), ip(OTHER + 8), ip(MIDDLE + 5), ip(OUTER + 9), ip(START + 3)};

	(void)state;
	publish_rows(rows, 6);
	publish_process();
	stack[2] = ip(OTHER + 8);
	stack[4] = ip(MIDDLE + 5);
	stack[5] = ip(OUTER + 9);
	stack[6 + 130] = ip(START + 3);
	walk_from(ip(LEAF + 4), at(0), 0);
	assert_frames(frames, 5, UNWIND_END_ROOT);
	assert_false(frame_is_return(scratch.user_frames[0]));
	assert_true(frame_is_return(scratch.user_frames[1]));
}

/* A call that is the last instruction of its function returns to the next function's first byte. */
static void a_return_address_belongs_to_the_byte_before_it(void **state)
{
	const struct text_row rows[] = {
		{LEAF, sp_rule(8)}, {MIDDLE, sp_rule(16)}, {OUTER, sp_rule(4096)}, {START, stop}};
	const uint64_t frames[] = {ip(LEAF), ip(OUTER), ip(START + 1)};

	(void)state;
	publish_rows(rows, 4);
	publish_process();
	stack[0] = ip(OUTER); /* called at the end of MIDDLE */
	stack[2] = ip(START + 1);
	walk_from(ip(LEAF), at(0), 0);
	assert_frames(frames, 3, UNWIND_END_ROOT);
}

static void each_push_moves_the_offset(void **state)
{
	/* push, push of two bytes, sub; folded by the writer */
	const struct text_row rows[] = {{LEAF, sp_rule(8)},
					{LEAF + 1, sp_rule(16)},
					{LEAF + 3, sp_rule(24)},
					{LEAF + 7, sp_rule(88)},
					{START, stop}};
	static const struct {
		unsigned distance, words;
	} cases[] = {{0, 0}, {1, 1}, {2, 1}, {3, 2}, {6, 2}, {7, 10}, {200, 10}};

	(void)state;
	publish_rows(rows, 5);
	publish_process();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(stack, 0, sizeof(stack));
		stack[cases[i].words] = ip(START + 2);
		walk_from(ip(LEAF + cases[i].distance), at(0), 0);
		assert_int_equal(scratch.walk.n, 2);
		assert_int_equal(scratch.walk.end, UNWIND_END_ROOT);
	}
}

static void each_pop_moves_the_offset_back(void **state)
{
	const struct text_row rows[] = {{LEAF, sp_rule(32)},
					{LEAF + 1, sp_rule(24)},
					{LEAF + 2, sp_rule(16)},
					{LEAF + 4, sp_rule(8)},
					{START, stop}};
	static const unsigned distance[] = {0, 1, 2, 4, 30, 31, 40}, words[] = {3, 2, 1, 0, 0, 0, 0};

	(void)state;
	publish_rows(rows, 5);
	publish_process();
	for (size_t i = 0; i < sizeof(distance) / sizeof(distance[0]); i++) {
		memset(stack, 0, sizeof(stack));
		stack[words[i]] = ip(START + 2);
		walk_from(ip(LEAF + distance[i]), at(0), 0);
		assert_int_equal(scratch.walk.n, 2);
		assert_int_equal(scratch.walk.end, UNWIND_END_ROOT);
	}
}

/* rbp passes unchanged through functions that do not touch it, and is taken from where others saved it. */
static void the_frame_pointer_is_followed_through_frames_that_save_it(void **state)
{
	const struct text_row rows[] = {
		{LEAF, with_saved_fp(sp_rule(32), -24)}, {MIDDLE, sp_rule(16)}, {OUTER, fp_rule()}, {START, stop}};
	const uint64_t frames[] = {ip(LEAF), ip(MIDDLE + 1), ip(OUTER + 1), ip(START + 1)};

	(void)state;
	publish_rows(rows, 4);
	publish_process();
	stack[1] = at(100); /* rbp of MIDDLE, and of OUTER */
	stack[3] = ip(MIDDLE + 1);
	stack[5] = ip(OUTER + 1);
	stack[100] = 0;
	stack[101] = ip(START + 1);
	walk_from(ip(LEAF), at(0), 0xdead);
	assert_frames(frames, 4, UNWIND_END_ROOT);
}

static void a_lost_frame_pointer_ends_the_walk_only_where_it_is_needed(void **state)
{
	struct unwind_rule lost = sp_rule(8);
	const struct text_row rows[] = {
		{LEAF, (lost.fp = UNWIND_FP_LOST, lost)}, {MIDDLE, sp_rule(16)}, {OUTER, fp_rule()}, {START, stop}};
	const uint64_t frames[] = {ip(LEAF), ip(MIDDLE + 1), ip(OUTER + 1)};

	(void)state;
	publish_rows(rows, 4);
	publish_process();
	stack[0] = ip(MIDDLE + 1);
	stack[2] = ip(OUTER + 1);
	stack[100] = 0;
	stack[101] = ip(START + 1);
	walk_from(ip(LEAF), at(0), at(100));
	assert_frames(frames, 3, UNWIND_END_REGISTER_UNKNOWN);
}

/* Hand-written code has subroutines that leave them alone, and rules that count on it. */
static void other_registers_are_known_in_the_leaf_and_in_what_calls_it(void **state)
{
	const struct unwind_rule by_r10 = {.cfa = UNWIND_CFA_REGISTER, .reg = 10, .cfa_off = 8, .ra_off = -8};
	const struct text_row rows[] = {{LEAF, sp_rule(8)}, {MIDDLE, by_r10}, {START, stop}};
	const uint64_t frames[] = {ip(LEAF), ip(MIDDLE + 1), ip(START + 1)};
	const uint64_t leaf[] = {ip(MIDDLE), ip(START + 1)};
	const uint64_t others[] = {ip(LEAF), ip(LEAF + 5), ip(MIDDLE + 1)};

	(void)state;
	publish_rows(rows, 3);
	publish_process();
	scratch.registers[10] = at(40);
	stack[0] = ip(MIDDLE + 1);
	stack[40] = ip(START + 1);
	walk_from(ip(LEAF), at(0), 0);
	assert_frames(frames, 3, UNWIND_END_ROOT);
	walk_from(ip(MIDDLE), at(0), 0);
	assert_frames(leaf, 2, UNWIND_END_ROOT);
	stack[0] = ip(LEAF + 5);
	stack[1] = ip(MIDDLE + 1);
	walk_from(ip(LEAF), at(0), 0);
	assert_frames(others, 3, UNWIND_END_REGISTER_UNKNOWN);
}

/* Lazy binding: the resolver's frame is found by rbx, which the frames above it saved or left alone. */
static void rbx_is_followed_where_all_rules_tell_of_it(void **state)
{
	const struct unwind_rule by_rbx = {
		.cfa = UNWIND_CFA_REGISTER, .reg = UNWIND_X86_RBX, .cfa_off = 32, .ra_off = -8};
	struct unwind_rule same = sp_rule(8), saved = sp_rule(24);
	const struct text_row rows[] = {{LEAF, (same.reg = UNWIND_BX_SAME, same)},
					{MIDDLE, (saved.reg = 2, saved)}, /* at CFA - 16 */
					{OUTER, by_rbx},
					{START, stop}};
	const uint64_t frames[] = {ip(LEAF), ip(MIDDLE + 1), ip(OUTER + 1), ip(START + 1)};

	(void)state;
	publish_rows(rows, 4);
	publish_process();
	scratch.registers[UNWIND_X86_RBX] = 0xdead;
	stack[0] = ip(MIDDLE + 1);
	stack[2] = at(100); /* rbx of OUTER */
	stack[3] = ip(OUTER + 1);
	stack[103] = ip(START + 1);
	walk_from(ip(LEAF), at(0), 0);
	assert_frames(frames, 4, UNWIND_END_ROOT);
}

static void rbx_is_unknown_behind_a_rule_that_does_not_tell(void **state)
{
	const struct unwind_rule by_rbx = {
		.cfa = UNWIND_CFA_REGISTER, .reg = UNWIND_X86_RBX, .cfa_off = 32, .ra_off = -8};
	const struct text_row rows[] = {{LEAF, sp_rule(8)}, {OUTER, by_rbx}, {START, stop}};
	const uint64_t frames[] = {ip(LEAF), ip(OUTER + 1)};

	(void)state;
	publish_rows(rows, 3);
	publish_process();
	scratch.registers[UNWIND_X86_RBX] = at(100);
	stack[0] = ip(OUTER + 1);
	stack[103] = ip(START + 1);
	walk_from(ip(LEAF), at(0), 0);
	assert_frames(frames, 2, UNWIND_END_REGISTER_UNKNOWN);
}

/* vfork() keeps its return address in rdi across the system call. */
static void a_return_address_may_be_in_a_register(void **state)
{
	const struct unwind_rule in_rdi = {.cfa = UNWIND_CFA_SP, .cfa_off = 8, .ra = UNWIND_RA_REGISTER, .reg = 5};
	const struct text_row rows[] = {{LEAF, in_rdi}, {START, stop}};
	const uint64_t frames[] = {ip(LEAF), ip(START + 1)};

	(void)state;
	publish_rows(rows, 2);
	publish_process();
	scratch.registers[5] = ip(START + 1);
	walk_from(ip(LEAF), at(0), 0);
	assert_frames(frames, 2, UNWIND_END_ROOT);
}

static void a_saved_stack_pointer_is_read(void **state)
{
	/* *(rsp + 24) + 8 */
	const struct unwind_rule by_sp = {.cfa = UNWIND_CFA_DEREF_SP, .cfa_off = 24, .ra_off = 8};
	const struct unwind_rule by_fp = {.cfa = UNWIND_CFA_DEREF_FP, .cfa_off = -8};
	const struct text_row rows[] = {{LEAF, by_sp}, {MIDDLE, by_fp}, {START, stop}};
	const uint64_t frames[] = {ip(LEAF), ip(MIDDLE + 1), ip(START + 1)};

	(void)state;
	publish_rows(rows, 3);
	publish_process();
	stack[3] = at(50);
	stack[50] = ip(MIDDLE + 1);
	stack[69] = at(90); /* below rbp */
	stack[89] = ip(START + 1);
	walk_from(ip(LEAF), at(0), at(70));
	assert_frames(frames, 3, UNWIND_END_ROOT);
}

/* lea 8(rsp), r10; and -32, rsp; push -8(r10); push rbp; mov rsp, rbp; push r10 */
static void a_realigned_frame_has_its_callers_frame_pointer_at_its_own(void **state)
{
	const struct unwind_rule realigned = {.cfa = UNWIND_CFA_DEREF_FP, .cfa_off = -8, .fp = UNWIND_FP_AT_FP};
	const struct text_row rows[] = {{LEAF, realigned}, {MIDDLE, fp_rule()}, {START, stop}};
	const uint64_t frames[] = {ip(LEAF), ip(MIDDLE + 1), ip(START + 1)};

	(void)state;
	publish_rows(rows, 3);
	publish_process();
	stack[9] = at(55);  /* r10: the CFA */
	stack[10] = at(60); /* rbp of MIDDLE */
	stack[54] = ip(MIDDLE + 1);
	stack[61] = ip(START + 1);
	walk_from(ip(LEAF), at(0), at(10));
	assert_frames(frames, 3, UNWIND_END_ROOT);
}

static void the_lazy_plt_has_pushed_behind_its_threshold(void **state)
{
	const struct unwind_rule plt = {.cfa = UNWIND_CFA_PLT, .cfa_off = 11, .ra_off = -8};
	const struct text_row rows[] = {{LEAF, plt}, {START, stop}};

	(void)state;
	publish_rows(rows, 2);
	publish_process();
	for (unsigned distance = 0; distance < 16; distance++) {
		memset(stack, 0, sizeof(stack));
		stack[distance >= 11] = ip(START + 1);
		walk_from(ip(LEAF + distance), at(0), 0);
		assert_int_equal(scratch.walk.n, 2);
		assert_int_equal(scratch.walk.end, UNWIND_END_ROOT);
	}
}

/* Behind the signal frame the interrupted function is looked up at its exact ip, with all its registers. */
static void a_signal_frame_gives_back_the_registers(void **state)
{
	const struct unwind_rule signal = {.cfa = UNWIND_CFA_SIGNAL};
	const struct unwind_rule by_rax = {.cfa = UNWIND_CFA_REGISTER, .cfa_off = 8, .ra_off = -8};
	const struct text_row rows[] = {{LEAF, sp_rule(8)}, {MIDDLE - 1, signal}, {OUTER, by_rax}, {START, stop}};
	const uint64_t frames[] = {ip(LEAF), ip(MIDDLE), ip(OUTER), ip(START + 1)};
	size_t greg = 1 + 5; /* behind the handler's return address: ucontext flags, link, stack */

	(void)state;
	publish_rows(rows, 4);
	publish_process();
	stack[0] = ip(MIDDLE);
	stack[greg + 13] = at(600);   /* rax */
	stack[greg + 10] = at(700);   /* rbp */
	stack[greg + 15] = at(500);   /* rsp */
	stack[greg + 16] = ip(OUTER); /* rip */
	stack[600] = ip(START + 1);
	walk_from(ip(LEAF), at(0), 0);
	assert_frames(frames, 4, UNWIND_END_ROOT);
	assert_false(frame_is_return(scratch.user_frames[2]));
	assert_int_equal(scratch.walk.fp, at(700));
}

static void vsyscalls_return_to_what_called_them(void **state)
{
	const struct text_row rows[] = {{START, stop}};
	const uint64_t frames[] = {0xffffffffff600400ULL, ip(START + 1)};

	(void)state;
	publish_rows(rows, 1);
	publish_process();
	stack[0] = ip(START + 1);
	walk_from(0xffffffffff600400ULL, at(0), 0);
	assert_frames(frames, 2, UNWIND_END_ROOT);
}

static void a_return_address_of_zero_is_the_root(void **state)
{
	const struct text_row rows[] = {{LEAF, sp_rule(8)}};
	const uint64_t frames[] = {ip(LEAF)};

	(void)state;
	publish_rows(rows, 1);
	publish_process();
	walk_from(ip(LEAF), at(0), 0);
	assert_frames(frames, 1, UNWIND_END_ROOT);
}

/* --- frame pointers where no table tells ---------------------------------------------------------------------------
 */

static void generated_code_is_walked_by_frame_pointer(void **state)
{
	const struct text_row rows[] = {{LEAF, sp_rule(16)}, {START, stop}};
	const uint64_t frames[] = {JIT_BASE + 40, JIT_BASE + 400, ip(LEAF + 8), ip(START + 1)};

	(void)state;
	publish_rows(rows, 2);
	publish_process();
	stack[10] = at(20);
	stack[11] = JIT_BASE + 400;
	stack[20] = at(30);
	stack[21] = ip(LEAF + 8);
	stack[23] = ip(START + 1);
	walk_from(JIT_BASE + 40, at(0), at(10));
	assert_frames(frames, 4, UNWIND_END_ROOT);
}

static void a_file_without_a_table_is_walked_by_frame_pointer(void **state)
{
	const uint64_t frames[] = {ip(LEAF), ip(MIDDLE), ip(OUTER)};

	(void)state;
	publish_rows(NULL, 0);
	publish_process();
	stack[10] = at(20);
	stack[11] = ip(MIDDLE);
	stack[20] = 0;
	stack[21] = ip(OUTER);
	walk_from(ip(LEAF), at(0), at(10));
	assert_frames(frames, 3, UNWIND_END_ROOT);
}

/* push rbp; mov rbp, rsp; …; ret: until the frame is made the caller is at sp, and rbp is its own. */
static void the_leaf_of_frame_pointer_code_may_not_have_made_its_frame(void **state)
{
	static const struct {
		uint8_t bytes[4];
		uint8_t pushed;
	} cases[] = {
		{{0x55, 0x48, 0x89, 0xe5}, 0}, /* push rbp */
		{{0xf3, 0x0f, 0x1e, 0xfa}, 0}, /* endbr64 */
		{{0xc3}, 0},		       /* ret */
		{{0x48, 0x89, 0xe5}, 1},       /* mov rbp, rsp */
		{{0x48, 0x8b, 0xec}, 1},       /* the same, encoded otherwise */
	};
	const uint64_t frames[] = {ip(LEAF), ip(MIDDLE), ip(OUTER)};

	(void)state;
	publish_rows(NULL, 0);
	publish_process();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memcpy(code + LEAF, cases[i].bytes, sizeof(cases[i].bytes));
		memset(stack, 0, sizeof(stack));
		stack[cases[i].pushed] = ip(MIDDLE);
		stack[0] = cases[i].pushed ? at(20) : stack[0];
		stack[21] = ip(OUTER);
		walk_from(ip(LEAF), at(0), at(20));
		assert_frames(frames, 3, UNWIND_END_ROOT);
	}
}

static void a_frame_pointer_that_leads_nowhere_is_not_believed(void **state)
{
	static const struct {
		uint64_t fp;
		uint32_t end;
	} cases[] = {
		{0, UNWIND_END_NO_FRAME_POINTER},
		{STACK_BASE + 83, UNWIND_END_NO_FRAME_POINTER},			/* not aligned */
		{STACK_BASE - 8, UNWIND_END_NO_FRAME_POINTER},			/* below sp */
		{STACK_BASE + FP_MAX_FRAME_BYTES, UNWIND_END_NO_FRAME_POINTER}, /* too far */
		{STACK_BASE + STACK_WORDS * 8, UNWIND_END_UNREADABLE_STACK},
		{STACK_BASE + 80, UNWIND_END_NO_FRAME_POINTER},	  /* leads to zeros */
		{STACK_BASE + 160, UNWIND_END_BAD_FRAME_POINTER}, /* leads downwards */
	};
	const uint64_t frames[] = {ip(LEAF)};

	(void)state;
	publish_rows(NULL, 0);
	publish_process();
	stack[20] = at(15);
	stack[21] = ip(MIDDLE);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		walk_from(ip(LEAF), at(0), cases[i].fp);
		assert_frames(frames, 1, cases[i].end);
	}
}

/* What was just mapped is not published yet: of a number of addresses in no mapping this is assumed. */
static void exhaust_news(void)
{
	stack[0] = STACK_BASE;
	for (unsigned i = 0; i < MAX_MAPPING_MISSES; i++)
		walk_from(ip(LEAF), at(0), 0);
}

/* --- ends -----------------------------------------------------------------------------------------------------------
 */

static void an_address_outside_code_is_no_frame(void **state)
{
	const struct text_row rows[] = {{LEAF, sp_rule(8)}};
	const uint64_t wrong[] = {STACK_BASE, CODE_BASE - 1, CODE_BASE + CODE_BYTES + 1, TASK_SIZE, 1};
	const uint64_t frames[] = {ip(LEAF)};

	(void)state;
	publish_rows(rows, 1);
	publish_process();
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		exhaust_news();
		stack[0] = wrong[i];
		walk_from(ip(LEAF), at(0), 0);
		assert_frames(frames, 1, UNWIND_END_NOT_CODE);
	}
}

static void an_address_in_no_mapping_may_be_news(void **state)
{
	const struct text_row rows[] = {{LEAF, sp_rule(8)}};
	const uint64_t frames[] = {ip(LEAF)};

	(void)state;
	publish_rows(rows, 1);
	publish_process();
	stack[0] = JIT_BASE * 2 / 3;
	for (unsigned i = 0; i < MAX_MAPPING_MISSES; i++) {
		walk_from(ip(LEAF), at(0), 0);
		assert_frames(frames, 1, UNWIND_END_PROCESS_UNKNOWN);
	}
	walk_from(ip(LEAF), at(0), 0);
	assert_frames(frames, 1, UNWIND_END_NOT_CODE);
	publish_process();
	walk_from(ip(LEAF), at(0), 0);
	assert_frames(frames, 1, UNWIND_END_PROCESS_UNKNOWN);
}

static void what_is_missing_is_told(void **state)
{
	const struct text_row rows[] = {{LEAF, sp_rule(8)}};
	const uint64_t frames[] = {ip(LEAF)};

	(void)state;
	walk_from(ip(LEAF), at(0), 0);
	assert_frames(frames, 1, UNWIND_END_PROCESS_UNKNOWN);
	publish_process();
	walk_from(ip(LEAF), at(0), 0);
	assert_frames(frames, 1, UNWIND_END_TABLE_UNLOADED);
	assert_int_equal(objects[slot].misses, 1);
	publish_rows(rows, 1);
	walk_from(ip(LEAF), at(0), 0);
	assert_frames(frames, 1, UNWIND_END_ROOT);
	row_store_remove_object(store, slot, 0);
	walk_from(ip(LEAF), at(0), 0);
	assert_frames(frames, 1, UNWIND_END_TABLE_UNLOADED);
	row_store_remove_process(store, PROCESS, 0);
	walk_from(ip(LEAF), at(0), 0);
	assert_frames(frames, 1, UNWIND_END_PROCESS_UNKNOWN);
}

static void rules_that_are_not_understood_end_the_walk(void **state)
{
	const struct text_row rows[] = {{LEAF, {.cfa = UNWIND_CFA_UNSUPPORTED}}};
	const uint64_t frames[] = {ip(LEAF)};

	(void)state;
	publish_rows(rows, 1);
	publish_process();
	walk_from(ip(LEAF), at(0), at(10));
	assert_frames(frames, 1, UNWIND_END_UNSUPPORTED_RULE);
}

static void a_stack_goes_upwards(void **state)
{
	const struct unwind_rule by_fp = {.cfa = UNWIND_CFA_FP, .cfa_off = 16, .ra_off = -8};
	const struct text_row rows[] = {{LEAF, by_fp}};
	const uint64_t frames[] = {ip(LEAF)};

	(void)state;
	publish_rows(rows, 1);
	publish_process();
	stack[9] = ip(LEAF);
	walk_from(ip(LEAF), at(10), at(8));
	assert_frames(frames, 1, UNWIND_END_BAD_STACK_POINTER);
}

/* Go's systemstack: the caller's frames are on another stack, wherever that is. */
static void a_switch_of_stacks_may_go_downwards(void **state)
{
	const struct unwind_rule to_goroutine =
		with_saved_fp((struct unwind_rule){.cfa = UNWIND_CFA_SWITCH, .cfa_off = 16, .ra_off = -8}, -16);
	const struct text_row rows[] = {{LEAF, to_goroutine}, {START, stop}};
	const uint64_t frames[] = {ip(LEAF), ip(START + 1)};

	(void)state;
	publish_rows(rows, 2);
	publish_process();
	stack[9] = ip(START + 1);
	walk_from(ip(LEAF), at(1000), at(8));
	assert_frames(frames, 2, UNWIND_END_ROOT);
}

/* Of two rules that would hold at the same return address; the table's rows are made to say the other one. */
static void the_rule_of_a_return_address_is_kept_while_its_table_is_there(void **state)
{
	const struct text_row rows[] = {{LEAF, sp_rule(8)}, {MIDDLE, sp_rule(16)}, {START, stop}};
	const struct text_row others[] = {{LEAF, sp_rule(8)}, {MIDDLE, sp_rule(24)}, {START, stop}};
	const uint64_t frames[] = {ip(LEAF), ip(MIDDLE + 1), ip(START + 1)};
	const uint64_t exact[] = {ip(MIDDLE), ip(START + 1)};

	(void)state;
	publish_rows(rows, 3);
	publish_process();
	stack[0] = ip(MIDDLE + 1);
	stack[2] = ip(START + 1);
	walk_from(ip(LEAF), at(0), 0);
	assert_frames(frames, 3, UNWIND_END_ROOT);
	for (size_t i = 0; i < UNWIND_MAX_RULES; i++)
		if (rules[i].cfa_off == 16)
			rules[i].cfa_off = 24;
	walk_from(ip(LEAF), at(0), 0);
	assert_frames(frames, 3, UNWIND_END_ROOT);
	/* An exact address is looked up. */
	walk_from(ip(MIDDLE), at(0), 0);
	assert_frames(exact, 2, UNWIND_END_ROOT);
	/* So it is when another table has taken the place. */
	row_store_publish_none(store, slot, 0);
	publish_rows(others, 3);
	stack[3] = ip(START + 1);
	stack[2] = 0;
	walk_from(ip(LEAF), at(0), 0);
	assert_frames(frames, 3, UNWIND_END_ROOT);
}

/* Each word of an entry is of another one in turn, as if two CPUs had written it at once. */
static void a_torn_rule_of_a_return_address_is_not_believed(void **state)
{
	const struct text_row rows[] = {{LEAF, sp_rule(8)}, {MIDDLE, sp_rule(16)}, {START, stop}};
	const uint64_t frames[] = {ip(LEAF), ip(MIDDLE + 1), ip(START + 1)};

	(void)state;
	publish_rows(rows, 3);
	publish_process();
	stack[0] = ip(MIDDLE + 1);
	stack[2] = ip(START + 1);
	for (size_t word = 0; word < 3; word++) {
		size_t torn = 0;

		walk_from(ip(LEAF), at(0), 0);
		for (size_t i = 0; i < 1 << CALL_SITE_BITS; i++) {
			uint64_t *words = (uint64_t *)&call_sites[i];

			torn += !!words[0];
			words[word] += words[0] ? 1ULL << 33 : 0;
		}
		assert_int_equal(torn, 2);
		walk_from(ip(LEAF), at(0), 0);
		assert_frames(frames, 3, UNWIND_END_ROOT);
	}
}

static void a_walk_has_at_most_512_frames(void **state)
{
	const struct text_row rows[] = {{LEAF, sp_rule(8)}};

	(void)state;
	publish_rows(rows, 1);
	publish_process();
	for (size_t i = 0; i < STACK_WORDS; i++)
		stack[i] = ip(LEAF + 1);
	walk_from(ip(LEAF), at(0), 0);
	assert_int_equal(scratch.walk.n, MAX_USER_FRAMES);
	assert_int_equal(scratch.walk.end, UNWIND_END_FRAME_LIMIT);
	assert_true(reads <= 512 * 8 / (WINDOW_BYTES - WINDOW_BELOW) + 2);
}

/* The top of the stack may be nearer than a window. */
static void the_last_words_of_a_stack_are_read(void **state)
{
	const struct text_row rows[] = {{LEAF, sp_rule(8)}, {START, stop}};
	const uint64_t frames[] = {ip(LEAF), ip(START + 1)};

	(void)state;
	publish_rows(rows, 2);
	publish_process();
	stack[0] = stack[20] = stack[3] = ip(START + 1);
	for (size_t i = 0; i < 3; i++) {
		static const size_t words[] = {0, 20, 3};

		readable = words[i] + 1;
		walk_from(ip(LEAF), at(words[i]), 0);
		assert_frames(frames, 2, UNWIND_END_ROOT);
		readable = words[i];
		walk_from(ip(LEAF), at(words[i]), 0);
		assert_frames(frames, 1, UNWIND_END_UNREADABLE_STACK);
	}
}

/* Whatever follows a blob in its segment must not be taken for rows. */
static void assert_each_offset_finds_its_row(const uint32_t *rows, uint32_t n, int behind)
{
	static uint8_t segment[UNWIND_SEGMENT_BYTES + UNWIND_SEGMENT_SLACK];
	struct page_blob blob = page_blob_layout(rows, n);
	uint32_t offset = 4096, row = 0;

	memset(segment, behind, sizeof(segment));
	page_blob_write(&blob, rows, n, 0xffff, segment + offset);
	for (uint32_t at = 0; at < UNWIND_PAGE_BYTES; at++) {
		while (row + 1 < n && unwind_row_offset(rows[row + 1]) <= at)
			row++;
		assert_int_equal(row_search(segment, offset, blob.block_shift, at), rows[row]);
	}
}

static void each_offset_finds_its_row(void **state)
{
	/* A row each so many bytes: sparse pages, then blocks of every size. */
	static const uint32_t apart[] = {2, 3, 5, 16, 60, 140, 900, 5000, 40000};
	static uint32_t rows[UNWIND_PAGE_BYTES];
	uint32_t random = 1;

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(apart) / sizeof(apart[0]); i++) {
		uint32_t n = 0;

		for (uint32_t at = 0; at < UNWIND_PAGE_BYTES; n++) {
			rows[n] = unwind_row(at, n & 0xffff);
			random = random * 1103515245 + 12345;
			at += 1 + random / 65536 % (2 * apart[i / 2] - 1);
		}
		assert_each_offset_finds_its_row(rows, n, i % 2 ? 0 : 0xff);
	}
}

static void many_mappings_are_searched(void **state)
{
	static struct unwind_mapping mappings[UNWIND_MAX_MAPPINGS];
	const struct text_row rows[] = {{LEAF, sp_rule(8)}, {START, stop}};
	static const uint32_t sizes[] = {1, 2, 63, 64, 65, 500, UNWIND_MAX_MAPPINGS};

	(void)state;
	publish_rows(rows, 2);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (uint32_t m = 0; m < sizes[i]; m++)
			mappings[m] = (struct unwind_mapping){.start = CODE_BASE + m * 2 * CODE_BYTES,
							      .bias = CODE_BASE + m * 2 * CODE_BYTES - CODE_OFF,
							      .pages = CODE_BYTES >> 12,
							      .object = slot,
							      .generation = generation};
		assert_int_equal(row_store_publish_process(store, PROCESS, mappings, sizes[i], i % 2, 0), 0);
		for (uint32_t m = 0; m < sizes[i]; m++) {
			stack[0] = ip(START + 1) + m * 2 * CODE_BYTES;
			walk_from(ip(LEAF) + m * 2 * CODE_BYTES, at(0), 0);
			assert_int_equal(scratch.walk.n, 2);
			assert_int_equal(scratch.walk.end, UNWIND_END_ROOT);
			/* Between two of them. */
			walk_from(ip(LEAF) + (m * 2 + 1) * CODE_BYTES, at(0), 0);
			assert_int_equal(scratch.walk.n, 1);
			if (i % 2)
				assert_int_equal(scratch.walk.end, UNWIND_END_MAPPING_UNPUBLISHED);
			else
				assert_true(scratch.walk.end == UNWIND_END_NOT_CODE ||
					    scratch.walk.end == UNWIND_END_PROCESS_UNKNOWN);
		}
	}
}

/* --- children ----------------------------------------------------------------------------------------------------- */

#define CHILD (PROCESS + 1)
#define GRANDCHILD (PROCESS + 2)

static void publish_leaf_and_start(void)
{
	const struct text_row rows[] = {{LEAF, sp_rule(8)}, {START, stop}};

	publish_rows(rows, 2);
	publish_process();
	stack[0] = ip(START + 1);
}

static void assert_walks(uint64_t process, bool is_known)
{
	const uint64_t frames[] = {ip(LEAF), ip(START + 1)};

	walk_in(process, ip(LEAF), at(0), 0);
	assert_frames(frames, is_known ? 2 : 1, is_known ? UNWIND_END_ROOT : UNWIND_END_PROCESS_UNKNOWN);
}

static void a_child_has_its_parents_mappings(void **state)
{
	(void)state;
	mappings_inherit(PROCESS, CHILD); /* of a parent that is not published */
	assert_walks(CHILD, false);
	publish_leaf_and_start();
	assert_walks(CHILD, false);
	mappings_inherit(PROCESS, CHILD);
	mappings_inherit(CHILD, GRANDCHILD);
	assert_walks(CHILD, true);
	assert_walks(GRANDCHILD, true);
	assert_walks(GRANDCHILD + 1, false);
	/* Of the same slot. */
	assert_walks(CHILD + UNWIND_INHERITED_SLOTS, false);
	mappings_inherit(PROCESS, CHILD + UNWIND_INHERITED_SLOTS);
	assert_walks(CHILD + UNWIND_INHERITED_SLOTS, true);
	assert_walks(CHILD, false);
}

static void what_was_taken_back_is_not_inherited(void **state)
{
	(void)state;
	publish_leaf_and_start();
	mappings_inherit(PROCESS, CHILD);
	/* The parent has others now, at another place and then at the same one. */
	publish_process();
	assert_walks(CHILD, false);
	row_store_tick(store, UNWIND_GRACE_NS);
	publish_process();
	assert_walks(CHILD, false);
	assert_walks(PROCESS, true);
	mappings_inherit(PROCESS, CHILD);
	assert_walks(CHILD, true);
	row_store_remove_process(store, PROCESS, 0);
	assert_walks(CHILD, false);
	mappings_inherit(CHILD, GRANDCHILD);
	assert_walks(GRANDCHILD, false);
}

/* Two CPUs wrote to a slot at once. */
static void halves_of_two_children_are_none(void **state)
{
	struct unwind_inherited mixed;

	(void)state;
	publish_leaf_and_start();
	mappings_inherit(PROCESS, CHILD);
	mixed.key = CHILD;
	mappings_inherit(PROCESS, CHILD + UNWIND_INHERITED_SLOTS);
	mixed.word = inherited[CHILD % UNWIND_INHERITED_SLOTS].word;
	inherited[CHILD % UNWIND_INHERITED_SLOTS] = mixed;
	assert_walks(CHILD, false);
}

/* A child that has mapped more is copied each time until it is published, and its parent has nothing to do with it. */
static void what_a_child_maps_is_no_news_of_the_parents(void **state)
{
	const uint64_t frames[] = {ip(2 * CODE_BYTES)};

	(void)state;
	publish_leaf_and_start();
	mappings_inherit(PROCESS, CHILD);
	for (int i = 0; i < 2 * MAX_MAPPING_MISSES; i++) {
		walk_in(CHILD, ip(2 * CODE_BYTES), at(0), 0);
		assert_frames(frames, 1, UNWIND_END_PROCESS_UNKNOWN);
	}
	walk_in(PROCESS, ip(2 * CODE_BYTES), at(0), 0);
	assert_frames(frames, 1, UNWIND_END_PROCESS_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WALK_TEST(stack_offsets_lead_to_the_root),
		WALK_TEST(a_return_address_belongs_to_the_byte_before_it),
		WALK_TEST(each_push_moves_the_offset),
		WALK_TEST(each_pop_moves_the_offset_back),
		WALK_TEST(the_frame_pointer_is_followed_through_frames_that_save_it),
		WALK_TEST(a_lost_frame_pointer_ends_the_walk_only_where_it_is_needed),
		WALK_TEST(other_registers_are_known_in_the_leaf_and_in_what_calls_it),
		WALK_TEST(rbx_is_followed_where_all_rules_tell_of_it),
		WALK_TEST(rbx_is_unknown_behind_a_rule_that_does_not_tell),
		WALK_TEST(a_return_address_may_be_in_a_register),
		WALK_TEST(a_saved_stack_pointer_is_read),
		WALK_TEST(a_realigned_frame_has_its_callers_frame_pointer_at_its_own),
		WALK_TEST(the_lazy_plt_has_pushed_behind_its_threshold),
		WALK_TEST(a_signal_frame_gives_back_the_registers),
		WALK_TEST(vsyscalls_return_to_what_called_them),
		WALK_TEST(a_return_address_of_zero_is_the_root),
		WALK_TEST(generated_code_is_walked_by_frame_pointer),
		WALK_TEST(a_file_without_a_table_is_walked_by_frame_pointer),
		WALK_TEST(the_leaf_of_frame_pointer_code_may_not_have_made_its_frame),
		WALK_TEST(a_frame_pointer_that_leads_nowhere_is_not_believed),
		WALK_TEST(an_address_outside_code_is_no_frame),
		WALK_TEST(an_address_in_no_mapping_may_be_news),
		WALK_TEST(what_is_missing_is_told),
		WALK_TEST(rules_that_are_not_understood_end_the_walk),
		WALK_TEST(a_stack_goes_upwards),
		WALK_TEST(a_switch_of_stacks_may_go_downwards),
		WALK_TEST(the_rule_of_a_return_address_is_kept_while_its_table_is_there),
		WALK_TEST(a_torn_rule_of_a_return_address_is_not_believed),
		WALK_TEST(a_walk_has_at_most_512_frames),
		WALK_TEST(the_last_words_of_a_stack_are_read),
		WALK_TEST(each_offset_finds_its_row),
		WALK_TEST(many_mappings_are_searched),
		WALK_TEST(a_child_has_its_parents_mappings),
		WALK_TEST(what_was_taken_back_is_not_inherited),
		WALK_TEST(halves_of_two_children_are_none),
		WALK_TEST(what_a_child_maps_is_no_news_of_the_parents),
	};

	return cmocka_run_group_tests_name("walk", tests, NULL, NULL);
}
