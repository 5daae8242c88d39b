/* SPDX-License-Identifier: Apache-2.0 */
/* One pass over the DIEs of a unit: functions and what is inlined in them become an array in the order of the tree, and
 * their ranges pieces. All other DIEs are skipped, most of them by a number from their abbreviation. */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "dwarf/dwarf_constants.h"
#include "dwarf/dwarf_internal.h"

struct walk {
	const struct dwarf_head *head;
	const struct dwarf_abbrevs *abbrevs;
	struct cursor cursor; /* of the unit */
	struct dwarf_unit *unit;
	struct dwarf_interval_vec intervals;
	size_t depth;
	uint32_t parents[DWARF_MAX_DEPTH]; /* the function that each open DIE is or lies in */
};

/* NULL: it has none, and perhaps no other one has. */
static const struct dwarf_attribute *attributes_of(const struct walk *walk, const struct dwarf_abbrev *abbrev)
{
	return abbrev->n ? &walk->abbrevs->attributes.items[abbrev->first] : NULL;
}

static void skip(struct walk *walk, const struct dwarf_abbrev *abbrev)
{
	const struct dwarf_attribute *attributes = attributes_of(walk, abbrev);
	struct dwarf_value value;

	if (abbrev->fixed_bytes != DWARF_VARIES) {
		cursor_skip(&walk->cursor, abbrev->fixed_bytes);
		return;
	}
	for (size_t i = 0; i < abbrev->n; i++)
		dwarf_value_read(&walk->cursor, &walk->head->format, attributes[i].form, 0, &value);
}

static uint32_t number_of(const struct dwarf_value *value)
{
	return value->u > UINT32_MAX ? 0 : (uint32_t)value->u;
}

/* *ret: the function that its children lie in. */
static int add_function(struct walk *walk, const struct dwarf_abbrev *abbrev, uint32_t die, uint32_t parent,
			uint32_t *ret)
{
	const struct dwarf_attribute *attributes = attributes_of(walk, abbrev);
	struct dwarf_function_vec *functions = &walk->unit->functions;
	struct dwarf_function function = {.die = die, .parent = DWARF_NOBODY};
	struct dwarf_value low = {0}, high = {0}, ranges = {0}, value;
	const size_t before = walk->intervals.len;
	int err;

	for (size_t i = 0; i < abbrev->n; i++) {
		dwarf_value_read(&walk->cursor, &walk->head->format, attributes[i].form, attributes[i].implicit,
				 &value);
		switch (attributes[i].name) {
		case DW_AT_LOW_PC:
			low = value;
			break;
		case DW_AT_HIGH_PC:
			high = value;
			break;
		case DW_AT_RANGES:
			ranges = value;
			break;
		case DW_AT_CALL_FILE:
			function.call_file = number_of(&value);
			break;
		case DW_AT_CALL_LINE:
			function.call_line = number_of(&value);
			break;
		case DW_AT_CALL_COLUMN:
			function.call_column = number_of(&value);
			break;
		default:
			break;
		}
	}
	if (!cursor_ok(&walk->cursor))
		return -EBADMSG;
	err = dwarf_ranges_add(walk->head, &low, &high, &ranges, (uint32_t)functions->len, &walk->intervals);
	if (err == -EBADMSG)
		walk->intervals.len = before; /* costs this one its place, and no other */
	else if (err)
		return err;
	if (abbrev->tag == DW_TAG_INLINED_SUBROUTINE)
		function.parent = parent;
	/* Declarations and abstract instances have no code, and nothing in them has. */
	*ret = DWARF_NOBODY;
	if (walk->intervals.len == before && function.parent == DWARF_NOBODY)
		return 0;
	if (functions->len == DWARF_MAX_FUNCTIONS)
		return -E2BIG;
	*ret = (uint32_t)functions->len;
	if (vec_reserve(functions, functions->len + 1))
		return -ENOMEM;
	*vec_push_reserved(functions) = function;
	return 0;
}

static int walk_dies(struct walk *walk)
{
	struct cursor *cursor = &walk->cursor;

	while (!cursor_at_end(cursor)) {
		uint32_t die = (uint32_t)cursor_offset(cursor);
		uint32_t within = walk->depth ? walk->parents[walk->depth - 1] : DWARF_NOBODY;
		uint64_t code = cursor_uleb128(cursor);
		const struct dwarf_abbrev *abbrev;
		int err = 0;

		if (!code && cursor_ok(cursor)) {
			/* Padding behind the root is allowed. */
			walk->depth -= walk->depth != 0;
			continue;
		}
		abbrev = dwarf_abbrev_find(walk->abbrevs, code);
		if (!abbrev)
			return -EBADMSG;
		if (abbrev->tag == DW_TAG_SUBPROGRAM || abbrev->tag == DW_TAG_INLINED_SUBROUTINE)
			err = add_function(walk, abbrev, die, within, &within);
		else
			skip(walk, abbrev);
		if (err)
			return err;
		if (!abbrev->has_children)
			continue;
		if (walk->depth == DWARF_MAX_DEPTH)
			return -EBADMSG;
		walk->parents[walk->depth++] = within;
	}
	return cursor_ok(cursor) ? 0 : -EBADMSG;
}

static int read_functions(const struct dwarf_head *head, struct dwarf_unit *unit)
{
	const uint64_t size = head->limit - head->start;
	struct walk walk = {.head = head, .unit = unit};
	auto_free uint8_t *bytes = NULL;
	int err;

	if (size > DWARF_MAX_UNIT_BYTES)
		return -EBADMSG;
	err = dwarf_abbrevs_of(head, &walk.abbrevs);
	if (err)
		return err;
	bytes = malloc(size);
	if (!bytes)
		return -ENOMEM;
	err = dwarf_section_read(head->source, DWARF_INFO, head->start, bytes, size);
	if (err)
		return err;
	cursor_init(&walk.cursor, bytes, size);
	cursor_seek(&walk.cursor, head->root - head->start);
	vec_init(&walk.intervals, DWARF_MAX_INTERVALS);
	head->source->dwarf->entries_left = DWARF_MAX_LIST_ENTRIES;
	err = walk_dies(&walk);
	if (!err)
		err = dwarf_pieces_make(&walk.intervals, &unit->pieces);
	vec_release(&walk.intervals);
	return err;
}

/* What a unit holds for long has no room to grow. */
static void shrink(void **items, size_t *cap, size_t len, size_t item_size)
{
	void *smaller = len && len < *cap ? realloc(*items, len * item_size) : NULL;

	if (smaller) {
		*items = smaller;
		*cap = len;
	}
}

#define SHRINK(vec) shrink((void **)&(vec)->items, &(vec)->cap, (vec)->len, sizeof(*(vec)->items))

/* Of the half that has them. Without it the skeleton may have some. */
static int read_either(struct dwarf_head *head, struct dwarf_unit *unit)
{
	int err;

	unit->head = head;
	if (head->split) {
		head->split->skeleton = head;
		unit->head = head->split;
	}
	err = read_functions(unit->head, unit);
	if (err) {
		vec_release(&unit->functions);
		vec_release(&unit->pieces);
	}
	return err;
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
	vec_init(&unit->functions, DWARF_MAX_FUNCTIONS);
	vec_init(&unit->pieces, 2 * DWARF_MAX_INTERVALS + 2);
	err = read_either(head, unit);
	if (!dwarf_is_fatal(err) && head->has_lines)
		err = dwarf_lines_read(head, &unit->lines);
	if (dwarf_is_fatal(err)) {
		dwarf_unit_free(unit);
		return err;
	}
	SHRINK(&unit->functions);
	SHRINK(&unit->pieces);
	if (unit->lines) {
		SHRINK(&unit->lines->rows);
		SHRINK(&unit->lines->sequences);
	}
	unit->memory_bytes = sizeof(*unit) + unit->functions.cap * sizeof(struct dwarf_function) +
			     unit->pieces.cap * sizeof(struct dwarf_piece) +
			     (unit->lines ? dwarf_lines_memory_bytes(unit->lines) : 0);
	*ret = unit;
	return 0;
}

void dwarf_unit_free(struct dwarf_unit *unit)
{
	if (!unit)
		return;
	vec_release(&unit->functions);
	vec_release(&unit->pieces);
	dwarf_lines_free(unit->lines);
	free(unit);
}
