/* SPDX-License-Identifier: Apache-2.0 */
/* Two sorted runs of ranges: a large one, and a small one that is newer and wins.
 *
 *     tail (at most TAIL_MAX)      [..]      [....]          [.]        newest
 *     base                     [......][...]    [....]   [........]     cut by the tail when they are merged
 *
 * A run keeps its ranges apart: what is inserted replaces what it overlaps. Insertion that would move only a few
 * entries goes straight to the base, which is all there is for a process of ordinary size and for mappings that come in
 * address order; any other goes to the tail, and a full tail is merged into the base in one pass. So n insertions in
 * any order cost n * (TAIL_MAX / 2 + n / TAIL_MAX) moves at most, 100,000 of them a fraction of a second. */
#include "collector/mapping_set.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/counters.h"
#include "base/partition_point.h"
#include "base/vec.h"

#define TAIL_MAX 1024
/* Entries that an insertion into the base may move. */
#define BASE_MOVES_MAX 256
/* Both runs are merged into at most this before the limit is applied; each entry of the tail can split one. */
#define RUN_MAX (REGISTRY_MAX_MAPPINGS + 2 * (TAIL_MAX + 2))

struct run VEC(struct mapping);

struct mapping_set {
	uint32_t refs;
	uint64_t version;
	struct mapping_budget *budget;
	struct run base, tail;
};

static void set_changed(struct mapping_set *set)
{
	set->version = ++set->budget->versions;
}

int mapping_set_new(struct mapping_budget *budget, struct mapping_set **ret)
{
	struct mapping_set *set = calloc(1, sizeof(*set));

	if (!set)
		return -ENOMEM;
	set->refs = 1;
	set->budget = budget;
	set_changed(set);
	vec_init(&set->base, RUN_MAX);
	vec_init(&set->tail, TAIL_MAX + 2);
	budget->used_bytes += sizeof(*set);
	*ret = set;
	return 0;
}

struct mapping_set *mapping_set_ref(struct mapping_set *set)
{
	set->refs++;
	return set;
}

static void run_release(struct mapping_set *set, struct run *run)
{
	set->budget->used_bytes -= run->cap * sizeof(*run->items);
	vec_release(run);
}

void mapping_set_unref(struct mapping_set *set)
{
	if (!set || --set->refs)
		return;
	run_release(set, &set->base);
	run_release(set, &set->tail);
	set->budget->used_bytes -= sizeof(*set);
	free(set);
}

static int run_reserve(struct mapping_set *set, struct run *run, size_t need)
{
	size_t old_cap = run->cap, new_cap = need > 2 * old_cap ? need : 2 * old_cap;
	int err;

	if (need <= old_cap)
		return 0;
	if (set->budget->used_bytes + (new_cap - old_cap) * sizeof(*run->items) > set->budget->limit_bytes)
		return -ENOBUFS;
	err = vec_reserve(run, need);
	if (err)
		return err;
	set->budget->used_bytes += (run->cap - old_cap) * sizeof(*run->items);
	return 0;
}

/* First entry that ends behind the address. */
static size_t run_find(const struct run *run, uint64_t ip)
{
	return partition_point(run->len, i, run->items[i].limit <= ip);
}

/* First entry, not before `from`, that starts at the address or behind it. */
static size_t run_find_start(const struct run *run, size_t from, uint64_t address)
{
	return from + partition_point(run->len - from, i, run->items[from + i].start < address);
}

/* The part of a mapping from `start` on. */
static struct mapping mapping_from(const struct mapping *mapping, uint64_t start)
{
	struct mapping part = *mapping;

	part.file_off += start - mapping->start;
	part.start = start;
	return part;
}

/* Puts the mapping in the place of what it overlaps. */
static int run_insert(struct mapping_set *set, struct run *run, const struct mapping *mapping)
{
	size_t first = run_find(run, mapping->start);
	size_t end = run_find_start(run, first, mapping->limit);
	struct mapping pieces[3];
	size_t n = 0;
	int err;

	if (first < end && run->items[first].start < mapping->start) {
		pieces[n] = run->items[first];
		pieces[n++].limit = mapping->start;
	}
	pieces[n++] = *mapping;
	if (first < end && run->items[end - 1].limit > mapping->limit)
		pieces[n++] = mapping_from(&run->items[end - 1], mapping->limit);
	err = run_reserve(set, run, run->len + n - (end - first));
	if (err)
		return err;
	memmove(&run->items[first + n], &run->items[end], (run->len - end) * sizeof(*run->items));
	memcpy(&run->items[first], pieces, n * sizeof(*pieces));
	run->len += n - (end - first);
	return 0;
}

static void run_emit(struct run *run, const struct mapping *mapping, uint32_t mark)
{
	assert(run->len < run->cap);
	run->items[run->len] = *mapping;
	run->items[run->len++].pad = mark;
}

/* Drops what is over the limit: the newest, which are marked, and what lies highest after them. Gaps stay where they
 * had cut something: nothing is better than what is known to be gone. */
static void run_limit(struct run *run)
{
	size_t over = run->len > REGISTRY_MAX_MAPPINGS ? run->len - REGISTRY_MAX_MAPPINGS : 0, kept = 0;

	count_n(COUNTER_registry_mappings_dropped, over);
	for (size_t i = 0; i < run->len; i++) {
		if (over && run->items[i].pad) {
			over--;
			continue;
		}
		run->items[kept] = run->items[i];
		run->items[kept++].pad = 0;
	}
	run->len = kept - over;
}

static bool run_take(const struct run *run, size_t *next, struct mapping *to)
{
	if (*next == run->len)
		return false;
	*to = run->items[(*next)++];
	return true;
}

/* The base without what the tail covers, and the tail. */
static void run_merge(struct run *merged, const struct run *base, const struct run *tail)
{
	size_t next = 0;
	struct mapping old;
	bool has_old = run_take(base, &next, &old);

	for (size_t i = 0; i < tail->len; i++) {
		const struct mapping *new = &tail->items[i];

		while (has_old && old.start < new->limit) {
			if (old.start < new->start) {
				struct mapping before = old;

				before.limit = old.limit < new->start ? old.limit : new->start;
				run_emit(merged, &before, 0);
			}
			if (old.limit > new->limit)
				old = mapping_from(&old, new->limit);
			else
				has_old = run_take(base, &next, &old);
		}
		run_emit(merged, new, 1);
	}
	for (; has_old; has_old = run_take(base, &next, &old))
		run_emit(merged, &old, 0);
}

static int set_merge(struct mapping_set *set)
{
	struct run merged;
	int err;

	if (!set->tail.len)
		return 0;
	vec_init(&merged, RUN_MAX);
	err = run_reserve(set, &merged, set->base.len + 2 * set->tail.len);
	if (err)
		return err;
	run_merge(&merged, &set->base, &set->tail);
	run_limit(&merged);
	run_release(set, &set->base);
	set->base = merged;
	vec_clear(&set->tail);
	return 0;
}

static bool fits_in_base(const struct mapping_set *set, const struct mapping *mapping)
{
	size_t at;

	if (set->tail.len || set->base.len + 2 > REGISTRY_MAX_MAPPINGS)
		return false;
	at = run_find(&set->base, mapping->start);
	return set->base.len - at <= BASE_MOVES_MAX;
}

static int set_put(struct mapping_set *set, const struct mapping *mapping)
{
	int err;

	if (fits_in_base(set, mapping))
		return run_insert(set, &set->base, mapping);
	if (set->tail.len >= TAIL_MAX) {
		err = set_merge(set);
		if (err)
			return err;
		if (fits_in_base(set, mapping))
			return run_insert(set, &set->base, mapping);
	}
	return run_insert(set, &set->tail, mapping);
}

/* A set of its own for one of those who share it. */
static int set_unshare(struct mapping_set **set)
{
	struct mapping_set *copy = NULL;
	int err;

	if ((*set)->refs == 1)
		return 0;
	err = set_merge(*set);
	if (!err)
		err = mapping_set_new((*set)->budget, &copy);
	if (!err)
		err = run_reserve(copy, &copy->base, (*set)->base.len);
	if (err) {
		mapping_set_unref(copy);
		return err;
	}
	if ((*set)->base.len)
		memcpy(copy->base.items, (*set)->base.items, (*set)->base.len * sizeof(struct mapping));
	copy->base.len = (*set)->base.len;
	mapping_set_unref(*set);
	*set = copy;
	return 0;
}

int mapping_set_insert(struct mapping_set **set, const struct mapping *mapping)
{
	int err;

	assert(mapping->start < mapping->limit);
	err = set_unshare(set);
	if (err)
		return err;
	set_changed(*set);
	return set_put(*set, mapping);
}

/* How far what covers the address reaches, or the address itself; *next becomes the start of what comes behind it, when
 * that is nearer. */
static uint64_t run_covered_until(const struct run *run, uint64_t address, uint64_t *next)
{
	size_t at = run_find(run, address);

	if (at == run->len)
		return address;
	if (run->items[at].start <= address)
		return run->items[at].limit;
	if (run->items[at].start < *next)
		*next = run->items[at].start;
	return address;
}

int mapping_set_fill(struct mapping_set *set, const struct mapping *mapping)
{
	uint64_t at = mapping->start;

	assert(mapping->start < mapping->limit);
	set_changed(set);
	while (at < mapping->limit) {
		uint64_t next = mapping->limit, covered;
		struct mapping part;
		int err;

		covered = run_covered_until(&set->tail, at, &next);
		if (covered == at)
			covered = run_covered_until(&set->base, at, &next);
		if (covered > at) {
			at = covered;
			continue;
		}
		part = mapping_from(mapping, at);
		part.limit = next;
		err = set_put(set, &part);
		if (err)
			return err;
		at = next;
	}
	return 0;
}

static void run_replace_objects(struct run *run, uint32_t (*replace)(void *ctx, uint32_t object), void *ctx)
{
	for (size_t i = 0; i < run->len; i++)
		run->items[i].object = replace(ctx, run->items[i].object);
}

void mapping_set_replace_objects(struct mapping_set *set, uint32_t (*replace)(void *ctx, uint32_t object), void *ctx)
{
	set_changed(set);
	run_replace_objects(&set->base, replace, ctx);
	run_replace_objects(&set->tail, replace, ctx);
}

uint64_t mapping_set_version(const struct mapping_set *set)
{
	return set->version;
}

bool mapping_set_is_empty(const struct mapping_set *set)
{
	return !set->base.len && !set->tail.len;
}

static const struct mapping *run_lookup(const struct run *run, uint64_t ip)
{
	size_t at = run_find(run, ip);

	return at < run->len && run->items[at].start <= ip ? &run->items[at] : NULL;
}

const struct mapping *mapping_set_find(const struct mapping_set *set, uint64_t ip)
{
	const struct mapping *found = run_lookup(&set->tail, ip);

	return found ? found : run_lookup(&set->base, ip);
}

const struct mapping *mapping_set_all(struct mapping_set *set, size_t *n)
{
	set_merge(set); /* failure: see the header */
	*n = set->base.len;
	return set->base.items;
}
