/* SPDX-License-Identifier: Apache-2.0 */
/* One pprof-shaped profile from the samples of a batch. */
#pragma once

#include <stdint.h>

#include "ipc/batch.h"
#include "resolver/frame_names.h"

struct object_cache;
struct profile;
struct kernel_names;

struct profile_source {
	size_t max_bytes; /* of a profile: samples beyond have no stack; 0: as much as there is */
	const struct batch *batch;
	const struct frame_names *names;
	const struct object_cache *cache; /* for the build ids of the files */
	struct kernel_names *kernel;	  /* may be NULL */
};

/* Profile of the samples with these indexes, header, comments and labels included. `comments` come on top of those of
 * the batch. The caller frees the profile. */
struct profile_comment {
	const char *key;
	uint64_t value;
};
int profile_build(const struct profile_source *source, const uint32_t *samples, size_t n_samples,
		  const struct profile_comment *comments, size_t n_comments, struct profile **ret);
