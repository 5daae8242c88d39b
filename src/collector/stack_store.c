/* SPDX-License-Identifier: Apache-2.0 */
/* Words lie in chunks that never move; stacks and samples are arrays in order of their ids; each has a map from the
 * keyed hash of its content to the newest entry of that hash, entries of equal hash (as good as never) being chained:
 *
 *     by_stack   hash ─> id ─> stacks[id] { words, n, end }, next_stack[id]
 *                                            └> chunk: 0x7f…, 0x7f…, …
 *     by_sample  hash ─> index ─> samples[index] { key, count, weight }, next_sample[index]
 *
 * Each entry is charged what it costs at worst, arrays and maps just grown included, so that the memory taken stays
 * below the limit at every moment but that of a reallocation. */
#include "collector/stack_store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/vec.h"

#define CHUNK_WORDS 8192
#define CHAIN_END UINT32_MAX
/* A map slot (hash, id, tag) in a table that has just doubled: at least three eighths full. */
#define MAP_ENTRY_BYTES ((16 + 1) * 8 / 3 + 1)
/* An array that has just doubled is half full. */
#define STACK_BYTES (2 * (sizeof(struct stored_stack) + sizeof(uint32_t)) + MAP_ENTRY_BYTES)
#define SAMPLE_BYTES (2 * (sizeof(struct stored_sample) + sizeof(uint32_t)) + MAP_ENTRY_BYTES)

/* The first allocations of the arrays and maps, before the sums above hold. */
#define FIRST_BYTES 2048

_Static_assert(sizeof(struct sample_key) == 40, "sample_key has no padding of its own: it is hashed as bytes");
_Static_assert(CHUNK_WORDS >= MAX_USER_FRAMES && CHUNK_WORDS >= MAX_KERNEL_FRAMES, "a stack fits into a chunk");

struct chunk {
	uint64_t words[CHUNK_WORDS];
};

struct stack_store {
	size_t limit_bytes, charged_bytes;
	struct map by_stack, by_sample; /* uint64_t -> uint32_t */
	struct stack_vec VEC(struct stored_stack) stacks;
	struct sample_vec VEC(struct stored_sample) samples;
	struct next_vec VEC(uint32_t) next_stack, next_sample;
	struct chunk_vec VEC(struct chunk *) chunks;
	size_t chunk_used; /* words of the last chunk */
};

int stack_store_new(size_t limit_bytes, struct stack_store **ret)
{
	struct stack_store *store = calloc(1, sizeof(*store));

	if (!store)
		return -ENOMEM;
	store->limit_bytes = limit_bytes;
	store->charged_bytes = sizeof(*store) + FIRST_BYTES;
	map_init(&store->by_stack, sizeof(uint64_t), sizeof(uint32_t), CHAIN_END);
	map_init(&store->by_sample, sizeof(uint64_t), sizeof(uint32_t), CHAIN_END);
	vec_init(&store->stacks, CHAIN_END);
	vec_init(&store->samples, CHAIN_END);
	vec_init(&store->next_stack, CHAIN_END);
	vec_init(&store->next_sample, CHAIN_END);
	vec_init(&store->chunks, SIZE_MAX / sizeof(struct chunk));
	*ret = store;
	return 0;
}

void stack_store_free(struct stack_store *store)
{
	if (!store)
		return;
	for (size_t i = 0; i < store->chunks.len; i++)
		free(store->chunks.items[i]);
	vec_release(&store->chunks);
	vec_release(&store->stacks);
	vec_release(&store->samples);
	vec_release(&store->next_stack);
	vec_release(&store->next_sample);
	map_release(&store->by_stack);
	map_release(&store->by_sample);
	free(store);
}

static bool may_charge(const struct stack_store *store, size_t bytes)
{
	return bytes <= store->limit_bytes && store->charged_bytes <= store->limit_bytes - bytes;
}

static uint64_t stack_hash(const struct stored_stack *stack)
{
	uint64_t parts[2] = {
		stack->n ? hash_bytes(stack->words, stack->n * sizeof(*stack->words)) : 0,
		(uint64_t)stack->n << 16 | (uint64_t)stack->end << 8 | stack->is_kernel,
	};

	return hash_bytes(parts, sizeof(parts));
}

static bool stacks_equal(const struct stored_stack *a, const struct stored_stack *b)
{
	return a->n == b->n && a->end == b->end && a->is_kernel == b->is_kernel &&
	       (!a->n || !memcmp(a->words, b->words, a->n * sizeof(*a->words)));
}

/* Where n words go (charged when a new chunk is needed), without taking them yet. */
static int words_reserve(struct stack_store *store, size_t n, uint64_t **ret)
{
	struct chunk **slot;

	if (!store->chunks.len || n > CHUNK_WORDS - store->chunk_used) {
		if (!may_charge(store, sizeof(struct chunk) + 2 * sizeof(*slot)))
			return -E2BIG;
		slot = vec_push(&store->chunks);
		if (!slot)
			return -ENOMEM;
		*slot = malloc(sizeof(struct chunk));
		if (!*slot) {
			store->chunks.len--;
			return -ENOMEM;
		}
		store->charged_bytes += sizeof(struct chunk) + 2 * sizeof(*slot);
		store->chunk_used = 0;
	}
	*ret = store->chunks.items[store->chunks.len - 1]->words + store->chunk_used;
	return 0;
}

/* Puts the new entry `id` in front of the chain of its hash. The vector has room. */
static int chain_add(struct map *by_hash, uint64_t hash, struct next_vec *next, uint32_t id)
{
	bool is_new;
	void *slot;
	int err;

	err = map_insert(by_hash, &hash, &slot, &is_new);
	if (err)
		return err;
	next->items[next->len++] = is_new ? CHAIN_END : *(uint32_t *)slot;
	*(uint32_t *)slot = id;
	return 0;
}

int stack_store_add_stack(struct stack_store *store, const struct stored_stack *stack, uint32_t *ret_id)
{
	uint64_t hash = stack_hash(stack), *words;
	const uint32_t *first = map_find(&store->by_stack, &hash);
	uint32_t id = (uint32_t)store->stacks.len;
	struct stored_stack *slot;
	int err;

	for (uint32_t same = first ? *first : CHAIN_END; same != CHAIN_END; same = store->next_stack.items[same]) {
		if (stacks_equal(&store->stacks.items[same], stack)) {
			*ret_id = same;
			return 0;
		}
	}
	if (stack->n > CHUNK_WORDS || !may_charge(store, STACK_BYTES))
		return -E2BIG;
	/* All that can fail comes before the first change that counts. */
	err = words_reserve(store, stack->n, &words);
	if (!err && !may_charge(store, STACK_BYTES)) /* the chunk took what was left */
		err = -E2BIG;
	if (!err)
		err = vec_reserve(&store->stacks, store->stacks.len + 1);
	if (!err)
		err = vec_reserve(&store->next_stack, store->next_stack.len + 1);
	if (!err)
		err = chain_add(&store->by_stack, hash, &store->next_stack, id);
	if (err)
		return err;
	if (stack->n)
		memcpy(words, stack->words, stack->n * sizeof(*words));
	store->chunk_used += stack->n;
	store->charged_bytes += STACK_BYTES;
	slot = &store->stacks.items[store->stacks.len++];
	*slot = *stack;
	slot->words = words;
	*ret_id = id;
	return 0;
}

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

int stack_store_count(struct stack_store *store, const struct sample_key *key, uint64_t count, uint64_t weight)
{
	struct sample_key normal = key_normalized(key);
	uint64_t hash = hash_bytes(&normal, sizeof(normal));
	const uint32_t *first = map_find(&store->by_sample, &hash);
	int err;

	for (uint32_t same = first ? *first : CHAIN_END; same != CHAIN_END; same = store->next_sample.items[same]) {
		struct stored_sample *sample = &store->samples.items[same];

		if (!memcmp(&sample->key, &normal, sizeof(normal))) {
			sample->count += count;
			sample->weight += weight;
			return 0;
		}
	}
	if (!may_charge(store, SAMPLE_BYTES))
		return -E2BIG;
	err = vec_reserve(&store->samples, store->samples.len + 1);
	if (!err)
		err = vec_reserve(&store->next_sample, store->next_sample.len + 1);
	if (!err)
		err = chain_add(&store->by_sample, hash, &store->next_sample, (uint32_t)store->samples.len);
	if (err)
		return err;
	store->charged_bytes += SAMPLE_BYTES;
	store->samples.items[store->samples.len++] =
		(struct stored_sample){.key = normal, .count = count, .weight = weight};
	return 0;
}

uint32_t stack_store_stacks(const struct stack_store *store)
{
	return (uint32_t)store->stacks.len;
}

struct stored_stack stack_store_stack(const struct stack_store *store, uint32_t id)
{
	return store->stacks.items[id];
}

const struct stored_sample *stack_store_samples(const struct stack_store *store, size_t *n)
{
	*n = store->samples.len;
	return store->samples.items;
}

size_t stack_store_memory_bytes(const struct stack_store *store)
{
	return sizeof(*store) + map_memory_bytes(&store->by_stack) + map_memory_bytes(&store->by_sample) +
	       store->stacks.cap * sizeof(*store->stacks.items) + store->samples.cap * sizeof(*store->samples.items) +
	       store->next_stack.cap * sizeof(*store->next_stack.items) +
	       store->next_sample.cap * sizeof(*store->next_sample.items) +
	       store->chunks.cap * sizeof(*store->chunks.items) + store->chunks.len * sizeof(struct chunk);
}
