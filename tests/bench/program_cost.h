/* SPDX-License-Identifier: Apache-2.0 */
/* What a run of a BPF program costs on one process, as the kernel's statistics tell (BPF_ENABLE_STATS). Several costs
 * are measured in turns, a slice each, and compared by their medians: what else the machine does meets all alike. */
#pragma once

#include <bpf/bpf.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define MAX_SLICES 64

static inline void fail(const char *what)
{
	perror(what);
	exit(1);
}

/* A process that runs only while it is measured, and the program on it. */
struct watched {
	pid_t pid;
	int prog_fd, event_fd;
	double ns[MAX_SLICES]; /* a run, by slice */
	size_t n;
};

static inline int compare_costs(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Sorts what was measured. */
static inline double median(double *values, size_t n)
{
	qsort(values, n, sizeof(*values), compare_costs);
	return n ? values[n / 2] : 0;
}

static inline int report_at_most(const char *name, double target, double measured, const char *unit)
{
	int is_met = measured > 0 && measured <= target;

	printf("%s <=%g%s %.4g%s %s\n", name, target, unit, measured, unit, is_met ? "ok" : "MISS");
	return !is_met;
}

static inline void program_runs(int prog_fd, uint64_t *ret_ns, uint64_t *ret_runs)
{
	struct bpf_prog_info info = {0};
	uint32_t len = sizeof(info);

	if (bpf_obj_get_info_by_fd(prog_fd, &info, &len))
		fail("bpf_obj_get_info_by_fd");
	*ret_ns = info.run_time_ns;
	*ret_runs = info.run_cnt;
}

/* Takes the process over: it is stopped, the program is attached to it and disabled. */
static inline void watch(struct watched *watched, pid_t pid, uint64_t period_ns, int prog_fd)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = period_ns,
		.disabled = 1,
	};

	if (pid < 0)
		fail("fork");
	*watched = (struct watched){.pid = pid, .prog_fd = prog_fd};
	watched->event_fd = (int)syscall(SYS_perf_event_open, &attr, pid, -1, -1, PERF_FLAG_FD_CLOEXEC);
	if (watched->event_fd < 0 || ioctl(watched->event_fd, PERF_EVENT_IOC_SET_BPF, prog_fd))
		fail("perf_event_open");
	kill(pid, SIGSTOP);
}

static inline void unwatch(struct watched *watched)
{
	close(watched->event_fd);
	kill(watched->pid, SIGKILL);
	waitpid(watched->pid, NULL, 0);
}

/* Lets the process run for a while. Returns ns a run, 0: the program did not run. */
static inline double run_slice(const struct watched *watched, long milliseconds)
{
	const struct timespec slice = {0, milliseconds * NSEC_PER_MSEC};
	uint64_t before_ns, before_runs, ns, runs;

	program_runs(watched->prog_fd, &before_ns, &before_runs);
	ioctl(watched->event_fd, PERF_EVENT_IOC_ENABLE, 0);
	kill(watched->pid, SIGCONT);
	nanosleep(&slice, NULL);
	kill(watched->pid, SIGSTOP);
	ioctl(watched->event_fd, PERF_EVENT_IOC_DISABLE, 0);
	program_runs(watched->prog_fd, &ns, &runs);
	return runs > before_runs ? (double)(ns - before_ns) / (double)(runs - before_runs) : 0;
}

static inline void keep_slice(struct watched *watched, double ns)
{
	if (ns > 0 && watched->n < MAX_SLICES)
		watched->ns[watched->n++] = ns;
}
