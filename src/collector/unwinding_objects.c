/* SPDX-License-Identifier: Apache-2.0 */
#include "unwinding_internal.h"

#include <errno.h>
#include <stdlib.h>

struct table_object *unwinding_find_object(const struct unwinding *unwinding, uint32_t id)
{
	struct table_object **slot = map_find(&unwinding->by_id, &id);

	return slot ? *slot : NULL;
}

/* A slot of an object that no published process has any more. */
static bool free_a_slot(struct unwinding *unwinding, uint64_t now_ns)
{
	for (uint32_t slot = 0; slot < UNWIND_MAX_OBJECTS; slot++) {
		struct table_object *object = unwinding->by_slot[slot];

		if (!object || object->processes || object == unwinding->asked || object->state == TABLE_WANTED)
			continue;
		row_store_remove_object(unwinding->store, slot, now_ns);
		unwinding->by_slot[slot] = NULL;
		object->slot = UNWIND_NO_OBJECT;
		object->state = TABLE_IDLE;
		return true;
	}
	return false;
}

static void take_slot(struct unwinding *unwinding, struct table_object *object, uint64_t now_ns)
{
	int err = row_store_add_object(unwinding->store, &object->slot, &object->generation);

	if (err == -ENOSPC && free_a_slot(unwinding, now_ns))
		err = row_store_add_object(unwinding->store, &object->slot, &object->generation);
	if (err)
		object->slot = UNWIND_NO_OBJECT;
	else
		unwinding->by_slot[object->slot] = object;
}

struct table_object *unwinding_object_of(struct unwinding *unwinding, uint32_t id, uint64_t now_ns)
{
	const struct object *known = object_table_get(unwinding->options.objects, id);
	struct table_object *object, **slot;
	bool is_new;

	if (!known || (known->kind != OBJECT_FILE && known->kind != OBJECT_VDSO))
		return NULL;
	if (map_insert(&unwinding->by_id, &id, (void **)&slot, &is_new))
		return NULL;
	if (is_new) {
		*slot = calloc(1, sizeof(**slot));
		if (!*slot) {
			map_remove(&unwinding->by_id, &id);
			return NULL;
		}
		(*slot)->id = id;
		(*slot)->slot = UNWIND_NO_OBJECT;
	}
	object = (*slot)->same_as ? (*slot)->same_as : *slot;
	if (object->slot == UNWIND_NO_OBJECT)
		take_slot(unwinding, object, now_ns);
	return object->slot == UNWIND_NO_OBJECT ? NULL : object;
}

void unwinding_want_again(struct unwinding *unwinding, struct table_object *object)
{
	struct table_object **slot = vec_push(&unwinding->wanted);

	object->state = slot ? TABLE_WANTED : TABLE_IDLE;
	if (slot)
		*slot = object;
}

void unwinding_want(struct unwinding *unwinding, struct table_object *object, uint32_t page, uint64_t now_ns)
{
	object->page = page;
	object->misses++;
	if (object->same_as)
		return;
	if (object->state != TABLE_IDLE && object->state != TABLE_LOADED)
		return;
	unwinding_want_again(unwinding, object);
	object->wanted_ns = now_ns;
}

void unwinding_tell_news(struct unwinding *unwinding, const struct table_object *object)
{
	unwinding->version++;
	if (object->slot != UNWIND_NO_OBJECT)
		unwinding->slot_versions[object->slot]++;
}

void unwinding_give_up(struct unwinding *unwinding, struct table_object *object, uint64_t now_ns)
{
	object->state = TABLE_NONE;
	if (object->slot != UNWIND_NO_OBJECT)
		row_store_publish_none(unwinding->store, object->slot, now_ns);
	unwinding_tell_news(unwinding, object);
}
