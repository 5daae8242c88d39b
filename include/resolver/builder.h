/* SPDX-License-Identifier: Apache-2.0 */
/* From a batch to its outputs: names the frames once, then makes one profile after the other. */
#pragma once

#include <stdint.h>

#include "ipc/batch.h"
#include "ipc/summary.h"

struct jit_names;
struct object_cache;
struct kernel_names;

struct builder_result {
	uint64_t frames_named, frames_unnamed, samples;
	uint32_t outputs;
};

/* Receives each finished output in order: a sealed memfd (borrowed), its destination, its file name, its samples. */
struct builder_sink {
	int (*output)(void *ctx, uint32_t sequence, uint32_t output, const char *name, uint64_t samples, int fd);
	void *ctx;
};

/* Makes all outputs but the first `skip`. Frames and samples that would take more than max_bytes (0: no limit) are
 * "[over the memory budget]". jit may be NULL: generated code has no names; kernel may be NULL: "[kernel
 * restricted]" frames. */
int builder_run(const struct batch *batch, struct object_cache *cache, struct jit_names *jit,
		struct kernel_names *kernel, uint32_t skip, size_t max_bytes, const struct builder_sink *sink,
		struct summary *summary, struct builder_result *ret);
