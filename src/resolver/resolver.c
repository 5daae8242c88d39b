/* SPDX-License-Identifier: Apache-2.0 */
/* The resolver's loop. It is a cache with a function: all it knows was sent to it and can be sent again, so it may be
 * killed at any moment. Objects are indexed while nothing else is to do, so that a batch finds them ready. */
#include "resolver/resolver.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "ipc/confine.h"
#include "ipc/usage.h"
#include "resolver/jit_names.h"
#include "resolver/kernel_names.h"
#include "resolver/profile_names.h"
#include "resolver_internal.h"

#define MODULE "resolver"
#define NEXT_TABLE_MS 5
/* Of what may be taken: for indexes that are kept, for the making of one, and for names of generated code. */
#define CACHE_PART 4
#define FILE_PART 2
#define JIT_PART 4
#define MAX_POSTPONED (1u << 20)

/* Says that the object is about to be read, reads it, says how it went. */
int resolver_parse_object(struct resolver *resolver, uint32_t id)
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

void resolver_limit(struct resolver *resolver, uint64_t bytes)
{
	object_cache_limit(resolver->cache, bytes / CACHE_PART, bytes / FILE_PART);
	if (bytes)
		jit_names_limit(resolver->jit, bytes / JIT_PART);
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
	resolver->share_bytes = start->share_bytes;
	resolver->naming_bytes = start->naming_bytes;
	resolver_limit(resolver, start->share_bytes);
	object_cache_use_servers(resolver->cache, start->has_servers);
	resolver->usage = usage_open();
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

	if (symbols->err || message->fd < 0)
		return 0;
	/* The kernel's own text, and the first tables wait behind it. */
	setpriority(PRIO_PROCESS, 0, resolver->table_nice);
	ready.err = kernel_names_read(resolver->kernel, message->fd);
	setpriority(PRIO_PROCESS, 0, 0);
	if (ready.err)
		log_write(LOG_WARN, MODULE, "kernel symbols unreadable, kernel frames stay unnamed: %s",
			  err_name(ready.err));
	ready.symbols = kernel_names_count(resolver->kernel);
	ready.index_bytes = kernel_names_memory_bytes(resolver->kernel);
	return channel_send(resolver->channel, MESSAGE_PARSED, 0, &ready, sizeof(ready), -1);
}

/* A runtime's file is announced as any other: it may hang, or break us. A channel that is gone is noticed later. */
static void on_jit_reading(void *ctx, uint32_t object)
{
	const struct resolver *resolver = ctx;
	const struct message_parsing parsing = {.object = object};

	object_cache_rest(resolver->cache); /* what is looked at then is told anew */
	channel_send(resolver->channel, MESSAGE_PARSING, 0, &parsing, sizeof(parsing), -1);
}

static void on_jit_read(void *ctx, uint32_t object, int err)
{
	const struct resolver *resolver = ctx;
	const struct message_parsed parsed = {.object = object, .err = err};

	channel_send(resolver->channel, MESSAGE_PARSED, 0, &parsed, sizeof(parsed), -1);
}

int resolver_on_ping(struct resolver *resolver, uint32_t id)
{
	struct message_pong pong = {0};

	usage_read(&resolver->usage, &pong);
	return channel_send(resolver->channel, MESSAGE_PONG, id, &pong, sizeof(pong), -1);
}

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

static int dispatch(struct resolver *resolver, struct message *message)
{
	switch (message->type) {
	case MESSAGE_START:
		return on_start(resolver, message);
	case MESSAGE_PING:
		return resolver_on_ping(resolver, message->id);
	case MESSAGE_KERNEL_SYMBOLS:
		return on_kernel_symbols(resolver, message);
	case MESSAGE_OBJECT:
		return on_object(resolver, message);
	case MESSAGE_DEBUG_FILE:
		return resolver_on_debug_file(resolver, message);
	case MESSAGE_MAKE_TABLE:
		return resolver_on_make_table(resolver, message);
	case MESSAGE_BATCH:
		return resolver_on_batch(resolver, message);
	case MESSAGE_NAME_ADDRESSES:
		return resolver_on_name_addresses(resolver, message);
	case MESSAGE_DESCRIBE:
		return resolver_on_describe(resolver, message);
	case MESSAGE_PROFILE:
		return resolver_on_profile(resolver, message);
	case MESSAGE_SYMBOLIZE:
		return resolver_on_symbolize(resolver);
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
	bool is_postponed = resolver_take_postponed(resolver, &message);
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
			err = resolver_parse_object(resolver, unparsed);
		} else {
			err = serve_one(resolver);
		}
		if (err)
			return err;
	}
}

int resolver_main(int channel_fd)
{
	struct resolver resolver = {.usage = USAGE_NONE, .postponed = VEC_INIT(MAX_POSTPONED)};
	int err = channel_new(channel_fd, true, 0, &resolver.channel);

	if (!err)
		err = object_cache_new(FRAME_OBJECT_MAX, &resolver.cache);
	if (!err)
		resolver_use_debug_files(&resolver);
	if (!err)
		err = kernel_names_new(&resolver.kernel);
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
	kernel_names_free(resolver.kernel);
	jit_names_free(resolver.jit);
	profile_names_free(resolver.profile);
	resolver_release_postponed(&resolver);
	object_cache_free(resolver.cache);
	channel_free(resolver.channel);
	return err == -EPIPE ? 0 : 1;
}
