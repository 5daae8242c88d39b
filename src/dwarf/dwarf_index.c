/* SPDX-License-Identifier: Apache-2.0 */
/* Which unit has an address: of each one the header and the root DIE are read. (.debug_aranges would be shorter, but
 * clang writes none, and what it says is not always all. It helps where a root says nothing.) */
#include <errno.h>

#include "base/partition_point.h"
#include "dwarf/dwarf_constants.h"
#include "dwarf/dwarf_internal.h"

#define MAX_ROOT_BYTES (64u << 10)
#define RESERVED_LENGTH 0xfffffff0u /* 7.2.2 */
#define LENGTH_IS_64 0xffffffffu

struct root {
	struct dwarf_value low, high, ranges, lines, dir, addr_base, str_offsets_base, rnglists_base;
	struct dwarf_value split_name, split_id, ranges_base;
};

/* Leaves the cursor behind the header. 0 or 1: code or not; -EBADMSG. */
static int read_header(struct cursor *cursor, uint64_t start, uint64_t size, struct dwarf_head *ret)
{
	uint64_t length = cursor_u32(cursor);
	uint8_t type = DW_UT_COMPILE;

	*ret = (struct dwarf_head){.start = start, .format.offset_size = 4};
	if (length == LENGTH_IS_64) {
		ret->format.offset_size = 8;
		length = cursor_u64(cursor);
	} else if (length >= RESERVED_LENGTH) {
		return -EBADMSG;
	}
	if (!cursor_ok(cursor) || !checked_add(start + cursor_offset(cursor), length, &ret->limit) || ret->limit > size)
		return -EBADMSG;
	ret->format.version = cursor_u16(cursor);
	if (ret->format.version >= 5) {
		type = cursor_u8(cursor);
		ret->format.address_size = cursor_u8(cursor);
	}
	ret->abbrevs = ret->format.offset_size == 8 ? cursor_u64(cursor) : cursor_u32(cursor);
	if (ret->format.version < 5)
		ret->format.address_size = cursor_u8(cursor);
	ret->has_id = type == DW_UT_SKELETON || type == DW_UT_SPLIT_COMPILE;
	if (ret->has_id)
		ret->id = cursor_u64(cursor);
	ret->root = start + cursor_offset(cursor);
	return cursor_ok(cursor) && ret->root <= ret->limit && ret->format.version >= 2 && ret->format.version <= 5 &&
	       (ret->format.address_size == 4 || ret->format.address_size == 8) &&
	       (type == DW_UT_COMPILE || type == DW_UT_PARTIAL || type == DW_UT_SKELETON ||
		type == DW_UT_SPLIT_COMPILE);
}

static struct dwarf_value *root_value(struct root *root, uint16_t name)
{
	switch (name) {
	case DW_AT_LOW_PC:
		return &root->low;
	case DW_AT_HIGH_PC:
		return &root->high;
	case DW_AT_RANGES:
		return &root->ranges;
	case DW_AT_STMT_LIST:
		return &root->lines;
	case DW_AT_COMP_DIR:
		return &root->dir;
	case DW_AT_ADDR_BASE:
	case DW_AT_GNU_ADDR_BASE:
		return &root->addr_base;
	case DW_AT_STR_OFFSETS_BASE:
		return &root->str_offsets_base;
	case DW_AT_RNGLISTS_BASE:
		return &root->rnglists_base;
	case DW_AT_DWO_NAME:
	case DW_AT_GNU_DWO_NAME:
		return &root->split_name;
	case DW_AT_GNU_DWO_ID:
		return &root->split_id;
	case DW_AT_GNU_RANGES_BASE:
		return &root->ranges_base;
	default:
		return NULL;
	}
}

static int read_root(const struct dwarf_head *head, struct cursor *cursor, struct root *ret)
{
	uint64_t code = cursor_uleb128(cursor);
	const struct dwarf_abbrev *abbrev;
	struct dwarf_abbrevs *abbrevs;
	int err;

	if (!cursor_ok(cursor) || !code)
		return -EBADMSG;
	err = dwarf_abbrevs_read(head, code, &abbrevs);
	if (err)
		return err;
	*ret = (struct root){0};
	abbrev = dwarf_abbrev_find(abbrevs, code);
	for (size_t i = 0; abbrev && i < abbrev->n; i++) {
		const struct dwarf_attribute *attribute = &abbrevs->attributes.items[abbrev->first + i];
		struct dwarf_value *to = root_value(ret, attribute->name), value;

		dwarf_value_read(cursor, &head->format, attribute->form, attribute->implicit, &value);
		if (value.form == DW_FORM_STRING)
			value.u += head->start;
		if (to)
			*to = value;
	}
	err = abbrev && cursor_ok(cursor) ? 0 : -EBADMSG;
	dwarf_abbrevs_free(abbrevs);
	return err;
}

static void take_root(const struct root *root, struct dwarf_head *head)
{
	head->has_lines = root->lines.form != 0;
	head->has_ranges = root->ranges.form || root->high.form;
	head->lines = root->lines.u;
	head->dir = root->dir;
	head->addr_base = root->addr_base.u;
	head->str_offsets_base = root->str_offsets_base.u;
	head->rnglists_base = root->rnglists_base.u;
	head->ranges_base = root->ranges_base.u;
	head->split_name = root->split_name;
	/* Before version 5 the id is an attribute, and no other one than of a header counts since. */
	if (!head->has_id && root->split_id.form) {
		head->has_id = true;
		head->id = root->split_id.u;
	}
}

static int add_ranges(struct dwarf_head *head, const struct root *root, struct dwarf_interval_vec *intervals)
{
	const uint32_t owner = DWARF_NOBODY - 1 - (uint32_t)head->source->heads.len;
	const size_t before = intervals->len;
	int err = 0;

	if (root->low.form)
		err = dwarf_value_address(head, &root->low, &head->base);
	if (!err)
		err = dwarf_ranges_add(head, &root->low, &root->high, &root->ranges, owner, intervals);
	if (err)
		intervals->len = before;
	return dwarf_is_fatal(err) ? err : 0;
}

/* Adds the unit at the offset; its ranges where `intervals` are wanted. -ENOENT: nothing can be read behind it. */
static int add_unit(struct dwarf_source *source, uint64_t offset, struct dwarf_interval_vec *intervals,
		    uint64_t *ret_next)
{
	const uint64_t size = source->sections[DWARF_INFO].size;
	struct dwarf_head head = {0};
	struct dwarf_bytes bytes;
	struct root root = {0};
	int kind = 0, err;

	dwarf_bytes_init(&bytes, source, DWARF_INFO, offset, size, MAX_ROOT_BYTES);
	while (dwarf_bytes_grow(&bytes, &err)) {
		kind = read_header(&bytes.cursor, offset, size, &head);
		if (kind <= 0)
			break;
		head.source = source;
		err = read_root(&head, &bytes.cursor, &root);
		if (cursor_ok(&bytes.cursor) || dwarf_is_fatal(err) || bytes.offset + bytes.n >= head.limit)
			break;
	}
	dwarf_bytes_release(&bytes);
	if (dwarf_is_fatal(err))
		return err;
	/* Without its end the next one has no start. */
	if (kind < 0 || head.limit <= offset)
		return -ENOENT;
	*ret_next = head.limit;
	if (!kind)
		return 0;
	if (!err)
		take_root(&root, &head);
	if (!err && intervals)
		err = add_ranges(&head, &root, intervals);
	if (dwarf_is_fatal(err))
		return err;
	/* Others may refer to a broken one's DIEs. */
	if (vec_reserve(&source->heads, source->heads.len + 1))
		return source->heads.len == DWARF_MAX_UNITS ? -ENOENT : -ENOMEM;
	*vec_push_reserved(&source->heads) = head;
	return 0;
}

static int read_heads(struct dwarf_source *source, struct dwarf_interval_vec *intervals)
{
	struct dwarf *dwarf = source->dwarf;
	const uint64_t bytes_left = dwarf->bytes_left;
	uint64_t offset = 0;
	int err = 0;

	vec_init(&source->heads, DWARF_MAX_UNITS);
	dwarf->bytes_left = DWARF_MAX_INDEX_BYTES;
	while (!err && offset < source->sections[DWARF_INFO].size)
		err = add_unit(source, offset, intervals, &offset);
	dwarf->bytes_left = bytes_left;
	return err == -ENOENT ? 0 : err;
}

int dwarf_heads_make(struct dwarf_source *source)
{
	int err;

	if (source->has_heads)
		return 0;
	err = read_heads(source, NULL);
	source->has_heads = !err;
	if (err)
		vec_release(&source->heads);
	return err;
}

int dwarf_index_make(struct dwarf *dwarf)
{
	struct dwarf_interval_vec intervals = VEC_INIT(DWARF_MAX_INTERVALS);
	struct dwarf_source *source = dwarf->main;
	bool lacks_ranges = false;
	int err;

	vec_init(&dwarf->index, 2 * DWARF_MAX_INTERVALS + 2);
	dwarf->entries_left = DWARF_MAX_LIST_ENTRIES;
	err = read_heads(source, &intervals);
	vec_for_each (&source->heads, head)
		lacks_ranges |= !head->has_ranges;
	if (!err && lacks_ranges)
		err = dwarf_aranges_add(dwarf, &intervals);
	if (!dwarf_is_fatal(err))
		err = dwarf_pieces_make(&intervals, &dwarf->index);
	vec_release(&intervals);
	source->has_heads = !err;
	if (err) {
		vec_release(&source->heads);
		vec_release(&dwarf->index);
	}
	return err;
}

uint32_t dwarf_head_owner(const struct dwarf *dwarf, const struct dwarf_head *head)
{
	return DWARF_NOBODY - 1 - (uint32_t)(head - dwarf->main->heads.items);
}

const struct dwarf_head *dwarf_head_at(const struct dwarf_source *source, uint64_t offset)
{
	const struct dwarf_head_vec *heads = &source->heads;
	size_t n = partition_point(heads->len, i, heads->items[i].start <= offset);

	return n && offset < heads->items[n - 1].limit ? &heads->items[n - 1] : NULL;
}
