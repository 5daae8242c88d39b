/* SPDX-License-Identifier: Apache-2.0 */
/* Debug files: what the resolver wants of them, what the opener finds, and what became of it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector_internal.h"
#include "base/counters.h"
#include "base/err.h"
#include "collector/registry.h"

/* The process through which the object was found first: its root need not be that of its namespace. */
static void add_candidates(struct collector *collector, const struct object *object, struct message_open_debug *request)
{
	struct process *others[OPEN_CANDIDATES];
	size_t n = registry_in_mount_namespace(collector->registry, object->mnt_ns, others, OPEN_CANDIDATES);

	if (object->found_tgid)
		request->candidate[request->candidates++] = (struct message_candidate){
			.tgid = object->found_tgid, .start_boottime_ns = object->found_start_ns};
	for (size_t i = 0; i < n && request->candidates < OPEN_CANDIDATES; i++)
		if (others[i]->tgid != object->found_tgid)
			request->candidate[request->candidates++] = (struct message_candidate){
				.tgid = others[i]->tgid, .start_boottime_ns = others[i]->start_boottime_ns};
}

static int open_debug(void *ctx, struct message_open_debug *request, uint32_t object, const char *path)
{
	struct collector *collector = ctx;

	if (object)
		add_candidates(collector, object_table_get(collector->objects, object), request);
	return opener_link_open_debug(collector->opener, request, path);
}

static int send_debug_file(void *ctx, const struct message_debug_opened *answer, const char *path, int fd)
{
	struct collector *collector = ctx;

	return resolver_link_debug_file(collector->resolver, answer, path, fd);
}

int debug_answers_start(struct collector *collector)
{
	const struct debug_files_options options = {
		.objects = collector->objects, .open = open_debug, .send = send_debug_file, .ctx = collector};

	return debug_files_new(&options, &collector->debug_files);
}

int debug_answers_prepare(struct collector *collector)
{
	const struct collector_options *options = collector->options;

	for (uint32_t i = 0; i < options->n_debug_directories; i++) {
		int err = opener_link_debug_directory(collector->opener, i, options->debug_directories[i]);

		if (err)
			return problem_set(collector->problem, err, "", "cannot look for debug files in %s",
					   options->debug_directories[i]);
	}
	while (collector->debug_directories_opened < options->n_debug_directories && !collector->is_interrupted)
		loop_pump(collector);
	return collector->debug_directory_err;
}

void debug_answers_directory(void *ctx, uint32_t index, int err, const char *path)
{
	struct collector *collector = ctx;

	(void)index;
	collector->debug_directories_opened++;
	if (err && !collector->debug_directory_err)
		collector->debug_directory_err =
			problem_set(collector->problem, err, "--debug-dir wants a directory that you may read",
				    "cannot look for debug files in %s", path);
}

void debug_answers_want(void *ctx, const struct message_want_debug *want, const char *name)
{
	struct collector *collector = ctx;

	debug_files_want(collector->debug_files, want, name);
}

void debug_answers_opened(void *ctx, const struct message_debug_opened *opened, const char *path, int fd)
{
	struct collector *collector = ctx;

	if (!opened->err)
		log_write(LOG_DEBUG, COLLECTOR_MODULE, "debug file %s opened", path);
	debug_files_opened(collector->debug_files, opened, path, fd);
}

void debug_answers_started_anew(void *ctx)
{
	struct collector *collector = ctx;

	debug_files_forget_requests(collector->debug_files);
}

static void count_failed(const struct message_sources *sources)
{
	for (uint32_t i = 0; i < sources->n; i++) {
		const struct message_source *source = &sources->sources[i];

		if (source->kind >= SOURCE_BUILD_ID && source->err && source->err != -ENOENT)
			count(COUNTER_debug_files_failed);
	}
}

void debug_answers_sources(void *ctx, const struct message_sources *sources)
{
	struct collector *collector = ctx;
	struct object *object = object_table_get(collector->objects, sources->object);
	struct message_sources *copy;

	if (!object)
		return;
	if (!object->sources) {
		count_failed(sources);
		copy = malloc(sizeof(*copy));
		if (copy)
			*copy = *sources;
		object->sources = copy;
	}
	if (sources->is_table_stale && collector->unwinding)
		unwinding_table_is_stale(collector->unwinding, sources->object);
}
