/* SPDX-License-Identifier: Apache-2.0 */
/* Unwind tables of objects: made once for the same files. */
#include "object_cache_internal.h"

#include <errno.h>

#include "unwind/table_build.h"

/* Whose table was made of the same files first; 0: nobody's. */
static uint32_t table_owner(const struct image *image, const struct image *debug)
{
	if (!debug)
		return image->table_owner;
	return debug->helped == image->serial ? debug->helped_owner : 0;
}

static void own_table(struct image *image, struct image *debug, uint32_t id)
{
	if (!debug) {
		image->table_owner = id;
		return;
	}
	debug->helped = image->serial;
	debug->helped_owner = id;
}

/* Little of the code is told of. */
static bool is_little(const struct table_coverage *coverage)
{
	return coverage->eh_frame + coverage->debug_frame + coverage->go < coverage->code / 2;
}

int object_cache_table(struct object_cache *cache, uint32_t id, uint32_t page, int fd, uint32_t *ret_same_as,
		       bool *ret_awaits_debug, struct table_writer_stats *ret_stats,
		       struct table_coverage *ret_coverage)
{
	struct object *object = object_cache_find(cache, id);
	struct image *debug;
	uint32_t owner;
	int err;

	*ret_same_as = 0;
	*ret_awaits_debug = false;
	if (!object)
		return -ENOENT;
	err = object_cache_open_image(cache, object);
	if (err)
		return err;
	if (!object->image)
		return -ENOENT;
	debug = debug_search_debug(object->search);
	owner = table_owner(object->image, debug);
	if (owner && owner != id && object_cache_find(cache, owner)) {
		*ret_same_as = owner;
		return 0;
	}
	err = table_build(object->image->file, debug ? debug->file : NULL, page, fd, ret_stats, ret_coverage);
	if (!err)
		own_table(object->image, debug, id);
	if ((!err || err == -ENOENT) && debug_search_request(object->search) && is_little(ret_coverage))
		*ret_awaits_debug = object->is_table_little = true;
	return err;
}
