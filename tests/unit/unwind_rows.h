/* SPDX-License-Identifier: Apache-2.0 */
/* Plain rows of unwind rules, tables made of them, and the lookup that the walk makes, written down a second time from
 * wire/unwind.h: it counts steps one by one and searches rows one by one. */
#pragma once

#include <elf.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "table/table_writer.h"
#include "table/unwind_table.h"

struct plain_row {
	uint64_t file_off;
	struct unwind_rule rule;
};

struct plain_rows {
	struct plain_row *rows;
	size_t n, cap;
};

static inline struct unwind_rule rule_sp(int32_t cfa_off)
{
	return (struct unwind_rule){.cfa = UNWIND_CFA_SP, .cfa_off = cfa_off, .ra_off = -8};
}

static inline struct unwind_rule rule_fp(int32_t cfa_off)
{
	return (struct unwind_rule){
		.cfa = UNWIND_CFA_FP, .fp = UNWIND_FP_SAVED, .cfa_off = cfa_off, .fp_off = -16, .ra_off = -8};
}

static inline struct unwind_rule rule_bare(uint8_t cfa)
{
	return (struct unwind_rule){.cfa = cfa};
}

static inline void add_row(struct plain_rows *rows, uint64_t file_off, struct unwind_rule rule)
{
	if (rows->n == rows->cap) {
		rows->cap = rows->cap ? 2 * rows->cap : 256;
		rows->rows = realloc(rows->rows, rows->cap * sizeof(*rows->rows));
		if (!rows->rows)
			abort();
	}
	rows->rows[rows->n++] = (struct plain_row){.file_off = file_off, .rule = rule};
}

static inline uint64_t random_next(uint64_t *random)
{
	*random ^= *random << 13;
	*random ^= *random >> 7;
	*random ^= *random << 17;
	return *random;
}

static inline struct unwind_rule rule_saved(struct unwind_rule rule, int16_t fp_off)
{
	rule.fp = UNWIND_FP_SAVED;
	rule.fp_off = fp_off;
	return rule;
}

/* Functions as compilers make them: pushes, room for a frame, a body, pops; some save the frame pointer, some set it,
 * some have no rule, some are densely packed with rows (but no more than a block can have), some stretch over pages. */
static inline struct plain_rows random_rows(uint64_t seed, uint64_t first, uint64_t limit)
{
	uint64_t random = seed * 0x9e3779b97f4a7c15ull | 1, off = first + random_next(&random) % 64;
	struct plain_rows rows = {0};

	while (off < limit) {
		uint64_t shape = random_next(&random) % 16, pushes = random_next(&random) % 9;
		uint64_t saving = shape % 2 ? random_next(&random) % (pushes + 1) : 0; /* which push; 0: none */
		int32_t cfa_off = 8, room = 8 * (int32_t)(random_next(&random) % 80);

		if (shape == 0) {
			add_row(&rows, off, rule_bare(random_next(&random) % 2 ? UNWIND_CFA_NONE : UNWIND_CFA_STOP));
			off += random_next(&random) % (random_next(&random) % 8 ? 300 : 200000);
			continue;
		}
		if (shape == 1) {
			for (uint64_t i = random_next(&random) % UNWIND_MAX_BLOCK_ROWS; i && off < limit; i--)
				add_row(&rows, off++, rule_fp((int32_t)(random_next(&random) % 50)));
			off += 2;
			continue;
		}
		add_row(&rows, off, rule_sp(cfa_off));
		for (uint64_t i = 0; i < pushes; i++) {
			off += 1 + random_next(&random) % (shape == 2 ? 9 : 2);
			cfa_off += 8;
			add_row(&rows, off,
				saving && i + 1 >= saving
					? rule_saved(rule_sp(cfa_off), (int16_t)(-8 - 8 * (int)saving))
					: rule_sp(cfa_off));
		}
		off += 1 + random_next(&random) % 8;
		if (shape == 3 && saving)
			add_row(&rows, off, rule_fp(16));
		else if (shape > 8)
			add_row(&rows, off, rule_saved(rule_sp(cfa_off + room), -16));
		else if (shape > 4)
			add_row(&rows, off, rule_sp(cfa_off + room));
		off += 1 + random_next(&random) % 2000;
		for (uint64_t i = 0; i < pushes; i++) {
			off += 1 + random_next(&random) % 2;
			cfa_off -= 8;
			add_row(&rows, off,
				saving && (pushes - i > saving || shape == 7)
					? rule_saved(rule_sp(cfa_off), (int16_t)(-8 - 8 * (int)saving))
					: rule_sp(cfa_off));
		}
		off += 1 + random_next(&random) % 40;
	}
	while (rows.n && rows.rows[rows.n - 1].file_off >= limit)
		rows.n--;
	return rows;
}

/* The table as a run of bytes; see table_bytes_release(). */
struct table_bytes {
	void *bytes;
	size_t len;
	struct table_writer_stats stats;
};

/* 0 or the writer's error. */
static inline int table_bytes_make(const struct plain_rows *rows, const struct table_writer_range *range,
				   struct table_bytes *ret)
{
	struct table_writer *writer = NULL;
	int fd = memfd_create("table", MFD_CLOEXEC), err;

	if (fd < 0)
		abort();
	err = table_writer_new(EM_X86_64, range, &writer);
	for (size_t i = 0; i < rows->n && !err; i++)
		err = table_writer_row(writer, rows->rows[i].file_off, &rows->rows[i].rule);
	if (!err)
		err = table_writer_finish(writer, fd, &ret->stats);
	table_writer_free(writer);
	if (!err) {
		ret->len = (size_t)lseek(fd, 0, SEEK_END);
		ret->bytes = mmap(NULL, ret->len, PROT_READ, MAP_PRIVATE, fd, 0);
		if (ret->bytes == MAP_FAILED)
			abort();
	}
	close(fd);
	return err;
}

static inline void table_bytes_release(struct table_bytes *table)
{
	munmap(table->bytes, table->len);
}

/* What a row says so many bytes behind its start. */
static inline struct unwind_rule rule_at_distance(struct unwind_rule rule, uint32_t distance)
{
	struct unwind_rule plain = {.cfa = UNWIND_CFA_SP, .reg = rule.reg, .cfa_off = rule.cfa_off, .ra_off = -8};
	bool is_saved = rule.fp == UNWIND_FP_SAVED, is_last = false;

	if (rule.cfa != UNWIND_CFA_FOLDED)
		return rule;
	for (uint32_t bit = 1; bit <= distance && bit < 32; bit++) {
		if (!(rule.steps >> bit & 1))
			continue;
		is_last = !(rule.steps >> bit >> 1);
		if (!is_last || (!rule.ra_off && rule.fp != UNWIND_FP_STORED))
			plain.cfa_off += rule.steps & 1 ? -8 : 8;
		else if (rule.ra_off != UNWIND_STEP_TO_FP)
			plain.cfa_off += 8 * rule.ra_off;
	}
	if (is_last && rule.ra_off == UNWIND_STEP_TO_FP) {
		plain.cfa = UNWIND_CFA_FP;
		plain.cfa_off = -rule.fp_off;
		is_saved = true;
	} else if (rule.fp == UNWIND_FP_PUSHED) {
		is_saved = plain.cfa_off >= -rule.fp_off;
	} else if (rule.fp == UNWIND_FP_STORED) {
		is_saved = is_last;
	}
	plain.fp = is_saved ? UNWIND_FP_SAVED : rule.fp == UNWIND_FP_LOST ? UNWIND_FP_LOST : UNWIND_FP_SAME;
	plain.fp_off = is_saved ? rule.fp_off : 0;
	return plain;
}

static inline bool same_rule(struct unwind_rule a, struct unwind_rule b)
{
	return !memcmp(&a, &b, sizeof(a));
}

/* The rule of each byte of the range, in turn. */
struct plain_walk {
	const struct plain_rows *rows;
	size_t next;
	struct unwind_rule rule;
};

static inline struct unwind_rule plain_rule_at(struct plain_walk *walk, uint64_t file_off)
{
	for (; walk->next < walk->rows->n && walk->rows->rows[walk->next].file_off <= file_off; walk->next++)
		walk->rule = walk->rows->rows[walk->next].rule;
	return walk->rule;
}

/* The same from a table that was read. Pages that it lacks have no rule. */
struct table_walk {
	const struct unwind_table *table;
	uint32_t page, row; /* current page (index) and its first row */
	uint32_t at;	    /* row in the page */
};

static inline struct unwind_rule table_rule_at(struct table_walk *walk, uint64_t file_off)
{
	const struct unwind_table *table = walk->table;
	uint32_t offset = file_off & 0xffff, row;

	while (walk->page < table->head.n_pages && table->head.first_page + walk->page < file_off >> 16) {
		walk->row += table->pages[walk->page++].n_rows;
		walk->at = 0;
	}
	if (walk->page >= table->head.n_pages || table->head.first_page > file_off >> 16)
		return rule_bare(UNWIND_CFA_NONE);
	if (!table->pages[walk->page].n_rows)
		return table->rules[table->pages[walk->page].rule];
	while (walk->at + 1 < table->pages[walk->page].n_rows &&
	       (table->rows[walk->row + walk->at + 1] & 0xffff) <= offset)
		walk->at++;
	row = table->rows[walk->row + walk->at];
	return rule_at_distance(table->rules[row >> 16], offset - (row & 0xffff));
}
