/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/sampler.h"

#include <assert.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "collector/sampler_internal.h"
#include "collector/table_maps.h"
#include "profiler.skel.h"

#define MODULE "collector"

struct sampler {
	struct profiler *programs;
	struct sampler_settings settings; /* as the programs were loaded with */
	struct events events;
	struct ring_buffer *ring;
	/* The counts of all possible CPUs: kernel memory. */
	const struct sampler_cpu_stats *cpu_stats;
	size_t cpu_stats_bytes;
	uint32_t n_possible;
	int stats_fd;			  /* keeps the kernel timing BPF programs; -1: refused */
	int images_fd;			  /* what list_images() says of all tasks; -1: refused */
	uint64_t map_bytes, mapped_bytes; /* but for segments of unwind tables */
	struct table_maps tables;
	/* During sampler_read(). */
	const struct sampler_sink *sink;
	uint32_t bad_records;
};

/* --- records ------------------------------------------------------------------------------------------------------ */

static bool stack_is_sane(const struct stack_record *stack, size_t size)
{
	size_t max = stack->kind == RECORD_USER_STACK ? MAX_USER_FRAMES : MAX_KERNEL_FRAMES;

	return size >= sizeof(*stack) && stack->words <= max &&
	       size == sizeof(*stack) + stack->words * sizeof(uint64_t) && stack->end < UNWIND_END_COUNT && stack->hash;
}

static bool process_is_sane(const struct process_record *process, size_t size)
{
	return size == sizeof(*process) && process->hash && process->image && !process->comm[COMM_BYTES - 1] &&
	       !process->thread_comm[COMM_BYTES - 1];
}

static bool sample_is_sane(const struct sample_record *sample, size_t size)
{
	return size == sizeof(*sample) && sample->process && sample->source < SAMPLE_SOURCE_COUNT;
}

static bool copy_is_sane(const struct stack_copy_record *copy, size_t size)
{
	return size >= sizeof(*copy) && copy->kind == RECORD_STACK_COPY && copy->chunks <= STACK_COPY_CHUNKS &&
	       size >= sizeof(*copy) + (size_t)copy->chunks * STACK_CHUNK_BYTES && copy->id;
}

static int on_copy(void *ctx, void *record, size_t size)
{
	struct sampler *sampler = ctx;

	if (copy_is_sane(record, size))
		sampler->sink->copy(sampler->sink->ctx, record);
	else
		sampler->bad_records++;
	return 0;
}

static int on_record(void *ctx, void *record, size_t size)
{
	struct sampler *sampler = ctx;
	const struct sampler_sink *sink = sampler->sink;
	uint32_t kind = 0;

	if (size >= sizeof(kind))
		memcpy(&kind, record, sizeof(kind));
	if (kind == RECORD_SAMPLE && sample_is_sane(record, size))
		sink->sample(sink->ctx, record);
	else if ((kind == RECORD_USER_STACK || kind == RECORD_KERNEL_STACK) && stack_is_sane(record, size))
		sink->stack(sink->ctx, record);
	else if (kind == RECORD_PROCESS && process_is_sane(record, size))
		sink->process(sink->ctx, record);
	else
		sampler->bad_records++;
	return 0;
}

int sampler_read(struct sampler *sampler, const struct sampler_sink *sink)
{
	int n;

	sampler->sink = sink;
	sampler->bad_records = 0;
	n = ring_buffer__consume(sampler->ring);
	sampler->sink = NULL;
	if (n < 0)
		return n;
	return sampler->bad_records ? -EBADMSG : 0;
}

/* --- life --------------------------------------------------------------------------------------------------------- */

static int check_options(const struct sampler_options *options, struct problem *problem)
{
	if (!options->rate_hz || options->n_comms > SAMPLER_MAX_COMMS || (options->kernel_only && options->user_only) ||
	    (options->n_tgids && !options->tgids))
		return problem_set(problem, -EINVAL, "", "contradictory sampler options");
	return 0;
}

static int map_cpu_stats(struct sampler *sampler)
{
	size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	size_t bytes = sampler->n_possible * sizeof(*sampler->cpu_stats);
	void *at;

	bytes = (bytes + page_bytes - 1) / page_bytes * page_bytes;
	at = mmap(NULL, bytes, PROT_READ, MAP_SHARED, bpf_map__fd(sampler->programs->maps.cpu_stats), 0);
	if (at == MAP_FAILED)
		return -errno;
	sampler->cpu_stats = at;
	sampler->cpu_stats_bytes = bytes;
	return 0;
}

/* Lets the program look at us: its run writes the namespace and its depth. */
static int find_pid_ns(struct sampler *sampler)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);

	return bpf_prog_test_run_opts(bpf_program__fd(sampler->programs->progs.find_pid_ns), &opts);
}

/* Opened while we may; nothing depends on it. */
static void open_images(struct sampler *sampler)
{
	struct profiler *programs = sampler->programs;

	programs->links.list_images = bpf_program__attach_iter(programs->progs.list_images, NULL);
	if (programs->links.list_images)
		sampler->images_fd = bpf_iter_create(bpf_link__fd(programs->links.list_images));
	if (sampler->images_fd < 0)
		log_write(LOG_DEBUG, MODULE, "the kernel does not list its tasks: %s", err_name(-errno));
}

int sampler_list_images(struct sampler *sampler, struct buf *images)
{
	return sampler->images_fd < 0 ? -EBADF : io_read_all(sampler->images_fd, images);
}

/* Nothing depends on it: without, the stacks of a child are copied until it is published. */
static void attach_inherit(struct sampler *sampler)
{
	struct profiler *programs = sampler->programs;

	programs->links.inherit_mappings = bpf_program__attach(programs->progs.inherit_mappings);
	if (!programs->links.inherit_mappings)
		log_write(LOG_DEBUG, MODULE, "children do not inherit their parents' mappings: %s", err_name(-errno));
}

static int attach_follow(struct sampler *sampler)
{
	struct profiler *programs = sampler->programs;

	programs->links.follow_fork = bpf_program__attach(programs->progs.follow_fork);
	if (!programs->links.follow_fork)
		return -errno;
	programs->links.follow_exit = bpf_program__attach(programs->progs.follow_exit);
	return programs->links.follow_exit ? 0 : -errno;
}

static int set_up(struct sampler *sampler, const struct sampler_options *options, struct problem *problem)
{
	int err = map_cpu_stats(sampler);

	if (err)
		return problem_set(problem, err, "", "cannot map the sampler's counts");
	sampler->ring = ring_buffer__new(bpf_map__fd(sampler->programs->maps.ring), on_record, sampler, NULL);
	if (!sampler->ring)
		return problem_set(problem, -errno, "", "cannot map the sampler's ring");
	/* Read in the order in which they are added: the copies of all samples that were read are there then. */
	err = ring_buffer__add(sampler->ring, bpf_map__fd(sampler->programs->maps.copies), on_copy, sampler);
	if (err)
		return problem_set(problem, err, "", "cannot map the ring of stack copies");
	err = table_maps_init(&sampler->tables, sampler->programs, sampler_table_segments(options));
	if (err)
		return problem_set(problem, err, "", "cannot map the unwind tables");
	if (!sampler->settings.in_initial_pid_ns) {
		err = find_pid_ns(sampler);
		if (err)
			return problem_set(problem, err, "", "cannot find out our own pid namespace");
	}
	open_images(sampler);
	if (!options->kernel_only)
		attach_inherit(sampler);
	for (size_t i = 0; i < options->n_tgids; i++) {
		err = sampler_follow(sampler, options->tgids[i]);
		if (err)
			return problem_set(problem, err, "", "cannot fill the pid filter");
	}
	if (options->follow_children) {
		err = attach_follow(sampler);
		if (err)
			return problem_set(problem, err, "give CAP_PERFMON",
					   "cannot follow children (sched_process_fork)");
	}
	return 0;
}

int sampler_open(const struct sampler_options *options, struct sampler **ret, struct problem *problem)
{
	struct sampler *sampler = calloc(1, sizeof(*sampler));
	int err;

	if (!sampler)
		return problem_set(problem, -ENOMEM, "", "no memory for the sampler");
	sampler->stats_fd = sampler->images_fd = -1;
	err = events_init(&sampler->events);
	if (err) {
		problem_set(problem, err, "", "no memory for the sampler");
		goto fail;
	}
	err = check_options(options, problem);
	if (err)
		goto fail;
	sampler->n_possible = cpus_possible();
	/* Needs CAP_SYS_ADMIN; without it the program takes its own time now and then. */
	sampler->stats_fd = bpf_enable_stats(BPF_STATS_RUN_TIME);
	sampler->settings.time_runs = sampler->stats_fd < 0;
	err = programs_load(options, sampler->n_possible, &sampler->settings, &sampler->programs, problem);
	if (err)
		goto fail;
	err = set_up(sampler, options, problem);
	if (err)
		goto fail;
	err = events_open(&sampler->events, options->event, options->rate_hz,
			  bpf_program__fd(sampler->programs->progs.sample), problem);
	if (err)
		goto fail;
	sampler->programs->bss->source = sampler_source(sampler);
	sampler->map_bytes = programs_map_bytes(sampler->programs);
	sampler->mapped_bytes = programs_mapped_bytes(sampler->programs);
	*ret = sampler;
	return 0;
fail:
	sampler_free(sampler);
	return err;
}

void sampler_free(struct sampler *sampler)
{
	if (!sampler)
		return;
	events_release(&sampler->events);
	ring_buffer__free(sampler->ring);
	table_maps_release(&sampler->tables);
	if (sampler->cpu_stats)
		munmap((void *)sampler->cpu_stats, sampler->cpu_stats_bytes);
	profiler__destroy(sampler->programs);
	cleanup_close(&sampler->stats_fd);
	cleanup_close(&sampler->images_fd);
	free(sampler);
}

bool sampler_fell_back(const struct sampler *sampler, const char **why)
{
	if (!sampler->events.fell_back[0])
		return false;
	*why = sampler->events.fell_back;
	return true;
}

uint64_t sampler_period(const struct sampler *sampler)
{
	return sampler->events.attr.freq ? 0 : sampler->events.attr.sample_period;
}

uint16_t sampler_source(const struct sampler *sampler)
{
	return sampler->events.attr.type == PERF_TYPE_HARDWARE ? SAMPLE_SOURCE_CYCLES : SAMPLE_SOURCE_CPU_CLOCK;
}

uint8_t sampler_cgroup_hierarchy(const struct sampler *sampler)
{
	return sampler->settings.cgroup_hierarchy;
}

/* --- unwind tables ------------------------------------------------------------------------------------------------ */

uint32_t sampler_table_segments(const struct sampler_options *options)
{
	size_t bytes = options->table_bytes ? options->table_bytes : SAMPLER_TABLE_BYTES;
	size_t segments = bytes / UNWIND_SEGMENT_BYTES;

	if (!segments)
		return 1;
	return segments < UNWIND_MAX_SEGMENTS - 1 ? (uint32_t)segments : UNWIND_MAX_SEGMENTS - 1;
}

static int add_segment(void *ctx, uint32_t index, void **ret)
{
	struct sampler *sampler = ctx;

	return table_maps_add_segment(&sampler->tables, index, ret);
}

void sampler_table_memory(struct sampler *sampler, struct row_store_memory *ret)
{
	ret->rules = sampler->tables.rules;
	ret->objects = sampler->tables.objects;
	ret->processes = sampler->tables.processes;
	ret->add_segment = add_segment;
	ret->ctx = sampler;
}

void sampler_set_unwind_epoch(struct sampler *sampler, uint32_t epoch)
{
	__atomic_store_n(&sampler->programs->bss->unwind_epoch, epoch, __ATOMIC_RELAXED);
}

int sampler_start(struct sampler *sampler)
{
	return events_enable(&sampler->events);
}

int sampler_stop(struct sampler *sampler)
{
	return events_disable(&sampler->events);
}

/* --- while it runs ------------------------------------------------------------------------------------------------ */

void sampler_set_self(struct sampler *sampler, const uint32_t *tgids, size_t n)
{
	assert(n <= SAMPLER_MAX_SELF);
	for (size_t i = 0; i < SAMPLER_MAX_SELF; i++)
		__atomic_store_n(&sampler->programs->bss->self_tgids[i], i < n ? tgids[i] : 0, __ATOMIC_RELAXED);
}

int sampler_follow(struct sampler *sampler, uint32_t tgid)
{
	const uint64_t named_by_user = 0;

	if (!sampler->settings.filter_tgids)
		return -EINVAL;
	return bpf_map_update_elem(bpf_map__fd(sampler->programs->maps.followed), &tgid, &named_by_user, BPF_ANY);
}

int sampler_update_cpus(struct sampler *sampler, const uint32_t **ret_cpus, size_t *ret_n)
{
	struct events *events = &sampler->events;
	int changed = events_update(events, sampler->cpu_stats, sampler->n_possible);

	if (changed < 0)
		return changed;
	for (size_t i = 0; i < events->list.len; i++)
		events->cpus[i] = events->list.items[i].cpu;
	*ret_cpus = events->cpus;
	*ret_n = events->list.len;
	return changed;
}

int sampler_epoll_fd(const struct sampler *sampler)
{
	return ring_buffer__epoll_fd(sampler->ring);
}

void sampler_next_epoch(struct sampler *sampler)
{
	__atomic_fetch_add(&sampler->programs->bss->epoch, 1, __ATOMIC_RELAXED);
}

static uint64_t program_run_ns(const struct bpf_program *program)
{
	struct bpf_prog_info info = {0};
	uint32_t len = sizeof(info);

	if (bpf_program__fd(program) < 0 || bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &len))
		return 0;
	return info.run_time_ns;
}

void sampler_memory(const struct sampler *sampler, uint64_t *ret_bytes, uint64_t *ret_mapped_bytes)
{
	uint64_t segments = table_maps_segment_bytes(&sampler->tables);

	*ret_bytes = sampler->map_bytes + segments;
	*ret_mapped_bytes = sampler->mapped_bytes + segments;
}

void sampler_get_stats(const struct sampler *sampler, struct sampler_stats *ret)
{
	const struct profiler *programs = sampler->programs;
	uint64_t timed_runs = 0, timed_ns = 0;
	struct sampler_stats sum = {
		.children_refused = __atomic_load_n(&programs->bss->children_refused, __ATOMIC_RELAXED),
		.map_bytes = sampler->map_bytes + table_maps_segment_bytes(&sampler->tables),
		.cpus = (uint32_t)sampler->events.list.len,
	};

	for (uint32_t cpu = 0; cpu < sampler->n_possible; cpu++) {
		const volatile struct sampler_cpu_stats *stats = &sampler->cpu_stats[cpu];

		sum.ran += stats->ran;
		sum.idle += stats->idle;
		sum.self += stats->self;
		sum.self_weight += stats->self_weight;
		sum.filtered += stats->filtered;
		sum.taken += stats->taken;
		sum.sent += stats->sent;
		sum.copied += stats->copied;
		sum.copies_refused += stats->copies_refused;
		timed_runs += stats->timed_runs;
		timed_ns += stats->timed_ns;
		for (size_t i = 0; i < LOSS_COUNT; i++)
			sum.lost[i] += stats->lost[i];
	}
	if (sampler->stats_fd >= 0) {
		sum.bpf_ns = program_run_ns(programs->progs.sample) + program_run_ns(programs->progs.inherit_mappings) +
			     program_run_ns(programs->progs.follow_fork) + program_run_ns(programs->progs.follow_exit);
	} else {
		sum.bpf_ns_is_estimated = true;
		sum.bpf_ns = timed_runs ? (uint64_t)((double)timed_ns / (double)timed_runs * (double)sum.ran) : 0;
	}
	*ret = sum;
}
