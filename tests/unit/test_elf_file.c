/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "elf/elf_file.h"
#include "elf_image.h"

static struct elf_file *open_fd(int fd)
{
	struct elf_file *file = NULL;

	assert_int_equal(elf_file_open(fd, &file), 0);
	assert_non_null(file);
	return file;
}

static struct elf_file *open_image(const struct elf_image *image)
{
	return open_fd(image_fd(image));
}

static int open_error(const struct elf_image *image)
{
	struct elf_file *file = NULL;
	int fd = image_fd(image), err = elf_file_open(fd, &file);

	assert_null(file);
	assert_int_equal(fcntl(fd, F_GETFD), -1); /* taken over also on failure */
	return err;
}

static void sections_and_segments_are_read(void **state)
{
	const struct elf_segment *segments;
	const struct elf_section *section;
	struct elf_image image;
	struct elf_file *file;
	size_t n;

	(void)state;
	image_init(&image);
	file = open_image(&image);
	assert_int_equal(elf_file_machine(file), EM_X86_64);
	assert_int_equal(elf_file_type(file), ET_DYN);
	assert_int_equal(elf_file_size(file), IMAGE_BYTES);
	elf_file_sections(file, &n);
	assert_int_equal(n, SECTIONS);
	section = elf_file_section(file, ".plt");
	assert_non_null(section);
	assert_int_equal(section->addr, IMAGE_PLT);
	assert_int_equal(section->size, 0x100);
	assert_null(elf_file_section(file, ".bss"));
	segments = elf_file_segments(file, &n);
	assert_int_equal(n, 2);
	assert_int_equal(segments[0].vaddr, IMAGE_TEXT);
	assert_int_equal(segments[0].flags, PF_R | PF_X);
	elf_file_free(file);
}

static void file_of_another_machine_opens(void **state)
{
	struct elf_image image;
	struct elf_file *file;

	(void)state;
	image_init(&image);
	image_ehdr(&image)->e_machine = EM_AARCH64;
	file = open_image(&image);
	assert_int_equal(elf_file_machine(file), EM_AARCH64);
	elf_file_free(file);
}

static void file_without_sections_keeps_segments_and_build_id(void **state)
{
	uint8_t id[ELF_BUILD_ID_MAX];
	struct elf_image image;
	struct elf_file *file;
	size_t n;

	(void)state;
	image_init(&image);
	image_build_id(&image, "0123456789abcdefghij", 20);
	image_ehdr(&image)->e_shoff = 0;
	image_ehdr(&image)->e_shnum = 0;
	image_ehdr(&image)->e_shstrndx = 0;
	file = open_image(&image);
	elf_file_sections(file, &n);
	assert_int_equal(n, 0);
	elf_file_segments(file, &n);
	assert_int_equal(n, 2);
	assert_int_equal(elf_file_build_id(file, id), 20);
	assert_memory_equal(id, "0123456789abcdefghij", 20);
	elf_file_free(file);
}

static void build_id_is_found_in_a_section(void **state)
{
	uint8_t id[ELF_BUILD_ID_MAX];
	struct elf_image image;
	struct elf_file *file;

	(void)state;
	image_init(&image);
	image_build_id(&image, "sixteen bytes id", 16);
	image_phdr(&image, 2)->p_type = PT_NULL;
	file = open_image(&image);
	assert_int_equal(elf_file_build_id(file, id), 16);
	assert_memory_equal(id, "sixteen bytes id", 16);
	elf_file_free(file);
}

static void build_id_may_be_longer_than_the_kernel_tells(void **state)
{
	const char *long_id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	uint8_t id[ELF_BUILD_ID_MAX];
	struct elf_image image;
	struct elf_file *file;

	(void)state;
	image_init(&image);
	image_build_id(&image, long_id, 64);
	file = open_image(&image);
	assert_int_equal(elf_file_build_id(file, id), 64);
	assert_memory_equal(id, long_id, 64);
	elf_file_free(file);
}

static void build_id_of_wrong_shape_is_none(void **state)
{
	static const struct {
		const char *what;
		uint32_t namesz, descsz, type;
		char name[4];
	} cases[] = {
		{"longer than any", 4, ELF_BUILD_ID_MAX + 1, NT_GNU_BUILD_ID, "GNU"},
		{"empty", 4, 0, NT_GNU_BUILD_ID, "GNU"},
		{"another vendor's", 4, 20, NT_GNU_BUILD_ID, "FOO"},
		{"another note", 4, 20, NT_GNU_ABI_TAG, "GNU"},
		{"beyond its area", 4, 4000, NT_GNU_BUILD_ID, "GNU"},
		{"name beyond its area", 0xfffffff0, 20, NT_GNU_BUILD_ID, "GNU"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t id[ELF_BUILD_ID_MAX];
		struct elf_image image;
		struct elf_file *file;
		Elf64_Nhdr note = {.n_namesz = cases[i].namesz, .n_descsz = cases[i].descsz, .n_type = cases[i].type};

		image_init(&image);
		image_build_id(&image, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef+", 65);
		memcpy(image.bytes + IMAGE_NOTE, &note, sizeof(note));
		memcpy(image.bytes + IMAGE_NOTE + sizeof(note), cases[i].name, 4);
		file = open_image(&image);
		if (elf_file_build_id(file, id))
			fail_msg("%s: taken as a build id", cases[i].what);
		elf_file_free(file);
	}
}

static void build_id_behind_another_note_is_found(void **state)
{
	uint8_t id[ELF_BUILD_ID_MAX], *at;
	Elf64_Nhdr abi = {.n_namesz = 4, .n_descsz = 16, .n_type = NT_GNU_ABI_TAG};
	struct elf_image image;
	struct elf_file *file;
	uint8_t saved[64];

	(void)state;
	image_init(&image);
	image_build_id(&image, "0123456789abcdefghij", 20);
	at = image.bytes + IMAGE_NOTE;
	memcpy(saved, at, 36);
	memcpy(at, &abi, sizeof(abi));
	memcpy(at + 12, "GNU", 4);
	memset(at + 16, 0, 16);
	memcpy(at + 32, saved, 36);
	image_phdr(&image, 2)->p_filesz = 68;
	file = open_image(&image);
	assert_int_equal(elf_file_build_id(file, id), 20);
	assert_memory_equal(id, "0123456789abcdefghij", 20);
	elf_file_free(file);
}

/* One header field set to a value that must be refused. */
static void bad_headers_are_refused(void **state)
{
#define FIELD(struct_type, base, field, value, expected)                                                               \
	{                                                                                                              \
#field " = " #value, (base) + offsetof(struct_type, field), sizeof(((struct_type *)NULL)->field),      \
			(uint64_t)(value), (expected)                                                                  \
	}
#define EHDR(field, value, expected) FIELD(Elf64_Ehdr, 0, field, value, expected)
	static const struct {
		const char *what;
		size_t offset, size;
		uint64_t value;
		int expected;
	} cases[] = {
		{"magic", 0, 1, 'X', -ENOEXEC},
		{"32 bit", EI_CLASS, 1, ELFCLASS32, -ENOEXEC},
		{"big endian", EI_DATA, 1, ELFDATA2MSB, -ENOEXEC},
		{"ident version", EI_VERSION, 1, 2, -ENOEXEC},
		EHDR(e_version, 0, -ENOEXEC),
		EHDR(e_phentsize, 32, -ENOEXEC),
		EHDR(e_phoff, IMAGE_BYTES, -ENOEXEC),
		EHDR(e_phoff, UINT64_MAX - 8, -ENOEXEC),
		EHDR(e_phnum, ELF_MAX_SEGMENTS + 1, -E2BIG),
		EHDR(e_shentsize, 40, -ENOEXEC),
		EHDR(e_shoff, IMAGE_BYTES - 64, -ENOEXEC),
		EHDR(e_shoff, UINT64_MAX - 64, -ENOEXEC),
		EHDR(e_shnum, 0x7000, -ENOEXEC),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct elf_image image;
		int err;

		image_init(&image);
		memcpy(image.bytes + cases[i].offset, &cases[i].value, cases[i].size);
		err = open_error(&image);
		if (err != cases[i].expected)
			fail_msg("%s: %d, not %d", cases[i].what, err, cases[i].expected);
	}
}

static void extended_numbering_is_followed_and_bounded(void **state)
{
	struct elf_image image;
	struct elf_file *file;
	size_t n;

	(void)state;
	image_init(&image);
	image_ehdr(&image)->e_shnum = 0;
	image_ehdr(&image)->e_phnum = PN_XNUM;
	image_ehdr(&image)->e_shstrndx = SHN_XINDEX;
	image_shdr(&image, 0)->sh_size = SECTIONS;
	image_shdr(&image, 0)->sh_info = 3;
	image_shdr(&image, 0)->sh_link = SECTION_NAMES;
	file = open_image(&image);
	elf_file_sections(file, &n);
	assert_int_equal(n, SECTIONS);
	elf_file_segments(file, &n);
	assert_int_equal(n, 2);
	assert_non_null(elf_file_section(file, ".symtab"));
	elf_file_free(file);

	image_shdr(&image, 0)->sh_info = ELF_MAX_SEGMENTS + 1;
	assert_int_equal(open_error(&image), -E2BIG);
	image_shdr(&image, 0)->sh_info = 3;
	image_shdr(&image, 0)->sh_size = ELF_MAX_SECTIONS + 1;
	assert_int_equal(open_error(&image), -E2BIG);
	image_shdr(&image, 0)->sh_size = UINT64_MAX / 2;
	assert_int_equal(open_error(&image), -E2BIG);
}

static void every_cut_file_is_refused_or_opens(void **state)
{
	struct elf_image image;

	(void)state;
	image_init(&image);
	image_build_id(&image, "0123456789abcdefghij", 20);
	for (size_t n = 0; n < IMAGE_BYTES; n += n < 0x1000 ? 7 : 501) {
		struct elf_file *file = NULL;
		uint8_t digest[ELF_DIGEST_BYTES];
		int err = elf_file_open(image_fd_cut(&image, n), &file);

		if (n < IMAGE_SHDRS + SECTIONS * sizeof(Elf64_Shdr))
			assert_int_equal(err, -ENOEXEC);
		if (!err)
			elf_file_digest(file, digest);
		elf_file_free(file);
	}
}

static void section_outside_the_file_is_empty(void **state)
{
	const struct elf_section *section;
	struct elf_image image;
	struct elf_file *file;

	(void)state;
	image_init(&image);
	image_shdr(&image, SECTION_SYMTAB)->sh_offset = UINT64_MAX - 4;
	image_shdr(&image, SECTION_SYMTAB)->sh_size = 24;
	image_shdr(&image, SECTION_TEXT)->sh_offset = image_shdr(&image, SECTION_PLT)->sh_offset = IMAGE_BYTES - 16;
	image_shdr(&image, SECTION_TEXT)->sh_size = 17;
	image_shdr(&image, SECTION_PLT)->sh_size = 16;
	image_shdr(&image, SECTION_DATA)->sh_type = SHT_NOBITS;
	image_shdr(&image, SECTION_DATA)->sh_size = 1 << 30;
	file = open_image(&image);
	section = elf_file_section(file, ".symtab");
	assert_non_null(section);
	assert_int_equal(section->size, 0);
	assert_int_equal(elf_file_section(file, ".text")->size, 0);
	assert_int_equal(elf_file_section(file, ".plt")->size, 16);
	section = elf_file_section(file, ".data"); /* takes no place in the file */
	assert_int_equal(section->size, 1 << 30);
	elf_file_free(file);
}

static void unreadable_section_names_are_empty(void **state)
{
	struct elf_image image;
	struct elf_file *file;

	(void)state;
	image_init(&image);
	image_shdr(&image, SECTION_TEXT)->sh_name = UINT32_MAX;
	memset(image.bytes + IMAGE_NAMES + 24 * SECTION_PLT, 'x', 400);
	file = open_image(&image);
	assert_null(elf_file_section(file, ".text"));
	assert_string_equal(elf_file_sections(file, &(size_t){0})[SECTION_TEXT].name, "");
	assert_string_equal(elf_file_sections(file, &(size_t){0})[SECTION_PLT].name, "");
	elf_file_free(file);
}

static void offset_becomes_address_through_executable_segments_only(void **state)
{
	static const struct {
		uint64_t offset;
		int expected;
		uint64_t va;
	} cases[] = {
		{IMAGE_TEXT_OFFSET, 0, IMAGE_TEXT},
		{IMAGE_TEXT_OFFSET + 0x10ff, 0, IMAGE_TEXT + 0x10ff},
		{IMAGE_TEXT_OFFSET + 0x1100, -ENOENT, 0},
		{IMAGE_TEXT_OFFSET - 1, -ENOENT, 0},
		{0x6000, -ENOENT, 0},
		{UINT64_MAX, -ENOENT, 0},
	};
	struct elf_image image;
	struct elf_file *file;

	(void)state;
	image_init(&image);
	file = open_image(&image);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t va = 0;

		assert_int_equal(elf_file_offset_to_va(file, cases[i].offset, &va), cases[i].expected);
		assert_int_equal(va, cases[i].va);
	}
	elf_file_free(file);
}

static void digest_of(const struct elf_image *image, uint8_t digest[ELF_DIGEST_BYTES])
{
	struct elf_file *file = open_image(image);

	assert_int_equal(elf_file_digest(file, digest), 0);
	elf_file_free(file);
}

static void digest_follows_headers_and_symbols(void **state)
{
	static const struct {
		const char *what;
		size_t offset;
		bool changes;
	} cases[] = {
		{"a symbol", IMAGE_SYMBOLS + 8, true},
		{"a symbol's name", IMAGE_STRINGS + 2, true},
		{"a section's address", IMAGE_SHDRS + SECTION_TEXT * 64 + 16, true},
		{"a section's name", IMAGE_NAMES + SECTION_TEXT * 24 + 1, true},
		{"a segment's address", IMAGE_PHDRS + 16, true},
		{"code", IMAGE_TEXT_OFFSET + 5, false},
	};
	const struct image_symbol symbol = {"main", IMAGE_TEXT, 16, STT_FUNC, STB_GLOBAL, SECTION_TEXT, 0};
	uint8_t before[ELF_DIGEST_BYTES], after[ELF_DIGEST_BYTES];
	struct elf_image image;

	(void)state;
	image_init(&image);
	image_add_symbol(&image, &symbol);
	digest_of(&image, before);
	digest_of(&image, after);
	assert_memory_equal(before, after, sizeof(before));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		image.bytes[cases[i].offset] ^= 1;
		digest_of(&image, after);
		if (!memcmp(before, after, sizeof(before)) == cases[i].changes)
			fail_msg("%s: digest %s", cases[i].what, cases[i].changes ? "unchanged" : "changed");
		image.bytes[cases[i].offset] ^= 1;
	}
}

static void digest_follows_what_rules_and_go_names_are_made_of(void **state)
{
	static const struct {
		const char *name; /* of a section */
		bool changes;
	} cases[] = {
		{".eh_frame", true},  {".debug_frame", true},		{".debug_info", true},
		{".gopclntab", true}, {".data.rel.ro.gopclntab", true}, {".data.rel.ro", true},
		{".go.module", true}, {".gnu_debugdata", true},		{".data", false},
	};
	uint8_t before[ELF_DIGEST_BYTES], after[ELF_DIGEST_BYTES];
	struct elf_image image;
	struct elf_file *file;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		Elf64_Shdr *data;

		image_init(&image);
		data = image_shdr(&image, SECTION_DATA);
		image_section(&image, SECTION_DATA, cases[i].name, *data);
		digest_of(&image, before);
		image.bytes[data->sh_offset + 100] ^= 1;
		digest_of(&image, after);
		if (!memcmp(before, after, sizeof(before)) == cases[i].changes)
			fail_msg("%s: digest %s", cases[i].name, cases[i].changes ? "unchanged" : "changed");
	}
	image_init(&image);
	image_ehdr(&image)->e_shnum = image_ehdr(&image)->e_shoff = image_ehdr(&image)->e_shstrndx = 0;
	file = open_image(&image);
	assert_int_equal(elf_file_digest(file, before), -ENOTSUP);
	elf_file_free(file);
}

static void what_is_no_regular_file_is_refused(void **state)
{
	struct elf_file *file = NULL;

	(void)state;
	assert_int_equal(elf_file_open(open("/dev/zero", O_RDONLY | O_CLOEXEC), &file), -ENOEXEC);
	assert_int_equal(elf_file_open(open("/", O_RDONLY | O_CLOEXEC), &file), -ENOEXEC);
	assert_null(file);
}

static void own_program_has_the_build_id_that_readelf_prints(void **state)
{
	struct elf_file *file = open_fd(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
	uint8_t id[ELF_BUILD_ID_MAX];
	size_t len = elf_file_build_id(file, id);
	char line[512], hex[2 * ELF_BUILD_ID_MAX + 1] = "", path[256] = "", command[300];
	bool is_equal = false, has_id = false;
	FILE *readelf;

	(void)state;
	for (size_t i = 0; i < len; i++)
		snprintf(hex + 2 * i, 3, "%02x", id[i]);
	assert_true(readlink("/proc/self/exe", path, sizeof(path) - 1) > 0);
	snprintf(command, sizeof(command), "readelf -nW '%s'", path);
	readelf = popen(command, "r");
	assert_non_null(readelf);
	while (fgets(line, sizeof(line), readelf)) {
		has_id |= strstr(line, "Build ID: ") != NULL;
		is_equal |= len && strstr(line, hex) != NULL;
	}
	assert_int_equal(pclose(readelf), 0);
	assert_int_equal(has_id, len > 0);
	assert_int_equal(is_equal, has_id);
	elf_file_free(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sections_and_segments_are_read),
		cmocka_unit_test(file_of_another_machine_opens),
		cmocka_unit_test(file_without_sections_keeps_segments_and_build_id),
		cmocka_unit_test(build_id_is_found_in_a_section),
		cmocka_unit_test(build_id_may_be_longer_than_the_kernel_tells),
		cmocka_unit_test(build_id_of_wrong_shape_is_none),
		cmocka_unit_test(build_id_behind_another_note_is_found),
		cmocka_unit_test(bad_headers_are_refused),
		cmocka_unit_test(extended_numbering_is_followed_and_bounded),
		cmocka_unit_test(every_cut_file_is_refused_or_opens),
		cmocka_unit_test(section_outside_the_file_is_empty),
		cmocka_unit_test(unreadable_section_names_are_empty),
		cmocka_unit_test(offset_becomes_address_through_executable_segments_only),
		cmocka_unit_test(digest_follows_headers_and_symbols),
		cmocka_unit_test(digest_follows_what_rules_and_go_names_are_made_of),
		cmocka_unit_test(what_is_no_regular_file_is_refused),
		cmocka_unit_test(own_program_has_the_build_id_that_readelf_prints),
	};

	return cmocka_run_group_tests_name("elf_file", tests, NULL, NULL);
}
