/* SPDX-License-Identifier: Apache-2.0 */
/* Real files, mapped by real processes: this one, and forked ones that sleep. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "opener/object_file.h"

#define PAGE 4096

struct fixture {
	char dir[64], path[128];
	struct procfs procfs;
	struct root_cache roots;
	struct object_finder finder;
	struct stat status; /* of the file */
	void *mapping;	    /* of the file */
};

static void make_file(const char *path, char fill)
{
	char page[PAGE];
	auto_close int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);

	memset(page, fill, sizeof(page));
	assert_true(fd >= 0);
	assert_int_equal(write(fd, page, sizeof(page)), sizeof(page));
}

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct stat own;
	int fd;

	snprintf(fixture->dir, sizeof(fixture->dir), "/tmp/hostprof-object-XXXXXX");
	if (!mkdtemp(fixture->dir) ||
	    procfs_init(&fixture->procfs, open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC), -1) ||
	    stat("/proc/self/ns/mnt", &own))
		return -1;
	snprintf(fixture->path, sizeof(fixture->path), "%s/object", fixture->dir);
	make_file(fixture->path, 'a');
	fd = open(fixture->path, O_RDONLY | O_CLOEXEC);
	fstat(fd, &fixture->status);
	fixture->mapping = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	close(fd);
	root_cache_init(&fixture->roots);
	fixture->finder = (struct object_finder){
		.procfs = &fixture->procfs, .roots = &fixture->roots, .own_mnt_ns = (uint32_t)own.st_ino};
	*state = fixture;
	return fixture->mapping == MAP_FAILED ? -1 : 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;
	char command[128];

	munmap(fixture->mapping, PAGE);
	root_cache_release(&fixture->roots);
	procfs_release(&fixture->procfs);
	snprintf(command, sizeof(command), "rm -rf %s", fixture->dir);
	free(fixture);
	return system(command);
}

/* A request for the fixture's file through `pid`, who maps it where we do. */
static struct message_open_object request_through(const struct fixture *fixture, pid_t pid)
{
	struct message_open_object request = {
		.object = 3,
		.mnt_ns = fixture->finder.own_mnt_ns,
		.dev = fixture->status.st_dev,
		.ino = fixture->status.st_ino,
		.candidates = 1,
	};

	request.candidate[0] = (struct message_candidate){
		.map_start = (uint64_t)(uintptr_t)fixture->mapping,
		.map_limit = (uint64_t)(uintptr_t)fixture->mapping + PAGE,
		.tgid = (uint32_t)pid,
	};
	return request;
}

static int try_open(const struct fixture *fixture, const struct message_open_object *request, const char *path,
		    char *ret_first)
{
	struct message_object_opened opened = {.err = 1};
	auto_close int fd = -1;
	int err = object_open(&fixture->finder, request, path, &opened, &fd);

	if (err) {
		assert_int_equal(fd, -1);
		assert_int_equal(opened.err, 1); /* untouched */
		return err;
	}
	assert_int_equal(opened.object, request->object);
	assert_int_equal(opened.err, 0);
	assert_int_equal(opened.size, PAGE);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	assert_int_equal(pread(fd, ret_first, 1, 0), 1);
	return 0;
}

static void need_root(void)
{
	if (geteuid())
		skip();
}

static void a_mapped_file_opens_by_its_path(void **state)
{
	const struct fixture *fixture = *state;
	struct message_open_object request = request_through(fixture, getpid());
	char first = 0;

	request.candidate[0].map_limit = 0;
	assert_int_equal(try_open(fixture, &request, fixture->path, &first), 0);
	assert_int_equal(first, 'a');
	request.candidates = 0; /* our own root serves too */
	assert_int_equal(try_open(fixture, &request, fixture->path, &first), 0);
	request.mnt_ns++; /* but not for another namespace */
	assert_int_equal(try_open(fixture, &request, fixture->path, &first), -ESRCH);
}

static void a_deleted_file_opens_while_it_is_mapped(void **state)
{
	const struct fixture *fixture = *state;
	struct message_open_object request = request_through(fixture, getpid());
	char first = 0;

	need_root();
	assert_int_equal(unlink(fixture->path), 0);
	assert_int_equal(try_open(fixture, &request, fixture->path, &first), 0);
	assert_int_equal(first, 'a');
	/* Even with another file in its place. */
	make_file(fixture->path, 'b');
	assert_int_equal(try_open(fixture, &request, fixture->path, &first), 0);
	assert_int_equal(first, 'a');
	/* Only the path is left: that is not the file we want. */
	request.candidate[0].map_limit = 0;
	assert_int_equal(try_open(fixture, &request, fixture->path, &first), -ESTALE);
	/* An inode that is not known is left to the build id. */
	request.ino = 0;
	assert_int_equal(try_open(fixture, &request, fixture->path, &first), 0);
	assert_int_equal(first, 'b');
}

static void another_device_is_accepted_through_the_mapping_alone(void **state)
{
	const struct fixture *fixture = *state;
	struct message_open_object request = request_through(fixture, getpid());
	char first = 0;

	need_root();
	request.dev++; /* neither stat() nor the mapping says so */
	assert_int_equal(try_open(fixture, &request, fixture->path, &first), -ESTALE);
	assert_true(procfs_maps_file(&fixture->finder.procfs[0], open("/proc/self", O_PATH | O_CLOEXEC),
				     request.candidate[0].map_start, request.candidate[0].map_limit,
				     fixture->status.st_dev, fixture->status.st_ino));
	assert_false(procfs_maps_file(&fixture->finder.procfs[0], open("/proc/self", O_PATH | O_CLOEXEC),
				      request.candidate[0].map_start, request.candidate[0].map_limit,
				      fixture->status.st_dev, fixture->status.st_ino + 1));
}

static void what_is_no_regular_file_is_refused_without_waiting(void **state)
{
	const struct fixture *fixture = *state;
	struct message_open_object request = request_through(fixture, getpid());
	static const char *const paths[] = {"/dev/null", "/dev/zero", "/tmp", "/"};
	char fifo[128], first;

	request.ino = 0;
	request.candidate[0].map_limit = 0;
	snprintf(fifo, sizeof(fifo), "%s/fifo", fixture->dir);
	assert_int_equal(mkfifo(fifo, 0666), 0);
	alarm(10); /* an open that waits for a writer ends the test */
	assert_int_equal(try_open(fixture, &request, fifo, &first), -EINVAL);
	alarm(0);
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		assert_int_equal(try_open(fixture, &request, paths[i], &first), -EINVAL);
}

static void names_that_are_no_path_are_not_opened(void **state)
{
	const struct fixture *fixture = *state;
	struct message_open_object request = request_through(fixture, getpid());
	static const char *const paths[] = {"", "[vdso]", "anon_inode:[perf_event]", "relative", "memfd:x"};
	char first;

	request.ino = 0;
	request.candidate[0].map_limit = 0;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		assert_int_equal(try_open(fixture, &request, paths[i], &first), -ENOENT);
}

static void magic_links_are_not_followed(void **state)
{
	const struct fixture *fixture = *state;
	struct message_open_object request = request_through(fixture, getpid());
	char first;

	request.ino = 0;
	request.candidate[0].map_limit = 0;
	assert_int_equal(try_open(fixture, &request, "/proc/self/exe", &first), -ELOOP);
	assert_int_equal(try_open(fixture, &request, "/proc/self/root/etc/passwd", &first), -ELOOP);
}

static void a_pid_that_was_used_again_is_not_believed(void **state)
{
	const struct fixture *fixture = *state;
	struct message_open_object request = request_through(fixture, getpid());
	char first;

	request.mnt_ns = 0;
	request.candidate[0].start_boottime_ns = 1; /* long before us */
	assert_int_equal(try_open(fixture, &request, fixture->path, &first), -ESRCH);
	request.candidate[0].start_boottime_ns = 0;
	assert_int_equal(try_open(fixture, &request, fixture->path, &first), 0);
}

static void a_later_candidate_helps(void **state)
{
	const struct fixture *fixture = *state;
	struct message_open_object request = request_through(fixture, getpid());
	char first;

	request.candidates = 3;
	request.candidate[2] = request.candidate[0];
	request.candidate[0].tgid = 1u << 22; /* above any pid */
	request.candidate[1].tgid = (uint32_t)getpid();
	request.candidate[1].start_boottime_ns = 1;
	request.mnt_ns = 0;
	assert_int_equal(try_open(fixture, &request, fixture->path, &first), 0);
}

/* A process in a mount namespace of its own, with a tmpfs on the fixture's directory and a file on it. */
static pid_t start_elsewhere(const struct fixture *fixture, int *ret_end)
{
	int ready[2], end[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	assert_int_equal(pipe2(end, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		close(end[1]);
		if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
		    mount("tmpfs", fixture->dir, "tmpfs", 0, NULL))
			_exit(1);
		make_file(fixture->path, 'e');
		if (write(ready[1], "x", 1) != 1)
			_exit(1);
		(void)!read(end[0], &byte, 1);
		_exit(0);
	}
	close(ready[1]);
	close(end[0]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	*ret_end = end[1];
	return pid;
}

static void end_process(pid_t pid, int end)
{
	int status;

	close(end);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void files_of_a_namespace_that_is_gone_open_through_its_held_root(void **state)
{
	struct fixture *fixture = *state;
	struct message_open_object request = {.object = 1};
	int process_fd, end;
	char first = 0;
	pid_t pid;

	need_root();
	pid = start_elsewhere(fixture, &end);
	assert_int_equal(procfs_open_process(&fixture->procfs, (uint32_t)pid, &process_fd), 0);
	assert_int_equal(procfs_namespace(process_fd, "mnt", &request.mnt_ns), 0);
	assert_int_not_equal(request.mnt_ns, fixture->finder.own_mnt_ns);

	/* While it lives: through it, and never through one of another namespace. */
	request.candidates = 1;
	request.candidate[0].tgid = (uint32_t)getpid();
	assert_int_equal(try_open(fixture, &request, fixture->path, &first), -ESRCH);
	request.candidate[0].tgid = (uint32_t)pid;
	assert_int_equal(try_open(fixture, &request, fixture->path, &first), 0);
	assert_int_equal(first, 'e');

	assert_int_equal(root_cache_hold(&fixture->roots, process_fd, request.mnt_ns + 1), -ESTALE);
	assert_int_equal(root_cache_hold(&fixture->roots, process_fd, request.mnt_ns), 0);
	assert_int_equal(root_cache_hold(&fixture->roots, process_fd, request.mnt_ns), 0);
	assert_int_equal(root_cache_count(&fixture->roots), 1);
	end_process(pid, end);
	assert_int_equal(try_open(fixture, &request, fixture->path, &first), 0);
	assert_int_equal(first, 'e');
	assert_int_equal(root_cache_hold(&fixture->roots, process_fd, request.mnt_ns + 1), -ESRCH);
	close(process_fd);

	root_cache_release(&fixture->roots);
	assert_int_equal(try_open(fixture, &request, fixture->path, &first), -ESRCH);
}

static void links_in_a_root_stay_in_it(void **state)
{
	struct fixture *fixture = *state;
	struct message_open_object request = {.object = 1};
	char link[160], target[160], first = 0;
	int process_fd, end;
	pid_t pid;

	need_root();
	/* The same path leads to different files inside and outside. */
	pid = start_elsewhere(fixture, &end);
	snprintf(link, sizeof(link), "/proc/%d/root%s/link", pid, fixture->dir);
	snprintf(target, sizeof(target), "../../../../..%s", fixture->path);
	assert_int_equal(symlink(target, link), 0);
	assert_int_equal(procfs_open_process(&fixture->procfs, (uint32_t)pid, &process_fd), 0);
	assert_int_equal(procfs_namespace(process_fd, "mnt", &request.mnt_ns), 0);
	close(process_fd);
	request.candidates = 1;
	request.candidate[0].tgid = (uint32_t)pid;
	snprintf(link, sizeof(link), "%s/link", fixture->dir);
	assert_int_equal(try_open(fixture, &request, link, &first), 0);
	assert_int_equal(first, 'e');
	end_process(pid, end);
}

static void the_least_recently_used_root_leaves(void **state)
{
	struct fixture *fixture = *state;
	struct root_cache *roots = &fixture->roots;

	/* Entries without descriptors, as the cache's own bookkeeping sees them. */
	for (uint32_t i = 0; i < ROOT_CACHE_MAX; i++)
		roots->entries[i] =
			(struct root_entry){.mnt_ns = i + 1, .root_fd = -1, .ns_fd = -1, .used = ++roots->uses};
	root_cache_find(roots, 1);
	{
		auto_close int process_fd = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);

		assert_int_equal(root_cache_hold(roots, process_fd, fixture->finder.own_mnt_ns), 0);
	}
	assert_int_equal(root_cache_count(roots), ROOT_CACHE_MAX);
	assert_true(root_cache_find(roots, fixture->finder.own_mnt_ns) >= 0);
	assert_int_equal(roots->entries[0].mnt_ns, 1);				/* used just before */
	assert_int_equal(roots->entries[1].mnt_ns, fixture->finder.own_mnt_ns); /* the oldest */
}

static void kernel_symbols_tell_when_they_are_hidden(void **state)
{
	static const char hidden[] = "0000000000000000 A fixed_percpu_data\n0000000000000000 T _stext\n";
	static const char shown[] = "0000000000000000 A fixed_percpu_data\nffffffff81000000 T _stext\n";
	bool is_restricted;
	char first[2];
	int fd;

	(void)state;
	assert_true(kernel_symbols_are_restricted(hidden, sizeof(hidden) - 1));
	assert_false(kernel_symbols_are_restricted(shown, sizeof(shown) - 1));
	assert_true(kernel_symbols_are_restricted("", 0));
	need_root();
	{
		auto_close int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		assert_int_equal(kernel_symbols_open(proc_fd, &fd, &is_restricted), 0);
	}
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 0);
	assert_int_equal(read(fd, first, 2), 2);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_mapped_file_opens_by_its_path, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_deleted_file_opens_while_it_is_mapped, set_up, tear_down),
		cmocka_unit_test_setup_teardown(another_device_is_accepted_through_the_mapping_alone, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(what_is_no_regular_file_is_refused_without_waiting, set_up, tear_down),
		cmocka_unit_test_setup_teardown(names_that_are_no_path_are_not_opened, set_up, tear_down),
		cmocka_unit_test_setup_teardown(magic_links_are_not_followed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_pid_that_was_used_again_is_not_believed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_later_candidate_helps, set_up, tear_down),
		cmocka_unit_test_setup_teardown(files_of_a_namespace_that_is_gone_open_through_its_held_root, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(links_in_a_root_stay_in_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_least_recently_used_root_leaves, set_up, tear_down),
		cmocka_unit_test(kernel_symbols_tell_when_they_are_hidden),
	};

	return cmocka_run_group_tests_name("object_file", tests, NULL, NULL);
}
