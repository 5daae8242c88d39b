/* SPDX-License-Identifier: Apache-2.0 */
/* Call frame information of an ELF file: .eh_frame (LSB 5.0, "Exception Frames") and .debug_frame (DWARF 5 section
 * 6.4), x86-64 and arm64, reduced to the rules that the walk knows (wire/unwind.h).
 *
 * Only the FDEs' places are kept in memory (24 bytes each); their instructions are read with pread, in pieces, when
 * their rows are asked for. The file is hostile: a bad FDE costs its own range and nothing else. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "unwind/row_sink.h"

struct elf_file;
struct elf_section;
struct cfi;

#define CFI_MAX_FDES (16u << 20)
#define CFI_MAX_CIES (1u << 16) /* FDEs of further ones count as bad */

/* The code of one function, or a part of it. */
struct cfi_fde {
	uint64_t start, limit; /* elf_va, limit exclusive; never empty */
	uint64_t offset;       /* in the section */
};

/* Reads the places of all FDEs whose code lies in [va_first, va_limit), sorted, each cut where the next one begins, of
 * equal starts the first in the file, those outside every executable PT_LOAD left out. Where .eh_frame_hdr has a
 * sorted table and the range is a part of the file, it is entered through that; a table that is not sound is not used.
 * `section` is .eh_frame or .debug_frame by its name (-EINVAL), SHT_PROGBITS or X86_64_UNWIND, not compressed, and the
 * file's machine is x86-64 or arm64 (-ENOTSUP); *ret has no FDEs when the section has none. -EBADMSG: the section is no
 * CFI at all; -E2BIG; -ENOMEM; -EIO. The file must outlive it. */
int cfi_open(const struct elf_file *file, const struct elf_section *section, uint64_t va_first, uint64_t va_limit,
	     struct cfi **ret);
void cfi_free(struct cfi *cfi);

const struct cfi_fde *cfi_fdes(const struct cfi *cfi, size_t *n);
/* FDEs and CIEs that could not be read. */
size_t cfi_bad_entries(const struct cfi *cfi);

/* Rows of FDE number `index`, the first at its start, none at or behind its limit, each different from the one before.
 * They tell of rbx (UNWIND_BX_SAME) in a small section where a CFA is counted from it. -EBADMSG: its instructions are
 * broken, or its CIE's are; no row was given then. */
int cfi_rows(struct cfi *cfi, size_t index, const struct row_sink *sink);
size_t cfi_memory_bytes(const struct cfi *cfi);
