/* SPDX-License-Identifier: Apache-2.0 */
/* The lines are the paths of a tree, so they are sorted without being made: among siblings, an item is a node's own
 * line
 * ("name" ends there) or all that lies below it ("name;" goes on). Sorted by these texts and walked in depth, the items
 * give the lines in the order of a sort by bytes, and one path is held at a time. */
#include "encode/folded_encode.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/intern.h"
#include "encode/call_tree.h"
#include "encode/sink.h"
#include "profile/profile.h"

#define UNKNOWN "[unknown]"
#define KERNEL_SUFFIX "_[k]"
#define MAX_TEXT_BYTES (1u << 30)
#define MAX_PATH_BYTES (64u << 20)
#define WRITE_BYTES 65536

struct item {
	uint32_t node, parent;
	bool goes_on;
};

struct folded {
	const struct profile *profile;
	const struct sink *sink;
	struct intern *texts; /* frame -> its text */
	struct buf text;      /* of the frame at hand */
	struct call_tree tree;
	int64_t *self;	    /* by node */
	bool *has_children; /* by node */
	struct item *items; /* sorted by parent, then by text */
	size_t *first_item; /* by parent; one more closes the last */
	struct buf out;
};

/* ';' separates frames. Control characters never enter a profile. */
static int frame_of_text(struct folded *folded, const char *name, bool is_kernel, uint32_t *ret)
{
	buf_clear(&folded->text);
	buf_append_str(&folded->text, *name ? name : UNKNOWN);
	for (size_t i = 0; i < folded->text.len; i++)
		if (folded->text.data[i] == ';')
			folded->text.data[i] = ':';
	if (is_kernel)
		buf_append_str(&folded->text, KERNEL_SUFFIX);
	if (folded->text.err)
		return folded->text.err;
	return intern_add(folded->texts, (const char *)folded->text.data, folded->text.len, ret);
}

static int frame_of(void *ctx, const struct profile_location_view *location, const struct profile_line *line,
		    uint32_t *ret)
{
	struct folded *folded = ctx;
	struct profile_function_view function = {0};

	if (line)
		profile_function(folded->profile, line->function, &function);
	return frame_of_text(folded, profile_string(folded->profile, function.name, NULL),
			     call_frame_is_kernel(folded->profile, location), ret);
}

static void add_saturated(int64_t *sum, int64_t value)
{
	if (__builtin_add_overflow(*sum, value, sum))
		*sum = INT64_MAX;
}

static int add_stack(struct folded *folded, uint32_t parent, const struct profile_sample_view *sample, uint32_t *ret)
{
	uint32_t frame;
	int err;

	if (!call_tree_is_full(&folded->tree))
		return call_tree_add_stack(&folded->tree, parent, sample, ret);
	err = frame_of_text(folded, CALL_TREE_OVER, false, &frame);
	return err ? err : call_tree_child(&folded->tree, parent, frame, ret);
}

/* The tree, and which node each sample ends at. */
static int add_samples(struct folded *folded, uint32_t *leaves)
{
	size_t n = profile_samples(folded->profile);
	int err = 0;

	for (size_t i = 0; !err && i < n; i++) {
		struct profile_sample_view sample;
		struct profile_label_view comm = {0};
		uint32_t frame, node;

		profile_sample(folded->profile, i, &sample);
		call_sample_label(folded->profile, &sample, "comm", &comm);
		err = frame_of_text(folded, profile_string(folded->profile, comm.str, NULL), false, &frame);
		if (!err)
			err = call_tree_child(&folded->tree, CALL_TREE_ROOT, frame, &node);
		if (!err)
			err = add_stack(folded, node, &sample, &leaves[i]);
	}
	return err;
}

static int sum_samples(struct folded *folded, const uint32_t *leaves)
{
	const struct call_node_vec *nodes = &folded->tree.nodes;

	folded->self = calloc(nodes->len, sizeof(*folded->self));
	folded->has_children = calloc(nodes->len, sizeof(*folded->has_children));
	if (!folded->self || !folded->has_children)
		return -ENOMEM;
	for (size_t i = 0; i < profile_samples(folded->profile); i++) {
		struct profile_sample_view sample;

		profile_sample(folded->profile, i, &sample);
		add_saturated(&folded->self[leaves[i]], sample.values[0]);
	}
	for (size_t node = 1; node < nodes->len; node++)
		folded->has_children[nodes->items[node].parent] = true;
	return 0;
}

static int compare_items(const void *left, const void *right, void *ctx)
{
	const struct folded *folded = ctx;
	const struct item *a = left, *b = right;
	uint32_t a_frame = folded->tree.nodes.items[a->node].frame, b_frame = folded->tree.nodes.items[b->node].frame;
	const char *a_text = intern_str(folded->texts, a_frame), *b_text = intern_str(folded->texts, b_frame);
	unsigned char a_last, b_last;
	size_t same = 0;

	if (a->parent != b->parent)
		return a->parent < b->parent ? -1 : 1;
	if (a_frame == b_frame)
		return a->goes_on - b->goes_on;
	while (a_text[same] && a_text[same] == b_text[same])
		same++;
	/* Where one name ends, its line ends or a ';' follows; names hold none. */
	a_last = a_text[same] ? (unsigned char)a_text[same] : a->goes_on ? ';' : 0;
	b_last = b_text[same] ? (unsigned char)b_text[same] : b->goes_on ? ';' : 0;
	return (a_last > b_last) - (a_last < b_last);
}

static int sort_items(struct folded *folded)
{
	const struct call_node_vec *nodes = &folded->tree.nodes;
	size_t n = 0, at = 0;

	folded->items = calloc(2 * nodes->len, sizeof(*folded->items));
	folded->first_item = calloc(nodes->len + 1, sizeof(*folded->first_item));
	if (!folded->items || !folded->first_item)
		return -ENOMEM;
	for (uint32_t node = 1; node < nodes->len; node++) {
		const struct item item = {.node = node, .parent = nodes->items[node].parent};

		if (folded->self[node])
			folded->items[n++] = item;
		if (folded->has_children[node]) {
			folded->items[n] = item;
			folded->items[n++].goes_on = true;
		}
	}
	qsort_r(folded->items, n, sizeof(*folded->items), compare_items, folded);
	for (uint32_t node = 0; node <= nodes->len; node++) {
		while (at < n && folded->items[at].parent < node)
			at++;
		folded->first_item[node] = at;
	}
	return 0;
}

static int flush(struct folded *folded, size_t least)
{
	int err = folded->out.err;

	if (!err && folded->out.len && folded->out.len >= least) {
		err = folded->sink->write(folded->sink->ctx, folded->out.data, folded->out.len);
		buf_clear(&folded->out);
	}
	return err;
}

/* A position on the way down: which item of its siblings, and how long the path above it is. */
struct step {
	size_t item, end;
	size_t path_len;
};
struct step_vec VEC(struct step);

static int write_lines(struct folded *folded)
{
	struct step_vec steps;
	struct buf path;
	struct step *step;
	int err = 0;

	buf_init(&path, MAX_PATH_BYTES);
	vec_init(&steps, folded->tree.nodes.len);
	step = vec_push(&steps);
	if (step)
		*step = (struct step){.item = folded->first_item[0], .end = folded->first_item[1]};
	else
		err = -ENOMEM;
	while (!err && steps.len) {
		const struct item *item;
		const char *text;

		step = &steps.items[steps.len - 1];
		path.len = step->path_len;
		if (step->item == step->end) {
			steps.len--;
			continue;
		}
		item = &folded->items[step->item++];
		text = intern_str(folded->texts, folded->tree.nodes.items[item->node].frame);
		if (!item->goes_on) {
			buf_append(&folded->out, path.data, path.len);
			buf_append_str(&folded->out, text);
			buf_printf(&folded->out, " %" PRId64 "\n", folded->self[item->node]);
			err = flush(folded, WRITE_BYTES);
			continue;
		}
		buf_append_str(&path, text);
		err = buf_append_byte(&path, ';');
		step = err ? NULL : vec_push(&steps);
		if (step)
			*step = (struct step){.item = folded->first_item[item->node],
					      .end = folded->first_item[item->node + 1],
					      .path_len = path.len};
		else if (!err)
			err = -ENOMEM;
	}
	if (!err)
		err = flush(folded, 0);
	vec_release(&steps);
	buf_release(&path);
	return err;
}

int folded_encode(const struct profile *profile, const struct sink *sink)
{
	struct folded folded = {.profile = profile, .sink = sink};
	uint32_t *leaves = calloc(profile_samples(profile) + 1, sizeof(*leaves));
	int err = leaves ? intern_new(UINT32_MAX - 1, MAX_TEXT_BYTES, &folded.texts) : -ENOMEM;

	buf_init(&folded.text, MAX_TEXT_BYTES);
	buf_init(&folded.out, WRITE_BYTES + MAX_PATH_BYTES);
	if (!err)
		err = call_tree_init(&folded.tree, profile, frame_of, &folded);
	if (!err)
		err = add_samples(&folded, leaves);
	if (!err)
		err = sum_samples(&folded, leaves);
	if (!err)
		err = sort_items(&folded);
	if (!err)
		err = write_lines(&folded);
	free(leaves);
	free(folded.self);
	free(folded.has_children);
	free(folded.items);
	free(folded.first_item);
	call_tree_release(&folded.tree);
	intern_free(folded.texts);
	buf_release(&folded.text);
	buf_release(&folded.out);
	return err;
}
