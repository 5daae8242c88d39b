/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of rows that refer to each other by id, as in the file format:
 *
 *   samples ──► location_ids ──► locations ──► lines ──► functions ──► strings
 *      │                             └───────► mappings ─────────────────┘ ▲
 *      └─────► labels ────────────────────────────────────────────────────┘
 *
 * Rows of one size (functions, mappings) are found again by a map from their bytes to the id. Rows that hold a list
 * (locations, samples) are found by the hash of their content, equal hashes being chained through `next`. What lists
 * hold lies end to end in one array for all rows, so that a sample costs no allocation of its own.
 *
 * Nothing is ever removed, so ids and, in the order of addition, indexes stay valid. The order that depends on content
 * alone is made when asked for: see profile_order(). */
#include "profile/profile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/intern.h"
#include "base/map.h"
#include "base/text.h"
#include "base/vec.h"

#define MAX_COMMENTS 4096

struct function_row {
	uint32_t name, system_name, file, pad;
	int64_t start_line;
};

struct mapping_row {
	uint64_t start, limit, file_off;
	uint32_t file, build_id;
};

/* Of how many locations of a mapping is it known? */
struct mapping_detail {
	uint32_t locations, with_function, with_file, with_line, with_inline;
};

struct location_row {
	uint64_t address;
	uint32_t mapping, first_line, n_lines;
	uint32_t next; /* id of equal hash, or 0 */
};

struct sample_row {
	size_t first_location, first_label;
	uint16_t n_locations, n_labels;
	uint32_t next; /* index + 1 of equal hash, or 0 */
};

struct function_vec VEC(struct function_row);
struct mapping_vec VEC(struct mapping_row);
struct detail_vec VEC(struct mapping_detail);
struct line_vec VEC(struct profile_line);
struct location_vec VEC(struct location_row);
struct sample_vec VEC(struct sample_row);
struct id_vec VEC(uint32_t);
struct value_vec VEC(int64_t);
struct label_vec VEC(struct profile_label_view);

struct profile {
	size_t max_bytes;
	struct intern *strings;
	struct buf scratch; /* a string made clean, or the bytes whose hash is taken */

	struct profile_value_type sample_types[PROFILE_MAX_VALUES];
	size_t n_sample_types;
	struct profile_value_type period_type;
	int64_t period, start_wall_ns, duration_ns;
	uint32_t default_sample_type;
	struct id_vec comments;

	struct function_vec functions;
	struct map function_ids; /* function_row -> uint32_t */
	struct mapping_vec mappings;
	struct detail_vec mapping_details;
	struct map mapping_ids; /* mapping_row -> uint32_t */
	struct location_vec locations;
	struct line_vec lines;
	struct map locations_by_hash; /* uint64_t -> id of the newest */
	struct sample_vec samples;
	struct id_vec location_ids;
	struct label_vec labels;
	struct value_vec values;    /* n_sample_types of each sample */
	struct map samples_by_hash; /* uint64_t -> index + 1 of the newest */
};

int profile_new(const struct profile_limits *limits, struct profile **ret)
{
	struct profile *profile = calloc(1, sizeof(*profile));
	int err = -ENOMEM;

	if (!profile)
		return err;
	profile->max_bytes = limits->max_bytes;
	buf_init(&profile->scratch, limits->max_bytes);
	err = intern_new(UINT32_MAX - 1, limits->max_bytes, &profile->strings);
	if (err)
		goto fail;
	/* Bounded in bytes, by room_for(); ids must fit all the same. */
	vec_init(&profile->comments, MAX_COMMENTS);
	vec_init(&profile->functions, UINT32_MAX - 1);
	vec_init(&profile->mappings, UINT32_MAX - 1);
	vec_init(&profile->mapping_details, UINT32_MAX - 1);
	vec_init(&profile->locations, UINT32_MAX - 1);
	vec_init(&profile->lines, UINT32_MAX - 1);
	vec_init(&profile->samples, UINT32_MAX - 1);
	vec_init(&profile->location_ids, SIZE_MAX / sizeof(uint32_t));
	vec_init(&profile->labels, SIZE_MAX / sizeof(struct profile_label_view));
	vec_init(&profile->values, SIZE_MAX / sizeof(int64_t));
	map_init(&profile->function_ids, sizeof(struct function_row), sizeof(uint32_t), UINT32_MAX - 1);
	map_init(&profile->mapping_ids, sizeof(struct mapping_row), sizeof(uint32_t), UINT32_MAX - 1);
	map_init(&profile->locations_by_hash, sizeof(uint64_t), sizeof(uint32_t), UINT32_MAX - 1);
	map_init(&profile->samples_by_hash, sizeof(uint64_t), sizeof(uint32_t), UINT32_MAX - 1);
	*ret = profile;
	return 0;
fail:
	profile_free(profile);
	return err;
}

size_t profile_limit(const struct profile *profile)
{
	return profile->max_bytes;
}

void profile_set_limit(struct profile *profile, size_t max_bytes)
{
	profile->max_bytes = max_bytes;
}

void profile_free(struct profile *profile)
{
	if (!profile)
		return;
	intern_free(profile->strings);
	buf_release(&profile->scratch);
	vec_release(&profile->comments);
	vec_release(&profile->functions);
	vec_release(&profile->mappings);
	vec_release(&profile->mapping_details);
	vec_release(&profile->locations);
	vec_release(&profile->lines);
	vec_release(&profile->samples);
	vec_release(&profile->location_ids);
	vec_release(&profile->labels);
	vec_release(&profile->values);
	map_release(&profile->function_ids);
	map_release(&profile->mapping_ids);
	map_release(&profile->locations_by_hash);
	map_release(&profile->samples_by_hash);
	free(profile);
}

/* --- the byte limit ------------------------------------------------------------------------------------------------
 */

#define vec_bytes(v) ((v)->cap * sizeof(*(v)->items))

size_t profile_memory_bytes(const struct profile *profile)
{
	return sizeof(*profile) + intern_memory_bytes(profile->strings) + profile->scratch.cap +
	       vec_bytes(&profile->comments) + vec_bytes(&profile->functions) + vec_bytes(&profile->mappings) +
	       vec_bytes(&profile->mapping_details) + vec_bytes(&profile->locations) + vec_bytes(&profile->lines) +
	       vec_bytes(&profile->samples) + vec_bytes(&profile->location_ids) + vec_bytes(&profile->labels) +
	       vec_bytes(&profile->values) + map_memory_bytes(&profile->function_ids) +
	       map_memory_bytes(&profile->mapping_ids) + map_memory_bytes(&profile->locations_by_hash) +
	       map_memory_bytes(&profile->samples_by_hash);
}

static bool may_take(const struct profile *profile, size_t bytes)
{
	size_t taken = profile_memory_bytes(profile);

	return taken <= profile->max_bytes && bytes <= profile->max_bytes - taken;
}

/* May an array grow to `need`? It doubles, and the old one is there until the new one is filled. */
static bool room_for(const struct profile *profile, size_t cap, size_t need, size_t item_size)
{
	return need <= cap || may_take(profile, 2 * need * item_size);
}

#define reserve(profile, v, n)                                                                                         \
	(room_for((profile), (v)->cap, (v)->len + (n), sizeof(*(v)->items)) ? vec_reserve((v), (v)->len + (n)) : -E2BIG)

/* To an array that has room. */
#define append(v, item) ((void)((v)->items[(v)->len++] = (item)))

/* As map_insert(); the table doubles when it is three quarters full. */
static int insert(const struct profile *profile, struct map *map, const void *key, uint32_t **ret)
{
	void *value;
	int err;

	if (map->len >= map->cap / 4 * 3 && !may_take(profile, (2 * map->cap + 16) * (map->slot_size + 1)))
		return -E2BIG;
	err = map_insert(map, key, &value, NULL);
	if (!err)
		*ret = value;
	return err;
}

/* --- strings and header ----------------------------------------------------------------------------------------------
 */

static bool is_printable_ascii(const char *str, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (str[i] < 0x20 || str[i] == 0x7f)
			return false;
	return true;
}

static int add_string(struct profile *profile, const char *str, uint32_t *ret)
{
	size_t len = str ? strlen(str) : 0;
	int err;

	/* The interned strings may double their tables; cleaning makes three bytes of one. */
	if (len && !may_take(profile, intern_memory_bytes(profile->strings) + 4 * len))
		return -E2BIG;
	if (is_printable_ascii(str, len))
		return intern_add(profile->strings, str, len, ret);
	buf_clear(&profile->scratch);
	err = text_append_utf8(&profile->scratch, str, len);
	if (err)
		return err;
	return intern_add(profile->strings, (const char *)profile->scratch.data, profile->scratch.len, ret);
}

static int add_value_type(struct profile *profile, const char *type, const char *unit, struct profile_value_type *ret)
{
	struct profile_value_type value_type;
	int err = add_string(profile, type, &value_type.type);

	if (!err)
		err = add_string(profile, unit, &value_type.unit);
	if (!err)
		*ret = value_type;
	return err;
}

int profile_add_sample_type(struct profile *profile, const char *type, const char *unit)
{
	int err;

	if (profile->samples.len)
		return -EINVAL;
	if (profile->n_sample_types == PROFILE_MAX_VALUES)
		return -E2BIG;
	err = add_value_type(profile, type, unit, &profile->sample_types[profile->n_sample_types]);
	if (!err)
		profile->n_sample_types++;
	return err;
}

int profile_set_period(struct profile *profile, const char *type, const char *unit, int64_t period)
{
	int err = add_value_type(profile, type, unit, &profile->period_type);

	if (!err)
		profile->period = period;
	return err;
}

void profile_set_time(struct profile *profile, int64_t start_wall_ns, int64_t duration_ns)
{
	profile->start_wall_ns = start_wall_ns;
	profile->duration_ns = duration_ns;
}

int profile_set_default_sample_type(struct profile *profile, const char *type)
{
	return add_string(profile, type, &profile->default_sample_type);
}

int profile_add_comment(struct profile *profile, const char *text)
{
	uint32_t id;
	int err = add_string(profile, text, &id);

	if (!err)
		err = reserve(profile, &profile->comments, 1);
	if (!err)
		append(&profile->comments, id);
	return err;
}

/* --- functions, mappings, locations
 * ------------------------------------------------------------------------------------ */

int profile_add_function(struct profile *profile, const struct profile_function *function, uint32_t *ret_id)
{
	struct function_row row = {.start_line = function->start_line};
	uint32_t *id;
	int err = add_string(profile, function->name, &row.name);

	if (!err)
		err = add_string(profile, function->system_name, &row.system_name);
	if (!err)
		err = add_string(profile, function->file, &row.file);
	if (err)
		return err;
	id = map_find(&profile->function_ids, &row);
	if (!id) {
		err = reserve(profile, &profile->functions, 1);
		if (!err)
			err = insert(profile, &profile->function_ids, &row, &id);
		if (err)
			return err;
		append(&profile->functions, row);
		*id = (uint32_t)profile->functions.len;
	}
	*ret_id = *id;
	return 0;
}

int profile_add_mapping(struct profile *profile, const struct profile_mapping *mapping, uint32_t *ret_id)
{
	struct mapping_row row = {.start = mapping->start, .limit = mapping->limit, .file_off = mapping->file_off};
	uint32_t *id;
	int err = add_string(profile, mapping->file, &row.file);

	if (!err)
		err = add_string(profile, mapping->build_id, &row.build_id);
	if (err)
		return err;
	id = map_find(&profile->mapping_ids, &row);
	if (!id) {
		err = reserve(profile, &profile->mappings, 1);
		if (!err)
			err = reserve(profile, &profile->mapping_details, 1);
		if (!err)
			err = insert(profile, &profile->mapping_ids, &row, &id);
		if (err)
			return err;
		append(&profile->mappings, row);
		append(&profile->mapping_details, (struct mapping_detail){0});
		*id = (uint32_t)profile->mappings.len;
	}
	*ret_id = *id;
	return 0;
}

static bool are_known_functions(const struct profile *profile, const struct profile_line *lines, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!lines[i].function || lines[i].function > profile->functions.len)
			return false;
	return true;
}

static bool is_same_location(const struct profile *profile, const struct location_row *row, uint32_t mapping,
			     uint64_t address, const struct profile_line *lines, size_t n_lines)
{
	if (row->mapping != mapping || row->address != address || row->n_lines != n_lines)
		return false;
	for (size_t i = 0; i < n_lines; i++) {
		const struct profile_line *own = &profile->lines.items[row->first_line + i];

		if (own->function != lines[i].function || own->line != lines[i].line || own->column != lines[i].column)
			return false;
	}
	return true;
}

/* Field by field: the padding of structs is not content. */
static int hash_location(struct profile *profile, uint32_t mapping, uint64_t address, const struct profile_line *lines,
			 size_t n_lines, uint64_t *ret)
{
	struct buf *key = &profile->scratch;

	buf_clear(key);
	buf_append(key, &mapping, sizeof(mapping));
	buf_append(key, &address, sizeof(address));
	for (size_t i = 0; i < n_lines; i++) {
		buf_append(key, &lines[i].function, sizeof(lines[i].function));
		buf_append(key, &lines[i].line, sizeof(lines[i].line));
		buf_append(key, &lines[i].column, sizeof(lines[i].column));
	}
	if (key->err)
		return key->err;
	*ret = hash_bytes(key->data, key->len);
	return 0;
}

static void count_detail(struct profile *profile, uint32_t mapping, const struct profile_line *lines, size_t n_lines)
{
	struct mapping_detail *detail = &profile->mapping_details.items[mapping - 1];
	size_t functions = 0, files = 0, numbers = 0;

	for (size_t i = 0; i < n_lines; i++) {
		const struct function_row *function = &profile->functions.items[lines[i].function - 1];

		functions += function->name && function->system_name;
		files += function->file != 0;
		numbers += lines[i].line > 0;
	}
	detail->locations++;
	detail->with_function += n_lines && functions == n_lines;
	detail->with_file += n_lines && files == n_lines;
	detail->with_line += n_lines && numbers == n_lines;
	detail->with_inline += n_lines > 1;
}

int profile_add_location(struct profile *profile, uint32_t mapping, uint64_t address, const struct profile_line *lines,
			 size_t n_lines, uint32_t *ret_id)
{
	struct location_row *row;
	uint32_t *newest;
	uint64_t hash;
	int err;

	if (mapping > profile->mappings.len || n_lines > PROFILE_MAX_LINES ||
	    !are_known_functions(profile, lines, n_lines))
		return -EINVAL;
	err = hash_location(profile, mapping, address, lines, n_lines, &hash);
	if (err)
		return err;
	newest = map_find(&profile->locations_by_hash, &hash);
	for (uint32_t id = newest ? *newest : 0; id; id = profile->locations.items[id - 1].next)
		if (is_same_location(profile, &profile->locations.items[id - 1], mapping, address, lines, n_lines)) {
			*ret_id = id;
			return 0;
		}
	err = reserve(profile, &profile->locations, 1);
	if (!err)
		err = reserve(profile, &profile->lines, n_lines);
	if (!err)
		err = insert(profile, &profile->locations_by_hash, &hash, &newest);
	if (err)
		return err;
	row = &profile->locations.items[profile->locations.len++];
	*row = (struct location_row){.address = address,
				     .mapping = mapping,
				     .first_line = (uint32_t)profile->lines.len,
				     .n_lines = (uint32_t)n_lines,
				     .next = *newest};
	for (size_t i = 0; i < n_lines; i++)
		append(&profile->lines, lines[i]);
	if (mapping)
		count_detail(profile, mapping, lines, n_lines);
	*newest = *ret_id = (uint32_t)profile->locations.len;
	return 0;
}

/* --- samples
 * ----------------------------------------------------------------------------------------------------------- */

static int compare_numbers(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int compare_signed(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}

static int compare_strings(const struct profile *profile, uint32_t a, uint32_t b)
{
	return a == b ? 0 : strcmp(intern_str(profile->strings, a), intern_str(profile->strings, b));
}

static int compare_labels(const struct profile *profile, const struct profile_label_view *a,
			  const struct profile_label_view *b)
{
	int order = compare_strings(profile, a->key, b->key);

	if (!order)
		order = compare_strings(profile, a->str, b->str);
	if (!order)
		order = compare_signed(a->num, b->num);
	if (!order)
		order = compare_strings(profile, a->unit, b->unit);
	return order;
}

/* Labels with their strings interned, in the order of their content: a set of labels has one form. */
static int intern_labels(struct profile *profile, const struct profile_label *labels, size_t n_labels,
			 struct profile_label_view *ret, size_t *ret_n)
{
	size_t n = 0;

	for (size_t i = 0; i < n_labels; i++) {
		struct profile_label_view label = {.num = labels[i].str ? 0 : labels[i].num};
		size_t at = n;
		int err = add_string(profile, labels[i].key, &label.key);

		if (!err)
			err = add_string(profile, labels[i].str, &label.str);
		if (!err && !labels[i].str)
			err = add_string(profile, labels[i].unit, &label.unit);
		if (err)
			return err;
		/* Readers of the format take it for no label. */
		if (!label.str && !label.num && !label.unit)
			continue;
		for (; at && compare_labels(profile, &ret[at - 1], &label) > 0; at--)
			ret[at] = ret[at - 1];
		ret[at] = label;
		n++;
	}
	*ret_n = n;
	return 0;
}

static int hash_sample(struct profile *profile, const uint32_t *locations, size_t n_locations,
		       const struct profile_label_view *labels, size_t n_labels, uint64_t *ret)
{
	struct buf *key = &profile->scratch;

	buf_clear(key);
	buf_append(key, locations, n_locations * sizeof(*locations));
	for (size_t i = 0; i < n_labels; i++) {
		buf_append(key, &labels[i].key, sizeof(labels[i].key));
		buf_append(key, &labels[i].str, sizeof(labels[i].str));
		buf_append(key, &labels[i].unit, sizeof(labels[i].unit));
		buf_append(key, &labels[i].num, sizeof(labels[i].num));
	}
	if (key->err)
		return key->err;
	*ret = hash_bytes(key->data, key->len);
	return 0;
}

static bool is_same_sample(const struct profile *profile, const struct sample_row *row, const uint32_t *locations,
			   size_t n_locations, const struct profile_label_view *labels, size_t n_labels)
{
	if (row->n_locations != n_locations || row->n_labels != n_labels ||
	    memcmp(profile->location_ids.items + row->first_location, locations, n_locations * sizeof(*locations)) != 0)
		return false;
	for (size_t i = 0; i < n_labels; i++)
		if (compare_labels(profile, &profile->labels.items[row->first_label + i], &labels[i]))
			return false;
	return true;
}

static void add_values(const struct profile *profile, size_t sample, const int64_t *values)
{
	int64_t *sums = profile->values.items + sample * profile->n_sample_types;

	for (size_t i = 0; i < profile->n_sample_types; i++)
		if (__builtin_add_overflow(sums[i], values[i], &sums[i]))
			sums[i] = values[i] < 0 ? INT64_MIN : INT64_MAX;
}

static bool is_valid_stack(const struct profile *profile, const uint32_t *locations, size_t n)
{
	if (!n || n > PROFILE_MAX_DEPTH)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!locations[i] || locations[i] > profile->locations.len)
			return false;
	return true;
}

/* Makes room for one more sample, so that adding it cannot fail halfway. */
static int reserve_sample(struct profile *profile, size_t n_locations, size_t n_labels)
{
	int err = reserve(profile, &profile->samples, 1);

	if (!err)
		err = reserve(profile, &profile->location_ids, n_locations);
	if (!err)
		err = reserve(profile, &profile->labels, n_labels);
	if (!err)
		err = reserve(profile, &profile->values, profile->n_sample_types);
	return err;
}

int profile_add_sample(struct profile *profile, const uint32_t *locations, size_t n_locations,
		       const struct profile_label *labels, size_t n_labels, const int64_t *values)
{
	struct profile_label_view interned[PROFILE_MAX_LABELS];
	struct sample_row *row;
	uint32_t *newest;
	uint64_t hash;
	int err;

	if (!profile->n_sample_types || n_labels > PROFILE_MAX_LABELS ||
	    !is_valid_stack(profile, locations, n_locations))
		return -EINVAL;
	err = intern_labels(profile, labels, n_labels, interned, &n_labels);
	if (!err)
		err = hash_sample(profile, locations, n_locations, interned, n_labels, &hash);
	if (err)
		return err;
	newest = map_find(&profile->samples_by_hash, &hash);
	for (uint32_t id = newest ? *newest : 0; id; id = profile->samples.items[id - 1].next)
		if (is_same_sample(profile, &profile->samples.items[id - 1], locations, n_locations, interned,
				   n_labels)) {
			add_values(profile, id - 1, values);
			return 0;
		}
	err = reserve_sample(profile, n_locations, n_labels);
	if (!err)
		err = insert(profile, &profile->samples_by_hash, &hash, &newest);
	if (err)
		return err;
	row = &profile->samples.items[profile->samples.len++];
	*row = (struct sample_row){.first_location = profile->location_ids.len,
				   .first_label = profile->labels.len,
				   .n_locations = (uint16_t)n_locations,
				   .n_labels = (uint16_t)n_labels,
				   .next = *newest};
	for (size_t i = 0; i < n_locations; i++)
		append(&profile->location_ids, locations[i]);
	for (size_t i = 0; i < n_labels; i++)
		append(&profile->labels, interned[i]);
	for (size_t i = 0; i < profile->n_sample_types; i++)
		append(&profile->values, values[i]);
	*newest = (uint32_t)profile->samples.len;
	return 0;
}

/* --- reading
 * ------------------------------------------------------------------------------------------------------------- */

const char *profile_string(const struct profile *profile, uint32_t id, size_t *len)
{
	if (len)
		*len = intern_len(profile->strings, id);
	return intern_str(profile->strings, id);
}

uint32_t profile_strings(const struct profile *profile)
{
	return intern_count(profile->strings);
}

void profile_header(const struct profile *profile, struct profile_header_view *ret)
{
	*ret = (struct profile_header_view){.sample_types = profile->sample_types,
					    .n_sample_types = profile->n_sample_types,
					    .period_type = profile->period_type,
					    .period = profile->period,
					    .start_wall_ns = profile->start_wall_ns,
					    .duration_ns = profile->duration_ns,
					    .default_sample_type = profile->default_sample_type,
					    .comments = profile->comments.items,
					    .n_comments = profile->comments.len};
}

size_t profile_samples(const struct profile *profile)
{
	return profile->samples.len;
}

size_t profile_functions(const struct profile *profile)
{
	return profile->functions.len;
}

size_t profile_mappings(const struct profile *profile)
{
	return profile->mappings.len;
}

size_t profile_locations(const struct profile *profile)
{
	return profile->locations.len;
}

void profile_sample(const struct profile *profile, size_t index, struct profile_sample_view *ret)
{
	const struct sample_row *row = &profile->samples.items[index];

	*ret = (struct profile_sample_view){.locations = profile->location_ids.items + row->first_location,
					    .n_locations = row->n_locations,
					    .values = profile->values.items + index * profile->n_sample_types,
					    .n_labels = row->n_labels,
					    .labels = row->n_labels ? profile->labels.items + row->first_label : NULL};
}

void profile_sample_label(const struct profile *profile, const struct profile_sample_view *sample, size_t index,
			  struct profile_label_view *ret)
{
	const struct profile_label_view *labels = sample->labels;

	(void)profile;
	*ret = labels[index];
}

void profile_function(const struct profile *profile, uint32_t id, struct profile_function_view *ret)
{
	const struct function_row *row = &profile->functions.items[id - 1];

	*ret = (struct profile_function_view){
		.name = row->name, .system_name = row->system_name, .file = row->file, .start_line = row->start_line};
}

void profile_mapping(const struct profile *profile, uint32_t id, struct profile_mapping_view *ret)
{
	const struct mapping_row *row = &profile->mappings.items[id - 1];
	const struct mapping_detail *detail = &profile->mapping_details.items[id - 1];

	*ret = (struct profile_mapping_view){
		.start = row->start,
		.limit = row->limit,
		.file_off = row->file_off,
		.file = row->file,
		.build_id = row->build_id,
		.has_functions = detail->locations && detail->with_function == detail->locations,
		.has_filenames = detail->locations && detail->with_file == detail->locations,
		.has_line_numbers = detail->locations && detail->with_line == detail->locations,
	};
	ret->has_inline_frames = ret->has_functions && ret->has_line_numbers && detail->with_inline;
}

void profile_location(const struct profile *profile, uint32_t id, struct profile_location_view *ret)
{
	const struct location_row *row = &profile->locations.items[id - 1];

	*ret = (struct profile_location_view){.mapping = row->mapping,
					      .address = row->address,
					      .lines = row->n_lines ? profile->lines.items + row->first_line : NULL,
					      .n_lines = row->n_lines};
}

/* --- order by content
 * ---------------------------------------------------------------------------------------------------- */

/* Each table is sorted by the ranks of those below it, so that strings are compared once and samples by numbers. Equal
 * rows do not exist, so an order is total. */
struct ranks {
	const struct profile *profile;
	uint32_t *string, *function, *mapping, *location; /* by id; of mappings and functions [0] is "none" */
};

typedef int (*compare_ids)(const void *a, const void *b, void *ranks);

static int compare_string_ids(const void *a, const void *b, void *ctx)
{
	const struct ranks *ranks = ctx;

	return compare_strings(ranks->profile, *(const uint32_t *)a, *(const uint32_t *)b);
}

static int compare_function_ids(const void *a, const void *b, void *ctx)
{
	const struct ranks *ranks = ctx;
	const struct function_row *left = &ranks->profile->functions.items[*(const uint32_t *)a - 1];
	const struct function_row *right = &ranks->profile->functions.items[*(const uint32_t *)b - 1];
	int order = compare_numbers(ranks->string[left->name], ranks->string[right->name]);

	if (!order)
		order = compare_numbers(ranks->string[left->system_name], ranks->string[right->system_name]);
	if (!order)
		order = compare_numbers(ranks->string[left->file], ranks->string[right->file]);
	return order ? order : compare_signed(left->start_line, right->start_line);
}

static int compare_mapping_ids(const void *a, const void *b, void *ctx)
{
	const struct ranks *ranks = ctx;
	const struct mapping_row *left = &ranks->profile->mappings.items[*(const uint32_t *)a - 1];
	const struct mapping_row *right = &ranks->profile->mappings.items[*(const uint32_t *)b - 1];
	int order = compare_numbers(ranks->string[left->file], ranks->string[right->file]);

	if (!order)
		order = compare_numbers(left->start, right->start);
	if (!order)
		order = compare_numbers(left->limit, right->limit);
	if (!order)
		order = compare_numbers(left->file_off, right->file_off);
	return order ? order : compare_numbers(ranks->string[left->build_id], ranks->string[right->build_id]);
}

static int compare_lines(const struct ranks *ranks, const struct profile_line *a, const struct profile_line *b)
{
	int order = compare_numbers(ranks->function[a->function], ranks->function[b->function]);

	if (!order)
		order = compare_signed(a->line, b->line);
	return order ? order : compare_signed(a->column, b->column);
}

static int compare_location_ids(const void *a, const void *b, void *ctx)
{
	const struct ranks *ranks = ctx;
	const struct location_row *left = &ranks->profile->locations.items[*(const uint32_t *)a - 1];
	const struct location_row *right = &ranks->profile->locations.items[*(const uint32_t *)b - 1];
	const struct profile_line *lines = ranks->profile->lines.items;
	int order = 0;

	/* Outermost first, as the whole sample goes from the root. */
	for (uint32_t i = 1; !order && i <= left->n_lines && i <= right->n_lines; i++)
		order = compare_lines(ranks, &lines[left->first_line + left->n_lines - i],
				      &lines[right->first_line + right->n_lines - i]);
	if (!order)
		order = compare_numbers(left->n_lines, right->n_lines);
	if (!order)
		order = compare_numbers(ranks->mapping[left->mapping], ranks->mapping[right->mapping]);
	return order ? order : compare_numbers(left->address, right->address);
}

static int compare_sample_indexes(const void *a, const void *b, void *ctx)
{
	const struct ranks *ranks = ctx;
	const struct profile *profile = ranks->profile;
	const struct sample_row *left = &profile->samples.items[*(const uint32_t *)a];
	const struct sample_row *right = &profile->samples.items[*(const uint32_t *)b];
	const uint32_t *left_end = profile->location_ids.items + left->first_location + left->n_locations;
	const uint32_t *right_end = profile->location_ids.items + right->first_location + right->n_locations;
	int order = 0;

	for (size_t i = 1; !order && i <= left->n_locations && i <= right->n_locations; i++)
		order = compare_numbers(ranks->location[*(left_end - i)], ranks->location[*(right_end - i)]);
	if (!order)
		order = compare_numbers(left->n_locations, right->n_locations);
	for (size_t i = 0; !order && i < left->n_labels && i < right->n_labels; i++)
		order = compare_labels(profile, &profile->labels.items[left->first_label + i],
				       &profile->labels.items[right->first_label + i]);
	return order ? order : compare_numbers(left->n_labels, right->n_labels);
}

/* The n ids from `first` on, sorted. */
static int sort_ids(struct ranks *ranks, uint32_t first, size_t n, compare_ids compare, uint32_t **ret)
{
	uint32_t *order = calloc(n + 1, sizeof(*order));

	if (!order)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		order[i] = first + (uint32_t)i;
	qsort_r(order, n, sizeof(*order), compare, ranks);
	*ret = order;
	return 0;
}

/* By id, where it stands in the order. */
static int rank_ids(struct ranks *ranks, uint32_t first, size_t n, compare_ids compare, uint32_t **ret)
{
	uint32_t *rank = calloc(first + n, sizeof(*rank)), *order = NULL;
	int err = rank ? sort_ids(ranks, first, n, compare, &order) : -ENOMEM;

	if (err) {
		free(rank);
		return err;
	}
	for (size_t i = 0; i < n; i++)
		rank[order[i]] = first + (uint32_t)i;
	free(order);
	*ret = rank;
	return 0;
}

int profile_order(const struct profile *profile, uint32_t **ret)
{
	struct ranks ranks = {.profile = profile};
	int err = rank_ids(&ranks, 0, profile_strings(profile), compare_string_ids, &ranks.string);

	if (!err)
		err = rank_ids(&ranks, 1, profile->functions.len, compare_function_ids, &ranks.function);
	if (!err)
		err = rank_ids(&ranks, 1, profile->mappings.len, compare_mapping_ids, &ranks.mapping);
	if (!err)
		err = rank_ids(&ranks, 1, profile->locations.len, compare_location_ids, &ranks.location);
	if (!err)
		err = sort_ids(&ranks, 0, profile->samples.len, compare_sample_indexes, ret);
	free(ranks.string);
	free(ranks.function);
	free(ranks.mapping);
	free(ranks.location);
	return err;
}
