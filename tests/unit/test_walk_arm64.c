/* SPDX-License-Identifier: Apache-2.0 */
/* The walk of the sampling program on made-up arm64 stacks. */
#define __TARGET_ARCH_arm64
#define MACHINE EM_AARCH64
#include <elf.h>

#include "walk_harness.h"

#define LEAF 0x100
#define MIDDLE 0x200
#define OUTER 0x300
#define START 0x400

static const struct unwind_rule stop = {.cfa = UNWIND_CFA_STOP};
/* A frameless leaf: all is in registers. */
static const struct unwind_rule leaf = {.cfa = UNWIND_CFA_SP, .ra = UNWIND_RA_LINK};

/* stp x29, x30, [sp, #-32]!; described relative to sp, as gcc does */
static const struct unwind_rule framed = {
	.cfa = UNWIND_CFA_SP, .cfa_off = 32, .fp = UNWIND_FP_SAVED, .fp_off = -32, .ra_off = -24};
/* … or to x29, as clang does */
static const struct unwind_rule by_fp = {
	.cfa = UNWIND_CFA_FP, .cfa_off = 16, .fp = UNWIND_FP_SAVED, .fp_off = -16, .ra_off = -8};

static uint64_t ip(uint64_t offset)
{
	return CODE_BASE + offset;
}

static void the_link_register_leads_out_of_a_leaf(void **state)
{
	const struct text_row rows[] = {{LEAF, leaf}, {MIDDLE, framed}, {OUTER, by_fp}, {START, stop}};
	const uint64_t frames[] = {ip(LEAF), ip(MIDDLE + 8), ip(OUTER + 4), ip(START + 4)};

	(void)state;
	publish_rows(rows, 4);
	publish_process();
	scratch.registers[UNWIND_ARM64_LR] = ip(MIDDLE + 8);
	stack[0] = at(40);
	stack[1] = ip(OUTER + 4);
	stack[41] = ip(START + 4);
	walk_from(ip(LEAF), at(0), 0);
	assert_frames(frames, 4, UNWIND_END_ROOT);
}

/* Behind a call x30 is the callee's: a rule that wants it there would go round in circles. */
static void the_link_register_is_the_leafs_alone(void **state)
{
	const struct text_row rows[] = {{LEAF, framed}, {MIDDLE, leaf}};
	const uint64_t frames[] = {ip(LEAF), ip(MIDDLE + 8)};

	(void)state;
	publish_rows(rows, 2);
	publish_process();
	scratch.registers[UNWIND_ARM64_LR] = ip(MIDDLE + 8);
	stack[1] = ip(MIDDLE + 8);
	walk_from(ip(LEAF), at(0), 0);
	assert_frames(frames, 2, UNWIND_END_REGISTER_UNKNOWN);
}

static void authentication_codes_are_no_part_of_an_address(void **state)
{
	const struct text_row rows[] = {{LEAF, framed}, {MIDDLE, framed}, {START, stop}};
	const uint64_t frames[] = {ip(LEAF), ip(MIDDLE + 8), ip(START + 4)};

	(void)state;
	publish_rows(rows, 3);
	publish_process();
	stack[1] = ip(MIDDLE + 8) | 0x0055ULL << 48;
	stack[5] = ip(START + 4) | 0x7aULL << 56;
	walk_from(ip(LEAF), at(0), 0);
	assert_frames(frames, 3, UNWIND_END_ROOT);
}

/* x0 … x30, sp, pc lie 312 bytes above sp; the interrupted function may be a leaf. */
static void a_signal_frame_gives_back_the_link_register(void **state)
{
	const struct unwind_rule signal = {.cfa = UNWIND_CFA_SIGNAL};
	const struct text_row rows[] = {{LEAF, framed}, {MIDDLE - 4, signal}, {OUTER, leaf}, {START, stop}};
	const uint64_t frames[] = {ip(LEAF), ip(MIDDLE), ip(OUTER), ip(START + 4)};
	size_t saved = 4 + 39;

	(void)state;
	publish_rows(rows, 4);
	publish_process();
	stack[1] = ip(MIDDLE);
	stack[saved + 29] = at(700);
	stack[saved + 30] = ip(START + 4);
	stack[saved + 31] = at(600);
	stack[saved + 32] = ip(OUTER);
	walk_from(ip(LEAF), at(0), 0);
	assert_frames(frames, 4, UNWIND_END_ROOT);
	assert_false(frame_is_return(scratch.user_frames[2]));
	assert_int_equal(scratch.walk.fp, at(700));
}

/* Go makes it look as if a leaf had called what it is preempted by: in x30, later at the lower end of that frame, is
 * where it was; what it had in x30 itself lies above. */
static void a_call_that_was_injected_gives_back_the_link_register(void **state)
{
	const struct unwind_rule entry = {.cfa = UNWIND_CFA_SP, .cfa_off = 16, .ra = UNWIND_RA_EXACT};
	const struct unwind_rule within = {.cfa = UNWIND_CFA_SP, .cfa_off = 48, .ra = UNWIND_RA_EXACT, .ra_off = -48};
	const struct text_row rows[] = {
		{LEAF, entry}, {LEAF + 8, within}, {OUTER - 4, framed}, {OUTER, leaf}, {START, stop}};
	const struct {
		uint64_t ip;
		size_t saved; /* index of the interrupted x30 */
	} cases[] = {{ip(LEAF), 0}, {ip(LEAF + 12), 4}};

	(void)state;
	publish_rows(rows, 5);
	publish_process();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		/* The instruction before OUTER is another function's. */
		const uint64_t frames[] = {cases[i].ip, ip(OUTER), ip(START + 4)};

		memset(stack, 0, sizeof(stack));
		scratch.registers[UNWIND_ARM64_LR] = i ? 0x1234 : ip(OUTER);
		stack[0] = ip(OUTER);
		stack[cases[i].saved] = ip(START + 4);
		walk_from(cases[i].ip, at(0), 0);
		assert_frames(frames, 3, UNWIND_END_ROOT);
		assert_false(frame_is_return(scratch.user_frames[1]));
		assert_int_equal(scratch.walk.sp, at(cases[i].saved + 2));
	}
}

static void the_leaf_of_frame_pointer_code_may_not_have_made_its_frame(void **state)
{
	static const struct {
		uint32_t instruction;
		bool pushed;
	} cases[] = {
		{0xa9be7bfd, false}, /* stp x29, x30, [sp, #-32]! */
		{0xd503233f, false}, /* paciasp */
		{0xd503245f, false}, /* bti c */
		{0xd65f03c0, false}, /* ret */
		{0x910003fd, true},  /* mov x29, sp */
	};
	const uint64_t frames[] = {ip(LEAF), ip(MIDDLE), ip(OUTER)};

	(void)state;
	publish_rows(NULL, 0);
	publish_process();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memcpy(code + LEAF, &cases[i].instruction, 4);
		memset(stack, 0, sizeof(stack));
		scratch.registers[UNWIND_ARM64_LR] = cases[i].pushed ? 0x1234 : ip(MIDDLE);
		stack[0] = at(20);
		stack[1] = cases[i].pushed ? ip(MIDDLE) : 0;
		stack[21] = ip(OUTER);
		walk_from(ip(LEAF), at(0), at(20));
		assert_frames(frames, 3, UNWIND_END_ROOT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WALK_TEST(the_link_register_leads_out_of_a_leaf),
		WALK_TEST(the_link_register_is_the_leafs_alone),
		WALK_TEST(authentication_codes_are_no_part_of_an_address),
		WALK_TEST(a_signal_frame_gives_back_the_link_register),
		WALK_TEST(a_call_that_was_injected_gives_back_the_link_register),
		WALK_TEST(the_leaf_of_frame_pointer_code_may_not_have_made_its_frame),
	};

	return cmocka_run_group_tests_name("walk_arm64", tests, NULL, NULL);
}
