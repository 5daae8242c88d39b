/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>

#include "base/budget.h"
#include "readme.h"

static void shares_are_the_whole_but_for_what_is_fixed(void **state)
{
	static const uint64_t totals[] = {BUDGET_MIN_BYTES, 48ULL << 20, BUDGET_DEFAULT_BYTES, BUDGET_MAX_BYTES};

	(void)state;
	for (size_t i = 0; i < sizeof(totals) / sizeof(totals[0]); i++) {
		struct memory_budget budget;
		uint64_t sum = BUDGET_FIXED_BYTES;

		memory_budget_divide(totals[i], &budget);
#define BUDGET_SHARE(name, parts, text) sum += budget.name;
#include "base/budget.def"
#undef BUDGET_SHARE
		assert_true(sum <= totals[i] && sum > totals[i] - BUDGET_PARTS);
		assert_int_equal(budget.total, totals[i]);
		assert_true(budget.naming + budget.stacks < totals[i] - BUDGET_FIXED_BYTES);
	}
}

static void nothing_given_is_the_default(void **state)
{
	struct memory_budget budget;

	(void)state;
	memory_budget_divide(0, &budget);
	assert_int_equal(budget.total, BUDGET_DEFAULT_BYTES);
}

/* The table in ARCHITECTURE.md is this one. */
static void architecture_tells_the_shares(void **state)
{
	static const struct {
		const char *text;
		unsigned int parts;
	} shares[] = {
#define BUDGET_SHARE(name, parts, text) {text, parts},
#include "base/budget.def"
#undef BUDGET_SHARE
	};
	struct memory_budget budget;
	const uint64_t *bytes = &budget.tables;
	char *text = document(__FILE__, "ARCHITECTURE.md");

	(void)state;
	memory_budget_divide(0, &budget);
	for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
		char row[256];

		snprintf(row, sizeof(row), "| %s | %u | %.1f MiB |\n", shares[i].text, shares[i].parts,
			 (double)bytes[i] / (1 << 20));
		if (!strstr(text, row))
			fail_msg("no row: %s", row);
	}
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shares_are_the_whole_but_for_what_is_fixed),
		cmocka_unit_test(nothing_given_is_the_default),
		cmocka_unit_test(architecture_tells_the_shares),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
