/* SPDX-License-Identifier: Apache-2.0 */
/* Hash map from keys of one fixed size to values of one fixed size: open addressing with linear probing and
 * backward-shift deletion; the hash is keyed per process (keys come from hostile places). Keys are compared as bytes:
 * zero the padding of struct keys. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map {
	uint8_t *slots; /* cap times: the key, padding, the value */
	uint8_t *tags;	/* cap times: 0 free, else seven bits of the hash; see map.c */
	size_t cap, len, max;
	uint32_t key_size, value_size, value_offset, slot_size;
};

/* Memory is taken at the first insert. max_entries bounds it for ever. Sizes are those of the types (sizeof), so that
 * keys and values are aligned for them; a value size of 0 makes a set. */
void map_init(struct map *map, size_t key_size, size_t value_size, size_t max_entries);
void map_release(struct map *map);
void map_clear(struct map *map);

/* The value, or NULL. Valid until the next insert or remove. */
void *map_find(const struct map *map, const void *key);
/* Finds or inserts (value zeroed): *ret is the value, *is_new says which (may be NULL). 0, -E2BIG (full) or -ENOMEM. */
int map_insert(struct map *map, const void *key, void **ret, bool *is_new);
/* true when it was there. */
bool map_remove(struct map *map, const void *key);

/* Iterates in slot order: start with *pos = 0; false at the end. The map must not change meanwhile. */
bool map_next(const struct map *map, size_t *pos, const void **key, void **value);

/* What the map holds of the heap. */
size_t map_memory_bytes(const struct map *map);

/* The keyed hash of the map, for others that need one of equal strength. */
uint64_t hash_bytes(const void *bytes, size_t n);
