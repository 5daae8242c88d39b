/* SPDX-License-Identifier: Apache-2.0 */
/* A growing array of one type, born with its maximum:
 *
 *     struct mapping_vec VEC(struct mapping);
 *     struct mapping_vec maps = VEC_INIT(MAX_MAPPINGS);
 *     struct mapping *slot = vec_push(&maps);      // zeroed, or NULL: no memory, or full
 */
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define VEC(type)                                                                                                      \
	{                                                                                                              \
		type *items;                                                                                           \
		size_t len, cap, max;                                                                                  \
	}

#define VEC_INIT(max_items)                                                                                            \
	{                                                                                                              \
		.items = NULL, .len = 0, .cap = 0, .max = (max_items)                                                  \
	}

/* Grows *items to hold at least `need`; 0, -E2BIG or -ENOMEM. The macros below are its only callers. */
int vec_grow(void **items, size_t *cap, size_t max, size_t need, size_t item_size);

#define vec_init(v, max_items)                                                                                         \
	do {                                                                                                           \
		(v)->items = NULL;                                                                                     \
		(v)->len = (v)->cap = 0;                                                                               \
		(v)->max = (max_items);                                                                                \
	} while (0)

#define vec_release(v)                                                                                                 \
	do {                                                                                                           \
		free((v)->items);                                                                                      \
		(v)->items = NULL;                                                                                     \
		(v)->len = (v)->cap = 0;                                                                               \
	} while (0)

#define vec_clear(v) ((void)((v)->len = 0))

/* 0, -E2BIG or -ENOMEM. */
#define vec_reserve(v, need)                                                                                           \
	((need) <= (v)->cap ? 0 : vec_grow((void **)&(v)->items, &(v)->cap, (v)->max, (need), sizeof(*(v)->items)))

/* Pointer to a new zeroed last item, or NULL. Valid until the next push. */
#define vec_push(v)                                                                                                    \
	(vec_reserve((v), (v)->len + 1)                                                                                \
		 ? NULL                                                                                                \
		 : (memset(&(v)->items[(v)->len], 0, sizeof(*(v)->items)), &(v)->items[(v)->len++]))

/* The same, behind a vec_reserve() that made the room: never NULL. */
#define vec_push_reserved(v)                                                                                           \
	(assert((v)->items && (v)->len < (v)->cap), memset(&(v)->items[(v)->len], 0, sizeof(*(v)->items)),             \
	 &(v)->items[(v)->len++])

#define vec_for_each(v, item)                                                                                          \
	for (__typeof__((v)->items) item = (v)->items; item && item < (v)->items + (v)->len; item++)
