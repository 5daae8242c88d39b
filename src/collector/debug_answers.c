/* SPDX-License-Identifier: Apache-2.0 */
/* Debug files: what the resolver wants of them, what the opener finds, and what became of it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector_internal.h"
#include "base/cleanup.h"
#include "base/counters.h"
#include "base/err.h"
#include "collector/registry.h"

/* Requests of the opener that are of a download and not of a debug file. */
#define DOWNLOAD_REQUEST (1u << 31)
/* After sampling. */
#define DOWNLOADS_WAIT_NS (300 * NSEC_PER_SEC)
#define NOTE_INTERVAL_NS (250 * NSEC_PER_MSEC)
#define HELD_INTERVAL_NS (250 * NSEC_PER_MSEC)

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

/* --- of servers --------------------------------------------------------------------------------------------------- */

static int fetch_debug(void *ctx, uint32_t number, const struct message_want_debug *want, uint32_t server,
		       const struct object *object)
{
	struct collector *collector = ctx;
	const char *slash = strrchr(object->path, '/');

	return downloads_want(collector->downloads, number, want->id, want->id_len, server,
			      slash ? slash + 1 : object->path);
}

static int want_file(void *ctx, uint32_t download)
{
	const struct message_open_debug request = {.kind = DEBUG_DOWNLOAD, .request = download | DOWNLOAD_REQUEST};
	struct collector *collector = ctx;

	return opener_link_open_debug(collector->opener, &request, "");
}

static void on_settled(void *ctx, uint32_t number, int err, uint32_t server, const char *where, int fd)
{
	struct message_debug_opened opened = {
		.request = number, .err = err, .place = DEBUG_SERVER_PLACE + server, .origin = DEBUG_ORIGIN_SERVER};
	int copy = err ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
	struct collector *collector = ctx;

	if (!err && copy < 0)
		opened.err = -errno;
	debug_files_opened(collector->debug_files, &opened, where, copy);
}

static void keep_debug(void *ctx, const struct message_keep_debug *keep, int fd)
{
	struct collector *collector = ctx;

	opener_link_keep_debug(collector->opener, keep, fd);
}

void debug_answers_kept(void *ctx, int err)
{
	(void)ctx;
	if (!err) {
		count(COUNTER_debuginfod_kept);
		return;
	}
	log_write(LOG_INFO, COLLECTOR_MODULE, "a downloaded debug file is not kept in the cache: %s", err_name(err));
}

static int start_downloads(struct collector *collector)
{
	const struct downloads_options options = {.settings = collector->options->downloads,
						  .sender = {.role = ROLE_SENDER,
							     .invoker = collector->invoker,
							     .memory_bytes = SENDER_MEMORY_BYTES,
							     .epoll_fd = collector->epoll_fd,
							     .epoll_tag = TAG_SENDER},
						  .want_file = want_file,
						  .settled = on_settled,
						  .keep = keep_debug,
						  .ctx = collector};

	return collector->options->downloads ? downloads_new(&options, &collector->downloads) : 0;
}

static void work_off_held(struct collector *collector);

/* Who waits for files to name frames by does not wait for ever, nor against the user's will. */
void debug_answers_tick(struct collector *collector, uint64_t now_ns)
{
	char what[128], text[192];

	if (!collector->downloads)
		return;
	if (collector->held_wants.len && now_ns >= collector->next_held_ns) {
		collector->next_held_ns = now_ns + HELD_INTERVAL_NS;
		work_off_held(collector);
	}
	downloads_tick(collector->downloads, now_ns);
	if (!collector->stop_ns || !downloads_outstanding(collector->downloads))
		return;
	if (collector->is_impatient || now_ns - collector->stop_ns > DOWNLOADS_WAIT_NS) {
		log_write(LOG_WARN, COLLECTOR_MODULE,
			  "debug files that are not downloaded by now are done without: %zu",
			  downloads_outstanding(collector->downloads));
		downloads_give_up(collector->downloads);
		return;
	}
	if (!collector->options->note || now_ns < collector->next_progress_ns ||
	    !downloads_describe(collector->downloads, what, sizeof(what)))
		return;
	collector->next_progress_ns = now_ns + NOTE_INTERVAL_NS;
	snprintf(text, sizeof(text), "downloading debug files, Ctrl-C does without: %s", what);
	collector->options->note(collector->options->ctx, text);
}

/* --- from the start to the end ------------------------------------------------------------------------------------ */

int debug_answers_start(struct collector *collector)
{
	const struct debug_files_options options = {.objects = collector->objects,
						    .open = open_debug,
						    .fetch = collector->options->downloads ? fetch_debug : NULL,
						    .send = send_debug_file,
						    .ctx = collector};
	int err = debug_files_new(&options, &collector->debug_files);

	return err ? err : start_downloads(collector);
}

int debug_answers_prepare(struct collector *collector)
{
	const struct collector_options *options = collector->options;
	uint32_t n_directories = options->n_debug_directories;

	for (uint32_t i = 0; i < options->n_debug_directories; i++) {
		int err = opener_link_debug_directory(collector->opener, i, options->debug_directories[i]);

		if (err)
			return problem_set(collector->problem, err, "", "cannot look for debug files in %s",
					   options->debug_directories[i]);
	}
	if (options->downloads && options->downloads->cache) {
		int err = opener_link_debug_directory(collector->opener, DEBUG_CACHE_DIRECTORY,
						      options->downloads->cache);

		if (err)
			return problem_set(collector->problem, err, "", "cannot keep downloads in %s",
					   options->downloads->cache);
		n_directories++;
	}
	while (collector->debug_directories_opened < n_directories && !collector->is_interrupted)
		loop_pump(collector);
	return collector->debug_directory_err;
}

void debug_answers_directory(void *ctx, uint32_t index, int err, const char *path)
{
	struct collector *collector = ctx;

	collector->debug_directories_opened++;
	if (err && index == DEBUG_CACHE_DIRECTORY) {
		log_write(LOG_WARN, COLLECTOR_MODULE, "downloads are not kept, %s cannot be used: %s", path,
			  err_name(err));
		return;
	}
	if (err && !collector->debug_directory_err)
		collector->debug_directory_err =
			problem_set(collector->problem, err, "--debug-dir wants a directory that you may read",
				    "cannot look for debug files in %s", path);
}

/* Tables are made of much that no sample is in; its debug files are nobody's business. */
static bool is_to_be_held(const struct collector *collector, const struct message_want_debug *want)
{
	const struct object *object = object_table_get(collector->objects, want->object);

	return want->kind == DEBUG_REMOTE && object && !object->is_sampled;
}

/* false: the resolver does not take it now. */
static bool refuse(struct collector *collector, const struct message_want_debug *want)
{
	const struct message_debug_opened none = {
		.request = want->request, .err = -ENOENT, .place = want->place, .origin = DEBUG_ORIGIN_SERVER};

	return resolver_link_debug_file(collector->resolver, &none, "", -1) != -ENOBUFS;
}

static void work_off_held(struct collector *collector)
{
	struct want_vec held = collector->held_wants;
	size_t left = 0;

	for (size_t i = 0; i < held.len; i++) {
		struct message_want_debug want = held.items[i];

		if (!is_to_be_held(collector, &want))
			debug_files_want(collector->debug_files, &want, "");
		else if (!collector->is_all_sampled || !refuse(collector, &want))
			held.items[left++] = want;
	}
	collector->held_wants.len = left;
}

void debug_answers_all_sampled(struct collector *collector)
{
	collector->is_all_sampled = true;
	work_off_held(collector);
}

void debug_answers_want(void *ctx, const struct message_want_debug *want, const char *name)
{
	struct collector *collector = ctx;
	struct message_want_debug *slot;

	slot = is_to_be_held(collector, want) ? vec_push(&collector->held_wants) : NULL;
	if (!slot) {
		debug_files_want(collector->debug_files, want, name);
		return;
	}
	*slot = *want;
	if (collector->is_all_sampled)
		work_off_held(collector);
}

void debug_answers_opened(void *ctx, const struct message_debug_opened *opened, const char *path, int fd)
{
	struct collector *collector = ctx;

	if (opened->request & DOWNLOAD_REQUEST) {
		if (collector->downloads)
			downloads_file(collector->downloads, opened->request & ~DOWNLOAD_REQUEST, opened->err, fd);
		else
			cleanup_close(&fd);
		return;
	}
	if (!opened->err)
		log_write(LOG_DEBUG, COLLECTOR_MODULE, "debug file %s opened", path);
	debug_files_opened(collector->debug_files, opened, path, fd);
}

void debug_answers_started_anew(void *ctx)
{
	struct collector *collector = ctx;

	debug_files_forget_requests(collector->debug_files);
	vec_clear(&collector->held_wants);
}

/* Of what was downloaded and read; what could not be downloaded is counted there. */
static bool is_verdict(int err)
{
	return err == -ESTALE || err == -EBADMSG || err == -ENOEXEC || err == -ENOTSUP || err == -E2BIG;
}

static void count_failed(const struct message_sources *sources)
{
	for (uint32_t i = 0; i < sources->n; i++) {
		const struct message_source *source = &sources->sources[i];

		if (source->kind >= SOURCE_BUILD_ID && source->err && source->err != -ENOENT &&
		    (source->origin != DEBUG_ORIGIN_SERVER || is_verdict(source->err)))
			count(COUNTER_debug_files_failed);
	}
}

/* What the resolver made use of goes into the cache. */
static void keep_accepted(struct collector *collector, const struct message_sources *sources)
{
	for (uint32_t i = 0; collector->downloads && i < sources->n; i++) {
		const struct message_source *source = &sources->sources[i];
		uint32_t number;

		if (!source->err && source->origin == DEBUG_ORIGIN_SERVER &&
		    debug_files_find_answer(collector->debug_files, sources->object, source->request, &number))
			downloads_accepted(collector->downloads, number);
	}
}

void debug_answers_sources(void *ctx, const struct message_sources *sources)
{
	struct collector *collector = ctx;
	struct object *object = object_table_get(collector->objects, sources->object);
	struct message_sources *copy;

	if (!object)
		return;
	keep_accepted(collector, sources);
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
