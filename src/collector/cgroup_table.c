/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/cgroup_table.h"

#include <stdlib.h>
#include <string.h>

#define MAX_PATH_BYTES 4096

struct cgroup_path *cgroup_path_new(const char *text)
{
	size_t len = strnlen(text, MAX_PATH_BYTES);
	struct cgroup_path *path = malloc(sizeof(*path) + len + 1);

	if (!path)
		return NULL;
	path->refs = 1;
	memcpy(path->text, text, len);
	path->text[len] = 0;
	return path;
}

struct cgroup_path *cgroup_path_ref(struct cgroup_path *path)
{
	if (path)
		path->refs++;
	return path;
}

void cgroup_path_unref(struct cgroup_path *path)
{
	if (path && !--path->refs)
		free(path);
}

static size_t path_bytes(const struct cgroup_path *path)
{
	return sizeof(*path) + strlen(path->text) + 1;
}

void cgroup_table_init(struct cgroup_table *table)
{
	*table = (struct cgroup_table){.next = 0};
	map_init(&table->by_id, sizeof(uint64_t), sizeof(struct cgroup_path *), CGROUP_TABLE_MAX);
}

void cgroup_table_release(struct cgroup_table *table)
{
	size_t pos = 0;
	void *slot;

	while (map_next(&table->by_id, &pos, NULL, &slot))
		cgroup_path_unref(*(struct cgroup_path **)slot);
	map_release(&table->by_id);
}

static void forget(struct cgroup_table *table, uint64_t id)
{
	struct cgroup_path **slot = map_find(&table->by_id, &id);

	if (!slot)
		return;
	table->path_bytes -= path_bytes(*slot);
	cgroup_path_unref(*slot);
	map_remove(&table->by_id, &id);
}

void cgroup_table_put(struct cgroup_table *table, uint64_t id, struct cgroup_path *path)
{
	struct cgroup_path **slot = map_find(&table->by_id, &id);
	void *fresh;

	if (slot) {
		table->path_bytes -= path_bytes(*slot);
		cgroup_path_unref(*slot);
	} else {
		if (table->by_id.len == CGROUP_TABLE_MAX)
			forget(table, table->order[table->next]);
		if (map_insert(&table->by_id, &id, &fresh, NULL))
			return;
		slot = fresh;
		table->order[table->next] = id;
		table->next = (table->next + 1) % CGROUP_TABLE_MAX;
	}
	path->refs++;
	*slot = path;
	table->path_bytes += path_bytes(path);
}

struct cgroup_path *cgroup_table_find(const struct cgroup_table *table, uint64_t id)
{
	struct cgroup_path **slot = map_find(&table->by_id, &id);

	return slot ? *slot : NULL;
}

size_t cgroup_table_memory_bytes(const struct cgroup_table *table)
{
	return map_memory_bytes(&table->by_id) + table->path_bytes;
}
