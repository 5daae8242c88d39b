/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/batch_make.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "collector/jit_code.h"
#include "collector/registry.h"

#define BATCH_MAX_SECTION (512u << 20)
#define MAX_PROCESSES (4u << 20)

struct process_vec VEC(struct process *);

struct making {
	const struct batch_ingredients *in;
	struct batch_writer writer;
	struct process_vec processes; /* in batch order */
	uint32_t n_objects, n_mappings;
};

static uint32_t add_string(struct making *making, const char *str)
{
	return batch_writer_string(&making->writer, str, strlen(str));
}

static uint32_t add_object(struct making *making, uint32_t id)
{
	struct object *object = object_table_get(making->in->objects, id);
	struct batch_object entry = {.id = id};
	char hex[2 * BUILD_ID_MAX + 1] = "";

	if (!object)
		return BATCH_NONE;
	if (object->batch_index != BATCH_NONE)
		return object->batch_index;
	for (size_t i = 0; i < object->build_id_len && i < BUILD_ID_MAX; i++) {
		hex[2 * i] = "0123456789abcdef"[object->build_id[i] >> 4];
		hex[2 * i + 1] = "0123456789abcdef"[object->build_id[i] & 15];
		hex[2 * i + 2] = 0;
	}
	entry.kind = object->kind;
	entry.flags = object->flags;
	entry.base = object->base;
	entry.path = add_string(making, object->path);
	entry.build_id = add_string(making, hex);
	buf_append(&making->writer.objects, &entry, sizeof(entry));
	object->batch_index = making->n_objects;
	return making->n_objects++;
}

static void add_stacks(struct making *making)
{
	uint32_t n = stack_store_stacks(making->in->store);

	for (uint32_t id = 0; id < n; id++) {
		struct stored_stack stack = stack_store_stack(making->in->store, id);
		struct batch_stack entry = {.first_word = (uint32_t)(making->writer.words.len / sizeof(uint64_t)),
					    .words = stack.n,
					    .end = stack.end,
					    .is_kernel = stack.is_kernel};

		buf_append(&making->writer.stacks, &entry, sizeof(entry));
		buf_append(&making->writer.words, stack.words, stack.n * sizeof(uint64_t));
		for (uint16_t i = 0; !stack.is_kernel && i < stack.n; i++)
			if (frame_kind(stack.words[i]) == FRAME_FILE)
				add_object(making, (uint32_t)frame_object_id(stack.words[i]));
	}
}

/* Numbers the processes that have samples, and makes their executables known. */
static int number_processes(struct making *making)
{
	size_t n;
	const struct stored_sample *samples = stack_store_samples(making->in->store, &n);

	for (size_t i = 0; i < n; i++)
		samples[i].key.process->batch_index = BATCH_NONE;
	for (size_t i = 0; i < n; i++) {
		struct process *process = samples[i].key.process, **slot;

		if (process->batch_index != BATCH_NONE)
			continue;
		slot = vec_push(&making->processes);
		if (!slot)
			return -ENOMEM;
		*slot = process;
		process->batch_index = (uint32_t)(making->processes.len - 1);
		add_object(making, process->executable);
	}
	return 0;
}

/* The mapping of generated code is one of its process' own object: from offset 0 on, base is the address. */
static const struct object *object_of(const struct making *making, const struct process *process,
				      const struct mapping *mapping, uint64_t *file_off)
{
	struct object *object = object_table_get(making->in->objects, mapping->object);

	*file_off = mapping->file_off;
	if (!object || !making->in->jit || !jit_code_is(object))
		return object;
	object = object_table_get(making->in->objects, jit_code_find(making->in->jit, process, mapping->start));
	if (object)
		*file_off = mapping->start - object->base;
	return object;
}

/* Only mappings of objects that the batch names. */
static uint32_t add_mappings(struct making *making, const struct process *process)
{
	uint32_t added = 0;
	size_t n;
	const struct mapping *mappings = process_mappings(process, &n);

	for (size_t i = 0; i < n; i++) {
		struct batch_mapping entry = {.start = mappings[i].start, .limit = mappings[i].limit};
		const struct object *object = object_of(making, process, &mappings[i], &entry.file_off);

		if (!object || object->batch_index == BATCH_NONE)
			continue;
		entry.object = object->batch_index;
		buf_append(&making->writer.mappings, &entry, sizeof(entry));
		added++;
	}
	return added;
}

static void add_process(struct making *making, const struct process *process)
{
	const struct object *executable = object_table_get(making->in->objects, process->executable);
	struct batch_process entry = {
		.start_boottime_ns = process->start_boottime_ns,
		.tgid = process->tgid,
		.inner_tgid = process->inner_tgid,
		.uid = process->uid,
		.generation = process->generation,
		.flags = process->is_kernel_thread ? PROCESS_KERNEL_THREAD : 0,
		.executable = executable ? executable->batch_index : BATCH_NONE,
		.first_mapping = making->n_mappings,
		.perf_map = process->perf_map,
		.jitdump = process->jitdump,
	};

	entry.comm = batch_writer_string(&making->writer, process->comm, sizeof(process->comm));
	entry.cgroup = process->cgroup ? add_string(making, process->cgroup) : 0;
	entry.mappings = add_mappings(making, process);
	making->n_mappings += entry.mappings;
	buf_append(&making->writer.processes, &entry, sizeof(entry));
}

/* Whose code an object is: known now that the processes have their numbers. */
static int add_owners(struct making *making)
{
	struct batch_object *entries = (struct batch_object *)making->writer.objects.data;
	int err = making->writer.objects.err;

	for (uint32_t i = 0; i < making->n_objects && !err; i++) {
		if (entries[i].kind != OBJECT_JIT)
			continue;
		entries[i].process = object_table_get(making->in->objects, entries[i].id)->process->batch_index;
		/* A stack of which no sample is left: nobody asks for its names. */
		if (entries[i].process == BATCH_NONE)
			entries[i].kind = OBJECT_ANONYMOUS;
	}
	return err;
}

static void add_samples(struct making *making)
{
	size_t n;
	const struct stored_sample *samples = stack_store_samples(making->in->store, &n);

	for (size_t i = 0; i < n; i++) {
		const struct sample_key *key = &samples[i].key;
		struct batch_sample entry = {.process = key->process->batch_index,
					     .user_stack = key->user_stack,
					     .kernel_stack = key->kernel_stack,
					     .tid = key->tid,
					     .source = key->source,
					     .cpu = key->cpu,
					     .count = samples[i].count,
					     .weight = samples[i].weight};

		entry.thread_name = batch_writer_string(&making->writer, key->thread_comm,
							strnlen(key->thread_comm, sizeof(key->thread_comm)));
		buf_append(&making->writer.samples, &entry, sizeof(entry));
	}
}

static void add_texts(struct making *making, const struct batch_text *texts, size_t n, uint32_t is_comment)
{
	for (size_t i = 0; i < n; i++) {
		struct batch_pair pair = {.is_comment = is_comment};

		pair.key = add_string(making, texts[i].key);
		pair.value = add_string(making, texts[i].value);
		buf_append(&making->writer.pairs, &pair, sizeof(pair));
	}
}

static void add_rest(struct making *making)
{
	const struct batch_ingredients *in = making->in;

	for (size_t i = 0; i < in->n_ksymbols; i++) {
		struct batch_ksymbol entry = in->ksymbols[i];

		entry.name = add_string(making, in->ksymbol_names + entry.name);
		buf_append(&making->writer.ksymbols, &entry, sizeof(entry));
	}
	for (size_t i = 0; i < in->n_destinations; i++) {
		struct batch_output entry = {.output = in->destinations[i].output,
					     .format = in->destinations[i].format};

		entry.name = add_string(making, in->destinations[i].name);
		buf_append(&making->writer.outputs, &entry, sizeof(entry));
	}
	add_texts(making, in->labels, in->n_labels, 0);
	add_texts(making, in->comments, in->n_comments, 1);
}

int batch_make(const struct batch_ingredients *ingredients, int *ret_fd)
{
	struct making making = {.in = ingredients, .processes = VEC_INIT(MAX_PROCESSES)};
	uint32_t n_objects = object_table_count(ingredients->objects);
	int err;

	batch_writer_init(&making.writer, BATCH_MAX_SECTION);
	making.writer.info = ingredients->info;
	for (uint32_t id = 1; id <= n_objects; id++) {
		struct object *object = object_table_get(ingredients->objects, id);

		object->batch_index = BATCH_NONE;
		if (object->process)
			object->process->batch_index = BATCH_NONE;
	}
	add_stacks(&making);
	err = number_processes(&making);
	if (!err)
		err = add_owners(&making);
	if (!err) {
		vec_for_each (&making.processes, process)
			add_process(&making, *process);
		add_samples(&making);
		add_rest(&making);
		err = batch_writer_finish(&making.writer, ret_fd);
	}
	batch_writer_release(&making.writer);
	vec_release(&making.processes);
	return err;
}
