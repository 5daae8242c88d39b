/* SPDX-License-Identifier: Apache-2.0 */
/* The table, with offsets from its start (what is in brackets is not read here):
 *
 *     header       magic, 0, 0, quantum, size of a pointer; then words: number of functions, [of files], since 1.18 the
 *                  address of the code (0 since 1.26), offsets of the parts
 *     names        NUL-terminated
 *     units        for each compilation unit the offsets of the names of its files
 *     files        their names, NUL-terminated
 *     pctab        pc-value tables, shared by functions that have the same
 *     functab      {entry, offset of the record} for each function, sorted; then the end of the last one
 *     records      {entry, name, args, deferreturn, pcsp, [pcfile, pcln, npcdata, …], flags}
 *
 * Until 1.17 entries are addresses; since 1.18 they are 32-bit distances from the start of the code, which has to be
 * found (find_text). Until 1.15 there are no parts: names, pctab and records are offsets from the table's start. */
#include "elf/gopclntab.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/cursor.h"
#include "base/io.h"
#include "elf/elf_file.h"
#include "elf/file_pages.h"
#include "gopclntab_internal.h"

#define PAGES 64
#define HEADER_TEXT 24
#define MAX_HEADER_BYTES 72
#define MAX_RECORD_BYTES 48
#define NAME_PIECE 64
#define SCAN_BYTES (64u << 10)
#define SCAN_MAX_BYTES (256ull << 20)
#define SCAN_ALIGN 8
#define SCAN_MAX_HEADERS 16		   /* that look like one and are none */
#define READ_RELOCATIONS 4096		   /* per piece: 96 KiB */
#define MAX_RELOCATION_BYTES (64ull << 20) /* of one section */

/* runtime.moduledata since Go 1.26, when it got a section of its own: three words of it. */
#define MODULE_MINPC 160
#define MODULE_BYTES 184
enum { MINPC, MAXPC, TEXT, MODULE_WORDS };

#define MAGIC_1_2 0xfffffffbu
#define MAGIC_1_16 0xfffffffau
#define MAGIC_1_18 0xfffffff0u
#define MAGIC_1_20 0xfffffff1u

int gopclntab_read(const struct gopclntab *table, uint64_t at, void *to, size_t n)
{
	if (at > table->size || n > table->size - at)
		return -EBADMSG;
	return file_pages_read(table->pages, table->offset + at, to, n);
}

/* The entry of function number `index`, as it is; that of number n is the end of the last one. */
static int read_entry(const struct gopclntab *table, size_t index, uint64_t *ret_entry, uint64_t *ret_record)
{
	unsigned int bytes = gopclntab_entry_bytes(table);
	uint8_t pair[16];
	struct cursor cursor;
	size_t n = index < table->n ? 2 * bytes : bytes;
	int err = gopclntab_read(table, table->functab + (uint64_t)index * 2 * bytes, pair, n);

	if (err)
		return err;
	cursor_init(&cursor, pair, n);
	*ret_entry = bytes == 8 ? cursor_u64(&cursor) : cursor_u32(&cursor);
	if (ret_record)
		*ret_record = bytes == 8 ? cursor_u64(&cursor) : cursor_u32(&cursor);
	return 0;
}

/* --- the header --------------------------------------------------------------------------------------------------- */

static bool layout_of(uint32_t magic, enum go_layout *ret)
{
	switch (magic) {
	case MAGIC_1_2:
		*ret = GO_LAYOUT_1_2;
		return true;
	case MAGIC_1_16:
		*ret = GO_LAYOUT_1_16;
		return true;
	case MAGIC_1_18:
		*ret = GO_LAYOUT_1_18;
		return true;
	case MAGIC_1_20:
		*ret = GO_LAYOUT_1_20;
		return true;
	default:
		return false;
	}
}

static uint8_t machine_quantum(uint16_t machine)
{
	return machine == EM_AARCH64 ? 4 : machine == EM_X86_64 ? 1 : 0;
}

/* Do these bytes begin a table for this machine? */
static bool is_header(const struct gopclntab *table, const uint8_t bytes[8], enum go_layout *ret)
{
	struct cursor cursor;
	uint32_t magic;

	cursor_init(&cursor, bytes, 8);
	magic = cursor_u32(&cursor);
	return !cursor_u16(&cursor) && cursor_u8(&cursor) == table->quantum && cursor_u8(&cursor) == 8 &&
	       layout_of(magic, ret);
}

static int read_header(struct gopclntab *table)
{
	uint8_t bytes[MAX_HEADER_BYTES] = {0};
	size_t n = table->size < sizeof(bytes) ? table->size : sizeof(bytes);
	struct cursor cursor;
	uint64_t count;
	int err = gopclntab_read(table, 0, bytes, n);

	if (err)
		return err;
	if (!is_header(table, bytes, &table->layout))
		return -EBADMSG;
	cursor_init(&cursor, bytes, sizeof(bytes));
	cursor_skip(&cursor, 8);
	count = cursor_u64(&cursor);
	table->names = table->units = table->files = table->pctab = table->records = table->text = 0;
	if (!count || count > GOPCLNTAB_MAX_FUNCTIONS)
		return -EBADMSG;
	table->n = count;
	if (table->layout == GO_LAYOUT_1_2) {
		table->functab = cursor_offset(&cursor);
	} else {
		cursor_skip(&cursor, 8); /* files */
		if (table->layout >= GO_LAYOUT_1_18)
			table->text = cursor_u64(&cursor);
		table->names = cursor_u64(&cursor);
		table->units = cursor_u64(&cursor);
		table->files = cursor_u64(&cursor);
		table->pctab = cursor_u64(&cursor);
		table->functab = cursor_u64(&cursor);
		table->records = table->functab;
	}
	if (table->names > table->size || table->pctab > table->size || table->functab > table->size)
		return -EBADMSG;
	err = read_entry(table, 0, &table->first_entry, NULL);
	if (!err)
		err = read_entry(table, table->n, &table->end, NULL);
	return err;
}

/* --- where the code is -------------------------------------------------------------------------------------------- */

/* Bytes of the segment that the file really has. */
static uint64_t bytes_in_file(const struct gopclntab *table, const struct elf_segment *segment)
{
	uint64_t size = elf_file_size(table->file);

	if (segment->offset >= size)
		return 0;
	return segment->filesz < size - segment->offset ? segment->filesz : size - segment->offset;
}

/* With its entries counted from there, does all of the table's code lie in one executable segment? */
static bool has_code_at(struct gopclntab *table, uint64_t text)
{
	const struct elf_segment *segments;
	uint64_t start, limit;
	size_t n;

	segments = elf_file_segments(table->file, &n);
	if (!checked_add(text, table->first_entry, &start) || !checked_add(text, table->end, &limit) || start >= limit)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!(segments[i].flags & PF_X) || start < segments[i].vaddr ||
		    limit - segments[i].vaddr > bytes_in_file(table, &segments[i]))
			continue;
		table->text = text;
		table->start = start;
		table->limit = limit;
		return true;
	}
	return false;
}

/* The addends of the relative relocations of `n` words side by side. What has none stays as it is. */
static int relocate_words(const struct elf_file *file, const struct elf_section *section, uint64_t va, size_t n,
			  uint64_t *words)
{
	uint32_t type = elf_file_machine(file) == EM_AARCH64 ? R_AARCH64_RELATIVE : R_X86_64_RELATIVE;
	uint64_t count = section->size / sizeof(Elf64_Rela);
	auto_free Elf64_Rela *piece = malloc(READ_RELOCATIONS * sizeof(*piece));

	if (!piece)
		return -ENOMEM;
	for (uint64_t at = 0; at < count; at += READ_RELOCATIONS) {
		size_t part = count - at < READ_RELOCATIONS ? count - at : READ_RELOCATIONS;
		int err = io_pread_exact(elf_file_fd(file), piece, part * sizeof(*piece),
					 section->offset + at * sizeof(*piece));

		if (err)
			return err;
		for (size_t i = 0; i < part; i++) {
			uint64_t distance = piece[i].r_offset - va;

			if (distance < n * 8 && distance % 8 == 0 && ELF64_R_TYPE(piece[i].r_info) == type)
				words[distance / 8] = (uint64_t)piece[i].r_addend;
		}
	}
	return 0;
}

/* Addresses that the file holds at `va`. Go's own linker writes them there even when they are relocated, and so does
 * who packs relocations; others leave zeros. */
static int read_addresses(const struct gopclntab *table, uint64_t offset, uint64_t va, size_t n, uint64_t *ret)
{
	const struct elf_section *sections;
	bool has_zero = false;
	size_t n_sections;
	int err = file_pages_read(table->pages, offset, ret, n * 8);

	for (size_t i = 0; i < n && !err; i++)
		has_zero |= !ret[i];
	sections = elf_file_sections(table->file, &n_sections);
	for (size_t i = 0; i < n_sections && !err && has_zero; i++) {
		const struct elf_section *section = &sections[i];

		if (section->type == SHT_RELA && (section->flags & SHF_ALLOC) &&
		    section->entsize == sizeof(Elf64_Rela) && section->size <= MAX_RELOCATION_BYTES)
			err = relocate_words(table->file, section, va, n, ret);
	}
	return err;
}

static int find_text_by_module(struct gopclntab *table, const struct elf_section *module)
{
	uint64_t words[MODULE_WORDS];
	int err;

	if (module->size < MODULE_BYTES)
		return -ENOTSUP;
	err = read_addresses(table, module->offset + MODULE_MINPC, module->addr + MODULE_MINPC, MODULE_WORDS, words);
	if (err)
		return err;
	/* The table's own bounds again: a later layout of the struct would hardly pass for this one. */
	return has_code_at(table, words[TEXT]) && words[MINPC] == table->start && words[MAXPC] == table->limit
		       ? 0
		       : -ENOTSUP;
}

/* Linked by Go's own linker, .text begins with Go's code; then the program begins at a function of the table. */
static int find_text_by_entry(struct gopclntab *table)
{
	const struct elf_section *text = elf_file_section(table->file, ".text");
	struct go_function function;
	char name[16];
	uint64_t entry = elf_file_entry(table->file);
	size_t index;
	int err;

	if (!text || !has_code_at(table, text->addr))
		return -ENOTSUP;
	err = gopclntab_find(table, entry, &index);
	if (!err)
		err = gopclntab_function(table, index, &function);
	if (!err)
		err = gopclntab_name(table, &function, name, sizeof(name));
	if (err == -EIO)
		return err;
	return !err && function.start == entry && strncmp(name, "_rt0_", 5) == 0 ? 0 : -ENOTSUP;
}

static int find_text(struct gopclntab *table)
{
	const struct elf_section *module = elf_file_section(table->file, ".go.module");
	int err = -ENOTSUP;

	if (table->layout < GO_LAYOUT_1_18)
		return has_code_at(table, 0) ? 0 : -ENOTSUP;
	if (module) {
		err = find_text_by_module(table, module);
	} else {
		err = read_addresses(table, table->offset + HEADER_TEXT, table->va + HEADER_TEXT, 1, &table->text);
		if (!err)
			err = table->text && has_code_at(table, table->text) ? 0 : -ENOTSUP;
	}
	return err == -ENOTSUP ? find_text_by_entry(table) : err;
}

/* --- where the table is ------------------------------------------------------------------------------------------- */

/* The first table in `size` bytes of the file. */
static int scan(struct gopclntab *table, uint64_t offset, uint64_t size, uint64_t va)
{
	auto_free uint8_t *piece = malloc(SCAN_BYTES);
	unsigned int headers = 0;

	if (!piece)
		return -ENOMEM;
	if (size > SCAN_MAX_BYTES)
		size = SCAN_MAX_BYTES;
	for (uint64_t at = 0; at + MAX_HEADER_BYTES <= size; at += SCAN_BYTES) {
		size_t part = size - at < SCAN_BYTES ? size - at : SCAN_BYTES;
		ssize_t got = io_pread_full(elf_file_fd(table->file), piece, part, offset + at);

		if (got < 0)
			return (int)got;
		for (size_t i = 0; i + 8 <= (size_t)got; i += SCAN_ALIGN) {
			enum go_layout layout;

			if (piece[i + 3] != 0xff || !is_header(table, piece + i, &layout))
				continue;
			table->offset = offset + at + i;
			table->size = size - at - i;
			table->va = va + at + i;
			if (!read_header(table) && !find_text(table))
				return 0;
			if (++headers == SCAN_MAX_HEADERS)
				return -ENOENT;
		}
	}
	return -ENOENT;
}

static int scan_segments(struct gopclntab *table)
{
	const struct elf_segment *segments;
	int err = -ENOENT;
	size_t n;

	segments = elf_file_segments(table->file, &n);
	for (size_t i = 0; i < n && err == -ENOENT; i++)
		err = scan(table, segments[i].offset, segments[i].filesz, segments[i].vaddr);
	return err;
}

static int find_table(struct gopclntab *table)
{
	static const char *const names[] = {".gopclntab", ".data.rel.ro.gopclntab"};
	const struct elf_section *section = NULL;
	size_t n;
	int err;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names) && !section; i++)
		section = elf_file_section(table->file, names[i]);
	if (section) {
		table->offset = section->offset;
		table->size = section->size;
		table->va = section->addr;
		err = read_header(table);
		return err ? err : find_text(table);
	}
	elf_file_sections(table->file, &n);
	if (!n)
		return scan_segments(table);
	section = elf_file_section(table->file, ".data.rel.ro");
	if (!section ||
	    (!elf_file_section(table->file, ".note.go.buildid") && !elf_file_section(table->file, ".go.buildinfo")))
		return -ENOENT;
	return scan(table, section->offset, section->size, section->addr);
}

int gopclntab_open(const struct elf_file *file, struct gopclntab **ret)
{
	struct gopclntab *table;
	int err = -ENOMEM;

	if (!machine_quantum(elf_file_machine(file)))
		return -ENOTSUP;
	table = calloc(1, sizeof(*table));
	if (!table)
		return err;
	table->file = file;
	table->quantum = machine_quantum(elf_file_machine(file));
	err = file_pages_new(elf_file_fd(file), PAGES, &table->pages);
	if (!err)
		err = find_table(table);
	if (err)
		goto fail;
	*ret = table;
	return 0;
fail:
	gopclntab_free(table);
	return err;
}

void gopclntab_free(struct gopclntab *table)
{
	if (!table)
		return;
	file_pages_free(table->pages);
	free(table);
}

enum go_layout gopclntab_layout(const struct gopclntab *table)
{
	return table->layout;
}

size_t gopclntab_count(const struct gopclntab *table)
{
	return table->n;
}

void gopclntab_range(const struct gopclntab *table, uint64_t *ret_start, uint64_t *ret_limit)
{
	*ret_start = table->start;
	*ret_limit = table->limit;
}

size_t gopclntab_memory_bytes(const struct gopclntab *table)
{
	return sizeof(*table) + file_pages_memory_bytes(table->pages);
}

/* --- functions ---------------------------------------------------------------------------------------------------- */

int gopclntab_find(struct gopclntab *table, uint64_t elf_va, size_t *ret_index)
{
	size_t low = 0, high = table->n;

	if (elf_va < table->start || elf_va >= table->limit)
		return -ENOENT;
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;
		uint64_t entry;
		int err = read_entry(table, middle, &entry, NULL);

		if (err)
			return err;
		if (entry <= elf_va - table->text)
			low = middle;
		else
			high = middle;
	}
	*ret_index = low;
	return 0;
}

/* Where the flags are in a record, behind what all layouts have: {entry, name, args, deferreturn, pcsp, pcfile, pcln,
 * npcdata}, then cuOffset since 1.16, startLine since 1.20; funcID, flags. */
static size_t flags_offset(const struct gopclntab *table)
{
	static const uint8_t words[] = {
		[GO_LAYOUT_1_2] = 7, [GO_LAYOUT_1_16] = 8, [GO_LAYOUT_1_18] = 8, [GO_LAYOUT_1_20] = 9};

	return gopclntab_entry_bytes(table) + words[table->layout] * 4u + 1;
}

int gopclntab_function(struct gopclntab *table, size_t index, struct go_function *ret)
{
	uint64_t entry, record, limit;
	uint8_t bytes[MAX_RECORD_BYTES];
	size_t n = flags_offset(table) + 1;
	struct go_function function;
	struct cursor cursor;
	int err;

	if (index >= table->n)
		return -EBADMSG;
	err = read_entry(table, index, &entry, &record);
	if (!err)
		err = read_entry(table, index + 1, &limit, NULL);
	if (!err && (entry < table->first_entry || entry >= limit || limit > table->end ||
		     !checked_add(table->records, record, &record)))
		err = -EBADMSG;
	if (!err)
		err = gopclntab_read(table, record, bytes, n);
	if (err)
		return err;
	cursor_init(&cursor, bytes, n);
	if ((gopclntab_entry_bytes(table) == 8 ? cursor_u64(&cursor) : cursor_u32(&cursor)) != entry)
		return -EBADMSG;
	function.start = table->text + entry;
	function.limit = table->text + limit;
	function.name = cursor_u32(&cursor);
	cursor_skip(&cursor, 8);
	function.pcsp = cursor_u32(&cursor);
	function.record = record;
	function.flags = table->layout == GO_LAYOUT_1_2 ? 0 : bytes[n - 1];
	*ret = function;
	return 0;
}

int gopclntab_text(const struct gopclntab *table, uint64_t at, char *to, size_t size)
{
	size_t done = 0;

	if (!size)
		return -EINVAL;
	while (done < size - 1) {
		size_t n = size - 1 - done < NAME_PIECE ? size - 1 - done : NAME_PIECE;
		int err;

		if (at >= table->size)
			return -EBADMSG;
		if (n > table->size - at)
			n = table->size - at;
		err = gopclntab_read(table, at, to + done, n);
		if (err)
			return err;
		if (memchr(to + done, '\0', n))
			return 0;
		done += n;
		at += n;
	}
	to[done] = '\0';
	return 0;
}

int gopclntab_name(struct gopclntab *table, const struct go_function *function, char *name, size_t size)
{
	return gopclntab_text(table, table->names + function->name, name, size);
}

/* --- pc-value tables ---------------------------------------------------------------------------------------------- */

/* Pairs of varints: by how much the value changes (zigzag; the first one from -1), and for how many quanta it then
 * holds. A change of 0 ends the table, but for the first. */

void go_values_init(struct go_values *values, struct gopclntab *table, const struct go_function *function,
		    uint32_t offset)
{
	*values = (struct go_values){
		.table = table,
		.at = table->pctab + offset,
		.pc = function->start,
		.limit = function->limit,
		.value = -1,
		.is_first = true,
	};
}

static int read_piece(struct go_values *values)
{
	const struct gopclntab *table = values->table;
	uint64_t left = values->at < table->size ? table->size - values->at : 0;
	size_t n = left < sizeof(values->piece) ? left : sizeof(values->piece);
	int err = n ? gopclntab_read(table, values->at, values->piece, n) : -EBADMSG;

	if (err)
		return err;
	values->at += n;
	values->len = (uint8_t)n;
	values->pos = 0;
	return 0;
}

/* 32 bits: more are a broken table. */
static int next_varint(struct go_values *values, uint32_t *ret)
{
	uint64_t number = 0;

	for (unsigned int shift = 0; shift < 35; shift += 7) {
		int err = values->pos < values->len ? 0 : read_piece(values);
		uint8_t byte;

		if (err)
			return err;
		byte = values->piece[values->pos++];
		number |= (uint64_t)(byte & 0x7f) << shift;
		if (byte & 0x80)
			continue;
		*ret = (uint32_t)number;
		return number > UINT32_MAX ? -EBADMSG : 0;
	}
	return -EBADMSG;
}

int go_values_next(struct go_values *values, uint64_t *ret_limit, int32_t *ret_value)
{
	uint32_t change, quanta;
	uint64_t bytes;
	int err = next_varint(values, &change);

	if (err)
		return err;
	if (!change && !values->is_first)
		return 0;
	err = next_varint(values, &quanta);
	if (err)
		return err;
	bytes = (uint64_t)quanta * values->table->quantum;
	if (!bytes || bytes > values->limit - values->pc)
		return -EBADMSG;
	values->is_first = false;
	values->value = (int32_t)((uint32_t)values->value + (change >> 1 ^ -(change & 1)));
	values->pc += bytes;
	*ret_limit = values->pc;
	*ret_value = values->value;
	return 1;
}
