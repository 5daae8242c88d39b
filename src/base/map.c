/* SPDX-License-Identifier: Apache-2.0 */
/* Open addressing with linear probing:
 *
 *     hash(key) & (cap - 1) = home of the key
 *
 *     slot     0     1     2     3     4     5     6     7
 *     tags   | 0   | 9a  | c4  | 81  | 0   | 0   | f0  | 0   |
 *     slots  |     |k1 v1|k2 v2|k3 v3|     |     |k4 v4|     |
 *
 * A key sits at its home or behind it, with no free slot in between; a search ends at the key or at a free slot.
 * The tag (highest bit set, seven hash bits that do not choose the home) spares most comparisons of unequal keys.
 * Removal closes the gap by moving later keys of the run back, so that there are no tombstones and a map that is
 * filled and emptied for months stays as fast as a new one. Three quarters full at most, the table always has a free
 * slot, which ends every search.
 */
#include "base/map.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/random.h>

#define MAP_FIRST_CAP 16

static uint64_t hash_key[2];

/* Before main(), hence before any role gives up its system calls. */
__attribute__((constructor)) static void hash_seed(void)
{
	const void *fallback = (const void *)getauxval(AT_RANDOM); /* 16 random bytes from the kernel's exec */

	if (getrandom(hash_key, sizeof(hash_key), GRND_NONBLOCK) != (ssize_t)sizeof(hash_key) && fallback)
		memcpy(hash_key, fallback, sizeof(hash_key));
}

static inline uint64_t rotate_left(uint64_t value, unsigned int bits)
{
	return value << bits | value >> (64 - bits);
}

static inline void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotate_left(v[1], 13) ^ v[0];
	v[0] = rotate_left(v[0], 32);
	v[2] += v[3];
	v[3] = rotate_left(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate_left(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate_left(v[1], 17) ^ v[2];
	v[2] = rotate_left(v[2], 32);
}

/* SipHash-1-3 (Aumasson, Bernstein: "SipHash: a fast short-input PRF"), the variant of the Rust and Ruby libraries. */
uint64_t hash_bytes(const void *bytes, size_t n)
{
	uint64_t v[4] = {
		hash_key[0] ^ 0x736f6d6570736575ULL,
		hash_key[1] ^ 0x646f72616e646f6dULL,
		hash_key[0] ^ 0x6c7967656e657261ULL,
		hash_key[1] ^ 0x7465646279746573ULL,
	};
	const uint8_t *pos = bytes;
	uint64_t block, last = (uint64_t)n << 56;
	size_t left = n;

	for (; left >= sizeof(block); pos += sizeof(block), left -= sizeof(block)) {
		memcpy(&block, pos, sizeof(block));
		v[3] ^= block;
		sip_round(v);
		v[0] ^= block;
	}
	for (size_t i = 0; i < left; i++)
		last |= (uint64_t)pos[i] << (8 * i);
	v[3] ^= last;
	sip_round(v);
	v[0] ^= last;
	v[2] ^= 0xff;
	sip_round(v);
	sip_round(v);
	sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* The size of a type is a multiple of its alignment, so the largest power of two that divides the size will do. */
static size_t alignment_of_size(size_t size)
{
	size_t power = size & -size;

	return !size ? 1 : power < _Alignof(max_align_t) ? power : _Alignof(max_align_t);
}

static size_t round_up(size_t n, size_t align)
{
	return (n + align - 1) & ~(align - 1);
}

void map_init(struct map *map, size_t key_size, size_t value_size, size_t max_entries)
{
	size_t value_align = alignment_of_size(value_size), key_align = alignment_of_size(key_size);
	size_t value_offset = round_up(key_size, value_align);

	assert(key_size && key_size <= UINT16_MAX && value_size <= UINT16_MAX);
	*map = (struct map){
		.max = max_entries,
		.key_size = (uint32_t)key_size,
		.value_size = (uint32_t)value_size,
		.value_offset = (uint32_t)value_offset,
		.slot_size = (uint32_t)round_up(value_offset + value_size,
						key_align > value_align ? key_align : value_align),
	};
}

void map_release(struct map *map)
{
	free(map->slots);
	free(map->tags);
	map->slots = map->tags = NULL;
	map->cap = map->len = 0;
}

void map_clear(struct map *map)
{
	if (map->len)
		memset(map->tags, 0, map->cap);
	map->len = 0;
}

static uint8_t tag_of(uint64_t hash)
{
	return (uint8_t)(0x80 | hash >> 57);
}

static uint8_t *slot_at(const struct map *map, size_t slot)
{
	return map->slots + slot * map->slot_size;
}

/* The slot that holds the key or the free one where it belongs. Needs a table. */
static size_t probe(const struct map *map, const void *key, uint64_t hash)
{
	uint8_t tag = tag_of(hash);
	size_t slot = hash & (map->cap - 1);

	while (map->tags[slot]) {
		if (map->tags[slot] == tag && !memcmp(slot_at(map, slot), key, map->key_size))
			break;
		slot = (slot + 1) & (map->cap - 1);
	}
	return slot;
}

static int grow(struct map *map)
{
	struct map grown = *map;

	if (map->cap > SIZE_MAX / 2)
		return -ENOMEM;
	grown.cap = map->cap ? map->cap * 2 : MAP_FIRST_CAP;
	grown.slots = reallocarray(NULL, grown.cap, grown.slot_size);
	grown.tags = calloc(grown.cap, 1);
	if (!grown.slots || !grown.tags) {
		free(grown.slots);
		free(grown.tags);
		return -ENOMEM;
	}
	for (size_t from = 0; from < map->cap; from++) {
		const uint8_t *key = slot_at(map, from);
		size_t to;

		if (!map->tags[from])
			continue;
		to = hash_bytes(key, map->key_size) & (grown.cap - 1);
		while (grown.tags[to])
			to = (to + 1) & (grown.cap - 1);
		memcpy(slot_at(&grown, to), key, map->slot_size);
		grown.tags[to] = map->tags[from];
	}
	free(map->slots);
	free(map->tags);
	map->slots = grown.slots;
	map->tags = grown.tags;
	map->cap = grown.cap;
	return 0;
}

void *map_find(const struct map *map, const void *key)
{
	size_t slot;

	if (!map->len)
		return NULL;
	slot = probe(map, key, hash_bytes(key, map->key_size));
	return map->tags[slot] ? slot_at(map, slot) + map->value_offset : NULL;
}

int map_insert(struct map *map, const void *key, void **ret, bool *is_new)
{
	uint64_t hash = hash_bytes(key, map->key_size);
	size_t slot = 0;
	int err;

	if (map->cap) {
		slot = probe(map, key, hash);
		if (map->tags[slot]) {
			*ret = slot_at(map, slot) + map->value_offset;
			if (is_new)
				*is_new = false;
			return 0;
		}
	}
	if (map->len >= map->max)
		return -E2BIG;
	if (map->len >= map->cap / 4 * 3) {
		err = grow(map);
		if (err)
			return err;
		slot = probe(map, key, hash);
	}
	map->tags[slot] = tag_of(hash);
	map->len++;
	memset(slot_at(map, slot), 0, map->slot_size);
	memcpy(slot_at(map, slot), key, map->key_size);
	*ret = slot_at(map, slot) + map->value_offset;
	if (is_new)
		*is_new = true;
	return 0;
}

bool map_remove(struct map *map, const void *key)
{
	size_t mask = map->cap - 1, gap, next;

	if (!map->len)
		return false;
	gap = probe(map, key, hash_bytes(key, map->key_size));
	if (!map->tags[gap])
		return false;
	for (next = (gap + 1) & mask; map->tags[next]; next = (next + 1) & mask) {
		size_t home = hash_bytes(slot_at(map, next), map->key_size) & mask;

		/* A key whose home lies behind the gap must stay: distances are counted round the table. */
		if (((next - home) & mask) < ((next - gap) & mask))
			continue;
		memcpy(slot_at(map, gap), slot_at(map, next), map->slot_size);
		map->tags[gap] = map->tags[next];
		gap = next;
	}
	map->tags[gap] = 0;
	map->len--;
	return true;
}

bool map_next(const struct map *map, size_t *pos, const void **key, void **value)
{
	for (; *pos < map->cap; ++*pos) {
		uint8_t *slot = slot_at(map, *pos);

		if (!map->tags[*pos])
			continue;
		++*pos;
		if (key)
			*key = slot;
		if (value)
			*value = slot + map->value_offset;
		return true;
	}
	return false;
}

size_t map_memory_bytes(const struct map *map)
{
	return map->cap * (map->slot_size + sizeof(*map->tags));
}
