/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/debug_files.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/counters.h"
#include "base/intern.h"
#include "base/map.h"
#include "base/vec.h"
#include "collector/object_table.h"

#define MAX_NAME_BYTES (8u << 20) /* of all names together */
#define MAX_WAITING 65536
#define MAX_PATH_BYTES (16u << 20) /* of what was found, together */

struct debug_key {
	uint32_t object, kind, place, name;
	uint32_t id_len;
	uint8_t id[DEBUG_ID_MAX];
};
_Static_assert(sizeof(struct debug_key) == 5 * 4 + DEBUG_ID_MAX, "debug_key is hashed as bytes");

struct debug_file {
	bool is_settled, is_temporary;
	bool is_fetched;  /* or is being, from a server */
	uint32_t request; /* of the resolver, that was answered last */
	struct message_want_debug want;
	int fd; /* ours, or -1 */
	struct message_debug_opened opened;
	char *path; /* NULL: none */
};

/* A request of the resolver that has no answer yet. */
struct waiting {
	uint32_t request, file;
};

struct debug_file_vec VEC(struct debug_file);
struct waiting_vec VEC(struct waiting);

struct debug_files {
	struct debug_files_options options;
	struct map by_key; /* struct debug_key -> index of the file + 1 */
	struct intern *names;
	struct debug_file_vec files; /* their index is their number with the opener */
	struct waiting_vec waiting;
	size_t n_temporary, path_bytes;
};

int debug_files_new(const struct debug_files_options *options, struct debug_files **ret)
{
	struct debug_files *files = calloc(1, sizeof(*files));
	int err;

	if (!files)
		return -ENOMEM;
	files->options = *options;
	map_init(&files->by_key, sizeof(struct debug_key), sizeof(uint32_t), DEBUG_FILES_MAX);
	vec_init(&files->files, DEBUG_FILES_MAX);
	vec_init(&files->waiting, MAX_WAITING);
	err = intern_new(DEBUG_FILES_MAX, MAX_NAME_BYTES, &files->names);
	if (err) {
		debug_files_free(files);
		return err;
	}
	*ret = files;
	return 0;
}

void debug_files_free(struct debug_files *files)
{
	if (!files)
		return;
	vec_for_each (&files->files, file) {
		cleanup_close(&file->fd);
		free(file->path);
	}
	vec_release(&files->files);
	vec_release(&files->waiting);
	map_release(&files->by_key);
	intern_free(files->names);
	free(files);
}

/* The folder of the object's file, '/', and the name. */
static int spell_path(const struct object *object, const char *name, char to[MESSAGE_MAX_PATH + 1])
{
	const char *slash = strrchr(object->path, '/');
	size_t folder = slash ? (size_t)(slash - object->path) : 0;
	int n = snprintf(to, MESSAGE_MAX_PATH + 1, "%.*s/%s", (int)folder, object->path, name);

	return n > MESSAGE_MAX_PATH ? -ENAMETOOLONG : 0;
}

/* From a server: the first, or the one that the place says. */
static int fetch(struct debug_files *files, uint32_t number)
{
	struct debug_file *file = &files->files.items[number];
	uint32_t place = file->want.place;
	const struct object *object = object_table_get(files->options.objects, file->want.object);

	if (!files->options.fetch || !object)
		return -ENOENT;
	file->is_fetched = true;
	return files->options.fetch(files->options.ctx, number, &file->want,
				    place < DEBUG_SERVER_PLACE ? 0 : place - DEBUG_SERVER_PLACE, object);
}

static int ask(struct debug_files *files, uint32_t number, const struct message_want_debug *want, const char *name)
{
	const struct object *object = object_table_get(files->options.objects, want->object);
	struct message_open_debug request = {
		.kind = want->kind, .place = want->place, .request = number, .id_len = want->id_len};
	char path[MESSAGE_MAX_PATH + 1];
	int err;

	if (want->kind == DEBUG_TEMPORARY) /* of nobody, and nowhere in particular */
		return files->options.open(files->options.ctx, &request, 0, "");
	if (want->kind == DEBUG_REMOTE && want->place >= DEBUG_SERVER_PLACE)
		return fetch(files, number);
	if (want->kind == DEBUG_REMOTE) { /* of the cache */
		memcpy(request.id, want->id, sizeof(request.id));
		return files->options.open(files->options.ctx, &request, 0, "");
	}
	err = object && object->kind == OBJECT_FILE ? spell_path(object, name, path) : -ENOENT;
	if (err)
		return err;
	request.mnt_ns = object->mnt_ns;
	memcpy(request.id, want->id, sizeof(request.id));
	return files->options.open(files->options.ctx, &request, want->object, path);
}

static void settle(struct debug_file *file, int err)
{
	file->is_settled = true;
	file->opened.err = err;
}

/* A new file, asked for. NULL: no room. */
static struct debug_file *add(struct debug_files *files, const struct message_want_debug *want, const char *name)
{
	struct debug_file *file = vec_push(&files->files);
	int err;

	if (!file)
		return NULL;
	file->fd = -1;
	file->is_temporary = want->kind == DEBUG_TEMPORARY;
	file->want = *want;
	file->opened.place = want->place;
	file->opened.origin = want->kind == DEBUG_REMOTE ? DEBUG_ORIGIN_SERVER : DEBUG_ORIGIN_OWN;
	err = want->kind == DEBUG_TEMPORARY && files->n_temporary++ >= DEBUG_FILES_TEMPORARY
		      ? -ENOSPC
		      : ask(files, (uint32_t)files->files.len - 1, want, name);
	file = &files->files.items[files->files.len - 1];
	if (err)
		settle(file, err);
	return file;
}

/* The file that was asked for before, or is now. */
static struct debug_file *find_or_add(struct debug_files *files, const struct message_want_debug *want,
				      const char *name)
{
	struct debug_key key = {
		.object = want->object, .kind = want->kind, .place = want->place, .id_len = want->id_len};
	struct debug_file *file;
	uint32_t *slot;
	bool is_new;

	if (want->kind == DEBUG_TEMPORARY) /* each its own */
		return add(files, want, name);
	memcpy(key.id, want->id, want->id_len <= DEBUG_ID_MAX ? want->id_len : 0);
	if (intern_add(files->names, name, strlen(name), &key.name) ||
	    map_insert(&files->by_key, &key, (void **)&slot, &is_new))
		return NULL;
	if (!is_new)
		return &files->files.items[*slot - 1];
	file = add(files, want, name);
	if (file)
		*slot = (uint32_t)files->files.len;
	else
		map_remove(&files->by_key, &key);
	return file;
}

void debug_files_want(struct debug_files *files, const struct message_want_debug *want, const char *name)
{
	struct debug_file *file = find_or_add(files, want, name);
	struct waiting *waiting = file ? vec_push(&files->waiting) : NULL;
	const struct message_debug_opened none = {.request = want->request, .err = -ENOBUFS, .place = want->place};

	if (waiting)
		*waiting = (struct waiting){want->request, (uint32_t)(file - files->files.items)};
	else
		files->options.send(files->options.ctx, &none, "", -1);
	debug_files_flush(files);
}

void debug_files_opened(struct debug_files *files, const struct message_debug_opened *opened, const char *path, int fd)
{
	auto_close int taken = fd;
	struct debug_file *file;
	size_t len = strlen(path);

	if (opened->request >= files->files.len)
		return;
	file = &files->files.items[opened->request];
	if (file->is_settled)
		return;
	if (opened->err && file->want.kind == DEBUG_REMOTE && !file->is_fetched) {
		int err = fetch(files, opened->request);

		if (!err)
			return;
		file = &files->files.items[opened->request];
		settle(file, err);
		debug_files_flush(files);
		return;
	}
	settle(file, opened->err);
	file->opened.place = opened->place;
	file->opened.origin = opened->origin;
	file->fd = take_fd(&taken);
	if (len && files->path_bytes + len < MAX_PATH_BYTES)
		file->path = strdup(path);
	if (file->path)
		files->path_bytes += len + 1;
	if (!opened->err)
		count(COUNTER_debug_files_opened);
	debug_files_flush(files);
}

/* true: the answer is on its way, or nobody takes it. */
static bool answer(struct debug_files *files, const struct waiting *waiting)
{
	struct debug_file *file = &files->files.items[waiting->file];
	struct message_debug_opened opened = file->opened;

	if (!file->is_settled)
		return false;
	opened.request = waiting->request;
	file->request = waiting->request;
	if (files->options.send(files->options.ctx, &opened, file->path ? file->path : "", file->fd) == -ENOBUFS)
		return false;
	/* What is written to it goes when the resolver is done with it. */
	if (file->is_temporary && file->fd >= 0)
		close(take_fd(&file->fd));
	return true;
}

void debug_files_flush(struct debug_files *files)
{
	size_t left = 0;

	vec_for_each (&files->waiting, waiting)
		if (!answer(files, waiting))
			files->waiting.items[left++] = *waiting;
	files->waiting.len = left;
}

void debug_files_forget_requests(struct debug_files *files)
{
	vec_clear(&files->waiting);
}

bool debug_files_find_answer(const struct debug_files *files, uint32_t object, uint32_t request, uint32_t *ret_number)
{
	for (size_t i = files->files.len; i--;) {
		const struct debug_file *file = &files->files.items[i];

		if (!file->is_settled || file->want.object != object || file->request != request)
			continue;
		*ret_number = (uint32_t)i;
		return true;
	}
	return false;
}

size_t debug_files_memory_bytes(const struct debug_files *files)
{
	return sizeof(*files) + map_memory_bytes(&files->by_key) + intern_memory_bytes(files->names) +
	       files->files.cap * sizeof(*files->files.items) + files->waiting.cap * sizeof(*files->waiting.items) +
	       files->path_bytes;
}
