/* SPDX-License-Identifier: Apache-2.0 */
/* From an address of a function to files and lines (runtime/symtab.go, runtime/symtabinl.go, internal/abi/symtab.go of
 * Go). A function's record goes on with
 *
 *     … pcfile, pcln, npcdata, cuOffset (since 1.16), startLine (since 1.20); funcID, flags, pad, nfuncdata: a byte
 * each npcdata × u32      pc-value tables; number 2 tells which inlined call each pc belongs to, or -1 nfuncdata × …
 * function data; number 3 is the tree of inlined calls. Until 1.17 addresses (aligned), since then distances from
 * runtime.moduledata's gofunc, ~0: none
 *
 * An inlined call has the pc of an instruction of what it was inlined into, and so its line, and the call around it. */
#include "gopclntab_internal.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/cursor.h"
#include "base/io.h"
#include "elf/elf_file.h"
#include "elf/file_pages.h"

#define PCDATA_INLINED 2ull
#define FUNCDATA_INLINED 3ull
#define MAX_TAIL_BYTES 40
#define SCAN_BYTES (64u << 10)
#define SCAN_MAX_BYTES (64ull << 20)

/* Words of runtime.moduledata; Go 1.20 put two in between. */
#define MODULE_MINPC 20ull
#define MODULE_GOFUNC 40ull
#define MODULE_GOFUNC_1_18 38ull

struct record {
	uint32_t pcfile, pcln, unit, start_line;
	uint32_t inlined; /* the pc-value table; 0: none */
	bool has_tree;
	uint64_t tree; /* elf_va of the tree of inlined calls */
};

/* --- where function data lies ------------------------------------------------------------------------------------- */

static int read_at(const struct gopclntab *table, uint64_t va, void *to, size_t n)
{
	const struct elf_segment *segments;
	size_t n_segments;

	segments = elf_file_segments(table->file, &n_segments);
	for (size_t i = 0; i < n_segments; i++) {
		uint64_t at = va - segments[i].vaddr;

		if (va >= segments[i].vaddr && at <= segments[i].filesz && n <= segments[i].filesz - at)
			return file_pages_read(table->pages, segments[i].offset + at, to, n);
	}
	return -EBADMSG;
}

/* Is that runtime.moduledata? Its first word is the table's address, and it has the bounds of the code. */
static int try_module(struct gopclntab *table, uint64_t va)
{
	uint64_t gofunc = table->layout == GO_LAYOUT_1_18 ? MODULE_GOFUNC_1_18 : MODULE_GOFUNC;
	uint64_t bounds[2], data;
	uint8_t byte;
	int err = read_at(table, va + MODULE_MINPC * 8, bounds, sizeof(bounds));

	if (!err)
		err = read_at(table, va + gofunc * 8, &data, sizeof(data));
	if (!err && (bounds[0] != table->start || bounds[1] != table->limit))
		err = -ENOENT;
	if (!err)
		err = read_at(table, data, &byte, 1);
	if (err)
		return err;
	table->function_data = data;
	return 0;
}

static int scan_for_module(struct gopclntab *table, const struct elf_section *section)
{
	auto_free uint64_t *piece = malloc(SCAN_BYTES);
	uint64_t size = section->size < SCAN_MAX_BYTES ? section->size : SCAN_MAX_BYTES;

	if (!piece)
		return -ENOMEM;
	for (uint64_t at = 0; at < size && !table->function_data; at += SCAN_BYTES) {
		size_t n = size - at < SCAN_BYTES ? size - at : SCAN_BYTES;
		int err = io_pread_exact(elf_file_fd(table->file), piece, n, section->offset + at);

		if (err)
			return err;
		for (size_t i = 0; i < n / 8 && !table->function_data; i++) {
			if (piece[i] != table->va)
				continue;
			err = try_module(table, section->addr + at + i * 8);
			if (err == -EIO)
				return err;
		}
	}
	return 0;
}

static int find_function_data(struct gopclntab *table)
{
	static const char *const names[] = {".go.module", ".noptrdata", ".data", ".data.rel.ro"};

	if (table->is_sought)
		return 0;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names) && !table->function_data; i++) {
		const struct elf_section *section = elf_file_section(table->file, names[i]);
		int err = section ? scan_for_module(table, section) : 0;

		if (err)
			return err;
	}
	table->is_sought = true;
	return 0;
}

/* --- the record --------------------------------------------------------------------------------------------------- */

static int read_tree(struct gopclntab *table, uint64_t at, struct record *ret)
{
	uint64_t address;
	uint32_t distance;
	int err;

	if (table->layout < GO_LAYOUT_1_18) {
		err = gopclntab_read(table, ((at + 7) & ~7ULL) + FUNCDATA_INLINED * 8, &address, sizeof(address));
		ret->tree = address;
		ret->has_tree = !err && address;
		return err;
	}
	err = gopclntab_read(table, at + FUNCDATA_INLINED * 4, &distance, sizeof(distance));
	if (err || distance == UINT32_MAX)
		return err;
	err = find_function_data(table);
	if (err)
		return err;
	if (!table->function_data)
		return -ENOTSUP;
	ret->has_tree = true;
	ret->tree = table->function_data + distance;
	return 0;
}

static int read_record(struct gopclntab *table, const struct go_function *function, struct record *ret)
{
	size_t head = gopclntab_entry_bytes(table) + 4 * 4; /* entry, name, args, deferreturn, pcsp */
	bool has_start_line = table->layout >= GO_LAYOUT_1_20;
	uint8_t bytes[MAX_TAIL_BYTES];
	size_t n = 16 + (has_start_line ? 4 : 0) + 4;
	uint64_t at = function->record + head;
	uint32_t n_pcdata, n_funcdata;
	struct cursor cursor;
	int err = gopclntab_read(table, at, bytes, n);

	*ret = (struct record){0};
	if (err)
		return err;
	cursor_init(&cursor, bytes, n);
	ret->pcfile = cursor_u32(&cursor);
	ret->pcln = cursor_u32(&cursor);
	n_pcdata = cursor_u32(&cursor);
	ret->unit = cursor_u32(&cursor);
	ret->start_line = has_start_line ? cursor_u32(&cursor) : 0;
	cursor_skip(&cursor, 3);
	n_funcdata = cursor_u8(&cursor);
	at += n;
	if (n_pcdata <= PCDATA_INLINED || n_funcdata <= FUNCDATA_INLINED)
		return 0;
	err = gopclntab_read(table, at + PCDATA_INLINED * 4, &ret->inlined, sizeof(ret->inlined));
	return err || !ret->inlined ? err : read_tree(table, at + (uint64_t)n_pcdata * 4, ret);
}

/* --- lines -------------------------------------------------------------------------------------------------------- */

/* The value at the address in a table of the function; -1 where it says nothing. */
static int value_at(struct gopclntab *table, const struct go_function *function, uint32_t offset, uint64_t va,
		    int32_t *ret)
{
	struct go_values values;
	uint64_t limit;
	int32_t value;
	int more;

	*ret = -1;
	if (!offset)
		return 0;
	go_values_init(&values, table, function, offset);
	while ((more = go_values_next(&values, &limit, &value)) > 0) {
		if (va >= limit)
			continue;
		*ret = value;
		return 0;
	}
	return more;
}

struct inlined_call {
	uint32_t name, parent, start_line; /* parent: the address from the function's start */
};

static int read_call(const struct gopclntab *table, const struct record *record, int32_t index,
		     struct inlined_call *ret)
{
	/* Until 1.19: parent (2 bytes), funcID, pad, file, line, name, parentPc; since then funcID, pad (3 bytes),
	 * name, parentPc, startLine. */
	bool is_old = table->layout < GO_LAYOUT_1_20;
	size_t bytes = is_old ? 20 : 16;
	uint8_t call[20];
	struct cursor cursor;
	int err = read_at(table, record->tree + (uint64_t)(uint32_t)index * bytes, call, bytes);

	if (err)
		return err;
	cursor_init(&cursor, call, bytes);
	cursor_skip(&cursor, is_old ? 12 : 4);
	ret->name = cursor_u32(&cursor);
	ret->parent = cursor_u32(&cursor);
	ret->start_line = is_old ? 0 : cursor_u32(&cursor);
	return 0;
}

static int read_place(struct gopclntab *table, const struct go_function *function, const struct record *record,
		      uint64_t va, struct go_line *ret)
{
	int32_t file, line;
	uint32_t offset;
	int err = value_at(table, function, record->pcfile, va, &file);

	if (!err)
		err = value_at(table, function, record->pcln, va, &line);
	if (!err && (file < 0 || line < 0))
		err = -EBADMSG;
	if (!err)
		err = gopclntab_read(table, table->units + ((uint64_t)record->unit + (uint32_t)file) * 4, &offset,
				     sizeof(offset));
	if (err)
		return err;
	ret->file = table->files + offset;
	ret->line = (uint32_t)line;
	return 0;
}

int gopclntab_lines(struct gopclntab *table, const struct go_function *function, uint64_t elf_va, struct go_line *lines,
		    size_t max, size_t *ret_n)
{
	struct record record;
	uint64_t va = elf_va;
	int err;

	*ret_n = 0;
	if (table->layout < GO_LAYOUT_1_16)
		return -ENOTSUP;
	if (elf_va < function->start || elf_va >= function->limit)
		return -EINVAL;
	err = read_record(table, function, &record);
	for (size_t n = 0; !err && n < max; n++) {
		struct inlined_call call = {.name = function->name, .start_line = record.start_line};
		int32_t index = -1;

		err = read_place(table, function, &record, va, &lines[n]);
		if (!err && record.has_tree)
			err = value_at(table, function, record.inlined, va, &index);
		if (!err && index >= 0)
			err = read_call(table, &record, index, &call);
		if (err)
			break;
		lines[n].name = call.name;
		lines[n].start_line = call.start_line;
		if (index < 0) {
			*ret_n = n + 1;
			return 0;
		}
		if (call.parent >= function->limit - function->start)
			return -EBADMSG;
		va = function->start + call.parent;
	}
	return err ? err : -EBADMSG; /* no tree of calls is that deep */
}

int gopclntab_line_name(struct gopclntab *table, const struct go_line *line, char *name, size_t size)
{
	return gopclntab_text(table, table->names + line->name, name, size);
}

int gopclntab_line_file(struct gopclntab *table, const struct go_line *line, char *file, size_t size)
{
	return gopclntab_text(table, line->file, file, size);
}
