/* SPDX-License-Identifier: Apache-2.0 */
/* Two sorted lists of ranges without overlaps, the code and what is told of it, are gone through side by side. */
#include "symbol/coverage.h"

#include <elf.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/cursor.h"
#include "base/vec.h"
#include "dwarf/dwarf.h"
#include "elf/elf_file.h"
#include "elf/gopclntab.h"
#include "elf/symtab.h"

#define MAX_RANGES (32u << 20)

struct range {
	uint64_t start, limit; /* elf_va */
};

struct range_vec VEC(struct range);

static int add_range(struct range_vec *ranges, uint64_t start, uint64_t limit)
{
	int err = start < limit ? vec_reserve(ranges, ranges->len + 1) : 0;

	if (!err && start < limit)
		*vec_push_reserved(ranges) = (struct range){start, limit};
	return err;
}

static int compare_ranges(const void *left, const void *right)
{
	const struct range *a = left, *b = right;

	return (a->start > b->start) - (a->start < b->start);
}

/* Sorts them, and makes one of those that touch. */
static void settle(struct range_vec *ranges)
{
	size_t kept = 0;

	if (ranges->len)
		qsort(ranges->items, ranges->len, sizeof(*ranges->items), compare_ranges);
	vec_for_each (ranges, range) {
		struct range *last = kept ? &ranges->items[kept - 1] : NULL;

		if (!last || range->start > last->limit)
			ranges->items[kept++] = *range;
		else if (range->limit > last->limit)
			last->limit = range->limit;
	}
	ranges->len = kept;
}

static int find_code(const struct elf_file *file, struct range_vec *ret)
{
	const struct elf_section *sections;
	const struct elf_segment *segments;
	size_t n_sections, n_segments;
	uint64_t limit;
	int err = 0;

	sections = elf_file_sections(file, &n_sections);
	segments = elf_file_segments(file, &n_segments);
	for (size_t i = 0; i < n_sections && !err; i++)
		if (sections[i].flags & SHF_EXECINSTR && sections[i].type != SHT_NOBITS &&
		    checked_add(sections[i].addr, sections[i].size, &limit))
			err = add_range(ret, sections[i].addr, limit);
	for (size_t i = 0; i < n_segments && !n_sections && !err; i++)
		if (segments[i].flags & PF_X && checked_add(segments[i].vaddr, segments[i].filesz, &limit))
			err = add_range(ret, segments[i].vaddr, limit);
	settle(ret);
	return err;
}

static int add_go(const struct gopclntab *go, struct range_vec *ranges)
{
	uint64_t start, limit;

	gopclntab_range(go, &start, &limit);
	return add_range(ranges, start, limit);
}

static int find_named(const struct coverage_sources *sources, struct range_vec *ret)
{
	uint64_t start, limit;
	size_t pos = 0;
	int err = sources->go ? add_go(sources->go, ret) : 0;

	while (!err && sources->symtab && symtab_next_run(sources->symtab, &pos, &start, &limit))
		err = add_range(ret, start, limit);
	settle(ret);
	return err;
}

static int find_with_lines(const struct coverage_sources *sources, struct range_vec *ret)
{
	uint64_t start, limit;
	size_t pos = 0;
	int err = sources->go && gopclntab_layout(sources->go) != GO_LAYOUT_1_2 ? add_go(sources->go, ret) : 0;

	while (!err && sources->dwarf && dwarf_next_run(sources->dwarf, &pos, &start, &limit))
		err = add_range(ret, start, limit);
	settle(ret);
	return err;
}

static uint64_t bytes_of(const struct range_vec *ranges)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < ranges->len; i++)
		bytes += ranges->items[i].limit - ranges->items[i].start;
	return bytes;
}

static uint64_t common_bytes(const struct range_vec *a, const struct range_vec *b)
{
	uint64_t bytes = 0;

	for (size_t i = 0, j = 0; i < a->len && j < b->len;) {
		const struct range *left = &a->items[i], *right = &b->items[j];
		uint64_t start = left->start > right->start ? left->start : right->start;
		uint64_t limit = left->limit < right->limit ? left->limit : right->limit;

		if (start < limit)
			bytes += limit - start;
		if (left->limit < right->limit)
			i++;
		else
			j++;
	}
	return bytes;
}

int coverage_measure(const struct elf_file *file, const struct coverage_sources *sources, struct coverage *ret)
{
	struct range_vec code = VEC_INIT(MAX_RANGES), named = VEC_INIT(MAX_RANGES), lines = VEC_INIT(MAX_RANGES);
	int err = find_code(file, &code);

	if (!err)
		err = find_named(sources, &named);
	if (!err)
		err = find_with_lines(sources, &lines);
	if (!err)
		*ret = (struct coverage){.code = bytes_of(&code),
					 .named = common_bytes(&code, &named),
					 .with_lines = common_bytes(&code, &lines)};
	vec_release(&code);
	vec_release(&named);
	vec_release(&lines);
	return err;
}
