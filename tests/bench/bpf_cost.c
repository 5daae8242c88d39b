/* SPDX-License-Identifier: Apache-2.0 */
/* What a run of the sampling program costs, beside a program that uses bpf_get_stackid(), on the same process with a
 * stack of known depth. Both are timed by the kernel (BPF statistics). Prints a line a figure:
 *     name target measured ok|MISS
 * and exits with 1 when one misses. Needs root. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "collector/sampler_internal.h"
#include "profiler.skel.h"

#include "bpf_cost.skel.h"

/* Of different length, so that the two programs do not run back to back. */
#define OUR_PERIOD_NS 211000
#define THEIR_PERIOD_NS 223000
#define SLICES 5
#define SLICE_MS 400

static const struct {
	int depth;
	double target; /* our cost as a share of theirs */
} figures[] = {{3, 1.0}, {30, 0.6}, {100, 0.6}};

static volatile uint64_t work;
static volatile sig_atomic_t is_over; /* never: the load is killed */

/* Reading its own frame address makes the compiler keep a frame pointer, and something to do after the call makes it a
 * call. */
static __attribute__((noinline)) uint64_t descend(int depth)
{
	uint64_t here = (uint64_t)__builtin_frame_address(0);

	if (depth > 1) {
		here += descend(depth - 1);
		__asm__ volatile("" : "+r"(here));
		return here;
	}
	while (!is_over)
		work += here;
	return here;
}

static pid_t start_load(int depth)
{
	pid_t parent = getpid(), pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
		_exit((int)descend(depth));
	}
	return pid;
}

static int open_event(pid_t pid, uint64_t period_ns, int prog_fd)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = period_ns,
	};
	int fd = (int)syscall(SYS_perf_event_open, &attr, pid, -1, -1, PERF_FLAG_FD_CLOEXEC);

	if (fd < 0 || ioctl(fd, PERF_EVENT_IOC_SET_BPF, prog_fd)) {
		perror("perf_event_open");
		exit(1);
	}
	return fd;
}

static void run_cost(int prog_fd, uint64_t *ret_ns, uint64_t *ret_runs)
{
	struct bpf_prog_info info = {0};
	uint32_t len = sizeof(info);

	if (bpf_obj_get_info_by_fd(prog_fd, &info, &len)) {
		perror("bpf_obj_get_info_by_fd");
		exit(1);
	}
	*ret_ns = info.run_time_ns;
	*ret_runs = info.run_cnt;
}

static double cost_of_slice(int prog_fd, uint64_t *ns, uint64_t *runs)
{
	uint64_t was_ns = *ns, was_runs = *runs;

	run_cost(prog_fd, ns, runs);
	return *runs > was_runs ? (double)(*ns - was_ns) / (double)(*runs - was_runs) : 0;
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static int drop_record(void *ctx, void *record, size_t size)
{
	(void)ctx, (void)record, (void)size;
	return 0;
}

/* The two costs in ns a run: medians over the slices. */
static void measure(int depth, int ours, int theirs, struct ring_buffer *ring, double *ret_ours, double *ret_theirs)
{
	const struct timespec slice = {0, SLICE_MS * NSEC_PER_MSEC};
	uint64_t our_ns = 0, our_runs = 0, their_ns = 0, their_runs = 0;
	double our_costs[SLICES], their_costs[SLICES];
	pid_t pid = start_load(depth);
	int our_event, their_event;

	if (pid < 0) {
		perror("fork");
		exit(1);
	}
	our_event = open_event(pid, OUR_PERIOD_NS, ours);
	their_event = open_event(pid, THEIR_PERIOD_NS, theirs);
	/* The first slice warms up. */
	for (int i = -1; i < SLICES; i++) {
		double our_cost, their_cost;

		nanosleep(&slice, NULL);
		ring_buffer__consume(ring);
		our_cost = cost_of_slice(ours, &our_ns, &our_runs);
		their_cost = cost_of_slice(theirs, &their_ns, &their_runs);
		if (i >= 0) {
			our_costs[i] = our_cost;
			their_costs[i] = their_cost;
		}
	}
	close(our_event);
	close(their_event);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	qsort(our_costs, SLICES, sizeof(*our_costs), compare_doubles);
	qsort(their_costs, SLICES, sizeof(*their_costs), compare_doubles);
	*ret_ours = our_costs[SLICES / 2];
	*ret_theirs = their_costs[SLICES / 2];
}

int main(void)
{
	const struct sampler_options options = {.rate_hz = 4999};
	struct sampler_settings settings = {0};
	struct problem problem = {0};
	struct profiler *profiler = NULL;
	struct bpf_cost *common = NULL;
	struct ring_buffer *ring = NULL;
	int stats_fd = bpf_enable_stats(BPF_STATS_RUN_TIME), missed = 0;
	char text[1024];

	if (stats_fd < 0) {
		fprintf(stderr, "bpf_cost: cannot enable BPF statistics: run as root\n");
		return 1;
	}
	if (programs_load(&options, cpus_possible(), &settings, &profiler, &problem)) {
		problem_text(&problem, text, sizeof(text));
		fprintf(stderr, "bpf_cost: %s\n", text);
		return 1;
	}
	common = bpf_cost__open_and_load();
	ring = ring_buffer__new(bpf_map__fd(profiler->maps.ring), drop_record, NULL, NULL);
	if (!common || !ring) {
		fprintf(stderr, "bpf_cost: cannot load the program to compare with\n");
		return 1;
	}
	for (size_t i = 0; i < sizeof(figures) / sizeof(*figures); i++) {
		double ours, theirs, ratio;
		bool ok;

		measure(figures[i].depth, bpf_program__fd(profiler->progs.sample),
			bpf_program__fd(common->progs.by_stackid), ring, &ours, &theirs);
		ratio = theirs > 0 ? ours / theirs : 99;
		ok = ours > 0 && ratio <= figures[i].target;
		missed += !ok;
		printf("bpf_cost_depth_%d <=%.2f %.2f %s\n", figures[i].depth, figures[i].target, ratio,
		       ok ? "ok" : "MISS");
		fprintf(stderr, "  depth %d: %.0f ns a run, bpf_get_stackid %.0f ns\n", figures[i].depth, ours, theirs);
	}
	ring_buffer__free(ring);
	bpf_cost__destroy(common);
	profiler__destroy(profiler);
	close(stats_fd);
	return missed > 0;
}
