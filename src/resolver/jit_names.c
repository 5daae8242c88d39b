/* SPDX-License-Identifier: Apache-2.0 */
#include "resolver/jit_names.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/map.h"
#include "symbol/jit_name.h"
#include "symbol/jitdump.h"
#include "symbol/perf_map.h"

#define MAX_SOURCES (1u << 21)
/* An index that left within a batch is made anew this often for it: more would be without end. */
#define MAX_READS 2
/* Reading for one batch; what comes after has no names. */
#define BATCH_READ_NS (20 * NSEC_PER_SEC)

struct source {
	uint32_t id;
	bool is_jitdump;
	int fd;
	struct perf_map *map;		/* NULL: not read, or it left */
	struct jitdump *jitdump;	/* the same */
	uint64_t batch;			/* for which it was read last */
	uint32_t reads;			/* in that batch */
	struct source *previous, *next; /* in the list of those with an index, the most recently used first */
};

struct jit_names {
	struct jit_names_options options;
	struct map by_id;   /* uint32_t -> struct source * */
	struct source used; /* ring: its next is the most recently used */
	size_t bytes;	    /* of all indexes */
	uint64_t batch, until_ns, read_ns;
};

int jit_names_new(const struct jit_names_options *options, struct jit_names **ret)
{
	struct jit_names *names = calloc(1, sizeof(*names));

	if (!names)
		return -ENOMEM;
	names->options = *options;
	names->used.previous = names->used.next = &names->used;
	names->until_ns = UINT64_MAX;
	names->batch = 1;
	map_init(&names->by_id, sizeof(uint32_t), sizeof(struct source *), MAX_SOURCES);
	*ret = names;
	return 0;
}

static size_t index_bytes(const struct source *source)
{
	if (source->map)
		return perf_map_memory_bytes(source->map);
	return source->jitdump ? jitdump_memory_bytes(source->jitdump) : 0;
}

static void unlink_source(struct source *source)
{
	source->previous->next = source->next;
	source->next->previous = source->previous;
	source->previous = source->next = source;
}

static void drop_index(struct jit_names *names, struct source *source)
{
	names->bytes -= index_bytes(source);
	perf_map_free(source->map);
	jitdump_free(source->jitdump);
	source->map = NULL;
	source->jitdump = NULL;
	unlink_source(source);
}

static void source_free(struct jit_names *names, struct source *source)
{
	if (!source)
		return;
	drop_index(names, source);
	cleanup_close(&source->fd);
	free(source);
}

void jit_names_free(struct jit_names *names)
{
	const void *id;
	size_t pos = 0;
	void *slot;

	if (!names)
		return;
	while (map_next(&names->by_id, &pos, &id, &slot))
		source_free(names, *(struct source **)slot);
	map_release(&names->by_id);
	free(names);
}

int jit_names_add(struct jit_names *names, const struct message_object *object, int fd)
{
	auto_close int taken = fd;
	struct source *source = calloc(1, sizeof(*source)), **slot;
	int err = source ? map_insert(&names->by_id, &object->object, (void **)&slot, NULL) : -ENOMEM;

	if (err) {
		free(source);
		return err;
	}
	source_free(names, *slot);
	*source = (struct source){
		.id = object->object, .is_jitdump = object->kind == OBJECT_JITDUMP, .fd = take_fd(&taken)};
	source->previous = source->next = source;
	*slot = source;
	return 0;
}

void jit_names_limit(struct jit_names *names, size_t max_bytes)
{
	names->options.max_bytes = max_bytes;
}

void jit_names_begin_batch(struct jit_names *names, uint64_t until_ns)
{
	names->batch++;
	names->until_ns = until_ns ? until_ns : UINT64_MAX;
	names->read_ns = 0;
}

static int read_source(struct jit_names *names, struct source *source)
{
	int err = 0;

	if (source->is_jitdump) {
		if (!source->jitdump)
			err = jitdump_new(names->options.max_bytes, &source->jitdump);
		return err ? err : jitdump_update(source->jitdump, source->fd, names->until_ns);
	}
	if (!source->map)
		err = perf_map_new(names->options.max_bytes, &source->map);
	return err ? err : perf_map_update(source->map, source->fd);
}

static void use(struct jit_names *names, struct source *source)
{
	unlink_source(source);
	source->next = names->used.next;
	source->previous = &names->used;
	source->next->previous = source->previous->next = source;
}

/* The others make room, the least recently used one first. */
static void make_room(struct jit_names *names, const struct source *keep)
{
	while (names->bytes > names->options.max_bytes && names->used.previous != &names->used &&
	       names->used.previous != keep)
		drop_index(names, names->used.previous);
}

/* Up to date for this batch, as far as it can be. */
static void refresh(struct jit_names *names, struct source *source)
{
	bool has_index = source->map || source->jitdump;
	uint64_t began_ns;
	int err;

	if (source->batch != names->batch)
		source->reads = 0;
	if ((source->batch == names->batch && has_index) || source->reads == MAX_READS ||
	    names->read_ns > BATCH_READ_NS)
		return;
	source->batch = names->batch;
	source->reads++;
	began_ns = clock_mono_ns(&clock_system);
	if (names->options.reading)
		names->options.reading(names->options.ctx, source->id);
	names->bytes -= index_bytes(source);
	err = read_source(names, source);
	names->bytes += index_bytes(source);
	if (names->options.read)
		names->options.read(names->options.ctx, source->id, err);
	names->read_ns += clock_mono_ns(&clock_system) - began_ns;
}

static struct source *find_source(struct jit_names *names, uint32_t id)
{
	struct source **slot = id ? map_find(&names->by_id, &id) : NULL;

	if (!slot || (*slot)->fd < 0)
		return NULL;
	refresh(names, *slot);
	use(names, *slot);
	make_room(names, *slot);
	return *slot;
}

static int find_in_jitdump(const struct source *source, uint64_t address, struct jit_name *ret)
{
	struct jitdump_code code;
	int err = source && source->jitdump ? jitdump_find(source->jitdump, address, &code) : -ENOENT;

	if (err)
		return err;
	ret->name = code.name;
	ret->file = code.file;
	ret->line = code.line;
	return 0;
}

static int find_in_perf_map(const struct source *source, uint64_t address, struct jit_name *ret)
{
	ret->name = source && source->map ? perf_map_find(source->map, address) : NULL;
	return ret->name ? 0 : -ENOENT;
}

/* What the name itself says, where nothing else does. */
static void add_source(struct jit_name *name)
{
	struct jit_source source;

	jit_name_source(name->name, &source);
	name->start_line = source.line;
	if (*name->file || !source.file_len || source.file_len >= sizeof(name->file_text))
		return;
	memcpy(name->file_text, name->name + source.file, source.file_len);
	name->file_text[source.file_len] = '\0';
	name->file = name->file_text;
}

int jit_names_find(struct jit_names *names, uint32_t jitdump, uint32_t perf_map, uint64_t address, struct jit_name *ret)
{
	int err;

	ret->file = "";
	ret->line = ret->start_line = 0;
	err = find_in_jitdump(find_source(names, jitdump), address, ret);
	if (err)
		err = find_in_perf_map(find_source(names, perf_map), address, ret);
	if (!err)
		add_source(ret);
	return err;
}

size_t jit_names_memory_bytes(const struct jit_names *names)
{
	return sizeof(*names) + map_memory_bytes(&names->by_id) + names->by_id.len * sizeof(struct source) +
	       names->bytes;
}
