/* SPDX-License-Identifier: Apache-2.0 */
/* What an address of an object is called, or what is shown in place of a name. */
#include "object_cache_internal.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "symbol/demangle.h"

#define MEMFD_PREFIX "memfd:"
_Static_assert(CODE_MAX_LINES == OBJECT_MAX_LINES, "each line of a place has room in a name");

/* Room for a text; "" stands for what has none. */
static size_t text_left(const struct object_name *name)
{
	size_t left = sizeof(name->text) - name->text_bytes;

	return left < OBJECT_MAX_NAME ? left : OBJECT_MAX_NAME;
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
	return view_has_symtab(view) || view_has_go(view) ? UNNAMED_NO_SYMBOL : UNNAMED_STRIPPED;
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
	case -ETIME:
		return UNNAMED_TOO_SLOW;
	case -E2BIG:
	case -ENOMEM:
		return UNNAMED_TOO_LARGE;
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
	char text[OBJECT_MAX_NAME];

	name->why = why;
	unnamed_spell(why, module, offset, text, sizeof(text));
	name->lines[name->n_lines++] =
		(struct object_line){.name = keep_text(name, text), .system_name = "", .file = ""};
}

static void tell_looking(struct object_cache *cache, uint32_t id, bool has_debug)
{
	if (cache->looking == id || !cache->debug_files.looking)
		return;
	cache->looking = id;
	cache->debug_files.looking(cache->debug_files.ctx, id, has_debug);
}

void object_cache_rest(struct object_cache *cache)
{
	tell_looking(cache, 0, false);
}

/* true: the address, which is ret->elf_va, has a name. */
static bool name_address(struct object_cache *cache, const struct object *object, struct object_name *ret)
{
	const struct file_names *names;

	if (!object->view)
		return false;
	if (cache->last_view != object->view) /* what the one before read on the way counts now */
		view_table_trim(cache->views, object->view);
	cache->last_view = object->view;
	tell_looking(cache, object->id, view_has_debug(object->view));
	names = view_names(object->view);
	if (!names || file_names_find(names, ret->elf_va, &cache->place))
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
	const struct object *object = object_cache_find(cache, id);

	name_init(ret);
	ret->elf_va = elf_va;
	if (!object || !name_address(cache, object, ret))
		name_unknown(object, elf_va, ret);
}

void object_cache_name(struct object_cache *cache, uint32_t id, uint64_t file_off, int is_return,
		       struct object_name *ret)
{
	const struct object *object = object_cache_find(cache, id);
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
