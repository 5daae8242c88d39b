/* SPDX-License-Identifier: Apache-2.0 */
/* From a descriptor to names: the file is the mapped one, its debug files are known, its names are read. */
#include "object_cache_internal.h"

#include <errno.h>

#include "base/cleanup.h"
#include "symbol/vdso.h"

_Static_assert(BUILD_ID_MAX <= ELF_BUILD_ID_MAX, "an id of a mapping is compared with one of a file");

/* Is this the file that was mapped? The build id decides where the mapping has one. Otherwise the inode number does,
 * and the device is not asked: overlayfs and btrfs show another one in the mapping than to stat. */
static int check_identity(const struct object *object, const struct image *image)
{
	if (object->kind == OBJECT_VDSO)
		return 0;
	if (object->expected.len)
		return build_id_is_same(&object->expected, &image->build_id) ? 0 : -ESTALE;
	return object->expected_ino && object->expected_ino == image->ino ? 0 : -ESTALE;
}

static int load_image(struct object_cache *cache, struct object *object)
{
	int fd = take_fd(&object->fd), err = 0;
	struct image *image;

	if (object->kind == OBJECT_VDSO)
		err = vdso_image(&fd);
	if (!err)
		err = image_open(fd, &image);
	if (err)
		return err;
	err = check_identity(object, image);
	if (!err)
		err = image_intern(&cache->images, image, &object->image);
	if (err)
		image_free(image);
	return err;
}

/* The file behind the object is the one that was mapped. */
int object_cache_open_image(struct object_cache *cache, struct object *object)
{
	if (object->state != OBJECT_ADDED || object->search)
		return object->err;
	if (!object->image)
		object->err = load_image(cache, object);
	if (!object->err)
		object->err = object_cache_seek_debug(cache, object);
	if (object->err) {
		object_cache_remove_unparsed(cache, object);
		object->state = OBJECT_UNNAMED;
	}
	return object->err;
}

static int load_view(struct object_cache *cache, struct object *object, bool *ret_is_new)
{
	const struct view_request request = {
		.object = object->id,
		.module = object->module,
		.image = object->image,
		.debug = debug_search_debug(object->search),
		.supplementary = debug_search_supplementary(object->search),
	};

	return view_get(cache->views, &request, &object->view, ret_is_new);
}

int object_cache_parse(struct object_cache *cache, uint32_t id, uint64_t *ret_symbols, uint64_t *ret_index_bytes)
{
	struct object *object = object_cache_find(cache, id);
	const struct file_names *names;
	bool is_first = false;

	if (!object)
		return -ENOENT;
	if (object->state == OBJECT_SEEKING)
		return -EINPROGRESS;
	if (!object_cache_open_image(cache, object) && object->state == OBJECT_ADDED) {
		object_cache_remove_unparsed(cache, object);
		if (debug_search_request(object->search)) {
			object->state = OBJECT_SEEKING;
			cache->n_seeking++;
			return -EINPROGRESS;
		}
		object->err = load_view(cache, object, &is_first);
		object->state = object->err ? OBJECT_UNNAMED : OBJECT_NAMED;
		view_table_trim(cache->views, object->view);
	}
	if (object->err)
		return object->err;
	names = is_first ? view_names(object->view) : NULL;
	*ret_symbols = view_functions(object->view);
	*ret_index_bytes = names ? file_names_memory_bytes(names) : 0;
	return 0;
}

int object_cache_embedded_err(const struct object_cache *cache, uint32_t id)
{
	const struct object *object = object_cache_find(cache, id);

	return object && object->view ? view_embedded_err(object->view) : 0;
}
