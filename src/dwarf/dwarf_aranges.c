/* SPDX-License-Identifier: Apache-2.0 */
/* .debug_aranges (6.1.2), for units whose root DIE does not say where their code is: old compilers left that out. */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "dwarf/dwarf_internal.h"

#define MAX_SET_BYTES (64u << 20)
#define LENGTH_IS_64 0xffffffffu

static int add_set(struct dwarf *dwarf, struct cursor *cursor, uint8_t offset_size, struct dwarf_interval_vec *to)
{
	const size_t head_bytes = offset_size == 8 ? 12 : 4;
	const struct dwarf_head *head;
	uint16_t version = cursor_u16(cursor);
	uint64_t unit = offset_size == 8 ? cursor_u64(cursor) : cursor_u32(cursor);
	uint8_t address_size = cursor_u8(cursor), selector_size = cursor_u8(cursor);
	size_t pair_bytes, behind;

	head = dwarf_head_at(dwarf->main, unit);
	if (version != 2 || selector_size || (address_size != 4 && address_size != 8) || !head || head->has_ranges)
		return 0;
	/* Pairs are aligned, from the start of the set. */
	pair_bytes = (size_t)2 * address_size;
	behind = (cursor_offset(cursor) + head_bytes) % pair_bytes;
	cursor_skip(cursor, behind ? pair_bytes - behind : 0);
	while (!cursor_at_end(cursor) && dwarf->entries_left) {
		uint64_t low = address_size == 8 ? cursor_u64(cursor) : cursor_u32(cursor), limit;
		uint64_t bytes = address_size == 8 ? cursor_u64(cursor) : cursor_u32(cursor);
		int err;

		dwarf->entries_left--;
		if (!cursor_ok(cursor) || (!low && !bytes))
			break;
		if (!checked_add(low, bytes, &limit))
			continue;
		err = dwarf_interval_add(head, low, limit, dwarf_head_owner(dwarf, head), to);
		if (err)
			return err;
	}
	return 0;
}

int dwarf_aranges_add(struct dwarf *dwarf, struct dwarf_interval_vec *to)
{
	const uint64_t size = dwarf->main->sections[DWARF_ARANGES].size;
	uint64_t offset = 0;

	while (offset < size) {
		auto_free uint8_t *bytes = NULL;
		uint8_t offset_size = 4;
		struct cursor cursor;
		uint64_t length;
		int err = dwarf_section_number(dwarf->main, DWARF_ARANGES, offset, 4, &length);

		offset += 4;
		if (!err && length == LENGTH_IS_64) {
			offset_size = 8;
			err = dwarf_section_number(dwarf->main, DWARF_ARANGES, offset, 8, &length);
			offset += 8;
		}
		if (!err && (offset > size || length > size - offset || length > MAX_SET_BYTES))
			err = -EBADMSG;
		if (err)
			return err;
		bytes = malloc(length ? length : 1);
		if (!bytes)
			return -ENOMEM;
		err = dwarf_section_read(dwarf->main, DWARF_ARANGES, offset, bytes, length);
		if (err)
			return err;
		cursor_init(&cursor, bytes, length);
		err = add_set(dwarf, &cursor, offset_size, to);
		if (err)
			return err;
		offset += length;
	}
	return 0;
}
