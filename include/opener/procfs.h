/* SPDX-License-Identifier: Apache-2.0 */
/* /proc text to records. The parsers are fed bytes and do no I/O; the readers take a descriptor of /proc, so that tests
 * can pass a tree. Everything is bounded: a line, a file, the mappings of a process. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cursor.h"
#include "ipc/message.h"

/* Executable mappings of one process that are told; as REGISTRY_MAX_MAPPINGS, which keeps them. */
#define PROCFS_MAX_MAPPINGS 131072
/* A path may come with each byte escaped ("\012"); more than this is no line of the kernel's. */
#define PROCFS_MAX_LINE (4 * MESSAGE_MAX_PATH + 128)

struct proc_stat {
	char comm[COMM_BYTES];
	char state;
	uint32_t parent_tgid;
	uint32_t threads;
	uint64_t start_ticks; /* clock ticks since boot */
	bool is_kernel_thread;
};
/* proc(5) /proc/PID/stat. comm may hold any byte: it ends at the last ')'. -EBADMSG. */
int proc_stat_parse(const char *text, size_t len, struct proc_stat *ret);

struct proc_status {
	uint32_t uid;	     /* real */
	uint32_t inner_tgid; /* in the innermost pid namespace; 0 when not told */
};
int proc_status_parse(const char *text, size_t len, struct proc_status *ret);

struct proc_map {
	uint64_t start, limit, file_off, ino;
	uint32_t dev_major, dev_minor;
	bool is_executable;
	const uint8_t *path; /* within the line, as the kernel wrote it; NULL when there is none */
	size_t path_len;
};
/* One line of /proc/PID/maps without its newline. -EBADMSG. */
int proc_map_parse(struct cursor line, struct proc_map *ret);
/* The path as it is: the kernel writes a newline as "\012" (and leaves a backslash alone). At most `size` bytes; the
 * length, or -ENAMETOOLONG. Not terminated. */
int proc_map_path(const struct proc_map *map, char *to, size_t size);

/* The cgroup that a process counts for: its v2 path; where that is the root, its path in the memory, else the pids
 * hierarchy of v1, if there is such a hierarchy. */
enum cgroup_hierarchy { CGROUP_UNIFIED, CGROUP_MEMORY, CGROUP_PIDS, CGROUP_HIERARCHY_COUNT };
struct proc_cgroup {
	enum cgroup_hierarchy hierarchy;
	const uint8_t *path; /* within the text */
	size_t path_len;
};
/* /proc/PID/cgroup. -ENOENT: none of the three is in it; -EBADMSG. */
int proc_cgroup_parse(const char *text, size_t len, struct proc_cgroup *ret);

/* "mnt:[4026531841]" */
int proc_namespace_parse(const char *text, size_t len, uint32_t *ret);

/* Where the three cgroup hierarchies are mounted, and what of each is seen there; learned once. */
struct procfs {
	int proc_fd;
	long ticks_per_second;
	struct {
		int fd;	    /* of the mount point, or -1 */
		char *root; /* what the mount shows: "/" mostly */
	} cgroup[CGROUP_HIERARCHY_COUNT];
	char *line; /* PROCFS_MAX_LINE and more, for maps */
	uint8_t *message;
};

/* Takes over proc_fd on success (an open "/proc"); the cgroup mounts come from mountinfo_fd (which stays the caller's;
 * -1: none). */
int procfs_init(struct procfs *procfs, int proc_fd, int mountinfo_fd);
void procfs_release(struct procfs *procfs);

/* An O_PATH descriptor of /proc/PID, which stays that process even when the pid is used again. */
int procfs_open_process(const struct procfs *procfs, uint32_t tgid, int *ret_fd);
/* Does the process behind the descriptor live since then? start_boottime_ns is compared at clock tick resolution; 0 is
 * not compared. 0, -ESRCH when it is another or gone. */
int procfs_check_start(const struct procfs *procfs, int process_fd, uint64_t start_boottime_ns);
/* Inode number of ns/NAME of the process. */
int procfs_namespace(int process_fd, const char *name, uint32_t *ret);
/* true when the process maps this file there (device and inode as in /proc/PID/maps). */
bool procfs_maps_file(struct procfs *procfs, int process_fd, uint64_t start, uint64_t limit, uint64_t dev,
		      uint64_t ino);

/* Where records go: a message type and its payload. A failure ends the reading. */
struct procfs_sink {
	int (*send)(void *ctx, uint16_t type, const void *payload, size_t len);
	void *ctx;
};

/* PROCESS of one process, then MAPPINGS until `is_last`. -ESRCH: it is gone, nothing was sent. Parts that could not be
 * had (unreadable maps, a line that makes no sense, too many mappings) are left out; then one is
 * added to *errors. */
int procfs_scan_process(struct procfs *procfs, uint32_t tgid, const struct procfs_sink *sink, uint32_t *errors);
/* All of /proc. *processes and *errors are counted up. */
int procfs_scan_all(struct procfs *procfs, const struct procfs_sink *sink, uint32_t *processes, uint32_t *errors);
