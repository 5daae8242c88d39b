/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as the function table of a Go program and as the code that it describes: its functions, their names and
 * pc-value tables are read, and its rows made, of all of it and of parts. Input: a byte of flags (below), two bytes of
 * the code's length, the code, the table. Seeds: what tests/fuzz/pclntab_seeds.sh assembles. */
#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "elf/elf_file.h"
#include "elf/gopclntab.h"
#include "table/unwind_table.h"
#include "unwind/go_rows.h"

#define FLAG_ARM64 1u
#define FLAG_SCAN 2u   /* the table is among other data */
#define FLAG_MODULE 4u /* its last bytes are .go.module too */
#define CODE_VA 0x1000
#define TABLE_VA 0x40000
#define MODULE_BYTES 184
#define NAME_BYTES 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool is_true)
{
	if (!is_true)
		abort();
}

static struct elf_file *make_file(unsigned int flags, const uint8_t *code, size_t code_bytes, const uint8_t *table,
				  size_t table_bytes)
{
	enum { TEXT = 1, TABLE, MODULE, INFO, NAMES, SECTIONS };
	struct {
		Elf64_Ehdr ehdr;
		Elf64_Phdr phdr;
		Elf64_Shdr shdrs[SECTIONS];
		char names[SECTIONS][NAME_BYTES];
	} head = {
		.ehdr = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
			 .e_type = ET_DYN,
			 .e_machine = flags & FLAG_ARM64 ? EM_AARCH64 : EM_X86_64,
			 .e_version = EV_CURRENT,
			 .e_entry = CODE_VA,
			 .e_phoff = sizeof(Elf64_Ehdr),
			 .e_shoff = sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr),
			 .e_ehsize = sizeof(Elf64_Ehdr),
			 .e_phentsize = sizeof(Elf64_Phdr),
			 .e_phnum = 1,
			 .e_shentsize = sizeof(Elf64_Shdr),
			 .e_shnum = SECTIONS,
			 .e_shstrndx = NAMES},
		.phdr = {.p_type = PT_LOAD,
			 .p_flags = PF_R | PF_X,
			 .p_offset = sizeof(head),
			 .p_vaddr = CODE_VA,
			 .p_filesz = code_bytes + table_bytes, /* whatever it holds */
			 .p_memsz = code_bytes + table_bytes},
		.names = {[TEXT] = ".text",
			  [TABLE] = ".gopclntab",
			  [MODULE] = ".go.module",
			  [INFO] = ".go.buildinfo",
			  [NAMES] = ".shstrtab"},
	};
	auto_close int fd = memfd_create("fuzz", MFD_CLOEXEC);
	size_t module = (flags & FLAG_MODULE) && table_bytes > MODULE_BYTES ? table_bytes - MODULE_BYTES : table_bytes;
	struct elf_file *file;

	check(fd >= 0);
	if (flags & FLAG_SCAN)
		memcpy(head.names[TABLE], ".data.rel.ro", sizeof(".data.rel.ro"));
	if (!(flags & FLAG_MODULE))
		head.names[MODULE][1] = '\0';
	for (size_t i = 1; i < SECTIONS; i++)
		head.shdrs[i] = (Elf64_Shdr){.sh_name = (uint32_t)(i * NAME_BYTES), .sh_type = SHT_PROGBITS};
	head.shdrs[TEXT].sh_addr = CODE_VA;
	head.shdrs[TABLE].sh_addr = TABLE_VA;
	head.shdrs[TABLE].sh_offset = sizeof(head) + code_bytes;
	head.shdrs[TABLE].sh_size = table_bytes;
	head.shdrs[MODULE].sh_offset = sizeof(head) + code_bytes + module;
	head.shdrs[MODULE].sh_size = table_bytes - module;
	head.shdrs[NAMES].sh_type = SHT_STRTAB;
	head.shdrs[NAMES].sh_offset = sizeof(head) - sizeof(head.names);
	head.shdrs[NAMES].sh_size = sizeof(head.names);
	check(!io_write_full(fd, &head, sizeof(head)) && !io_write_full(fd, code, code_bytes) &&
	      !io_write_full(fd, table, table_bytes));
	check(!elf_file_open(take_fd(&fd), &file));
	return file;
}

static void read_functions(struct gopclntab *table, size_t bytes)
{
	uint64_t start, limit;

	gopclntab_range(table, &start, &limit);
	check(start >= CODE_VA && start < limit && limit <= CODE_VA + bytes);
	for (size_t i = 0; i < gopclntab_count(table) && i < 1000; i++) {
		struct go_function function;
		struct go_values values;
		uint64_t pc, next;
		int32_t value;
		struct go_line lines[GOPCLNTAB_MAX_LINES];
		char name[100];
		size_t index, n;

		if (gopclntab_function(table, i, &function))
			continue;
		check(function.start >= start && function.start < function.limit && function.limit <= limit);
		check(!gopclntab_find(table, function.start, &index) && index < gopclntab_count(table));
		if (!gopclntab_name(table, &function, name, sizeof(name)))
			check(strnlen(name, sizeof(name)) < sizeof(name));
		if (!gopclntab_lines(table, &function, function.start, lines, GOPCLNTAB_MAX_LINES, &n))
			check(n && n <= GOPCLNTAB_MAX_LINES && lines[n - 1].name == function.name);
		for (size_t line = 0; line < n; line++)
			if (!gopclntab_line_file(table, &lines[line], name, sizeof(name)))
				check(strnlen(name, sizeof(name)) < sizeof(name));
		go_values_init(&values, table, &function, function.pcsp);
		for (pc = function.start; go_values_next(&values, &next, &value) > 0; pc = next)
			check(next > pc && next <= function.limit);
	}
}

struct row_check {
	uint16_t machine;
	uint64_t first, limit, va;
	struct unwind_rule rule;
	size_t n;
};

static int check_row(void *ctx, uint64_t va, const struct unwind_rule *rule)
{
	struct row_check *seen = ctx;

	check(seen->n ? va > seen->va && va < seen->limit : va == seen->first);
	check(!seen->n || memcmp(rule, &seen->rule, sizeof(*rule)) != 0);
	check(unwind_rule_is_valid(rule, seen->machine));
	seen->va = va;
	seen->rule = *rule;
	seen->n++;
	return 0;
}

static void check_rows(const struct elf_file *file)
{
	struct row_check seen = {.machine = elf_file_machine(file)};
	const struct row_sink sink = {check_row, &seen};
	struct go_rows *rows;
	uint64_t limit;

	if (go_rows_open(file, &rows))
		return;
	go_rows_range(rows, &seen.first, &seen.limit);
	check(!go_rows_emit(rows, 0, UINT64_MAX, &sink) && seen.n);
	limit = seen.limit;
	for (unsigned int part = 1; part < 8; part++) {
		seen.first += (limit - seen.first) / 4;
		seen.limit = seen.first + (limit - seen.first) / part;
		seen.n = 0;
		check(!go_rows_emit(rows, seen.first, seen.limit, &sink));
		check(seen.n || seen.first == seen.limit);
	}
	go_rows_free(rows);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gopclntab *table;
	struct elf_file *file;
	size_t code;

	if (size < 3)
		return 0;
	code = (size_t)data[1] | (size_t)data[2] << 8;
	if (code > size - 3)
		code = size - 3;
	file = make_file(data[0], data + 3, code, data + 3 + code, size - 3 - code);
	if (!gopclntab_open(file, &table)) {
		read_functions(table, size);
		gopclntab_free(table);
	}
	check_rows(file);
	elf_file_free(file);
	return 0;
}
