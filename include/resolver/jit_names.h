/* SPDX-License-Identifier: Apache-2.0 */
/* What runtimes say of their code: perf maps and JITDUMP files, read when the first address of a batch is asked for.
 * Their indexes stay for the next batch, which reads what was appended; the least recently used ones leave when all
 * together take too much, and are made anew. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "ipc/message.h"

struct jit_names;

/* All indexes together. */
#define JIT_NAMES_BYTES (24u << 20)

struct jit_names_options {
	size_t max_bytes;
	/* Before and after a file is read, which may take a while; may be NULL. */
	void (*reading)(void *ctx, uint32_t object);
	void (*read)(void *ctx, uint32_t object, int err);
	void *ctx;
};

/* Texts are valid until the next call; file is copied out of the name, and may be cut. */
struct jit_name {
	const char *name;
	const char *file;	   /* "": unknown */
	uint32_t line, start_line; /* 0: unknown */
	char file_text[4096];
};

int jit_names_new(const struct jit_names_options *options, struct jit_names **ret);
void jit_names_free(struct jit_names *names);
/* As the option max_bytes, from the next batch on. */
void jit_names_limit(struct jit_names *names, size_t max_bytes);

/* A file of kind OBJECT_PERF_MAP or OBJECT_JITDUMP; takes over fd (-1: none), also on failure. A later one for the same
 * id replaces it. */
int jit_names_add(struct jit_names *names, const struct message_object *object, int fd);
/* From now on files are read on, and records until then (CLOCK_MONOTONIC; 0: all). */
void jit_names_begin_batch(struct jit_names *names, uint64_t until_ns);
/* What the address is called by one of the process' files (0: it has none); the JITDUMP goes first, it knows times and
 * lines. 0, or -ENOENT. Addresses of one process are best asked for in a row. */
int jit_names_find(struct jit_names *names, uint32_t jitdump, uint32_t perf_map, uint64_t address,
		   struct jit_name *ret);
size_t jit_names_memory_bytes(const struct jit_names *names);
