/* SPDX-License-Identifier: Apache-2.0 */
/* The resolver's loop. It is a cache with a function: all it knows was sent to it and can be sent again, so it may be
 * killed at any moment. Objects are indexed while nothing else is to do, so that a batch finds them ready. */
#include "resolver/resolver.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/vec.h"
#include "ipc/batch.h"
#include "ipc/channel.h"
#include "ipc/confine.h"
#include "ipc/message.h"
#include "ipc/memfd.h"
#include "ipc/named_addresses.h"
#include "ipc/summary.h"
#include "ipc/usage.h"
#include "resolver/builder.h"
#include "resolver/jit_names.h"
#include "resolver/object_cache.h"
#include "symbol/ksyms.h"
#include "unwind/table_build.h"

#define MODULE "resolver"
#define USAGE_INTERVAL_NS (100 * NSEC_PER_MSEC)
#define NEXT_TABLE_MS 5
#define MAX_NAMES_BYTES (256u << 20) /* of an answer to `hostprof symbols` */

#define MAX_POSTPONED (1u << 20)

/* A message that came while another was worked off. */
struct postponed {
	struct message message; /* its payload is our copy */
};

struct postponed_vec VEC(struct postponed);

struct resolver {
	struct channel *channel;
	struct postponed_vec postponed; /* the oldest first, from next_postponed on */
	size_t next_postponed;
	uint32_t last_request; /* for a debug file */
	struct object_cache *cache;
	struct jit_names *jit;
	struct ksyms *ksyms;
	bool has_ksyms;
	bool made_table; /* just now */
	int table_nice;	 /* priority while a table is made */
	int usage_fd;
};

/* Says that the object is about to be read, reads it, says how it went. */
static int parse_object(struct resolver *resolver, uint32_t id)
{
	const struct message_parsing before = {.object = id};
	struct message_parsed after = {.object = id};
	int err = channel_send(resolver->channel, MESSAGE_PARSING, 0, &before, sizeof(before), -1);

	if (err)
		return err;
	after.err = object_cache_parse(resolver->cache, id, &after.symbols, &after.index_bytes);
	if (after.err == -EINPROGRESS) /* it comes again when its debug files are there */
		after.err = 0;
	after.embedded_err = object_cache_embedded_err(resolver->cache, id);
	return channel_send(resolver->channel, MESSAGE_PARSED, 0, &after, sizeof(after), -1);
}

/* RLIMIT_NICE counts the other way round (getrlimit(2)). */
static rlim_t nice_limit(int nice)
{
	return (rlim_t)(20 - nice);
}

static int on_start(struct resolver *resolver, const struct message *message)
{
	const struct message_start *start = message->payload;
	struct message_ready ready = {0};
	int err;

	object_cache_set_demangle(resolver->cache, start->demangle);
	resolver->usage_fd = usage_open();
	/* What is hostile here gets no more than an ordinary share of a CPU; but for tables, whose making the collector
	 * paces: they are made as the collector itself runs, or a busy machine would wait for them for seconds. */
	resolver->table_nice = getpriority(PRIO_PROCESS, 0);
	setrlimit(RLIMIT_NICE, &(struct rlimit){nice_limit(resolver->table_nice), nice_limit(resolver->table_nice)});
	setpriority(PRIO_PROCESS, 0, 0);
	err = confine_resolver(start->memory_bytes);
	if (err)
		return log_errno(err, MODULE, "cannot give up rights");
	confine_describe(ready.capabilities, sizeof(ready.capabilities));
	return channel_send(resolver->channel, MESSAGE_READY, message->id, &ready, sizeof(ready), -1);
}

static int on_kernel_symbols(struct resolver *resolver, struct message *message)
{
	const struct message_kernel_symbols *symbols = message->payload;
	struct message_parsed ready = {.object = 0}; /* stands for the kernel */
	bool is_restricted = true;
	size_t bad = 0;
	int err;

	resolver->has_ksyms = false;
	if (symbols->err || message->fd < 0)
		return 0;
	/* The kernel's own text, and the first tables wait behind it. */
	setpriority(PRIO_PROCESS, 0, resolver->table_nice);
	err = ksyms_read(resolver->ksyms, message->fd, &is_restricted, &bad);
	setpriority(PRIO_PROCESS, 0, 0);
	if (err)
		log_write(LOG_WARN, MODULE, "kernel symbols unreadable, kernel frames stay unnamed: %s", err_name(err));
	resolver->has_ksyms = !err && !is_restricted;
	log_write(LOG_DEBUG, MODULE, "%zu kernel symbols, %zu bad lines%s", ksyms_count(resolver->ksyms), bad,
		  is_restricted ? ", restricted" : "");
	ready.err = err;
	ready.symbols = ksyms_count(resolver->ksyms);
	ready.index_bytes = ksyms_memory_bytes(resolver->ksyms);
	return channel_send(resolver->channel, MESSAGE_PARSED, 0, &ready, sizeof(ready), -1);
}

/* A runtime's file is announced as any other: it may hang, or break us. A channel that is gone is noticed later. */
static void on_jit_reading(void *ctx, uint32_t object)
{
	const struct resolver *resolver = ctx;
	const struct message_parsing parsing = {.object = object};

	channel_send(resolver->channel, MESSAGE_PARSING, 0, &parsing, sizeof(parsing), -1);
}

static void on_jit_read(void *ctx, uint32_t object, int err)
{
	const struct resolver *resolver = ctx;
	const struct message_parsed parsed = {.object = object, .err = err};

	channel_send(resolver->channel, MESSAGE_PARSED, 0, &parsed, sizeof(parsed), -1);
}

static int on_ping(struct resolver *resolver, uint32_t id)
{
	struct message_pong pong = {0};

	usage_read(resolver->usage_fd, &pong);
	return channel_send(resolver->channel, MESSAGE_PONG, id, &pong, sizeof(pong), -1);
}

/* --- debug files -------------------------------------------------------------------------------------------------- */

static int want_debug(void *ctx, struct message_want_debug *want, const char *name)
{
	struct resolver *resolver = ctx;
	struct {
		struct message_want_debug head;
		char name[DEBUG_MAX_NAME];
	} message;

	if (want->name_len > sizeof(message.name))
		return -ENAMETOOLONG;
	if (!++resolver->last_request)
		resolver->last_request = 1;
	want->request = resolver->last_request;
	message.head = *want;
	memcpy(message.name, name, want->name_len);
	return channel_send(resolver->channel, MESSAGE_WANT_DEBUG, 0, &message, sizeof(message.head) + want->name_len,
			    -1);
}

/* Keeps the message for later; takes over its descriptor. */
static int postpone(struct resolver *resolver, struct message *message)
{
	struct postponed *slot;
	void *copy = malloc(message->len + 1);

	if (!copy)
		return -ENOMEM;
	slot = vec_push(&resolver->postponed);
	if (!slot) {
		free(copy);
		return -ENOMEM;
	}
	memcpy(copy, message->payload, message->len);
	slot->message = *message;
	slot->message.payload = copy;
	message->fd = -1;
	return 0;
}

/* The oldest postponed message; its payload is to be freed. false: there is none. */
static bool take_postponed(struct resolver *resolver, struct message *ret)
{
	if (resolver->next_postponed == resolver->postponed.len) {
		resolver->next_postponed = 0;
		vec_clear(&resolver->postponed);
		return false;
	}
	*ret = resolver->postponed.items[resolver->next_postponed++].message;
	return true;
}

static void release_postponed(struct resolver *resolver)
{
	struct message message;

	while (take_postponed(resolver, &message)) {
		message_release(&message);
		free((void *)message.payload);
	}
	vec_release(&resolver->postponed);
}

static bool is_answer(const struct message *message, uint32_t request)
{
	return message->type == MESSAGE_DEBUG_FILE &&
	       ((const struct message_debug_opened *)message->payload)->request == request;
}

/* Until the answer is there nothing else is worked off but a ping. */
static int await_answer(struct resolver *resolver, uint32_t request, struct message_debug_opened *ret, int *ret_fd)
{
	for (;;) {
		struct message message;
		int err = channel_receive(resolver->channel, &message);
		bool is_ours = err >= 0 && is_answer(&message, request);

		if (err < 0)
			return err;
		err = 0;
		if (is_ours) {
			*ret = *(const struct message_debug_opened *)message.payload;
			*ret_fd = take_fd(&message.fd);
		} else if (message.type == MESSAGE_PING) {
			err = on_ping(resolver, message.id);
		} else {
			err = postpone(resolver, &message);
		}
		message_release(&message);
		if (err || is_ours)
			return err ? err : ret->err;
	}
}

static int fetch_debug(void *ctx, struct message_want_debug *want, const char *name, struct message_debug_opened *ret,
		       int *ret_fd)
{
	struct resolver *resolver = ctx;
	int err = want_debug(resolver, want, name);

	return err ? err : await_answer(resolver, want->request, ret, ret_fd);
}

/* What is not told is found out again by the next resolver. */
static void tell_sources(void *ctx, const struct message_sources *sources)
{
	const struct resolver *resolver = ctx;

	channel_send(resolver->channel, MESSAGE_SOURCES, 0, sources, sizeof(*sources), -1);
}

static int on_debug_file(struct resolver *resolver, struct message *message)
{
	const struct message_debug_opened *answer = message->payload;
	uint32_t object = object_cache_debug_object(resolver->cache, answer->request);
	const struct message_parsing parsing = {.object = object, .is_debug = 1};
	const struct message_parsed parsed = {.object = object};
	int err, told = 0;

	if (object && message->fd >= 0)
		told = channel_send(resolver->channel, MESSAGE_PARSING, 0, &parsing, sizeof(parsing), -1);
	err = object_cache_debug_file(resolver->cache, answer, take_fd(&message->fd));
	if (!told && object && !answer->err)
		told = channel_send(resolver->channel, MESSAGE_PARSED, 0, &parsed, sizeof(parsed), -1);
	return err ? err : told;
}

/* One that was postponed, its payload to be freed. */
static bool take_postponed_debug_file(struct resolver *resolver, struct message *ret)
{
	struct postponed_vec *postponed = &resolver->postponed;

	for (size_t i = resolver->next_postponed; i < postponed->len; i++) {
		if (postponed->items[i].message.type != MESSAGE_DEBUG_FILE)
			continue;
		*ret = postponed->items[i].message;
		postponed->len--;
		memmove(&postponed->items[i], &postponed->items[i + 1],
			(postponed->len - i) * sizeof(*postponed->items));
		return true;
	}
	return false;
}

/* Waits for one answer about a debug file, and for nothing else. */
static int await_debug_file(struct resolver *resolver)
{
	struct message message;
	int err;

	if (take_postponed_debug_file(resolver, &message)) {
		err = on_debug_file(resolver, &message);
		message_release(&message);
		free((void *)message.payload);
		return err;
	}
	err = channel_receive(resolver->channel, &message);
	if (err < 0)
		return err;
	if (message.type == MESSAGE_DEBUG_FILE)
		err = on_debug_file(resolver, &message);
	else
		err = message.type == MESSAGE_PING ? on_ping(resolver, message.id) : postpone(resolver, &message);
	message_release(&message);
	return err;
}

/* Reads all objects, and waits for the debug files of those that have them. */
static int parse_all(struct resolver *resolver)
{
	int err = 0;

	while (!err) {
		uint32_t id = object_cache_next_unparsed(resolver->cache);

		if (id)
			err = parse_object(resolver, id);
		else if (object_cache_seeking(resolver->cache))
			err = await_debug_file(resolver);
		else
			break;
	}
	return err;
}

/* --- objects ------------------------------------------------------------------------------------------------------ */

static int on_object(struct resolver *resolver, struct message *message)
{
	const struct message_object *object = message->payload;
	char path[MESSAGE_MAX_PATH + 1];

	memcpy(path, object + 1, object->path_len);
	path[object->path_len] = 0;
	if (object->kind == OBJECT_PERF_MAP || object->kind == OBJECT_JITDUMP)
		return jit_names_add(resolver->jit, object, take_fd(&message->fd));
	return object_cache_add(resolver->cache, object, path, take_fd(&message->fd));
}

static uint64_t own_cpu_ns(void)
{
	struct timespec time;

	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time))
		return 0;
	return (uint64_t)time.tv_sec * NSEC_PER_SEC + (uint64_t)time.tv_nsec;
}

_Static_assert(MESSAGE_MAX_GAPS == TABLE_MAX_GAPS, "the gaps of a table fit its message");

static void describe_table(const struct table_coverage *coverage, const struct table_writer_stats *stats,
			   struct message_table *table)
{
	table->is_whole = coverage->is_whole;
	table->code = coverage->code;
	table->eh_frame = coverage->eh_frame;
	table->debug_frame = coverage->debug_frame;
	table->go = coverage->go;
	table->scanned = coverage->scanned;
	table->none = coverage->none;
	table->unsupported = coverage->unsupported;
	table->bad_entries = coverage->bad_entries;
	table->rows_given = stats->rows_given;
	table->rows_merged = stats->rows_merged;
	table->rows_written = stats->rows_written;
	table->n_gaps = coverage->n_gaps;
	for (uint32_t i = 0; i < coverage->n_gaps; i++)
		table->gaps[i] = (struct message_gap){coverage->gaps[i].elf_va, coverage->gaps[i].file_off,
						      coverage->gaps[i].bytes};
}

/* Makes the table; *ret_fd is -1 when another object's serves. */
static int make_table(struct resolver *resolver, struct message_table *table, int *ret_fd)
{
	struct table_coverage coverage = {0};
	struct table_writer_stats stats = {0};
	bool awaits_debug = false;
	auto_close int fd = -1;
	int err = memfd_new("unwind table", &fd);

	if (!err)
		err = object_cache_table(resolver->cache, table->object, table->page, fd, &table->same_as,
					 &awaits_debug, &stats, &coverage);
	table->awaits_debug = awaits_debug;
	table->build_id_len = (uint32_t)object_cache_file_build_id(resolver->cache, table->object, table->build_id);
	describe_table(&coverage, &stats, table);
	if (!err && !table->same_as)
		err = memfd_seal(fd);
	if (!err && !table->same_as)
		*ret_fd = take_fd(&fd);
	return err;
}

static int on_make_table(struct resolver *resolver, const struct message *message)
{
	const struct message_make_table *request = message->payload;
	struct message_table table = {.object = request->object, .page = request->page};
	const struct message_parsing parsing = {.object = request->object};
	struct message_parsed parsed = {.object = request->object};
	uint64_t began_ns = own_cpu_ns();
	auto_close int fd = -1;
	int err;

	err = channel_send(resolver->channel, MESSAGE_PARSING, 0, &parsing, sizeof(parsing), -1);
	if (err)
		return err;
	setpriority(PRIO_PROCESS, 0, resolver->table_nice);
	table.err = make_table(resolver, &table, &fd);
	setpriority(PRIO_PROCESS, 0, 0);
	table.cpu_ns = own_cpu_ns() - began_ns;
	err = channel_send(resolver->channel, MESSAGE_PARSED, 0, &parsed, sizeof(parsed), -1);
	resolver->made_table = true;
	return err ? err : channel_send(resolver->channel, MESSAGE_TABLE, message->id, &table, sizeof(table), fd);
}

struct output_context {
	struct resolver *resolver;
	uint64_t batch;
	uint64_t told_ns; /* when the collector was last told what we use */
};

/* A batch is when memory peaks, so its use is told meanwhile. */
static int tell_usage(struct output_context *context)
{
	uint64_t now_ns = clock_mono_ns(&clock_system);
	struct message_pong pong;

	if (context->told_ns && now_ns - context->told_ns < USAGE_INTERVAL_NS)
		return 0;
	context->told_ns = now_ns;
	usage_read(context->resolver->usage_fd, &pong);
	return channel_send(context->resolver->channel, MESSAGE_PONG, 0, &pong, sizeof(pong), -1);
}

static int send_output(void *ctx, uint32_t sequence, uint32_t output, const char *name, uint64_t samples, int fd)
{
	struct {
		struct message_output head;
		char name[256];
	} message = {0};
	struct output_context *context = ctx;
	size_t len = strlen(name);
	int err = tell_usage(context);

	if (err)
		return err;
	if (len > sizeof(message.name))
		return -ENAMETOOLONG;
	message.head = (struct message_output){.batch = context->batch,
					       .sequence = sequence,
					       .output = output,
					       .samples = samples,
					       .name_len = (uint32_t)len};
	memcpy(message.name, name, len);
	return channel_send(context->resolver->channel, MESSAGE_OUTPUT, 0, &message, sizeof(message.head) + len, fd);
}

static int send_summary(struct resolver *resolver, uint64_t batch, const struct summary *summary)
{
	const struct message_summary head = {.batch = batch};
	auto_close int fd = -1;
	int err = summary_write(summary, &fd);

	return err ? err : channel_send(resolver->channel, MESSAGE_SUMMARY, 0, &head, sizeof(head), fd);
}

/* The kernel's later additions are part of the batch. */
static void add_ksymbols(struct resolver *resolver, const struct batch *batch)
{
	for (uint32_t i = 0; i < batch->n_ksymbols; i++)
		ksyms_add(resolver->ksyms, batch->ksymbols[i].address, batch->ksymbols[i].len,
			  batch_string(batch, batch->ksymbols[i].name));
}

static int build(struct resolver *resolver, const struct message_batch *request, int fd, struct builder_result *result)
{
	struct output_context context = {.resolver = resolver, .batch = request->batch};
	const struct builder_sink sink = {.output = send_output, .ctx = &context};
	auto_free struct summary *summary = calloc(1, sizeof(*summary));
	struct batch batch;
	int err = summary ? batch_read(fd, &batch) : -ENOMEM;

	if (err)
		return err;
	add_ksymbols(resolver, &batch);
	jit_names_begin_batch(resolver->jit, batch.info.end_mono_ns);
	err = builder_run(&batch, resolver->cache, resolver->jit, resolver->has_ksyms ? resolver->ksyms : NULL,
			  request->skip, &sink, summary, result);
	if (!err)
		err = send_summary(resolver, request->batch, summary);
	batch_release(&batch);
	return err;
}

static int on_batch(struct resolver *resolver, const struct message *message)
{
	const struct message_batch request = *(const struct message_batch *)message->payload;
	struct message_batch_done done = {.batch = request.batch};
	struct builder_result result = {0};
	int err = parse_all(resolver);

	if (err)
		return err;
	done.err = build(resolver, &request, message->fd, &result);
	if (done.err == -EPIPE)
		return done.err;
	done.outputs = result.outputs;
	done.frames_named = result.frames_named;
	done.frames_unnamed = result.frames_unnamed;
	done.samples = result.samples;
	return channel_send(resolver->channel, MESSAGE_BATCH_DONE, message->id, &done, sizeof(done), -1);
}

/* The names of these addresses as a sealed memfd. */
static int name_addresses(struct object_cache *cache, uint32_t id, const uint64_t *addresses, size_t n, int *ret_fd)
{
	auto_free struct object_name *name = malloc(sizeof(*name));
	struct buf answer;
	int err;

	if (!name)
		return -ENOMEM;
	buf_init(&answer, MAX_NAMES_BYTES);
	for (size_t i = 0; i < n; i++) {
		object_cache_name_va(cache, id, addresses[i], name);
		named_addresses_put(&answer, name->is_named ? (uint32_t)name->n_lines : 0);
		for (size_t j = 0; name->is_named && j < name->n_lines; j++) {
			const struct object_line *line = &name->lines[j];

			named_addresses_put_line(&answer, &(struct named_line){.name = line->name,
									       .system_name = line->system_name,
									       .file = line->file,
									       .line = line->line});
		}
	}
	err = answer.err ? answer.err : memfd_from_bytes("names", answer.data, answer.len, ret_fd);
	buf_release(&answer);
	return err;
}

static int on_name_addresses(struct resolver *resolver, const struct message *message)
{
	const struct message_name_addresses request = *(const struct message_name_addresses *)message->payload;
	struct message_addresses_named reply = {.object = request.object};
	uint64_t *addresses, symbols, index_bytes;
	auto_close int fd = -1;
	size_t n;
	int err = addresses_read(message->fd, &addresses, &n);

	if (err)
		return err;
	err = parse_all(resolver);
	if (err) {
		free(addresses);
		return err;
	}
	reply.err = object_cache_parse(resolver->cache, request.object, &symbols, &index_bytes);
	if (!reply.err)
		reply.err = name_addresses(resolver->cache, request.object, addresses, n, &fd);
	free(addresses);
	return channel_send(resolver->channel, MESSAGE_ADDRESSES_NAMED, message->id, &reply, sizeof(reply), fd);
}

static int dispatch(struct resolver *resolver, struct message *message)
{
	switch (message->type) {
	case MESSAGE_START:
		return on_start(resolver, message);
	case MESSAGE_PING:
		return on_ping(resolver, message->id);
	case MESSAGE_KERNEL_SYMBOLS:
		return on_kernel_symbols(resolver, message);
	case MESSAGE_OBJECT:
		return on_object(resolver, message);
	case MESSAGE_DEBUG_FILE:
		return on_debug_file(resolver, message);
	case MESSAGE_MAKE_TABLE:
		return on_make_table(resolver, message);
	case MESSAGE_BATCH:
		return on_batch(resolver, message);
	case MESSAGE_NAME_ADDRESSES:
		return on_name_addresses(resolver, message);
	default:
		return -EBADMSG;
	}
}

/* Tables go before names: behind one the next may be asked for at once. */
static bool has_message(const struct resolver *resolver)
{
	struct pollfd poll_fd = {.fd = channel_fd(resolver->channel), .events = POLLIN};

	if (resolver->next_postponed < resolver->postponed.len)
		return true;
	return poll(&poll_fd, 1, resolver->made_table ? NEXT_TABLE_MS : 0) != 0;
}

/* The next message, one that was postponed before those that are still to come, is worked off. */
static int serve_one(struct resolver *resolver)
{
	struct message message;
	bool is_postponed = take_postponed(resolver, &message);
	int err = is_postponed ? 1 : channel_receive(resolver->channel, &message);

	if (err < 0)
		return err;
	err = dispatch(resolver, &message);
	message_release(&message);
	if (is_postponed)
		free((void *)message.payload);
	return err;
}

static int serve(struct resolver *resolver)
{
	for (;;) {
		uint32_t unparsed = object_cache_next_unparsed(resolver->cache);
		int err;

		if (unparsed && !has_message(resolver)) {
			resolver->made_table = false;
			err = parse_object(resolver, unparsed);
		} else {
			err = serve_one(resolver);
		}
		if (err)
			return err;
	}
}

int resolver_main(int channel_fd)
{
	struct resolver resolver = {.usage_fd = -1, .postponed = VEC_INIT(MAX_POSTPONED)};
	const struct object_debug_files debug_files = {
		.want = want_debug, .fetch = fetch_debug, .sources = tell_sources, .ctx = &resolver};
	int err = channel_new(channel_fd, true, 0, &resolver.channel);

	if (!err)
		err = object_cache_new(FRAME_OBJECT_MAX, &resolver.cache);
	if (!err)
		object_cache_use_debug_files(resolver.cache, &debug_files);
	if (!err)
		err = ksyms_new(&resolver.ksyms);
	if (!err)
		err = jit_names_new(&(struct jit_names_options){.max_bytes = JIT_NAMES_BYTES,
								.reading = on_jit_reading,
								.read = on_jit_read,
								.ctx = &resolver},
				    &resolver.jit);
	if (!err)
		err = serve(&resolver);
	if (err != -EPIPE)
		log_errno(err, MODULE, "stopped");
	ksyms_free(resolver.ksyms);
	jit_names_free(resolver.jit);
	release_postponed(&resolver);
	object_cache_free(resolver.cache);
	channel_free(resolver.channel);
	return err == -EPIPE ? 0 : 1;
}
