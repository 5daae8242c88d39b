/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/record.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "base/text.h"
#include "cli/debuginfod.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/report.h"
#include "cli/unnamed_report.h"
#include "collector/collector.h"
#include "ipc/confine.h"
#include "ipc/memfd.h"
#include "wire/sampler.h"

#define EXIT_OK 0
#define EXIT_RUNTIME 1
#define HOST_BYTES 256
#define DEFAULT_PATH_BYTES 320
#define CGROUP_PATH_BYTES 4096
#define MAX_OUTPUT_BYTES (1ULL << 30)
/* Of --mem: a third, and a quarter. */

struct recording {
	const struct record_options *options;
	struct progress *progress;
};

static void on_progress(void *ctx, double elapsed_seconds, uint64_t samples, uint64_t processes, uint64_t lost)
{
	struct recording *recording = ctx;

	progress_update(recording->progress, elapsed_seconds, samples, processes, lost);
}

static void on_note(void *ctx, const char *text)
{
	struct recording *recording = ctx;

	progress_note(recording->progress, text);
}

/* "--folded -": the only output without a path. */
static int on_deliver(void *ctx, uint32_t output, int fd)
{
	struct memfd_map map;
	int err = memfd_map(fd, MAX_OUTPUT_BYTES, &map);

	(void)ctx;
	(void)output;
	if (err)
		return err;
	err = io_write_full(STDOUT_FILENO, map.bytes, map.len);
	memfd_unmap(&map);
	return err;
}

/* "hostprof-HOST-20261121-104530" */
static void default_directory(char *to, size_t size)
{
	char host[HOST_BYTES] = "", safe_host[64], stamp[32];
	time_t now = time(NULL);
	struct tm tm;

	gethostname(host, sizeof(host) - 1);
	text_file_name(safe_host, sizeof(safe_host), host);
	localtime_r(&now, &tm);
	strftime(stamp, sizeof(stamp), "%Y%m%d-%H%M%S", &tm);
	snprintf(to, size, "hostprof-%s-%s", safe_host, stamp);
}

static void add_format(struct collector_output *output, enum output_format format, const char *name)
{
	output->formats[output->n_formats].format = format;
	output->formats[output->n_formats].name = name;
	output->n_formats++;
}

static void describe_output(const struct record_options *options, const struct record_output *wanted,
			    const char *default_path, struct collector_output *ret)
{
	*ret = (struct collector_output){.path = wanted->path ? wanted->path : default_path,
					 .place = OUTPUT_FILE,
					 .flags = options->force ? OUTPUT_FORCE : 0};
	switch (wanted->kind) {
	case RECORD_OUTPUT_DIRECTORY:
		ret->place = OUTPUT_DIRECTORY;
		add_format(ret, OUTPUT_PPROF_EACH, "");
		add_format(ret, OUTPUT_PPROF_MERGED, "all.pb.gz");
		add_format(ret, OUTPUT_FLAMEGRAPH, "flame.html");
		break;
	case RECORD_OUTPUT_PPROF:
		add_format(ret, OUTPUT_PPROF_MERGED, "");
		break;
	case RECORD_OUTPUT_HTML:
		add_format(ret, OUTPUT_FLAMEGRAPH, "");
		break;
	case RECORD_OUTPUT_FOLDED:
		if (!strcmp(ret->path, "-"))
			ret->path = NULL;
		add_format(ret, OUTPUT_FOLDED, "");
		break;
	}
}

/* In which hierarchy the directory is; 0: in none that processes can be found by. */
static uint8_t cgroup_hierarchy(const char *path)
{
	static const struct {
		const char *file; /* that every cgroup of the hierarchy has, its root included */
		uint8_t hierarchy;
	} kinds[] = {
		{"memory.usage_in_bytes", SAMPLER_CGROUP_V1_MEMORY},
		{"pids.current", SAMPLER_CGROUP_V1_PIDS},
	};
	char file[CGROUP_PATH_BYTES + 32];
	struct statfs fs;

	if (statfs(path, &fs))
		return 0;
	if (fs.f_type == CGROUP2_SUPER_MAGIC)
		return SAMPLER_CGROUP_V2;
	for (size_t i = 0; fs.f_type == CGROUP_SUPER_MAGIC && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		snprintf(file, sizeof(file), "%s/%s", path, kinds[i].file);
		if (!access(file, F_OK))
			return kinds[i].hierarchy;
	}
	return 0;
}

/* A cgroup's id is the inode of its directory. A path that is not there is looked for in each hierarchy. */
static int find_cgroup(const char *path, struct sampler_options *ret)
{
	static const char *const roots[] = {"", "/sys/fs/cgroup/", "/sys/fs/cgroup/unified/", "/sys/fs/cgroup/memory/",
					    "/sys/fs/cgroup/pids/"};

	for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++) {
		char full[CGROUP_PATH_BYTES];
		struct stat st;

		if (snprintf(full, sizeof(full), "%s%s", roots[i], path) >= (int)sizeof(full) || stat(full, &st) ||
		    !S_ISDIR(st.st_mode))
			continue;
		ret->cgroup_hierarchy = cgroup_hierarchy(full);
		if (!ret->cgroup_hierarchy)
			continue;
		ret->cgroup_id = st.st_ino;
		return 0;
	}
	return -ENOENT;
}

static int describe_sampling(const struct record_options *options, struct sampler_options *ret, struct problem *problem)
{
	*ret = (struct sampler_options){.rate_hz = options->rate_hz,
					.event = options->event_cycles ? SAMPLER_CYCLES : SAMPLER_CPU_CLOCK,
					.tgids = options->n_pids ? options->pids : NULL,
					.n_tgids = options->n_pids,
					.follow_children = options->children,
					.comms = options->n_comms ? options->comms : NULL,
					.n_comms = options->n_comms,
					.exclude_self = options->exclude_self,
					.kernel_only = options->kernel_only,
					.user_only = options->user_only,
					.with_threads = options->threads};
	for (size_t i = 0; i < options->n_pids; i++) {
		char path[32];

		snprintf(path, sizeof(path), "/proc/%u", options->pids[i]);
		if (access(path, F_OK))
			return problem_set(problem, -ESRCH,
					   "check the number with ps; a process that has ended cannot be profiled",
					   "no process %u", options->pids[i]);
	}
	if (options->cgroup && find_cgroup(options->cgroup, ret))
		return problem_set(
			problem, -ENOENT,
			"give its directory under /sys/fs/cgroup (v2, or the memory or pids hierarchy of v1)",
			"no cgroup '%s'", options->cgroup);
	return 0;
}

static int describe_downloads(const struct record_options *options, struct debuginfod_use *use,
			      struct collector_options *collector, struct problem *problem)
{
	struct debuginfod_environment environment;
	int err;

	debuginfod_environment_read(invoker_from_environment().uid, &environment);
	err = debuginfod_use_init(use, &options->debuginfod, &environment, problem);
	if (!err && options->debuginfod.is_on)
		collector->downloads = &use->settings;
	return err;
}

static void on_started(void *ctx)
{
	const struct recording *recording = ctx;
	const struct record_options *options = recording->options;
	char span[64] = "until Ctrl-C";

	if (options->quiet)
		return;
	if (options->command)
		snprintf(span, sizeof(span), "until the command ends");
	if (options->duration_seconds > 0)
		snprintf(span, sizeof(span), "for %g s", options->duration_seconds);
	fprintf(stderr, "hostprof: profiling %s %s at %u Hz\n",
		options->n_pids || options->n_comms || options->cgroup || (options->command && !options->all_processes)
			? "the chosen processes"
			: "all processes",
		span, options->rate_hz);
}

static int show(const struct record_options *options, const struct collector_result *result)
{
	int err = 0;

	if (!options->quiet)
		report_print(stderr, &result->summary, &result->truth, result->files, result->n_files);
	if (!options->quiet && options->verbose) {
		report_print_ends(stderr, &result->summary);
		unnamed_report_print(stderr, &result->summary);
	}
	if (options->json)
		err = report_json(stdout, &result->summary, &result->truth, result->files, result->n_files);
	if (err)
		fprintf(stderr, "hostprof: cannot write to stdout: %s\n", err_name(err));
	return err;
}

int record_run(const struct record_options *options, uint64_t program_start_ns)
{
	struct recording recording = {.options = options};
	struct collector_output outputs[RECORD_MAX_OUTPUTS];
	struct collector_options collector = {.duration_seconds = options->duration_seconds,
					      .command = options->command,
					      .follows_command = !options->all_processes,
					      .with_error_frames = options->error_frames,
					      .demangle = options->demangle,
					      .debug_directories = options->debug_directories.paths,
					      .n_debug_directories = (uint32_t)options->debug_directories.n,
					      .trusts_kernel = options->trusts_kernel,
					      .memory_bytes = options->memory_bytes,
					      .outputs = outputs,
					      .program_start_ns = program_start_ns,
					      .started = on_started,
					      .progress = on_progress,
					      .note = on_note,
					      .deliver = on_deliver,
					      .spell = report_pairs,
					      .ctx = &recording};
	char default_path[DEFAULT_PATH_BYTES], text[1024];
	struct debuginfod_use debuginfod = {0};
	struct collector_result *result = calloc(1, sizeof(*result));
	struct problem problem = {0};
	int err, status;

	if (!result)
		return EXIT_RUNTIME;
	default_directory(default_path, sizeof(default_path));
	for (size_t i = 0; i < options->n_outputs; i++)
		describe_output(options, &options->outputs[i], default_path, &outputs[collector.n_outputs++]);

	err = describe_sampling(options, &collector.sampler, &problem);
	if (!err)
		err = describe_downloads(options, &debuginfod, &collector, &problem);
	if (!err)
		err = progress_new(options->duration_seconds, options->quiet, &recording.progress);
	if (!err) {
		err = collector_run(&collector, result, &problem);
		progress_free(recording.progress);
		if (!err)
			err = show(options, result);
		else if (options->json && result->has_truth) /* what became of the samples is no secret then */
			report_json(stdout, &result->summary, &result->truth, result->files, result->n_files);
	}
	if (problem.err) {
		problem_text(&problem, text, sizeof(text));
		fprintf(stderr, "hostprof: %s\n", text);
	}
	status = err ? EXIT_RUNTIME : EXIT_OK;
	if (!err && result->has_command_status)
		status = result->command_status;
	collector_result_release(result);
	debuginfod_use_release(&debuginfod);
	free(result);
	return status;
}
