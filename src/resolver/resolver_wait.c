/* SPDX-License-Identifier: Apache-2.0 */
#include "resolver_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Keeps the message for later; takes over its descriptor. */
int resolver_postpone(struct resolver *resolver, struct message *message)
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
bool resolver_take_postponed(struct resolver *resolver, struct message *ret)
{
	if (resolver->next_postponed == resolver->postponed.len) {
		resolver->next_postponed = 0;
		vec_clear(&resolver->postponed);
		return false;
	}
	*ret = resolver->postponed.items[resolver->next_postponed++].message;
	return true;
}

/* One that was postponed, its payload to be freed. */
bool resolver_take_postponed_debug_file(struct resolver *resolver, struct message *ret)
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

void resolver_release_postponed(struct resolver *resolver)
{
	struct message message;

	while (resolver_take_postponed(resolver, &message)) {
		message_release(&message);
		free((void *)message.payload);
	}
	vec_release(&resolver->postponed);
}
