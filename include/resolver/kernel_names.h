/* SPDX-License-Identifier: Apache-2.0 */
/* Names of the kernel's own code for the frames of a batch: what kallsyms said at the start, what was made since then
 * by KSYMBOL records, and modules that were loaded since then by reading kallsyms once more when a frame lies outside
 * of all, or in a function whose end nobody tells: the last one of a module, or a BPF program. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "symbol/ksyms.h"

struct batch;
struct kernel_names;

int kernel_names_new(struct kernel_names **ret);
void kernel_names_free(struct kernel_names *kernel);
/* Reads kallsyms, and keeps a descriptor of its own to read it again. On a failure, and when the kernel shows zeros,
 * names are not known. */
int kernel_names_read(struct kernel_names *kernel, int fd);
/* The records of the batch; its frames may have kallsyms read once. */
void kernel_names_begin_batch(struct kernel_names *kernel, const struct batch *batch);
/* False where the kernel hides them, or could not be read. */
bool kernel_names_known(const struct kernel_names *kernel);
/* 0, or -ENOENT. *ret is valid until the next call. */
int kernel_names_find(struct kernel_names *kernel, uint64_t address, struct ksym *ret);
/* As ksyms_text(), ksyms_count(), ksyms_memory_bytes(). */
bool kernel_names_text(const struct kernel_names *kernel, uint64_t *start, uint64_t *end);
size_t kernel_names_count(const struct kernel_names *kernel);
size_t kernel_names_memory_bytes(const struct kernel_names *kernel);
