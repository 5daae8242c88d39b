/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/unnamed.h"

static void the_place_is_in_brackets(void **state)
{
	static const struct {
		enum unnamed why;
		const char *module;
		uint64_t offset;
		const char *spelled;
	} cases[] = {
		{UNNAMED_STRIPPED, "libfoo.so", 0x1234, "[stripped libfoo.so+0x1234]"},
		{UNNAMED_DELETED, "gone", 0, "[deleted gone+0x0]"},
		{UNNAMED_STRIPPED, "", 0x12, "[stripped+0x12]"},
		{UNNAMED_ANONYMOUS, "[anon]", 0x7f0012345678, "[anon+0x7f0012345678]"},
		{UNNAMED_ANONYMOUS, "[anon:jit code]", 1, "[anon:jit code+0x1]"},
		{UNNAMED_ANONYMOUS, "[]", 1, "[[]+0x1]"},
		{UNNAMED_JIT, "[jit node]", 0x7f0012345678, "[jit node+0x7f0012345678]"},
		{UNNAMED_MEMORY_FILE, "memfd:code", 16, "[memfd:code+0x10]"},
		{UNNAMED_VDSO, "[vdso]", 16, "[vdso+0x10]"},
		{UNNAMED_KERNEL, "[kernel]", UINT64_MAX, "[kernel+0xffffffffffffffff]"},
		{UNNAMED_KERNEL_RESTRICTED, "[kernel]", 16, "[kernel restricted]"},
		{UNNAMED_COMPAT, "", 0, "[32-bit]"},
		{UNNAMED_UNKNOWN, "", 0, "[unknown]"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char spelled[64];

		unnamed_spell(cases[i].why, cases[i].module, cases[i].offset, spelled, sizeof(spelled));
		assert_string_equal(spelled, cases[i].spelled);
	}
}

static void what_does_not_fit_is_cut(void **state)
{
	char spelled[8];

	(void)state;
	unnamed_spell(UNNAMED_STRIPPED, "libfoo.so", 0x1234, spelled, sizeof(spelled));
	assert_string_equal(spelled, "[stripp");
}

/* Frames of different causes are never one. */
static void each_cause_is_told_and_has_a_spelling_of_its_own(void **state)
{
	static const char *const own_modules[UNNAMED_COUNT] = {
		[UNNAMED_MEMORY_FILE] = "memfd:a", [UNNAMED_ANONYMOUS] = "[anon]", [UNNAMED_VDSO] = "[vdso]",
		[UNNAMED_JIT] = "[jit node]",	   [UNNAMED_KERNEL] = "[kernel]",
	};
	char spelled[UNNAMED_COUNT][64];

	(void)state;
	for (enum unnamed why = 0; why < UNNAMED_COUNT; why++) {
		assert_true(*unnamed_text(why));
		assert_true(*unnamed_name(why));
		unnamed_spell(why, own_modules[why] ? own_modules[why] : "a", 0, spelled[why], sizeof(spelled[why]));
		for (enum unnamed other = 0; other < why; other++)
			assert_string_not_equal(spelled[why], spelled[other]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_place_is_in_brackets),
		cmocka_unit_test(what_does_not_fit_is_cut),
		cmocka_unit_test(each_cause_is_told_and_has_a_spelling_of_its_own),
	};

	return cmocka_run_group_tests_name("unnamed", tests, NULL, NULL);
}
