/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUF_FIRST_CAP 64

void buf_init(struct buf *buf, size_t max_bytes)
{
	/* One byte is kept for the NUL of buf_cstr(), which does not count. */
	*buf = (struct buf){.max = max_bytes < SIZE_MAX ? max_bytes : SIZE_MAX - 1};
}

void buf_release(struct buf *buf)
{
	free(buf->data);
	*buf = (struct buf){.max = buf->max};
}

void buf_clear(struct buf *buf)
{
	buf->len = 0;
	buf->err = 0;
}

static int grow(struct buf *buf, size_t need)
{
	size_t cap = buf->cap ? buf->cap : BUF_FIRST_CAP;
	uint8_t *data;

	while (cap < need)
		cap = cap <= SIZE_MAX / 2 ? cap * 2 : need;
	if (cap > buf->max + 1)
		cap = buf->max + 1;
	data = realloc(buf->data, cap);
	if (!data)
		return buf->err = -ENOMEM;
	buf->data = data;
	buf->cap = cap;
	return 0;
}

uint8_t *buf_reserve(struct buf *buf, size_t n)
{
	if (buf->err)
		return NULL;
	if (n > buf->max - buf->len) {
		buf->err = -E2BIG;
		return NULL;
	}
	/* The first call allocates even for n = 0: NULL means failure alone. */
	if ((!buf->data || n > buf->cap - buf->len) && grow(buf, buf->len + n))
		return NULL;
	return buf->data + buf->len;
}

int buf_append(struct buf *buf, const void *bytes, size_t n)
{
	uint8_t *to = buf_reserve(buf, n);

	if (!to)
		return buf->err;
	if (n)
		memcpy(to, bytes, n);
	buf->len += n;
	return 0;
}

int buf_append_byte(struct buf *buf, uint8_t byte)
{
	return buf_append(buf, &byte, 1);
}

int buf_append_str(struct buf *buf, const char *str)
{
	return buf_append(buf, str, strlen(str));
}

int buf_append_zero(struct buf *buf, size_t n)
{
	uint8_t *to = buf_reserve(buf, n);

	if (!to)
		return buf->err;
	memset(to, 0, n);
	buf->len += n;
	return 0;
}

int buf_align(struct buf *buf, size_t align)
{
	assert(align && !(align & (align - 1)));
	return buf_append_zero(buf, -buf->len & (align - 1));
}

int buf_vprintf(struct buf *buf, const char *format, va_list args)
{
	va_list again;
	size_t room;
	int n;

	if (!buf_reserve(buf, 0))
		return buf->err;
	room = buf->cap - buf->len;
	va_copy(again, args);
	n = vsnprintf((char *)buf->data + buf->len, room, format, args);
	if (n < 0) {
		buf->err = -E2BIG; /* longer than an int can say */
	} else if ((size_t)n > buf->max - buf->len) {
		buf->err = -E2BIG;
	} else if ((size_t)n < room) {
		buf->len += (size_t)n;
	} else if (!grow(buf, buf->len + (size_t)n + 1)) {
		vsnprintf((char *)buf->data + buf->len, (size_t)n + 1, format, again);
		buf->len += (size_t)n;
	}
	va_end(again);
	return buf->err;
}

int buf_printf(struct buf *buf, const char *format, ...)
{
	va_list args;
	int err;

	va_start(args, format);
	err = buf_vprintf(buf, format, args);
	va_end(args);
	return err;
}

const char *buf_cstr(struct buf *buf)
{
	if (buf->err || ((!buf->data || buf->cap == buf->len) && grow(buf, buf->len + 1)))
		return NULL;
	buf->data[buf->len] = 0;
	return (const char *)buf->data;
}
