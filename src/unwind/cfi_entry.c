/* SPDX-License-Identifier: Apache-2.0 */
/* CIEs and FDEs (DWARF 5 section 6.4.1) with the differences of .eh_frame (LSB 5.0, "Exception Frames"): the id of an
 * entry is always 4 bytes, that of a CIE is 0, an FDE's is the distance back to its CIE, and addresses are encoded. */
#include <errno.h>
#include <string.h>

#include "unwind/cfi_internal.h"

#define LENGTH_IS_64_BIT 0xffffffffu
#define HEAD_BYTES 20u /* length and id in their longest form */

/* Pointer encodings: the low four bits say how it is stored, the next three what it is relative to. */
#define POINTER_FORM 0x0fu
#define POINTER_BASE 0x70u
#define POINTER_INDIRECT 0x80u /* the address of the pointer */
#define POINTER_OMITTED 0xffu

enum pointer_form {
	FORM_ADDRESS = 0x0,
	FORM_ULEB128 = 0x1,
	FORM_UDATA2 = 0x2,
	FORM_UDATA4 = 0x3,
	FORM_UDATA8 = 0x4,
	FORM_SIGNED_ADDRESS = 0x8,
	FORM_SLEB128 = 0x9,
	FORM_SDATA2 = 0xa,
	FORM_SDATA4 = 0xb,
	FORM_SDATA8 = 0xc,
};

enum pointer_base {
	BASE_NONE = 0x00,
	BASE_PC = 0x10,
	BASE_TEXT = 0x20,
	BASE_DATA = 0x30,
	BASE_FUNCTION = 0x40,
	BASE_ALIGNED = 0x50, /* an address, at the next place that is aligned for one */
};

#define ADDRESS_BYTES 8u
#define OLDEST_VERSION 1
#define VERSION_OF_ULEB_RA 3
#define VERSION_WITH_ADDRESS_SIZE 4

static uint64_t read_form(struct cursor *cursor, uint8_t encoding)
{
	switch (encoding & POINTER_FORM) {
	case FORM_ADDRESS:
	case FORM_SIGNED_ADDRESS:
	case FORM_UDATA8:
	case FORM_SDATA8:
		return cursor_u64(cursor);
	case FORM_ULEB128:
		return cursor_uleb128(cursor);
	case FORM_SLEB128:
		return (uint64_t)cursor_sleb128(cursor);
	case FORM_UDATA2:
		return cursor_u16(cursor);
	case FORM_SDATA2:
		return (uint64_t)(int16_t)cursor_u16(cursor);
	case FORM_UDATA4:
		return cursor_u32(cursor);
	case FORM_SDATA4:
		return (uint64_t)(int32_t)cursor_u32(cursor);
	default:
		cursor->failed = true;
		return 0;
	}
}

static void skip_to_aligned(struct cursor *cursor, uint64_t start_va)
{
	cursor_skip(cursor, -(start_va + cursor_offset(cursor)) % ADDRESS_BYTES);
}

uint64_t cfi_pointer_read(struct cursor *cursor, uint8_t encoding, uint64_t start_va, uint64_t data_va)
{
	uint64_t position_va = start_va + cursor_offset(cursor);

	if (!(encoding & POINTER_INDIRECT)) {
		switch (encoding & POINTER_BASE) {
		case BASE_NONE:
			return read_form(cursor, encoding);
		case BASE_PC:
			return position_va + read_form(cursor, encoding);
		case BASE_DATA:
			if (!data_va)
				break;
			return data_va + read_form(cursor, encoding);
		case BASE_ALIGNED:
			skip_to_aligned(cursor, start_va);
			return cursor_u64(cursor);
		}
	}
	cursor->failed = true;
	return 0;
}

/* A pointer whose value is of no interest. */
static void skip_pointer(struct cursor *cursor, uint8_t encoding, uint64_t start_va)
{
	if (encoding == POINTER_OMITTED)
		return;
	if ((encoding & POINTER_BASE) == BASE_ALIGNED) {
		skip_to_aligned(cursor, start_va);
		encoding = FORM_ADDRESS;
	}
	read_form(cursor, encoding);
}

static void read_id(const struct cfi_section *section, bool is_64_bit, struct cfi_entry *entry)
{
	uint64_t id_at = entry->start + cursor_offset(&entry->cursor), id;
	bool is_cie;

	if (section->is_eh_frame) {
		id = cursor_u32(&entry->cursor);
		is_cie = !id;
		entry->cie = id_at - id;
	} else {
		id = is_64_bit ? cursor_u64(&entry->cursor) : cursor_u32(&entry->cursor);
		is_cie = id == (is_64_bit ? UINT64_MAX : UINT32_MAX);
		entry->cie = id;
	}
	if (!cursor_ok(&entry->cursor) || (!is_cie && entry->cie >= section->size))
		entry->kind = CFI_ENTRY_BROKEN;
	else
		entry->kind = is_cie ? CFI_ENTRY_CIE : CFI_ENTRY_FDE;
}

int cfi_entry_read(struct cfi_section *section, uint64_t at, uint64_t enough, struct cfi_entry *ret)
{
	uint64_t left = at < section->size ? section->size - at : 0, length, n;
	struct cursor cursor;
	bool is_64_bit;
	int err = cfi_section_read(section, at, left < HEAD_BYTES ? left : HEAD_BYTES, &cursor);

	if (err)
		return err;
	length = cursor_u32(&cursor);
	is_64_bit = length == LENGTH_IS_64_BIT;
	if (is_64_bit)
		length = cursor_u64(&cursor);
	n = cursor_offset(&cursor);
	if (!cursor_ok(&cursor) || length > left - n)
		return -EBADMSG;
	*ret = (struct cfi_entry){.kind = CFI_ENTRY_END, .start = at, .limit = at + n + length};
	if (!length)
		return 0;
	if (n + length < enough)
		enough = n + length;
	if (enough > n + cursor_left(&cursor)) {
		err = cfi_section_read(section, at, enough, &cursor);
		if (err)
			return err;
	}
	cursor_init(&ret->cursor, cursor.start, enough);
	cursor_seek(&ret->cursor, n);
	read_id(section, is_64_bit, ret);
	return 0;
}

/* Each letter of the augmentation says what its data hold next; data_va is the address of the cursor's first byte.
 * Behind 'z', which says how long the data are, one may stop at the first unknown letter; without it, everything that
 * follows is lost. */
static int read_augmentation(const char *letters, struct cursor *data, uint64_t data_va, struct cfi_cie *cie)
{
	for (; *letters; letters++) {
		switch (*letters) {
		case 'R':
			cie->pointer_encoding = cursor_u8(data);
			break;
		case 'L': /* encoding of the language's own data */
			cursor_u8(data);
			break;
		case 'P': { /* personality routine */
			uint8_t encoding = cursor_u8(data);

			skip_pointer(data, encoding, data_va);
			break;
		}
		case 'S':
			cie->is_signal_frame = true;
			break;
		case 'B': /* arm64: return addresses are signed with key B */
		case 'G': /* arm64: the stack is tagged */
			break;
		default:
			return cie->has_augmentation ? 0 : -EBADMSG;
		}
	}
	return cursor_ok(data) ? 0 : -EBADMSG;
}

static int read_cie(const struct cfi_section *section, struct cfi_entry *entry, struct cfi_cie *cie)
{
	uint64_t entry_va = section->va + entry->start, data_va, n;
	struct cursor *cursor = &entry->cursor, data;
	uint8_t version = cursor_u8(cursor);
	const char *augmentation = cursor_cstr(cursor, NULL);

	if (!augmentation ||
	    (version != OLDEST_VERSION && version != VERSION_OF_ULEB_RA && version != VERSION_WITH_ADDRESS_SIZE))
		return -EBADMSG;
	if (strncmp(augmentation, "eh", 2) == 0) { /* of gcc 2: an address follows */
		augmentation += 2;
		cursor_skip(cursor, ADDRESS_BYTES);
	}
	if (version == VERSION_WITH_ADDRESS_SIZE) {
		uint8_t address_size = cursor_u8(cursor), selector_size = cursor_u8(cursor);

		if (address_size != ADDRESS_BYTES || selector_size)
			return -EBADMSG;
	}
	cie->code_align = cursor_uleb128(cursor);
	cie->data_align = cursor_sleb128(cursor);
	cie->ra = version < VERSION_OF_ULEB_RA ? cursor_u8(cursor) : cursor_uleb128(cursor);
	if (*augmentation != 'z')
		return read_augmentation(augmentation, cursor, entry_va, cie);
	cie->has_augmentation = true;
	n = cursor_uleb128(cursor);
	data_va = entry_va + cursor_offset(cursor);
	data = cursor_sub(cursor, n);
	return read_augmentation(augmentation + 1, &data, data_va, cie);
}

void cfi_cie_read(const struct cfi_section *section, struct cfi_entry *entry, struct cfi_cie *ret)
{
	*ret = (struct cfi_cie){.start = entry->start, .pointer_encoding = CFI_POINTER_ABSOLUTE};
	if (entry->kind == CFI_ENTRY_CIE && entry->limit - entry->start <= CFI_MAX_CIE_BYTES)
		ret->err = read_cie(section, entry, ret);
	else
		ret->err = -EBADMSG;
	if (!cursor_ok(&entry->cursor))
		ret->err = -EBADMSG;
}

int cfi_fde_read(const struct cfi_section *section, struct cfi_entry *entry, const struct cfi_cie *cie,
		 uint64_t *ret_start, uint64_t *ret_limit)
{
	struct cursor *cursor = &entry->cursor;
	uint64_t start = cfi_pointer_read(cursor, cie->pointer_encoding, section->va + entry->start, 0);
	uint64_t size = read_form(cursor, cie->pointer_encoding), limit;

	if (!cursor_ok(cursor) || !checked_add(start, size, &limit))
		return -EBADMSG;
	*ret_start = start;
	*ret_limit = limit;
	return 0;
}
