/* SPDX-License-Identifier: Apache-2.0 */
/* What commands ask that record nothing: `symbols`, `symbolize`. What is waited for meanwhile comes where a question
 * lies, so that is copied.
 */
#include "resolver_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "ipc/memfd.h"
#include "ipc/named_addresses.h"
#include "resolver/description.h"
#include "resolver/profile_names.h"

#define MAX_NAMES_BYTES (256u << 20) /* of an answer to `hostprof symbols` */

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
	object_cache_rest(cache);
	err = answer.err ? answer.err : memfd_from_bytes("names", answer.data, answer.len, ret_fd);
	buf_release(&answer);
	return err;
}

int resolver_on_name_addresses(struct resolver *resolver, const struct message *message)
{
	const struct message_name_addresses request = *(const struct message_name_addresses *)message->payload;
	struct message_addresses_named reply = {.object = request.object};
	uint64_t *addresses, symbols, index_bytes;
	auto_close int fd = -1;
	size_t n;
	int err = addresses_read(message->fd, &addresses, &n);

	if (err)
		return err;
	err = resolver_parse_all(resolver);
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

int resolver_on_describe(struct resolver *resolver, const struct message *message)
{
	const struct message_describe request = *(const struct message_describe *)message->payload;
	struct message_description reply;
	int err = resolver_parse_all(resolver);

	if (err)
		return err;
	description_make(resolver->cache, request.object, &reply);
	return channel_send(resolver->channel, MESSAGE_DESCRIPTION, message->id, &reply, sizeof(reply), -1);
}

static int tell_profile_files(struct resolver *resolver, int err)
{
	struct message_profile_files reply = {.err = err};
	auto_close int fd = -1;

	if (!err)
		reply.err = profile_names_files(resolver->profile, &fd);
	return channel_send(resolver->channel, MESSAGE_PROFILE_FILES, 0, &reply, sizeof(reply), fd);
}

int resolver_on_profile(struct resolver *resolver, const struct message *message)
{
	profile_names_free(resolver->profile);
	resolver->profile = NULL;
	return tell_profile_files(resolver, profile_names_read(message->fd, &resolver->profile));
}

int resolver_on_symbolize(struct resolver *resolver)
{
	struct profile_names_result result = {0};
	struct message_symbolized reply = {0};
	auto_close int fd = -1;
	int err = resolver->profile ? resolver_parse_all(resolver) : -EBADMSG;

	if (err)
		return err;
	reply.err = profile_names_find(resolver->profile, resolver->cache, &result);
	if (!reply.err)
		err = tell_profile_files(resolver, 0);
	if (!reply.err && !err)
		reply.err = profile_names_write(resolver->profile, &fd);
	reply.named = result.named;
	reply.unnamed = result.unnamed;
	reply.lined = result.lined;
	return err ? err : channel_send(resolver->channel, MESSAGE_SYMBOLIZED, 0, &reply, sizeof(reply), fd);
}
