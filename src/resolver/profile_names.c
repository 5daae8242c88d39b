/* SPDX-License-Identifier: Apache-2.0 */
#include "resolver/profile_names.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/map.h"
#include "base/unnamed.h"
#include "base/vec.h"
#include "elf/segment_match.h"
#include "encode/pprof_edit.h"
#include "encode/sink.h"
#include "ipc/memfd.h"
#include "ipc/profile_files.h"
#include "resolver/object_cache.h"
#include "resolver/view.h"

#define MAX_LIST_BYTES (256u << 20)
#define NO_FILE 0

_Static_assert(OBJECT_MAX_LINES <= PPROF_EDIT_MAX_LINES, "a location holds the lines of any frame");

struct file {
	struct profile_file told;
	const struct view *view; /* of its object, when that is the file; NULL: it has no names */
	uint32_t reasons[UNNAMED_COUNT];
};

struct file_vec VEC(struct file);

struct profile_names {
	struct pprof_edit *edit;
	struct file_vec files;	   /* by object - 1 */
	uint32_t *file_of_mapping; /* object, or NO_FILE */
	/* While names are looked for. */
	struct object_cache *cache;
	struct object_name name;
};

/* --- files -------------------------------------------------------------------------------------------------------- */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* "0123abcd"; its length is 0 where it is something else, as Go's own build ids are. */
static void read_build_id(const char *text, struct profile_file *file)
{
	size_t len = strlen(text);

	if (len % 2 || len / 2 < DEBUG_ID_MIN || len / 2 > DEBUG_ID_MAX)
		return;
	for (size_t i = 0; i < len; i += 2) {
		int high = hex_digit(text[i]), low = hex_digit(text[i + 1]);

		if (high < 0 || low < 0)
			return;
		file->build_id[i / 2] = (uint8_t)(high << 4 | low);
	}
	file->build_id_len = (uint32_t)(len / 2);
}

/* What makes two mappings one file: both texts of the profile, which has each once. */
struct file_key {
	const char *path, *build_id;
};

static int file_of(struct profile_names *names, struct map *known, const struct pprof_edit_mapping *mapping,
		   uint32_t *ret)
{
	const struct file_key key = {mapping->file, mapping->build_id};
	struct file *file;
	uint32_t *object;
	bool is_new;
	int err = map_insert(known, &key, (void **)&object, &is_new);

	if (err)
		return err;
	if (is_new) {
		file = vec_push(&names->files);
		if (!file)
			return names->files.len == PROFILE_FILES_MAX ? -E2BIG : -ENOMEM;
		*object = (uint32_t)names->files.len;
		file->told.object = *object;
		file->told.path = mapping->file;
		read_build_id(mapping->build_id, &file->told);
	}
	*ret = *object;
	return 0;
}

static int find_files(struct profile_names *names)
{
	size_t n = pprof_edit_mappings(names->edit);
	struct pprof_edit_mapping mapping;
	struct map known;
	int err = 0;

	map_init(&known, sizeof(struct file_key), sizeof(uint32_t), PROFILE_FILES_MAX);
	names->file_of_mapping = calloc(n + 1, sizeof(*names->file_of_mapping));
	if (!names->file_of_mapping)
		err = -ENOMEM;
	for (size_t i = 0; i < n && !err; i++) {
		pprof_edit_mapping(names->edit, i, &mapping);
		if (!mapping.unnamed && !mapping.lineless)
			continue;
		err = file_of(names, &known, &mapping, &names->file_of_mapping[i]);
		if (!err)
			names->files.items[names->file_of_mapping[i] - 1].told.unnamed += (uint32_t)mapping.unnamed;
	}
	map_release(&known);
	return err;
}

int profile_names_read(int fd, struct profile_names **ret)
{
	struct profile_names *names = calloc(1, sizeof(*names));
	int err;

	if (!names)
		return -ENOMEM;
	vec_init(&names->files, PROFILE_FILES_MAX);
	err = pprof_edit_read(fd, PPROF_EDIT_MAX_BYTES, &names->edit);
	if (!err)
		err = find_files(names);
	if (err)
		profile_names_free(names);
	else
		*ret = names;
	return err;
}

void profile_names_free(struct profile_names *names)
{
	if (!names)
		return;
	pprof_edit_free(names->edit);
	vec_release(&names->files);
	free(names->file_of_mapping);
	free(names);
}

/* --- names -------------------------------------------------------------------------------------------------------- */

/* The object's file is the one that was mapped. */
static bool is_the_file(const struct object_cache *cache, const struct profile_file *file)
{
	uint8_t id[DEBUG_ID_MAX];
	size_t len = object_cache_file_build_id(cache, file->object, id);

	return len && len == file->build_id_len && memcmp(id, file->build_id, len) == 0;
}

static void take_sources(const struct object_cache *cache, struct profile_file *file)
{
	struct message_sources sources;

	file->err = object_cache_sources(cache, file->object, &sources);
	file->is_read = !file->err;
	for (uint32_t i = 0; file->is_read && i < sources.n; i++) {
		uint32_t bit = 1u << sources.sources[i].kind;
		int err = sources.sources[i].err;

		file->sought |= bit;
		file->found |= err ? 0 : bit;
		file->bad |= err && err != -ENOENT ? bit : 0;
	}
}

static void look_at_files(struct profile_names *names)
{
	uint64_t symbols, index_bytes;

	vec_for_each (&names->files, file) {
		if (!object_cache_parse(names->cache, file->told.object, &symbols, &index_bytes) &&
		    is_the_file(names->cache, &file->told))
			file->view = object_cache_view(names->cache, file->told.object);
		take_sources(names->cache, &file->told);
	}
}

/* -ENOENT: it lies nowhere in the file. */
static int address_to_va(const struct file *file, const struct pprof_edit_mapping *mapping, uint64_t address,
			 uint64_t *ret_elf_va)
{
	const struct segment_mapping in_memory = {mapping->start, mapping->limit, mapping->file_off};

	if (mapping->start)
		return segment_match_va(view_image(file->view)->file, &in_memory, address, ret_elf_va);
	*ret_elf_va = address;
	return 0;
}

static size_t keep_lines(const struct object_name *name, struct pprof_edit_line *lines, size_t max)
{
	size_t n = name->n_lines < max ? name->n_lines : max;

	for (size_t i = 0; i < n; i++) {
		const struct object_line *line = &name->lines[i];

		lines[i] = (struct pprof_edit_line){.name = line->name,
						    .system_name = line->system_name,
						    .file = line->file,
						    .line = line->line,
						    .start_line = line->start_line};
	}
	return n;
}

static int find_name(void *ctx, const struct pprof_edit_place *place, struct pprof_edit_line *lines, size_t max,
		     size_t *ret_n)
{
	struct profile_names *names = ctx;
	uint32_t object = names->file_of_mapping[place->mapping];
	struct pprof_edit_mapping mapping;
	struct file *file;
	uint64_t va = 0;

	*ret_n = 0;
	if (object == NO_FILE)
		return 0;
	file = &names->files.items[object - 1];
	pprof_edit_mapping(names->edit, place->mapping, &mapping);
	if (!file->view || address_to_va(file, &mapping, place->address, &va)) {
		file->reasons[file->view ? UNNAMED_NO_SYMBOL : UNNAMED_UNKNOWN] += !place->is_named;
		return 0;
	}
	object_cache_name_va(names->cache, object, va, &names->name);
	if (!names->name.is_named) {
		file->reasons[names->name.why] += !place->is_named;
		return 0;
	}
	*ret_n = keep_lines(&names->name, lines, max);
	file->told.named += !place->is_named;
	file->told.unnamed -= !place->is_named;
	return 0;
}

/* Why most of them have none. */
static void settle_reason(struct file *file)
{
	for (uint32_t why = 0; why < UNNAMED_COUNT; why++)
		if (file->reasons[why] > file->reasons[file->told.why])
			file->told.why = why;
}

int profile_names_find(struct profile_names *names, struct object_cache *cache, struct profile_names_result *ret)
{
	struct pprof_edit_result result;
	int err;

	names->cache = cache;
	look_at_files(names);
	err = pprof_edit_name(names->edit, find_name, names, &result);
	object_cache_rest(cache);
	names->cache = NULL;
	if (err)
		return err;
	vec_for_each (&names->files, file)
		settle_reason(file);
	*ret = (struct profile_names_result){result.named, result.unnamed, result.lined};
	return 0;
}

/* --- what is told ------------------------------------------------------------------------------------------------- */

int profile_names_files(const struct profile_names *names, int *ret_fd)
{
	struct buf list;
	int err;

	buf_init(&list, MAX_LIST_BYTES);
	for (size_t i = 0; i < names->files.len; i++)
		profile_files_put(&list, &names->files.items[i].told);
	err = list.err ? list.err : memfd_from_bytes("profile files", list.data, list.len, ret_fd);
	buf_release(&list);
	return err;
}

int profile_names_write(const struct profile_names *names, int *ret_fd)
{
	auto_close int fd = -1;
	int err = memfd_new("profile", &fd);
	const struct sink sink = sink_to_fd(&fd);

	if (!err)
		err = pprof_edit_write(names->edit, &sink);
	if (!err)
		err = memfd_seal(fd);
	if (!err)
		*ret_fd = take_fd(&fd);
	return err;
}
