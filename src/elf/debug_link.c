/* SPDX-License-Identifier: Apache-2.0 */
#include "elf/debug_link.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/cursor.h"
#include "base/io.h"
#include "elf/elf_file.h"

#define MAX_SECTION_BYTES 8192 /* a path and a checksum */
#define CHECKSUM_PIECE (256u << 10)
#define ALIGNMENT 4

static bool keep_base_name(const char *path, char to[DEBUG_LINK_MAX_NAME])
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	size_t len = strlen(name);

	if (!len || len >= DEBUG_LINK_MAX_NAME || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return false;
	memcpy(to, name, len + 1);
	return true;
}

static int parse(const uint8_t *bytes, size_t n, struct debug_link *ret)
{
	struct debug_link link;
	struct cursor cursor;
	const char *path;
	size_t used;

	cursor_init(&cursor, bytes, n);
	path = cursor_cstr(&cursor, NULL);
	used = n - cursor_left(&cursor);
	cursor_skip(&cursor, (ALIGNMENT - used % ALIGNMENT) % ALIGNMENT);
	link.crc = cursor_u32(&cursor);
	if (!cursor_ok(&cursor) || !path || !keep_base_name(path, link.name))
		return -EBADMSG;
	*ret = link;
	return 0;
}

int debug_link_read(const struct elf_file *file, struct debug_link *ret)
{
	const struct elf_section *section = elf_file_section(file, ".gnu_debuglink");
	auto_free uint8_t *bytes = NULL;
	int err;

	if (!section || section->type == SHT_NOBITS || !section->size)
		return -ENOENT;
	if (section->size > MAX_SECTION_BYTES)
		return -EBADMSG;
	bytes = malloc(section->size);
	if (!bytes)
		return -ENOMEM;
	err = io_pread_exact(elf_file_fd(file), bytes, section->size, section->offset);
	return err ? err : parse(bytes, section->size, ret);
}

int debug_link_checksum(const struct elf_file *file, uint32_t *ret)
{
	uint64_t size = elf_file_size(file), until_ns = clock_mono_ns(&clock_system) + DEBUG_LINK_PATIENCE_NS;
	auto_free uint8_t *piece = malloc(CHECKSUM_PIECE);
	uLong crc = crc32(0, NULL, 0);

	if (size > DEBUG_LINK_MAX_BYTES)
		return -E2BIG;
	if (!piece)
		return -ENOMEM;
	for (uint64_t at = 0; at < size;) {
		size_t n = size - at < CHECKSUM_PIECE ? (size_t)(size - at) : CHECKSUM_PIECE;
		int err = io_pread_exact(elf_file_fd(file), piece, n, at);

		if (err)
			return err;
		crc = crc32(crc, piece, (uInt)n);
		at += n;
		if (clock_mono_ns(&clock_system) > until_ns)
			return -ETIME;
	}
	*ret = (uint32_t)crc;
	return 0;
}

static bool has_names(const struct elf_file *file)
{
	const struct elf_section *sections;
	size_t n;

	sections = elf_file_sections(file, &n);
	for (size_t i = 0; i < n; i++) {
		if (sections[i].type == SHT_SYMTAB && sections[i].size)
			return true;
		if (sections[i].type != SHT_NOBITS &&
		    (!strcmp(sections[i].name, ".debug_info") || !strcmp(sections[i].name, ".zdebug_info") ||
		     !strcmp(sections[i].name, ".debug_frame")))
			return true;
	}
	return false;
}

/* strip keeps the headers of the sections that it takes the bytes of. */
int debug_link_check_layout(const struct elf_file *file, const struct elf_file *debug)
{
	const struct elf_section *sections;
	size_t n;

	if (elf_file_machine(file) != elf_file_machine(debug))
		return -ESTALE;
	if (!has_names(debug))
		return -ENOENT;
	sections = elf_file_sections(file, &n);
	for (size_t i = 0; i < n; i++) {
		const struct elf_section *section = &sections[i], *other;

		if (!(section->flags & SHF_EXECINSTR) || !(section->flags & SHF_ALLOC) || !*section->name)
			continue;
		other = elf_file_section(debug, section->name);
		if (other && (other->addr != section->addr || other->size != section->size))
			return -ESTALE;
	}
	return 0;
}
