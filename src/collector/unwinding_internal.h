/* SPDX-License-Identifier: Apache-2.0 */
/* Between the parts of the unwinding: unwinding.c (the whole, and copies), unwinding_objects.c (which files have a
 * table, or lack one), unwinding_processes.c (whose mappings are published), unwinding_tables.c (tables asked for,
 * made, published). */
#pragma once

#include "base/map.h"
#include "base/vec.h"
#include "collector/unwinding.h"
#include "ipc/memfd.h"

#define UNWINDING_MODULE "collector"
/* Objects that so many processes map are made first. */
#define UNWINDING_SHARED_BY 3

enum table_state {
	TABLE_IDLE,   /* nobody lacked it */
	TABLE_WANTED, /* the object may have to be opened first */
	TABLE_ASKED,  /* of the resolver */
	TABLE_LOADED, /* all of it, or the windows that were lacking */
	TABLE_NONE    /* there is none to be had */
};

/* What is known of an object's table. */
struct table_object {
	uint32_t id;   /* of the object */
	uint32_t slot; /* of the row store; UNWIND_NO_OBJECT: it has none */
	uint32_t generation;
	enum table_state state;
	struct table_object *same_as; /* whose table serves */
	uint32_t page;		      /* that was lacked last */
	uint32_t misses, misses_seen; /* of walks that lacked it; the kernel's as of the last look */
	uint32_t processes;	      /* that were published with it */
	uint64_t wanted_ns;
	bool is_stale;	  /* a debug file tells more than it was made of */
	bool is_replaced; /* by the one that was asked for */
};

/* A process that was published, and the objects that it was published with. */
struct published {
	struct process *process;
	uint64_t image;
	struct table_object **objects;
	uint32_t n_objects;
};

struct published_vec VEC(struct published);
struct table_object_vec VEC(struct table_object *);
struct unwind_mapping_vec VEC(struct unwind_mapping);

struct unwinding {
	struct unwinding_options options;
	struct row_store *store;
	struct host_walk *walk;
	struct map by_id; /* uint32_t -> struct table_object * */
	struct table_object **by_slot;
	uint32_t *slot_versions;
	struct table_object_vec wanted;
	struct published_vec published;
	struct unwind_mapping_vec mappings; /* scratch */
	struct table_object *asked;	    /* of the resolver; NULL: nothing */
	/* A table that came and has no room until what left for it has aged. */
	struct message_table waiting;
	struct memfd_map waiting_bytes;
	uint64_t version, sharing_version;
	uint64_t next_epoch_ns, next_sweep_ns, next_misses_ns;
	int64_t tokens_ns; /* of CPU time for making tables */
	uint64_t tokens_from_ns;
	bool is_in_hurry;
	struct unwinding_stats stats;
};

/* --- unwinding_objects.c ------------------------------------------------------------------------------------------ */

struct table_object *unwinding_find_object(const struct unwinding *unwinding, uint32_t id);
/* The entry whose table serves for the object; NULL: it can have none. */
struct table_object *unwinding_object_of(struct unwinding *unwinding, uint32_t id, uint64_t now_ns);
/* Somebody lacks the page of the object's table. */
void unwinding_want(struct unwinding *unwinding, struct table_object *object, uint32_t page, uint64_t now_ns);
void unwinding_want_again(struct unwinding *unwinding, struct table_object *object);
/* Walks that lacked the object's table may be tried again. */
void unwinding_tell_news(struct unwinding *unwinding, const struct table_object *object);
/* There is no table to be had. */
void unwinding_give_up(struct unwinding *unwinding, struct table_object *object, uint64_t now_ns);

/* --- unwinding_processes.c ---------------------------------------------------------------------------------------- */

/* The mappings in the form in which the walk wants them, in unwinding->mappings. true: there are more than can be
 * published. */
bool unwinding_convert_mappings(struct unwinding *unwinding, struct mapping_set *set, uint64_t now_ns);
void unwinding_forget_ended(struct unwinding *unwinding, uint64_t now_ns);

/* --- unwinding_tables.c ------------------------------------------------------------------------------------------- */

/* The CPU time that may be used for making tables grows. */
void unwinding_refill_tokens(struct unwinding *unwinding, uint64_t now_ns);
/* Publishes the table that came; false: there will be room for it later. */
bool unwinding_publish_waiting(struct unwinding *unwinding, uint64_t now_ns);
void unwinding_ask_for_next(struct unwinding *unwinding, uint64_t now_ns);
