/* SPDX-License-Identifier: Apache-2.0 */
/* A range of code points to its function, and that to its name and its lines:
 *
 *     ranges { 0x7f10, 0x20, 5 } ─► functions [5] { name, first line, n } ─► lines { offset, line, file } …
 *
 * DEBUG_INFO comes before the LOAD that it is for, so the last one is kept until then. */
#include "symbol/jitdump.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/intern.h"
#include "base/io.h"
#include "base/map.h"
#include "base/vec.h"
#include "symbol/code_ranges.h"
#include "symbol/growing_file.h"

#define MAGIC 0x4A695444u
#define VERSION 1
#define HEADER_BYTES 40
#define FLAG_OTHER_CLOCK 1u
#define RECORD_BYTES 16
#define ENTRY_BYTES 16
#define MAX_PADDING 7 /* behind a record */
#define NAME_SHARE_BYTES 64
/* perf inject, which V8 writes for, once put an ELF header of this size in front of the code: V8 adds it to the
 * addresses of its lines (deps/v8/src/diagnostics/perf-jit.cc, kElfHeaderSize). */
#define ELF_HEADER_SHIFT 0x40
/* Of a file: the same as that of the entry before (tools/perf/util/jitdump.h). */
#define SAME_FILE "\xff"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "cursor reads the one byte order that is taken");

enum record_type { CODE_LOAD, CODE_MOVE, CODE_DEBUG_INFO, CODE_CLOSE, CODE_UNWINDING_INFO };

struct function {
	uint64_t start;
	uint32_t name, first_line, n_lines;
};

struct line {
	uint32_t offset; /* in the code */
	uint32_t line, file;
};

struct lines {
	uint64_t start; /* of the code that they are for */
	uint32_t first, n;
};

struct record {
	uint64_t offset; /* in the file, of what follows the head */
	uint64_t limit;
	uint64_t time;
	uint32_t type;
};

struct function_vec VEC(struct function);
struct line_vec VEC(struct line);

struct jitdump {
	struct growing_file file;
	struct code_ranges ranges;
	struct function_vec functions;
	struct line_vec lines;
	struct map by_index; /* uint64_t, the runtime's -> uint32_t function */
	struct intern *texts;
	struct lines next_lines;
	size_t max_bytes;
	uint64_t records, bad_records;
	bool has_other_clock;
	bool lines_are_shifted;
	int err; /* of a file that is not read on */
	/* Scratch: a piece of the file. */
	uint8_t bytes[RECORD_BYTES + 64 + JITDUMP_MAX_NAME];
};

static int new_texts(const struct jitdump *dump, struct intern **ret)
{
	size_t share = dump->max_bytes / 4;

	return intern_new(share / NAME_SHARE_BYTES, share, ret);
}

static void init_tables(struct jitdump *dump)
{
	size_t share = dump->max_bytes / 8;

	code_ranges_init(&dump->ranges, 3 * share);
	vec_init(&dump->functions, share / sizeof(struct function));
	vec_init(&dump->lines, share / sizeof(struct line));
	/* A slot of 16 bytes and its tag, half of them free. */
	map_init(&dump->by_index, sizeof(uint64_t), sizeof(uint32_t), share / 34);
}

static void release_tables(struct jitdump *dump)
{
	code_ranges_release(&dump->ranges);
	vec_release(&dump->functions);
	vec_release(&dump->lines);
	map_release(&dump->by_index);
	intern_free(dump->texts);
}

int jitdump_new(size_t max_bytes, struct jitdump **ret)
{
	struct jitdump *dump = calloc(1, sizeof(*dump));
	int err;

	if (!dump)
		return -ENOMEM;
	dump->max_bytes = max_bytes;
	init_tables(dump);
	err = new_texts(dump, &dump->texts);
	if (err) {
		jitdump_free(dump);
		return err;
	}
	*ret = dump;
	return 0;
}

void jitdump_free(struct jitdump *dump)
{
	if (!dump)
		return;
	release_tables(dump);
	free(dump);
}

static int forget(struct jitdump *dump)
{
	struct intern *texts;
	int err = new_texts(dump, &texts);

	if (err)
		return err;
	release_tables(dump);
	dump->texts = texts;
	init_tables(dump);
	dump->next_lines = (struct lines){0};
	dump->records = dump->bad_records = 0;
	dump->has_other_clock = dump->lines_are_shifted = false;
	dump->err = 0;
	return 0;
}

/* --- pieces of the file ------------------------------------------------------------------------------------------- */

/* A cursor over at most `n` bytes at the offset, not beyond the limit. */
static int read_piece(struct jitdump *dump, int fd, uint64_t offset, uint64_t limit, size_t n, struct cursor *ret)
{
	ssize_t got;

	if (n > sizeof(dump->bytes))
		n = sizeof(dump->bytes);
	if (n > limit - offset)
		n = (size_t)(limit - offset);
	got = io_pread_full(fd, dump->bytes, n, offset);
	if (got < 0)
		return (int)got;
	cursor_init(ret, dump->bytes, (size_t)got);
	return 0;
}

/* The text at the cursor with its NUL, cut. -EINVAL: it has no end within what may be one. */
static int add_text(struct jitdump *dump, struct cursor *piece, uint32_t *ret, size_t *ret_len)
{
	size_t left = cursor_left(piece), len;
	const char *text = (const char *)piece->pos;
	bool is_cut;

	len = strnlen(text, left);
	is_cut = len == left;
	if (is_cut && len < JITDUMP_MAX_NAME)
		return -EINVAL;
	*ret_len = len;
	return intern_add(dump->texts, text, len < JITDUMP_MAX_NAME ? len : JITDUMP_MAX_NAME - 1, ret);
}

/* --- records ------------------------------------------------------------------------------------------------------ */

static int add_function(struct jitdump *dump, const struct function *function, uint64_t size, uint64_t index)
{
	uint32_t number = (uint32_t)dump->functions.len, *slot;
	int err = vec_reserve(&dump->functions, dump->functions.len + 1);

	if (!err)
		err = map_insert(&dump->by_index, &index, (void **)&slot, NULL);
	if (err)
		return err;
	*vec_push_reserved(&dump->functions) = *function;
	*slot = number;
	return code_ranges_add(&dump->ranges, function->start, size, number);
}

/* Are lines of this code behind its end? Then all lines of the file lie too far up; further up than that, they are of
 * no code. */
static void take_lines(struct jitdump *dump, struct function *function, uint64_t size)
{
	const struct lines *lines = &dump->next_lines;
	uint64_t last = 0;

	for (uint32_t i = 0; i < lines->n; i++)
		if (dump->lines.items[lines->first + i].offset > last)
			last = dump->lines.items[lines->first + i].offset;
	if (last >= size + ELF_HEADER_SHIFT)
		return;
	dump->lines_are_shifted = dump->lines_are_shifted || (lines->n && last >= size);
	function->first_line = lines->first;
	function->n_lines = lines->n;
}

static int on_load(struct jitdump *dump, int fd, const struct record *record)
{
	struct function function = {0};
	uint64_t size, index;
	struct cursor piece;
	size_t len;
	int err = read_piece(dump, fd, record->offset, record->limit, sizeof(dump->bytes), &piece);

	if (err)
		return err;
	cursor_skip(&piece, 2 * sizeof(uint32_t) + sizeof(uint64_t)); /* pid, tid, vma */
	function.start = cursor_u64(&piece);
	size = cursor_u64(&piece);
	index = cursor_u64(&piece);
	if (!cursor_ok(&piece))
		return -EINVAL;
	if (!size)
		return 0; /* nothing was made */
	err = add_text(dump, &piece, &function.name, &len);
	if (err)
		return err;
	if (dump->next_lines.start == function.start)
		take_lines(dump, &function, size);
	dump->next_lines.n = 0;
	return function.name ? add_function(dump, &function, size, index) : -EINVAL;
}

static int on_move(struct jitdump *dump, int fd, const struct record *record)
{
	struct function function;
	uint64_t start, size, index;
	const uint32_t *known;
	struct cursor piece;
	int err = read_piece(dump, fd, record->offset, record->limit, sizeof(dump->bytes), &piece);

	if (err)
		return err;
	cursor_skip(&piece, 2 * sizeof(uint32_t) + 2 * sizeof(uint64_t)); /* pid, tid, vma, old address */
	start = cursor_u64(&piece);
	size = cursor_u64(&piece);
	index = cursor_u64(&piece);
	known = cursor_ok(&piece) ? map_find(&dump->by_index, &index) : NULL;
	if (!known)
		return -EINVAL;
	function = dump->functions.items[*known];
	function.start = start;
	return add_function(dump, &function, size, index);
}

/* One line at the cursor; *ret_bytes: how long it is. */
static int add_line(struct jitdump *dump, struct cursor *piece, uint32_t *file, uint64_t *ret_bytes)
{
	struct lines *lines = &dump->next_lines;
	uint64_t address = cursor_u64(piece);
	uint32_t number = cursor_u32(piece), text;
	struct line *line;
	size_t len;
	int err;

	cursor_u32(piece); /* discriminator */
	if (!cursor_ok(piece) || address < lines->start || address - lines->start > UINT32_MAX)
		return -EINVAL;
	err = add_text(dump, piece, &text, &len);
	if (err)
		return err;
	if (len >= JITDUMP_MAX_NAME)
		return -EINVAL; /* nobody knows where the next one is */
	*ret_bytes = ENTRY_BYTES + len + 1;
	if (strcmp(intern_str(dump->texts, text), SAME_FILE) != 0)
		*file = text;
	line = vec_push(&dump->lines);
	if (!line)
		return dump->lines.len == dump->lines.max ? -E2BIG : -ENOMEM;
	*line = (struct line){(uint32_t)(address - lines->start), number, *file};
	lines->n++;
	return 0;
}

/* V8 (of Node.js 20) writes wrong lines for the code of its baseline compiler, which end before their record does: so
 * none of a record is taken that does not hold together. */
static int on_debug_info(struct jitdump *dump, int fd, const struct record *record)
{
	uint64_t offset = record->offset + 2 * sizeof(uint64_t), n, bytes;
	struct cursor piece;
	uint32_t file = 0;
	int err = read_piece(dump, fd, record->offset, record->limit, 2 * sizeof(uint64_t), &piece);

	if (err)
		return err;
	dump->next_lines = (struct lines){.start = cursor_u64(&piece), .first = (uint32_t)dump->lines.len};
	n = cursor_u64(&piece);
	if (!cursor_ok(&piece) || n > JITDUMP_MAX_LINES)
		return -EINVAL;
	for (uint64_t i = 0; i < n && !err; i++) {
		err = offset < record->limit
			      ? read_piece(dump, fd, offset, record->limit, ENTRY_BYTES + JITDUMP_MAX_NAME, &piece)
			      : -EINVAL;
		if (!err)
			err = add_line(dump, &piece, &file, &bytes);
		offset += err ? 0 : bytes;
	}
	if (!err && record->limit - offset > MAX_PADDING)
		err = -EINVAL;
	if (err)
		dump->next_lines.n = 0;
	return err;
}

static int take_record(struct jitdump *dump, int fd, const struct record *record)
{
	switch (record->type) {
	case CODE_LOAD:
		return on_load(dump, fd, record);
	case CODE_MOVE:
		return on_move(dump, fd, record);
	case CODE_DEBUG_INFO:
		return on_debug_info(dump, fd, record);
	default: /* the end, unwinding, what is not known yet */
		return 0;
	}
}

/* --- the file ----------------------------------------------------------------------------------------------------- */

/* -EAGAIN: it is not written yet. */
static int read_header(struct jitdump *dump, int fd, uint64_t size)
{
	struct cursor piece;
	uint32_t magic, version, bytes;
	uint64_t flags;
	int err;

	if (size < HEADER_BYTES)
		return -EAGAIN;
	err = read_piece(dump, fd, 0, size, HEADER_BYTES, &piece);
	if (err)
		return err;
	magic = cursor_u32(&piece);
	version = cursor_u32(&piece);
	bytes = cursor_u32(&piece);
	cursor_skip(&piece, 3 * sizeof(uint32_t) + sizeof(uint64_t)); /* machine, padding, pid, time */
	flags = cursor_u64(&piece);
	if (!cursor_ok(&piece) || magic != MAGIC || version != VERSION || bytes < HEADER_BYTES)
		return -EBADMSG;
	if (bytes > size)
		return -EAGAIN;
	dump->has_other_clock = flags & FLAG_OTHER_CLOCK;
	return growing_file_skip(&dump->file, fd, bytes);
}

/* The head of the next record. -EAGAIN: there is none yet that we want. */
static int next_record(struct jitdump *dump, int fd, uint64_t size, uint64_t until_ns, struct record *ret)
{
	uint64_t offset = dump->file.offset;
	struct cursor piece;
	uint32_t bytes;
	int err;

	if (size - offset < RECORD_BYTES)
		return -EAGAIN;
	err = read_piece(dump, fd, offset, size, RECORD_BYTES, &piece);
	if (err)
		return err;
	ret->type = cursor_u32(&piece);
	bytes = cursor_u32(&piece);
	ret->time = cursor_u64(&piece);
	if (!cursor_ok(&piece))
		return -EAGAIN; /* it shrinks under our hands */
	if (bytes < RECORD_BYTES)
		return -EBADMSG;
	if (bytes > size - offset || (!dump->has_other_clock && ret->time > until_ns))
		return -EAGAIN;
	if (offset + bytes > JITDUMP_MAX_FILE_BYTES || dump->records == JITDUMP_MAX_RECORDS)
		return -E2BIG;
	ret->offset = offset + RECORD_BYTES;
	ret->limit = offset + bytes;
	return 0;
}

static int read_on(struct jitdump *dump, int fd, uint64_t size, uint64_t until_ns)
{
	struct record record;
	int err = dump->file.offset ? 0 : read_header(dump, fd, size);

	while (!err) {
		err = next_record(dump, fd, size, until_ns, &record);
		if (err)
			break;
		dump->records++;
		err = take_record(dump, fd, &record);
		if (err == -EINVAL) {
			dump->bad_records++;
			err = 0;
		}
		if (!err)
			err = growing_file_skip(&dump->file, fd, record.limit - dump->file.offset);
	}
	return err == -EAGAIN ? 0 : err;
}

int jitdump_update(struct jitdump *dump, int fd, uint64_t until_ns)
{
	uint64_t size;
	bool is_new;
	int err = growing_file_look(&dump->file, fd, &is_new, &size), settle_err;

	if (!err && is_new)
		err = forget(dump);
	if (err)
		return err;
	if (dump->err)
		return dump->err;
	err = read_on(dump, fd, size, until_ns);
	settle_err = code_ranges_settle(&dump->ranges);
	if (!err)
		err = settle_err;
	if (err == -E2BIG || err == -EBADMSG)
		dump->err = err;
	return err;
}

/* The line that begins last at or before the offset. */
static const struct line *find_line(const struct jitdump *dump, const struct function *function, uint64_t offset)
{
	uint64_t shift = dump->lines_are_shifted ? ELF_HEADER_SHIFT : 0;
	const struct line *best = NULL;

	for (uint32_t i = 0; i < function->n_lines; i++) {
		const struct line *line = &dump->lines.items[function->first_line + i];

		if (line->offset <= offset + shift && (!best || line->offset >= best->offset))
			best = line;
	}
	return best;
}

int jitdump_find(const struct jitdump *dump, uint64_t address, struct jitdump_code *ret)
{
	const struct code_range *range = code_ranges_find(&dump->ranges, address);
	const struct function *function;
	const struct line *line;

	if (!range)
		return -ENOENT;
	function = &dump->functions.items[range->code];
	line = find_line(dump, function, address - function->start);
	*ret = (struct jitdump_code){.name = intern_str(dump->texts, function->name),
				     .file = line ? intern_str(dump->texts, line->file) : "",
				     .line = line ? line->line : 0};
	return 0;
}

uint64_t jitdump_records(const struct jitdump *dump)
{
	return dump->records;
}

uint64_t jitdump_bad_records(const struct jitdump *dump)
{
	return dump->bad_records;
}

size_t jitdump_memory_bytes(const struct jitdump *dump)
{
	return sizeof(*dump) + code_ranges_memory_bytes(&dump->ranges) +
	       dump->functions.cap * sizeof(*dump->functions.items) + dump->lines.cap * sizeof(*dump->lines.items) +
	       map_memory_bytes(&dump->by_index) + intern_memory_bytes(dump->texts);
}
