/* SPDX-License-Identifier: Apache-2.0 */
/* Objects live in chunks that never move, so that a pointer to one stays valid; the map leads from identity to id:
 *
 *     { mnt_ns, path id, build id | dev, ino, generation }  ─map─>  id  ─>  chunks[id / 256][id % 256]
 *
 * What is the same for the whole machine (the vDSO, anonymous memory) is canonicalized first, so that it takes one id
 * and not one for each mount namespace. Nothing is ever evicted: ids are in frame words. */
#include "collector/object_table.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/counters.h"
#include "base/intern.h"
#include "base/map.h"
#include "base/vec.h"
#include "wire/frame.h"

#define CHUNK_OBJECTS 256
#define MAX_PATH_BYTES (64u << 20) /* of all objects together */
#define DELETED_SUFFIX " (deleted)"

struct object_key {
	uint64_t dev, ino, ino_generation;
	uint32_t mnt_ns;
	uint32_t path;
	uint8_t build_id[BUILD_ID_MAX];
	uint32_t build_id_len;
};
_Static_assert(sizeof(struct object_key) == 3 * 8 + 2 * 4 + BUILD_ID_MAX + 4, "object_key is hashed as bytes");

struct object_chunk {
	struct object objects[CHUNK_OBJECTS];
};

struct object_table {
	struct map by_key; /* struct object_key -> uint32_t */
	struct intern *paths;
	struct chunk_vec VEC(struct object_chunk *) chunks;
	uint32_t count, max;
};

int object_table_new(size_t max_objects, struct object_table **ret)
{
	struct object_table *table = calloc(1, sizeof(*table));
	int err;

	if (!table)
		return -ENOMEM;
	table->max = max_objects < FRAME_OBJECT_MAX ? (uint32_t)max_objects : (uint32_t)FRAME_OBJECT_MAX;
	map_init(&table->by_key, sizeof(struct object_key), sizeof(uint32_t), table->max);
	vec_init(&table->chunks, table->max / CHUNK_OBJECTS + 1);
	err = intern_new(table->max, MAX_PATH_BYTES, &table->paths);
	if (err) {
		object_table_free(table);
		return err;
	}
	*ret = table;
	return 0;
}

static struct object *object_at(const struct object_table *table, uint32_t id)
{
	return &table->chunks.items[(id - 1) / CHUNK_OBJECTS]->objects[(id - 1) % CHUNK_OBJECTS];
}

void object_table_free(struct object_table *table)
{
	if (!table)
		return;
	for (uint32_t id = 1; id <= table->count; id++) {
		if (object_at(table, id)->fd >= 0)
			close(object_at(table, id)->fd);
		free(object_at(table, id)->sources);
	}
	for (size_t i = 0; i < table->chunks.len; i++)
		free(table->chunks.items[i]);
	vec_release(&table->chunks);
	map_release(&table->by_key);
	intern_free(table->paths);
	free(table);
}

static bool starts_with(const char *str, const char *prefix)
{
	return !strncmp(str, prefix, strlen(prefix));
}

/* Length of the path without the mark of the kernel's d_path() for an unlinked file. */
static size_t path_len_undeleted(const char *path, bool *ret_is_deleted)
{
	size_t len = strlen(path), suffix = strlen(DELETED_SUFFIX);

	*ret_is_deleted = len > suffix && !strcmp(path + len - suffix, DELETED_SUFFIX);
	return *ret_is_deleted ? len - suffix : len;
}

/* ".../jit-1234.dump", which a runtime maps so that it is found (tools/perf/util/jitdump.c). */
static bool is_jitdump(const char *path, size_t len)
{
	static const char suffix[] = ".dump";
	const char *name = memrchr(path, '/', len);
	size_t left = name ? len - (size_t)(name + 1 - path) : 0, digits;

	if (left <= strlen("jit-") + strlen(suffix) || !starts_with(name + 1, "jit-"))
		return false;
	digits = strspn(name + 1 + strlen("jit-"), "0123456789");
	return digits && digits == left - strlen("jit-") - strlen(suffix) &&
	       !strncmp(name + 1 + strlen("jit-") + digits, suffix, strlen(suffix));
}

/* What perf and /proc call a mapping. A memfd is a file: no path leads to it, but map_files does, and its build id
 * says what it is; the same goes for a path that was too long for the kernel ("//toolong"). The others that look like
 * paths are shared memory of the kernel's own making. */
static enum object_kind kind_of(const char *path, size_t len, bool is_deleted)
{
	/* The last is memory that .NET maps twice, to write it here and run it there. */
	static const char *const unlinked[] = {"/SYSV", "/anon_hugepage", "/[aio]", "/memfd:doublemapper"};

	if (!strcmp(path, "[vdso]"))
		return OBJECT_VDSO;
	if (path[0] != '/' || starts_with(path, "//anon") ||
	    (len == strlen("/dev/zero") && starts_with(path, "/dev/zero")))
		return OBJECT_ANONYMOUS;
	for (size_t i = 0; is_deleted && i < sizeof(unlinked) / sizeof(unlinked[0]); i++) {
		if (starts_with(path, unlinked[i]))
			return OBJECT_ANONYMOUS;
	}
	return is_jitdump(path, len) ? OBJECT_JITDUMP : OBJECT_FILE;
}

/* A new object behind the last one, not counted yet. */
static struct object *object_reserve(struct object_table *table)
{
	struct object_chunk **slot;

	if (table->count / CHUNK_OBJECTS == table->chunks.len) {
		slot = vec_push(&table->chunks);
		if (!slot)
			return NULL;
		*slot = calloc(1, sizeof(**slot));
		if (!*slot) {
			table->chunks.len--;
			return NULL;
		}
	}
	return object_at(table, table->count + 1);
}

static uint32_t object_insert(struct object_table *table, const struct object_key *key, enum object_kind kind)
{
	struct object *object;
	bool is_new;
	void *slot;

	/* The object first: once the map holds the key nothing may fail. */
	object = table->count < table->max ? object_reserve(table) : NULL;
	if (!object || map_insert(&table->by_key, key, &slot, &is_new))
		return 0;
	assert(is_new);
	*object = (struct object){
		.id = ++table->count,
		.kind = kind,
		.mnt_ns = key->mnt_ns,
		.dev = key->dev,
		.ino = key->ino,
		.ino_generation = key->ino_generation,
		.build_id_len = key->build_id_len,
		.path = intern_str(table->paths, key->path),
		.fd = -1,
	};
	memcpy(object->build_id, key->build_id, sizeof(object->build_id));
	*(uint32_t *)slot = object->id;
	return object->id;
}

uint32_t object_table_add(struct object_table *table, const struct object_identity *identity)
{
	const char *path = identity->path[0] ? identity->path : "//anon";
	struct object_key key;
	bool is_deleted;
	size_t len = path_len_undeleted(path, &is_deleted);
	enum object_kind kind = kind_of(path, len, is_deleted);
	const uint32_t *known;
	uint32_t id;

	memset(&key, 0, sizeof(key));
	if (intern_add(table->paths, path, len, &key.path))
		goto fail;
	if (kind == OBJECT_FILE || kind == OBJECT_JITDUMP) {
		key.mnt_ns = identity->mnt_ns;
		key.dev = identity->dev;
		key.ino = identity->ino;
		key.ino_generation = identity->ino_generation;
		if (identity->build_id_len && identity->build_id_len <= BUILD_ID_MAX) {
			memcpy(key.build_id, identity->build_id, identity->build_id_len);
			key.build_id_len = identity->build_id_len;
		}
	}
	known = map_find(&table->by_key, &key);
	id = known ? *known : object_insert(table, &key, kind);
	if (!id)
		goto fail;
	if (is_deleted)
		object_at(table, id)->flags |= OBJECT_DELETED;
	return id;
fail:
	count(COUNTER_objects_failed);
	return 0;
}

uint32_t object_table_add_own(struct object_table *table, enum object_kind kind, const char *path,
			      struct process *process, uint64_t base)
{
	uint32_t path_id;
	struct object *object = table->count < table->max ? object_reserve(table) : NULL;

	if (!object || intern_add_str(table->paths, path, &path_id)) {
		count(COUNTER_objects_failed);
		return 0;
	}
	*object = (struct object){.id = ++table->count,
				  .kind = kind,
				  .path = intern_str(table->paths, path_id),
				  .process = process,
				  .base = base,
				  .fd = -1};
	return object->id;
}

struct object *object_table_get(struct object_table *table, uint32_t id)
{
	return id && id <= table->count ? object_at(table, id) : NULL;
}

uint32_t object_table_count(const struct object_table *table)
{
	return table->count;
}

size_t object_table_memory_bytes(const struct object_table *table)
{
	return sizeof(*table) + map_memory_bytes(&table->by_key) + intern_memory_bytes(table->paths) +
	       table->chunks.cap * sizeof(*table->chunks.items) + table->chunks.len * sizeof(struct object_chunk);
}
