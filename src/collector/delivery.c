/* SPDX-License-Identifier: Apache-2.0 */
/* From the interval to its files. The collector keeps everything until the last file is in place:
 *
 *     stack store ─ batch ─► resolver ─ finished outputs ─► opener ─► files of the invoking user
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collector_internal.h"
#include "base/counters.h"
#include "collector/batch_make.h"

#define MAX_COMMENTS 256
#define MAX_DESTINATIONS 256
#define HOST_BYTES 256

/* Destinations are looked at before anything is sampled: nobody wants to hear of them after an hour. */
int delivery_prepare(struct collector *collector)
{
	const struct collector_options *options = collector->options;
	uint32_t asked = 0;

	for (uint32_t i = 0; i < options->n_outputs; i++) {
		const struct collector_output *output = &options->outputs[i];
		int err;

		if (!output->path)
			continue;
		err = opener_link_prepare(collector->opener, i, output->place, output->flags, output->path);
		if (err)
			return problem_set(collector->problem, err, "", "cannot write to %s", output->path);
		asked++;
	}
	while (collector->outputs_prepared < asked && !collector->is_interrupted)
		loop_pump(collector);
	return collector->output_err;
}

void delivery_output_prepared(void *ctx, uint32_t output, int err, const char *path)
{
	struct collector *collector = ctx;
	const char *mend = "check the path and its rights";

	(void)output;
	collector->outputs_prepared++;
	if (!err || collector->output_err)
		return;
	if (err == -EEXIST)
		mend = "give another path, or --force to replace what is there";
	else if (err == -ELOOP)
		mend = "it is a symbolic link, and those are not followed: give the path that it stands for";
	else if (err == -ENOENT)
		mend = "make the directory that is to hold it";
	collector->output_err = problem_set(collector->problem, err, mend, "cannot write to %s", path);
}

void delivery_output_written(void *ctx, uint32_t output, int err, const char *path, uint64_t bytes)
{
	struct collector *collector = ctx;
	struct report_file *file;
	char *copy;

	if (!err && output < collector->options->n_outputs && collector->writes_done < collector->writes.len)
		collector->written[output] += collector->writes.items[collector->writes_done];
	collector->writes_done++;
	if (err) {
		if (!collector->output_err)
			collector->output_err = problem_set(
				collector->problem, err,
				err == -ENOSPC || err == -EDQUOT ? "free some room, or give another path" : "",
				"cannot write %s", path);
		return;
	}
	copy = strdup(path);
	file = copy ? vec_push(&collector->files) : NULL;
	if (file)
		*file = (struct report_file){.path = copy, .bytes = bytes};
	else
		free(copy);
}

void delivery_output(void *ctx, const struct message_output *output, const char *name, int fd)
{
	struct collector *collector = ctx;
	const struct collector_options *options = collector->options;
	uint64_t *samples;
	int err;

	if (output->output >= options->n_outputs)
		return;
	if (options->outputs[output->output].path) {
		err = vec_reserve(&collector->writes, collector->writes.len + 1);
		if (!err)
			err = opener_link_write(collector->opener, output->output, name, fd);
		if (!err) {
			samples = vec_push_reserved(&collector->writes);
			*samples = output->samples;
		}
	} else {
		err = options->deliver(options->ctx, output->output, fd);
		if (!err)
			collector->written[output->output] += output->samples;
	}
	if (err && !collector->output_err)
		collector->output_err = problem_set(collector->problem, err, "", "cannot write the output");
}

void delivery_summary(void *ctx, int fd)
{
	struct collector *collector = ctx;

	if (summary_read(fd, &collector->summary))
		count(COUNTER_bad_messages);
}

void delivery_built(void *ctx, const struct message_batch_done *done)
{
	struct collector *collector = ctx;

	collector->built = *done;
	collector->is_built = true;
}

struct comments {
	struct batch_text texts[MAX_COMMENTS];
	size_t n;
};

static void add_comment(void *ctx, const char *key, const char *value)
{
	struct comments *comments = ctx;
	char *key_copy, *value_copy;

	if (!strncmp(key, "frames.", strlen("frames.")))
		return; /* nothing is named yet: the resolver adds these */
	key_copy = strdup(key);
	value_copy = strdup(value);
	if (comments->n < MAX_COMMENTS && key_copy && value_copy) {
		comments->texts[comments->n++] = (struct batch_text){key_copy, value_copy};
	} else {
		free(key_copy);
		free(value_copy);
	}
}

static int make_batch(struct collector *collector, const struct comments *comments, int *ret_fd)
{
	const struct collector_options *options = collector->options;
	struct batch_destination destinations[MAX_DESTINATIONS];
	char host[HOST_BYTES] = "";
	const struct batch_text labels[] = {{"host", host}};
	struct batch_ingredients in = {.store = collector->store,
				       .objects = collector->objects,
				       .jit = collector->jit,
				       .labels = labels,
				       .n_labels = 1,
				       .comments = comments->texts,
				       .n_comments = comments->n,
				       .destinations = destinations,
				       .ksymbols = collector->ksymbols.items,
				       .n_ksymbols = collector->ksymbols.len,
				       .ksymbol_names = (const char *)collector->ksymbol_names.data};

	gethostname(host, sizeof(host) - 1);
	in.info = (struct batch_info){.start_wall_ns = collector->start_wall_ns,
				      .duration_ns = collector->stop_ns - collector->start_ns,
				      .end_mono_ns = collector->stop_ns,
				      .period = sampler_period(collector->sampler),
				      .source = sampler_source(collector->sampler),
				      .with_error_frames = options->with_error_frames};
	for (uint32_t i = 0; i < options->n_outputs; i++)
		for (size_t f = 0; f < options->outputs[i].n_formats; f++)
			if (in.n_destinations < sizeof(destinations) / sizeof(destinations[0]))
				destinations[in.n_destinations++] = (struct batch_destination){
					i, options->outputs[i].formats[f].format, options->outputs[i].formats[f].name};
	return batch_make(&in, ret_fd);
}

static int build(struct collector *collector)
{
	struct comments *comments = calloc(1, sizeof(*comments));
	struct truth truth;
	int fd, err;

	if (!comments)
		return -ENOMEM;
	truth_tell(collector, &truth);
	if (collector->options->spell)
		collector->options->spell(&truth, add_comment, comments);
	err = make_batch(collector, comments, &fd);
	for (size_t i = 0; i < comments->n; i++) {
		free((char *)comments->texts[i].key);
		free((char *)comments->texts[i].value);
	}
	free(comments);
	if (err)
		return err;
	truth_measure_memory(collector);
	collector_forget_sampling(collector);
	return resolver_link_batch(collector->resolver, 1, fd, collector_now());
}

int delivery_finish(struct collector *collector)
{
	int err = build(collector);

	while (!err && !collector->is_built)
		loop_pump(collector);
	if (!err)
		err = collector->built.err;
	truth_measure_memory(collector);
	while (collector->writes_done < collector->writes.len)
		loop_pump(collector);
	if (err)
		return problem_set(collector->problem, err, "run again with -v to see why", "cannot make the profiles");
	return collector->output_err;
}
