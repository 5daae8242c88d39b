/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cursor.h"

#include <endian.h>
#include <string.h>

/* Seven bits a byte: the tenth holds the 64th bit. */
#define LEB128_LAST_SHIFT 63

void cursor_init(struct cursor *cursor, const void *bytes, size_t n)
{
	/* Nothing may come as NULL; inside, pointers are always valid, so NULL results mean failure alone. */
	static const uint8_t nothing[1];
	const uint8_t *start = n ? bytes : bytes ? bytes : nothing;

	*cursor = (struct cursor){.start = start, .pos = start, .end = start + n};
}

/* The gate that every read passes. */
const uint8_t *cursor_bytes(struct cursor *cursor, size_t n)
{
	const uint8_t *bytes = cursor->pos;

	if (cursor->failed || n > (size_t)(cursor->end - cursor->pos)) {
		cursor->failed = true;
		return NULL;
	}
	cursor->pos += n;
	return bytes;
}

void cursor_seek(struct cursor *cursor, size_t offset)
{
	if (cursor->failed || offset > (size_t)(cursor->end - cursor->start))
		cursor->failed = true;
	else
		cursor->pos = cursor->start + offset;
}

uint16_t cursor_u16(struct cursor *cursor)
{
	const uint8_t *bytes = cursor_bytes(cursor, sizeof(uint16_t));
	uint16_t value = 0;

	if (bytes)
		memcpy(&value, bytes, sizeof(value));
	return le16toh(value);
}

uint32_t cursor_u32(struct cursor *cursor)
{
	const uint8_t *bytes = cursor_bytes(cursor, sizeof(uint32_t));
	uint32_t value = 0;

	if (bytes)
		memcpy(&value, bytes, sizeof(value));
	return le32toh(value);
}

uint64_t cursor_u64(struct cursor *cursor)
{
	const uint8_t *bytes = cursor_bytes(cursor, sizeof(uint64_t));
	uint64_t value = 0;

	if (bytes)
		memcpy(&value, bytes, sizeof(value));
	return le64toh(value);
}

uint64_t cursor_long_uleb128(struct cursor *cursor)
{
	uint64_t value = 0;

	for (unsigned int shift = 0; shift <= LEB128_LAST_SHIFT; shift += 7) {
		uint8_t byte = cursor_u8(cursor);

		if (cursor->failed)
			return 0;
		if (shift == LEB128_LAST_SHIFT && byte > 1)
			break; /* goes on, or beyond 64 bits */
		value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return value;
	}
	cursor->failed = true;
	return 0;
}

int64_t cursor_sleb128(struct cursor *cursor)
{
	uint64_t value = 0;

	for (unsigned int shift = 0; shift <= LEB128_LAST_SHIFT; shift += 7) {
		uint8_t byte = cursor_u8(cursor);

		if (cursor->failed)
			return 0;
		if (shift == LEB128_LAST_SHIFT && byte != 0 && byte != 0x7f)
			break; /* goes on, or has bits beyond 64 that are no sign */
		value |= (uint64_t)(byte & 0x7f) << shift;
		if (byte & 0x80)
			continue;
		if (byte & 0x40 && shift < LEB128_LAST_SHIFT)
			value |= ~0ULL << (shift + 7);
		return (int64_t)value;
	}
	cursor->failed = true;
	return 0;
}

void cursor_copy(struct cursor *cursor, void *to, size_t n)
{
	const uint8_t *bytes = cursor_bytes(cursor, n);

	if (!n)
		return;
	if (bytes)
		memcpy(to, bytes, n);
	else
		memset(to, 0, n);
}

const char *cursor_cstr(struct cursor *cursor, size_t *len)
{
	const uint8_t *str = cursor->pos, *nul;

	nul = cursor_left(cursor) ? memchr(str, 0, cursor_left(cursor)) : NULL;
	if (!nul) {
		cursor->failed = true;
		return NULL;
	}
	cursor->pos = nul + 1;
	if (len)
		*len = (size_t)(nul - str);
	return (const char *)str;
}

struct cursor cursor_sub(struct cursor *cursor, size_t n)
{
	const uint8_t *bytes = cursor_bytes(cursor, n);
	struct cursor sub;

	cursor_init(&sub, bytes, bytes ? n : 0);
	sub.failed = !bytes;
	return sub;
}

bool cursor_line(struct cursor *cursor, struct cursor *line)
{
	size_t left = cursor_left(cursor), n;
	const uint8_t *newline;

	if (!left)
		return false;
	newline = memchr(cursor->pos, '\n', left);
	n = newline ? (size_t)(newline - cursor->pos) : left;
	cursor_init(line, cursor->pos, n);
	cursor->pos += newline ? n + 1 : n;
	return true;
}

static bool is_blank(uint8_t byte)
{
	return byte == ' ' || byte == '\t';
}

void cursor_skip_blanks(struct cursor *cursor)
{
	while (cursor_left(cursor) && is_blank(*cursor->pos))
		cursor->pos++;
}

bool cursor_word(struct cursor *cursor, struct cursor *word)
{
	const uint8_t *start;

	cursor_skip_blanks(cursor);
	if (!cursor_left(cursor))
		return false;
	start = cursor->pos;
	while (cursor_left(cursor) && !is_blank(*cursor->pos))
		cursor->pos++;
	cursor_init(word, start, (size_t)(cursor->pos - start));
	return true;
}

void cursor_expect(struct cursor *cursor, char byte)
{
	if (cursor_left(cursor) && *cursor->pos == (uint8_t)byte)
		cursor->pos++;
	else
		cursor->failed = true;
}

static int digit_value(uint8_t byte)
{
	if (byte >= '0' && byte <= '9')
		return byte - '0';
	if (byte >= 'a' && byte <= 'f')
		return byte - 'a' + 10;
	if (byte >= 'A' && byte <= 'F')
		return byte - 'A' + 10;
	return -1;
}

static uint64_t text_number(struct cursor *cursor, unsigned int base)
{
	uint64_t value = 0;
	bool any = false;

	for (; cursor_left(cursor); cursor->pos++) {
		int digit = digit_value(*cursor->pos);

		if (digit < 0 || (unsigned int)digit >= base)
			break;
		if (!checked_mul(value, base, &value) || !checked_add(value, (uint64_t)digit, &value)) {
			any = false;
			break;
		}
		any = true;
	}
	if (any)
		return value;
	cursor->failed = true;
	return 0;
}

uint64_t cursor_dec(struct cursor *cursor)
{
	return text_number(cursor, 10);
}

uint64_t cursor_hex(struct cursor *cursor)
{
	return text_number(cursor, 16);
}

bool cursor_equals(const struct cursor *cursor, const char *str)
{
	size_t len = strlen(str);

	return cursor_ok(cursor) && cursor_left(cursor) == len && !memcmp(cursor->pos, str, len);
}
