/* SPDX-License-Identifier: Apache-2.0 */
/* The places of debug files, in trees made for it. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "opener/debug_file.h"

#define ID "\x12\x34\x56\x78"
#define BY_ID "usr/lib/debug/.build-id/12/345678.debug"

struct fixture {
	char dir[64];
	struct debug_places places;
	int directories[2];
};

static int open_tree(const struct fixture *fixture, const char *name)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", fixture->dir, name);
	assert_int_equal(mkdir(path, 0755), 0);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	snprintf(fixture->dir, sizeof(fixture->dir), "/tmp/hostprof-debug-XXXXXX");
	if (!mkdtemp(fixture->dir))
		return -1;
	fixture->places.own_root = open_tree(fixture, "own");
	fixture->places.host_root = open_tree(fixture, "host");
	fixture->directories[0] = open_tree(fixture, "first");
	fixture->directories[1] = open_tree(fixture, "second");
	fixture->places.directories = fixture->directories;
	fixture->places.n_directories = 2;
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;
	char command[128];

	close(fixture->places.own_root);
	close(fixture->places.host_root);
	close(fixture->directories[0]);
	close(fixture->directories[1]);
	snprintf(command, sizeof(command), "rm -rf %s", fixture->dir);
	free(fixture);
	return system(command);
}

/* The path in the fixture, its folders made. */
static void make_path(const struct fixture *fixture, const char *name, char path[256])
{
	snprintf(path, 256, "%s/%s", fixture->dir, name);
	for (char *at = path + strlen(fixture->dir) + 1; (at = strchr(at, '/')); at++) {
		*at = 0;
		assert_true(!mkdir(path, 0755) || errno == EEXIST);
		*at = '/';
	}
}

/* A file that holds its own path. */
static void make_file(const struct fixture *fixture, const char *name)
{
	auto_close int fd = -1;
	char path[256];

	make_path(fixture, name, path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, name, strlen(name)), strlen(name));
}

static struct message_open_debug request_for(uint32_t kind, const char *id)
{
	struct message_open_debug request = {.kind = kind, .request = 7, .id_len = (uint32_t)strlen(id)};

	memcpy(request.id, id, strlen(id));
	return request;
}

/* What the file at or behind request->place holds; "" and *ret says why: none. The place behind it is left in the
 * request. */
static const char *next(const struct fixture *fixture, struct message_open_debug *request, const char *path, int *ret)
{
	struct message_debug_opened opened = {0};
	static char content[256], found[MESSAGE_MAX_PATH + 1];
	auto_close int fd = -1;
	ssize_t n = 0;

	*ret = debug_file_open(&fixture->places, request, path, &opened, found, &fd);
	assert_int_equal(opened.err, *ret);
	assert_int_equal(opened.request, 7);
	assert_int_equal(*ret == 0, fd >= 0);
	if (fd >= 0)
		n = pread(fd, content, sizeof(content) - 1, 0);
	content[n] = 0;
	if (!*ret)
		assert_non_null(strstr(content, found));
	request->place = opened.place + 1;
	return content;
}

static void expect(const struct fixture *fixture, struct message_open_debug *request, const char *path,
		   const char *expected)
{
	int err;

	assert_string_equal(next(fixture, request, path, &err), expected);
	assert_int_equal(err, *expected ? 0 : -ENOENT);
}

static void by_build_id_the_own_root_goes_before_the_host_s(void **state)
{
	struct message_open_debug request = request_for(DEBUG_BUILD_ID, ID);
	const struct fixture *fixture = *state;

	make_file(fixture, "second/.build-id/12/345678.debug");
	make_file(fixture, "first/" BY_ID);
	make_file(fixture, "host/" BY_ID);
	make_file(fixture, "own/" BY_ID);
	expect(fixture, &request, "/bin/", "own/" BY_ID);
	expect(fixture, &request, "/bin/", "host/" BY_ID);
	expect(fixture, &request, "/bin/", "first/" BY_ID);
	expect(fixture, &request, "/bin/", "second/.build-id/12/345678.debug");
	expect(fixture, &request, "/bin/", "");
	/* Asked again from behind the end. */
	expect(fixture, &request, "/bin/", "");
}

static void a_linked_file_is_looked_for_where_gdb_does(void **state)
{
	struct message_open_debug request = request_for(DEBUG_LINK, "");
	const struct fixture *fixture = *state;
	static const char *const files[] = {
		"own/opt/bin/prog.debug",
		"own/opt/bin/.debug/prog.debug",
		"own/usr/lib/debug/opt/bin/prog.debug",
		"host/opt/bin/.debug/prog.debug",
		"host/usr/lib/debug/opt/bin/prog.debug",
		"first/opt/bin/prog.debug",
		"first/prog.debug",
		"second/usr/lib/debug/opt/bin/prog.debug",
	};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		make_file(fixture, files[i]);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		expect(fixture, &request, "/opt/bin/prog.debug", files[i]);
	expect(fixture, &request, "/opt/bin/prog.debug", "");
}

static void what_dwz_shares_is_found_by_id_or_name(void **state)
{
	struct message_open_debug request = request_for(DEBUG_SUPPLEMENTARY, ID);
	const struct fixture *fixture = *state;

	make_file(fixture, "own/" BY_ID);
	make_file(fixture, "host/usr/lib/debug/.dwz/pkg.debug");
	make_file(fixture, "first/pkg.debug");
	expect(fixture, &request, "/opt/bin/pkg.debug", "own/" BY_ID);
	expect(fixture, &request, "/opt/bin/pkg.debug", "host/usr/lib/debug/.dwz/pkg.debug");
	expect(fixture, &request, "/opt/bin/pkg.debug", "first/pkg.debug");
	expect(fixture, &request, "/opt/bin/pkg.debug", "");
}

static void split_files_lie_beside_the_program(void **state)
{
	struct message_open_debug request = request_for(DEBUG_SPLIT, "");
	const struct fixture *fixture = *state;

	make_file(fixture, "own/opt/bin/a.dwo");
	make_file(fixture, "second/a.dwo");
	expect(fixture, &request, "/opt/bin/a.dwo", "own/opt/bin/a.dwo");
	expect(fixture, &request, "/opt/bin/a.dwo", "second/a.dwo");
	expect(fixture, &request, "/opt/bin/a.dwo", "");
}

static void only_regular_files_are_opened(void **state)
{
	struct message_open_debug request = request_for(DEBUG_BUILD_ID, ID);
	const struct fixture *fixture = *state;
	char path[256];
	int err;

	make_path(fixture, "own/" BY_ID, path);
	assert_int_equal(mkfifo(path, 0644), 0); /* would wait for a writer */
	assert_string_equal(next(fixture, &request, "/bin/", &err), "");
	assert_int_equal(err, -EINVAL);
	/* It does not stand in the way of the next place. */
	make_file(fixture, "host/" BY_ID);
	request.place = 0;
	expect(fixture, &request, "/bin/", "host/" BY_ID);
}

static void links_lead_nowhere_but_within_their_root(void **state)
{
	struct message_open_debug request = request_for(DEBUG_LINK, "");
	const struct fixture *fixture = *state;
	char path[256], outside[300];
	int err;

	make_file(fixture, "secret");
	make_path(fixture, "own/opt/x.debug", path);
	snprintf(outside, sizeof(outside), "%s/secret", fixture->dir);
	assert_int_equal(symlink(outside, path), 0);
	expect(fixture, &request, "/opt/x.debug", "");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("../../../../../../secret", path), 0);
	request.place = 0;
	expect(fixture, &request, "/opt/x.debug", "");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("x.debug", path), 0); /* in a circle */
	request.place = 0;
	next(fixture, &request, "/opt/x.debug", &err);
	assert_int_equal(err, -ELOOP);
	assert_int_equal(unlink(path), 0);
	/* Within the root they are followed: distributions have such. */
	make_file(fixture, "own/opt/x.debug.real");
	assert_int_equal(symlink("/opt/x.debug.real", path), 0);
	request.place = 0;
	expect(fixture, &request, "/opt/x.debug", "own/opt/x.debug.real");
}

static void a_temporary_file_has_no_name(void **state)
{
	auto_close int fd = -1;
	struct stat status;
	int err = debug_file_temporary(NULL, &fd);

	(void)state;
	if (err == -EOPNOTSUPP || err == -ENOENT || err == -EACCES)
		skip();
	assert_int_equal(err, 0);
	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(fstat(fd, &status), 0);
	assert_int_equal(status.st_nlink, 0);
	assert_int_equal(status.st_mode & 0777, 0600);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static void programs_are_at_their_path_or_by_build_id(void **state)
{
	struct message_open_debug request = request_for(DEBUG_EXECUTABLE, ID);
	const struct fixture *fixture = *state;
	int err;

	make_file(fixture, "own/usr/lib/debug/.build-id/12/345678");
	make_file(fixture, "own/usr/bin/program");
	make_file(fixture, "host/usr/lib/.build-id/12/345678");
	make_file(fixture, "host/" BY_ID); /* a debug file is none */
	make_file(fixture, "first/program");
	make_file(fixture, "second/.build-id/12/345678");
	make_file(fixture, "second/usr/bin/program");
	expect(fixture, &request, "/usr/bin/program", "own/usr/bin/program");
	expect(fixture, &request, "/usr/bin/program", "own/usr/lib/debug/.build-id/12/345678");
	expect(fixture, &request, "/usr/bin/program", "host/usr/lib/.build-id/12/345678");
	expect(fixture, &request, "/usr/bin/program", "first/program");
	expect(fixture, &request, "/usr/bin/program", "second/usr/bin/program");
	expect(fixture, &request, "/usr/bin/program", "second/.build-id/12/345678");
	expect(fixture, &request, "/usr/bin/program", "");
	/* A path alone, and an id alone. */
	request = request_for(DEBUG_EXECUTABLE, "");
	expect(fixture, &request, "/usr/bin/program", "own/usr/bin/program");
	request = request_for(DEBUG_EXECUTABLE, ID);
	expect(fixture, &request, "", "own/usr/lib/debug/.build-id/12/345678");
	/* Not out of the root, and no folder. */
	request = request_for(DEBUG_EXECUTABLE, "");
	next(fixture, &request, "/../../../../../../etc/passwd", &err);
	assert_int_equal(err, -ENOENT);
	request = request_for(DEBUG_EXECUTABLE, "");
	next(fixture, &request, "/usr/bin", &err);
	assert_int_equal(err, -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(by_build_id_the_own_root_goes_before_the_host_s),
		TEST(programs_are_at_their_path_or_by_build_id),
		TEST(a_linked_file_is_looked_for_where_gdb_does),
		TEST(what_dwz_shares_is_found_by_id_or_name),
		TEST(split_files_lie_beside_the_program),
		TEST(only_regular_files_are_opened),
		TEST(links_lead_nowhere_but_within_their_root),
		TEST(a_temporary_file_has_no_name),
	};

	return cmocka_run_group_tests_name("debug_file", tests, NULL, NULL);
}
