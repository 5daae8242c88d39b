/* SPDX-License-Identifier: Apache-2.0 */
/* A growing run of bytes that is born with its maximum. Once an append fails, for memory or for the maximum, the
 * buffer stays failed and further appends do nothing: a writer checks once, at the end. */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
	uint8_t *data;
	size_t len, cap, max;
	int err; /* 0, -ENOMEM or -E2BIG: the first failure */
};

void buf_init(struct buf *buf, size_t max_bytes);
void buf_release(struct buf *buf);
/* Empties it and forgets a failure; memory is kept. */
void buf_clear(struct buf *buf);

/* All return 0 or the sticky error. */
int buf_append(struct buf *buf, const void *bytes, size_t n);
int buf_append_byte(struct buf *buf, uint8_t byte);
int buf_append_str(struct buf *buf, const char *str);
int buf_append_zero(struct buf *buf, size_t n);
/* Appends zero bytes until len is a multiple of `align` (a power of two). */
int buf_align(struct buf *buf, size_t align);
int buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
int buf_vprintf(struct buf *buf, const char *format, va_list args) __attribute__((format(printf, 2, 0)));
/* Makes room for n more bytes and returns where they go (they count only after buf->len += n), or NULL. */
uint8_t *buf_reserve(struct buf *buf, size_t n);

/* The bytes with a terminating NUL behind them (which is not part of len), or NULL when the buffer failed.
 * Valid until the next call that changes the buffer. */
const char *buf_cstr(struct buf *buf);
