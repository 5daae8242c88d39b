/* SPDX-License-Identifier: Apache-2.0 */
/* Code is filled source by source: what one does not know goes, range by range, to the next.
 *
 *     .eh_frame    ████████░░████░░░░░░░░░░██████      ░ gap
 *     .debug_frame         ░░    ██░░░░░░░░            only where .eh_frame knows less than half of the code, and
 *                                                      not of Go programs
 *     Go's table           ░░      ░░░░░░░░
 *     the code             ░░      ██████░░
 *     no rule              ██            ██
 *
 * Gaps that are no longer than padding keep the rule before them: that saves a row or two for each function. */
#include "unwind/table_build.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/cursor.h"
#include "base/io.h"
#include "base/partition_point.h"
#include "base/vec.h"
#include "elf/elf_file.h"
#include "elf/symtab.h"
#include "unwind/cfi.h"
#include "unwind/code_scan.h"
#include "unwind/go_rows.h"

#define MAX_PADDING 15	     /* bytes between functions that are aligned to 16 */
#define MAX_SCAN (4u << 20)  /* bytes of code that are scanned of one file: a second's work */
#define MUCH_CODE (1u << 20) /* a gap that is looked at first: does it need a scan at all? */
#define LOOKS 4		     /* at places of it */
#define LOOK_BYTES (64u << 10)
#define MAX_ENTRY 64 /* bytes of code at a program's entry, if nothing tells */
#define MAX_PIECES 65536
#define MAX_SYMBOL_BYTES (8u << 20) /* while they are read: beyond, functions are told apart by their code alone */
#define MAX_NAME 4096		    /* of a symbol, of which the end matters */

enum source { SOURCE_EH_FRAME, SOURCE_DEBUG_FRAME, SOURCE_GO, SOURCE_CODE, SOURCE_NONE };

/* A run of executable code: a section, or what a segment has where there are no sections. */
struct piece {
	uint64_t start, limit; /* elf_va */
	uint64_t file_off;     /* of start */
	bool is_plt;
};

struct piece_vec VEC(struct piece);

struct va_vec VEC(uint64_t);

struct build {
	const struct elf_file *file, *debug;
	struct piece_vec pieces; /* by file offset, not overlapping in the file */
	struct table_writer_range range;
	struct cfi *cfi[2]; /* of SOURCE_EH_FRAME and SOURCE_DEBUG_FRAME; NULL: not used */
	struct go_rows *go;
	struct symtab *symtab; /* read when the first code is scanned */
	struct va_vec starts;  /* of the functions that are being scanned, where symbols tell */
	uint64_t scanned;
	struct table_writer *writer;
	struct table_coverage coverage;
	/* The row that was given last. */
	const struct piece *piece;
	enum source source;
	uint64_t va;
	uint8_t cfa;
	struct table_gap gap; /* that reaches to `va`; bytes 0: none */
};

/* --- where code is ------------------------------------------------------------------------------------------------ */

/* Bytes of the segment that the file really has. */
static uint64_t bytes_in_file(const struct build *build, const struct elf_segment *segment)
{
	uint64_t size = elf_file_size(build->file);

	if (segment->offset >= size)
		return 0;
	return segment->filesz < size - segment->offset ? segment->filesz : size - segment->offset;
}

static int push_piece(struct build *build, const struct elf_segment *segment, uint64_t start, uint64_t limit,
		      bool is_plt)
{
	uint64_t segment_limit = segment->vaddr + bytes_in_file(build, segment);
	struct piece *piece;

	if (limit > segment_limit)
		limit = segment_limit;
	if (start >= limit)
		return 0;
	piece = vec_push(&build->pieces);
	if (!piece)
		return -ENOMEM;
	*piece = (struct piece){
		.start = start,
		.limit = limit,
		.file_off = segment->offset + (start - segment->vaddr),
		.is_plt = is_plt,
	};
	return 0;
}

static bool is_plt(const char *name)
{
	return strncmp(name, ".plt", 4) == 0 || strcmp(name, ".iplt") == 0;
}

static int push_sections(struct build *build, const struct elf_segment *segment)
{
	const struct elf_section *sections;
	size_t n;
	int err = 0;

	sections = elf_file_sections(build->file, &n);
	for (size_t i = 0; i < n && !err; i++) {
		const struct elf_section *section = &sections[i];
		uint64_t limit;

		if (!(section->flags & SHF_EXECINSTR) || section->type == SHT_NOBITS ||
		    !checked_add(section->addr, section->size, &limit) || section->addr < segment->vaddr)
			continue;
		err = push_piece(build, segment, section->addr, limit, is_plt(section->name));
	}
	return err;
}

static int compare_pieces(const void *left, const void *right)
{
	const struct piece *a = left, *b = right;

	return (a->file_off > b->file_off) - (a->file_off < b->file_off);
}

/* Keeps of each piece, which are sorted, what is in the range and behind those before it. */
static void cut_pieces(struct build *build, uint64_t first, uint64_t limit)
{
	size_t kept = 0;

	for (size_t i = 0; i < build->pieces.len; i++) {
		struct piece piece = build->pieces.items[i];
		uint64_t end = piece.file_off + (piece.limit - piece.start);
		uint64_t skipped = piece.file_off < first ? first - piece.file_off : 0;

		if (end > limit)
			end = limit;
		if (piece.file_off + skipped >= end)
			continue;
		piece.limit = piece.start + (end - piece.file_off);
		piece.start += skipped;
		piece.file_off += skipped;
		first = end;
		build->pieces.items[kept++] = piece;
	}
	build->pieces.len = kept;
}

static int find_code(struct build *build)
{
	const struct elf_segment *segments;
	size_t n_segments, n_sections;
	int err = 0;

	segments = elf_file_segments(build->file, &n_segments);
	elf_file_sections(build->file, &n_sections);
	build->range.file_first = UINT64_MAX;
	for (size_t i = 0; i < n_segments && !err; i++) {
		const struct elf_segment *segment = &segments[i];
		uint64_t limit = segment->offset + bytes_in_file(build, segment);

		if (!(segment->flags & PF_X) || limit == segment->offset)
			continue;
		if (segment->offset < build->range.file_first)
			build->range.file_first = segment->offset;
		if (limit > build->range.file_limit)
			build->range.file_limit = limit;
		if (n_sections)
			err = push_sections(build, segment);
		else
			err = push_piece(build, segment, segment->vaddr, UINT64_MAX, false);
	}
	if (err || !build->pieces.len)
		return err ? err : -ENOENT;
	qsort(build->pieces.items, build->pieces.len, sizeof(struct piece), compare_pieces);
	cut_pieces(build, 0, UINT64_MAX);
	return 0;
}

static uint64_t code_bytes(const struct build *build)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < build->pieces.len; i++)
		bytes += build->pieces.items[i].limit - build->pieces.items[i].start;
	return bytes;
}

/* All of the file, or the window that holds the page. -ENOENT: the page has no code. */
static int choose_range(struct build *build, uint32_t page, bool *ret_is_whole)
{
	struct table_writer_range *range = &build->range;
	uint64_t first = (uint64_t)(page - page % TABLE_WINDOW_PAGES) << UNWIND_PAGE_SHIFT;
	uint64_t limit = first + ((uint64_t)TABLE_WINDOW_PAGES << UNWIND_PAGE_SHIFT);

	*ret_is_whole = code_bytes(build) <= TABLE_WHOLE_BYTES;
	range->first = range->file_first;
	range->limit = range->file_limit;
	if (*ret_is_whole)
		return 0;
	if (first > range->first)
		range->first = first;
	if (limit < range->limit)
		range->limit = limit;
	cut_pieces(build, range->first, range->limit);
	return build->pieces.len ? 0 : -ENOENT;
}

/* --- sources ------------------------------------------------------------------------------------------------------ */

/* A source that cannot be read, for whatever it holds, is one less. */
static int pass_over_bad(int err)
{
	return err == -ENOMEM || err == -EIO ? err : 0;
}

static int open_cfi(struct build *build, enum source source, const struct elf_file *file, const char *name,
		    const struct piece *bounds)
{
	const struct elf_section *section = file ? elf_file_section(file, name) : NULL;

	if (!section || build->cfi[source])
		return 0;
	return pass_over_bad(cfi_open(file, section, bounds->start, bounds->limit, &build->cfi[source]));
}

static uint64_t cfi_bytes(const struct cfi *cfi)
{
	const struct cfi_fde *fdes;
	uint64_t bytes = 0;
	size_t n;

	fdes = cfi_fdes(cfi, &n);
	for (size_t i = 0; i < n; i++)
		bytes += fdes[i].limit - fdes[i].start;
	return bytes;
}

static int open_sources(struct build *build, bool is_whole)
{
	struct piece bounds = {.start = is_whole ? 0 : UINT64_MAX, .limit = is_whole ? UINT64_MAX : 0};
	struct cfi **eh_frame = &build->cfi[SOURCE_EH_FRAME];
	int err;

	for (size_t i = 0; i < build->pieces.len && !is_whole; i++) {
		const struct piece *piece = &build->pieces.items[i];

		if (piece->start < bounds.start)
			bounds.start = piece->start;
		if (piece->limit > bounds.limit)
			bounds.limit = piece->limit;
	}
	err = open_cfi(build, SOURCE_EH_FRAME, build->file, ".eh_frame", &bounds);
	if (!err)
		err = pass_over_bad(go_rows_open(build->file, &build->go));
	/* That of a Go program tells of sp alone, and that wrongly where code switches stacks. */
	if (!err && !build->go && (!*eh_frame || cfi_bytes(*eh_frame) < build->coverage.code / 2)) {
		err = open_cfi(build, SOURCE_DEBUG_FRAME, build->file, ".debug_frame", &bounds);
		if (!err)
			err = open_cfi(build, SOURCE_DEBUG_FRAME, build->debug, ".debug_frame", &bounds);
	}
	return err;
}

/* The first symbol at or behind the address. */
static size_t first_symbol(const struct symtab *symtab, uint64_t va)
{
	return partition_point(symtab_count(symtab), i, symtab_address(symtab, i) < va);
}

/* The part of a function that the compiler moved away begins in the middle of it. */
static bool is_cold_part(const struct symtab *symtab, uint64_t va)
{
	char name[MAX_NAME];
	struct symbol symbol;

	return !symtab_find(symtab, va, &symbol, name, sizeof(name)) && strstr(name, ".cold");
}

/* Starts of the functions in the range, as far as symbols tell. */
static int find_starts(struct build *build, uint64_t start, uint64_t limit)
{
	const struct symtab_files symbols = {.file = build->debug ? build->debug : build->file,
					     .max_bytes = MAX_SYMBOL_BYTES};
	int err = 0;

	vec_clear(&build->starts);
	if (!build->symtab)
		err = pass_over_bad(symtab_new_from(&symbols, &build->symtab));
	if (err || !build->symtab)
		return err;
	for (size_t i = first_symbol(build->symtab, start); i < symtab_count(build->symtab); i++) {
		uint64_t va = symtab_address(build->symtab, i);

		if (va >= limit)
			break;
		if (is_cold_part(build->symtab, va))
			continue;
		err = vec_reserve(&build->starts, build->starts.len + 1);
		if (err)
			return err;
		build->starts.items[build->starts.len++] = va;
	}
	return 0;
}

/* One more, before all others. */
static int add_first_start(struct build *build, uint64_t va)
{
	int err = vec_reserve(&build->starts, build->starts.len + 1);

	if (err)
		return err;
	if (build->starts.len)
		memmove(build->starts.items + 1, build->starts.items, build->starts.len * sizeof(va));
	build->starts.items[0] = va;
	build->starts.len++;
	return 0;
}

/* --- rows --------------------------------------------------------------------------------------------------------- */

static const struct unwind_rule no_rule = {.cfa = UNWIND_CFA_NONE};
static const struct unwind_rule stop_rule = {.cfa = UNWIND_CFA_STOP};
static const struct unwind_rule unsupported_rule = {.cfa = UNWIND_CFA_UNSUPPORTED};

/* The gap is over: is it one of the largest? */
static void keep_gap(struct build *build)
{
	struct table_coverage *coverage = &build->coverage;
	struct table_gap gap = build->gap;
	uint32_t at = coverage->n_gaps;

	build->gap.bytes = 0;
	while (at && coverage->gaps[at - 1].bytes < gap.bytes)
		at--;
	if (!gap.bytes || at == TABLE_MAX_GAPS)
		return;
	if (coverage->n_gaps < TABLE_MAX_GAPS)
		coverage->n_gaps++;
	for (uint32_t i = coverage->n_gaps - 1; i > at; i--)
		coverage->gaps[i] = coverage->gaps[i - 1];
	coverage->gaps[at] = gap;
}

/* A piece that lies behind the one before, in the file and in memory, goes on with its gap. */
static void add_to_gap(struct build *build, uint64_t bytes)
{
	const struct piece *piece = build->piece;
	uint64_t file_off = piece->file_off + (build->va - piece->start);
	struct table_gap *gap = &build->gap;

	if (gap->bytes && (gap->elf_va + gap->bytes != build->va || gap->file_off + gap->bytes != file_off))
		keep_gap(build);
	if (!gap->bytes)
		*gap = (struct table_gap){.elf_va = build->va, .file_off = file_off};
	gap->bytes += bytes;
}

/* The last row reaches to here. */
static void count_to(struct build *build, uint64_t va)
{
	struct table_coverage *coverage = &build->coverage;
	uint64_t *const by_source[] = {
		[SOURCE_EH_FRAME] = &coverage->eh_frame,
		[SOURCE_DEBUG_FRAME] = &coverage->debug_frame,
		[SOURCE_GO] = &coverage->go,
		[SOURCE_CODE] = &coverage->scanned,
		[SOURCE_NONE] = &coverage->none,
	};
	uint64_t *to = by_source[build->source];

	if (build->cfa == UNWIND_CFA_NONE)
		to = &coverage->none;
	else if (build->cfa == UNWIND_CFA_UNSUPPORTED)
		to = &coverage->unsupported;
	if (va > build->va && (to == &coverage->none || to == &coverage->unsupported))
		add_to_gap(build, va - build->va);
	else if (va > build->va)
		keep_gap(build);
	*to += va - build->va;
	build->va = va;
}

static int put_row(struct build *build, enum source source, uint64_t va, const struct unwind_rule *rule)
{
	count_to(build, va);
	build->source = source;
	build->cfa = rule->cfa;
	return table_writer_row(build->writer, build->piece->file_off + (va - build->piece->start), rule);
}

/* Rows of a source that was asked for a range, or for a function that reaches out of it. */
struct filling {
	struct build *build;
	enum source source;
	uint64_t start, limit;
};

static int fill_row(void *ctx, uint64_t va, const struct unwind_rule *rule)
{
	const struct filling *filling = ctx;

	if (va >= filling->limit)
		return 0;
	return put_row(filling->build, filling->source, va < filling->start ? filling->start : va, rule);
}

static int fill(struct build *build, enum source source, uint64_t start, uint64_t limit);

/* Of the FDEs, which are sorted, the first that ends behind the address. */
static size_t first_fde_behind(const struct cfi_fde *fdes, size_t n, uint64_t va)
{
	return partition_point(n, i, fdes[i].limit <= va);
}

static int fill_from_cfi(struct build *build, enum source source, uint64_t start, uint64_t limit)
{
	struct cfi *cfi = build->cfi[source];
	const struct cfi_fde *fdes;
	size_t n;
	int err = 0;

	fdes = cfi_fdes(cfi, &n);
	for (size_t i = first_fde_behind(fdes, n, start); i < n && fdes[i].start < limit && !err; i++) {
		struct filling filling = {build, source, start, limit};

		if (fdes[i].start > start) {
			err = fill(build, source + 1, start, fdes[i].start);
			filling.start = fdes[i].start;
		}
		if (fdes[i].limit < limit)
			filling.limit = fdes[i].limit;
		if (!err)
			err = cfi_rows(cfi, i, &(struct row_sink){.row = fill_row, .ctx = &filling});
		if (err == -EBADMSG)
			err = put_row(build, source, filling.start, &unsupported_rule);
		start = filling.limit;
	}
	return err || start >= limit ? err : fill(build, source + 1, start, limit);
}

static int fill_from_go(struct build *build, uint64_t start, uint64_t limit)
{
	struct filling filling = {build, SOURCE_GO, start, limit};
	uint64_t go_start, go_limit;
	int err = 0;

	go_rows_range(build->go, &go_start, &go_limit);
	if (go_start >= limit || go_limit <= start)
		return fill(build, SOURCE_CODE, start, limit);
	if (go_start > start) {
		err = fill(build, SOURCE_CODE, start, go_start);
		filling.start = go_start;
	}
	if (go_limit < limit)
		filling.limit = go_limit;
	if (!err)
		err = put_row(build, SOURCE_GO, filling.start, &no_rule);
	if (!err)
		err = go_rows_emit(build->go, filling.start, filling.limit,
				   &(struct row_sink){.row = fill_row, .ctx = &filling});
	return err || filling.limit == limit ? err : fill(build, SOURCE_CODE, filling.limit, limit);
}

static int scan(struct build *build, uint64_t start, uint64_t limit, const struct row_sink *sink)
{
	const struct piece *piece = build->piece;
	struct code_scan_region region = {
		.machine = elf_file_machine(build->file), .va = start, .n = (size_t)(limit - start)};
	auto_free uint8_t *bytes = malloc(region.n);
	int err = bytes ? 0 : -ENOMEM;

	if (!err && !piece->is_plt)
		err = find_starts(build, start, limit);
	if (!err && start == elf_file_entry(build->file) && (!build->starts.len || build->starts.items[0] != start))
		err = add_first_start(build, start);
	if (!err)
		err = io_pread_exact(elf_file_fd(build->file), bytes, region.n,
				     piece->file_off + (start - piece->start));
	if (err)
		return err;
	region.bytes = bytes;
	region.starts = build->starts.items;
	region.n_starts = build->starts.len;
	return piece->is_plt ? code_scan_plt(&region, sink) : code_scan(&region, sink);
}

/* A browser's 200 MB of code without CFI keep frame pointers; they need no rules, and would take long. */
static int looks_like_frame_pointers(const struct build *build, uint64_t start, uint64_t limit, bool *ret)
{
	const struct piece *piece = build->piece;
	uint64_t step = (limit - start) / LOOKS;
	auto_free uint8_t *bytes = malloc((size_t)LOOKS * LOOK_BYTES);

	if (!bytes)
		return -ENOMEM;
	for (size_t i = 0; i < LOOKS; i++) {
		int err = io_pread_exact(elf_file_fd(build->file), bytes + i * LOOK_BYTES, LOOK_BYTES,
					 piece->file_off + (start - piece->start) + i * step);

		if (err)
			return err;
	}
	*ret = code_keeps_frame_pointers(elf_file_machine(build->file), bytes, (size_t)LOOKS * LOOK_BYTES);
	return 0;
}

static int fill_from_code(struct build *build, uint64_t start, uint64_t limit);

/* Linkers used to give libraries the start of their code as entry. */
static bool is_true_entry(const struct build *build, uint64_t entry)
{
	return elf_file_type(build->file) == ET_EXEC || entry != build->piece->start;
}

/* The rows of code that begins at the program's entry. */
struct entry_code {
	struct filling filling;
	uint64_t end; /* of the code that has no caller, unless the scan knows better */
	struct unwind_rule last;
	bool is_inside;
};

static int fill_entry_row(void *ctx, uint64_t va, const struct unwind_rule *rule)
{
	struct entry_code *code = ctx;
	int err = 0;

	if (code->is_inside && va < code->end) {
		code->last = *rule;
		code->is_inside = rule->cfa != UNWIND_CFA_STOP;
		return 0;
	}
	if (code->is_inside && va > code->end)
		err = put_row(code->filling.build, SOURCE_CODE, code->end, &code->last);
	code->is_inside = false;
	return err ? err : fill_row(&code->filling, va, rule);
}

/* The code at the program's entry, as the dynamic linker's, has no caller, whatever else it does. How long it is nobody
 * tells: to the next symbol, or as long as such code is; but where the scan finds that it clears the frame pointer, the
 * scan knows. */
static int fill_from_entry(struct build *build, uint64_t start, uint64_t limit, uint64_t entry)
{
	struct entry_code code = {{build, SOURCE_CODE, entry, limit}, .last = no_rule, .is_inside = true};
	/* Until a process that executed the program is back from the kernel, the entry looks like a return address. */
	uint64_t first = start < entry ? entry - 1 : entry;
	int err = start < first ? fill_from_code(build, start, first) : 0;

	code.end = limit - entry < MAX_ENTRY ? limit : entry + MAX_ENTRY;
	if (!err)
		err = find_starts(build, entry + 1, code.end);
	if (!err && build->starts.len)
		code.end = build->starts.items[0];
	if (!err)
		err = put_row(build, SOURCE_CODE, first, &stop_rule);
	if (err || code.end == limit)
		return err;
	if (limit - entry > MUCH_CODE || limit - entry > MAX_SCAN - build->scanned)
		return fill_from_code(build, code.end, limit);
	build->scanned += limit - entry;
	err = scan(build, entry, limit, &(struct row_sink){.row = fill_entry_row, .ctx = &code});
	return err || !code.is_inside ? err : put_row(build, SOURCE_CODE, code.end, &code.last);
}

static int fill_from_code(struct build *build, uint64_t start, uint64_t limit)
{
	struct filling filling = {build, SOURCE_CODE, start, limit};
	uint64_t entry = elf_file_entry(build->file);
	bool has_frame_pointers = false;
	int err = 0;

	if (entry >= start && entry < limit && is_true_entry(build, entry))
		return fill_from_entry(build, start, limit, entry);
	if (limit - start >= MUCH_CODE)
		err = looks_like_frame_pointers(build, start, limit, &has_frame_pointers);
	if (err || has_frame_pointers || limit - start > MAX_SCAN - build->scanned)
		return err ? err : put_row(build, SOURCE_NONE, start, &no_rule);
	build->scanned += limit - start;
	err = put_row(build, SOURCE_CODE, start, &no_rule);
	return err ? err : scan(build, start, limit, &(struct row_sink){.row = fill_row, .ctx = &filling});
}

/* Is what lies between two functions, or behind the last, too short to be anything else than padding? The last may be
 * one that few bytes do for: the signal trampoline of the arm64 vDSO before Linux 5.11 follows code with CFI. */
static int is_padding(struct build *build, uint64_t start, uint64_t limit, bool *ret)
{
	int err = 0;

	*ret = limit - start <= MAX_PADDING && start > build->piece->start;
	if (*ret && limit == build->piece->limit) {
		err = find_starts(build, start, limit);
		*ret = !build->starts.len;
	}
	return err;
}

static int fill(struct build *build, enum source source, uint64_t start, uint64_t limit)
{
	bool is_skipped;
	int err = is_padding(build, start, limit, &is_skipped);

	if (err || is_skipped)
		return err;
	if (source <= SOURCE_DEBUG_FRAME && build->cfi[source])
		return fill_from_cfi(build, source, start, limit);
	if (source <= SOURCE_DEBUG_FRAME)
		return fill(build, source + 1, start, limit);
	return source == SOURCE_GO && build->go ? fill_from_go(build, start, limit)
						: fill_from_code(build, start, limit);
}

static int fill_pieces(struct build *build)
{
	int err = 0;

	for (size_t i = 0; i < build->pieces.len && !err; i++) {
		const struct piece *piece = &build->pieces.items[i], *next = piece + 1;
		uint64_t end = piece->file_off + (piece->limit - piece->start);

		build->piece = piece;
		build->va = piece->start;
		err = fill(build, SOURCE_EH_FRAME, piece->start, piece->limit);
		count_to(build, piece->limit);
		/* Who is in the system call of a signal trampoline stands behind its last byte. */
		if (!err && (i + 1 == build->pieces.len || next->file_off - end > MAX_PADDING))
			err = table_writer_row(build->writer, end + (build->cfa == UNWIND_CFA_SIGNAL), &no_rule);
	}
	return err;
}

/* --- the table ---------------------------------------------------------------------------------------------------- */

static size_t bad_entries(const struct build *build)
{
	size_t n = 0;

	for (size_t i = 0; i < 2; i++)
		n += build->cfi[i] ? cfi_bad_entries(build->cfi[i]) : 0;
	return n;
}

static int build_table(struct build *build, uint32_t page, int fd, struct table_writer_stats *ret_stats)
{
	int err = find_code(build);

	build->coverage.is_whole = true;
	if (!err)
		err = choose_range(build, page, &build->coverage.is_whole);
	if (err)
		return err;
	build->coverage.code = code_bytes(build);
	err = open_sources(build, build->coverage.is_whole);
	if (!err)
		err = table_writer_new(elf_file_machine(build->file), &build->range, &build->writer);
	if (!err)
		err = fill_pieces(build);
	if (err)
		return err;
	keep_gap(build);
	build->coverage.bad_entries = bad_entries(build);
	if (build->coverage.none == build->coverage.code)
		return -ENOENT;
	return table_writer_finish(build->writer, fd, ret_stats);
}

int table_build(const struct elf_file *file, const struct elf_file *debug, uint32_t page, int fd,
		struct table_writer_stats *ret_stats, struct table_coverage *ret_coverage)
{
	struct build build = {.file = file, .debug = debug};
	int err;

	if (elf_file_machine(file) != EM_X86_64 && elf_file_machine(file) != EM_AARCH64)
		return -ENOTSUP;
	if (debug && elf_file_machine(debug) != elf_file_machine(file))
		build.debug = NULL;
	vec_init(&build.pieces, MAX_PIECES);
	vec_init(&build.starts, MAX_SCAN);
	err = build_table(&build, page, fd, ret_stats);
	*ret_coverage = build.coverage;
	vec_release(&build.pieces);
	vec_release(&build.starts);
	for (size_t i = 0; i < 2; i++)
		cfi_free(build.cfi[i]);
	go_rows_free(build.go);
	symtab_free(build.symtab);
	table_writer_free(build.writer);
	return err;
}
