/* SPDX-License-Identifier: Apache-2.0 */
/*   generation 0 (this epoch):  hash -> offset --> [ record | record | … ]   one arena, freed as a whole
 *   generation 1 (the last):    hash -> offset --> [ record | … ]
 * User stacks, kernel stacks and processes have differently seeded hashes, so they share a map. */
#include "collector/record_dictionary.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/vec.h"

#define MAX_RECORDS (4u << 20)
#define CHUNK_BYTES (64u << 10)

struct chunk {
	struct chunk *next;
	size_t used;
	uint64_t bytes[CHUNK_BYTES / sizeof(uint64_t)];
};

struct generation {
	struct map records; /* hash -> const void * */
	struct chunk *chunks;
	size_t bytes;
};

struct record_dictionary {
	struct generation now, before;
	size_t limit_bytes;
};

static void generation_init(struct generation *generation)
{
	map_init(&generation->records, sizeof(uint64_t), sizeof(void *), MAX_RECORDS);
	generation->chunks = NULL;
	generation->bytes = 0;
}

static void generation_release(struct generation *generation)
{
	while (generation->chunks) {
		struct chunk *chunk = generation->chunks;

		generation->chunks = chunk->next;
		free(chunk);
	}
	map_release(&generation->records);
}

int record_dictionary_new(size_t limit_bytes, struct record_dictionary **ret)
{
	struct record_dictionary *dictionary = calloc(1, sizeof(*dictionary));

	if (!dictionary)
		return -ENOMEM;
	dictionary->limit_bytes = limit_bytes;
	generation_init(&dictionary->now);
	generation_init(&dictionary->before);
	*ret = dictionary;
	return 0;
}

void record_dictionary_free(struct record_dictionary *dictionary)
{
	if (!dictionary)
		return;
	generation_release(&dictionary->now);
	generation_release(&dictionary->before);
	free(dictionary);
}

static void *take_space(struct record_dictionary *dictionary, size_t size)
{
	struct generation *now = &dictionary->now;
	struct chunk *chunk = now->chunks;
	void *space;

	if (!chunk || sizeof(chunk->bytes) - chunk->used < size) {
		if (now->bytes + dictionary->before.bytes + sizeof(*chunk) > dictionary->limit_bytes)
			return NULL;
		chunk = malloc(sizeof(*chunk));
		if (!chunk)
			return NULL;
		chunk->next = now->chunks;
		chunk->used = 0;
		now->chunks = chunk;
		now->bytes += sizeof(*chunk);
	}
	space = (uint8_t *)chunk->bytes + chunk->used;
	chunk->used += size;
	return space;
}

/* size is a multiple of 8 and below CHUNK_BYTES. */
static int add(struct record_dictionary *dictionary, uint64_t hash, const void *record, size_t size)
{
	const void **slot;
	void *copy = take_space(dictionary, size);
	int err;

	if (!copy)
		return -E2BIG;
	memcpy(copy, record, size);
	err = map_insert(&dictionary->now.records, &hash, (void **)&slot, NULL);
	if (!err)
		*slot = copy;
	return err;
}

int record_dictionary_add_process(struct record_dictionary *dictionary, const struct process_record *record)
{
	return add(dictionary, record->hash, record, sizeof(*record));
}

int record_dictionary_add_stack(struct record_dictionary *dictionary, const struct stack_record *record)
{
	return add(dictionary, record->hash, record, sizeof(*record) + record->words * sizeof(record->frames[0]));
}

static const void *find(const struct record_dictionary *dictionary, uint64_t hash)
{
	void *const *slot = map_find(&dictionary->now.records, &hash);

	if (!slot)
		slot = map_find(&dictionary->before.records, &hash);
	return slot ? *slot : NULL;
}

const struct process_record *record_dictionary_process(const struct record_dictionary *dictionary, uint64_t hash)
{
	const struct process_record *record = find(dictionary, hash);

	return record && record->kind == RECORD_PROCESS ? record : NULL;
}

const struct stack_record *record_dictionary_stack(const struct record_dictionary *dictionary, uint64_t hash)
{
	const struct stack_record *record = find(dictionary, hash);

	return record && record->kind != RECORD_PROCESS ? record : NULL;
}

void record_dictionary_next_epoch(struct record_dictionary *dictionary)
{
	generation_release(&dictionary->before);
	dictionary->before = dictionary->now;
	generation_init(&dictionary->now);
}

bool record_dictionary_is_filling(const struct record_dictionary *dictionary)
{
	return dictionary->now.bytes > dictionary->limit_bytes / 3;
}

size_t record_dictionary_memory_bytes(const struct record_dictionary *dictionary)
{
	return dictionary->now.bytes + dictionary->before.bytes;
}
