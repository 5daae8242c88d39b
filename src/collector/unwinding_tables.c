/* SPDX-License-Identifier: Apache-2.0 */
#include "unwinding_internal.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"

void unwinding_object_changed(struct unwinding *unwinding, const struct object *object, uint64_t now_ns)
{
	struct table_object *entry = unwinding_find_object(unwinding, object->id);

	if (entry && object->state == OBJECT_FAILED && !entry->same_as)
		unwinding_give_up(unwinding, entry, now_ns);
}

/* The table is made again and replaces what there is, once that is settled. */
static void make_anew(struct unwinding *unwinding, struct table_object *entry)
{
	if (!entry->is_stale || entry->same_as || (entry->state != TABLE_LOADED && entry->state != TABLE_NONE))
		return;
	unwinding_want_again(unwinding, entry);
}

void unwinding_table_is_stale(struct unwinding *unwinding, uint32_t object)
{
	struct table_object *entry = unwinding_find_object(unwinding, object);

	if (!entry)
		return;
	entry->is_stale = true;
	make_anew(unwinding, entry);
}

static void drop_waiting(struct unwinding *unwinding)
{
	memfd_unmap(&unwinding->waiting_bytes);
	unwinding->waiting = (struct message_table){0};
}

bool unwinding_publish_waiting(struct unwinding *unwinding, uint64_t now_ns)
{
	struct table_object *entry = unwinding_find_object(unwinding, unwinding->waiting.object);
	struct unwind_table table;
	int err = -ENOENT;

	if (entry && entry->slot != UNWIND_NO_OBJECT) {
		if (entry->is_replaced)
			row_store_publish_none(unwinding->store, entry->slot, now_ns);
		entry->is_replaced = false;
		err = unwind_table_read(unwinding->waiting_bytes.bytes, unwinding->waiting_bytes.len,
					unwinding->options.machine, &table);
		if (!err)
			err = row_store_publish(unwinding->store, entry->slot, &table, now_ns);
	}
	if (err == -EAGAIN)
		return false;
	if (!err) {
		entry->state = TABLE_LOADED;
		unwinding->stats.tables_made++;
		unwinding_tell_news(unwinding, entry);
	} else if (entry) {
		unwinding_give_up(unwinding, entry, now_ns);
		unwinding->stats.tables_failed++;
		log_write(LOG_DEBUG, UNWINDING_MODULE, "unwind table of object %u not published: %s", entry->id,
			  err_name(err));
	}
	drop_waiting(unwinding);
	if (entry)
		make_anew(unwinding, entry);
	return true;
}

/* The object's file is one whose table is there already. */
static void share(struct unwinding *unwinding, struct table_object *entry, uint32_t same_as, uint64_t now_ns)
{
	struct table_object *owner = unwinding_find_object(unwinding, same_as);

	if (!owner || owner == entry || owner->same_as) {
		unwinding_give_up(unwinding, entry, now_ns);
		return;
	}
	entry->same_as = owner;
	entry->state = TABLE_LOADED;
	unwinding->sharing_version++; /* whoever maps it is published anew */
	unwinding_tell_news(unwinding, entry);
}

void unwinding_table(struct unwinding *unwinding, const struct message_table *table, int fd, uint64_t now_ns)
{
	struct table_object *entry = unwinding->asked;

	if (!entry || entry->id != table->object || unwinding->waiting.object)
		return; /* of a resolver that was given up */
	unwinding->asked = NULL;
	unwinding->tokens_ns -= (int64_t)table->cpu_ns;
	unwinding->stats.making_cpu_ns += table->cpu_ns;
	if (table->err && entry->is_replaced) {
		entry->is_replaced = false;
		entry->state = TABLE_LOADED; /* what there was stays */
	} else if (table->err) {
		log_write(LOG_DEBUG, UNWINDING_MODULE, "no unwind table of object %u: %s", entry->id,
			  err_name(table->err));
		unwinding_give_up(unwinding, entry, now_ns);
		unwinding->stats.tables_failed += table->err != -ENOENT;
	} else if (table->same_as) {
		share(unwinding, entry, table->same_as, now_ns);
	} else if (memfd_map(fd, UNWIND_TABLE_MAX_BYTES, &unwinding->waiting_bytes)) {
		unwinding_give_up(unwinding, entry, now_ns);
		unwinding->stats.tables_failed++;
	} else {
		unwinding->waiting = *table;
		unwinding_publish_waiting(unwinding, now_ns);
	}
	make_anew(unwinding, entry);
}

void unwinding_ask_again(struct unwinding *unwinding)
{
	struct table_object *entry = unwinding->asked;

	unwinding->asked = NULL;
	if (entry && entry->state == TABLE_ASKED)
		unwinding_want_again(unwinding, entry);
}

static double urgency(const struct table_object *entry, uint64_t now_ns)
{
	double score = (double)entry->misses * (double)(now_ns - entry->wanted_ns + NSEC_PER_MSEC);

	return entry->processes >= UNWINDING_SHARED_BY ? score * 1e6 : score;
}

/* The wanted object whose table is to be made next; NULL: none whose file is there. */
static struct table_object *take_most_urgent(struct unwinding *unwinding, uint64_t now_ns)
{
	struct table_object_vec *wanted = &unwinding->wanted;
	size_t best = SIZE_MAX;
	struct table_object *entry;

	for (size_t i = 0; i < wanted->len;) {
		const struct object *object;

		entry = wanted->items[i];
		object = object_table_get(unwinding->options.objects, entry->id);
		if (entry->state != TABLE_WANTED) {
			wanted->items[i] = wanted->items[--wanted->len];
			continue;
		}
		if (object->state == OBJECT_FAILED || object->flags & OBJECT_QUARANTINED) {
			unwinding_give_up(unwinding, entry, now_ns);
			continue;
		}
		if (object->state == OBJECT_OPEN &&
		    (best == SIZE_MAX || urgency(entry, now_ns) > urgency(wanted->items[best], now_ns)))
			best = i;
		i++;
	}
	if (best == SIZE_MAX)
		return NULL;
	entry = wanted->items[best];
	wanted->items[best] = wanted->items[--wanted->len];
	return entry;
}

void unwinding_refill_tokens(struct unwinding *unwinding, uint64_t now_ns)
{
	uint64_t passed_ns = unwinding->tokens_from_ns ? now_ns - unwinding->tokens_from_ns : 0;

	unwinding->tokens_from_ns = now_ns;
	unwinding->tokens_ns += (int64_t)((double)passed_ns * UNWINDING_SHARE);
	if (unwinding->tokens_ns > (int64_t)UNWINDING_BURST_NS)
		unwinding->tokens_ns = UNWINDING_BURST_NS;
}

void unwinding_ask_for_next(struct unwinding *unwinding, uint64_t now_ns)
{
	struct table_object *entry;

	if (unwinding->asked || unwinding->waiting.object)
		return;
	if (unwinding->tokens_ns <= 0 && !unwinding->is_in_hurry)
		return;
	entry = take_most_urgent(unwinding, now_ns);
	if (!entry)
		return;
	entry->state = TABLE_ASKED;
	entry->misses = 0;
	entry->is_replaced = entry->is_replaced || entry->is_stale;
	entry->is_stale = false;
	unwinding->asked = entry;
	if (unwinding->options.make_table(unwinding->options.ctx,
					  object_table_get(unwinding->options.objects, entry->id), entry->page))
		unwinding_ask_again(unwinding);
}
