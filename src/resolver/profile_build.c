/* SPDX-License-Identifier: Apache-2.0 */
/* Frames are shared by all processes of the batch; a pprof location is not: its address lies in a mapping. So a profile
 * takes, for each part of a file that it meets, the place where the first process mapped it, and gives every process'
 * frames in that part addresses of that one place. A profile of one process thus has its true addresses, and a merged
 * one has each file once, whatever address space randomisation did. */
#include "resolver/profile_build.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/map.h"
#include "label/cgroup_path.h"
#include "profile/profile.h"
#include "resolver/object_cache.h"
#include "resolver/kernel_names.h"

#define PROFILE_MAX_BYTES (512u << 20)
#define PAGE_BYTES 4096ULL
#define NO_LOCATION 0

_Static_assert(OBJECT_MAX_LINES <= PROFILE_MAX_LINES, "a location holds the lines of any frame");

static const char *const end_texts[UNWIND_END_COUNT] = {
#define UNWIND_END(name, is_complete, text) [UNWIND_END_##name] = (is_complete) ? NULL : "[truncated: " text "]",
#include "wire/unwind_end.def"
#undef UNWIND_END
};

/* A part of a file (or of the kernel: object is BATCH_NONE and file_off the module's name id). */
struct part_key {
	uint64_t file_off, size;
	uint32_t object, pad;
};

struct part {
	uint64_t start;
	uint32_t mapping;
};

struct build {
	const struct profile_source *source;
	struct profile *profile;
	struct map parts;
	uint32_t *location_of; /* frame -> location id, or NO_LOCATION */
	uint32_t end_location[UNWIND_END_COUNT];
	uint32_t unknown_location;
	bool is_full;
	/* Of the process looked at last, for samples of one follow each other. */
	uint32_t owner_of; /* index, or BATCH_NONE */
	struct cgroup_owner owner;
};

static const char *string_of(const struct build *build, uint32_t id)
{
	return frame_names_string(build->source->names, id);
}

/* A frame that has no address: an explanation. */
static int add_text_location(struct build *build, const char *text, uint32_t *slot)
{
	struct profile_function function = {.name = text};
	struct profile_line line = {0};
	int err;

	if (*slot != NO_LOCATION)
		return 0;
	err = profile_add_function(build->profile, &function, &line.function);
	if (err)
		return err;
	return profile_add_location(build->profile, 0, 0, &line, 1, slot);
}

static int add_part(struct build *build, const struct part_key *key, const struct profile_mapping *mapping,
		    const struct part **ret)
{
	struct part *part;
	bool is_new;
	int err = map_insert(&build->parts, key, (void **)&part, &is_new);

	if (err)
		return err;
	if (is_new) {
		part->start = mapping->start;
		err = profile_add_mapping(build->profile, mapping, &part->mapping);
	}
	*ret = part;
	return err;
}

static int add_file_part(struct build *build, const struct batch_mapping *in_process, const struct part **ret)
{
	const struct batch *batch = build->source->batch;
	const struct batch_object *object = &batch->objects[in_process->object];
	struct part_key key = {.file_off = in_process->file_off,
			       .size = in_process->limit - in_process->start,
			       .object = in_process->object};
	struct profile_mapping mapping = {.start = in_process->start,
					  .limit = in_process->limit,
					  .file_off = in_process->file_off,
					  .file = batch_string(batch, object->path),
					  .build_id = object_cache_build_id(build->source->cache, object->id)};

	return add_part(build, &key, &mapping, ret);
}

/* Kernel text has bounds of its own; a module's are those of the frames seen in it. */
static int add_kernel_part(struct build *build, uint32_t module, const struct part **ret)
{
	const char *name = string_of(build, module);
	struct part_key key = {.file_off = module, .object = BATCH_NONE};
	struct profile_mapping mapping = {.file = name};

	if (!strcmp(name, "[kernel]"))
		mapping.file = "[kernel.kallsyms]";
	if (strcmp(name, "[kernel]") || !build->source->kernel ||
	    !kernel_names_text(build->source->kernel, &mapping.start, &mapping.limit)) {
		mapping.start = UINT64_MAX;
		mapping.limit = 0;
	}
	for (uint32_t i = 0; i < frame_names_count(build->source->names); i++) {
		const struct frame_name *frame = frame_names_get(build->source->names, i);

		if (!frame->is_kernel || frame->module != module)
			continue;
		if (frame->offset < mapping.start)
			mapping.start = frame->offset & ~(PAGE_BYTES - 1);
		if (frame->offset >= mapping.limit)
			mapping.limit = (frame->offset | (PAGE_BYTES - 1)) + 1;
	}
	return add_part(build, &key, &mapping, ret);
}

static const struct batch_mapping *mapping_of(const struct batch *batch, uint32_t process,
					      const struct frame_name *frame)
{
	const struct batch_mapping *first = batch->mappings + batch->processes[process].first_mapping;

	for (uint32_t i = 0; i < batch->processes[process].mappings; i++) {
		const struct batch_mapping *mapping = &first[i];

		if (mapping->object == frame->object && frame->offset >= mapping->file_off &&
		    frame->offset - mapping->file_off < mapping->limit - mapping->start)
			return mapping;
	}
	return NULL;
}

/* The functions of the frame's lines, innermost first. */
static int add_functions(struct build *build, const struct frame_name *frame, struct profile_line *lines)
{
	for (uint32_t i = 0; i < frame->n_lines; i++) {
		const struct frame_line *from = frame_names_line(build->source->names, frame->first_line + i);
		struct profile_function function = {.name = string_of(build, from->name),
						    .system_name = string_of(build, from->system_name),
						    .file = string_of(build, from->file),
						    .start_line = from->start_line};
		int err;

		lines[i] = (struct profile_line){.line = from->line};
		err = profile_add_function(build->profile, &function, &lines[i].function);
		if (err)
			return err;
	}
	return 0;
}

static int add_frame_location(struct build *build, uint32_t process, uint32_t number)
{
	const struct frame_name *frame = frame_names_get(build->source->names, number);
	struct profile_line lines[PROFILE_MAX_LINES];
	const struct batch_mapping *in_process;
	const struct part *part = NULL;
	uint64_t address = 0;
	uint32_t mapping = 0;
	int err = 0;

	if (build->location_of[number] != NO_LOCATION)
		return 0;
	if (frame->is_kernel) {
		static const struct part_key none;
		struct part_key key = none;

		key.file_off = frame->module;
		key.object = BATCH_NONE;
		part = map_find(&build->parts, &key);
		if (!part)
			err = add_kernel_part(build, frame->module, &part);
		address = frame->offset;
	} else if (frame->object != BATCH_NONE) {
		in_process = mapping_of(build->source->batch, process, frame);
		if (in_process) {
			err = add_file_part(build, in_process, &part);
			address = err ? 0 : part->start + (frame->offset - in_process->file_off);
		} else if (build->source->batch->objects[frame->object].kind == OBJECT_JIT) {
			address = build->source->batch->objects[frame->object].base + frame->offset;
		}
	} else {
		address = frame->offset;
	}
	if (err)
		return err;
	if (part)
		mapping = part->mapping;
	err = add_functions(build, frame, lines);
	if (err)
		return err;
	return profile_add_location(build->profile, mapping, address, lines, frame->n_lines,
				    &build->location_of[number]);
}

/* Appends the stack's locations, leaf first. */
static int add_stack(struct build *build, uint32_t process, const struct batch_stack *stack, uint32_t *locations,
		     size_t *n)
{
	for (uint32_t i = 0; i < stack->words; i++) {
		uint32_t number = frame_names_find(build->source->names, stack, i);
		int err = add_frame_location(build, process, number);

		if (err)
			return err;
		if (*n < PROFILE_MAX_DEPTH)
			locations[(*n)++] = build->location_of[number];
	}
	return 0;
}

/* Where the process runs, as far as its control group tells. */
static size_t owner_labels(struct build *build, uint32_t process, struct profile_label *labels)
{
	const char *cgroup = batch_string(build->source->batch, build->source->batch->processes[process].cgroup);
	const struct profile_label all[] = {{.key = "cgroup", .str = strcmp(cgroup, "/") ? cgroup : ""},
					    {.key = "container_id", .str = build->owner.container_id},
					    {.key = "pod_uid", .str = build->owner.pod_uid},
					    {.key = "unit", .str = build->owner.unit}};
	size_t n = 0;

	if (build->owner_of != process)
		cgroup_path_parse(cgroup, &build->owner);
	build->owner_of = process;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i].str[0])
			labels[n++] = all[i];
	return n;
}

static size_t sample_labels(struct build *build, const struct batch_sample *sample, struct profile_label *labels,
			    char *pid, char *tid, size_t size)
{
	const struct batch *batch = build->source->batch;
	const struct batch_process *process = &batch->processes[sample->process];
	size_t n = 0;

	snprintf(pid, size, "%u", process->tgid);
	labels[n++] = (struct profile_label){.key = "pid", .str = pid};
	labels[n++] = (struct profile_label){.key = "comm", .str = batch_string(batch, process->comm)};
	if (sample->tid) {
		snprintf(tid, size, "%u", sample->tid);
		labels[n++] = (struct profile_label){.key = "tid", .str = tid};
		labels[n++] = (struct profile_label){.key = "thread", .str = batch_string(batch, sample->thread_name)};
	}
	n += owner_labels(build, sample->process, labels + n);
	for (uint32_t i = 0; i < batch->n_pairs && n < PROFILE_MAX_LABELS; i++)
		if (!batch->pairs[i].is_comment)
			labels[n++] = (struct profile_label){.key = batch_string(batch, batch->pairs[i].key),
							     .str = batch_string(batch, batch->pairs[i].value)};
	return n;
}

/* The frame that says why the stack ends, or NULL. "[32-bit]" says it already. */
static const char *end_text(const struct batch *batch, const struct batch_stack *user)
{
	bool is_told = user->end == UNWIND_END_COMPAT_TASK && user->words;

	return batch->info.with_error_frames && !is_told ? end_texts[user->end] : NULL;
}

/* Without its stack it takes little, and equal ones are one. */
static int add_sample(struct build *build, const struct batch_sample *sample, bool is_over)
{
	const struct batch *batch = build->source->batch;
	int64_t values[] = {(int64_t)sample->count, (int64_t)sample->weight};
	struct profile_label labels[PROFILE_MAX_LABELS];
	uint32_t locations[PROFILE_MAX_DEPTH];
	char pid[16], tid[16], unknown[32];
	size_t n = 0, n_labels;
	int err = 0;

	if (is_over)
		locations[n++] = build->end_location[UNWIND_END_OVER_BUDGET];
	if (!is_over && sample->kernel_stack != BATCH_NONE)
		err = add_stack(build, sample->process, &batch->stacks[sample->kernel_stack], locations, &n);
	if (!err && !is_over && sample->user_stack != BATCH_NONE) {
		const struct batch_stack *user = &batch->stacks[sample->user_stack];

		err = add_stack(build, sample->process, user, locations, &n);
		if (!err && end_text(batch, user) && n < PROFILE_MAX_DEPTH) {
			err = add_text_location(build, end_text(batch, user), &build->end_location[user->end]);
			locations[n++] = build->end_location[user->end];
		}
	}
	if (!err && !n) {
		unnamed_spell(UNNAMED_UNKNOWN, "", 0, unknown, sizeof(unknown));
		err = add_text_location(build, unknown, &build->unknown_location);
		locations[n++] = build->unknown_location;
	}
	if (err)
		return err;
	n_labels = sample_labels(build, sample, labels, pid, tid, sizeof(pid));
	return profile_add_sample(build->profile, locations, n, labels, n_labels, values);
}

/* Once the profile is full, further samples count for their process alone: for those there is half as much again. */
static int add_or_fold(struct build *build, const struct batch_sample *sample)
{
	uint32_t *over = &build->end_location[UNWIND_END_OVER_BUDGET];
	int err = build->is_full ? -E2BIG : add_sample(build, sample, false);

	if (err != -E2BIG)
		return err;
	if (!build->is_full)
		profile_set_limit(build->profile, profile_limit(build->profile) / 2 * 3);
	build->is_full = true;
	err = add_text_location(build, end_texts[UNWIND_END_OVER_BUDGET], over);
	return err ? err : add_sample(build, sample, true);
}

static int add_header(struct build *build, const struct profile_comment *comments, size_t n_comments)
{
	const struct batch *batch = build->source->batch;
	const bool is_cycles = batch->info.source == SAMPLE_SOURCE_CYCLES;
	const char *type = is_cycles ? "cycles" : "cpu", *unit = is_cycles ? "count" : "nanoseconds";
	char text[512];
	int err = profile_add_sample_type(build->profile, "samples", "count");

	if (!err)
		err = profile_add_sample_type(build->profile, type, unit);
	if (!err)
		err = profile_set_period(build->profile, type, unit, (int64_t)batch->info.period);
	profile_set_time(build->profile, (int64_t)batch->info.start_wall_ns, (int64_t)batch->info.duration_ns);
	for (uint32_t i = 0; !err && i < batch->n_pairs; i++) {
		if (!batch->pairs[i].is_comment)
			continue;
		snprintf(text, sizeof(text), "hostprof.%s: %s", batch_string(batch, batch->pairs[i].key),
			 batch_string(batch, batch->pairs[i].value));
		err = profile_add_comment(build->profile, text);
	}
	for (size_t i = 0; !err && i < n_comments; i++) {
		snprintf(text, sizeof(text), "hostprof.%s: %llu", comments[i].key,
			 (unsigned long long)comments[i].value);
		err = profile_add_comment(build->profile, text);
	}
	return err;
}

/* pprof shows mapping 1 as the file of the profile. */
static int add_executable(struct build *build, uint32_t process)
{
	const struct batch *batch = build->source->batch;
	const struct batch_process *of = &batch->processes[process];
	const struct part *part;

	for (uint32_t i = 0; of->executable != BATCH_NONE && i < of->mappings; i++) {
		const struct batch_mapping *mapping = &batch->mappings[of->first_mapping + i];

		if (mapping->object == of->executable)
			return add_file_part(build, mapping, &part);
	}
	return 0;
}

int profile_build(const struct profile_source *source, const uint32_t *samples, size_t n_samples,
		  const struct profile_comment *comments, size_t n_comments, struct profile **ret)
{
	const struct profile_limits limits = {.max_bytes = source->max_bytes ? source->max_bytes : PROFILE_MAX_BYTES};
	struct build build = {.source = source, .owner_of = BATCH_NONE};
	int err = profile_new(&limits, &build.profile);

	if (err)
		return err;
	map_init(&build.parts, sizeof(struct part_key), sizeof(struct part), source->batch->n_mappings + 65536);
	build.location_of = calloc(frame_names_count(source->names) + 1, sizeof(*build.location_of));
	err = build.location_of ? add_header(&build, comments, n_comments) : -ENOMEM;
	if (!err && n_samples)
		err = add_executable(&build, source->batch->samples[samples[0]].process);
	for (size_t i = 0; !err && i < n_samples; i++)
		err = add_or_fold(&build, &source->batch->samples[samples[i]]);
	free(build.location_of);
	map_release(&build.parts);
	if (err) {
		profile_free(build.profile);
		return err;
	}
	*ret = build.profile;
	return 0;
}
