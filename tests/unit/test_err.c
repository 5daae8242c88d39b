/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <limits.h>

#include "base/err.h"

static void errors_are_named_with_their_sign(void **state)
{
	static const struct {
		int err;
		const char *want;
	} cases[] = {
		{0, "0"},
		{-EPERM, "-EPERM"},
		{EPERM, "-EPERM"},
		{-EAGAIN, "-EAGAIN"},
		{-EHWPOISON, "-EHWPOISON"},
		{-524, "-ENOTSUPP"},
		{-134, "-134"},
		{-4711, "-4711"},
		{4711, "-4711"},
		{INT_MIN, "-2147483648"},
		{INT_MAX, "-2147483647"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_string_equal(err_name(cases[i].err), cases[i].want);
		assert_string_equal(err_name(cases[i].err), cases[i].want);
	}
}

static void names_are_static(void **state)
{
	const char *first = err_name(-ENOENT), *second = err_name(-EIO);

	(void)state;
	assert_string_equal(first, "-ENOENT");
	assert_string_equal(second, "-EIO");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(errors_are_named_with_their_sign),
		cmocka_unit_test(names_are_static),
	};

	return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
