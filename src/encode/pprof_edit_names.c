/* SPDX-License-Identifier: Apache-2.0 */
#include "pprof_edit_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

/* --- adding ------------------------------------------------------------------------------------------------------- */

/* Room for one more pointer behind n of them, doubled where there is none. */
static int make_room(struct arena *arena, void *array, size_t n, size_t *room)
{
	size_t wanted = 2 * n + 64;
	void **to;

	if (n < *room)
		return 0;
	to = pprof_edit_take(arena, wanted * sizeof(*to));
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
		copy = err ? NULL : pprof_edit_take(&edit->arena, size);
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

	function = err ? NULL : pprof_edit_take(&edit->arena, sizeof(*function));
	if (!function)
		return edit->arena.err;
	perftools__profiles__function__init(function);
	function->id = unused_id(edit);
	function->name = (int64_t)key->name;
	function->system_name = (int64_t)key->system_name;
	function->filename = (int64_t)key->file;
	function->start_line = key->start_line;
	err = pprof_edit_add_id(&edit->functions, function->id, profile->n_function);
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
	line_message **list = pprof_edit_take(&edit->arena, n * sizeof(*list));
	int err = 0;

	if (!list)
		return edit->arena.err;
	for (size_t i = 0; i < n && !err; i++) {
		list[i] = pprof_edit_take(&edit->arena, sizeof(**list));
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

static int name_location(struct pprof_edit *edit, location_message *location, const struct pprof_edit_place *place,
			 pprof_namer namer, void *ctx, struct pprof_edit_result *result)
{
	struct count *count = &edit->counts[place->mapping];
	struct pprof_edit_line lines[PPROF_EDIT_MAX_LINES];
	size_t n = 0;
	int err = namer(ctx, place, lines, PPROF_EDIT_MAX_LINES, &n);

	if (!err && n)
		err = set_lines(edit, location, lines, n);
	if (err)
		return err;
	result->named += n > 0;
	result->unnamed += n == 0;
	count->unnamed -= n > 0;
	count->is_changed |= n > 0;
	return 0;
}

/* The outermost function is the one that the location has, and something is told of where it is. */
static bool tells_more(const struct pprof_edit *edit, const function_message *function,
		       const struct pprof_edit_line *lines, size_t n)
{
	const char *system_name = pprof_edit_text(edit, function->system_name),
		   *name = pprof_edit_text(edit, function->name);
	bool is_same = *system_name ? !strcmp(system_name, lines[n - 1].system_name)
				    : !strcmp(name, lines[n - 1].name) || !strcmp(name, lines[n - 1].system_name);

	for (size_t i = 0; i < n && is_same; i++)
		if (lines[i].line || *lines[i].file)
			return true;
	return false;
}

static int add_source(struct pprof_edit *edit, location_message *location, const struct pprof_edit_place *place,
		      pprof_namer namer, void *ctx, struct pprof_edit_result *result)
{
	const function_message *function = pprof_edit_function(edit, location->line[0]->function_id);
	struct count *count = &edit->counts[place->mapping];
	struct pprof_edit_line lines[PPROF_EDIT_MAX_LINES];
	size_t n = 0;
	int err = namer(ctx, place, lines, PPROF_EDIT_MAX_LINES, &n);

	if (err || !n || !tells_more(edit, function, lines, n))
		return err;
	lines[n - 1].name = pprof_edit_text(edit, function->name);
	lines[n - 1].system_name = pprof_edit_text(edit, function->system_name);
	err = set_lines(edit, location, lines, n);
	if (err)
		return err;
	result->lined++;
	count->lineless--;
	count->is_changed = true;
	return 0;
}

static int ask_location(struct pprof_edit *edit, location_message *location, pprof_namer namer, void *ctx,
			struct pprof_edit_result *result)
{
	struct pprof_edit_place place = {.address = location->address, .is_named = pprof_edit_is_named(edit, location)};
	const mapping_message *mapping;
	uint32_t index = 0;

	mapping = pprof_edit_mapping_of(edit, location, &index);
	place.mapping = index;
	if (mapping && is_within(mapping, location->address)) {
		if (!place.is_named)
			return name_location(edit, location, &place, namer, ctx, result);
		return pprof_edit_is_lineless(edit, location) ? add_source(edit, location, &place, namer, ctx, result)
							      : 0;
	}
	result->unnamed += !place.is_named;
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
static void tell_location(struct pprof_edit *edit, const location_message *location)
{
	mapping_message *mapping;
	uint32_t index;

	mapping = pprof_edit_mapping_of(edit, location, &index);
	if (!mapping || !edit->counts[index].is_changed)
		return;
	for (size_t i = 0; i < location->n_line; i++) {
		const function_message *function = pprof_edit_function(edit, location->line[i]->function_id);

		mapping->has_filenames &= *pprof_edit_text(edit, function->filename) != '\0';
		mapping->has_line_numbers &= location->line[i]->line != 0;
		mapping->has_inline_frames |= i > 0;
	}
}

/* Of those that changed. */
static void tell_mappings(struct pprof_edit *edit)
{
	const profile_message *profile = edit->profile;

	for (size_t i = 0; i < profile->n_mapping; i++) {
		mapping_message *mapping = profile->mapping[i];

		if (!edit->counts[i].is_changed)
			continue;
		mapping->has_functions = mapping->has_filenames = mapping->has_line_numbers = !edit->counts[i].unnamed;
		mapping->has_inline_frames = false;
	}
	for (size_t i = 0; i < profile->n_location; i++)
		tell_location(edit, profile->location[i]);
	for (size_t i = 0; i < profile->n_mapping; i++)
		if (edit->counts[i].is_changed)
			profile->mapping[i]->has_inline_frames &=
				profile->mapping[i]->has_functions && profile->mapping[i]->has_line_numbers;
}

/* Locations by mapping and address: code that lies together is asked for together. */
struct place_key {
	uint64_t mapping_id, address;
	size_t location;
};

static int compare_places(const void *left, const void *right)
{
	const struct place_key *a = left, *b = right;

	if (a->mapping_id != b->mapping_id)
		return (a->mapping_id > b->mapping_id) - (a->mapping_id < b->mapping_id);
	if (a->address != b->address)
		return (a->address > b->address) - (a->address < b->address);
	return (a->location > b->location) - (a->location < b->location);
}

/* The caller frees. NULL: no memory. */
static struct place_key *sort_places(const profile_message *profile)
{
	struct place_key *places = malloc((profile->n_location + 1) * sizeof(*places));

	for (size_t i = 0; places && i < profile->n_location; i++)
		places[i] = (struct place_key){profile->location[i]->mapping_id, profile->location[i]->address, i};
	if (places && profile->n_location)
		qsort(places, profile->n_location, sizeof(*places), compare_places);
	return places;
}

int pprof_edit_name(struct pprof_edit *edit, pprof_namer namer, void *ctx, struct pprof_edit_result *ret)
{
	auto_free struct place_key *places = sort_places(edit->profile);
	int err = places ? 0 : -ENOMEM;

	*ret = (struct pprof_edit_result){0};
	for (size_t i = 0; i < edit->profile->n_location && !err; i++)
		err = ask_location(edit, edit->profile->location[places[i].location], namer, ctx, ret);
	if (err || !(ret->named || ret->lined))
		return err;
	tell_mappings(edit);
	return drop_unused_functions(edit);
}
