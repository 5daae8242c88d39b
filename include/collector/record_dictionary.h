/* SPDX-License-Identifier: Apache-2.0 */
/* What the sampler sent once and its sample headers name by hash: frames and process records. Two generations: an entry
 * lives through the epoch in which it came and the next one; the kernel sends it anew when it samples it later. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/sample.h"

struct record_dictionary;

int record_dictionary_new(size_t limit_bytes, struct record_dictionary **ret);
void record_dictionary_free(struct record_dictionary *dictionary);

/* Copies the record. -E2BIG: the limit; -ENOMEM. Its samples will be orphans. */
int record_dictionary_add_process(struct record_dictionary *dictionary, const struct process_record *record);
int record_dictionary_add_stack(struct record_dictionary *dictionary, const struct stack_record *record);

/* NULL when it did not arrive. Valid for the epoch of the call and the next. */
const struct process_record *record_dictionary_process(const struct record_dictionary *dictionary, uint64_t hash);
const struct stack_record *record_dictionary_stack(const struct record_dictionary *dictionary, uint64_t hash);

/* Forgets what came before the last call. */
void record_dictionary_next_epoch(struct record_dictionary *dictionary);
/* This epoch's entries take a third of the limit: those of three would take it all. */
bool record_dictionary_is_filling(const struct record_dictionary *dictionary);
size_t record_dictionary_memory_bytes(const struct record_dictionary *dictionary);
