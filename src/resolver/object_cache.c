/* SPDX-License-Identifier: Apache-2.0 */
/*  by_id          objects                       views                        images
 *
 *  7 ────► { mapping's identity, path, … } ─┬──► { names, by both files } ──► { elf_file, digest } one a distinct file
 *  9 ────► {                       "      } ─┘                          └────► { of the debug file }
 *  12 ───► { …, err: -ESTALE }
 *
 * An object is what processes mapped; an image is what is known of a file (resolver/image.h); a view is what an image's
 * code is called with the debug files that were found for an object (resolver/view.h).
 *
 *     ADDED ── file opened ──► SEEKING its debug files ──► ADDED ── names read ──► NAMED
 *         └────────────────── UNNAMED ◄───────────────────────────────┘
 *
 * Names are not kept: each is read from the file when asked for, and the caller asks once a distinct frame. */
#include "resolver/object_cache.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/map.h"
#include "base/text.h"
#include "base/vec.h"
#include "elf/elf_file.h"
#include "resolver/debug_search.h"
#include "resolver/image.h"
#include "resolver/view.h"
#include "symbol/demangle.h"
#include "symbol/file_names.h"
#include "symbol/vdso.h"
#include "unwind/table_build.h"

#define MAX_NAME 4096
#define FILES_AN_OBJECT 3 /* itself, its debug file, its supplementary one */
#define MEMFD_PREFIX "memfd:"
_Static_assert(CODE_MAX_LINES == OBJECT_MAX_LINES, "each line of a place has room in a name");
_Static_assert(DEBUG_ID_MAX == ELF_BUILD_ID_MAX, "an id is asked for as a file has it");
_Static_assert(BUILD_ID_MAX <= ELF_BUILD_ID_MAX, "an id of a mapping is compared with one of a file");

enum object_state { OBJECT_NEW, OBJECT_ADDED, OBJECT_SEEKING, OBJECT_NAMED, OBJECT_UNNAMED };

struct object {
	uint32_t id, kind, flags;
	enum object_state state;
	int err;			/* why it is unnamed */
	int fd;				/* until it is parsed */
	struct object *previous, *next; /* in the list of the unparsed */
	uint64_t expected_ino;
	struct build_id expected; /* of the mapping */
	struct image *image;
	struct debug_search *search; /* there is one when there is an image */
	bool is_table_little;	     /* that was made of it: a debug file may tell more */
	struct view *view;	     /* when it is NAMED */
	char *module;		     /* "libc.so.6" */
};

struct object_cache {
	struct map by_id;      /* uint32_t -> struct object * */
	struct map by_request; /* uint32_t -> uint32_t: for whose search */
	struct image_table images;
	struct view_table *views;
	struct object_debug_files debug_files;
	struct object *first_unparsed, *last_unparsed;
	size_t n_seeking;
	size_t module_bytes;
	char *build_id_text; /* 2 * ELF_BUILD_ID_MAX + 1 */
	enum demangle_mode demangle;
	struct code_place place; /* scratch */
};

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

/* --- objects -------------------------------------------------------------------------------------------------------
 */

static struct object *find_object(const struct object_cache *cache, uint32_t id)
{
	struct object **slot = map_find(&cache->by_id, &id);

	return slot ? *slot : NULL;
}

static void add_unparsed(struct object_cache *cache, struct object *object)
{
	object->previous = cache->last_unparsed;
	*(object->previous ? &object->previous->next : &cache->first_unparsed) = object;
	cache->last_unparsed = object;
}

static void remove_unparsed(struct object_cache *cache, struct object *object)
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
		remove_unparsed(cache, object);
	cache->n_seeking -= object->state == OBJECT_SEEKING;
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
		return -EOWNERDEAD;
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
	object->module = strndup(module, MAX_NAME / 2);
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
		add_unparsed(cache, object);
	return 0;
}

/* --- debug files -------------------------------------------------------------------------------------------------- */

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

static int seek_debug_files(struct object_cache *cache, struct object *object)
{
	const struct debug_search_options options = {
		.images = &cache->images,
		.object = object->id,
		.image = object->image,
		.is_lone = object->kind != OBJECT_FILE || object->flags & OBJECT_LONE,
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
	struct object *object = find_object(cache, object_cache_debug_object(cache, answer->request));
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
		add_unparsed(cache, object);
	}
	return 0;
}

size_t object_cache_seeking(const struct object_cache *cache)
{
	return cache->n_seeking;
}

/* --- parsing ------------------------------------------------------------------------------------------------------ */

/* The file behind the object is the one that was mapped. */
static int open_image(struct object_cache *cache, struct object *object)
{
	if (object->state != OBJECT_ADDED || object->search)
		return object->err;
	if (!object->image)
		object->err = load_image(cache, object);
	if (!object->err)
		object->err = seek_debug_files(cache, object);
	if (object->err) {
		remove_unparsed(cache, object);
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
	struct object *object = find_object(cache, id);
	const struct file_names *names;
	bool is_first = false;

	if (!object)
		return -ENOENT;
	if (object->state == OBJECT_SEEKING)
		return -EINPROGRESS;
	if (!open_image(cache, object) && object->state == OBJECT_ADDED) {
		remove_unparsed(cache, object);
		if (debug_search_request(object->search)) {
			object->state = OBJECT_SEEKING;
			cache->n_seeking++;
			return -EINPROGRESS;
		}
		object->err = load_view(cache, object, &is_first);
		object->state = object->err ? OBJECT_UNNAMED : OBJECT_NAMED;
	}
	if (object->err)
		return object->err;
	names = view_names(object->view);
	*ret_symbols = file_names_count(names);
	*ret_index_bytes = is_first ? file_names_memory_bytes(names) : 0;
	return 0;
}

int object_cache_embedded_err(const struct object_cache *cache, uint32_t id)
{
	const struct object *object = find_object(cache, id);

	return object && object->view ? view_embedded_err(object->view) : 0;
}

uint32_t object_cache_next_unparsed(const struct object_cache *cache)
{
	return cache->first_unparsed ? cache->first_unparsed->id : 0;
}

int object_cache_sources(const struct object_cache *cache, uint32_t id, struct message_sources *ret)
{
	const struct object *object = find_object(cache, id);

	if (!object || !object->search)
		return object && object->err ? object->err : -ENOENT;
	debug_search_sources(object->search, ret);
	return 0;
}

size_t object_cache_file_build_id(const struct object_cache *cache, uint32_t id, uint8_t to[DEBUG_ID_MAX])
{
	const struct object *object = find_object(cache, id);

	if (!object || !object->image)
		return 0;
	memcpy(to, object->image->build_id.bytes, object->image->build_id.len);
	return object->image->build_id.len;
}

/* --- unwind tables ------------------------------------------------------------------------------------------------ */

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
	struct object *object = find_object(cache, id);
	struct image *debug;
	uint32_t owner;
	int err;

	*ret_same_as = 0;
	*ret_awaits_debug = false;
	if (!object)
		return -ENOENT;
	err = open_image(cache, object);
	if (err)
		return err;
	if (!object->image)
		return -ENOENT;
	debug = debug_search_debug(object->search);
	owner = table_owner(object->image, debug);
	if (owner && owner != id && find_object(cache, owner)) {
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

/* --- names ---------------------------------------------------------------------------------------------------------
 */

/* Room for a text; "" stands for what has none. */
static size_t text_left(const struct object_name *name)
{
	size_t left = sizeof(name->text) - name->text_bytes;

	return left < MAX_NAME ? left : MAX_NAME;
}

static const char *text_keep(struct object_name *name)
{
	const char *text = name->text + name->text_bytes;

	name->text_bytes += strlen(text) + 1;
	return text;
}

static const char *keep_text(struct object_name *name, const char *text)
{
	if (!*text || !text_left(name))
		return "";
	text_copy(name->text + name->text_bytes, text_left(name), text);
	return text_keep(name);
}

static const char *keep_readable(struct object_name *name, const char *system_name, bool is_go, enum demangle_mode mode)
{
	char *to = name->text + name->text_bytes;

	if (!text_left(name))
		return "";
	if (is_go)
		demangle_go(system_name, mode, to, text_left(name));
	else
		demangle(system_name, mode, to, text_left(name));
	return text_keep(name);
}

static void name_place(struct object_name *name, const struct code_place *place, enum demangle_mode mode)
{
	for (size_t i = 0; i < place->n; i++) {
		const struct code_line *from = &place->lines[i];
		struct object_line *line = &name->lines[name->n_lines++];

		line->system_name = keep_text(name, place->text + from->function);
		line->name = keep_readable(name, line->system_name, place->is_go, mode);
		line->file = keep_text(name, place->text + from->file);
		line->line = from->line;
		line->start_line = from->start_line;
	}
	name->symbol_va = place->start;
	name->is_named = 1;
}

/* A file that could be read, by what it lacks. */
static enum unnamed why_no_symbol(const struct view *view)
{
	return view_has_symtab(view) || file_names_has_go(view_names(view)) ? UNNAMED_NO_SYMBOL : UNNAMED_STRIPPED;
}

static bool is_memory_file(const struct object *object)
{
	return object->kind == OBJECT_FILE && !strncmp(object->module, MEMFD_PREFIX, strlen(MEMFD_PREFIX));
}

static enum unnamed why_not_opened(const struct object *object)
{
	switch (object->err) {
	case -EOWNERDEAD:
		return UNNAMED_QUARANTINED;
	case -ESTALE:
		return UNNAMED_REPLACED;
	case -ENOEXEC:
	case -ENOTSUP:
		return is_memory_file(object) ? UNNAMED_MEMORY_FILE : UNNAMED_NOT_ELF;
	case -EACCES:
	case -EPERM:
		return UNNAMED_DENIED;
	case -ENOENT:
	case -ESRCH:
		if (is_memory_file(object))
			return UNNAMED_MEMORY_FILE;
		return object->flags & OBJECT_DELETED ? UNNAMED_DELETED : UNNAMED_MISSING;
	default:
		return UNNAMED_UNREADABLE;
	}
}

static enum unnamed why_object_unnamed(const struct object *object)
{
	if (object->kind == OBJECT_ANONYMOUS)
		return UNNAMED_ANONYMOUS;
	if (object->kind == OBJECT_VDSO)
		return UNNAMED_VDSO;
	return object->view ? why_no_symbol(object->view) : why_not_opened(object);
}

static void name_unnamed(struct object_name *name, enum unnamed why, const char *module, uint64_t offset)
{
	char text[MAX_NAME];

	name->why = why;
	unnamed_spell(why, module, offset, text, sizeof(text));
	name->lines[name->n_lines++] =
		(struct object_line){.name = keep_text(name, text), .system_name = "", .file = ""};
}

/* true: the address, which is ret->elf_va, has a name. */
static bool name_address(struct object_cache *cache, const struct object *object, struct object_name *ret)
{
	if (!object->view || file_names_find(view_names(object->view), ret->elf_va, &cache->place))
		return false;
	name_place(ret, &cache->place, cache->demangle);
	return true;
}

static void name_init(struct object_name *name)
{
	name->elf_va = name->symbol_va = 0;
	name->is_named = 0;
	name->n_lines = name->text_bytes = 0;
}

static void name_unknown(const struct object *object, uint64_t offset, struct object_name *name)
{
	if (object)
		name_unnamed(name, why_object_unnamed(object), object->module, offset);
	else
		name_unnamed(name, UNNAMED_ANONYMOUS, "[unknown]", offset);
}

void object_cache_name_va(struct object_cache *cache, uint32_t id, uint64_t elf_va, struct object_name *ret)
{
	const struct object *object = find_object(cache, id);

	name_init(ret);
	ret->elf_va = elf_va;
	if (!object || !name_address(cache, object, ret))
		name_unknown(object, elf_va, ret);
}

void object_cache_name(struct object_cache *cache, uint32_t id, uint64_t file_off, int is_return,
		       struct object_name *ret)
{
	const struct object *object = find_object(cache, id);
	const struct image *image = object ? object->image : NULL;
	uint64_t offset = file_off - (is_return && file_off);

	name_init(ret);
	if (image && !elf_file_offset_to_va(image->file, offset, &ret->elf_va)) {
		offset = ret->elf_va;
		if (name_address(cache, object, ret))
			return;
	}
	name_unknown(object, offset, ret);
}

const char *object_cache_build_id(const struct object_cache *cache, uint32_t id)
{
	static const char hex[] = "0123456789abcdef";
	const struct object *object = find_object(cache, id);
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
