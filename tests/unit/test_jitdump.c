/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/io.h"
#include "jitdump_image.h"
#include "symbol/jitdump.h"

#define ROOM (1u << 20)
#define FILE_MAX (64u << 20)

struct fixture {
	struct jitdump *dump;
	struct buf file; /* what is not written yet */
	int fd;
};

static int setup(void **state)
{
	struct fixture *fixture = test_calloc(1, sizeof(*fixture));

	buf_init(&fixture->file, FILE_MAX);
	fixture->fd = memfd_create("dump", MFD_CLOEXEC);
	*state = fixture;
	return fixture->fd < 0;
}

/* What may fail for want of memory is made within the test. */
static struct fixture *start(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(jitdump_new(ROOM, &fixture->dump), 0);
	return fixture;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	jitdump_free(fixture->dump);
	buf_release(&fixture->file);
	close(fixture->fd);
	test_free(fixture);
	return 0;
}

static int update_until(struct fixture *fixture, uint64_t until_ns)
{
	if (fixture->file.len)
		assert_int_equal(io_write_full(fixture->fd, fixture->file.data, fixture->file.len), 0);
	buf_clear(&fixture->file);
	return jitdump_update(fixture->dump, fixture->fd, until_ns);
}

static void update(struct fixture *fixture)
{
	assert_int_equal(update_until(fixture, UINT64_MAX), 0);
}

static void check(const struct fixture *fixture, uint64_t address, const char *name, const char *file, uint32_t line)
{
	struct jitdump_code code = {.name = "(none)", .file = ""};

	assert_int_equal(jitdump_find(fixture->dump, address, &code), name ? 0 : -ENOENT);
	assert_string_equal(code.name, name ? name : "(none)");
	assert_string_equal(code.file, file);
	assert_int_equal(code.line, line);
}

static void loads_name_their_code(void **state)
{
	struct fixture *fixture = start(state);

	jitdump_begin(&fixture->file, 0);
	jitdump_load(&fixture->file, 10, 0x1000, 0x100, 1, "first");
	jitdump_load(&fixture->file, 20, 0x2000, 0x10, 2, "second one");
	jitdump_record(&fixture->file, 4, 30, "unwinding", 9);
	jitdump_record(&fixture->file, 77, 30, "of the future", 13);
	jitdump_load(&fixture->file, 40, 0x3000, 0, 3, "empty");
	jitdump_record(&fixture->file, 3, 50, "", 0);
	update(fixture);
	check(fixture, 0xfff, NULL, "", 0);
	check(fixture, 0x1000, "first", "", 0);
	check(fixture, 0x10ff, "first", "", 0);
	check(fixture, 0x200f, "second one", "", 0);
	check(fixture, 0x3000, NULL, "", 0);
	assert_int_equal(jitdump_records(fixture->dump), 6);
	assert_int_equal(jitdump_bad_records(fixture->dump), 0);
}

static void last_load_before_the_time_wins(void **state)
{
	struct fixture *fixture = start(state);

	jitdump_begin(&fixture->file, 0);
	jitdump_load(&fixture->file, 10, 0x1000, 0x100, 1, "old");
	jitdump_load(&fixture->file, 20, 0x1000, 0x80, 2, "new");
	jitdump_load(&fixture->file, 30, 0x1000, 0x100, 3, "newest");
	assert_int_equal(update_until(fixture, 25), 0);
	check(fixture, 0x1000, "new", "", 0);
	check(fixture, 0x1080, "old", "", 0);
	update(fixture); /* what was too late is not lost */
	check(fixture, 0x1080, "newest", "", 0);
}

static void other_clocks_are_not_compared(void **state)
{
	struct fixture *fixture = start(state);

	jitdump_begin(&fixture->file, 1);
	jitdump_load(&fixture->file, 1ull << 60, 0x1000, 0x100, 1, "timed by the tsc");
	assert_int_equal(update_until(fixture, 25), 0);
	check(fixture, 0x1000, "timed by the tsc", "", 0);
}

static void moved_code_keeps_name_and_lines(void **state)
{
	static const struct jitdump_line lines[] = {{0x1000, 7, "/srv/a.js"}};
	struct fixture *fixture = start(state);

	jitdump_begin(&fixture->file, 0);
	jitdump_lines(&fixture->file, 10, 0x1000, lines, 1);
	jitdump_load(&fixture->file, 10, 0x1000, 0x100, 1, "moved");
	jitdump_move(&fixture->file, 20, 0x1000, 0x8000, 0x100, 1);
	jitdump_move(&fixture->file, 20, 0x1000, 0x9000, 0x100, 5);
	update(fixture);
	check(fixture, 0x80ff, "moved", "/srv/a.js", 7);
	check(fixture, 0x9000, NULL, "", 0);
	assert_int_equal(jitdump_bad_records(fixture->dump), 1); /* nobody knows what was moved there */
}

static void addresses_have_lines(void **state)
{
	static const struct jitdump_line lines[] = {
		{0x1000, 10, "/srv/a.js"}, {0x1020, 12, "\xff"}, {0x1010, 11, "\xff"}, {0x1030, 5, "/b.js"}};
	struct fixture *fixture = start(state);

	jitdump_begin(&fixture->file, 0);
	jitdump_lines(&fixture->file, 10, 0x1000, lines, 4);
	jitdump_load(&fixture->file, 10, 0x1000, 0x100, 1, "with");
	jitdump_load(&fixture->file, 10, 0x2000, 0x100, 2, "without");
	jitdump_lines(&fixture->file, 10, 0x1000, lines, 4);
	jitdump_load(&fixture->file, 10, 0x4000, 0x100, 3, "of others");
	update(fixture);
	check(fixture, 0x1000, "with", "/srv/a.js", 10);
	check(fixture, 0x100f, "with", "/srv/a.js", 10);
	check(fixture, 0x1010, "with", "/srv/a.js", 11);
	check(fixture, 0x102f, "with", "/srv/a.js", 12);
	check(fixture, 0x10ff, "with", "/b.js", 5);
	check(fixture, 0x2000, "without", "", 0);
	check(fixture, 0x4000, "of others", "", 0);
}

/* As V8 writes for baseline code: the lines end before the record, or lie elsewhere. */
static void lines_that_do_not_hold_together_are_none(void **state)
{
	static const struct jitdump_line before[] = {{0x1000, 1, "/a.js"}, {0xfff, 2, "/a.js"}};
	static const struct jitdump_line behind[] = {{0x2000, 1, "/a.js"}, {0x2140, 2, "/a.js"}};
	static const struct {
		uint64_t code, n, address;
		uint32_t line, column;
		char file[24]; /* and more behind its end */
	} rest = {0x3000, 1, 0x3000, 7, 0, "/a.js"};
	struct fixture *fixture = start(state);

	jitdump_begin(&fixture->file, 0);
	jitdump_lines(&fixture->file, 10, 0x1000, before, 2);
	jitdump_load(&fixture->file, 10, 0x1000, 0x100, 1, "before");
	jitdump_lines(&fixture->file, 10, 0x2000, behind, 2);
	jitdump_load(&fixture->file, 10, 0x2000, 0x100, 2, "behind");
	jitdump_record(&fixture->file, 2, 10, &rest, sizeof(rest));
	jitdump_load(&fixture->file, 10, 0x3000, 0x100, 3, "with a rest");
	update(fixture);
	check(fixture, 0x1000, "before", "", 0);
	check(fixture, 0x2000, "behind", "", 0);
	check(fixture, 0x3000, "with a rest", "", 0);
	assert_int_equal(jitdump_bad_records(fixture->dump), 2);
}

/* V8's lie 0x40 too far up, so that some are behind the end of their code. */
static void lines_behind_the_code_shift_all(void **state)
{
	static const struct jitdump_line first[] = {{0x1040, 1, "/a.js"}, {0x1050, 2, "/a.js"}};
	static const struct jitdump_line second[] = {{0x2040, 3, "/a.js"}, {0x2060, 4, "/a.js"}};
	struct fixture *fixture = start(state);

	jitdump_begin(&fixture->file, 0);
	jitdump_lines(&fixture->file, 10, 0x1000, first, 2);
	jitdump_load(&fixture->file, 10, 0x1000, 0x100, 1, "first");
	jitdump_lines(&fixture->file, 10, 0x2000, second, 2);
	jitdump_load(&fixture->file, 10, 0x2000, 0x30, 2, "second");
	update(fixture);
	check(fixture, 0x100f, "first", "/a.js", 1);
	check(fixture, 0x1010, "first", "/a.js", 2);
	check(fixture, 0x2000, "second", "/a.js", 3);
	check(fixture, 0x2020, "second", "/a.js", 4);
}

static void record_that_is_being_written_waits(void **state)
{
	struct fixture *fixture = start(state);
	struct buf whole;

	buf_init(&whole, FILE_MAX);
	jitdump_begin(&whole, 0);
	jitdump_load(&whole, 10, 0x1000, 0x100, 1, "whole");
	for (size_t i = 0; i < whole.len; i++) {
		buf_append_byte(&fixture->file, whole.data[i]);
		update(fixture);
		check(fixture, 0x1000, i + 1 == whole.len ? "whole" : NULL, "", 0);
	}
	jitdump_load(&fixture->file, 10, 0x2000, 0x100, 1, "next");
	update(fixture);
	check(fixture, 0x2000, "next", "", 0);
	assert_int_equal(jitdump_records(fixture->dump), 2);
	buf_release(&whole);
}

static void file_written_anew_is_read_anew(void **state)
{
	struct fixture *fixture = start(state);

	jitdump_begin(&fixture->file, 0);
	jitdump_load(&fixture->file, 10, 0x1000, 0x100, 1, "old");
	update(fixture);
	assert_int_equal(ftruncate(fixture->fd, 0), 0);
	assert_int_equal(lseek(fixture->fd, 0, SEEK_SET), 0);
	jitdump_begin(&fixture->file, 0);
	update(fixture);
	check(fixture, 0x1000, NULL, "", 0);
	jitdump_load(&fixture->file, 10, 0x1000, 0x100, 1, "new");
	update(fixture);
	check(fixture, 0x1000, "new", "", 0);
}

static void what_is_no_jitdump_is_refused(void **state)
{
	static const struct jitdump_header bad[] = {
		{0x4454694a, 0x01000000, 0x28000000, 0, 0, 0, 0, 0}, /* the other byte order */
		{0x4A695444, 2, 40, 62, 0, 7, 1, 0},
		{0x4A695444, 1, 39, 62, 0, 7, 1, 0},
	};
	struct fixture *fixture = start(state);

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(ftruncate(fixture->fd, 0), 0);
		assert_int_equal(lseek(fixture->fd, 0, SEEK_SET), 0);
		buf_append(&fixture->file, &bad[i], sizeof(bad[i]));
		jitdump_load(&fixture->file, 10, 0x1000, 0x100, 1, "none");
		assert_int_equal(update_until(fixture, UINT64_MAX), -EBADMSG);
		check(fixture, 0x1000, NULL, "", 0);
	}
}

static void bad_records_cost_only_themselves(void **state)
{
	static const uint64_t many_lines[] = {0x2000, 1ull << 63};
	static const uint32_t no_size[] = {0, 15, 10, 0};
	struct fixture *fixture = start(state);

	jitdump_begin(&fixture->file, 0);
	jitdump_record(&fixture->file, 0, 10, "short", 5);
	jitdump_record(&fixture->file, 1, 10, "short", 5);
	jitdump_record(&fixture->file, 2, 10, "short", 5);
	jitdump_record(&fixture->file, 2, 10, many_lines, sizeof(many_lines));
	jitdump_load(&fixture->file, 10, 0x1000, 1ull << 63, 1, "huge");
	jitdump_load(&fixture->file, 10, UINT64_MAX - 1, 0x100, 1, "over the end");
	jitdump_load(&fixture->file, 10, 0x1000, 0x100, 1, "");
	jitdump_load(&fixture->file, 10, 0x2000, 0x100, 2, "good");
	update(fixture);
	check(fixture, 0x2000, "good", "", 0);
	assert_int_equal(jitdump_bad_records(fixture->dump), 7);
	buf_append(&fixture->file, no_size, sizeof(no_size));
	assert_int_equal(update_until(fixture, UINT64_MAX), -EBADMSG); /* nobody knows where the next one is */
	check(fixture, 0x2000, "good", "", 0);
}

static void table_without_end_takes_bounded_memory(void **state)
{
	struct fixture *fixture = start(state);
	char name[32];

	jitdump_begin(&fixture->file, 0);
	for (uint64_t i = 0; i < 100000; i++) {
		snprintf(name, sizeof(name), "function %lu", i);
		jitdump_load(&fixture->file, 10, 0x1000 + 16 * i, 16, i, name);
	}
	assert_int_equal(update_until(fixture, UINT64_MAX), -E2BIG);
	assert_true(jitdump_memory_bytes(fixture->dump) < 2 * ROOM);
	check(fixture, 0x1010, "function 1", "", 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(loads_name_their_code),
		TEST(last_load_before_the_time_wins),
		TEST(other_clocks_are_not_compared),
		TEST(moved_code_keeps_name_and_lines),
		TEST(addresses_have_lines),
		TEST(lines_that_do_not_hold_together_are_none),
		TEST(lines_behind_the_code_shift_all),
		TEST(record_that_is_being_written_waits),
		TEST(file_written_anew_is_read_anew),
		TEST(what_is_no_jitdump_is_refused),
		TEST(bad_records_cost_only_themselves),
		TEST(table_without_end_takes_bounded_memory),
	};

	return cmocka_run_group_tests_name("jitdump", tests, NULL, NULL);
}
