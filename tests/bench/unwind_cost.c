/* SPDX-License-Identifier: Apache-2.0 */
/* What a frame and a sample cost where frame pointers are left out, beside the kernel's own walk of the same program
 * built with them: workloads/frames at three depths, one slice each in turns. The line through the shallow and the deep
 * stack gives the cost of a frame (its slope) and what a sample costs without frames. Prints "name target measured
 * ok|MISS" a line; exit status 1 on a MISS. Needs root, and $WORKLOADS. */
#include <string.h>

#include "walked_process.h"

#include "bpf_cost.skel.h"

/* Prime to each other and to what else ticks. */
#define PERIOD_NS 211000
#define SLICES 21
#define SLICE_MS 80

#define TARGET_FRAME_NS 70
#define TARGET_RATIO 1.3
#define TARGET_FIXED_NS 1500

static const int depths[] = {10, 50, 120};
#define DEPTHS (sizeof(depths) / sizeof(*depths))

struct stack_cost {
	struct watched watched;
	double frames; /* a sample */
};

struct line {
	double fixed_ns, frame_ns;
	double middle_ns; /* a frame of the stack of middle depth */
};

static pid_t start_frames(const char *variant, int depth)
{
	const char *folder = getenv("WORKLOADS");
	char path[4096], argument[16];
	pid_t pid;

	snprintf(path, sizeof(path), "%s/frames-%s", folder ? folder : "build/tests/workloads", variant);
	snprintf(argument, sizeof(argument), "%d", depth);
	pid = fork();
	if (pid == 0) {
		execl(path, path, argument, (char *)NULL);
		perror(path);
		_exit(127);
	}
	return pid;
}

static struct line fit(struct stack_cost costs[DEPTHS])
{
	double shallow = median(costs[0].watched.ns, costs[0].watched.n);
	double middle = median(costs[1].watched.ns, costs[1].watched.n);
	double deep = median(costs[2].watched.ns, costs[2].watched.n);
	struct line line;

	line.frame_ns = (deep - shallow) / (costs[2].frames - costs[0].frames);
	line.fixed_ns = shallow - line.frame_ns * costs[0].frames;
	line.middle_ns = (middle - line.fixed_ns) / costs[1].frames;
	fprintf(stderr, "  ns a run: %.0f (%.0f frames), %.0f (%.0f), %.0f (%.0f); best slices: %.0f, %.0f, %.0f\n",
		shallow, costs[0].frames, middle, costs[1].frames, deep, costs[2].frames, costs[0].watched.ns[0],
		costs[1].watched.ns[0], costs[2].watched.ns[0]);
	return line;
}

int main(void)
{
	struct stack_cost ours[DEPTHS] = {0}, kernels[DEPTHS] = {0};
	int stats_fd = bpf_enable_stats(BPF_STATS_RUN_TIME), missed = 0;
	struct walked walked = {0};
	struct line our_line, kernel_line;
	static struct walker walker;
	struct bpf_cost *common;

	if (stats_fd < 0)
		fail("unwind_cost: cannot enable BPF statistics");
	walker_init(&walker);
	common = bpf_cost__open_and_load();
	if (!common)
		fail("unwind_cost: cannot load the program to compare with");
	for (size_t i = 0; i < DEPTHS; i++) {
		watch(&ours[i].watched, start_frames("omit", depths[i]), PERIOD_NS, walker_prog_fd(&walker));
		publish_watched(&walker, &ours[i].watched);
		watch(&kernels[i].watched, start_frames("fp", depths[i]), PERIOD_NS,
		      bpf_program__fd(common->progs.by_frame_pointers));
	}
	/* The first round warms up. */
	for (int slice = -1; slice < SLICES; slice++) {
		for (size_t i = 0; i < DEPTHS; i++) {
			double our_ns = run_slice(&ours[i].watched, SLICE_MS);
			double kernel_ns = run_slice(&kernels[i].watched, SLICE_MS);

			walked = walker_read(&walker);
			if (slice < 0)
				continue;
			if (walked.copies || walked.incomplete)
				missed++;
			keep_slice(&ours[i].watched, our_ns);
			keep_slice(&kernels[i].watched, kernel_ns);
			if (walked.samples)
				ours[i].frames = (double)walked.frames / (double)walked.samples;
			kernels[i].frames = (double)common->bss->user_stack_bytes / sizeof(uint64_t);
		}
	}
	if (missed)
		fprintf(stderr, "unwind_cost: %d slices had stacks that do not reach their root\n", missed);
	our_line = fit(ours);
	kernel_line = fit(kernels);
	missed += report_at_most("unwind_frame", TARGET_FRAME_NS, our_line.frame_ns, "ns");
	missed += report_at_most("unwind_frame_of_50", TARGET_FRAME_NS, our_line.middle_ns, "ns");
	missed += report_at_most("unwind_frame_to_kernels", TARGET_RATIO, our_line.frame_ns / kernel_line.frame_ns, "");
	missed += report_at_most("unwind_sample_fixed", TARGET_FIXED_NS, our_line.fixed_ns, "ns");
	fprintf(stderr, "  kernel's walk by frame pointers: %.1f ns a frame, %.0f ns fixed\n", kernel_line.frame_ns,
		kernel_line.fixed_ns);
	for (size_t i = 0; i < DEPTHS; i++) {
		unwatch(&ours[i].watched);
		unwatch(&kernels[i].watched);
	}
	walker_release(&walker);
	bpf_cost__destroy(common);
	close(stats_fd);
	return missed > 0;
}
