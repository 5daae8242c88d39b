/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* From an address of a process to the rule of its frame, through the tables of wire/unwind.h. Searches are free of
 * branches: a loop of data-dependent ones would make the verifier follow each combination. */
#pragma once

#include "call_sites.h"
#include "scratch.h"
#include "wire/unwind.h"

/* Addresses outside every mapping for which the stack is copied, until the mappings are published anew. */
#define MAX_MAPPING_MISSES 64

/* 1 where a < b, for differences below 2^63; the compiler must not make a jump of it again. */
static __always_inline __u64 is_below(__u64 a, __u64 b)
{
	__u64 difference = a - b;

	asm volatile("" : "+r"(difference));
	return difference >> 63;
}

/* Something at a place of the segments, or NULL. `type` is at most UNWIND_SEGMENT_SLACK large. */
#define unwind_at(segment, offset, type) ((const type *)((segment) + bounded((offset), UNWIND_SEGMENT_BYTES)))

/* The mappings that are published under the key, and where; NULL: none. */
static __always_inline const struct unwind_mappings *mappings_find(__u64 key, __u32 *ret_place)
{
	for (__u32 i = 0; i < 2 * UNWIND_BUCKET; i++) {
		__u32 index = unwind_bucket(key, i / UNWIND_BUCKET) * UNWIND_BUCKET + i % UNWIND_BUCKET;
		const struct unwind_process *slot = shim_unwind_process(index);
		const struct unwind_mappings *mappings;
		const __u8 *segment;
		__u32 place;

		if (!slot || slot->key != key)
			continue;
		place = *(volatile const __u32 *)&slot->place;
		segment = place ? shim_segment(unwind_place_segment(place)) : NULL;
		if (!segment)
			continue;
		mappings = unwind_at(segment, unwind_place_offset(place), struct unwind_mappings);
		if (mappings->key != key)
			continue;
		*ret_place = place;
		return mappings;
	}
	return NULL;
}

/* Those that a child has from its parent; NULL: none, or not any more. */
static __always_inline const struct unwind_mappings *mappings_find_inherited(__u64 key, __u32 *ret_place)
{
	const struct unwind_inherited *slot = shim_unwind_inherited(key & (UNWIND_INHERITED_SLOTS - 1));
	const struct unwind_mappings *mappings;
	const __u8 *segment;
	__u64 word;

	if (!slot || slot->key != key)
		return NULL;
	word = *(volatile const __u64 *)&slot->word ^ key;
	*ret_place = word;
	segment = *ret_place ? shim_segment(unwind_place_segment(*ret_place)) : NULL;
	if (!segment || !(word >> 32))
		return NULL;
	mappings = unwind_at(segment, unwind_place_offset(*ret_place), struct unwind_mappings);
	return *(volatile const __u32 *)&mappings->serial == word >> 32 ? mappings : NULL;
}

/* The process' mappings become the walk's. */
static __always_inline void walk_find_process(struct walk *walk, __u64 key)
{
	const struct unwind_mappings *mappings;
	__u32 place;

	walk->n_mappings = 0;
	mappings = mappings_find(key, &place);
	walk->is_inherited = !mappings;
	if (!mappings)
		mappings = mappings_find_inherited(key, &place);
	if (!mappings)
		return;
	walk->mappings = place + (sizeof(*mappings) >> UNWIND_UNIT_SHIFT);
	walk->n_mappings = mappings->n;
	walk->is_partial = mappings->is_partial;
	walk->may_be_news = mappings->misses < MAX_MAPPING_MISSES;
}

/* A process was forked: the child has what the parent has. */
static __always_inline void mappings_inherit(__u64 parent, __u64 child)
{
	struct unwind_inherited *slot = shim_unwind_inherited(child & (UNWIND_INHERITED_SLOTS - 1));
	const struct unwind_mappings *mappings;
	__u32 place, serial;

	mappings = mappings_find(parent, &place);
	if (!mappings)
		mappings = mappings_find_inherited(parent, &place);
	if (!mappings || !slot)
		return;
	serial = mappings->serial;
	if (!serial)
		return;
	*(volatile __u64 *)&slot->key = child;
	*(volatile __u64 *)&slot->word = unwind_inherited_word(child, place, serial);
}

/* How many of starts[apart], starts[2 * apart] … starts[reach], as far as there are n, are at or below the address. No
 * look waits for another. */
static __always_inline __u64 starts_passed(const __u64 *starts, __u64 n, __u32 apart, __u32 reach, __u64 address)
{
	__u64 passed = 0;

	for (__u32 nth = apart; nth <= reach; nth += apart)
		passed += is_below(starts[nth], address + 1) & is_below(nth, n);
	return passed;
}

/* The last of n mappings that starts at or below the address, or the first one. */
static __always_inline __u32 mapping_search(const __u8 *segment, __u32 offset, __u32 n, __u64 address)
{
	const __u64 *starts = unwind_at(segment, offset & ~7u, __u64);
	__u64 at = 0, passed;

	if (n > 64) {
		/* Masked anew where the next looks could go beyond the slack. */
		const __u64 *half = unwind_at(segment, (offset + 512 * sizeof(__u64)) & ~7u, __u64);

		at = 512 * (is_below(*half, address + 1) & is_below(512, n));
		starts = unwind_at(segment, (offset + at * sizeof(__u64)) & ~7u, __u64);
		at += 64 * starts_passed(starts, n - at, 64, 448, address);
		starts = unwind_at(segment, (offset + at * sizeof(__u64)) & ~7u, __u64);
	}
	passed = 8 * starts_passed(starts, n - at, 8, 56, address);
	starts += passed;
	return at + passed + starts_passed(starts, n - at - passed, 1, 7, address);
}

_Static_assert(UNWIND_MAX_MAPPINGS == 2 * 512, "mapping_search() begins with the middle");

/* The object's table does not hold the address. */
static __always_inline void walk_miss(struct walk *walk, struct unwind_object *object, __u64 address)
{
	walk->missed_page = (address - walk->map_bias) >> UNWIND_PAGE_SHIFT;
	object->misses++;
	object->missed_page = walk->missed_page;
}

/* The pointer, but for a CPU that must have read the value before it may read what is there. */
#define behind(pointer, value)                                                                                         \
	({                                                                                                             \
		__u64 nothing_ = 0;                                                                                    \
		asm volatile("" : "+r"(nothing_));                                                                     \
		(pointer) + ((value)&nothing_);                                                                        \
	})

/* The object's table becomes the walk's; walk->page_words stays 0 where the frame pointer must do. 0, or the end. */
static __always_inline __u32 walk_enter_object(struct walk *walk, __u32 generation, __u64 address)
{
	struct unwind_object *object = shim_unwind_object(walk->object);
	const volatile struct unwind_object *known;
	__u64 word;

	if (!object)
		return UNWIND_END_TABLE_UNLOADED;
	word = *(volatile __u64 *)&object->word;
	if (unwind_object_state(word) == UNWIND_OBJECT_NONE)
		return 0;
	if (unwind_object_state(word) != UNWIND_OBJECT_LOADED || unwind_object_generation(word) != generation) {
		walk_miss(walk, object, address);
		return UNWIND_END_TABLE_UNLOADED;
	}
	if (object->used_epoch != shim_unwind_epoch())
		object->used_epoch = shim_unwind_epoch();
	known = behind(object, word);
	walk->first_page = known->first_page;
	walk->pages = known->pages;
	walk->serial = known->serial;
	known = behind(object, walk->first_page | walk->pages | walk->serial);
	if (known->word != word) { /* it has just left */
		walk_miss(walk, object, address);
		return UNWIND_END_TABLE_UNLOADED;
	}
	walk->page_words = unwind_object_directory(word);
	return 0;
}

/* No mapping holds the address. The end: for a while after each publication it may be in one that is not published yet,
 * and user space will know. */
static __always_inline __u32 walk_miss_mapping(const struct walk *walk, __u8 *segment)
{
	struct unwind_mappings *mappings;

	if (walk->is_partial)
		return UNWIND_END_MAPPING_UNPUBLISHED;
	if (walk->is_inherited) /* the child's own are published soon; its misses are not the parent's */
		return UNWIND_END_PROCESS_UNKNOWN;
	if (!walk->may_be_news)
		return UNWIND_END_NOT_CODE;
	mappings = (struct unwind_mappings *)(segment + bounded(unwind_place_offset(walk->mappings) - sizeof(*mappings),
								UNWIND_SEGMENT_BYTES));
	mappings->misses++;
	return UNWIND_END_PROCESS_UNKNOWN;
}

/* The mapping that holds the address becomes the walk's. 0, or the end. */
static __always_inline __u32 walk_enter_mapping(struct walk *walk, __u64 address)
{
	__u32 offset = unwind_place_offset(walk->mappings), at;
	const struct unwind_mapping *mapping;
	__u8 *segment;

	walk->map_bytes = 0;
	walk->page_words = 0;
	if (!walk->n_mappings)
		return UNWIND_END_PROCESS_UNKNOWN;
	segment = shim_segment(unwind_place_segment(walk->mappings));
	if (!segment)
		return UNWIND_END_PROCESS_UNKNOWN;
	at = mapping_search(segment, offset, walk->n_mappings, address);
	offset += walk->n_mappings * sizeof(__u64);
	mapping = unwind_at(segment, offset + at * sizeof(*mapping), struct unwind_mapping);
	if (address - mapping->start >= (__u64)mapping->pages << 12)
		return walk_miss_mapping(walk, segment);
	walk->map_start = mapping->start;
	walk->map_bytes = (__u64)mapping->pages << 12;
	walk->map_bias = mapping->bias;
	walk->object = mapping->object;
	if (mapping->object == UNWIND_NO_OBJECT)
		return 0;
	return walk_enter_object(walk, mapping->generation, address);
}

/* How many of before[apart], before[2 * apart] … before[reach], as far as there are n rows, begin at or before `at`. No
 * look waits for another. */
static __always_inline __u64 rows_passed(const __u32 *before, __u64 n, __u32 apart, __u32 reach, __u64 at)
{
	__u64 passed = 0;

	for (__u32 nth = apart; nth <= reach; nth += apart)
		passed += is_below(unwind_row_offset(before[nth]), at + 1) & is_below(nth, n + 1);
	return passed;
}

/* The row that holds offset `at` of a page whose blob is at `offset` of the segment: the last one of its block that
 * begins at or before it, else the one before the block. Two looks at several rows take less time than five at one. */
static __always_inline __u32 row_search(const __u8 *segment, __u32 offset, __u32 block_shift, __u32 at)
{
	__u32 index = offset + 2 * (at >> block_shift), rows = offset + unwind_index_bytes(block_shift);
	__u64 first = *unwind_at(segment, index & ~1u, __u16), limit = *unwind_at(segment, (index + 2) & ~1u, __u16);
	/* Masked once: the rows behind it are within the slack. */
	const __u32 *before = unwind_at(segment, (rows + (first - 1) * sizeof(__u32)) & ~3u, __u32);
	__u64 n = limit - first, passed = 4 * rows_passed(before, n, 4, UNWIND_MAX_BLOCK_ROWS, at);

	before += passed;
	return before[rows_passed(before, n - passed, 1, 3, at)];
}

_Static_assert(UNWIND_MAX_BLOCK_ROWS == 31, "row_search() looks at each fourth of 31, then at three");

/* The rule's number and how far behind its row the place is become the walk's rule. */
static __always_inline int walk_take_rule(struct walk *walk, __u32 number, __u32 distance)
{
	const struct unwind_rule *rule = shim_unwind_rule(number);

	if (!rule)
		return 0;
	unwind_rule_unfold(rule, distance, &walk->rule.rule);
	return 1;
}

/* The rule at an offset of the page, of the object's table. 1: it is the walk's. 0: there is none, and *ret_end says
 * why, or is 0: the frame pointer may tell. */
static __always_inline int walk_search_rule(struct walk *walk, __u64 page, __u32 at, __u64 address, __u32 *ret_end)
{
	const __u8 *segment = shim_segment(unwind_place_segment(walk->page_words));
	struct unwind_object *object;
	__u32 word, row, place;

	if (!segment)
		return 0;
	word = *unwind_at(segment, (unwind_place_offset(walk->page_words) + page * sizeof(__u32)) & ~3u,
			  volatile __u32);
	if (unwind_page_kind(word) == UNWIND_PAGE_CONSTANT)
		return walk_take_rule(walk, word & 0xffff, 0);
	if (unwind_page_kind(word) != UNWIND_PAGE_ROWS) {
		object = shim_unwind_object(walk->object);
		if (object)
			walk_miss(walk, object, address);
		*ret_end = UNWIND_END_TABLE_UNLOADED;
		return 0;
	}
	place = unwind_page_place(word);
	segment = shim_segment(unwind_place_segment(place));
	if (!segment)
		return 0;
	row = row_search(segment, unwind_place_offset(place), unwind_page_block_shift(word), at);
	return walk_take_rule(walk, unwind_row_rule(row), at - unwind_row_offset(row));
}

/* The rule of the address, which lies in the walk's mapping: as walk_search_rule(). */
static __always_inline int walk_find_rule(struct walk *walk, __u64 address, __u32 *ret_end)
{
	__u64 file_off = address - walk->map_bias, page = (file_off >> UNWIND_PAGE_SHIFT) - walk->first_page, key;
	__u32 at = file_off & (UNWIND_PAGE_BYTES - 1);
	volatile struct call_site *site = NULL;

	*ret_end = 0;
	if (!walk->page_words || page >= walk->pages)
		return 0;
	key = call_site_key(walk, page, at);
	if (!(walk->flags & WALK_EXACT))
		site = call_site_of(key);
	if (site && call_site_read(site, key, &walk->rule))
		return 1;
	if (!walk_search_rule(walk, page, at, address, ret_end))
		return 0;
	if (site)
		call_site_write(site, key, &walk->rule);
	return 1;
}
