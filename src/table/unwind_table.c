/* SPDX-License-Identifier: Apache-2.0 */
#include "table/unwind_table.h"

#include <elf.h>
#include <errno.h>

/* Thresholds of PLT are compared with ip & 15. */
#define MAX_PLT_OFFSET 15

_Static_assert(sizeof(struct unwind_table_head) == 32, "rules behind the head are aligned");
_Static_assert(sizeof(struct unwind_table_page) == 8, "rows behind the pages are aligned");
_Static_assert(UNWIND_MAX_CFA_OFF <= INT32_MAX - 8 * UNWIND_MAX_STEP_DISTANCE + 8 * UNWIND_STEP_TO_FP,
	       "steps cannot overflow an offset");

/* --- rules -------------------------------------------------------------------------------------------------------- */

struct unwind_rule unwind_rule_stepped(const struct unwind_rule *rule, uint32_t distance)
{
	struct unwind_rule plain;

	unwind_rule_unfold(rule, distance, &plain);
	return plain;
}

static bool has_register(uint8_t reg, uint16_t machine)
{
	/* The x86-64 column of the return address is no register. */
	return machine == EM_X86_64 ? reg < UNWIND_X86_RA : reg < UNWIND_ARM64_REGISTERS;
}

/* The kinds that say it all by themselves. */
static bool is_bare(const struct unwind_rule *rule)
{
	return !rule->fp && !rule->ra && !rule->reg && !rule->cfa_off && !rule->fp_off && !rule->ra_off && !rule->steps;
}

static bool is_plt(const struct unwind_rule *rule)
{
	return rule->cfa_off >= 0 && rule->cfa_off <= MAX_PLT_OFFSET && rule->fp == UNWIND_FP_SAME && !rule->fp_off &&
	       rule->ra == UNWIND_RA_SAVED && rule->ra_off == -8 && !rule->reg && !rule->steps;
}

static bool is_return_address_valid(const struct unwind_rule *rule, uint16_t machine)
{
	switch (rule->ra) {
	case UNWIND_RA_SAVED:
		return true;
	case UNWIND_RA_EXACT:
		return rule->ra_off || machine == EM_AARCH64;
	case UNWIND_RA_LINK:
		return !rule->ra_off && machine == EM_AARCH64;
	case UNWIND_RA_REGISTER:
		/* There is one `reg`: the CFA cannot have another. */
		return !rule->ra_off && rule->cfa != UNWIND_CFA_REGISTER;
	default:
		return false;
	}
}

/* A frame whose `reg` is UNWIND_BX_*. */
static bool may_tell_of_bx(const struct unwind_rule *rule, uint16_t machine)
{
	return machine == EM_X86_64 && (rule->cfa == UNWIND_CFA_SP || rule->cfa == UNWIND_CFA_FP) &&
	       rule->ra == UNWIND_RA_SAVED;
}

static bool is_offset_valid(int32_t offset)
{
	return offset <= UNWIND_MAX_CFA_OFF && offset >= -UNWIND_MAX_CFA_OFF;
}

static bool is_frame_valid(const struct unwind_rule *rule, uint16_t machine)
{
	bool needs_reg = rule->cfa == UNWIND_CFA_REGISTER || rule->ra == UNWIND_RA_REGISTER;
	bool is_deref = rule->cfa == UNWIND_CFA_DEREF_SP || rule->cfa == UNWIND_CFA_DEREF_FP;

	if (!is_offset_valid(rule->cfa_off) || rule->steps)
		return false;
	if (rule->fp > UNWIND_FP_AT_FP || (rule->fp_off && rule->fp != UNWIND_FP_SAVED && rule->fp != UNWIND_FP_AT_FP))
		return false;
	if (!is_return_address_valid(rule, machine) || (is_deref && rule->ra != UNWIND_RA_SAVED))
		return false;
	return needs_reg ? has_register(rule->reg, machine) : !rule->reg || may_tell_of_bx(rule, machine);
}

/* No rule can be told in two ways, or equal ones would be two: a direction without a common step says nothing. */
static bool are_steps_valid(const struct unwind_rule *rule)
{
	uint32_t steps = rule->steps & ~UNWIND_STEPS_POP;
	bool is_last_special = rule->ra_off || rule->fp == UNWIND_FP_STORED;

	if (!steps)
		return false;
	return !is_last_special || steps & (steps - 1) || !(rule->steps & UNWIND_STEPS_POP);
}

static bool is_folded_valid(const struct unwind_rule *rule)
{
	bool has_fp_off = rule->fp != UNWIND_FP_SAME && rule->fp != UNWIND_FP_LOST;
	uint32_t last;

	if (rule->ra || rule->fp >= UNWIND_FP_COUNT || rule->fp == UNWIND_FP_AT_FP || !are_steps_valid(rule))
		return false;
	if (!has_fp_off && rule->fp_off)
		return false;
	if (rule->ra_off == UNWIND_STEP_TO_FP && rule->fp != UNWIND_FP_SAVED && rule->fp != UNWIND_FP_PUSHED)
		return false;
	/* Between the first and the last but one lie all others. */
	last = 31 - (uint32_t)__builtin_clz(rule->steps);
	return is_offset_valid(rule->cfa_off) && is_offset_valid(unwind_rule_stepped(rule, last - 1).cfa_off) &&
	       is_offset_valid(unwind_rule_stepped(rule, last).cfa_off);
}

bool unwind_rule_is_valid(const struct unwind_rule *rule, uint16_t machine)
{
	if (machine != EM_X86_64 && machine != EM_AARCH64)
		return false;
	switch (rule->cfa) {
	case UNWIND_CFA_NONE:
	case UNWIND_CFA_SIGNAL:
	case UNWIND_CFA_STOP:
	case UNWIND_CFA_UNSUPPORTED:
		return is_bare(rule);
	case UNWIND_CFA_PLT:
		return machine == EM_X86_64 && is_plt(rule);
	case UNWIND_CFA_FOLDED:
		return machine == EM_X86_64 && is_folded_valid(rule);
	case UNWIND_CFA_SP:
	case UNWIND_CFA_FP:
	case UNWIND_CFA_SWITCH:
	case UNWIND_CFA_REGISTER:
	case UNWIND_CFA_DEREF_SP:
	case UNWIND_CFA_DEREF_FP:
		return is_frame_valid(rule, machine);
	default:
		return false;
	}
}

/* --- tables ------------------------------------------------------------------------------------------------------- */

static bool is_head_valid(const struct unwind_table_head *head, size_t len, uint16_t machine)
{
	uint64_t first = head->first_page, file_first = head->file_first_page;
	uint64_t bytes = sizeof(*head) + (uint64_t)head->n_rules * sizeof(struct unwind_rule) +
			 (uint64_t)head->n_pages * sizeof(struct unwind_table_page) +
			 (uint64_t)head->n_rows * sizeof(uint32_t);

	return head->magic == UNWIND_TABLE_MAGIC && head->version == UNWIND_TABLE_VERSION && head->machine == machine &&
	       bytes == len && head->n_rules <= UNWIND_MAX_RULES && head->n_pages &&
	       head->file_pages <= UNWIND_MAX_PAGES && first >= file_first &&
	       first + head->n_pages <= file_first + head->file_pages;
}

static bool are_rules_valid(const struct unwind_table *table)
{
	for (uint32_t i = 0; i < table->head.n_rules; i++)
		if (!unwind_rule_is_valid(&table->rules[i], table->head.machine))
			return false;
	return true;
}

static bool is_constant_valid(const struct unwind_table *table, const struct unwind_table_page *page)
{
	return page->rule < table->head.n_rules && !table->rules[page->rule].steps;
}

static bool are_rows_valid(const uint32_t *rows, uint32_t n, uint32_t n_rules)
{
	if (unwind_row_offset(rows[0]) || unwind_row_rule(rows[0]) >= n_rules)
		return false;
	for (uint32_t i = 1; i < n; i++)
		if (unwind_row_offset(rows[i]) <= unwind_row_offset(rows[i - 1]) || unwind_row_rule(rows[i]) >= n_rules)
			return false;
	return true;
}

static bool are_pages_valid(const struct unwind_table *table)
{
	uint32_t row = 0;

	for (uint32_t i = 0; i < table->head.n_pages; i++) {
		const struct unwind_table_page *page = &table->pages[i];

		if (!page->n_rows) {
			if (!is_constant_valid(table, page))
				return false;
			continue;
		}
		if (page->n_rows == 1 || page->rule || page->n_rows > table->head.n_rows - row ||
		    !are_rows_valid(table->rows + row, page->n_rows, table->head.n_rules))
			return false;
		row += page->n_rows;
	}
	return row == table->head.n_rows;
}

int unwind_table_read(const void *bytes, size_t len, uint16_t machine, struct unwind_table *ret)
{
	const struct unwind_table_head *head = bytes;
	struct unwind_table table;

	if (len < sizeof(*head) || len > UNWIND_TABLE_MAX_BYTES || !is_head_valid(head, len, machine))
		return -EBADMSG;
	table.head = *head;
	table.rules = (const struct unwind_rule *)(head + 1);
	table.pages = (const struct unwind_table_page *)(table.rules + head->n_rules);
	table.rows = (const uint32_t *)(table.pages + head->n_pages);
	if (!are_rules_valid(&table) || !are_pages_valid(&table))
		return -EBADMSG;
	*ret = table;
	return 0;
}
