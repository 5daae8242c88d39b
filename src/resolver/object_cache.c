/* SPDX-License-Identifier: Apache-2.0 */
#include "object_cache_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

#define FILES_AN_OBJECT 3 /* itself, its debug file, its supplementary one */
_Static_assert(DEBUG_ID_MAX == ELF_BUILD_ID_MAX, "an id is asked for as a file has it");

struct object *object_cache_find(const struct object_cache *cache, uint32_t id)
{
	struct object **slot = map_find(&cache->by_id, &id);

	return slot ? *slot : NULL;
}

void object_cache_add_unparsed(struct object_cache *cache, struct object *object)
{
	object->previous = cache->last_unparsed;
	*(object->previous ? &object->previous->next : &cache->first_unparsed) = object;
	cache->last_unparsed = object;
}

void object_cache_remove_unparsed(struct object_cache *cache, struct object *object)
{
	*(object->previous ? &object->previous->next : &cache->first_unparsed) = object->next;
	*(object->next ? &object->next->previous : &cache->last_unparsed) = object->previous;
	object->previous = object->next = NULL;
}

static void object_free(struct object_cache *cache, struct object *object)
{
	if (!object)
		return;
	if (object->state == OBJECT_ADDED)
		object_cache_remove_unparsed(cache, object);
	cache->n_seeking -= object->state == OBJECT_SEEKING;
	if (cache->last_view == object->view)
		cache->last_view = NULL;
	view_unref(cache->views, object->view);
	debug_search_free(object->search);
	image_unref(&cache->images, object->image);
	if (object->fd >= 0)
		close(object->fd);
	if (object->module)
		cache->module_bytes -= strlen(object->module) + 1;
	free(object->module);
	free(object);
}

/* The views' way to a file that they need at once. */
static int fetch(void *ctx, struct message_want_debug *want, const char *name, struct message_debug_opened *ret,
		 int *ret_fd)
{
	struct object_cache *cache = ctx;

	if (!cache->debug_files.fetch)
		return -ENOENT;
	return cache->debug_files.fetch(cache->debug_files.ctx, want, name, ret, ret_fd);
}

int object_cache_new(size_t max_objects, struct object_cache **ret)
{
	struct object_cache *cache = calloc(1, sizeof(*cache));
	char *build_id_text = malloc(2 * ELF_BUILD_ID_MAX + 1);
	const struct view_table_options views = {.images = cache ? &cache->images : NULL, .fetch = fetch, .ctx = cache};
	int err = -ENOMEM;

	if (cache && build_id_text)
		err = view_table_new(&views, max_objects, &cache->views);
	if (err) {
		free(cache);
		free(build_id_text);
		return err;
	}
	cache->build_id_text = build_id_text;
	map_init(&cache->by_id, sizeof(uint32_t), sizeof(struct object *), max_objects);
	map_init(&cache->by_request, sizeof(uint32_t), sizeof(uint32_t), max_objects);
	image_table_init(&cache->images, (size_t)FILES_AN_OBJECT * max_objects);
	*ret = cache;
	return 0;
}

void object_cache_use_debug_files(struct object_cache *cache, const struct object_debug_files *debug_files)
{
	cache->debug_files = *debug_files;
}

void object_cache_limit(struct object_cache *cache, size_t cache_bytes, size_t file_bytes)
{
	const void *key;
	size_t pos = 0;
	void *value;

	view_table_limit(cache->views, cache_bytes, file_bytes);
	view_table_trim(cache->views, NULL);
	while (map_next(&cache->by_id, &pos, &key, &value)) {
		struct object *object = *(struct object **)value;

		if (object->state != OBJECT_UNNAMED || object->err != -E2BIG || !object->search)
			continue;
		object->err = 0;
		object->state = OBJECT_ADDED;
		object_cache_add_unparsed(cache, object);
	}
}

void object_cache_use_servers(struct object_cache *cache, bool has_servers)
{
	cache->debug_files.has_servers = has_servers;
}

void object_cache_free(struct object_cache *cache)
{
	const void *key;
	size_t pos = 0;
	void *value;

	if (!cache)
		return;
	while (map_next(&cache->by_id, &pos, &key, &value))
		object_free(cache, *(struct object **)value);
	map_release(&cache->by_id);
	map_release(&cache->by_request);
	view_table_free(cache->views);
	image_table_release(&cache->images);
	free(cache->build_id_text);
	free(cache);
}

void object_cache_set_demangle(struct object_cache *cache, enum demangle_mode mode)
{
	cache->demangle = mode;
}

static const char *module_name(uint32_t kind, const char *path)
{
	const char *slash = strrchr(path, '/');

	if (kind == OBJECT_VDSO)
		return "[vdso]";
	if (kind == OBJECT_ANONYMOUS)
		return path[0] == '[' ? path : "[anon]"; /* "[heap]" */
	if (slash && slash[1])
		path = slash + 1;
	return *path ? path : "[unknown]";
}

/* What keeps an object from being looked into; 0: nothing. */
static int why_unnamed(const struct message_object *message, int fd)
{
	if (message->flags & OBJECT_QUARANTINED)
		return message->err == -ETIME ? -ETIME : -EOWNERDEAD;
	if (message->kind == OBJECT_ANONYMOUS)
		return -ENOENT;
	if (message->kind == OBJECT_VDSO)
		return 0;
	if (message->err)
		return message->err;
	return fd < 0 ? -ENOENT : 0;
}

static int object_new(struct object_cache *cache, const struct message_object *message, const char *path,
		      struct object **ret)
{
	const char *module = module_name(message->kind, path);
	struct object *object = calloc(1, sizeof(*object));

	if (!object)
		return -ENOMEM;
	object->fd = -1;
	object->id = message->object;
	object->kind = message->kind;
	object->flags = message->flags;
	object->expected_ino = message->expected_ino;
	object->expected.len = message->build_id_len <= BUILD_ID_MAX ? message->build_id_len : 0;
	memcpy(object->expected.bytes, message->build_id, object->expected.len);
	object->module = strndup(module, OBJECT_MAX_NAME / 2);
	if (!object->module) {
		free(object);
		return -ENOMEM;
	}
	cache->module_bytes += strlen(object->module) + 1;
	*ret = object;
	return 0;
}

int object_cache_add(struct object_cache *cache, const struct message_object *message, const char *path, int fd)
{
	auto_close int taken = fd;
	struct object *object, **slot;
	int err = object_new(cache, message, path, &object);

	if (err)
		return err;
	err = map_insert(&cache->by_id, &object->id, (void **)&slot, NULL);
	if (err) {
		object_free(cache, object);
		return err;
	}
	object->err = why_unnamed(message, fd);
	object->state = object->err ? OBJECT_UNNAMED : OBJECT_ADDED;
	if (object->state == OBJECT_ADDED && object->kind != OBJECT_VDSO)
		object->fd = take_fd(&taken);
	object_free(cache, *slot);
	*slot = object;
	if (object->state == OBJECT_ADDED)
		object_cache_add_unparsed(cache, object);
	return 0;
}

uint32_t object_cache_next_unparsed(const struct object_cache *cache)
{
	return cache->first_unparsed ? cache->first_unparsed->id : 0;
}

struct view *object_cache_view(const struct object_cache *cache, uint32_t id)
{
	const struct object *object = object_cache_find(cache, id);

	return object ? object->view : NULL;
}

size_t object_cache_file_build_id(const struct object_cache *cache, uint32_t id, uint8_t to[DEBUG_ID_MAX])
{
	const struct object *object = object_cache_find(cache, id);

	if (!object || !object->image)
		return 0;
	memcpy(to, object->image->build_id.bytes, object->image->build_id.len);
	return object->image->build_id.len;
}

const char *object_cache_build_id(const struct object_cache *cache, uint32_t id)
{
	static const char hex[] = "0123456789abcdef";
	const struct object *object = object_cache_find(cache, id);
	const struct build_id *build_id;
	char *to;

	if (!object)
		return "";
	build_id = object->image && object->image->build_id.len ? &object->image->build_id : &object->expected;
	to = cache->build_id_text;
	for (size_t i = 0; i < build_id->len; i++) {
		*to++ = hex[build_id->bytes[i] >> 4];
		*to++ = hex[build_id->bytes[i] & 15];
	}
	*to = '\0';
	return cache->build_id_text;
}

size_t object_cache_memory_bytes(const struct object_cache *cache)
{
	return sizeof(*cache) + map_memory_bytes(&cache->by_id) + map_memory_bytes(&cache->by_request) +
	       cache->by_id.len * sizeof(struct object) + cache->module_bytes +
	       image_table_memory_bytes(&cache->images) + view_table_memory_bytes(cache->views);
}
