/* SPDX-License-Identifier: Apache-2.0 */
/* The page is a template with the style, the data and the script set in. The data are one JSON object of flat arrays:
 *
 *   strings    texts, [0] is ""
 *   frames     name, module, kind, name, module, kind, …      (texts, texts, enum frame_kind)
 *   depths     of the nodes in preorder, from 1; the root is not written
 *   nodes      the frame of each
 *   processes  comm, pid, comm, pid, …                         (texts)
 *   entries    node (as the difference to the entry before), process, samples, …
 *   weights    of the entries, or null when each is samples * period
 *
 * A node is a frame below a parent; the first level is the comm. What a node itself has taken is kept by process, so
 * that the page can show one process without a tree of its own: it adds up the entries anew.
 *
 * All that processes can choose (names) is written as JSON strings in which '<', '>' and '&' do not occur, so it can
 * neither end the script element nor begin another, and the page's script only ever sets it as text. */
#include "encode/flamegraph_encode.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/intern.h"
#include "encode/call_tree.h"
#include "encode/flamegraph_page.h"
#include "encode/sink.h"
#include "profile/profile.h"

#define UNKNOWN "[unknown]"
#define KERNEL_FILE "[kernel.kallsyms]"
#define KERNEL_MODULE "[kernel]"
#define TRUNCATED_PREFIX "[truncated"
#define FOLDED_NAME "[small subtrees]"
#define MAX_TEXT_BYTES (1u << 30)
#define WRITE_BYTES 65536
#define MAX_OUT_BYTES (1u << 30) /* between two writes: one text */

/* A browser draws this many with ease. Beyond, subtrees under a share of the total are folded: at first under 0.01 %,
 * and twice that until the nodes are few enough. */
#define MAX_PAGE_NODES 200000
#define FOLD_SHARE 1e-4

/* As in page/flamegraph.js. */
enum frame_kind { KIND_PROCESS, KIND_USER, KIND_KERNEL, KIND_UNNAMED, KIND_TRUNCATED, KIND_FOLDED };

struct flame_frame {
	uint32_t name, module, kind; /* ids of `texts` */
};
struct flame_process {
	uint32_t comm, pid; /* ids of `texts` */
};
struct entry_key {
	uint32_t node, process;
};
struct entry_value {
	int64_t samples, weight;
};
struct entry {
	struct entry_key key; /* the node by its place in preorder */
	struct entry_value value;
};

struct flame_frame_vec VEC(struct flame_frame);
struct flame_process_vec VEC(struct flame_process);

/* Numbers in the order of first use, so that the bytes depend on content alone. */
struct numbers {
	uint32_t *to;	/* UINT32_MAX: none yet */
	uint32_t *from; /* in the order given out */
	uint32_t n;
};

struct flamegraph {
	const struct profile *profile;
	const struct sink *sink;
	struct profile_header_view header;
	struct intern *texts;
	struct flame_frame_vec frames;
	struct map frame_ids; /* flame_frame -> uint32_t */
	struct flame_process_vec processes;
	struct map process_ids; /* flame_process -> uint32_t */
	struct call_tree tree;
	struct map entries; /* entry_key -> entry_value */

	/* By node of the tree. */
	double *totals;
	bool *is_folded;
	uint32_t *depth, *place;
	/* Nodes sorted by parent, then by frame; those of a parent begin at first_child[parent]. */
	uint32_t *siblings, *position, *first_child;
	uint32_t *preorder;
	uint32_t n_shown;
	uint32_t n_folded;
	double fold_share;
	struct entry *sorted;

	struct numbers text_numbers, frame_numbers;
	struct buf out;
};

/* --- the tree ------------------------------------------------------------------------------------------------------
 */

static int add_frame(struct flamegraph *graph, const char *name, const char *module, uint32_t kind, uint32_t *ret)
{
	struct flame_frame frame = {.kind = kind};
	void *id;
	bool is_new;
	int err = intern_add_str(graph->texts, name, &frame.name);

	if (!err)
		err = intern_add_str(graph->texts, module, &frame.module);
	if (!err)
		err = vec_reserve(&graph->frames, graph->frames.len + 1);
	if (!err)
		err = map_insert(&graph->frame_ids, &frame, &id, &is_new);
	if (err)
		return err;
	if (is_new) {
		*(uint32_t *)id = (uint32_t)graph->frames.len;
		graph->frames.items[graph->frames.len++] = frame;
	}
	*ret = *(uint32_t *)id;
	return 0;
}

/* "libc.so.6", "[kernel]", "[nf_tables]" */
static const char *module_of(const struct profile *profile, uint32_t mapping)
{
	struct profile_mapping_view view;
	const char *file, *slash;

	if (!mapping)
		return "";
	profile_mapping(profile, mapping, &view);
	file = profile_string(profile, view.file, NULL);
	if (!strcmp(file, KERNEL_FILE))
		return KERNEL_MODULE;
	slash = strrchr(file, '/');
	return slash && slash[1] ? slash + 1 : file;
}

static int frame_of(void *ctx, const struct profile_location_view *location, const struct profile_line *line,
		    uint32_t *ret)
{
	struct flamegraph *graph = ctx;
	struct profile_function_view function = {0};
	const char *name;
	uint32_t kind = call_frame_is_kernel(graph->profile, location) ? KIND_KERNEL : KIND_USER;

	if (line)
		profile_function(graph->profile, line->function, &function);
	name = profile_string(graph->profile, function.name, NULL);
	if (!strncmp(name, TRUNCATED_PREFIX, strlen(TRUNCATED_PREFIX)))
		kind = KIND_TRUNCATED;
	else if (!function.system_name)
		kind = KIND_UNNAMED;
	return add_frame(graph, *name ? name : UNKNOWN, module_of(graph->profile, location->mapping), kind, ret);
}

static int process_of(struct flamegraph *graph, const struct profile_sample_view *sample, uint32_t *ret)
{
	struct profile_label_view comm = {0}, pid = {0};
	struct flame_process process;
	const char *name, *number;
	char digits[24];
	void *id;
	bool is_new;
	int err;

	call_sample_label(graph->profile, sample, "comm", &comm);
	call_sample_label(graph->profile, sample, "pid", &pid);
	name = profile_string(graph->profile, comm.str, NULL);
	number = profile_string(graph->profile, pid.str, NULL);
	if (!*number && pid.num) {
		snprintf(digits, sizeof(digits), "%" PRId64, pid.num);
		number = digits;
	}
	err = intern_add_str(graph->texts, *name ? name : UNKNOWN, &process.comm);
	if (!err)
		err = intern_add_str(graph->texts, number, &process.pid);
	if (!err)
		err = vec_reserve(&graph->processes, graph->processes.len + 1);
	if (!err)
		err = map_insert(&graph->process_ids, &process, &id, &is_new);
	if (err)
		return err;
	if (is_new) {
		*(uint32_t *)id = (uint32_t)graph->processes.len;
		graph->processes.items[graph->processes.len++] = process;
	}
	*ret = *(uint32_t *)id;
	return 0;
}

static void add_saturated(int64_t *sum, int64_t value)
{
	if (__builtin_add_overflow(*sum, value, sum))
		*sum = INT64_MAX;
}

static int add_entry(struct flamegraph *graph, uint32_t node, uint32_t process, const struct entry_value *value)
{
	const struct entry_key key = {.node = node, .process = process};
	struct entry_value *sum;
	void *slot;
	int err = map_insert(&graph->entries, &key, &slot, NULL);

	if (err)
		return err;
	sum = slot;
	add_saturated(&sum->samples, value->samples);
	add_saturated(&sum->weight, value->weight);
	return 0;
}

static int add_stack(struct flamegraph *graph, uint32_t parent, const struct profile_sample_view *sample, uint32_t *ret)
{
	uint32_t frame;
	int err;

	if (!call_tree_is_full(&graph->tree))
		return call_tree_add_stack(&graph->tree, parent, sample, ret);
	err = add_frame(graph, CALL_TREE_OVER, "", KIND_TRUNCATED, &frame);
	return err ? err : call_tree_child(&graph->tree, parent, frame, ret);
}

static int add_sample(struct flamegraph *graph, uint32_t index)
{
	struct profile_sample_view sample;
	struct entry_value value;
	uint32_t process, frame, node;
	int err;

	profile_sample(graph->profile, index, &sample);
	value.samples = sample.values[0];
	value.weight = sample.values[graph->header.n_sample_types - 1];
	err = process_of(graph, &sample, &process);
	if (!err)
		err = add_frame(graph, intern_str(graph->texts, graph->processes.items[process].comm), "", KIND_PROCESS,
				&frame);
	if (!err)
		err = call_tree_child(&graph->tree, CALL_TREE_ROOT, frame, &node);
	if (!err)
		err = add_stack(graph, node, &sample, &node);
	if (!err)
		err = add_entry(graph, node, process, &value);
	return err;
}

static int add_samples(struct flamegraph *graph)
{
	uint32_t *order = NULL;
	int err = profile_order(graph->profile, &order);

	for (size_t i = 0; !err && i < profile_samples(graph->profile); i++)
		err = add_sample(graph, order[i]);
	free(order);
	return err;
}

/* --- folding what is too small, when there is too much --------------------------------------------------------------
 */

static int sum_nodes(struct flamegraph *graph)
{
	const struct call_node_vec *nodes = &graph->tree.nodes;
	const void *key;
	void *value;
	size_t pos = 0;

	graph->totals = calloc(nodes->len, sizeof(*graph->totals));
	graph->is_folded = calloc(nodes->len, sizeof(*graph->is_folded));
	if (!graph->totals || !graph->is_folded)
		return -ENOMEM;
	while (map_next(&graph->entries, &pos, &key, &value))
		graph->totals[((const struct entry_key *)key)->node] +=
			(double)((const struct entry_value *)value)->weight;
	for (size_t node = nodes->len - 1; node > 0; node--)
		graph->totals[nodes->items[node].parent] += graph->totals[node];
	return 0;
}

/* Marks what is under the share. Processes stay. */
static uint32_t mark_folded(struct flamegraph *graph, double share)
{
	const struct call_node_vec *nodes = &graph->tree.nodes;
	uint32_t n = 0;

	for (size_t node = 1; node < nodes->len; node++) {
		graph->is_folded[node] = nodes->items[node].parent != CALL_TREE_ROOT &&
					 graph->totals[node] < share * graph->totals[CALL_TREE_ROOT];
		n += graph->is_folded[node];
	}
	return n;
}

/* Moves the entries of folded nodes to a stand-in below the nearest node that is shown. A child has no more than its
 * parent, so all below a folded node is folded too. */
static int move_folded(struct flamegraph *graph)
{
	struct map before = graph->entries;
	const void *key;
	void *value;
	size_t pos = 0;
	uint32_t frame;
	int err = add_frame(graph, FOLDED_NAME, "", KIND_FOLDED, &frame);

	if (err)
		return err;
	map_init(&graph->entries, sizeof(struct entry_key), sizeof(struct entry_value), before.max);
	while (!err && map_next(&before, &pos, &key, &value)) {
		struct entry_key at = *(const struct entry_key *)key;
		uint32_t shown = at.node;

		while (graph->is_folded[shown])
			shown = graph->tree.nodes.items[shown].parent;
		if (shown != at.node)
			err = call_tree_child(&graph->tree, shown, frame, &at.node);
		if (!err)
			err = add_entry(graph, at.node, at.process, value);
	}
	map_release(&before);
	return err;
}

static int fold_small(struct flamegraph *graph)
{
	size_t n = graph->tree.nodes.len;
	bool *is_folded;
	int err;

	if (n <= MAX_PAGE_NODES)
		return 0;
	/* A stand-in may come to each node that is shown. */
	graph->fold_share = FOLD_SHARE / 2;
	do {
		graph->fold_share *= 2;
		graph->n_folded = mark_folded(graph, graph->fold_share);
	} while (n - graph->n_folded > MAX_PAGE_NODES / 2 && graph->fold_share < 1);
	err = move_folded(graph);
	if (err)
		return err;
	is_folded = reallocarray(graph->is_folded, graph->tree.nodes.len, sizeof(*is_folded));
	if (!is_folded)
		return -ENOMEM;
	memset(is_folded + n, 0, (graph->tree.nodes.len - n) * sizeof(*is_folded));
	graph->is_folded = is_folded;
	return 0;
}

/* --- order -----------------------------------------------------------------------------------------------------------
 */

static int compare_siblings(const void *left, const void *right, void *ctx)
{
	const struct flamegraph *graph = ctx;
	const struct call_node *a = &graph->tree.nodes.items[*(const uint32_t *)left];
	const struct call_node *b = &graph->tree.nodes.items[*(const uint32_t *)right];
	const struct flame_frame *a_frame = &graph->frames.items[a->frame], *b_frame = &graph->frames.items[b->frame];
	int order = (a->parent > b->parent) - (a->parent < b->parent);

	if (!order && a_frame->name != b_frame->name)
		order = strcmp(intern_str(graph->texts, a_frame->name), intern_str(graph->texts, b_frame->name));
	if (!order && a_frame->module != b_frame->module)
		order = strcmp(intern_str(graph->texts, a_frame->module), intern_str(graph->texts, b_frame->module));
	return order ? order : (a_frame->kind > b_frame->kind) - (a_frame->kind < b_frame->kind);
}

static int sort_siblings(struct flamegraph *graph)
{
	const struct call_node_vec *nodes = &graph->tree.nodes;
	uint32_t n = 0, at = 0;

	graph->siblings = calloc(nodes->len, sizeof(*graph->siblings));
	graph->position = calloc(nodes->len, sizeof(*graph->position));
	graph->first_child = calloc(nodes->len + 1, sizeof(*graph->first_child));
	if (!graph->siblings || !graph->position || !graph->first_child)
		return -ENOMEM;
	for (uint32_t node = 1; node < nodes->len; node++)
		if (!graph->is_folded[node])
			graph->siblings[n++] = node;
	qsort_r(graph->siblings, n, sizeof(*graph->siblings), compare_siblings, graph);
	for (uint32_t i = 0; i < n; i++)
		graph->position[graph->siblings[i]] = i;
	for (uint32_t node = 0; node <= nodes->len; node++) {
		while (at < n && nodes->items[graph->siblings[at]].parent < node)
			at++;
		graph->first_child[node] = at;
	}
	graph->n_shown = n;
	return 0;
}

/* The node behind this one in preorder, or the root after the last one. */
static uint32_t next_in_preorder(const struct flamegraph *graph, uint32_t node)
{
	const struct call_node *nodes = graph->tree.nodes.items;

	if (graph->first_child[node] < graph->first_child[node + 1])
		return graph->siblings[graph->first_child[node]];
	for (; node != CALL_TREE_ROOT; node = nodes[node].parent)
		if (graph->position[node] + 1 < graph->first_child[nodes[node].parent + 1])
			return graph->siblings[graph->position[node] + 1];
	return CALL_TREE_ROOT;
}

static int put_in_preorder(struct flamegraph *graph)
{
	const struct call_node_vec *nodes = &graph->tree.nodes;
	uint32_t n = 0;

	graph->depth = calloc(nodes->len, sizeof(*graph->depth));
	graph->place = calloc(nodes->len, sizeof(*graph->place));
	graph->preorder = calloc(nodes->len, sizeof(*graph->preorder));
	if (!graph->depth || !graph->place || !graph->preorder)
		return -ENOMEM;
	for (uint32_t node = next_in_preorder(graph, CALL_TREE_ROOT); node != CALL_TREE_ROOT;
	     node = next_in_preorder(graph, node)) {
		graph->depth[node] = graph->depth[nodes->items[node].parent] + 1;
		graph->place[node] = n;
		graph->preorder[n++] = node;
	}
	return 0;
}

static int compare_entries(const void *left, const void *right)
{
	const struct entry_key *a = &((const struct entry *)left)->key, *b = &((const struct entry *)right)->key;
	int order = (a->node > b->node) - (a->node < b->node);

	return order ? order : (a->process > b->process) - (a->process < b->process);
}

static int sort_entries(struct flamegraph *graph)
{
	const void *key;
	void *value;
	size_t pos = 0, n = 0;

	graph->sorted = calloc(graph->entries.len + 1, sizeof(*graph->sorted));
	if (!graph->sorted)
		return -ENOMEM;
	while (map_next(&graph->entries, &pos, &key, &value)) {
		struct entry *entry = &graph->sorted[n++];

		entry->key = *(const struct entry_key *)key;
		entry->key.node = graph->place[entry->key.node];
		entry->value = *(const struct entry_value *)value;
	}
	qsort(graph->sorted, n, sizeof(*graph->sorted), compare_entries);
	return 0;
}

/* --- writing ---------------------------------------------------------------------------------------------------------
 */

static int numbers_init(struct numbers *numbers, size_t n)
{
	numbers->to = malloc((n + 1) * sizeof(*numbers->to));
	numbers->from = calloc(n + 1, sizeof(*numbers->from));
	if (!numbers->to || !numbers->from)
		return -ENOMEM;
	memset(numbers->to, 0xff, (n + 1) * sizeof(*numbers->to));
	return 0;
}

static void numbers_release(struct numbers *numbers)
{
	free(numbers->to);
	free(numbers->from);
}

static uint32_t number(struct numbers *numbers, uint32_t id)
{
	if (numbers->to[id] == UINT32_MAX) {
		numbers->from[numbers->n] = id;
		numbers->to[id] = numbers->n++;
	}
	return numbers->to[id];
}

static int flush(struct flamegraph *graph, size_t least)
{
	int err = graph->out.err;

	if (!err && graph->out.len && graph->out.len >= least) {
		err = graph->sink->write(graph->sink->ctx, graph->out.data, graph->out.len);
		buf_clear(&graph->out);
	}
	return err;
}

static bool is_plain_in_json(char byte)
{
	return (unsigned char)byte >= 0x20 && byte != 0x7f && !strchr("\"\\<>&'", byte);
}

/* Valid in JSON, harmless in HTML and JavaScript wherever it lands: U+2028 and U+2029 end a line of JavaScript. */
static void put_json(struct buf *out, const char *str)
{
	buf_append_byte(out, '"');
	for (size_t i = 0; str[i]; i++) {
		if (!strncmp(str + i, "\xe2\x80\xa8", 3) || !strncmp(str + i, "\xe2\x80\xa9", 3)) {
			buf_append_str(out, str[i + 2] == '\xa8' ? "\\u2028" : "\\u2029");
			i += 2;
		} else if (is_plain_in_json(str[i])) {
			buf_append_byte(out, (uint8_t)str[i]);
		} else {
			buf_printf(out, "\\u%04x", (unsigned char)str[i]);
		}
	}
	buf_append_byte(out, '"');
}

static void put_html(struct buf *out, const char *str)
{
	for (; *str; str++) {
		if (strchr("<>&\"'", *str))
			buf_printf(out, "&#%d;", *str);
		else
			buf_append_byte(out, (uint8_t)*str);
	}
}

/* One element of an array: "," before all but the first. */
static int put_number(struct flamegraph *graph, bool is_first, int64_t value)
{
	if (!is_first)
		buf_append_byte(&graph->out, ',');
	buf_printf(&graph->out, "%" PRId64, value);
	return flush(graph, WRITE_BYTES);
}

static int put_nodes(struct flamegraph *graph)
{
	int err = 0;

	buf_append_str(&graph->out, ",\n\"depths\":[");
	for (uint32_t i = 0; !err && i < graph->n_shown; i++)
		err = put_number(graph, !i, graph->depth[graph->preorder[i]]);
	buf_append_str(&graph->out, "],\n\"nodes\":[");
	for (uint32_t i = 0; !err && i < graph->n_shown; i++)
		err = put_number(graph, !i,
				 number(&graph->frame_numbers, graph->tree.nodes.items[graph->preorder[i]].frame));
	buf_append_str(&graph->out, "],\n\"frames\":[");
	for (uint32_t i = 0; !err && i < graph->frame_numbers.n; i++) {
		const struct flame_frame *frame = &graph->frames.items[graph->frame_numbers.from[i]];

		err = put_number(graph, !i, number(&graph->text_numbers, frame->name));
		if (!err)
			err = put_number(graph, false, number(&graph->text_numbers, frame->module));
		if (!err)
			err = put_number(graph, false, frame->kind);
	}
	buf_append_byte(&graph->out, ']');
	return err;
}

static int put_entries(struct flamegraph *graph)
{
	uint32_t before = 0;
	bool has_weights = false;
	int err = 0;

	buf_append_str(&graph->out, ",\n\"processes\":[");
	for (size_t i = 0; !err && i < graph->processes.len; i++) {
		err = put_number(graph, !i, number(&graph->text_numbers, graph->processes.items[i].comm));
		if (!err)
			err = put_number(graph, false, number(&graph->text_numbers, graph->processes.items[i].pid));
	}
	buf_append_str(&graph->out, "],\n\"entries\":[");
	for (size_t i = 0; !err && i < graph->entries.len; i++) {
		const struct entry *entry = &graph->sorted[i];
		int64_t weight;

		has_weights |= __builtin_mul_overflow(entry->value.samples, graph->header.period, &weight) ||
			       weight != entry->value.weight;
		err = put_number(graph, !i, entry->key.node - before);
		if (!err)
			err = put_number(graph, false, entry->key.process);
		if (!err)
			err = put_number(graph, false, entry->value.samples);
		before = entry->key.node;
	}
	buf_append_str(&graph->out, has_weights ? "],\n\"weights\":[" : "],\n\"weights\":null");
	for (size_t i = 0; !err && has_weights && i < graph->entries.len; i++)
		err = put_number(graph, !i, graph->sorted[i].value.weight);
	if (has_weights)
		buf_append_byte(&graph->out, ']');
	return err;
}

static int put_texts(struct flamegraph *graph)
{
	int err = 0;

	buf_append_str(&graph->out, ",\n\"strings\":[");
	for (uint32_t i = 0; !err && i < graph->text_numbers.n; i++) {
		if (i)
			buf_append_byte(&graph->out, ',');
		put_json(&graph->out, intern_str(graph->texts, graph->text_numbers.from[i]));
		err = flush(graph, WRITE_BYTES);
	}
	buf_append_byte(&graph->out, ']');
	return err;
}

static int put_data(struct flamegraph *graph, const struct flamegraph_options *options)
{
	const struct profile_header_view *header = &graph->header;
	const struct profile_value_type *type = &header->sample_types[header->n_sample_types - 1];
	struct buf *out = &graph->out;
	int err;

	buf_append_str(out, "{\"title\":");
	put_json(out, options->title);
	buf_append_str(out, ",\"type\":");
	put_json(out, profile_string(graph->profile, type->type, NULL));
	buf_append_str(out, ",\"unit\":");
	put_json(out, profile_string(graph->profile, type->unit, NULL));
	buf_printf(out, ",\"period\":%" PRId64 ",\"start\":%" PRId64 ",\"seconds\":%.9g", header->period,
		   header->start_wall_ns, options->duration_seconds > 0 ? options->duration_seconds : 0);
	buf_printf(out, ",\"folded\":{\"nodes\":%u,\"percent\":%g}", graph->n_folded, 100 * graph->fold_share);
	buf_append_str(out, ",\n\"comments\":[");
	for (size_t i = 0; i < header->n_comments; i++) {
		if (i)
			buf_append_byte(out, ',');
		put_json(out, profile_string(graph->profile, header->comments[i], NULL));
	}
	buf_append_byte(out, ']');
	number(&graph->text_numbers, 0);
	err = put_nodes(graph);
	if (!err)
		err = put_entries(graph);
	if (!err)
		err = put_texts(graph);
	buf_append_str(out, "}\n");
	return err;
}

static int put_mark(struct flamegraph *graph, const struct flamegraph_options *options, const char *mark, size_t len)
{
	if (len == 5 && !memcmp(mark, "title", len))
		put_html(&graph->out, options->title);
	else if (len == 5 && !memcmp(mark, "style", len))
		buf_append(&graph->out, flamegraph_css, (size_t)(flamegraph_css_end - flamegraph_css));
	else if (len == 6 && !memcmp(mark, "script", len))
		buf_append(&graph->out, flamegraph_js, (size_t)(flamegraph_js_end - flamegraph_js));
	else if (len == 4 && !memcmp(mark, "data", len))
		return put_data(graph, options);
	return graph->out.err;
}

static int put_page(struct flamegraph *graph, const struct flamegraph_options *options)
{
	const char *pos = flamegraph_html, *mark, *end;
	int err = 0;

	while (!err && (mark = memmem(pos, (size_t)(flamegraph_html_end - pos), "{{", 2))) {
		end = memmem(mark, (size_t)(flamegraph_html_end - mark), "}}", 2);
		if (!end)
			break;
		buf_append(&graph->out, pos, (size_t)(mark - pos));
		err = put_mark(graph, options, mark + 2, (size_t)(end - mark) - 2);
		pos = end + 2;
	}
	buf_append(&graph->out, pos, (size_t)(flamegraph_html_end - pos));
	return err ? err : flush(graph, 0);
}

static void flamegraph_release(struct flamegraph *graph)
{
	intern_free(graph->texts);
	vec_release(&graph->frames);
	map_release(&graph->frame_ids);
	vec_release(&graph->processes);
	map_release(&graph->process_ids);
	call_tree_release(&graph->tree);
	map_release(&graph->entries);
	free(graph->totals);
	free(graph->is_folded);
	free(graph->depth);
	free(graph->place);
	free(graph->siblings);
	free(graph->position);
	free(graph->first_child);
	free(graph->preorder);
	free(graph->sorted);
	numbers_release(&graph->text_numbers);
	numbers_release(&graph->frame_numbers);
	buf_release(&graph->out);
}

int flamegraph_encode(const struct profile *profile, const struct flamegraph_options *options, const struct sink *sink)
{
	struct flamegraph graph = {.profile = profile, .sink = sink};
	int err = intern_new(UINT32_MAX - 1, MAX_TEXT_BYTES, &graph.texts);

	vec_init(&graph.frames, UINT32_MAX - 1);
	vec_init(&graph.processes, UINT32_MAX - 1);
	map_init(&graph.frame_ids, sizeof(struct flame_frame), sizeof(uint32_t), UINT32_MAX - 1);
	map_init(&graph.process_ids, sizeof(struct flame_process), sizeof(uint32_t), UINT32_MAX - 1);
	map_init(&graph.entries, sizeof(struct entry_key), sizeof(struct entry_value), UINT32_MAX - 1);
	buf_init(&graph.out, MAX_OUT_BYTES);
	profile_header(profile, &graph.header);
	if (!err && !graph.header.n_sample_types)
		err = -EINVAL;
	if (!err)
		err = call_tree_init(&graph.tree, profile, frame_of, &graph);
	if (!err)
		err = add_samples(&graph);
	if (!err)
		err = sum_nodes(&graph);
	if (!err)
		err = fold_small(&graph);
	if (!err)
		err = sort_siblings(&graph);
	if (!err)
		err = put_in_preorder(&graph);
	if (!err)
		err = sort_entries(&graph);
	if (!err)
		err = numbers_init(&graph.text_numbers, intern_count(graph.texts));
	if (!err)
		err = numbers_init(&graph.frame_numbers, graph.frames.len);
	if (!err)
		err = put_page(&graph, options);
	flamegraph_release(&graph);
	return err;
}
