/* SPDX-License-Identifier: Apache-2.0 */
#include "encode/gzip.h"

#include <errno.h>

#include "base/buf.h"
#include "base/io.h"
#include "encode/sink.h"

/* The user waits for it at the end of a run. */
#define LEVEL 5
#define WINDOW_BITS (15 + 16) /* with a gzip header */
#define MEMORY_LEVEL 8
#define OS_UNKNOWN 255

/* --- writing ------------------------------------------------------------------------------------------------------ */

int gzip_begin(struct gzip *gzip, const struct sink *sink)
{
	gzip->sink = sink;
	gzip->deflate = (z_stream){0};
	/* No time and no system in the header: equal input gives equal files. */
	gzip->header = (gz_header){.os = OS_UNKNOWN};
	if (deflateInit2(&gzip->deflate, LEVEL, Z_DEFLATED, WINDOW_BITS, MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK)
		return -ENOMEM;
	deflateSetHeader(&gzip->deflate, &gzip->header);
	gzip->deflate.next_out = gzip->chunk;
	gzip->deflate.avail_out = GZIP_CHUNK_BYTES;
	return 0;
}

static int pack(struct gzip *gzip, const void *bytes, size_t n, int flush)
{
	z_stream *stream = &gzip->deflate;
	int state, err;

	stream->next_in = (Bytef *)bytes;
	stream->avail_in = (uInt)n;
	do {
		state = deflate(stream, flush);
		if (state == Z_STREAM_ERROR)
			return -EIO;
		if (stream->avail_out && flush != Z_FINISH)
			break;
		err = gzip->sink->write(gzip->sink->ctx, gzip->chunk, GZIP_CHUNK_BYTES - stream->avail_out);
		if (err)
			return err;
		stream->next_out = gzip->chunk;
		stream->avail_out = GZIP_CHUNK_BYTES;
	} while (flush == Z_FINISH ? state != Z_STREAM_END : stream->avail_in > 0);
	return 0;
}

int gzip_add(struct gzip *gzip, const void *bytes, size_t n)
{
	return pack(gzip, bytes, n, Z_NO_FLUSH);
}

int gzip_finish(struct gzip *gzip)
{
	return pack(gzip, NULL, 0, Z_FINISH);
}

void gzip_release(struct gzip *gzip)
{
	deflateEnd(&gzip->deflate);
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

/* All that the output has room for is appended; *ret_state is inflate()'s. */
static int inflate_piece(z_stream *stream, struct buf *to, int *ret_state)
{
	do {
		uint8_t *room = buf_reserve(to, GZIP_CHUNK_BYTES);

		if (!room)
			return to->err;
		stream->next_out = room;
		stream->avail_out = GZIP_CHUNK_BYTES;
		*ret_state = inflate(stream, Z_NO_FLUSH);
		to->len += GZIP_CHUNK_BYTES - stream->avail_out;
		if (*ret_state == Z_MEM_ERROR)
			return -ENOMEM;
		if (*ret_state != Z_OK && *ret_state != Z_STREAM_END && *ret_state != Z_BUF_ERROR)
			return -EBADMSG;
		/* RFC 1952, 2.2: members follow one another. */
		if (*ret_state == Z_STREAM_END && stream->avail_in && inflateReset(stream) != Z_OK)
			return -EBADMSG;
	} while (stream->avail_in || !stream->avail_out);
	return 0;
}

static int inflate_file(int fd, z_stream *stream, struct buf *to)
{
	uint8_t packed[GZIP_CHUNK_BYTES];
	int state = Z_OK, err = 0;
	uint64_t offset = 0;
	ssize_t n;

	while (!err && (n = io_pread_full(fd, packed, sizeof(packed), offset)) > 0) {
		offset += (uint64_t)n;
		stream->next_in = packed;
		stream->avail_in = (uInt)n;
		if (state == Z_STREAM_END && inflateReset(stream) != Z_OK)
			err = -EBADMSG;
		if (!err)
			err = inflate_piece(stream, to, &state);
	}
	stream->next_in = NULL;
	if (!err && n < 0)
		err = (int)n;
	return !err && state != Z_STREAM_END ? -EBADMSG : err;
}

static int copy_file(int fd, struct buf *to)
{
	ssize_t n;

	do {
		uint8_t *room = buf_reserve(to, GZIP_CHUNK_BYTES);

		n = room ? io_pread_full(fd, room, GZIP_CHUNK_BYTES, to->len) : to->err;
		to->len += n > 0 ? (size_t)n : 0;
	} while (n > 0);
	return n < 0 ? (int)n : 0;
}

int gzip_read(int fd, struct buf *to)
{
	z_stream stream = {0};
	uint8_t magic[2];
	ssize_t n = io_pread_full(fd, magic, sizeof(magic), 0);
	int err;

	if (n < 0)
		return (int)n;
	if (n < 2 || magic[0] != 0x1f || magic[1] != 0x8b)
		return copy_file(fd, to);
	if (inflateInit2(&stream, WINDOW_BITS) != Z_OK)
		return -ENOMEM;
	err = inflate_file(fd, &stream, to);
	inflateEnd(&stream);
	return err;
}
