/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as what names another file. Input: a byte that says which section, the section. Seeds:
 *     cd tests/fuzz/corpus/debug_link
 *     printf '\0prog.debug\0\0\1\2\3\4' >link
 *     printf '\0../../x\0\1\2\3\4' >link_path
 *     printf '\1/usr/lib/debug/.dwz/pkg.debug\0abcdefghijklmnopqrst' >altlink
 *     printf '\2\5\0\0pkg.debug\0\4abcd' >sup */
#include <errno.h>

#include "cfi_file.h"

#include "dwarf/dwarf.h"
#include "elf/debug_link.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What comes out is one file name component. */
static void check_name(const char *name, size_t max)
{
	size_t len = strnlen(name, max);

	check(len && len < max && !memchr(name, '/', len) && strcmp(name, ".") != 0 && strcmp(name, "..") != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const sections[] = {".gnu_debuglink", ".gnu_debugaltlink", ".debug_sup"};
	struct dwarf_link supplementary;
	struct debug_link link;
	struct elf_file *file;
	uint32_t checksum;

	if (!size || data[0] >= sizeof(sections) / sizeof(sections[0]))
		return 0;
	file = make_file(EM_X86_64, (struct section_bytes[]){{sections[data[0]], 0, data + 1, size - 1}}, 1);
	if (!debug_link_read(file, &link))
		check_name(link.name, sizeof(link.name));
	if (!dwarf_supplementary_of(file, &supplementary)) {
		check_name(supplementary.name, sizeof(supplementary.name));
		check(supplementary.id_bytes && supplementary.id_bytes <= sizeof(supplementary.id));
	}
	check(!debug_link_checksum(file, &checksum));
	check(debug_link_check_layout(file, file) == -ENOENT);
	elf_file_free(file);
	return 0;
}
