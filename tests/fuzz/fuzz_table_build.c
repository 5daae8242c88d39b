/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as an ELF file of which a table is made, with and without itself as its debug file: what comes out can be
 * read. Seeds, of 1 or 2 KiB:
 *     printf '.cfi_sections .eh_frame,.debug_frame\n.globl f\n.type f,@function\nf: .cfi_startproc\npush %%rbp\n' >f.s
 *     printf '.cfi_adjust_cfa_offset 8\npop %%rbp\n.cfi_adjust_cfa_offset -8\nret\n.cfi_endproc\n.size f,3\n' >>f.s
 *     printf '.skip 32\n.globl g\n.type g,@function\ng: push %%rbx\ncall f\npop %%rbx\nret\n.size g,8\n' >>f.s
 *     as -o f.o f.s
 *     ld -N --eh-frame-hdr -e g -o tests/fuzz/corpus/table_build/static f.o
 *     ld -N --eh-frame-hdr -shared -Bsymbolic -o tests/fuzz/corpus/table_build/shared f.o */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "elf/elf_file.h"
#include "table/unwind_table.h"
#include "unwind/table_build.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool is_true)
{
	if (!is_true)
		abort();
}

static void check_table(int fd, uint16_t machine)
{
	struct unwind_table table;
	struct stat st;
	void *bytes;

	check(!fstat(fd, &st));
	bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	check(bytes != MAP_FAILED && !unwind_table_read(bytes, (size_t)st.st_size, machine, &table));
	munmap(bytes, (size_t)st.st_size);
}

static void build(const struct elf_file *file, const struct elf_file *debug, uint32_t page)
{
	auto_close int fd = memfd_create("table", MFD_CLOEXEC);
	struct table_writer_stats stats;
	struct table_coverage coverage;
	int err = table_build(file, debug, page, fd, &stats, &coverage);

	check(err != -EINVAL && err != -EBADMSG && err != -ENOSPC);
	if (err)
		return;
	check(coverage.eh_frame + coverage.debug_frame + coverage.go + coverage.scanned + coverage.none +
		      coverage.unsupported ==
	      coverage.code);
	check_table(fd, elf_file_machine(file));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_close int fd = memfd_create("fuzz", MFD_CLOEXEC);
	struct elf_file *file;

	check(fd >= 0 && !io_write_full(fd, data, size));
	if (elf_file_open(take_fd(&fd), &file))
		return 0;
	build(file, NULL, 0);
	build(file, file, 1);
	elf_file_free(file);
	return 0;
}
