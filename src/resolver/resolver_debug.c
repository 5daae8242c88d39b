/* SPDX-License-Identifier: Apache-2.0 */
#include "resolver_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

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
			err = resolver_on_ping(resolver, message.id);
		} else {
			err = resolver_postpone(resolver, &message);
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

/* A channel that is gone is noticed later. */
static void tell_looking(void *ctx, uint32_t object, bool has_debug)
{
	const struct message_parsing parsing = {.object = object, .is_debug = has_debug};
	const struct resolver *resolver = ctx;

	channel_send(resolver->channel, MESSAGE_PARSING, 0, &parsing, sizeof(parsing), -1);
}

/* What is not told is found out again by the next resolver. */
static void tell_sources(void *ctx, const struct message_sources *sources)
{
	const struct resolver *resolver = ctx;

	channel_send(resolver->channel, MESSAGE_SOURCES, 0, sources, sizeof(*sources), -1);
}

int resolver_on_debug_file(struct resolver *resolver, struct message *message)
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

/* Waits for one answer about a debug file, and for nothing else. */
static int await_debug_file(struct resolver *resolver)
{
	struct message message;
	int err;

	if (resolver_take_postponed_debug_file(resolver, &message)) {
		err = resolver_on_debug_file(resolver, &message);
		message_release(&message);
		free((void *)message.payload);
		return err;
	}
	err = channel_receive(resolver->channel, &message);
	if (err < 0)
		return err;
	if (message.type == MESSAGE_DEBUG_FILE)
		err = resolver_on_debug_file(resolver, &message);
	else
		err = message.type == MESSAGE_PING ? resolver_on_ping(resolver, message.id)
						   : resolver_postpone(resolver, &message);
	message_release(&message);
	return err;
}

/* Reads all objects, and waits for the debug files of those that have them. */
int resolver_parse_all(struct resolver *resolver)
{
	int err = 0;

	while (!err) {
		uint32_t id = object_cache_next_unparsed(resolver->cache);

		if (id)
			err = resolver_parse_object(resolver, id);
		else if (object_cache_seeking(resolver->cache))
			err = await_debug_file(resolver);
		else
			break;
	}
	return err;
}

void resolver_use_debug_files(struct resolver *resolver)
{
	const struct object_debug_files debug_files = {.want = want_debug,
						       .fetch = fetch_debug,
						       .looking = tell_looking,
						       .sources = tell_sources,
						       .ctx = resolver};

	object_cache_use_debug_files(resolver->cache, &debug_files);
}
