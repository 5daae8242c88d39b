/* SPDX-License-Identifier: Apache-2.0 */
/* The unpacked messages, and what is added to them, lie in one arena: nothing is freed but all of it, and its limit is
 * the limit of what a hostile file may take. */
#include "encode/pprof_edit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/intern.h"
#include "base/map.h"
#include "encode/gzip.h"
#include "encode/profile.pb-c.h"
#include "encode/sink.h"

#define ARENA_CHUNK_BYTES (256u << 10)
#define ARENA_ALIGNMENT 16u
#define MAX_IDS (64u << 20) /* of mappings, locations or functions; the arena ends before */
#define MAX_STRINGS (16u << 20)

typedef Perftools__Profiles__Profile profile_message;
typedef Perftools__Profiles__Mapping mapping_message;
typedef Perftools__Profiles__Location location_message;
typedef Perftools__Profiles__Function function_message;
typedef Perftools__Profiles__Line line_message;

struct arena_chunk {
	struct arena_chunk *previous;
	size_t used, size;
	_Alignas(ARENA_ALIGNMENT) uint8_t bytes[];
};

struct arena {
	struct arena_chunk *last;
	size_t taken, max;
	int err; /* the first failure */
};

struct function_key {
	uint64_t name, system_name, file;
	int64_t start_line;
};

struct pprof_edit {
	struct arena arena;
	ProtobufCAllocator allocator;
	profile_message *profile;
	struct map mappings, locations, functions; /* id -> uint32_t index */
	size_t *unnamed;			   /* a mapping's locations without a name */
	/* What is added. */
	struct intern *strings;
	struct map added_strings;   /* uint32_t id of `strings` -> uint64_t index in the table */
	struct map added_functions; /* struct function_key -> uint64_t id */
	size_t string_room, function_room;
	uint64_t last_id; /* that was tried for a new function */
};

/* --- memory ------------------------------------------------------------------------------------------------------- */

static void *arena_take(struct arena *arena, size_t n)
{
	struct arena_chunk *chunk = arena->last;
	size_t size, at;

	if (n > arena->max - arena->taken) {
		arena->err = arena->err ? arena->err : -E2BIG;
		return NULL;
	}
	n = (n + ARENA_ALIGNMENT - 1) & ~(size_t)(ARENA_ALIGNMENT - 1);
	if (!chunk || n > chunk->size - chunk->used) {
		size = n > ARENA_CHUNK_BYTES ? n : ARENA_CHUNK_BYTES;
		chunk = size > arena->max - arena->taken ? NULL : malloc(sizeof(*chunk) + size);
		if (!chunk) {
			arena->err = size > arena->max - arena->taken ? -E2BIG : -ENOMEM;
			return NULL;
		}
		*chunk = (struct arena_chunk){.previous = arena->last, .size = size};
		arena->last = chunk;
		arena->taken += size;
	}
	at = chunk->used;
	chunk->used += n;
	return chunk->bytes + at;
}

static void arena_release(struct arena *arena)
{
	while (arena->last) {
		struct arena_chunk *chunk = arena->last;

		arena->last = chunk->previous;
		free(chunk);
	}
}

static void *allocate(void *arena, size_t size)
{
	return arena_take(arena, size);
}

static void keep(void *arena, void *bytes)
{
	(void)arena;
	(void)bytes;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

static bool is_text(const profile_message *profile, int64_t index)
{
	return index >= 0 && (uint64_t)index < profile->n_string_table;
}

/* -EBADMSG: 0, or there twice. */
static int add_id(struct map *ids, uint64_t id, size_t index)
{
	uint32_t *slot;
	bool is_new;
	int err = id ? map_insert(ids, &id, (void **)&slot, &is_new) : -EBADMSG;

	if (err)
		return err;
	*slot = (uint32_t)index;
	return is_new ? 0 : -EBADMSG;
}

static int read_mappings(struct pprof_edit *edit)
{
	const profile_message *profile = edit->profile;
	int err = 0;

	for (size_t i = 0; i < profile->n_mapping && !err; i++) {
		const mapping_message *mapping = profile->mapping[i];

		err = add_id(&edit->mappings, mapping->id, i);
		if (!is_text(profile, mapping->filename) || !is_text(profile, mapping->build_id))
			return -EBADMSG;
	}
	return err;
}

static int read_functions(struct pprof_edit *edit)
{
	const profile_message *profile = edit->profile;
	int err = 0;

	for (size_t i = 0; i < profile->n_function && !err; i++) {
		const function_message *function = profile->function[i];

		err = add_id(&edit->functions, function->id, i);
		if (!is_text(profile, function->name) || !is_text(profile, function->system_name) ||
		    !is_text(profile, function->filename))
			return -EBADMSG;
	}
	return err;
}

static int read_locations(struct pprof_edit *edit)
{
	const profile_message *profile = edit->profile;
	int err = 0;

	for (size_t i = 0; i < profile->n_location && !err; i++) {
		const location_message *location = profile->location[i];

		err = add_id(&edit->locations, location->id, i);
		if (location->mapping_id && !map_find(&edit->mappings, &location->mapping_id))
			return -EBADMSG;
		for (size_t j = 0; j < location->n_line; j++)
			if (!map_find(&edit->functions, &location->line[j]->function_id))
				return -EBADMSG;
	}
	return err;
}

static int check_samples(const struct pprof_edit *edit)
{
	const profile_message *profile = edit->profile;

	for (size_t i = 0; i < profile->n_sample; i++)
		for (size_t j = 0; j < profile->sample[i]->n_location_id; j++)
			if (!map_find(&edit->locations, &profile->sample[i]->location_id[j]))
				return -EBADMSG;
	return 0;
}

static const function_message *function_of(const struct pprof_edit *edit, uint64_t id)
{
	const uint32_t *index = map_find(&edit->functions, &id);

	return edit->profile->function[*index];
}

static bool is_named(const struct pprof_edit *edit, const location_message *location)
{
	for (size_t i = 0; i < location->n_line; i++) {
		const function_message *function = function_of(edit, location->line[i]->function_id);

		if (*edit->profile->string_table[function->system_name])
			return true;
	}
	return false;
}

static mapping_message *mapping_of(const struct pprof_edit *edit, const location_message *location, uint32_t *ret_index)
{
	const uint32_t *index = map_find(&edit->mappings, &location->mapping_id);

	if (!index)
		return NULL;
	*ret_index = *index;
	return edit->profile->mapping[*index];
}

static int count_unnamed(struct pprof_edit *edit)
{
	const profile_message *profile = edit->profile;
	uint32_t index;

	edit->unnamed = calloc(profile->n_mapping + 1, sizeof(*edit->unnamed));
	if (!edit->unnamed)
		return -ENOMEM;
	for (size_t i = 0; i < profile->n_location; i++)
		if (mapping_of(edit, profile->location[i], &index))
			edit->unnamed[index] += !is_named(edit, profile->location[i]);
	return 0;
}

static int unpack(struct pprof_edit *edit, const struct buf *bytes)
{
	int err;

	edit->profile = perftools__profiles__profile__unpack(&edit->allocator, bytes->len, bytes->data);
	if (!edit->profile)
		return edit->arena.err ? edit->arena.err : -EBADMSG;
	/* profile.proto: string_table[0] is always "". A file without it is empty, or of another format. */
	if (!edit->profile->n_string_table || *edit->profile->string_table[0])
		return -EBADMSG;
	err = read_mappings(edit);
	if (!err)
		err = read_functions(edit);
	if (!err)
		err = read_locations(edit);
	if (!err)
		err = check_samples(edit);
	return err ? err : count_unnamed(edit);
}

int pprof_edit_read(int fd, size_t max_bytes, struct pprof_edit **ret)
{
	struct pprof_edit *edit = calloc(1, sizeof(*edit));
	struct buf bytes;
	int err;

	if (!edit)
		return -ENOMEM;
	edit->arena.max = max_bytes;
	edit->allocator = (ProtobufCAllocator){.alloc = allocate, .free = keep, .allocator_data = &edit->arena};
	map_init(&edit->mappings, sizeof(uint64_t), sizeof(uint32_t), MAX_IDS);
	map_init(&edit->locations, sizeof(uint64_t), sizeof(uint32_t), MAX_IDS);
	map_init(&edit->functions, sizeof(uint64_t), sizeof(uint32_t), MAX_IDS);
	map_init(&edit->added_strings, sizeof(uint32_t), sizeof(uint64_t), MAX_STRINGS);
	map_init(&edit->added_functions, sizeof(struct function_key), sizeof(uint64_t), MAX_IDS);
	buf_init(&bytes, max_bytes / 2);
	err = gzip_read(fd, &bytes);
	if (!err)
		err = intern_new(MAX_STRINGS, max_bytes, &edit->strings);
	if (!err)
		err = unpack(edit, &bytes);
	buf_release(&bytes);
	if (err)
		pprof_edit_free(edit);
	else
		*ret = edit;
	return err;
}

void pprof_edit_free(struct pprof_edit *edit)
{
	if (!edit)
		return;
	map_release(&edit->mappings);
	map_release(&edit->locations);
	map_release(&edit->functions);
	map_release(&edit->added_strings);
	map_release(&edit->added_functions);
	intern_free(edit->strings);
	free(edit->unnamed);
	arena_release(&edit->arena);
	free(edit);
}

size_t pprof_edit_mappings(const struct pprof_edit *edit)
{
	return edit->profile->n_mapping;
}

void pprof_edit_mapping(const struct pprof_edit *edit, size_t index, struct pprof_edit_mapping *ret)
{
	const mapping_message *mapping = edit->profile->mapping[index];

	*ret = (struct pprof_edit_mapping){.file = edit->profile->string_table[mapping->filename],
					   .build_id = edit->profile->string_table[mapping->build_id],
					   .start = mapping->memory_start,
					   .limit = mapping->memory_limit,
					   .file_off = mapping->file_offset,
					   .unnamed = edit->unnamed[index]};
}

/* --- adding ------------------------------------------------------------------------------------------------------- */

/* Room for one more pointer behind n of them, doubled where there is none. */
static int make_room(struct arena *arena, void *array, size_t n, size_t *room)
{
	size_t wanted = 2 * n + 64;
	void **to;

	if (n < *room)
		return 0;
	to = arena_take(arena, wanted * sizeof(*to));
	if (!to)
		return arena->err;
	if (n)
		memcpy(to, *(void ***)array, n * sizeof(*to));
	*(void ***)array = to;
	*room = wanted;
	return 0;
}

static int add_string(struct pprof_edit *edit, const char *text, uint64_t *ret)
{
	profile_message *profile = edit->profile;
	const size_t size = strlen(text) + 1;
	uint64_t *slot;
	uint32_t id;
	bool is_new;
	char *copy;
	int err = intern_add_str(edit->strings, text, &id);

	if (!err && !id) {
		*ret = 0;
		return 0;
	}
	if (!err)
		err = map_insert(&edit->added_strings, &id, (void **)&slot, &is_new);
	if (err)
		return err;
	if (is_new) {
		err = make_room(&edit->arena, &profile->string_table, profile->n_string_table, &edit->string_room);
		copy = err ? NULL : arena_take(&edit->arena, size);
		if (!copy)
			return edit->arena.err;
		memcpy(copy, text, size);
		*slot = profile->n_string_table;
		profile->string_table[profile->n_string_table++] = copy;
	}
	*ret = *slot;
	return 0;
}

/* An id that no function has. */
static uint64_t unused_id(struct pprof_edit *edit)
{
	do
		edit->last_id++;
	while (map_find(&edit->functions, &edit->last_id));
	return edit->last_id;
}

static int append_function(struct pprof_edit *edit, const struct function_key *key, uint64_t *ret_id)
{
	profile_message *profile = edit->profile;
	function_message *function;
	int err = make_room(&edit->arena, &profile->function, profile->n_function, &edit->function_room);

	function = err ? NULL : arena_take(&edit->arena, sizeof(*function));
	if (!function)
		return edit->arena.err;
	perftools__profiles__function__init(function);
	function->id = unused_id(edit);
	function->name = (int64_t)key->name;
	function->system_name = (int64_t)key->system_name;
	function->filename = (int64_t)key->file;
	function->start_line = key->start_line;
	err = add_id(&edit->functions, function->id, profile->n_function);
	if (err)
		return err;
	profile->function[profile->n_function++] = function;
	*ret_id = function->id;
	return 0;
}

static int add_function(struct pprof_edit *edit, const struct pprof_edit_line *line, uint64_t *ret_id)
{
	struct function_key key = {.start_line = line->start_line};
	uint64_t *slot;
	bool is_new;
	int err = add_string(edit, line->name, &key.name);

	if (!err)
		err = add_string(edit, line->system_name, &key.system_name);
	if (!err)
		err = add_string(edit, line->file, &key.file);
	if (!err)
		err = map_insert(&edit->added_functions, &key, (void **)&slot, &is_new);
	if (!err && is_new)
		err = append_function(edit, &key, slot);
	if (!err)
		*ret_id = *slot;
	return err;
}

static int set_lines(struct pprof_edit *edit, location_message *location, const struct pprof_edit_line *lines, size_t n)
{
	line_message **list = arena_take(&edit->arena, n * sizeof(*list));
	int err = 0;

	if (!list)
		return edit->arena.err;
	for (size_t i = 0; i < n && !err; i++) {
		list[i] = arena_take(&edit->arena, sizeof(**list));
		if (!list[i])
			return edit->arena.err;
		perftools__profiles__line__init(list[i]);
		list[i]->line = lines[i].line;
		err = add_function(edit, &lines[i], &list[i]->function_id);
	}
	if (err)
		return err;
	location->line = list;
	location->n_line = n;
	return 0;
}

/* A process maps nothing at address 0: there the mapping tells the file alone. */
static bool is_within(const mapping_message *mapping, uint64_t address)
{
	return !mapping->memory_start || (address >= mapping->memory_start && address < mapping->memory_limit);
}

static int name_location(struct pprof_edit *edit, location_message *location, pprof_namer namer, void *ctx,
			 struct pprof_edit_result *result)
{
	struct pprof_edit_line lines[PPROF_EDIT_MAX_LINES];
	const mapping_message *mapping;
	size_t n = 0;
	uint32_t index;
	int err;

	mapping = mapping_of(edit, location, &index);
	if (is_named(edit, location))
		return 0;
	if (!mapping || !is_within(mapping, location->address)) {
		result->unnamed++;
		return 0;
	}
	err = namer(ctx, index, location->address, lines, PPROF_EDIT_MAX_LINES, &n);
	if (!err && n)
		err = set_lines(edit, location, lines, n);
	if (err)
		return err;
	result->named += n > 0;
	result->unnamed += n == 0;
	edit->unnamed[index] -= n > 0;
	return 0;
}

/* --- what follows from it ----------------------------------------------------------------------------------------- */

/* Stand-ins that nobody uses any more go. */
static int drop_unused_functions(struct pprof_edit *edit)
{
	profile_message *profile = edit->profile;
	bool *is_used = calloc(profile->n_function + 1, sizeof(*is_used));
	size_t kept = 0;

	if (!is_used)
		return -ENOMEM;
	for (size_t i = 0; i < profile->n_location; i++)
		for (size_t j = 0; j < profile->location[i]->n_line; j++)
			is_used[*(uint32_t *)map_find(&edit->functions, &profile->location[i]->line[j]->function_id)] =
				true;
	/* The index of each function changes; it is not asked for again. */
	for (size_t i = 0; i < profile->n_function; i++)
		if (is_used[i])
			profile->function[kept++] = profile->function[i];
	profile->n_function = kept;
	free(is_used);
	return 0;
}

/* profile.proto: each is true only when it is true of all locations of the mapping; of inlining, some must show it. */
static void tell_mappings(struct pprof_edit *edit)
{
	const profile_message *profile = edit->profile;
	uint32_t index;

	for (size_t i = 0; i < profile->n_mapping; i++) {
		mapping_message *mapping = profile->mapping[i];

		mapping->has_functions = mapping->has_filenames = mapping->has_line_numbers = !edit->unnamed[i];
		mapping->has_inline_frames = false;
	}
	for (size_t i = 0; i < profile->n_location; i++) {
		const location_message *location = profile->location[i];
		mapping_message *mapping = mapping_of(edit, location, &index);

		for (size_t j = 0; mapping && j < location->n_line; j++) {
			const function_message *function = function_of(edit, location->line[j]->function_id);

			mapping->has_filenames &= *profile->string_table[function->filename] != '\0';
			mapping->has_line_numbers &= location->line[j]->line != 0;
			mapping->has_inline_frames |= j > 0;
		}
	}
	for (size_t i = 0; i < profile->n_mapping; i++)
		profile->mapping[i]->has_inline_frames &=
			profile->mapping[i]->has_functions && profile->mapping[i]->has_line_numbers;
}

int pprof_edit_name(struct pprof_edit *edit, pprof_namer namer, void *ctx, struct pprof_edit_result *ret)
{
	int err = 0;

	*ret = (struct pprof_edit_result){0};
	for (size_t i = 0; i < edit->profile->n_location && !err; i++)
		err = name_location(edit, edit->profile->location[i], namer, ctx, ret);
	if (err || !ret->named)
		return err;
	tell_mappings(edit);
	return drop_unused_functions(edit);
}

int pprof_edit_write(const struct pprof_edit *edit, const struct sink *sink)
{
	const size_t size = perftools__profiles__profile__get_packed_size(edit->profile);
	uint8_t *bytes = malloc(size + 1);
	struct gzip gzip;
	int err;

	if (!bytes)
		return -ENOMEM;
	perftools__profiles__profile__pack(edit->profile, bytes);
	err = gzip_begin(&gzip, sink);
	if (!err) {
		err = gzip_add(&gzip, bytes, size);
		if (!err)
			err = gzip_finish(&gzip);
		gzip_release(&gzip);
	}
	free(bytes);
	return err;
}
