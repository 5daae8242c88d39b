/* SPDX-License-Identifier: Apache-2.0 */
/* The memory of a row store without a kernel, and readers of it that were written down from wire/unwind.h alone. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "table/row_store.h"
#include "unwind_rows.h"

struct published {
	struct unwind_rule *rules;
	struct unwind_object *objects;
	struct unwind_process *processes;
	uint8_t *segments[UNWIND_MAX_SEGMENTS];
	uint32_t n_segments;
	int segment_error; /* what add_segment says next */
	uint32_t evicted[64], n_evicted;
};

static inline int published_add_segment(void *ctx, uint32_t index, void **ret)
{
	struct published *published = ctx;

	if (published->segment_error)
		return published->segment_error;
	if (index != published->n_segments)
		abort();
	published->segments[index] = calloc(1, UNWIND_SEGMENT_BYTES);
	if (!published->segments[index])
		abort();
	*ret = published->segments[index];
	published->n_segments++;
	return 0;
}

static inline void published_evicted(void *ctx, uint32_t slot)
{
	struct published *published = ctx;

	if (published->n_evicted == 64 || unwind_object_state(published->objects[slot].word) != UNWIND_OBJECT_UNLOADED)
		abort();
	published->evicted[published->n_evicted++] = slot;
}

static inline struct row_store_memory published_memory(struct published *published)
{
	memset(published, 0, sizeof(*published));
	published->rules = calloc(UNWIND_MAX_RULES, sizeof(*published->rules));
	published->objects = calloc(UNWIND_MAX_OBJECTS, sizeof(*published->objects));
	published->processes = calloc(UNWIND_MAX_PROCESSES, sizeof(*published->processes));
	if (!published->rules || !published->objects || !published->processes)
		abort();
	return (struct row_store_memory){
		.rules = published->rules,
		.objects = published->objects,
		.processes = published->processes,
		.add_segment = published_add_segment,
		.evicted = published_evicted,
		.ctx = published,
	};
}

static inline void published_release(struct published *published)
{
	free(published->rules);
	free(published->objects);
	free(published->processes);
	for (uint32_t i = 0; i < published->n_segments; i++)
		free(published->segments[i]);
}

/* `bytes` from the place on; they must lie in one segment that is there. */
static inline const void *published_at(const struct published *published, uint32_t place, size_t bytes)
{
	if (!place || unwind_place_segment(place) >= published->n_segments ||
	    bytes > UNWIND_SEGMENT_BYTES - unwind_place_offset(place))
		abort();
	return published->segments[unwind_place_segment(place)] + unwind_place_offset(place);
}

enum found { FOUND_RULE, FOUND_UNLOADED, FOUND_NONE, FOUND_GONE };

/* As the walk does it: directory word, block, rows, rule, steps. */
static inline enum found published_rule(const struct published *published, uint32_t slot, uint32_t generation,
					uint64_t file_off, struct unwind_rule *ret)
{
	uint64_t object = published->objects[slot].word, page = file_off >> UNWIND_PAGE_SHIFT;
	uint32_t offset = file_off & (UNWIND_PAGE_BYTES - 1), word, shift, first, last, row;
	const struct unwind_object *known = &published->objects[slot];
	const uint32_t *rows, *words;
	const uint16_t *index;

	if (unwind_object_generation(object) != generation)
		return FOUND_GONE;
	if (unwind_object_state(object) != UNWIND_OBJECT_LOADED)
		return unwind_object_state(object) == UNWIND_OBJECT_NONE ? FOUND_NONE : FOUND_UNLOADED;
	if (page < known->first_page || page - known->first_page >= known->pages)
		return FOUND_NONE;
	words = published_at(published, unwind_object_directory(object), 4 * known->pages);
	word = words[page - known->first_page];
	if (unwind_page_kind(word) == UNWIND_PAGE_UNLOADED)
		return FOUND_UNLOADED;
	if (unwind_page_kind(word) == UNWIND_PAGE_CONSTANT) {
		*ret = published->rules[word & 0xffff];
		return FOUND_RULE;
	}
	shift = unwind_page_block_shift(word);
	index = published_at(published, unwind_page_place(word), unwind_index_bytes(shift));
	first = index[offset >> shift];
	last = index[(offset >> shift) + 1];
	rows = published_at(published, unwind_page_place(word), unwind_index_bytes(shift) + 4 * last);
	rows = (const uint32_t *)((const uint8_t *)rows + unwind_index_bytes(shift));
	row = first ? rows[first - 1] : rows[0];
	for (uint32_t i = first; i < last && unwind_row_offset(rows[i]) <= offset; i++)
		row = rows[i];
	*ret = rule_at_distance(published->rules[unwind_row_rule(row)], offset - unwind_row_offset(row));
	return FOUND_RULE;
}

/* --- everything that is published is sound ------------------------------------------------------------------------ */

struct soundness {
	const struct published *published;
	uint16_t machine;
	uint8_t *used[UNWIND_MAX_SEGMENTS]; /* by unit */
	uint64_t used_units;
};

static inline void sound_if(bool condition)
{
	if (!condition)
		abort();
}

/* The bytes are nobody else's. */
static inline const void *sound_extent(struct soundness *soundness, uint32_t place, size_t bytes)
{
	const void *at = published_at(soundness->published, place, bytes);
	uint8_t *used = soundness->used[unwind_place_segment(place)];

	for (size_t unit = 0; unit < (bytes + 7) / 8; unit++) {
		sound_if(!used[unwind_place_offset(place) / 8 + unit]);
		used[unwind_place_offset(place) / 8 + unit] = 1;
		soundness->used_units++;
	}
	return at;
}

static inline void sound_rule(const struct soundness *soundness, uint32_t rule, bool may_step)
{
	sound_if(unwind_rule_is_valid(&soundness->published->rules[rule], soundness->machine));
	sound_if(may_step || !soundness->published->rules[rule].steps);
}

static inline void sound_blob(struct soundness *soundness, uint32_t word)
{
	uint32_t shift = unwind_page_block_shift(word), blocks = UNWIND_PAGE_BYTES >> shift, n;
	const uint16_t *first = published_at(soundness->published, unwind_page_place(word), unwind_index_bytes(shift));
	const uint32_t *rows;

	sound_if(shift <= UNWIND_MAX_BLOCK_SHIFT && !first[0]);
	n = first[blocks];
	first = sound_extent(soundness, unwind_page_place(word), unwind_index_bytes(shift) + 4 * n);
	rows = (const uint32_t *)((const uint8_t *)first + unwind_index_bytes(shift));
	sound_if(n && !unwind_row_offset(rows[0]));
	for (uint32_t i = 0; i < n; i++) {
		sound_rule(soundness, unwind_row_rule(rows[i]), true);
		sound_if(!i || unwind_row_offset(rows[i]) > unwind_row_offset(rows[i - 1]));
	}
	for (uint32_t block = 0; block < blocks; block++) {
		sound_if(first[block] <= first[block + 1] && first[block + 1] - first[block] <= UNWIND_MAX_BLOCK_ROWS);
		for (uint32_t i = first[block]; i < first[block + 1]; i++)
			sound_if(unwind_row_offset(rows[i]) >> shift == block);
	}
}

static inline void sound_object(struct soundness *soundness, const struct unwind_object *object)
{
	const uint32_t *words;

	if (unwind_object_state(object->word) != UNWIND_OBJECT_LOADED) {
		sound_if(!unwind_object_directory(object->word));
		return;
	}
	sound_if(object->pages && object->pages <= UNWIND_MAX_PAGES);
	sound_if(object->serial && object->serial < UNWIND_MAX_SERIAL);
	sound_extent(soundness, unwind_object_directory(object->word), 4 * object->pages);
	words = published_at(soundness->published, unwind_object_directory(object->word), 4 * object->pages);
	for (uint32_t i = 0; i < object->pages; i++) {
		switch (unwind_page_kind(words[i])) {
		case UNWIND_PAGE_UNLOADED:
			sound_if(!words[i]);
			break;
		case UNWIND_PAGE_CONSTANT:
			sound_if(unwind_page_place(words[i]) < UNWIND_MAX_RULES);
			sound_rule(soundness, words[i] & 0xffff, false);
			break;
		case UNWIND_PAGE_ROWS:
			sound_blob(soundness, words[i]);
			break;
		default:
			abort();
		}
	}
}

static inline void sound_process(struct soundness *soundness, const struct unwind_process *process)
{
	const struct unwind_mappings *mappings;

	sound_if(!process->key == !process->place);
	if (!process->key)
		return;
	mappings = published_at(soundness->published, process->place, sizeof(*mappings));
	sound_if(mappings->key == process->key && mappings->n <= UNWIND_MAX_MAPPINGS);
	sound_extent(soundness, process->place, unwind_mappings_bytes(mappings->n));
}

static inline void soundness_init(struct soundness *soundness, const struct published *published, uint16_t machine)
{
	*soundness = (struct soundness){.published = published, .machine = machine};
	for (uint32_t i = 0; i < published->n_segments; i++)
		soundness->used[i] = calloc(UNWIND_SEGMENT_BYTES / 8, 1);
}

/* Returns the bytes that were met. */
static inline uint64_t soundness_release(struct soundness *soundness)
{
	for (uint32_t i = 0; i < soundness->published->n_segments; i++)
		free(soundness->used[i]);
	return soundness->used_units * 8;
}

/* Aborts where a reader could be led astray. Returns the bytes that readers can reach. */
static inline uint64_t published_check(const struct published *published, uint16_t machine)
{
	struct soundness soundness;

	soundness_init(&soundness, published, machine);
	for (uint32_t i = 0; i < UNWIND_MAX_OBJECTS; i++)
		sound_object(&soundness, &published->objects[i]);
	for (uint32_t i = 0; i < UNWIND_MAX_PROCESSES; i++)
		sound_process(&soundness, &published->processes[i]);
	return soundness_release(&soundness);
}

/* The same, of one object. */
static inline uint64_t published_check_object(const struct published *published, uint32_t slot, uint16_t machine)
{
	struct soundness soundness;

	soundness_init(&soundness, published, machine);
	sound_object(&soundness, &published->objects[slot]);
	return soundness_release(&soundness);
}
