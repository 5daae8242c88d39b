/* SPDX-License-Identifier: Apache-2.0 */
/* What happens when the store is full: the samples that were counted least, of those the ones that came first, give up
 * their stacks, and are counted on for their process as one whose stack is not known. No sample is lost, and what is
 * hot keeps its stack, whenever it came. Kernel stacks stay in the store: who waits for a user stack holds their ids.
 */
#include <assert.h>

#include "stack_store_internal.h"

static bool may_fold(const struct stack_store *store, const struct stored_sample *sample)
{
	return sample->key.user_stack != STACK_NONE && store->stacks.items[sample->key.user_stack].n;
}

/* With so many samples in use. */
static bool is_half_free(const struct stack_store *store, size_t n_samples)
{
	size_t places = store->n_free * STACK_BYTES + (store->sample_places - n_samples) * SAMPLE_BYTES;

	return store->charged_bytes <= places + store->limit_bytes / 2;
}

static void fold(struct stack_store *store, struct stored_sample *sample)
{
	struct kept_stack *stack = &store->stacks.items[sample->key.user_stack];

	store->folded[stack->end] += sample->count;
	if (!--stack->users)
		stack_store_drop(store, sample->key.user_stack);
	sample->key.user_stack = STACK_FOLDED;
	sample->key.kernel_stack = STACK_NONE;
}

/* Folds samples of up to `count`, the oldest first. All are put back, none further behind than it was: so the array and
 * the map have room. */
static void fold_rare(struct stack_store *store, uint64_t count)
{
	size_t n = store->samples.len;
	int err;

	map_clear(&store->by_sample);
	store->samples.len = store->next_sample.len = 0;
	for (size_t i = 0; i < n; i++) {
		struct stored_sample sample = store->samples.items[i];

		if (sample.count <= count && may_fold(store, &sample) &&
		    !is_half_free(store, store->samples.len + n - i))
			fold(store, &sample);
		err = stack_store_put(store, &sample);
		assert(!err);
		(void)err;
	}
}

void stack_store_fold(struct stack_store *store)
{
	uint64_t most = 0;

	vec_for_each (&store->samples, sample)
		if (may_fold(store, sample) && sample->count > most)
			most = sample->count;
	for (uint64_t count = 1; most && !is_half_free(store, store->samples.len); count *= 2) {
		fold_rare(store, count);
		if (count >= most)
			break;
	}
}
