/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "collector_internal.h"
#include "collector/sampler.h"
#include "collector/sideband.h"
#include "ipc/usage.h"

void truth_read_sampling(const struct collector *collector, struct sampling_stats *ret)
{
	if (collector->is_sampling_over) {
		*ret = collector->sampling;
		return;
	}
	sampler_get_stats(collector->sampler, &ret->sampler);
	attribution_get_stats(collector->attribution, &ret->attribution);
	unwinding_get_stats(collector->unwinding, &ret->unwinding);
	ret->sideband_ring_bytes = sideband_ring_bytes(collector->sideband);
}

/* Of files in memory: each once, whoever maps it. */
static uint64_t memfd_bytes(int fd)
{
	struct stat st;

	return fd >= 0 && !fstat(fd, &st) ? (uint64_t)st.st_blocks * 512 : 0;
}

static uint64_t held_memfd_bytes(const struct collector *collector)
{
	return memfd_bytes(resolver_link_symbols_fd(collector->resolver)) +
	       memfd_bytes(resolver_link_batch_fd(collector->resolver)) +
	       opener_link_unwritten_bytes(collector->opener);
}

void truth_measure_memory(struct collector *collector)
{
	struct truth_memory now = {
		.opener_bytes = opener_link_worker(collector->opener)->usage.pss_bytes,
		.resolver_bytes = resolver_link_worker(collector->resolver)->usage.pss_bytes,
		.sender_bytes = collector->downloads ? downloads_worker(collector->downloads)->usage.pss_bytes : 0,
		.memfd_bytes = held_memfd_bytes(collector),
	};
	uint64_t mapped = 0;
	struct message_pong own;

	usage_read(&collector->usage, &own);
	if (collector->sampler) {
		sampler_memory(collector->sampler, &now.bpf_bytes, &mapped);
		now.ring_bytes = sideband_ring_bytes(collector->sideband);
	}
	now.collector_bytes = own.pss_bytes > mapped ? own.pss_bytes - mapped : 0;
	if (truth_memory_sum(&now) > truth_memory_sum(&collector->memory_peak))
		collector->memory_peak = now;
}

static double rusage_seconds(int who)
{
	struct rusage usage = {0};

	getrusage(who, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* A destination's files may hold a sample twice (its process' profile and the merged one), never one that was not
 * stored. */
static uint64_t written_samples(const struct collector *collector, uint64_t stored)
{
	uint64_t most = 0;

	for (size_t i = 0; i < collector->options->n_outputs; i++)
		if (collector->written[i] > most)
			most = collector->written[i];
	return most < stored ? most : stored;
}

static void tell_unwinding(const struct sampling_stats *sampling, struct truth_unwind *ret)
{
	const struct unwinding_stats *stats = &sampling->unwinding;

	*ret = (struct truth_unwind){
		.tables = stats->tables_made,
		.tables_failed = stats->tables_failed,
		.evictions = stats->store.evictions,
		.rows = stats->store.rows,
		.table_bytes = stats->store.table_bytes,
		.copies = sampling->sampler.copied,
		.copies_refused = sampling->sampler.copies_refused,
		.walks = stats->walks,
		.walks_given_up = stats->walks_given_up,
	};
}

void truth_tell(const struct collector *collector, struct truth *ret)
{
	static const bool is_complete[UNWIND_END_COUNT] = {
#define UNWIND_END(name, complete, text) [UNWIND_END_##name] = (complete),
#include "wire/unwind_end.def"
#undef UNWIND_END
	};
	double seconds = (double)(collector->stop_ns - collector->start_ns) / NSEC_PER_SEC;
	double busy_seconds = (double)(collector->stop_busy_ns - collector->start_busy_ns) / NSEC_PER_SEC;
	struct sampling_stats sampling;
	const struct attribution_stats *attributed = &sampling.attribution;
	const struct sampler_stats *sampled = &sampling.sampler;
	uint64_t first_ns, children_ns;

	memset(ret, 0, sizeof(*ret));
	truth_read_sampling(collector, &sampling);
	ret->taken = sampled->taken;
	ret->delivered = attributed->stored;
	for (size_t i = 0; i < LOSS_COUNT; i++)
		ret->lost[i] = sampled->lost[i] + attributed->lost[i];
	/* The record inside a profile is made before it is written: who reads it has it. */
	if (collector->is_built) {
		ret->delivered = written_samples(collector, attributed->stored);
		ret->lost[LOSS_output_failed] += attributed->stored - ret->delivered;
	}
	for (size_t i = 0; i < UNWIND_END_COUNT; i++) {
		ret->stacks_by_end[i] = attributed->by_end[i];
		ret->stacks_complete += is_complete[i] ? attributed->by_end[i] : 0;
	}
	ret->frames_named = collector->built.frames_named;
	ret->frames_unnamed = collector->built.frames_unnamed;
	ret->seconds = seconds;
	ret->hz_wanted = collector->options->sampler.rate_hz;
	ret->expected = (uint64_t)(seconds * ret->hz_wanted * sampled->cpus);
	ret->ran = sampled->ran;
	if (busy_seconds > 0)
		ret->hz_achieved = (double)(sampled->ran - sampled->idle) / busy_seconds;
	ret->idle_share = ret->expected ? 1 - (double)(sampled->ran - sampled->idle) / (double)ret->expected : -1;
	if (ret->idle_share < 0 && ret->expected)
		ret->idle_share = 0;
	ret->self_samples = sampled->self;
	/* Names of the kernel belong to a sample that can be delivered. */
	first_ns = attributed->first_stored_ns;
	if (first_ns && collector->kernel_symbols_ns > first_ns)
		first_ns = collector->kernel_symbols_ns;
	ret->first_sample_ms =
		first_ns ? (double)(first_ns - collector->options->program_start_ns) / NSEC_PER_MSEC : -1;
	children_ns = worker_cpu_ns(opener_link_worker(collector->opener)) +
		      worker_cpu_ns(resolver_link_worker(collector->resolver));
	if (collector->downloads)
		children_ns += worker_cpu_ns(downloads_worker(collector->downloads));
	ret->user_cpu_seconds = rusage_seconds(RUSAGE_SELF) + (double)children_ns / NSEC_PER_SEC;
	ret->bpf_seconds = (double)sampled->bpf_ns / NSEC_PER_SEC;
	ret->bpf_is_estimated = sampled->bpf_ns_is_estimated;
	ret->memory_limit_bytes = collector->budget.total;
	ret->memory_peak = collector->memory_peak;
	ret->bpf_map_bytes = sampled->map_bytes;
	tell_unwinding(&sampling, &ret->unwind);
}
