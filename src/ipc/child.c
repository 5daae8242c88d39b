/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/cursor.h"
#include "base/log.h"
#include "ipc/channel.h"
#include "wire/sample.h"

#define ROLE_OPTION "--role="
#define LOG_LEVEL_NAME "HOSTPROF_LOG_LEVEL"

/* While the child arranges its descriptors they are kept above those that it needs at fixed places. */
#define CHILD_STATUS_FD (CHILD_CHANNEL_FD + 1)
#define CHILD_FIRST_SPARE_FD 16
/* Where the kernel has no close_range: RLIMIT_NOFILE may be "a billion". */
#define CHILD_MAX_CLOSE (1 << 20)
#define CHILD_EXIT_NOT_STARTED 127
#define CHILD_MAX_VARIABLES 16

static const char *const role_names[ROLE_COUNT] = {
	[ROLE_COLLECTOR] = "collector",
	[ROLE_OPENER] = "opener",
	[ROLE_RESOLVER] = "resolver",
	[ROLE_SENDER] = "sender",
};

static int program_fd = -1;

const char *role_name(enum role role)
{
	return (unsigned int)role < ROLE_COUNT ? role_names[role] : "unknown";
}

enum role role_from_argv(int argc, char *const *argv)
{
	const size_t prefix = sizeof(ROLE_OPTION) - 1;

	if (argc != 2 || strncmp(argv[1], ROLE_OPTION, prefix))
		return ROLE_COLLECTOR;
	for (int role = ROLE_COLLECTOR + 1; role < ROLE_COUNT; role++)
		if (!strcmp(argv[1] + prefix, role_names[role]))
			return (enum role)role;
	return ROLE_COLLECTOR;
}

void child_remember_program(void)
{
	if (program_fd < 0)
		program_fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);
}

static void close_from(unsigned int first)
{
	struct rlimit limit;

	if (!close_range(first, ~0U, 0))
		return;
	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur > CHILD_MAX_CLOSE)
		limit.rlim_cur = CHILD_MAX_CLOSE;
	for (unsigned int fd = first; fd < limit.rlim_cur; fd++)
		close((int)fd);
}

/* stdin, stdout, stderr, channel, status pipe (closed by the exec), program (likewise); nothing else. */
static int arrange_descriptors(int channel_fd, int status_fd, int *program)
{
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	int high_null, high_channel, high_status, high_program = -1;

	if (null_fd < 0)
		return -errno;
	high_null = fcntl(null_fd, F_DUPFD_CLOEXEC, CHILD_FIRST_SPARE_FD);
	high_channel = fcntl(channel_fd, F_DUPFD_CLOEXEC, CHILD_FIRST_SPARE_FD);
	high_status = fcntl(status_fd, F_DUPFD_CLOEXEC, CHILD_FIRST_SPARE_FD);
	if (*program >= 0)
		high_program = fcntl(*program, F_DUPFD_CLOEXEC, CHILD_FIRST_SPARE_FD);
	if (high_null < 0 || high_channel < 0 || high_status < 0)
		return -errno;
	/* A stderr that our own caller closed must not become something else's descriptor. */
	if (fcntl(STDERR_FILENO, F_GETFD) < 0 && dup2(high_null, STDERR_FILENO) < 0)
		return -errno;
	if (dup2(high_null, STDIN_FILENO) < 0 || dup2(high_null, STDOUT_FILENO) < 0 ||
	    dup2(high_channel, CHILD_CHANNEL_FD) < 0 || dup3(high_status, CHILD_STATUS_FD, O_CLOEXEC) < 0)
		return -errno;
	if (high_program >= 0 && dup3(high_program, CHILD_STATUS_FD + 1, O_CLOEXEC) < 0)
		return -errno;
	*program = high_program >= 0 ? CHILD_STATUS_FD + 1 : -1;
	close_from(CHILD_STATUS_FD + (*program >= 0 ? 2 : 1));
	return 0;
}

static void reset_signals(void)
{
	sigset_t none;

	/* Some numbers are libc's own or cannot be set; their errors mean nothing here. */
	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGTTOU, SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Which variables a child has of ours. */
static bool is_kept(enum role role, const char *entry)
{
	static const char *const of_all[] = {"ASAN_OPTIONS=", "UBSAN_OPTIONS=", "LSAN_OPTIONS="};
	static const char *const of_sender[] = {"http_proxy=", "https_proxy=", "HTTPS_PROXY=", "all_proxy=",
						"ALL_PROXY=",  "no_proxy=",    "NO_PROXY=",    "SSL_CERT_FILE="};

	for (size_t i = 0; i < sizeof(of_all) / sizeof(of_all[0]); i++)
		if (!strncmp(entry, of_all[i], strlen(of_all[i])))
			return true;
	for (size_t i = 0; role == ROLE_SENDER && i < sizeof(of_sender) / sizeof(of_sender[0]); i++)
		if (!strncmp(entry, of_sender[i], strlen(of_sender[i])))
			return true;
	return false;
}

/* Between fork and exec, in a process of one thread. Returns only with an error. */
static int run_child(enum role role, pid_t parent, int channel_fd, int *status_fd)
{
	char option[sizeof(ROLE_OPTION) + 16], level[sizeof(LOG_LEVEL_NAME) + 16];
	char name[] = "hostprof";
	char *const argv[] = {name, option, NULL};
	char *envp[CHILD_MAX_VARIABLES] = {level};
	int program = program_fd, err;
	size_t n = 1;

	snprintf(option, sizeof(option), ROLE_OPTION "%s", role_name(role));
	snprintf(level, sizeof(level), LOG_LEVEL_NAME "=%d", (int)log_level());
	for (char *const *entry = environ; entry && *entry && n + 1 < CHILD_MAX_VARIABLES; entry++)
		if (is_kept(role, *entry))
			envp[n++] = *entry;

	err = arrange_descriptors(channel_fd, *status_fd, &program);
	if (err)
		return err;
	*status_fd = CHILD_STATUS_FD;
	setpgid(0, 0);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0))
		return -errno;
	if (getppid() != parent) /* it died before we asked to be told */
		return -ESRCH;
	reset_signals();
	execve("/proc/self/exe", argv, envp);
	err = -errno;
	if (program >= 0)
		execveat(program, "", argv, envp, AT_EMPTY_PATH);
	return err;
}

/* What the child wrote before it gave up; 0 when the exec closed the pipe. */
static int read_status(int fd)
{
	int status = 0;
	ssize_t got;

	do {
		got = read(fd, &status, sizeof(status));
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	return got == sizeof(status) ? status : 0;
}

static void reap(pid_t pid)
{
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

int child_spawn(enum role role, pid_t *ret_pid, int *ret_fd)
{
	auto_close int ours = -1, theirs = -1, status_read = -1, status_write = -1;
	pid_t parent = getpid(), pid;
	int status_pipe[2];
	int err = channel_pair(&ours, &theirs);

	if (err)
		return err;
	if (pipe2(status_pipe, O_CLOEXEC))
		return -errno;
	status_read = status_pipe[0];
	status_write = status_pipe[1];
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		err = run_child(role, parent, theirs, &status_write);
		(void)!write(status_write, &err, sizeof(err));
		_exit(CHILD_EXIT_NOT_STARTED);
	}
	close(take_fd(&status_write));
	err = read_status(status_read);
	if (err) {
		reap(pid);
		return err;
	}
	*ret_pid = pid;
	*ret_fd = take_fd(&ours);
	return 0;
}

void child_set_up(enum role role)
{
	const char *text = getenv(LOG_LEVEL_NAME);
	char name[COMM_BYTES];
	struct cursor cursor;
	uint64_t level;

	log_set_role(role_name(role));
	if (role != ROLE_COLLECTOR) {
		/* Executed as /proc/self/exe it would be "exe" in ps and top. */
		snprintf(name, sizeof(name), "hostprof-%.6s", role_name(role));
		prctl(PR_SET_NAME, name);
	}
	if (!text)
		return;
	cursor_init(&cursor, text, strlen(text));
	level = cursor_dec(&cursor);
	if (cursor_ok(&cursor) && cursor_at_end(&cursor) && level <= LOG_DEBUG)
		log_set_level((enum log_level)level);
}

const char *child_end_text(int wait_status)
{
	static char text[64];
	const char *abbreviation;

	if (WIFEXITED(wait_status)) {
		snprintf(text, sizeof(text), "exit status %d", WEXITSTATUS(wait_status));
	} else if (WIFSIGNALED(wait_status)) {
		abbreviation = sigabbrev_np(WTERMSIG(wait_status));
		if (abbreviation)
			snprintf(text, sizeof(text), "killed by SIG%s", abbreviation);
		else
			snprintf(text, sizeof(text), "killed by signal %d", WTERMSIG(wait_status));
	} else {
		snprintf(text, sizeof(text), "wait status 0x%x", (unsigned int)wait_status);
	}
	return text;
}

bool child_end_is_crash(int wait_status)
{
	if (!WIFSIGNALED(wait_status))
		return false;
	switch (WTERMSIG(wait_status)) {
	case SIGSEGV:
	case SIGBUS:
	case SIGABRT:
	case SIGILL:
	case SIGFPE:
	case SIGSYS:
	case SIGXCPU:
	case SIGTRAP:
		return true;
	default:
		return false;
	}
}
