/* SPDX-License-Identifier: Apache-2.0 */
/* A place is a root and a pattern in it: place = root * PATTERNS_MAX + pattern. */
#include "opener/debug_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "ipc/confine.h"
#include "regular_file.h"

#define PATTERNS_MAX 16
#define FIRST_DIRECTORY 2 /* behind the two roots */
#define TEMPORARY_DIRECTORY "/var/tmp"

/* Debian keeps what dwz shares in a folder a machine. */
#ifdef __aarch64__
#define MULTIARCH "aarch64-linux-gnu"
#else
#define MULTIARCH "x86_64-linux-gnu"
#endif

/* %I: "xx/rest.debug" of the id; %E: "xx/rest"; %D: the program's folder; %N: the name. */
static const char *const in_root[DEBUG_KINDS][PATTERNS_MAX] = {
	[DEBUG_BUILD_ID] = {"/usr/lib/debug/.build-id/%I"},
	[DEBUG_LINK] = {"%D/%N", "%D/.debug/%N", "/usr/lib/debug%D/%N"},
	[DEBUG_SUPPLEMENTARY] = {"/usr/lib/debug/.build-id/%I", "/usr/lib/debug/.dwz/%N",
				 "/usr/lib/debug/.dwz/" MULTIARCH "/%N"},
	[DEBUG_SPLIT] = {"%D/%N", "/usr/lib/debug%D/%N"},
	[DEBUG_EXECUTABLE] = {"%D/%N", "/usr/lib/.build-id/%E", "/usr/lib/debug/.build-id/%E"},
};
static const char *const in_directory[DEBUG_KINDS][PATTERNS_MAX] = {
	[DEBUG_BUILD_ID] = {"/.build-id/%I", "/usr/lib/debug/.build-id/%I"},
	[DEBUG_LINK] = {"%D/%N", "/%N", "/usr/lib/debug%D/%N"},
	[DEBUG_SUPPLEMENTARY] = {"/.build-id/%I", "/.dwz/%N", "/.dwz/" MULTIARCH "/%N", "/%N",
				 "/usr/lib/debug/.build-id/%I", "/usr/lib/debug/.dwz/%N",
				 "/usr/lib/debug/.dwz/" MULTIARCH "/%N"},
	[DEBUG_SPLIT] = {"%D/%N", "/%N", "/usr/lib/debug%D/%N"},
	[DEBUG_EXECUTABLE] = {"%D/%N", "/%N", "/.build-id/%E", "/usr/lib/.build-id/%E", "/usr/lib/debug/.build-id/%E"},
};

struct query {
	uint32_t kind;
	bool has_id;
	char id[2 * DEBUG_ID_MAX + 16]; /* as in a path, without ".debug" */
	char path[MESSAGE_MAX_PATH + 1];
	const char *folder, *name; /* both in `path` */
};

static void spell_id(const uint8_t *id, uint32_t len, char *to, size_t size)
{
	size_t n = 0;

	for (uint32_t i = 0; i < len && n + 4 < size; i++)
		n += (size_t)snprintf(to + n, size - n, i ? "%02x" : "%02x/", id[i]);
}

static void query_init(const struct message_open_debug *request, const char *path, struct query *query)
{
	char *slash;

	query->kind = request->kind;
	query->has_id = request->id_len;
	spell_id(request->id, request->id_len <= DEBUG_ID_MAX ? request->id_len : 0, query->id, sizeof(query->id));
	snprintf(query->path, sizeof(query->path), "%s", path);
	slash = strrchr(query->path, '/');
	query->folder = slash ? query->path : "";
	query->name = slash ? slash + 1 : query->path;
	if (slash)
		*slash = '\0';
}

/* What stands for the letter; "": nothing does. */
static const char *part_of(const struct query *query, char letter)
{
	switch (letter) {
	case 'I':
	case 'E':
		return query->id;
	case 'D':
		return query->folder;
	default:
		return query->name;
	}
}

/* false: it is too long, or there is nothing to put into it. */
static bool spell_path(const struct query *query, const char *pattern, char *to, size_t size)
{
	size_t len = 0;

	for (; *pattern && len + 1 < size; pattern++) {
		const char *part;

		if (*pattern != '%') {
			to[len++] = *pattern;
			continue;
		}
		part = part_of(query, *++pattern);
		if (*pattern == 'N' ? !*part : *pattern != 'D' && !query->has_id)
			return false;
		len += (size_t)snprintf(to + len, size - len, *pattern == 'I' ? "%s.debug" : "%s", part);
	}
	if (len + 1 >= size)
		return false;
	to[len] = '\0';
	return true;
}

static int open_at(int root_fd, const char *path, int *ret_fd)
{
	auto_close int path_fd = regular_file_find(root_fd, path, 0, 0);
	struct message_object_opened opened = {0};

	return path_fd < 0 ? path_fd : regular_file_open(path_fd, &opened, ret_fd);
}

static bool is_absent(int err)
{
	return err == -ENOENT || err == -ENOTDIR || err == -ENAMETOOLONG;
}

/* What is there and cannot be had says more than that there is none. */
static int more_telling(int best, int err)
{
	return is_absent(err) || best != -ENOENT ? best : err;
}

static int open_in(int root_fd, const char *const *patterns, const struct query *query, uint32_t *pattern,
		   char found[MESSAGE_MAX_PATH + 1], int *ret_fd)
{
	int best = -ENOENT;

	for (; *pattern < PATTERNS_MAX && patterns[*pattern]; (*pattern)++) {
		int err = spell_path(query, patterns[*pattern], found, MESSAGE_MAX_PATH + 1)
				  ? open_at(root_fd, found, ret_fd)
				  : -ENOENT;

		if (!err)
			return 0;
		best = more_telling(best, err);
	}
	return best;
}

static int open_in_directory(const struct debug_places *places, size_t index, const struct query *query,
			     uint32_t *pattern, char found[MESSAGE_MAX_PATH + 1], int *ret_fd)
{
	int err = places->invoker ? confine_lower(*places->invoker) : 0;

	if (!err)
		err = open_in(places->directories[index], in_directory[query->kind], query, pattern, found, ret_fd);
	if (places->invoker && confine_raise()) {
		cleanup_close(ret_fd);
		return -ENOTRECOVERABLE;
	}
	return err;
}

int debug_file_open(const struct debug_places *places, const struct message_open_debug *request, const char *path,
		    struct message_debug_opened *ret, char found[MESSAGE_MAX_PATH + 1], int *ret_fd)
{
	uint32_t roots = FIRST_DIRECTORY + (uint32_t)places->n_directories;
	uint32_t root = request->place / PATTERNS_MAX, pattern = request->place % PATTERNS_MAX;
	struct query query;
	int best = -ENOENT;

	query_init(request, path, &query);
	ret->request = request->request;
	for (; root < roots; root++, pattern = 0) {
		int err = -ENOENT, root_fd = root ? places->host_root : places->own_root;

		if (root >= FIRST_DIRECTORY)
			err = open_in_directory(places, root - FIRST_DIRECTORY, &query, &pattern, found, ret_fd);
		else if (root_fd >= 0)
			err = open_in(root_fd, in_root[query.kind], &query, &pattern, found, ret_fd);
		if (!err) {
			ret->err = 0;
			ret->place = root * PATTERNS_MAX + pattern;
			ret->origin = root < FIRST_DIRECTORY ? root : DEBUG_ORIGIN_DIRECTORY;
			return 0;
		}
		if (err == -ENOTRECOVERABLE)
			return err;
		best = more_telling(best, err);
	}
	ret->err = best;
	ret->place = roots * PATTERNS_MAX;
	ret->origin = DEBUG_ORIGIN_OWN;
	found[0] = '\0';
	return best;
}

int debug_file_temporary(const struct invoker *invoker, int *ret_fd)
{
	int fd, err = invoker ? confine_lower(*invoker) : 0;

	if (err)
		return err;
	fd = open(TEMPORARY_DIRECTORY, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	err = fd < 0 ? -errno : 0;
	if (invoker && confine_raise()) {
		cleanup_close(&fd);
		return -ENOTRECOVERABLE;
	}
	if (!err)
		*ret_fd = fd;
	return err;
}
