/* SPDX-License-Identifier: Apache-2.0 */
/* The unpacked messages, and what is added to them, lie in one arena: nothing is freed but all of it, and its limit is
 * the limit of what a hostile file may take. */
#include "pprof_edit_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "encode/gzip.h"
#include "encode/sink.h"

#define ARENA_CHUNK_BYTES (256u << 10)

/* --- memory ------------------------------------------------------------------------------------------------------- */

void *pprof_edit_take(struct arena *arena, size_t n)
{
	struct arena_chunk *chunk = arena->last;
	size_t size, at;

	if (n > arena->max - arena->taken) {
		arena->err = arena->err ? arena->err : -E2BIG;
		return NULL;
	}
	n = (n + PPROF_EDIT_ALIGNMENT - 1) & ~(size_t)(PPROF_EDIT_ALIGNMENT - 1);
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
	return pprof_edit_take(arena, size);
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

int pprof_edit_add_id(struct map *ids, uint64_t id, size_t index)
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

		err = pprof_edit_add_id(&edit->mappings, mapping->id, i);
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

		err = pprof_edit_add_id(&edit->functions, function->id, i);
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

		err = pprof_edit_add_id(&edit->locations, location->id, i);
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

const function_message *pprof_edit_function(const struct pprof_edit *edit, uint64_t id)
{
	const uint32_t *index = map_find(&edit->functions, &id);

	return edit->profile->function[*index];
}

/* "[stripped libfoo.so+0x1234]", "0x1234", "??": what stands where there is no name, ours and that of others. */
static bool is_stand_in(const char *name)
{
	size_t len = strlen(name);

	if (!strncmp(name, "0x", 2))
		return strspn(name + 2, "0123456789abcdefABCDEF") == len - 2;
	return !len || !strcmp(name, "??") || (name[0] == '[' && name[len - 1] == ']');
}

const char *pprof_edit_text(const struct pprof_edit *edit, int64_t index)
{
	return edit->profile->string_table[index];
}

bool pprof_edit_is_named(const struct pprof_edit *edit, const location_message *location)
{
	for (size_t i = 0; i < location->n_line; i++) {
		const function_message *function = pprof_edit_function(edit, location->line[i]->function_id);

		if (*pprof_edit_text(edit, function->system_name) ||
		    !is_stand_in(pprof_edit_text(edit, function->name)))
			return true;
	}
	return false;
}

bool pprof_edit_is_lineless(const struct pprof_edit *edit, const location_message *location)
{
	return location->n_line == 1 && !location->line[0]->line &&
	       !*pprof_edit_text(edit, pprof_edit_function(edit, location->line[0]->function_id)->filename) &&
	       pprof_edit_is_named(edit, location);
}

mapping_message *pprof_edit_mapping_of(const struct pprof_edit *edit, const location_message *location,
				       uint32_t *ret_index)
{
	const uint32_t *index = map_find(&edit->mappings, &location->mapping_id);

	if (!index)
		return NULL;
	*ret_index = *index;
	return edit->profile->mapping[*index];
}

static int count_locations(struct pprof_edit *edit)
{
	const profile_message *profile = edit->profile;
	uint32_t index;

	edit->counts = calloc(profile->n_mapping + 1, sizeof(*edit->counts));
	if (!edit->counts)
		return -ENOMEM;
	for (size_t i = 0; i < profile->n_location; i++) {
		if (!pprof_edit_mapping_of(edit, profile->location[i], &index))
			continue;
		edit->counts[index].unnamed += !pprof_edit_is_named(edit, profile->location[i]);
		edit->counts[index].lineless += pprof_edit_is_lineless(edit, profile->location[i]);
	}
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
	return err ? err : count_locations(edit);
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
	map_init(&edit->mappings, sizeof(uint64_t), sizeof(uint32_t), PPROF_EDIT_MAX_IDS);
	map_init(&edit->locations, sizeof(uint64_t), sizeof(uint32_t), PPROF_EDIT_MAX_IDS);
	map_init(&edit->functions, sizeof(uint64_t), sizeof(uint32_t), PPROF_EDIT_MAX_IDS);
	map_init(&edit->added_strings, sizeof(uint32_t), sizeof(uint64_t), PPROF_EDIT_MAX_STRINGS);
	map_init(&edit->added_functions, sizeof(struct function_key), sizeof(uint64_t), PPROF_EDIT_MAX_IDS);
	buf_init(&bytes, max_bytes / 2);
	err = gzip_read(fd, &bytes);
	if (!err)
		err = intern_new(PPROF_EDIT_MAX_STRINGS, max_bytes, &edit->strings);
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
	free(edit->counts);
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
					   .unnamed = edit->counts[index].unnamed,
					   .lineless = edit->counts[index].lineless};
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
