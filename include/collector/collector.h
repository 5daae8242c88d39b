/* SPDX-License-Identifier: Apache-2.0 */
/* The process that touches the kernel and owns all samples: it starts the opener and the resolver, samples, attributes,
 * and at the end has the profiles made and written. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/problem.h"
#include "collector/sampler.h"
#include "collector/truth.h"
#include "ipc/batch.h"
#include "ipc/message.h"
#include "ipc/summary.h"

#define COLLECTOR_MAX_FORMATS 3

struct downloads_settings;

/* One destination and what goes there. */
struct collector_output {
	const char *path; /* NULL: to `deliver`, not to a file */
	enum output_place place;
	uint32_t flags; /* OUTPUT_FORCE */
	struct {
		enum output_format format;
		const char *name; /* in a directory; "" otherwise */
	} formats[COLLECTOR_MAX_FORMATS];
	size_t n_formats;
};

struct collector_options {
	struct sampler_options sampler;
	double duration_seconds; /* 0: until a signal, or the command's end */
	char *const *command;	 /* NULL: none */
	bool follows_command;	 /* only the command and what it forks */
	bool with_error_frames;
	uint32_t demangle;			    /* enum demangle_mode */
	bool trusts_kernel;			    /* goes on where kernel_guard_check() refuses */
	uint64_t memory_bytes;			    /* of all processes, see base/budget.h; 0: BUDGET_DEFAULT_BYTES */
	const char *const *debug_directories;	    /* where debug files are looked for besides */
	uint32_t n_debug_directories;		    /* DEBUG_MAX_DIRECTORIES at most */
	const struct downloads_settings *downloads; /* of debug files; NULL: none */
	const struct collector_output *outputs;
	size_t n_outputs;
	uint64_t program_start_ns; /* CLOCK_MONOTONIC, at the start of main() */
	/* Hooks; all may be NULL. */
	void (*started)(void *ctx); /* sampling has begun */
	void (*progress)(void *ctx, double elapsed_seconds, uint64_t samples, uint64_t processes, uint64_t lost);
	void (*note)(void *ctx, const char *text); /* what goes on now: "naming frames" */
	/* Output without a path: a sealed memfd, borrowed. 0 or -errno. */
	int (*deliver)(void *ctx, uint32_t output, int fd);
	/* Spells the truth for the comments of the profiles. */
	void (*spell)(const struct truth *truth, void (*pair)(void *ctx, const char *key, const char *value),
		      void *ctx);
	void *ctx;
};

struct collector_result {
	bool has_truth; /* something was sampled; truth, summary and files are filled */
	struct truth truth;
	struct summary summary;
	struct report_file *files;
	size_t n_files;
	bool has_command_status;
	int command_status; /* as a shell tells it */
};

/* Runs a whole recording. On failure the problem says what and how to mend it; the truth is told
 * even then when something was sampled (an output failed), and the command's status in any case. Call
 * collector_result_release() after either. */
int collector_run(const struct collector_options *options, struct collector_result *ret, struct problem *problem);
void collector_result_release(struct collector_result *result);
