/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as .debug_frame. Input: a byte whose bit 0 says arm64, the section. Seeds: the sections of what
 * tests/fuzz/cfi_seeds.sh assembles. */
#include "cfi_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct elf_file *file;

	if (!size)
		return 0;
	file = make_file(data[0] & 1 ? EM_AARCH64 : EM_X86_64,
			 (struct section_bytes[]){{".debug_frame", 0, data + 1, size - 1}}, 1);
	check_cfi(file, ".debug_frame", 0, UINT64_MAX);
	check_cfi(file, ".debug_frame", CODE_START, FRAME_VA);
	elf_file_free(file);
	return 0;
}
