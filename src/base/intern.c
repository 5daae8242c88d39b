/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes live in chunks that never move; entries give them ids; a map from the keyed hash to the newest id of that hash
 * finds them again, entries of equal hash (as good as never) being chained:
 *
 *     map   hash -> id ──┐
 *     entries            └> [id] { str, len, next id of the same hash }
 *     chunks                        └> "main\0read\0…"
 */
#include "base/intern.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/vec.h"

#define CHUNK_FIRST_BYTES 4096
#define CHUNK_MAX_BYTES (1u << 20)

struct entry {
	const char *str;
	uint32_t len;
	uint32_t next; /* 0: last of its hash (the empty string is in no chain) */
};

struct chunk {
	struct chunk *next;
	size_t used, size;
	char bytes[];
};

struct intern {
	struct map by_hash; /* uint64_t -> uint32_t */
	struct entry_vec VEC(struct entry) entries;
	struct chunk *chunks; /* the newest first */
	size_t max_bytes, bytes, chunk_bytes;
};

int intern_new(size_t max_strings, size_t max_bytes, struct intern **ret)
{
	struct intern *intern = calloc(1, sizeof(*intern));
	struct entry *empty;

	if (!intern)
		return -ENOMEM;
	if (max_strings > UINT32_MAX - 1)
		max_strings = UINT32_MAX - 1;
	intern->max_bytes = max_bytes;
	map_init(&intern->by_hash, sizeof(uint64_t), sizeof(uint32_t), max_strings);
	vec_init(&intern->entries, max_strings + 1);
	empty = vec_push(&intern->entries);
	if (!empty) {
		intern_free(intern);
		return -ENOMEM;
	}
	empty->str = "";
	*ret = intern;
	return 0;
}

void intern_free(struct intern *intern)
{
	struct chunk *chunk, *next;

	if (!intern)
		return;
	for (chunk = intern->chunks; chunk; chunk = next) {
		next = chunk->next;
		free(chunk);
	}
	vec_release(&intern->entries);
	map_release(&intern->by_hash);
	free(intern);
}

/* A place for n bytes that stays, or NULL. The bytes count as used. */
static char *chunk_take(struct intern *intern, size_t n)
{
	struct chunk *chunk = intern->chunks;
	size_t size;

	if (!chunk || n > chunk->size - chunk->used) {
		size = chunk ? chunk->size * 2 : CHUNK_FIRST_BYTES;
		if (size > CHUNK_MAX_BYTES)
			size = CHUNK_MAX_BYTES;
		if (size < n)
			size = n;
		if (size > SIZE_MAX - sizeof(*chunk))
			return NULL;
		chunk = malloc(sizeof(*chunk) + size);
		if (!chunk)
			return NULL;
		*chunk = (struct chunk){.next = intern->chunks, .size = size};
		intern->chunks = chunk;
		intern->chunk_bytes += sizeof(*chunk) + size;
	}
	chunk->used += n;
	return chunk->bytes + chunk->used - n;
}

int intern_add(struct intern *intern, const char *str, size_t len, uint32_t *ret)
{
	uint32_t id = (uint32_t)intern->entries.len, *first;
	struct entry *entry;
	void *slot;
	uint64_t hash;
	char *bytes;
	int err;

	if (!len) {
		*ret = 0;
		return 0;
	}
	hash = hash_bytes(str, len);
	first = map_find(&intern->by_hash, &hash);
	for (uint32_t same = first ? *first : 0; same; same = intern->entries.items[same].next) {
		entry = &intern->entries.items[same];
		if (entry->len == len && !memcmp(entry->str, str, len)) {
			*ret = same;
			return 0;
		}
	}
	if (memchr(str, 0, len))
		return -EINVAL;
	if (len >= UINT32_MAX || len >= intern->max_bytes - intern->bytes)
		return -E2BIG;
	/* All that can fail comes before the first change that counts. */
	err = vec_reserve(&intern->entries, intern->entries.len + 1);
	if (err)
		return err;
	err = map_insert(&intern->by_hash, &hash, &slot, NULL);
	if (err)
		return err;
	first = slot;
	bytes = chunk_take(intern, len + 1);
	if (!bytes) {
		if (!*first)
			map_remove(&intern->by_hash, &hash);
		return -ENOMEM;
	}
	memcpy(bytes, str, len);
	bytes[len] = 0;
	intern->bytes += len + 1;
	entry = vec_push_reserved(&intern->entries);
	*entry = (struct entry){.str = bytes, .len = (uint32_t)len, .next = *first};
	*first = id;
	*ret = id;
	return 0;
}

int intern_add_str(struct intern *intern, const char *str, uint32_t *ret)
{
	return intern_add(intern, str, strlen(str), ret);
}

const char *intern_str(const struct intern *intern, uint32_t id)
{
	assert(id < intern->entries.len);
	return intern->entries.items[id].str;
}

size_t intern_len(const struct intern *intern, uint32_t id)
{
	assert(id < intern->entries.len);
	return intern->entries.items[id].len;
}

uint32_t intern_count(const struct intern *intern)
{
	return (uint32_t)intern->entries.len;
}

size_t intern_memory_bytes(const struct intern *intern)
{
	return sizeof(*intern) + map_memory_bytes(&intern->by_hash) +
	       intern->entries.cap * sizeof(*intern->entries.items) + intern->chunk_bytes;
}
