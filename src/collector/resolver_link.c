/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/resolver_link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/counters.h"
#include "base/err.h"
#include "base/log.h"
#include "ipc/channel.h"

#define MODULE "collector"
/* Of a file that takes longer than this to index, the names are given up. */
#define PARSE_DEADLINE_NS (10 * NSEC_PER_SEC)
/* Between two outputs of a batch. */
#define BATCH_DEADLINE_NS (60 * NSEC_PER_SEC)
/* Outside kills while one object was parsed: then it may be the kernel's out-of-memory killer, and the object's doing.
 */
#define MAX_STRIKES 3
/* A batch is sent to this many resolvers before it fails. */
#define MAX_BATCH_TRIES 25
/* Object 0 in PARSED stands for the kernel's symbols. */
#define KERNEL_SYMBOLS_OBJECT 0

struct resolver_link {
	struct worker worker;
	struct resolver_events events;
	struct object_table *objects;
	struct message_kernel_symbols symbols;
	int symbols_fd;
	bool has_symbols;
	uint32_t parsing;	  /* object that the resolver said it looks into; 0: none */
	bool is_parsing_debug;	  /* … into a debug file of it */
	uint64_t parsing_from_ns; /* CPU time of the resolver then */
	uint64_t file_cpu_ns;
	uint32_t owed; /* answers that it waits for */
	/* Objects from this id on wait for room in the channel, and the batch behind them; 0: none wait. */
	uint32_t next_unsent;
	bool is_batch_unsent;
	/* The batch under way. */
	uint64_t batch;
	int batch_fd; /* -1: none */
	uint32_t outputs_seen, batch_tries;
	bool awaits_table;
};

int resolver_link_new(const struct worker_options *worker, const struct resolver_events *events,
		      struct object_table *objects, uint64_t now_ns, struct resolver_link **ret)
{
	struct resolver_link *link = calloc(1, sizeof(*link));
	int err;

	if (!link)
		return -ENOMEM;
	link->events = *events;
	link->objects = objects;
	link->symbols_fd = link->batch_fd = -1;
	link->file_cpu_ns = RESOLVER_FILE_CPU_NS;
	worker_init(&link->worker, worker);
	err = worker_start(&link->worker, now_ns);
	if (err) {
		resolver_link_free(link);
		return err;
	}
	*ret = link;
	return 0;
}

void resolver_link_free(struct resolver_link *link)
{
	if (!link)
		return;
	worker_stop(&link->worker, 500);
	cleanup_close(&link->symbols_fd);
	cleanup_close(&link->batch_fd);
	free(link);
}

static void send_kernel_symbols(struct resolver_link *link)
{
	/* Each resolver reads from the start; the offset is shared with the one before. */
	if (link->symbols_fd >= 0)
		lseek(link->symbols_fd, 0, SEEK_SET);
	worker_send(&link->worker, MESSAGE_KERNEL_SYMBOLS, 0, &link->symbols, sizeof(link->symbols), link->symbols_fd);
}

void resolver_link_kernel_symbols(struct resolver_link *link, const struct message_kernel_symbols *symbols, int fd)
{
	cleanup_close(&link->symbols_fd);
	link->symbols = *symbols;
	link->symbols_fd = fd;
	link->has_symbols = true;
	send_kernel_symbols(link);
}

static int send_object(struct resolver_link *link, const struct object *object)
{
	struct {
		struct message_object head;
		char path[MESSAGE_MAX_PATH];
	} message = {0};
	bool is_quarantined = object->flags & OBJECT_QUARANTINED;
	size_t len = strlen(object->path);

	if (len > sizeof(message.path))
		len = sizeof(message.path);
	message.head = (struct message_object){
		.object = object->id,
		.kind = object->kind,
		.flags = object->flags,
		.err = object->err,
		.dev = object->file_dev,
		.ino = object->file_ino,
		.size = object->file_size,
		.mtime_ns = object->file_mtime_ns,
		.expected_dev = object->dev,
		.expected_ino = object->ino,
		.build_id_len = object->build_id_len,
		.path_len = (uint32_t)len,
	};
	memcpy(message.head.build_id, object->build_id, sizeof(message.head.build_id));
	memcpy(message.path, object->path, len);
	return worker_send(&link->worker, MESSAGE_OBJECT, 0, &message, sizeof(message.head) + len,
			   is_quarantined ? -1 : object->fd);
}

static bool is_sendable(const struct object *object)
{
	return object && (object->state == OBJECT_OPEN || object->state == OBJECT_FAILED);
}

static void send_batch(struct resolver_link *link)
{
	const struct message_batch batch = {.batch = link->batch, .skip = link->outputs_seen};

	worker_send(&link->worker, MESSAGE_BATCH, 0, &batch, sizeof(batch), link->batch_fd);
}

/* Sends what waits, as far as the channel has room: objects in the order of their ids, then the batch that needs them.
 */
static void send_backlog(struct resolver_link *link)
{
	uint32_t n = object_table_count(link->objects);

	for (; link->next_unsent && link->next_unsent <= n; link->next_unsent++) {
		const struct object *object = object_table_get(link->objects, link->next_unsent);

		if (is_sendable(object) && send_object(link, object))
			return;
	}
	link->next_unsent = 0;
	if (link->is_batch_unsent)
		send_batch(link);
	link->is_batch_unsent = false;
}

void resolver_link_object(struct resolver_link *link, const struct object *object)
{
	if (link->next_unsent && object->id >= link->next_unsent)
		return; /* its turn comes */
	if (send_object(link, object) == -ENOBUFS)
		link->next_unsent = object->id;
}

int resolver_link_batch(struct resolver_link *link, uint64_t batch, int memfd, uint64_t now_ns)
{
	if (link->batch_fd >= 0)
		return -EBUSY;
	link->batch = batch;
	link->batch_fd = memfd;
	link->outputs_seen = 0;
	link->batch_tries = 1;
	link->worker.last_heard_ns = now_ns;
	link->is_batch_unsent = true;
	send_backlog(link);
	return 0;
}

int resolver_link_make_table(struct resolver_link *link, const struct object *object, uint32_t page, uint64_t now_ns)
{
	const struct message_make_table message = {.object = object->id, .page = page};
	int err;

	if (link->next_unsent && object->id >= link->next_unsent)
		return -EAGAIN;
	err = worker_send(&link->worker, MESSAGE_MAKE_TABLE, 0, &message, sizeof(message), -1);
	if (err)
		return err;
	link->worker.last_heard_ns = now_ns;
	link->awaits_table = true;
	return 0;
}

int resolver_link_debug_file(struct resolver_link *link, const struct message_debug_opened *answer, const char *path,
			     int fd)
{
	struct {
		struct message_debug_opened head;
		char path[MESSAGE_MAX_PATH];
	} message = {.head = *answer};
	size_t len = strnlen(path, sizeof(message.path));
	int err;

	message.head.path_len = (uint32_t)len;
	memcpy(message.path, path, len);
	err = worker_send(&link->worker, MESSAGE_DEBUG_FILE, 0, &message, sizeof(message.head) + len, fd);
	if (!err && link->owed)
		link->owed--;
	return err;
}

void resolver_link_ping(struct resolver_link *link)
{
	if (link->batch_fd < 0)
		worker_ping(&link->worker);
}

int resolver_link_symbols_fd(const struct resolver_link *link)
{
	return link->symbols_fd;
}

int resolver_link_batch_fd(const struct resolver_link *link)
{
	return link->batch_fd;
}

static void finish_batch(struct resolver_link *link, const struct message_batch_done *done)
{
	close(take_fd(&link->batch_fd));
	link->events.done(link->events.ctx, done);
}

static void on_output(struct resolver_link *link, const struct message *message)
{
	const struct message_output *output = message->payload;
	char name[256];
	size_t len = output->name_len < sizeof(name) ? output->name_len : sizeof(name) - 1;

	/* A resolver that died after it sent this one counts from `skip` as we do. */
	if (output->batch != link->batch || output->sequence != link->outputs_seen)
		return;
	memcpy(name, output + 1, len);
	name[len] = 0;
	link->outputs_seen++;
	link->events.output(link->events.ctx, output, name, message->fd);
}

void resolver_link_set_file_cpu(struct resolver_link *link, uint64_t cpu_ns)
{
	link->file_cpu_ns = cpu_ns;
}

/* What the object that is looked into has cost, up to now. */
static uint64_t reading_ns(const struct resolver_link *link, const struct object *object)
{
	uint64_t now_ns = worker_cpu_now_ns(&link->worker);

	return object->reading_ns + (now_ns > link->parsing_from_ns ? now_ns - link->parsing_from_ns : 0);
}

/* It is looked into no more. */
static void end_parsing(struct resolver_link *link)
{
	struct object *object = object_table_get(link->objects, link->parsing);

	if (object)
		object->reading_ns = reading_ns(link, object);
	link->parsing = 0;
}

static void on_parsed(struct resolver_link *link, const struct message_parsed *parsed)
{
	struct object *object = object_table_get(link->objects, parsed->object);

	end_parsing(link);
	if (parsed->object == KERNEL_SYMBOLS_OBJECT)
		link->events.kernel_symbols_ready(link->events.ctx);
	if (object && parsed->err) {
		bool is_jit = object->kind == OBJECT_PERF_MAP || object->kind == OBJECT_JITDUMP;

		count(is_jit ? COUNTER_jit_files_failed : COUNTER_objects_failed);
		log_write(LOG_DEBUG, MODULE, "no names from %s: %s", object->path, err_name(parsed->err));
	}
	if (object && parsed->embedded_err) {
		count(COUNTER_debugdata_failed);
		log_write(LOG_DEBUG, MODULE, "no names from .gnu_debugdata of %s: %s", object->path,
			  err_name(parsed->embedded_err));
	}
}

static void on_parsing(struct resolver_link *link, const struct message_parsing *parsing)
{
	end_parsing(link);
	link->parsing = parsing->object;
	link->is_parsing_debug = parsing->is_debug;
	link->parsing_from_ns = worker_cpu_now_ns(&link->worker);
}

static void on_want_debug(struct resolver_link *link, const struct message *message)
{
	const struct message_want_debug *want = message->payload;
	char name[DEBUG_MAX_NAME + 1];

	memcpy(name, want + 1, want->name_len);
	name[want->name_len] = 0;
	link->owed++;
	link->events.want_debug(link->events.ctx, want, name);
}

static void on_message(void *ctx, struct message *message)
{
	struct resolver_link *link = ctx;
	const struct message_batch_done *done;

	switch (message->type) {
	case MESSAGE_PARSING:
		on_parsing(link, message->payload);
		break;
	case MESSAGE_WANT_DEBUG:
		on_want_debug(link, message);
		break;
	case MESSAGE_SOURCES:
		link->events.sources(link->events.ctx, message->payload);
		break;
	case MESSAGE_PARSED:
		on_parsed(link, message->payload);
		break;
	case MESSAGE_TABLE:
		link->awaits_table = false;
		link->events.table(link->events.ctx, message->payload, message->fd);
		break;
	case MESSAGE_OUTPUT:
		on_output(link, message);
		break;
	case MESSAGE_SUMMARY:
		link->events.summary(link->events.ctx, message->fd);
		break;
	case MESSAGE_BATCH_DONE:
		done = message->payload;
		if (link->batch_fd >= 0 && done->batch == link->batch)
			finish_batch(link, done);
		break;
	default:
		count(COUNTER_bad_messages);
	}
}

static bool is_too_slow(const struct resolver_link *link)
{
	const struct object *object = object_table_get(link->objects, link->parsing);

	return object && reading_ns(link, object) > link->file_cpu_ns;
}

/* The file, or its debug file first, is read no more. */
static void give_up(struct resolver_link *link, struct object *object, bool is_slow)
{
	const char *what = is_slow ? "took too long to read" : "made the resolver fail";

	object->strikes = 0;
	object->reading_ns = 0;
	if (link->is_parsing_debug && !(object->flags & OBJECT_LONE)) {
		object->flags |= OBJECT_LONE;
		log_write(LOG_WARN, MODULE, "a debug file of %s %s: it is done without", object->path, what);
		return;
	}
	object->flags |= OBJECT_QUARANTINED;
	object->err = is_slow ? -ETIME : object->err;
	count(is_slow ? COUNTER_objects_too_slow : COUNTER_objects_quarantined);
	log_write(LOG_WARN, MODULE, "%s %s: its frames stay unnamed", object->path, what);
}

/* Decides what the object has to do with the end of its resolver. */
static void blame(struct resolver_link *link, enum worker_end end, bool is_slow)
{
	struct object *object = object_table_get(link->objects, link->parsing);

	link->parsing = 0;
	if (!object)
		return;
	object->strikes += end == WORKER_END_KILLED && !is_slow ? 1 : MAX_STRIKES;
	if (object->strikes >= MAX_STRIKES)
		give_up(link, object, is_slow);
}

static void resend(struct resolver_link *link)
{
	if (link->has_symbols)
		send_kernel_symbols(link);
	link->next_unsent = 1;
	link->is_batch_unsent = link->batch_fd >= 0;
	send_backlog(link);
}

static void restart(struct resolver_link *link, bool is_hung, uint64_t now_ns)
{
	struct message_batch_done failed = {.batch = link->batch, .err = -EPIPE};
	bool is_slow = is_hung && is_too_slow(link);

	blame(link, worker_restart(&link->worker, is_hung, now_ns), is_slow);
	link->owed = 0;
	link->events.started_anew(link->events.ctx);
	if (link->batch_fd >= 0 && ++link->batch_tries > MAX_BATCH_TRIES) {
		finish_batch(link, &failed);
		return;
	}
	resend(link);
	if (link->awaits_table)
		link->events.table_lost(link->events.ctx);
	link->awaits_table = false;
}

void resolver_link_serve(struct resolver_link *link, uint64_t now_ns, bool is_writable)
{
	if (worker_serve(&link->worker, now_ns, is_writable, on_message, link))
		restart(link, false, now_ns);
	else
		send_backlog(link);
}

void resolver_link_tick(struct resolver_link *link, uint64_t now_ns)
{
	/* Who waits for an answer says nothing. */
	bool is_waiting = link->owed && !link->parsing;
	uint64_t deadline_ns = link->parsing ? PARSE_DEADLINE_NS : BATCH_DEADLINE_NS;

	if (is_waiting || (!link->parsing && link->batch_fd < 0 && !link->awaits_table))
		link->worker.last_heard_ns = now_ns;
	else if (now_ns - link->worker.last_heard_ns > deadline_ns || is_too_slow(link))
		restart(link, true, now_ns);
}

struct worker *resolver_link_worker(struct resolver_link *link)
{
	return &link->worker;
}
