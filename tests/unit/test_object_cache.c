/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <lzma.h>
#include <stdio.h>
#include <sys/stat.h>

#include "elf/elf_file.h"
#include "elf_image.h"
#include "resolver/object_cache.h"

#define CODE IMAGE_TEXT_OFFSET
#define ID_A "aaaaaaaaaaaaaaaaaaaa"
#define ID_B "bbbbbbbbbbbbbbbbbbbb"

static struct object_cache *new_cache(void)
{
	struct object_cache *cache = NULL;

	assert_int_equal(object_cache_new(100, &cache), 0);
	return cache;
}

static void make_image(struct elf_image *image, const char *build_id, const char *symbol)
{
	image_init(image);
	image_build_id(image, build_id, strlen(build_id));
	image_add_symbol(image,
			 &(struct image_symbol){symbol, IMAGE_TEXT, 0x100, STT_FUNC, STB_GLOBAL, SECTION_TEXT, 0});
}

static struct message_object message(uint32_t id, const char *build_id, uint64_t ino)
{
	struct message_object message = {.object = id, .kind = OBJECT_FILE, .expected_ino = ino};

	message.build_id_len = (uint32_t)strlen(build_id);
	memcpy(message.build_id, build_id, message.build_id_len);
	return message;
}

static uint64_t inode_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_ino;
}

static int add_and_parse(struct object_cache *cache, const struct message_object *object, const char *path, int fd)
{
	uint64_t symbols, bytes;

	assert_int_equal(object_cache_add(cache, object, path, fd), 0);
	return object_cache_parse(cache, object->object, &symbols, &bytes);
}

static const char *name_of(struct object_cache *cache, uint32_t id, uint64_t file_off, int is_return)
{
	static struct object_name name;

	memset(&name, 'x', sizeof(name));
	object_cache_name(cache, id, file_off, is_return, &name);
	assert_int_equal(name.n_lines, 1);
	assert_int_equal(name.is_named, name.lines[0].system_name[0] != '\0');
	assert_int_equal(name.is_named, name.symbol_va != 0);
	assert_string_equal(name.lines[0].file, "");
	assert_int_equal(name.lines[0].line, 0);
	return name.lines[0].name;
}

static void function_is_named_and_readable(void **state)
{
	struct object_cache *cache = new_cache();
	struct message_object object = message(7, ID_A, 0);
	struct elf_image image;
	static struct object_name name;
	uint64_t symbols = 0, bytes = 0;

	(void)state;
	make_image(&image, ID_A, "_ZN3foo3barEi");
	assert_int_equal(object_cache_add(cache, &object, "/usr/lib/libfoo.so.1", image_fd(&image)), 0);
	assert_int_equal(object_cache_next_unparsed(cache), 7);
	assert_int_equal(object_cache_parse(cache, 7, &symbols, &bytes), 0);
	assert_int_equal(symbols, 1);
	assert_true(bytes > 0);
	assert_int_equal(object_cache_next_unparsed(cache), 0);
	object_cache_name(cache, 7, CODE + 0x10, 0, &name);
	assert_true(name.is_named);
	assert_string_equal(name.lines[0].name, "foo::bar(int)");
	assert_string_equal(name.lines[0].system_name, "_ZN3foo3barEi");
	assert_int_equal(name.elf_va, IMAGE_TEXT + 0x10);
	assert_int_equal(name.symbol_va, IMAGE_TEXT);
	assert_string_equal(object_cache_build_id(cache, 7), "6161616161616161616161616161616161616161");
	assert_true(object_cache_memory_bytes(cache) > 0);
	object_cache_free(cache);
}

static void return_address_is_looked_up_one_byte_before(void **state)
{
	struct object_cache *cache = new_cache();
	struct message_object object = message(1, ID_A, 0);
	struct elf_image image;

	(void)state;
	make_image(&image, ID_A, "abort_caller");
	assert_int_equal(add_and_parse(cache, &object, "a", image_fd(&image)), 0);
	assert_string_equal(name_of(cache, 1, CODE + 0x100, 1), "abort_caller");
	assert_string_equal(name_of(cache, 1, CODE + 0x100, 0), "[no symbol a+0x401100]");
	assert_string_equal(name_of(cache, 1, 0, 1), "[no symbol a+0x0]");
	object_cache_free(cache);
}

static void unnamed_frame_is_module_and_offset(void **state)
{
	static const struct {
		const char *path;
		uint32_t kind, flags;
		int err;
		const char *name;
	} cases[] = {
		{"/usr/lib/libfoo.so.1", OBJECT_FILE, 0, -EACCES, "[denied libfoo.so.1+0x1234]"},
		{"libfoo.so", OBJECT_FILE, 0, 0, "[missing libfoo.so+0x1234]"},
		{"/tmp/gone", OBJECT_FILE, OBJECT_DELETED, -ENOENT, "[deleted gone+0x1234]"},
		{"/dir/", OBJECT_FILE, 0, -ENOENT, "[missing /dir/+0x1234]"},
		{"/bin/slow", OBJECT_FILE, 0, -ETIMEDOUT, "[unreadable slow+0x1234]"},
		{"/bin/other", OBJECT_FILE, 0, -ESTALE, "[replaced other+0x1234]"},
		{"/bin/gone", OBJECT_FILE, 0, -ESRCH, "[missing gone+0x1234]"},
		{"/bin/evil", OBJECT_FILE, OBJECT_QUARANTINED, 0, "[quarantined evil+0x1234]"},
		{"/memfd:code", OBJECT_FILE, OBJECT_DELETED, -ENOENT, "[memfd:code+0x1234]"},
		{"/memfd:code", OBJECT_FILE, OBJECT_DELETED, -EACCES, "[denied memfd:code+0x1234]"},
		{"", OBJECT_FILE, 0, -ENOENT, "[missing unknown+0x1234]"},
		{"//anon", OBJECT_ANONYMOUS, 0, 0, "[anon+0x1234]"},
		{"", OBJECT_ANONYMOUS, 0, 0, "[anon+0x1234]"},
		{"[heap]", OBJECT_ANONYMOUS, 0, 0, "[heap+0x1234]"},
		{"[vdso]", OBJECT_VDSO, OBJECT_QUARANTINED, 0, "[vdso+0x1234]"},
	};
	struct object_cache *cache = new_cache();

	(void)state;
	for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct message_object object = message(i + 1, "", 0);

		object.kind = cases[i].kind;
		object.flags = cases[i].flags;
		object.err = cases[i].err;
		assert_true(add_and_parse(cache, &object, cases[i].path, -1) < 0);
		assert_string_equal(name_of(cache, i + 1, 0x1234, 0), cases[i].name);
	}
	assert_int_equal(object_cache_next_unparsed(cache), 0);
	assert_string_equal(name_of(cache, 99, 0x1234, 0), "[unknown+0x1234]");
	object_cache_free(cache);
}

static void overlong_module_name_is_cut(void **state)
{
	struct object_cache *cache = new_cache();
	struct message_object object = message(1, "", 0);
	char path[5000];

	(void)state;
	memset(path, 'p', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_true(add_and_parse(cache, &object, path, -1) < 0);
	assert_non_null(strstr(name_of(cache, 1, 0x1234, 0), "ppp+0x1234]"));
	object_cache_free(cache);
}

/* What the mapping said decides whether the file may lend its names. */
static void only_the_file_that_was_mapped_gives_names(void **state)
{
	enum { INO_NONE, INO_SAME, INO_OTHER };
	static const struct {
		const char *what, *mapping_id, *file_id;
		int ino, expected;
	} cases[] = {
		{"build id equal", ID_A, ID_A, INO_NONE, 0},
		{"build id equal, inode not", ID_A, ID_A, INO_OTHER, 0},
		{"build id differs", ID_B, ID_A, INO_NONE, -ESTALE},
		{"build id differs, inode equal", ID_B, ID_A, INO_SAME, -ESTALE},
		{"build id shorter", "aaaaaaaaaa", ID_A, INO_NONE, -ESTALE},
		{"file has none", ID_A, "", INO_SAME, -ESTALE},
		{"inode equal", "", ID_A, INO_SAME, 0},
		{"inode equal, no build id at all", "", "", INO_SAME, 0},
		{"inode differs", "", ID_A, INO_OTHER, -ESTALE},
		{"nothing known", "", ID_A, INO_NONE, -ESTALE},
	};
	struct object_cache *cache = new_cache();

	(void)state;
	for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct message_object object = message(i + 1, cases[i].mapping_id, 0);
		struct elf_image image;
		const char *name;
		int fd, err;

		make_image(&image, cases[i].file_id, "main");
		fd = image_fd(&image);
		if (cases[i].ino != INO_NONE)
			object.expected_ino = inode_of(fd) + (cases[i].ino == INO_OTHER);
		err = add_and_parse(cache, &object, "/bin/prog", fd);
		name = name_of(cache, i + 1, CODE, 0);
		if (err != cases[i].expected || strcmp(name, err ? "[replaced prog+0x4000]" : "main") != 0)
			fail_msg("%s: %d, %s", cases[i].what, err, name);
		/* What is shown with the frames is the mapping's, unless the file is known to be it. */
		if (err)
			assert_int_equal(strlen(object_cache_build_id(cache, i + 1)), 2 * strlen(cases[i].mapping_id));
	}
	object_cache_free(cache);
}

static void vdso_needs_no_descriptor(void **state)
{
	struct object_cache *cache = new_cache();
	struct message_object object = message(1, "", 0);
	int named = 0;

	(void)state;
	object.kind = OBJECT_VDSO;
	assert_int_equal(add_and_parse(cache, &object, "[vdso]", -1), 0);
	for (uint64_t offset = 0; offset < 8192; offset += 4)
		named += strstr(name_of(cache, 1, offset, 0), "clock_gettime") != NULL;
	assert_true(named > 0);
	object_cache_free(cache);
}

static uint64_t index_bytes_of(struct object_cache *cache, uint32_t id, const struct elf_image *image)
{
	struct message_object object = message(id, ID_A, 0);
	uint64_t symbols = 0, bytes = 0;

	assert_int_equal(object_cache_add(cache, &object, "/lib/libfoo.so", image_fd(image)), 0);
	assert_int_equal(object_cache_parse(cache, id, &symbols, &bytes), 0);
	assert_int_equal(symbols, 1);
	return bytes;
}

static void equal_files_share_an_index(void **state)
{
	struct object_cache *cache = new_cache();
	struct elf_image image;

	(void)state;
	make_image(&image, ID_A, "shared_name");
	assert_true(index_bytes_of(cache, 1, &image) > 0);
	assert_int_equal(index_bytes_of(cache, 2, &image), 0); /* another inode, same content */
	assert_string_equal(name_of(cache, 2, CODE, 0), "shared_name");
	object_cache_free(cache);
}

/* Two files, and room for neither. */
static void names_that_left_are_read_again_when_they_are_asked_for(void **state)
{
	struct object_cache *cache = new_cache();
	struct elf_image image;
	size_t both, less;

	(void)state;
	make_image(&image, ID_A, "first");
	index_bytes_of(cache, 1, &image);
	make_image(&image, ID_A, "second");
	index_bytes_of(cache, 2, &image);
	both = object_cache_memory_bytes(cache);
	object_cache_limit(cache, 1, 0);
	less = object_cache_memory_bytes(cache);
	assert_true(less < both);
	for (int round = 0; round < 3; round++) {
		assert_string_equal(name_of(cache, 1, CODE, 0), "first");
		assert_string_equal(name_of(cache, 2, CODE, 0), "second");
		/* One is held: that which was asked last. */
		assert_true(object_cache_memory_bytes(cache) > less);
		assert_true(object_cache_memory_bytes(cache) < both);
	}
	object_cache_limit(cache, 0, 0);
	assert_string_equal(name_of(cache, 1, CODE, 0), "first");
	assert_int_equal(object_cache_memory_bytes(cache), both);
	object_cache_free(cache);
}

static void file_that_is_too_large_is_tried_again_when_there_is_more(void **state)
{
	struct object_cache *cache = new_cache();
	struct message_object object = message(7, ID_A, 0);
	struct elf_image image;

	(void)state;
	make_image(&image, ID_A, "function");
	object_cache_limit(cache, 0, 16);
	assert_int_equal(add_and_parse(cache, &object, "/lib/libfoo.so", image_fd(&image)), -E2BIG);
	assert_string_equal(name_of(cache, 7, CODE, 0), "[too large libfoo.so+0x401000]");
	assert_int_equal(object_cache_next_unparsed(cache), 0);
	object_cache_limit(cache, 0, 1 << 20);
	assert_int_equal(object_cache_next_unparsed(cache), 7);
	assert_int_equal(object_cache_parse(cache, 7, &(uint64_t){0}, &(uint64_t){0}), 0);
	assert_string_equal(name_of(cache, 7, CODE, 0), "function");
	object_cache_free(cache);
}

static void copied_build_id_lends_no_names(void **state)
{
	struct object_cache *cache = new_cache();
	struct elf_image image;

	(void)state;
	make_image(&image, ID_A, "victim");
	assert_true(index_bytes_of(cache, 1, &image) > 0);
	make_image(&image, ID_A, "forger"); /* same size, too */
	assert_true(index_bytes_of(cache, 2, &image) > 0);
	assert_string_equal(name_of(cache, 1, CODE, 0), "victim");
	assert_string_equal(name_of(cache, 2, CODE, 0), "forger");
	object_cache_free(cache);
}

static void later_message_replaces_the_object(void **state)
{
	struct object_cache *cache = new_cache();
	struct message_object object = message(1, ID_A, 0);
	struct elf_image image;

	(void)state;
	make_image(&image, ID_A, "first");
	assert_int_equal(add_and_parse(cache, &object, "/bin/first", image_fd(&image)), 0);
	index_bytes_of(cache, 2, &image); /* shares the image, which must outlive object 1 */
	object.flags = OBJECT_QUARANTINED;
	assert_true(add_and_parse(cache, &object, "/bin/first", -1) < 0);
	assert_string_equal(name_of(cache, 1, CODE, 0), "[quarantined first+0x4000]");
	assert_string_equal(name_of(cache, 2, CODE, 0), "first");
	object_cache_free(cache);
}

static void unparsed_objects_come_in_order(void **state)
{
	struct object_cache *cache = new_cache();
	struct elf_image image;
	uint64_t symbols, bytes;

	(void)state;
	make_image(&image, ID_A, "main");
	for (uint32_t id = 1; id <= 4; id++) {
		struct message_object object = message(id, ID_A, 0);

		assert_int_equal(object_cache_add(cache, &object, "/bin/prog", image_fd(&image)), 0);
	}
	assert_int_equal(object_cache_parse(cache, 2, &symbols, &bytes), 0);
	assert_int_equal(object_cache_next_unparsed(cache), 1);
	assert_int_equal(object_cache_parse(cache, 1, &symbols, &bytes), 0);
	assert_int_equal(object_cache_next_unparsed(cache), 3);
	assert_int_equal(object_cache_add(cache, &(struct message_object){.object = 3, .err = -ENOENT}, "x", -1), 0);
	assert_int_equal(object_cache_next_unparsed(cache), 4);
	assert_int_equal(object_cache_parse(cache, 4, &symbols, &bytes), 0);
	assert_int_equal(object_cache_next_unparsed(cache), 0);
	assert_int_equal(object_cache_parse(cache, 55, &symbols, &bytes), -ENOENT);
	object_cache_free(cache);
}

static void descriptor_is_taken_over_always(void **state)
{
	struct object_cache *cache = NULL;
	struct message_object object = message(1, ID_A, 0);
	struct elf_image image;
	int fd;

	(void)state;
	make_image(&image, ID_A, "main");
	assert_int_equal(object_cache_new(1, &cache), 0);
	object.flags = OBJECT_QUARANTINED;
	fd = image_fd(&image);
	assert_int_equal(object_cache_add(cache, &object, "/bin/prog", fd), 0);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	object.object = 2; /* one too many */
	fd = image_fd(&image);
	assert_int_equal(object_cache_add(cache, &object, "/bin/prog", fd), -E2BIG);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	object.object = 1;
	object.flags = 0;
	fd = image_fd(&image);
	assert_int_equal(object_cache_add(cache, &object, "/bin/prog", fd), 0); /* never parsed */
	object_cache_free(cache);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static void file_without_a_table_of_its_own_is_stripped(void **state)
{
	struct message_sources sources;
	struct object_cache *cache = new_cache();
	struct message_object object = message(1, ID_A, 0);
	struct elf_image image;

	(void)state;
	make_image(&image, ID_A, "main");
	image_section(&image, SECTION_SYMTAB, ".comment", (Elf64_Shdr){.sh_type = SHT_PROGBITS});
	assert_int_equal(add_and_parse(cache, &object, "/opt/prog", image_fd(&image)), 0);
	assert_string_equal(name_of(cache, 1, CODE, 0), "[stripped prog+0x401000]");
	assert_int_equal(object_cache_sources(cache, 1, &sources), 0);
	for (uint32_t i = 0; i < sources.n; i++)
		if (sources.sources[i].kind == SOURCE_SYMTAB)
			assert_int_equal(sources.sources[i].err, -ENOENT);
	object_cache_free(cache);
}

static void memory_that_is_no_elf_is_told_by_its_name(void **state)
{
	struct message_sources sources;
	struct object_cache *cache = new_cache();
	struct message_object object = message(1, "", 0);
	struct elf_image image;
	int fd;

	(void)state;
	make_image(&image, ID_A, "main");
	image.bytes[0] = '#';
	fd = image_fd(&image);
	object.expected_ino = inode_of(fd);
	object.flags = OBJECT_DELETED;
	assert_int_equal(add_and_parse(cache, &object, "/memfd:code", fd), -ENOEXEC);
	assert_string_equal(name_of(cache, 1, 0x1234, 0), "[memfd:code+0x1234]");
	assert_int_equal(object_cache_sources(cache, 1, &sources), -ENOEXEC);
	assert_int_equal(object_cache_sources(cache, 2, &sources), -ENOENT);
	object_cache_free(cache);
}

static void file_that_is_no_elf_is_unnamed(void **state)
{
	struct object_cache *cache = new_cache();
	struct message_object object = message(1, "", 0);
	struct elf_image image;
	int fd;

	(void)state;
	make_image(&image, ID_A, "main");
	image.bytes[0] = '#';
	fd = image_fd(&image);
	object.expected_ino = inode_of(fd);
	assert_int_equal(add_and_parse(cache, &object, "/opt/app.jar", fd), -ENOEXEC);
	assert_string_equal(name_of(cache, 1, 0x1234, 0), "[no ELF app.jar+0x1234]");
	object_cache_free(cache);
}

/* --- .gnu_debugdata ------------------------------------------------------------------------------------------------
 */

#define DEBUGDATA 0x6000 /* in place of .data */
#define LOCAL_VA (IMAGE_TEXT + 0x200)

/* A file that knows "exported" alone, around one that knows "hidden_local". */
static void make_stripped(struct elf_image *image, struct elf_image *embedded, const char *build_id)
{
	image_init(image);
	image_build_id(image, ID_A, strlen(ID_A));
	image_add_symbol(image,
			 &(struct image_symbol){"exported", IMAGE_TEXT, 0x100, STT_FUNC, STB_GLOBAL, SECTION_TEXT, 1});
	image_init(embedded);
	image_build_id(embedded, build_id, strlen(build_id));
	image_add_symbol(embedded,
			 &(struct image_symbol){"hidden_local", LOCAL_VA, 0x100, STT_FUNC, STB_LOCAL, SECTION_TEXT, 0});
}

static void embed(struct elf_image *image, const struct elf_image *embedded)
{
	size_t size = 0;

	assert_int_equal(lzma_easy_buffer_encode(6, LZMA_CHECK_CRC64, NULL, embedded->bytes, sizeof(embedded->bytes),
						 image->bytes + DEBUGDATA, &size, IMAGE_BYTES - DEBUGDATA),
			 LZMA_OK);
	image_section(image, SECTION_DATA, ".gnu_debugdata",
		      (Elf64_Shdr){.sh_type = SHT_PROGBITS, .sh_offset = DEBUGDATA, .sh_size = size});
}

/* What the local function is called; the exported one always has its name. */
static const char *local_name(struct object_cache *cache, uint32_t id, const struct elf_image *image, int *ret_err)
{
	struct message_object object = message(id, ID_A, 0);

	assert_int_equal(add_and_parse(cache, &object, "/lib/libfoo.so", image_fd(image)), 0);
	assert_string_equal(name_of(cache, id, CODE, 0), "exported");
	*ret_err = object_cache_embedded_err(cache, id);
	return name_of(cache, id, CODE + 0x210, 0);
}

static void stripped_file_has_the_names_that_it_embeds(void **state)
{
	static const char *const ids[] = {ID_A, ""};
	struct elf_image image, embedded;
	int err;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct object_cache *cache = new_cache();
		struct object_name name;
		size_t before, own_bytes;

		make_stripped(&image, &embedded, ids[i]);
		before = object_cache_memory_bytes(cache);
		assert_string_equal(local_name(cache, 1, &image, &err), "[no symbol libfoo.so+0x401210]");
		assert_int_equal(err, 0);
		own_bytes = object_cache_memory_bytes(cache) - before;
		object_cache_free(cache);

		cache = new_cache();
		embed(&image, &embedded);
		assert_string_equal(local_name(cache, 1, &image, &err), "hidden_local");
		assert_int_equal(err, 0);
		object_cache_name(cache, 1, CODE + 0x210, 0, &name);
		assert_int_equal(name.symbol_va, LOCAL_VA);
		assert_true(object_cache_memory_bytes(cache) - before > own_bytes + strlen("hidden_local"));
		object_cache_free(cache);
	}
}

static void embedded_file_of_another_costs_only_itself(void **state)
{
	enum { OTHER_MACHINE, OTHER_ID, NO_ELF, CUT, EMPTY, CASES };
	static const int expected[CASES] = {-ESTALE, -ESTALE, -ENOEXEC, -EBADMSG, -EBADMSG};
	struct elf_image image, embedded;

	(void)state;
	for (int i = 0; i < CASES; i++) {
		struct object_cache *cache = new_cache();
		const char *name;
		int err;

		make_stripped(&image, &embedded, i == OTHER_ID ? ID_B : ID_A);
		if (i == OTHER_MACHINE)
			image_ehdr(&embedded)->e_machine = EM_AARCH64;
		if (i == NO_ELF)
			embedded.bytes[0] = '#';
		embed(&image, &embedded);
		if (i == CUT)
			image_shdr(&image, SECTION_DATA)->sh_size--;
		if (i == EMPTY)
			image_shdr(&image, SECTION_DATA)->sh_size = 0;
		name = local_name(cache, 1, &image, &err);
		if (err != expected[i] || strcmp(name, "[no symbol libfoo.so+0x401210]") != 0)
			fail_msg("case %d: %d, %s", i, err, name);
		object_cache_free(cache);
	}
}

/* Equal in all but what is embedded, the size included. */
static void embedded_names_are_not_lent(void **state)
{
	struct object_cache *cache = new_cache();
	struct elf_image image, embedded;
	size_t size;
	int err;

	(void)state;
	make_stripped(&image, &embedded, ID_A);
	embed(&image, &embedded);
	size = image_shdr(&image, SECTION_DATA)->sh_size;
	assert_string_equal(local_name(cache, 1, &image, &err), "hidden_local");
	memcpy(embedded.bytes + IMAGE_STRINGS + 1, "hidden_forge", strlen("hidden_forge"));
	embed(&image, &embedded);
	assert_int_equal(image_shdr(&image, SECTION_DATA)->sh_size, size);
	assert_string_equal(local_name(cache, 2, &image, &err), "hidden_forge");
	assert_string_equal(name_of(cache, 1, CODE + 0x210, 0), "hidden_local");
	object_cache_free(cache);
}

/* Each unpacks to 48 MiB, of the 256 MiB that all may have; what is replaced gives its share back. */
static void embedded_names_have_a_budget(void **state)
{
	const size_t unpacked = 48u << 20, packed_max = 1u << 20;
	struct object_cache *cache = new_cache();
	uint8_t *bytes = calloc(1, unpacked), *packed = malloc(packed_max);
	struct elf_image image, embedded;
	size_t size = 0;
	int named = 0;

	(void)state;
	assert_non_null(bytes);
	assert_non_null(packed);
	make_stripped(&image, &embedded, ID_A);
	memcpy(bytes, &embedded.bytes, sizeof(embedded.bytes));
	for (size_t i = sizeof(embedded.bytes); i < unpacked; i += 4096) /* not to be a bomb */
		for (size_t j = 0; j < 16; j++)
			bytes[i + j] = (uint8_t)(i * 2654435761u >> (8 + j));
	assert_int_equal(lzma_easy_buffer_encode(0, LZMA_CHECK_CRC32, NULL, bytes, unpacked, packed, &size, packed_max),
			 LZMA_OK);
	for (uint32_t round = 0; round < 8; round++) {
		struct message_object object = message(round == 7 ? 1 : round + 1, ID_A, 0);
		int fd, err;

		/* Each is another file. */
		image_section(&image, SECTION_DATA, ".gnu_debugdata",
			      (Elf64_Shdr){.sh_type = SHT_PROGBITS,
					   .sh_offset = IMAGE_BYTES,
					   .sh_addralign = 1 + round,
					   .sh_entsize = round,
					   .sh_size = size});
		fd = image_fd(&image);
		assert_int_equal(write(fd, packed, size), size);
		if (round == 7) /* the first one's place is free again */
			assert_int_equal(object_cache_add(cache, &(struct message_object){.object = 1}, "x", -1), 0);
		assert_int_equal(add_and_parse(cache, &object, "/lib/libfoo.so", fd), 0);
		err = object_cache_embedded_err(cache, object.object);
		if (err != (round < 5 || round == 7 ? 0 : -E2BIG))
			fail_msg("round %u: %d", round, err);
		named += strcmp(name_of(cache, object.object, CODE + 0x210, 0), "hidden_local") == 0;
	}
	assert_int_equal(named, 6);
	free(bytes);
	free(packed);
	object_cache_free(cache);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(function_is_named_and_readable),
		cmocka_unit_test(return_address_is_looked_up_one_byte_before),
		cmocka_unit_test(unnamed_frame_is_module_and_offset),
		cmocka_unit_test(overlong_module_name_is_cut),
		cmocka_unit_test(only_the_file_that_was_mapped_gives_names),
		cmocka_unit_test(vdso_needs_no_descriptor),
		cmocka_unit_test(equal_files_share_an_index),
		cmocka_unit_test(names_that_left_are_read_again_when_they_are_asked_for),
		cmocka_unit_test(file_that_is_too_large_is_tried_again_when_there_is_more),
		cmocka_unit_test(copied_build_id_lends_no_names),
		cmocka_unit_test(later_message_replaces_the_object),
		cmocka_unit_test(unparsed_objects_come_in_order),
		cmocka_unit_test(descriptor_is_taken_over_always),
		cmocka_unit_test(file_without_a_table_of_its_own_is_stripped),
		cmocka_unit_test(memory_that_is_no_elf_is_told_by_its_name),
		cmocka_unit_test(file_that_is_no_elf_is_unnamed),
		cmocka_unit_test(stripped_file_has_the_names_that_it_embeds),
		cmocka_unit_test(embedded_file_of_another_costs_only_itself),
		cmocka_unit_test(embedded_names_are_not_lent),
		cmocka_unit_test(embedded_names_have_a_budget),
	};

	return cmocka_run_group_tests_name("object_cache", tests, NULL, NULL);
}
