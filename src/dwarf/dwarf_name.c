/* SPDX-License-Identifier: Apache-2.0 */
/* A function's name may be that of the DIE that it is an instance of (DW_AT_abstract_origin), or of its declaration
 * (DW_AT_specification), or of both one after the other; with link-time optimization in another unit. */
#include <errno.h>

#include "dwarf/dwarf_constants.h"
#include "dwarf/dwarf_internal.h"

#define MAX_STEPS 32u
#define MAX_DIE_BYTES (64u << 10)

struct die {
	struct dwarf_value name, linkage, origin;
};

static int parse(struct cursor *cursor, const struct dwarf_head *head, const struct dwarf_abbrevs *abbrevs,
		 uint64_t offset, struct die *ret)
{
	const struct dwarf_abbrev *abbrev = dwarf_abbrev_find(abbrevs, cursor_uleb128(cursor));

	*ret = (struct die){0};
	if (!abbrev)
		return -EBADMSG;
	for (size_t i = 0; i < abbrev->n; i++) {
		const struct dwarf_attribute *attribute = &abbrevs->attributes.items[abbrev->first + i];
		struct dwarf_value value;

		dwarf_value_read(cursor, &head->format, attribute->form, attribute->implicit, &value);
		if (value.form == DW_FORM_STRING)
			value.u += offset;
		switch (attribute->name) {
		case DW_AT_NAME:
			ret->name = value;
			break;
		case DW_AT_LINKAGE_NAME:
		case DW_AT_MIPS_LINKAGE_NAME:
			ret->linkage = value;
			break;
		case DW_AT_SPECIFICATION:
			if (!ret->origin.form)
				ret->origin = value;
			break;
		case DW_AT_ABSTRACT_ORIGIN:
			ret->origin = value;
			break;
		default:
			break;
		}
	}
	return cursor_ok(cursor) ? 0 : -EBADMSG;
}

static int read_die(const struct dwarf_head *head, uint64_t offset, struct die *ret)
{
	const struct dwarf_abbrevs *abbrevs;
	struct dwarf_bytes bytes;
	int err = dwarf_abbrevs_of(head, &abbrevs);

	if (err)
		return err;
	dwarf_bytes_init(&bytes, head->source, DWARF_INFO, offset, head->limit, MAX_DIE_BYTES);
	while (dwarf_bytes_grow(&bytes, &err)) {
		err = parse(&bytes.cursor, head, abbrevs, offset, ret);
		if (err != -EBADMSG)
			break;
	}
	dwarf_bytes_release(&bytes);
	return err;
}

/* Sets *ret unless there is a name already. */
static int take_name(const struct dwarf_head *head, const struct dwarf_value *value, struct dwarf_text *text,
		     size_t *ret)
{
	const size_t at = text->len;
	int err;

	if (*ret || !value->form)
		return 0;
	err = dwarf_value_string(head, value, DWARF_INFO, text);
	if (!err)
		*ret = at;
	return dwarf_is_fatal(err) ? err : 0;
}

int dwarf_name_find(struct dwarf_source *source, uint64_t die, struct dwarf_text *text, size_t *ret_name,
		    size_t *ret_linkage)
{
	size_t name = 0, linkage = 0;
	int err = 0;

	for (unsigned int step = 0; step < MAX_STEPS && !err && !(name && linkage); step++) {
		const struct dwarf_head *head;
		struct die found = {0};

		err = dwarf_heads_make(source);
		if (err)
			break;
		head = dwarf_head_at(source, die);
		err = head && die >= head->root ? read_die(head, die, &found) : -EBADMSG;
		if (err)
			break;
		err = take_name(head, &found.name, text, &name);
		if (!err)
			err = take_name(head, &found.linkage, text, &linkage);
		if (!err)
			err = dwarf_value_reference(head, &found.origin, &source, &die);
	}
	if (dwarf_is_fatal(err))
		return err;
	*ret_name = name;
	*ret_linkage = linkage;
	return 0;
}
