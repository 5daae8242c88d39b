/* SPDX-License-Identifier: Apache-2.0 */
/* What is known before the first sample. Who runs now is sampled first, all at once, and whoever has no mappings and
 * tables by then has its stacks copied:
 *
 *     records   the kernel tells of changes from here on
 *     images    by which key the sampling program will know each process
 *     scan      what is mapped; not older than the images, so that no key stands for mappings that an exec replaced
 *     publish   the mappings of who runs
 *     tables    of what those map, and of what many processes share */
#include "collector_internal.h"
#include "collector/registry.h"
#include "collector/sideband.h"

#define SCAN_PATIENCE_NS (250 * NSEC_PER_MSEC)
/* What making tables may take of a CPU, and of time where CPUs are busy. */
#define TABLES_CPU_NS (100 * NSEC_PER_MSEC)
#define TABLES_PATIENCE_NS NSEC_PER_SEC
#define MAX_IMAGES_BYTES (4u << 20)

static bool is_among(const uint32_t *pids, size_t n, uint32_t pid)
{
	for (size_t i = 0; i < n; i++)
		if (pids[i] == pid)
			return true;
	return false;
}

static bool is_sure(const struct sampler_options *sampler, const struct process *process)
{
	return sampler->n_tgids ? is_among(sampler->tgids, sampler->n_tgids, process->tgid) : process->was_running;
}

static void publish(struct collector *collector, const struct buf *images)
{
	const struct sampler_options *sampler = &collector->options->sampler;
	const struct sampler_image *image = (const struct sampler_image *)images->data;
	uint64_t now_ns = collector_now();

	for (size_t i = 0; i < images->len / sizeof(*image); i++) {
		struct process *process = registry_find(collector->registry, image[i].tgid);

		if (!process || process->needs_scan || !is_sure(sampler, process))
			continue;
		process = registry_keep(collector->registry, image[i].tgid, image[i].start_boottime_ns);
		if (process)
			unwinding_publish(collector->unwinding, process, image[i].image, now_ns);
	}
}

static bool is_making_tables(const struct collector *collector, uint64_t began_ns)
{
	struct unwinding_stats stats;

	unwinding_get_stats(collector->unwinding, &stats);
	return unwinding_is_busy(collector->unwinding) && stats.making_cpu_ns < TABLES_CPU_NS &&
	       collector_now() - began_ns < TABLES_PATIENCE_NS;
}

static void preload(struct collector *collector)
{
	const struct sampler_options *sampler = &collector->options->sampler;
	struct process *process = NULL;
	uint64_t began_ns;

	while ((process = registry_each(collector->registry, process)))
		if (is_sure(sampler, process) || !sampler->n_tgids)
			unwinding_preload(collector->unwinding, process, is_sure(sampler, process), collector_now());
	began_ns = collector_now();
	while (is_making_tables(collector, began_ns)) {
		unwinding_tick(collector->unwinding, collector_now());
		loop_pump(collector);
	}
}

int prepare_sampling(struct collector *collector)
{
	const struct collector_options *options = collector->options;
	const struct sampler_options *sampler = &options->sampler;
	bool is_filtered = sampler->n_comms || sampler->cgroup_id || sampler->kernel_only ||
			   (options->command && options->follows_command);
	uint64_t began_ns = collector_now();
	struct buf images;
	int err = sideband_start(collector->sideband);

	if (err)
		return err;
	buf_init(&images, MAX_IMAGES_BYTES);
	if (!is_filtered && sampler_list_images(collector->sampler, &images))
		buf_clear(&images);
	err = opener_link_scan(collector->opener, 0);
	while (!err && !collector->is_scanned && collector_now() - began_ns < SCAN_PATIENCE_NS)
		loop_pump(collector);
	if (!err) {
		loop_drain(collector, UINT64_MAX, collector_now());
		if (!is_filtered) {
			publish(collector, &images);
			preload(collector);
		}
	}
	buf_release(&images);
	return err;
}
