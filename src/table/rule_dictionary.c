/* SPDX-License-Identifier: Apache-2.0 */
#include "table/rule_dictionary.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>

#define LIST_END UINT32_MAX

_Static_assert(UNWIND_MAX_RULES == UINT16_MAX + 1, "an index is what a row can name");

void rule_dictionary_init(struct rule_dictionary *dictionary, struct unwind_rule *rules)
{
	*dictionary = (struct rule_dictionary){.rules = rules, .oldest = LIST_END, .newest = LIST_END};
	/* One more, because a rule is added before the one whose index it takes is removed. */
	map_init(&dictionary->by_rule, sizeof(struct unwind_rule), sizeof(uint32_t), UNWIND_MAX_RULES + 1);
	vec_init(&dictionary->uses, UNWIND_MAX_RULES);
}

void rule_dictionary_release(struct rule_dictionary *dictionary)
{
	map_release(&dictionary->by_rule);
	vec_release(&dictionary->uses);
}

static void list_prepend(struct rule_dictionary *dictionary, uint32_t index)
{
	struct rule_use *uses = dictionary->uses.items;

	uses[index].before = LIST_END;
	uses[index].behind = dictionary->oldest;
	if (dictionary->oldest == LIST_END)
		dictionary->newest = index;
	else
		uses[dictionary->oldest].before = index;
	dictionary->oldest = index;
}

static void list_append(struct rule_dictionary *dictionary, uint32_t index)
{
	struct rule_use *uses = dictionary->uses.items;

	uses[index].before = dictionary->newest;
	uses[index].behind = LIST_END;
	if (dictionary->newest == LIST_END)
		dictionary->oldest = index;
	else
		uses[dictionary->newest].behind = index;
	dictionary->newest = index;
}

static void list_remove(struct rule_dictionary *dictionary, uint32_t index)
{
	struct rule_use *uses = dictionary->uses.items, *use = &uses[index];

	if (use->before == LIST_END)
		dictionary->oldest = use->behind;
	else
		uses[use->before].behind = use->behind;
	if (use->behind == LIST_END)
		dictionary->newest = use->before;
	else
		uses[use->behind].before = use->before;
}

static int add_rule(struct rule_dictionary *dictionary, const struct unwind_rule *rule, uint64_t now_ns,
		    uint16_t *ret_index)
{
	uint32_t index = dictionary->oldest;
	bool reuses = index != LIST_END && dictionary->uses.items[index].reusable_ns <= now_ns;
	void *slot;
	int err;

	if (!reuses)
		index = (uint32_t)dictionary->uses.len;
	if (index == UNWIND_MAX_RULES)
		return dictionary->oldest == LIST_END ? -ENOSPC : -EAGAIN;
	err = vec_reserve(&dictionary->uses, (size_t)index + 1);
	if (!err)
		err = map_insert(&dictionary->by_rule, rule, &slot, NULL);
	if (err)
		return err;
	*(uint32_t *)slot = index;
	if (reuses) {
		list_remove(dictionary, index);
		map_remove(&dictionary->by_rule, &dictionary->rules[index]);
	} else {
		vec_push_reserved(&dictionary->uses);
	}
	/* Readers come to it through a row that is published later. */
	dictionary->rules[index] = *rule;
	dictionary->uses.items[index] = (struct rule_use){.refs = 1};
	dictionary->in_use++;
	*ret_index = (uint16_t)index;
	return 0;
}

int rule_dictionary_ref(struct rule_dictionary *dictionary, const struct unwind_rule *rule, uint64_t now_ns,
			uint16_t *ret_index)
{
	const uint32_t *known = map_find(&dictionary->by_rule, rule);

	if (!known)
		return add_rule(dictionary, rule, now_ns, ret_index);
	if (!dictionary->uses.items[*known].refs++) {
		list_remove(dictionary, *known);
		dictionary->in_use++;
	}
	*ret_index = (uint16_t)*known;
	return 0;
}

void rule_dictionary_unref(struct rule_dictionary *dictionary, uint16_t index, uint64_t now_ns)
{
	struct rule_use *use = &dictionary->uses.items[index];

	assert(index < dictionary->uses.len && use->refs);
	if (--use->refs)
		return;
	use->reusable_ns = now_ns + UNWIND_GRACE_NS;
	list_append(dictionary, index);
	dictionary->in_use--;
}

void rule_dictionary_give_back(struct rule_dictionary *dictionary, uint16_t index)
{
	struct rule_use *use = &dictionary->uses.items[index];

	assert(index < dictionary->uses.len && use->refs);
	if (--use->refs)
		return;
	if (use->reusable_ns)
		list_append(dictionary, index);
	else
		list_prepend(dictionary, index);
	dictionary->in_use--;
}

size_t rule_dictionary_memory_bytes(const struct rule_dictionary *dictionary)
{
	return map_memory_bytes(&dictionary->by_rule) + dictionary->uses.cap * sizeof(*dictionary->uses.items);
}
