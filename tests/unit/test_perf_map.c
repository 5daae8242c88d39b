/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/io.h"
#include "symbol/jit_name.h"
#include "symbol/perf_map.h"

#define ROOM (1u << 20)

struct fixture {
	struct perf_map *map;
	int fd;
};

static int setup(void **state)
{
	struct fixture *fixture = test_calloc(1, sizeof(*fixture));

	fixture->fd = memfd_create("map", MFD_CLOEXEC);
	*state = fixture;
	return fixture->fd < 0;
}

/* What may fail for want of memory is made within the test. */
static struct fixture *start(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(perf_map_new(ROOM, &fixture->map), 0);
	return fixture;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	perf_map_free(fixture->map);
	close(fixture->fd);
	test_free(fixture);
	return 0;
}

static void append(struct fixture *fixture, const char *text)
{
	assert_int_equal(io_write_full(fixture->fd, text, strlen(text)), 0);
}

static void update(struct fixture *fixture)
{
	assert_int_equal(perf_map_update(fixture->map, fixture->fd), 0);
}

static void check(const struct fixture *fixture, uint64_t address, const char *name)
{
	const char *found = perf_map_find(fixture->map, address);

	if (name)
		assert_string_equal(found ? found : "(none)", name);
	else
		assert_null(found);
}

static void lines_name_their_code(void **state)
{
	struct fixture *fixture = start(state);

	append(fixture, "7f10 20 LazyCompile:*hot /srv/a b.js:3:14\n"
			"0x7f40 0X10 Lcom/foo/Bar;::method\n"
			"  7F50\t8   void [mscorlib] Foo::Bar()[Tier0] \r\n"
			"00007f60 8 x\n");
	update(fixture);
	check(fixture, 0x7f0f, NULL);
	check(fixture, 0x7f10, "LazyCompile:*hot /srv/a b.js:3:14");
	check(fixture, 0x7f2f, "LazyCompile:*hot /srv/a b.js:3:14");
	check(fixture, 0x7f30, NULL);
	check(fixture, 0x7f4f, "Lcom/foo/Bar;::method");
	check(fixture, 0x7f57, "void [mscorlib] Foo::Bar()[Tier0]");
	check(fixture, 0x7f67, "x");
	assert_int_equal(perf_map_lines(fixture->map), 4);
	assert_int_equal(perf_map_bad_lines(fixture->map), 0);
}

static void bad_lines_cost_only_themselves(void **state)
{
	static const char *const bad[] = {
		"\n",
		"7f10\n",
		"7f10 20\n",
		"7f10 20 \n",
		"7f10 20  \t\n",
		"root:x:0:0:root:/root:/bin/bash\n",
		"7f10 0 empty\n",
		"7f10 8000000000000000 huge\n",
		"ffffffffffffff00 200 over\n",
		"7f10 -20 negative\n",
		"17f1000000000000000 20 long\n",
		"7f10 2g0 digits\n",
		"0x 20 nothing\n",
		"7f10 4000000f too much\n",
	};
	const size_t n = sizeof(bad) / sizeof(bad[0]);
	struct fixture *fixture = start(state);

	append(fixture, "7f00 10 before\n");
	for (size_t i = 0; i < n; i++)
		append(fixture, bad[i]);
	append(fixture, "7f20 10 behind\n");
	update(fixture);
	assert_int_equal(perf_map_bad_lines(fixture->map), n);
	check(fixture, 0x7f00, "before");
	check(fixture, 0x7f10, NULL);
	check(fixture, 0x7f20, "behind");
}

static void what_is_appended_is_read_on(void **state)
{
	struct fixture *fixture = start(state);

	append(fixture, "1000 100 first\n1100 100 sec");
	update(fixture);
	check(fixture, 0x1000, "first");
	check(fixture, 0x1100, NULL); /* being written */
	append(fixture, "ond\n1080 10 later\n");
	update(fixture);
	check(fixture, 0x1000, "first");
	check(fixture, 0x1085, "later");
	check(fixture, 0x1090, "first");
	check(fixture, 0x1100, "second");
	assert_int_equal(perf_map_lines(fixture->map), 3); /* none of them twice */
}

static void file_that_shrank_is_read_anew(void **state)
{
	struct fixture *fixture = start(state);

	append(fixture, "1000 100 old\n2000 100 old too\n");
	update(fixture);
	assert_int_equal(ftruncate(fixture->fd, 0), 0);
	assert_int_equal(lseek(fixture->fd, 0, SEEK_SET), 0);
	append(fixture, "2000 100 new\n");
	update(fixture);
	check(fixture, 0x1000, NULL);
	check(fixture, 0x2000, "new");
}

/* As the JVM does at each Compiler.perfmap. */
static void file_written_anew_and_longer_is_read_anew(void **state)
{
	struct fixture *fixture = start(state);

	append(fixture, "1000 100 old\n2000 100 old too\n");
	update(fixture);
	assert_int_equal(lseek(fixture->fd, 0, SEEK_SET), 0);
	append(fixture, "2000 100 the new one\n3000 100 another one that makes it longer\n");
	update(fixture);
	check(fixture, 0x1000, NULL);
	check(fixture, 0x2000, "the new one");
	assert_int_equal(perf_map_lines(fixture->map), 2);
}

static void another_file_is_read_anew(void **state)
{
	struct fixture *fixture = start(state);

	append(fixture, "1000 100 old\n");
	update(fixture);
	close(fixture->fd);
	fixture->fd = memfd_create("map", MFD_CLOEXEC);
	append(fixture, "1000 100 old\n");
	update(fixture);
	check(fixture, 0x1000, "old");
	assert_int_equal(perf_map_lines(fixture->map), 1);
}

static void huge_lines_are_passed_over(void **state)
{
	static char name[3 * PERF_MAP_MAX_LINE];
	struct fixture *fixture = start(state);

	memset(name, 'x', sizeof(name) - 1);
	append(fixture, "1000 10 ");
	append(fixture, name);
	update(fixture);
	append(fixture, name);
	append(fixture, "\n2000 10 behind\n3000 10 ");
	name[PERF_MAP_MAX_NAME + 100] = '\0';
	append(fixture, name);
	append(fixture, "\n");
	update(fixture);
	check(fixture, 0x1000, NULL);
	check(fixture, 0x2000, "behind");
	assert_int_equal(strlen(perf_map_find(fixture->map, 0x3000)), PERF_MAP_MAX_NAME - 1);
	assert_int_equal(perf_map_bad_lines(fixture->map), 1);
	assert_int_equal(perf_map_lines(fixture->map), 3);
}

static void table_without_end_takes_bounded_memory(void **state)
{
	struct fixture *fixture = start(state);
	char line[64];
	int err = 0;

	for (uint64_t i = 0; i < 400000; i++) {
		snprintf(line, sizeof(line), "%lx 10 function number %lu\n", 0x1000 + i * 16, i);
		append(fixture, line);
	}
	err = perf_map_update(fixture->map, fixture->fd);
	assert_int_equal(err, -E2BIG);
	assert_true(perf_map_memory_bytes(fixture->map) < 2 * ROOM);
	check(fixture, 0x1000, "function number 0");
	assert_int_equal(perf_map_update(fixture->map, fixture->fd), -E2BIG);
}

/* A runtime that compiles the same functions to the same places for days. */
static void names_of_overwritten_code_leave(void **state)
{
	struct fixture *fixture = start(state);
	char line[64];

	for (uint64_t i = 0; i < 200000; i++) {
		snprintf(line, sizeof(line), "%lx 10 function number %lu\n", 0x1000 + i % 100 * 16, i);
		append(fixture, line);
	}
	update(fixture);
	check(fixture, 0x1000 + 99 * 16, "function number 199999");
	check(fixture, 0x1000, "function number 199900");
	assert_true(perf_map_memory_bytes(fixture->map) < 2 * ROOM);
}

static void what_is_no_file_is_refused(void **state)
{
	struct fixture *fixture = start(state);
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(perf_map_update(fixture->map, ends[0]), -EINVAL);
	close(ends[0]);
	close(ends[1]);
}

static void names_tell_of_their_source(void **state)
{
	static const struct {
		const char *name, *file;
		uint32_t line;
	} cases[] = {
		{"LazyCompile:*hot /srv/a.js:3:14", "/srv/a.js", 3},
		{"JS:~get size file:///srv/b c.mjs:10:1", "/srv/b c.mjs", 10},
		{"JS:^emit node:events:466:44", "node:events", 466},
		{"Script:~ /srv/a.js:1:1", "/srv/a.js", 1},
		{"py::hot:/srv/c.py", "/srv/c.py", 0},
		{"py::<module>:<frozen importlib._bootstrap>", "<frozen importlib._bootstrap>", 0},
		{"LazyCompile:*hot /srv/a.js", NULL, 0},
		{"LazyCompile:*hot /srv/a.js:3", NULL, 0},
		{"LazyCompile:*hot :3:14", NULL, 0},
		{"LazyCompile:*hot /:99999999999:14", NULL, 0},
		{"Builtin:ArrayMap", NULL, 0},
		{"Lcom/foo/Bar;::method", NULL, 0},
		{"py::", NULL, 0},
		{"py::a:", NULL, 0},
		{"", NULL, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct jit_source source;

		jit_name_source(cases[i].name, &source);
		assert_int_equal(source.line, cases[i].line);
		assert_int_equal(source.file_len, cases[i].file ? strlen(cases[i].file) : 0);
		if (cases[i].file)
			assert_memory_equal(cases[i].name + source.file, cases[i].file, source.file_len);
	}
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(lines_name_their_code),
		TEST(bad_lines_cost_only_themselves),
		TEST(what_is_appended_is_read_on),
		TEST(file_that_shrank_is_read_anew),
		TEST(file_written_anew_and_longer_is_read_anew),
		TEST(another_file_is_read_anew),
		TEST(huge_lines_are_passed_over),
		TEST(table_without_end_takes_bounded_memory),
		TEST(names_of_overwritten_code_leave),
		TEST(what_is_no_file_is_refused),
		cmocka_unit_test(names_tell_of_their_source),
	};

	return cmocka_run_group_tests_name("perf_map", tests, NULL, NULL);
}
