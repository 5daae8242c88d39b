/* SPDX-License-Identifier: Apache-2.0 */
#include "opener/procfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "ipc/channel.h"

#define STAT_MAX_BYTES 4096
#define STATUS_MAX_BYTES 16384
#define CGROUP_MAX_BYTES 65536
#define MOUNTINFO_MAX_BYTES (4u << 20)
#define MAPS_READ_BYTES 65536
/* A process can have more mappings than are told (those that are not executable); this many bytes are looked at. */
#define MAPS_MAX_BYTES (256ULL << 20)
#define TASK_NAME_BYTES 24
#define PF_KTHREAD 0x00200000u /* linux/sched.h */
#define MESSAGE_MAX_PAYLOAD (CHANNEL_MAX_MESSAGE - sizeof(struct message_header))

/* --- parsers --- */

static uint32_t narrow(struct cursor *cursor, uint64_t value)
{
	if (value <= UINT32_MAX)
		return (uint32_t)value;
	cursor->failed = true;
	return 0;
}

int proc_stat_parse(const char *text, size_t len, struct proc_stat *ret)
{
	const char *open = len ? memchr(text, '(', len) : NULL, *close = len ? memrchr(text, ')', len) : NULL;
	struct proc_stat stat = {.state = 0};
	struct cursor cursor, word;
	uint64_t flags;
	size_t comm_len;

	if (!open || !close || close < open)
		return -EBADMSG;
	comm_len = (size_t)(close - open - 1);
	if (comm_len > sizeof(stat.comm) - 1) /* kernel threads of a workqueue have longer ones */
		comm_len = sizeof(stat.comm) - 1;
	memcpy(stat.comm, open + 1, comm_len);

	/* Fields are numbered as in proc(5): state is the third. */
	cursor_init(&cursor, close + 1, len - (size_t)(close + 1 - text));
	if (!cursor_word(&cursor, &word) || cursor_left(&word) != 1)
		return -EBADMSG;
	stat.state = (char)cursor_u8(&word);
	cursor_skip_blanks(&cursor);
	stat.parent_tgid = narrow(&cursor, cursor_dec(&cursor));
	for (int field = 5; field <= 8; field++)
		cursor_word(&cursor, &word);
	cursor_skip_blanks(&cursor);
	flags = cursor_dec(&cursor);
	for (int field = 10; field <= 19; field++)
		cursor_word(&cursor, &word);
	cursor_skip_blanks(&cursor);
	stat.threads = narrow(&cursor, cursor_dec(&cursor));
	cursor_word(&cursor, &word);
	cursor_skip_blanks(&cursor);
	stat.start_ticks = cursor_dec(&cursor);
	if (!cursor_ok(&cursor))
		return -EBADMSG;
	stat.is_kernel_thread = flags & PF_KTHREAD;
	/* A comm with a NUL in it cannot come from the kernel; what follows it must not look like more. */
	memset(stat.comm + strlen(stat.comm), 0, sizeof(stat.comm) - strlen(stat.comm));
	*ret = stat;
	return 0;
}

int proc_status_parse(const char *text, size_t len, struct proc_status *ret)
{
	struct proc_status status = {0};
	struct cursor all, line, word;
	bool has_uid = false;

	cursor_init(&all, text, len);
	while (cursor_line(&all, &line)) {
		if (!cursor_word(&line, &word))
			continue;
		if (cursor_equals(&word, "Uid:")) {
			cursor_skip_blanks(&line);
			status.uid = narrow(&line, cursor_dec(&line));
			has_uid = cursor_ok(&line);
		} else if (cursor_equals(&word, "NSpid:")) {
			while (cursor_word(&line, &word))
				status.inner_tgid = narrow(&word, cursor_dec(&word));
		}
	}
	if (!has_uid)
		return -EBADMSG;
	*ret = status;
	return 0;
}

int proc_map_parse(struct cursor line, struct proc_map *ret)
{
	struct proc_map map = {.path = NULL};
	struct cursor perms;

	map.start = cursor_hex(&line);
	cursor_expect(&line, '-');
	map.limit = cursor_hex(&line);
	if (!cursor_word(&line, &perms) || cursor_left(&perms) != 4)
		return -EBADMSG;
	cursor_skip(&perms, 2);
	map.is_executable = cursor_u8(&perms) == 'x';
	cursor_skip_blanks(&line);
	map.file_off = cursor_hex(&line);
	cursor_skip_blanks(&line);
	map.dev_major = narrow(&line, cursor_hex(&line));
	cursor_expect(&line, ':');
	map.dev_minor = narrow(&line, cursor_hex(&line));
	cursor_skip_blanks(&line);
	map.ino = cursor_dec(&line);
	cursor_skip_blanks(&line);
	if (!cursor_ok(&line) || map.start >= map.limit)
		return -EBADMSG;
	map.path_len = cursor_left(&line);
	if (map.path_len)
		map.path = cursor_bytes(&line, map.path_len);
	*ret = map;
	return 0;
}

int proc_map_path(const struct proc_map *map, char *to, size_t size)
{
	static const char newline[] = "\\012";
	const size_t escape = sizeof(newline) - 1;
	size_t len = 0;

	for (size_t i = 0; i < map->path_len; i++) {
		char byte = (char)map->path[i];

		if (map->path_len - i >= escape && !memcmp(map->path + i, newline, escape)) {
			byte = '\n';
			i += escape - 1;
		}
		if (len == size)
			return -ENAMETOOLONG;
		to[len++] = byte;
	}
	return (int)len;
}

/* Is `name` one of the comma-separated controllers? */
static bool has_controller(struct cursor controllers, const char *name)
{
	const size_t len = strlen(name);

	while (cursor_left(&controllers)) {
		const uint8_t *comma = memchr(controllers.pos, ',', cursor_left(&controllers));
		size_t n = comma ? (size_t)(comma - controllers.pos) : cursor_left(&controllers);

		if (n == len && !memcmp(controllers.pos, name, len))
			return true;
		cursor_skip(&controllers, comma ? n + 1 : n);
	}
	return false;
}

/* "4:memory:/a/b", "0::/a". The path goes to the end of the line: it may hold colons. */
static bool parse_cgroup_line(struct cursor line, struct proc_cgroup *ret)
{
	const uint8_t *colon;
	struct cursor controllers;
	uint64_t id = cursor_dec(&line);

	cursor_expect(&line, ':');
	colon = cursor_left(&line) ? memchr(line.pos, ':', cursor_left(&line)) : NULL;
	if (!colon)
		return false;
	controllers = cursor_sub(&line, (size_t)(colon - line.pos));
	cursor_expect(&line, ':');
	if (cursor_at_end(&line) || *line.pos != '/')
		return false;
	if (!id && !cursor_left(&controllers))
		ret->hierarchy = CGROUP_UNIFIED;
	else if (has_controller(controllers, "memory"))
		ret->hierarchy = CGROUP_MEMORY;
	else if (has_controller(controllers, "pids"))
		ret->hierarchy = CGROUP_PIDS;
	else
		ret->hierarchy = CGROUP_HIERARCHY_COUNT;
	ret->path_len = cursor_left(&line);
	ret->path = cursor_bytes(&line, ret->path_len);
	return true;
}

int proc_cgroup_parse(const char *text, size_t len, struct proc_cgroup *ret)
{
	struct proc_cgroup found[CGROUP_HIERARCHY_COUNT] = {0}, one;
	struct cursor all, line;

	cursor_init(&all, text, len);
	while (cursor_line(&all, &line)) {
		if (!parse_cgroup_line(line, &one))
			return -EBADMSG;
		if (one.hierarchy < CGROUP_HIERARCHY_COUNT)
			found[one.hierarchy] = one;
	}
	/* Beside v1 controllers the unified hierarchy is often mounted without anyone in it. */
	if (found[CGROUP_UNIFIED].path_len > 1)
		*ret = found[CGROUP_UNIFIED];
	else if (found[CGROUP_MEMORY].path)
		*ret = found[CGROUP_MEMORY];
	else if (found[CGROUP_PIDS].path)
		*ret = found[CGROUP_PIDS];
	else if (found[CGROUP_UNIFIED].path)
		*ret = found[CGROUP_UNIFIED];
	else
		return -ENOENT;
	return 0;
}

int proc_namespace_parse(const char *text, size_t len, uint32_t *ret)
{
	const char *open = len ? memchr(text, '[', len) : NULL;
	struct cursor cursor;
	uint32_t ino;

	if (!open)
		return -EBADMSG;
	cursor_init(&cursor, open + 1, len - (size_t)(open + 1 - text));
	ino = narrow(&cursor, cursor_dec(&cursor));
	cursor_expect(&cursor, ']');
	if (!cursor_ok(&cursor) || !cursor_at_end(&cursor))
		return -EBADMSG;
	*ret = ino;
	return 0;
}

/* --- cgroup mounts --- */

/* A mountinfo field: octal escapes of blanks, newlines and backslashes (mangle_path() of the kernel). */
static char *unescape(struct cursor word)
{
	size_t n = cursor_left(&word), len = 0;
	char *text = malloc(n + 1);

	if (!text)
		return NULL;
	while (cursor_left(&word)) {
		uint8_t byte = cursor_u8(&word);
		unsigned int code = 0;

		if (byte == '\\' && cursor_left(&word) >= 3) {
			struct cursor digits = cursor_sub(&word, 3);

			while (cursor_left(&digits))
				code = code * 8 + (unsigned int)(cursor_u8(&digits) - '0');
			byte = (uint8_t)code;
		}
		text[len++] = (char)byte;
	}
	text[len] = 0;
	return text;
}

static enum cgroup_hierarchy mount_hierarchy(struct cursor fs_type, struct cursor options)
{
	if (cursor_equals(&fs_type, "cgroup2"))
		return CGROUP_UNIFIED;
	if (!cursor_equals(&fs_type, "cgroup"))
		return CGROUP_HIERARCHY_COUNT;
	if (has_controller(options, "memory"))
		return CGROUP_MEMORY;
	return has_controller(options, "pids") ? CGROUP_PIDS : CGROUP_HIERARCHY_COUNT;
}

/* "36 35 98:0 /root /mount/point rw,noatime master:1 - cgroup2 source rw" */
static int learn_mount(struct procfs *procfs, struct cursor line)
{
	struct cursor root, point, word, fs_type, source, options;
	enum cgroup_hierarchy hierarchy;
	auto_free char *path = NULL;
	bool is_whole;

	for (int field = 1; field <= 3; field++)
		cursor_word(&line, &word);
	if (!cursor_word(&line, &root) || !cursor_word(&line, &point))
		return 0;
	while (cursor_word(&line, &word) && !cursor_equals(&word, "-"))
		;
	if (!cursor_word(&line, &fs_type) || !cursor_word(&line, &source) || !cursor_word(&line, &options))
		return 0;
	hierarchy = mount_hierarchy(fs_type, options);
	if (hierarchy == CGROUP_HIERARCHY_COUNT)
		return 0;
	/* The first mount serves, unless a later one shows all. */
	is_whole = cursor_equals(&root, "/");
	if (procfs->cgroup[hierarchy].fd >= 0 && !is_whole)
		return 0;
	path = unescape(point);
	if (!path)
		return -ENOMEM;
	cleanup_close(&procfs->cgroup[hierarchy].fd);
	free(procfs->cgroup[hierarchy].root);
	procfs->cgroup[hierarchy].fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	procfs->cgroup[hierarchy].root = unescape(root);
	return procfs->cgroup[hierarchy].root ? 0 : -ENOMEM;
}

static int learn_cgroup_mounts(struct procfs *procfs, int mountinfo_fd)
{
	struct buf text;
	struct cursor all, line;
	int err;

	buf_init(&text, MOUNTINFO_MAX_BYTES);
	err = io_read_all(mountinfo_fd, &text);
	cursor_init(&all, text.data, text.len);
	while (!err && cursor_line(&all, &line))
		err = learn_mount(procfs, line);
	buf_release(&text);
	return err;
}

/* Inode number of the cgroup's directory, which is the id that the kernel's programs see; 0 when it is not visible. */
static uint64_t cgroup_id(const struct procfs *procfs, const struct proc_cgroup *cgroup)
{
	int mount_fd = procfs->cgroup[cgroup->hierarchy].fd;
	const char *root = procfs->cgroup[cgroup->hierarchy].root;
	char path[MESSAGE_MAX_PATH + 1];
	size_t root_len, len = cgroup->path_len;
	struct stat status;
	const char *below;

	if (mount_fd < 0 || len > MESSAGE_MAX_PATH)
		return 0;
	memcpy(path, cgroup->path, len);
	path[len] = 0;
	below = path;
	root_len = strlen(root);
	if (root_len > 1) {
		if (strncmp(path, root, root_len) || (path[root_len] && path[root_len] != '/'))
			return 0;
		below += root_len;
	}
	/* Outside of our cgroup namespace the kernel writes "/../..". */
	if (!strncmp(below, "/..", 3) && (!below[3] || below[3] == '/'))
		return 0;
	below += strspn(below, "/");
	if (fstatat(mount_fd, *below ? below : ".", &status, AT_SYMLINK_NOFOLLOW))
		return 0;
	return status.st_ino;
}

/* --- readers --- */

int procfs_init(struct procfs *procfs, int proc_fd, int mountinfo_fd)
{
	int err = -ENOMEM;

	*procfs = (struct procfs){.proc_fd = -1, .ticks_per_second = sysconf(_SC_CLK_TCK)};
	for (int i = 0; i < CGROUP_HIERARCHY_COUNT; i++)
		procfs->cgroup[i].fd = -1;
	if (procfs->ticks_per_second <= 0)
		return -EINVAL;
	procfs->line = malloc(PROCFS_MAX_LINE + MAPS_READ_BYTES);
	procfs->message = malloc(MESSAGE_MAX_PAYLOAD);
	if (!procfs->line || !procfs->message)
		goto fail;
	err = mountinfo_fd >= 0 ? learn_cgroup_mounts(procfs, mountinfo_fd) : 0;
	if (err)
		goto fail;
	procfs->proc_fd = proc_fd;
	return 0;
fail:
	procfs_release(procfs);
	return err;
}

void procfs_release(struct procfs *procfs)
{
	for (int i = 0; i < CGROUP_HIERARCHY_COUNT; i++) {
		cleanup_close(&procfs->cgroup[i].fd);
		procfs->cgroup[i].fd = -1;
		free(procfs->cgroup[i].root);
		procfs->cgroup[i].root = NULL;
	}
	cleanup_close(&procfs->proc_fd);
	procfs->proc_fd = -1;
	free(procfs->line);
	free(procfs->message);
	procfs->line = NULL;
	procfs->message = NULL;
}

/* A process that goes away between two steps shows as either. */
static int gone_is_esrch(int err)
{
	return err == -ENOENT ? -ESRCH : err;
}

int procfs_open_process(const struct procfs *procfs, uint32_t tgid, int *ret_fd)
{
	char name[TASK_NAME_BYTES];
	int fd;

	snprintf(name, sizeof(name), "%u", tgid);
	fd = openat(procfs->proc_fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return gone_is_esrch(-errno);
	*ret_fd = fd;
	return 0;
}

static int read_text(int dir_fd, const char *name, struct buf *text)
{
	auto_close int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return gone_is_esrch(-errno);
	return gone_is_esrch(io_read_all(fd, text));
}

static int read_stat(int process_fd, struct proc_stat *ret)
{
	struct buf text;
	int err;

	buf_init(&text, STAT_MAX_BYTES);
	err = read_text(process_fd, "stat", &text);
	if (!err)
		err = proc_stat_parse((const char *)text.data, text.len, ret);
	buf_release(&text);
	return err;
}

static int read_status(int process_fd, struct proc_status *ret)
{
	struct buf text;
	int err;

	buf_init(&text, STATUS_MAX_BYTES);
	err = read_text(process_fd, "status", &text);
	/* A line cut by the bound (thousands of groups) is behind those that we want. */
	if (!err || err == -E2BIG)
		err = proc_status_parse((const char *)text.data, text.len, ret);
	buf_release(&text);
	return err;
}

int procfs_check_start(const struct procfs *procfs, int process_fd, uint64_t start_boottime_ns)
{
	const uint64_t tick_ns = NSEC_PER_SEC / (uint64_t)procfs->ticks_per_second;
	struct proc_stat stat;
	int err;

	if (!start_boottime_ns)
		return 0;
	err = read_stat(process_fd, &stat);
	if (err)
		return err;
	return start_boottime_ns / tick_ns == stat.start_ticks ? 0 : -ESRCH;
}

int procfs_namespace(int process_fd, const char *name, uint32_t *ret)
{
	char link[64], text[64];
	ssize_t len;

	snprintf(link, sizeof(link), "ns/%s", name);
	len = readlinkat(process_fd, link, text, sizeof(text));
	if (len < 0)
		return gone_is_esrch(-errno);
	return proc_namespace_parse(text, (size_t)len, ret);
}

/* --- maps --- */

/* Called for each line; non-zero ends the reading and is its result. */
typedef int maps_fn(void *ctx, const struct proc_map *map);

/* The lines that are whole in the first n bytes of `text`; the number of bytes they took. A line that does not parse is
 * counted in *errors. */
static int each_line(const char *text, size_t n, bool is_end, maps_fn *fn, void *ctx, uint32_t *errors,
		     size_t *ret_used)
{
	struct proc_map map;
	struct cursor all, line;
	const char *last = n ? memrchr(text, '\n', n) : NULL;
	size_t used = is_end ? n : last ? (size_t)(last + 1 - text) : 0;

	cursor_init(&all, text, used);
	while (cursor_line(&all, &line)) {
		int err;

		if (proc_map_parse(line, &map)) {
			++*errors;
			continue;
		}
		err = fn(ctx, &map);
		if (err)
			return err;
	}
	*ret_used = used;
	return 0;
}

/* *errors counts lines that made no sense; *ret_any tells whether there was any text. */
static int each_map(struct procfs *procfs, int process_fd, const char *name, maps_fn *fn, void *ctx, uint32_t *errors,
		    bool *ret_any)
{
	auto_close int fd = openat(process_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	const size_t size = PROCFS_MAX_LINE + MAPS_READ_BYTES;
	uint64_t total = 0;
	bool is_skipping = false; /* within a line that is longer than any that we take */
	size_t have = 0;

	*ret_any = false;
	if (fd < 0)
		return gone_is_esrch(-errno);
	for (;;) {
		size_t used;
		ssize_t got;
		int err;

		do {
			got = read(fd, procfs->line + have, size - have);
		} while (got < 0 && errno == EINTR);
		if (got < 0)
			return gone_is_esrch(-errno);
		have += (size_t)got;
		total += (uint64_t)got;
		*ret_any |= have > 0;
		if (is_skipping) {
			const char *newline = memchr(procfs->line, '\n', have);

			used = newline ? (size_t)(newline + 1 - procfs->line) : have;
			is_skipping = !newline && got;
		} else {
			err = each_line(procfs->line, have, !got, fn, ctx, errors, &used);
			if (err)
				return err;
		}
		if (!got)
			return 0;
		if (total > MAPS_MAX_BYTES)
			return -E2BIG;
		have -= used;
		memmove(procfs->line, procfs->line + used, have);
		if (have > PROCFS_MAX_LINE) {
			++*errors;
			is_skipping = true;
			have = 0;
		}
	}
}

/* MAPPINGS in the making: the fixed part grows from the front of a message, the paths wait in a buffer of their own. */
struct mappings_writer {
	const struct procfs_sink *sink;
	struct message_mappings *message; /* MESSAGE_MAX_PAYLOAD bytes */
	struct buf paths;
	uint32_t told;
	bool is_cut; /* something was left out */
};

static size_t mappings_bytes(const struct mappings_writer *writer)
{
	return sizeof(*writer->message) + writer->message->n * sizeof(struct message_mapping);
}

static int flush_mappings(struct mappings_writer *writer, bool is_last)
{
	size_t bytes = mappings_bytes(writer);
	int err;

	writer->message->is_last = is_last;
	if (writer->paths.len)
		memcpy((uint8_t *)writer->message + bytes, writer->paths.data, writer->paths.len);
	err = writer->sink->send(writer->sink->ctx, MESSAGE_MAPPINGS, writer->message, bytes + writer->paths.len);
	writer->message->n = 0;
	buf_clear(&writer->paths);
	return err;
}

static int add_mapping(void *ctx, const struct proc_map *map)
{
	struct mappings_writer *writer = ctx;
	char path[MESSAGE_MAX_PATH];
	int path_len, err;

	if (!map->is_executable)
		return 0;
	if (writer->told == PROCFS_MAX_MAPPINGS) {
		writer->is_cut = true;
		return 0;
	}
	path_len = proc_map_path(map, path, sizeof(path));
	if (path_len < 0) { /* deeper than PATH_MAX: no one can open it by name, so none is told */
		writer->is_cut = true;
		path_len = 0;
	}
	if (mappings_bytes(writer) + sizeof(struct message_mapping) + writer->paths.len + (size_t)path_len >
	    MESSAGE_MAX_PAYLOAD) {
		err = flush_mappings(writer, false);
		if (err)
			return err;
	}
	err = buf_append(&writer->paths, path, (size_t)path_len);
	if (err)
		return err;
	writer->message->mappings[writer->message->n++] = (struct message_mapping){
		.start = map->start,
		.limit = map->limit,
		.file_off = map->file_off,
		.ino = map->ino,
		.dev_major = map->dev_major,
		.dev_minor = map->dev_minor,
		.path_len = (uint32_t)path_len,
	};
	writer->told++;
	return 0;
}

/* When the first thread of a process has ended, its own maps are empty; any other thread shows them. */
static int each_map_of_threads(struct procfs *procfs, int process_fd, uint32_t leader, maps_fn *fn, void *ctx,
			       uint32_t *errors)
{
	auto_close int fd = openat(process_fd, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct dirent *entry;
	bool any = false;
	int err = 0;
	DIR *dir;

	if (fd < 0)
		return gone_is_esrch(-errno);
	dir = fdopendir(fd);
	if (!dir)
		return -errno;
	fd = -1; /* the directory's now */
	while (!any && !err && (entry = readdir(dir))) {
		char name[sizeof(entry->d_name) + 8], own[TASK_NAME_BYTES];

		snprintf(own, sizeof(own), "%u", leader);
		if (entry->d_name[0] == '.' || !strcmp(entry->d_name, own))
			continue;
		snprintf(name, sizeof(name), "%s/maps", entry->d_name);
		err = each_map(procfs, dirfd(dir), name, fn, ctx, errors, &any);
		if (err == -ESRCH) /* this thread ended */
			err = 0;
	}
	closedir(dir);
	return err;
}

static int scan_mappings(struct procfs *procfs, int process_fd, const struct message_process *process,
			 const struct proc_stat *stat, const struct procfs_sink *sink, uint32_t *errors)
{
	struct mappings_writer writer = {.sink = sink, .message = (struct message_mappings *)procfs->message};
	uint32_t bad_lines = 0;
	bool any = false;
	int err = 0, send_err;

	memset(writer.message, 0, sizeof(*writer.message));
	writer.message->start_boottime_ns = process->start_boottime_ns;
	writer.message->scanned_mono_ns = process->scanned_mono_ns;
	writer.message->tgid = process->tgid;
	buf_init(&writer.paths, MESSAGE_MAX_PAYLOAD);
	if (!stat->is_kernel_thread) {
		err = each_map(procfs, process_fd, "maps", add_mapping, &writer, &bad_lines, &any);
		if ((!err || err == -ESRCH) && !any && stat->threads > 1)
			err = each_map_of_threads(procfs, process_fd, process->tgid, add_mapping, &writer, &bad_lines);
	}
	/* The reader of the list must see its end whatever happened; the channel itself may be gone of course. */
	send_err = err == -EPIPE ? err : flush_mappings(&writer, true);
	buf_release(&writer.paths);
	if (send_err)
		return send_err;
	/* ESRCH: a zombie, or gone just now; it has no mappings, which is no error. */
	if ((err && err != -ESRCH) || bad_lines || writer.is_cut)
		++*errors;
	return 0;
}

static void scan_cgroup(const struct procfs *procfs, int process_fd, struct message_process *process,
			struct buf *message, uint32_t *errors)
{
	struct proc_cgroup cgroup;
	struct buf text;
	int err;

	buf_init(&text, CGROUP_MAX_BYTES);
	err = read_text(process_fd, "cgroup", &text);
	if (!err)
		err = proc_cgroup_parse((const char *)text.data, text.len, &cgroup);
	if (!err && cgroup.path_len <= MESSAGE_MAX_PATH && !memchr(cgroup.path, 0, cgroup.path_len)) {
		process->cgroup_id = cgroup_id(procfs, &cgroup);
		process->cgroup_len = (uint32_t)cgroup.path_len;
		buf_append(message, cgroup.path, cgroup.path_len);
	} else if (err && err != -ENOENT && err != -ESRCH) {
		++*errors;
	}
	buf_release(&text);
}

/* Counts a part that could not be had, unless because the process is gone. */
static void part(int err, uint32_t *errors)
{
	if (err && err != -ESRCH)
		++*errors;
}

int procfs_scan_process(struct procfs *procfs, uint32_t tgid, const struct procfs_sink *sink, uint32_t *errors)
{
	const uint64_t tick_ns = NSEC_PER_SEC / (uint64_t)procfs->ticks_per_second;
	struct message_process process = {.tgid = tgid, .scanned_mono_ns = clock_mono_ns(&clock_system)};
	struct proc_status status = {0};
	uint32_t missing = 0;
	struct proc_stat stat;
	auto_close int process_fd = -1;
	struct buf message;
	int err = procfs_open_process(procfs, tgid, &process_fd);

	if (err)
		return err;
	err = read_stat(process_fd, &stat);
	if (err)
		return err;
	if (!checked_mul(stat.start_ticks, tick_ns, &process.start_boottime_ns))
		return -EBADMSG;
	process.parent_tgid = stat.parent_tgid;
	process.flags = stat.is_kernel_thread ? PROCESS_KERNEL_THREAD : 0;
	if (stat.state == 'R')
		process.flags |= PROCESS_RUNNING;
	memcpy(process.comm, stat.comm, sizeof(process.comm));
	part(read_status(process_fd, &status), &missing);
	process.uid = status.uid;
	process.inner_tgid = status.inner_tgid;
	part(procfs_namespace(process_fd, "mnt", &process.mnt_ns), &missing);
	part(procfs_namespace(process_fd, "pid", &process.pid_ns), &missing);

	buf_init(&message, sizeof(process) + MESSAGE_MAX_PATH);
	buf_append_zero(&message, sizeof(process));
	scan_cgroup(procfs, process_fd, &process, &message, &missing);
	err = message.err;
	if (!err) {
		memcpy(message.data, &process, sizeof(process));
		err = sink->send(sink->ctx, MESSAGE_PROCESS, message.data, message.len);
	}
	buf_release(&message);
	if (!err)
		err = scan_mappings(procfs, process_fd, &process, &stat, sink, &missing);
	*errors += missing > 0;
	return err;
}

int procfs_scan_all(struct procfs *procfs, const struct procfs_sink *sink, uint32_t *processes, uint32_t *errors)
{
	int fd = openat(procfs->proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), err = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (!dir) {
		err = -errno;
		cleanup_close(&fd);
		return err;
	}
	while ((entry = readdir(dir))) {
		struct cursor name;
		uint64_t tgid;

		cursor_init(&name, entry->d_name, strlen(entry->d_name));
		tgid = cursor_dec(&name);
		if (!cursor_ok(&name) || !cursor_at_end(&name) || !tgid || tgid > UINT32_MAX)
			continue;
		err = procfs_scan_process(procfs, (uint32_t)tgid, sink, errors);
		if (err == -EPIPE)
			break;
		if (!err)
			++*processes;
		else if (err != -ESRCH)
			++*errors;
	}
	closedir(dir);
	return err == -EPIPE ? err : 0;
}

struct file_at {
	uint64_t start, limit, dev, ino;
};

static int compare_map(void *ctx, const struct proc_map *map)
{
	const struct file_at *wanted = ctx;

	if (map->start != wanted->start || map->limit != wanted->limit)
		return 0;
	return map->ino == wanted->ino && makedev(map->dev_major, map->dev_minor) == wanted->dev ? 1 : -ESTALE;
}

bool procfs_maps_file(struct procfs *procfs, int process_fd, uint64_t start, uint64_t limit, uint64_t dev, uint64_t ino)
{
	struct file_at wanted = {.start = start, .limit = limit, .dev = dev, .ino = ino};
	uint32_t bad_lines = 0;
	bool any;

	return each_map(procfs, process_fd, "maps", compare_map, &wanted, &bad_lines, &any) == 1;
}
