/* SPDX-License-Identifier: Apache-2.0 */
/* Stacks and counts of an interval. Equal stacks are kept once; a sample is a key of ids with a count and a weight.
 * Bounded in bytes: when it is full, the samples that were counted least give up their stacks, and are counted on for
 * their process with the stack STACK_FOLDED. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "wire/sample.h"

struct stack_store;
struct process;

struct stored_stack {
	const uint64_t *words; /* valid until the next add */
	uint16_t n;
	uint8_t end; /* enum unwind_end */
	uint8_t is_kernel;
};

#define STACK_NONE UINT32_MAX
#define STACK_FOLDED 0 /* no frame, UNWIND_END_OVER_BUDGET: its place in the store is never refused */

/* The identity of samples that are counted together. */
struct sample_key {
	struct process *process;
	uint32_t user_stack, kernel_stack; /* ids or STACK_NONE */
	uint32_t tid;			   /* 0 unless threads are told apart */
	uint16_t source, cpu;		   /* cpu UINT16_MAX unless told apart */
	char thread_comm[COMM_BYTES];
};

struct stored_sample {
	struct sample_key key;
	uint64_t count, weight;
};

int stack_store_new(size_t limit_bytes, struct stack_store **ret);
void stack_store_free(struct stack_store *store);
/* What is more than it already takes leaves with the next that does not fit. */
void stack_store_set_limit(struct stack_store *store, size_t limit_bytes);
/* All stacks and samples leave, and nothing may be added any more; what was folded stays known. */
void stack_store_forget(struct stack_store *store);

/* Id of the stack, added when new. A user stack that no sample has may be gone at the second next call; kernel stacks
 * stay. -E2BIG: the limit, also after folding. */
int stack_store_add_stack(struct stack_store *store, const struct stored_stack *stack, uint32_t *ret_id);
int stack_store_count(struct stack_store *store, const struct sample_key *key, uint64_t count, uint64_t weight);

/* Ids given so far; the stack of one that is gone is empty. */
uint32_t stack_store_stacks(const struct stack_store *store);
struct stored_stack stack_store_stack(const struct stack_store *store, uint32_t id);
/* In order of first appearance; pointer valid until the next count. */
const struct stored_sample *stack_store_samples(const struct stack_store *store, size_t *n);
/* Counts that were folded, by how their stacks had ended (UNWIND_END_COUNT). */
const uint64_t *stack_store_folded(const struct stack_store *store);
size_t stack_store_memory_bytes(const struct stack_store *store);
