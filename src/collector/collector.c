/* SPDX-License-Identifier: Apache-2.0 */
/* A recording from its start to its files, in the order in which it happens:
 *
 *     start     children started, destinations prepared, kernel symbols asked for, program loaded
 *     sample    every 50 ms: rings read, samples attributed; objects opened as they are met
 *     name      sampling stopped, rings emptied, last files waited for, the batch given to the resolver
 *     write     each profile that comes back is written; done when all are
 *
 * One thread, one epoll. Whatever takes long happens in a child; the ring holds two seconds. */
#include "collector/collector.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "collector_internal.h"
#include "base/cleanup.h"
#include "base/counters.h"
#include "base/log.h"
#include "collector/cpu_time.h"
#include "collector/kernel_guard.h"
#include "collector/registry.h"
#include "collector/sideband.h"
#include "ipc/usage.h"

#define COLLECTOR_NICE (-10)
/* At the end, files that are not open and tables that are not made by then are done without, unless more come. */
#define LAST_FILES_NS (3 * NSEC_PER_SEC)
#define LAST_FILES_MAX_NS (15 * NSEC_PER_SEC)
/* Of the rings' share: for process events, a ring a CPU. */
#define SIDEBAND_RINGS_PART 3
#define SIDEBAND_RING_MIN_BYTES (32u << 10)
#define MAX_KSYMBOLS 65536
#define MAX_KSYMBOL_NAME_BYTES (4u << 20)
#define MAX_FILES (4u << 20)
#define MAX_HELD_WANTS 65536

/* --- start -------------------------------------------------------------------------------------------------------- */

static size_t sideband_ring_size(const struct collector *collector, size_t n_cpus)
{
	size_t bytes = SIDEBAND_RING_BYTES;

	while (bytes > SIDEBAND_RING_MIN_BYTES && bytes * n_cpus > collector->budget.rings / SIDEBAND_RINGS_PART)
		bytes /= 2;
	return bytes;
}

/* Everything that the kernel may refuse. */
static int open_kernel_side(struct collector *collector)
{
	const struct collector_options *options = collector->options;
	struct sideband_options sideband = {0};
	struct sampler_options sampler = options->sampler;
	static const uint32_t nobody_yet;
	const uint32_t *cpus;
	const char *why;
	size_t n_cpus;
	int err;

	if (options->command && options->follows_command) {
		sampler.tgids = &nobody_yet;
		sampler.n_tgids = 0;
		sampler.follow_children = true;
	}
	sampler.table_bytes = collector->budget.tables;
	sampler.ring_limit = collector->budget.rings - collector->budget.rings / SIDEBAND_RINGS_PART;
	err = sampler_open(&sampler, &collector->sampler, collector->problem);
	if (err)
		return err;
	if (sampler_fell_back(collector->sampler, &why))
		log_write(LOG_WARN, COLLECTOR_MODULE,
			  "cycles are not counted here, the cpu clock is sampled instead: %s", why);
	err = collector_start_unwinding(collector);
	if (err)
		return problem_set(collector->problem, err, "", "cannot set up the unwind tables");
	err = sampler_update_cpus(collector->sampler, &cpus, &n_cpus);
	if (err < 0)
		return problem_set(collector->problem, err, "", "cannot tell which CPUs are online");
	sideband.ring_bytes = sideband_ring_size(collector, n_cpus);
	err = sideband_open(&sideband, cpus, n_cpus, &collector->sideband, collector->problem);
	if (err)
		return err;
	err = loop_watch(collector, sampler_epoll_fd(collector->sampler), TAG_SAMPLER);
	if (!err)
		err = loop_watch(collector, sideband_epoll_fd(collector->sideband), TAG_SIDEBAND);
	return err ? problem_set(collector->problem, err, "", "cannot watch the rings") : 0;
}

/* The command is forked before rights are given up: root's command keeps root's. */
static int prepare_command(struct collector *collector)
{
	const struct collector_options *options = collector->options;
	int err;

	if (!options->command)
		return 0;
	err = command_prepare(&collector->command, options->command, collector->invoker, collector->nice);
	if (!err && options->follows_command)
		err = sampler_follow(collector->sampler, (uint32_t)collector->command.pid);
	return err ? problem_set(collector->problem, err, "", "cannot start the command") : 0;
}

static int begin(struct collector *collector)
{
	int err = confine_collector();

	if (err)
		return problem_set(collector->problem, err, "", "cannot give up rights");
	loop_tell_self(collector);
	err = prepare_sampling(collector);
	if (!err)
		err = sampler_start(collector->sampler);
	if (err)
		return problem_set(collector->problem, err, "", "cannot start sampling");
	collector->start_ns = collector_now();
	collector->start_wall_ns = clock_wall_ns(&clock_system);
	collector->start_busy_ns = cpu_time_busy_ns(collector->busy_fd);
	if (collector->options->started)
		collector->options->started(collector->options->ctx);
	return 0;
}

/* Without these rights nothing below can work; said before anything is left behind. */
static int check_rights(const struct collector *collector)
{
	if (confine_has_capability("cap_sys_admin") ||
	    (confine_has_capability("cap_bpf") && confine_has_capability("cap_perfmon")))
		return 0;
	return problem_set(collector->problem, -EPERM, "run it with sudo, or give it CAP_BPF and CAP_PERFMON",
			   "not allowed to sample this machine");
}

static int check_kernel(const struct collector *collector)
{
	struct kernel_texts texts;
	int err;

	kernel_texts_read(&texts);
	err = kernel_guard_check(&texts, collector->problem);
	if (!err || !collector->options->trusts_kernel)
		return err;
	log_write(LOG_WARN, COLLECTOR_MODULE, "%s", collector->problem->what);
	*collector->problem = (struct problem){0};
	return 0;
}

static int start(struct collector *collector)
{
	const struct collector_options *options = collector->options;
	struct rlimit files;
	int err = check_rights(collector);

	if (!err)
		err = check_kernel(collector);
	if (err)
		return err;
	collector->invoker = invoker_from_environment();
	collector->usage = usage_open();
	collector->busy_fd = cpu_time_open();
	/* A descriptor is kept for each object that was sampled. */
	if (!getrlimit(RLIMIT_NOFILE, &files)) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	/* On a machine with hundreds of runnable processes an ordinary share comes too late for the rings. */
	collector->nice = getpriority(PRIO_PROCESS, 0);
	setpriority(PRIO_PROCESS, 0, COLLECTOR_NICE);
	err = loop_open(collector);
	if (!err)
		err = collector_make_tables(collector);
	if (!err)
		err = collector_start_children(collector);
	if (!err)
		err = opener_link_kernel_symbols(collector->opener);
	if (err)
		return problem_set(collector->problem, err, "", "cannot set up the profiler's own processes");
	err = open_kernel_side(collector);
	if (!err)
		err = debug_answers_prepare(collector);
	if (!err)
		err = delivery_prepare(collector);
	if (!err)
		err = prepare_command(collector);
	if (!err)
		err = begin(collector);
	if (!err && options->command)
		err = command_go(&collector->command, options->command[0], collector->problem);
	return err;
}

/* --- the end ------------------------------------------------------------------------------------------------------ */

static bool is_over(struct collector *collector)
{
	uint64_t duration_ns = (uint64_t)(collector->options->duration_seconds * NSEC_PER_SEC);

	return collector->is_interrupted || (duration_ns && collector_now() - collector->start_ns >= duration_ns) ||
	       (collector->options->command && command_has_ended(&collector->command));
}

void collector_forget_sampling(struct collector *collector)
{
	truth_read_sampling(collector, &collector->sampling);
	collector->is_sampling_over = true;
	collector->usage.peak_bytes = UINT64_MAX; /* of which was all that goes now: there is no larger one to come */
	sideband_free(collector->sideband);
	attribution_free(collector->attribution);
	unwinding_free(collector->unwinding);
	sampler_free(collector->sampler);
	stack_store_free(collector->store);
	collector->sideband = NULL;
	collector->attribution = NULL;
	collector->unwinding = NULL;
	collector->sampler = NULL;
	collector->store = NULL;
	memory_give_back();
}

/* As long as something comes: on a busy machine it may take a while. */
static void wait_for_files(struct collector *collector)
{
	uint64_t version = 0, news_ns = collector->stop_ns, now_ns;

	while (attribution_waiting(collector->attribution) || opener_link_outstanding(collector->opener)) {
		loop_pump(collector);
		now_ns = collector_now();
		attribution_step(collector->attribution, collector->sideband, UINT64_MAX, now_ns);
		if (version != unwinding_version(collector->unwinding)) {
			version = unwinding_version(collector->unwinding);
			news_ns = now_ns;
		}
		if (now_ns - news_ns > LAST_FILES_NS || now_ns - collector->stop_ns > LAST_FILES_MAX_NS)
			break;
	}
}

static void stop_sampling(struct collector *collector)
{
	sampler_stop(collector->sampler);
	sideband_stop(collector->sideband);
	collector->stop_ns = collector_now();
	collector->stop_busy_ns = cpu_time_busy_ns(collector->busy_fd);
	loop_drain(collector, UINT64_MAX, collector->stop_ns);
	opener_link_ping(collector->opener);
	resolver_link_ping(collector->resolver);
	if (collector->downloads)
		worker_ping(downloads_worker(collector->downloads));
	if (collector->options->note)
		collector->options->note(collector->options->ctx, "naming frames");
	unwinding_hurry(collector->unwinding);
	jit_code_look_again(collector->jit);
	wait_for_files(collector);
	attribution_flush(collector->attribution);
	opener_link_give_up_objects(collector->opener, collector_now());
	debug_answers_all_sampled(collector);
}

static void fill_result(struct collector *collector, struct collector_result *ret)
{
	truth_measure_memory(collector);
	truth_tell(collector, &ret->truth);
	ret->has_truth = true;
	ret->summary = collector->summary;
	ret->files = collector->files.items;
	ret->n_files = collector->files.len;
	vec_init(&collector->files, 0);
}

static void log_counters(void)
{
	for (enum counter c = 0; c < COUNTER_COUNT; c++)
		if (counters[c])
			log_write(LOG_INFO, COLLECTOR_MODULE, "%s: %llu", counter_name(c),
				  (unsigned long long)counters[c]);
}

static void release(struct collector *collector)
{
	command_finish(&collector->command);
	sideband_free(collector->sideband);
	downloads_free(collector->downloads);
	resolver_link_free(collector->resolver);
	opener_link_free(collector->opener);
	attribution_free(collector->attribution);
	unwinding_free(collector->unwinding);
	debug_files_free(collector->debug_files);
	sampler_free(collector->sampler);
	stack_store_free(collector->store);
	jit_code_free(collector->jit);
	registry_free(collector->registry);
	object_table_free(collector->objects);
	vec_for_each (&collector->files, file)
		free((char *)file->path);
	vec_release(&collector->files);
	vec_release(&collector->ksymbols);
	vec_release(&collector->held_wants);
	vec_release(&collector->writes);
	free(collector->written);
	buf_release(&collector->ksymbol_names);
	cleanup_close(&collector->epoll_fd);
	cleanup_close(&collector->signal_fd);
	cleanup_close(&collector->usage.fd);
	cleanup_close(&collector->busy_fd);
}

/* The sender's part is taken off before the others get theirs. */
static void divide_budget(struct collector *collector)
{
	uint64_t total = collector->options->memory_bytes ? collector->options->memory_bytes : BUDGET_DEFAULT_BYTES;

	memory_budget_divide(total - (collector->options->downloads ? BUDGET_SENDER_BYTES : 0), &collector->budget);
	collector->budget.total = total;
}

int collector_run(const struct collector_options *options, struct collector_result *ret, struct problem *problem)
{
	struct collector *collector = calloc(1, sizeof(*collector));
	int err;

	memset(ret, 0, sizeof(*ret));
	if (!collector)
		return problem_set(problem, -ENOMEM, "", "cannot start");
	*collector = (struct collector){.options = options,
					.problem = problem,
					.epoll_fd = -1,
					.signal_fd = -1,
					.usage = USAGE_NONE,
					.busy_fd = -1,
					.command = {.pid = -1, .gate = -1, .failure = -1},
					.cpus_limit = {.burst = 1},
					.ksymbols = VEC_INIT(MAX_KSYMBOLS),
					.writes = VEC_INIT(MAX_FILES),
					.files = VEC_INIT(MAX_FILES),
					.held_wants = VEC_INIT(MAX_HELD_WANTS)};
	divide_budget(collector);
	buf_init(&collector->ksymbol_names, MAX_KSYMBOL_NAME_BYTES);
	collector->written = calloc(options->n_outputs + 1, sizeof(*collector->written));
	err = collector->written ? start(collector) : problem_set(problem, -ENOMEM, "", "cannot start");
	if (!err) {
		while (!is_over(collector))
			loop_pump(collector);
		stop_sampling(collector);
		err = delivery_finish(collector);
		fill_result(collector, ret);
		log_counters();
	}
	release(collector);
	ret->has_command_status = collector->command.has_ended;
	if (ret->has_command_status)
		ret->command_status = command_exit_status(&collector->command);
	free(collector);
	return err;
}

void collector_result_release(struct collector_result *result)
{
	for (size_t i = 0; i < result->n_files; i++)
		free((char *)result->files[i].path);
	free(result->files);
	memset(result, 0, sizeof(*result));
}
