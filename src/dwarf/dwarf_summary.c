/* SPDX-License-Identifier: Apache-2.0 */
#include "dwarf/dwarf_internal.h"

int dwarf_index_need(struct dwarf *dwarf)
{
	return dwarf->main->has_heads ? 0 : dwarf_index_make(dwarf);
}

int dwarf_summarize(struct dwarf *dwarf, struct dwarf_summary *ret)
{
	struct dwarf_summary summary = {0};
	int err = dwarf_index_need(dwarf);

	if (err)
		return err;
	vec_for_each (&dwarf->main->heads, head) {
		summary.units++;
		summary.split += head->split_name.form != 0;
		summary.versions |= 1u << head->format.version;
	}
	*ret = summary;
	return 0;
}

bool dwarf_next_run(const struct dwarf *dwarf, size_t *pos, uint64_t *ret_start, uint64_t *ret_limit)
{
	const struct dwarf_piece *pieces = dwarf->index.items;
	const size_t n = dwarf->index.len;

	while (*pos < n && pieces[*pos].owner == DWARF_NOBODY)
		++*pos;
	if (*pos == n)
		return false;
	*ret_start = pieces[*pos].start;
	while (*pos < n && pieces[*pos].owner != DWARF_NOBODY)
		++*pos;
	*ret_limit = *pos < n ? pieces[*pos].start : UINT64_MAX;
	return true;
}
