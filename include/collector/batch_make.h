/* SPDX-License-Identifier: Apache-2.0 */
/* An interval of the stack store, with the processes, mappings and objects that it names, as a batch for the resolver.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "collector/object_table.h"
#include "collector/stack_store.h"
#include "ipc/batch.h"

struct jit_code;

struct batch_text {
	const char *key, *value;
};

struct batch_destination {
	uint32_t output;
	enum output_format format;
	const char *name;
};

struct batch_ingredients {
	const struct stack_store *store;
	struct object_table *objects; /* batch_index of its objects is overwritten, as that of the processes */
	const struct jit_code *jit;   /* NULL: there is no generated code */
	struct batch_info info;
	const struct batch_text *labels, *comments;
	size_t n_labels, n_comments;
	const struct batch_destination *destinations;
	size_t n_destinations;
	/* Kernel symbols that came while we ran. */
	const struct batch_ksymbol *ksymbols; /* name: offset into ksymbol_names */
	size_t n_ksymbols;
	const char *ksymbol_names;
};

/* *ret_fd is a sealed memfd. -E2BIG, -ENOMEM. */
int batch_make(const struct batch_ingredients *ingredients, int *ret_fd);
