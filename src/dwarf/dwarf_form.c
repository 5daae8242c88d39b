/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "dwarf/dwarf_constants.h"
#include "dwarf/dwarf_internal.h"

#define LISTS_HEAD_BYTES(offset_size) ((offset_size) == 8 ? 16u : 8u) /* of .debug_addr and .debug_str_offsets */

static uint64_t number(struct cursor *cursor, unsigned int size)
{
	uint64_t value = 0;

	switch (size) {
	case 1:
		return cursor_u8(cursor);
	case 2:
		return cursor_u16(cursor);
	case 4:
		return cursor_u32(cursor);
	case 8:
		return cursor_u64(cursor);
	default:
		for (unsigned int i = 0; i < size; i++)
			value |= (uint64_t)cursor_u8(cursor) << 8 * i;
		return value;
	}
}

int dwarf_form_bytes(uint16_t form, const struct dwarf_format *format)
{
	switch (form) {
	case DW_FORM_FLAG_PRESENT:
	case DW_FORM_IMPLICIT_CONST:
		return 0;
	case DW_FORM_DATA1:
	case DW_FORM_FLAG:
	case DW_FORM_REF1:
	case DW_FORM_STRX1:
	case DW_FORM_ADDRX1:
		return 1;
	case DW_FORM_DATA2:
	case DW_FORM_REF2:
	case DW_FORM_STRX2:
	case DW_FORM_ADDRX2:
		return 2;
	case DW_FORM_STRX3:
	case DW_FORM_ADDRX3:
		return 3;
	case DW_FORM_DATA4:
	case DW_FORM_REF4:
	case DW_FORM_REF_SUP4:
	case DW_FORM_STRX4:
	case DW_FORM_ADDRX4:
		return 4;
	case DW_FORM_DATA8:
	case DW_FORM_REF8:
	case DW_FORM_REF_SIG8:
	case DW_FORM_REF_SUP8:
		return 8;
	case DW_FORM_DATA16:
		return 16;
	case DW_FORM_ADDR:
		return format->address_size;
	case DW_FORM_REF_ADDR: /* 2: section 7.5.4 there */
		return format->version < 3 ? format->address_size : format->offset_size;
	case DW_FORM_STRP:
	case DW_FORM_LINE_STRP:
	case DW_FORM_STRP_SUP:
	case DW_FORM_SEC_OFFSET:
	case DW_FORM_GNU_REF_ALT:
	case DW_FORM_GNU_STRP_ALT:
		return format->offset_size;
	default:
		return -1;
	}
}

void dwarf_value_read(struct cursor *cursor, const struct dwarf_format *format, uint16_t form, int64_t implicit,
		      struct dwarf_value *ret)
{
	int bytes;

	if (form == DW_FORM_INDIRECT) {
		uint64_t actual = cursor_uleb128(cursor);

		/* The standard does not say what an indirect implicit or indirect form would be. */
		if (actual > UINT16_MAX || actual == DW_FORM_INDIRECT || actual == DW_FORM_IMPLICIT_CONST)
			cursor->failed = true;
		form = (uint16_t)actual;
	}
	*ret = (struct dwarf_value){.form = form};
	bytes = dwarf_form_bytes(form, format);
	if (form == DW_FORM_IMPLICIT_CONST) {
		ret->u = (uint64_t)implicit;
	} else if (form == DW_FORM_FLAG_PRESENT) {
		ret->u = 1;
	} else if (bytes > 8) {
		cursor_skip(cursor, (size_t)bytes);
	} else if (bytes >= 0) {
		ret->u = number(cursor, (unsigned int)bytes);
	} else {
		switch (form) {
		case DW_FORM_STRING:
			ret->u = cursor_offset(cursor);
			cursor_cstr(cursor, NULL);
			break;
		case DW_FORM_SDATA:
			ret->u = (uint64_t)cursor_sleb128(cursor);
			break;
		case DW_FORM_UDATA:
		case DW_FORM_REF_UDATA:
		case DW_FORM_STRX:
		case DW_FORM_ADDRX:
		case DW_FORM_LOCLISTX:
		case DW_FORM_RNGLISTX:
		case DW_FORM_GNU_ADDR_INDEX:
		case DW_FORM_GNU_STR_INDEX:
			ret->u = cursor_uleb128(cursor);
			break;
		case DW_FORM_BLOCK1:
			cursor_skip(cursor, cursor_u8(cursor));
			break;
		case DW_FORM_BLOCK2:
			cursor_skip(cursor, cursor_u16(cursor));
			break;
		case DW_FORM_BLOCK4:
			cursor_skip(cursor, cursor_u32(cursor));
			break;
		case DW_FORM_BLOCK:
		case DW_FORM_EXPRLOC:
			cursor_skip(cursor, cursor_uleb128(cursor));
			break;
		default:
			cursor->failed = true;
		}
	}
}

void dwarf_attributes_skip(struct cursor *cursor, const struct dwarf_format *format,
			   const struct dwarf_attribute *attributes, size_t n)
{
	struct dwarf_value value;
	size_t bytes = 0;

	for (size_t i = 0; i < n; i++) {
		if (attributes[i].bytes != DWARF_FORM_VARIES) {
			bytes += attributes[i].bytes;
			continue;
		}
		cursor_skip(cursor, bytes);
		bytes = 0;
		dwarf_value_read(cursor, format, attributes[i].form, 0, &value);
	}
	cursor_skip(cursor, bytes);
}

/* Entry `index` of a table of numbers behind the base; without one the table is the section's first. */
static int read_entry(const struct dwarf_head *head, enum dwarf_section_id id, uint64_t base, uint64_t index,
		      unsigned int size, uint64_t *ret)
{
	uint64_t offset;

	/* GNU's sections before version 5 have no heads. */
	if (!base && head->format.version >= 5)
		base = LISTS_HEAD_BYTES(head->format.offset_size);
	if (!checked_mul(index, size, &offset) || !checked_add(offset, base, &offset))
		return -EBADMSG;
	return dwarf_section_number(head->source, id, offset, size, ret);
}

bool dwarf_value_is_address(const struct dwarf_value *value)
{
	switch (value->form) {
	case DW_FORM_ADDR:
	case DW_FORM_ADDRX:
	case DW_FORM_ADDRX1:
	case DW_FORM_ADDRX2:
	case DW_FORM_ADDRX3:
	case DW_FORM_ADDRX4:
	case DW_FORM_GNU_ADDR_INDEX:
		return true;
	default:
		return false;
	}
}

int dwarf_value_address(const struct dwarf_head *head, const struct dwarf_value *value, uint64_t *ret)
{
	/* A split unit has none itself. */
	const struct dwarf_head *with = head->skeleton ? head->skeleton : head;

	if (!dwarf_value_is_address(value))
		return -EBADMSG;
	if (value->form == DW_FORM_ADDR) {
		*ret = value->u;
		return 0;
	}
	return read_entry(with, DWARF_ADDR, with->addr_base, value->u, with->format.address_size, ret);
}

int dwarf_value_reference(const struct dwarf_head *head, const struct dwarf_value *value,
			  struct dwarf_source **ret_source, uint64_t *ret)
{
	struct dwarf_source *source = head->source;
	uint64_t offset = value->u;

	switch (value->form) {
	case DW_FORM_REF1:
	case DW_FORM_REF2:
	case DW_FORM_REF4:
	case DW_FORM_REF8:
	case DW_FORM_REF_UDATA:
		if (value->u >= head->limit - head->start)
			return -EBADMSG;
		offset += head->start;
		break;
	case DW_FORM_REF_ADDR:
		break;
	case DW_FORM_GNU_REF_ALT:
	case DW_FORM_REF_SUP4:
	case DW_FORM_REF_SUP8:
		source = source->supplementary;
		break;
	default: /* of a type */
		source = NULL;
	}
	if (!source)
		return -EBADMSG;
	*ret_source = source;
	*ret = offset;
	return 0;
}

int dwarf_value_string(const struct dwarf_head *head, const struct dwarf_value *value, enum dwarf_section_id within,
		       struct dwarf_text *text)
{
	struct dwarf_source *source = head->source;
	uint64_t offset;
	int err;

	switch (value->form) {
	case DW_FORM_STRING:
		return dwarf_section_string(source, within, value->u, text);
	case DW_FORM_STRP:
		return dwarf_section_string(source, DWARF_STR, value->u, text);
	case DW_FORM_LINE_STRP:
		return dwarf_section_string(source, DWARF_LINE_STR, value->u, text);
	case DW_FORM_GNU_STRP_ALT:
	case DW_FORM_STRP_SUP:
		source = source->supplementary;
		return source ? dwarf_section_string(source, DWARF_STR, value->u, text) : -EBADMSG;
	case DW_FORM_STRX:
	case DW_FORM_STRX1:
	case DW_FORM_STRX2:
	case DW_FORM_STRX3:
	case DW_FORM_STRX4:
	case DW_FORM_GNU_STR_INDEX:
		err = read_entry(head, DWARF_STR_OFFSETS, head->str_offsets_base, value->u, head->format.offset_size,
				 &offset);
		return err ? err : dwarf_section_string(source, DWARF_STR, offset, text);
	default:
		return -EBADMSG;
	}
}
