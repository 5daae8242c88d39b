/* SPDX-License-Identifier: Apache-2.0 */
#include <elf.h>
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

void dwarf_sections_find(struct dwarf *dwarf)
{
	static const char *const names[DWARF_SECTIONS] = {
		[DWARF_INFO] = ".debug_info",
		[DWARF_ABBREV] = ".debug_abbrev",
		[DWARF_LINE] = ".debug_line",
		[DWARF_STR] = ".debug_str",
		[DWARF_LINE_STR] = ".debug_line_str",
		[DWARF_RANGES] = ".debug_ranges",
		[DWARF_RNGLISTS] = ".debug_rnglists",
		[DWARF_ADDR] = ".debug_addr",
		[DWARF_STR_OFFSETS] = ".debug_str_offsets",
		[DWARF_ARANGES] = ".debug_aranges",
	};

	for (int i = 0; i < DWARF_SECTIONS; i++) {
		const struct elf_section *section = elf_file_section(dwarf->files.file, names[i]);

		if (section && section->type != SHT_NOBITS && !(section->flags & SHF_COMPRESSED))
			dwarf->sections[i] = (struct dwarf_section){.offset = section->offset, .size = section->size};
	}
}

int dwarf_section_read(struct dwarf *dwarf, enum dwarf_section_id id, uint64_t offset, void *to, size_t n)
{
	const struct dwarf_section *section = &dwarf->sections[id];

	if (offset > section->size || n > section->size - offset)
		return -EBADMSG;
	if (n <= SMALL_BYTES)
		return file_pages_read(dwarf->pages, section->offset + offset, to, n);
	return io_pread_exact(elf_file_fd(dwarf->files.file), to, n, section->offset + offset);
}

int dwarf_section_number(struct dwarf *dwarf, enum dwarf_section_id id, uint64_t offset, unsigned int size,
			 uint64_t *ret)
{
	uint8_t bytes[8] = {0};
	struct cursor cursor;
	int err = dwarf_section_read(dwarf, id, offset, bytes, size);

	if (err)
		return err;
	cursor_init(&cursor, bytes, sizeof(bytes));
	*ret = cursor_u64(&cursor);
	return 0;
}

int dwarf_section_string(struct dwarf *dwarf, enum dwarf_section_id id, uint64_t offset, struct dwarf_text *text)
{
	const uint64_t size = dwarf->sections[id].size;
	const size_t before = text->len;

	while (offset < size && text->len - before < DWARF_MAX_STRING_BYTES) {
		size_t n = size - offset < STRING_PIECE ? (size_t)(size - offset) : STRING_PIECE;
		const char *nul;
		int err = vec_reserve(text, text->len + n);

		if (!err)
			err = dwarf_section_read(dwarf, id, offset, text->items + text->len, n);
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

void dwarf_bytes_init(struct dwarf_bytes *bytes, enum dwarf_section_id id, uint64_t offset, uint64_t limit, size_t max)
{
	*bytes = (struct dwarf_bytes){.id = id, .offset = offset, .limit = limit};
	if (limit > offset)
		bytes->max = limit - offset < max ? (size_t)(limit - offset) : max;
}

bool dwarf_bytes_grow(struct dwarf *dwarf, struct dwarf_bytes *bytes, int *err)
{
	size_t n = bytes->n ? bytes->n * GROWTH : sizeof(bytes->few);
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
	*err = dwarf_section_read(dwarf, bytes->id, bytes->offset, to, n);
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
