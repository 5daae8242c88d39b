/* SPDX-License-Identifier: Apache-2.0 */
/* Copies of stacks that wait for tables. Of a process that is sampled again and again the outer part of the stack stays
 * as it is: copies are kept in pieces, and when memory gets short equal pieces are kept once.
 *
 *      copy #1  head  [ piece | piece | piece | piece ]
 *                          │       │       └───┐   └──┐
 *      copy #2  head  [ piece' | piece' | …    piece   piece ]
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "wire/sample.h"

struct copy_store;

/* limit_bytes: of all copies together, heads and pieces. */
int copy_store_new(size_t limit_bytes, struct copy_store **ret);
void copy_store_free(struct copy_store *store);
/* When they take more already, copies keep only their registers until they do not; counted. */
void copy_store_set_limit(struct copy_store *store, size_t limit_bytes);

/* Keeps a copy of the record, which is sane (sampler_read). Without room for its chunks the registers stay: they tell
 * the leaf; counted. -ENOMEM, -E2BIG: nothing was kept. */
int copy_store_add(struct copy_store *store, const struct stack_copy_record *record);
/* The record with its chunks, valid until the next call; NULL: there is none. Chunks that could not be read are zeros.
 */
const struct stack_copy_record *copy_store_get(const struct copy_store *store, uint64_t id);
/* Its fixed part alone, without its chunks: valid until the copy is dropped. */
const struct stack_copy_record *copy_store_head(const struct copy_store *store, uint64_t id);
void copy_store_drop(struct copy_store *store, uint64_t id);

/* What is kept of the heap. */
size_t copy_store_memory_bytes(const struct copy_store *store);
