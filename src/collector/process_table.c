/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/process_table.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/counters.h"

/* Lives as long as a live process is in it. */
struct mount_namespace {
	uint32_t mnt_ns;
	struct link processes; /* the newest first */
	struct link in_new;
};

#define container_of(member_ptr, type, member) ((type *)((char *)(member_ptr)-offsetof(type, member)))

static void link_init(struct link *link)
{
	link->prev = link->next = link;
}

static bool link_is_alone(const struct link *link)
{
	return link->next == link;
}

static void link_insert_behind(struct link *place, struct link *link)
{
	link->prev = place;
	link->next = place->next;
	place->next->prev = link;
	place->next = link;
}

static void link_append(struct link *ring, struct link *link)
{
	link_insert_behind(ring->prev, link);
}

static void link_remove(struct link *link)
{
	link->prev->next = link->next;
	link->next->prev = link->prev;
	link_init(link);
}

void process_table_init(struct process_table *table, size_t max_processes)
{
	*table = (struct process_table){
		.max = max_processes,
		.budget.limit_bytes = REGISTRY_MAX_MAPPING_BYTES,
	};
	map_init(&table->by_key, sizeof(uint64_t), sizeof(struct generation *), max_processes);
	map_init(&table->namespaces, sizeof(uint32_t), sizeof(struct mount_namespace *), max_processes);
	link_init(&table->all);
	link_init(&table->live);
	link_init(&table->ended);
	link_init(&table->new_namespaces);
}

uint64_t process_table_key(uint32_t tgid, uint64_t start_boottime_ns)
{
	return tgid ? tgid : 1ULL << 63 | start_boottime_ns;
}

struct generation *process_table_newest(const struct process_table *table, uint64_t key)
{
	struct generation **slot = map_find(&table->by_key, &key);

	return slot ? *slot : NULL;
}

struct generation *generation_older(const struct generation *generation)
{
	return (struct generation *)generation->process.older;
}

void generation_set_cgroup(struct generation *generation, uint64_t id, struct cgroup_path *path)
{
	cgroup_path_unref(generation->cgroup_path);
	generation->cgroup_path = path;
	generation->process.cgroup_id = id;
	generation->process.cgroup = path ? path->text : NULL;
}

/* --- mount namespaces ------------------------------------------------------------------------------------------ */

static struct mount_namespace *namespace_find(const struct process_table *table, uint32_t mnt_ns)
{
	struct mount_namespace **slot = map_find(&table->namespaces, &mnt_ns);

	return slot ? *slot : NULL;
}

static struct mount_namespace *namespace_add(struct process_table *table, uint32_t mnt_ns)
{
	struct mount_namespace *mounts = calloc(1, sizeof(*mounts));
	void *slot;

	if (!mounts)
		return NULL;
	if (map_insert(&table->namespaces, &mnt_ns, &slot, NULL)) {
		free(mounts);
		return NULL;
	}
	*(struct mount_namespace **)slot = mounts;
	mounts->mnt_ns = mnt_ns;
	link_init(&mounts->processes);
	link_append(&table->new_namespaces, &mounts->in_new);
	return mounts;
}

static void namespace_leave(struct process_table *table, struct generation *generation)
{
	struct mount_namespace *mounts = generation->mounts;

	if (!mounts)
		return;
	generation->mounts = NULL;
	link_remove(&generation->in_namespace);
	if (!link_is_alone(&mounts->processes))
		return;
	link_remove(&mounts->in_new);
	map_remove(&table->namespaces, &mounts->mnt_ns);
	free(mounts);
}

void process_table_set_mount_namespace(struct process_table *table, struct generation *generation, uint32_t mnt_ns)
{
	struct mount_namespace *mounts;

	if (generation->mounts && generation->mounts->mnt_ns == mnt_ns)
		return;
	namespace_leave(table, generation);
	generation->process.mnt_ns = mnt_ns;
	if (!mnt_ns || !generation->process.is_alive)
		return;
	mounts = namespace_find(table, mnt_ns);
	if (!mounts)
		mounts = namespace_add(table, mnt_ns);
	if (!mounts)
		return; /* without memory it is no candidate for opening files */
	generation->mounts = mounts;
	link_insert_behind(&mounts->processes, &generation->in_namespace);
}

size_t process_table_in_namespace(const struct process_table *table, uint32_t mnt_ns, struct process **to, size_t n)
{
	const struct mount_namespace *mounts = namespace_find(table, mnt_ns);
	size_t found = 0;

	if (!mounts)
		return 0;
	for (struct link *link = mounts->processes.next; link != &mounts->processes && found < n; link = link->next)
		to[found++] = &container_of(link, struct generation, in_namespace)->process;
	return found;
}

bool process_table_next_new_namespace(struct process_table *table, uint32_t *tgid, uint32_t *mnt_ns)
{
	const struct mount_namespace *mounts;
	struct link *first = table->new_namespaces.next;

	if (first == &table->new_namespaces)
		return false;
	link_remove(first);
	mounts = container_of(first, struct mount_namespace, in_new);
	*mnt_ns = mounts->mnt_ns;
	*tgid = container_of(mounts->processes.next, struct generation, in_namespace)->process.tgid;
	return true;
}

/* --- coming and going ------------------------------------------------------------------------------------------ */

static void generation_free(struct process_table *table, struct generation *generation)
{
	namespace_leave(table, generation);
	link_remove(&generation->in_all);
	link_remove(&generation->in_age);
	mapping_set_unref(generation->process.mappings);
	cgroup_path_unref(generation->cgroup_path);
	free(generation);
	table->len--;
}

void process_table_release(struct process_table *table)
{
	struct generation *generation;

	while ((generation = process_table_each(table, NULL)))
		generation_free(table, generation);
	map_release(&table->by_key);
	map_release(&table->namespaces);
}

static void evict(struct process_table *table, struct generation *generation)
{
	struct generation *older = generation_older(generation), **slot;

	if (generation->newer) {
		generation->newer->process.older = generation->process.older;
	} else if (older) {
		slot = map_find(&table->by_key, &generation->key);
		assert(slot);
		*slot = older;
	} else {
		map_remove(&table->by_key, &generation->key);
	}
	if (older)
		older->newer = generation->newer;
	generation_free(table, generation);
}

/* First in line that is neither of the two. */
static struct generation *first_to_leave(const struct link *ring, const struct generation *a,
					 const struct generation *b)
{
	for (struct link *link = ring->next; link != ring; link = link->next) {
		struct generation *generation = container_of(link, struct generation, in_age);

		if (generation != a && generation != b)
			return generation;
	}
	return NULL;
}

bool process_table_evict_ended(struct process_table *table, const struct generation *keep)
{
	struct generation *victim = first_to_leave(&table->ended, keep, NULL);

	if (victim)
		evict(table, victim);
	return victim;
}

static bool make_room(struct process_table *table, const struct generation *older, const struct generation *keep)
{
	struct generation *victim;

	if (table->len < table->max)
		return true;
	victim = first_to_leave(&table->ended, older, keep);
	if (!victim) {
		count(COUNTER_registry_processes_dropped);
		victim = first_to_leave(&table->live, older, keep);
	}
	if (victim)
		evict(table, victim);
	return victim;
}

static void chain_insert(struct generation **newest, struct generation *generation, struct generation *older)
{
	struct generation *newer = older ? older->newer : *newest;

	/* Without an older one it goes to the far end. */
	while (!older && newer && generation_older(newer))
		newer = generation_older(newer);
	generation->newer = newer;
	generation->process.older = older ? &older->process : NULL;
	if (older)
		older->newer = generation;
	if (newer)
		newer->process.older = &generation->process;
	else
		*newest = generation;
}

int process_table_insert(struct process_table *table, uint64_t key, struct generation *older,
			 const struct generation *keep, struct generation **ret)
{
	struct generation *generation;
	void *newest;

	if (!make_room(table, older, keep))
		return -E2BIG;
	generation = calloc(1, sizeof(*generation));
	if (!generation)
		return -ENOMEM;
	if (map_insert(&table->by_key, &key, &newest, NULL)) {
		free(generation);
		return -ENOMEM;
	}
	generation->key = key;
	generation->process.is_alive = true;
	generation->process.until_ns = UINT64_MAX;
	link_init(&generation->in_namespace);
	link_append(&table->all, &generation->in_all);
	link_append(&table->live, &generation->in_age);
	chain_insert(newest, generation, older);
	table->len++;
	*ret = generation;
	return 0;
}

void process_table_end(struct process_table *table, struct generation *generation, uint64_t mono_ns)
{
	struct process *process = &generation->process;

	process->until_ns = mono_ns;
	if (!process->is_alive)
		return;
	process->is_alive = false;
	namespace_leave(table, generation);
	if (!process->has_samples) {
		link_remove(&generation->in_age);
		link_append(&table->ended, &generation->in_age);
	}
}

void process_table_set_sampled(struct generation *generation)
{
	generation->process.has_samples = true;
	link_remove(&generation->in_age);
}

struct generation *process_table_each(const struct process_table *table, const struct generation *previous)
{
	struct link *next = previous ? previous->in_all.next : table->all.next;

	return next == &table->all ? NULL : container_of(next, struct generation, in_all);
}

size_t process_table_memory_bytes(const struct process_table *table)
{
	return table->len * sizeof(struct generation) + table->budget.used_bytes + map_memory_bytes(&table->by_key) +
	       map_memory_bytes(&table->namespaces) + table->namespaces.len * sizeof(struct mount_namespace);
}
