/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of all tables, each once, with counted references. A rule that nobody refers to keeps its index until
 * another needs it, which may be UNWIND_GRACE_NS later at the earliest; referred to again before that, it is the same.
 * Rules aged that long are used up before indexes that were never given out, so that the dictionary stays small. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/map.h"
#include "base/vec.h"
#include "wire/unwind.h"

struct rule_use {
	uint32_t refs;
	uint32_t before, behind; /* in the list of rules without references */
	uint64_t reusable_ns;	 /* when readers of its last table are gone; 0: there was none */
};

struct rule_dictionary {
	struct unwind_rule *rules; /* borrowed: what readers read */
	struct map by_rule;	   /* struct unwind_rule -> uint32_t index */
	struct rule_use_vec VEC(struct rule_use) uses;
	uint32_t oldest, newest; /* ends of the list of rules without references */
	uint32_t in_use;
};

/* rules: UNWIND_MAX_RULES of them, borrowed. */
void rule_dictionary_init(struct rule_dictionary *dictionary, struct unwind_rule *rules);
void rule_dictionary_release(struct rule_dictionary *dictionary);

/* The rule's index, with one more reference. -ENOSPC: all indexes are in use; -EAGAIN: one of them will have aged;
 * -ENOMEM. */
int rule_dictionary_ref(struct rule_dictionary *dictionary, const struct unwind_rule *rule, uint64_t now_ns,
			uint16_t *ret_index);
void rule_dictionary_unref(struct rule_dictionary *dictionary, uint16_t index, uint64_t now_ns);
/* Undoes a rule_dictionary_ref() that no reader can have seen: a new rule need not age. */
void rule_dictionary_give_back(struct rule_dictionary *dictionary, uint16_t index);

size_t rule_dictionary_memory_bytes(const struct rule_dictionary *dictionary);
