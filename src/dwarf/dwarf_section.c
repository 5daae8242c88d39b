/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "dwarf/dwarf_internal.h"
#include "elf/elf_file.h"
#include "elf/file_pages.h"

#define SMALL_BYTES 1024u /* read through cached pages */
#define STRING_PIECE 64u
#define GROWTH 8u

static int read_place(struct dwarf_source *source, const struct dwarf_section *section, uint64_t offset, void *to,
		      size_t n)
{
	bool is_temporary = section->place == DWARF_IN_TEMPORARY;
	int fd = is_temporary ? source->dwarf->temporary : elf_file_fd(source->file);

	if (section->place == DWARF_IN_MEMORY) {
		memcpy(to, section->bytes + offset, n);
		return 0;
	}
	if (n <= SMALL_BYTES)
		return file_pages_read_of(source->dwarf->pages, fd, section->offset + offset, to, n);
	return io_pread_exact(fd, to, n, section->offset + offset);
}

int dwarf_section_read(struct dwarf_source *source, enum dwarf_section_id id, uint64_t offset, void *to, size_t n)
{
	struct dwarf_section *section = &source->sections[id];

	if (offset > section->size || n > section->size - offset)
		return -EBADMSG;
	if (section->place == DWARF_IN_PACKAGE) {
		offset += section->offset;
		section = section->package;
	}
	if (section->place == DWARF_PACKED) {
		int err = dwarf_section_unpack(source, section);

		if (err)
			return err;
	}
	/* A part of a package may have lost its whole. */
	if (offset > section->size || n > section->size - offset)
		return -EBADMSG;
	return n ? read_place(source, section, offset, to, n) : 0;
}

int dwarf_section_number(struct dwarf_source *source, enum dwarf_section_id id, uint64_t offset, unsigned int size,
			 uint64_t *ret)
{
	uint8_t bytes[8] = {0};
	struct cursor cursor;
	int err = dwarf_section_read(source, id, offset, bytes, size);

	if (err)
		return err;
	cursor_init(&cursor, bytes, sizeof(bytes));
	*ret = cursor_u64(&cursor);
	return 0;
}

int dwarf_section_string(struct dwarf_source *source, enum dwarf_section_id id, uint64_t offset,
			 struct dwarf_text *text)
{
	const uint64_t size = source->sections[id].size;
	const size_t before = text->len;

	while (offset < size && text->len - before < DWARF_MAX_STRING_BYTES) {
		size_t n = size - offset < STRING_PIECE ? (size_t)(size - offset) : STRING_PIECE;
		const char *nul;
		int err = vec_reserve(text, text->len + n);

		if (!err)
			err = dwarf_section_read(source, id, offset, text->items + text->len, n);
		if (err) {
			text->len = before;
			return err;
		}
		nul = memchr(text->items + text->len, 0, n);
		if (nul) {
			text->len = (size_t)(nul + 1 - text->items);
			return 0;
		}
		text->len += n;
		offset += n;
	}
	text->len = before;
	return -EBADMSG;
}

void dwarf_bytes_init(struct dwarf_bytes *bytes, struct dwarf_source *source, enum dwarf_section_id id, uint64_t offset,
		      uint64_t limit, size_t max)
{
	*bytes = (struct dwarf_bytes){.source = source, .id = id, .offset = offset, .limit = limit};
	if (limit > offset)
		bytes->max = limit - offset < max ? (size_t)(limit - offset) : max;
}

bool dwarf_bytes_grow(struct dwarf_bytes *bytes, int *err)
{
	size_t n = bytes->n ? bytes->n * GROWTH : sizeof(bytes->few);
	struct dwarf *dwarf = bytes->source->dwarf;
	uint8_t *to = bytes->few;

	*err = -EBADMSG;
	if (bytes->n >= bytes->max)
		return false;
	if (n > bytes->max)
		n = bytes->max;
	if (n > dwarf->bytes_left) {
		*err = -E2BIG;
		return false;
	}
	dwarf->bytes_left -= n;
	if (n > sizeof(bytes->few)) {
		to = realloc(bytes->more, n);
		if (!to) {
			*err = -ENOMEM;
			return false;
		}
		bytes->more = to;
	}
	*err = dwarf_section_read(bytes->source, bytes->id, bytes->offset, to, n);
	if (*err)
		return false;
	bytes->n = n;
	cursor_init(&bytes->cursor, to, n);
	return true;
}

void dwarf_bytes_release(struct dwarf_bytes *bytes)
{
	free(bytes->more);
	bytes->more = NULL;
}
