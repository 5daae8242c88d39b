/* SPDX-License-Identifier: Apache-2.0 */
/* What a frame costs in a program that is no loop: the newest clang++ there is compiles a file full of templates,
 * sampled at 99 Hz, so that tables and stacks have left the caches from one sample to the next. First the walk alone is
 * timed, from the registers to its end, in three compilations of which the least counts: memory is shared with whatever
 * else the host runs. Then the whole sampling program, of which the walk is a part. Prints
 * "name target measured ok|MISS"; exit status 1 on a MISS. Needs root and clang++. usage: compile_cost FILE.cc */
#include <time.h>

#include "walked_process.h"

#include "walk_cost.skel.h"

#define TARGET_FRAME_NS 450
#define RATE_HZ 99
/* The program has mapped its libraries by then. */
#define STARTED_NS (150 * NSEC_PER_MSEC)
#define MIN_SAMPLES 200
#define COMPILATIONS 3

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

/* As in walk_cost.bpf.c. */
struct walk_sum {
	uint64_t walks, frames, ns, incomplete;
};

/* The program that times the walk works on the tables of the one that is measured. */
static struct walk_cost *load_walk_cost(const struct walker *walker)
{
	struct walk_cost *timed = walk_cost__open();
	struct bpf_program *program;
	struct bpf_map *map;

	if (!timed)
		fail("walk_cost");
	bpf_object__for_each_program(program, timed->obj)
		bpf_program__set_autoload(program, program == timed->progs.time_walk);
	bpf_object__for_each_map(map, timed->obj)
	{
		const char *section = strchr(bpf_map__name(map), '.');
		const struct bpf_map *shared =
			bpf_object__find_map_by_name(walker->programs->obj, section ? section : bpf_map__name(map));

		if (shared && bpf_map__reuse_fd(map, bpf_map__fd(shared)))
			fail("bpf_map__reuse_fd");
	}
	if (walk_cost__load(timed))
		fail("walk_cost");
	return timed;
}

/* The compiler runs from its start to its end, with the program on it. */
static void compile(struct walker *walker, const char *source, int prog_fd, struct walked *ret)
{
	const struct timespec while_starting = {0, 10 * NSEC_PER_MSEC}, interval = {0, 200 * NSEC_PER_MSEC};
	struct watched published, timed;
	struct walked walked;
	pid_t pid = start_compiler(source);

	while (pid > 0 && cpu_ns(pid) < STARTED_NS && !waitpid(pid, NULL, WNOHANG))
		nanosleep(&while_starting, NULL);
	watch(&published, pid, NSEC_PER_SEC / RATE_HZ, walker_prog_fd(walker));
	publish_watched(walker, &published);
	watch(&timed, pid, NSEC_PER_SEC / RATE_HZ, prog_fd);
	*ret = (struct walked){0};
	ioctl(timed.event_fd, PERF_EVENT_IOC_ENABLE, 0);
	kill(pid, SIGCONT);
	while (!waitpid(pid, NULL, WNOHANG)) {
		nanosleep(&interval, NULL);
		walked = walker_read(walker);
		add(ret, &walked);
	}
	walked = walker_read(walker);
	add(ret, &walked);
	close(timed.event_fd);
	close(published.event_fd);
}

/* ns a frame of one compilation, the walk alone; 0: too few walks, or too many that do not reach their root. */
static double time_walks(struct walker *walker, const char *source, struct walk_cost *timed)
{
	struct walk_sum sum = {0};
	struct walked unused;
	uint32_t zero = 0;

	if (bpf_map__update_elem(timed->maps.walk_cost, &zero, sizeof(zero), &sum, sizeof(sum), 0))
		fail("walk_cost");
	compile(walker, source, bpf_program__fd(timed->progs.time_walk), &unused);
	if (bpf_map__lookup_elem(timed->maps.walk_cost, &zero, sizeof(zero), &sum, sizeof(sum), 0))
		fail("walk_cost");
	fprintf(stderr, "  %lu walks, %.1f frames each, %lu do not reach their root; %.0f ns each\n", sum.walks,
		(double)sum.frames / (double)(sum.walks ? sum.walks : 1), sum.incomplete,
		(double)sum.ns / (double)(sum.walks ? sum.walks : 1));
	if (sum.walks < MIN_SAMPLES || sum.incomplete * 100 > sum.walks)
		return 0;
	return (double)sum.ns / (double)sum.frames;
}

int main(int argc, char **argv)
{
	int stats_fd = bpf_enable_stats(BPF_STATS_RUN_TIME), missed;
	uint64_t before_ns, before_runs, ns, runs;
	double frame_ns[COMPILATIONS];
	static struct walker walker;
	struct walked walked;
	struct walk_cost *timed;

	if (argc != 2 || stats_fd < 0)
		fail("usage: compile_cost FILE.cc (as root)");
	walker_init(&walker);
	timed = load_walk_cost(&walker);
	for (size_t i = 0; i < COMPILATIONS; i++)
		frame_ns[i] = time_walks(&walker, argv[1], timed);
	median(frame_ns, COMPILATIONS); /* sorts them */
	missed = report_at_most("unwind_frame_of_compiler", TARGET_FRAME_NS, frame_ns[0], "ns");
	program_runs(walker_prog_fd(&walker), &before_ns, &before_runs);
	compile(&walker, argv[1], walker_prog_fd(&walker), &walked);
	program_runs(walker_prog_fd(&walker), &ns, &runs);
	ns -= before_ns;
	runs -= before_runs;
	fprintf(stderr,
		"  %lu samples, %.1f user frames each, %lu do not reach their root, %lu copies; %.0f ns a sample, "
		"%.0f ns a frame, all counted\n",
		walked.samples, (double)walked.frames / (double)(walked.samples ? walked.samples : 1),
		walked.incomplete, walked.copies, (double)ns / (double)(runs ? runs : 1),
		(double)ns / (double)(walked.frames ? walked.frames : 1));
	if (walked.samples < MIN_SAMPLES || walked.copies * 100 > walked.samples)
		missed++;
	walk_cost__destroy(timed);
	walker_release(&walker);
	close(stats_fd);
	return missed > 0;
}
