/* SPDX-License-Identifier: Apache-2.0 */
/* The collector's epoll: signals, high-water marks of the rings, channels of the children, and what is due by the
 * clock. */
#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "collector_internal.h"
#include "base/err.h"
#include "collector/sideband.h"

#define DRAIN_INTERVAL_NS (50 * NSEC_PER_MSEC)
/* At the start all processes are new, and each is unwound in the kernel only when its first sample was read. */
#define EARLY_DRAIN_INTERVAL_NS (5 * NSEC_PER_MSEC)
#define EARLY_NS NSEC_PER_SEC
#define CPU_INTERVAL_NS NSEC_PER_SEC
#define USAGE_INTERVAL_NS (5 * NSEC_PER_SEC)
#define EPOCH_NS (10 * NSEC_PER_SEC)
#define PROGRESS_INTERVAL_NS (250 * NSEC_PER_MSEC)

int loop_watch(const struct collector *collector, int fd, enum collector_tag tag)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u32 = tag};

	return epoll_ctl(collector->epoll_fd, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

int loop_open(struct collector *collector)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGCHLD);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	collector->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	collector->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	if (collector->epoll_fd < 0 || collector->signal_fd < 0)
		return -errno;
	return loop_watch(collector, collector->signal_fd, TAG_SIGNAL);
}

void loop_tell_self(struct collector *collector)
{
	uint32_t tgids[4] = {(uint32_t)getpid(), (uint32_t)opener_link_worker(collector->opener)->pid,
			     (uint32_t)resolver_link_worker(collector->resolver)->pid};
	size_t n = 3;

	if (collector->downloads && downloads_worker(collector->downloads)->pid > 0)
		tgids[n++] = (uint32_t)downloads_worker(collector->downloads)->pid;
	sampler_set_self(collector->sampler, tgids, n);
}

/* Reads all rings and attributes what is older than `until_ns`. What a process did before it was sampled is in the
 * rings by then, on whichever CPU, for the same process did both, one after the other: the samples must be read first,
 * then the records. And what it does after a sample that is not in the ring yet is later than now_ns. */
void loop_drain(struct collector *collector, uint64_t until_ns, uint64_t now_ns)
{
	const struct sampler_sink sink = attribution_sink(collector->attribution);

	sampler_read(collector->sampler, &sink);
	sideband_read(collector->sideband);
	attribution_step(collector->attribution, collector->sideband, until_ns, now_ns);
	collector_hold_new_roots(collector);
}

static void follow_cpus(struct collector *collector)
{
	const uint32_t *cpus;
	size_t n;
	int changed = sampler_update_cpus(collector->sampler, &cpus, &n);

	if (changed > 0) {
		log_write(LOG_INFO, COLLECTOR_MODULE, "%zu CPUs online now", n);
		changed = sideband_set_cpus(collector->sideband, cpus, n);
		/* What happened there before we listened is read from /proc. */
		opener_link_scan(collector->opener, 0);
	}
	if (changed < 0 && log_limit_passes(&collector->cpus_limit, collector_now()))
		log_write(LOG_WARN, COLLECTOR_MODULE, "a CPU that came online is not sampled: %s", err_name(changed));
}

static void show_progress(struct collector *collector, uint64_t now_ns)
{
	const struct collector_options *options = collector->options;
	struct attribution_stats stats;
	uint64_t lost = 0;

	if (!options->progress || now_ns < collector->next_progress_ns)
		return;
	collector->next_progress_ns = now_ns + PROGRESS_INTERVAL_NS;
	attribution_get_stats(collector->attribution, &stats);
	for (size_t i = 0; i < LOSS_COUNT; i++)
		lost += stats.lost[i];
	options->progress(options->ctx, (double)(now_ns - collector->start_ns) / NSEC_PER_SEC, stats.stored,
			  stats.processes, lost);
}

static uint64_t drain_interval(const struct collector *collector, uint64_t now_ns)
{
	bool is_early = collector->start_ns && now_ns - collector->start_ns < EARLY_NS;

	return is_early ? EARLY_DRAIN_INTERVAL_NS : DRAIN_INTERVAL_NS;
}

static void tick(struct collector *collector)
{
	uint64_t now_ns = collector_now();

	opener_link_tick(collector->opener, now_ns);
	resolver_link_tick(collector->resolver, now_ns);
	debug_files_flush(collector->debug_files);
	debug_answers_tick(collector, now_ns);
	if (collector->start_ns && !collector->is_sampling_over)
		unwinding_tick(collector->unwinding, now_ns);
	if (!collector->start_ns || collector->stop_ns || now_ns < collector->next_drain_ns)
		return;
	collector->next_drain_ns = now_ns + drain_interval(collector, now_ns);
	loop_tell_self(collector);
	loop_drain(collector, now_ns, now_ns);
	if (now_ns >= collector->next_cpus_ns) {
		collector->next_cpus_ns = now_ns + CPU_INTERVAL_NS;
		follow_cpus(collector);
	}
	if (now_ns >= collector->next_usage_ns) {
		collector->next_usage_ns = now_ns + USAGE_INTERVAL_NS;
		opener_link_ping(collector->opener);
		resolver_link_ping(collector->resolver);
		if (collector->downloads)
			worker_ping(downloads_worker(collector->downloads));
		truth_measure_memory(collector);
	}
	/* Behind a drain: what a sample of the epoch before names is still known. */
	if (now_ns >= collector->next_epoch_ns || attribution_wants_epoch(collector->attribution)) {
		collector->next_epoch_ns = now_ns + EPOCH_NS;
		sampler_next_epoch(collector->sampler);
		attribution_next_epoch(collector->attribution);
	}
	show_progress(collector, now_ns);
}

static void read_signals(struct collector *collector)
{
	struct signalfd_siginfo info;

	while (read(collector->signal_fd, &info, sizeof(info)) == sizeof(info))
		if (info.ssi_signo != SIGCHLD) {
			collector->is_interrupted = true;
			collector->is_impatient = collector->stop_ns;
		}
}

/* One round of the loop: waits for something to happen, at most until the next drain. */
void loop_pump(struct collector *collector)
{
	struct epoll_event events[8];
	int n = epoll_wait(collector->epoll_fd, events, 8,
			   (int)(drain_interval(collector, collector_now()) / NSEC_PER_MSEC));

	for (int i = 0; i < n; i++) {
		bool is_writable = events[i].events & EPOLLOUT;

		switch (events[i].data.u32) {
		case TAG_SIGNAL:
			read_signals(collector);
			break;
		case TAG_SAMPLER:
		case TAG_SIDEBAND: /* a high-water mark */
			collector->next_drain_ns = 0;
			break;
		case TAG_OPENER:
			opener_link_serve(collector->opener, collector_now(), is_writable);
			break;
		case TAG_RESOLVER:
			resolver_link_serve(collector->resolver, collector_now(), is_writable);
			break;
		case TAG_SENDER:
			downloads_serve(collector->downloads, collector_now(), is_writable);
			break;
		}
	}
	tick(collector);
}
