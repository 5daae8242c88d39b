/* SPDX-License-Identifier: Apache-2.0 */
/* What a file says of its debug file, and whether a file is that one (GDB manual, "Separate Debug Files"). */
#pragma once

#include <stdint.h>

struct elf_file;

#define DEBUG_LINK_MAX_NAME 256			   /* with the NUL */
#define DEBUG_LINK_MAX_BYTES (4ull << 30)	   /* of a debug file whose checksum is taken */
#define DEBUG_LINK_PATIENCE_NS (4ull * 1000000000) /* for that */

struct debug_link {
	char name[DEBUG_LINK_MAX_NAME]; /* without its folder: that is foreign; never "", "." or ".." */
	uint32_t crc;
};

/* .gnu_debuglink: a name, zeros up to a multiple of four, a CRC-32 of the whole debug file. -ENOENT: there is none;
 * -EBADMSG: it is broken; -EIO. */
int debug_link_read(const struct elf_file *file, struct debug_link *ret);

/* The CRC-32 of the file. -E2BIG: it is larger than the limit above; -ETIME: it takes longer; -EIO. */
int debug_link_checksum(const struct elf_file *file, uint32_t *ret);

/* Was `debug` made of `file`, as far as their layouts tell? 0; -ESTALE: they are of another machine, or the code is at
 * other addresses (prelinked); -ENOENT: it holds neither symbols nor DWARF. */
int debug_link_check_layout(const struct elf_file *file, const struct elf_file *debug);
