/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that is kept is copied out while the file is opened; libelf's handle, which is large, ends there:
 *
 *     descriptor ── check_header: do the tables lie within the file? ── libelf: headers, notes ──► struct elf_file
 *
 * libelf is asked only for tables that were found to lie within the file, and never for more note bytes than a
 * constant, so that the file cannot choose how much memory it takes. */
#include "elf/elf_file.h"

#include <elf.h>
#include <errno.h>
#include <gelf.h>
#include <libelf.h>
#include <sha2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/cursor.h"
#include "base/io.h"

#define MAX_NAME_BYTES (4u << 20) /* of the section name table; the largest seen is 2 KiB */
#define MAX_NAME_LEN 255
#define MAX_NOTE_BYTES (64u << 10) /* of one note area; the build id is near the start */
#define MAX_NOTE_AREAS 64
#define MAX_DIGEST_BYTES (1ull << 30)
#define DIGEST_PIECE (64u << 10)

struct elf_file {
	int fd;
	uint64_t size;
	uint16_t machine, type;
	uint64_t entry;
	struct elf_section *sections;
	size_t n_sections;
	char *names; /* the sections' names point in here */
	size_t names_bytes;
	struct elf_segment *segments;
	size_t n_segments;
	uint8_t build_id[ELF_BUILD_ID_MAX];
	size_t build_id_len;
};

/* The tables' true sizes, extended numbering included. */
struct tables {
	uint64_t sections, segments;
	uint64_t names_index;
};

static bool is_in_file(const struct elf_file *file, uint64_t offset, uint64_t size)
{
	uint64_t end;

	return checked_add(offset, size, &end) && end <= file->size;
}

static int check_section_table(const struct elf_file *file, const Elf64_Ehdr *ehdr, struct tables *tables)
{
	Elf64_Shdr first; /* holds what does not fit into the ELF header's 16 bits */
	int err;

	if (!ehdr->e_shoff) {
		if (ehdr->e_phnum == PN_XNUM)
			return -ENOEXEC;
		tables->sections = 0;
		return 0;
	}
	if (ehdr->e_shentsize != sizeof(Elf64_Shdr) || !is_in_file(file, ehdr->e_shoff, sizeof(first)))
		return -ENOEXEC;
	err = io_pread_exact(file->fd, &first, sizeof(first), ehdr->e_shoff);
	if (err)
		return err;
	if (!ehdr->e_shnum)
		tables->sections = first.sh_size;
	if (ehdr->e_shstrndx == SHN_XINDEX)
		tables->names_index = first.sh_link;
	if (ehdr->e_phnum == PN_XNUM)
		tables->segments = first.sh_info;
	if (tables->sections > ELF_MAX_SECTIONS)
		return -E2BIG;
	return is_in_file(file, ehdr->e_shoff, tables->sections * sizeof(Elf64_Shdr)) ? 0 : -ENOEXEC;
}

static int check_header(struct elf_file *file, struct tables *tables)
{
	Elf64_Ehdr ehdr;
	int err;

	if (file->size < sizeof(ehdr))
		return -ENOEXEC;
	err = io_pread_exact(file->fd, &ehdr, sizeof(ehdr), 0);
	if (err)
		return err;
	if (memcmp(ehdr.e_ident, ELFMAG, SELFMAG) != 0 || ehdr.e_ident[EI_CLASS] != ELFCLASS64 ||
	    ehdr.e_ident[EI_DATA] != ELFDATA2LSB || ehdr.e_ident[EI_VERSION] != EV_CURRENT ||
	    ehdr.e_version != EV_CURRENT)
		return -ENOEXEC;
	file->machine = ehdr.e_machine;
	file->type = ehdr.e_type;
	file->entry = ehdr.e_entry;
	*tables = (struct tables){.sections = ehdr.e_shnum, .segments = ehdr.e_phnum, .names_index = ehdr.e_shstrndx};
	err = check_section_table(file, &ehdr, tables);
	if (err)
		return err;
	if (tables->segments > ELF_MAX_SEGMENTS)
		return -E2BIG;
	if (tables->segments && ehdr.e_phentsize != sizeof(Elf64_Phdr))
		return -ENOEXEC;
	return is_in_file(file, ehdr.e_phoff, tables->segments * sizeof(Elf64_Phdr)) ? 0 : -ENOEXEC;
}

static int read_sections(struct elf_file *file, Elf *elf, const struct tables *tables)
{
	if (!tables->sections)
		return 0;
	file->sections = calloc(tables->sections, sizeof(*file->sections));
	if (!file->sections)
		return -ENOMEM;
	file->n_sections = tables->sections;
	for (size_t i = 0; i < file->n_sections; i++) {
		struct elf_section *section = &file->sections[i];
		Elf_Scn *scn = elf_getscn(elf, i);
		GElf_Shdr shdr;

		if (!scn || !gelf_getshdr(scn, &shdr))
			return -ENOEXEC;
		section->type = shdr.sh_type;
		section->link = shdr.sh_link;
		section->flags = shdr.sh_flags;
		section->addr = shdr.sh_addr;
		section->offset = shdr.sh_offset;
		section->size = shdr.sh_size;
		section->entsize = shdr.sh_entsize;
		section->name = "";
		if (section->type != SHT_NOBITS && !is_in_file(file, section->offset, section->size))
			section->size = 0;
	}
	return 0;
}

/* Names are a comfort: a file without them is still good. */
static int read_section_names(struct elf_file *file, Elf *elf, const struct tables *tables)
{
	const struct elf_section *table;
	size_t len;
	int err;

	if (tables->names_index >= file->n_sections)
		return 0;
	table = &file->sections[tables->names_index];
	if (table->type != SHT_STRTAB || table->size > MAX_NAME_BYTES)
		return 0;
	len = table->size;
	file->names = malloc(len + 1);
	if (!file->names)
		return -ENOMEM;
	err = io_pread_exact(file->fd, file->names, len, table->offset);
	if (err)
		return err;
	file->names[len] = '\0';
	file->names_bytes = len + 1;
	for (size_t i = 0; i < file->n_sections; i++) {
		GElf_Shdr shdr;

		if (gelf_getshdr(elf_getscn(elf, i), &shdr) && shdr.sh_name < len &&
		    strnlen(file->names + shdr.sh_name, MAX_NAME_LEN + 1) <= MAX_NAME_LEN)
			file->sections[i].name = file->names + shdr.sh_name;
	}
	return 0;
}

/* True when the build id was found. */
static bool read_notes(struct elf_file *file, Elf *elf, uint64_t offset, uint64_t size, uint64_t align)
{
	Elf_Data *data;
	GElf_Nhdr note;
	size_t at = 0, next, name, desc;

	if (!size || !is_in_file(file, offset, size))
		return false;
	data = elf_getdata_rawchunk(elf, (int64_t)offset, size < MAX_NOTE_BYTES ? size : MAX_NOTE_BYTES,
				    align == 8 ? ELF_T_NHDR8 : ELF_T_NHDR);
	while (data && (next = gelf_getnote(data, at, &note, &name, &desc))) {
		const char *bytes = data->d_buf;

		/* ld --build-id=0x… makes them of any length. */
		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == sizeof("GNU") &&
		    memcmp(bytes + name, "GNU", sizeof("GNU")) == 0 && note.n_descsz &&
		    note.n_descsz <= ELF_BUILD_ID_MAX) {
			memcpy(file->build_id, bytes + desc, note.n_descsz);
			file->build_id_len = note.n_descsz;
			return true;
		}
		at = next;
	}
	return false;
}

static int read_segments(struct elf_file *file, Elf *elf, const struct tables *tables)
{
	size_t note_areas = 0;

	if (!tables->segments)
		return 0;
	file->segments = calloc(tables->segments, sizeof(*file->segments));
	if (!file->segments)
		return -ENOMEM;
	for (size_t i = 0; i < tables->segments; i++) {
		GElf_Phdr phdr;
		uint64_t end;

		if (!gelf_getphdr(elf, (int)i, &phdr))
			return -ENOEXEC;
		/* As the kernel, which tells the build id with the mapping, we believe the segment first. */
		if (phdr.p_type == PT_NOTE && !file->build_id_len && note_areas++ < MAX_NOTE_AREAS)
			read_notes(file, elf, phdr.p_offset, phdr.p_filesz, phdr.p_align);
		if (phdr.p_type != PT_LOAD || !checked_add(phdr.p_vaddr, phdr.p_memsz, &end) ||
		    !checked_add(phdr.p_vaddr, phdr.p_filesz, &end) || !checked_add(phdr.p_offset, phdr.p_filesz, &end))
			continue;
		file->segments[file->n_segments++] = (struct elf_segment){
			.vaddr = phdr.p_vaddr,
			.offset = phdr.p_offset,
			.filesz = phdr.p_filesz,
			.memsz = phdr.p_memsz,
			.flags = phdr.p_flags,
		};
	}
	return 0;
}

static void read_note_sections(struct elf_file *file, Elf *elf)
{
	size_t areas = 0;

	for (size_t i = 0; i < file->n_sections && areas < MAX_NOTE_AREAS; i++) {
		const struct elf_section *section = &file->sections[i];
		GElf_Shdr shdr;

		if (section->type != SHT_NOTE)
			continue;
		areas++;
		if (gelf_getshdr(elf_getscn(elf, i), &shdr) &&
		    read_notes(file, elf, section->offset, section->size, shdr.sh_addralign))
			return;
	}
}

static int read_tables(struct elf_file *file, const struct tables *tables)
{
	Elf *elf;
	size_t n;
	int err = -ENOEXEC;

	if (elf_version(EV_CURRENT) == EV_NONE)
		return err;
	elf = elf_begin(file->fd, ELF_C_READ, NULL);
	if (!elf)
		return err;
	if (elf_kind(elf) != ELF_K_ELF || gelf_getclass(elf) != ELFCLASS64 || elf_getphdrnum(elf, &n) ||
	    n != tables->segments || (tables->sections && (elf_getshdrnum(elf, &n) || n != tables->sections)))
		goto out;
	err = read_sections(file, elf, tables);
	if (!err)
		err = read_section_names(file, elf, tables);
	if (!err)
		err = read_segments(file, elf, tables);
	if (!err && !file->build_id_len)
		read_note_sections(file, elf);
out:
	elf_end(elf);
	return err;
}

int elf_file_open(int fd, struct elf_file **ret)
{
	struct elf_file *file = calloc(1, sizeof(*file));
	struct tables tables;
	struct stat st;
	int err = -ENOMEM;

	if (!file) {
		close(fd);
		return err;
	}
	file->fd = fd;
	if (fstat(fd, &st)) {
		err = -errno;
		goto fail;
	}
	err = -ENOEXEC;
	if (!S_ISREG(st.st_mode))
		goto fail;
	file->size = (uint64_t)st.st_size;
	err = check_header(file, &tables);
	if (err)
		goto fail;
	err = read_tables(file, &tables);
	if (err)
		goto fail;
	*ret = file;
	return 0;
fail:
	elf_file_free(file);
	return err;
}

void elf_file_free(struct elf_file *file)
{
	if (!file)
		return;
	if (file->fd >= 0)
		close(file->fd);
	free(file->sections);
	free(file->names);
	free(file->segments);
	free(file);
}

int elf_file_fd(const struct elf_file *file)
{
	return file->fd;
}

uint64_t elf_file_size(const struct elf_file *file)
{
	return file->size;
}

uint16_t elf_file_machine(const struct elf_file *file)
{
	return file->machine;
}

uint16_t elf_file_type(const struct elf_file *file)
{
	return file->type;
}

uint64_t elf_file_entry(const struct elf_file *file)
{
	return file->entry;
}

const struct elf_section *elf_file_sections(const struct elf_file *file, size_t *n)
{
	*n = file->n_sections;
	return file->sections;
}

const struct elf_section *elf_file_section(const struct elf_file *file, const char *name)
{
	for (size_t i = 0; i < file->n_sections; i++)
		if (strcmp(file->sections[i].name, name) == 0)
			return &file->sections[i];
	return NULL;
}

const struct elf_segment *elf_file_segments(const struct elf_file *file, size_t *n)
{
	*n = file->n_segments;
	return file->segments;
}

size_t elf_file_build_id(const struct elf_file *file, uint8_t to[ELF_BUILD_ID_MAX])
{
	memcpy(to, file->build_id, ELF_BUILD_ID_MAX);
	return file->build_id_len;
}

size_t elf_file_memory_bytes(const struct elf_file *file)
{
	return sizeof(*file) + file->n_sections * sizeof(*file->sections) + file->names_bytes +
	       file->n_segments * sizeof(*file->segments);
}

int elf_file_offset_to_va(const struct elf_file *file, uint64_t file_off, uint64_t *ret_elf_va)
{
	for (size_t i = 0; i < file->n_segments; i++) {
		const struct elf_segment *segment = &file->segments[i];

		if ((segment->flags & PF_X) && file_off >= segment->offset &&
		    file_off - segment->offset < segment->filesz) {
			*ret_elf_va = segment->vaddr + (file_off - segment->offset);
			return 0;
		}
	}
	return -ENOENT;
}

static int digest_bytes(const struct elf_file *file, SHA2_CTX *sha, uint64_t offset, uint64_t size)
{
	auto_free uint8_t *piece = malloc(DIGEST_PIECE);

	if (!piece)
		return -ENOMEM;
	while (size) {
		size_t n = size < DIGEST_PIECE ? size : DIGEST_PIECE;
		int err = io_pread_exact(file->fd, piece, n, offset);

		if (err)
			return err;
		SHA256Update(sha, piece, n);
		offset += n;
		size -= n;
	}
	return 0;
}

static void digest_u64(SHA2_CTX *sha, uint64_t value)
{
	SHA256Update(sha, (const uint8_t *)&value, sizeof(value));
}

static void digest_headers(const struct elf_file *file, SHA2_CTX *sha)
{
	digest_u64(sha, file->machine);
	digest_u64(sha, file->type);
	digest_u64(sha, file->n_segments);
	for (size_t i = 0; i < file->n_segments; i++) {
		const struct elf_segment *segment = &file->segments[i];

		digest_u64(sha, segment->vaddr);
		digest_u64(sha, segment->offset);
		digest_u64(sha, segment->filesz);
		digest_u64(sha, segment->memsz);
		digest_u64(sha, segment->flags);
	}
	digest_u64(sha, file->n_sections);
	for (size_t i = 0; i < file->n_sections; i++) {
		const struct elf_section *section = &file->sections[i];

		digest_u64(sha, section->type);
		digest_u64(sha, section->link);
		digest_u64(sha, section->flags);
		digest_u64(sha, section->addr);
		digest_u64(sha, section->offset);
		digest_u64(sha, section->size);
		digest_u64(sha, section->entsize);
		SHA256Update(sha, (const uint8_t *)section->name, strlen(section->name) + 1);
	}
}

/* What names and unwind tables are made of. */
static bool is_digested(const struct elf_section *section)
{
	static const char *const names[] = {".eh_frame",      ".gopclntab",	  ".data.rel.ro.gopclntab",
					    ".go.module",     ".data.rel.ro",	  ".gnu_debugdata",
					    ".gnu_debuglink", ".gnu_debugaltlink"};

	if (section->type == SHT_SYMTAB || section->type == SHT_DYNSYM || strncmp(section->name, ".debug_", 7) == 0 ||
	    strncmp(section->name, ".zdebug_", 8) == 0)
		return true;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strcmp(section->name, names[i]) == 0)
			return true;
	return false;
}

int elf_file_digest(const struct elf_file *file, uint8_t to[ELF_DIGEST_BYTES])
{
	uint64_t total = 0;
	SHA2_CTX sha;

	if (!file->n_sections)
		return -ENOTSUP;
	SHA256Init(&sha);
	digest_headers(file, &sha);
	for (size_t i = 0; i < file->n_sections; i++) {
		const struct elf_section *section = &file->sections[i];
		const struct elf_section *part[2] = {section, NULL};

		if (!is_digested(section))
			continue;
		if ((section->type == SHT_SYMTAB || section->type == SHT_DYNSYM) && section->link < file->n_sections)
			part[1] = &file->sections[section->link];
		for (size_t p = 0; p < 2; p++) {
			int err;

			if (!part[p] || part[p]->type == SHT_NOBITS)
				continue;
			if (!checked_add(total, part[p]->size, &total) || total > MAX_DIGEST_BYTES)
				return -E2BIG;
			err = digest_bytes(file, &sha, part[p]->offset, part[p]->size);
			if (err)
				return err;
		}
	}
	SHA256Final(to, &sha);
	return 0;
}
