/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/worker.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/counters.h"
#include "base/err.h"
#include "base/log.h"
#include "ipc/channel.h"

#define MAX_QUEUED_BYTES (256u << 20)
/* A process that does not go within this time of a SIGKILL hangs in the kernel: it is left behind. */
#define REAP_MS 200

void worker_init(struct worker *worker, const struct worker_options *options)
{
	memset(worker, 0, sizeof(*worker));
	worker->options = *options;
	worker->pid = worker->abandoned = -1;
}

static int watch(const struct worker *worker, int operation)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u32 = worker->options.epoll_tag};

	if (worker->channel && channel_wants_write(worker->channel))
		event.events |= EPOLLOUT;
	return epoll_ctl(worker->options.epoll_fd, operation, channel_fd(worker->channel), &event) ? -errno : 0;
}

int worker_start(struct worker *worker, uint64_t now_ns)
{
	const struct message_start start = {.invoker_uid = worker->options.invoker.uid,
					    .invoker_gid = worker->options.invoker.gid,
					    .memory_bytes = worker->options.memory_bytes,
					    .share_bytes = worker->options.share_bytes,
					    .naming_bytes = worker->options.naming_bytes,
					    .demangle = worker->options.demangle,
					    .has_servers = worker->options.has_servers};
	int fd, err = child_spawn(worker->options.role, &worker->pid, &fd);

	if (err) {
		worker->pid = -1;
		return err;
	}
	err = channel_new(fd, false, MAX_QUEUED_BYTES, &worker->channel);
	if (!err)
		err = watch(worker, EPOLL_CTL_ADD);
	if (!err)
		err = worker_send(worker, MESSAGE_START, 0, &start, sizeof(start), -1);
	worker->last_heard_ns = now_ns;
	memset(&worker->usage, 0, sizeof(worker->usage));
	worker->is_pinged = false;
	return err;
}

static uint64_t rusage_ns(const struct rusage *usage)
{
	return ((uint64_t)usage->ru_utime.tv_sec + (uint64_t)usage->ru_stime.tv_sec) * NSEC_PER_SEC +
	       ((uint64_t)usage->ru_utime.tv_usec + (uint64_t)usage->ru_stime.tv_usec) * NSEC_PER_USEC;
}

/* Reaps the pid when it has ended; looks every 5 ms for at most wait_ms. */
static bool reap(struct worker *worker, pid_t pid, unsigned wait_ms, int *ret_status)
{
	struct timespec pause = {.tv_nsec = (long)(5 * NSEC_PER_MSEC)};
	struct rusage usage;
	unsigned waited_ms = 0;

	for (;;) {
		pid_t reaped = wait4(pid, ret_status, WNOHANG, &usage);

		if (reaped == pid) {
			worker->cpu_ns_ended += rusage_ns(&usage);
			return true;
		}
		if (reaped < 0 && errno == ECHILD) {
			*ret_status = 0;
			return true;
		}
		if (waited_ms >= wait_ms)
			return false;
		nanosleep(&pause, NULL);
		waited_ms += 5;
	}
}

static void drop_channel(struct worker *worker)
{
	if (!worker->channel)
		return;
	epoll_ctl(worker->options.epoll_fd, EPOLL_CTL_DEL, channel_fd(worker->channel), NULL);
	channel_free(worker->channel);
	worker->channel = NULL;
}

void worker_stop(struct worker *worker, unsigned wait_ms)
{
	int status;

	drop_channel(worker);
	if (worker->pid > 0 && !reap(worker, worker->pid, wait_ms, &status)) {
		kill(worker->pid, SIGKILL);
		reap(worker, worker->pid, REAP_MS, &status);
	}
	if (worker->abandoned > 0)
		reap(worker, worker->abandoned, 0, &status);
	worker->pid = worker->abandoned = -1;
}

enum worker_end worker_end(struct worker *worker, bool is_hung, const char **ret_text)
{
	bool was_alive, is_reaped;
	int status = 0;

	was_alive = worker->pid > 0 && !reap(worker, worker->pid, is_hung ? 0 : REAP_MS, &status);
	is_reaped = !was_alive;
	if (was_alive) {
		kill(worker->pid, SIGKILL);
		is_reaped = reap(worker, worker->pid, REAP_MS, &status);
		if (!is_reaped)
			worker->abandoned = worker->pid;
	}
	drop_channel(worker);
	worker->pid = -1;
	*ret_text = is_reaped ? child_end_text(status) : "it hangs in the kernel";
	if (was_alive && is_hung)
		return WORKER_END_HUNG;
	return child_end_is_crash(status) ? WORKER_END_CRASHED : WORKER_END_KILLED;
}

enum worker_end worker_restart(struct worker *worker, bool is_hung, uint64_t now_ns)
{
	const char *text;
	enum worker_end end = worker_end(worker, is_hung, &text);
	int err = worker_start(worker, now_ns);

	count(COUNTER_child_restarts);
	log_write(err ? LOG_ERROR : LOG_INFO, "collector", "%s %s (%s), started anew: %s",
		  role_name(worker->options.role), end == WORKER_END_HUNG ? "did not answer in time" : "ended", text,
		  err_name(err));
	return end;
}

int worker_send(struct worker *worker, uint16_t type, uint32_t id, const void *payload, size_t len, int fd)
{
	int err;

	if (!worker->channel)
		return -EPIPE;
	err = channel_send(worker->channel, type, id, payload, len, fd);
	if (!err && channel_wants_write(worker->channel))
		err = watch(worker, EPOLL_CTL_MOD);
	return err;
}

/* true: the message was for the worker itself. */
static bool take_own_message(struct worker *worker, const struct message *message)
{
	switch (message->type) {
	case MESSAGE_PONG:
		worker->usage = *(const struct message_pong *)message->payload;
		worker->is_pinged = false;
		return true;
	case MESSAGE_READY:
		log_write(LOG_DEBUG, "collector", "%s runs with capabilities: %s", role_name(worker->options.role),
			  ((const struct message_ready *)message->payload)->capabilities);
		return true;
	default:
		return false;
	}
}

int worker_serve(struct worker *worker, uint64_t now_ns, bool is_writable,
		 void (*on_message)(void *ctx, struct message *message), void *ctx)
{
	struct message message;
	int n;

	if (!worker->channel)
		return -EPIPE;
	if (is_writable) {
		channel_flush(worker->channel); /* a dead peer is told by the receive below */
		watch(worker, EPOLL_CTL_MOD);
	}
	while ((n = channel_receive(worker->channel, &message))) {
		if (n == -EBADMSG) {
			count(COUNTER_bad_messages);
			continue;
		}
		if (n < 0)
			return n;
		worker->last_heard_ns = now_ns;
		if (!take_own_message(worker, &message))
			on_message(ctx, &message);
		message_release(&message);
	}
	return 0;
}

int worker_ping(struct worker *worker)
{
	int err = worker_send(worker, MESSAGE_PING, 0, "", 0, -1);

	if (!err)
		worker->is_pinged = true;
	return err;
}

uint64_t worker_cpu_now_ns(const struct worker *worker)
{
	struct timespec time;
	clockid_t clock;

	if (worker->pid <= 0 || clock_getcpuclockid(worker->pid, &clock) || clock_gettime(clock, &time))
		return 0;
	return (uint64_t)time.tv_sec * NSEC_PER_SEC + (uint64_t)time.tv_nsec;
}

uint64_t worker_cpu_ns(const struct worker *worker)
{
	return worker->cpu_ns_ended + worker->usage.cpu_ns;
}
