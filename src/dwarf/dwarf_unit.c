/* SPDX-License-Identifier: Apache-2.0 */
/* A unit that is held: its lines, and the functions that a quick walk saw. */
#include <errno.h>
#include <stdlib.h>

#include "dwarf/dwarf_internal.h"

static size_t memory_bytes(const struct dwarf_unit *unit)
{
	return sizeof(*unit) + dwarf_tree_memory_bytes(&unit->tree) +
	       (unit->lines ? dwarf_lines_memory_bytes(unit->lines) : 0);
}

static int read_tree(struct dwarf_unit *unit, bool is_quick)
{
	const struct dwarf_head *head = unit->head;
	int err = dwarf_tree_read(head, head->root - head->start, head->limit - head->start, is_quick, &unit->tree);

	if (!err)
		dwarf_tree_shrink(&unit->tree);
	return err;
}

/* Of the half that has them. Without it the skeleton may have some. */
static int read_either(struct dwarf_head *head, struct dwarf_unit *unit)
{
	unit->head = head;
	if (head->split) {
		head->split->skeleton = head;
		unit->head = head->split;
	}
	return read_tree(unit, true);
}

int dwarf_unit_read(struct dwarf_head *head, struct dwarf_unit **ret)
{
	int err = dwarf_split_find(head);
	struct dwarf_unit *unit;

	if (err)
		return err;
	unit = calloc(1, sizeof(*unit));
	if (!unit)
		return -ENOMEM;
	dwarf_tree_init(&unit->tree);
	err = read_either(head, unit);
	if (!dwarf_is_fatal(err) && head->has_lines)
		err = dwarf_lines_read(head, &unit->lines);
	if (dwarf_is_fatal(err)) {
		dwarf_unit_free(unit);
		return err;
	}
	if (unit->lines) {
		DWARF_SHRINK(&unit->lines->rows);
		DWARF_SHRINK(&unit->lines->sequences);
	}
	unit->memory_bytes = memory_bytes(unit);
	*ret = unit;
	return 0;
}

/* With what the quick walk passed over. */
static int complete(struct dwarf_unit *unit)
{
	struct dwarf *dwarf = unit->head->source->dwarf;
	int err;

	if (dwarf->inside.unit == unit)
		dwarf->inside.unit = NULL;
	dwarf_tree_release(&unit->tree);
	err = read_tree(unit, false);
	unit->tree.is_partial = dwarf_is_fatal(err); /* to be tried again */
	dwarf->unit_bytes -= unit->memory_bytes;
	unit->memory_bytes = memory_bytes(unit);
	dwarf->unit_bytes += unit->memory_bytes;
	return dwarf_is_fatal(err) ? err : 0;
}

/* -EBADMSG, -E2BIG: it is broken. */
static int read_inside(struct dwarf_unit *unit, uint32_t index)
{
	const struct dwarf_function *function = &unit->tree.functions.items[index];
	struct dwarf_inside *inside = &unit->head->source->dwarf->inside;
	int err;

	if (inside->unit == unit && inside->function == index)
		return 0;
	inside->unit = NULL;
	dwarf_tree_release(&inside->tree);
	err = dwarf_tree_read(unit->head, function->die, function->limit, false, &inside->tree);
	if (err)
		return err;
	inside->unit = unit;
	inside->function = index;
	return 0;
}

int dwarf_unit_find(struct dwarf_unit *unit, uint64_t va, const struct dwarf_tree **ret_tree, uint32_t *ret_function)
{
	const struct dwarf_inside *inside = &unit->head->source->dwarf->inside;
	uint32_t index = dwarf_piece_owner(&unit->tree.pieces, va), within;
	int err = 0;

	if (index == DWARF_NOBODY && unit->tree.is_partial) {
		err = complete(unit);
		index = dwarf_piece_owner(&unit->tree.pieces, va);
	}
	*ret_tree = &unit->tree;
	*ret_function = index;
	if (err || index == DWARF_NOBODY || !unit->tree.functions.items[index].limit)
		return err;
	err = read_inside(unit, index);
	if (err)
		return dwarf_is_fatal(err) ? err : 0;
	within = dwarf_piece_owner(&inside->tree.pieces, va);
	if (within == DWARF_NOBODY)
		return 0;
	*ret_tree = &inside->tree;
	*ret_function = within;
	return 0;
}

void dwarf_unit_free(struct dwarf_unit *unit)
{
	if (!unit)
		return;
	dwarf_tree_release(&unit->tree);
	dwarf_lines_free(unit->lines);
	free(unit);
}
