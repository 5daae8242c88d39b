/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/io.h"
#include "jitdump_image.h"
#include "resolver/jit_names.h"

#define ROOM (1u << 20)

struct fixture {
	struct jit_names *names;
	uint32_t reads, last_read;
	int last_err;
};

static void on_read(void *ctx, uint32_t object, int err)
{
	struct fixture *fixture = ctx;

	fixture->reads++;
	fixture->last_read = object;
	fixture->last_err = err;
}

static int setup(void **state)
{
	*state = test_calloc(1, sizeof(struct fixture));
	return 0;
}

/* What may fail for want of memory is made within the test. */
static struct fixture *start(void **state)
{
	struct fixture *fixture = *state;
	const struct jit_names_options options = {.max_bytes = ROOM, .read = on_read, .ctx = fixture};

	assert_int_equal(jit_names_new(&options, &fixture->names), 0);
	return fixture;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	jit_names_free(fixture->names);
	test_free(fixture);
	return 0;
}

/* The file, which the names have a descriptor of too. */
static int add(struct fixture *fixture, uint32_t id, enum object_kind kind, const void *bytes, size_t len)
{
	const struct message_object object = {.object = id, .kind = kind};
	int fd = memfd_create("file", MFD_CLOEXEC);

	assert_int_equal(io_write_full(fd, bytes, len), 0);
	assert_int_equal(jit_names_add(fixture->names, &object, dup(fd)), 0);
	return fd;
}

static int add_map(struct fixture *fixture, uint32_t id, const char *text)
{
	return add(fixture, id, OBJECT_PERF_MAP, text, strlen(text));
}

static void check(struct fixture *fixture, uint32_t jitdump, uint32_t perf_map, uint64_t address, const char *name)
{
	static struct jit_name found;
	int err = jit_names_find(fixture->names, jitdump, perf_map, address, &found);

	assert_int_equal(err, name ? 0 : -ENOENT);
	if (name)
		assert_string_equal(found.name, name);
}

static void a_file_is_read_once_a_batch(void **state)
{
	struct fixture *fixture = start(state);
	int fd = add_map(fixture, 7, "1000 10 first\n");

	check(fixture, 0, 7, 0x1000, "first");
	assert_int_equal(io_write_full(fd, "2000 10 second\n", 15), 0);
	check(fixture, 0, 7, 0x2000, NULL);
	assert_int_equal(fixture->reads, 1);
	jit_names_begin_batch(fixture->names, 0);
	check(fixture, 0, 7, 0x2000, "second");
	check(fixture, 0, 7, 0x1000, "first");
	assert_int_equal(fixture->reads, 2);
	assert_int_equal(fixture->last_read, 7);
	check(fixture, 0, 8, 0x1000, NULL);
	check(fixture, 0, 0, 0x1000, NULL);
	close(fd);
}

static void a_jitdump_goes_before_a_map_and_ends_with_the_batch(void **state)
{
	static const struct jitdump_line line = {0x1000, 7, "/srv/a.js"};
	struct fixture *fixture = start(state);
	struct jit_name found;
	struct buf file;
	int map, dump;

	buf_init(&file, 1u << 20);
	jitdump_begin(&file, 0);
	jitdump_lines(&file, 10, 0x1000, &line, 1);
	jitdump_load(&file, 10, 0x1000, 0x10, 1, "JS:*early /srv/b.js:3:14");
	jitdump_load(&file, 99, 0x1000, 0x10, 2, "late");
	dump = add(fixture, 8, OBJECT_JITDUMP, file.data, file.len);
	map = add_map(fixture, 7, "1000 10 map\n2000 10 py::hot:/srv/c.py\n");
	jit_names_begin_batch(fixture->names, 50);
	assert_int_equal(jit_names_find(fixture->names, 8, 7, 0x1000, &found), 0);
	assert_string_equal(found.name, "JS:*early /srv/b.js:3:14");
	assert_string_equal(found.file, "/srv/a.js");
	assert_int_equal(found.line, 7);
	assert_int_equal(found.start_line, 3);
	assert_int_equal(jit_names_find(fixture->names, 8, 7, 0x2000, &found), 0);
	assert_string_equal(found.name, "py::hot:/srv/c.py");
	assert_string_equal(found.file, "/srv/c.py");
	assert_int_equal(found.line, 0);
	jit_names_begin_batch(fixture->names, 100);
	check(fixture, 8, 7, 0x1000, "late");
	buf_release(&file);
	close(map);
	close(dump);
}

static void a_file_replaces_the_one_before(void **state)
{
	struct fixture *fixture = start(state);
	const struct message_object none = {.object = 7, .kind = OBJECT_PERF_MAP, .err = -ENOENT};
	int fd;

	assert_int_equal(jit_names_add(fixture->names, &none, -1), 0);
	check(fixture, 0, 7, 0x1000, NULL);
	fd = add_map(fixture, 7, "1000 10 first\n");
	close(fd);
	check(fixture, 0, 7, 0x1000, "first");
	fd = add_map(fixture, 7, "1000 10 second\n");
	check(fixture, 0, 7, 0x1000, "second");
	close(fd);
}

/* Each of the files takes more than a quarter of the room. */
static void least_recently_used_indexes_leave_and_come_back(void **state)
{
	struct fixture *fixture = start(state);
	struct buf text;

	buf_init(&text, 1u << 20);
	for (uint32_t i = 0; i < 3000; i++)
		buf_printf(&text, "%x 10 a function of some length, number %u\n", 0x1000 + 16 * i, i);
	for (uint32_t id = 1; id <= 8; id++)
		close(add(fixture, id, OBJECT_PERF_MAP, text.data, text.len));
	for (uint32_t round = 0; round < 4; round++) {
		jit_names_begin_batch(fixture->names, 0);
		for (uint32_t id = 1; id <= 8; id++) {
			check(fixture, 0, id, 0x1010, "a function of some length, number 1");
			assert_true(jit_names_memory_bytes(fixture->names) < 2 * ROOM);
		}
	}
	assert_int_equal(fixture->reads, 4 * 8);
	/* Who asks back and forth is not served without end. */
	for (uint32_t round = 0; round < 10; round++)
		for (uint32_t id = 1; id <= 8; id++)
			jit_names_find(fixture->names, 0, id, 0x1010, &(struct jit_name){0});
	assert_true(fixture->reads <= 5 * 8);
	buf_release(&text);
}

static void a_broken_file_is_told_and_gives_what_it_has(void **state)
{
	struct fixture *fixture = start(state);
	int dump = add(fixture, 8, OBJECT_JITDUMP, "no JITDUMP, but long enough for its header", 42);
	int map = add_map(fixture, 7, "1000 10 map\n");

	check(fixture, 8, 7, 0x1000, "map");
	assert_int_equal(fixture->reads, 2);
	jit_names_begin_batch(fixture->names, 0);
	check(fixture, 8, 0, 0x1000, NULL);
	assert_int_equal(fixture->last_read, 8);
	assert_int_equal(fixture->last_err, -EBADMSG);
	close(dump);
	close(map);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_file_is_read_once_a_batch),
		TEST(a_jitdump_goes_before_a_map_and_ends_with_the_batch),
		TEST(a_file_replaces_the_one_before),
		TEST(least_recently_used_indexes_leave_and_come_back),
		TEST(a_broken_file_is_told_and_gives_what_it_has),
	};

	return cmocka_run_group_tests_name("jit_names", tests, NULL, NULL);
}
