/* SPDX-License-Identifier: Apache-2.0 */
/* Making foreign text fit for a place: a profile, a file name, a terminal. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct buf;

/* Copies at most size-1 bytes, always NUL-terminated. Returns the length written. */
size_t text_copy(char *to, size_t size, const char *from);

/* Length of the UTF-8 sequence (RFC 3629: nothing overlong, no surrogates, at most U+10FFFF) that the n bytes begin
 * with, its code point in *ret; 0 when there is none. */
size_t text_utf8_sequence(const char *bytes, size_t n, uint32_t *ret);

/* Appends the bytes as valid UTF-8 (RFC 3629): each bad byte becomes U+FFFD; NUL and other C0 controls and DEL become
 * U+FFFD as well. */
int text_append_utf8(struct buf *buf, const char *bytes, size_t len);

/* Appends for a terminal: as text_append_utf8, and C1 controls are replaced too. */
int text_append_terminal(struct buf *buf, const char *bytes, size_t len);

/* A string safe as one file name component: [A-Za-z0-9._+-], everything else '_', no leading '.', at most
 * size-1 bytes, "unknown" when empty. */
void text_file_name(char *to, size_t size, const char *from);
