/* SPDX-License-Identifier: Apache-2.0 */
/* The index of a section's FDEs, and the rows of each:
 *
 *     .eh_frame_hdr ─── a part of a large file: entered by its table ───┐
 *     section ───────── else: every entry, in the file's order ─────────┴─► {start, limit, offset} ─► sort ─► cut
 *
 * A CIE is read when the first FDE asks for it and kept, bad or not. */
#include "unwind/cfi.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/map.h"
#include "base/partition_point.h"
#include "base/vec.h"
#include "elf/elf_file.h"
#include "unwind/cfi_internal.h"

#ifndef SHT_X86_64_UNWIND
#define SHT_X86_64_UNWIND 0x70000001u
#endif

#define TABLE_HEAD_BYTES 32u /* of .eh_frame_hdr, in its longest form */
#define TABLE_VERSION 1u
#define TABLE_ROW_BYTES 8u

struct fde_vec VEC(struct cfi_fde);
struct cie_vec VEC(struct cfi_cie);

struct range {
	uint64_t start, limit;
};

struct range_vec VEC(struct range);

struct cfi {
	struct cfi_section section;
	struct range_vec code; /* executable segments, by address */
	struct range wanted;
	struct fde_vec fdes;
	struct cie_vec cies;
	struct map cie_numbers; /* offset of a CIE → number in cies */
	size_t last_cie;	/* the one asked for last */
	size_t bad_entries;
	struct cfi_row_vec rows; /* of the FDE that was asked for last */
	struct cfi_program program;
};

/* --- where code is ------------------------------------------------------------------------------------------------ */

static int compare_ranges(const void *left, const void *right)
{
	const struct range *a = left, *b = right;

	return (a->start > b->start) - (a->start < b->start);
}

static int find_code(struct cfi *cfi, const struct elf_file *file)
{
	const struct elf_segment *segments;
	size_t n;

	segments = elf_file_segments(file, &n);
	for (size_t i = 0; i < n; i++) {
		struct range *range;

		if (!(segments[i].flags & PF_X) || !segments[i].memsz)
			continue;
		range = vec_push(&cfi->code);
		if (!range)
			return -ENOMEM;
		/* A debug file has the segments' addresses but none of their bytes: filesz is 0 there. */
		*range = (struct range){segments[i].vaddr, segments[i].vaddr + segments[i].memsz};
	}
	if (cfi->code.len)
		qsort(cfi->code.items, cfi->code.len, sizeof(struct range), compare_ranges);
	return 0;
}

/* The executable segment that holds the address, or NULL. */
static const struct range *code_at(const struct cfi *cfi, uint64_t va)
{
	size_t n = partition_point(cfi->code.len, i, cfi->code.items[i].start <= va);
	return n && va < cfi->code.items[n - 1].limit ? &cfi->code.items[n - 1] : NULL;
}

static bool is_all_wanted(const struct cfi *cfi)
{
	for (size_t i = 0; i < cfi->code.len; i++)
		if (cfi->code.items[i].start < cfi->wanted.start || cfi->code.items[i].limit > cfi->wanted.limit)
			return false;
	return true;
}

/* --- CIEs --------------------------------------------------------------------------------------------------------- */

static int run_cie(struct cfi *cfi, struct cfi_entry *entry, struct cfi_cie *cie)
{
	struct cfi_program *program = &cfi->program;

	program->machine = cfi->section.machine;
	program->cie = cie;
	program->start_va = cfi->section.va + entry->start;
	program->va = 0;
	program->limit = UINT64_MAX;
	program->state = cfi_state_initial();
	program->rows = NULL;
	return cfi_program_run(program, &entry->cursor);
}

/* Reads the CIE at the offset, for good or bad. */
static int add_cie(struct cfi *cfi, uint64_t offset)
{
	struct cfi_cie *cie = vec_push(&cfi->cies);
	struct cfi_entry entry;
	uint32_t *number;
	int err;

	if (!cie)
		return cfi->cies.len < CFI_MAX_CIES ? -ENOMEM : -EBADMSG;
	err = map_insert(&cfi->cie_numbers, &offset, (void **)&number, NULL);
	if (!err)
		err = cfi_entry_read(&cfi->section, offset, CFI_MAX_CIE_BYTES, &entry);
	if (err && err != -EBADMSG) {
		cfi->cies.len--;
		return err;
	}
	*number = (uint32_t)(cfi->cies.len - 1);
	if (!err)
		cfi_cie_read(&cfi->section, &entry, cie);
	else
		*cie = (struct cfi_cie){.start = offset, .err = err};
	if (!cie->err) {
		cie->program_err = run_cie(cfi, &entry, cie);
		cie->state = cfi->program.state;
	}
	cfi->bad_entries += cie->err || cie->program_err;
	return 0;
}

/* The CIE at the offset, valid until the next call. -EBADMSG: there is none. */
static int find_cie(struct cfi *cfi, uint64_t offset, const struct cfi_cie **ret)
{
	if (cfi->last_cie >= cfi->cies.len || cfi->cies.items[cfi->last_cie].start != offset) {
		const uint32_t *number = map_find(&cfi->cie_numbers, &offset);

		if (number) {
			cfi->last_cie = *number;
		} else {
			int err = add_cie(cfi, offset);

			if (err)
				return err;
			cfi->last_cie = cfi->cies.len - 1;
		}
	}
	*ret = &cfi->cies.items[cfi->last_cie];
	return (*ret)->err;
}

/* --- FDEs --------------------------------------------------------------------------------------------------------- */

/* -EBADMSG: it cannot be read, but the entry says where the next one is. Leaves the entry's cursor behind the size. */
static int read_fde(struct cfi *cfi, struct cfi_entry *entry, struct cfi_fde *ret)
{
	const struct cfi_cie *cie;
	int err = entry->kind == CFI_ENTRY_FDE ? find_cie(cfi, entry->cie, &cie) : -EBADMSG;

	ret->offset = entry->start;
	return err ? err : cfi_fde_read(&cfi->section, entry, cie, &ret->start, &ret->limit);
}

/* Keeps it if it is about code that is wanted. A linker that drops a function leaves its FDE with the address 0. */
static int keep_fde(struct cfi *cfi, struct cfi_fde fde)
{
	const struct range *code = fde.start ? code_at(cfi, fde.start) : NULL;
	struct cfi_fde *kept;

	if (!code || fde.start >= fde.limit)
		return 0;
	if (fde.limit > code->limit)
		fde.limit = code->limit;
	if (fde.start >= cfi->wanted.limit || fde.limit <= cfi->wanted.start)
		return 0;
	kept = vec_push(&cfi->fdes);
	if (!kept)
		return cfi->fdes.len < CFI_MAX_FDES ? -ENOMEM : -E2BIG;
	*kept = fde;
	return 0;
}

static int scan_section(struct cfi *cfi)
{
	struct cfi_entry entry;

	for (uint64_t at = 0; at < cfi->section.size; at = entry.limit) {
		struct cfi_fde fde;
		int err = cfi_entry_read(&cfi->section, at, CFI_FDE_HEAD_BYTES, &entry);

		if (err == -EBADMSG && at) { /* nobody knows where the next one begins */
			cfi->bad_entries++;
			return 0;
		}
		if (err)
			return err;
		if (entry.kind == CFI_ENTRY_CIE || entry.kind == CFI_ENTRY_END)
			continue;
		err = read_fde(cfi, &entry, &fde);
		if (!err)
			err = keep_fde(cfi, fde);
		if (err && err != -EBADMSG)
			return err;
		cfi->bad_entries += !!err;
	}
	return 0;
}

/* --- the table of .eh_frame_hdr ----------------------------------------------------------------------------------- */

/* Sorted rows {address of a function, address of its FDE}. */
struct search_table {
	struct cfi_section section;
	uint64_t rows_at, rows;
};

static void init_section(struct cfi_section *section, const struct elf_file *file, const struct elf_section *from)
{
	*section = (struct cfi_section){
		.fd = elf_file_fd(file),
		.is_eh_frame = true,
		.machine = cfi_machine_find(elf_file_machine(file)),
		.va = from->addr,
		.offset = from->offset,
		.size = from->size,
	};
}

static int open_table(struct search_table *table, const struct cfi *cfi)
{
	const struct cfi_section *section = &table->section;
	uint64_t head = section->size < TABLE_HEAD_BYTES ? section->size : TABLE_HEAD_BYTES, frame_va;
	uint8_t version, frame_encoding, count_encoding, row_encoding;
	struct cursor cursor;
	int err = cfi_section_read(&table->section, 0, head, &cursor);

	if (err)
		return err;
	version = cursor_u8(&cursor);
	frame_encoding = cursor_u8(&cursor);
	count_encoding = cursor_u8(&cursor);
	row_encoding = cursor_u8(&cursor);
	frame_va = cfi_pointer_read(&cursor, frame_encoding, section->va, section->va);
	table->rows = cfi_pointer_read(&cursor, count_encoding, section->va, section->va);
	table->rows_at = cursor_offset(&cursor);
	if (!cursor_ok(&cursor) || version != TABLE_VERSION || row_encoding != CFI_POINTER_TABLE ||
	    frame_va != cfi->section.va || table->rows > (section->size - table->rows_at) / TABLE_ROW_BYTES)
		return -EBADMSG;
	return 0;
}

static int read_row(struct search_table *table, uint64_t index, uint64_t *ret_start, uint64_t *ret_fde_va)
{
	uint64_t va = table->section.va;
	struct cursor cursor;
	int err = cfi_section_read(&table->section, table->rows_at + index * TABLE_ROW_BYTES, TABLE_ROW_BYTES, &cursor);

	if (err)
		return err;
	*ret_start = cfi_pointer_read(&cursor, CFI_POINTER_TABLE, va, va);
	*ret_fde_va = cfi_pointer_read(&cursor, CFI_POINTER_TABLE, va, va);
	return cursor_ok(&cursor) ? 0 : -EBADMSG;
}

/* The last row at or before the address, whose function may reach it; else the first. */
static int find_row(struct search_table *table, uint64_t va, uint64_t *ret)
{
	uint64_t low = 0, high = table->rows;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2, start, fde_va;
		int err = read_row(table, middle, &start, &fde_va);

		if (err)
			return err;
		if (start <= va)
			low = middle + 1;
		else
			high = middle;
	}
	*ret = low ? low - 1 : 0;
	return 0;
}

/* FDEs of the wanted range in the table's order. -EBADMSG: it is not what it should be, in whatever way. */
static int scan_table(struct cfi *cfi, struct search_table *table)
{
	uint64_t index, previous = 0, left = cfi->section.size;
	int err = find_row(table, cfi->wanted.start, &index);

	for (; !err && index < table->rows; index++) {
		uint64_t start, fde_va;
		struct cfi_entry entry;
		struct cfi_fde fde;

		err = read_row(table, index, &start, &fde_va);
		if (!err && start >= cfi->wanted.limit)
			break;
		if (!err)
			err = cfi_entry_read(&cfi->section, fde_va - cfi->section.va, CFI_FDE_HEAD_BYTES, &entry);
		if (err)
			break;
		/* Entries that do not overlap have no more bytes than the section: else a small table could ask for the
		 * same instructions again and again. */
		if (start < previous || entry.limit - entry.start > left)
			return -EBADMSG;
		previous = start;
		left -= entry.limit - entry.start;
		err = read_fde(cfi, &entry, &fde);
		if (!err)
			err = fde.start == start ? keep_fde(cfi, fde) : -EBADMSG;
	}
	return err;
}

/* -ENOENT: the file has none. */
static int try_table(struct cfi *cfi, const struct elf_file *file)
{
	const struct elf_section *section = elf_file_section(file, ".eh_frame_hdr");
	struct search_table table;
	int err;

	if (!cfi->section.is_eh_frame || !section || !section->size || section->type == SHT_NOBITS)
		return -ENOENT;
	init_section(&table.section, file, section);
	err = open_table(&table, cfi);
	if (!err)
		err = scan_table(cfi, &table);
	cfi_section_release(&table.section);
	if (err)
		vec_clear(&cfi->fdes);
	return err;
}

/* --- the index ---------------------------------------------------------------------------------------------------- */

static int compare_fdes(const void *left, const void *right)
{
	const struct cfi_fde *a = left, *b = right;

	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	return (a->offset > b->offset) - (a->offset < b->offset);
}

static void sort_fdes(struct fde_vec *fdes)
{
	for (size_t i = 1; i < fdes->len; i++) {
		if (compare_fdes(&fdes->items[i - 1], &fdes->items[i]) > 0) {
			qsort(fdes->items, fdes->len, sizeof(*fdes->items), compare_fdes);
			return;
		}
	}
}

/* Each ends at the next one's start at the latest; of equal starts the first stays. */
static void cut_fdes(struct fde_vec *fdes)
{
	struct cfi_fde *last = NULL;
	size_t kept = 0;

	vec_for_each (fdes, fde) {
		if (last && last->start == fde->start)
			continue;
		if (last && last->limit > fde->start)
			last->limit = fde->start;
		last = &fdes->items[kept++];
		*last = *fde;
	}
	fdes->len = kept;
}

static int check_section(const struct elf_section *section)
{
	bool is_eh_frame = strcmp(section->name, ".eh_frame") == 0;

	if (!is_eh_frame && strcmp(section->name, ".debug_frame") != 0)
		return -EINVAL;
	if (section->type != SHT_PROGBITS && !(is_eh_frame && section->type == SHT_X86_64_UNWIND))
		return -ENOTSUP;
	return section->flags & SHF_COMPRESSED ? -ENOTSUP : 0;
}

static int find_bx(void *ctx, uint64_t va, const struct unwind_rule *rule)
{
	struct cfi *cfi = ctx;

	(void)va;
	cfi->program.tells_bx |= rule->cfa == UNWIND_CFA_REGISTER && rule->reg == cfi->section.machine->bx;
	return cfi->program.tells_bx;
}

/* Must rules say what became of rbx? Of a small section all rows are looked at: the dynamic linker's is one. */
static int look_for_bx(struct cfi *cfi)
{
	const struct row_sink sink = {.row = find_bx, .ctx = cfi};
	int err = 0;

	if (cfi->section.size > CFI_READ_TWICE_BYTES || cfi->section.machine->bx == CFI_NO_REGISTER)
		return 0;
	for (size_t i = 0; i < cfi->fdes.len && !cfi->program.tells_bx; i++) {
		err = cfi_rows(cfi, i, &sink);
		if (err && err != -EBADMSG)
			return err;
	}
	return 0;
}

int cfi_open(const struct elf_file *file, const struct elf_section *section, uint64_t va_first, uint64_t va_limit,
	     struct cfi **ret)
{
	struct cfi *cfi;
	int err = check_section(section);

	if (err)
		return err;
	if (!cfi_machine_find(elf_file_machine(file)))
		return -ENOTSUP;
	cfi = calloc(1, sizeof(*cfi));
	if (!cfi)
		return -ENOMEM;
	init_section(&cfi->section, file, section);
	cfi->section.is_eh_frame = strcmp(section->name, ".eh_frame") == 0;
	cfi->wanted = (struct range){va_first, va_limit};
	vec_init(&cfi->code, ELF_MAX_SEGMENTS);
	vec_init(&cfi->fdes, CFI_MAX_FDES);
	vec_init(&cfi->cies, CFI_MAX_CIES);
	vec_init(&cfi->rows, CFI_MAX_READ);
	map_init(&cfi->cie_numbers, sizeof(uint64_t), sizeof(uint32_t), CFI_MAX_CIES);
	err = find_code(cfi, file);
	if (err)
		goto fail;
	err = is_all_wanted(cfi) ? -ENOENT : try_table(cfi, file);
	if (err == -ENOENT || err == -EBADMSG)
		err = scan_section(cfi);
	if (err)
		goto fail;
	sort_fdes(&cfi->fdes);
	cut_fdes(&cfi->fdes);
	err = look_for_bx(cfi);
	if (err)
		goto fail;
	*ret = cfi;
	return 0;
fail:
	cfi_free(cfi);
	return err;
}

void cfi_free(struct cfi *cfi)
{
	if (!cfi)
		return;
	cfi_section_release(&cfi->section);
	vec_release(&cfi->code);
	vec_release(&cfi->fdes);
	vec_release(&cfi->cies);
	vec_release(&cfi->rows);
	map_release(&cfi->cie_numbers);
	free(cfi);
}

const struct cfi_fde *cfi_fdes(const struct cfi *cfi, size_t *n)
{
	*n = cfi->fdes.len;
	return cfi->fdes.items;
}

size_t cfi_bad_entries(const struct cfi *cfi)
{
	return cfi->bad_entries;
}

size_t cfi_memory_bytes(const struct cfi *cfi)
{
	return sizeof(*cfi) + cfi_section_memory_bytes(&cfi->section) + cfi->code.cap * sizeof(*cfi->code.items) +
	       cfi->fdes.cap * sizeof(*cfi->fdes.items) + cfi->cies.cap * sizeof(*cfi->cies.items) +
	       cfi->rows.cap * sizeof(*cfi->rows.items) + map_memory_bytes(&cfi->cie_numbers);
}

/* --- rows --------------------------------------------------------------------------------------------------------- */

static int run_fde(struct cfi *cfi, const struct cfi_fde *fde)
{
	struct cfi_program *program = &cfi->program;
	const struct cfi_cie *cie;
	struct cfi_entry entry;
	struct cfi_fde again; /* the file may have changed */
	int err = cfi_entry_read(&cfi->section, fde->offset, CFI_MAX_READ, &entry);

	if (!err && entry.limit - entry.start > CFI_MAX_READ)
		err = -EBADMSG;
	if (!err)
		err = read_fde(cfi, &entry, &again);
	if (!err)
		err = find_cie(cfi, entry.cie, &cie);
	if (err)
		return err;
	if (cie->program_err || again.start != fde->start)
		return -EBADMSG;
	if (cie->has_augmentation)
		cursor_skip(&entry.cursor, cursor_uleb128(&entry.cursor));
	program->cie = cie;
	program->start_va = cfi->section.va + entry.start;
	program->va = fde->start;
	program->limit = fde->limit;
	program->state = cie->state;
	program->rows = &cfi->rows;
	return cfi_program_run(program, &entry.cursor);
}

int cfi_rows(struct cfi *cfi, size_t index, const struct row_sink *sink)
{
	int err;

	vec_clear(&cfi->rows);
	err = run_fde(cfi, &cfi->fdes.items[index]);
	for (size_t i = 0; !err && i < cfi->rows.len; i++)
		err = sink->row(sink->ctx, cfi->rows.items[i].va, &cfi->rows.items[i].rule);
	return err < 0 ? err : 0;
}
