/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dwarf/dwarf_constants.h"
#include "dwarf/dwarf_internal.h"

#define MAX_ABBREVS (DWARF_MAX_ABBREV_BYTES / 5)    /* code, tag, children, two zeros */
#define MAX_ATTRIBUTES (DWARF_MAX_ABBREV_BYTES / 2) /* name, form */

static int read_attributes(struct cursor *cursor, struct dwarf_abbrevs *abbrevs, struct dwarf_abbrev *abbrev)
{
	bool has_sibling = false, is_declaration = false;
	size_t n = 0, fixed = 0;

	for (;;) {
		uint64_t name = cursor_uleb128(cursor), form = cursor_uleb128(cursor);
		struct dwarf_attribute *attribute;
		int64_t implicit = form == DW_FORM_IMPLICIT_CONST ? cursor_sleb128(cursor) : 0;
		int bytes;

		if (!cursor_ok(cursor))
			return -EBADMSG;
		if (!name && !form)
			break;
		if (name > UINT16_MAX || form > UINT16_MAX || n == UINT16_MAX)
			return -EBADMSG;
		if (vec_reserve(&abbrevs->attributes, abbrevs->attributes.len + 1))
			return abbrevs->attributes.len == MAX_ATTRIBUTES ? -EBADMSG : -ENOMEM;
		attribute = vec_push_reserved(&abbrevs->attributes);
		bytes = dwarf_form_bytes((uint16_t)form, &abbrevs->format);
		*attribute =
			(struct dwarf_attribute){.name = (uint16_t)name,
						 .form = (uint16_t)form,
						 .bytes = bytes < 0 ? DWARF_FORM_VARIES : (uint8_t)bytes,
						 .implicit = implicit == (int32_t)implicit ? (int32_t)implicit : 0};
		n++;
		has_sibling |= name == DW_AT_SIBLING;
		is_declaration |= name == DW_AT_DECLARATION && form == DW_FORM_FLAG_PRESENT;
		fixed = bytes < 0 || fixed >= DWARF_VARIES - 16u ? DWARF_VARIES : fixed + (size_t)bytes;
	}
	abbrev->has_sibling = has_sibling;
	abbrev->is_declaration = abbrev->tag == DW_TAG_SUBPROGRAM && is_declaration && has_sibling;
	abbrev->n = (uint16_t)n;
	abbrev->fixed_bytes = (uint16_t)fixed;
	return 0;
}

static int compare_codes(const void *a, const void *b)
{
	const struct dwarf_abbrev *one = a, *other = b;

	return (one->code > other->code) - (one->code < other->code);
}

/* -EBADMSG also when the cursor is too short. */
static int parse(struct cursor *cursor, uint64_t last, struct dwarf_abbrevs *abbrevs)
{
	vec_clear(&abbrevs->abbrevs);
	vec_clear(&abbrevs->attributes);
	abbrevs->is_dense = true;
	for (;;) {
		uint64_t code = cursor_uleb128(cursor), tag;
		struct dwarf_abbrev abbrev;
		int err;

		if (!cursor_ok(cursor))
			return -EBADMSG;
		if (!code)
			break;
		tag = cursor_uleb128(cursor);
		if (code > UINT32_MAX || tag > UINT16_MAX)
			return -EBADMSG;
		abbrev = (struct dwarf_abbrev){
			.code = (uint32_t)code,
			.tag = (uint16_t)tag,
			.has_children = cursor_u8(cursor) != 0,
			.first = (uint32_t)abbrevs->attributes.len,
		};
		err = read_attributes(cursor, abbrevs, &abbrev);
		if (err)
			return err;
		if (vec_reserve(&abbrevs->abbrevs, abbrevs->abbrevs.len + 1))
			return abbrevs->abbrevs.len == MAX_ABBREVS ? -EBADMSG : -ENOMEM;
		*vec_push_reserved(&abbrevs->abbrevs) = abbrev;
		abbrevs->is_dense &= code == abbrevs->abbrevs.len;
		if (code == last)
			break;
	}
	if (!abbrevs->is_dense && abbrevs->abbrevs.len)
		qsort(abbrevs->abbrevs.items, abbrevs->abbrevs.len, sizeof(struct dwarf_abbrev), compare_codes);
	return 0;
}

int dwarf_abbrevs_read(const struct dwarf_head *head, uint64_t last, struct dwarf_abbrevs **ret)
{
	struct dwarf_source *source = head->source;
	struct dwarf_abbrevs *abbrevs = calloc(1, sizeof(*abbrevs));
	struct dwarf_bytes bytes;
	int err;

	if (!abbrevs)
		return -ENOMEM;
	abbrevs->source = source;
	abbrevs->offset = head->abbrevs;
	abbrevs->format = head->format;
	vec_init(&abbrevs->abbrevs, MAX_ABBREVS);
	vec_init(&abbrevs->attributes, MAX_ATTRIBUTES);
	dwarf_bytes_init(&bytes, source, DWARF_ABBREV, head->abbrevs, source->sections[DWARF_ABBREV].size,
			 DWARF_MAX_ABBREV_BYTES);
	while (dwarf_bytes_grow(&bytes, &err)) {
		err = parse(&bytes.cursor, last, abbrevs);
		if (err != -EBADMSG)
			break;
	}
	dwarf_bytes_release(&bytes);
	if (err) {
		dwarf_abbrevs_free(abbrevs);
		return err;
	}
	*ret = abbrevs;
	return 0;
}

void dwarf_abbrevs_free(struct dwarf_abbrevs *abbrevs)
{
	if (!abbrevs)
		return;
	vec_release(&abbrevs->abbrevs);
	vec_release(&abbrevs->attributes);
	free(abbrevs);
}

static bool is_for(const struct dwarf_abbrevs *abbrevs, const struct dwarf_head *head)
{
	return abbrevs->source == head->source && abbrevs->offset == head->abbrevs &&
	       abbrevs->format.version == head->format.version &&
	       abbrevs->format.address_size == head->format.address_size &&
	       abbrevs->format.offset_size == head->format.offset_size;
}

/* The slot for one more table of that size. */
static struct dwarf_abbrevs **make_room(struct dwarf *dwarf, size_t bytes)
{
	for (;;) {
		struct dwarf_abbrevs **oldest = NULL, **empty = NULL;

		for (size_t i = 0; i < DWARF_ABBREV_TABLES; i++) {
			struct dwarf_abbrevs **slot = &dwarf->abbrevs[i];

			if (!*slot)
				empty = slot;
			else if (!oldest || (*slot)->used < (*oldest)->used)
				oldest = slot;
		}
		if (!oldest || (empty && dwarf->abbrev_bytes + bytes <= DWARF_MAX_ABBREVS_HELD))
			return empty;
		dwarf->abbrev_bytes -= dwarf_abbrevs_memory_bytes(*oldest);
		dwarf_abbrevs_free(*oldest);
		*oldest = NULL;
	}
}

int dwarf_abbrevs_of(const struct dwarf_head *head, const struct dwarf_abbrevs **ret)
{
	struct dwarf *dwarf = head->source->dwarf;
	struct dwarf_abbrevs *made;
	size_t bytes;
	int err;

	for (size_t i = 0; i < DWARF_ABBREV_TABLES; i++) {
		struct dwarf_abbrevs *held = dwarf->abbrevs[i];

		if (held && is_for(held, head)) {
			held->used = ++dwarf->uses;
			*ret = held;
			return 0;
		}
	}
	err = dwarf_abbrevs_read(head, 0, &made);
	if (err)
		return err;
	bytes = dwarf_abbrevs_memory_bytes(made);
	*make_room(dwarf, bytes) = made;
	dwarf->abbrev_bytes += bytes;
	made->used = ++dwarf->uses;
	*ret = made;
	return 0;
}

const struct dwarf_abbrev *dwarf_abbrev_search(const struct dwarf_abbrevs *abbrevs, uint64_t code)
{
	struct dwarf_abbrev key = {.code = (uint32_t)code};

	if (!code || code > UINT32_MAX || !abbrevs->abbrevs.len)
		return NULL;
	return bsearch(&key, abbrevs->abbrevs.items, abbrevs->abbrevs.len, sizeof(key), compare_codes);
}

size_t dwarf_abbrevs_memory_bytes(const struct dwarf_abbrevs *abbrevs)
{
	return sizeof(*abbrevs) + abbrevs->abbrevs.cap * sizeof(struct dwarf_abbrev) +
	       abbrevs->attributes.cap * sizeof(struct dwarf_attribute);
}
