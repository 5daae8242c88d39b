/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of an edit: pprof_edit.c (memory, reading and writing), pprof_edit_names.c (what is added). */
#pragma once

#include "base/intern.h"
#include "base/map.h"
#include "encode/pprof_edit.h"
#include "encode/profile.pb-c.h"

#define PPROF_EDIT_ALIGNMENT 16u
#define PPROF_EDIT_MAX_IDS (64u << 20) /* of mappings, locations or functions; the arena ends before */
#define PPROF_EDIT_MAX_STRINGS (16u << 20)

typedef Perftools__Profiles__Profile profile_message;
typedef Perftools__Profiles__Mapping mapping_message;
typedef Perftools__Profiles__Location location_message;
typedef Perftools__Profiles__Function function_message;
typedef Perftools__Profiles__Line line_message;

struct arena_chunk {
	struct arena_chunk *previous;
	size_t used, size;
	_Alignas(PPROF_EDIT_ALIGNMENT) uint8_t bytes[];
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

/* Locations of a mapping. */
struct count {
	size_t unnamed, lineless;
	bool is_changed;
};

struct pprof_edit {
	struct arena arena;
	ProtobufCAllocator allocator;
	profile_message *profile;
	struct map mappings, locations, functions; /* id -> uint32_t index */
	struct count *counts;			   /* of each mapping */
	/* What is added. */
	struct intern *strings;
	struct map added_strings;   /* uint32_t id of `strings` -> uint64_t index in the table */
	struct map added_functions; /* struct function_key -> uint64_t id */
	size_t string_room, function_room;
	uint64_t last_id; /* that was tried for a new function */
};

/* NULL: no room, and arena->err says why. */
void *pprof_edit_take(struct arena *arena, size_t n);
/* -EBADMSG: 0, or there twice. */
int pprof_edit_add_id(struct map *ids, uint64_t id, size_t index);

const char *pprof_edit_text(const struct pprof_edit *edit, int64_t index);
const function_message *pprof_edit_function(const struct pprof_edit *edit, uint64_t id);
/* NULL: it lies in none. */
mapping_message *pprof_edit_mapping_of(const struct pprof_edit *edit, const location_message *location,
				       uint32_t *ret_index);
bool pprof_edit_is_named(const struct pprof_edit *edit, const location_message *location);
/* A name, and nothing of where it is: so it is, and no more, where there was a symbol table alone. */
bool pprof_edit_is_lineless(const struct pprof_edit *edit, const location_message *location);
