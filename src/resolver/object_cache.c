/* SPDX-License-Identifier: Apache-2.0 */
/*  by_id          objects                      images
 *
 *  7 ────► { mapping's identity, path, ─┬────► { elf_file, names, digest } one a distinct file
 *  9 ────► {                       "  ──┘
 *  12 ───► { …, err: -ESTALE }
 *
 * An object is what processes mapped; an image is what is known of a file. Two objects have one image when they are
 * one inode in one state, or when build id, size and digest agree: a build id alone is copied easily. The digest means
 * reading much of both files, so it is taken only when another image of the same build id and size is there.
 *
 * Names are not kept: each is read from the file when asked for, and the caller asks once a distinct frame. */
#include "resolver/object_cache.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/map.h"
#include "base/text.h"
#include "base/vec.h"
#include "elf/elf_file.h"
#include "elf/symtab.h"
#include "elf/unpack.h"
#include "ipc/memfd.h"
#include "symbol/demangle.h"
#include "symbol/file_names.h"
#include "symbol/vdso.h"
#include "unwind/table_build.h"

#define MAX_NAME 4096
#define MEMFD_PREFIX "memfd:"
/* Of all files together, unpacked: names out of .gnu_debugdata are kept in memory. Of a distribution's library they
 * take some 100 KiB. */
#define MAX_EMBEDDED_BYTES (256u << 20)

_Static_assert(CODE_MAX_LINES == OBJECT_MAX_LINES, "each line of a place has room in a name");
_Static_assert(BUILD_ID_MAX == ELF_BUILD_ID_MAX, "an id of a mapping is compared with one of a file");

struct build_id {
	uint8_t bytes[BUILD_ID_MAX];
	size_t len; /* 0: none */
};

struct image {
	unsigned int refs;
	struct elf_file *file;
	struct file_names *names; /* NULL: nobody asked yet */
	struct build_id build_id;
	uint64_t dev, ino, size;
	struct timespec mtime;
	uint32_t table_owner;  /* first object whose table was made of it; 0: none */
	int embedded_err;      /* why .gnu_debugdata gave no names */
	size_t embedded_bytes; /* of .gnu_debugdata, unpacked; about half of it is kept */
	bool has_digest;
	uint8_t digest[ELF_DIGEST_BYTES];
};

enum object_state { OBJECT_NEW, OBJECT_ADDED, OBJECT_NAMED, OBJECT_UNNAMED };

struct object {
	uint32_t id, kind, flags;
	enum object_state state;
	int err;			/* why it is unnamed */
	int fd;				/* until it is parsed */
	struct object *previous, *next; /* in the list of the unparsed */
	uint64_t expected_ino;
	struct build_id expected; /* of the mapping */
	struct image *image;
	char *module; /* "libc.so.6" */
};

struct image_vec VEC(struct image *);

struct object_cache {
	struct map by_id; /* uint32_t -> struct object * */
	struct image_vec images;
	struct object *first_unparsed, *last_unparsed;
	size_t module_bytes, embedded_bytes;
	char *build_id_text; /* 2 * BUILD_ID_MAX + 1 */
	enum demangle_mode demangle;
	struct code_place place; /* scratch */
};

/* --- images --------------------------------------------------------------------------------------------------------
 */

static void image_free(struct image *image)
{
	if (!image)
		return;
	file_names_free(image->names);
	elf_file_free(image->file);
	free(image);
}

static void image_unref(struct object_cache *cache, struct image *image)
{
	if (!image || --image->refs)
		return;
	vec_for_each (&cache->images, slot) {
		if (*slot != image)
			continue;
		*slot = cache->images.items[--cache->images.len];
		break;
	}
	cache->embedded_bytes -= image->embedded_bytes;
	image_free(image);
}

static bool is_same_id(const struct build_id *a, const struct build_id *b)
{
	return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

static int take_digest(struct image *image)
{
	int err;

	if (image->has_digest)
		return 0;
	err = elf_file_digest(image->file, image->digest);
	image->has_digest = !err;
	return err;
}

static bool is_same_inode(const struct image *a, const struct image *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size && a->mtime.tv_sec == b->mtime.tv_sec &&
	       a->mtime.tv_nsec == b->mtime.tv_nsec;
}

/* An image that serves for the new one as well, or NULL. Whatever cannot be shown to be equal is not. */
static struct image *find_equal_image(struct object_cache *cache, struct image *image)
{
	vec_for_each (&cache->images, slot) {
		struct image *other = *slot;

		if (is_same_inode(other, image))
			return other;
		if (image->build_id.len && is_same_id(&other->build_id, &image->build_id) &&
		    other->size == image->size && !take_digest(other) && !take_digest(image) &&
		    memcmp(other->digest, image->digest, ELF_DIGEST_BYTES) == 0)
			return other;
	}
	return NULL;
}

/* Headers only. Takes over the descriptor. */
static int image_open(int fd, struct image **ret)
{
	struct image *image = calloc(1, sizeof(*image));
	struct stat st;
	int err;

	if (!image) {
		close(fd);
		return -ENOMEM;
	}
	err = elf_file_open(fd, &image->file);
	if (err)
		goto fail;
	err = -EIO;
	if (fstat(elf_file_fd(image->file), &st))
		goto fail;
	image->refs = 1;
	image->build_id.len = elf_file_build_id(image->file, image->build_id.bytes);
	image->dev = st.st_dev;
	image->ino = st.st_ino;
	image->size = (uint64_t)st.st_size;
	image->mtime = st.st_mtim;
	*ret = image;
	return 0;
fail:
	image_free(image);
	return err;
}

/* Is this the file that was mapped? The build id decides where the mapping has one. Otherwise the inode number does,
 * and the device is not asked: overlayfs and btrfs show another one in the mapping than to stat. */
static int check_identity(const struct object *object, const struct image *image)
{
	if (object->kind == OBJECT_VDSO)
		return 0;
	if (object->expected.len)
		return is_same_id(&object->expected, &image->build_id) ? 0 : -ESTALE;
	return object->expected_ino && object->expected_ino == image->ino ? 0 : -ESTALE;
}

static int load_image(struct object_cache *cache, struct object *object)
{
	struct image *image = NULL, *equal, **slot;
	int fd = take_fd(&object->fd), err = 0;

	if (object->kind == OBJECT_VDSO)
		err = vdso_image(&fd);
	if (!err)
		err = image_open(fd, &image);
	if (err)
		return err;
	err = check_identity(object, image);
	if (err)
		goto fail;
	equal = find_equal_image(cache, image);
	if (equal) {
		image_free(image);
		equal->refs++;
		object->image = equal;
		return 0;
	}
	slot = vec_push(&cache->images);
	err = -ENOMEM;
	if (!slot)
		goto fail;
	*slot = object->image = image;
	return 0;
fail:
	image_free(image);
	return err;
}

/* --- symbols -------------------------------------------------------------------------------------------------------
 */

/* The ELF file in .gnu_debugdata. -ENOENT: there is none. */
static int open_embedded(const struct object_cache *cache, const struct image *image, struct elf_file **ret)
{
	const struct elf_section *section = elf_file_section(image->file, ".gnu_debugdata");
	uint64_t room = MAX_EMBEDDED_BYTES - cache->embedded_bytes, bytes;
	struct unpack_source source;
	auto_close int fd = -1;
	int err = section ? unpack_source_of(image->file, section, &source) : -ENOENT;

	if (!err)
		err = memfd_new("debugdata", &fd);
	if (!err)
		err = unpack_to_fd(&source, room < SYMTAB_MAX_EMBEDDED_BYTES ? room : SYMTAB_MAX_EMBEDDED_BYTES, fd,
				   &bytes);
	return err ? err : elf_file_open(take_fd(&fd), ret);
}

/* Its build id, where it has one, is that of the file around it. */
static int check_embedded(const struct image *image, const struct elf_file *embedded)
{
	struct build_id build_id;

	build_id.len = elf_file_build_id(embedded, build_id.bytes);
	if (elf_file_machine(embedded) != elf_file_machine(image->file) ||
	    (build_id.len && !is_same_id(&build_id, &image->build_id)))
		return -ESTALE;
	return 0;
}

/* With names out of .gnu_debugdata. What is wrong with that costs only itself. */
static int load_embedded(struct object_cache *cache, struct image *image)
{
	struct elf_file *embedded = NULL;
	int err = open_embedded(cache, image, &embedded);

	if (!err)
		err = check_embedded(image, embedded);
	if (!err)
		err = file_names_new(image->file, embedded, &image->names);
	if (!err) {
		image->embedded_bytes = (size_t)elf_file_size(embedded);
		cache->embedded_bytes += image->embedded_bytes;
	}
	elf_file_free(embedded);
	return err;
}

static int load_symbols(struct object_cache *cache, struct image *image)
{
	int err = load_embedded(cache, image);

	if (!err)
		return 0;
	image->embedded_err = err == -ENOENT ? 0 : err;
	return file_names_new(image->file, NULL, &image->names);
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
	image_unref(cache, object->image);
	if (object->fd >= 0)
		close(object->fd);
	if (object->module)
		cache->module_bytes -= strlen(object->module) + 1;
	free(object->module);
	free(object);
}

int object_cache_new(size_t max_objects, struct object_cache **ret)
{
	struct object_cache *cache = calloc(1, sizeof(*cache));
	char *build_id_text = malloc(2 * BUILD_ID_MAX + 1);

	if (!cache || !build_id_text) {
		free(cache);
		free(build_id_text);
		return -ENOMEM;
	}
	cache->build_id_text = build_id_text;
	map_init(&cache->by_id, sizeof(uint32_t), sizeof(struct object *), max_objects);
	vec_init(&cache->images, max_objects);
	*ret = cache;
	return 0;
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
	vec_release(&cache->images);
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

/* The file behind the object is the one that was mapped. */
static int open_image(struct object_cache *cache, struct object *object)
{
	if (object->state != OBJECT_ADDED || object->image)
		return object->err;
	object->err = load_image(cache, object);
	if (object->err) {
		remove_unparsed(cache, object);
		object->state = OBJECT_UNNAMED;
	}
	return object->err;
}

int object_cache_parse(struct object_cache *cache, uint32_t id, uint64_t *ret_symbols, uint64_t *ret_index_bytes)
{
	struct object *object = find_object(cache, id);
	bool is_first = false;

	if (!object)
		return -ENOENT;
	if (!open_image(cache, object) && object->state == OBJECT_ADDED) {
		remove_unparsed(cache, object);
		is_first = !object->image->names;
		if (is_first)
			object->err = load_symbols(cache, object->image);
		object->state = object->err ? OBJECT_UNNAMED : OBJECT_NAMED;
	}
	if (object->err)
		return object->err;
	*ret_symbols = file_names_count(object->image->names);
	*ret_index_bytes = is_first ? file_names_memory_bytes(object->image->names) : 0;
	return 0;
}

int object_cache_embedded_err(const struct object_cache *cache, uint32_t id)
{
	const struct object *object = find_object(cache, id);

	return object && object->image ? object->image->embedded_err : 0;
}

uint32_t object_cache_next_unparsed(const struct object_cache *cache)
{
	return cache->first_unparsed ? cache->first_unparsed->id : 0;
}

size_t object_cache_file_build_id(const struct object_cache *cache, uint32_t id, uint8_t to[BUILD_ID_MAX])
{
	const struct object *object = find_object(cache, id);

	if (!object || !object->image)
		return 0;
	memcpy(to, object->image->build_id.bytes, object->image->build_id.len);
	return object->image->build_id.len;
}

int object_cache_table(struct object_cache *cache, uint32_t id, uint32_t debug, uint32_t page, int fd,
		       uint32_t *ret_same_as, struct table_writer_stats *ret_stats, struct table_coverage *ret_coverage)
{
	struct object *debug_object = debug ? find_object(cache, debug) : NULL, *object = find_object(cache, id);
	const struct image *debug_image = NULL;
	int err;

	*ret_same_as = 0;
	if (!object)
		return -ENOENT;
	err = open_image(cache, object);
	if (err)
		return err;
	if (!object->image)
		return -ENOENT;
	if (debug_object && !open_image(cache, debug_object))
		debug_image = debug_object->image;
	if (!debug_image && object->image->table_owner && object->image->table_owner != id &&
	    find_object(cache, object->image->table_owner)) {
		*ret_same_as = object->image->table_owner;
		return 0;
	}
	err = table_build(object->image->file, debug_image ? debug_image->file : NULL, page, fd, ret_stats,
			  ret_coverage);
	if (!err && !debug_image)
		object->image->table_owner = id;
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
static enum unnamed why_no_symbol(const struct image *image)
{
	bool has_own = elf_file_section(image->file, ".symtab") || image->embedded_bytes;

	return has_own || file_names_has_go(image->names) ? UNNAMED_NO_SYMBOL : UNNAMED_STRIPPED;
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
	return object->image && object->image->names ? why_no_symbol(object->image) : why_not_opened(object);
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
static bool name_address(struct object_cache *cache, const struct image *image, struct object_name *ret)
{
	if (!image->names || file_names_find(image->names, ret->elf_va, &cache->place))
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
	if (!object || !object->image || !name_address(cache, object->image, ret))
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
		if (name_address(cache, image, ret))
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
	size_t bytes = sizeof(*cache) + cache->by_id.cap * (cache->by_id.slot_size + 1) +
		       cache->by_id.len * sizeof(struct object) + cache->module_bytes +
		       cache->images.cap * sizeof(*cache->images.items);

	for (size_t i = 0; i < cache->images.len; i++)
		bytes += sizeof(struct image) + elf_file_memory_bytes(cache->images.items[i]->file) +
			 (cache->images.items[i]->names ? file_names_memory_bytes(cache->images.items[i]->names) : 0);
	return bytes;
}
