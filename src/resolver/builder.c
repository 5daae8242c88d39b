/* SPDX-License-Identifier: Apache-2.0 */
#include "resolver/builder.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/map.h"
#include "base/text.h"
#include "encode/flamegraph_encode.h"
#include "encode/folded_encode.h"
#include "encode/pprof_encode.h"
#include "encode/sink.h"
#include "profile/profile.h"
#include "resolver/frame_names.h"
#include "resolver/object_cache.h"
#include "resolver/profile_build.h"
#include "resolver/top_table.h"

#define FILE_NAME_MAX 96
/* Of the memory: for the names of frames, for a profile; an encoder may take twice what its profile may. */
#define FRAMES_PART 5
#define PROFILE_PART 4

struct builder {
	struct profile_source source;
	const struct builder_sink *sink;
	uint32_t skip;
	struct builder_result result;
	uint32_t *by_process;	/* sample indexes grouped by process */
	uint32_t *first_sample; /* process -> start of its group; one more entry closes the last */
	struct profile *merged; /* made when the first output asks for it */
};

/* Sorts sample indexes by process, stable, by counting. */
static int group_samples(struct builder *builder)
{
	const struct batch *batch = builder->source.batch;
	uint32_t *next;

	builder->by_process = calloc(batch->n_samples + 1, sizeof(uint32_t));
	builder->first_sample = calloc((size_t)batch->n_processes + 2, sizeof(uint32_t));
	if (!builder->by_process || !builder->first_sample)
		return -ENOMEM;
	next = builder->first_sample + 1;
	for (uint32_t i = 0; i < batch->n_samples; i++)
		next[batch->samples[i].process + 1]++;
	for (uint32_t p = 1; p <= batch->n_processes; p++)
		next[p] += next[p - 1];
	/* next[p] is now where process p's group begins, and after the loop where it ends: the shift by one makes
	 * first_sample[p] .. first_sample[p + 1] its group. */
	for (uint32_t i = 0; i < batch->n_samples; i++)
		builder->by_process[next[batch->samples[i].process]++] = i;
	return 0;
}

/* Frames of all samples, each as often as it was sampled. */
static void count_frames(struct builder *builder)
{
	const struct batch *batch = builder->source.batch;

	for (uint32_t i = 0; i < batch->n_samples; i++) {
		const struct batch_sample *sample = &batch->samples[i];
		const uint32_t stacks[] = {sample->kernel_stack, sample->user_stack};

		builder->result.samples += sample->count;
		for (size_t s = 0; s < 2; s++) {
			if (stacks[s] == BATCH_NONE)
				continue;
			for (uint32_t w = 0; w < batch->stacks[stacks[s]].words; w++) {
				uint32_t frame = frame_names_find(builder->source.names, &batch->stacks[stacks[s]], w);

				if (frame_names_get(builder->source.names, frame)->is_named)
					builder->result.frames_named += sample->count;
				else
					builder->result.frames_unnamed += sample->count;
			}
		}
	}
}

static int make_profile(const struct builder *builder, const uint32_t *samples, size_t n, struct profile **ret)
{
	const struct profile_comment comments[] = {
		{"frames.named", builder->result.frames_named},
		{"frames.unnamed", builder->result.frames_unnamed},
	};

	return profile_build(&builder->source, samples, n, comments, sizeof(comments) / sizeof(comments[0]), ret);
}

static int encode(const struct builder *builder, enum output_format format, const struct profile *profile,
		  const struct sink *sink)
{
	const struct batch_info *info = &builder->source.batch->info;
	const struct flamegraph_options page = {.title = "hostprof",
						.duration_seconds = (double)info->duration_ns / 1e9};

	switch (format) {
	case OUTPUT_PPROF_EACH:
	case OUTPUT_PPROF_MERGED:
		return pprof_encode(profile, sink);
	case OUTPUT_FOLDED:
		return folded_encode(profile, sink);
	case OUTPUT_FLAMEGRAPH:
		return flamegraph_encode(profile, &page, sink);
	case OUTPUT_FORMAT_COUNT:
		break;
	}
	return -EINVAL;
}

static int emit(struct builder *builder, const struct batch_output *output, const char *name, uint64_t samples,
		const struct profile *profile)
{
	auto_close int fd = memfd_create("hostprof-output", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct sink sink;
	int err;

	if (fd < 0)
		return -errno;
	sink = sink_to_fd(&fd);
	err = encode(builder, output->format, profile, &sink);
	if (!err)
		err = memfd_seal(fd);
	if (!err)
		err = builder->sink->output(builder->sink->ctx, builder->result.outputs, output->output, name, samples,
					    fd);
	return err;
}

/* "COMM-PID.pb.gz", "COMM-PID-2.pb.gz" for a further generation of the same. */
static int process_file_name(struct map *taken, const struct batch *batch, uint32_t process, char *to, size_t size)
{
	char key[64] = {0}, comm[32];
	uint32_t *uses;
	int err;

	text_file_name(comm, sizeof(comm), batch_string(batch, batch->processes[process].comm));
	snprintf(key, sizeof(key), "%s-%u", comm, batch->processes[process].tgid);
	err = map_insert(taken, key, (void **)&uses, NULL);
	if (err)
		return err;
	if ((*uses)++)
		snprintf(to, size, "%s-%u.pb.gz", key, *uses);
	else
		snprintf(to, size, "%s.pb.gz", key);
	return 0;
}

static int emit_each(struct builder *builder, const struct batch_output *output)
{
	const struct batch *batch = builder->source.batch;
	struct map taken;
	int err = 0;

	map_init(&taken, 64, sizeof(uint32_t), (size_t)batch->n_processes + 1);
	for (uint32_t p = 0; !err && p < batch->n_processes; p++) {
		const uint32_t *samples = builder->by_process + builder->first_sample[p];
		uint32_t n = builder->first_sample[p + 1] - builder->first_sample[p];
		struct profile *profile = NULL;
		char name[FILE_NAME_MAX];
		uint64_t count = 0;

		if (!n)
			continue;
		err = process_file_name(&taken, batch, p, name, sizeof(name));
		if (!err && builder->result.outputs >= builder->skip) {
			for (uint32_t i = 0; i < n; i++)
				count += batch->samples[samples[i]].count;
			err = make_profile(builder, samples, n, &profile);
			if (!err)
				err = emit(builder, output, name, count, profile);
			profile_free(profile);
		}
		builder->result.outputs++;
	}
	map_release(&taken);
	return err;
}

static int emit_merged(struct builder *builder, const struct batch_output *output)
{
	int err = 0;

	if (builder->result.outputs >= builder->skip) {
		if (!builder->merged)
			err = make_profile(builder, builder->by_process, builder->source.batch->n_samples,
					   &builder->merged);
		if (!err)
			err = emit(builder, output, batch_string(builder->source.batch, output->name),
				   builder->result.samples, builder->merged);
	}
	builder->result.outputs++;
	return err;
}

int builder_run(const struct batch *batch, struct object_cache *cache, struct jit_names *jit,
		struct kernel_names *kernel, uint32_t skip, size_t max_bytes, const struct builder_sink *sink,
		struct summary *summary, struct builder_result *ret)
{
	struct builder builder = {
		.source = {.batch = batch, .cache = cache, .kernel = kernel}, .sink = sink, .skip = skip};
	struct frame_names *names = NULL;
	int err = frame_names_new(batch, cache, jit, kernel, max_bytes / FRAMES_PART, &names);

	object_cache_rest(cache);
	if (err)
		return err;
	builder.source.names = names;
	builder.source.max_bytes = max_bytes / PROFILE_PART;
	err = group_samples(&builder);
	if (!err) {
		count_frames(&builder);
		err = top_table_make(batch, names, cache, summary);
	}
	for (uint32_t i = 0; !err && i < batch->n_outputs; i++) {
		if (batch->outputs[i].format == OUTPUT_PPROF_EACH)
			err = emit_each(&builder, &batch->outputs[i]);
		else
			err = emit_merged(&builder, &batch->outputs[i]);
	}
	profile_free(builder.merged);
	free(builder.by_process);
	free(builder.first_sample);
	frame_names_free(names);
	if (!err)
		*ret = builder.result;
	return err;
}
