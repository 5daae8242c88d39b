/* SPDX-License-Identifier: Apache-2.0 */
/* A row passes three stations, each of which knows the one row that it may still change:
 *
 *     given ──► pending: another row at its offset replaces it
 *                  │ unless its rule is that of the row before
 *                  ▼
 *                run: steps are added to it, one row at a time
 *                  │ when a row comes that is no such step
 *                  ▼
 *     rows, cut into pages: each begins with a row at its offset 0, repeated from the page before where none was given
 *
 * At most a few thousand rules tell a file's hundreds of thousands of rows, and they are skewed: a small direct-mapped
 * cache finds nearly all of them, so that the keyed hash of the map is paid seldom; and a file that is made for misses
 * costs that hash for each row, not more. */
#include "table/table_writer.h"

#include <assert.h>
#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/map.h"
#include "base/vec.h"
#include "table/fold.h"
#include "table/unwind_table.h"

#define CACHE_BITS 10
#define NO_RULE UINT32_MAX

struct cached_rule {
	struct unwind_rule rule;
	uint32_t index; /* in rules, NO_RULE: empty */
};

struct given_row {
	uint64_t file_off;
	struct unwind_rule rule;
};

struct table_writer {
	uint16_t machine;
	struct table_writer_range range;
	struct table_writer_stats stats;
	uint64_t given_off;
	struct given_row pending;
	struct run run;
	struct unwind_rule carried; /* the plain rule at the end of the rows */
	struct rule_vec VEC(struct unwind_rule) rules;
	struct page_vec VEC(struct unwind_table_page) pages;
	struct row_vec VEC(uint32_t) rows;
	size_t page_row;    /* index of the first row of the page that is being filled */
	struct map by_rule; /* struct unwind_rule -> uint32_t */
	struct cached_rule cache[1 << CACHE_BITS];
};

static const struct unwind_rule no_rule = {.cfa = UNWIND_CFA_NONE};

static uint64_t page_of(uint64_t file_off)
{
	return file_off >> UNWIND_PAGE_SHIFT;
}

static bool is_page_start(uint64_t file_off)
{
	return !(file_off & (UNWIND_PAGE_BYTES - 1));
}

static int check_range(const struct table_writer_range *range)
{
	if (range->file_first > range->first || range->first >= range->limit || range->limit > range->file_limit)
		return -EINVAL;
	if ((!is_page_start(range->first) && range->first != range->file_first) ||
	    (!is_page_start(range->limit) && range->limit != range->file_limit))
		return -EINVAL;
	if (page_of(range->file_limit - 1) - page_of(range->file_first) >= UNWIND_MAX_PAGES ||
	    page_of(range->file_limit - 1) > UINT32_MAX)
		return -E2BIG;
	return 0;
}

int table_writer_new(uint16_t machine, const struct table_writer_range *range, struct table_writer **ret)
{
	int err = check_range(range);
	struct table_writer *writer;

	if (err)
		return err;
	writer = calloc(1, sizeof(*writer));
	if (!writer)
		return -ENOMEM;
	writer->machine = machine;
	writer->range = *range;
	writer->run = run_of(page_of(range->first) << UNWIND_PAGE_SHIFT, &no_rule);
	writer->pending = (struct given_row){.file_off = range->first, .rule = no_rule};
	vec_init(&writer->rules, UNWIND_MAX_RULES);
	vec_init(&writer->pages, UNWIND_MAX_PAGES);
	vec_init(&writer->rows, UNWIND_TABLE_MAX_BYTES / sizeof(uint32_t));
	map_init(&writer->by_rule, sizeof(struct unwind_rule), sizeof(uint32_t), UNWIND_MAX_RULES);
	for (size_t i = 0; i < 1 << CACHE_BITS; i++)
		writer->cache[i].index = NO_RULE;
	*ret = writer;
	return 0;
}

void table_writer_free(struct table_writer *writer)
{
	if (!writer)
		return;
	vec_release(&writer->rules);
	vec_release(&writer->pages);
	vec_release(&writer->rows);
	map_release(&writer->by_rule);
	free(writer);
}

/* --- rules -------------------------------------------------------------------------------------------------------- */

static bool rules_equal(const struct unwind_rule *a, const struct unwind_rule *b)
{
	return !memcmp(a, b, sizeof(*a));
}

static struct cached_rule *cache_slot(struct table_writer *writer, const struct unwind_rule *rule)
{
	uint64_t words[2];

	memcpy(words, rule, sizeof(words));
	/* Two odd constants, of xxHash: their products mix upwards, so the highest bits are the best ones. */
	words[0] = words[0] * 0x9e3779b185ebca87ULL ^ words[1] * 0xc2b2ae3d27d4eb4fULL;
	return &writer->cache[(words[0] ^ words[0] >> 29) * 0x9e3779b185ebca87ULL >> (64 - CACHE_BITS)];
}

static int add_rule(struct table_writer *writer, const struct unwind_rule *rule, uint32_t *ret)
{
	struct unwind_rule *slot;
	bool is_new;
	void *index;
	int err;

	if (!unwind_rule_is_valid(rule, writer->machine))
		return -EINVAL;
	err = vec_reserve(&writer->rules, writer->rules.len + 1);
	if (!err)
		err = map_insert(&writer->by_rule, rule, &index, &is_new);
	if (err)
		return err == -E2BIG ? -ENOSPC : err;
	assert(is_new);
	*(uint32_t *)index = *ret = (uint32_t)writer->rules.len;
	slot = vec_push_reserved(&writer->rules);
	*slot = *rule;
	return 0;
}

static int intern_rule(struct table_writer *writer, const struct unwind_rule *rule, uint32_t *ret)
{
	struct cached_rule *cached = cache_slot(writer, rule);
	const uint32_t *known;
	uint32_t index;
	int err;

	if (cached->index == NO_RULE || !rules_equal(&cached->rule, rule)) {
		known = map_find(&writer->by_rule, rule);
		if (known) {
			index = *known;
		} else {
			err = add_rule(writer, rule, &index);
			if (err)
				return err;
		}
		*cached = (struct cached_rule){.rule = *rule, .index = index};
	}
	*ret = cached->index;
	return 0;
}

/* --- pages -------------------------------------------------------------------------------------------------------- */

static int push_row(struct table_writer *writer, uint32_t offset, const struct unwind_rule *rule)
{
	uint32_t index;
	int err = intern_rule(writer, rule, &index);

	if (!err)
		err = vec_reserve(&writer->rows, writer->rows.len + 1);
	if (err)
		return err;
	writer->rows.items[writer->rows.len++] = unwind_row(offset, index);
	return 0;
}

/* The page's only row becomes plain ones: the rule of a constant page has no steps. */
static int unfold_only_row(struct table_writer *writer)
{
	struct unwind_rule folded = writer->rules.items[unwind_row_rule(writer->rows.items[writer->page_row])];
	int err = 0;

	writer->rows.len = writer->page_row;
	for (uint32_t distance = 0; distance <= UNWIND_MAX_STEP_DISTANCE && !err; distance++) {
		struct unwind_rule plain = unwind_rule_stepped(&folded, distance);

		if (!distance || folded.steps >> distance & 1)
			err = push_row(writer, distance, &plain);
	}
	return err;
}

static int close_page(struct table_writer *writer)
{
	struct unwind_table_page *page;
	int err = 0;

	if (writer->rows.len == writer->page_row)
		err = push_row(writer, 0, &writer->carried);
	else if (writer->rows.len == writer->page_row + 1 &&
		 writer->rules.items[unwind_row_rule(writer->rows.items[writer->page_row])].steps)
		err = unfold_only_row(writer);
	if (!err)
		err = vec_reserve(&writer->pages, writer->pages.len + 1);
	if (err)
		return err;
	page = vec_push_reserved(&writer->pages);
	page->n_rows = (uint32_t)(writer->rows.len - writer->page_row);
	if (page->n_rows == 1) {
		page->rule = unwind_row_rule(writer->rows.items[--writer->rows.len]);
		page->n_rows = 0;
		writer->stats.constant_pages++;
	}
	writer->page_row = writer->rows.len;
	return 0;
}

/* Closes pages until the one of this number is being filled. */
static int turn_to_page(struct table_writer *writer, uint64_t number)
{
	int err = 0;

	while (!err && page_of(writer->range.first) + writer->pages.len < number)
		err = close_page(writer);
	return err;
}

/* --- rows --------------------------------------------------------------------------------------------------------- */

static int write_run(struct table_writer *writer)
{
	const struct run *run = &writer->run;
	int err = turn_to_page(writer, page_of(run->start));

	if (!err && writer->rows.len == writer->page_row && !is_page_start(run->start))
		err = push_row(writer, 0, &writer->carried);
	if (!err)
		err = push_row(writer, (uint32_t)(run->start & (UNWIND_PAGE_BYTES - 1)), &run->rule);
	if (!err)
		writer->carried = run->end;
	return err;
}

/* The pending row is final. */
static int settle(struct table_writer *writer)
{
	const struct given_row *row = &writer->pending;
	int err = 0;

	if (rules_equal(&row->rule, &writer->run.end))
		return 0;
	writer->stats.rows_merged++;
	if (writer->machine == EM_X86_64 && run_extend(&writer->run, row->file_off, &row->rule))
		return 0;
	if (row->file_off != writer->run.start) /* equal at the start of the range alone */
		err = write_run(writer);
	writer->run = run_of(row->file_off, &row->rule);
	return err;
}

int table_writer_row(struct table_writer *writer, uint64_t file_off, const struct unwind_rule *rule)
{
	int err = 0;

	if (file_off < writer->given_off || rule->cfa == UNWIND_CFA_FOLDED)
		return -EINVAL;
	writer->given_off = file_off;
	writer->stats.rows_given++;
	if (file_off >= writer->range.limit)
		return 0;
	if (file_off < writer->range.first)
		file_off = writer->range.first;
	if (file_off != writer->pending.file_off)
		err = settle(writer);
	writer->pending.file_off = file_off;
	writer->pending.rule = *rule;
	return err;
}

/* --- the table ---------------------------------------------------------------------------------------------------- */

/* Behind the end of the code there is no rule. */
static int close_rows(struct table_writer *writer)
{
	uint64_t limit = writer->range.limit;
	int err = settle(writer);

	if (!err && !is_page_start(limit)) {
		writer->pending = (struct given_row){.file_off = limit, .rule = no_rule};
		err = settle(writer);
	}
	if (!err)
		err = write_run(writer);
	if (!err)
		err = turn_to_page(writer, page_of(limit - 1) + 1);
	return err;
}

static int write_table(const struct table_writer *writer, const struct unwind_table_head *head, int fd)
{
	int err = io_write_full(fd, head, sizeof(*head));

	if (!err)
		err = io_write_full(fd, writer->rules.items, writer->rules.len * sizeof(*writer->rules.items));
	if (!err)
		err = io_write_full(fd, writer->pages.items, writer->pages.len * sizeof(*writer->pages.items));
	if (!err)
		err = io_write_full(fd, writer->rows.items, writer->rows.len * sizeof(*writer->rows.items));
	return err;
}

int table_writer_finish(struct table_writer *writer, int fd, struct table_writer_stats *ret)
{
	const struct table_writer_range *range = &writer->range;
	struct unwind_table_head head = {.magic = UNWIND_TABLE_MAGIC, .version = UNWIND_TABLE_VERSION};
	uint64_t bytes;
	int err = close_rows(writer);

	if (err)
		return err;
	bytes = sizeof(head) + writer->rules.len * sizeof(*writer->rules.items) +
		writer->pages.len * sizeof(*writer->pages.items) + writer->rows.len * sizeof(*writer->rows.items);
	if (bytes > UNWIND_TABLE_MAX_BYTES)
		return -E2BIG;
	head.machine = writer->machine;
	head.n_rules = (uint32_t)writer->rules.len;
	head.n_pages = (uint32_t)writer->pages.len;
	head.n_rows = (uint32_t)writer->rows.len;
	head.first_page = (uint32_t)page_of(range->first);
	head.file_first_page = (uint32_t)page_of(range->file_first);
	head.file_pages = (uint32_t)(page_of(range->file_limit - 1) - page_of(range->file_first)) + 1;
	err = write_table(writer, &head, fd);
	if (err)
		return err;
	writer->stats.rows_written = writer->rows.len + writer->stats.constant_pages;
	writer->stats.rules = head.n_rules;
	writer->stats.pages = head.n_pages;
	writer->stats.bytes = bytes;
	*ret = writer->stats;
	return 0;
}
