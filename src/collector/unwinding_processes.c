/* SPDX-License-Identifier: Apache-2.0 */
#include "unwinding_internal.h"

#include <stdlib.h>

#include "base/clock.h"
#include "collector/mapping_set.h"

/* A sample of a process that ended is in the ring for a moment still. */
#define PROCESS_LINGER_NS NSEC_PER_SEC

/* The mappings in the form in which the walk wants them. Of more than can be published those of files come first, in
 * address order: code without a file is unwound by frame pointer, where it can be. */
bool unwinding_convert_mappings(struct unwinding *unwinding, struct mapping_set *set, uint64_t now_ns)
{
	size_t n, n_files = 0, room_for_others;
	const struct mapping *mappings = mapping_set_all(set, &n);
	bool is_partial = n > UNWIND_MAX_MAPPINGS;

	vec_clear(&unwinding->mappings);
	if (is_partial)
		for (size_t i = 0; i < n; i++)
			n_files += unwinding_object_of(unwinding, mappings[i].object, now_ns) != NULL;
	room_for_others = n_files < UNWIND_MAX_MAPPINGS ? UNWIND_MAX_MAPPINGS - n_files : 0;
	for (size_t i = 0; i < n; i++) {
		struct table_object *object = unwinding_object_of(unwinding, mappings[i].object, now_ns);
		struct unwind_mapping *mapping;

		/* The walk knows vsyscall by its address, and compares others as positive numbers. */
		if (mappings[i].start > INT64_MAX || (is_partial && !object && !room_for_others))
			continue;
		room_for_others -= is_partial && !object;
		mapping = vec_push(&unwinding->mappings);
		if (!mapping)
			break;
		*mapping = (struct unwind_mapping){
			.start = mappings[i].start,
			.bias = mappings[i].start - mappings[i].file_off,
			.pages = (uint32_t)((mappings[i].limit - mappings[i].start) >> 12),
			.object = object ? object->slot : UNWIND_NO_OBJECT,
			.generation = object ? object->generation : 0,
		};
	}
	return is_partial;
}

static void release_objects(struct published *entry)
{
	for (uint32_t i = 0; i < entry->n_objects; i++)
		entry->objects[i]->processes--;
	free(entry->objects);
	entry->objects = NULL;
	entry->n_objects = 0;
}

/* The objects of the mappings just converted keep their slots as long as the process is published with them. */
static void hold_objects(struct unwinding *unwinding, struct published *entry)
{
	release_objects(entry);
	entry->objects = calloc(unwinding->mappings.len + 1, sizeof(*entry->objects));
	if (!entry->objects)
		return;
	vec_for_each (&unwinding->mappings, mapping) {
		if (mapping->object == UNWIND_NO_OBJECT ||
		    (mapping > unwinding->mappings.items && mapping->object == mapping[-1].object))
			continue;
		entry->objects[entry->n_objects] = unwinding->by_slot[mapping->object];
		entry->objects[entry->n_objects++]->processes++;
	}
}

static struct published *published_entry(struct unwinding *unwinding, struct process *process)
{
	struct published *entry;

	if (process->published_image)
		return &unwinding->published.items[process->published_at];
	entry = vec_push(&unwinding->published);
	if (!entry)
		return NULL;
	entry->process = process;
	process->published_at = (uint32_t)(unwinding->published.len - 1);
	return entry;
}

void unwinding_publish(struct unwinding *unwinding, struct process *process, uint64_t image, uint64_t now_ns)
{
	uint64_t version = process->mappings ? mapping_set_version(process->mappings) : 0;
	struct published *entry;
	bool is_partial;

	if (!version || (process->published_version == version && process->published_image == image &&
			 process->published_sharing == unwinding->sharing_version))
		return;
	entry = published_entry(unwinding, process);
	if (!entry)
		return;
	if (process->published_image && process->published_image != image)
		row_store_remove_process(unwinding->store, process->published_image, now_ns);
	is_partial = unwinding_convert_mappings(unwinding, process->mappings, now_ns);
	hold_objects(unwinding, entry);
	entry->image = process->published_image = image;
	if (row_store_publish_process(unwinding->store, image, unwinding->mappings.items,
				      (uint32_t)unwinding->mappings.len, is_partial, now_ns))
		return; /* tried again at its next sample */
	unwinding->stats.mappings_unpublished += is_partial;
	process->published_version = version;
	process->published_sharing = unwinding->sharing_version;
}

static void forget_process(struct unwinding *unwinding, struct published *entry, uint64_t now_ns)
{
	struct published *last = &unwinding->published.items[unwinding->published.len - 1];

	row_store_remove_process(unwinding->store, entry->image, now_ns);
	release_objects(entry);
	entry->process->published_image = entry->process->published_version = 0;
	last->process->published_at = (uint32_t)(entry - unwinding->published.items);
	*entry = *last;
	unwinding->published.len--;
}

void unwinding_forget_ended(struct unwinding *unwinding, uint64_t now_ns)
{
	for (size_t i = 0; i < unwinding->published.len;) {
		struct published *entry = &unwinding->published.items[i];

		if (entry->process->until_ns == UINT64_MAX || now_ns - entry->process->until_ns < PROCESS_LINGER_NS)
			i++;
		else
			forget_process(unwinding, entry, now_ns);
	}
}
