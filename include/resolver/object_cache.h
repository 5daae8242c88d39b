/* SPDX-License-Identifier: Apache-2.0 */
/* The resolver's objects: one entry an object id, names shared between objects only when their files agree in
 * build id, size and digest, and so do the debug files that were found for them. Before anything is named, the file is
 * compared with what the mapping said: build id, else inode number (the device differs between mapping and stat on
 * overlayfs and btrfs). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/demangle_mode.h"
#include "base/unnamed.h"
#include "ipc/message.h"

struct object_cache;

#define OBJECT_MAX_LINES 64
#define OBJECT_TEXT_BYTES (192u << 10)

/* One function of a frame. Valid until the object_name is filled anew. */
struct object_line {
	const char *name;	 /* readable */
	const char *system_name; /* as in the file; empty for a name made by us */
	const char *file;	 /* source file, or "" */
	uint32_t line, start_line;
};

/* What a frame of an object is called: innermost first, what was inlined there …, the function; at least one line. */
struct object_name {
	struct object_line lines[OBJECT_MAX_LINES];
	size_t n_lines;
	uint64_t elf_va;    /* of the address, when the file could be read; else 0 */
	uint64_t symbol_va; /* start of the function; 0 when unnamed */
	int is_named;	    /* 0: "[stripped libfoo.so+0x1234]": elf_va when the file could be read, else file offset */
	enum unnamed why;   /* it is not */
	size_t text_bytes;
	char text[OBJECT_TEXT_BYTES];
};

/* How debug files are come by. */
struct object_debug_files {
	/* Asks for one; sets want->request. object_cache_debug_file() is told what came. NULL: there are none. */
	int (*want)(void *ctx, struct message_want_debug *want, const char *name);
	/* The same, and waits: *ret_fd is the caller's on success. NULL: there are none. */
	int (*fetch)(void *ctx, struct message_want_debug *want, const char *name, struct message_debug_opened *ret,
		     int *ret_fd);
	/* Addresses of this object, with a debug file of it or not, are looked up from now on: it may hang, or break
	 * us. 0: of none any more. */
	void (*looking)(void *ctx, uint32_t object, bool has_debug);
	/* What an object's names are made of, once for each file. */
	void (*sources)(void *ctx, const struct message_sources *sources);
	void *ctx;
	bool has_servers;
};

int object_cache_new(size_t max_objects, struct object_cache **ret);
/* Before the first object. Without it no debug file is used. */
void object_cache_use_debug_files(struct object_cache *cache, const struct object_debug_files *debug_files);
/* Limits from now on: of the indexes of all files together, the least recently used of which leave and are read again;
 * and of what reading one file takes. What was too large before is tried again. 0: no limit. */
void object_cache_limit(struct object_cache *cache, size_t cache_bytes, size_t file_bytes);
/* Whether debug files may be asked of debuginfod servers. */
void object_cache_use_servers(struct object_cache *cache, bool has_servers);
void object_cache_free(struct object_cache *cache);
/* Of the names from now on; DEMANGLE_FULL before. */
void object_cache_set_demangle(struct object_cache *cache, enum demangle_mode mode);

/* Registers the object; takes over fd (-1 when there is none), also on failure. Later messages for the same id replace
 * it. OBJECT_VDSO needs no fd: it is read from our own memory. -E2BIG: more than max_objects. */
int object_cache_add(struct object_cache *cache, const struct message_object *message, const char *path, int fd);
/* Reads and indexes it now. 0, or why its frames will be unnamed (-ESTALE: not the file that was mapped, or
 * nothing known to compare it with; -EOWNERDEAD: in quarantine). *ret_index_bytes is 0 when another object's index
 * serves. -EINPROGRESS: its debug files are sought; object_cache_next_unparsed() gives it again when that is over.
 * Asked again, it answers the same without reading. */
int object_cache_parse(struct object_cache *cache, uint32_t id, uint64_t *ret_symbols, uint64_t *ret_index_bytes);
/* Why a parsed object's .gnu_debugdata gave no names; 0: it did, or there is none. -ESTALE: it is of another machine or
 * build id; -EBADMSG: it does not unpack; -E2BIG: it is too large, or those of all files together are. */
int object_cache_embedded_err(const struct object_cache *cache, uint32_t id);
/* An object that was added and not parsed yet; 0: none. */
uint32_t object_cache_next_unparsed(const struct object_cache *cache);

/* The answer to a request; takes over the descriptor (-1: none). */
int object_cache_debug_file(struct object_cache *cache, const struct message_debug_opened *answer, int fd);
/* For which object the request was made; 0: for none that waits. */
uint32_t object_cache_debug_object(const struct object_cache *cache, uint32_t request);
/* Objects that were parsed and whose debug files are sought. */
size_t object_cache_seeking(const struct object_cache *cache);

/* Makes the unwind table that holds the page (file offset >> 16) of the object, with the help of its debug file if that
 * was found by now, and writes it to fd, which gets nothing when *ret_same_as (0: none) is an object whose table was
 * made of the same files before and serves for this one. *ret_awaits_debug: it tells little, and a debug file is being
 * sought. Names are not read for it. Errors as object_cache_parse() and table_build(). */
struct table_coverage;
struct table_writer_stats;
int object_cache_table(struct object_cache *cache, uint32_t id, uint32_t page, int fd, uint32_t *ret_same_as,
		       bool *ret_awaits_debug, struct table_writer_stats *ret_stats,
		       struct table_coverage *ret_coverage);
/* What the object's names are made of, and what was looked for. -errno: its file was not read. */
int object_cache_sources(const struct object_cache *cache, uint32_t id, struct message_sources *ret);
/* What names the object's code once it was parsed, until the next message for it; NULL: nothing does. */
struct view;
struct view *object_cache_view(const struct object_cache *cache, uint32_t id);
/* The build id of the object's file; its length, 0: it has none or could not be read. */
size_t object_cache_file_build_id(const struct object_cache *cache, uint32_t id, uint8_t to[DEBUG_ID_MAX]);

/* Names file_off of the object; `is_return` looks up (and shows) the byte before. Always gives a name; *ret is filled.
 * Without one it is spelled as base/unnamed.h says. */
void object_cache_name(struct object_cache *cache, uint32_t id, uint64_t file_off, int is_return,
		       struct object_name *ret);
/* The same for an address in the file's own space; unnamed when the file could not be read. */
void object_cache_name_va(struct object_cache *cache, uint32_t id, uint64_t elf_va, struct object_name *ret);
/* No more is asked for the time being: `looking` is told. */
void object_cache_rest(struct object_cache *cache);
/* Lower-case hex of the file's own build id once it is known to be the mapped one, else of the mapping's; "" when
 * unknown. Valid until the next call. */
const char *object_cache_build_id(const struct object_cache *cache, uint32_t id);
size_t object_cache_memory_bytes(const struct object_cache *cache);
