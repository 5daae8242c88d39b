/* SPDX-License-Identifier: Apache-2.0 */
#include "opener/perf_map_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "regular_file.h"

/* Clocks are set, and start times rounded. */
#define STALE_SLACK_NS (2 * (int64_t)NSEC_PER_SEC)

static int64_t clock_ns(clockid_t clock)
{
	struct timespec now = {0};

	clock_gettime(clock, &now);
	return now.tv_sec * (int64_t)NSEC_PER_SEC + now.tv_nsec;
}

static bool is_older(int64_t mtime_ns, uint64_t start_boottime_ns)
{
	int64_t start_ns = clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_BOOTTIME) + (int64_t)start_boottime_ns;

	return start_boottime_ns && mtime_ns < start_ns - STALE_SLACK_NS;
}

static int check_owner(int fd, uint32_t uid)
{
	struct stat status;

	if (fstat(fd, &status))
		return -errno;
	return status.st_nlink <= 1 && (status.st_uid == uid || !status.st_uid) ? 0 : -EPERM;
}

static int open_in(int root_fd, uint32_t pid, const struct message_open_perf_map *request,
		   struct message_object_opened *ret, int *ret_fd)
{
	auto_close int tmp_fd = regular_file_find(root_fd, "/tmp", 0, O_DIRECTORY), path_fd = -1, fd = -1;
	struct message_object_opened opened = {.object = request->object};
	char name[32];
	int err;

	if (tmp_fd < 0)
		return tmp_fd;
	snprintf(name, sizeof(name), "perf-%u.map", pid);
	path_fd = regular_file_find(tmp_fd, name, RESOLVE_NO_SYMLINKS, 0);
	if (path_fd < 0)
		return path_fd;
	err = check_owner(path_fd, request->uid);
	if (!err)
		err = regular_file_open(path_fd, &opened, &fd);
	if (!err && is_older(opened.mtime_ns, request->start_boottime_ns))
		err = -ESTALE;
	if (err)
		return err;
	*ret = opened;
	*ret_fd = take_fd(&fd);
	return 0;
}

/* The root of the process itself. -ESRCH: it is gone. */
static int root_of_process(const struct object_finder *finder, const struct message_open_perf_map *request)
{
	auto_close int process_fd = -1;
	int err = procfs_open_process(finder->procfs, request->tgid, &process_fd), root_fd;

	if (!err)
		err = procfs_check_start(finder->procfs, process_fd, request->start_boottime_ns);
	if (err)
		return err;
	root_fd = openat(process_fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return root_fd < 0 ? -ESRCH : root_fd;
}

int perf_map_file_open(const struct object_finder *finder, const struct message_open_perf_map *request,
		       struct message_object_opened *ret, int *ret_fd)
{
	bool is_ours = request->mnt_ns && request->mnt_ns == finder->own_mnt_ns;
	auto_close int process_root = root_of_process(finder, request), own_root = -1;
	uint32_t inner = request->inner_tgid ? request->inner_tgid : request->tgid;
	int root_fd = process_root >= 0 ? process_root : root_cache_find(finder->roots, request->mnt_ns);
	int err = -ESRCH;

	if (is_ours)
		own_root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root_fd < 0)
		root_fd = own_root;
	if (root_fd >= 0)
		err = open_in(root_fd, inner, request, ret, ret_fd);
	if (err == -ENOENT && own_root >= 0)
		err = open_in(own_root, request->tgid, request, ret, ret_fd);
	return err;
}
