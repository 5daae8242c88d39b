/* SPDX-License-Identifier: Apache-2.0 */
/* An ELF file behind a descriptor: headers, sections and notes by libelf; everything else is read with pread by our own
 * bounded code. The file may change or be hostile: nothing is mapped. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ELF_MAX_SECTIONS 65536
#define ELF_MAX_SEGMENTS 1024
#define ELF_BUILD_ID_MAX 64

struct elf_section {
	uint32_t type, link;
	uint64_t flags, addr, offset, entsize;
	uint64_t size;	  /* 0 when the section does not lie within the file */
	const char *name; /* lives as long as the file; "" when unreadable or over 255 bytes */
};

struct elf_segment { /* PT_LOAD */
	uint64_t vaddr, offset, filesz, memsz;
	uint32_t flags; /* PF_* */
};

struct elf_file;

/* Takes over the descriptor (also on failure). -ENOEXEC: no 64-bit little-endian ELF file (of any machine), or tables
 * that lie outside the file; -E2BIG: over a limit above; -EIO: it shrank under us. */
int elf_file_open(int fd, struct elf_file **ret);
void elf_file_free(struct elf_file *file);

int elf_file_fd(const struct elf_file *file);
uint64_t elf_file_size(const struct elf_file *file);
uint16_t elf_file_machine(const struct elf_file *file);
uint16_t elf_file_type(const struct elf_file *file);
/* e_entry: elf_va of the first instruction of a program; 0: none. */
uint64_t elf_file_entry(const struct elf_file *file);
const struct elf_section *elf_file_sections(const struct elf_file *file, size_t *n);
/* First section of the name, or NULL. */
const struct elf_section *elf_file_section(const struct elf_file *file, const char *name);
const struct elf_segment *elf_file_segments(const struct elf_file *file, size_t *n);

/* NT_GNU_BUILD_ID of a note segment, else of a note section; length 0 when there is none of at most
 * ELF_BUILD_ID_MAX bytes (the kernel tells of none with more than 20). */
size_t elf_file_build_id(const struct elf_file *file, uint8_t to[ELF_BUILD_ID_MAX]);

size_t elf_file_memory_bytes(const struct elf_file *file);

/* File offset to the file's own address space, through an executable PT_LOAD. -ENOENT: in none. */
int elf_file_offset_to_va(const struct elf_file *file, uint64_t file_off, uint64_t *ret_elf_va);

/* SHA-256 over program and section headers, symbol tables and their strings, .gnu_debugdata, DWARF and what names other
 * files, CFI, and Go's function table with what it may lie in (.data.rel.ro): two files share an index only when build
 * id, size and this agree. Reads these sections whole (-E2BIG: more than 1 GiB), so ask only when another file with the
 * same build id and size is there. -ENOTSUP: without section headers nobody knows what to read. */
#define ELF_DIGEST_BYTES 32
int elf_file_digest(const struct elf_file *file, uint8_t to[ELF_DIGEST_BYTES]);
