/* SPDX-License-Identifier: Apache-2.0 */
/* An interval as the collector hands it to the resolver: one sealed memfd of sections, each an array of fixed structs.
 *
 *    header { magic, version, times, section table }
 *    STRINGS   NUL-terminated; a string is its offset, 0 is ""
 *    OBJECTS PROCESSES MAPPINGS STACKS WORDS SAMPLES KSYMBOLS OUTPUTS PAIRS
 *
 * The reader checks every index and offset once; after that the arrays can be used as they are. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "ipc/memfd.h"
#include "wire/sample.h"

#define BATCH_NONE UINT32_MAX

struct batch_object {
	uint32_t id;   /* of frame words and MESSAGE_OBJECT */
	uint32_t kind; /* enum object_kind */
	uint32_t flags;
	uint32_t path;	   /* string */
	uint32_t build_id; /* string, lower-case hex, as known from the mapping */
	uint32_t process;  /* OBJECT_JIT: index of the process whose memory it is */
	uint64_t base;	   /* OBJECT_JIT: address of offset 0 */
};

struct batch_process {
	uint64_t start_boottime_ns;
	uint32_t tgid, inner_tgid, uid;
	uint32_t generation;		  /* 0, 1, … among the executions of one (tgid, start time) */
	uint32_t flags;			  /* PROCESS_* */
	uint32_t comm;			  /* string */
	uint32_t cgroup;		  /* string: path, or "" */
	uint32_t first_mapping, mappings; /* sorted by start; the main executable's object is `executable` */
	uint32_t executable;		  /* index into objects, or BATCH_NONE */
	uint32_t perf_map, jitdump;	  /* ids of MESSAGE_OBJECT; 0: none */
};

struct batch_mapping {
	uint64_t start, limit, file_off;
	uint32_t object; /* index into objects */
	uint32_t pad;
};

struct batch_stack {
	uint32_t first_word; /* into words; FRAME_* words for user stacks, addresses for kernel ones */
	uint16_t words;
	uint8_t end; /* enum unwind_end, user stacks */
	uint8_t is_kernel;
};

struct batch_sample {
	uint32_t process;		   /* index */
	uint32_t user_stack, kernel_stack; /* index or BATCH_NONE */
	uint32_t tid;			   /* 0: threads not told apart */
	uint32_t thread_name;		   /* string */
	uint16_t source;		   /* SAMPLE_SOURCE_* */
	uint16_t cpu;			   /* UINT16_MAX: not told apart */
	uint64_t count, weight;
};

struct batch_ksymbol {
	uint64_t address;
	uint32_t len;
	uint32_t name;
};

enum output_format { OUTPUT_PPROF_EACH, OUTPUT_PPROF_MERGED, OUTPUT_FOLDED, OUTPUT_FLAMEGRAPH, OUTPUT_FORMAT_COUNT };

struct batch_output {
	uint32_t output; /* the collector's number of the destination */
	uint32_t format; /* enum output_format; PPROF_EACH makes one output a process generation */
	uint32_t name; /* string: file name within a directory destination; "" otherwise, or PPROF_EACH names its own */
	uint32_t pad;
};

/* Labels of every profile, and comments of every profile ("hostprof.taken" -> "1234"). */
struct batch_pair {
	uint32_t key, value; /* strings */
	uint32_t is_comment;
};

struct batch_info {
	uint64_t start_wall_ns, duration_ns;
	uint64_t end_mono_ns;	    /* what came later was not sampled; 0: unknown */
	uint64_t period;	    /* of the first source: ns for the cpu clock, events otherwise */
	uint32_t source;	    /* SAMPLE_SOURCE_* of the period */
	uint32_t with_error_frames; /* show "[truncated: …]" frames */
	uint32_t with_kernel_symbols;
	uint32_t pad;
};

/* Writing: append to the arrays (bounded buffers), then finish. */
struct batch_writer {
	struct buf strings, objects, processes, mappings, stacks, words, samples, ksymbols, outputs, pairs;
	struct batch_info info;
};
void batch_writer_init(struct batch_writer *writer, size_t max_bytes);
void batch_writer_release(struct batch_writer *writer);
/* Offset of the string, or 0 with the writer failed. Strings are not deduplicated here. */
uint32_t batch_writer_string(struct batch_writer *writer, const char *str, size_t len);
/* A sealed memfd. -E2BIG or -ENOMEM when any append failed. */
int batch_writer_finish(struct batch_writer *writer, int *ret_fd);

/* Reading. All pointers live as long as the batch. */
struct batch {
	struct batch_info info;
	const char *strings;
	const struct batch_object *objects;
	const struct batch_process *processes;
	const struct batch_mapping *mappings;
	const struct batch_stack *stacks;
	const uint64_t *words;
	const struct batch_sample *samples;
	const struct batch_ksymbol *ksymbols;
	const struct batch_output *outputs;
	const struct batch_pair *pairs;
	uint32_t n_objects, n_processes, n_mappings, n_stacks, n_samples, n_ksymbols, n_outputs, n_pairs;
	uint64_t n_words;
	struct memfd_map map;
};
/* -EBADMSG for anything out of place; -EPERM when not sealed; -E2BIG. */
int batch_read(int fd, struct batch *ret);
/* The same over bytes (fuzzing, tests); they must stay as long as the batch. */
int batch_read_bytes(const uint8_t *bytes, size_t len, struct batch *ret);
void batch_release(struct batch *batch);
/* The string at a checked offset. */
const char *batch_string(const struct batch *batch, uint32_t offset);
