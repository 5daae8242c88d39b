/* SPDX-License-Identifier: Apache-2.0 */
/* The sampling program, loaded, and processes whose tables and mappings are published to it before they are measured:
 * of others it copies the stacks, which costs something else. What it sends is read, to know what it walked. */
#pragma once

#include <bpf/libbpf.h>
#include <fcntl.h>

#include "base/text.h"
#include "collector/sampler_internal.h"
#include "collector/table_maps.h"
#include "opener/procfs.h"
#include "profiler.skel.h"
#include "table/row_store.h"

#include "built_table.h"
#include "program_cost.h"

#define WALK_RATE_HZ 4999
#define WALK_TABLE_BYTES (32u << 20)
#define MAX_SEEN_STACKS 65536
#define MAX_WALKED_FILES 128

struct seen_stack {
	uint64_t hash;
	uint32_t words, end;
};

/* A file whose table is published. */
struct walked_file {
	char path[512];
	uint32_t slot, generation;
};

/* What was read of the ring since the last walker_forget(). */
struct walked {
	uint64_t samples, frames, copies, incomplete;
};

struct walker {
	struct profiler *programs;
	struct table_maps maps;
	struct row_store *store;
	struct ring_buffer *ring;
	struct seen_stack stacks[MAX_SEEN_STACKS];
	size_t n_stacks;
	struct walked_file files[MAX_WALKED_FILES];
	size_t n_files;
	struct walked walked;
	uint64_t image; /* of the process record that came last */
};

static inline int on_walked(void *ctx, void *record, size_t size)
{
	const struct stack_record *stack = record;
	const struct sample_record *sample = record;
	struct walker *walker = ctx;

	(void)size;
	if (stack->kind == RECORD_PROCESS) {
		walker->image = ((const struct process_record *)record)->image;
	} else if (stack->kind == RECORD_USER_STACK && walker->n_stacks < MAX_SEEN_STACKS) {
		walker->stacks[walker->n_stacks++] = (struct seen_stack){stack->hash, stack->words, stack->end};
	} else if (stack->kind == RECORD_SAMPLE) {
		walker->walked.samples++;
		walker->walked.copies += !!(sample->flags & SAMPLE_STACK_COPY);
		for (size_t i = 0; i < walker->n_stacks; i++) {
			if (walker->stacks[i].hash != sample->user)
				continue;
			walker->walked.frames += walker->stacks[i].words;
			walker->walked.incomplete += walker->stacks[i].end != UNWIND_END_ROOT;
			break;
		}
	}
	return 0;
}

static inline int add_walked_segment(void *ctx, uint32_t index, void **ret)
{
	return table_maps_add_segment(ctx, index, ret);
}

/* Exits with a message when that fails. */
static inline void walker_init(struct walker *walker)
{
	const struct sampler_options options = {.rate_hz = WALK_RATE_HZ, .table_bytes = WALK_TABLE_BYTES};
	struct row_store_memory memory = {.add_segment = add_walked_segment, .ctx = &walker->maps};
	struct sampler_settings settings = {0};
	struct problem problem = {0};
	char text[1024];

	*walker = (struct walker){0};
	if (programs_load(&options, cpus_possible(), &settings, &walker->programs, &problem)) {
		problem_text(&problem, text, sizeof(text));
		fprintf(stderr, "%s\n", text);
		exit(1);
	}
	errno = -table_maps_init(&walker->maps, walker->programs, sampler_table_segments(&options));
	if (errno)
		fail("table_maps_init");
	memory.rules = walker->maps.rules;
	memory.objects = walker->maps.objects;
	memory.processes = walker->maps.processes;
	errno = -row_store_new(&memory, WALK_TABLE_BYTES, HOST_MACHINE, &walker->store);
	if (errno)
		fail("row_store_new");
	walker->ring = ring_buffer__new(bpf_map__fd(walker->programs->maps.ring), on_walked, walker, NULL);
	if (!walker->ring)
		fail("ring_buffer__new");
}

static inline void walker_release(struct walker *walker)
{
	ring_buffer__free(walker->ring);
	row_store_free(walker->store);
	table_maps_release(&walker->maps);
	profiler__destroy(walker->programs);
}

static inline int walker_prog_fd(const struct walker *walker)
{
	return bpf_program__fd(walker->programs->progs.sample);
}

/* What was walked since the last call. */
static inline struct walked walker_read(struct walker *walker)
{
	struct walked walked;

	ring_buffer__consume(walker->ring);
	walked = walker->walked;
	walker->walked = (struct walked){0};
	return walked;
}

/* The file with its table published; NULL: it has none. */
static inline const struct walked_file *walked_file(struct walker *walker, const char *path)
{
	struct walked_file *entry = &walker->files[walker->n_files];
	struct elf_file *file = NULL;
	int fd, err = -ENOENT;
	struct built_table built;

	for (size_t i = 0; i < walker->n_files; i++)
		if (!strcmp(walker->files[i].path, path))
			return &walker->files[i];
	if (walker->n_files == MAX_WALKED_FILES || strlen(path) >= sizeof(entry->path))
		return NULL;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && !elf_file_open(fd, &file))
		err = built_table_make(file, 0, &built);
	elf_file_free(file);
	if (err)
		return NULL;
	err = row_store_add_object(walker->store, &entry->slot, &entry->generation);
	if (!err)
		err = row_store_publish(walker->store, entry->slot, &built.table, clock_mono_ns(&clock_system));
	built_table_release(&built);
	errno = -err;
	if (err)
		fail("row_store_publish");
	text_copy(entry->path, sizeof(entry->path), path);
	walker->n_files++;
	return entry;
}

/* Publishes the process that is watched. Nothing of it may be mapped or unmapped afterwards. */
static inline void publish_watched(struct walker *walker, const struct watched *watched)
{
	struct unwind_mapping mappings[UNWIND_MAX_MAPPINGS];
	char path[MESSAGE_MAX_PATH], *line = NULL;
	struct proc_map map;
	size_t size = 0;
	uint32_t n = 0;
	ssize_t len;
	FILE *maps;

	/* Its key is in the first record of it. */
	walker->image = 0;
	for (int tries = 0; !walker->image && tries < 100; tries++) {
		run_slice(watched, 20);
		walker_read(walker);
	}
	snprintf(path, sizeof(path), "/proc/%d/maps", watched->pid);
	maps = fopen(path, "re");
	if (!walker->image || !maps)
		fail("no sample of the process");
	while ((len = getline(&line, &size, maps)) > 0 && n < UNWIND_MAX_MAPPINGS) {
		const struct walked_file *file;
		struct cursor cursor;
		int path_len;

		cursor_init(&cursor, line, (size_t)len - 1);
		if (proc_map_parse(cursor, &map) || !map.is_executable || map.start > INT64_MAX)
			continue;
		path_len = map.ino ? proc_map_path(&map, path, sizeof(path) - 1) : 0;
		path[path_len > 0 ? path_len : 0] = 0;
		file = walked_file(walker, path);
		mappings[n++] = (struct unwind_mapping){
			.start = map.start,
			.bias = map.start - map.file_off,
			.pages = (uint32_t)((map.limit - map.start) >> 12),
			.object = file ? file->slot : UNWIND_NO_OBJECT,
			.generation = file ? file->generation : 0,
		};
	}
	fclose(maps);
	free(line);
	errno = -row_store_publish_process(walker->store, walker->image, mappings, n, false,
					   clock_mono_ns(&clock_system));
	if (errno)
		fail("row_store_publish_process");
	run_slice(watched, 20);
	walker_read(walker);
}
