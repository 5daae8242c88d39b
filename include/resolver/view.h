/* SPDX-License-Identifier: Apache-2.0 */
/* What the code of a file is called, by the file and the debug files that were found for it. Objects share a view when
 * both are the same for them: a container that lends its debug file lends it to itself alone.
 *
 * A program whose DWARF is split into .dwo files has views of its own for each object, because those are asked for by
 * name, one by one, where that object was found. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipc/message.h"
#include "resolver/image.h"
#include "symbol/file_names.h"

#define VIEW_MAX_SPLIT_FILES 1024	      /* of all views together */
#define VIEW_MAX_TEMPORARY_BYTES (4ull << 30) /* of all views together: packed DWARF, unpacked on disk */

struct view;
struct view_table;

struct view_table_options {
	struct image_table *images; /* borrowed */
	/* Asks for a file and waits for it: *ret_fd is the caller's on success. NULL: there are none. */
	int (*fetch)(void *ctx, struct message_want_debug *want, const char *name, struct message_debug_opened *ret,
		     int *ret_fd);
	void *ctx;
};

int view_table_new(const struct view_table_options *options, size_t max, struct view_table **ret);
void view_table_free(struct view_table *table);

struct view_request {
	uint32_t object;
	const char *module;	     /* base name of the object's file */
	struct image *image;	     /* the table takes references of its own */
	struct image *debug;	     /* NULL: none */
	struct image *supplementary; /* NULL: none */
};

/* The view of these files, with a reference of the caller's. *ret_is_new: it was made now. Errors of file_names_new().
 */
int view_get(struct view_table *table, const struct view_request *request, struct view **ret, bool *ret_is_new);
void view_unref(struct view_table *table, struct view *view); /* NULL is allowed */

/* Its files; the last two may be NULL. */
const struct image *view_image(const struct view *view);
const struct image *view_debug(const struct view *view);
const struct image *view_supplementary(const struct view *view);
/* Read again where they left meanwhile. NULL: that failed. Valid until view_table_trim(). */
const struct file_names *view_names(struct view *view);
/* Limits from now on: of all names together, to which view_table_trim() keeps; of one file's, as
 * file_names_files.max_bytes. 0: none. */
void view_table_limit(struct view_table *table, size_t cache_bytes, size_t file_bytes);
/* The names of the least recently used views leave, but those of `keep` (NULL: none). */
void view_table_trim(struct view_table *table, const struct view *keep);
/* Some file has a table of the program's own functions, beside that of what it exports. */
bool view_has_symtab(const struct view *view);
bool view_has_go(const struct view *view);
/* Functions that have a name. */
size_t view_functions(const struct view *view);
/* A debug file takes part. */
bool view_has_debug(const struct view *view);
/* Why .gnu_debugdata gave no names; 0: it did, or there is none or no need of one. */
int view_embedded_err(const struct view *view);
size_t view_table_memory_bytes(const struct view_table *table);
