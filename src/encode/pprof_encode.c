/* SPDX-License-Identifier: Apache-2.0 */
/* A message of repeated fields may be written in pieces: the pieces put end to end are the whole message. So each
 * sample, location, function and string is packed as a Profile with that one element and goes through deflate to the
 * sink; what is held is one element and zlib's window.
 *
 *   samples in order of content ─► location ids 1, 2, … at first use ─► mappings, functions likewise ─► strings
 *
 * What no sample leads to is not written, and all ids follow from the order of the samples, hence from their content.
 * Mapping 1 stays the first one added: readers take it for the main executable. */
#include "encode/pprof_encode.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "encode/gzip.h"
#include "encode/profile.pb-c.h"
#include "encode/sink.h"
#include "profile/profile.h"

#define MAX_ELEMENT_BYTES (256u << 20)

/* Ids of the model to ids of the file, given out at first use. */
struct numbering {
	uint32_t *to;	/* by the model's id; 0: none yet */
	uint32_t *from; /* by the file's id */
	uint32_t last;
};

struct encoder {
	const struct profile *profile;
	uint32_t *order;
	struct numbering strings, functions, mappings, locations;
	struct buf packed;
	struct gzip gzip;
	/* One sample. */
	uint64_t location_ids[PROFILE_MAX_DEPTH];
	int64_t values[PROFILE_MAX_VALUES];
	Perftools__Profiles__Label labels[PROFILE_MAX_LABELS], *label_list[PROFILE_MAX_LABELS];
	/* One location. */
	Perftools__Profiles__Line lines[PROFILE_MAX_LINES], *line_list[PROFILE_MAX_LINES];
};

static int numbering_init(struct numbering *numbering, size_t max_id)
{
	numbering->to = calloc(max_id + 1, sizeof(*numbering->to));
	numbering->from = calloc(max_id + 1, sizeof(*numbering->from));
	return numbering->to && numbering->from ? 0 : -ENOMEM;
}

static void numbering_release(struct numbering *numbering)
{
	free(numbering->to);
	free(numbering->from);
}

/* 0 stays 0: no mapping, the empty string. */
static uint32_t number(struct numbering *numbering, uint32_t id)
{
	if (id && !numbering->to[id]) {
		numbering->to[id] = ++numbering->last;
		numbering->from[numbering->last] = id;
	}
	return numbering->to[id];
}

/* --- bytes -------------------------------------------------------------------------------------------------------- */

static int emit(struct encoder *encoder, const Perftools__Profiles__Profile *part)
{
	size_t size = perftools__profiles__profile__get_packed_size(part);

	buf_clear(&encoder->packed);
	if (!buf_reserve(&encoder->packed, size))
		return encoder->packed.err;
	perftools__profiles__profile__pack(part, encoder->packed.data);
	return gzip_add(&encoder->gzip, encoder->packed.data, size);
}

/* --- fields, in the order of their numbers
 * ---------------------------------------------------------------------------- */

static Perftools__Profiles__ValueType value_type(struct encoder *encoder, const struct profile_value_type *from)
{
	Perftools__Profiles__ValueType type = PERFTOOLS__PROFILES__VALUE_TYPE__INIT;

	type.type = number(&encoder->strings, from->type);
	type.unit = number(&encoder->strings, from->unit);
	return type;
}

static int emit_sample_types(struct encoder *encoder, const struct profile_header_view *header)
{
	int err = 0;

	for (size_t i = 0; !err && i < header->n_sample_types; i++) {
		Perftools__Profiles__Profile part = PERFTOOLS__PROFILES__PROFILE__INIT;
		Perftools__Profiles__ValueType type = value_type(encoder, &header->sample_types[i]), *list = &type;

		part.n_sample_type = 1;
		part.sample_type = &list;
		err = emit(encoder, &part);
	}
	return err;
}

static int emit_sample(struct encoder *encoder, uint32_t index, size_t n_values)
{
	Perftools__Profiles__Profile part = PERFTOOLS__PROFILES__PROFILE__INIT;
	Perftools__Profiles__Sample sample = PERFTOOLS__PROFILES__SAMPLE__INIT, *list = &sample;
	struct profile_sample_view view;

	profile_sample(encoder->profile, index, &view);
	for (size_t i = 0; i < view.n_locations; i++)
		encoder->location_ids[i] = number(&encoder->locations, view.locations[i]);
	memcpy(encoder->values, view.values, n_values * sizeof(*view.values));
	for (size_t i = 0; i < view.n_labels; i++) {
		struct profile_label_view label;

		profile_sample_label(encoder->profile, &view, i, &label);
		perftools__profiles__label__init(&encoder->labels[i]);
		encoder->labels[i].key = number(&encoder->strings, label.key);
		encoder->labels[i].str = number(&encoder->strings, label.str);
		encoder->labels[i].num = label.num;
		encoder->labels[i].num_unit = number(&encoder->strings, label.unit);
	}
	sample.n_location_id = view.n_locations;
	sample.location_id = encoder->location_ids;
	sample.n_value = n_values;
	sample.value = encoder->values;
	sample.n_label = view.n_labels;
	sample.label = encoder->label_list;
	part.n_sample = 1;
	part.sample = &list;
	return emit(encoder, &part);
}

static int emit_mapping(struct encoder *encoder, uint32_t id)
{
	Perftools__Profiles__Profile part = PERFTOOLS__PROFILES__PROFILE__INIT;
	Perftools__Profiles__Mapping mapping = PERFTOOLS__PROFILES__MAPPING__INIT, *list = &mapping;
	struct profile_mapping_view view;

	profile_mapping(encoder->profile, encoder->mappings.from[id], &view);
	mapping.id = id;
	mapping.memory_start = view.start;
	mapping.memory_limit = view.limit;
	mapping.file_offset = view.file_off;
	mapping.filename = number(&encoder->strings, view.file);
	mapping.build_id = number(&encoder->strings, view.build_id);
	mapping.has_functions = view.has_functions;
	mapping.has_filenames = view.has_filenames;
	mapping.has_line_numbers = view.has_line_numbers;
	mapping.has_inline_frames = view.has_inline_frames;
	part.n_mapping = 1;
	part.mapping = &list;
	return emit(encoder, &part);
}

static int emit_location(struct encoder *encoder, uint32_t id)
{
	Perftools__Profiles__Profile part = PERFTOOLS__PROFILES__PROFILE__INIT;
	Perftools__Profiles__Location location = PERFTOOLS__PROFILES__LOCATION__INIT, *list = &location;
	struct profile_location_view view;

	profile_location(encoder->profile, encoder->locations.from[id], &view);
	for (size_t i = 0; i < view.n_lines; i++) {
		perftools__profiles__line__init(&encoder->lines[i]);
		encoder->lines[i].function_id = number(&encoder->functions, view.lines[i].function);
		encoder->lines[i].line = view.lines[i].line;
		encoder->lines[i].column = view.lines[i].column;
	}
	location.id = id;
	location.mapping_id = number(&encoder->mappings, view.mapping);
	location.address = view.address;
	location.n_line = view.n_lines;
	location.line = encoder->line_list;
	part.n_location = 1;
	part.location = &list;
	return emit(encoder, &part);
}

static int emit_function(struct encoder *encoder, uint32_t id)
{
	Perftools__Profiles__Profile part = PERFTOOLS__PROFILES__PROFILE__INIT;
	Perftools__Profiles__Function function = PERFTOOLS__PROFILES__FUNCTION__INIT, *list = &function;
	struct profile_function_view view;

	profile_function(encoder->profile, encoder->functions.from[id], &view);
	function.id = id;
	function.name = number(&encoder->strings, view.name);
	function.system_name = number(&encoder->strings, view.system_name);
	function.filename = number(&encoder->strings, view.file);
	function.start_line = view.start_line;
	part.n_function = 1;
	part.function = &list;
	return emit(encoder, &part);
}

static int emit_string(struct encoder *encoder, uint32_t id)
{
	Perftools__Profiles__Profile part = PERFTOOLS__PROFILES__PROFILE__INIT;
	char *str = (char *)profile_string(encoder->profile, encoder->strings.from[id], NULL);

	part.n_string_table = 1;
	part.string_table = &str;
	return emit(encoder, &part);
}

/* Mappings come before the locations that say which ones are used. */
static void number_mappings(struct encoder *encoder)
{
	if (profile_mappings(encoder->profile))
		number(&encoder->mappings, 1);
	for (uint32_t id = 1; id <= encoder->locations.last; id++) {
		struct profile_location_view view;

		profile_location(encoder->profile, encoder->locations.from[id], &view);
		number(&encoder->mappings, view.mapping);
	}
}

static int emit_all(struct encoder *encoder)
{
	Perftools__Profiles__Profile tail = PERFTOOLS__PROFILES__PROFILE__INIT;
	Perftools__Profiles__ValueType period_type;
	struct profile_header_view header;
	int64_t *comments;
	int err;

	profile_header(encoder->profile, &header);
	comments = calloc(header.n_comments + 1, sizeof(*comments));
	if (!comments)
		return -ENOMEM;
	err = emit_sample_types(encoder, &header);
	for (size_t i = 0; !err && i < profile_samples(encoder->profile); i++)
		err = emit_sample(encoder, encoder->order[i], header.n_sample_types);
	number_mappings(encoder);
	for (uint32_t id = 1; !err && id <= encoder->mappings.last; id++)
		err = emit_mapping(encoder, id);
	for (uint32_t id = 1; !err && id <= encoder->locations.last; id++)
		err = emit_location(encoder, id);
	for (uint32_t id = 1; !err && id <= encoder->functions.last; id++)
		err = emit_function(encoder, id);
	/* The rest comes behind the strings that it names. */
	tail.time_nanos = header.start_wall_ns;
	tail.duration_nanos = header.duration_ns;
	period_type = value_type(encoder, &header.period_type);
	if (period_type.type || period_type.unit)
		tail.period_type = &period_type;
	tail.period = header.period;
	for (size_t i = 0; i < header.n_comments; i++)
		comments[i] = number(&encoder->strings, header.comments[i]);
	tail.n_comment = header.n_comments;
	tail.comment = comments;
	tail.default_sample_type = number(&encoder->strings, header.default_sample_type);
	for (uint32_t id = 0; !err && id <= encoder->strings.last; id++)
		err = emit_string(encoder, id);
	if (!err)
		err = emit(encoder, &tail);
	free(comments);
	return err;
}

static int encoder_init(struct encoder *encoder, const struct profile *profile)
{
	int err;

	encoder->profile = profile;
	buf_init(&encoder->packed, MAX_ELEMENT_BYTES);
	for (size_t i = 0; i < PROFILE_MAX_LABELS; i++)
		encoder->label_list[i] = &encoder->labels[i];
	for (size_t i = 0; i < PROFILE_MAX_LINES; i++)
		encoder->line_list[i] = &encoder->lines[i];
	err = profile_order(profile, &encoder->order);
	if (!err)
		err = numbering_init(&encoder->strings, profile_strings(profile));
	if (!err)
		err = numbering_init(&encoder->functions, profile_functions(profile));
	if (!err)
		err = numbering_init(&encoder->mappings, profile_mappings(profile));
	if (!err)
		err = numbering_init(&encoder->locations, profile_locations(profile));
	return err;
}

int pprof_encode(const struct profile *profile, const struct sink *sink)
{
	struct encoder *encoder = calloc(1, sizeof(*encoder));
	int err = encoder ? encoder_init(encoder, profile) : -ENOMEM;

	if (err)
		goto fail;
	err = gzip_begin(&encoder->gzip, sink);
	if (err)
		goto fail;
	err = emit_all(encoder);
	if (!err)
		err = gzip_finish(&encoder->gzip);
	gzip_release(&encoder->gzip);
fail:
	if (encoder) {
		free(encoder->order);
		numbering_release(&encoder->strings);
		numbering_release(&encoder->functions);
		numbering_release(&encoder->mappings);
		numbering_release(&encoder->locations);
		buf_release(&encoder->packed);
	}
	free(encoder);
	return err;
}
