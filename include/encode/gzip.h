/* SPDX-License-Identifier: Apache-2.0 */
/* gzip (RFC 1952): bytes to a sink in pieces, and a whole file back. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <zlib.h>

struct buf;
struct sink;

#define GZIP_CHUNK_BYTES 65536

struct gzip {
	const struct sink *sink;
	z_stream deflate;
	gz_header header;
	uint8_t chunk[GZIP_CHUNK_BYTES];
};

/* The sink is borrowed. -ENOMEM. */
int gzip_begin(struct gzip *gzip, const struct sink *sink);
/* 0, or what the sink said. */
int gzip_add(struct gzip *gzip, const void *bytes, size_t n);
int gzip_finish(struct gzip *gzip);
/* After gzip_begin(), whatever came of it. */
void gzip_release(struct gzip *gzip);

/* Appends what the file holds: unpacked when it is gzip, of several members too, else as it is. -E2BIG: more than the
 * buffer may hold; -EBADMSG: broken or cut; or of pread(). */
int gzip_read(int fd, struct buf *to);
