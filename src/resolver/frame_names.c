/* SPDX-License-Identifier: Apache-2.0 */
/* words of the batch          frames                      lines                      strings
 *
 *   word 0 ─────────────┐     ┌ lines, module, ────► ┌ name, system name, ──┐     interned once
 *   word 1 ───────────┐ └───► │ object, offset       │ file, line           ├──► "memcpy" "libc.so.6" …
 *   word 2 (as 0) ────┼─────► └ …                    └ …                    ┘
 *
 * `frame_of[i]` is the frame of the batch's i-th word, so that after the naming nobody hashes again. */
#include "resolver/frame_names.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/intern.h"
#include "base/map.h"
#include "base/vec.h"
#include "resolver/jit_names.h"
#include "resolver/object_cache.h"
#include "resolver/kernel_names.h"

#define MAX_FRAMES (8u << 20)
#define NO_FRAME UINT32_MAX
/* What a frame takes at most while all are named: itself, a line and more for inlined calls, its place in a map. */
#define FRAME_BYTES 256
#define STRINGS_PART 3 /* of the memory */
#define MAX_LINES (16u << 20)
#define MAX_STRING_BYTES (512u << 20)

struct frame_vec VEC(struct frame_name);
struct line_vec VEC(struct frame_line);

struct frame_names {
	const struct batch *batch;
	struct frame_vec frames;
	struct line_vec lines;
	struct intern *strings;
	uint32_t *frame_of;
	size_t max_frames;
	uint32_t over; /* the frame of those that are too many, once there are such */
	uint32_t over_text;
};

/* What makes two words the same frame. */
struct frame_key {
	uint64_t word;
	uint32_t is_kernel, is_return, is_32_bit, pad;
};

/* A frame in generated code, named when all others are: those of one process in a row, so that one index of names after
 * the other is looked into. */
struct jit_frame {
	uint32_t process, frame;
	uint64_t address;
};

struct jit_frame_vec VEC(struct jit_frame);

/* A frame in a file, named when all are known, in the order of the files: so each part of a file is read once, and the
 * object that is looked into is told once. */
struct file_frame {
	uint64_t word;
	uint32_t frame, is_return;
};

struct file_frame_vec VEC(struct file_frame);

struct naming {
	struct frame_names *names;
	struct object_cache *cache;
	struct kernel_names *kernel;
	uint32_t *object_index; /* object id -> index into batch objects */
	uint32_t object_ids;	/* length of object_index */
	struct jit_names *jit;
	struct jit_frame_vec jit_frames;
	struct file_frame_vec file_frames;
	struct object_name scratch;
	struct jit_name jit_scratch;
};

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

static int add_line(struct naming *naming, struct frame_name *frame, const struct object_line *from)
{
	struct intern *strings = naming->names->strings;
	struct frame_line line = {.line = from->line, .start_line = from->start_line};
	struct frame_line *slot;
	int err = intern_add_str(strings, from->name, &line.name);

	if (!err)
		err = intern_add_str(strings, from->system_name, &line.system_name);
	if (!err)
		err = intern_add_str(strings, from->file, &line.file);
	if (err == -E2BIG) { /* the texts are too many: the empty one and this are there */
		line = (struct frame_line){.name = naming->names->over_text};
		err = 0;
	}
	slot = err ? NULL : vec_push(&naming->names->lines);
	if (!slot)
		return err ? err : -ENOMEM;
	*slot = line;
	frame->n_lines++;
	return 0;
}

/* "" where texts are too many. */
static int intern_module(struct naming *naming, struct frame_name *frame, const char *module)
{
	int err = intern_add_str(naming->names->strings, module, &frame->module);

	return err == -E2BIG ? 0 : err;
}

/* The frame's one line and its module. */
static int intern_names(struct naming *naming, struct frame_name *frame, const char *name, const char *system_name,
			const char *module)
{
	int err = add_line(naming, frame, &(struct object_line){name, system_name, "", 0, 0});

	return err ? err : intern_module(naming, frame, module);
}

/* Its place is the frame's offset. */
static int intern_unnamed(struct naming *naming, struct frame_name *frame, enum unnamed why, const char *module)
{
	char text[80];

	frame->why = why;
	unnamed_spell(why, module, frame->offset, text, sizeof(text));
	return intern_names(naming, frame, text, "", module);
}

static int intern_object_name(struct naming *naming, struct frame_name *frame, const char *module)
{
	int err = 0;

	for (size_t i = 0; i < naming->scratch.n_lines && !err; i++)
		err = add_line(naming, frame, &naming->scratch.lines[i]);
	return err ? err : intern_module(naming, frame, module);
}

static int name_kernel_frame(struct naming *naming, const struct frame_key *key, struct frame_name *frame)
{
	uint64_t address = key->word - key->is_return;
	char module[80];
	struct ksym sym;

	frame->is_kernel = true;
	frame->object = BATCH_NONE;
	frame->offset = address;
	if (!naming->kernel || !kernel_names_known(naming->kernel))
		return intern_unnamed(naming, frame, UNNAMED_KERNEL_RESTRICTED, "[kernel]");
	if (kernel_names_find(naming->kernel, address, &sym))
		return intern_unnamed(naming, frame, UNNAMED_KERNEL, "[kernel]");
	frame->is_named = true;
	snprintf(module, sizeof(module), "[%s]", sym.module[0] ? sym.module : "kernel");
	return intern_names(naming, frame, sym.name, sym.system_name, module);
}

static int defer_jit_frame(struct naming *naming, const struct frame_key *key, struct frame_name *frame)
{
	const struct batch_object *object = &naming->names->batch->objects[frame->object];
	struct jit_frame *slot = vec_push(&naming->jit_frames);

	if (!slot)
		return -ENOMEM;
	frame->offset = frame_offset(key->word) - (frame_offset(key->word) ? key->is_return : 0);
	*slot = (struct jit_frame){.process = object->process,
				   .frame = (uint32_t)(frame - naming->names->frames.items),
				   .address = object->base + frame->offset};
	return 0;
}

static int name_jit_frame(struct naming *naming, const struct jit_frame *jit)
{
	const struct batch *batch = naming->names->batch;
	struct frame_name *frame = &naming->names->frames.items[jit->frame];
	const struct batch_process *process = &batch->processes[jit->process];
	const char *module = batch_string(batch, batch->objects[frame->object].path);
	struct jit_name *name = &naming->jit_scratch;
	char unnamed[80];
	int err;

	frame->first_line = (uint32_t)naming->names->lines.len;
	if (!naming->jit || jit_names_find(naming->jit, process->jitdump, process->perf_map, jit->address, name)) {
		frame->why = UNNAMED_JIT;
		unnamed_spell(frame->why, module, jit->address, unnamed, sizeof(unnamed));
		return intern_names(naming, frame, unnamed, "", module);
	}
	frame->is_named = true;
	err = add_line(naming, frame,
		       &(struct object_line){name->name, name->name, name->file, name->line, name->start_line});
	return err ? err : intern_module(naming, frame, module);
}

static int by_process(const void *a, const void *b)
{
	const struct jit_frame *x = a, *y = b;

	if (x->process != y->process)
		return x->process < y->process ? -1 : 1;
	return (x->address > y->address) - (x->address < y->address);
}

static int name_jit_frames(struct naming *naming)
{
	int err = 0;

	if (naming->jit_frames.len)
		qsort(naming->jit_frames.items, naming->jit_frames.len, sizeof(*naming->jit_frames.items), by_process);
	for (size_t i = 0; i < naming->jit_frames.len && !err; i++)
		err = name_jit_frame(naming, &naming->jit_frames.items[i]);
	return err;
}

static int defer_file_frame(struct naming *naming, const struct frame_key *key, struct frame_name *frame)
{
	struct file_frame *slot = vec_push(&naming->file_frames);

	if (!slot)
		return -ENOMEM;
	frame->offset = frame_offset(key->word) - (frame_offset(key->word) ? key->is_return : 0);
	*slot = (struct file_frame){.word = key->word,
				    .frame = (uint32_t)(frame - naming->names->frames.items),
				    .is_return = key->is_return};
	return 0;
}

static int name_file_frame(struct naming *naming, const struct file_frame *from)
{
	const struct batch *batch = naming->names->batch;
	struct frame_name *frame = &naming->names->frames.items[from->frame];

	frame->first_line = (uint32_t)naming->names->lines.len;
	object_cache_name(naming->cache, (uint32_t)frame_object_id(from->word), frame_offset(from->word),
			  (int)from->is_return, &naming->scratch);
	frame->is_named = naming->scratch.is_named;
	frame->why = naming->scratch.why;
	return intern_object_name(naming, frame, base_name(batch_string(batch, batch->objects[frame->object].path)));
}

static int by_file_and_offset(const void *a, const void *b)
{
	const struct file_frame *x = a, *y = b;
	uint64_t x_id = frame_object_id(x->word), y_id = frame_object_id(y->word);

	if (x_id != y_id)
		return x_id < y_id ? -1 : 1;
	return (frame_offset(x->word) > frame_offset(y->word)) - (frame_offset(x->word) < frame_offset(y->word));
}

static int name_file_frames(struct naming *naming)
{
	int err = 0;

	if (naming->file_frames.len)
		qsort(naming->file_frames.items, naming->file_frames.len, sizeof(*naming->file_frames.items),
		      by_file_and_offset);
	for (size_t i = 0; i < naming->file_frames.len && !err; i++)
		err = name_file_frame(naming, &naming->file_frames.items[i]);
	return err;
}

static int name_user_frame(struct naming *naming, const struct frame_key *key, struct frame_name *frame)
{
	const struct batch *batch = naming->names->batch;
	uint32_t id = (uint32_t)frame_object_id(key->word), object;

	frame->object = BATCH_NONE;
	if (key->is_32_bit)
		return intern_unnamed(naming, frame, UNNAMED_COMPAT, "");
	if (frame_kind(key->word) != FRAME_FILE || id >= naming->object_ids || naming->object_index[id] == BATCH_NONE) {
		frame->offset = frame_address(key->word);
		if (!frame->offset)
			return intern_unnamed(naming, frame, UNNAMED_UNKNOWN, "");
		frame->offset -= key->is_return;
		return intern_unnamed(naming, frame, UNNAMED_ANONYMOUS, "[anon]");
	}
	object = naming->object_index[id];
	frame->object = object;
	if (batch->objects[object].kind == OBJECT_JIT)
		return defer_jit_frame(naming, key, frame);
	return defer_file_frame(naming, key, frame);
}

/* It stands for all that are too many. */
static int over_frame(struct naming *naming, uint32_t *ret)
{
	struct frame_names *names = naming->names;
	struct frame_name *frame;

	*ret = names->over;
	if (names->over != NO_FRAME)
		return 0;
	frame = vec_push(&names->frames);
	if (!frame)
		return -ENOMEM;
	*frame = (struct frame_name){.first_line = (uint32_t)names->lines.len, .object = BATCH_NONE};
	*ret = names->over = (uint32_t)names->frames.len - 1;
	return intern_unnamed(naming, frame, UNNAMED_OVER_BUDGET, "");
}

static int name_word(struct naming *naming, struct map *seen, const struct frame_key *key, uint32_t *ret)
{
	struct frame_name *frame;
	uint32_t *index;
	bool is_new;
	int err;

	if (naming->names->frames.len >= naming->names->max_frames && !map_find(seen, key))
		return over_frame(naming, ret);
	err = map_insert(seen, key, (void **)&index, &is_new);
	if (err)
		return err;
	if (is_new) {
		*index = (uint32_t)naming->names->frames.len;
		frame = vec_push(&naming->names->frames);
		if (!frame)
			return -ENOMEM;
		frame->first_line = (uint32_t)naming->names->lines.len;
		err = key->is_kernel ? name_kernel_frame(naming, key, frame) : name_user_frame(naming, key, frame);
		if (err)
			return err;
	}
	*ret = *index;
	return 0;
}

static int index_objects(struct naming *naming, const struct batch *batch)
{
	uint32_t ids = 1;

	for (uint32_t i = 0; i < batch->n_objects; i++)
		if (batch->objects[i].id >= ids)
			ids = batch->objects[i].id + 1;
	naming->object_index = malloc(ids * sizeof(*naming->object_index));
	if (!naming->object_index)
		return -ENOMEM;
	memset(naming->object_index, 0xff, ids * sizeof(*naming->object_index)); /* BATCH_NONE */
	for (uint32_t i = 0; i < batch->n_objects; i++)
		naming->object_index[batch->objects[i].id] = i;
	naming->object_ids = ids;
	return 0;
}

static int name_all(struct naming *naming, const struct batch *batch)
{
	struct map seen;
	int err = index_objects(naming, batch);

	map_init(&seen, sizeof(struct frame_key), sizeof(uint32_t), MAX_FRAMES);
	for (uint32_t s = 0; !err && s < batch->n_stacks; s++) {
		const struct batch_stack *stack = &batch->stacks[s];

		for (uint32_t i = 0; !err && i < stack->words; i++) {
			uint64_t word = batch->words[stack->first_word + i];
			struct frame_key key = {.word = word,
						.is_kernel = stack->is_kernel,
						.is_32_bit = stack->end == UNWIND_END_COMPAT_TASK};

			key.is_return = stack->is_kernel ? i > 0 : (uint32_t)frame_is_return(word);
			err = name_word(naming, &seen, &key, &naming->names->frame_of[stack->first_word + i]);
		}
	}
	if (!err)
		err = name_file_frames(naming);
	if (!err)
		err = name_jit_frames(naming);
	map_release(&seen);
	vec_release(&naming->file_frames);
	vec_release(&naming->jit_frames);
	free(naming->object_index);
	return err;
}

int frame_names_new(const struct batch *batch, struct object_cache *cache, struct jit_names *jit,
		    struct kernel_names *kernel, size_t max_bytes, struct frame_names **ret)
{
	struct frame_names *names = calloc(1, sizeof(*names));
	auto_free struct naming *naming = calloc(1, sizeof(*naming));
	char over_text[80];
	int err = -ENOMEM;

	if (!names || !naming)
		goto fail;
	names->batch = batch;
	vec_init(&names->frames, MAX_FRAMES);
	vec_init(&names->lines, MAX_LINES);
	names->frame_of = calloc(batch->n_words + 1, sizeof(*names->frame_of));
	if (!names->frame_of)
		goto fail;
	names->over = NO_FRAME;
	names->max_frames =
		max_bytes && max_bytes / FRAME_BYTES < MAX_FRAMES ? max_bytes / FRAME_BYTES : MAX_FRAMES - 1;
	err = intern_new(3ULL * MAX_FRAMES, max_bytes ? max_bytes / STRINGS_PART : MAX_STRING_BYTES, &names->strings);
	if (err)
		goto fail;
	unnamed_spell(UNNAMED_OVER_BUDGET, "", 0, over_text, sizeof(over_text));
	err = intern_add_str(names->strings, over_text, &names->over_text);
	if (err)
		goto fail;
	*naming = (struct naming){.names = names, .cache = cache, .jit = jit, .kernel = kernel};
	vec_init(&naming->file_frames, MAX_FRAMES);
	vec_init(&naming->jit_frames, MAX_FRAMES);
	err = name_all(naming, batch);
	if (err)
		goto fail;
	*ret = names;
	return 0;
fail:
	frame_names_free(names);
	return err;
}

void frame_names_free(struct frame_names *names)
{
	if (!names)
		return;
	vec_release(&names->frames);
	vec_release(&names->lines);
	intern_free(names->strings);
	free(names->frame_of);
	free(names);
}

uint32_t frame_names_find(const struct frame_names *names, const struct batch_stack *stack, uint32_t index)
{
	return names->frame_of[stack->first_word + index];
}

const struct frame_name *frame_names_get(const struct frame_names *names, uint32_t frame)
{
	return &names->frames.items[frame];
}

uint32_t frame_names_count(const struct frame_names *names)
{
	return (uint32_t)names->frames.len;
}

const struct frame_line *frame_names_line(const struct frame_names *names, uint32_t line)
{
	return &names->lines.items[line];
}

uint32_t frame_names_lines(const struct frame_names *names)
{
	return (uint32_t)names->lines.len;
}

const char *frame_names_string(const struct frame_names *names, uint32_t id)
{
	return intern_str(names->strings, id);
}
