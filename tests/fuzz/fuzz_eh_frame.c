/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as .eh_frame, read whole and in part, where the table of .eh_frame_hdr is believed if it is sound. Input: a
 * byte whose bit 0 says arm64, two bytes of the table's length, the table, the section. Seeds: the sections of what
 * tests/fuzz/cfi_seeds.sh assembles. */
#include "cfi_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t table;
	struct elf_file *file;

	if (size < 3)
		return 0;
	table = (size_t)data[1] | (size_t)data[2] << 8;
	if (table > size - 3)
		table = size - 3;
	file = make_file(data[0] & 1 ? EM_AARCH64 : EM_X86_64,
			 (struct section_bytes[]){{".eh_frame_hdr", TABLE_VA, data + 3, table},
						  {".eh_frame", FRAME_VA, data + 3 + table, size - 3 - table}},
			 2);
	check_cfi(file, ".eh_frame", 0, UINT64_MAX);
	check_cfi(file, ".eh_frame", CODE_START, CODE_LIMIT - 1);
	check_cfi(file, ".eh_frame", FRAME_VA, TABLE_VA);
	elf_file_free(file);
	return 0;
}
