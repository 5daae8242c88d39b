/* SPDX-License-Identifier: Apache-2.0 */
/* The opener's loop in a process of its own, asked over a real channel. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
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
#include "ipc/channel.h"
#include "ipc/memfd.h"
#include "ipc/message.h"
#include "opener/opener.h"

#define ORDINARY_UID 12345
#define PAGE 4096
#define WAIT_MS 20000

struct fixture {
	char dir[64];
	struct channel *channel;
	pid_t opener;
	uint32_t id;
};

/* The opener runs in the fixture's directory, as started by `uid`. */
static void start(struct fixture *fixture, uid_t uid, bool with_start)
{
	const struct message_start request = {.invoker_uid = uid, .invoker_gid = uid};
	int ours, theirs;

	snprintf(fixture->dir, sizeof(fixture->dir), "/tmp/hostprof-opener-XXXXXX");
	assert_non_null(mkdtemp(fixture->dir));
	assert_int_equal(chown(fixture->dir, uid, uid), 0);
	assert_int_equal(channel_pair(&ours, &theirs), 0);
	fixture->opener = fork();
	assert_true(fixture->opener >= 0);
	if (!fixture->opener) {
		close(ours);
		_exit(chdir(fixture->dir) ? 99 : opener_main(theirs));
	}
	close(theirs);
	assert_int_equal(channel_new(ours, true, 0, &fixture->channel), 0);
	if (with_start) {
		struct message message;

		assert_int_equal(channel_send(fixture->channel, MESSAGE_START, 1, &request, sizeof(request), -1), 0);
		assert_int_equal(channel_receive(fixture->channel, &message), 1);
		assert_int_equal(message.type, MESSAGE_READY);
	}
}

static int set_up_as(void **state, uid_t uid)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	start(fixture, uid, true);
	*state = fixture;
	return 0;
}

/* As the user who runs the tests. */
static int set_up(void **state)
{
	return set_up_as(state, geteuid());
}

/* As sudo does it. */
static int set_up_as_ordinary_user(void **state)
{
	return set_up_as(state, geteuid() ? geteuid() : ORDINARY_UID);
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;
	char command[128];
	int status;

	channel_free(fixture->channel);
	assert_int_equal(waitpid(fixture->opener, &status, 0), fixture->opener);
	assert_int_equal(status, 0); /* the end of the channel is a normal end */
	snprintf(command, sizeof(command), "rm -rf %s", fixture->dir);
	free(fixture);
	return system(command);
}

static void need_root(void)
{
	if (geteuid())
		skip();
}

static void request(struct fixture *fixture, uint16_t type, const void *fixed, size_t n, const char *text, int fd)
{
	uint8_t payload[8192];
	size_t len = strlen(text);

	assert_true(n + len <= sizeof(payload));
	if (n)
		memcpy(payload, fixed, n);
	memcpy(payload + n, text, len);
	assert_int_equal(channel_send(fixture->channel, type, ++fixture->id, payload, n + len, fd), 0);
}

static void await(struct fixture *fixture, uint16_t type, struct message *ret)
{
	struct pollfd readable = {.fd = channel_fd(fixture->channel), .events = POLLIN};

	assert_int_equal(poll(&readable, 1, WAIT_MS), 1);
	assert_int_equal(channel_receive(fixture->channel, ret), 1);
	assert_string_equal(message_type_name(ret->type), message_type_name(type));
	assert_int_equal(ret->id, fixture->id);
}

/* The error; the descriptor goes to *ret_fd. */
static int open_object(struct fixture *fixture, struct message_open_object object, const char *path, int *ret_fd)
{
	const struct message_object_opened *opened;
	struct message message;
	int err;

	object.path_len = (uint32_t)strlen(path);
	request(fixture, MESSAGE_OPEN_OBJECT, &object, sizeof(object), path, -1);
	await(fixture, MESSAGE_OBJECT_OPENED, &message);
	opened = message.payload;
	assert_int_equal(opened->object, object.object);
	err = opened->err;
	*ret_fd = take_fd(&message.fd);
	message_release(&message);
	return err;
}

static int output_result(struct fixture *fixture, uint16_t type, char path[MESSAGE_MAX_PATH + 1])
{
	const struct message_output_result *result;
	struct message message;

	await(fixture, type, &message);
	result = message.payload;
	memcpy(path, result + 1, result->path_len);
	path[result->path_len] = 0;
	return result->err;
}

static int prepare(struct fixture *fixture, uint32_t number, enum output_place place, uint32_t flags, const char *path)
{
	const struct message_output_prepare prepare = {
		.output = number, .place = place, .flags = flags, .path_len = (uint32_t)strlen(path)};
	char told[MESSAGE_MAX_PATH + 1];
	int err;

	request(fixture, MESSAGE_OUTPUT_PREPARE, &prepare, sizeof(prepare), path, -1);
	err = output_result(fixture, MESSAGE_OUTPUT_PREPARED, told);
	assert_string_equal(told, path);
	return err;
}

static int write_output(struct fixture *fixture, uint32_t number, const char *name, const char *content,
			char told[MESSAGE_MAX_PATH + 1])
{
	const struct message_output_write write = {.output = number, .name_len = (uint32_t)strlen(name)};
	auto_close int fd = -1;

	assert_int_equal(memfd_from_bytes("test", content, strlen(content), &fd), 0);
	request(fixture, MESSAGE_OUTPUT_WRITE, &write, sizeof(write), name, fd);
	return output_result(fixture, MESSAGE_OUTPUT_WRITTEN, told);
}

static void path_in(const struct fixture *fixture, const char *name, char path[160])
{
	snprintf(path, 160, "%s/%s", fixture->dir, name);
}

static void a_ping_tells_what_the_opener_costs(void **state)
{
	struct fixture *fixture = *state;
	const struct message_pong *pong;
	struct message message;

	request(fixture, MESSAGE_PING, NULL, 0, "", -1);
	await(fixture, MESSAGE_PONG, &message);
	pong = message.payload;
	assert_in_range(pong->pss_bytes, 4096, 1u << 30);
	assert_in_range(pong->peak_bytes, 4096, 1u << 30);
	assert_true(pong->cpu_ns > 0);
}

/* A child that maps a page of `path` at a place that we know, and sleeps. */
static pid_t start_mapping_child(const char *path, void **ret_mapping)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0755);
	pid_t pid;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "mapped", 6), 6);
	*ret_mapping = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	assert_ptr_not_equal(*ret_mapping, MAP_FAILED);
	close(fd);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	munmap(*ret_mapping, PAGE); /* the child alone maps it now */
	return pid;
}

static void end_child(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void a_scan_of_one_process_tells_its_mappings(void **state)
{
	struct fixture *fixture = *state;
	struct message_scan scan = {0};
	const struct message_process *process;
	const struct message_mappings *mappings;
	const struct message_scan_done *done;
	struct message message;
	bool is_found = false;
	char path[160];
	const char *text;
	void *mapping;
	pid_t pid;

	path_in(fixture, "a (b) c", path);
	pid = start_mapping_child(path, &mapping);
	scan.tgid = (uint32_t)pid;
	request(fixture, MESSAGE_SCAN, &scan, sizeof(scan), "", -1);
	await(fixture, MESSAGE_PROCESS, &message);
	process = message.payload;
	assert_int_equal(process->tgid, pid);
	assert_int_equal(process->parent_tgid, getpid());
	assert_string_equal(process->comm, "test_opener");
	await(fixture, MESSAGE_MAPPINGS, &message);
	mappings = message.payload;
	assert_int_equal(mappings->is_last, 1);
	text = (const char *)&mappings->mappings[mappings->n];
	for (uint32_t i = 0; i < mappings->n; text += mappings->mappings[i++].path_len)
		if (mappings->mappings[i].start == (uintptr_t)mapping)
			is_found = mappings->mappings[i].path_len == strlen(path) && !memcmp(text, path, strlen(path));
	assert_true(is_found);
	await(fixture, MESSAGE_SCAN_DONE, &message);
	done = message.payload;
	assert_int_equal(done->tgid, pid);
	assert_int_equal(done->processes, 1);
	assert_int_equal(done->errors, 0);
	end_child(pid);

	request(fixture, MESSAGE_SCAN, &scan, sizeof(scan), "", -1);
	await(fixture, MESSAGE_SCAN_DONE, &message);
	done = message.payload;
	assert_int_equal(done->processes, 0);
	assert_int_equal(done->errors, 0);
}

static void a_scan_of_all_ends_with_its_count(void **state)
{
	struct fixture *fixture = *state;
	const struct message_scan scan = {0};
	const struct message_scan_done *done;
	uint32_t processes = 0, lasts = 0;
	bool is_opener_seen = false;
	struct message message;

	request(fixture, MESSAGE_SCAN, &scan, sizeof(scan), "", -1);
	for (;;) {
		assert_int_equal(channel_receive(fixture->channel, &message), 1);
		if (message.type == MESSAGE_SCAN_DONE)
			break;
		if (message.type == MESSAGE_PROCESS) {
			const struct message_process *process = message.payload;

			processes++;
			is_opener_seen |= process->tgid == (uint32_t)fixture->opener;
		} else {
			assert_int_equal(message.type, MESSAGE_MAPPINGS);
			lasts += ((const struct message_mappings *)message.payload)->is_last;
		}
	}
	done = message.payload;
	assert_int_equal(done->processes, processes);
	assert_int_equal(lasts, processes);
	assert_true(is_opener_seen);
}

/* The whole way as sudo's user: another user's process, its deleted file. */
static void a_deleted_file_of_another_user_s_process_opens(void **state)
{
	struct fixture *fixture = *state;
	struct message_open_object object = {.object = 5, .candidates = 1};
	char dir[] = "/tmp/hostprof-secret-XXXXXX", path[64], text[8] = "";
	auto_close int fd = -1;
	void *mapping;
	pid_t pid;

	need_root();
	assert_non_null(mkdtemp(dir)); /* root's, 0700 */
	snprintf(path, sizeof(path), "%s/file", dir);
	pid = start_mapping_child(path, &mapping);
	object.candidate[0] = (struct message_candidate){
		.tgid = (uint32_t)pid, .map_start = (uintptr_t)mapping, .map_limit = (uintptr_t)mapping + PAGE};
	unlink(path);
	assert_int_equal(open_object(fixture, object, path, &fd), 0);
	assert_int_equal(pread(fd, text, 6, 0), 6);
	assert_string_equal(text, "mapped");
	end_child(pid);
	close(take_fd(&fd));
	assert_int_equal(open_object(fixture, object, path, &fd), -ESRCH);
	rmdir(dir);
}

static void a_fifo_does_not_stop_the_opener(void **state)
{
	struct fixture *fixture = *state;
	struct message_open_object object = {.object = 5, .candidates = 1};
	auto_close int fd = -1;
	char path[160];

	object.candidate[0].tgid = (uint32_t)getpid();
	path_in(fixture, "fifo", path);
	assert_int_equal(mkfifo(path, 0666), 0);
	assert_int_equal(open_object(fixture, object, path, &fd), -EINVAL);
}

static void a_root_is_held_when_its_last_process_is_gone(void **state)
{
	struct fixture *fixture = *state;
	struct message_hold_root hold = {0};
	struct message_open_object object = {.object = 6, .candidates = 1};
	int ready[2], end[2];
	auto_close int fd = -1;
	char path[160], byte, text[8] = "";
	struct stat ns;
	pid_t pid;

	need_root();
	path_in(fixture, "inside", path);
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	assert_int_equal(pipe2(end, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		close(end[1]);
		if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
		    mount("tmpfs", fixture->dir, "tmpfs", 0, NULL))
			_exit(1);
		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
		if (write(fd, "inside", 6) != 6 || write(ready[1], "x", 1) != 1)
			_exit(1);
		(void)!read(end[0], &byte, 1);
		_exit(0);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	snprintf(text, sizeof(text), "%d", pid);
	{
		char link[64];

		snprintf(link, sizeof(link), "/proc/%d/ns/mnt", pid);
		assert_int_equal(stat(link, &ns), 0);
	}
	hold = (struct message_hold_root){.tgid = (uint32_t)pid, .mnt_ns = (uint32_t)ns.st_ino};
	request(fixture, MESSAGE_HOLD_ROOT, &hold, sizeof(hold), "", -1);
	a_ping_tells_what_the_opener_costs(state); /* HOLD_ROOT has no answer: this one comes after it */
	close(end[1]);
	assert_int_equal(waitpid(pid, NULL, 0), pid);

	object.mnt_ns = (uint32_t)ns.st_ino;
	object.candidate[0].tgid = (uint32_t)pid;
	assert_int_equal(open_object(fixture, object, path, &fd), 0);
	memset(text, 0, sizeof(text));
	assert_int_equal(pread(fd, text, 6, 0), 6);
	assert_string_equal(text, "inside");
	close(ready[0]);
	close(ready[1]);
	close(end[0]);
}

static int debug_directory(struct fixture *fixture, uint32_t index, const char *path)
{
	const struct message_debug_directory directory = {.index = index, .path_len = (uint32_t)strlen(path)};
	const struct message_debug_directory_opened *opened;
	struct message message;

	request(fixture, MESSAGE_DEBUG_DIRECTORY, &directory, sizeof(directory), path, -1);
	await(fixture, MESSAGE_DEBUG_DIRECTORY_OPENED, &message);
	opened = message.payload;
	assert_int_equal(opened->index, index);
	return opened->err;
}

/* What the debug file holds that is found for a program of ours, at the place or behind it; "" with *ret_err. */
static const char *debug_file(struct fixture *fixture, uint32_t *place, const char *path, int *ret_err)
{
	struct message_open_debug debug = {.kind = DEBUG_LINK,
					   .place = *place,
					   .candidates = 1,
					   .request = 77,
					   .path_len = (uint32_t)strlen(path)};
	const struct message_debug_opened *opened;
	static char content[64];
	struct message message;
	struct stat ns;
	ssize_t n = 0;

	assert_int_equal(stat("/proc/self/ns/mnt", &ns), 0);
	debug.mnt_ns = (uint32_t)ns.st_ino;
	debug.candidate[0].tgid = (uint32_t)getpid();
	request(fixture, MESSAGE_OPEN_DEBUG, &debug, sizeof(debug), path, -1);
	await(fixture, MESSAGE_DEBUG_OPENED, &message);
	opened = message.payload;
	assert_int_equal(opened->request, 77);
	*place = opened->place + 1;
	*ret_err = opened->err;
	if (message.fd >= 0)
		n = pread(message.fd, content, sizeof(content) - 1, 0);
	assert_true(n >= 0);
	content[n] = 0;
	message_release(&message);
	return content;
}

static void make_file(const char *path, const char *content, mode_t mode)
{
	auto_close int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, strlen(content)), strlen(content));
}

static void debug_files_are_found_in_roots_and_directories(void **state)
{
	struct fixture *fixture = *state;
	uint32_t place = 0;
	char path[160];
	int err;

	assert_int_equal(debug_directory(fixture, 0, "nowhere"), -ENOENT);
	path_in(fixture, "extra", path);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(debug_directory(fixture, 0, "extra"), 0); /* relative to where the user is */
	path_in(fixture, "extra/x.debug", path);
	make_file(path, "in extra", 0644);
	path_in(fixture, "x.debug", path);
	make_file(path, "beside", 0644);
	assert_string_equal(debug_file(fixture, &place, path, &err), "beside");
	assert_string_equal(debug_file(fixture, &place, path, &err), "in extra");
	assert_string_equal(debug_file(fixture, &place, path, &err), "");
	assert_int_equal(err, -ENOENT);
}

/* As sudo's user: in a process' root the opener may read what that may, in a directory what the user may. */
static void a_directory_is_read_with_the_user_s_rights(void **state)
{
	struct fixture *fixture = *state;
	uint32_t place = 0;
	char path[160];
	int err;

	need_root();
	path_in(fixture, "extra", path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(chown(path, ORDINARY_UID, ORDINARY_UID), 0);
	assert_int_equal(debug_directory(fixture, 0, "extra"), 0);
	path_in(fixture, "extra/x.debug", path);
	make_file(path, "of root", 0600);
	path_in(fixture, "x.debug", path);
	make_file(path, "beside", 0600);
	assert_string_equal(debug_file(fixture, &place, path, &err), "beside");
	assert_string_equal(debug_file(fixture, &place, path, &err), "");
	assert_int_equal(err, -EACCES);
	assert_int_equal(debug_directory(fixture, 1, "/root"), -EACCES);
}

static void kernel_symbols_come_as_a_descriptor(void **state)
{
	struct fixture *fixture = *state;
	const struct message_kernel_symbols *symbols;
	struct message message;
	char line[32];

	request(fixture, MESSAGE_OPEN_KERNEL_SYMBOLS, NULL, 0, "", -1);
	await(fixture, MESSAGE_KERNEL_SYMBOLS, &message);
	symbols = message.payload;
	assert_int_equal(symbols->err, 0);
	assert_int_equal(read(message.fd, line, sizeof(line)), sizeof(line));
	assert_int_equal(line[16], ' ');
	message_release(&message);
}

static void outputs_belong_to_the_user(void **state)
{
	struct fixture *fixture = *state;
	char told[MESSAGE_MAX_PATH + 1], path[160];
	struct stat status;

	assert_int_equal(prepare(fixture, 1, OUTPUT_DIRECTORY, 0, "./out/"), 0);
	assert_int_equal(write_output(fixture, 1, "all.pb.gz", "profile", told), 0);
	assert_string_equal(told, "./out/all.pb.gz");
	path_in(fixture, "out/all.pb.gz", path);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	assert_int_equal(status.st_size, 7);
	assert_int_equal(status.st_uid, geteuid() ? geteuid() : ORDINARY_UID);
	path_in(fixture, "out", path);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_uid, geteuid() ? geteuid() : ORDINARY_UID);
	assert_int_equal(write_output(fixture, 1, "all.pb.gz", "again", told), -EEXIST);
}

static void outputs_go_where_the_user_may_write_alone(void **state)
{
	struct fixture *fixture = *state;
	char dir[] = "/tmp/hostprof-secret-XXXXXX", path[64];

	need_root();
	assert_non_null(mkdtemp(dir)); /* root's, 0700: not even to be looked into, although the opener could */
	snprintf(path, sizeof(path), "%s/file", dir);
	assert_int_equal(prepare(fixture, 1, OUTPUT_FILE, 0, path), -EACCES);
	assert_int_equal(prepare(fixture, 1, OUTPUT_FILE, 0, "/etc/hostprof-test"), -EACCES);
	assert_int_equal(prepare(fixture, 1, OUTPUT_DIRECTORY, OUTPUT_FORCE, "/etc"), -EACCES);
	rmdir(dir);
}

static void links_and_files_in_the_way_are_told(void **state)
{
	struct fixture *fixture = *state;
	char told[MESSAGE_MAX_PATH + 1], path[160];

	path_in(fixture, "link", path);
	assert_int_equal(symlink("target", path), 0);
	assert_int_equal(prepare(fixture, 1, OUTPUT_FILE, OUTPUT_FORCE, "link"), -ELOOP);
	assert_int_equal(prepare(fixture, 2, OUTPUT_FILE, 0, "file"), 0);
	assert_int_equal(write_output(fixture, 2, "", "one", told), 0);
	assert_string_equal(told, "file");
	assert_int_equal(prepare(fixture, 3, OUTPUT_FILE, 0, "file"), -EEXIST);
	assert_int_equal(prepare(fixture, 3, OUTPUT_FILE, OUTPUT_FORCE, "file"), 0);
	assert_int_equal(write_output(fixture, 9, "", "one", told), -ENOENT);
	assert_string_equal(told, "");
}

static void nothing_is_served_before_start(void **state)
{
	const struct message_scan scan = {0};
	struct fixture fixture = {0};
	struct message message;
	int status;

	(void)state;
	start(&fixture, geteuid(), false);
	request(&fixture, MESSAGE_SCAN, &scan, sizeof(scan), "", -1);
	assert_int_equal(channel_receive(fixture.channel, &message), -EPIPE);
	channel_free(fixture.channel);
	assert_int_equal(waitpid(fixture.opener, &status, 0), fixture.opener);
	assert_int_equal(WEXITSTATUS(status), 1);
	rmdir(fixture.dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_ping_tells_what_the_opener_costs, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_scan_of_one_process_tells_its_mappings, set_up_as_ordinary_user,
						tear_down),
		cmocka_unit_test_setup_teardown(a_scan_of_all_ends_with_its_count, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_deleted_file_of_another_user_s_process_opens, set_up_as_ordinary_user,
						tear_down),
		cmocka_unit_test_setup_teardown(a_fifo_does_not_stop_the_opener, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_root_is_held_when_its_last_process_is_gone, set_up_as_ordinary_user,
						tear_down),
		cmocka_unit_test_setup_teardown(debug_files_are_found_in_roots_and_directories, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_directory_is_read_with_the_user_s_rights, set_up_as_ordinary_user,
						tear_down),
		cmocka_unit_test_setup_teardown(kernel_symbols_come_as_a_descriptor, set_up_as_ordinary_user,
						tear_down),
		cmocka_unit_test_setup_teardown(outputs_belong_to_the_user, set_up_as_ordinary_user, tear_down),
		cmocka_unit_test_setup_teardown(outputs_go_where_the_user_may_write_alone, set_up_as_ordinary_user,
						tear_down),
		cmocka_unit_test_setup_teardown(links_and_files_in_the_way_are_told, set_up, tear_down),
		cmocka_unit_test(nothing_is_served_before_start),
	};

	return cmocka_run_group_tests_name("opener", tests, NULL, NULL);
}
