/* SPDX-License-Identifier: Apache-2.0 */
/* Stacks and samples are arrays in order of their ids; each has a map from the keyed hash of its content to the newest
 * entry of that hash, entries of equal hash (as good as never) being chained:
 *
 *     by_stack   hash ─> id ─> stacks[id] { words, n, end, users }, next_stack[id]
 *                                            └> 0x7f…, 0x7f…, …
 *     by_sample  hash ─> index ─> samples[index] { key, count, weight }, next_sample[index]
 *
 * Each entry is charged what it costs at worst, arrays and maps just grown included, so that the memory taken stays
 * below the limit at every moment but that of a reallocation. Arrays do not shrink: places of stacks and samples that
 * are gone stay charged, and are used again. */
#pragma once

#include "base/map.h"
#include "base/vec.h"
#include "collector/stack_store.h"

#define CHAIN_END UINT32_MAX
/* A map slot (hash, id, tag) in a table that has just doubled: at least three eighths full. */
#define MAP_ENTRY_BYTES ((16 + 1) * 8 / 3 + 1)
/* An array that has just doubled is half full. */
#define STACK_BYTES (2 * (sizeof(struct kept_stack) + sizeof(uint32_t)) + MAP_ENTRY_BYTES)
#define SAMPLE_BYTES (2 * (sizeof(struct stored_sample) + sizeof(uint32_t)) + MAP_ENTRY_BYTES)
#define MALLOC_BYTES 16 /* that an allocation takes on top, at most */

_Static_assert(sizeof(struct sample_key) == 40, "sample_key has no padding of its own: it is hashed as bytes");

struct kept_stack {
	uint64_t *words; /* NULL: none */
	uint32_t users;	 /* samples that have it as their user stack */
	uint16_t n;
	uint8_t end, is_kernel;
};

struct next_vec VEC(uint32_t);

struct stack_store {
	size_t limit_bytes, charged_bytes;
	struct map by_stack, by_sample; /* uint64_t -> uint32_t */
	struct kept_vec VEC(struct kept_stack) stacks;
	struct sample_vec VEC(struct stored_sample) samples;
	struct next_vec next_stack, next_sample;
	uint32_t first_free, n_free; /* ids of stacks that are gone, chained by next_stack */
	size_t sample_places;	     /* that are charged */
	size_t word_bytes;
	uint64_t folded[UNWIND_END_COUNT];
};

size_t stack_store_words_cost(uint16_t n);
/* The stack gives up its words and its id. Nobody has it any more. */
void stack_store_drop(struct stack_store *store, uint32_t id);
/* Adds the sample to its like, or puts it behind the others, where there is room for it. */
int stack_store_put(struct stack_store *store, const struct stored_sample *sample);

/* stack_store_fold.c: makes half of the limit free, as far as samples can be folded. */
void stack_store_fold(struct stack_store *store);
