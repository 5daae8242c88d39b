/* SPDX-License-Identifier: Apache-2.0 */
/* What a file says of the file that dwz made of what several have in common. */
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "dwarf/dwarf_internal.h"
#include "elf/elf_file.h"

#define MAX_LINK_BYTES (16u << 10) /* a path and an id */

bool dwarf_base_name(const char *path, char to[DWARF_MAX_NAME_BYTES])
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	size_t n = strlen(name);

	if (!n || n >= DWARF_MAX_NAME_BYTES || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return false;
	memcpy(to, name, n + 1);
	return true;
}

/* .gnu_debugaltlink: the name and, to the section's end, the build id. */
static bool parse_gnu(struct cursor *cursor, struct dwarf_link *ret)
{
	const char *path = cursor_cstr(cursor, NULL);

	ret->id_bytes = cursor_left(cursor);
	return path && dwarf_base_name(path, ret->name);
}

/* .debug_sup (7.3.6): version, whether this one is the supplementary file itself, name, length and bytes of the id. */
static bool parse_standard(struct cursor *cursor, struct dwarf_link *ret, bool *ret_is_itself)
{
	uint16_t version = cursor_u16(cursor);
	const char *path;

	*ret_is_itself = cursor_u8(cursor) != 0;
	path = cursor_cstr(cursor, NULL);
	ret->id_bytes = cursor_uleb128(cursor);
	return version >= 2 && version <= 5 && !*ret_is_itself && path && dwarf_base_name(path, ret->name);
}

static const struct elf_section *find_section(const struct elf_file *file, const char *name)
{
	const struct elf_section *section = elf_file_section(file, name);

	return section && section->size && section->type != SHT_NOBITS ? section : NULL;
}

int dwarf_supplementary_of(const struct elf_file *file, struct dwarf_link *ret)
{
	const struct elf_section *gnu = find_section(file, ".gnu_debugaltlink");
	const struct elf_section *section = gnu ? gnu : find_section(file, ".debug_sup");
	struct dwarf_link link = {0};
	auto_free uint8_t *bytes = NULL;
	bool is_itself = false, is_good;
	struct cursor cursor;
	int err;

	if (!section)
		return -ENOENT;
	if (section->size > MAX_LINK_BYTES || (section->flags & SHF_COMPRESSED))
		return -EBADMSG;
	bytes = malloc(section->size);
	if (!bytes)
		return -ENOMEM;
	err = io_pread_exact(elf_file_fd(file), bytes, section->size, section->offset);
	if (err)
		return err;
	cursor_init(&cursor, bytes, section->size);
	is_good = gnu ? parse_gnu(&cursor, &link) : parse_standard(&cursor, &link, &is_itself);
	if (is_itself)
		return -ENOENT;
	if (!is_good || !link.id_bytes || link.id_bytes > sizeof(link.id))
		return -EBADMSG;
	cursor_copy(&cursor, link.id, link.id_bytes);
	if (!cursor_ok(&cursor))
		return -EBADMSG;
	*ret = link;
	return 0;
}
