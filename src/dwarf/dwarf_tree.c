/* SPDX-License-Identifier: Apache-2.0 */
/* One pass over DIEs: functions and what is inlined in them become an array in the order of the tree, and their ranges
 * pieces. All other DIEs are skipped, most of them by a number from their abbreviation.
 *
 * A unit's functions are many, and few are asked about. Where DW_AT_sibling tells the end of a DIE (GCC writes it), a
 * quick walk sees only what is on the surface: what lies in a function is read when one of its addresses is asked
 * about, and what lies in types and in abstract instances when an address is of no function that was seen. */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "dwarf/dwarf_constants.h"
#include "dwarf/dwarf_internal.h"

struct walk {
	const struct dwarf_head *head;
	const struct dwarf_abbrevs *abbrevs;
	struct cursor cursor;
	uint64_t start; /* of the cursor, from that of the unit */
	bool is_quick;
	struct dwarf_tree *tree;
	struct dwarf_interval_vec intervals;
	size_t depth;
	uint32_t parents[DWARF_MAX_DEPTH]; /* the function that each open DIE is or lies in */
};

/* A DIE that is being read. */
struct die {
	uint32_t offset; /* from the unit's start */
	uint32_t within; /* the function that it lies in */
	const struct dwarf_abbrev *abbrev;
	struct dwarf_value low, high, ranges, sibling;
	struct dwarf_function function;
};

/* NULL: it has none, and perhaps no other one has. */
static const struct dwarf_attribute *attributes_of(const struct walk *walk, const struct dwarf_abbrev *abbrev)
{
	return abbrev->n ? &walk->abbrevs->attributes.items[abbrev->first] : NULL;
}

static uint32_t number_of(const struct dwarf_value *value)
{
	return value->u > UINT32_MAX ? 0 : (uint32_t)value->u;
}

static void skip_attributes(struct walk *walk, const struct dwarf_abbrev *abbrev)
{
	if (abbrev->fixed_bytes != DWARF_VARIES)
		cursor_skip(&walk->cursor, abbrev->fixed_bytes);
	else
		dwarf_attributes_skip(&walk->cursor, &walk->head->format, attributes_of(walk, abbrev), abbrev->n);
}

static void read_attributes(struct walk *walk, struct die *die)
{
	const struct dwarf_attribute *attributes = attributes_of(walk, die->abbrev);
	struct dwarf_value value;

	die->low = die->high = die->ranges = die->sibling = (struct dwarf_value){0};
	die->function = (struct dwarf_function){.die = die->offset};
	for (size_t i = 0; i < die->abbrev->n; i++) {
		dwarf_attribute_read(&walk->cursor, &walk->head->format, &attributes[i], &value);
		switch (attributes[i].name) {
		case DW_AT_SIBLING:
			die->sibling = value;
			break;
		case DW_AT_LOW_PC:
			die->low = value;
			break;
		case DW_AT_HIGH_PC:
			die->high = value;
			break;
		case DW_AT_RANGES:
			die->ranges = value;
			break;
		case DW_AT_CALL_FILE:
			die->function.call_file = number_of(&value);
			break;
		case DW_AT_CALL_LINE:
			die->function.call_line = number_of(&value);
			break;
		case DW_AT_CALL_COLUMN:
			die->function.call_column = number_of(&value);
			break;
		default:
			break;
		}
	}
}

/* Moves the cursor from behind the attributes to behind all that is in the DIE. false: nothing tells where that is. */
static bool pass_over(struct walk *walk, const struct die *die)
{
	const uint64_t at = walk->start + cursor_offset(&walk->cursor), to = die->sibling.u;

	if (die->sibling.form != DW_FORM_REF4 || !cursor_ok(&walk->cursor) || to < at ||
	    to - at > cursor_left(&walk->cursor))
		return false;
	cursor_skip(&walk->cursor, to - at);
	return true;
}

/* Adds it if it has code, or lies in what has; die->within becomes what its children lie in. */
static int add_function(struct walk *walk, struct die *die)
{
	struct dwarf_function_vec *functions = &walk->tree->functions;
	const size_t before = walk->intervals.len;
	int err;

	if (!cursor_ok(&walk->cursor))
		return -EBADMSG;
	err = dwarf_ranges_add(walk->head, &die->low, &die->high, &die->ranges, (uint32_t)functions->len,
			       &walk->intervals);
	if (err == -EBADMSG)
		walk->intervals.len = before; /* costs this one its place, and no other */
	else if (err)
		return err;
	die->function.parent = die->abbrev->tag == DW_TAG_INLINED_SUBROUTINE ? die->within : DWARF_NOBODY;
	/* Declarations and abstract instances have no code. */
	die->within = DWARF_NOBODY;
	if (walk->intervals.len == before && die->function.parent == DWARF_NOBODY)
		return 0;
	if (functions->len == DWARF_MAX_FUNCTIONS)
		return -E2BIG;
	if (vec_reserve(functions, functions->len + 1))
		return -ENOMEM;
	die->within = (uint32_t)functions->len;
	*vec_push_reserved(functions) = die->function;
	return 0;
}

/* *ret_passed: with all that is in it. */
static int read_function(struct walk *walk, struct die *die, bool *ret_passed)
{
	int err;

	read_attributes(walk, die);
	err = add_function(walk, die);
	if (err || !walk->is_quick || !die->abbrev->has_children || die->abbrev->tag != DW_TAG_SUBPROGRAM)
		return err;
	*ret_passed = pass_over(walk, die);
	walk->tree->is_partial |= *ret_passed;
	if (*ret_passed && die->within != DWARF_NOBODY)
		walk->tree->functions.items[die->within].limit = (uint32_t)die->sibling.u;
	return 0;
}

static bool is_type(const struct dwarf_abbrev *abbrev)
{
	switch (abbrev->tag) {
	case DW_TAG_CLASS_TYPE:
	case DW_TAG_STRUCTURE_TYPE:
	case DW_TAG_UNION_TYPE:
	case DW_TAG_ENUMERATION_TYPE:
		return true;
	default:
		return false;
	}
}

/* Reads the DIE; *ret_passed: with all that is in it. */
static int read_die(struct walk *walk, struct die *die, bool *ret_passed)
{
	const struct dwarf_abbrev *abbrev = die->abbrev;

	*ret_passed = false;
	if (abbrev->is_declaration || (walk->is_quick && abbrev->has_sibling && is_type(abbrev))) {
		read_attributes(walk, die);
		*ret_passed = pass_over(walk, die);
		walk->tree->is_partial |= *ret_passed && !abbrev->is_declaration;
	} else if (abbrev->tag == DW_TAG_SUBPROGRAM || abbrev->tag == DW_TAG_INLINED_SUBROUTINE) {
		return read_function(walk, die, ret_passed);
	} else {
		skip_attributes(walk, abbrev);
	}
	return 0;
}

static int walk_dies(struct walk *walk)
{
	struct cursor *cursor = &walk->cursor;

	while (!cursor_at_end(cursor)) {
		uint32_t offset = (uint32_t)(walk->start + cursor_offset(cursor));
		uint64_t code = cursor_uleb128(cursor);
		struct die die;
		bool is_passed;
		int err;

		if (!code && cursor_ok(cursor)) {
			/* Padding behind the root is allowed. */
			walk->depth -= walk->depth != 0;
			continue;
		}
		die.abbrev = dwarf_abbrev_find(walk->abbrevs, code);
		if (!die.abbrev)
			return -EBADMSG;
		die.offset = offset;
		die.within = walk->depth ? walk->parents[walk->depth - 1] : DWARF_NOBODY;
		err = read_die(walk, &die, &is_passed);
		if (err)
			return err;
		if (is_passed || !die.abbrev->has_children)
			continue;
		if (walk->depth == DWARF_MAX_DEPTH)
			return -EBADMSG;
		walk->parents[walk->depth++] = die.within;
	}
	return cursor_ok(cursor) ? 0 : -EBADMSG;
}

void dwarf_tree_init(struct dwarf_tree *tree)
{
	*tree = (struct dwarf_tree){.functions.max = DWARF_MAX_FUNCTIONS, .pieces.max = 2 * DWARF_MAX_INTERVALS + 2};
}

void dwarf_tree_release(struct dwarf_tree *tree)
{
	vec_release(&tree->functions);
	vec_release(&tree->pieces);
}

int dwarf_tree_read(const struct dwarf_head *head, uint64_t from, uint64_t to, bool is_quick, struct dwarf_tree *tree)
{
	struct walk walk = {.head = head, .start = from, .is_quick = is_quick, .tree = tree};
	auto_free uint8_t *bytes = NULL;
	int err;

	dwarf_tree_init(tree);
	if (to < from || to - from > DWARF_MAX_UNIT_BYTES)
		return -EBADMSG;
	err = dwarf_abbrevs_of(head, &walk.abbrevs);
	if (err)
		return err;
	bytes = malloc(to - from + 1);
	if (!bytes)
		return -ENOMEM;
	err = dwarf_section_read(head->source, DWARF_INFO, head->start + from, bytes, to - from);
	if (err)
		return err;
	cursor_init(&walk.cursor, bytes, to - from);
	vec_init(&walk.intervals, DWARF_MAX_INTERVALS);
	head->source->dwarf->entries_left = DWARF_MAX_LIST_ENTRIES;
	err = walk_dies(&walk);
	if (!err)
		err = dwarf_pieces_make(&walk.intervals, &tree->pieces);
	vec_release(&walk.intervals);
	if (err) {
		dwarf_tree_release(tree);
		dwarf_tree_init(tree);
	}
	return err;
}

void dwarf_shrink(void **items, size_t *cap, size_t len, size_t item_size)
{
	void *smaller = len && len < *cap ? realloc(*items, len * item_size) : NULL;

	if (smaller) {
		*items = smaller;
		*cap = len;
	}
}

void dwarf_tree_shrink(struct dwarf_tree *tree)
{
	DWARF_SHRINK(&tree->functions);
	DWARF_SHRINK(&tree->pieces);
}

size_t dwarf_tree_memory_bytes(const struct dwarf_tree *tree)
{
	return tree->functions.cap * sizeof(struct dwarf_function) + tree->pieces.cap * sizeof(struct dwarf_piece);
}
