/* SPDX-License-Identifier: Apache-2.0 */
/* The opener's loop: one request, one answer, in order. Nothing here is worth waiting for elsewhere: when a file system
 * does not answer, this process hangs alone and is replaced; what it held (roots of mount namespaces, prepared outputs)
 * is then asked for anew. */
#include "opener/opener.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "ipc/channel.h"
#include "ipc/child.h"
#include "ipc/confine.h"
#include "ipc/message.h"
#include "ipc/usage.h"
#include "opener/debug_cache.h"
#include "opener/debug_file.h"
#include "opener/object_file.h"
#include "opener/output.h"
#include "opener/perf_map_file.h"
#include "opener/procfs.h"
#include "opener/root_cache.h"

#define MODULE "opener"
/* Two descriptors a held root, one an output, a handful for the request in hand. */
#define OPENER_DESCRIPTORS (2 * ROOT_CACHE_MAX + OUTPUTS_MAX + DEBUG_MAX_DIRECTORIES + 128)
#define WARNINGS_A_MINUTE 10

struct opener {
	struct channel *channel;
	struct procfs procfs;
	struct root_cache roots;
	struct outputs outputs;
	struct invoker invoker;
	uint32_t own_mnt_ns;
	int debug_directories[DEBUG_MAX_DIRECTORIES];
	size_t n_debug_directories;
	struct debug_cache cache;
	struct usage usage;
	bool is_started;
	struct log_limit open_limit, scan_limit, root_limit;
};

/* The text behind a fixed part, with a NUL. message_check() has seen its length and that it holds no NUL. */
static void copy_text(const void *from, uint32_t len, char to[MESSAGE_MAX_PATH + 1])
{
	memcpy(to, from, len);
	to[len] = 0;
}

static int answer(struct opener *opener, uint16_t type, uint32_t id, const void *payload, size_t len, int fd)
{
	return channel_send(opener->channel, type, id, payload, len, fd);
}

static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= OPENER_DESCRIPTORS)
		return;
	limit.rlim_cur = limit.rlim_max < OPENER_DESCRIPTORS ? limit.rlim_max : OPENER_DESCRIPTORS;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static int open_proc(struct opener *opener)
{
	auto_close int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC), mountinfo_fd = -1;
	struct stat own;
	int err;

	if (proc_fd < 0)
		return -errno;
	mountinfo_fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	err = procfs_init(&opener->procfs, proc_fd, mountinfo_fd);
	if (err)
		return err;
	proc_fd = -1; /* procfs' now */
	if (!fstatat(opener->procfs.proc_fd, "self/ns/mnt", &own, 0))
		opener->own_mnt_ns = (uint32_t)own.st_ino;
	return 0;
}

static int on_start(struct opener *opener, const struct message *message)
{
	const struct message_start *start = message->payload;
	struct message_ready ready = {0};
	int err;

	if (opener->is_started)
		return -EBADMSG;
	opener->invoker = (struct invoker){.uid = start->invoker_uid, .gid = start->invoker_gid};
	raise_descriptor_limit();
	err = confine_opener(opener->invoker);
	if (err)
		return log_errno(err, MODULE, "cannot become uid %u", opener->invoker.uid);
	err = open_proc(opener);
	if (err)
		return log_errno(err, MODULE, "cannot open /proc");
	opener->is_started = true;
	confine_describe(ready.capabilities, sizeof(ready.capabilities));
	return answer(opener, MESSAGE_READY, message->id, &ready, sizeof(ready), -1);
}

static int on_ping(struct opener *opener, const struct message *message)
{
	struct message_pong pong = {0};

	usage_read(&opener->usage, &pong);
	return answer(opener, MESSAGE_PONG, message->id, &pong, sizeof(pong), -1);
}

struct scan {
	struct opener *opener;
	uint32_t id;
};

static int send_record(void *ctx, uint16_t type, const void *payload, size_t len)
{
	const struct scan *scan = ctx;

	return answer(scan->opener, type, scan->id, payload, len, -1);
}

static int on_scan(struct opener *opener, const struct message *message)
{
	const struct message_scan *request = message->payload;
	struct scan scan = {.opener = opener, .id = message->id};
	const struct procfs_sink sink = {.send = send_record, .ctx = &scan};
	struct message_scan_done done = {.tgid = request->tgid};
	int err;

	if (request->tgid) {
		err = procfs_scan_process(&opener->procfs, request->tgid, &sink, &done.errors);
		if (!err)
			done.processes = 1;
		else if (err != -ESRCH)
			done.errors++;
	} else {
		err = procfs_scan_all(&opener->procfs, &sink, &done.processes, &done.errors);
	}
	if (err == -EPIPE)
		return err;
	if (err && err != -ESRCH && log_limit_passes(&opener->scan_limit, clock_mono_ns(&clock_system)))
		log_write(LOG_WARN, MODULE, "cannot read /proc of %s (tgid %u): %s",
			  request->tgid ? "a process" : "all processes", request->tgid, err_name(err));
	else if (done.errors && log_limit_passes(&opener->scan_limit, clock_mono_ns(&clock_system)))
		log_write(LOG_INFO, MODULE, "/proc text of %u processes could not be read in full", done.errors);
	return answer(opener, MESSAGE_SCAN_DONE, message->id, &done, sizeof(done), -1);
}

static int on_hold_root(struct opener *opener, const struct message *message)
{
	const struct message_hold_root *request = message->payload;
	auto_close int process_fd = -1;
	int err = procfs_open_process(&opener->procfs, request->tgid, &process_fd);

	if (!err)
		err = root_cache_hold(&opener->roots, process_fd, request->mnt_ns);
	/* A process that is gone, or went elsewhere, is no failure: the next one of the namespace will do. */
	if (err && err != -ESRCH && err != -ESTALE &&
	    log_limit_passes(&opener->root_limit, clock_mono_ns(&clock_system)))
		log_write(LOG_WARN, MODULE, "cannot keep the root of tgid %u: %s", request->tgid, err_name(err));
	return 0;
}

static int on_open_object(struct opener *opener, const struct message *message)
{
	const struct message_open_object *request = message->payload;
	const struct object_finder finder = {
		.procfs = &opener->procfs, .roots = &opener->roots, .own_mnt_ns = opener->own_mnt_ns};
	struct message_object_opened opened = {.object = request->object};
	char path[MESSAGE_MAX_PATH + 1];
	auto_close int fd = -1;

	copy_text(request + 1, request->path_len, path);
	opened.err = object_open(&finder, request, path, &opened, &fd);
	if (opened.err) {
		bool is_usual = opened.err == -ESRCH || opened.err == -ENOENT || opened.err == -ESTALE;

		if (is_usual)
			log_write(LOG_DEBUG, MODULE, "%s is not to be had: %s", path, err_name(opened.err));
		else if (log_limit_passes(&opener->open_limit, clock_mono_ns(&clock_system)))
			log_write(LOG_WARN, MODULE, "cannot open %s, its functions stay unnamed: %s", path,
				  err_name(opened.err));
	}
	return answer(opener, MESSAGE_OBJECT_OPENED, message->id, &opened, sizeof(opened), fd);
}

static int on_open_perf_map(struct opener *opener, const struct message *message)
{
	const struct message_open_perf_map *request = message->payload;
	const struct object_finder finder = {
		.procfs = &opener->procfs, .roots = &opener->roots, .own_mnt_ns = opener->own_mnt_ns};
	struct message_object_opened opened = {.object = request->object};
	auto_close int fd = -1;

	opened.err = perf_map_file_open(&finder, request, &opened, &fd);
	if (opened.err && opened.err != -ENOENT && opened.err != -ESRCH &&
	    log_limit_passes(&opener->open_limit, clock_mono_ns(&clock_system)))
		log_write(LOG_WARN, MODULE, "the perf map of tgid %u is not read, its generated code stays unnamed: %s",
			  request->tgid, err_name(opened.err));
	return answer(opener, MESSAGE_OBJECT_OPENED, message->id, &opened, sizeof(opened), fd);
}

static int answer_directory(struct opener *opener, const struct message *message, int err)
{
	const struct message_debug_directory *request = message->payload;
	const struct message_debug_directory_opened opened = {.index = request->index, .err = err};

	return answer(opener, MESSAGE_DEBUG_DIRECTORY_OPENED, message->id, &opened, sizeof(opened), -1);
}

static int on_cache_directory(struct opener *opener, const struct message *message)
{
	const struct message_debug_directory *request = message->payload;
	char path[MESSAGE_MAX_PATH + 1];
	int err;

	copy_text(request + 1, request->path_len, path);
	err = confine_lower(opener->invoker);
	if (!err)
		err = debug_cache_open(&opener->cache, path);
	if (confine_raise())
		return -EPERM;
	return answer_directory(opener, message, err);
}

/* As the user who named it. They come in the order of their numbers, each once to an opener. */
static int on_debug_directory(struct opener *opener, const struct message *message)
{
	const struct message_debug_directory *request = message->payload;
	struct message_debug_directory_opened opened = {.index = request->index};
	char path[MESSAGE_MAX_PATH + 1];
	int fd = -1;

	if (request->index == DEBUG_CACHE_DIRECTORY)
		return on_cache_directory(opener, message);
	if (opener->n_debug_directories == DEBUG_MAX_DIRECTORIES)
		return -EBADMSG;
	copy_text(request + 1, request->path_len, path);
	opened.err = confine_lower(opener->invoker);
	if (!opened.err) {
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		opened.err = fd < 0 ? -errno : 0;
	}
	if (confine_raise()) {
		cleanup_close(&fd);
		return -EPERM;
	}
	if (fd >= 0)
		opener->debug_directories[opener->n_debug_directories++] = fd;
	return answer_directory(opener, message, opened.err);
}

static bool is_same_directory(int a, int b)
{
	struct stat left, right;

	return a >= 0 && b >= 0 && !fstat(a, &left) && !fstat(b, &right) && left.st_dev == right.st_dev &&
	       left.st_ino == right.st_ino;
}

/* Of the cache, with the rights of whose it is: a file in it, or one to be written, elsewhere if it must be. */
static int open_cached(struct opener *opener, const struct message_open_debug *request,
		       struct message_debug_opened *ret, char found[MESSAGE_MAX_PATH + 1], int *ret_fd)
{
	int err = confine_lower(opener->invoker);

	ret->place = request->place;
	ret->origin = DEBUG_ORIGIN_CACHE;
	if (!err && request->kind == DEBUG_DOWNLOAD)
		err = debug_cache_temporary(&opener->cache, ret_fd);
	else if (!err && !request->place) /* there is one place */
		err = debug_cache_find(&opener->cache, request->id, request->id_len, found, MESSAGE_MAX_PATH + 1,
				       ret_fd);
	else
		err = err ? err : -ENOENT;
	if (confine_raise()) {
		cleanup_close(ret_fd);
		*ret_fd = -1;
		return -ENOTRECOVERABLE;
	}
	if (err && request->kind == DEBUG_DOWNLOAD)
		err = debug_file_temporary(&opener->invoker, ret_fd);
	return err;
}

static int open_debug(struct opener *opener, const struct message_open_debug *request, const char *path,
		      struct message_debug_opened *ret, char found[MESSAGE_MAX_PATH + 1], int *ret_fd)
{
	const struct object_finder finder = {
		.procfs = &opener->procfs, .roots = &opener->roots, .own_mnt_ns = opener->own_mnt_ns};
	auto_close int own = -1, host = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct debug_places places = {.directories = opener->debug_directories,
				      .n_directories = opener->n_debug_directories,
				      .invoker = &opener->invoker};
	bool is_same;

	if (request->kind == DEBUG_TEMPORARY)
		return debug_file_temporary(&opener->invoker, ret_fd);
	if (request->kind == DEBUG_REMOTE || request->kind == DEBUG_DOWNLOAD)
		return open_cached(opener, request, ret, found, ret_fd);
	if (object_root_open(&finder, request->mnt_ns, request->candidate, request->candidates, &own))
		own = -1;
	/* Another namespace may have other mounts below the same root. */
	is_same = request->mnt_ns == opener->own_mnt_ns && is_same_directory(own, host);
	places.own_root = own;
	places.host_root = is_same ? -1 : host;
	return debug_file_open(&places, request, path, ret, found, ret_fd);
}

static int on_open_debug(struct opener *opener, const struct message *message)
{
	const struct message_open_debug *request = message->payload;
	struct {
		struct message_debug_opened head;
		char found[MESSAGE_MAX_PATH + 1];
	} reply = {.head = {.request = request->request}};
	char path[MESSAGE_MAX_PATH + 1];
	auto_close int fd = -1;

	copy_text(request + 1, request->path_len, path);
	reply.head.err = open_debug(opener, request, path, &reply.head, reply.found, &fd);
	if (reply.head.err == -ENOTRECOVERABLE)
		return -EPERM;
	reply.head.path_len = (uint32_t)strlen(reply.found);
	return answer(opener, MESSAGE_DEBUG_OPENED, message->id, &reply, sizeof(reply.head) + reply.head.path_len, fd);
}

static int on_keep_debug(struct opener *opener, struct message *message)
{
	const struct message_keep_debug *request = message->payload;
	struct message_debug_kept kept = {.err = confine_lower(opener->invoker)};

	if (!kept.err)
		kept.err = debug_cache_keep(&opener->cache, request->id, request->id_len, take_fd(&message->fd));
	if (confine_raise())
		return -EPERM;
	return answer(opener, MESSAGE_DEBUG_KEPT, message->id, &kept, sizeof(kept), -1);
}

static int on_open_kernel_symbols(struct opener *opener, const struct message *message)
{
	struct message_kernel_symbols symbols = {0};
	bool is_restricted = false;
	auto_close int fd = -1;

	symbols.err = kernel_symbols_open(opener->procfs.proc_fd, &fd, &is_restricted);
	symbols.is_restricted = is_restricted;
	if (symbols.err)
		log_write(LOG_WARN, MODULE, "cannot read /proc/kallsyms, kernel functions stay unnamed: %s",
			  err_name(symbols.err));
	return answer(opener, MESSAGE_KERNEL_SYMBOLS, message->id, &symbols, sizeof(symbols), fd);
}

/* The collector tells the user what became of an output; here it is for -v alone. */
static int answer_output(struct opener *opener, uint16_t type, const struct message *message,
			 struct message_output_result result, const char *path)
{
	struct {
		struct message_output_result head;
		char path[MESSAGE_MAX_PATH];
	} reply = {.head = result};

	reply.head.path_len = (uint32_t)strlen(path);
	memcpy(reply.path, path, reply.head.path_len);
	if (result.err)
		log_write(LOG_DEBUG, MODULE, "output %s: %s", path, err_name(result.err));
	return answer(opener, type, message->id, &reply, sizeof(reply.head) + reply.head.path_len, -1);
}

static int on_output_prepare(struct opener *opener, const struct message *message)
{
	const struct message_output_prepare *request = message->payload;
	struct message_output_result result = {.output = request->output};
	char path[MESSAGE_MAX_PATH + 1];

	copy_text(request + 1, request->path_len, path);
	result.err = confine_lower(opener->invoker);
	if (!result.err)
		result.err = outputs_prepare(&opener->outputs, request, path);
	if (confine_raise())
		return -EPERM;
	return answer_output(opener, MESSAGE_OUTPUT_PREPARED, message, result, path);
}

static int on_output_write(struct opener *opener, const struct message *message)
{
	const struct message_output_write *request = message->payload;
	struct message_output_result result = {.output = request->output};
	char name[MESSAGE_MAX_PATH + 1], path[MESSAGE_MAX_PATH];

	copy_text(request + 1, request->name_len, name);
	result.err = confine_lower(opener->invoker);
	if (!result.err)
		result.err = outputs_write(&opener->outputs, request->output, name, message->fd, &result.bytes);
	if (confine_raise())
		return -EPERM;
	outputs_path(&opener->outputs, request->output, name, path, sizeof(path));
	return answer_output(opener, MESSAGE_OUTPUT_WRITTEN, message, result, path);
}

static int dispatch(struct opener *opener, struct message *message)
{
	if (message->type == MESSAGE_START)
		return on_start(opener, message);
	if (message->type == MESSAGE_PING)
		return on_ping(opener, message);
	if (!opener->is_started)
		return -EBADMSG;
	switch (message->type) {
	case MESSAGE_SCAN:
		return on_scan(opener, message);
	case MESSAGE_HOLD_ROOT:
		return on_hold_root(opener, message);
	case MESSAGE_OPEN_OBJECT:
		return on_open_object(opener, message);
	case MESSAGE_OPEN_PERF_MAP:
		return on_open_perf_map(opener, message);
	case MESSAGE_DEBUG_DIRECTORY:
		return on_debug_directory(opener, message);
	case MESSAGE_OPEN_DEBUG:
		return on_open_debug(opener, message);
	case MESSAGE_KEEP_DEBUG:
		return on_keep_debug(opener, message);
	case MESSAGE_OPEN_KERNEL_SYMBOLS:
		return on_open_kernel_symbols(opener, message);
	case MESSAGE_OUTPUT_PREPARE:
		return on_output_prepare(opener, message);
	case MESSAGE_OUTPUT_WRITE:
		return on_output_write(opener, message);
	default:
		return -EBADMSG;
	}
}

static int serve(struct opener *opener)
{
	for (;;) {
		struct message message;
		int err = channel_receive(opener->channel, &message);

		if (err < 0)
			return err;
		err = dispatch(opener, &message);
		message_release(&message);
		if (err)
			return err;
	}
}

int opener_main(int channel_fd)
{
	struct opener *opener = calloc(1, sizeof(*opener));
	int err = -ENOMEM;

	if (!opener)
		goto out;
	opener->procfs.proc_fd = -1;
	for (int i = 0; i < CGROUP_HIERARCHY_COUNT; i++)
		opener->procfs.cgroup[i].fd = -1;
	root_cache_init(&opener->roots);
	outputs_init(&opener->outputs);
	debug_cache_init(&opener->cache);
	opener->open_limit.burst = opener->scan_limit.burst = opener->root_limit.burst = WARNINGS_A_MINUTE;
	/* Before the user changes: then the file is root's. */
	opener->usage = usage_open();
	err = channel_new(channel_fd, true, 0, &opener->channel);
	if (!err)
		err = serve(opener);
out:
	if (err != -EPIPE)
		log_errno(err, MODULE, "stopped");
	if (opener) {
		outputs_release(&opener->outputs);
		debug_cache_release(&opener->cache);
		root_cache_release(&opener->roots);
		procfs_release(&opener->procfs);
		for (size_t i = 0; i < opener->n_debug_directories; i++)
			close(opener->debug_directories[i]);
		cleanup_close(&opener->usage.fd);
		channel_free(opener->channel);
		free(opener);
	}
	return err == -EPIPE ? 0 : 1;
}
