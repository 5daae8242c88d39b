/* SPDX-License-Identifier: Apache-2.0 */
/* The only way to read foreign bytes and text: every access asks how much is left. A cursor that failed once stays
 * failed and yields zeros, so a parser may check once, at the end. Integers are little-endian unless the name says
 * otherwise. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cursor {
	const uint8_t *start, *pos, *end;
	bool failed;
};

void cursor_init(struct cursor *cursor, const void *bytes, size_t n);

static inline size_t cursor_left(const struct cursor *cursor)
{
	return cursor->failed ? 0 : (size_t)(cursor->end - cursor->pos);
}

static inline size_t cursor_offset(const struct cursor *cursor)
{
	return (size_t)(cursor->pos - cursor->start);
}

/* Nothing left, or failed. */
static inline bool cursor_at_end(const struct cursor *cursor)
{
	return !cursor_left(cursor);
}

static inline bool cursor_ok(const struct cursor *cursor)
{
	return !cursor->failed;
}

/* Both fail the cursor when out of range. */
static inline void cursor_skip(struct cursor *cursor, size_t n)
{
	if (cursor_left(cursor) < n)
		cursor->failed = true;
	else
		cursor->pos += n;
}
void cursor_seek(struct cursor *cursor, size_t offset);

static inline uint8_t cursor_u8(struct cursor *cursor)
{
	if (cursor->failed || cursor->pos == cursor->end) {
		cursor->failed = true;
		return 0;
	}
	return *cursor->pos++;
}

uint16_t cursor_u16(struct cursor *cursor);
uint32_t cursor_u32(struct cursor *cursor);
uint64_t cursor_u64(struct cursor *cursor);
/* DWARF 5 section 7.6; more than ten bytes fail the cursor. */
uint64_t cursor_long_uleb128(struct cursor *cursor); /* of any length */
static inline uint64_t cursor_uleb128(struct cursor *cursor)
{
	if (!cursor->failed && cursor->pos != cursor->end && *cursor->pos < 0x80)
		return *cursor->pos++;
	return cursor_long_uleb128(cursor);
}
int64_t cursor_sleb128(struct cursor *cursor);

/* n bytes in place, or NULL. Valid as long as the cursor's bytes. */
const uint8_t *cursor_bytes(struct cursor *cursor, size_t n);
/* A copy of n bytes; zeros and failure when they are not there. */
void cursor_copy(struct cursor *cursor, void *to, size_t n);
/* A NUL-terminated string in place, or NULL; *len is set when given. Fails without a NUL within the bytes. */
const char *cursor_cstr(struct cursor *cursor, size_t *len);
/* A cursor over the next n bytes, which are skipped here. */
struct cursor cursor_sub(struct cursor *cursor, size_t n);

/* Text. A line without its newline; false at the end. The last line may lack a newline. Never fails. */
bool cursor_line(struct cursor *cursor, struct cursor *line);
/* Skips blanks (space, tab). */
void cursor_skip_blanks(struct cursor *cursor);
/* The run of non-blank bytes at the position (blanks before it skipped); false when there is none. */
bool cursor_word(struct cursor *cursor, struct cursor *word);
/* One expected byte: skipped, or the cursor fails. */
void cursor_expect(struct cursor *cursor, char byte);
/* Numbers in text: at least one digit and no overflow, else the cursor fails. */
uint64_t cursor_dec(struct cursor *cursor);
uint64_t cursor_hex(struct cursor *cursor);
/* Whole remaining text equals str. */
bool cursor_equals(const struct cursor *cursor, const char *str);

/* Checked arithmetic for sizes and offsets from outside: false on overflow, *ret untouched. */
static inline bool checked_add(uint64_t a, uint64_t b, uint64_t *ret)
{
	uint64_t sum;

	if (__builtin_add_overflow(a, b, &sum))
		return false;
	*ret = sum;
	return true;
}

static inline bool checked_mul(uint64_t a, uint64_t b, uint64_t *ret)
{
	uint64_t product;

	if (__builtin_mul_overflow(a, b, &product))
		return false;
	*ret = product;
	return true;
}
