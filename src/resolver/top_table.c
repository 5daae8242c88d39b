/* SPDX-License-Identifier: Apache-2.0 */
#include "resolver/top_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/intern.h"
#include "base/map.h"
#include "base/text.h"
#include "base/vec.h"
#include "ipc/batch.h"
#include "ipc/summary.h"
#include "resolver/frame_names.h"
#include "resolver/object_cache.h"

#define MAX_ROWS (8u << 20)

/* Samples of one function (name and module), one program (comm) or one place and reason where stacks end early. */
struct row {
	uint64_t self, total, truncated;
	uint32_t name, module; /* string ids; of a place: that of its module, and the enum unwind_end */
	uint32_t last_sample;  /* that counted it already: a recursive function is once in a sample's total */
};
struct row_vec VEC(struct row);

struct row_key {
	uint32_t name, module;
};

static const bool end_is_complete[UNWIND_END_COUNT] = {
#define UNWIND_END(name, is_complete, text) [UNWIND_END_##name] = (is_complete),
#include "wire/unwind_end.def"
#undef UNWIND_END
};

static bool is_truncated(const struct batch *batch, const struct batch_sample *sample)
{
	return sample->user_stack != BATCH_NONE && !end_is_complete[batch->stacks[sample->user_stack].end];
}

/* The number of the row with this key; *ret_is_new: it is `next`, the number of a row to be pushed. */
static int row_number(struct map *map, const void *key, size_t next, uint32_t *ret, bool *ret_is_new)
{
	uint32_t *number;
	int err = map_insert(map, key, (void **)&number, ret_is_new);

	if (err)
		return err;
	if (*ret_is_new)
		*number = (uint32_t)next;
	*ret = *number;
	return 0;
}

static int row_find(struct map *map, struct row_vec *rows, const struct row_key *key, uint32_t *ret)
{
	struct row *row;
	bool is_new;
	int err = row_number(map, key, rows->len, ret, &is_new);

	if (err)
		return err;
	if (is_new) {
		row = vec_push(rows);
		if (!row)
			return -ENOMEM;
		row->name = key->name;
		row->module = key->module;
		row->last_sample = UINT32_MAX;
	}
	return 0;
}

/* line of a frame -> row of its function */
static int rows_of_lines(const struct frame_names *names, struct row_vec *rows, uint32_t **ret)
{
	uint32_t *row_of = calloc((size_t)frame_names_lines(names) + 1, sizeof(*row_of));
	struct map map;
	int err = row_of ? 0 : -ENOMEM;

	map_init(&map, sizeof(struct row_key), sizeof(uint32_t), MAX_ROWS);
	for (uint32_t i = 0; !err && i < frame_names_count(names); i++) {
		const struct frame_name *frame = frame_names_get(names, i);

		for (uint32_t line = frame->first_line; !err && line < frame->first_line + frame->n_lines; line++) {
			struct row_key key = {frame_names_line(names, line)->name, frame->module};

			err = row_find(&map, rows, &key, &row_of[line]);
		}
	}
	map_release(&map);
	if (err) {
		free(row_of);
		return err;
	}
	*ret = row_of;
	return 0;
}

/* A sample's functions, from the leaf on. */
struct counting {
	const struct batch_sample *sample;
	uint32_t index;
	bool is_leaf;
	struct row_vec *rows;
};

static void count_function(struct counting *counting, uint32_t row_index)
{
	struct row *row = &counting->rows->items[row_index];

	if (counting->is_leaf)
		row->self += counting->sample->count;
	counting->is_leaf = false;
	if (row->last_sample != counting->index)
		row->total += counting->sample->count;
	row->last_sample = counting->index;
}

static void count_sample(const struct batch *batch, const struct frame_names *names, const uint32_t *row_of,
			 uint32_t index, struct row_vec *rows)
{
	const struct batch_sample *sample = &batch->samples[index];
	const uint32_t stacks[] = {sample->kernel_stack, sample->user_stack}; /* leaf first */
	struct counting counting = {sample, index, true, rows};

	for (size_t s = 0; s < 2; s++) {
		if (stacks[s] == BATCH_NONE)
			continue;
		for (uint32_t w = 0; w < batch->stacks[stacks[s]].words; w++) {
			const struct frame_name *frame =
				frame_names_get(names, frame_names_find(names, &batch->stacks[stacks[s]], w));

			for (uint32_t i = 0; i < frame->n_lines; i++)
				count_function(&counting, row_of[frame->first_line + i]);
		}
	}
}

static int by_self(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->self != y->self)
		return (x->self < y->self) - (x->self > y->self);
	if (x->total != y->total)
		return (x->total < y->total) - (x->total > y->total);
	if (x->name != y->name)
		return (x->name > y->name) - (x->name < y->name);
	return (x->module > y->module) - (x->module < y->module);
}

static int count_functions(const struct batch *batch, const struct frame_names *names, struct summary *ret)
{
	struct row_vec rows = VEC_INIT(MAX_ROWS);
	uint32_t *row_of = NULL;
	int err = rows_of_lines(names, &rows, &row_of);

	if (err)
		goto out;
	for (uint32_t i = 0; i < batch->n_samples; i++)
		count_sample(batch, names, row_of, i, &rows);
	if (rows.len)
		qsort(rows.items, rows.len, sizeof(struct row), by_self);
	for (size_t i = 0; i < rows.len && rows.items[i].self && ret->functions < SUMMARY_MAX_ROWS; i++) {
		struct summary_row *row = &ret->rows[ret->functions++];

		row->self = rows.items[i].self;
		row->total = rows.items[i].total;
		text_copy(row->name, sizeof(row->name), frame_names_string(names, rows.items[i].name));
		text_copy(row->module, sizeof(row->module), frame_names_string(names, rows.items[i].module));
	}
out:
	free(row_of);
	vec_release(&rows);
	return err;
}

static int count_programs(const struct batch *batch, struct summary *ret)
{
	struct row_vec rows = VEC_INIT(MAX_ROWS);
	struct intern *comms = NULL;
	struct map map;
	int err = intern_new(MAX_ROWS, 64u << 20, &comms);

	map_init(&map, sizeof(struct row_key), sizeof(uint32_t), MAX_ROWS);
	for (uint32_t i = 0; !err && i < batch->n_samples; i++) {
		const struct batch_sample *sample = &batch->samples[i];
		struct row_key key = {0};
		uint32_t index;

		err = intern_add_str(comms, batch_string(batch, batch->processes[sample->process].comm), &key.name);
		if (!err)
			err = row_find(&map, &rows, &key, &index);
		if (!err) {
			rows.items[index].self += sample->count;
			rows.items[index].total += sample->count;
			rows.items[index].truncated += is_truncated(batch, sample) ? sample->count : 0;
		}
	}
	if (!err && rows.len)
		qsort(rows.items, rows.len, sizeof(struct row), by_self);
	for (size_t i = 0; !err && i < rows.len && ret->processes < SUMMARY_MAX_ROWS; i++) {
		struct summary_row *row = &ret->rows[ret->functions + ret->processes++];

		row->self = rows.items[i].self;
		row->total = rows.items[i].total;
		row->truncated = rows.items[i].truncated;
		text_copy(row->name, sizeof(row->name), intern_str(comms, rows.items[i].name));
	}
	map_release(&map);
	intern_free(comms);
	vec_release(&rows);
	return err;
}

/* The root-most frame of a stack that is cut short is the one that could not be left. */
static int count_ends(const struct batch *batch, const struct frame_names *names, struct summary *ret)
{
	struct row_vec rows = VEC_INIT(MAX_ROWS);
	struct map map;
	int err = 0;

	map_init(&map, sizeof(struct row_key), sizeof(uint32_t), MAX_ROWS);
	for (uint32_t i = 0; !err && i < batch->n_samples; i++) {
		const struct batch_sample *sample = &batch->samples[i];
		const struct batch_stack *stack;
		struct row_key key = {0};
		uint32_t index;

		if (!is_truncated(batch, sample))
			continue;
		stack = &batch->stacks[sample->user_stack];
		key.module = stack->end;
		if (stack->words)
			key.name = frame_names_get(names, frame_names_find(names, stack, stack->words - 1u))->module;
		err = row_find(&map, &rows, &key, &index);
		if (!err)
			rows.items[index].self += sample->count;
	}
	if (!err && rows.len)
		qsort(rows.items, rows.len, sizeof(struct row), by_self);
	for (size_t i = 0; !err && i < rows.len && ret->n_ends < SUMMARY_MAX_ENDS; i++) {
		const char *module = frame_names_string(names, rows.items[i].name);
		struct summary_end *end = &ret->ends[ret->n_ends++];

		end->samples = rows.items[i].self;
		end->end = rows.items[i].module;
		text_copy(end->module, sizeof(end->module), *module ? module : "[unknown]");
	}
	map_release(&map);
	vec_release(&rows);
	return err;
}

/* Frames without a name of one place and cause. */
struct unnamed_row {
	uint64_t samples;
	uint32_t module, object, why;
	uint32_t last_sample;
};
struct unnamed_row_vec VEC(struct unnamed_row);

struct unnamed_key {
	uint32_t module, object, why;
};

static int count_unnamed_frame(struct map *map, struct unnamed_row_vec *rows, const struct frame_name *frame,
			       uint32_t index, uint64_t count)
{
	const struct unnamed_key key = {frame->module, frame->object, frame->why};
	struct unnamed_row *row;
	uint32_t number;
	bool is_new;
	int err = row_number(map, &key, rows->len, &number, &is_new);

	if (err)
		return err;
	if (is_new) {
		row = vec_push(rows);
		if (!row)
			return -ENOMEM;
		*row = (struct unnamed_row){0, key.module, key.object, key.why, UINT32_MAX};
	}
	row = &rows->items[number];
	if (row->last_sample != index)
		row->samples += count;
	row->last_sample = index;
	return 0;
}

static int by_samples(const void *a, const void *b)
{
	const struct unnamed_row *x = a, *y = b;

	if (x->samples != y->samples)
		return (x->samples < y->samples) - (x->samples > y->samples);
	if (x->module != y->module)
		return (x->module > y->module) - (x->module < y->module);
	if (x->object != y->object)
		return (x->object > y->object) - (x->object < y->object);
	return (x->why > y->why) - (x->why < y->why);
}

static void describe_unnamed(const struct batch *batch, const struct frame_names *names, struct object_cache *cache,
			     const struct unnamed_row *row, struct summary_unnamed *to)
{
	const char *module = frame_names_string(names, row->module);
	uint32_t id = row->object == BATCH_NONE ? 0 : batch->objects[row->object].id;
	struct message_sources sources;

	to->samples = row->samples;
	to->why = row->why;
	text_copy(to->module, sizeof(to->module), *module ? module : "[unknown]");
	if (!id)
		return;
	to->err = object_cache_sources(cache, id, &sources);
	to->is_read = !to->err;
	for (uint32_t i = 0; to->is_read && i < sources.n; i++) {
		const struct message_source *source = &sources.sources[i];
		uint32_t bit = 1u << source->kind;

		to->sought |= bit;
		to->found |= source->err ? 0 : bit;
		to->bad |= source->err && source->err != -ENOENT ? bit : 0;
		to->server_err = source->kind == SOURCE_SERVER ? source->err : to->server_err;
	}
	text_copy(to->build_id, sizeof(to->build_id), object_cache_build_id(cache, id));
}

/* A sample counts once for each place and cause that it meets. */
static int count_unnamed(const struct batch *batch, const struct frame_names *names, struct object_cache *cache,
			 struct summary *ret)
{
	struct unnamed_row_vec rows = VEC_INIT(MAX_ROWS);
	struct map map;
	int err = 0;

	map_init(&map, sizeof(struct unnamed_key), sizeof(uint32_t), MAX_ROWS);
	for (uint32_t i = 0; !err && i < batch->n_samples; i++) {
		const struct batch_sample *sample = &batch->samples[i];
		const uint32_t stacks[] = {sample->kernel_stack, sample->user_stack};

		for (size_t s = 0; s < 2; s++) {
			const struct batch_stack *stack = stacks[s] == BATCH_NONE ? NULL : &batch->stacks[stacks[s]];

			for (uint32_t w = 0; stack && !err && w < stack->words; w++) {
				const struct frame_name *frame =
					frame_names_get(names, frame_names_find(names, stack, w));

				if (!frame->is_named)
					err = count_unnamed_frame(&map, &rows, frame, i, sample->count);
			}
		}
	}
	if (!err && rows.len)
		qsort(rows.items, rows.len, sizeof(struct unnamed_row), by_samples);
	for (size_t i = 0; !err && i < rows.len && ret->n_unnamed < SUMMARY_MAX_UNNAMED; i++)
		describe_unnamed(batch, names, cache, &rows.items[i], &ret->unnamed[ret->n_unnamed++]);
	map_release(&map);
	vec_release(&rows);
	return err;
}

int top_table_make(const struct batch *batch, const struct frame_names *names, struct object_cache *cache,
		   struct summary *ret)
{
	int err;

	memset(ret, 0, sizeof(*ret));
	for (uint32_t i = 0; i < batch->n_samples; i++) {
		const struct batch_sample *sample = &batch->samples[i];

		ret->samples += sample->count;
		ret->truncated += is_truncated(batch, sample) ? sample->count : 0;
	}
	err = count_functions(batch, names, ret);
	if (!err)
		err = count_programs(batch, ret);
	if (!err)
		err = count_ends(batch, names, ret);
	if (!err)
		err = count_unnamed(batch, names, cache, ret);
	return err;
}
