/* SPDX-License-Identifier: Apache-2.0 */
/* From the file's tables to the index:
 *
 *     .symtab ┐ read in pieces, functions only       radix sort       aliases, labels
 *     .dynsym ├──────────► {va << 8 | rank, size, name} ──────► sorted ──────► {va, size, name}  16 bytes each
 *       debug ┤
 *    embedded ┘
 *
 * Entries of one address stand in order of falling size, so that a walk backwards from
 * the last entry at or before an address meets the innermost symbol first. Symbols may nest (a function within the
 * range of another), so the walk cannot stop at the first entry that ends too early: `block_end` keeps the largest end
 * of every BLOCK entries, and blocks that end too early are skipped whole.
 *
 * Names are needed while building only to choose among aliases. A string table of usual size is read once for that and
 * dropped; from a larger one the names are read one by one. The strings of an embedded file, which was unpacked for
 * this and is closed again, stay. */
#include "elf/symtab.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/cursor.h"
#include "base/io.h"
#include "base/partition_point.h"
#include "base/text.h"
#include "base/vec.h"
#include "elf/elf_file.h"

#define READ_SYMBOLS 4096		 /* per piece: 96 KiB */
#define MAX_RESIDENT_STRINGS (16u << 20) /* of a string table that is held while aliases are chosen */
#define MAX_NAME 4096			 /* what is compared of an alias */
#define NAME_PIECE 256			 /* most names need one read */
#define MAX_ALIASES 1024		 /* of one address and rank that are compared; more only cost time */
#define MAX_SIZES 8			 /* different sizes that are kept for one address */
#define BLOCK 64
#define RADIX_BITS 11
#define RADIX_BUCKETS (1u << RADIX_BITS)

/* The rank is kept under the address while building; user addresses have at most 56 bits. */
#define RANK_BITS 8
#define MAX_VA ((1ull << 56) - 1)

/* Rank: the smaller is the better alias. */
#define RANK_UNTYPED 0x20u
#define RANK_BINDING_SHIFT 1
#define RANK_SECOND 1u /* not of .symtab */

/* In entry.name, above the offset: in whose string table it is. */
#define NAME_TABLE_SHIFT 30
#define NAME_OFFSET_MASK ((1u << NAME_TABLE_SHIFT) - 1)

enum table { TABLE_SYMTAB, TABLE_DEBUG, TABLE_EMBEDDED, TABLE_DYNSYM, TABLES };

_Static_assert(TABLES <= 1u << (32 - NAME_TABLE_SHIFT), "a name says whose it is");

struct entry {
	uint64_t va;
	uint32_t size; /* larger ones are cut */
	uint32_t name;
};

struct entry_vec VEC(struct entry);

struct strings {
	uint64_t offset, size; /* in the file */
};

struct symtab {
	const struct elf_file *file, *debug;
	struct entry *entries;
	size_t n;
	uint64_t *block_end;
	struct strings strings[TABLES];
	char *embedded_strings; /* NUL-terminated; NULL: none */
};

struct range {
	uint64_t start, limit;
};

struct range_vec VEC(struct range);

struct build {
	const struct elf_file *file, *debug, *embedded;
	size_t max_bytes; /* 0: no limit */
	struct symtab *symtab;
	struct entry_vec entries;  /* va holds address and rank */
	struct range_vec sections; /* executable ones, sorted */
	struct range_vec segments; /* executable ones */
	char *resident[TABLES];	   /* string tables, NUL-terminated */
	char scratch[2][MAX_NAME];
};

static uint64_t entry_va(const struct entry *raw)
{
	return raw->va >> RANK_BITS;
}

static unsigned int entry_rank(const struct entry *raw)
{
	return raw->va & ((1u << RANK_BITS) - 1);
}

static enum table name_table(uint32_t name)
{
	return (enum table)(name >> NAME_TABLE_SHIFT);
}

/* --- where code is -------------------------------------------------------------------------------------------------
 */

static int compare_ranges(const void *left, const void *right)
{
	const struct range *a = left, *b = right;

	return (a->start > b->start) - (a->start < b->start);
}

static int push_range(struct range_vec *ranges, uint64_t start, uint64_t size)
{
	struct range *range;
	uint64_t limit;

	if (!size || !checked_add(start, size, &limit) || limit > MAX_VA)
		return 0;
	range = vec_push(ranges);
	if (!range)
		return -ENOMEM;
	*range = (struct range){.start = start, .limit = limit};
	return 0;
}

static int find_code(struct build *build)
{
	const struct elf_segment *segments;
	const struct elf_section *sections;
	size_t n_segments, n_sections;
	int err;

	segments = elf_file_segments(build->file, &n_segments);
	sections = elf_file_sections(build->file, &n_sections);
	for (size_t i = 0; i < n_segments; i++) {
		err = segments[i].flags & PF_X ? push_range(&build->segments, segments[i].vaddr, segments[i].memsz) : 0;
		if (err)
			return err;
	}
	for (size_t i = 0; i < n_sections; i++) {
		const struct elf_section *section = &sections[i];

		err = (section->flags & SHF_EXECINSTR) && (section->flags & SHF_ALLOC)
			      ? push_range(&build->sections, section->addr, section->size)
			      : 0;
		if (err)
			return err;
	}
	if (build->sections.len)
		qsort(build->sections.items, build->sections.len, sizeof(struct range), compare_ranges);
	return 0;
}

static bool is_in_segment(const struct build *build, uint64_t va)
{
	for (size_t i = 0; i < build->segments.len; i++)
		if (va >= build->segments.items[i].start && va < build->segments.items[i].limit)
			return true;
	return false;
}

/* Last section that starts at or before the address; NULL when it does not hold it. */
static const struct range *section_of(const struct build *build, uint64_t va)
{
	size_t n = partition_point(build->sections.len, i, build->sections.items[i].start <= va);
	return n && va < build->sections.items[n - 1].limit ? &build->sections.items[n - 1] : NULL;
}

/* --- reading -------------------------------------------------------------------------------------------------------
 */

static bool is_code_section(const struct build *build, const struct elf_file *file, uint16_t index, uint64_t va)
{
	const struct elf_section *sections, *section;
	size_t n;

	sections = elf_file_sections(file, &n);
	if (index == SHN_XINDEX) /* its number is in yet another table; the address says as much */
		return section_of(build, va);
	if (index == SHN_UNDEF || index >= SHN_LORESERVE || index >= n)
		return false;
	section = &sections[index];
	return (section->flags & SHF_EXECINSTR) && va >= section->addr && va - section->addr < section->size;
}

/* The alias rank of a function symbol, or -1 for everything else. Untyped symbols are labels of assembly; local ones
 * are jump targets, or the mapping symbols of arm64 ($x, $d), and no function's name. */
static int symbol_rank(const Elf64_Sym *sym)
{
	unsigned int type = ELF64_ST_TYPE(sym->st_info), rank = 0;

	if (type == STT_NOTYPE)
		rank = RANK_UNTYPED;
	else if (type != STT_FUNC && type != STT_GNU_IFUNC)
		return -1;
	switch (ELF64_ST_BIND(sym->st_info)) {
	case STB_GLOBAL:
	case STB_GNU_UNIQUE:
		return (int)rank;
	case STB_WEAK:
		return (int)(rank | 1u << RANK_BINDING_SHIFT);
	case STB_LOCAL:
		return rank ? -1 : 2 << RANK_BINDING_SHIFT;
	default:
		return -1;
	}
}

static const struct elf_file *table_file(const struct build *build, enum table table)
{
	if (table == TABLE_DEBUG)
		return build->debug;
	return table == TABLE_EMBEDDED ? build->embedded : build->file;
}

static int add_symbols(struct build *build, enum table table, const Elf64_Sym *syms, size_t n)
{
	const struct elf_file *file = table_file(build, table);
	uint64_t strings_size = build->symtab->strings[table].size;
	struct entry *entries;
	int err = vec_reserve(&build->entries, build->entries.len + n);

	if (err)
		return err;
	entries = build->entries.items;
	for (size_t i = 0; i < n; i++) {
		const Elf64_Sym *sym = &syms[i];
		int rank = symbol_rank(sym);

		if (rank < 0 || !sym->st_name || sym->st_name >= strings_size || sym->st_name > NAME_OFFSET_MASK ||
		    !is_code_section(build, file, sym->st_shndx, sym->st_value) || !is_in_segment(build, sym->st_value))
			continue;
		entries[build->entries.len++] = (struct entry){
			.va = sym->st_value << RANK_BITS | (unsigned int)rank |
			      (table == TABLE_SYMTAB ? 0 : RANK_SECOND),
			.size = sym->st_size < UINT32_MAX ? (uint32_t)sym->st_size : UINT32_MAX,
			.name = sym->st_name | (uint32_t)table << NAME_TABLE_SHIFT,
		};
	}
	return 0;
}

static int read_table(struct build *build, enum table table)
{
	uint32_t type = table == TABLE_DYNSYM ? SHT_DYNSYM : SHT_SYMTAB;
	const struct elf_section *sections, *section = NULL, *strings;
	const struct elf_file *file = table_file(build, table);
	auto_free Elf64_Sym *piece = NULL;
	size_t n_sections;
	uint64_t n;

	if (!file)
		return 0;
	sections = elf_file_sections(file, &n_sections);
	for (size_t i = 0; i < n_sections && !section; i++)
		if (sections[i].type == type)
			section = &sections[i];
	if (!section || section->entsize != sizeof(Elf64_Sym) || section->link >= n_sections)
		return 0;
	strings = &sections[section->link];
	if (strings->type != SHT_STRTAB)
		return 0;
	build->symtab->strings[table] = (struct strings){.offset = strings->offset, .size = strings->size};
	n = section->size / sizeof(Elf64_Sym);
	if (n > SYMTAB_MAX_SYMBOLS)
		return -E2BIG;
	piece = malloc(READ_SYMBOLS * sizeof(*piece));
	if (!piece)
		return -ENOMEM;
	for (uint64_t at = 0; at < n; at += READ_SYMBOLS) {
		size_t count = n - at < READ_SYMBOLS ? n - at : READ_SYMBOLS;
		int err = io_pread_exact(elf_file_fd(file), piece, count * sizeof(*piece),
					 section->offset + at * sizeof(*piece));

		if (!err)
			err = add_symbols(build, table, piece, count);
		if (err)
			return err;
	}
	return 0;
}

/* --- sorting -------------------------------------------------------------------------------------------------------
 */

/* Stable, by the bits in which the keys differ at all. */
static int sort_entries(struct entry_vec *entries)
{
	size_t *counts = NULL;
	struct entry *from = entries->items, *to = NULL;
	uint64_t all_or = 0, all_and = UINT64_MAX, varying;
	bool is_sorted = true;

	for (size_t i = 0; i < entries->len; i++) {
		all_or |= from[i].va;
		all_and &= from[i].va;
		is_sorted &= !i || from[i - 1].va <= from[i].va;
	}
	if (is_sorted)
		return 0;
	to = malloc(entries->cap * sizeof(*to));
	counts = malloc(RADIX_BUCKETS * sizeof(*counts));
	if (!to || !counts) {
		free(to);
		free(counts);
		return -ENOMEM;
	}
	varying = all_or ^ all_and;
	for (unsigned int shift = 0; shift < 64 && varying >> shift; shift += RADIX_BITS) {
		struct entry *swap = from;
		size_t sum = 0;

		if (!(varying >> shift & (RADIX_BUCKETS - 1)))
			continue;
		memset(counts, 0, RADIX_BUCKETS * sizeof(*counts));
		for (size_t i = 0; i < entries->len; i++)
			counts[from[i].va >> shift & (RADIX_BUCKETS - 1)]++;
		for (size_t bucket = 0; bucket < RADIX_BUCKETS; bucket++) {
			size_t count = counts[bucket];

			counts[bucket] = sum;
			sum += count;
		}
		for (size_t i = 0; i < entries->len; i++)
			to[counts[from[i].va >> shift & (RADIX_BUCKETS - 1)]++] = from[i];
		from = to;
		to = swap;
	}
	entries->items = from;
	free(to);
	free(counts);
	return 0;
}

/* --- aliases -------------------------------------------------------------------------------------------------------
 */

static bool has_aliases(const struct build *build, enum table table)
{
	for (size_t i = 1; i < build->entries.len; i++) {
		const struct entry *entry = &build->entries.items[i];

		if (entry_va(entry) == entry_va(entry - 1) &&
		    (name_table(entry->name) == table || name_table(entry[-1].name) == table))
			return true;
	}
	return false;
}

static bool fits_resident(const struct build *build, uint64_t bytes)
{
	return bytes <= MAX_RESIDENT_STRINGS && (!build->max_bytes || bytes <= build->max_bytes / 4);
}

static int load_strings(struct build *build, enum table table)
{
	const struct strings *strings = &build->symtab->strings[table];
	int err;

	if (!strings->size ||
	    (table != TABLE_EMBEDDED && (!fits_resident(build, strings->size) || !has_aliases(build, table))))
		return 0;
	build->resident[table] = malloc(strings->size + 1);
	if (!build->resident[table])
		return -ENOMEM;
	err = io_pread_exact(elf_file_fd(table_file(build, table)), build->resident[table], strings->size,
			     strings->offset);
	if (err)
		return err;
	build->resident[table][strings->size] = '\0';
	return 0;
}

/* NUL-terminated, cut at size - 1. */
static int read_name(const struct symtab *symtab, uint32_t name, char *to, size_t size)
{
	const struct elf_file *file = name_table(name) == TABLE_DEBUG ? symtab->debug : symtab->file;
	const struct strings *strings = &symtab->strings[name_table(name)];
	uint64_t offset = name & NAME_OFFSET_MASK;
	size_t done = 0;

	if (!size)
		return -EINVAL;
	if (name_table(name) == TABLE_EMBEDDED) {
		text_copy(to, size, symtab->embedded_strings + offset);
		return 0;
	}
	while (done < size - 1) {
		size_t n = size - 1 - done < NAME_PIECE ? size - 1 - done : NAME_PIECE;
		ssize_t got;

		if (offset >= strings->size)
			break;
		if (n > strings->size - offset)
			n = strings->size - offset;
		got = io_pread_full(elf_file_fd(file), to + done, n, strings->offset + offset);
		if (got < 0)
			return (int)got;
		if (memchr(to + done, '\0', (size_t)got))
			return 0;
		if (!got)
			break;
		done += (size_t)got;
		offset += (size_t)got;
	}
	to[done] = '\0';
	return 0;
}

static const char *alias_name(struct build *build, const struct entry *entry, char *scratch)
{
	enum table table = name_table(entry->name);

	if (build->resident[table])
		return build->resident[table] + (entry->name & NAME_OFFSET_MASK);
	return read_name(build->symtab, entry->name, scratch, MAX_NAME) ? "" : scratch;
}

static int compare_names(const char *a, const char *b)
{
	size_t len_a = strnlen(a, MAX_NAME), len_b = strnlen(b, MAX_NAME);

	return len_a != len_b ? (len_a > len_b) - (len_a < len_b) : memcmp(a, b, len_a);
}

static bool is_same_class(const struct entry *a, const struct entry *b)
{
	return (entry_rank(a) | RANK_SECOND) == (entry_rank(b) | RANK_SECOND);
}

/* The best name of a group, which the sort has brought into the order of rank. Equal names: the first, of .symtab. */
static struct entry best_alias(struct build *build, const struct entry *group, size_t n)
{
	char *scratch = build->scratch[0], *best_scratch = build->scratch[1];
	const char *best_name = NULL;
	struct entry best = group[0];

	for (size_t i = 1; i < n && i < MAX_ALIASES && is_same_class(&group[0], &group[i]); i++) {
		const char *name = alias_name(build, &group[i], scratch);

		if (!best_name)
			best_name = alias_name(build, &best, best_scratch);
		if (compare_names(name, best_name) < 0) {
			char *swap = scratch;

			best = group[i];
			best_name = name;
			scratch = best_scratch;
			best_scratch = swap;
		}
	}
	return best;
}

/* Of the `n` symbols at one address keeps the best, then the best of those that reach further, and so on; the kept ones
 * are written to `to` (which may be `group`), the furthest first. Returns how many. */
static size_t choose_aliases(struct build *build, struct entry *group, size_t n, struct entry *to)
{
	size_t kept = 0, left = n;
	uint32_t longest = 0;

	for (size_t i = 0; i < n; i++)
		if (group[i].size > longest)
			longest = group[i].size;
	while (left && kept < MAX_SIZES) {
		struct entry best = best_alias(build, group, left);
		size_t still = 0;

		if (!best.size) /* another name, without .size, for what does have one */
			best.size = longest;
		for (size_t i = 0; i < left; i++)
			if (group[i].size > best.size)
				group[still++] = group[i];
		/* At least `best` left the group, so its tail is free to hold what was kept. */
		group[n - ++kept] = best;
		left = still;
	}
	memmove(to, group + n - kept, kept * sizeof(*to));
	return kept;
}

/* Where a symbol without a size ends: at the next one, or with its section. */
static uint32_t guess_size(const struct build *build, uint64_t va, const struct entry *next, const struct entry *end)
{
	const struct range *section = section_of(build, va);
	uint64_t limit = section ? section->limit : va;

	if (next < end && entry_va(next) < limit)
		limit = entry_va(next);
	return limit - va < UINT32_MAX ? (uint32_t)(limit - va) : UINT32_MAX;
}

/* Sorted raw entries to final ones, in place. */
static void finish_entries(struct build *build)
{
	struct entry *at = build->entries.items, *to = at, *end;
	uint64_t sized_end = 0; /* of the symbols before */

	if (!build->entries.len)
		return;
	end = at + build->entries.len;
	while (at < end) {
		struct entry *next = at + 1;
		uint64_t va = entry_va(at);
		size_t kept;

		while (next < end && entry_va(next) == va)
			next++;
		if (next - at > 1)
			kept = choose_aliases(build, at, (size_t)(next - at), to);
		else
			kept = 1, *to = *at;
		at = next;
		for (size_t i = 0; i < kept; i++)
			to[i].va = va;
		if (to->size) {
			if (va + to->size > sized_end)
				sized_end = va + to->size;
		} else if (va < sized_end) {
			continue; /* a label within a function */
		} else {
			to->size = guess_size(build, va, next, end);
		}
		to += kept;
	}
	build->entries.len = (size_t)(to - build->entries.items);
}

/* --- the table -----------------------------------------------------------------------------------------------------
 */

static int adopt_entries(struct symtab *symtab, struct entry_vec *entries)
{
	size_t blocks = (entries->len + BLOCK - 1) / BLOCK;
	struct entry *shrunk;

	if (!entries->len)
		return 0;
	shrunk = realloc(entries->items, entries->len * sizeof(*shrunk));
	if (shrunk)
		entries->items = shrunk;
	symtab->entries = entries->items;
	symtab->n = entries->len;
	vec_init(entries, 0);
	symtab->block_end = calloc(blocks, sizeof(*symtab->block_end));
	if (!symtab->block_end)
		return -ENOMEM;
	for (size_t i = 0; i < symtab->n; i++) {
		uint64_t end = symtab->entries[i].va + symtab->entries[i].size;

		if (end > symtab->block_end[i / BLOCK])
			symtab->block_end[i / BLOCK] = end;
	}
	return 0;
}

/* Only where a name of it was kept. */
static void adopt_embedded_strings(struct build *build)
{
	struct symtab *symtab = build->symtab;

	for (size_t i = 0; i < symtab->n; i++) {
		if (name_table(symtab->entries[i].name) != TABLE_EMBEDDED)
			continue;
		symtab->embedded_strings = build->resident[TABLE_EMBEDDED];
		build->resident[TABLE_EMBEDDED] = NULL;
		return;
	}
}

int symtab_new(const struct elf_file *file, struct symtab **ret)
{
	return symtab_new_from(&(struct symtab_files){.file = file}, ret);
}

/* They are there twice while they are sorted. */
static size_t max_entries(size_t max_bytes)
{
	size_t most = (size_t)TABLES * SYMTAB_MAX_SYMBOLS, fit = max_bytes / (2 * sizeof(struct entry));

	return max_bytes && fit < most ? fit : most;
}

int symtab_new_from(const struct symtab_files *files, struct symtab **ret)
{
	const struct elf_file *embedded = files->embedded;
	struct symtab *symtab = calloc(1, sizeof(*symtab));
	auto_free struct build *build = calloc(1, sizeof(*build));
	int err = -ENOMEM;

	if (!symtab || !build)
		goto out;
	symtab->file = build->file = files->file;
	symtab->debug = build->debug = files->debug;
	build->embedded = embedded;
	build->symtab = symtab;
	build->max_bytes = files->max_bytes;
	vec_init(&build->entries, max_entries(files->max_bytes));
	vec_init(&build->sections, ELF_MAX_SECTIONS);
	vec_init(&build->segments, ELF_MAX_SEGMENTS);
	err = embedded && elf_file_size(embedded) > SYMTAB_MAX_EMBEDDED_BYTES ? -E2BIG : find_code(build);
	for (enum table table = 0; !err && table < TABLES; table++)
		err = read_table(build, table);
	if (!err)
		err = sort_entries(&build->entries);
	for (enum table table = 0; !err && table < TABLES; table++)
		err = load_strings(build, table);
	if (err)
		goto out;
	finish_entries(build);
	err = adopt_entries(symtab, &build->entries);
	if (!err)
		adopt_embedded_strings(build);
out:
	if (build) {
		vec_release(&build->entries);
		vec_release(&build->sections);
		vec_release(&build->segments);
		for (enum table table = 0; table < TABLES; table++)
			free(build->resident[table]);
	}
	if (err)
		symtab_free(symtab);
	else
		*ret = symtab;
	return err;
}

void symtab_free(struct symtab *symtab)
{
	if (!symtab)
		return;
	free(symtab->entries);
	free(symtab->block_end);
	free(symtab->embedded_strings);
	free(symtab);
}

size_t symtab_count(const struct symtab *symtab)
{
	return symtab->n;
}

uint64_t symtab_address(const struct symtab *symtab, size_t index)
{
	return symtab->entries[index].va;
}

bool symtab_next_run(const struct symtab *symtab, size_t *pos, uint64_t *ret_start, uint64_t *ret_limit)
{
	const struct entry *entry = symtab->entries + *pos, *end = symtab->entries + symtab->n;
	uint64_t limit;

	if (entry >= end)
		return false;
	*ret_start = entry->va;
	for (limit = entry->va; entry < end && entry->va <= limit; entry++)
		if (entry->va + entry->size > limit)
			limit = entry->va + entry->size;
	*pos = (size_t)(entry - symtab->entries);
	*ret_limit = limit;
	return true;
}

size_t symtab_memory_bytes(const struct symtab *symtab)
{
	size_t blocks = (symtab->n + BLOCK - 1) / BLOCK;

	return sizeof(*symtab) + symtab->n * sizeof(*symtab->entries) + blocks * sizeof(*symtab->block_end) +
	       (symtab->embedded_strings ? symtab->strings[TABLE_EMBEDDED].size + 1 : 0);
}

/* The innermost entry that holds the address, or NULL. */
static const struct entry *find_entry(const struct symtab *symtab, uint64_t va)
{
	size_t n = partition_point(symtab->n, i, symtab->entries[i].va <= va);
	while (n) {
		const struct entry *entry = &symtab->entries[n - 1];

		/* Of a block that is not searched from its end, block_end may belong to an entry behind the address. */
		if (symtab->block_end[(n - 1) / BLOCK] <= va) {
			n = (n - 1) / BLOCK * BLOCK;
			continue;
		}
		if (va - entry->va < entry->size)
			return entry;
		n--;
	}
	return NULL;
}

int symtab_find(const struct symtab *symtab, uint64_t elf_va, struct symbol *ret, char *name, size_t size)
{
	const struct entry *entry = find_entry(symtab, elf_va);
	int err;

	if (!entry)
		return -ENOENT;
	err = read_name(symtab, entry->name, name, size);
	if (err)
		return err;
	if (!name[0] && size > 1)
		return -ENOENT; /* an empty name, or the file is no longer what it was */
	*ret = (struct symbol){.elf_va = entry->va, .size = entry->size};
	return 0;
}
