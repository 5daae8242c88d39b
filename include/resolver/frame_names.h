/* SPDX-License-Identifier: Apache-2.0 */
/* Every distinct frame of a batch with its name, looked up once. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/unnamed.h"
#include "ipc/batch.h"

struct frame_names;
struct jit_names;
struct object_cache;
struct kernel_names;

/* One function of a frame; texts are ids for frame_names_string(). */
struct frame_line {
	uint32_t name, system_name, file;
	uint32_t line, start_line; /* 0: unknown */
};

struct frame_name {
	uint32_t first_line, n_lines; /* of frame_names_line(); at least one */
	uint32_t module;	      /* id: "libc.so.6", "[kernel]", "[nf_tables]", or "" */
	uint32_t object;	      /* index into batch objects, or BATCH_NONE */
	uint64_t offset; /* file offset in the object, or the kernel address; a caller's is its call: return - 1 */
	bool is_kernel, is_named;
	enum unnamed why; /* it is not */
};

/* Names all words of all stacks. jit NULL: generated code has no names. kernel NULL: kernel frames become "[kernel
 * restricted]". Frames that would take more than max_bytes (0: no limit) are one, "[over the memory budget]". The word
 * of a 32-bit process' stack becomes "[32-bit]". Borrows the batch. */
int frame_names_new(const struct batch *batch, struct object_cache *cache, struct jit_names *jit,
		    struct kernel_names *kernel, size_t max_bytes, struct frame_names **ret);
void frame_names_free(struct frame_names *names);

/* The dense number of word `index` of a stack. */
uint32_t frame_names_find(const struct frame_names *names, const struct batch_stack *stack, uint32_t index);
const struct frame_name *frame_names_get(const struct frame_names *names, uint32_t frame);
uint32_t frame_names_count(const struct frame_names *names);
/* The lines of all frames; those of one lie side by side, innermost first: what was inlined, the function itself. */
const struct frame_line *frame_names_line(const struct frame_names *names, uint32_t line);
uint32_t frame_names_lines(const struct frame_names *names);
const char *frame_names_string(const struct frame_names *names, uint32_t id);
