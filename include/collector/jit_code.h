/* SPDX-License-Identifier: Apache-2.0 */
/* Generated code: the executable anonymous memory of a process is an object of that process alone, because only the
 * process says what is there, and at other addresses in each run. An offset in an object has 40 bits and an address up
 * to 56, so there is an object for each part of 1 TiB of the address space that has code, mostly one or two.
 *
 *     process, address >> 40  ─►  object "[jit node]", base 0x7f0000000000
 *                                    └ process ─► perf map /tmp/perf-PID.map, JITDUMP …/jit-PID.dump
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/object_table.h"
#include "collector/registry.h"

struct jit_code;

struct jit_code_options {
	struct object_table *objects; /* borrowed */
	/* The process' perf map is to be opened: its first sample in generated code, or again. */
	void (*want_perf_map)(void *ctx, struct object *perf_map);
	void *ctx;
};

int jit_code_new(const struct jit_code_options *options, struct jit_code **ret);
void jit_code_free(struct jit_code *code);

/* Can this object of a mapping hold generated code? */
bool jit_code_is(const struct object *mapped);
/* The object of the process' code at the address, made with the first one; 0: no room. */
uint32_t jit_code_object(struct jit_code *code, struct process *process, uint64_t ip);
/* The process has generated code that was sampled, or will be: its perf map is wanted, and one that was not there again
 * after 1, 2, 4 … s, at most 32. */
void jit_code_want(struct jit_code *code, struct process *process, uint64_t now_ns);
/* As far as there is one; 0: no sample was in this part. */
uint32_t jit_code_find(const struct jit_code *code, const struct process *process, uint64_t ip);
/* At the end: perf maps that were not there, or may be others by now, are wanted again. */
void jit_code_look_again(struct jit_code *code);
size_t jit_code_memory_bytes(const struct jit_code *code);

/* "[jit node]" by the name of an executable or a library, "[jit]" where that tells nothing. */
const char *jit_runtime_name(const char *path);
