/* SPDX-License-Identifier: Apache-2.0 */
/* What a run of the sampling program costs, beside a program that uses bpf_get_stackid(), on the same process with a
 * stack of known depth. Both are timed by the kernel (BPF statistics). Prints a line a figure:
 *     name target measured ok|MISS
 * and exits with 1 when one misses. Needs root. */
#include <sys/prctl.h>

#include "walked_process.h"

#include "bpf_cost.skel.h"

#define PERIOD_NS 211000
#define SLICES 21
#define SLICE_MS 80

static const struct {
	int depth;
	double target; /* our cost as a share of theirs */
} figures[] = {{3, 1.3}, {30, 1.3}, {100, 1.3}};

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

/* The two costs in ns a run: medians over the slices. */
static void measure(struct walker *walker, int depth, int theirs_fd, double *ret_ours, double *ret_theirs)
{
	struct watched ours, theirs;
	struct walked walked;

	watch(&ours, start_load(depth), PERIOD_NS, walker_prog_fd(walker));
	watch(&theirs, start_load(depth), PERIOD_NS, theirs_fd);
	publish_watched(walker, &ours);
	/* The first slice warms up. */
	for (int i = -1; i < SLICES; i++) {
		double our_ns = run_slice(&ours, SLICE_MS), their_ns = run_slice(&theirs, SLICE_MS);

		walked = walker_read(walker);
		if (walked.copies || walked.incomplete)
			fprintf(stderr, "bpf_cost: of %lu stacks %lu do not reach their root\n", walked.samples,
				walked.copies + walked.incomplete);
		if (i < 0)
			continue;
		keep_slice(&ours, our_ns);
		keep_slice(&theirs, their_ns);
	}
	unwatch(&ours);
	unwatch(&theirs);
	*ret_ours = median(ours.ns, ours.n);
	*ret_theirs = median(theirs.ns, theirs.n);
}

int main(void)
{
	int stats_fd = bpf_enable_stats(BPF_STATS_RUN_TIME), missed = 0;
	static struct walker walker;
	struct bpf_cost *common;

	if (stats_fd < 0)
		fail("bpf_cost: cannot enable BPF statistics");
	walker_init(&walker);
	common = bpf_cost__open_and_load();
	if (!common)
		fail("bpf_cost: cannot load the program to compare with");
	for (size_t i = 0; i < sizeof(figures) / sizeof(*figures); i++) {
		double ours, theirs, ratio;
		bool ok;

		measure(&walker, figures[i].depth, bpf_program__fd(common->progs.by_stackid), &ours, &theirs);
		ratio = theirs > 0 ? ours / theirs : 99;
		ok = ours > 0 && ratio <= figures[i].target;
		missed += !ok;
		printf("bpf_cost_depth_%d <=%.2f %.2f %s\n", figures[i].depth, figures[i].target, ratio,
		       ok ? "ok" : "MISS");
		fprintf(stderr, "  depth %d: %.0f ns a run, bpf_get_stackid %.0f ns\n", figures[i].depth, ours, theirs);
	}
	walker_release(&walker);
	bpf_cost__destroy(common);
	close(stats_fd);
	return missed > 0;
}
