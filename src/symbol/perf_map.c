/* SPDX-License-Identifier: Apache-2.0 */
/* Each range of code points to its name, and each name is there once:
 *
 *     "7f10 20 LazyCompile:*hot /a.js:3:1"  ─►  ranges { 0x7f10, 0x20, 5 }  ─►  names [5] "LazyCompile:*hot /a.js:3:1"
 *
 * A runtime that compiles for days writes of code that is long gone: when the names are full, those that no range has
 * any more leave. */
#include "symbol/perf_map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/cursor.h"
#include "base/intern.h"
#include "base/io.h"
#include "symbol/code_ranges.h"
#include "symbol/growing_file.h"

/* A name costs its bytes and some 50 for finding it again. */
#define NAME_SHARE_BYTES 64

struct perf_map {
	struct growing_file file;
	struct code_ranges ranges;
	struct intern *names;
	size_t max_bytes;
	uint64_t lines, bad_lines;
	bool is_in_long_line; /* the next newline ends what is skipped */
	bool is_full;
};

static int new_names(const struct perf_map *map, struct intern **ret)
{
	size_t share = map->max_bytes / 8 * 3;

	return intern_new(share / NAME_SHARE_BYTES, share, ret);
}

int perf_map_new(size_t max_bytes, struct perf_map **ret)
{
	struct perf_map *map = calloc(1, sizeof(*map));
	int err;

	if (!map)
		return -ENOMEM;
	map->max_bytes = max_bytes;
	code_ranges_init(&map->ranges, max_bytes / 3);
	err = new_names(map, &map->names);
	if (err) {
		perf_map_free(map);
		return err;
	}
	*ret = map;
	return 0;
}

void perf_map_free(struct perf_map *map)
{
	if (!map)
		return;
	code_ranges_release(&map->ranges);
	intern_free(map->names);
	free(map);
}

static int forget(struct perf_map *map)
{
	struct intern *names;
	int err = new_names(map, &names);

	if (err)
		return err;
	intern_free(map->names);
	map->names = names;
	code_ranges_clear(&map->ranges);
	map->lines = map->bad_lines = 0;
	map->is_in_long_line = map->is_full = false;
	return 0;
}

/* Names that no range has leave. -E2BIG: that would make little room. */
static int drop_dead_names(struct perf_map *map)
{
	struct code_range_vec *known = &map->ranges.known;
	struct intern *names = NULL;
	auto_free uint32_t *moved = NULL;
	int err = code_ranges_settle(&map->ranges);

	if (!err)
		err = new_names(map, &names);
	if (err)
		return err;
	moved = calloc(known->len + 1, sizeof(*moved));
	err = moved ? 0 : -ENOMEM;
	for (size_t i = 0; i < known->len && !err; i++)
		err = intern_add_str(names, intern_str(map->names, known->items[i].code), &moved[i]);
	if (!err && intern_count(names) > intern_count(map->names) - intern_count(map->names) / 4)
		err = -E2BIG;
	if (err) {
		intern_free(names);
		return err;
	}
	for (size_t i = 0; i < known->len; i++)
		known->items[i].code = moved[i];
	intern_free(map->names);
	map->names = names;
	return 0;
}

static int add_name(struct perf_map *map, const char *name, size_t len, uint32_t *ret)
{
	int err = intern_add(map->names, name, len, ret);

	if (err != -E2BIG)
		return err;
	err = drop_dead_names(map);
	return err ? err : intern_add(map->names, name, len, ret);
}

/* With or without 0x. */
static uint64_t number(struct cursor *line)
{
	cursor_skip_blanks(line);
	if (cursor_left(line) > 2 && line->pos[0] == '0' && (line->pos[1] | 0x20) == 'x')
		cursor_skip(line, 2);
	return cursor_hex(line);
}

static bool is_blank(uint8_t byte)
{
	return byte == ' ' || byte == '\t' || byte == '\r';
}

/* -EINVAL: it makes no sense. */
static int add_line(struct perf_map *map, struct cursor line)
{
	uint64_t start = number(&line), size;
	size_t before, len;
	const char *name;
	uint32_t id;
	int err;

	before = cursor_left(&line);
	cursor_skip_blanks(&line);
	if (before == cursor_left(&line))
		return -EINVAL;
	size = number(&line);
	before = cursor_left(&line);
	cursor_skip_blanks(&line);
	len = cursor_left(&line);
	if (before == len)
		return -EINVAL;
	name = (const char *)line.pos;
	while (len && is_blank(line.pos[len - 1]))
		len--;
	if (!len || !size || size > CODE_RANGE_MAX_BYTES)
		return -EINVAL;
	err = add_name(map, name, len < PERF_MAP_MAX_NAME ? len : PERF_MAP_MAX_NAME - 1, &id);
	return err ? err : code_ranges_add(&map->ranges, start, size, id);
}

/* Whole lines. */
static int add_lines(struct perf_map *map, const uint8_t *text, size_t len)
{
	struct cursor all, line;
	int err = 0;

	cursor_init(&all, text, len);
	while (!err && cursor_line(&all, &line)) {
		if (map->lines == PERF_MAP_MAX_LINES)
			return -E2BIG;
		map->lines++;
		if (map->is_in_long_line)
			err = -EINVAL;
		else
			err = add_line(map, line);
		map->is_in_long_line = false;
		if (err == -EINVAL) {
			map->bad_lines++;
			err = 0;
		}
	}
	return err;
}

/* How much of the text are whole lines; all of it where it is less than a line that is too long. */
static size_t whole_lines(struct perf_map *map, const uint8_t *text, size_t len)
{
	const uint8_t *last = memrchr(text, '\n', len);

	if (last)
		return (size_t)(last - text) + 1;
	if (len < PERF_MAP_MAX_LINE)
		return 0;
	map->is_in_long_line = true;
	return len;
}

static int read_on(struct perf_map *map, int fd)
{
	auto_free uint8_t *text = malloc(PERF_MAP_MAX_LINE);

	if (!text)
		return -ENOMEM;
	for (;;) {
		ssize_t got = io_pread_full(fd, text, PERF_MAP_MAX_LINE, map->file.offset);
		size_t len;
		int err = 0;

		if (got < 0)
			return (int)got;
		len = whole_lines(map, text, (size_t)got);
		if (!len)
			return 0;
		if (map->file.offset + len > PERF_MAP_MAX_FILE_BYTES)
			return -E2BIG;
		if (text[len - 1] == '\n')
			err = add_lines(map, text, len);
		if (err)
			return err;
		growing_file_advance(&map->file, text, len);
	}
}

int perf_map_update(struct perf_map *map, int fd)
{
	uint64_t size;
	bool is_new;
	int err = growing_file_look(&map->file, fd, &is_new, &size), settle_err;

	if (!err && is_new)
		err = forget(map);
	if (err)
		return err;
	if (map->is_full)
		return -E2BIG;
	err = read_on(map, fd);
	settle_err = code_ranges_settle(&map->ranges);
	if (!err)
		err = settle_err;
	map->is_full = err == -E2BIG;
	return err;
}

const char *perf_map_find(const struct perf_map *map, uint64_t address)
{
	const struct code_range *range = code_ranges_find(&map->ranges, address);

	return range ? intern_str(map->names, range->code) : NULL;
}

uint64_t perf_map_lines(const struct perf_map *map)
{
	return map->lines;
}

uint64_t perf_map_bad_lines(const struct perf_map *map)
{
	return map->bad_lines;
}

size_t perf_map_memory_bytes(const struct perf_map *map)
{
	return sizeof(*map) + code_ranges_memory_bytes(&map->ranges) + intern_memory_bytes(map->names);
}
