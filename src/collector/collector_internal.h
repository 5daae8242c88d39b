/* SPDX-License-Identifier: Apache-2.0 */
/* The recording in progress, shared by the parts of the collector: collector.c (sequence), prepare.c (what is known
 * before the first sample), loop.c (epoll and clock),
 * answers.c (what children, records and samples tell), debug_answers.c (debug files), delivery.c (destinations, batch,
 * files), truth.c (what it was worth). */
#pragma once

#include "base/budget.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/vec.h"
#include "collector/attribution.h"
#include "collector/collector.h"
#include "collector/command.h"
#include "collector/debug_files.h"
#include "collector/downloads.h"
#include "collector/jit_code.h"
#include "collector/opener_link.h"
#include "collector/resolver_link.h"
#include "collector/unwinding.h"
#include "ipc/confine.h"
#include "ipc/usage.h"

#define COLLECTOR_MODULE "collector"

/* Who an epoll event is for. */
enum collector_tag { TAG_SIGNAL, TAG_SAMPLER, TAG_SIDEBAND, TAG_OPENER, TAG_RESOLVER, TAG_SENDER };

struct ksymbol_vec VEC(struct batch_ksymbol);
struct file_vec VEC(struct report_file);
struct count_vec VEC(uint64_t);
struct want_vec VEC(struct message_want_debug);

/* What those parts counted that serve while samples are taken. */
struct sampling_stats {
	struct sampler_stats sampler;
	struct attribution_stats attribution;
	struct unwinding_stats unwinding;
	uint64_t sideband_ring_bytes;
};

struct collector {
	const struct collector_options *options;
	struct problem *problem; /* of the caller */
	struct invoker invoker;
	int nice; /* that we were started with: the command's */
	struct memory_budget budget;
	struct log_limit cpus_limit;
	int epoll_fd, signal_fd, busy_fd;
	struct usage usage;

	struct object_table *objects;
	struct registry *registry;
	struct stack_store *store;
	struct jit_code *jit;
	struct attribution *attribution;
	struct sideband *sideband;
	struct sampler *sampler;
	struct opener_link *opener;
	struct resolver_link *resolver;
	struct unwinding *unwinding;
	struct debug_files *debug_files;
	struct downloads *downloads; /* NULL: nothing is downloaded */
	struct want_vec held_wants;  /* of files that no sample is in up to now */
	bool is_all_sampled;	     /* nor will be */
	struct command command;

	struct ksymbol_vec ksymbols;
	struct buf ksymbol_names;
	bool is_scanned;     /* /proc was read as a whole */
	uint32_t own_mnt_ns; /* of the newest scan of ourselves; 0: not known yet */

	/* Times, CLOCK_MONOTONIC. */
	uint64_t start_ns, stop_ns, next_drain_ns, next_cpus_ns, next_usage_ns, next_epoch_ns, next_progress_ns,
		next_rescan_ns, next_held_ns;
	uint64_t start_wall_ns, start_busy_ns, stop_busy_ns, kernel_symbols_ns;
	struct truth_memory memory_peak;
	bool is_sampling_over; /* sampler, side-band, unwinding and attribution are gone; what they counted is in … */
	struct sampling_stats sampling;
	bool is_interrupted;
	bool is_impatient; /* interrupted while frames are being named */

	uint32_t debug_directories_opened;
	int debug_directory_err; /* first failure of one */

	/* Destinations and files. */
	uint32_t outputs_prepared;
	struct count_vec writes; /* samples of each file given to the opener, in order; it answers in that order */
	size_t writes_done;
	uint64_t *written; /* samples in the files of each destination that are in place */
	struct file_vec files;
	bool is_built;
	struct message_batch_done built;
	struct summary summary;
	int output_err; /* first failure of a destination */
};

static inline uint64_t collector_now(void)
{
	return clock_mono_ns(&clock_system);
}

/* prepare.c: listens to the kernel's records and learns what is there already. */
int prepare_sampling(struct collector *collector);

/* loop.c: opens the epoll and takes over signals; watches a descriptor; one round, at most until the next drain; all
 * rings read and what is older than until_ns attributed; the sampler told who we are. */
int loop_open(struct collector *collector);
int loop_watch(const struct collector *collector, int fd, enum collector_tag tag);
void loop_pump(struct collector *collector);
void loop_drain(struct collector *collector, uint64_t until_ns, uint64_t now_ns);
void loop_tell_self(struct collector *collector);

/* answers.c */
int collector_make_tables(struct collector *collector);
int collector_start_children(struct collector *collector);
/* Behind sampler_open(): the tables of the walk. */
int collector_start_unwinding(struct collector *collector);
void collector_hold_new_roots(struct collector *collector);

/* debug_answers.c: has the given directories opened and waits for it; gives up downloads in time; is told that all
 * samples are attributed. */
int debug_answers_start(struct collector *collector);
int debug_answers_prepare(struct collector *collector);
void debug_answers_directory(void *ctx, uint32_t index, int err, const char *path);
void debug_answers_want(void *ctx, const struct message_want_debug *want, const char *name);
void debug_answers_opened(void *ctx, const struct message_debug_opened *opened, const char *path, int fd);
void debug_answers_kept(void *ctx, int err);
void debug_answers_tick(struct collector *collector, uint64_t now_ns);
void debug_answers_all_sampled(struct collector *collector);
void debug_answers_started_anew(void *ctx);
void debug_answers_sources(void *ctx, const struct message_sources *sources);

/* delivery.c: prepares all destinations and waits for it; has the batch made and all files written. */
int delivery_prepare(struct collector *collector);
int delivery_finish(struct collector *collector);
void delivery_output_prepared(void *ctx, uint32_t output, int err, const char *path);
void delivery_output_written(void *ctx, uint32_t output, int err, const char *path, uint64_t bytes);
void delivery_output(void *ctx, const struct message_output *output, const char *name, int fd);
void delivery_summary(void *ctx, int fd);
void delivery_built(void *ctx, const struct message_batch_done *done);

/* collector.c: all samples are in a batch; what took them, and its memory, goes. */
void collector_forget_sampling(struct collector *collector);

/* truth.c */
void truth_read_sampling(const struct collector *collector, struct sampling_stats *ret);
void truth_measure_memory(struct collector *collector);
void truth_tell(const struct collector *collector, struct truth *ret);
