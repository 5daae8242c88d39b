/* SPDX-License-Identifier: Apache-2.0 */
/* Which sections a file has, and those of them that are packed. */
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "dwarf/dwarf_internal.h"
#include "elf/elf_file.h"
#include "elf/file_pages.h"
#include "elf/unpack.h"

#define MAX_SECTION_NAME 32u

/* Behind ".debug_" or ".zdebug_". */
static const struct {
	const char *name;
	bool is_in_split; /* ".dwo" behind it */
} kinds[DWARF_SECTIONS] = {
	[DWARF_INFO] = {"info", true},
	[DWARF_ABBREV] = {"abbrev", true},
	[DWARF_LINE] = {"line", false},
	[DWARF_STR] = {"str", true},
	[DWARF_LINE_STR] = {"line_str", false},
	[DWARF_RANGES] = {"ranges", false},
	[DWARF_RNGLISTS] = {"rnglists", true},
	[DWARF_ADDR] = {"addr", false},
	[DWARF_STR_OFFSETS] = {"str_offsets", true},
	[DWARF_ARANGES] = {"aranges", false},
};

static const struct elf_section *find_section(const struct elf_file *file, enum dwarf_section_id id, bool is_split)
{
	static const char *const prefixes[] = {".debug", ".zdebug"};

	if (id == DWARF_CU_INDEX)
		return is_split ? elf_file_section(file, ".debug_cu_index") : NULL;
	if (is_split && !kinds[id].is_in_split)
		return NULL;
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		const struct elf_section *section;
		char name[MAX_SECTION_NAME];

		snprintf(name, sizeof(name), "%s_%s%s", prefixes[i], kinds[id].name, is_split ? ".dwo" : "");
		section = elf_file_section(file, name);
		if (section)
			return section;
	}
	return NULL;
}

static int find_bytes(const struct elf_file *file, const struct elf_section *from, struct dwarf_section *ret)
{
	struct unpack_source packed;
	int err;

	if (!from || from->type == SHT_NOBITS)
		return 0;
	err = unpack_source_of(file, from, &packed);
	if (err == -ENOENT)
		*ret = (struct dwarf_section){.offset = from->offset, .size = from->size};
	else if (!err)
		*ret = (struct dwarf_section){.place = DWARF_PACKED, .size = packed.unpacked_size};
	return dwarf_is_fatal(err) && err != -ENOTSUP ? err : 0;
}

int dwarf_source_add(struct dwarf *dwarf, const struct elf_file *file, struct dwarf_source **ret)
{
	struct dwarf_source *source;

	if (dwarf->sources.len == dwarf->sources.max)
		return -E2BIG;
	if (vec_reserve(&dwarf->sources, dwarf->sources.len + 1))
		return -ENOMEM;
	source = calloc(1, sizeof(*source));
	if (!source)
		return -ENOMEM;
	source->dwarf = dwarf;
	source->file = file;
	*vec_push_reserved(&dwarf->sources) = source;
	*ret = source;
	return 0;
}

int dwarf_source_new(struct dwarf *dwarf, const struct elf_file *file, bool is_split, struct dwarf_source **ret)
{
	struct dwarf_source *source;
	int err = dwarf_source_add(dwarf, file, &source);

	if (!err)
		source->is_split = is_split;
	for (int i = 0; i < DWARF_SECTIONS && !err; i++)
		err = find_bytes(file, find_section(file, (enum dwarf_section_id)i, is_split), &source->sections[i]);
	if (!err)
		*ret = source;
	return err;
}

void dwarf_source_free(struct dwarf_source *source)
{
	if (!source)
		return;
	for (int i = 0; i < DWARF_SECTIONS; i++)
		free(source->sections[i].bytes);
	vec_for_each (&source->heads, head)
		dwarf_unit_free(head->unit);
	vec_release(&source->heads);
	free(source);
}

size_t dwarf_source_memory_bytes(const struct dwarf_source *source)
{
	return sizeof(*source) + source->heads.cap * sizeof(struct dwarf_head);
}

/* --- packed sections ---------------------------------------------------------------------------------------------- */

static int unpack_to_memory(struct dwarf *dwarf, const struct unpack_source *packed, struct dwarf_section *section)
{
	struct buf buf;
	int err;

	buf_init(&buf, section->size);
	err = buf_reserve(&buf, section->size) ? unpack_to_buf(packed, section->size, &buf) : buf.err;
	if (err) {
		buf_release(&buf);
		return err;
	}
	section->bytes = buf.data;
	section->place = DWARF_IN_MEMORY;
	dwarf->unpacked_bytes += buf.cap;
	return 0;
}

static int unpack_to_temporary(struct dwarf *dwarf, const struct unpack_source *packed, struct dwarf_section *section)
{
	/* Each on pages of its own: the last one of the section before may be among those that are kept. */
	const uint64_t pages = (section->size + FILE_PAGE_BYTES - 1) / FILE_PAGE_BYTES * FILE_PAGE_BYTES;
	uint64_t *left = dwarf->files.temporary_left, bytes;
	int err;

	if (left && pages > *left)
		return -E2BIG;
	if (lseek(dwarf->temporary, (off_t)dwarf->temporary_bytes, SEEK_SET) < 0)
		return -errno;
	err = unpack_to_fd(packed, section->size, dwarf->temporary, &bytes);
	if (err)
		return err;
	section->offset = dwarf->temporary_bytes;
	section->place = DWARF_IN_TEMPORARY;
	dwarf->temporary_bytes += pages;
	if (left)
		*left -= pages;
	return 0;
}

static bool has_temporary(struct dwarf *dwarf)
{
	if (!dwarf->has_asked_temporary && dwarf->files.temporary &&
	    dwarf->files.temporary(dwarf->files.ctx, &dwarf->temporary))
		dwarf->temporary = -1;
	dwarf->has_asked_temporary = true;
	return dwarf->temporary >= 0;
}

static int unpack(struct dwarf *dwarf, const struct unpack_source *packed, struct dwarf_section *section)
{
	uint64_t memory = dwarf->unpacked_bytes, total;

	if (!checked_add(memory + dwarf->temporary_bytes, section->size, &total) || total > DWARF_MAX_UNPACKED_BYTES)
		return -E2BIG;
	memory += section->size;
	if (memory <= DWARF_UNPACKED_IN_MEMORY)
		return unpack_to_memory(dwarf, packed, section);
	if (has_temporary(dwarf))
		return unpack_to_temporary(dwarf, packed, section);
	return memory <= DWARF_UNPACKED_WITHOUT_FILE ? unpack_to_memory(dwarf, packed, section) : -E2BIG;
}

/* What the file calls the section. */
static const struct elf_section *section_of(const struct dwarf_source *source, const struct dwarf_section *section)
{
	const struct dwarf_source *whole = source->package ? source->package : source;
	enum dwarf_section_id id = (enum dwarf_section_id)(section - whole->sections);

	return find_section(source->file, id, whole->is_split);
}

int dwarf_section_unpack(struct dwarf_source *source, struct dwarf_section *section)
{
	struct unpack_source packed;
	int err = unpack_source_of(source->file, section_of(source, section), &packed);

	/* The file may have changed since its headers were read. */
	if (!err && packed.unpacked_size != section->size)
		err = -EBADMSG;
	if (!err)
		err = unpack(source->dwarf, &packed, section);
	if (!err || err == -ENOMEM)
		return err;
	*section = (struct dwarf_section){0};
	return -EBADMSG;
}
