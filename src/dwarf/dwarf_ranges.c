/* SPDX-License-Identifier: Apache-2.0 */
/* Ranges of a DIE (2.17), lists of them in .debug_ranges (up to version 4) and .debug_rnglists (7.25). */
#include <errno.h>

#include "dwarf/dwarf_constants.h"
#include "dwarf/dwarf_internal.h"

#define WINDOW_BYTES 256u
#define ENTRY_BYTES 32u /* no entry is longer */

struct list {
	struct dwarf_source *source;
	const struct dwarf_head *head;
	enum dwarf_section_id id;
	uint64_t offset; /* of the window */
	struct cursor cursor;
	uint8_t window[WINDOW_BYTES];
	uint64_t base;
	uint32_t owner;
	struct dwarf_interval_vec *to;
};

static uint64_t greatest_address(const struct dwarf_head *head)
{
	return head->format.address_size == 4 ? UINT32_MAX : UINT64_MAX;
}

/* Linkers relocate what they drop to 0, or to one of the last two addresses. */
static bool is_dropped(const struct dwarf_head *head, uint64_t address)
{
	return !address || address >= greatest_address(head) - 1;
}

int dwarf_interval_add(const struct dwarf_head *head, uint64_t low, uint64_t limit, uint32_t owner,
		       struct dwarf_interval_vec *to)
{
	struct dwarf_interval *interval;

	if (low >= limit || is_dropped(head, low))
		return 0;
	if (to->len == to->max)
		return -E2BIG;
	interval = vec_push(to);
	if (!interval)
		return -ENOMEM;
	*interval = (struct dwarf_interval){.low = low, .limit = limit, .owner = owner};
	return 0;
}

/* Has the whole next entry in the window, if the section has it. */
static int fill(struct list *list)
{
	const uint64_t size = list->source->sections[list->id].size;
	struct dwarf *dwarf = list->source->dwarf;
	size_t n;
	int err;

	if (!cursor_ok(&list->cursor))
		return -EBADMSG;
	if (!dwarf->entries_left)
		return -E2BIG;
	dwarf->entries_left--;
	if (cursor_left(&list->cursor) >= ENTRY_BYTES)
		return 0;
	list->offset += cursor_offset(&list->cursor);
	if (list->offset >= size)
		return -EBADMSG;
	n = size - list->offset < WINDOW_BYTES ? (size_t)(size - list->offset) : WINDOW_BYTES;
	err = dwarf_section_read(list->source, list->id, list->offset, list->window, n);
	cursor_init(&list->cursor, list->window, err ? 0 : n);
	return err;
}

static uint64_t read_address(struct list *list)
{
	return list->head->format.address_size == 4 ? cursor_u32(&list->cursor) : cursor_u64(&list->cursor);
}

static uint64_t read_indexed(struct list *list, int *err)
{
	struct dwarf_value value = {.form = DW_FORM_ADDRX, .u = cursor_uleb128(&list->cursor)};
	uint64_t address = 0;

	if (!*err)
		*err = dwarf_value_address(list->head, &value, &address);
	return address;
}

static int read_pairs(struct list *list)
{
	for (;;) {
		uint64_t low, limit;
		int err = fill(list);

		if (err)
			return err;
		low = read_address(list);
		limit = read_address(list);
		if (!cursor_ok(&list->cursor))
			return -EBADMSG;
		if (!low && !limit)
			return 0;
		if (low == greatest_address(list->head))
			list->base = limit;
		else if (!is_dropped(list->head, list->base) || !list->base)
			err = dwarf_interval_add(list->head, list->base + low, list->base + limit, list->owner,
						 list->to);
		if (err)
			return err;
	}
}

static int read_entries(struct list *list)
{
	struct cursor *cursor = &list->cursor;

	for (;;) {
		uint64_t low = 0, limit = 0;
		int err = fill(list);

		if (err)
			return err;
		switch (cursor_u8(cursor)) {
		case DW_RLE_END_OF_LIST:
			return cursor_ok(cursor) ? 0 : -EBADMSG;
		case DW_RLE_BASE_ADDRESSX:
			list->base = read_indexed(list, &err);
			break;
		case DW_RLE_STARTX_ENDX:
			low = read_indexed(list, &err);
			limit = read_indexed(list, &err);
			break;
		case DW_RLE_STARTX_LENGTH:
			low = read_indexed(list, &err);
			limit = low + cursor_uleb128(cursor);
			break;
		case DW_RLE_OFFSET_PAIR:
			low = list->base + cursor_uleb128(cursor);
			limit = list->base + cursor_uleb128(cursor);
			if (list->base && is_dropped(list->head, list->base))
				low = limit = 0;
			break;
		case DW_RLE_BASE_ADDRESS:
			list->base = read_address(list);
			break;
		case DW_RLE_START_END:
			low = read_address(list);
			limit = read_address(list);
			break;
		case DW_RLE_START_LENGTH:
			low = read_address(list);
			limit = low + cursor_uleb128(cursor);
			break;
		default:
			return -EBADMSG;
		}
		if (!err && !cursor_ok(cursor))
			err = -EBADMSG;
		if (!err)
			err = dwarf_interval_add(list->head, low, limit, list->owner, list->to);
		if (err)
			return err;
	}
}

/* Where the list is that DW_FORM_rnglistx means. */
static int list_offset(const struct dwarf_head *head, uint64_t index, uint64_t *ret)
{
	const unsigned int size = head->format.offset_size;
	const uint64_t base = head->rnglists_base ? head->rnglists_base : size == 8 ? 20u : 12u;
	uint64_t at, distance;
	int err;

	if (!checked_mul(index, size, &at) || !checked_add(at, base, &at))
		return -EBADMSG;
	err = dwarf_section_number(head->source, DWARF_RNGLISTS, at, size, &distance);
	if (err)
		return err;
	return checked_add(base, distance, ret) ? 0 : -EBADMSG;
}

static int read_list(const struct dwarf_head *head, const struct dwarf_value *value, uint32_t owner,
		     struct dwarf_interval_vec *to)
{
	struct list list = {.source = head->source, .head = head, .base = head->base, .owner = owner, .to = to};
	int err = 0;

	list.id = head->format.version >= 5 ? DWARF_RNGLISTS : DWARF_RANGES;
	list.offset = value->u;
	if (head->skeleton) {
		list.base = head->skeleton->base;
		/* Before version 5 the lists are in the other half, behind a base that holds for this half alone. */
		if (list.id == DWARF_RANGES) {
			list.source = head->skeleton->source;
			if (!checked_add(list.offset, head->skeleton->ranges_base, &list.offset))
				return -EBADMSG;
		}
	}
	if (value->form == DW_FORM_RNGLISTX)
		err = list_offset(head, value->u, &list.offset);
	else if (value->form != DW_FORM_SEC_OFFSET && value->form != DW_FORM_DATA4 && value->form != DW_FORM_DATA8)
		err = -EBADMSG;
	if (err)
		return err;
	cursor_init(&list.cursor, list.window, 0);
	return list.id == DWARF_RNGLISTS ? read_entries(&list) : read_pairs(&list);
}

int dwarf_ranges_add(const struct dwarf_head *head, const struct dwarf_value *low, const struct dwarf_value *high,
		     const struct dwarf_value *ranges, uint32_t owner, struct dwarf_interval_vec *to)
{
	uint64_t start, limit;
	int err;

	if (ranges->form)
		return read_list(head, ranges, owner, to);
	if (!low->form || !high->form)
		return 0;
	err = dwarf_value_address(head, low, &start);
	if (err)
		return err;
	if (dwarf_value_is_address(high))
		err = dwarf_value_address(head, high, &limit);
	else if (!checked_add(start, high->u, &limit))
		err = -EBADMSG;
	return err ? err : dwarf_interval_add(head, start, limit, owner, to);
}
