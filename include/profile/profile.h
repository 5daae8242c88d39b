/* SPDX-License-Identifier: Apache-2.0 */
/* The pprof-shaped model of a profile (profile.proto of google/pprof): strings, functions, mappings, locations,
 * samples. It imports nothing and everything imports it. Ids given out are dense from 1; 0 is "none". Equal things are
 * one thing. All strings become valid UTF-8 when they enter. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct profile;

#define PROFILE_MAX_LINES 128  /* of one location */
#define PROFILE_MAX_DEPTH 1024 /* locations of one sample */
#define PROFILE_MAX_LABELS 32  /* of one sample */
#define PROFILE_MAX_VALUES 4

struct profile_limits {
	size_t max_bytes; /* memory of the model; -E2BIG beyond */
};

int profile_new(const struct profile_limits *limits, struct profile **ret);
void profile_free(struct profile *profile);
size_t profile_limit(const struct profile *profile);
/* For what is added from now on. */
void profile_set_limit(struct profile *profile, size_t max_bytes);

/* All that add: 0; -E2BIG, the limit; -ENOMEM; -EINVAL, an id that was not given out, or too many of something. What
 * failed has changed nothing that is read back. */

/* Header. Sample types in order; at least one before the first sample, none after it. */
int profile_add_sample_type(struct profile *profile, const char *type, const char *unit);
int profile_set_period(struct profile *profile, const char *type, const char *unit, int64_t period);
void profile_set_time(struct profile *profile, int64_t start_wall_ns, int64_t duration_ns);
int profile_set_default_sample_type(struct profile *profile, const char *type);
int profile_add_comment(struct profile *profile, const char *text);

/* An empty system name says that the name is a stand-in, such as "[anon+0x1234]" or "[truncated: …]". */
struct profile_function {
	const char *name, *system_name, *file; /* NULL is "" */
	int64_t start_line;
};
struct profile_mapping {
	uint64_t start, limit, file_off;
	const char *file, *build_id;
};
struct profile_line {
	uint32_t function;
	int64_t line, column;
};
struct profile_label {
	const char *key;
	const char *str; /* NULL: a number */
	int64_t num;
	const char *unit; /* of a number; may be NULL */
};

int profile_add_function(struct profile *profile, const struct profile_function *function, uint32_t *ret_id);
/* In order of first appearance: add the main executable first. has_functions and its like follow from the locations. */
int profile_add_mapping(struct profile *profile, const struct profile_mapping *mapping, uint32_t *ret_id);
/* Innermost line first. Identity: mapping, address, lines. Addresses of callers are call addresses (return - 1). */
int profile_add_location(struct profile *profile, uint32_t mapping, uint64_t address, const struct profile_line *lines,
			 size_t n_lines, uint32_t *ret_id);
/* Leaf first. Equal samples (locations and set of labels) add up, to INT64_MAX at most. At least one location, -EINVAL
 * without. A label with an empty string, or with the number 0 and no unit, is left out. `values`: one a sample type. */
int profile_add_sample(struct profile *profile, const uint32_t *locations, size_t n_locations,
		       const struct profile_label *labels, size_t n_labels, const int64_t *values);

/* Reading, for the encoders. Strings are ids of profile_string(). */
struct profile_sample_view {
	const uint32_t *locations;
	size_t n_locations;
	const int64_t *values;
	size_t n_labels;
	const void *labels; /* opaque; see profile_sample_label() */
};
struct profile_label_view {
	uint32_t key, str, unit;
	int64_t num;
};
struct profile_function_view {
	uint32_t name, system_name, file;
	int64_t start_line;
};
struct profile_mapping_view {
	uint64_t start, limit, file_off;
	uint32_t file, build_id;
	/* True only when all its locations have: functions with real names, their files, line numbers. Inline frames:
	 * functions and line numbers, and some location shows inlining. */
	bool has_functions, has_filenames, has_line_numbers, has_inline_frames;
};
struct profile_location_view {
	uint32_t mapping;
	uint64_t address;
	const struct profile_line *lines;
	size_t n_lines;
};
struct profile_value_type {
	uint32_t type, unit;
};
struct profile_header_view {
	const struct profile_value_type *sample_types;
	size_t n_sample_types;
	struct profile_value_type period_type;
	int64_t period, start_wall_ns, duration_ns;
	uint32_t default_sample_type;
	const uint32_t *comments;
	size_t n_comments;
};

const char *profile_string(const struct profile *profile, uint32_t id, size_t *len);
uint32_t profile_strings(const struct profile *profile);
void profile_header(const struct profile *profile, struct profile_header_view *ret);
size_t profile_samples(const struct profile *profile);
size_t profile_functions(const struct profile *profile);
size_t profile_mappings(const struct profile *profile);
size_t profile_locations(const struct profile *profile);
/* Indexes of all samples in an order that depends on the profile's content alone: by names from the root on, then by
 * addresses, then by labels. Hence equal input gives equal bytes, in whatever order it was added. The caller frees it.
 * 0 or -ENOMEM. */
int profile_order(const struct profile *profile, uint32_t **ret);
/* By index in the order of addition. Views are valid until the next change of the profile; labels come sorted by key.
 */
void profile_sample(const struct profile *profile, size_t index, struct profile_sample_view *ret);
void profile_sample_label(const struct profile *profile, const struct profile_sample_view *sample, size_t index,
			  struct profile_label_view *ret);
void profile_function(const struct profile *profile, uint32_t id, struct profile_function_view *ret);
void profile_mapping(const struct profile *profile, uint32_t id, struct profile_mapping_view *ret);
void profile_location(const struct profile *profile, uint32_t id, struct profile_location_view *ret);
size_t profile_memory_bytes(const struct profile *profile);
