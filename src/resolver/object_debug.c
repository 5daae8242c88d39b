/* SPDX-License-Identifier: Apache-2.0 */
/* The debug files of objects: one search each, and whose request an answer belongs to. */
#include "object_cache_internal.h"

#include <errno.h>

#include "base/cleanup.h"

static int want_debug(void *ctx, struct message_want_debug *want, const char *name)
{
	struct object_cache *cache = ctx;
	uint32_t object = want->object, *slot;
	int err = cache->debug_files.want(cache->debug_files.ctx, want, name);

	if (!err)
		err = map_insert(&cache->by_request, &want->request, (void **)&slot, NULL);
	if (!err)
		*slot = object;
	return err;
}

/* Tells what is there, once nothing more is sought. */
static void tell_sources(struct object_cache *cache, struct object *object)
{
	struct message_sources sources;

	if (debug_search_request(object->search) || !cache->debug_files.sources)
		return;
	debug_search_sources(object->search, &sources);
	sources.is_table_stale = object->is_table_little && debug_search_debug(object->search);
	object->is_table_little = false;
	cache->debug_files.sources(cache->debug_files.ctx, &sources);
}

int object_cache_seek_debug(struct object_cache *cache, struct object *object)
{
	const struct debug_search_options options = {
		.images = &cache->images,
		.object = object->id,
		.image = object->image,
		.is_lone = object->kind != OBJECT_FILE || object->flags & OBJECT_LONE,
		.has_servers = cache->debug_files.has_servers,
		.want = cache->debug_files.want ? want_debug : NULL,
		.ctx = cache,
	};
	int err = debug_search_new(&options, &object->search);

	if (!err)
		tell_sources(cache, object);
	return err;
}

uint32_t object_cache_debug_object(const struct object_cache *cache, uint32_t request)
{
	const uint32_t *object = map_find(&cache->by_request, &request);

	return object ? *object : 0;
}

int object_cache_debug_file(struct object_cache *cache, const struct message_debug_opened *answer, int fd)
{
	struct object *object = object_cache_find(cache, object_cache_debug_object(cache, answer->request));
	int err;

	map_remove(&cache->by_request, &answer->request);
	if (!object || !object->search || debug_search_request(object->search) != answer->request) {
		cleanup_close(&fd);
		return 0;
	}
	err = debug_search_answer(object->search, answer, fd);
	if (err || debug_search_request(object->search))
		return err;
	tell_sources(cache, object);
	if (object->state == OBJECT_SEEKING) {
		cache->n_seeking--;
		object->state = OBJECT_ADDED;
		object_cache_add_unparsed(cache, object);
	}
	return 0;
}

size_t object_cache_seeking(const struct object_cache *cache)
{
	return cache->n_seeking;
}

int object_cache_sources(const struct object_cache *cache, uint32_t id, struct message_sources *ret)
{
	const struct object *object = object_cache_find(cache, id);

	if (!object || !object->search)
		return object && object->err ? object->err : -ENOENT;
	debug_search_sources(object->search, ret);
	return 0;
}
