/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>

#include "base/problem.h"

static void text_says_what_why_and_how_to_mend(void **state)
{
	static const struct {
		int err;
		const char *mend, *want;
	} cases[] = {
		{-EPERM, "run as root", "cannot load 7: -EPERM; run as root"},
		{-EPERM, NULL, "cannot load 7: -EPERM"},
		{-EPERM, "", "cannot load 7: -EPERM"},
		{0, "run as root", "cannot load 7; run as root"},
		{0, NULL, "cannot load 7"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct problem problem;
		char text[100];

		assert_int_equal(problem_set(&problem, cases[i].err, cases[i].mend, "cannot %s %d", "load", 7),
				 cases[i].err);
		problem_text(&problem, text, sizeof(text));
		assert_string_equal(text, cases[i].want);
	}
}

static void nobody_need_ask_for_the_problem(void **state)
{
	(void)state;
	assert_int_equal(problem_set(NULL, -EIO, "mend", "%s", "what"), -EIO);
}

static void long_texts_are_cut(void **state)
{
	static char large[5000];
	struct problem problem;
	char text[32];

	(void)state;
	memset(large, 'x', sizeof(large) - 1);
	assert_int_equal(problem_set(&problem, -EIO, large, "%s", large), -EIO);
	assert_int_equal(strlen(problem.what), sizeof(problem.what) - 1);
	assert_int_equal(strlen(problem.mend), sizeof(problem.mend) - 1);
	problem_text(&problem, text, sizeof(text));
	assert_int_equal(strlen(text), sizeof(text) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_says_what_why_and_how_to_mend),
		cmocka_unit_test(nobody_need_ask_for_the_problem),
		cmocka_unit_test(long_texts_are_cut),
	};

	return cmocka_run_group_tests_name("problem", tests, NULL, NULL);
}
