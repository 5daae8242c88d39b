/* SPDX-License-Identifier: Apache-2.0 */
#include "encode/call_tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define KERNEL_FILE "[kernel.kallsyms]"
#define NODE_BYTES 48		  /* with its place in the map, just grown */
#define KERNEL_SPACE (1ULL << 63) /* the upper half of the addresses, on all our architectures */

static int add_location_frames(struct call_tree *tree, uint32_t id, call_frame_of frame_of, void *ctx)
{
	struct profile_location_view location;
	size_t n;
	int err = 0;

	profile_location(tree->profile, id, &location);
	n = location.n_lines ? location.n_lines : 1;
	for (size_t i = n; !err && i > 0; i--) {
		uint32_t *frame = vec_push(&tree->frames);

		if (!frame)
			return -ENOMEM;
		err = frame_of(ctx, &location, location.n_lines ? &location.lines[i - 1] : NULL, frame);
	}
	return err;
}

int call_tree_init(struct call_tree *tree, const struct profile *profile, call_frame_of frame_of, void *ctx)
{
	size_t n = profile_locations(profile);
	int err = 0;

	*tree = (struct call_tree){.profile = profile};
	vec_init(&tree->nodes, CALL_TREE_MAX_NODES);
	vec_init(&tree->frames, SIZE_MAX / sizeof(uint32_t));
	map_init(&tree->children, sizeof(struct call_node), sizeof(uint32_t), CALL_TREE_MAX_NODES);
	tree->first_frame = calloc(n + 2, sizeof(*tree->first_frame));
	if (!tree->first_frame || !vec_push(&tree->nodes))
		return -ENOMEM;
	for (uint32_t id = 1; !err && id <= n; id++) {
		tree->first_frame[id] = tree->frames.len;
		err = add_location_frames(tree, id, frame_of, ctx);
	}
	tree->first_frame[n + 1] = tree->frames.len;
	return err;
}

void call_tree_release(struct call_tree *tree)
{
	vec_release(&tree->nodes);
	vec_release(&tree->frames);
	map_release(&tree->children);
	free(tree->first_frame);
	tree->first_frame = NULL;
}

int call_tree_child(struct call_tree *tree, uint32_t parent, uint32_t frame, uint32_t *ret)
{
	const struct call_node node = {.parent = parent, .frame = frame};
	uint32_t *index;
	void *value;
	bool is_new;
	int err = vec_reserve(&tree->nodes, tree->nodes.len + 1);

	if (!err)
		err = map_insert(&tree->children, &node, &value, &is_new);
	if (err)
		return err;
	index = value;
	if (is_new) {
		*index = (uint32_t)tree->nodes.len;
		tree->nodes.items[tree->nodes.len++] = node;
	}
	*ret = *index;
	return 0;
}

bool call_tree_is_full(const struct call_tree *tree)
{
	return tree->nodes.len >= 2 * profile_limit(tree->profile) / NODE_BYTES;
}

int call_tree_add_stack(struct call_tree *tree, uint32_t parent, const struct profile_sample_view *sample,
			uint32_t *ret)
{
	uint32_t node = parent;
	int err = 0;

	for (size_t i = sample->n_locations; !err && i > 0; i--) {
		uint32_t location = sample->locations[i - 1];

		for (size_t f = tree->first_frame[location]; !err && f < tree->first_frame[location + 1]; f++)
			err = call_tree_child(tree, node, tree->frames.items[f], &node);
	}
	if (!err)
		*ret = node;
	return err;
}

bool call_frame_is_kernel(const struct profile *profile, const struct profile_location_view *location)
{
	struct profile_mapping_view mapping;

	if (!location->mapping)
		return false;
	profile_mapping(profile, location->mapping, &mapping);
	return mapping.start >= KERNEL_SPACE || !strcmp(profile_string(profile, mapping.file, NULL), KERNEL_FILE);
}

bool call_sample_label(const struct profile *profile, const struct profile_sample_view *sample, const char *key,
		       struct profile_label_view *ret)
{
	for (size_t i = 0; i < sample->n_labels; i++) {
		struct profile_label_view label;

		profile_sample_label(profile, sample, i, &label);
		if (!strcmp(profile_string(profile, label.key, NULL), key)) {
			*ret = label;
			return true;
		}
	}
	return false;
}
