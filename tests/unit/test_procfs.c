/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "ipc/channel.h"
#include "opener/procfs.h"

/* --- parsers --- */

static int parse_stat(const char *text, struct proc_stat *ret)
{
	return proc_stat_parse(text, strlen(text), ret);
}

static void stat_comm_ends_at_the_last_parenthesis(void **state)
{
	static const struct {
		const char *text, *comm;
		char state;
	} cases[] = {
		{"42 (cat) S 1 2 3 4 5 4194304 0 0 0 0 0 0 0 0 20 0 7 0 123456 1000", "cat", 'S'},
		{"42 (a b) R 1 2 3 4 5 4194304 0 0 0 0 0 0 0 0 20 0 7 0 123456 1000", "a b", 'R'},
		{"42 () S 99 () R 1 2 3 4 5 4194304 0 0 0 0 0 0 0 0 20 0 7 0 123456 1000", ") S 99 (", 'R'},
		{"42 (a\nb) Z 1 2 3 4 5 4194304 0 0 0 0 0 0 0 0 20 0 7 0 123456 1000", "a\nb", 'Z'},
		{"42 (kworker/u8:1-events_unbound) I 1 2 3 4 5 4194304 0 0 0 0 0 0 0 0 20 0 7 0 123456 1000",
		 "kworker/u8:1-ev", 'I'},
		{"42 () S 1 2 3 4 5 4194304 0 0 0 0 0 0 0 0 20 0 7 0 123456", "", 'S'},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct proc_stat stat;

		assert_int_equal(parse_stat(cases[i].text, &stat), 0);
		assert_string_equal(stat.comm, cases[i].comm);
		assert_int_equal(stat.state, cases[i].state);
		assert_int_equal(stat.parent_tgid, 1);
		assert_int_equal(stat.threads, 7);
		assert_int_equal(stat.start_ticks, 123456);
		assert_false(stat.is_kernel_thread);
	}
}

static void stat_flags_tell_kernel_threads(void **state)
{
	struct proc_stat stat;

	(void)state;
	assert_int_equal(parse_stat("2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 3 0", &stat), 0);
	assert_true(stat.is_kernel_thread);
}

static void stat_that_is_cut_or_odd_is_refused(void **state)
{
	static const char *const cases[] = {
		"",
		"42",
		"42 (cat",
		"42 )cat(",
		"42 (cat)",
		"42 (cat) S",
		"42 (cat) SS 1 2 3 4 5 4194304 0 0 0 0 0 0 0 0 20 0 7 0 123456",
		"42 (cat) S x 2 3 4 5 4194304 0 0 0 0 0 0 0 0 20 0 7 0 123456",
		"42 (cat) S 99999999999 2 3 4 5 4194304 0 0 0 0 0 0 0 0 20 0 7 0 123456",
		"42 (cat) S 1 2 3 4 5 4194304 0 0 0 0 0 0 0 0 20 0 7 0",
		"42 (cat) S 1 2 3 4 5 4194304 0 0 0 0 0 0 0 0 20 0 7 0 99999999999999999999999",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct proc_stat stat;

		assert_int_equal(parse_stat(cases[i], &stat), -EBADMSG);
	}
}

static void status_gives_real_uid_and_innermost_pid(void **state)
{
	static const char text[] =
		"Name:\tx\nUmask:\t0022\nUid:\t1000\t0\t0\t0\nGid:\t1\t1\t1\t1\nNSpid:\t4711\t12\t1\n";
	static const char old[] = "Name:\tx\nUid:\t7\t7\t7\t7\n";
	static const char none[] = "Name:\tUid:\n";
	struct proc_status status;

	(void)state;
	assert_int_equal(proc_status_parse(text, sizeof(text) - 1, &status), 0);
	assert_int_equal(status.uid, 1000);
	assert_int_equal(status.inner_tgid, 1);
	assert_int_equal(proc_status_parse(old, sizeof(old) - 1, &status), 0);
	assert_int_equal(status.uid, 7);
	assert_int_equal(status.inner_tgid, 0);
	assert_int_equal(proc_status_parse(none, sizeof(none) - 1, &status), -EBADMSG);
}

static int parse_map(const char *text, struct proc_map *ret)
{
	struct cursor line;

	cursor_init(&line, text, strlen(text));
	return proc_map_parse(line, ret);
}

static void maps_lines_give_range_file_and_path(void **state)
{
	static const struct {
		const char *line, *path;
		uint64_t start, limit, file_off, ino;
		uint32_t dev_major, dev_minor;
		bool is_executable;
	} cases[] = {
		{"55d0a1c2b000-55d0a1c30000 r-xp 00002000 fe:01 1234      /usr/bin/cat", "/usr/bin/cat", 0x55d0a1c2b000,
		 0x55d0a1c30000, 0x2000, 1234, 0xfe, 1, true},
		{"7f0000000000-7f0000001000 rw-p 00000000 00:00 0 ", "", 0x7f0000000000, 0x7f0000001000, 0, 0, 0, 0,
		 false},
		{"7f0000000000-7f0000001000 rwxp 00000000 00:00 0", "", 0x7f0000000000, 0x7f0000001000, 0, 0, 0, 0,
		 true},
		{"1000-2000 r-xs 00001000 103:05 18446744073709551615 /a b (deleted)", "/a b (deleted)", 0x1000, 0x2000,
		 0x1000, UINT64_MAX, 0x103, 5, true},
		{"1000-2000 --xp 00000000 00:01 2 /new\\012line", "/new\nline", 0x1000, 0x2000, 0, 2, 0, 1, true},
		{"1000-2000 --xp 00000000 00:01 2 /back\\slash\\0123", "/back\\slash\n3", 0x1000, 0x2000, 0, 2, 0, 1,
		 true},
		{"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]", "[vsyscall]",
		 0xffffffffff600000, 0xffffffffff601000, 0, 0, 0, 0, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct proc_map map;
		char path[64];
		int len;

		assert_int_equal(parse_map(cases[i].line, &map), 0);
		assert_true(map.start == cases[i].start && map.limit == cases[i].limit);
		assert_true(map.file_off == cases[i].file_off && map.ino == cases[i].ino);
		assert_true(map.dev_major == cases[i].dev_major && map.dev_minor == cases[i].dev_minor);
		assert_int_equal(map.is_executable, cases[i].is_executable);
		len = proc_map_path(&map, path, sizeof(path));
		assert_int_equal(len, strlen(cases[i].path));
		assert_memory_equal(path, cases[i].path, (size_t)len);
	}
}

static void maps_lines_that_make_no_sense_are_refused(void **state)
{
	static const char *const cases[] = {
		"",
		"x",
		"1000",
		"1000-",
		"1000-2000",
		"1000-2000 r-x 0 00:00 0",
		"2000-1000 r-xp 00000000 00:00 0",
		"1000-1000 r-xp 00000000 00:00 0",
		"1000-2000 r-xp 00000000 00 0",
		"1000-2000 r-xp 00000000 00:00 x",
		"1000-2000 r-xp 00000000 00:00",
		"1000-2000 r-xp 00000000 100000000:00 0",
		"11111111111111111-22222222222222222 r-xp 00000000 00:00 0",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct proc_map map;

		assert_int_equal(parse_map(cases[i], &map), -EBADMSG);
	}
}

static void a_map_path_that_does_not_fit_is_refused(void **state)
{
	struct proc_map map;
	char path[4];

	(void)state;
	assert_int_equal(parse_map("1000-2000 r-xp 0 00:00 0 /abc", &map), 0);
	assert_int_equal(proc_map_path(&map, path, 4), 4);
	assert_int_equal(proc_map_path(&map, path, 3), -ENAMETOOLONG);
}

static void the_cgroup_is_v2_or_memory_or_pids(void **state)
{
	static const struct {
		const char *text, *path;
		enum cgroup_hierarchy hierarchy;
	} cases[] = {
		{"0::/system.slice/a.service\n", "/system.slice/a.service", CGROUP_UNIFIED},
		{"0::/\n", "/", CGROUP_UNIFIED},
		{"9:pids:/p\n4:memory:/m\n0::/\n", "/m", CGROUP_MEMORY},
		{"9:pids:/p\n1:cpu,cpuacct:/c\n0::/\n", "/p", CGROUP_PIDS},
		{"4:memory:/m\n0::/u\n", "/u", CGROUP_UNIFIED},
		{"4:hugetlb,memory:/m:with:colons\n", "/m:with:colons", CGROUP_MEMORY},
		{"4:memory2:/no\n9:pids:/p", "/p", CGROUP_PIDS},
		{"1:name=systemd:/s\n9:pids:/p\n", "/p", CGROUP_PIDS},
	};
	struct proc_cgroup cgroup;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(proc_cgroup_parse(cases[i].text, strlen(cases[i].text), &cgroup), 0);
		assert_int_equal(cgroup.hierarchy, cases[i].hierarchy);
		assert_int_equal(cgroup.path_len, strlen(cases[i].path));
		assert_memory_equal(cgroup.path, cases[i].path, cgroup.path_len);
	}
	assert_int_equal(proc_cgroup_parse("", 0, &cgroup), -ENOENT);
	assert_int_equal(proc_cgroup_parse("1:cpu:/\n", 8, &cgroup), -ENOENT);
	assert_int_equal(proc_cgroup_parse("0::x\n", 5, &cgroup), -EBADMSG);
	assert_int_equal(proc_cgroup_parse("0:\n", 3, &cgroup), -EBADMSG);
	assert_int_equal(proc_cgroup_parse("\n", 1, &cgroup), -EBADMSG);
}

static void a_namespace_is_its_inode_number(void **state)
{
	uint32_t ino = 0;

	(void)state;
	assert_int_equal(proc_namespace_parse("mnt:[4026531841]", 16, &ino), 0);
	assert_int_equal(ino, 4026531841u);
	assert_int_equal(proc_namespace_parse("mnt:[4026531841", 15, &ino), -EBADMSG);
	assert_int_equal(proc_namespace_parse("mnt:[40265318410]", 17, &ino), -EBADMSG);
	assert_int_equal(proc_namespace_parse("", 0, &ino), -EBADMSG);
}

/* --- readers --- */

/* What a scan told, in short. */
struct told {
	struct message_process process;
	char cgroup[MESSAGE_MAX_PATH + 1];
	uint32_t processes, mappings, lasts, messages;
	uint64_t text_ip; /* looked for in the mappings */
	char text_path[MESSAGE_MAX_PATH + 1];
	uint64_t text_ino, previous_limit;
	bool is_in_order;
};

static int hear(void *ctx, uint16_t type, const void *payload, size_t len)
{
	const struct message_process *process = payload;
	const struct message_mappings *mappings = payload;
	struct told *told = ctx;
	const char *path;

	assert_int_equal(message_check(type, payload, len, false), 0);
	told->messages++;
	if (type == MESSAGE_PROCESS) {
		told->process = *process;
		memcpy(told->cgroup, process + 1, process->cgroup_len);
		told->cgroup[process->cgroup_len] = 0;
		told->processes++;
		told->is_in_order = true;
		told->previous_limit = 0;
		return 0;
	}
	assert_int_equal(type, MESSAGE_MAPPINGS);
	assert_int_equal(mappings->tgid, told->process.tgid);
	assert_true(mappings->start_boottime_ns == told->process.start_boottime_ns);
	told->lasts += mappings->is_last;
	told->mappings += mappings->n;
	path = (const char *)&mappings->mappings[mappings->n];
	for (uint32_t i = 0; i < mappings->n; path += mappings->mappings[i++].path_len) {
		const struct message_mapping *mapping = &mappings->mappings[i];

		told->is_in_order &= mapping->start >= told->previous_limit;
		told->previous_limit = mapping->limit;
		if (told->text_ip < mapping->start || told->text_ip >= mapping->limit)
			continue;
		memcpy(told->text_path, path, mapping->path_len);
		told->text_path[mapping->path_len] = 0;
		told->text_ino = mapping->ino;
	}
	return 0;
}

static void procfs_of_the_system(struct procfs *procfs)
{
	auto_close int mountinfo = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);

	assert_int_equal(procfs_init(procfs, open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC), mountinfo), 0);
}

static void we_find_ourselves(void **state)
{
	struct told told = {.text_ip = (uint64_t)(uintptr_t)we_find_ourselves};
	const struct procfs_sink sink = {.send = hear, .ctx = &told};
	uint32_t errors = 0, mnt_ns = 0;
	struct procfs procfs;
	struct timespec boot;
	uint64_t now_ns;
	struct stat self;
	int process_fd;

	(void)state;
	procfs_of_the_system(&procfs);
	assert_int_equal(procfs_scan_process(&procfs, (uint32_t)getpid(), &sink, &errors), 0);
	assert_int_equal(errors, 0);
	assert_int_equal(told.processes, 1);
	assert_int_equal(told.lasts, 1);
	assert_int_equal(told.process.tgid, getpid());
	assert_int_equal(told.process.parent_tgid, getppid());
	assert_int_equal(told.process.uid, getuid());
	assert_int_equal(told.process.inner_tgid, getpid());
	assert_string_equal(told.process.comm, "test_procfs");
	assert_true(told.process.pid_ns != 0);
	assert_true(told.is_in_order);
	assert_int_equal(stat("/proc/self/exe", &self), 0);
	assert_true(told.text_ino == self.st_ino);
	assert_non_null(strstr(told.text_path, "/test_procfs"));

	/* Started less than a minute ago on the clock that runs in sleep too. */
	clock_gettime(CLOCK_BOOTTIME, &boot);
	now_ns = (uint64_t)boot.tv_sec * NSEC_PER_SEC + (uint64_t)boot.tv_nsec;
	assert_in_range(told.process.start_boottime_ns, now_ns - 60 * NSEC_PER_SEC, now_ns);

	assert_int_equal(procfs_open_process(&procfs, (uint32_t)getpid(), &process_fd), 0);
	assert_int_equal(procfs_namespace(process_fd, "mnt", &mnt_ns), 0);
	assert_int_equal(told.process.mnt_ns, mnt_ns);
	assert_int_equal(procfs_check_start(&procfs, process_fd, told.process.start_boottime_ns), 0);
	assert_int_equal(procfs_check_start(&procfs, process_fd, told.process.start_boottime_ns + 1), 0);
	assert_int_equal(procfs_check_start(&procfs, process_fd, 0), 0);
	assert_int_equal(procfs_check_start(&procfs, process_fd, told.process.start_boottime_ns - 1), -ESRCH);
	assert_int_equal(procfs_check_start(&procfs, process_fd, told.process.start_boottime_ns + NSEC_PER_SEC),
			 -ESRCH);
	close(process_fd);
	procfs_release(&procfs);
}

static void the_whole_host_is_scanned(void **state)
{
	struct told told = {0};
	const struct procfs_sink sink = {.send = hear, .ctx = &told};
	uint32_t processes = 0, errors = 0;
	struct procfs procfs;

	(void)state;
	procfs_of_the_system(&procfs);
	assert_int_equal(procfs_scan_all(&procfs, &sink, &processes, &errors), 0);
	assert_int_equal(processes, told.processes);
	assert_int_equal(told.lasts, told.processes); /* each list is closed */
	assert_true(processes >= 2);
	procfs_release(&procfs);
}

static void a_process_that_is_not_there_is_esrch(void **state)
{
	struct told told = {0};
	const struct procfs_sink sink = {.send = hear, .ctx = &told};
	uint32_t errors = 0;
	struct procfs procfs;
	pid_t pid = fork();

	(void)state;
	if (!pid)
		_exit(0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	procfs_of_the_system(&procfs);
	assert_int_equal(procfs_scan_process(&procfs, (uint32_t)pid, &sink, &errors), -ESRCH);
	assert_int_equal(errors, 0);
	assert_int_equal(told.messages, 0);
	procfs_release(&procfs);
}

static void a_zombie_has_no_mappings_and_is_no_error(void **state)
{
	struct told told = {0};
	const struct procfs_sink sink = {.send = hear, .ctx = &told};
	uint32_t errors = 0;
	struct procfs procfs;
	siginfo_t info;
	pid_t pid = fork();

	(void)state;
	if (!pid)
		_exit(0);
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	procfs_of_the_system(&procfs);
	assert_int_equal(procfs_scan_process(&procfs, (uint32_t)pid, &sink, &errors), 0);
	assert_int_equal(told.processes, 1);
	assert_int_equal(told.lasts, 1);
	assert_int_equal(told.mappings, 0);
	procfs_release(&procfs);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static int leader_gone_pipe[2];

static void *outlive_the_leader(void *arg)
{
	char path[64], text[512];
	FILE *file;

	(void)arg;
	/* The leader is gone when its state says so. */
	do {
		snprintf(path, sizeof(path), "/proc/%d/stat", getpid());
		file = fopen(path, "re");
		text[fread(text, 1, sizeof(text) - 1, file)] = 0;
		fclose(file);
	} while (!strstr(text, ") Z "));
	(void)!write(leader_gone_pipe[1], "x", 1);
	for (;;)
		pause();
	return NULL;
}

static void mappings_survive_the_first_thread(void **state)
{
	struct told told = {.text_ip = (uint64_t)(uintptr_t)mappings_survive_the_first_thread};
	const struct procfs_sink sink = {.send = hear, .ctx = &told};
	uint32_t errors = 0;
	struct procfs procfs;
	char byte;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe2(leader_gone_pipe, O_CLOEXEC), 0);
	pid = fork();
	if (!pid) {
		pthread_t thread;

		pthread_create(&thread, NULL, outlive_the_leader, NULL);
		pthread_exit(NULL);
	}
	assert_int_equal(read(leader_gone_pipe[0], &byte, 1), 1);
	procfs_of_the_system(&procfs);
	assert_int_equal(procfs_scan_process(&procfs, (uint32_t)pid, &sink, &errors), 0);
	assert_true(told.mappings > 0);
	assert_non_null(strstr(told.text_path, "/test_procfs"));
	procfs_release(&procfs);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(leader_gone_pipe[0]);
	close(leader_gone_pipe[1]);
}

/* --- a tree of our own, for what the kernel will not show on demand --- */

static char tree[] = "/tmp/hostprof-procfs-XXXXXX";

static void tree_file(const char *name, const char *text)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", tree, name);
	file = fopen(path, "we");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static int tree_set_up(void **state)
{
	char path[128];

	(void)state;
	memcpy(tree + sizeof(tree) - 7, "XXXXXX", 6);
	if (!mkdtemp(tree))
		return -1;
	snprintf(path, sizeof(path), "%s/77", tree);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/77/ns", tree);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/77/ns/mnt", tree);
	if (symlink("mnt:[11]", path))
		return -1;
	snprintf(path, sizeof(path), "%s/77/ns/pid", tree);
	if (symlink("pid:[12]", path))
		return -1;
	tree_file("77/stat", "77 (odd) S 5 2 3 4 5 0 0 0 0 0 0 0 0 0 20 0 1 0 250 0\n");
	tree_file("77/status", "Uid:\t9\t9\t9\t9\nNSpid:\t77\t3\n");
	tree_file("77/cgroup", "0::/a/b\n");
	tree_file("77/maps", "");
	return 0;
}

static int tree_tear_down(void **state)
{
	static const char *const names[] = {"77/stat",	 "77/status", "77/cgroup", "77/maps",	 "77/ns/mnt",
					    "77/ns/pid", "77/ns",     "77",	   "cgroup/a/b", "cgroup/a",
					    "cgroup",	 "mountinfo", ""};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char path[128];

		snprintf(path, sizeof(path), "%s/%s", tree, names[i]);
		remove(path);
	}
	return 0;
}

static void scan_tree(int mountinfo_fd, struct told *told, uint32_t *errors)
{
	const struct procfs_sink sink = {.send = hear, .ctx = told};
	struct procfs procfs;

	assert_int_equal(procfs_init(&procfs, open(tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC), mountinfo_fd), 0);
	assert_int_equal(procfs_scan_process(&procfs, 77, &sink, errors), 0);
	procfs_release(&procfs);
}

static void ticks_become_nanoseconds(void **state)
{
	struct told told = {0};
	uint32_t errors = 0;

	(void)state;
	scan_tree(-1, &told, &errors);
	assert_int_equal(errors, 0);
	assert_true(told.process.start_boottime_ns == 250 * (NSEC_PER_SEC / (uint64_t)sysconf(_SC_CLK_TCK)));
	assert_int_equal(told.process.inner_tgid, 3);
	assert_int_equal(told.process.uid, 9);
	assert_int_equal(told.process.mnt_ns, 11);
	assert_int_equal(told.process.pid_ns, 12);
	assert_string_equal(told.cgroup, "/a/b");
	assert_int_equal(told.process.cgroup_id, 0); /* no mount known */
}

static void a_cgroup_s_id_is_its_directory_s_inode(void **state)
{
	static const struct {
		const char *root, *cgroup;
		bool is_visible;
	} cases[] = {
		{"/", "0::/a/b\n", true},	{"/", "0::/a/gone\n", false},	    {"/outer", "0::/outer/a/b\n", true},
		{"/outer", "0::/a/b\n", false}, {"/out", "0::/outer/a/b\n", false}, {"/a", "0::/../../a/b\n", false},
		{"/", "0::/../a/b\n", false},
	};
	char path[128], line[256];
	struct stat directory;

	(void)state;
	snprintf(path, sizeof(path), "%s/cgroup", tree);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/cgroup/a", tree);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/cgroup/a/b", tree);
	mkdir(path, 0700);
	assert_int_equal(stat(path, &directory), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct told told = {0};
		uint32_t errors = 0;
		int fd;

		/* An octal escape in the path: "/" as \057. */
		snprintf(line, sizeof(line),
			 "25 1 0:21 / /proc rw - proc proc rw\n"
			 "26 1 0:22 %s %s\\057cgroup rw,nosuid shared:4 master:1 - cgroup2 cgroup2 rw\nodd\n",
			 cases[i].root, tree);
		tree_file("mountinfo", line);
		tree_file("77/cgroup", cases[i].cgroup);
		snprintf(path, sizeof(path), "%s/mountinfo", tree);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		scan_tree(fd, &told, &errors);
		close(fd);
		assert_int_equal(told.process.cgroup_id, cases[i].is_visible ? directory.st_ino : 0);
	}
}

static void odd_maps_lines_are_counted_and_the_rest_is_told(void **state)
{
	static char text[8 * PROCFS_MAX_LINE];
	struct told told = {0};
	uint32_t errors = 0;
	size_t len = 0;

	(void)state;
	len += (size_t)snprintf(text + len, sizeof(text) - len, "1000-2000 r-xp 0 00:00 0 /first\nnonsense\n");
	/* A line beyond every bound, longer than the read buffer, and a path that is just too long. */
	len += (size_t)snprintf(text + len, sizeof(text) - len, "3000-4000 r-xp 0 00:00 0 /");
	memset(text + len, 'x', 6 * PROCFS_MAX_LINE);
	len += 6 * PROCFS_MAX_LINE;
	len += (size_t)snprintf(text + len, sizeof(text) - len, "\n5000-6000 r-xp 0 00:00 5 /");
	memset(text + len, 'y', MESSAGE_MAX_PATH);
	len += MESSAGE_MAX_PATH;
	snprintf(text + len, sizeof(text) - len, "\n7000-8000 rw-p 0 00:00 0 /data\n9000-a000 r-xp 0 00:00 7 /last");
	tree_file("77/maps", text);
	told.text_ip = 0x9000;
	scan_tree(-1, &told, &errors);
	assert_int_equal(told.mappings, 3); /* first, the one whose path is too long (untold), last */
	assert_string_equal(told.text_path, "/last");
	assert_int_equal(told.text_ino, 7);
	assert_int_equal(errors, 1);
}

static void more_mappings_than_are_kept_are_told_in_many_messages(void **state)
{
	static const uint32_t lines = PROCFS_MAX_MAPPINGS + 1000;
	struct told told = {0};
	uint32_t errors = 0;
	char path[128];
	FILE *file;

	(void)state;
	snprintf(path, sizeof(path), "%s/77/maps", tree);
	file = fopen(path, "we");
	for (uint64_t i = 1; i <= lines; i++)
		fprintf(file, "%llx-%llx r-xp 00000000 08:01 %llu /lib/number-%llu.so\n", (unsigned long long)i << 13,
			(unsigned long long)(i << 13 | 1 << 12), (unsigned long long)i, (unsigned long long)i);
	fclose(file);
	scan_tree(-1, &told, &errors);
	assert_int_equal(told.mappings, PROCFS_MAX_MAPPINGS);
	assert_int_equal(told.lasts, 1);
	assert_true(told.messages > 100);
	assert_true(told.is_in_order);
	assert_int_equal(errors, 1);
}

static void missing_parts_are_counted_and_the_process_is_told(void **state)
{
	struct told told = {0};
	uint32_t errors = 0;

	(void)state;
	tree_file("77/status", "nothing\n");
	tree_file("77/cgroup", "nothing\n");
	scan_tree(-1, &told, &errors);
	assert_int_equal(told.processes, 1);
	assert_int_equal(told.lasts, 1);
	assert_int_equal(errors, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stat_comm_ends_at_the_last_parenthesis),
		cmocka_unit_test(stat_flags_tell_kernel_threads),
		cmocka_unit_test(stat_that_is_cut_or_odd_is_refused),
		cmocka_unit_test(status_gives_real_uid_and_innermost_pid),
		cmocka_unit_test(maps_lines_give_range_file_and_path),
		cmocka_unit_test(maps_lines_that_make_no_sense_are_refused),
		cmocka_unit_test(a_map_path_that_does_not_fit_is_refused),
		cmocka_unit_test(the_cgroup_is_v2_or_memory_or_pids),
		cmocka_unit_test(a_namespace_is_its_inode_number),
		cmocka_unit_test(we_find_ourselves),
		cmocka_unit_test(the_whole_host_is_scanned),
		cmocka_unit_test(a_process_that_is_not_there_is_esrch),
		cmocka_unit_test(a_zombie_has_no_mappings_and_is_no_error),
		cmocka_unit_test(mappings_survive_the_first_thread),
		cmocka_unit_test_setup_teardown(ticks_become_nanoseconds, tree_set_up, tree_tear_down),
		cmocka_unit_test_setup_teardown(a_cgroup_s_id_is_its_directory_s_inode, tree_set_up, tree_tear_down),
		cmocka_unit_test_setup_teardown(odd_maps_lines_are_counted_and_the_rest_is_told, tree_set_up,
						tree_tear_down),
		cmocka_unit_test_setup_teardown(more_mappings_than_are_kept_are_told_in_many_messages, tree_set_up,
						tree_tear_down),
		cmocka_unit_test_setup_teardown(missing_parts_are_counted_and_the_process_is_told, tree_set_up,
						tree_tear_down),
	};

	return cmocka_run_group_tests_name("procfs", tests, NULL, NULL);
}
