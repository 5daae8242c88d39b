/* SPDX-License-Identifier: Apache-2.0 */
/* One loop for all formats, with one step of the decoder as the only difference:
 *
 *     file ── pread ──► packed piece ── step: xz, zlib, zstd ──► unpacked piece ──► descriptor or buffer
 *
 * A step moves both pieces on by what it used and made. */
#include "elf/unpack.h"

#include <elf.h>
#include <errno.h>
#include <lzma.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/cursor.h"
#include "base/io.h"
#include "elf/elf_file.h"

#ifndef ELFCOMPRESS_ZSTD
#define ELFCOMPRESS_ZSTD 2 /* elf.h of glibc 2.37 */
#endif

#define PIECE_BYTES (64u << 10)
#define ZSTD_WINDOW_LOG 26 /* UNPACK_MAX_MEMORY_BYTES */
#define OLD_PREFIX ".zdebug_"
#define OLD_MAGIC "ZLIB"
#define OLD_HEADER_BYTES 12 /* the magic, then the size, big-endian */

_Static_assert(1u << ZSTD_WINDOW_LOG == UNPACK_MAX_MEMORY_BYTES, "the window is what a zstd decoder holds");

/* --- what is packed ------------------------------------------------------------------------------------------------
 */

/* gABI: Elf64_Chdr, then the packed bytes. */
static int read_chdr(const struct elf_file *file, const struct elf_section *section, struct unpack_source *ret)
{
	Elf64_Chdr chdr;
	int err;

	/* "SHF_COMPRESSED cannot be used in conjunction with SHF_ALLOC", nor with SHT_NOBITS. */
	if (section->type == SHT_NOBITS || (section->flags & SHF_ALLOC) || section->size < sizeof(chdr))
		return -EBADMSG;
	err = io_pread_exact(elf_file_fd(file), &chdr, sizeof(chdr), section->offset);
	if (err)
		return err;
	if (chdr.ch_type != ELFCOMPRESS_ZLIB && chdr.ch_type != ELFCOMPRESS_ZSTD)
		return -ENOTSUP;
	*ret = (struct unpack_source){.fd = elf_file_fd(file),
				      .format = chdr.ch_type == ELFCOMPRESS_ZLIB ? UNPACK_ZLIB : UNPACK_ZSTD,
				      .offset = section->offset + sizeof(chdr),
				      .size = section->size - sizeof(chdr),
				      .unpacked_size = chdr.ch_size};
	return 0;
}

/* GNU, before the gABI had compression. A section of the name without the magic is not packed. */
static int read_old_header(const struct elf_file *file, const struct elf_section *section, struct unpack_source *ret)
{
	uint8_t header[OLD_HEADER_BYTES];
	uint64_t size = 0;
	int err;

	if (section->type == SHT_NOBITS || section->size < sizeof(header))
		return -ENOENT;
	err = io_pread_exact(elf_file_fd(file), header, sizeof(header), section->offset);
	if (err)
		return err;
	if (memcmp(header, OLD_MAGIC, strlen(OLD_MAGIC)) != 0)
		return -ENOENT;
	for (size_t i = strlen(OLD_MAGIC); i < sizeof(header); i++)
		size = size << 8 | header[i];
	*ret = (struct unpack_source){.fd = elf_file_fd(file),
				      .format = UNPACK_ZLIB,
				      .offset = section->offset + sizeof(header),
				      .size = section->size - sizeof(header),
				      .unpacked_size = size};
	return 0;
}

int unpack_source_of(const struct elf_file *file, const struct elf_section *section, struct unpack_source *ret)
{
	if (section->flags & SHF_COMPRESSED)
		return read_chdr(file, section, ret);
	if (strncmp(section->name, OLD_PREFIX, strlen(OLD_PREFIX)) == 0)
		return read_old_header(file, section, ret);
	if (strcmp(section->name, ".gnu_debugdata") != 0 || section->type == SHT_NOBITS)
		return -ENOENT;
	*ret = (struct unpack_source){.fd = elf_file_fd(file),
				      .format = UNPACK_XZ,
				      .offset = section->offset,
				      .size = section->size,
				      .unpacked_size = UNPACK_SIZE_UNKNOWN};
	return 0;
}

/* --- decoders ------------------------------------------------------------------------------------------------------
 */

struct decoder {
	enum unpack_format format;
	lzma_stream xz;
	z_stream zlib;
	ZSTD_DStream *zstd;
	const uint8_t *in;
	size_t in_left;
	bool is_last_piece;
	uint8_t *out;
	size_t out_left;
	bool is_between; /* streams: the bytes may end here, or another begins */
	bool is_done;	 /* nothing can follow */
};

static int decoder_init(struct decoder *decoder, enum unpack_format format)
{
	lzma_ret started;

	*decoder = (struct decoder){.format = format, .xz = LZMA_STREAM_INIT};
	switch (format) {
	case UNPACK_XZ:
		started = lzma_stream_decoder(&decoder->xz, UNPACK_MAX_MEMORY_BYTES, LZMA_CONCATENATED);
		return started == LZMA_OK ? 0 : -ENOMEM;
	case UNPACK_ZLIB:
		return inflateInit(&decoder->zlib) == Z_OK ? 0 : -ENOMEM;
	case UNPACK_ZSTD:
		decoder->zstd = ZSTD_createDStream();
		if (!decoder->zstd ||
		    ZSTD_isError(ZSTD_DCtx_setParameter(decoder->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG)))
			return -ENOMEM;
		return 0;
	}
	return -ENOTSUP;
}

static void decoder_release(struct decoder *decoder)
{
	lzma_end(&decoder->xz);
	if (decoder->format == UNPACK_ZLIB)
		inflateEnd(&decoder->zlib);
	ZSTD_freeDStream(decoder->zstd);
}

static int step_xz(struct decoder *decoder)
{
	lzma_ret result;

	decoder->xz.next_in = decoder->in;
	decoder->xz.avail_in = decoder->in_left;
	decoder->xz.next_out = decoder->out;
	decoder->xz.avail_out = decoder->out_left;
	result = lzma_code(&decoder->xz, decoder->is_last_piece ? LZMA_FINISH : LZMA_RUN);
	decoder->in = decoder->xz.next_in;
	decoder->in_left = decoder->xz.avail_in;
	decoder->out = decoder->xz.next_out;
	decoder->out_left = decoder->xz.avail_out;
	switch (result) {
	case LZMA_OK:
		return 0;
	case LZMA_STREAM_END:
		decoder->is_between = decoder->is_done = true;
		return 0;
	case LZMA_MEM_ERROR:
		return -ENOMEM;
	case LZMA_MEMLIMIT_ERROR:
		return -E2BIG;
	case LZMA_OPTIONS_ERROR: /* a filter or check that this liblzma lacks */
		return -ENOTSUP;
	default:
		return -EBADMSG;
	}
}

static int step_zlib(struct decoder *decoder)
{
	int result;

	/* Linkers that pack with several threads may leave one stream behind the other. */
	if (decoder->is_between && inflateReset(&decoder->zlib) != Z_OK)
		return -EBADMSG;
	decoder->zlib.next_in = (Bytef *)decoder->in;
	decoder->zlib.avail_in = (uInt)decoder->in_left;
	decoder->zlib.next_out = decoder->out;
	decoder->zlib.avail_out = (uInt)decoder->out_left;
	result = inflate(&decoder->zlib, Z_NO_FLUSH);
	decoder->in = decoder->zlib.next_in;
	decoder->in_left = decoder->zlib.avail_in;
	decoder->out = decoder->zlib.next_out;
	decoder->out_left = decoder->zlib.avail_out;
	decoder->is_between = result == Z_STREAM_END;
	if (result == Z_MEM_ERROR)
		return -ENOMEM;
	/* Z_BUF_ERROR: no progress, which the loop sees for itself. */
	return result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR ? 0 : -EBADMSG;
}

static int step_zstd(struct decoder *decoder)
{
	ZSTD_inBuffer in = {.src = decoder->in, .size = decoder->in_left};
	ZSTD_outBuffer out = {.dst = decoder->out, .size = decoder->out_left};
	size_t result = ZSTD_decompressStream(decoder->zstd, &out, &in);

	decoder->in += in.pos;
	decoder->in_left -= in.pos;
	decoder->out += out.pos;
	decoder->out_left -= out.pos;
	if (!ZSTD_isError(result)) {
		decoder->is_between = result == 0;
		return 0;
	}
	switch (ZSTD_getErrorCode(result)) {
	case ZSTD_error_memory_allocation:
		return -ENOMEM;
	case ZSTD_error_frameParameter_windowTooLarge:
		return -E2BIG;
	case ZSTD_error_frameParameter_unsupported:
	case ZSTD_error_version_unsupported:
		return -ENOTSUP;
	default:
		return -EBADMSG;
	}
}

static int step(struct decoder *decoder)
{
	switch (decoder->format) {
	case UNPACK_XZ:
		return step_xz(decoder);
	case UNPACK_ZLIB:
		return step_zlib(decoder);
	case UNPACK_ZSTD:
		return step_zstd(decoder);
	}
	return -ENOTSUP;
}

/* --- unpacking -----------------------------------------------------------------------------------------------------
 */

typedef int give_fn(void *ctx, const uint8_t *bytes, size_t n);

struct unpacking {
	const struct unpack_source *source;
	uint64_t max_bytes;
	uint64_t in_done, out_done;
	struct decoder decoder;
	give_fn *give;
	void *ctx;
	uint8_t packed[PIECE_BYTES], unpacked[PIECE_BYTES];
};

/* The next packed bytes, behind those that are left of the last ones: none are, unless the decoder wants more. */
static int fill(struct unpacking *at)
{
	struct decoder *decoder = &at->decoder;
	uint64_t left = at->source->size - at->in_done;
	size_t n = left < sizeof(at->packed) ? (size_t)left : sizeof(at->packed);
	int err = io_pread_exact(at->source->fd, at->packed, n, at->source->offset + at->in_done);

	if (err)
		return err;
	at->in_done += n;
	decoder->in = at->packed;
	decoder->in_left = n;
	decoder->is_last_piece = at->in_done == at->source->size;
	return 0;
}

static int give_piece(struct unpacking *at)
{
	uint64_t claimed = at->source->unpacked_size;
	size_t n = sizeof(at->unpacked) - at->decoder.out_left;

	at->out_done += n;
	if (at->out_done > claimed)
		return -EBADMSG;
	if (at->out_done > at->max_bytes)
		return -E2BIG;
	return n ? at->give(at->ctx, at->unpacked, n) : 0;
}

static int unpack_loop(struct unpacking *at)
{
	struct decoder *decoder = &at->decoder;

	while (!decoder->is_done) {
		size_t in_before;
		int err;

		if (!decoder->in_left && !decoder->is_last_piece) {
			err = fill(at);
			if (err)
				return err;
		}
		/* xz says itself when all is read: its end is checked like its beginning. */
		if (decoder->format != UNPACK_XZ && !decoder->in_left && decoder->is_between)
			return 0;
		in_before = decoder->in_left;
		decoder->out = at->unpacked;
		decoder->out_left = sizeof(at->unpacked);
		err = step(decoder);
		if (err)
			return err;
		if (decoder->out_left == sizeof(at->unpacked) && decoder->in_left == in_before && !decoder->is_done)
			return -EBADMSG; /* it wants more, and there is no more */
		err = give_piece(at);
		if (err)
			return err;
	}
	return 0;
}

static int unpack(const struct unpack_source *source, uint64_t max_bytes, give_fn *give, void *ctx, uint64_t *ret_bytes)
{
	auto_free struct unpacking *at = NULL;
	uint64_t limit;
	int err;

	if (!checked_mul(source->size, UNPACK_MAX_RATIO, &limit) || limit > UNPACK_MAX_BYTES)
		limit = UNPACK_MAX_BYTES;
	if (limit > max_bytes)
		limit = max_bytes;
	if (source->unpacked_size != UNPACK_SIZE_UNKNOWN && source->unpacked_size > limit)
		return -E2BIG;
	at = malloc(sizeof(*at));
	if (!at)
		return -ENOMEM;
	at->source = source;
	at->max_bytes = limit;
	at->in_done = at->out_done = 0;
	at->give = give;
	at->ctx = ctx;
	err = decoder_init(&at->decoder, source->format);
	if (!err)
		err = unpack_loop(at);
	if (!err && source->unpacked_size != UNPACK_SIZE_UNKNOWN && at->out_done != source->unpacked_size)
		err = -EBADMSG;
	decoder_release(&at->decoder);
	if (!err)
		*ret_bytes = at->out_done;
	return err;
}

static int give_to_fd(void *ctx, const uint8_t *bytes, size_t n)
{
	return io_write_full(*(const int *)ctx, bytes, n);
}

static int give_to_buf(void *ctx, const uint8_t *bytes, size_t n)
{
	return buf_append(ctx, bytes, n);
}

int unpack_to_fd(const struct unpack_source *source, uint64_t max_bytes, int fd, uint64_t *ret_bytes)
{
	return unpack(source, max_bytes, give_to_fd, &fd, ret_bytes);
}

int unpack_to_buf(const struct unpack_source *source, uint64_t max_bytes, struct buf *buf)
{
	uint64_t bytes;

	return unpack(source, max_bytes, give_to_buf, buf, &bytes);
}
