/* SPDX-License-Identifier: Apache-2.0 */
/* The head of a line program: its settings, and the tables of directories and files (6.2.4). */
#include <errno.h>

#include "dwarf/dwarf_constants.h"
#include "dwarf/dwarf_internal.h"

#define LENGTH_IS_64 0xffffffffu

struct entry_format {
	uint64_t content, form;
};

static int push(struct dwarf_file_vec *files, const struct dwarf_line_file *file)
{
	if (files->len == files->max)
		return -EBADMSG;
	if (vec_reserve(files, files->len + 1))
		return -ENOMEM;
	*vec_push_reserved(files) = *file;
	return 0;
}

static int read_entries(struct cursor *cursor, uint64_t base, const struct dwarf_format *format,
			struct dwarf_file_vec *ret)
{
	struct entry_format formats[UINT8_MAX];
	uint8_t n = cursor_u8(cursor);
	uint64_t count;
	int err = 0;

	for (uint8_t i = 0; i < n; i++) {
		formats[i].content = cursor_uleb128(cursor);
		formats[i].form = cursor_uleb128(cursor);
		if (formats[i].form > UINT16_MAX)
			return -EBADMSG;
	}
	count = cursor_uleb128(cursor);
	if (count > DWARF_MAX_FILES || (count && !n))
		return -EBADMSG;
	for (uint64_t at = 0; at < count && !err; at++) {
		struct dwarf_line_file file = {0};

		for (uint8_t i = 0; i < n; i++) {
			struct dwarf_value value;

			dwarf_value_read(cursor, format, (uint16_t)formats[i].form, 0, &value);
			if (value.form == DW_FORM_STRING)
				value.u += base;
			if (formats[i].content == DW_LNCT_PATH)
				file.name = value;
			else if (formats[i].content == DW_LNCT_DIRECTORY_INDEX)
				file.dir = value.u;
		}
		err = cursor_ok(cursor) ? push(ret, &file) : -EBADMSG;
	}
	return err;
}

/* Up to version 4; also of DW_LNE_define_file. false: the empty name that ends a table. */
static bool read_name(struct cursor *cursor, uint64_t base, struct dwarf_line_file *ret)
{
	uint64_t at = base + cursor_offset(cursor);
	size_t len = 0;

	cursor_cstr(cursor, &len);
	*ret = (struct dwarf_line_file){.name = {.form = DW_FORM_STRING, .u = at}};
	return len != 0;
}

static int read_old_tables(struct cursor *cursor, uint64_t base, struct dwarf_lines *lines)
{
	struct dwarf_line_file entry;
	int err = 0;

	while (!err && read_name(cursor, base, &entry))
		err = push(&lines->dirs, &entry);
	while (!err && read_name(cursor, base, &entry)) {
		entry.dir = cursor_uleb128(cursor);
		cursor_uleb128(cursor); /* time */
		cursor_uleb128(cursor); /* bytes */
		err = push(&lines->files, &entry);
	}
	return err;
}

int dwarf_line_header_read(struct cursor *cursor, uint64_t base, uint8_t address_size, struct dwarf_lines *lines,
			   struct dwarf_line_header *ret)
{
	struct dwarf_format *format = &lines->format;
	uint64_t length = cursor_u32(cursor);
	size_t program;
	int err;

	*format = (struct dwarf_format){.address_size = address_size, .offset_size = 4};
	if (length == LENGTH_IS_64) {
		format->offset_size = 8;
		cursor_u64(cursor);
	}
	format->version = cursor_u16(cursor);
	if (format->version < 2 || format->version > 5)
		return -EBADMSG;
	if (format->version >= 5) {
		format->address_size = cursor_u8(cursor);
		cursor_u8(cursor); /* segment selector */
	}
	length = format->offset_size == 8 ? cursor_u64(cursor) : cursor_u32(cursor);
	if (!cursor_ok(cursor) || length > cursor_left(cursor))
		return -EBADMSG;
	program = cursor_offset(cursor) + length;
	*ret = (struct dwarf_line_header){.min_instruction = cursor_u8(cursor)};
	if (format->version >= 4)
		cursor_u8(cursor); /* operations of an instruction: 1 but for IA-64 */
	cursor_u8(cursor);	   /* default of is_stmt */
	ret->line_base = (int8_t)cursor_u8(cursor);
	ret->line_range = cursor_u8(cursor);
	ret->opcode_base = cursor_u8(cursor);
	for (uint8_t i = 1; i < ret->opcode_base; i++)
		ret->operands[i] = cursor_u8(cursor);
	if (!cursor_ok(cursor) || !ret->opcode_base)
		return -EBADMSG;
	if (format->version >= 5) {
		err = read_entries(cursor, base, format, &lines->dirs);
		if (!err)
			err = read_entries(cursor, base, format, &lines->files);
	} else {
		err = read_old_tables(cursor, base, lines);
	}
	if (err)
		return err;
	if (!cursor_ok(cursor) || cursor_offset(cursor) > program)
		return -EBADMSG;
	cursor_seek(cursor, program);
	return 0;
}

/* Replaces the NUL of the text, if there is text, by a slash. */
static void join(struct dwarf_text *text, size_t start)
{
	if (text->len > start)
		text->items[text->len - 1] = '/';
}

static int append(const struct dwarf_head *head, const struct dwarf_value *value, enum dwarf_section_id within,
		  size_t start, struct dwarf_text *text)
{
	size_t at = text->len;
	int err;

	join(text, start);
	err = dwarf_value_string(head, value, within, text);
	if (err) {
		if (at > start)
			text->items[at - 1] = 0;
		return err;
	}
	if (text->items[at] == '/' && at > start) {
		/* Absolute: what is before it does not count. */
		memmove(text->items + start, text->items + at, text->len - at);
		text->len -= at - start;
	} else if (!text->items[at]) {
		text->len = at;
		if (at > start)
			text->items[at - 1] = 0;
	}
	return 0;
}

int dwarf_lines_path(const struct dwarf_head *head, const struct dwarf_lines *lines, uint64_t file,
		     struct dwarf_text *text)
{
	const bool is_old = lines->format.version < 5;
	const struct dwarf_line_file *entry;
	const size_t start = text->len;
	uint64_t dir;
	int err = 0;

	file -= is_old; /* they count from 1, and directory 0 is the compilation's */
	if (file >= lines->files.len)
		return -EBADMSG;
	entry = &lines->files.items[file];
	dir = entry->dir - is_old;
	if (head->dir.form)
		err = append(head, &head->dir, DWARF_INFO, start, text);
	if (!dwarf_is_fatal(err) && dir < lines->dirs.len)
		err = append(head, &lines->dirs.items[dir].name, DWARF_LINE, start, text);
	if (!dwarf_is_fatal(err))
		err = append(head, &entry->name, DWARF_LINE, start, text);
	if (!err && text->len == start)
		err = -EBADMSG;
	if (err)
		text->len = start;
	return err;
}
