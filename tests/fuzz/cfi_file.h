/* SPDX-License-Identifier: Apache-2.0 */
/* An ELF file around sections of CFI, and what must hold of whatever is read from it. */
#pragma once

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "elf/elf_file.h"
#include "table/unwind_table.h"
#include "unwind/cfi.h"

/* Code is nearly everywhere, so that few addresses are refused. */
#define CODE_START 0x1000ull
#define CODE_LIMIT (1ull << 46)
#define FRAME_VA 0x10000000ull /* pc-relative addresses reach both sides */
#define TABLE_VA 0x20000000ull

struct section_bytes {
	const char *name;
	uint64_t va;
	const uint8_t *bytes;
	size_t n;
};

static void check(bool is_true)
{
	if (!is_true)
		abort();
}

/* A file with the sections, at most four. */
static struct elf_file *make_file(uint16_t machine, const struct section_bytes *sections, size_t n)
{
	enum { MAX_SECTIONS = 4, NAME_BYTES = 24 };
	struct {
		Elf64_Ehdr ehdr;
		Elf64_Phdr phdr;
		Elf64_Shdr shdrs[MAX_SECTIONS + 2];
		char names[(MAX_SECTIONS + 2) * NAME_BYTES];
	} head = {
		.ehdr = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
			 .e_type = ET_DYN,
			 .e_machine = machine,
			 .e_version = EV_CURRENT,
			 .e_phoff = sizeof(Elf64_Ehdr),
			 .e_shoff = sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr),
			 .e_ehsize = sizeof(Elf64_Ehdr),
			 .e_phentsize = sizeof(Elf64_Phdr),
			 .e_phnum = 1,
			 .e_shentsize = sizeof(Elf64_Shdr),
			 .e_shnum = (uint16_t)(n + 2),
			 .e_shstrndx = 1},
		.phdr = {.p_type = PT_LOAD,
			 .p_flags = PF_R | PF_X,
			 .p_vaddr = CODE_START,
			 .p_memsz = CODE_LIMIT - CODE_START},
	};
	uint64_t offset = sizeof(head);
	auto_close int fd = memfd_create("fuzz", MFD_CLOEXEC);
	struct elf_file *file;

	check(n <= MAX_SECTIONS && fd >= 0);
	head.shdrs[1] = (Elf64_Shdr){
		.sh_type = SHT_STRTAB, .sh_offset = sizeof(head) - sizeof(head.names), .sh_size = sizeof(head.names)};
	for (size_t i = 0; i < n; i++) {
		head.shdrs[i + 2] = (Elf64_Shdr){.sh_name = (uint32_t)((i + 2) * NAME_BYTES),
						 .sh_type = SHT_PROGBITS,
						 .sh_addr = sections[i].va,
						 .sh_offset = offset,
						 .sh_size = sections[i].n};
		memcpy(head.names + (i + 2) * NAME_BYTES, sections[i].name, strlen(sections[i].name));
		offset += sections[i].n;
	}
	check(!io_write_full(fd, &head, sizeof(head)));
	for (size_t i = 0; i < n; i++)
		check(!io_write_full(fd, sections[i].bytes, sections[i].n));
	check(!elf_file_open(take_fd(&fd), &file));
	return file;
}

/* --- what must hold ----------------------------------------------------------------------------------------------- */

struct row_check {
	uint16_t machine;
	const struct cfi_fde *fde;
	uint64_t va;
	struct unwind_rule rule;
	size_t n;
};

static int check_row(void *ctx, uint64_t va, const struct unwind_rule *rule)
{
	struct row_check *seen = ctx;

	check(seen->n ? va > seen->va && va < seen->fde->limit : va == seen->fde->start);
	check(!seen->n || memcmp(rule, &seen->rule, sizeof(*rule)) != 0);
	check(rule->cfa != UNWIND_CFA_NONE && unwind_rule_is_valid(rule, seen->machine));
	seen->va = va;
	seen->rule = *rule;
	seen->n++;
	return 0;
}

static __attribute__((unused)) void check_cfi(const struct elf_file *file, const char *name, uint64_t va_first,
					      uint64_t va_limit)
{
	const struct cfi_fde *fdes;
	struct cfi *cfi;
	size_t n;

	if (cfi_open(file, elf_file_section(file, name), va_first, va_limit, &cfi))
		return;
	fdes = cfi_fdes(cfi, &n);
	for (size_t i = 0; i < n; i++) {
		struct row_check seen = {.machine = elf_file_machine(file), .fde = &fdes[i]};
		int err = cfi_rows(cfi, i, &(struct row_sink){.row = check_row, .ctx = &seen});

		check(fdes[i].start < fdes[i].limit && fdes[i].start >= CODE_START && fdes[i].limit <= CODE_LIMIT);
		check(!i || fdes[i].start >= fdes[i - 1].limit);
		check(fdes[i].start < va_limit);
		check(err ? !seen.n : seen.n);
	}
	check(cfi_memory_bytes(cfi) >= n * sizeof(*fdes));
	cfi_free(cfi);
}
