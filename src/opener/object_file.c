/* SPDX-License-Identifier: Apache-2.0 */
#include "opener/object_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "regular_file.h"

#define KALLSYMS_PROBE_BYTES 65536

/* One attempt: what it opened, or why it did not. */
struct attempt {
	struct message_object_opened opened;
	int fd;
};

static int open_attempt(int path_fd, struct attempt *attempt)
{
	return regular_file_open(path_fd, &attempt->opened, &attempt->fd);
}

static void forget_attempt(struct attempt *attempt)
{
	cleanup_close(&attempt->fd);
	attempt->fd = -1;
}

static bool is_wanted(const struct message_open_object *request, const struct message_object_opened *opened)
{
	return !request->ino || (opened->ino == request->ino && opened->dev == request->dev);
}

static int through_map_files(const struct object_finder *finder, const struct message_open_object *request,
			     const struct message_candidate *candidate, int process_fd, struct attempt *attempt)
{
	auto_close int path_fd = -1;
	char link[64];
	int err;

	if (!candidate->map_limit)
		return -ESRCH;
	snprintf(link, sizeof(link), "map_files/%llx-%llx", (unsigned long long)candidate->map_start,
		 (unsigned long long)candidate->map_limit);
	path_fd = openat(process_fd, link, O_PATH | O_CLOEXEC);
	if (path_fd < 0)
		return -errno;
	err = open_attempt(path_fd, attempt);
	if (err)
		return err;
	/* stat() of overlayfs and btrfs tells other numbers than the mapping does: ask the mapping. */
	if (is_wanted(request, &attempt->opened) || procfs_maps_file(finder->procfs, process_fd, candidate->map_start,
								     candidate->map_limit, request->dev, request->ino))
		return 0;
	forget_attempt(attempt);
	return -ESTALE;
}

static int through_root(const struct message_open_object *request, int root_fd, const char *path,
			struct attempt *attempt)
{
	auto_close int path_fd = -1;
	int err;

	if (path[0] !=
	    '/') /* "[vdso]", "//anon", "anon_inode:…": no file of any root; a relative name is none either */
		return -ENOENT;
	path_fd = regular_file_find(root_fd, path, 0, 0);
	if (path_fd < 0)
		return path_fd;
	err = open_attempt(path_fd, attempt);
	if (err)
		return err;
	if (is_wanted(request, &attempt->opened))
		return 0;
	forget_attempt(attempt);
	return -ESTALE;
}

static int through_process_root(const struct message_open_object *request, int process_fd, const char *path,
				struct attempt *attempt)
{
	auto_close int root_fd = -1;
	uint32_t mnt_ns;
	int err = procfs_namespace(process_fd, "mnt", &mnt_ns);

	if (err)
		return err;
	if (request->mnt_ns && mnt_ns != request->mnt_ns)
		return -ESRCH;
	root_fd = openat(process_fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return root_fd < 0 ? -errno : through_root(request, root_fd, path, attempt);
}

static int through_own_root(const struct message_open_object *request, const char *path, struct attempt *attempt)
{
	auto_close int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	return root_fd < 0 ? -errno : through_root(request, root_fd, path, attempt);
}

/* How much an error says about the file, so that the best is told when all attempts failed. */
static int weight(int err)
{
	switch (err) {
	case -ESRCH:
		return 0;
	case -ENOENT:
		return 1;
	case -ESTALE:
		return 3;
	default:
		return 2;
	}
}

static int more_telling(int best, int err)
{
	return weight(err) > weight(best) ? err : best;
}

static int through_candidates(const struct object_finder *finder, const struct message_open_object *request,
			      const char *path, struct attempt *attempt)
{
	int process_fd[OPEN_CANDIDATES], best = -ESRCH;
	uint32_t n = request->candidates < OPEN_CANDIDATES ? request->candidates : OPEN_CANDIDATES;
	bool is_open = false;

	for (uint32_t i = 0; i < n; i++) {
		const struct message_candidate *candidate = &request->candidate[i];

		process_fd[i] = -1;
		if (is_open || procfs_open_process(finder->procfs, candidate->tgid, &process_fd[i]))
			continue;
		/* The pid may be someone else's by now. */
		if (procfs_check_start(finder->procfs, process_fd[i], candidate->start_boottime_ns)) {
			close(take_fd(&process_fd[i]));
			continue;
		}
		best = more_telling(best, through_map_files(finder, request, candidate, process_fd[i], attempt));
		is_open = attempt->fd >= 0;
	}
	for (uint32_t i = 0; i < n; i++) {
		if (!is_open && process_fd[i] >= 0) {
			best = more_telling(best, through_process_root(request, process_fd[i], path, attempt));
			is_open = attempt->fd >= 0;
		}
		cleanup_close(&process_fd[i]);
	}
	return is_open ? 0 : best;
}

int object_open(const struct object_finder *finder, const struct message_open_object *request, const char *path,
		struct message_object_opened *ret, int *ret_fd)
{
	struct attempt attempt = {.opened = {.object = request->object}, .fd = -1};
	int err = through_candidates(finder, request, path, &attempt), root_fd;

	if (err) {
		root_fd = root_cache_find(finder->roots, request->mnt_ns);
		if (root_fd >= 0)
			err = more_telling(err, through_root(request, root_fd, path, &attempt));
	}
	if (attempt.fd < 0 && request->mnt_ns && request->mnt_ns == finder->own_mnt_ns)
		err = more_telling(err, through_own_root(request, path, &attempt));
	if (attempt.fd < 0)
		return err;
	*ret = attempt.opened;
	*ret_fd = attempt.fd;
	return 0;
}

/* -ESRCH: it is gone, or lives elsewhere by now. */
static int root_of_candidate(const struct object_finder *finder, uint32_t mnt_ns,
			     const struct message_candidate *candidate)
{
	auto_close int process_fd = -1;
	uint32_t lives_in = 0;
	int root_fd;

	if (procfs_open_process(finder->procfs, candidate->tgid, &process_fd) ||
	    procfs_check_start(finder->procfs, process_fd, candidate->start_boottime_ns) ||
	    procfs_namespace(process_fd, "mnt", &lives_in) || (mnt_ns && lives_in != mnt_ns))
		return -ESRCH;
	root_fd = openat(process_fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return root_fd < 0 ? -errno : root_fd;
}

int object_root_open(const struct object_finder *finder, uint32_t mnt_ns, const struct message_candidate *candidates,
		     uint32_t n, int *ret_fd)
{
	int held, fd = -1;

	for (uint32_t i = 0; fd < 0 && i < n && i < OPEN_CANDIDATES; i++)
		fd = root_of_candidate(finder, mnt_ns, &candidates[i]);
	held = fd < 0 ? root_cache_find(finder->roots, mnt_ns) : -1;
	if (held >= 0)
		fd = fcntl(held, F_DUPFD_CLOEXEC, 0);
	if (fd < 0 && mnt_ns && mnt_ns == finder->own_mnt_ns)
		fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -ESRCH;
	*ret_fd = fd;
	return 0;
}

bool kernel_symbols_are_restricted(const char *text, size_t len)
{
	struct cursor all, line;

	cursor_init(&all, text, len);
	while (cursor_line(&all, &line))
		if (cursor_hex(&line))
			return false;
	return true;
}

int kernel_symbols_open(int proc_fd, int *ret_fd, bool *ret_is_restricted)
{
	auto_close int fd = openat(proc_fd, "kallsyms", O_RDONLY | O_CLOEXEC);
	auto_free char *text = malloc(KALLSYMS_PROBE_BYTES);
	size_t have = 0;
	bool is_restricted = true;

	if (fd < 0)
		return -errno;
	if (!text)
		return -ENOMEM;
	/* The kernel gives a page at a time: mostly the first one settles it. */
	while (is_restricted && have < KALLSYMS_PROBE_BYTES) {
		ssize_t got = read(fd, text + have, KALLSYMS_PROBE_BYTES - have);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (!got)
			break;
		have += (size_t)got;
		is_restricted = kernel_symbols_are_restricted(text, have);
	}
	if (lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	*ret_is_restricted = is_restricted;
	*ret_fd = take_fd(&fd);
	return 0;
}
