/* SPDX-License-Identifier: Apache-2.0 */
/* A profile.proto file that gets names: read whole, the locations without a name given one, written again. All else
 * that is in it stays as it is, fields that this program does not know included.
 *
 * A location has no name when it has no line, or when each of its functions is a stand-in: an empty system name, and a
 * name as "[stripped libfoo.so+0x1234]", "0x1234" or "??". One that has a name and neither file nor line can get these:
 * its function keeps its name. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PPROF_EDIT_MAX_BYTES (512u << 20) /* a reasonable limit of what is held: about twice the unpacked file */
#define PPROF_EDIT_MAX_LINES 128	  /* of a location that gets a name */

struct pprof_edit;
struct sink;

/* Reads the file, packed by gzip or not. max_bytes bounds what is held. -EBADMSG: it is none, or its ids and indexes
 * do not fit together; -E2BIG; -ENOMEM; or of pread(). Borrows the descriptor for the call. */
int pprof_edit_read(int fd, size_t max_bytes, struct pprof_edit **ret);
void pprof_edit_free(struct pprof_edit *edit);

/* Texts are valid as long as the edit. */
struct pprof_edit_mapping {
	const char *file, *build_id; /* "" is unknown; as the file says, so neither need be true */
	uint64_t start, limit;	     /* in memory; start 0: unknown, addresses are those of the file's own space */
	uint64_t file_off;	     /* of start */
	size_t unnamed, lineless;    /* of its locations; lineless: with a name, and without file and line */
};
size_t pprof_edit_mappings(const struct pprof_edit *edit);
void pprof_edit_mapping(const struct pprof_edit *edit, size_t index, struct pprof_edit_mapping *ret);

struct pprof_edit_line {
	const char *name, *system_name, *file; /* copied */
	int64_t line, start_line;
};

struct pprof_edit_place {
	size_t mapping;
	uint64_t address; /* of a caller: within its call (profile.proto: "in the middle of a call instruction") */
	bool is_named;	  /* file and line are asked for */
};

/* Names a place: at most `max` lines, innermost first. *ret_n 0: it has no name either. Not 0 ends the naming. */
typedef int (*pprof_namer)(void *ctx, const struct pprof_edit_place *place, struct pprof_edit_line *lines, size_t max,
			   size_t *ret_n);

struct pprof_edit_result {
	size_t named, unnamed; /* of the locations that had no name */
	size_t lined;	       /* that had one, and have file or line now */
};

/* Asks for each location without a name, or without file and line, that lies in a mapping. What is told of one with a
 * name counts if the outermost function is the one that it has. What a mapping says of its locations (has_functions …)
 * follows where something changed. On failure the edit is only to be freed. */
int pprof_edit_name(struct pprof_edit *edit, pprof_namer namer, void *ctx, struct pprof_edit_result *ret);

/* gzip; equal for equal input. */
int pprof_edit_write(const struct pprof_edit *edit, const struct sink *sink);
