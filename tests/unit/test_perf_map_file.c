/* SPDX-License-Identifier: Apache-2.0 */
/* A process with a root of its own, made of folders: PROC/4711/root leads to ROOT. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "opener/perf_map_file.h"

#define TGID 4711
#define INNER 17

struct fixture {
	char dir[64];
	struct procfs procfs;
	struct root_cache roots;
	struct object_finder finder;
	struct message_open_perf_map request;
};

static const char *in(const struct fixture *fixture, const char *path)
{
	static char text[4][160];
	static unsigned next;
	char *to = text[next++ % 4];

	snprintf(to, sizeof(text[0]), "%s/%s", fixture->dir, path);
	return to;
}

static void write_file(const char *path, const char *text)
{
	auto_close int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	snprintf(fixture->dir, sizeof(fixture->dir), "/tmp/hostprof-perf-map-XXXXXX");
	if (!mkdtemp(fixture->dir) || mkdir(in(fixture, "proc"), 0755) || mkdir(in(fixture, "proc/4711"), 0755) ||
	    mkdir(in(fixture, "root"), 0755) || mkdir(in(fixture, "root/tmp"), 0755) ||
	    symlink("../../root", in(fixture, "proc/4711/root")) ||
	    procfs_init(&fixture->procfs, open(in(fixture, "proc"), O_RDONLY | O_DIRECTORY | O_CLOEXEC), -1))
		return -1;
	root_cache_init(&fixture->roots);
	fixture->finder = (struct object_finder){.procfs = &fixture->procfs, .roots = &fixture->roots};
	fixture->request = (struct message_open_perf_map){
		.object = 3, .mnt_ns = 5, .tgid = TGID, .inner_tgid = INNER, .uid = getuid()};
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;
	char command[128];

	root_cache_release(&fixture->roots);
	procfs_release(&fixture->procfs);
	snprintf(command, sizeof(command), "rm -rf %s", fixture->dir);
	free(fixture);
	return system(command);
}

static int try_open(const struct fixture *fixture)
{
	struct message_object_opened opened = {.err = 1};
	auto_close int fd = -1;
	int err = perf_map_file_open(&fixture->finder, &fixture->request, &opened, &fd);
	char text[4] = "";

	if (err) {
		assert_int_equal(fd, -1);
		assert_int_equal(opened.err, 1); /* untouched */
		return err;
	}
	assert_int_equal(opened.err, 0);
	assert_int_equal(opened.object, 3);
	assert_int_equal(pread(fd, text, 3, 0), 3);
	assert_string_equal(text, "map");
	return 0;
}

static void the_map_of_the_inner_pid_is_opened_in_the_process_s_root(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(try_open(fixture), -ENOENT);
	write_file(in(fixture, "root/tmp/perf-4711.map"), "other");
	assert_int_equal(try_open(fixture), -ENOENT);
	write_file(in(fixture, "root/tmp/perf-17.map"), "map");
	assert_int_equal(try_open(fixture), 0);
}

static void a_process_that_is_gone_has_no_root(void **state)
{
	struct fixture *fixture = *state;

	fixture->request.tgid = 4712;
	write_file(in(fixture, "root/tmp/perf-17.map"), "map");
	assert_int_equal(try_open(fixture), -ESRCH);
}

static void links_of_either_kind_are_refused(void **state)
{
	struct fixture *fixture = *state;
	const char *map = in(fixture, "root/tmp/perf-17.map");

	write_file(in(fixture, "root/tmp/other"), "map");
	assert_int_equal(symlink("other", map), 0);
	assert_int_equal(try_open(fixture), -ELOOP);
	assert_int_equal(unlink(map), 0);
	assert_int_equal(link(in(fixture, "root/tmp/other"), map), 0);
	assert_int_equal(try_open(fixture), -EPERM);
}

static void what_is_no_regular_file_is_refused_without_waiting(void **state)
{
	struct fixture *fixture = *state;
	const char *map = in(fixture, "root/tmp/perf-17.map");

	assert_int_equal(mkfifo(map, 0644), 0);
	assert_int_equal(try_open(fixture), -EINVAL);
	assert_int_equal(unlink(map), 0);
	assert_int_equal(mkdir(map, 0755), 0);
	assert_true(try_open(fixture) < 0);
}

static void the_folder_may_be_a_link_within_the_root(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(rmdir(in(fixture, "root/tmp")), 0);
	assert_int_equal(mkdir(in(fixture, "root/var"), 0755), 0);
	assert_int_equal(symlink("/var", in(fixture, "root/tmp")), 0); /* absolute: of that root */
	write_file(in(fixture, "root/var/perf-17.map"), "map");
	assert_int_equal(try_open(fixture), 0);
}

static void the_owner_is_the_user_or_root(void **state)
{
	struct fixture *fixture = *state;
	const char *map = in(fixture, "root/tmp/perf-17.map");

	write_file(map, "map");
	if (geteuid())
		skip();
	fixture->request.uid = 1000;
	assert_int_equal(try_open(fixture), 0);
	assert_int_equal(chown(map, 1000, 1000), 0);
	assert_int_equal(try_open(fixture), 0);
	fixture->request.uid = 1001;
	assert_int_equal(try_open(fixture), -EPERM);
	fixture->request.uid = 0;
	assert_int_equal(try_open(fixture), -EPERM);
}

/* Of a process that had the pid before. */
static void a_file_older_than_the_process_is_not_its(void **state)
{
	struct fixture *fixture = *state;
	const char *map = in(fixture, "root/tmp/perf-17.map");
	struct timespec now, times[2];
	char stat[256];

	clock_gettime(CLOCK_BOOTTIME, &now);
	fixture->request.start_boottime_ns = (uint64_t)now.tv_sec * 1000000000u;
	snprintf(stat, sizeof(stat), "4711 (task) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 %ld 0 0 0 0 0 0 0\n",
		 now.tv_sec * sysconf(_SC_CLK_TCK));
	write_file(in(fixture, "proc/4711/stat"), stat);
	write_file(map, "map");
	assert_int_equal(try_open(fixture), 0);
	clock_gettime(CLOCK_REALTIME, &times[0]);
	times[0].tv_sec -= 60;
	times[1] = times[0];
	assert_int_equal(utimensat(AT_FDCWD, map, times, 0), 0);
	assert_int_equal(try_open(fixture), -ESTALE);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_map_of_the_inner_pid_is_opened_in_the_process_s_root),
		TEST(a_process_that_is_gone_has_no_root),
		TEST(links_of_either_kind_are_refused),
		TEST(what_is_no_regular_file_is_refused_without_waiting),
		TEST(the_folder_may_be_a_link_within_the_root),
		TEST(the_owner_is_the_user_or_root),
		TEST(a_file_older_than_the_process_is_not_its),
	};

	return cmocka_run_group_tests_name("perf_map_file", tests, NULL, NULL);
}
