/* SPDX-License-Identifier: Apache-2.0 */
/* The resolver's state, shared by the parts of its loop: resolver.c (start, dispatch), resolver_wait.c (messages that
 * come while another is worked off), resolver_debug.c (debug files), resolver_tables.c (unwind tables),
 * resolver_batch.c (profiles), resolver_questions.c (what
 * commands ask that record nothing). Each on_…() works off one message; -errno ends the resolver. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/vec.h"
#include "ipc/channel.h"
#include "ipc/message.h"
#include "ipc/usage.h"
#include "resolver/object_cache.h"

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
	struct kernel_names *kernel;
	struct profile_names *profile;	    /* that is to get names; NULL: none */
	bool made_table;		    /* just now */
	int table_nice;			    /* priority while a table is made */
	uint64_t share_bytes, naming_bytes; /* as in struct message_start */
	struct usage usage;
};

/* resolver.c: says that the object is about to be read, reads it, says how it went. */
int resolver_parse_object(struct resolver *resolver, uint32_t id);
int resolver_on_ping(struct resolver *resolver, uint32_t id);
/* From now on `bytes` may be taken. 0: no limit. */
void resolver_limit(struct resolver *resolver, uint64_t bytes);

/* resolver_wait.c: keeps the message for later and takes over its descriptor; the oldest one that was kept (false:
 * there is none), its payload to be freed; the same of an answer about a debug file; forgets all. */
int resolver_postpone(struct resolver *resolver, struct message *message);
bool resolver_take_postponed(struct resolver *resolver, struct message *ret);
bool resolver_take_postponed_debug_file(struct resolver *resolver, struct message *ret);
void resolver_release_postponed(struct resolver *resolver);

/* resolver_debug.c: how the object cache comes by debug files. */
void resolver_use_debug_files(struct resolver *resolver);
int resolver_on_debug_file(struct resolver *resolver, struct message *message);
/* Reads all objects, and waits for the debug files of those that have them. */
int resolver_parse_all(struct resolver *resolver);

/* resolver_tables.c */
int resolver_on_make_table(struct resolver *resolver, const struct message *message);

/* resolver_batch.c */
int resolver_on_batch(struct resolver *resolver, const struct message *message);

/* resolver_questions.c */
int resolver_on_name_addresses(struct resolver *resolver, const struct message *message);
int resolver_on_describe(struct resolver *resolver, const struct message *message);
int resolver_on_profile(struct resolver *resolver, const struct message *message);
int resolver_on_symbolize(struct resolver *resolver);
