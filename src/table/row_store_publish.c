/* SPDX-License-Identifier: Apache-2.0 */
/* A table becomes public in three steps, of which the last one cannot fail:
 *
 *     plan     what its pages take, with the table's rules exchanged for the dictionary's
 *     extents  the directory and the blobs of consecutive pages side by side, so that a table is few extents
 *     write    blobs; the words of their pages; the word of the object
 *
 * Each rule that a row uses has a reference, taken when the plan meets it first; so a table's references are never
 * more than its rows, and need no limit of their own.
 *
 * When rules become scarce, folded rows are unfolded: there are far more rules with steps than without. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "table/page_blob.h"
#include "table/row_store_internal.h"

#define EXTENT_UNITS (65536u >> UNWIND_UNIT_SHIFT) /* of an extent with more than one blob */
#define UNFOLD_ABOVE 60000u			   /* rules in use */
#define DISTANCES (UNWIND_MAX_STEP_DISTANCE + 1u)

struct page_plan {
	struct page_blob blob; /* no units: the page is constant, or there already */
	uint32_t place;
};

struct publication {
	struct row_store *store;
	const struct unwind_table *table;
	struct stored_object *object;
	uint64_t now_ns;
	int err; /* the first failure of intern_rule() */
	bool unfolds, has_unfolded;
	uint32_t directory_units; /* 0: there is one */
	uint32_t directory;	  /* its place */
	uint32_t first_word;	  /* index in the directory of the table's first page */
	uint32_t *indexes; /* of the table's rules in the dictionary + 1; with unfolding, one for each distance */
	struct rule_index_vec rules;
	struct page_plan *pages;
	struct extent_vec extents;
	uint64_t units, rows;
	uint32_t page_rows[UNWIND_PAGE_BYTES]; /* scratch */
};

/* --- rows --------------------------------------------------------------------------------------------------------- */

/* 0 when it fails: that stays in pub->err. */
static uint32_t intern_rule(struct publication *pub, uint32_t rule, uint32_t distance, uint32_t *known)
{
	struct unwind_rule public_rule = pub->table->rules[rule];
	uint16_t index;

	if (pub->err)
		return 0;
	if (pub->unfolds)
		public_rule = unwind_rule_stepped(&public_rule, distance);
	pub->err = vec_reserve(&pub->rules, pub->rules.len + 1);
	if (!pub->err)
		pub->err = rule_dictionary_ref(&pub->store->rules, &public_rule, pub->now_ns, &index);
	if (pub->err)
		return 0;
	pub->rules.items[pub->rules.len++] = index;
	*known = index + 1u;
	return index;
}

/* The dictionary's index of a rule of the table: as it stands `distance` bytes behind the start of a row when rows are
 * unfolded, else as it is. */
static uint32_t dictionary_index(struct publication *pub, uint32_t rule, uint32_t distance)
{
	uint32_t *known = &pub->indexes[pub->unfolds ? rule * DISTANCES + distance : rule];

	return *known ? *known - 1 : intern_rule(pub, rule, distance, known);
}

/* Writes the rows of a page as they will be public to pub->page_rows. Returns how many. */
static uint32_t convert_rows(struct publication *pub, const uint32_t *rows, uint32_t n)
{
	uint32_t *to = pub->page_rows;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t offset = unwind_row_offset(rows[i]), rule = unwind_row_rule(rows[i]);
		uint32_t limit = i + 1 < n ? unwind_row_offset(rows[i + 1]) : UNWIND_PAGE_BYTES;
		uint32_t steps = pub->unfolds ? pub->table->rules[rule].steps & ~UNWIND_STEPS_POP : 0;

		*to++ = unwind_row(offset, dictionary_index(pub, rule, 0));
		pub->has_unfolded |= steps;
		for (; steps; steps &= steps - 1) {
			uint32_t distance = (uint32_t)__builtin_ctz(steps);

			if (offset + distance >= limit)
				break;
			*to++ = unwind_row(offset + distance, dictionary_index(pub, rule, distance));
		}
	}
	return (uint32_t)(to - pub->page_rows);
}

/* --- plan --------------------------------------------------------------------------------------------------------- */

static uint32_t *directory_words(const struct row_store *store, uint32_t directory)
{
	return row_store_at(store, directory);
}

static bool is_page_public(const struct publication *pub, uint32_t page)
{
	return !pub->directory_units &&
	       directory_words(pub->store, pub->object->directory)[pub->first_word + page] != UNWIND_PAGE_UNLOADED;
}

static void plan_pages(struct publication *pub)
{
	const uint32_t *rows = pub->table->rows;

	pub->units = pub->directory_units;
	for (uint32_t i = 0; i < pub->table->head.n_pages && !pub->err; rows += pub->table->pages[i++].n_rows) {
		const struct unwind_table_page *page = &pub->table->pages[i];
		struct page_blob *blob = &pub->pages[i].blob;

		if (is_page_public(pub, i))
			continue;
		if (!page->n_rows) {
			dictionary_index(pub, page->rule, 0);
			continue;
		}
		*blob = page_blob_layout(pub->page_rows, convert_rows(pub, rows, page->n_rows));
		pub->units += blob->units;
		pub->rows += blob->rows;
	}
}

/* --- extents ------------------------------------------------------------------------------------------------------ */

static int take_extent(struct publication *pub, uint32_t units, uint32_t *ret_place)
{
	struct extent extent;
	int err = vec_reserve(&pub->extents, pub->extents.len + 1);

	if (!err)
		err = row_store_take(pub->store, units, &extent);
	if (err)
		return err;
	pub->extents.items[pub->extents.len++] = extent;
	*ret_place = extent.place;
	return 0;
}

/* The first extent begins with the directory. */
static int take_extents(struct publication *pub)
{
	uint32_t units = pub->directory_units, n_pages = pub->table->head.n_pages, first = 0, page = 0, place;
	int err;

	while (page < n_pages || units) {
		uint32_t lead = units;

		for (; page < n_pages && (!units || units + pub->pages[page].blob.units <= EXTENT_UNITS); page++)
			units += pub->pages[page].blob.units;
		if (!units)
			break;
		err = take_extent(pub, units, &place);
		if (err)
			return err;
		if (lead)
			pub->directory = place;
		place += lead;
		for (; first < page; place += pub->pages[first++].blob.units)
			pub->pages[first].place = place;
		units = 0;
	}
	return 0;
}

static void give_back_extents(struct publication *pub)
{
	vec_for_each (&pub->extents, extent)
		extents_give_back(&pub->store->extents, *extent);
	pub->extents.len = 0;
}

/* --- write -------------------------------------------------------------------------------------------------------- */

/* Writes the blob of the page; returns the page's word. */
static uint32_t write_page(struct publication *pub, const struct unwind_table_page *page, const struct page_plan *plan,
			   const uint32_t *rows)
{
	uint32_t n;

	if (!page->n_rows)
		return unwind_page_constant(dictionary_index(pub, page->rule, 0));
	n = convert_rows(pub, rows, page->n_rows);
	page_blob_write(&plan->blob, pub->page_rows, n, pub->store->unsupported, row_store_at(pub->store, plan->place));
	return unwind_page_rows(plan->place, plan->blob.block_shift);
}

static void write_pages(struct publication *pub)
{
	uint32_t *words = directory_words(pub->store, pub->object->directory) + pub->first_word;
	const uint32_t *rows = pub->table->rows;

	for (uint32_t i = 0; i < pub->table->head.n_pages; rows += pub->table->pages[i++].n_rows) {
		uint32_t word;

		if (words[i] != UNWIND_PAGE_UNLOADED)
			continue;
		word = write_page(pub, &pub->table->pages[i], &pub->pages[i], rows);
		__atomic_store_n(&words[i], word, __ATOMIC_RELEASE);
	}
	assert(!pub->err); /* the plan has met every rule */
}

static void write_directory(struct publication *pub, uint32_t slot)
{
	const struct unwind_table_head *head = &pub->table->head;
	struct row_store *store = pub->store;
	struct unwind_object *object = &store->memory.objects[slot];

	__atomic_thread_fence(__ATOMIC_RELEASE); /* behind the word that said that the last table has left */
	memset(row_store_at(store, pub->directory), 0, head->file_pages * sizeof(uint32_t));
	store->directory_serial = store->directory_serial % (UNWIND_MAX_SERIAL - 1) + 1;
	__atomic_store_n(&object->first_page, head->file_first_page, __ATOMIC_RELAXED);
	__atomic_store_n(&object->pages, head->file_pages, __ATOMIC_RELAXED);
	__atomic_store_n(&object->serial, store->directory_serial, __ATOMIC_RELAXED);
}

/* All that may fail has been done: the object's vectors have room. */
static void write_table(struct publication *pub, uint32_t slot)
{
	struct row_store *store = pub->store;
	struct stored_object *object = pub->object;

	if (pub->directory_units) {
		write_directory(pub, slot);
		object->directory = pub->directory;
		object->first_page = pub->table->head.file_first_page;
		object->pages = pub->table->head.file_pages;
		store->stats.tables++;
	}
	write_pages(pub);
	vec_for_each (&pub->extents, extent)
		object->extents.items[object->extents.len++] = *extent;
	vec_for_each (&pub->rules, rule)
		object->rules.items[object->rules.len++] = *rule;
	pub->extents.len = pub->rules.len = 0;
	object->units += pub->units;
	object->rows += pub->rows;
	store->stats.rows += pub->rows;
	store->stats.table_bytes += pub->units << UNWIND_UNIT_SHIFT;
	store->stats.unfolded_tables += pub->has_unfolded;
	__atomic_store_n(&store->memory.objects[slot].used_epoch, store->epoch, __ATOMIC_RELAXED);
	if (pub->directory_units)
		row_store_write_object(store, slot, UNWIND_OBJECT_LOADED);
}

/* --- publication -------------------------------------------------------------------------------------------------- */

static uint32_t directory_units(const struct unwind_table_head *head)
{
	size_t bytes = head->file_pages * sizeof(uint32_t);

	return (uint32_t)(bytes + (1u << UNWIND_UNIT_SHIFT) - 1) >> UNWIND_UNIT_SHIFT;
}

/* What was not handed over to the object goes back. */
static void publication_free(struct publication *pub)
{
	if (!pub)
		return;
	give_back_extents(pub);
	vec_for_each (&pub->rules, rule)
		rule_dictionary_give_back(&pub->store->rules, *rule);
	vec_release(&pub->rules);
	vec_release(&pub->extents);
	free(pub->indexes);
	free(pub->pages);
	free(pub);
}

static int publication_plan(struct row_store *store, uint32_t slot, const struct unwind_table *table, bool unfolds,
			    uint64_t now_ns, struct publication **ret)
{
	struct publication *pub = calloc(1, sizeof(*pub));
	int err = -ENOMEM;

	if (!pub)
		return err;
	pub->store = store;
	pub->table = table;
	pub->object = &store->objects[slot];
	pub->now_ns = now_ns;
	pub->unfolds = unfolds;
	pub->directory_units = pub->object->state == UNWIND_OBJECT_LOADED ? 0 : directory_units(&table->head);
	pub->first_word = table->head.first_page - table->head.file_first_page;
	vec_init(&pub->rules, UINT32_MAX);
	vec_init(&pub->extents, UINT32_MAX);
	pub->indexes = calloc((size_t)table->head.n_rules * (unfolds ? DISTANCES : 1), sizeof(*pub->indexes));
	pub->pages = calloc(table->head.n_pages, sizeof(*pub->pages));
	if (!pub->indexes || !pub->pages)
		goto fail;
	plan_pages(pub);
	err = pub->err;
	if (err)
		goto fail;
	*ret = pub;
	return 0;
fail:
	publication_free(pub);
	return err;
}

static int publication_take_room(struct publication *pub, uint32_t slot)
{
	struct stored_object *object = pub->object;
	int err = take_extents(pub);

	if (err == -ENOSPC) {
		give_back_extents(pub);
		return row_store_make_room(pub->store, pub->units, slot, pub->now_ns);
	}
	if (!err)
		err = vec_reserve(&object->extents, object->extents.len + pub->extents.len);
	if (!err)
		err = vec_reserve(&object->rules, object->rules.len + pub->rules.len);
	return err;
}

/* Without looking at the rows. Of 32 that are packed, one is lost. */
static bool exceeds_limit(const struct row_store *store, const struct unwind_table *table)
{
	uint64_t rows = table->head.n_rows - table->head.n_rows / 32;

	return rows * sizeof(uint32_t) > (uint64_t)store->max_segments * UNWIND_SEGMENT_BYTES;
}

static int plan_table(struct row_store *store, uint32_t slot, const struct unwind_table *table, uint64_t now_ns,
		      struct publication **ret)
{
	bool unfolds = store->rules.in_use > UNFOLD_ABOVE;
	int err;

	if (exceeds_limit(store, table))
		return -ENOSPC;
	err = publication_plan(store, slot, table, unfolds, now_ns, ret);
	if (err == -ENOSPC && !unfolds) /* it has too many rules with steps itself */
		err = publication_plan(store, slot, table, true, now_ns, ret);
	return err;
}

int row_store_publish(struct row_store *store, uint32_t slot, const struct unwind_table *table, uint64_t now_ns)
{
	const struct unwind_table_head *head = &table->head;
	const struct stored_object *object = &store->objects[slot];
	struct publication *pub = NULL;
	int err;

	assert(object->is_taken);
	if (head->machine != store->machine)
		return -EINVAL;
	if (object->state == UNWIND_OBJECT_LOADED &&
	    (object->first_page != head->file_first_page || object->pages != head->file_pages))
		return -EINVAL;
	err = plan_table(store, slot, table, now_ns, &pub);
	if (!err)
		err = publication_take_room(pub, slot);
	if (!err)
		write_table(pub, slot);
	if (err == -ENOSPC)
		store->stats.tables_refused++;
	publication_free(pub);
	return err;
}

uint64_t row_store_table_bytes(const struct unwind_table *table)
{
	const uint32_t *rows = table->rows;
	uint64_t units = directory_units(&table->head);

	for (uint32_t i = 0; i < table->head.n_pages; rows += table->pages[i++].n_rows)
		if (table->pages[i].n_rows)
			units += page_blob_layout(rows, table->pages[i].n_rows).units;
	return units << UNWIND_UNIT_SHIFT;
}
