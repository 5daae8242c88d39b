/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/unnamed.h"
#include "elf_image.h"
#include "encode/pprof_edit.h"
#include "encode/pprof_encode.h"
#include "encoded.h"
#include "ipc/profile_files.h"
#include "resolver/object_cache.h"
#include "resolver/profile_names.h"

#define ID "\x12\x34\x56\x78\x9a"
#define ID_TEXT "123456789a"
#define START 0x7f0000000000
#define PATH "/bin/program"
#define STAND_IN "+[stripped program+0x401010]"

static struct object_cache *cache;
static struct elf_image image;
static struct profile_names *names;
static struct profile_names_result result;

static int set_up(void **state)
{
	(void)state;
	names = NULL;
	cache = NULL;
	image_init(&image);
	image_build_id(&image, ID, strlen(ID));
	image_add_symbol(&image, &(struct image_symbol){"_ZN3foo3barEi", IMAGE_TEXT, 0x100, STT_FUNC, STB_GLOBAL,
							SECTION_TEXT, 0});
	return object_cache_new(100, &cache);
}

static int tear_down(void **state)
{
	(void)state;
	profile_names_free(names);
	object_cache_free(cache);
	names = NULL;
	cache = NULL;
	return 0;
}

/* Reads a profile of one stack: those locations of one mapping, and one of a mapping without a build id. */
static void read_profile(const struct profile_mapping *mapping, const uint64_t *addresses, size_t n)
{
	const struct profile_mapping other = {.start = 0x1000, .limit = 0x2000, .file = "/no/id"};
	struct profile *profile = new_profile();
	uint32_t id, stack[16], n_stack = 0;
	struct buf bytes;
	const struct sink sink = sink_to_buf(&bytes);
	auto_close int fd = -1;

	assert_int_equal(profile_add_mapping(profile, mapping, &id), 0);
	for (size_t i = 0; i < n; i++)
		stack[n_stack++] = add_location(profile, id, addresses[i], STAND_IN);
	assert_int_equal(profile_add_mapping(profile, &other, &id), 0);
	stack[n_stack++] = add_location(profile, id, 0x1234, "+[missing id+0x1234]");
	add_sample(profile, "program", "1", stack, n_stack, 1);
	assert_int_equal(pprof_encode(profile, &sink), 0);
	assert_int_equal(memfd_from_bytes("profile", bytes.data, bytes.len, &fd), 0);
	assert_int_equal(profile_names_read(fd, &names), 0);
	buf_release(&bytes);
	profile_free(profile);
}

static struct profile_mapping program(void)
{
	return (struct profile_mapping){.start = START,
					.limit = START + 0x2000,
					.file_off = IMAGE_TEXT_OFFSET,
					.file = PATH,
					.build_id = ID_TEXT};
}

static void add_object(uint32_t id)
{
	struct message_object object = {.object = id, .kind = OBJECT_FILE};
	int fd = image_fd(&image);
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	object.expected_ino = st.st_ino;
	assert_int_equal(object_cache_add(cache, &object, PATH, fd), 0);
}

/* File number `index` of the list. */
static struct profile_file told(uint32_t index)
{
	struct profile_files files;
	struct profile_file file;
	auto_close int fd = -1;

	assert_int_equal(profile_names_files(names, &fd), 0);
	assert_int_equal(profile_files_open(fd, &files), 0);
	for (uint32_t i = 0; i <= index; i++)
		assert_int_equal(profile_files_next(&files, &file), 1);
	profile_files_release(&files);
	file.path = NULL;
	return file;
}

static bool is_written(const char *text)
{
	auto_close int fd = -1;
	struct buf packed, plain;
	struct memfd_map map;
	bool is_there;

	assert_int_equal(profile_names_write(names, &fd), 0);
	assert_int_equal(memfd_map(fd, 1 << 20, &map), 0);
	buf_init(&packed, 1 << 20);
	buf_append(&packed, map.bytes, map.len);
	memfd_unmap(&map);
	gunzip(&packed, &plain);
	is_there = memmem(plain.data, plain.len, text, strlen(text));
	buf_release(&packed);
	buf_release(&plain);
	return is_there;
}

static void files_are_told_with_their_build_ids(void **state)
{
	const struct profile_mapping mapping = program();
	const uint64_t addresses[] = {START + 0x10, START + 0x20};
	struct profile_file file;

	(void)state;
	read_profile(&mapping, addresses, 2);
	file = told(0);
	assert_int_equal(file.object, 1);
	assert_int_equal(file.unnamed, 2);
	assert_int_equal(file.build_id_len, strlen(ID));
	assert_memory_equal(file.build_id, ID, strlen(ID));
	file = told(1);
	assert_int_equal(file.unnamed, 1);
	assert_int_equal(file.build_id_len, 0);
}

/* An address is that of the call already: the first byte behind the function is not its. */
static void frames_of_the_file_get_names(void **state)
{
	const struct profile_mapping mapping = program();
	const uint64_t addresses[] = {START + 0x10, START + 0xff, START + 0x100};
	struct profile_file file;

	(void)state;
	read_profile(&mapping, addresses, 3);
	add_object(1);
	assert_int_equal(profile_names_find(names, cache, &result), 0);
	assert_int_equal(result.named, 2);
	assert_int_equal(result.unnamed, 2);
	file = told(0);
	assert_int_equal(file.named, 2);
	assert_int_equal(file.unnamed, 1);
	assert_int_equal(file.why, UNNAMED_NO_SYMBOL);
	assert_true(file.is_read);
	assert_true(file.found & 1u << SOURCE_SYMTAB);
	assert_true(is_written("foo::bar(int)"));
	assert_true(is_written("_ZN3foo3barEi"));
	assert_true(is_written(STAND_IN + 1));
}

static void a_file_of_another_build_gives_none(void **state)
{
	static const char *const ids[] = {"123456789b", "12345678", "123456789a00", "", "xyz"};

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		struct profile_mapping mapping = program();
		const uint64_t address = START + 0x10;

		mapping.build_id = ids[i];
		read_profile(&mapping, &address, 1);
		add_object(1);
		assert_int_equal(profile_names_find(names, cache, &result), 0);
		if (result.named)
			fail_msg("named by build id '%s'", ids[i]);
		assert_int_equal(told(0).unnamed, 1);
		assert_false(is_written("foo::bar"));
		tear_down(state);
		assert_int_equal(set_up(state), 0);
	}
}

static void without_an_object_nothing_changes(void **state)
{
	const struct profile_mapping mapping = program();
	const uint64_t address = START + 0x10;
	const struct message_object gone = {.object = 1, .kind = OBJECT_FILE, .err = -ENOENT};

	(void)state;
	read_profile(&mapping, &address, 1);
	assert_int_equal(object_cache_add(cache, &gone, PATH, -1), 0);
	assert_int_equal(profile_names_find(names, cache, &result), 0);
	assert_int_equal(result.named, 0);
	assert_int_equal(result.unnamed, 2);
	assert_int_equal(told(0).err, -ENOENT);
	assert_true(is_written(STAND_IN + 1));
}

/* Of other tools: a mapping that begins at 0 tells the file, and addresses are its own. */
static void addresses_may_be_those_of_the_file(void **state)
{
	const struct profile_mapping mapping = {.file = "program", .build_id = ID_TEXT};
	const uint64_t address = IMAGE_TEXT + 0x20;

	(void)state;
	read_profile(&mapping, &address, 1);
	add_object(1);
	assert_int_equal(profile_names_find(names, cache, &result), 0);
	assert_int_equal(result.named, 1);
}

/* The program is gone, and its debug file is there. */
static void a_debug_file_alone_will_do(void **state)
{
	const struct profile_mapping mapping = program();
	const uint64_t address = START + 0x20;

	(void)state;
	image_shdr(&image, SECTION_TEXT)->sh_type = SHT_NOBITS;
	image_phdr(&image, 0)->p_offset = image_phdr(&image, 0)->p_filesz = 0;
	read_profile(&mapping, &address, 1);
	add_object(1);
	assert_int_equal(profile_names_find(names, cache, &result), 0);
	assert_int_equal(result.named, 1);
}

static void what_is_no_profile_is_refused(void **state)
{
	auto_close int fd = -1;

	(void)state;
	assert_int_equal(memfd_from_bytes("profile", "no profile", 10, &fd), 0);
	assert_int_equal(profile_names_read(fd, &names), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(files_are_told_with_their_build_ids, set_up, tear_down),
		cmocka_unit_test_setup_teardown(frames_of_the_file_get_names, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_file_of_another_build_gives_none, set_up, tear_down),
		cmocka_unit_test_setup_teardown(without_an_object_nothing_changes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(addresses_may_be_those_of_the_file, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_debug_file_alone_will_do, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_no_profile_is_refused, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("profile_names", tests, NULL, NULL);
}
