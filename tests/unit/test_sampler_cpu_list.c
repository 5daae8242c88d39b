/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>

#include "collector/sampler.h"

#define MAX 16

static void a_cpu_list_is_read(void **state)
{
	static const struct {
		const char *text;
		size_t n;
		uint32_t cpus[MAX];
	} cases[] = {
		{"0\n", 1, {0}},
		{"0", 1, {0}},
		{"0-1\n", 2, {0, 1}},
		{"0-3,8\n", 5, {0, 1, 2, 3, 8}},
		{"0,2-3,5,7-9\n", 7, {0, 2, 3, 5, 7, 8, 9}},
		{"4000-4003\n", 4, {4000, 4001, 4002, 4003}},
		{"0-15", 16, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}},
		{"\n", 0, {0}},
		{"", 0, {0}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint32_t cpus[MAX];
		size_t n = 99;

		assert_int_equal(sampler_parse_cpu_list(cases[i].text, strlen(cases[i].text), cpus, MAX, &n), 0);
		assert_int_equal(n, cases[i].n);
		assert_memory_equal(cpus, cases[i].cpus, n * sizeof(*cpus));
	}
}

static void bad_cpu_lists_are_refused(void **state)
{
	static const struct {
		const char *text;
		int err;
	} cases[] = {
		{"0-16\n", -E2BIG},
		{"0-4294967294\n", -E2BIG},
		{"0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16", -E2BIG},
		{"x\n", -EBADMSG},
		{"0-\n", -EBADMSG},
		{"-3\n", -EBADMSG},
		{"0,\n", -EBADMSG},
		{",0\n", -EBADMSG},
		{"0,,1\n", -EBADMSG},
		{"3-1\n", -EBADMSG},
		{"1,1\n", -EBADMSG},
		{"2,1\n", -EBADMSG},
		{"0-2,2-3\n", -EBADMSG},
		{"0-1-2\n", -EBADMSG},
		{"0 1\n", -EBADMSG},
		{"0\n1\n", -EBADMSG},
		{"4294967295\n", -EBADMSG},
		{"99999999999999999999\n", -EBADMSG},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint32_t cpus[MAX];
		size_t n = 99;

		if (sampler_parse_cpu_list(cases[i].text, strlen(cases[i].text), cpus, MAX, &n) != cases[i].err)
			fail_msg("accepted or other error: %s", cases[i].text);
		assert_int_equal(n, 99);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cpu_list_is_read),
		cmocka_unit_test(bad_cpu_lists_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
