/* SPDX-License-Identifier: Apache-2.0 */
/* Split units (DWARF 5, 3.1.2 and appendix F; GNU's extension of version 4): the program has a skeleton with addresses
 * and lines, and a .dwo file or a package of them (.dwp) the DIEs. A unit's part of a package is a source of its own,
 * so that offsets count from the parts' starts, as everything in them means it. */
#include <errno.h>

#include "dwarf/dwarf_internal.h"
#include "elf/elf_file.h"

#define MAX_INDEX_SLOTS (16u << 20)
#define MAX_PROBES 4096u /* a table that is two thirds full needs some 20 */
#define MAX_COLUMNS 16u

/* Columns of an index (7.3.5.3). */
enum { SECT_INFO = 1, SECT_ABBREV = 3, SECT_LINE = 4, SECT_STR_OFFSETS = 6, SECT_RNGLISTS = 8 };

struct index {
	struct dwarf_source *package;
	uint64_t version, columns, units, slots;
};

static int read_u32(const struct index *index, uint64_t offset, uint64_t *ret)
{
	return dwarf_section_number(index->package, DWARF_CU_INDEX, offset, 4, ret);
}

#define HEAD_BYTES 16u

static int read_index(struct dwarf_source *package, struct index *ret)
{
	/* Since version 5 the first number has two bytes, and as many of padding behind it. */
	int err = dwarf_section_number(package, DWARF_CU_INDEX, 0, 2, &ret->version);

	ret->package = package;
	if (!err)
		err = read_u32(ret, 4, &ret->columns);
	if (!err)
		err = read_u32(ret, 8, &ret->units);
	if (!err)
		err = read_u32(ret, 12, &ret->slots);
	if (err)
		return err;
	if ((ret->version != 2 && ret->version != 5) || !ret->columns || ret->columns > MAX_COLUMNS ||
	    ret->slots > MAX_INDEX_SLOTS || (ret->slots & (ret->slots - 1)) || ret->units > ret->slots)
		return -EBADMSG;
	return 0;
}

/* The row of the id, from 1. -ENOENT: none. */
static int find_row(const struct index *index, uint64_t id, uint64_t *ret)
{
	const uint64_t mask = index->slots - 1, step = ((id >> 32) & mask) | 1;
	uint64_t slot = id & mask;

	for (uint64_t i = 0; i < index->slots && i < MAX_PROBES; i++, slot = (slot + step) & mask) {
		uint64_t row, found;
		int err = read_u32(index, HEAD_BYTES + index->slots * 8 + slot * 4, &row);

		if (err)
			return err;
		if (!row)
			return -ENOENT;
		err = dwarf_section_number(index->package, DWARF_CU_INDEX, HEAD_BYTES + slot * 8, 8, &found);
		if (err)
			return err;
		if (found == id) {
			*ret = row;
			return row <= index->units ? 0 : -EBADMSG;
		}
	}
	return -ENOENT;
}

static int section_id(const struct index *index, uint64_t column)
{
	switch (column) {
	case SECT_INFO:
		return DWARF_INFO;
	case SECT_ABBREV:
		return DWARF_ABBREV;
	case SECT_STR_OFFSETS:
		return DWARF_STR_OFFSETS;
	case SECT_RNGLISTS: /* macros, before */
		return index->version >= 5 ? DWARF_RNGLISTS : -1;
	default:
		return -1;
	}
}

static int read_part(const struct index *index, uint64_t row, uint64_t column, struct dwarf_source *part)
{
	const uint64_t columns = HEAD_BYTES + index->slots * 12, offsets = columns + index->columns * 4;
	const uint64_t cell = ((row - 1) * index->columns + column) * 4;
	uint64_t kind, offset, size;
	struct dwarf_section *whole;
	int id, err;

	err = read_u32(index, columns + column * 4, &kind);
	if (!err)
		err = read_u32(index, offsets + cell, &offset);
	if (!err)
		err = read_u32(index, offsets + index->units * index->columns * 4 + cell, &size);
	if (err)
		return err;
	id = section_id(index, kind);
	if (id < 0)
		return 0;
	whole = &index->package->sections[id];
	if (offset > whole->size || size > whole->size - offset)
		return -EBADMSG;
	part->sections[id] =
		(struct dwarf_section){.place = DWARF_IN_PACKAGE, .offset = offset, .size = size, .package = whole};
	return 0;
}

/* What the package has of the unit. -ENOENT: nothing. */
static int find_in_package(struct dwarf_source *package, uint64_t id, struct dwarf_source **ret)
{
	struct dwarf_section *strings = &package->sections[DWARF_STR];
	struct dwarf_source *part;
	struct index index;
	uint64_t row;
	int err = read_index(package, &index);

	if (!err)
		err = find_row(&index, id, &row);
	if (!err)
		err = dwarf_source_add(package->dwarf, package->file, &part);
	if (err)
		return err;
	part->package = package;
	part->sections[DWARF_STR] =
		(struct dwarf_section){.place = DWARF_IN_PACKAGE, .size = strings->size, .package = strings};
	for (uint64_t column = 0; column < index.columns && !err; column++)
		err = read_part(&index, row, column, part);
	if (!err)
		*ret = part;
	return err;
}

static int ask(struct dwarf_head *skeleton, const struct elf_file **ret)
{
	struct dwarf *dwarf = skeleton->source->dwarf;
	struct dwarf_text text = VEC_INIT((size_t)2 * DWARF_MAX_STRING_BYTES);
	char name[DWARF_MAX_NAME_BYTES];
	int err = dwarf_value_string(skeleton, &skeleton->split_name, DWARF_INFO, &text);

	if (!err)
		err = dwarf_base_name(text.items, name) ? dwarf->files.split(dwarf->files.ctx, name, skeleton->id, ret)
							: -EBADMSG;
	vec_release(&text);
	return err;
}

static int find_source(struct dwarf *dwarf, const struct elf_file *file, struct dwarf_source **ret)
{
	vec_for_each (&dwarf->sources, source) {
		if ((*source)->file == file && (*source)->is_split && !(*source)->package) {
			*ret = *source;
			return 0;
		}
	}
	return dwarf_source_new(dwarf, file, true, ret);
}

static int find_half(struct dwarf_head *skeleton, struct dwarf_head **ret)
{
	struct dwarf_source *source = NULL;
	const struct elf_file *file = NULL;
	int err = ask(skeleton, &file);

	if (!err)
		err = find_source(skeleton->source->dwarf, file, &source);
	if (!err && source->sections[DWARF_CU_INDEX].size)
		err = find_in_package(source, skeleton->id, &source);
	if (!err)
		err = dwarf_heads_make(source);
	if (err)
		return err;
	vec_for_each (&source->heads, head) {
		if (head->has_id && head->id == skeleton->id) {
			*ret = head;
			return 0;
		}
	}
	return -ENOENT;
}

int dwarf_split_find(struct dwarf_head *skeleton)
{
	struct dwarf_head *half = NULL;
	int err;

	if (skeleton->split_is_known || !skeleton->split_name.form || !skeleton->has_id ||
	    !skeleton->source->dwarf->files.split)
		return 0;
	err = find_half(skeleton, &half);
	if (err == -EAGAIN || err == -ENOMEM)
		return err;
	skeleton->split_is_known = true;
	skeleton->split = err ? NULL : half;
	return 0;
}
