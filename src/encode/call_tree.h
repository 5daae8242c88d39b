/* SPDX-License-Identifier: Apache-2.0 */
/* Stacks merged from the root on, for encoders that write trees. What makes two frames equal is the encoder's affair:
 * it gives each line of each location a number. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/map.h"
#include "base/vec.h"
#include "profile/profile.h"

#define CALL_TREE_ROOT 0
#define CALL_TREE_MAX_NODES (16u << 20)

/* A child has a larger index than its parent. */
struct call_node {
	uint32_t parent, frame;
};

struct call_node_vec VEC(struct call_node);
struct call_frame_vec VEC(uint32_t);

struct call_tree {
	const struct profile *profile;
	struct call_node_vec nodes; /* [CALL_TREE_ROOT] is its own parent */
	struct map children;	    /* call_node -> uint32_t index */
	/* Frames of each location, outermost first: frames[first_frame[id] .. first_frame[id + 1]) */
	struct call_frame_vec frames;
	size_t *first_frame;
};

/* The frame's number. `line` is NULL for a location that has none. */
typedef int (*call_frame_of)(void *ctx, const struct profile_location_view *location, const struct profile_line *line,
			     uint32_t *ret);

/* Numbers the frames of all locations. After a failure call_tree_release() is due all the same. */
int call_tree_init(struct call_tree *tree, const struct profile *profile, call_frame_of frame_of, void *ctx);
void call_tree_release(struct call_tree *tree);

/* The child of `parent` with this frame, added when new. -E2BIG, -ENOMEM. */
int call_tree_child(struct call_tree *tree, uint32_t parent, uint32_t frame, uint32_t *ret);
/* It takes twice the memory that the profile may: stacks to come are CALL_TREE_OVER. */
#define CALL_TREE_OVER "[truncated: over the memory budget]"
bool call_tree_is_full(const struct call_tree *tree);
/* The node of the sample's leaf, its root frame being a child of `parent`. */
int call_tree_add_stack(struct call_tree *tree, uint32_t parent, const struct profile_sample_view *sample,
			uint32_t *ret);

/* Kernel text and its modules, by their mapping. */
bool call_frame_is_kernel(const struct profile *profile, const struct profile_location_view *location);
/* The sample's label of this key; false when it has none. */
bool call_sample_label(const struct profile *profile, const struct profile_sample_view *sample, const char *key,
		       struct profile_label_view *ret);
