/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/unwinding.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/counters.h"
#include "base/err.h"
#include "base/log.h"
#include "base/map.h"
#include "base/vec.h"
#include "collector/mapping_set.h"
#include "ipc/memfd.h"

#define MODULE "collector"
#define EPOCH_NS (5 * NSEC_PER_SEC)
#define SWEEP_NS NSEC_PER_SEC
#define MISSES_NS (250 * NSEC_PER_MSEC)
/* A sample of a process that ended is in the ring for a moment still. */
#define PROCESS_LINGER_NS NSEC_PER_SEC
/* Objects that so many processes map are made first. */
#define SHARED_BY 3
#define MAX_TABLE_OBJECTS (1u << 20)

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
	/* Its debug file, which may tell more: another object; 0: none. */
	uint32_t debug, debug_tries; /* … roots in which that was looked for */
	uint32_t build_id_len;
	uint8_t build_id[BUILD_ID_MAX];
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
	struct table_object_vec with_debug; /* those with a debug file that is being opened */
	uint64_t next_epoch_ns, next_sweep_ns, next_misses_ns;
	int64_t tokens_ns; /* of CPU time for making tables */
	uint64_t tokens_from_ns;
	bool is_in_hurry;
	struct unwinding_stats stats;
};

static void on_evicted(void *ctx, uint32_t slot)
{
	struct unwinding *unwinding = ctx;

	if (unwinding->by_slot[slot])
		unwinding->by_slot[slot]->state = TABLE_IDLE;
}

static int add_segment(void *ctx, uint32_t index, void **ret)
{
	struct unwinding *unwinding = ctx;

	return unwinding->options.memory.add_segment(unwinding->options.memory.ctx, index, ret);
}

int unwinding_new(const struct unwinding_options *options, struct unwinding **ret)
{
	struct unwinding *unwinding = calloc(1, sizeof(*unwinding));
	struct row_store_memory memory = options->memory;
	int err = -ENOMEM;

	if (!unwinding)
		return err;
	unwinding->options = *options;
	unwinding->tokens_ns = UNWINDING_BURST_NS;
	map_init(&unwinding->by_id, sizeof(uint32_t), sizeof(struct table_object *), MAX_TABLE_OBJECTS);
	vec_init(&unwinding->wanted, MAX_TABLE_OBJECTS);
	vec_init(&unwinding->with_debug, MAX_TABLE_OBJECTS);
	vec_init(&unwinding->published, UNWIND_MAX_PROCESSES);
	vec_init(&unwinding->mappings, UNWIND_MAX_MAPPINGS);
	unwinding->by_slot = calloc(UNWIND_MAX_OBJECTS, sizeof(struct table_object *));
	unwinding->slot_versions = calloc(UNWIND_MAX_OBJECTS, sizeof(uint32_t));
	if (!unwinding->by_slot || !unwinding->slot_versions)
		goto fail;
	memory.add_segment = add_segment;
	memory.evicted = on_evicted;
	memory.ctx = unwinding;
	err = row_store_new(&memory, options->table_bytes, options->machine, &unwinding->store);
	if (!err)
		err = host_walk_new(unwinding->store, &memory, &unwinding->walk);
	if (err)
		goto fail;
	*ret = unwinding;
	return 0;
fail:
	unwinding_free(unwinding);
	return err;
}

void unwinding_free(struct unwinding *unwinding)
{
	const void *key;
	size_t pos = 0;
	void *value;

	if (!unwinding)
		return;
	while (map_next(&unwinding->by_id, &pos, &key, &value))
		free(*(struct table_object **)value);
	map_release(&unwinding->by_id);
	vec_release(&unwinding->wanted);
	vec_release(&unwinding->with_debug);
	vec_for_each (&unwinding->published, entry)
		free(entry->objects);
	vec_release(&unwinding->published);
	vec_release(&unwinding->mappings);
	memfd_unmap(&unwinding->waiting_bytes);
	host_walk_free(unwinding->walk);
	row_store_free(unwinding->store);
	free(unwinding->by_slot);
	free(unwinding->slot_versions);
	free(unwinding);
}

/* --- objects ------------------------------------------------------------------------------------------------------ */

static struct table_object *find_object(const struct unwinding *unwinding, uint32_t id)
{
	struct table_object **slot = map_find(&unwinding->by_id, &id);

	return slot ? *slot : NULL;
}

/* A slot of an object that no published process has any more. */
static bool free_a_slot(struct unwinding *unwinding, uint64_t now_ns)
{
	for (uint32_t slot = 0; slot < UNWIND_MAX_OBJECTS; slot++) {
		struct table_object *object = unwinding->by_slot[slot];

		if (!object || object->processes || object == unwinding->asked || object->state == TABLE_WANTED)
			continue;
		row_store_remove_object(unwinding->store, slot, now_ns);
		unwinding->by_slot[slot] = NULL;
		object->slot = UNWIND_NO_OBJECT;
		object->state = TABLE_IDLE;
		return true;
	}
	return false;
}

static void take_slot(struct unwinding *unwinding, struct table_object *object, uint64_t now_ns)
{
	int err = row_store_add_object(unwinding->store, &object->slot, &object->generation);

	if (err == -ENOSPC && free_a_slot(unwinding, now_ns))
		err = row_store_add_object(unwinding->store, &object->slot, &object->generation);
	if (err)
		object->slot = UNWIND_NO_OBJECT;
	else
		unwinding->by_slot[object->slot] = object;
}

/* The entry whose table serves for the object; NULL: it can have none. */
static struct table_object *object_of(struct unwinding *unwinding, uint32_t id, uint64_t now_ns)
{
	const struct object *known = object_table_get(unwinding->options.objects, id);
	struct table_object *object, **slot;
	bool is_new;

	if (!known || known->kind == OBJECT_ANONYMOUS)
		return NULL;
	if (map_insert(&unwinding->by_id, &id, (void **)&slot, &is_new))
		return NULL;
	if (is_new) {
		*slot = calloc(1, sizeof(**slot));
		if (!*slot) {
			map_remove(&unwinding->by_id, &id);
			return NULL;
		}
		(*slot)->id = id;
		(*slot)->slot = UNWIND_NO_OBJECT;
	}
	object = (*slot)->same_as ? (*slot)->same_as : *slot;
	if (object->slot == UNWIND_NO_OBJECT)
		take_slot(unwinding, object, now_ns);
	return object->slot == UNWIND_NO_OBJECT ? NULL : object;
}

static void want_again(struct unwinding *unwinding, struct table_object *object)
{
	struct table_object **slot = vec_push(&unwinding->wanted);

	object->state = slot ? TABLE_WANTED : TABLE_IDLE;
	if (slot)
		*slot = object;
}

static void want(struct unwinding *unwinding, struct table_object *object, uint32_t page, uint64_t now_ns)
{
	object->page = page;
	object->misses++;
	if (object->same_as)
		return;
	if (object->state != TABLE_IDLE && object->state != TABLE_LOADED)
		return;
	want_again(unwinding, object);
	object->wanted_ns = now_ns;
}

/* Walks that lacked the object's table may be tried again. */
static void tell_news(struct unwinding *unwinding, const struct table_object *object)
{
	unwinding->version++;
	if (object->slot != UNWIND_NO_OBJECT)
		unwinding->slot_versions[object->slot]++;
}

static void give_up(struct unwinding *unwinding, struct table_object *object, uint64_t now_ns)
{
	object->state = TABLE_NONE;
	if (object->slot != UNWIND_NO_OBJECT)
		row_store_publish_none(unwinding->store, object->slot, now_ns);
	tell_news(unwinding, object);
}

/* --- processes ---------------------------------------------------------------------------------------------------- */

/* The mappings in the form in which the walk wants them. Of more than can be published those of files come first, in
 * address order: code without a file is unwound by frame pointer, where it can be. */
static bool convert_mappings(struct unwinding *unwinding, struct mapping_set *set, uint64_t now_ns)
{
	size_t n, n_files = 0, room_for_others;
	const struct mapping *mappings = mapping_set_all(set, &n);
	bool is_partial = n > UNWIND_MAX_MAPPINGS;

	vec_clear(&unwinding->mappings);
	if (is_partial)
		for (size_t i = 0; i < n; i++)
			n_files += object_of(unwinding, mappings[i].object, now_ns) != NULL;
	room_for_others = n_files < UNWIND_MAX_MAPPINGS ? UNWIND_MAX_MAPPINGS - n_files : 0;
	for (size_t i = 0; i < n; i++) {
		struct table_object *object = object_of(unwinding, mappings[i].object, now_ns);
		struct unwind_mapping *mapping;

		/* The walk knows vsyscall by its address, and compares others as positive numbers. */
		if (mappings[i].start > INT64_MAX || (is_partial && !object && !room_for_others))
			continue;
		room_for_others -= is_partial && !object;
		mapping = vec_push(&unwinding->mappings);
		if (!mapping)
			break;
		*mapping = (struct unwind_mapping){
			.start = mappings[i].start,
			.bias = mappings[i].start - mappings[i].file_off,
			.pages = (uint32_t)((mappings[i].limit - mappings[i].start) >> 12),
			.object = object ? object->slot : UNWIND_NO_OBJECT,
			.generation = object ? object->generation : 0,
		};
	}
	return is_partial;
}

static void release_objects(struct published *entry)
{
	for (uint32_t i = 0; i < entry->n_objects; i++)
		entry->objects[i]->processes--;
	free(entry->objects);
	entry->objects = NULL;
	entry->n_objects = 0;
}

/* The objects of the mappings just converted keep their slots as long as the process is published with them. */
static void hold_objects(struct unwinding *unwinding, struct published *entry)
{
	release_objects(entry);
	entry->objects = calloc(unwinding->mappings.len + 1, sizeof(*entry->objects));
	if (!entry->objects)
		return;
	vec_for_each (&unwinding->mappings, mapping) {
		if (mapping->object == UNWIND_NO_OBJECT ||
		    (mapping > unwinding->mappings.items && mapping->object == mapping[-1].object))
			continue;
		entry->objects[entry->n_objects] = unwinding->by_slot[mapping->object];
		entry->objects[entry->n_objects++]->processes++;
	}
}

static struct published *published_entry(struct unwinding *unwinding, struct process *process)
{
	struct published *entry;

	if (process->published_image)
		return &unwinding->published.items[process->published_at];
	entry = vec_push(&unwinding->published);
	if (!entry)
		return NULL;
	entry->process = process;
	process->published_at = (uint32_t)(unwinding->published.len - 1);
	return entry;
}

void unwinding_publish(struct unwinding *unwinding, struct process *process, uint64_t image, uint64_t now_ns)
{
	uint64_t version = process->mappings ? mapping_set_version(process->mappings) : 0;
	struct published *entry;
	bool is_partial;

	if (!version || (process->published_version == version && process->published_image == image &&
			 process->published_sharing == unwinding->sharing_version))
		return;
	entry = published_entry(unwinding, process);
	if (!entry)
		return;
	if (process->published_image && process->published_image != image)
		row_store_remove_process(unwinding->store, process->published_image, now_ns);
	is_partial = convert_mappings(unwinding, process->mappings, now_ns);
	hold_objects(unwinding, entry);
	entry->image = process->published_image = image;
	if (row_store_publish_process(unwinding->store, image, unwinding->mappings.items,
				      (uint32_t)unwinding->mappings.len, is_partial, now_ns))
		return; /* tried again at its next sample */
	unwinding->stats.mappings_unpublished += is_partial;
	process->published_version = version;
	process->published_sharing = unwinding->sharing_version;
}

static void forget_process(struct unwinding *unwinding, struct published *entry, uint64_t now_ns)
{
	struct published *last = &unwinding->published.items[unwinding->published.len - 1];

	row_store_remove_process(unwinding->store, entry->image, now_ns);
	release_objects(entry);
	entry->process->published_image = entry->process->published_version = 0;
	last->process->published_at = (uint32_t)(entry - unwinding->published.items);
	*entry = *last;
	unwinding->published.len--;
}

static void forget_ended_processes(struct unwinding *unwinding, uint64_t now_ns)
{
	for (size_t i = 0; i < unwinding->published.len;) {
		struct published *entry = &unwinding->published.items[i];

		if (entry->process->until_ns == UINT64_MAX || now_ns - entry->process->until_ns < PROCESS_LINGER_NS)
			i++;
		else
			forget_process(unwinding, entry, now_ns);
	}
}

/* Counts in `misses`, which makes the most common ones the first. */
static void preload_mapping(struct unwinding *unwinding, struct process *process, const struct mapping *mapping,
			    uint32_t weight, uint64_t now_ns)
{
	struct table_object *entry = object_of(unwinding, mapping->object, now_ns);
	struct object *object = object_table_get(unwinding->options.objects, mapping->object);

	if (!entry)
		return;
	entry->misses += weight;
	if (entry->misses < SHARED_BY || entry->state != TABLE_IDLE)
		return;
	want(unwinding, entry, (uint32_t)(mapping->file_off >> UNWIND_PAGE_SHIFT), now_ns);
	if (object->state == OBJECT_UNSEEN)
		unwinding->options.want_object(unwinding->options.ctx, object, process, mapping);
}

void unwinding_preload(struct unwinding *unwinding, struct process *process, bool is_sure, uint64_t now_ns)
{
	size_t n;
	const struct mapping *mappings = process_mappings(process, &n);

	for (size_t i = 0; i < n; i++)
		preload_mapping(unwinding, process, &mappings[i], is_sure ? SHARED_BY : 1, now_ns);
}

bool unwinding_is_busy(const struct unwinding *unwinding)
{
	return unwinding->asked || unwinding->waiting.object || unwinding->wanted.len;
}

/* --- copies ------------------------------------------------------------------------------------------------------- */

int unwinding_walk(struct unwinding *unwinding, struct process *process, struct mapping_set *mappings,
		   const struct stack_copy_record *copy, bool is_last, uint64_t now_ns, struct host_walk_result *ret)
{
	bool is_partial = mappings ? convert_mappings(unwinding, mappings, now_ns) : false;
	struct table_object *lacking;
	struct object *object;

	if (!mappings)
		vec_clear(&unwinding->mappings);
	host_walk_run(unwinding->walk, copy, unwinding->mappings.items, (uint32_t)unwinding->mappings.len, is_partial,
		      ret);
	lacking = ret->end == UNWIND_END_TABLE_UNLOADED && ret->lacking_slot < UNWIND_MAX_OBJECTS
			  ? unwinding->by_slot[ret->lacking_slot]
			  : NULL;
	if (!lacking || is_last) {
		unwinding->stats.walks++;
		unwinding->stats.walks_given_up += lacking != NULL;
		return 0;
	}
	want(unwinding, lacking, ret->lacking_page, now_ns);
	object = object_table_get(unwinding->options.objects, lacking->id);
	if (object->state == OBJECT_UNSEEN) {
		const struct mapping *mapping = process_find_object(process, lacking->id);

		if (mapping)
			unwinding->options.want_object(unwinding->options.ctx, object, process, mapping);
	}
	return -EAGAIN;
}

uint32_t unwinding_slot_version(const struct unwinding *unwinding, uint32_t slot)
{
	return slot < UNWIND_MAX_OBJECTS ? unwinding->slot_versions[slot] : 0;
}

uint64_t unwinding_version(const struct unwinding *unwinding)
{
	return unwinding->version;
}

/* --- tables ------------------------------------------------------------------------------------------------------- */

static bool is_open(const struct unwinding *unwinding, uint32_t id)
{
	const struct object *object = object_table_get(unwinding->options.objects, id);

	return object && object->state == OBJECT_OPEN && !(object->flags & OBJECT_QUARANTINED);
}

static void seek_debug_file(struct unwinding *unwinding, struct table_object *entry);

/* Its objects' tables are made again, or it is looked for elsewhere. */
static void debug_file_changed(struct unwinding *unwinding, const struct object *debug)
{
	struct table_object_vec *seeking = &unwinding->with_debug;

	for (size_t i = 0; i < seeking->len;) {
		struct table_object *entry = seeking->items[i];

		if (entry->debug != debug->id) {
			i++;
			continue;
		}
		seeking->items[i] = seeking->items[--seeking->len];
		if (debug->state == OBJECT_OPEN && entry->state != TABLE_ASKED)
			want_again(unwinding, entry);
		else if (debug->state == OBJECT_FAILED)
			seek_debug_file(unwinding, entry);
	}
}

void unwinding_object_changed(struct unwinding *unwinding, const struct object *object, uint64_t now_ns)
{
	struct table_object *entry = find_object(unwinding, object->id);

	if (entry && object->state == OBJECT_FAILED && !entry->same_as)
		give_up(unwinding, entry, now_ns);
	debug_file_changed(unwinding, object);
}

static void drop_waiting(struct unwinding *unwinding)
{
	memfd_unmap(&unwinding->waiting_bytes);
	unwinding->waiting = (struct message_table){0};
}

/* Publishes the table that came; false: there will be room for it later. */
static bool publish_waiting(struct unwinding *unwinding, uint64_t now_ns)
{
	struct table_object *entry = find_object(unwinding, unwinding->waiting.object);
	struct unwind_table table;
	int err = -ENOENT;

	if (entry && entry->slot != UNWIND_NO_OBJECT) {
		/* With the debug file's help it replaces what was published without. */
		if (entry->state == TABLE_ASKED && is_open(unwinding, entry->debug))
			row_store_publish_none(unwinding->store, entry->slot, now_ns);
		err = unwind_table_read(unwinding->waiting_bytes.bytes, unwinding->waiting_bytes.len,
					unwinding->options.machine, &table);
		if (!err)
			err = row_store_publish(unwinding->store, entry->slot, &table, now_ns);
	}
	if (err == -EAGAIN)
		return false;
	if (!err) {
		entry->state = TABLE_LOADED;
		unwinding->stats.tables_made++;
		tell_news(unwinding, entry);
	} else if (entry) {
		give_up(unwinding, entry, now_ns);
		unwinding->stats.tables_failed++;
		log_write(LOG_DEBUG, MODULE, "unwind table of object %u not published: %s", entry->id, err_name(err));
	}
	drop_waiting(unwinding);
	return true;
}

/* The object's file is one whose table is there already. */
static void share(struct unwinding *unwinding, struct table_object *entry, uint32_t same_as, uint64_t now_ns)
{
	struct table_object *owner = find_object(unwinding, same_as);

	if (!owner || owner == entry || owner->same_as) {
		give_up(unwinding, entry, now_ns);
		return;
	}
	entry->same_as = owner;
	entry->state = TABLE_LOADED;
	unwinding->sharing_version++; /* whoever maps it is published anew */
	tell_news(unwinding, entry);
}

/* Of a table that covers little: a debug file may have more. First in the process' own root, then in the host's. When
 * it is open the table is made again. */
static void seek_debug_file(struct unwinding *unwinding, struct table_object *entry)
{
	const struct object *object = object_table_get(unwinding->options.objects, entry->id), *debug = NULL;
	struct table_object **slot;

	while (!debug && entry->debug_tries < 2)
		debug = unwinding->options.want_debug(unwinding->options.ctx, object, entry->build_id,
						      entry->build_id_len, entry->debug_tries++);
	slot = debug ? vec_push(&unwinding->with_debug) : NULL;
	if (!slot)
		return;
	*slot = entry;
	entry->debug = debug->id;
	if (debug->state != OBJECT_WANTED) /* another object's, and settled long ago */
		debug_file_changed(unwinding, debug);
}

void unwinding_table(struct unwinding *unwinding, const struct message_table *table, int fd, uint64_t now_ns)
{
	struct table_object *entry = unwinding->asked;

	if (!entry || entry->id != table->object || unwinding->waiting.object)
		return; /* of a resolver that was given up */
	unwinding->asked = NULL;
	unwinding->tokens_ns -= (int64_t)table->cpu_ns;
	unwinding->stats.making_cpu_ns += table->cpu_ns;
	if (table->wants_debug && !entry->debug_tries) {
		entry->build_id_len = table->build_id_len;
		memcpy(entry->build_id, table->build_id, sizeof(entry->build_id));
		seek_debug_file(unwinding, entry);
	}
	if (table->err) {
		log_write(LOG_DEBUG, MODULE, "no unwind table of object %u: %s", entry->id, err_name(table->err));
		give_up(unwinding, entry, now_ns);
		unwinding->stats.tables_failed += table->err != -ENOENT;
	} else if (table->same_as) {
		share(unwinding, entry, table->same_as, now_ns);
	} else if (memfd_map(fd, UNWIND_TABLE_MAX_BYTES, &unwinding->waiting_bytes)) {
		give_up(unwinding, entry, now_ns);
		unwinding->stats.tables_failed++;
	} else {
		unwinding->waiting = *table;
		publish_waiting(unwinding, now_ns);
	}
}

void unwinding_ask_again(struct unwinding *unwinding)
{
	struct table_object *entry = unwinding->asked;

	unwinding->asked = NULL;
	if (entry && entry->state == TABLE_ASKED)
		want_again(unwinding, entry);
}

static double urgency(const struct table_object *entry, uint64_t now_ns)
{
	double score = (double)entry->misses * (double)(now_ns - entry->wanted_ns + NSEC_PER_MSEC);

	return entry->processes >= SHARED_BY ? score * 1e6 : score;
}

/* The wanted object whose table is to be made next; NULL: none whose file is there. */
static struct table_object *take_most_urgent(struct unwinding *unwinding, uint64_t now_ns)
{
	struct table_object_vec *wanted = &unwinding->wanted;
	size_t best = SIZE_MAX;
	struct table_object *entry;

	for (size_t i = 0; i < wanted->len;) {
		const struct object *object;

		entry = wanted->items[i];
		object = object_table_get(unwinding->options.objects, entry->id);
		if (entry->state != TABLE_WANTED) {
			wanted->items[i] = wanted->items[--wanted->len];
			continue;
		}
		if (object->state == OBJECT_FAILED || object->flags & OBJECT_QUARANTINED) {
			give_up(unwinding, entry, now_ns);
			continue;
		}
		if (object->state == OBJECT_OPEN &&
		    (best == SIZE_MAX || urgency(entry, now_ns) > urgency(wanted->items[best], now_ns)))
			best = i;
		i++;
	}
	if (best == SIZE_MAX)
		return NULL;
	entry = wanted->items[best];
	wanted->items[best] = wanted->items[--wanted->len];
	return entry;
}

static void refill_tokens(struct unwinding *unwinding, uint64_t now_ns)
{
	uint64_t passed_ns = unwinding->tokens_from_ns ? now_ns - unwinding->tokens_from_ns : 0;

	unwinding->tokens_from_ns = now_ns;
	unwinding->tokens_ns += (int64_t)((double)passed_ns * UNWINDING_SHARE);
	if (unwinding->tokens_ns > (int64_t)UNWINDING_BURST_NS)
		unwinding->tokens_ns = UNWINDING_BURST_NS;
}

static void ask_for_next(struct unwinding *unwinding, uint64_t now_ns)
{
	struct table_object *entry;

	if (unwinding->asked || unwinding->waiting.object)
		return;
	if (unwinding->tokens_ns <= 0 && !unwinding->is_in_hurry)
		return;
	entry = take_most_urgent(unwinding, now_ns);
	if (!entry)
		return;
	entry->state = TABLE_ASKED;
	entry->misses = 0;
	unwinding->asked = entry;
	if (unwinding->options.make_table(unwinding->options.ctx,
					  object_table_get(unwinding->options.objects, entry->id), entry->page,
					  is_open(unwinding, entry->debug) ? entry->debug : 0))
		unwinding_ask_again(unwinding);
}

/* Walks that lacked a table and could not even leave a copy. */
static void look_at_misses(struct unwinding *unwinding, uint64_t now_ns)
{
	for (uint32_t slot = 0; slot < UNWIND_MAX_OBJECTS; slot++) {
		struct table_object *entry = unwinding->by_slot[slot];
		uint32_t misses;

		if (!entry)
			continue;
		misses = __atomic_load_n(&unwinding->options.memory.objects[slot].misses, __ATOMIC_RELAXED);
		if (misses == entry->misses_seen)
			continue;
		entry->misses_seen = misses;
		want(unwinding, entry,
		     __atomic_load_n(&unwinding->options.memory.objects[slot].missed_page, __ATOMIC_RELAXED), now_ns);
	}
}

void unwinding_tick(struct unwinding *unwinding, uint64_t now_ns)
{
	refill_tokens(unwinding, now_ns);
	row_store_tick(unwinding->store, now_ns);
	if (unwinding->waiting.object)
		publish_waiting(unwinding, now_ns);
	if (now_ns >= unwinding->next_misses_ns) {
		unwinding->next_misses_ns = now_ns + MISSES_NS;
		look_at_misses(unwinding, now_ns);
	}
	ask_for_next(unwinding, now_ns);
	if (now_ns >= unwinding->next_epoch_ns) {
		unwinding->next_epoch_ns = now_ns + EPOCH_NS;
		unwinding->options.set_epoch(unwinding->options.ctx, row_store_next_epoch(unwinding->store));
	}
	if (now_ns >= unwinding->next_sweep_ns) {
		unwinding->next_sweep_ns = now_ns + SWEEP_NS;
		forget_ended_processes(unwinding, now_ns);
	}
}

void unwinding_hurry(struct unwinding *unwinding)
{
	unwinding->is_in_hurry = true;
}

void unwinding_get_stats(const struct unwinding *unwinding, struct unwinding_stats *ret)
{
	*ret = unwinding->stats;
	row_store_get_stats(unwinding->store, &ret->store);
}

size_t unwinding_memory_bytes(const struct unwinding *unwinding)
{
	return sizeof(*unwinding) + row_store_memory_bytes(unwinding->store) + map_memory_bytes(&unwinding->by_id) +
	       unwinding->by_id.len * sizeof(struct table_object) + UNWIND_MAX_OBJECTS * sizeof(struct table_object *) +
	       unwinding->published.cap * sizeof(*unwinding->published.items);
}
