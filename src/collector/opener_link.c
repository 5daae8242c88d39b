/* SPDX-License-Identifier: Apache-2.0 */
/* Requests are a queue in the order in which the opener works them off:
 *
 *     [ oldest: the one it works on ] [ next ] … [ newest ]
 *
 * The first `n_sent` are with the opener, the others wait for room in its channel. An answer carries its request's id.
 * On a new opener the destinations of output are prepared anew, the directories of debug files opened anew, the roots
 * of mount namespaces held anew, then the whole queue is sent again. */
#include "collector/opener_link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/counters.h"
#include "base/vec.h"
#include "ipc/channel.h"

#define MAX_REQUESTS (1u << 20)
#define MAX_PREPARED 64 /* destinations, and directories of debug files */
#define MAX_HELD 256
/* Opening a local file takes microseconds; a scan says something every few milliseconds. */
#define DEADLINE_NS (2 * NSEC_PER_SEC)
/* A slow disk may take its time over a large profile. */
#define WRITE_DEADLINE_NS (60 * NSEC_PER_SEC)
/* A request is sent this often before it fails. */
#define MAX_TRIES 5
#define MAX_HUNG_TRIES 2

struct request {
	uint32_t id;
	uint16_t type;
	uint16_t tries;
	uint32_t len;
	int fd;
	uint8_t *payload;
};
struct request_vec VEC(struct request);

struct opener_link {
	struct worker worker;
	struct opener_events events;
	struct request_vec queue;
	size_t n_sent;
	uint32_t next_id;
	/* Destinations and directories that were prepared, to be prepared again. */
	struct request prepared[MAX_PREPARED];
	size_t n_prepared;
	/* The newest namespaces whose roots are held, as a ring. */
	struct message_hold_root held[MAX_HELD];
	uint64_t n_held;
};

static void request_release(struct request *request)
{
	free(request->payload);
	if (request->fd >= 0)
		close(request->fd);
}

int opener_link_new(const struct worker_options *worker, const struct opener_events *events, uint64_t now_ns,
		    struct opener_link **ret)
{
	struct opener_link *link = calloc(1, sizeof(*link));
	int err;

	if (!link)
		return -ENOMEM;
	link->events = *events;
	link->next_id = 1;
	vec_init(&link->queue, MAX_REQUESTS);
	worker_init(&link->worker, worker);
	err = worker_start(&link->worker, now_ns);
	if (err) {
		opener_link_free(link);
		return err;
	}
	*ret = link;
	return 0;
}

void opener_link_free(struct opener_link *link)
{
	if (!link)
		return;
	worker_stop(&link->worker, 500);
	vec_for_each (&link->queue, request)
		request_release(request);
	vec_release(&link->queue);
	for (size_t i = 0; i < link->n_prepared; i++)
		request_release(&link->prepared[i]);
	free(link);
}

/* Sends what is queued as far as the channel has room. An opener that is gone is told by the next receive. */
static void send_queue(struct opener_link *link)
{
	for (; link->n_sent < link->queue.len; link->n_sent++) {
		const struct request *request = &link->queue.items[link->n_sent];

		if (worker_send(&link->worker, request->type, request->id, request->payload, request->len, request->fd))
			return;
	}
}

/* Queues and sends. The bytes are the fixed part followed by `tail`. */
static int ask(struct opener_link *link, uint16_t type, const void *fixed, size_t fixed_len, const char *tail,
	       size_t tail_len, int fd)
{
	struct request request = {.id = link->next_id++, .type = type, .tries = 1, .fd = -1};
	struct request *slot;
	int err;

	request.len = (uint32_t)(fixed_len + tail_len);
	request.payload = malloc(request.len);
	if (!request.payload)
		return -ENOMEM;
	memcpy(request.payload, fixed, fixed_len);
	memcpy(request.payload + fixed_len, tail, tail_len);
	if (fd >= 0) {
		request.fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		if (request.fd < 0) {
			err = -errno;
			free(request.payload);
			return err;
		}
	}
	slot = vec_push(&link->queue);
	if (!slot) {
		request_release(&request);
		return -ENOBUFS;
	}
	*slot = request;
	send_queue(link);
	return 0;
}

int opener_link_scan(struct opener_link *link, uint32_t tgid)
{
	const struct message_scan scan = {.tgid = tgid};

	return ask(link, MESSAGE_SCAN, &scan, sizeof(scan), "", 0, -1);
}

/* Not answered. */
int opener_link_hold_root(struct opener_link *link, uint32_t tgid, uint32_t mnt_ns)
{
	const struct message_hold_root hold = {.tgid = tgid, .mnt_ns = mnt_ns};

	link->held[link->n_held++ % MAX_HELD] = hold;
	return worker_send(&link->worker, MESSAGE_HOLD_ROOT, 0, &hold, sizeof(hold), -1);
}

int opener_link_open(struct opener_link *link, const struct message_open_object *request, const char *path)
{
	struct message_open_object message = *request;

	message.path_len = (uint32_t)strlen(path);
	if (message.path_len > MESSAGE_MAX_PATH)
		return -ENAMETOOLONG;
	return ask(link, MESSAGE_OPEN_OBJECT, &message, sizeof(message), path, message.path_len, -1);
}

int opener_link_perf_map(struct opener_link *link, const struct message_open_perf_map *request)
{
	return ask(link, MESSAGE_OPEN_PERF_MAP, request, sizeof(*request), "", 0, -1);
}

int opener_link_debug_directory(struct opener_link *link, uint32_t index, const char *path)
{
	const struct message_debug_directory directory = {.index = index, .path_len = (uint32_t)strlen(path)};

	if (directory.path_len > MESSAGE_MAX_PATH)
		return -ENAMETOOLONG;
	return ask(link, MESSAGE_DEBUG_DIRECTORY, &directory, sizeof(directory), path, directory.path_len, -1);
}

int opener_link_open_debug(struct opener_link *link, const struct message_open_debug *request, const char *path)
{
	struct message_open_debug message = *request;

	message.path_len = (uint32_t)strlen(path);
	if (message.path_len > MESSAGE_MAX_PATH)
		return -ENAMETOOLONG;
	return ask(link, MESSAGE_OPEN_DEBUG, &message, sizeof(message), path, message.path_len, -1);
}

int opener_link_keep_debug(struct opener_link *link, const struct message_keep_debug *keep, int fd)
{
	return ask(link, MESSAGE_KEEP_DEBUG, keep, sizeof(*keep), "", 0, fd);
}

int opener_link_kernel_symbols(struct opener_link *link)
{
	return ask(link, MESSAGE_OPEN_KERNEL_SYMBOLS, "", 0, "", 0, -1);
}

int opener_link_prepare(struct opener_link *link, uint32_t output, enum output_place place, uint32_t flags,
			const char *path)
{
	const struct message_output_prepare prepare = {
		.output = output, .place = place, .flags = flags, .path_len = (uint32_t)strlen(path)};

	if (prepare.path_len > MESSAGE_MAX_PATH)
		return -ENAMETOOLONG;
	return ask(link, MESSAGE_OUTPUT_PREPARE, &prepare, sizeof(prepare), path, prepare.path_len, -1);
}

int opener_link_write(struct opener_link *link, uint32_t output, const char *name, int memfd)
{
	const struct message_output_write write = {.output = output, .name_len = (uint32_t)strlen(name)};

	return ask(link, MESSAGE_OUTPUT_WRITE, &write, sizeof(write), name, write.name_len, memfd);
}

uint64_t opener_link_unwritten_bytes(const struct opener_link *link)
{
	uint64_t bytes = 0;
	struct stat st;

	for (size_t i = 0; i < link->queue.len; i++) {
		const struct request *request = &link->queue.items[i];

		if (request->type == MESSAGE_OUTPUT_WRITE && request->fd >= 0 && !fstat(request->fd, &st))
			bytes += (uint64_t)st.st_blocks * 512;
	}
	return bytes;
}

void opener_link_ping(struct opener_link *link)
{
	worker_ping(&link->worker);
}

static bool take_request(struct opener_link *link, uint32_t id, struct request *ret)
{
	for (size_t i = 0; i < link->queue.len; i++) {
		if (link->queue.items[i].id != id)
			continue;
		*ret = link->queue.items[i];
		link->queue.len--;
		if (i < link->n_sent)
			link->n_sent--;
		memmove(&link->queue.items[i], &link->queue.items[i + 1],
			(link->queue.len - i) * sizeof(struct request));
		return true;
	}
	return false;
}

/* A NUL-terminated copy of a message's tail. */
static void copy_tail(char *to, size_t size, const void *from, size_t len)
{
	if (len >= size)
		len = size - 1;
	memcpy(to, from, len);
	to[len] = 0;
}

/* Kept for the next opener, which is told that it is not the first. */
static void keep_prepared(struct opener_link *link, struct request *request)
{
	if (link->n_prepared < MAX_PREPARED) {
		struct message_output_prepare *prepare = (struct message_output_prepare *)request->payload;

		if (request->type == MESSAGE_OUTPUT_PREPARE)
			prepare->flags |= OUTPUT_AGAIN;
		link->prepared[link->n_prepared++] = *request;
		request->payload = NULL;
		request->fd = -1;
	}
}

static void on_debug_directory(struct opener_link *link, const struct message *message)
{
	const struct message_debug_directory_opened *opened = message->payload;
	const struct message_debug_directory *directory;
	char path[MESSAGE_MAX_PATH + 1];
	struct request request;

	if (!take_request(link, message->id, &request))
		return; /* opened again */
	directory = (const struct message_debug_directory *)request.payload;
	copy_tail(path, sizeof(path), directory + 1, directory->path_len);
	if (!opened->err)
		keep_prepared(link, &request);
	request_release(&request);
	link->events.debug_directory(link->events.ctx, opened->index, opened->err, path);
}

static void on_debug_opened(struct opener_link *link, const struct message_debug_opened *opened, int fd)
{
	char path[MESSAGE_MAX_PATH + 1];

	copy_tail(path, sizeof(path), opened + 1, opened->path_len);
	link->events.debug_opened(link->events.ctx, opened, path, fd);
}

static void on_output_result(struct opener_link *link, const struct message *message)
{
	const struct message_output_result *result = message->payload;
	char path[MESSAGE_MAX_PATH + 1];
	struct request request;

	if (!take_request(link, message->id, &request))
		return; /* of a destination prepared again */
	copy_tail(path, sizeof(path), result + 1, result->path_len);
	if (message->type == MESSAGE_OUTPUT_PREPARED) {
		if (!result->err)
			keep_prepared(link, &request);
		link->events.output_prepared(link->events.ctx, result->output, result->err, path);
	} else {
		link->events.output_written(link->events.ctx, result->output, result->err, path, result->bytes);
	}
	request_release(&request);
}

static void on_process(struct opener_link *link, const struct message *message)
{
	const struct message_process *process = message->payload;
	char cgroup[MESSAGE_MAX_PATH + 1];

	copy_tail(cgroup, sizeof(cgroup), process + 1, process->cgroup_len);
	link->events.process(link->events.ctx, process, cgroup);
}

static void on_mappings(struct opener_link *link, const struct message *message)
{
	const struct message_mappings *mappings = message->payload;

	link->events.mappings(link->events.ctx, mappings, (const char *)&mappings->mappings[mappings->n]);
}

static void on_answer(struct opener_link *link, struct message *message)
{
	struct request request = {.fd = -1};
	int fd = message->fd;

	if (!take_request(link, message->id, &request))
		return;
	message->fd = -1;
	switch (message->type) {
	case MESSAGE_SCAN_DONE:
		link->events.scanned(link->events.ctx, ((const struct message_scan_done *)message->payload)->tgid);
		break;
	case MESSAGE_OBJECT_OPENED:
		link->events.object(link->events.ctx, message->payload, fd);
		break;
	case MESSAGE_DEBUG_OPENED:
		on_debug_opened(link, message->payload, fd);
		break;
	case MESSAGE_DEBUG_KEPT:
		link->events.debug_kept(link->events.ctx, ((const struct message_debug_kept *)message->payload)->err);
		break;
	case MESSAGE_KERNEL_SYMBOLS:
		link->events.kernel_symbols(link->events.ctx, message->payload, fd);
		break;
	}
	request_release(&request);
}

static void on_message(void *ctx, struct message *message)
{
	struct opener_link *link = ctx;

	switch (message->type) {
	case MESSAGE_PROCESS:
		on_process(link, message);
		break;
	case MESSAGE_MAPPINGS:
		on_mappings(link, message);
		break;
	case MESSAGE_OUTPUT_PREPARED:
	case MESSAGE_OUTPUT_WRITTEN:
		on_output_result(link, message);
		break;
	case MESSAGE_DEBUG_DIRECTORY_OPENED:
		on_debug_directory(link, message);
		break;
	case MESSAGE_SCAN_DONE:
	case MESSAGE_OBJECT_OPENED:
	case MESSAGE_DEBUG_OPENED:
	case MESSAGE_DEBUG_KEPT:
	case MESSAGE_KERNEL_SYMBOLS:
		on_answer(link, message);
		break;
	default:
		count(COUNTER_bad_messages);
	}
}

/* Answers a request in the opener's place. */
static void fail(struct opener_link *link, struct request *request, int err)
{
	const struct message_kernel_symbols no_symbols = {.err = err};
	struct message_object_opened no_object = {.err = err};
	struct message_debug_opened no_debug = {.err = err};
	char path[MESSAGE_MAX_PATH + 1];

	switch (request->type) {
	case MESSAGE_SCAN: {
		const struct message_scan *scan = (const struct message_scan *)request->payload;

		link->events.scanned(link->events.ctx, scan->tgid);
		break;
	}
	case MESSAGE_OPEN_OBJECT:
		no_object.object = ((const struct message_open_object *)request->payload)->object;
		link->events.object(link->events.ctx, &no_object, -1);
		break;
	case MESSAGE_OPEN_PERF_MAP:
		no_object.object = ((const struct message_open_perf_map *)request->payload)->object;
		link->events.object(link->events.ctx, &no_object, -1);
		break;
	case MESSAGE_DEBUG_DIRECTORY: {
		const struct message_debug_directory *directory =
			(const struct message_debug_directory *)request->payload;

		copy_tail(path, sizeof(path), directory + 1, directory->path_len);
		link->events.debug_directory(link->events.ctx, directory->index, err, path);
		break;
	}
	case MESSAGE_OPEN_DEBUG: {
		const struct message_open_debug *open = (const struct message_open_debug *)request->payload;

		no_debug.request = open->request;
		no_debug.place = open->place;
		link->events.debug_opened(link->events.ctx, &no_debug, "", -1);
		break;
	}
	case MESSAGE_KEEP_DEBUG:
		link->events.debug_kept(link->events.ctx, err);
		break;
	case MESSAGE_OPEN_KERNEL_SYMBOLS:
		link->events.kernel_symbols(link->events.ctx, &no_symbols, -1);
		break;
	case MESSAGE_OUTPUT_PREPARE: {
		const struct message_output_prepare *prepare = (const struct message_output_prepare *)request->payload;

		copy_tail(path, sizeof(path), prepare + 1, prepare->path_len);
		link->events.output_prepared(link->events.ctx, prepare->output, err, path);
		break;
	}
	case MESSAGE_OUTPUT_WRITE: {
		const struct message_output_write *write = (const struct message_output_write *)request->payload;

		copy_tail(path, sizeof(path), write + 1, write->name_len);
		link->events.output_written(link->events.ctx, write->output, err, path, 0);
		break;
	}
	}
	request_release(request);
}

static void resend(struct opener_link *link)
{
	uint64_t first = link->n_held > MAX_HELD ? link->n_held - MAX_HELD : 0;

	for (size_t i = 0; i < link->n_prepared; i++)
		worker_send(&link->worker, link->prepared[i].type, 0, link->prepared[i].payload, link->prepared[i].len,
			    -1);
	for (uint64_t i = first; i < link->n_held; i++)
		worker_send(&link->worker, MESSAGE_HOLD_ROOT, 0, &link->held[i % MAX_HELD], sizeof(link->held[0]), -1);
	link->n_sent = 0;
	send_queue(link);
}

/* A file that some process has. */
static bool is_of_object(const struct request *request)
{
	return request->type == MESSAGE_OPEN_OBJECT || request->type == MESSAGE_OPEN_PERF_MAP ||
	       request->type == MESSAGE_OPEN_DEBUG;
}

static void restart(struct opener_link *link, bool is_hung, uint64_t now_ns)
{
	enum worker_end end = worker_restart(&link->worker, is_hung, now_ns);
	struct request oldest, *last;

	if (link->queue.len && take_request(link, link->queue.items[0].id, &oldest)) {
		bool is_object = is_of_object(&oldest);

		/* Once it may have been the opener's own trouble, so the object gets another try, behind all others. */
		if (oldest.tries++ >= (end == WORKER_END_HUNG && is_object ? MAX_HUNG_TRIES : MAX_TRIES)) {
			fail(link, &oldest, end == WORKER_END_HUNG ? -ETIMEDOUT : -EPIPE);
		} else {
			last = vec_push_reserved(&link->queue); /* one was taken */
			if (is_object) {
				*last = oldest;
			} else {
				memmove(&link->queue.items[1], &link->queue.items[0],
					(link->queue.len - 1) * sizeof(*last));
				link->queue.items[0] = oldest;
			}
		}
	}
	resend(link);
}

void opener_link_serve(struct opener_link *link, uint64_t now_ns, bool is_writable)
{
	if (worker_serve(&link->worker, now_ns, is_writable, on_message, link))
		restart(link, false, now_ns);
	else
		send_queue(link);
}

void opener_link_tick(struct opener_link *link, uint64_t now_ns)
{
	uint64_t deadline_ns = DEADLINE_NS;

	if (!link->queue.len && !link->worker.is_pinged) {
		link->worker.last_heard_ns = now_ns;
		return;
	}
	if (link->queue.len && link->queue.items[0].type == MESSAGE_OUTPUT_WRITE)
		deadline_ns = WRITE_DEADLINE_NS;
	if (now_ns - link->worker.last_heard_ns > deadline_ns)
		restart(link, true, now_ns);
}

size_t opener_link_outstanding(const struct opener_link *link)
{
	return link->queue.len;
}

void opener_link_give_up_objects(struct opener_link *link, uint64_t now_ns)
{
	struct request request;
	bool had_any = false;

	for (size_t i = 0; i < link->queue.len;) {
		if (!is_of_object(&link->queue.items[i]) && link->queue.items[i].type != MESSAGE_SCAN) {
			i++;
			continue;
		}
		had_any = true;
		take_request(link, link->queue.items[i].id, &request);
		fail(link, &request, -ETIMEDOUT);
	}
	if (had_any)
		restart(link, true, now_ns);
}

struct worker *opener_link_worker(struct opener_link *link)
{
	return &link->worker;
}
