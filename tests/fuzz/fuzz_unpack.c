/* SPDX-License-Identifier: Apache-2.0 */
/* One byte of format, then any bytes as packed in it: unpacked, and once more with the size that came out as claimed,
 * which must then be right. Seeds, the text "hostprof" 40 times:
 *     text() { yes hostprof | head -n 40; }; cd tests/fuzz/corpus/unpack
 *     { printf '\0'; text | xz; } >xz
 *     { printf '\1'; text | python3 -c 'import sys, zlib;
 * sys.stdout.buffer.write(zlib.compress(sys.stdin.buffer.read()))'; } >zlib { printf '\2'; text | zstd; } >zstd */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "elf/unpack.h"

#define MAX_BYTES (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum unpack_format formats[] = {UNPACK_XZ, UNPACK_ZLIB, UNPACK_ZSTD};
	auto_close int fd = memfd_create("fuzz", MFD_CLOEXEC);
	struct unpack_source source = {.fd = fd, .offset = 1, .unpacked_size = UNPACK_SIZE_UNKNOWN};
	struct buf first, second;

	if (fd < 0 || io_write_full(fd, data, size))
		abort();
	if (!size || data[0] >= sizeof(formats) / sizeof(formats[0]))
		return 0;
	source.format = formats[data[0]];
	source.size = size - 1;
	buf_init(&first, MAX_BYTES);
	buf_init(&second, MAX_BYTES);
	if (!unpack_to_buf(&source, MAX_BYTES, &first)) {
		if (first.len > source.size * UNPACK_MAX_RATIO)
			abort();
		source.unpacked_size = first.len;
		if (unpack_to_buf(&source, first.len, &second) || second.len != first.len ||
		    (first.len && memcmp(first.data, second.data, first.len) != 0))
			abort();
		source.unpacked_size++;
		buf_clear(&second);
		if (!unpack_to_buf(&source, MAX_BYTES, &second))
			abort();
	}
	buf_release(&first);
	buf_release(&second);
	return 0;
}
