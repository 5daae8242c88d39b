/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "ipc/memfd.h"
#include "opener/output.h"

#define CONTENT "what was measured"

/* Each test works in a fresh directory that is the working directory. */
struct fixture {
	char dir[64];
	int before; /* the working directory of before */
	struct outputs outputs;
	int content;
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	snprintf(fixture->dir, sizeof(fixture->dir), "/tmp/hostprof-output-XXXXXX");
	fixture->before = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (!mkdtemp(fixture->dir) || chdir(fixture->dir))
		return -1;
	outputs_init(&fixture->outputs);
	*state = fixture;
	return memfd_from_bytes("test", CONTENT, strlen(CONTENT), &fixture->content);
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;
	char command[128];

	outputs_release(&fixture->outputs);
	close(fixture->content);
	snprintf(command, sizeof(command), "rm -rf %s", fixture->dir);
	umount2("disk", MNT_DETACH); /* of a test that failed half-way */
	if (fchdir(fixture->before))
		return -1;
	close(fixture->before);
	free(fixture);
	return system(command);
}

static int prepare(struct fixture *fixture, uint32_t number, enum output_place place, uint32_t flags, const char *path)
{
	const struct message_output_prepare request = {
		.output = number, .place = place, .flags = flags, .path_len = (uint32_t)strlen(path)};

	return outputs_prepare(&fixture->outputs, &request, path);
}

static int write_output(struct fixture *fixture, uint32_t number, const char *name)
{
	uint64_t bytes = 0;
	int err = outputs_write(&fixture->outputs, number, name, fixture->content, &bytes);

	assert_int_equal(bytes, err ? 0 : strlen(CONTENT));
	return err;
}

static void assert_content(const char *path, const char *expected)
{
	char text[64] = "";
	struct stat status;
	auto_close int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_true(read(fd, text, sizeof(text) - 1) >= 0);
	assert_string_equal(text, expected);
	assert_int_equal(fstat(fd, &status), 0);
	assert_int_equal(status.st_nlink, 1);
	assert_int_equal(status.st_mode & 07777, 0600);
}

static void put_file(const char *path, const char *text)
{
	auto_close int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static size_t files_in(const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;
	size_t n = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		n += strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
	closedir(dir);
	return n;
}

static void a_file_is_written_complete_and_private(void **state)
{
	struct fixture *fixture = *state;
	mode_t mask = umask(0);

	assert_int_equal(prepare(fixture, 1, OUTPUT_FILE, 0, "all.pb.gz"), 0);
	assert_int_equal(files_in("."), 0);
	assert_int_equal(write_output(fixture, 1, ""), 0);
	umask(0777);
	assert_int_equal(prepare(fixture, 2, OUTPUT_FILE, 0, "./other"), 0);
	assert_int_equal(write_output(fixture, 2, ""), 0);
	umask(mask);
	assert_content("all.pb.gz", CONTENT);
	assert_content("other", CONTENT);
	assert_int_equal(files_in("."), 2);
}

static void an_empty_content_makes_an_empty_file(void **state)
{
	struct fixture *fixture = *state;
	auto_close int empty = -1;
	uint64_t bytes = 1;

	assert_int_equal(memfd_from_bytes("test", NULL, 0, &empty), 0);
	assert_int_equal(prepare(fixture, 1, OUTPUT_FILE, 0, "empty"), 0);
	assert_int_equal(outputs_write(&fixture->outputs, 1, "", empty, &bytes), 0);
	assert_int_equal(bytes, 0);
	assert_content("empty", "");
}

static void what_cannot_be_written_is_known_when_prepared(void **state)
{
	static const struct {
		const char *path;
		enum output_place place;
		uint32_t flags;
		int err;
	} cases[] = {
		{"there", OUTPUT_FILE, 0, -EEXIST},
		{"there", OUTPUT_FILE, OUTPUT_FORCE, 0},
		{"there", OUTPUT_DIRECTORY, 0, -ENOTDIR},
		{"there", OUTPUT_DIRECTORY, OUTPUT_FORCE, -ENOTDIR},
		{"there/x", OUTPUT_FILE, 0, -ENOTDIR},
		{"missing/x", OUTPUT_FILE, 0, -ENOENT},
		{"missing/x", OUTPUT_DIRECTORY, 0, -ENOENT},
		{"link", OUTPUT_FILE, 0, -ELOOP},
		{"link", OUTPUT_FILE, OUTPUT_FORCE, -ELOOP},
		{"dangling", OUTPUT_FILE, OUTPUT_FORCE, -ELOOP},
		{"dangling", OUTPUT_DIRECTORY, OUTPUT_FORCE, -ELOOP},
		{"dirlink", OUTPUT_DIRECTORY, OUTPUT_FORCE, -ELOOP},
		{"dirlink/", OUTPUT_DIRECTORY, OUTPUT_FORCE, -ELOOP},
		{"fifo", OUTPUT_FILE, OUTPUT_FORCE, -EINVAL},
		{"/dev/null", OUTPUT_FILE, OUTPUT_FORCE, -EINVAL},
		{"full", OUTPUT_DIRECTORY, 0, -EEXIST},
		{"full", OUTPUT_DIRECTORY, OUTPUT_FORCE, 0},
		{"full", OUTPUT_DIRECTORY, OUTPUT_AGAIN, 0},
		{"empty", OUTPUT_DIRECTORY, 0, 0},
		{"empty//", OUTPUT_DIRECTORY, 0, 0},
		{"empty", OUTPUT_FILE, OUTPUT_FORCE, -EISDIR},
		{"new/", OUTPUT_FILE, 0, -ENOENT},
		{"empty/", OUTPUT_FILE, 0, -EISDIR},
		{".", OUTPUT_FILE, 0, -EISDIR},
		{"empty/..", OUTPUT_FILE, 0, -EISDIR},
		{"/proc/x", OUTPUT_FILE, 0, -ENOENT},
	};
	struct fixture *fixture = *state;

	put_file("there", "old");
	assert_int_equal(symlink("there", "link"), 0);
	assert_int_equal(symlink("nowhere", "dangling"), 0);
	assert_int_equal(symlink("empty", "dirlink"), 0);
	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_int_equal(mkdir("full", 0700), 0);
	assert_int_equal(mkdir("empty", 0700), 0);
	put_file("full/file", "old");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int err = prepare(fixture, 1, cases[i].place, cases[i].flags, cases[i].path);

		/* The name of a missing directory with a slash is refused, with which errno is the kernel's affair. */
		if (cases[i].err == -ENOENT ? err >= 0 : err != cases[i].err)
			fail_msg("%s, place %d, flags %u: %d and not %d", cases[i].path, (int)cases[i].place,
				 cases[i].flags, err, cases[i].err);
	}
	assert_int_equal(files_in("."), 7); /* nothing came, nothing went */
	assert_int_equal(files_in("empty"), 0);
}

static void a_directory_is_made_and_filled(void **state)
{
	struct fixture *fixture = *state;
	struct stat status;
	mode_t mask = umask(022);

	assert_int_equal(prepare(fixture, 7, OUTPUT_DIRECTORY, 0, "out/"), 0);
	umask(mask);
	assert_int_equal(stat("out", &status), 0);
	assert_int_equal(status.st_mode & 07777, 0755);
	assert_int_equal(write_output(fixture, 7, "cat-1.pb.gz"), 0);
	assert_int_equal(write_output(fixture, 7, "all.pb.gz"), 0);
	assert_int_equal(write_output(fixture, 7, "all.pb.gz"), -EEXIST);
	assert_content("out/cat-1.pb.gz", CONTENT);
	assert_content("out/all.pb.gz", CONTENT);
	assert_int_equal(files_in("out"), 2);
}

static void names_cannot_leave_their_directory(void **state)
{
	static const char *const names[] = {"../x", "/x", "a/b", "..", ".", ".x", "a b", ""};
	struct fixture *fixture = *state;

	assert_int_equal(prepare(fixture, 1, OUTPUT_DIRECTORY, 0, "out"), 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_int_equal(write_output(fixture, 1, names[i]), -EINVAL);
	assert_int_equal(prepare(fixture, 2, OUTPUT_FILE, 0, "file"), 0);
	assert_int_equal(write_output(fixture, 2, "name"), -EINVAL);
	assert_int_equal(write_output(fixture, 3, ""), -ENOENT);
	assert_int_equal(files_in("out"), 0);
	assert_int_equal(files_in("."), 1);
}

static void what_appears_meanwhile_is_not_overwritten(void **state)
{
	struct fixture *fixture = *state;
	char text[8] = "";
	auto_close int fd = -1;

	assert_int_equal(prepare(fixture, 1, OUTPUT_FILE, 0, "file"), 0);
	put_file("file", "theirs");
	assert_int_equal(write_output(fixture, 1, ""), -EEXIST);
	fd = open("file", O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(fd, text, sizeof(text) - 1), 6);
	assert_string_equal(text, "theirs");

	assert_int_equal(unlink("file"), 0);
	assert_int_equal(symlink("target", "file"), 0);
	assert_int_equal(write_output(fixture, 1, ""), -ELOOP);
	assert_int_equal(access("target", F_OK), -1);
	assert_int_equal(files_in("."), 1);
}

static void force_replaces_the_file_as_a_whole(void **state)
{
	struct fixture *fixture = *state;
	char text[8] = "";
	auto_close int old = -1;

	put_file("file", "old");
	old = open("file", O_RDONLY | O_CLOEXEC);
	assert_int_equal(prepare(fixture, 1, OUTPUT_FILE, OUTPUT_FORCE, "file"), 0);
	assert_int_equal(write_output(fixture, 1, ""), 0);
	assert_content("file", CONTENT);
	assert_int_equal(read(old, text, sizeof(text) - 1), 3); /* who had it open still sees the old one */
	assert_int_equal(write_output(fixture, 1, ""), 0);
	assert_int_equal(files_in("."), 1);
}

static void a_directory_that_is_swapped_leads_nowhere(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(mkdir("theirs", 0700), 0);
	assert_int_equal(prepare(fixture, 1, OUTPUT_DIRECTORY, 0, "out"), 0);
	assert_int_equal(rename("out", "moved"), 0);
	assert_int_equal(symlink("theirs", "out"), 0);
	assert_int_equal(write_output(fixture, 1, "all.pb.gz"), 0);
	assert_int_equal(files_in("theirs"), 0);
	assert_content("moved/all.pb.gz", CONTENT);
}

static void only_sealed_memory_is_written(void **state)
{
	struct fixture *fixture = *state;
	auto_close int open_memfd = -1;
	uint64_t bytes;

	assert_int_equal(memfd_new("test", &open_memfd), 0);
	assert_int_equal(write(open_memfd, "x", 1), 1);
	assert_int_equal(prepare(fixture, 1, OUTPUT_FILE, 0, "file"), 0);
	assert_int_equal(outputs_write(&fixture->outputs, 1, "", open_memfd, &bytes), -EPERM);
	assert_int_equal(files_in("."), 0);
}

static void a_full_disk_leaves_nothing_behind(void **state)
{
	enum { CONTENT_BYTES = 1 << 20 };
	struct fixture *fixture = *state;
	static char large[CONTENT_BYTES];
	auto_close int content = -1;
	uint64_t bytes = 7;
	int err, forced;

	if (mkdir("disk", 0700) || mount("tmpfs", "disk", "tmpfs", 0, "size=64k"))
		skip(); /* not root */
	assert_int_equal(memfd_from_bytes("test", large, sizeof(large), &content), 0);
	assert_int_equal(prepare(fixture, 1, OUTPUT_DIRECTORY, 0, "disk"), 0);
	err = outputs_write(&fixture->outputs, 1, "all.pb.gz", content, &bytes);
	assert_int_equal(prepare(fixture, 2, OUTPUT_DIRECTORY, OUTPUT_FORCE, "disk"), 0);
	forced = outputs_write(&fixture->outputs, 2, "all.pb.gz", content, &bytes);
	assert_int_equal(files_in("disk"), 0);
	outputs_release(&fixture->outputs);
	assert_int_equal(umount2("disk", MNT_DETACH), 0);
	assert_int_equal(err, -ENOSPC);
	assert_int_equal(forced, -ENOSPC);
	assert_int_equal(bytes, 7);
}

/* Runs in a process of its own, since what it does to itself cannot be undone; 0 when it is content. */
static void run(struct fixture *fixture, int (*body)(struct fixture *fixture))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid)
		_exit(body(fixture));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* A limit stands in for a disk that is full. */
static int write_too_much(struct fixture *fixture)
{
	const struct rlimit little = {.rlim_cur = 4, .rlim_max = 4};
	uint64_t bytes;

	signal(SIGXFSZ, SIG_IGN);
	if (setrlimit(RLIMIT_FSIZE, &little))
		return 2;
	return outputs_write(&fixture->outputs, 1, "", fixture->content, &bytes) == -EFBIG ? 0 : 1;
}

/* From here on there is neither O_TMPFILE nor renameat2(), as on network file systems. */
static int forget_modern_calls(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int err = filter ? 0 : -ENOMEM;

	if (!err)
		err = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EOPNOTSUPP), SCMP_SYS(openat), 1,
				       SCMP_A2(SCMP_CMP_MASKED_EQ, O_TMPFILE, O_TMPFILE));
	if (!err)
		err = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EINVAL), SCMP_SYS(renameat2), 0);
	if (!err)
		err = seccomp_load(filter);
	seccomp_release(filter);
	return err;
}

static int write_without_modern_calls(struct fixture *fixture)
{
	uint64_t bytes;

	if (forget_modern_calls())
		return 2;
	if (prepare(fixture, 1, OUTPUT_FILE, 0, "plain") || prepare(fixture, 2, OUTPUT_FILE, OUTPUT_FORCE, "forced"))
		return 3;
	if (outputs_write(&fixture->outputs, 1, "", fixture->content, &bytes) ||
	    outputs_write(&fixture->outputs, 2, "", fixture->content, &bytes))
		return 4;
	return outputs_write(&fixture->outputs, 1, "", fixture->content, &bytes) == -EEXIST ? 0 : 5;
}

static int write_too_much_without_modern_calls(struct fixture *fixture)
{
	return forget_modern_calls() ? 3 : write_too_much(fixture);
}

static void a_write_that_is_cut_leaves_nothing_behind(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(prepare(fixture, 1, OUTPUT_FILE, 0, "file"), 0);
	run(fixture, write_too_much);
	assert_int_equal(files_in("."), 0);
	run(fixture, write_too_much_without_modern_calls);
	assert_int_equal(files_in("."), 0);
}

static void old_file_systems_serve_too(void **state)
{
	struct fixture *fixture = *state;

	put_file("forced", "old");
	run(fixture, write_without_modern_calls);
	assert_content("plain", CONTENT);
	assert_content("forced", CONTENT);
	assert_int_equal(files_in("."), 2);
}

static void there_is_a_maximum_of_outputs(void **state)
{
	struct fixture *fixture = *state;
	char path[32];

	for (uint32_t i = 0; i < OUTPUTS_MAX; i++) {
		snprintf(path, sizeof(path), "file-%u", i);
		assert_int_equal(prepare(fixture, 100 + i, OUTPUT_FILE, 0, path), 0);
	}
	assert_int_equal(prepare(fixture, 1, OUTPUT_FILE, 0, "more"), -E2BIG);
	assert_int_equal(prepare(fixture, 100, OUTPUT_FILE, 0, "again"), 0); /* takes the place of the first */
	assert_int_equal(write_output(fixture, 100, ""), 0);
	assert_content("again", CONTENT);
}

static void the_path_is_told_as_the_user_wrote_it(void **state)
{
	static const struct {
		const char *given, *name, *told;
		enum output_place place;
	} cases[] = {
		{"./out/", "x.pb.gz", "./out/x.pb.gz", OUTPUT_DIRECTORY},
		{"out", "", "out", OUTPUT_DIRECTORY},
		{"./file", "", "./file", OUTPUT_FILE},
	};
	struct fixture *fixture = *state;
	char path[64];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(prepare(fixture, 1, cases[i].place, 0, cases[i].given), 0);
		assert_int_equal(outputs_path(&fixture->outputs, 1, cases[i].name, path, sizeof(path)),
				 strlen(cases[i].told));
		assert_string_equal(path, cases[i].told);
	}
	assert_int_equal(outputs_path(&fixture->outputs, 1, "", path, 4), 3);
	assert_int_equal(outputs_path(&fixture->outputs, 9, "", path, sizeof(path)), 0);
	assert_string_equal(path, "");
}

static void a_directory_that_stayed_empty_is_removed_and_another_is_not(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(mkdir("before", 0755), 0);
	assert_int_equal(prepare(fixture, 1, OUTPUT_DIRECTORY, 0, "before"), 0);
	assert_int_equal(prepare(fixture, 2, OUTPUT_DIRECTORY, 0, "unused"), 0);
	assert_int_equal(prepare(fixture, 3, OUTPUT_DIRECTORY, 0, "used"), 0);
	assert_int_equal(write_output(fixture, 3, "file"), 0);
	assert_int_equal(access("unused", F_OK), 0);
	outputs_release(&fixture->outputs);
	assert_int_equal(access("before", F_OK), 0);
	assert_int_equal(access("unused", F_OK), -1);
	assert_content("used/file", CONTENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_file_is_written_complete_and_private, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_empty_content_makes_an_empty_file, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_cannot_be_written_is_known_when_prepared, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_directory_is_made_and_filled, set_up, tear_down),
		cmocka_unit_test_setup_teardown(names_cannot_leave_their_directory, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_appears_meanwhile_is_not_overwritten, set_up, tear_down),
		cmocka_unit_test_setup_teardown(force_replaces_the_file_as_a_whole, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_directory_that_is_swapped_leads_nowhere, set_up, tear_down),
		cmocka_unit_test_setup_teardown(only_sealed_memory_is_written, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_full_disk_leaves_nothing_behind, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_write_that_is_cut_leaves_nothing_behind, set_up, tear_down),
		cmocka_unit_test_setup_teardown(old_file_systems_serve_too, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_directory_that_stayed_empty_is_removed_and_another_is_not, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(there_is_a_maximum_of_outputs, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_path_is_told_as_the_user_wrote_it, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("output", tests, NULL, NULL);
}
