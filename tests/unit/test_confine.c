/* SPDX-License-Identifier: Apache-2.0 */
/* Each test confines a process of its own and looks from within at what is left. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/capability.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ipc/channel.h"
#include "ipc/child.h"
#include "ipc/confine.h"
#include "ipc/memfd.h"
#include "ipc/usage.h"

#define NOBODY 65534
#define ORDINARY_UID 12345 /* in no passwd */
#define MEMORY_BYTES (256u << 20)

#ifdef HOSTPROF_SANITIZED
#define IS_SANITIZED true
#else
#define IS_SANITIZED false
#endif

/* In the confined process there is no cmocka: say what was wrong and leave. */
#define EXPECT(condition)                                                                                              \
	do {                                                                                                           \
		if (!(condition)) {                                                                                    \
			fprintf(stderr, "line %d: %s (errno %d)\n", __LINE__, #condition, errno);                      \
			_exit(1);                                                                                      \
		}                                                                                                      \
	} while (0)

static int run(void (*confined)(void))
{
	pid_t pid = fork();
	int status = -1;

	assert_true(pid >= 0);
	if (!pid) {
		confined();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void need_root(void)
{
	if (geteuid())
		skip();
}

static bool has_cap(cap_flag_t set, cap_value_t cap)
{
	cap_flag_value_t value = CAP_CLEAR;
	cap_t caps = cap_get_proc();

	cap_get_flag(caps, cap, set, &value);
	cap_free(caps);
	return value == CAP_SET;
}

static int count_caps(cap_flag_t set)
{
	int n = 0;

	for (cap_value_t cap = 0; cap <= CAP_LAST_CAP; cap++)
		n += has_cap(set, cap);
	return n;
}

/* --- collector --- */

/* Debian's level 3, at which perf events ask for SYS_ADMIN: the guests of tests/kernels have it. */
static bool perf_asks_for_sys_admin(void)
{
	FILE *file = fopen("/proc/sys/kernel/perf_event_paranoid", "re");
	int level = file ? fgetc(file) : '-';

	if (file)
		fclose(file);
	return level > '2';
}

static void collector_body(void)
{
	int keeps_admin = perf_asks_for_sys_admin();
	char text[128];

	EXPECT(!confine_collector());
	EXPECT(has_cap(CAP_EFFECTIVE, CAP_BPF) && has_cap(CAP_EFFECTIVE, CAP_PERFMON));
	EXPECT(has_cap(CAP_EFFECTIVE, CAP_SETUID) && has_cap(CAP_EFFECTIVE, CAP_SETGID));
	EXPECT(has_cap(CAP_EFFECTIVE, CAP_KILL));
	EXPECT(has_cap(CAP_EFFECTIVE, CAP_SYS_ADMIN) == keeps_admin);
	EXPECT(count_caps(CAP_EFFECTIVE) == 5 + keeps_admin && count_caps(CAP_PERMITTED) == 5 + keeps_admin);
	EXPECT(!count_caps(CAP_INHERITABLE));
	confine_describe(text, sizeof(text));
	EXPECT(!strcmp(text,
		       keeps_admin ? "kill,setgid,setuid,sys_admin,perfmon,bpf" : "kill,setgid,setuid,perfmon,bpf"));
	/* What a child of ours may need again stays in reach of an exec; the rest is gone for good. */
	EXPECT(prctl(PR_CAPBSET_READ, CAP_SYS_PTRACE, 0, 0, 0) == 1);
	EXPECT(prctl(PR_CAPBSET_READ, CAP_DAC_OVERRIDE, 0, 0, 0) == 1);
	EXPECT(prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN, 0, 0, 0) == keeps_admin);
	EXPECT(prctl(PR_CAPBSET_READ, CAP_SYS_MODULE, 0, 0, 0) == 0);
}

static void the_collector_keeps_what_its_table_says(void **state)
{
	(void)state;
	need_root();
	assert_int_equal(run(collector_body), 0);
}

/* --- opener --- */

static void opener_of_user_body(void)
{
	const struct invoker invoker = {.uid = ORDINARY_UID, .gid = ORDINARY_UID};
	struct usage usage = usage_open();
	int death_signal = 0;
	struct message_pong pong = {0};
	gid_t groups[8];

	EXPECT(!confine_opener(invoker));
	EXPECT(getuid() == ORDINARY_UID && geteuid() == ORDINARY_UID && getgid() == ORDINARY_UID);
	EXPECT(getgroups(8, groups) == 1 && groups[0] == ORDINARY_UID);
	EXPECT(has_cap(CAP_EFFECTIVE, CAP_SYS_PTRACE) && has_cap(CAP_EFFECTIVE, CAP_DAC_READ_SEARCH));
	EXPECT(has_cap(CAP_EFFECTIVE, CAP_CHECKPOINT_RESTORE) && has_cap(CAP_EFFECTIVE, CAP_SYSLOG));
	EXPECT(count_caps(CAP_EFFECTIVE) == 4 && count_caps(CAP_PERMITTED) == 4);
	EXPECT(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	EXPECT(!prctl(PR_GET_PDEATHSIG, &death_signal) && death_signal == SIGKILL);
	EXPECT(prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN, 0, 0, 0) == 0);
	/* Its own cost stays readable. */
	usage_read(&usage, &pong);
	EXPECT(pong.pss_bytes && pong.peak_bytes);
	/* As the user it opens what root alone may read, and makes nothing in root's directories. */
	EXPECT(open("/etc/shadow", O_RDONLY | O_CLOEXEC) >= 0);
	EXPECT(open("/etc/hostprof-test", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) < 0);
	/* Lowered, it has the user's rights alone; raised, all four again. */
	EXPECT(!confine_lower(invoker) && !count_caps(CAP_EFFECTIVE) && count_caps(CAP_PERMITTED) == 4);
	EXPECT(open("/etc/shadow", O_RDONLY | O_CLOEXEC) < 0 && errno == EACCES);
	EXPECT(!confine_raise() && count_caps(CAP_EFFECTIVE) == 4);
}

static void the_opener_becomes_the_user_and_keeps_four_capabilities(void **state)
{
	(void)state;
	need_root();
	assert_int_equal(run(opener_of_user_body), 0);
}

static void opener_of_root_body(void)
{
	const struct invoker root = {0};

	EXPECT(!confine_opener(root));
	EXPECT(!getuid() && has_cap(CAP_EFFECTIVE, CAP_DAC_OVERRIDE) && count_caps(CAP_EFFECTIVE) == 5);
	EXPECT(!confine_lower(root) && has_cap(CAP_EFFECTIVE, CAP_DAC_OVERRIDE) && count_caps(CAP_EFFECTIVE) == 2);
}

static void root_s_opener_may_write_where_root_may(void **state)
{
	(void)state;
	need_root();
	assert_int_equal(run(opener_of_root_body), 0);
}

static void known_user_body(void)
{
	const struct invoker daemon_user = {.uid = 1, .gid = 1};
	gid_t groups[64];
	int n;

	EXPECT(!setgroups(0, NULL));
	EXPECT(!confine_opener(daemon_user));
	n = getgroups(64, groups);
	EXPECT(n >= 1 && groups[0] == 1);
}

static void a_known_user_s_groups_are_taken_over(void **state)
{
	(void)state;
	need_root();
	assert_int_equal(run(known_user_body), 0);
}

static void become_ordinary(void)
{
	EXPECT(!setgroups(0, NULL) && !setresgid(ORDINARY_UID, ORDINARY_UID, ORDINARY_UID) &&
	       !setresuid(ORDINARY_UID, ORDINARY_UID, ORDINARY_UID));
}

static void ordinary_user_body(void)
{
	const struct invoker self = {.uid = ORDINARY_UID, .gid = ORDINARY_UID};
	const struct invoker other = {.uid = ORDINARY_UID + 1, .gid = ORDINARY_UID};
	char text[16];

	become_ordinary();
	EXPECT(confine_opener(other) == -EPERM);
	EXPECT(!confine_collector());
	EXPECT(!confine_opener(self));
	confine_describe(text, sizeof(text));
	EXPECT(!strcmp(text, "none"));
	EXPECT(!confine_lower(self) && !confine_raise());
	EXPECT(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
}

static void what_an_ordinary_user_lacks_is_not_missed(void **state)
{
	(void)state;
	need_root();
	assert_int_equal(run(ordinary_user_body), 0);
}

/* --- resolver --- */

static void resolver_rights_body(void)
{
	struct rlimit core, files_before, files;
	struct rlimit memory = {0};
	int death_signal = 0;

	EXPECT(!getrlimit(RLIMIT_NOFILE, &files_before));
	EXPECT(!confine_resolver(0));
	if (!IS_SANITIZED)
		_exit(0); /* the rest asks with calls that the filter refuses: below, from outside */
	EXPECT(getuid() == NOBODY && getgid() == NOBODY);
	EXPECT(!count_caps(CAP_EFFECTIVE) && !count_caps(CAP_PERMITTED));
	EXPECT(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	EXPECT(!prctl(PR_GET_PDEATHSIG, &death_signal) && death_signal == SIGKILL);
	EXPECT(!getrlimit(RLIMIT_CORE, &core) && !core.rlim_max);
	EXPECT(!getrlimit(RLIMIT_NOFILE, &files) && files.rlim_cur == files_before.rlim_cur);
	EXPECT(!getrlimit(RLIMIT_AS, &memory));
}

static void a_resolver_can_be_confined(void **state)
{
	(void)state;
	assert_int_equal(run(resolver_rights_body), 0);
}

/* Reads /proc/PID/status of a confined resolver from outside. */
static void status_line(pid_t pid, const char *key, char *to, size_t size)
{
	char path[64], line[256];
	FILE *file;

	to[0] = 0;
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "re");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		if (!strncmp(line, key, strlen(key))) {
			line[strcspn(line, "\n")] = 0;
			snprintf(to, size, "%s", line + strlen(key) + strspn(line + strlen(key), " \t"));
		}
	fclose(file);
}

static void a_resolver_is_nobody_with_nothing(void **state)
{
	static const struct {
		const char *key, *value;
	} lines[] = {
		{"Uid:", "65534\t65534\t65534\t65534"},
		{"Gid:", "65534\t65534\t65534\t65534"},
		{"Groups:", ""},
		{"NoNewPrivs:", "1"},
		{"CapInh:", "0000000000000000"},
		{"CapPrm:", "0000000000000000"},
		{"CapEff:", "0000000000000000"},
		{"CapBnd:", "0000000000000000"},
		{"CapAmb:", "0000000000000000"},
		{"Seccomp:", IS_SANITIZED ? "0" : "2"},
	};
	int ready[2], go[2], status;
	char value[256], byte;
	pid_t pid;

	(void)state;
	need_root();
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	assert_int_equal(pipe2(go, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		close(go[1]);
		EXPECT(!confine_resolver(MEMORY_BYTES));
		EXPECT(write(ready[1], "x", 1) == 1);
		EXPECT(read(go[0], &byte, 1) == 0);
		_exit(0);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		status_line(pid, lines[i].key, value, sizeof(value));
		value[strcspn(value, " ")] = 0; /* Groups: has a blank */
		assert_string_equal(value, lines[i].value);
	}
	close(go[1]);
	close(go[0]);
	close(ready[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static int given_file; /* opened before the confinement */

static int compare_ints(const void *a, const void *b)
{
	return (*(const int *)a > *(const int *)b) - (*(const int *)a < *(const int *)b);
}

static void resolver_work_body(void)
{
	enum { NUMBERS = 100000 };
	int ours, theirs, memfd, *numbers;
	struct usage usage = usage_open();
	struct channel *left, *right;
	struct pollfd readable = {.events = POLLIN};
	struct message_pong pong = {0};
	struct message message;
	struct memfd_map map;
	struct stat status;
	char bytes[4];

	EXPECT(!channel_pair(&ours, &theirs));
	EXPECT(!channel_new(ours, true, 0, &left) && !channel_new(theirs, true, 0, &right));
	EXPECT(!confine_resolver(MEMORY_BYTES));
	EXPECT(pread(given_file, bytes, 4, 0) == 4 && !fstat(given_file, &status) && status.st_size > 4);
	EXPECT(!memfd_from_bytes("test", "abc", 3, &memfd));
	EXPECT(!memfd_map(memfd, 3, &map) && map.bytes[2] == 'c');
	memfd_unmap(&map);
	EXPECT(!channel_send(left, MESSAGE_BATCH, 0, &(struct message_batch){.batch = 1}, sizeof(struct message_batch),
			     memfd));
	readable.fd = channel_fd(right);
	EXPECT(poll(&readable, 1, 0) == 1);
	EXPECT(channel_receive(right, &message) == 1);
	message_release(&message);
	/* libc's sort asks for the size of memory; large blocks come from mmap. */
	numbers = malloc(NUMBERS * sizeof(*numbers));
	EXPECT(numbers);
	for (int i = 0; i < NUMBERS; i++)
		numbers[i] = i * 7919 % NUMBERS;
	qsort(numbers, NUMBERS, sizeof(*numbers), compare_ints);
	EXPECT(numbers[0] <= numbers[NUMBERS - 1]);
	numbers = realloc(numbers, 2 * NUMBERS * sizeof(*numbers));
	EXPECT(numbers);
	free(numbers);
	usage_read(&usage, &pong);
	EXPECT(pong.pss_bytes && pong.peak_bytes);
	confine_describe(bytes, sizeof(bytes)); /* as READY does */
	EXPECT(!strcmp(bytes, "non"));		/* "none", cut */
	channel_free(left);
	channel_free(right);
}

static void a_resolver_can_do_its_work(void **state)
{
	(void)state;
	given_file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	assert_int_equal(run(resolver_work_body), 0);
	close(given_file);
}

static void try_open(void)
{
	open("/etc/passwd", O_RDONLY);
}

static void try_socket(void)
{
	socket(AF_INET, SOCK_STREAM, 0);
}

static void try_fork(void)
{
	fork();
}

static void try_exec(void)
{
	execl("/bin/true", "true", NULL);
}

static void try_executable_memory(void)
{
	mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void *some_page;

static void try_to_make_memory_executable(void)
{
	mprotect(some_page, 4096, PROT_READ | PROT_EXEC);
}

static void try_to_kill_the_parent(void)
{
	kill(getppid(), 0);
}

static void try_to_raise_a_limit(void)
{
	const struct rlimit none = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};

	setrlimit(RLIMIT_CORE, &none);
}

static void try_stat_by_path(void)
{
	struct stat status;

	stat("/etc/passwd", &status);
}

static void (*forbidden)(void);

static void forbidden_body(void)
{
	some_page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	EXPECT(!confine_resolver(MEMORY_BYTES));
	forbidden();
}

static void what_a_resolver_must_not_do_kills_it(void **state)
{
	static const struct {
		const char *name;
		void (*body)(void);
	} cases[] = {
		{"open", try_open},
		{"socket", try_socket},
		{"fork", try_fork},
		{"exec", try_exec},
		{"mmap executable", try_executable_memory},
		{"mprotect executable", try_to_make_memory_executable},
		{"kill", try_to_kill_the_parent},
		{"setrlimit", try_to_raise_a_limit},
		{"stat", try_stat_by_path},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int status;

		forbidden = cases[i].body;
		status = run(forbidden_body);
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
			fail_msg("%s: %s", cases[i].name, child_end_text(status));
		assert_true(child_end_is_crash(status));
	}
}

/* --- sender --- */

static void confine_whole_sender(void)
{
	EXPECT(!confine_sender(MEMORY_BYTES));
	EXPECT(!confine_sender_calls());
}

static int given_socket = -1; /* of a server on the loopback interface */

static void sender_work_body(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t len = sizeof(address);
	int fd, one = 1;

	confine_whole_sender();
	EXPECT(!getsockname(given_socket, (struct sockaddr *)&address, &len));
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	EXPECT(fd >= 0);
	EXPECT(!setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one)));
	EXPECT(!connect(fd, (struct sockaddr *)&address, len));
	EXPECT(!count_caps(CAP_EFFECTIVE));
	/* What libraries try is refused and no more. */
	if (!IS_SANITIZED) {
		EXPECT(open("/etc/passwd", O_RDONLY) < 0 && errno == EACCES);
		EXPECT(open("/tmp", O_TMPFILE | O_RDWR, 0600) < 0 && errno == EACCES);
		EXPECT(access("/etc/passwd", R_OK) < 0 && errno == EACCES);
		EXPECT(fork() < 0 && errno == EPERM);
	}
}

static void a_sender_has_the_network_and_no_file(void **state)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	(void)state;
	given_socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(given_socket, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(given_socket, 1), 0);
	assert_int_equal(run(sender_work_body), 0);
	close(given_socket);
}

static void try_unix_socket(void)
{
	socket(AF_UNIX, SOCK_STREAM, 0);
}

static void try_raw_socket(void)
{
	socket(AF_NETLINK, SOCK_RAW, 0);
}

static void try_terminal_request(void)
{
	ioctl(STDERR_FILENO, TIOCSTI, "x");
}

static void try_to_bind(void)
{
	bind(0, NULL, 0);
}

static void try_to_remove(void)
{
	unlink("/tmp/hostprof-no-such-file");
}

static void forbidden_to_sender_body(void)
{
	some_page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	confine_whole_sender();
	forbidden();
}

static void forbidden_to_name_service_body(void)
{
	EXPECT(!confine_sender(MEMORY_BYTES));
	EXPECT(!confine_name_service());
	forbidden();
}

static void must_be_killed(const char *name, void (*confined)(void), void (*body)(void))
{
	int status;

	forbidden = body;
	status = run(confined);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
		fail_msg("%s: %s", name, child_end_text(status));
}

static void what_a_sender_must_not_do_kills_it(void **state)
{
	(void)state;
	must_be_killed("exec", forbidden_to_sender_body, try_exec);
	must_be_killed("unix socket", forbidden_to_sender_body, try_unix_socket);
	must_be_killed("netlink socket", forbidden_to_sender_body, try_raw_socket);
	must_be_killed("typing into the terminal", forbidden_to_sender_body, try_terminal_request);
	must_be_killed("bind", forbidden_to_sender_body, try_to_bind);
	must_be_killed("unlink", forbidden_to_sender_body, try_to_remove);
	must_be_killed("mmap executable", forbidden_to_sender_body, try_executable_memory);
	must_be_killed("kill", forbidden_to_sender_body, try_to_kill_the_parent);
}

static void name_service_body(void)
{
	EXPECT(!confine_sender(MEMORY_BYTES));
	EXPECT(!confine_name_service());
	EXPECT(open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0);
	EXPECT(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0) >= 0);
	if (!IS_SANITIZED) {
		EXPECT(open("/dev/null", O_WRONLY) < 0 && errno == EACCES);
		EXPECT(open("/tmp/hostprof-test-name-service", O_CREAT | O_RDONLY, 0600) < 0 && errno == EACCES);
	}
}

static void a_name_service_reads_and_writes_nothing(void **state)
{
	(void)state;
	assert_int_equal(run(name_service_body), 0);
	if (IS_SANITIZED)
		return;
	must_be_killed("exec", forbidden_to_name_service_body, try_exec);
	must_be_killed("unlink", forbidden_to_name_service_body, try_to_remove);
	must_be_killed("kill", forbidden_to_name_service_body, try_to_kill_the_parent);
}

/* --- all of them --- */

static void abort_body(void)
{
	EXPECT(!confine_resolver(MEMORY_BYTES));
	abort();
}

static void an_abort_is_still_an_abort(void **state)
{
	(void)state;
	assert_string_equal(child_end_text(run(abort_body)), "killed by SIGABRT");
}

static void memory_body(void)
{
	void *volatile block;

	EXPECT(!confine_resolver(MEMORY_BYTES));
	block = malloc(MEMORY_BYTES);
	EXPECT(!block && errno == ENOMEM);
	block = malloc(MEMORY_BYTES / 4);
	EXPECT(block);
}

static void a_resolver_s_memory_is_limited(void **state)
{
	(void)state;
	assert_int_equal(run(memory_body), 0);
}

static void ordinary_resolver_body(void)
{
	become_ordinary();
	EXPECT(!confine_resolver(MEMORY_BYTES));
	open("/etc/passwd", O_RDONLY);
	_exit(0);
}

static void an_ordinary_user_s_resolver_is_filtered_too(void **state)
{
	(void)state;
	need_root();
	assert_string_equal(child_end_text(run(ordinary_resolver_body)), "killed by SIGSYS");
}

/* --- command --- */

static void command_body(void)
{
	const struct invoker invoker = {.uid = ORDINARY_UID, .gid = ORDINARY_UID};

	EXPECT(!confine_command(invoker));
	EXPECT(getuid() == ORDINARY_UID && geteuid() == ORDINARY_UID && getegid() == ORDINARY_UID);
	EXPECT(!count_caps(CAP_EFFECTIVE) && !count_caps(CAP_PERMITTED) && !count_caps(CAP_INHERITABLE));
	EXPECT(setuid(0) && errno == EPERM);
	EXPECT(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0);	   /* sudo must work in it */
	EXPECT(prctl(PR_CAPBSET_READ, CAP_NET_RAW, 0, 0, 0) == 1); /* and ping */
}

static void a_command_runs_as_the_user(void **state)
{
	(void)state;
	need_root();
	assert_int_equal(run(command_body), 0);
}

static void root_command_body(void)
{
	const struct invoker root = {0};
	int before = count_caps(CAP_EFFECTIVE);

	EXPECT(!confine_command(root));
	EXPECT(!getuid() && count_caps(CAP_EFFECTIVE) == before);
}

static void root_s_command_keeps_root_s_rights(void **state)
{
	(void)state;
	need_root();
	assert_int_equal(run(root_command_body), 0);
}

static void sudo_s_caller_is_the_invoker(void **state)
{
	static const struct {
		const char *uid, *gid;
		uid_t expected_uid;
		gid_t expected_gid;
	} cases[] = {
		{"1000", "1001", 1000, 1001},
		{"1000", NULL, 0, 0},
		{NULL, "1001", 0, 0},
		{"1000x", "1001", 0, 0},
		{"", "1001", 0, 0},
		{"-1", "1001", 0, 0},
		{"4294967295", "1", 0, 0},
		{"4294967294", "1", 4294967294u, 1},
		{"0", "0", 0, 0},
	};

	(void)state;
	need_root();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct invoker invoker;

		unsetenv("SUDO_UID");
		unsetenv("SUDO_GID");
		if (cases[i].uid)
			setenv("SUDO_UID", cases[i].uid, 1);
		if (cases[i].gid)
			setenv("SUDO_GID", cases[i].gid, 1);
		invoker = invoker_from_environment();
		assert_int_equal(invoker.uid, cases[i].expected_uid);
		assert_int_equal(invoker.gid, cases[i].expected_gid);
	}
	unsetenv("SUDO_UID");
	unsetenv("SUDO_GID");
}

static void not_root_body(void)
{
	struct invoker invoker;

	become_ordinary();
	setenv("SUDO_UID", "1", 1);
	setenv("SUDO_GID", "1", 1);
	invoker = invoker_from_environment();
	EXPECT(invoker.uid == ORDINARY_UID && invoker.gid == ORDINARY_UID);
}

static void only_root_believes_sudo_s_environment(void **state)
{
	(void)state;
	need_root();
	assert_int_equal(run(not_root_body), 0);
}

int main(void)
{
	/* A sanitized build has neither the filter nor the limit. */
	const struct CMUnitTest filtered[] = {
		cmocka_unit_test(what_a_resolver_must_not_do_kills_it),
		cmocka_unit_test(an_abort_is_still_an_abort),
		cmocka_unit_test(a_resolver_s_memory_is_limited),
		cmocka_unit_test(an_ordinary_user_s_resolver_is_filtered_too),
		cmocka_unit_test(what_a_sender_must_not_do_kills_it),
	};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_collector_keeps_what_its_table_says),
		cmocka_unit_test(the_opener_becomes_the_user_and_keeps_four_capabilities),
		cmocka_unit_test(root_s_opener_may_write_where_root_may),
		cmocka_unit_test(a_known_user_s_groups_are_taken_over),
		cmocka_unit_test(what_an_ordinary_user_lacks_is_not_missed),
		cmocka_unit_test(a_resolver_can_be_confined),
		cmocka_unit_test(a_resolver_is_nobody_with_nothing),
		cmocka_unit_test(a_resolver_can_do_its_work),
		cmocka_unit_test(a_sender_has_the_network_and_no_file),
		cmocka_unit_test(a_name_service_reads_and_writes_nothing),
		cmocka_unit_test(a_command_runs_as_the_user),
		cmocka_unit_test(root_s_command_keeps_root_s_rights),
		cmocka_unit_test(sudo_s_caller_is_the_invoker),
		cmocka_unit_test(only_root_believes_sudo_s_environment),
	};

	int failed = cmocka_run_group_tests_name("confine", tests, NULL, NULL);

	if (!IS_SANITIZED)
		failed += cmocka_run_group_tests_name("confine, filtered", filtered, NULL, NULL);
	return failed;
}
