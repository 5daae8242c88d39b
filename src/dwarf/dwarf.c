/* SPDX-License-Identifier: Apache-2.0 */
#include "dwarf/dwarf.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "dwarf/dwarf_internal.h"
#include "elf/elf_file.h"
#include "elf/file_pages.h"

#define PAGES 64
#define MAX_TEXT_BYTES (4u << 20) /* of an answer; frames beyond have no names */

int dwarf_open(const struct dwarf_files *files, size_t cache_bytes, struct dwarf **ret)
{
	struct dwarf *dwarf = calloc(1, sizeof(*dwarf));
	int err = -ENOMEM;

	if (!dwarf)
		return err;
	dwarf->files = *files;
	dwarf->cache_bytes = cache_bytes;
	vec_init(&dwarf->frames, DWARF_MAX_FRAMES);
	vec_init(&dwarf->text, MAX_TEXT_BYTES);
	vec_init(&dwarf->sources, DWARF_MAX_SOURCES);
	dwarf->temporary = -1;
	err = dwarf_source_new(dwarf, files->file, false, &dwarf->main);
	if (!err && (!dwarf->main->sections[DWARF_INFO].size || !dwarf->main->sections[DWARF_ABBREV].size))
		err = -ENOENT;
	if (!err && files->supplementary)
		err = dwarf_source_new(dwarf, files->supplementary, false, &dwarf->main->supplementary);
	if (err)
		goto fail;
	err = file_pages_new(elf_file_fd(files->file), PAGES, &dwarf->pages);
	if (err)
		goto fail;
	*ret = dwarf;
	return 0;
fail:
	dwarf_free(dwarf);
	return err;
}

void dwarf_free(struct dwarf *dwarf)
{
	if (!dwarf)
		return;
	vec_for_each (&dwarf->sources, source)
		dwarf_source_free(*source);
	for (size_t i = 0; i < DWARF_ABBREV_TABLES; i++)
		dwarf_abbrevs_free(dwarf->abbrevs[i]);
	vec_release(&dwarf->sources);
	dwarf_tree_release(&dwarf->inside.tree);
	vec_release(&dwarf->index);
	vec_release(&dwarf->frames);
	vec_release(&dwarf->text);
	file_pages_free(dwarf->pages);
	if (dwarf->temporary >= 0)
		close(dwarf->temporary);
	if (dwarf->files.temporary_left)
		*dwarf->files.temporary_left += dwarf->temporary_bytes;
	free(dwarf);
}

/* --- units that are held ------------------------------------------------------------------------------------------ */

static void evict(struct dwarf *dwarf, const struct dwarf_unit *but)
{
	while (dwarf->unit_bytes > dwarf->cache_bytes) {
		struct dwarf_head *oldest = NULL;

		vec_for_each (&dwarf->main->heads, head)
			if (head->unit && head->unit != but && (!oldest || head->unit->used < oldest->unit->used))
				oldest = head;
		if (!oldest)
			return;
		if (dwarf->inside.unit == oldest->unit)
			dwarf->inside.unit = NULL;
		dwarf->unit_bytes -= oldest->unit->memory_bytes;
		dwarf_unit_free(oldest->unit);
		oldest->unit = NULL;
	}
}

static int find_unit(struct dwarf *dwarf, struct dwarf_head *head)
{
	struct dwarf_unit *unit = head->unit;

	if (!unit) {
		int err = dwarf_unit_read(head, &unit);

		if (err)
			return err;
		head->unit = unit;
		dwarf->unit_bytes += unit->memory_bytes;
		evict(dwarf, unit);
	}
	unit->used = ++dwarf->uses;
	return 0;
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

/* Where a frame's texts are while more are being appended. */
struct places {
	size_t name, linkage, file;
};

struct place {
	uint64_t file;
	uint32_t line, column;
};

static int add_frame(struct dwarf *dwarf, const struct dwarf_head *head, const struct dwarf_function *function,
		     const struct place *place, struct places *places)
{
	const struct dwarf_unit *unit = head->unit;
	struct dwarf_frame *frame = vec_push(&dwarf->frames);
	size_t file = dwarf->text.len;
	int err = 0;

	if (!frame)
		return -ENOMEM;
	*places = (struct places){0};
	if (function)
		err = dwarf_name_find(unit->head->source, unit->head->start + function->die, &dwarf->text,
				      &places->name, &places->linkage);
	if (err)
		return err;
	frame->line = place->line;
	frame->column = place->column;
	file = dwarf->text.len;
	if (unit->lines)
		err = dwarf_lines_path(head, unit->lines, place->file, &dwarf->text);
	if (unit->lines && !err)
		places->file = file;
	return dwarf_is_fatal(err) ? err : 0;
}

static int add_frames(struct dwarf *dwarf, const struct dwarf_head *head, uint64_t va, struct places *places)
{
	struct dwarf_unit *unit = head->unit;
	const struct dwarf_line_row *row = unit->lines ? dwarf_lines_find(unit->lines, va) : NULL;
	struct place place = {.file = UINT64_MAX};
	const struct dwarf_tree *tree;
	uint32_t index;
	int err = dwarf_unit_find(unit, va, &tree, &index);

	if (err)
		return err;
	evict(dwarf, unit);
	if (row)
		place = (struct place){.file = row->file, .line = row->line, .column = row->column};
	if (index == DWARF_NOBODY)
		return row ? add_frame(dwarf, head, NULL, &place, places) : -ENOENT;
	/* A parent comes before its children in the array, so this ends. */
	while (index != DWARF_NOBODY && dwarf->frames.len < DWARF_MAX_FRAMES && !err) {
		const struct dwarf_function *function = &tree->functions.items[index];

		err = add_frame(dwarf, head, function, &place, &places[dwarf->frames.len]);
		place = (struct place){function->call_file, function->call_line, function->call_column};
		index = function->parent;
	}
	return err;
}

int dwarf_find(struct dwarf *dwarf, uint64_t elf_va, struct dwarf_frames *ret)
{
	struct places places[DWARF_MAX_FRAMES] = {{0}};
	struct dwarf_head *head;
	uint32_t owner;
	int err = dwarf_index_need(dwarf);

	if (err)
		return err;
	owner = dwarf_piece_owner(&dwarf->index, elf_va);
	if (owner == DWARF_NOBODY)
		return -ENOENT;
	dwarf->bytes_left = DWARF_MAX_ANSWER_BYTES;
	head = &dwarf->main->heads.items[DWARF_NOBODY - 1 - owner];
	err = find_unit(dwarf, head);
	if (err)
		return err;
	vec_clear(&dwarf->frames);
	vec_clear(&dwarf->text);
	if (vec_reserve(&dwarf->text, 1))
		return -ENOMEM;
	*vec_push_reserved(&dwarf->text) = 0; /* place 0 is the empty text */
	err = add_frames(dwarf, head, elf_va, places);
	if (err)
		return err;
	for (size_t i = 0; i < dwarf->frames.len; i++) {
		struct dwarf_frame *frame = &dwarf->frames.items[i];

		frame->name = dwarf->text.items + places[i].name;
		frame->linkage_name = dwarf->text.items + places[i].linkage;
		frame->file = dwarf->text.items + places[i].file;
	}
	*ret = (struct dwarf_frames){.items = dwarf->frames.items, .n = dwarf->frames.len};
	return 0;
}

size_t dwarf_memory_bytes(const struct dwarf *dwarf)
{
	size_t bytes = 0;

	for (size_t i = 0; i < dwarf->sources.len; i++)
		bytes += dwarf_source_memory_bytes(dwarf->sources.items[i]);
	return bytes + dwarf->unpacked_bytes + sizeof(*dwarf) + file_pages_memory_bytes(dwarf->pages) +
	       dwarf->unit_bytes + dwarf_tree_memory_bytes(&dwarf->inside.tree) + dwarf->abbrev_bytes +
	       dwarf->sources.cap * sizeof(struct dwarf_source *) + dwarf->index.cap * sizeof(struct dwarf_piece) +
	       dwarf->frames.cap * sizeof(struct dwarf_frame) + dwarf->text.cap;
}
