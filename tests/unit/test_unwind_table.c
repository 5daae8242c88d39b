/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <elf.h>
#include <errno.h>

#include "guard.h"
#include "unwind_rows.h"

enum { BOTH, X86, ARM, NEITHER };

static const struct {
	const char *name;
	struct unwind_rule rule;
	int machines;
} rules[] = {
	{"nothing", {.cfa = UNWIND_CFA_NONE}, BOTH},
	{"signal", {.cfa = UNWIND_CFA_SIGNAL}, BOTH},
	{"stop", {.cfa = UNWIND_CFA_STOP}, BOTH},
	{"unsupported", {.cfa = UNWIND_CFA_UNSUPPORTED}, BOTH},
	{"unknown kind", {.cfa = UNWIND_CFA_COUNT}, NEITHER},
	{"stop with an offset", {.cfa = UNWIND_CFA_STOP, .cfa_off = 8}, NEITHER},
	{"nothing with a register", {.cfa = UNWIND_CFA_NONE, .reg = 1}, NEITHER},
	{"signal with a return address", {.cfa = UNWIND_CFA_SIGNAL, .ra_off = -8}, NEITHER},
	{"unsupported with steps", {.cfa = UNWIND_CFA_UNSUPPORTED, .steps = 2}, NEITHER},
	{"unsupported with a frame pointer", {.cfa = UNWIND_CFA_UNSUPPORTED, .fp = UNWIND_FP_LOST}, NEITHER},

	{"sp", {.cfa = UNWIND_CFA_SP, .cfa_off = 8, .ra_off = -8}, BOTH},
	{"sp with steps", {.cfa = UNWIND_CFA_SP, .cfa_off = 8, .ra_off = -8, .steps = 2}, NEITHER},
	{"sp that tells of rbx", {.cfa = UNWIND_CFA_SP, .reg = 3}, X86},
	{"register of the CFA, not of rbx", {.cfa = UNWIND_CFA_DEREF_SP, .reg = 3}, NEITHER},
	{"largest offset", {.cfa = UNWIND_CFA_SP, .cfa_off = UNWIND_MAX_CFA_OFF}, BOTH},
	{"least offset", {.cfa = UNWIND_CFA_FP, .cfa_off = -UNWIND_MAX_CFA_OFF}, BOTH},
	{"too large an offset", {.cfa = UNWIND_CFA_SP, .cfa_off = UNWIND_MAX_CFA_OFF + 1}, NEITHER},
	{"too small an offset", {.cfa = UNWIND_CFA_FP, .cfa_off = -UNWIND_MAX_CFA_OFF - 1}, NEITHER},
	{"pushes", {.cfa = UNWIND_CFA_FOLDED, .cfa_off = 8, .steps = 0x80000002}, X86},
	{"pops", {.cfa = UNWIND_CFA_FOLDED, .cfa_off = 24, .steps = 7}, X86},
	{"no step", {.cfa = UNWIND_CFA_FOLDED, .cfa_off = 8}, NEITHER},
	{"a direction only", {.cfa = UNWIND_CFA_FOLDED, .cfa_off = 8, .steps = 1}, NEITHER},
	{"steps that tell of rbx", {.cfa = UNWIND_CFA_FOLDED, .cfa_off = 8, .reg = 3, .steps = 2}, X86},
	{"pushes and a frame", {.cfa = UNWIND_CFA_FOLDED, .cfa_off = 16, .ra_off = 20, .steps = 0x12}, X86},
	{"a frame alone", {.cfa = UNWIND_CFA_FOLDED, .cfa_off = 16, .ra_off = -20, .steps = 0x10}, X86},
	{"a frame alone with a direction",
	 {.cfa = UNWIND_CFA_FOLDED, .cfa_off = 16, .ra_off = 20, .steps = 3},
	 NEITHER},
	{"a frame pointer that is set",
	 {.cfa = UNWIND_CFA_FOLDED, .fp = UNWIND_FP_SAVED, .cfa_off = 16, .fp_off = -16, .ra_off = -32768, .steps = 8},
	 X86},
	{"a frame pointer that is set and lost",
	 {.cfa = UNWIND_CFA_FOLDED, .fp = UNWIND_FP_LOST, .cfa_off = 16, .ra_off = -32768, .steps = 8},
	 NEITHER},
	{"a frame pointer that is set and stored at once",
	 {.cfa = UNWIND_CFA_FOLDED, .fp = UNWIND_FP_STORED, .cfa_off = 16, .fp_off = -16, .ra_off = -32768, .steps = 8},
	 NEITHER},
	{"a frame pointer that is pushed",
	 {.cfa = UNWIND_CFA_FOLDED, .fp = UNWIND_FP_PUSHED, .cfa_off = 16, .fp_off = -24, .steps = 2},
	 X86},
	{"a frame pointer that is stored",
	 {.cfa = UNWIND_CFA_FOLDED, .fp = UNWIND_FP_STORED, .cfa_off = 64, .fp_off = -16, .steps = 0x20},
	 X86},
	{"… with a direction",
	 {.cfa = UNWIND_CFA_FOLDED, .fp = UNWIND_FP_STORED, .cfa_off = 64, .fp_off = -16, .steps = 0x21},
	 NEITHER},
	{"steps and a frame pointer at another",
	 {.cfa = UNWIND_CFA_FOLDED, .fp = UNWIND_FP_AT_FP, .cfa_off = 64, .steps = 2},
	 NEITHER},
	{"steps and an unknown frame pointer",
	 {.cfa = UNWIND_CFA_FOLDED, .fp = UNWIND_FP_COUNT, .cfa_off = 64, .steps = 2},
	 NEITHER},
	{"steps and a frame pointer with an offset",
	 {.cfa = UNWIND_CFA_FOLDED, .fp = UNWIND_FP_SAME, .fp_off = -16, .cfa_off = 64, .steps = 2},
	 NEITHER},
	{"steps and a return address in a register",
	 {.cfa = UNWIND_CFA_FOLDED, .ra = UNWIND_RA_REGISTER, .cfa_off = 64, .steps = 2},
	 NEITHER},
	{"a plain rule with a pushed frame pointer",
	 {.cfa = UNWIND_CFA_SP, .fp = UNWIND_FP_PUSHED, .cfa_off = 64, .fp_off = -16},
	 NEITHER},
	{"steps to the largest offset",
	 {.cfa = UNWIND_CFA_FOLDED, .cfa_off = UNWIND_MAX_CFA_OFF - 16, .steps = 6},
	 X86},
	{"steps to the least offset", {.cfa = UNWIND_CFA_FOLDED, .cfa_off = 16 - UNWIND_MAX_CFA_OFF, .steps = 7}, X86},
	{"steps beyond the largest offset",
	 {.cfa = UNWIND_CFA_FOLDED, .cfa_off = UNWIND_MAX_CFA_OFF - 15, .steps = 6},
	 NEITHER},
	{"steps beyond the least offset",
	 {.cfa = UNWIND_CFA_FOLDED, .cfa_off = 15 - UNWIND_MAX_CFA_OFF, .steps = 7},
	 NEITHER},
	{"steps beyond the largest offset and back",
	 {.cfa = UNWIND_CFA_FOLDED, .cfa_off = UNWIND_MAX_CFA_OFF, .ra_off = -1, .steps = 6},
	 NEITHER},
	{"a frame beyond the largest offset",
	 {.cfa = UNWIND_CFA_FOLDED, .cfa_off = UNWIND_MAX_CFA_OFF - 16, .ra_off = 3, .steps = 2},
	 NEITHER},
	{"a frame beyond the least offset",
	 {.cfa = UNWIND_CFA_FOLDED, .cfa_off = 16 - UNWIND_MAX_CFA_OFF, .ra_off = -3, .steps = 2},
	 NEITHER},
	{"steps from too large an offset", {.cfa = UNWIND_CFA_FOLDED, .cfa_off = INT32_MAX, .steps = 7}, NEITHER},

	{"fp", {.cfa = UNWIND_CFA_FP, .fp = UNWIND_FP_SAVED, .cfa_off = 16, .fp_off = -16, .ra_off = -8}, BOTH},
	{"fp with steps", {.cfa = UNWIND_CFA_FP, .cfa_off = 16, .steps = 2}, NEITHER},
	{"lost frame pointer", {.cfa = UNWIND_CFA_SP, .fp = UNWIND_FP_LOST}, BOTH},
	{"lost frame pointer with an offset", {.cfa = UNWIND_CFA_SP, .fp = UNWIND_FP_LOST, .fp_off = 8}, NEITHER},
	{"same frame pointer with an offset", {.cfa = UNWIND_CFA_SP, .fp_off = 8}, NEITHER},
	{"unknown frame pointer", {.cfa = UNWIND_CFA_SP, .fp = UNWIND_FP_COUNT}, NEITHER},

	{"register", {.cfa = UNWIND_CFA_REGISTER, .reg = 15, .cfa_off = 8, .ra_off = -8}, BOTH},
	{"register of arm64", {.cfa = UNWIND_CFA_REGISTER, .reg = 16, .cfa_off = 8, .ra_off = -8}, ARM},
	{"last register of arm64", {.cfa = UNWIND_CFA_REGISTER, .reg = 31}, ARM},
	{"unknown register", {.cfa = UNWIND_CFA_REGISTER, .reg = 32}, NEITHER},
	{"return address in a register", {.cfa = UNWIND_CFA_SP, .ra = UNWIND_RA_REGISTER, .reg = 15}, BOTH},
	{"return address in register 31", {.cfa = UNWIND_CFA_SP, .ra = UNWIND_RA_REGISTER, .reg = 31}, ARM},
	{"return address in register 32", {.cfa = UNWIND_CFA_SP, .ra = UNWIND_RA_REGISTER, .reg = 32}, NEITHER},
	{"return address at a register", {.cfa = UNWIND_CFA_SP, .ra = UNWIND_RA_REGISTER, .ra_off = 8}, NEITHER},
	{"two registers", {.cfa = UNWIND_CFA_REGISTER, .ra = UNWIND_RA_REGISTER, .reg = 2}, NEITHER},
	{"link register", {.cfa = UNWIND_CFA_SP, .ra = UNWIND_RA_LINK}, ARM},
	{"link register with an offset", {.cfa = UNWIND_CFA_SP, .ra = UNWIND_RA_LINK, .ra_off = -8}, NEITHER},
	{"what was about to run", {.cfa = UNWIND_CFA_SP, .cfa_off = 16, .ra = UNWIND_RA_EXACT, .ra_off = -8}, BOTH},
	{"… in the link register", {.cfa = UNWIND_CFA_SP, .cfa_off = 16, .ra = UNWIND_RA_EXACT}, ARM},
	{"unknown return address", {.cfa = UNWIND_CFA_SP, .ra = UNWIND_RA_COUNT}, NEITHER},

	{"plt", {.cfa = UNWIND_CFA_PLT, .cfa_off = 11, .ra_off = -8}, X86},
	{"plt that is always pushed", {.cfa = UNWIND_CFA_PLT, .cfa_off = 0, .ra_off = -8}, X86},
	{"plt beyond its entry", {.cfa = UNWIND_CFA_PLT, .cfa_off = 16, .ra_off = -8}, NEITHER},
	{"plt before its entry", {.cfa = UNWIND_CFA_PLT, .cfa_off = -1, .ra_off = -8}, NEITHER},
	{"plt without return address", {.cfa = UNWIND_CFA_PLT, .cfa_off = 11}, NEITHER},
	{"plt with a frame pointer",
	 {.cfa = UNWIND_CFA_PLT, .fp = UNWIND_FP_SAVED, .cfa_off = 11, .ra_off = -8},
	 NEITHER},

	{"deref sp", {.cfa = UNWIND_CFA_DEREF_SP, .cfa_off = 64, .ra_off = 8}, BOTH},
	{"deref fp",
	 {.cfa = UNWIND_CFA_DEREF_FP, .fp = UNWIND_FP_SAVED, .cfa_off = -8, .fp_off = -16, .ra_off = 8},
	 BOTH},
	{"deref with a return address of its own", {.cfa = UNWIND_CFA_DEREF_SP, .ra = UNWIND_RA_REGISTER}, NEITHER},
	{"deref with steps", {.cfa = UNWIND_CFA_DEREF_SP, .cfa_off = 64, .ra_off = 8, .steps = 2}, NEITHER},
};

static void rule_is_valid_when_the_walk_knows_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		bool on_x86 = rules[i].machines == BOTH || rules[i].machines == X86;
		bool on_arm = rules[i].machines == BOTH || rules[i].machines == ARM;

		if (unwind_rule_is_valid(&rules[i].rule, EM_X86_64) != on_x86 ||
		    unwind_rule_is_valid(&rules[i].rule, EM_AARCH64) != on_arm)
			fail_msg("%s", rules[i].name);
		assert_false(unwind_rule_is_valid(&rules[i].rule, EM_RISCV));
	}
}

static void steps_count_up_to_their_distance(void **state)
{
	static const struct {
		uint32_t steps, distance;
		int32_t moved;
	} cases[] = {
		{0, 0, 0},
		{0, 50, 0},
		{2, 0, 0},
		{2, 1, 8},
		{2, 2, 8},
		{0x2a, 3, 16},
		{0x2b, 3, -16},
		{0x2b, 2, -8},
		{0x80000000, 30, 0},
		{0x80000000, 31, 8},
		{0x80000000, 32, 8},
		{0x80000001, 5000, -8},
		{0xffffffff, 31, -248},
		{0xfffffffe, UINT32_MAX, 248},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct unwind_rule rule = rule_sp(1000);

		if (cases[i].steps)
			rule = (struct unwind_rule){.cfa = UNWIND_CFA_FOLDED, .cfa_off = 1000, .steps = cases[i].steps};
		assert_true(same_rule(unwind_rule_stepped(&rule, cases[i].distance), rule_sp(1000 + cases[i].moved)));
		assert_true(same_rule(rule_at_distance(rule, cases[i].distance), rule_sp(1000 + cases[i].moved)));
	}
}

/* push rbx; push rbp; sub rsp, 64 */
static void last_step_may_be_another_one(void **state)
{
	const struct unwind_rule pushed = {.cfa = UNWIND_CFA_FOLDED,
					   .fp = UNWIND_FP_PUSHED,
					   .cfa_off = 16,
					   .fp_off = -24,
					   .ra_off = 8,
					   .steps = 1u << 1 | 1u << 5};
	const struct unwind_rule stored = {
		.cfa = UNWIND_CFA_FOLDED, .fp = UNWIND_FP_STORED, .cfa_off = 72, .fp_off = -16, .steps = 1u << 5};
	const struct unwind_rule set = {.cfa = UNWIND_CFA_FOLDED,
					.fp = UNWIND_FP_SAVED,
					.cfa_off = 16,
					.fp_off = -16,
					.ra_off = UNWIND_STEP_TO_FP,
					.steps = 1u << 3};
	const struct {
		const struct unwind_rule *rule;
		uint32_t distance;
		struct unwind_rule plain;
	} cases[] = {
		{&pushed, 0, rule_sp(16)},
		{&pushed, 1, rule_saved(rule_sp(24), -24)},
		{&pushed, 4, rule_saved(rule_sp(24), -24)},
		{&pushed, 5, rule_saved(rule_sp(88), -24)},
		{&pushed, UINT32_MAX, rule_saved(rule_sp(88), -24)},
		{&stored, 4, rule_sp(72)},
		{&stored, 5, rule_saved(rule_sp(72), -16)},
		{&set, 2, rule_saved(rule_sp(16), -16)},
		{&set, 3, rule_fp(16)},
		{&set, 31, rule_fp(16)},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_true(same_rule(unwind_rule_stepped(cases[i].rule, cases[i].distance), cases[i].plain));
		assert_true(same_rule(rule_at_distance(*cases[i].rule, cases[i].distance), cases[i].plain));
	}
}

/* Two pages with rows around a constant one, in the middle of the file's nine. */
struct small_table {
	struct unwind_table_head head;
	struct unwind_rule rules[3];
	struct unwind_table_page pages[3];
	uint32_t rows[5];
};

static struct small_table small_table(void)
{
	struct small_table table = {
		.head = {.magic = UNWIND_TABLE_MAGIC,
			 .version = UNWIND_TABLE_VERSION,
			 .machine = EM_X86_64,
			 .n_rules = 3,
			 .n_pages = 3,
			 .n_rows = 5,
			 .first_page = 7,
			 .file_pages = 9,
			 .file_first_page = 1},
		.rules = {rule_sp(8), rule_bare(UNWIND_CFA_NONE), rule_sp(8)},
		.pages = {{.n_rows = 2}, {.rule = 1}, {.n_rows = 3}},
		.rows = {unwind_row(0, 0), unwind_row(0xffff, 1), unwind_row(0, 1), unwind_row(1, 2), unwind_row(2, 0)},
	};

	table.rules[2] = (struct unwind_rule){.cfa = UNWIND_CFA_FOLDED, .cfa_off = 8, .steps = 6};
	return table;
}

static int read_small(const struct small_table *table, size_t len, uint16_t machine, struct unwind_table *ret)
{
	struct guarded copy = guarded_copy(table, len);
	int err = unwind_table_read(copy.bytes, len, machine, ret);

	guarded_release(&copy);
	return err;
}

static void table_is_read_in_place(void **state)
{
	const struct small_table small = small_table();
	struct unwind_table table;

	(void)state;
	assert_int_equal(unwind_table_read(&small, sizeof(small), EM_X86_64, &table), 0);
	assert_memory_equal(&table.head, &small.head, sizeof(small.head));
	assert_ptr_equal(table.rules, small.rules);
	assert_ptr_equal(table.pages, small.pages);
	assert_ptr_equal(table.rows, small.rows);
}

static void table_of_another_length_is_refused(void **state)
{
	const struct small_table tables[] = {small_table(), small_table()};
	struct unwind_table table;

	(void)state;
	for (size_t len = 0; len <= sizeof(tables); len += 4)
		assert_int_equal(read_small(tables, len, EM_X86_64, &table), len == sizeof(*tables) ? 0 : -EBADMSG);
}

static void table_of_another_machine_is_refused(void **state)
{
	struct small_table small = small_table();
	struct unwind_table table;

	(void)state;
	assert_int_equal(read_small(&small, sizeof(small), EM_AARCH64, &table), -EBADMSG);
	small.head.machine = EM_AARCH64;
	assert_int_equal(read_small(&small, sizeof(small), EM_X86_64, &table), -EBADMSG);
	/* Where nothing is folded. */
	assert_int_equal(read_small(&small, sizeof(small), EM_AARCH64, &table), -EBADMSG);
	small.rules[2] = rule_sp(16);
	assert_int_equal(read_small(&small, sizeof(small), EM_AARCH64, &table), 0);
	small.head.machine = EM_RISCV;
	assert_int_equal(read_small(&small, sizeof(small), EM_RISCV, &table), -EBADMSG);
}

#define WORD(member) (offsetof(struct small_table, member) / 4)

/* Each changes one word of the table. */
static const struct {
	const char *name;
	size_t word;
	uint32_t value;
	int err;
} changes[] = {
	{"magic", WORD(head.magic), 1, -EBADMSG},
	{"version", WORD(head.version), UNWIND_TABLE_VERSION + 1 + (EM_X86_64 << 16), -EBADMSG},
	{"more rules", WORD(head.n_rules), 4, -EBADMSG},
	{"fewer rules", WORD(head.n_rules), 2, -EBADMSG},
	{"rules whose bytes wrap", WORD(head.n_rules), 3 + (1u << 28), -EBADMSG},
	{"no pages", WORD(head.n_pages), 0, -EBADMSG},
	{"more pages", WORD(head.n_pages), 4, -EBADMSG},
	{"more rows", WORD(head.n_rows), 6, -EBADMSG},
	{"window before the file", WORD(head.first_page), 0, -EBADMSG},
	{"window behind the file", WORD(head.first_page), 8, -EBADMSG},
	{"window at the file's start", WORD(head.first_page), 1, 0},
	{"window whose end wraps", WORD(head.first_page), UINT32_MAX, -EBADMSG},
	{"smaller file", WORD(head.file_pages), 8, -EBADMSG},
	{"largest file", WORD(head.file_pages), UNWIND_MAX_PAGES, 0},
	{"too large a file", WORD(head.file_pages), UNWIND_MAX_PAGES + 1, -EBADMSG},
	{"unknown rule", WORD(rules[0]), UNWIND_CFA_COUNT, -EBADMSG},
	{"steps in a rule without them", WORD(rules[1].steps), 2, -EBADMSG},
	{"fewer rows in a page", WORD(pages[0].n_rows), 0, -EBADMSG},
	{"rule beside rows", WORD(pages[0].rule), 1, -EBADMSG},
	{"rule of a constant page", WORD(pages[1].rule), 0, 0},
	{"unknown rule of a constant page", WORD(pages[1].rule), 3, -EBADMSG},
	{"constant page with steps", WORD(pages[1].rule), 2, -EBADMSG},
	{"one row in a page", WORD(pages[1].n_rows), 1, -EBADMSG},
	{"page with more rows than there are", WORD(pages[2].n_rows), 4, -EBADMSG},
	{"page with 2³² - 2 rows", WORD(pages[2].n_rows), UINT32_MAX - 1, -EBADMSG},
	{"rows left over", WORD(pages[2].n_rows), 2, -EBADMSG},
	{"first row within the page", WORD(rows[0]), 1, -EBADMSG},
	{"rule of a first row", WORD(rows[0]), 3 << 16, -EBADMSG},
	{"rule of a last row", WORD(rows[1]), 0xffff | 3u << 16, -EBADMSG},
	{"falling rows", WORD(rows[3]), 5 | 2 << 16, -EBADMSG},
	{"equal rows", WORD(rows[3]), 2 | 2 << 16, -EBADMSG},
	{"other row", WORD(rows[4]), 0xffff | 1 << 16, 0},
};

static void every_number_is_checked(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		struct small_table small = small_table();
		struct unwind_table table;

		memcpy((char *)&small + 4 * changes[i].word, &changes[i].value, 4);
		if (read_small(&small, sizeof(small), EM_X86_64, &table) != changes[i].err)
			fail_msg("%s", changes[i].name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rule_is_valid_when_the_walk_knows_it),
		cmocka_unit_test(steps_count_up_to_their_distance),
		cmocka_unit_test(last_step_may_be_another_one),
		cmocka_unit_test(table_is_read_in_place),
		cmocka_unit_test(table_of_another_length_is_refused),
		cmocka_unit_test(table_of_another_machine_is_refused),
		cmocka_unit_test(every_number_is_checked),
	};

	return cmocka_run_group_tests_name("unwind_table", tests, NULL, NULL);
}
