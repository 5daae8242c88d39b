/* SPDX-License-Identifier: Apache-2.0 */
/* Generated code by address. What a runtime tells in the order of time becomes ranges that do not overlap, of which the
 * later one wins: code is overwritten by code.
 *
 *     told      [---- 1 ----]      [--- 3 ---]        in this order
 *                     [--- 2 ---]
 *     ranges    [-- 1 -][-- 2 --]  [--- 3 ---]
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Longer code is none. */
#define CODE_RANGE_MAX_BYTES (1u << 30)

struct code_range {
	uint64_t start;
	uint32_t size;
	uint32_t code; /* the caller's */
};

struct code_range_vec {
	struct code_range *items;
	size_t len, cap, max;
};

struct code_ranges {
	struct code_range_vec known;   /* sorted, apart from each other */
	struct code_range_vec pending; /* as told, later than all that is known */
	size_t max_bytes;
};

/* What it holds, and twice that while it sorts, stays below max_bytes. */
void code_ranges_init(struct code_ranges *ranges, size_t max_bytes);
void code_ranges_release(struct code_ranges *ranges);
void code_ranges_clear(struct code_ranges *ranges);

/* -EINVAL: no code, too long, or behind the end of all addresses; -E2BIG: no room, the range is not known; -ENOMEM. */
int code_ranges_add(struct code_ranges *ranges, uint64_t start, uint64_t size, uint32_t code);
/* To be called between the last addition and the first question. -E2BIG: those added since the last call are not known;
 * -ENOMEM. */
int code_ranges_settle(struct code_ranges *ranges);
/* The range that holds the address, or NULL. Valid until the next addition. */
const struct code_range *code_ranges_find(const struct code_ranges *ranges, uint64_t address);
size_t code_ranges_memory_bytes(const struct code_ranges *ranges);
