/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include "base/buf.h"
#include "elf/elf_file.h"
#include "elf/unpack.h"
#include "elf_image.h"

#define ROOM (8u << 20)
#define TEXT_BYTES 700
#define FORMATS 3

static const enum unpack_format formats[FORMATS] = {UNPACK_XZ, UNPACK_ZLIB, UNPACK_ZSTD};

struct bytes {
	uint8_t *data;
	size_t len;
};

static struct bytes new_bytes(size_t len)
{
	struct bytes bytes = {calloc(1, len ? len : 1), len};

	assert_non_null(bytes.data);
	return bytes;
}

/* Not to be packed well: a piece of packed bytes does not become a piece of unpacked ones. */
static struct bytes noise(size_t len)
{
	struct bytes bytes = new_bytes(len);
	uint32_t state = 1;

	for (size_t i = 0; i < len; i++) {
		state = state * 1103515245 + 12345;
		bytes.data[i] = (uint8_t)(state >> 16);
	}
	return bytes;
}

static struct bytes words(size_t len)
{
	static const char text[] = "_ZN3foo3barEi _ZN4quux6corge7E ";
	struct bytes bytes = noise(len);

	for (size_t i = 0; i < len; i++)
		if (i % 97)
			bytes.data[i] = (uint8_t)text[i % (sizeof(text) - 1)];
	return bytes;
}

static struct bytes pack(enum unpack_format format, const struct bytes *from)
{
	struct bytes to = new_bytes(from->len + from->len / 10 + 4096);
	ZSTD_CCtx *zstd;
	uLongf len;

	switch (format) {
	case UNPACK_XZ:
		len = 0;
		assert_int_equal(lzma_easy_buffer_encode(0, LZMA_CHECK_CRC64, NULL, from->data, from->len, to.data,
							 &len, to.len),
				 LZMA_OK);
		break;
	case UNPACK_ZLIB:
		len = to.len;
		assert_int_equal(compress2(to.data, &len, from->data, from->len, 9), Z_OK);
		break;
	default:
		zstd = ZSTD_createCCtx();
		assert_non_null(zstd);
		ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1);
		len = ZSTD_compress2(zstd, to.data, to.len, from->data, from->len);
		assert_false(ZSTD_isError(len));
		ZSTD_freeCCtx(zstd);
	}
	to.len = len;
	return to;
}

static struct unpack_source source_of(enum unpack_format format, const struct bytes *packed, uint64_t claimed)
{
	static const uint8_t before[] = "what comes before";
	int fd = memfd_create("packed", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, before, sizeof(before)), sizeof(before));
	assert_int_equal(write(fd, packed->data, packed->len), packed->len);
	return (struct unpack_source){
		.fd = fd, .format = format, .offset = sizeof(before), .size = packed->len, .unpacked_size = claimed};
}

/* Unpacked both ways, which must agree. */
static int unpack_both(const struct unpack_source *source, uint64_t max_bytes, struct buf *buf)
{
	int fd = memfd_create("unpacked", MFD_CLOEXEC), err, fd_err;
	uint64_t written = 0;
	struct bytes copy;

	buf_init(buf, ROOM);
	err = unpack_to_buf(source, max_bytes, buf);
	fd_err = unpack_to_fd(source, max_bytes, fd, &written);
	assert_int_equal(err, fd_err);
	if (!err) {
		assert_int_equal(written, buf->len);
		copy = new_bytes(buf->len + 1);
		assert_int_equal(pread(fd, copy.data, copy.len, 0), buf->len);
		if (buf->len)
			assert_memory_equal(copy.data, buf->data, buf->len);
		free(copy.data);
	}
	close(fd);
	return err;
}

static int unpack_bytes(enum unpack_format format, const struct bytes *packed, uint64_t claimed, uint64_t max_bytes,
			const struct bytes *expected)
{
	struct unpack_source source = source_of(format, packed, claimed);
	struct buf buf;
	int err = unpack_both(&source, max_bytes, &buf);

	if (!err && expected) {
		assert_int_equal(buf.len, expected->len);
		if (expected->len)
			assert_memory_equal(buf.data, expected->data, expected->len);
	}
	buf_release(&buf);
	close(source.fd);
	return err;
}

static void what_was_packed_comes_back(void **state)
{
	static const size_t sizes[] = {0, 1, 4096, 65535, 65536, 65537, 300000, 1 << 20};

	(void)state;
	for (size_t f = 0; f < FORMATS; f++) {
		for (size_t i = 0; i < 2 * sizeof(sizes) / sizeof(sizes[0]); i++) {
			struct bytes plain = i % 2 ? words(sizes[i / 2]) : noise(sizes[i / 2]);
			struct bytes packed = pack(formats[f], &plain);
			int err = unpack_bytes(formats[f], &packed, plain.len, ROOM, &plain);

			if (!err)
				err = unpack_bytes(formats[f], &packed, UNPACK_SIZE_UNKNOWN, ROOM, &plain);
			if (err)
				fail_msg("format %zu, %zu bytes: %d", f, plain.len, err);
			free(plain.data);
			free(packed.data);
		}
	}
}

static void streams_may_follow_each_other(void **state)
{
	(void)state;
	for (size_t f = 0; f < FORMATS; f++) {
		struct bytes part = words(100000), packed = pack(formats[f], &part);
		struct bytes plain = new_bytes(2 * part.len), twice = new_bytes(2 * packed.len);

		for (size_t i = 0; i < 2; i++) {
			memcpy(plain.data + i * part.len, part.data, part.len);
			memcpy(twice.data + i * packed.len, packed.data, packed.len);
		}
		assert_int_equal(unpack_bytes(formats[f], &twice, plain.len, ROOM, &plain), 0);
		assert_int_equal(unpack_bytes(formats[f], &twice, part.len, ROOM, NULL), -EBADMSG);
		twice.data[packed.len] ^= 0xff; /* not the beginning of one */
		assert_int_equal(unpack_bytes(formats[f], &twice, UNPACK_SIZE_UNKNOWN, ROOM, NULL), -EBADMSG);
		free(part.data);
		free(packed.data);
		free(plain.data);
		free(twice.data);
	}
}

static void cut_bytes_are_broken(void **state)
{
	(void)state;
	for (size_t f = 0; f < FORMATS; f++) {
		struct bytes plain = words(TEXT_BYTES), packed = pack(formats[f], &plain);

		for (struct bytes cut = packed; cut.len--;) {
			int err = unpack_bytes(formats[f], &cut, UNPACK_SIZE_UNKNOWN, ROOM, NULL);

			if (err != -EBADMSG)
				fail_msg("format %zu, %zu of %zu bytes: %d", f, cut.len, packed.len, err);
		}
		free(plain.data);
		free(packed.data);
	}
}

/* All formats have a checksum here, so nothing else than what was packed may come out. */
static void changed_bytes_never_give_something_else(void **state)
{
	(void)state;
	for (size_t f = 0; f < FORMATS; f++) {
		struct bytes plain = words(TEXT_BYTES), packed = pack(formats[f], &plain);
		size_t broken = 0;

		for (size_t bit = 0; bit < packed.len * 8; bit++) {
			int err;

			packed.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
			err = unpack_bytes(formats[f], &packed, UNPACK_SIZE_UNKNOWN, ROOM, &plain);
			packed.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
			if (err && err != -EBADMSG && err != -E2BIG && err != -ENOTSUP)
				fail_msg("format %zu, bit %zu: %d", f, bit, err);
			broken += err == -EBADMSG;
		}
		assert_true(broken > packed.len * 7);
		free(plain.data);
		free(packed.data);
	}
}

static void claimed_size_must_be_true(void **state)
{
	(void)state;
	for (size_t f = 0; f < FORMATS; f++) {
		struct bytes plain = words(TEXT_BYTES), packed = pack(formats[f], &plain);
		const struct {
			uint64_t claimed;
			int expected;
		} cases[] = {
			{plain.len, 0},
			{plain.len - 1, -EBADMSG},
			{plain.len + 1, -EBADMSG},
			{0, -EBADMSG},
			{UNPACK_MAX_BYTES + 1, -E2BIG},
			{UINT64_MAX - 1, -E2BIG},
			{packed.len * UNPACK_MAX_RATIO, -EBADMSG},
			{packed.len * UNPACK_MAX_RATIO + 1, -E2BIG},
		};

		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			int err = unpack_bytes(formats[f], &packed, cases[i].claimed, ROOM, NULL);

			if (err != cases[i].expected)
				fail_msg("format %zu, claimed %lu: %d", f, cases[i].claimed, err);
		}
		free(plain.data);
		free(packed.data);
	}
}

static void more_than_asked_for_is_refused(void **state)
{
	struct buf small;

	(void)state;
	for (size_t f = 0; f < FORMATS; f++) {
		struct bytes plain = noise(200000), packed = pack(formats[f], &plain);
		struct unpack_source source = source_of(formats[f], &packed, UNPACK_SIZE_UNKNOWN);

		assert_int_equal(unpack_bytes(formats[f], &packed, UNPACK_SIZE_UNKNOWN, plain.len, &plain), 0);
		assert_int_equal(unpack_bytes(formats[f], &packed, UNPACK_SIZE_UNKNOWN, plain.len - 1, NULL), -E2BIG);
		assert_int_equal(unpack_bytes(formats[f], &packed, plain.len, plain.len - 1, NULL), -E2BIG);
		assert_int_equal(unpack_bytes(formats[f], &packed, UNPACK_SIZE_UNKNOWN, 0, NULL), -E2BIG);
		buf_init(&small, plain.len - 1);
		assert_int_equal(unpack_to_buf(&source, ROOM, &small), -E2BIG);
		buf_release(&small);
		close(source.fd);
		free(plain.data);
		free(packed.data);
	}
}

static void bomb_is_refused(void **state)
{
	(void)state;
	for (size_t f = 0; f < FORMATS; f++) {
		struct bytes zeros = new_bytes(16u << 20), packed = pack(formats[f], &zeros);
		struct unpack_source source = source_of(formats[f], &packed, UNPACK_SIZE_UNKNOWN);
		int fd = memfd_create("unpacked", MFD_CLOEXEC);
		uint64_t bytes;

		assert_true(zeros.len > packed.len * UNPACK_MAX_RATIO);
		assert_int_equal(unpack_to_fd(&source, UINT64_MAX, fd, &bytes), -E2BIG);
		assert_true((uint64_t)lseek(fd, 0, SEEK_END) <= packed.len * UNPACK_MAX_RATIO);
		source.unpacked_size = zeros.len;
		assert_int_equal(unpack_to_fd(&source, UINT64_MAX, fd, &bytes), -E2BIG);
		close(fd);
		close(source.fd);
		free(zeros.data);
		free(packed.data);
	}
}

/* The dictionary that an xz block asks for, in its header (xz file format, 5.3.1). */
static void set_dictionary(struct bytes *xz, uint8_t size)
{
	uint8_t *header = xz->data + LZMA_STREAM_HEADER_SIZE;
	size_t len = (header[0] + 1u) * 4, at = 2;
	uint32_t crc;

	while (header[at] != 0x21 || header[at + 1] != 1) /* LZMA2, one byte of properties */
		assert_true(++at < len);
	header[at + 2] = size;
	crc = lzma_crc32(header, len - 4, 0);
	memcpy(header + len - 4, &crc, sizeof(crc));
}

static void decoder_that_wants_much_memory_is_refused(void **state)
{
	/* Frame header without a size: windows of 2^26 and 2^27; then an empty last block (RFC 8878, 3.1.1). */
	static const uint8_t zstd[2][9] = {{0x28, 0xb5, 0x2f, 0xfd, 0, 16 << 3, 1, 0, 0},
					   {0x28, 0xb5, 0x2f, 0xfd, 0, 17 << 3, 1, 0, 0}};
	struct bytes plain = words(TEXT_BYTES), xz = pack(UNPACK_XZ, &plain), frame = new_bytes(sizeof(zstd[0]));

	(void)state;
	set_dictionary(&xz, 26); /* 32 MiB */
	assert_int_equal(unpack_bytes(UNPACK_XZ, &xz, UNPACK_SIZE_UNKNOWN, ROOM, &plain), 0);
	set_dictionary(&xz, 28); /* 64 MiB, and the decoder's own */
	assert_int_equal(unpack_bytes(UNPACK_XZ, &xz, UNPACK_SIZE_UNKNOWN, ROOM, NULL), -E2BIG);
	set_dictionary(&xz, 40); /* 4 GiB */
	assert_int_equal(unpack_bytes(UNPACK_XZ, &xz, UNPACK_SIZE_UNKNOWN, ROOM, NULL), -E2BIG);
	memcpy(frame.data, zstd[0], frame.len);
	assert_int_equal(unpack_bytes(UNPACK_ZSTD, &frame, 0, ROOM, NULL), 0);
	memcpy(frame.data, zstd[1], frame.len);
	assert_int_equal(unpack_bytes(UNPACK_ZSTD, &frame, 0, ROOM, NULL), -E2BIG);
	free(plain.data);
	free(xz.data);
	free(frame.data);
}

static void what_cannot_be_read_or_written_is_told(void **state)
{
	struct bytes plain = words(TEXT_BYTES), packed = pack(UNPACK_ZLIB, &plain);
	struct unpack_source source = source_of(UNPACK_ZLIB, &packed, plain.len);
	struct buf buf;
	uint64_t bytes = 77;

	(void)state;
	buf_init(&buf, ROOM);
	assert_int_equal(unpack_to_fd(&source, ROOM, -1, &bytes), -EBADF);
	assert_int_equal(bytes, 77);
	source.size++; /* the file ends before */
	assert_int_equal(unpack_to_buf(&source, ROOM, &buf), -EIO);
	close(source.fd);
	source.fd = -1;
	assert_int_equal(unpack_to_buf(&source, ROOM, &buf), -EBADF);
	buf_release(&buf);
	free(plain.data);
	free(packed.data);
}

static void section_says_how_it_is_packed(void **state)
{
#define NOT_PACKED ((struct unpack_source){0})
#define CHDR(type) (type), 0, 0, 0, 0, 0, 0, 0, 0x39, 0x30, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0
	static const struct {
		const char *name;
		uint32_t type;
		uint64_t flags, size;
		uint8_t bytes[24];
		int expected;
		enum unpack_format format;
		uint64_t header, claimed;
	} cases[] = {
		{".gnu_debugdata", SHT_PROGBITS, 0, 100, {0xfd}, 0, UNPACK_XZ, 0, UNPACK_SIZE_UNKNOWN},
		{".gnu_debugdata", SHT_NOBITS, 0, 100, {0xfd}, -ENOENT, 0, 0, 0},
		{".debug_info", SHT_PROGBITS, SHF_COMPRESSED, 100, {CHDR(1)}, 0, UNPACK_ZLIB, 24, 12345},
		{".debug_info", SHT_PROGBITS, SHF_COMPRESSED, 100, {CHDR(2)}, 0, UNPACK_ZSTD, 24, 12345},
		{".debug_info", SHT_PROGBITS, SHF_COMPRESSED, 24, {CHDR(2)}, 0, UNPACK_ZSTD, 24, 12345},
		{".debug_info", SHT_PROGBITS, SHF_COMPRESSED, 100, {CHDR(0)}, -ENOTSUP, 0, 0, 0},
		{".debug_info", SHT_PROGBITS, SHF_COMPRESSED, 100, {CHDR(3)}, -ENOTSUP, 0, 0, 0},
		{".debug_info", SHT_PROGBITS, SHF_COMPRESSED, 23, {CHDR(1)}, -EBADMSG, 0, 0, 0},
		{".debug_info", SHT_PROGBITS, SHF_COMPRESSED | SHF_ALLOC, 100, {CHDR(1)}, -EBADMSG, 0, 0, 0},
		{".debug_info", SHT_NOBITS, SHF_COMPRESSED, 100, {CHDR(1)}, -EBADMSG, 0, 0, 0},
		{".debug_info", SHT_PROGBITS, 0, 100, {CHDR(1)}, -ENOENT, 0, 0, 0},
		{".zdebug_info", SHT_PROGBITS, 0, 100, "ZLIB\0\0\0\0\0\0\x30\x39", 0, UNPACK_ZLIB, 12, 12345},
		{".zdebug_info", SHT_PROGBITS, 0, 100, "ZLIB\x80\0\0\0\0\0\0\1", 0, UNPACK_ZLIB, 12,
		 0x8000000000000001},
		{".zdebug_info", SHT_PROGBITS, 0, 100, "zlib\0\0\0\0\0\0\x30\x39", -ENOENT, 0, 0, 0},
		{".zdebug_info", SHT_PROGBITS, 0, 11, "ZLIB\0\0\0\0\0\0\x30\x39", -ENOENT, 0, 0, 0},
		{".debug_info", SHT_PROGBITS, 0, 100, "ZLIB\0\0\0\0\0\0\x30\x39", -ENOENT, 0, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct unpack_source source = NOT_PACKED;
		struct elf_image image;
		struct elf_file *file;
		int err;

		image_init(&image);
		image_section(&image, SECTION_DATA, cases[i].name,
			      (Elf64_Shdr){.sh_type = cases[i].type,
					   .sh_flags = cases[i].flags,
					   .sh_offset = 0x6000,
					   .sh_size = cases[i].size});
		memcpy(image.bytes + 0x6000, cases[i].bytes, sizeof(cases[i].bytes));
		assert_int_equal(elf_file_open(image_fd(&image), &file), 0);
		err = unpack_source_of(file, elf_file_section(file, cases[i].name), &source);
		if (err != cases[i].expected)
			fail_msg("case %zu: %d", i, err);
		if (!err) {
			assert_int_equal(source.fd, elf_file_fd(file));
			assert_int_equal(source.format, cases[i].format);
			assert_int_equal(source.offset, 0x6000 + cases[i].header);
			assert_int_equal(source.size, cases[i].size - cases[i].header);
			assert_int_equal(source.unpacked_size, cases[i].claimed);
		}
		elf_file_free(file);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_packed_comes_back),
		cmocka_unit_test(streams_may_follow_each_other),
		cmocka_unit_test(cut_bytes_are_broken),
		cmocka_unit_test(changed_bytes_never_give_something_else),
		cmocka_unit_test(claimed_size_must_be_true),
		cmocka_unit_test(more_than_asked_for_is_refused),
		cmocka_unit_test(bomb_is_refused),
		cmocka_unit_test(decoder_that_wants_much_memory_is_refused),
		cmocka_unit_test(what_cannot_be_read_or_written_is_told),
		cmocka_unit_test(section_says_how_it_is_packed),
	};

	return cmocka_run_group_tests_name("unpack", tests, NULL, NULL);
}
