/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/stack_store.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "stack_store_internal.h"

/* The first allocations of the arrays and maps, before what is charged for entries covers them. */
#define FIRST_BYTES 2048
#define MAX_WORDS 8192 /* of a stack */

_Static_assert(MAX_WORDS >= MAX_USER_FRAMES && MAX_WORDS >= MAX_KERNEL_FRAMES, "any stack is allowed");

/* --- stacks ------------------------------------------------------------------------------------------------------- */

static bool may_charge(const struct stack_store *store, size_t bytes)
{
	return bytes <= store->limit_bytes && store->charged_bytes <= store->limit_bytes - bytes;
}

size_t stack_store_words_cost(uint16_t n)
{
	return n ? n * sizeof(uint64_t) + MALLOC_BYTES : 0;
}

static uint64_t stack_hash(const struct stored_stack *stack)
{
	uint64_t parts[2] = {
		stack->n ? hash_bytes(stack->words, stack->n * sizeof(*stack->words)) : 0,
		(uint64_t)stack->n << 16 | (uint64_t)stack->end << 8 | stack->is_kernel,
	};

	return hash_bytes(parts, sizeof(parts));
}

static bool stacks_equal(const struct kept_stack *a, const struct stored_stack *b)
{
	return a->n == b->n && a->end == b->end && a->is_kernel == b->is_kernel &&
	       (!a->n || !memcmp(a->words, b->words, a->n * sizeof(*a->words)));
}

/* Puts the entry `id` in front of the chain of its hash. */
static int chain_add(struct map *by_hash, uint64_t hash, struct next_vec *next, uint32_t id)
{
	bool is_new;
	void *slot;
	int err = map_insert(by_hash, &hash, &slot, &is_new);

	if (err)
		return err;
	next->items[id] = is_new ? CHAIN_END : *(uint32_t *)slot;
	*(uint32_t *)slot = id;
	return 0;
}

static void chain_remove(struct map *by_hash, uint64_t hash, struct next_vec *next, uint32_t id)
{
	uint32_t *first = map_find(by_hash, &hash), *at = first;

	while (*at != id)
		at = &next->items[*at];
	*at = next->items[id];
	if (*first == CHAIN_END)
		map_remove(by_hash, &hash);
}

void stack_store_drop(struct stack_store *store, uint32_t id)
{
	struct stored_stack stack = stack_store_stack(store, id);
	struct kept_stack *kept = &store->stacks.items[id];

	chain_remove(&store->by_stack, stack_hash(&stack), &store->next_stack, id);
	store->charged_bytes -= stack_store_words_cost(kept->n);
	store->word_bytes -= stack_store_words_cost(kept->n);
	free(kept->words);
	*kept = (struct kept_stack){.end = UNWIND_END_OVER_BUDGET};
	store->next_stack.items[id] = store->first_free;
	store->first_free = id;
	store->n_free++;
}

/* The place of a stack that is gone, or one at the end. The arrays have room for it. */
static int reserve_place(struct stack_store *store, uint32_t *ret_id)
{
	int err;

	*ret_id = store->first_free;
	if (store->n_free)
		return 0;
	*ret_id = (uint32_t)store->stacks.len;
	err = vec_reserve(&store->stacks, store->stacks.len + 1);
	return err ? err : vec_reserve(&store->next_stack, store->next_stack.len + 1);
}

static void take_place(struct stack_store *store, uint32_t next_free)
{
	if (store->n_free) {
		store->first_free = next_free;
		store->n_free--;
		return;
	}
	store->stacks.len++;
	store->next_stack.len++;
	store->charged_bytes += STACK_BYTES;
}

static int add_stack(struct stack_store *store, const struct stored_stack *stack, uint64_t hash, uint32_t *ret_id)
{
	size_t bytes = stack_store_words_cost(stack->n);
	uint64_t *words = NULL;
	uint32_t id, next_free;
	int err;

	if (!may_charge(store, bytes + (store->n_free ? 0 : STACK_BYTES)))
		return -E2BIG;
	/* All that can fail comes before the first change that counts. */
	err = reserve_place(store, &id);
	if (err)
		return err;
	if (stack->n) {
		words = malloc(stack->n * sizeof(*words));
		if (!words)
			return -ENOMEM;
		memcpy(words, stack->words, stack->n * sizeof(*words));
	}
	assert(store->next_stack.items); /* it was reserved, now or before */
	next_free = store->n_free ? store->next_stack.items[id] : CHAIN_END;
	err = chain_add(&store->by_stack, hash, &store->next_stack, id);
	if (err) {
		free(words);
		return err;
	}
	take_place(store, next_free);
	store->charged_bytes += bytes;
	store->word_bytes += bytes;
	store->stacks.items[id] =
		(struct kept_stack){.words = words, .n = stack->n, .end = stack->end, .is_kernel = stack->is_kernel};
	*ret_id = id;
	return 0;
}

int stack_store_add_stack(struct stack_store *store, const struct stored_stack *stack, uint32_t *ret_id)
{
	uint64_t hash = stack_hash(stack);
	const uint32_t *first = map_find(&store->by_stack, &hash);
	int err;

	for (uint32_t same = first ? *first : CHAIN_END; same != CHAIN_END; same = store->next_stack.items[same]) {
		if (stacks_equal(&store->stacks.items[same], stack)) {
			*ret_id = same;
			return 0;
		}
	}
	if (stack->n > MAX_WORDS)
		return -E2BIG;
	err = add_stack(store, stack, hash, ret_id);
	if (err != -E2BIG)
		return err;
	stack_store_fold(store);
	return add_stack(store, stack, hash, ret_id);
}

/* --- samples ------------------------------------------------------------------------------------------------------ */

/* Equal keys as equal bytes: nothing behind the name's end. */
static struct sample_key key_normalized(const struct sample_key *key)
{
	struct sample_key normal;

	memset(&normal, 0, sizeof(normal));
	normal.process = key->process;
	normal.user_stack = key->user_stack;
	normal.kernel_stack = key->kernel_stack;
	normal.tid = key->tid;
	normal.source = key->source;
	normal.cpu = key->cpu;
	memcpy(normal.thread_comm, key->thread_comm, strnlen(key->thread_comm, sizeof(key->thread_comm)));
	return normal;
}

static struct stored_sample *find_sample(const struct stack_store *store, const struct sample_key *key, uint64_t hash)
{
	const uint32_t *first = map_find(&store->by_sample, &hash);

	for (uint32_t same = first ? *first : CHAIN_END; same != CHAIN_END; same = store->next_sample.items[same])
		if (!memcmp(&store->samples.items[same].key, key, sizeof(*key)))
			return &store->samples.items[same];
	return NULL;
}

int stack_store_put(struct stack_store *store, const struct stored_sample *sample)
{
	uint64_t hash = hash_bytes(&sample->key, sizeof(sample->key));
	struct stored_sample *same = find_sample(store, &sample->key, hash);
	int err;

	if (same) {
		same->count += sample->count;
		same->weight += sample->weight;
		return 0;
	}
	err = chain_add(&store->by_sample, hash, &store->next_sample, (uint32_t)store->samples.len);
	if (err)
		return err;
	store->samples.items[store->samples.len++] = *sample;
	store->next_sample.len = store->samples.len;
	return 0;
}

/* One more sample has a place. */
static int reserve_sample(struct stack_store *store)
{
	bool is_charged = store->samples.len < store->sample_places;
	int err;

	if (!is_charged && !may_charge(store, SAMPLE_BYTES))
		return -E2BIG;
	err = vec_reserve(&store->samples, store->samples.len + 1);
	if (!err)
		err = vec_reserve(&store->next_sample, store->next_sample.len + 1);
	if (err || is_charged)
		return err;
	store->charged_bytes += SAMPLE_BYTES;
	store->sample_places++;
	return 0;
}

/* The sample has its user stack from now on, so that it is not folded away with others'. */
static void hold_stack(struct stack_store *store, uint32_t id)
{
	if (id != STACK_NONE)
		store->stacks.items[id].users++;
}

static void release_stack(struct stack_store *store, uint32_t id)
{
	if (id != STACK_NONE && !--store->stacks.items[id].users)
		stack_store_drop(store, id);
}

int stack_store_count(struct stack_store *store, const struct sample_key *key, uint64_t count, uint64_t weight)
{
	struct stored_sample sample = {.key = key_normalized(key), .count = count, .weight = weight};
	int err;

	if (find_sample(store, &sample.key, hash_bytes(&sample.key, sizeof(sample.key))))
		return stack_store_put(store, &sample);
	hold_stack(store, key->user_stack);
	err = reserve_sample(store);
	if (err == -E2BIG) {
		stack_store_fold(store);
		err = reserve_sample(store);
	}
	if (!err)
		err = stack_store_put(store, &sample);
	if (err)
		release_stack(store, key->user_stack);
	return err;
}

/* --- the store ---------------------------------------------------------------------------------------------------- */

static int add_folded(struct stack_store *store)
{
	const struct stored_stack user = {.end = UNWIND_END_OVER_BUDGET};
	uint32_t id;
	int err = add_stack(store, &user, stack_hash(&user), &id);

	if (!err)
		store->stacks.items[id].users = 1; /* it never leaves */
	return err;
}

int stack_store_new(size_t limit_bytes, struct stack_store **ret)
{
	struct stack_store *store = calloc(1, sizeof(*store));
	int err;

	if (!store)
		return -ENOMEM;
	store->limit_bytes = limit_bytes;
	store->charged_bytes = sizeof(*store) + FIRST_BYTES;
	store->first_free = CHAIN_END;
	map_init(&store->by_stack, sizeof(uint64_t), sizeof(uint32_t), CHAIN_END);
	map_init(&store->by_sample, sizeof(uint64_t), sizeof(uint32_t), CHAIN_END);
	vec_init(&store->stacks, CHAIN_END);
	vec_init(&store->samples, CHAIN_END);
	vec_init(&store->next_stack, CHAIN_END);
	vec_init(&store->next_sample, CHAIN_END);
	err = add_folded(store);
	if (err) {
		stack_store_free(store);
		return err;
	}
	*ret = store;
	return 0;
}

void stack_store_set_limit(struct stack_store *store, size_t limit_bytes)
{
	store->limit_bytes = limit_bytes;
}

void stack_store_forget(struct stack_store *store)
{
	vec_for_each (&store->stacks, stack)
		free(stack->words);
	vec_release(&store->stacks);
	vec_release(&store->samples);
	vec_release(&store->next_stack);
	vec_release(&store->next_sample);
	map_release(&store->by_stack);
	map_release(&store->by_sample);
}

void stack_store_free(struct stack_store *store)
{
	if (!store)
		return;
	stack_store_forget(store);
	free(store);
}

uint32_t stack_store_stacks(const struct stack_store *store)
{
	return (uint32_t)store->stacks.len;
}

struct stored_stack stack_store_stack(const struct stack_store *store, uint32_t id)
{
	const struct kept_stack *kept = &store->stacks.items[id];

	return (struct stored_stack){
		.words = kept->words, .n = kept->n, .end = kept->end, .is_kernel = kept->is_kernel};
}

const struct stored_sample *stack_store_samples(const struct stack_store *store, size_t *n)
{
	*n = store->samples.len;
	return store->samples.items;
}

const uint64_t *stack_store_folded(const struct stack_store *store)
{
	return store->folded;
}

size_t stack_store_memory_bytes(const struct stack_store *store)
{
	return sizeof(*store) + map_memory_bytes(&store->by_stack) + map_memory_bytes(&store->by_sample) +
	       store->stacks.cap * sizeof(*store->stacks.items) + store->samples.cap * sizeof(*store->samples.items) +
	       store->next_stack.cap * sizeof(*store->next_stack.items) +
	       store->next_sample.cap * sizeof(*store->next_sample.items) + store->word_bytes;
}
