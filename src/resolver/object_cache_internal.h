/* SPDX-License-Identifier: Apache-2.0 */
/*  by_id          objects                       views                        images
 *
 *  7 ────► { mapping's identity, path, … } ─┬──► { names, by both files } ──► { elf_file, digest } one a distinct file
 *  9 ────► {                       "      } ─┘                          └────► { of the debug file }
 *  12 ───► { …, err: -ESTALE }
 *
 * An object is what processes mapped; an image is what is known of a file (resolver/image.h); a view is what an image's
 * code is called with the debug files that were found for an object (resolver/view.h).
 *
 *     ADDED ── file opened ──► SEEKING its debug files ──► ADDED ── names read ──► NAMED
 *         └────────────────── UNNAMED ◄───────────────────────────────┘
 *
 * Names are not kept: each is read from the file when asked for, and the caller asks once a distinct frame. */
#pragma once

#include "base/map.h"
#include "resolver/debug_search.h"
#include "resolver/image.h"
#include "resolver/object_cache.h"
#include "resolver/view.h"
#include "symbol/file_names.h"

#define OBJECT_MAX_NAME 4096

enum object_state { OBJECT_NEW, OBJECT_ADDED, OBJECT_SEEKING, OBJECT_NAMED, OBJECT_UNNAMED };

struct object {
	uint32_t id, kind, flags;
	enum object_state state;
	int err;			/* why it is unnamed */
	int fd;				/* until it is parsed */
	struct object *previous, *next; /* in the list of the unparsed */
	uint64_t expected_ino;
	struct build_id expected; /* of the mapping */
	struct image *image;
	struct debug_search *search; /* there is one when there is an image */
	bool is_table_little;	     /* that was made of it: a debug file may tell more */
	struct view *view;	     /* when it is NAMED */
	char *module;		     /* "libc.so.6" */
};

struct object_cache {
	struct map by_id;      /* uint32_t -> struct object * */
	struct map by_request; /* uint32_t -> uint32_t: for whose search */
	struct image_table images;
	struct view_table *views;
	struct object_debug_files debug_files;
	struct object *first_unparsed, *last_unparsed;
	size_t n_seeking;
	const struct view *last_view; /* whose address was looked up last; NULL: none, or it is gone */
	uint32_t looking;	      /* the object that was told last; 0: none */
	size_t module_bytes;
	char *build_id_text; /* 2 * ELF_BUILD_ID_MAX + 1 */
	enum demangle_mode demangle;
	struct code_place place; /* scratch */
};

/* object_cache.c. NULL: no such object. The list of those that were added and not parsed yet. */
struct object *object_cache_find(const struct object_cache *cache, uint32_t id);
void object_cache_add_unparsed(struct object_cache *cache, struct object *object);
void object_cache_remove_unparsed(struct object_cache *cache, struct object *object);

/* object_debug.c: begins the search for the debug files of an object whose image is known. */
int object_cache_seek_debug(struct object_cache *cache, struct object *object);

/* object_parse.c: the file behind the object is opened, and is the one that was mapped; or why not. */
int object_cache_open_image(struct object_cache *cache, struct object *object);
