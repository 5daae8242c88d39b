/* SPDX-License-Identifier: Apache-2.0 */
/* What a frame costs in a program that is no loop: the newest clang++ there is compiles a file full of templates,
 * sampled at 99 Hz, so that tables and stacks have left the caches from one sample to the next. All that the sampling
 * program does is divided by the user frames that it delivers. Prints "name target measured ok|MISS"; exit status 1 on
 * a MISS. Needs root and clang++. usage: compile_cost FILE.cc */
#include <time.h>

#include "walked_process.h"

#include "bpf_cost.skel.h"

#define TARGET_FRAME_NS 450
#define RATE_HZ 99
#define OTHER_RATE_HZ 97
/* The program has mapped its libraries by then. */
#define STARTED_NS (150 * NSEC_PER_MSEC)
#define MIN_SAMPLES 200

static pid_t start_compiler(const char *source)
{
	pid_t pid = fork();

	if (pid == 0) {
		execlp("clang++", "clang++", "-std=c++17", "-O2", "-c", source, "-o", "/dev/null", (char *)NULL);
		perror("clang++");
		_exit(127);
	}
	return pid;
}

static uint64_t cpu_ns(pid_t pid)
{
	struct timespec time = {0};
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &time))
		return 0;
	return (uint64_t)time.tv_sec * NSEC_PER_SEC + (uint64_t)time.tv_nsec;
}

static void add(struct walked *sum, const struct walked *one)
{
	sum->samples += one->samples;
	sum->frames += one->frames;
	sum->copies += one->copies;
	sum->incomplete += one->incomplete;
}

int main(int argc, char **argv)
{
	const struct timespec while_starting = {0, 10 * NSEC_PER_MSEC}, interval = {0, 200 * NSEC_PER_MSEC};
	int stats_fd = bpf_enable_stats(BPF_STATS_RUN_TIME), missed;
	uint64_t before_ns, before_runs, ns, runs, other_ns, other_runs;
	struct watched compiler, other;
	struct walked sum = {0}, walked;
	static struct walker walker;
	struct bpf_cost *common;
	pid_t pid;

	if (argc != 2 || stats_fd < 0)
		fail("usage: compile_cost FILE.cc (as root)");
	walker_init(&walker);
	common = bpf_cost__open_and_load();
	if (!common)
		fail("compile_cost: cannot load the program to compare with");
	pid = start_compiler(argv[1]);
	while (pid > 0 && cpu_ns(pid) < STARTED_NS && !waitpid(pid, NULL, WNOHANG))
		nanosleep(&while_starting, NULL);
	watch(&compiler, pid, NSEC_PER_SEC / RATE_HZ, walker_prog_fd(&walker));
	publish_watched(&walker, &compiler);
	watch(&other, pid, NSEC_PER_SEC / OTHER_RATE_HZ, bpf_program__fd(common->progs.by_frame_pointers));
	program_runs(compiler.prog_fd, &before_ns, &before_runs);
	ioctl(other.event_fd, PERF_EVENT_IOC_ENABLE, 0);
	ioctl(compiler.event_fd, PERF_EVENT_IOC_ENABLE, 0);
	kill(pid, SIGCONT);
	while (!waitpid(pid, NULL, WNOHANG)) {
		nanosleep(&interval, NULL);
		walked = walker_read(&walker);
		add(&sum, &walked);
	}
	walked = walker_read(&walker);
	add(&sum, &walked);
	program_runs(compiler.prog_fd, &ns, &runs);
	program_runs(other.prog_fd, &other_ns, &other_runs);
	close(compiler.event_fd);
	close(other.event_fd);
	fprintf(stderr,
		"  %lu samples, %.1f user frames each, %lu do not reach their root, %lu copies; %.0f ns a sample "
		"(the least of programs: %.0f ns)\n",
		sum.samples, (double)sum.frames / (double)(sum.samples ? sum.samples : 1), sum.incomplete, sum.copies,
		(double)(ns - before_ns) / (double)(runs > before_runs ? runs - before_runs : 1),
		(double)other_ns / (double)(other_runs ? other_runs : 1));
	missed = sum.samples < MIN_SAMPLES || !sum.frames || sum.copies * 100 > sum.samples;
	missed += report_at_most("unwind_frame_of_compiler", TARGET_FRAME_NS,
				 missed ? 0 : (double)(ns - before_ns) / (double)sum.frames, "ns");
	walker_release(&walker);
	bpf_cost__destroy(common);
	close(stats_fd);
	return missed > 0;
}
