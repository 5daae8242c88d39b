/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of a file that are packed: sections with SHF_COMPRESSED (gABI, "Section Compression"), the older .zdebug_*, and
 * the xz file in .gnu_debugdata. They are read, unpacked and handed on in pieces, so that what is held does not depend
 * on what a header claims. */
#pragma once

#include <stdint.h>

struct buf;
struct elf_file;
struct elf_section;

#define UNPACK_MAX_BYTES (2ull << 30)
#define UNPACK_MAX_RATIO 1000		    /* unpacked to packed; beyond, it is a bomb */
#define UNPACK_MAX_MEMORY_BYTES (64u << 20) /* of a decoder: its dictionary or window */

#define UNPACK_SIZE_UNKNOWN UINT64_MAX

enum unpack_format { UNPACK_XZ, UNPACK_ZLIB, UNPACK_ZSTD };

struct unpack_source {
	int fd; /* borrowed; read with pread */
	enum unpack_format format;
	uint64_t offset, size;	/* of the packed bytes in the file */
	uint64_t unpacked_size; /* as the file claims, or UNPACK_SIZE_UNKNOWN */
};

/* How the section is packed; *ret is valid as long as the file. -ENOENT: it is not packed; -ENOTSUP: in a format that
 * is none of the above; -EBADMSG: its header is cut, or contradicts itself. */
int unpack_source_of(const struct elf_file *file, const struct elf_section *section, struct unpack_source *ret);

/* Unpacks all of it: written to the descriptor at its position, or appended to the buffer. -EBADMSG: the bytes are
 * broken, end too early, or are not as many as claimed; -E2BIG: more than `max_bytes` or one of the limits above;
 * -EIO: the file ended. On failure what was written until then stays. */
int unpack_to_fd(const struct unpack_source *source, uint64_t max_bytes, int fd, uint64_t *ret_bytes);
int unpack_to_buf(const struct unpack_source *source, uint64_t max_bytes, struct buf *buf);
