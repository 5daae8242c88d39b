/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/copy_store.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/counters.h"
#include "base/map.h"

#define PIECE_BYTES 1024u
/* Equal pieces are sought when this part of the memory is used: 1 / so much. */
#define SHARING_FROM 4
#define MAX_COPIES (64u << 10)
#define MAX_PIECES (1u << 20)

/* Found by a hash of its bytes. Of two pieces with one hash, which nobody can bring about, the second is kept apart. */
struct piece {
	uint64_t hash; /* 0: nobody shares it */
	uint32_t users;
	uint8_t bytes[PIECE_BYTES];
};

struct copy {
	struct stack_copy_record head;
	struct piece *pieces[]; /* NULL: zeros */
};

struct copy_store {
	struct map copies; /* id -> struct copy * */
	struct map pieces; /* hash -> struct piece * */
	size_t limit_bytes, bytes;
	struct stack_copy_record *whole; /* the one that was asked for last, as large as can be */
};

static size_t n_pieces(const struct stack_copy_record *head)
{
	return (size_t)head->chunks * (STACK_CHUNK_BYTES / PIECE_BYTES);
}

static size_t head_bytes(const struct stack_copy_record *head)
{
	return sizeof(struct copy) + n_pieces(head) * sizeof(struct piece *);
}

static void piece_unref(struct copy_store *store, struct piece *piece)
{
	if (!piece || --piece->users)
		return;
	if (piece->hash)
		map_remove(&store->pieces, &piece->hash);
	store->bytes -= sizeof(*piece);
	free(piece);
}

static void copy_free(struct copy_store *store, struct copy *copy)
{
	for (size_t i = 0; i < n_pieces(&copy->head); i++)
		piece_unref(store, copy->pieces[i]);
	store->bytes -= head_bytes(&copy->head);
	free(copy);
}

void copy_store_free(struct copy_store *store)
{
	const void *id;
	size_t pos = 0;
	void *slot;

	if (!store)
		return;
	while (map_next(&store->copies, &pos, &id, &slot))
		copy_free(store, *(struct copy **)slot);
	map_release(&store->copies);
	map_release(&store->pieces);
	free(store->whole);
	free(store);
}

int copy_store_new(size_t limit_bytes, struct copy_store **ret)
{
	struct copy_store *store = calloc(1, sizeof(*store));

	if (!store)
		return -ENOMEM;
	store->limit_bytes = limit_bytes;
	map_init(&store->copies, sizeof(uint64_t), sizeof(struct copy *), MAX_COPIES);
	map_init(&store->pieces, sizeof(uint64_t), sizeof(struct piece *), MAX_PIECES);
	store->whole = malloc(sizeof(*store->whole) + (size_t)STACK_COPY_CHUNKS * STACK_CHUNK_BYTES);
	if (!store->whole) {
		copy_store_free(store);
		return -ENOMEM;
	}
	*ret = store;
	return 0;
}

/* The registers stay: they tell the leaf. What the list of its pieces takes goes with the copy. */
static void cut(struct copy_store *store, struct copy *copy)
{
	if (!copy->head.chunks)
		return;
	for (size_t i = 0; i < n_pieces(&copy->head); i++)
		piece_unref(store, copy->pieces[i]);
	store->bytes -= head_bytes(&copy->head);
	copy->head.chunks = 0;
	store->bytes += head_bytes(&copy->head);
	count(COUNTER_stack_copies_cut);
}

void copy_store_set_limit(struct copy_store *store, size_t limit_bytes)
{
	const void *id;
	size_t pos = 0;
	void *slot;

	store->limit_bytes = limit_bytes;
	while (store->bytes > limit_bytes && map_next(&store->copies, &pos, &id, &slot))
		cut(store, *(struct copy **)slot);
}

static struct piece *piece_new(struct copy_store *store, uint64_t hash, const uint8_t *bytes)
{
	struct piece *piece = NULL;

	if (store->bytes + sizeof(*piece) <= store->limit_bytes)
		piece = malloc(sizeof(*piece));
	if (!piece)
		return NULL;
	*piece = (struct piece){.hash = hash, .users = 1};
	memcpy(piece->bytes, bytes, PIECE_BYTES);
	store->bytes += sizeof(*piece);
	return piece;
}

/* Most copies wait for moments only: they are not worth the search for what is equal. */
static bool is_short_of_memory(const struct copy_store *store)
{
	return store->bytes > store->limit_bytes / SHARING_FROM;
}

/* A piece of these bytes with one user more; NULL: no room. */
static struct piece *piece_of(struct copy_store *store, const uint8_t *bytes)
{
	uint64_t hash = is_short_of_memory(store) ? hash_bytes(bytes, PIECE_BYTES) : 0;
	struct piece *piece, **slot;
	bool is_new;

	if (!hash || map_insert(&store->pieces, &hash, (void **)&slot, &is_new))
		return piece_new(store, 0, bytes);
	if (is_new) {
		piece = *slot = piece_new(store, hash, bytes);
		if (!piece)
			map_remove(&store->pieces, &hash);
		return piece;
	}
	if (memcmp((*slot)->bytes, bytes, PIECE_BYTES) != 0)
		return piece_new(store, 0, bytes);
	(*slot)->users++;
	return *slot;
}

static bool fill(struct copy_store *store, struct copy *copy, const struct stack_copy_record *record)
{
	const uint8_t *bytes = (const uint8_t *)(record + 1);

	for (size_t i = 0; i < n_pieces(record); i++) {
		size_t chunk = i * PIECE_BYTES / STACK_CHUNK_BYTES;

		if (!(record->readable[chunk / 64] >> chunk % 64 & 1))
			continue;
		copy->pieces[i] = piece_of(store, bytes + i * PIECE_BYTES);
		if (!copy->pieces[i])
			return false;
	}
	return true;
}

static struct copy *copy_new(struct copy_store *store, const struct stack_copy_record *head)
{
	struct copy *copy = calloc(1, head_bytes(head));

	if (!copy)
		return NULL;
	copy->head = *head;
	store->bytes += head_bytes(head);
	return copy;
}

/* NULL: no room for the chunks. */
static struct copy *copy_whole(struct copy_store *store, const struct stack_copy_record *record)
{
	struct copy *copy;

	if (store->bytes + head_bytes(record) > store->limit_bytes)
		return NULL;
	copy = copy_new(store, record);
	if (!copy || fill(store, copy, record))
		return copy;
	copy_free(store, copy);
	return NULL;
}

static struct copy *copy_registers(struct copy_store *store, const struct stack_copy_record *record)
{
	struct stack_copy_record head = *record;

	head.chunks = 0;
	count(COUNTER_stack_copies_cut);
	return copy_new(store, &head);
}

int copy_store_add(struct copy_store *store, const struct stack_copy_record *record)
{
	struct copy *copy = copy_whole(store, record), **slot;
	int err;

	if (!copy)
		copy = copy_registers(store, record);
	if (!copy)
		return -ENOMEM;
	err = map_insert(&store->copies, &record->id, (void **)&slot, NULL);
	if (err) {
		copy_free(store, copy);
		return err;
	}
	if (*slot)
		copy_free(store, *slot);
	*slot = copy;
	return 0;
}

const struct stack_copy_record *copy_store_get(const struct copy_store *store, uint64_t id)
{
	struct copy **slot = map_find(&store->copies, &id);
	uint8_t *to = (uint8_t *)(store->whole + 1);
	const struct copy *copy;

	if (!slot)
		return NULL;
	copy = *slot;
	*store->whole = copy->head;
	for (size_t i = 0; i < n_pieces(&copy->head); i++, to += PIECE_BYTES) {
		if (copy->pieces[i])
			memcpy(to, copy->pieces[i]->bytes, PIECE_BYTES);
		else
			memset(to, 0, PIECE_BYTES);
	}
	return store->whole;
}

const struct stack_copy_record *copy_store_head(const struct copy_store *store, uint64_t id)
{
	struct copy **slot = map_find(&store->copies, &id);

	return slot ? &(*slot)->head : NULL;
}

void copy_store_drop(struct copy_store *store, uint64_t id)
{
	struct copy **slot = map_find(&store->copies, &id);

	if (!slot)
		return;
	copy_free(store, *slot);
	map_remove(&store->copies, &id);
}

size_t copy_store_memory_bytes(const struct copy_store *store)
{
	return sizeof(*store) + store->bytes + map_memory_bytes(&store->copies) + map_memory_bytes(&store->pieces);
}
