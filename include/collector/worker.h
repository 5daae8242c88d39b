/* SPDX-License-Identifier: Apache-2.0 */
/* A child process that serves the collector: opener, resolver or sender. Started anew when it dies or when it does not
 * answer in time; what it had been asked is its link's to ask again. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "ipc/child.h"
#include "ipc/confine.h"
#include "ipc/message.h"

struct channel;
struct message;

struct worker_options {
	enum role role;
	struct invoker invoker;
	uint64_t memory_bytes;		    /* address space limit; 0: none */
	uint64_t share_bytes, naming_bytes; /* as in struct message_start */
	uint32_t demangle;		    /* enum demangle_mode, of a resolver */
	bool has_servers;		    /* a resolver may ask for debug files of debuginfod servers */
	int epoll_fd;			    /* where its channel is watched, with `epoll_tag` as data.u32 */
	uint32_t epoll_tag;
};

/* How the last process ended. */
enum worker_end {
	WORKER_END_KILLED,  /* by somebody's signal, or it left by itself: not its input's fault as far as we know */
	WORKER_END_CRASHED, /* by its own doing */
	WORKER_END_HUNG	    /* by us, past a deadline */
};

struct worker {
	struct worker_options options;
	struct channel *channel;
	pid_t pid;		/* -1: none */
	pid_t abandoned;	/* killed and not reaped yet: stuck in the kernel; -1: none */
	uint64_t last_heard_ns; /* CLOCK_MONOTONIC */
	bool is_pinged;		/* and has not answered */
	uint64_t cpu_ns_ended;	/* of processes that ended */
	struct message_pong usage;
};

void worker_init(struct worker *worker, const struct worker_options *options);
/* Starts the process and sends START. */
int worker_start(struct worker *worker, uint64_t now_ns);
/* Ends it for good: closes the channel (at which it leaves), waits up to wait_ms, then kills. */
void worker_stop(struct worker *worker, unsigned wait_ms);

/* Kills and reaps; nothing runs then. *ret_text says how it ended. */
enum worker_end worker_end(struct worker *worker, bool is_hung, const char **ret_text);
/* Kills, reaps and starts anew; counts and logs it. `is_hung`: past a deadline, so the kill is ours. Returns how the
 * old process ended. If the new one cannot be started, the next send or serve says -EPIPE. */
enum worker_end worker_restart(struct worker *worker, bool is_hung, uint64_t now_ns);

/* Sends or queues; -EPIPE: it is gone (restart it); -ENOBUFS: no room. Watches for writability while something is
 * queued. */
int worker_send(struct worker *worker, uint16_t type, uint32_t id, const void *payload, size_t len, int fd);
/* When its channel is readable or writable: sends what is queued, and hands every message that is there to on_message
 * (which may take its descriptor). READY and PONG are the worker's own. -EPIPE: it is gone. */
int worker_serve(struct worker *worker, uint64_t now_ns, bool is_writable,
		 void (*on_message)(void *ctx, struct message *message), void *ctx);
/* Asks what it uses: see `usage`. */
int worker_ping(struct worker *worker);
/* Of the process that runs now; 0: there is none. */
uint64_t worker_cpu_now_ns(const struct worker *worker);
uint64_t worker_cpu_ns(const struct worker *worker);
