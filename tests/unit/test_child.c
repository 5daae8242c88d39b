/* SPDX-License-Identifier: Apache-2.0 */
/* The test program executes itself in a role, as the real one does; there it answers what it is asked (serve_child). */
#include "test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "ipc/channel.h"
#include "ipc/child.h"
#include "ipc/message.h"

/* The id of a PING says what is wanted; the answer's text comes as READY. */
enum question { ASK_FACTS = 1, ASK_ENVIRONMENT, ASK_DESCRIPTORS, ASK_SEGV, ASK_EXIT, ASK_HANG };

#define WAIT_MS 20000

/* --- in the child --- */

static void tell_facts(char *to, size_t size)
{
	sigset_t blocked;
	struct sigaction interrupt, terminate, broken_pipe;
	int death_signal = 0, n_blocked = 0;

	sigprocmask(SIG_SETMASK, NULL, &blocked);
	for (int number = 1; number < NSIG; number++)
		n_blocked += sigismember(&blocked, number) == 1;
	sigaction(SIGINT, NULL, &interrupt);
	sigaction(SIGTERM, NULL, &terminate);
	sigaction(SIGPIPE, NULL, &broken_pipe);
	prctl(PR_GET_PDEATHSIG, &death_signal);
	snprintf(to, size, "leader=%d blocked=%d int=%d term=%d pipe=%d death=%d level=%d", getpgrp() == getpid(),
		 n_blocked, interrupt.sa_handler == SIG_DFL, terminate.sa_handler == SIG_DFL,
		 broken_pipe.sa_handler == SIG_IGN, death_signal, (int)log_level());
}

static void tell_environment(char *to, size_t size)
{
	size_t len = 0;

	for (char **entry = environ; *entry && len < size; entry++)
		len += (size_t)snprintf(to + len, size - len, "%.*s ", (int)strcspn(*entry, "="), *entry);
}

static void tell_descriptors(char *to, size_t size)
{
	struct stat null_status, in, out;
	DIR *dir = opendir("/proc/self/fd");
	size_t len = 0;
	const struct dirent *entry;

	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.' && atoi(entry->d_name) != dirfd(dir))
			len += (size_t)snprintf(to + len, size - len, "%s ", entry->d_name);
	closedir(dir);
	stat("/dev/null", &null_status);
	fstat(STDIN_FILENO, &in);
	fstat(STDOUT_FILENO, &out);
	snprintf(to + len, size - len, "%s",
		 in.st_rdev == null_status.st_rdev && out.st_rdev == null_status.st_rdev ? "null" : "open");
}

static int serve_child(enum role role)
{
	struct channel *channel;
	struct message message;

	child_set_up(role);
	if (channel_new(CHILD_CHANNEL_FD, true, 0, &channel))
		return 99;
	while (channel_receive(channel, &message) == 1) {
		struct message_ready ready = {0};

		switch (message.id) {
		case ASK_FACTS:
			tell_facts(ready.capabilities, sizeof(ready.capabilities));
			break;
		case ASK_ENVIRONMENT:
			tell_environment(ready.capabilities, sizeof(ready.capabilities));
			break;
		case ASK_DESCRIPTORS:
			tell_descriptors(ready.capabilities, sizeof(ready.capabilities));
			break;
		case ASK_SEGV:
			signal(SIGSEGV, SIG_DFL); /* a sanitizer has its own handler */
			raise(SIGSEGV);
			break;
		case ASK_EXIT:
			_exit(3);
		default:
			snprintf(ready.capabilities, sizeof(ready.capabilities), "%s", role_name(role));
			break;
		}
		channel_send(channel, MESSAGE_READY, message.id, &ready, sizeof(ready), -1);
		while (message.id == ASK_HANG)
			pause();
	}
	channel_free(channel);
	return 0;
}

/* --- in the test --- */

struct spawned {
	pid_t pid;
	struct channel *channel;
};

static void spawn_as(enum role role, struct spawned *ret)
{
	int fd;

	assert_int_equal(child_spawn(role, &ret->pid, &fd), 0);
	assert_int_equal(channel_new(fd, true, 0, &ret->channel), 0);
}

static void spawn(struct spawned *ret)
{
	spawn_as(ROLE_OPENER, ret);
}

static void ask(const struct spawned *child, enum question question, char text[128])
{
	struct message message;

	assert_int_equal(channel_send(child->channel, MESSAGE_PING, question, NULL, 0, -1), 0);
	assert_int_equal(channel_receive(child->channel, &message), 1);
	assert_int_equal(message.type, MESSAGE_READY);
	memcpy(text, message.payload, 128);
}

static int finish(struct spawned *child)
{
	int status;

	channel_free(child->channel);
	assert_int_equal(waitpid(child->pid, &status, 0), child->pid);
	return status;
}

static void a_role_is_read_from_argv(void **state)
{
	static const struct {
		const char *argument;
		int argc;
		enum role role;
	} cases[] = {
		{"--role=opener", 2, ROLE_OPENER},    {"--role=resolver", 2, ROLE_RESOLVER},
		{"--role=sender", 2, ROLE_SENDER},    {"--role=collector", 2, ROLE_COLLECTOR},
		{"--role=", 2, ROLE_COLLECTOR},	      {"--role=openers", 2, ROLE_COLLECTOR},
		{"record", 2, ROLE_COLLECTOR},	      {"--role=opener", 3, ROLE_COLLECTOR},
		{"--role=opener", 1, ROLE_COLLECTOR},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char argument[32], name[] = "hostprof", extra[] = "-v";
		char *argv[] = {name, argument, extra, NULL};

		snprintf(argument, sizeof(argument), "%s", cases[i].argument);
		assert_int_equal(role_from_argv(cases[i].argc, argv), cases[i].role);
	}
	assert_string_equal(role_name(ROLE_RESOLVER), "resolver");
	assert_string_equal(role_name(ROLE_SENDER), "sender");
	assert_string_equal(role_name(ROLE_COUNT), "unknown");
}

static void a_child_starts_with_clean_signals_and_our_log_level(void **state)
{
	struct spawned child;
	sigset_t blocked, before;
	char text[128], expected[128];

	(void)state;
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigprocmask(SIG_BLOCK, &blocked, &before);
	signal(SIGINT, SIG_IGN);
	log_set_level(LOG_INFO);
	spawn(&child);
	log_set_level(LOG_WARN);
	signal(SIGINT, SIG_DFL);
	sigprocmask(SIG_SETMASK, &before, NULL);

	ask(&child, ASK_FACTS, text);
	snprintf(expected, sizeof(expected), "leader=1 blocked=0 int=1 term=1 pipe=1 death=%d level=%d", SIGKILL,
		 LOG_INFO);
	assert_string_equal(text, expected);
	assert_int_equal(finish(&child), 0);
}

static void a_child_gets_no_environment_but_ours(void **state)
{
	struct spawned child;
	char text[128];

	(void)state;
	setenv("LD_LIBRARY_PATH", "/nowhere", 1);
	setenv("UBSAN_OPTIONS", "print_stacktrace=1", 1);
	setenv("UBSAN_OPTIONS_OF_OTHERS", "x", 1);
	unsetenv("ASAN_OPTIONS");
	unsetenv("LSAN_OPTIONS");
	spawn(&child);
	unsetenv("LD_LIBRARY_PATH");
	unsetenv("UBSAN_OPTIONS");
	unsetenv("UBSAN_OPTIONS_OF_OTHERS");
	ask(&child, ASK_ENVIRONMENT, text);
	assert_string_equal(text, "HOSTPROF_LOG_LEVEL UBSAN_OPTIONS ");
	assert_int_equal(finish(&child), 0);
}

static void a_sender_has_what_says_how_the_network_is_reached(void **state)
{
	static const char *const names[] = {"https_proxy", "no_proxy", "SSL_CERT_FILE", "DEBUGINFOD_URLS", "HOME"};
	struct spawned child;
	char text[128];

	(void)state;
	unsetenv("ASAN_OPTIONS");
	unsetenv("LSAN_OPTIONS");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		setenv(names[i], "x", 1);
	spawn_as(ROLE_SENDER, &child);
	ask(&child, ASK_ENVIRONMENT, text);
	assert_non_null(strstr(text, "https_proxy "));
	assert_non_null(strstr(text, "no_proxy "));
	assert_non_null(strstr(text, "SSL_CERT_FILE "));
	assert_null(strstr(text, "DEBUGINFOD_URLS"));
	assert_null(strstr(text, "HOME"));
	assert_int_equal(finish(&child), 0);
	spawn(&child);
	ask(&child, ASK_ENVIRONMENT, text);
	assert_null(strstr(text, "proxy"));
	assert_int_equal(finish(&child), 0);
	for (size_t i = 0; i + 1 < sizeof(names) / sizeof(names[0]); i++)
		unsetenv(names[i]);
}

static void a_child_inherits_its_channel_alone(void **state)
{
	struct spawned child;
	int low = open("/proc/self/exe", O_RDONLY), high = fcntl(low, F_DUPFD, 200); /* both without CLOEXEC */
	char text[128];

	(void)state;
	assert_true(high >= 200);
	child_remember_program();
	spawn(&child);
	ask(&child, ASK_DESCRIPTORS, text);
	assert_string_equal(text, "0 1 2 3 null");
	close(low);
	close(high);
	assert_int_equal(finish(&child), 0);
}

static void our_own_descriptors_do_not_leak(void **state)
{
	struct spawned first, second;
	char text[128];

	(void)state;
	spawn(&first);
	spawn(&second);
	ask(&second, ASK_DESCRIPTORS, text);
	assert_string_equal(text, "0 1 2 3 null");
	/* The first one's end is seen although the second lives: no copy of its channel is left anywhere. */
	assert_int_equal(finish(&first), 0);
	assert_int_equal(finish(&second), 0);
}

static void the_end_of_a_child_is_told(void **state)
{
	struct spawned child;
	struct message message;
	int status;

	(void)state;
	spawn(&child);
	assert_int_equal(channel_send(child.channel, MESSAGE_PING, ASK_SEGV, NULL, 0, -1), 0);
	assert_int_equal(channel_receive(child.channel, &message), -EPIPE);
	status = finish(&child);
	assert_true(child_end_is_crash(status));
	assert_string_equal(child_end_text(status), "killed by SIGSEGV");

	spawn(&child);
	assert_int_equal(channel_send(child.channel, MESSAGE_PING, ASK_EXIT, NULL, 0, -1), 0);
	status = finish(&child);
	assert_false(child_end_is_crash(status));
	assert_string_equal(child_end_text(status), "exit status 3");

	spawn(&child);
	kill(child.pid, SIGKILL);
	status = finish(&child);
	assert_false(child_end_is_crash(status));
	assert_string_equal(child_end_text(status), "killed by SIGKILL");
}

static void crashes_are_told_from_outside_kills(void **state)
{
	static const int crashes[] = {SIGSEGV, SIGBUS, SIGABRT, SIGILL, SIGFPE, SIGSYS, SIGXCPU, SIGTRAP};
	static const int kills[] = {SIGKILL, SIGTERM, SIGINT, SIGHUP};

	(void)state;
	for (size_t i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++)
		assert_true(child_end_is_crash(crashes[i]));
	for (size_t i = 0; i < sizeof(kills) / sizeof(kills[0]); i++)
		assert_false(child_end_is_crash(kills[i]));
	assert_string_equal(child_end_text(SIGRTMIN + 3), "killed by signal 37");
}

/* Spawns a child that hangs, tells its pid, dies when `go` closes. */
static void middle_process(int pid_pipe, int go)
{
	struct spawned child;
	char text[128];

	spawn(&child);
	ask(&child, ASK_HANG, text);
	if (write(pid_pipe, &child.pid, sizeof(child.pid)) != sizeof(child.pid) || read(go, text, 1) != 0)
		_exit(1);
	_exit(0);
}

static void a_child_dies_with_its_parent(void **state)
{
	struct pollfd ended = {.events = POLLIN};
	int pid_pipe[2], go[2], status;
	pid_t middle, child;

	(void)state;
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
	assert_int_equal(pipe2(pid_pipe, O_CLOEXEC), 0);
	assert_int_equal(pipe2(go, O_CLOEXEC), 0);
	middle = fork();
	assert_true(middle >= 0);
	if (!middle) {
		close(go[1]);
		middle_process(pid_pipe[1], go[0]);
	}
	assert_int_equal(read(pid_pipe[0], &child, sizeof(child)), sizeof(child));
	ended.fd = (int)syscall(SYS_pidfd_open, child, 0);
	assert_true(ended.fd >= 0);
	assert_int_equal(poll(&ended, 1, 0), 0); /* it lives */
	close(go[1]);
	assert_int_equal(waitpid(middle, &status, 0), middle);
	assert_int_equal(status, 0);
	assert_int_equal(poll(&ended, 1, WAIT_MS), 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(WTERMSIG(status), SIGKILL);
	close(ended.fd);
	close(go[0]);
	close(pid_pipe[0]);
	close(pid_pipe[1]);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_role_is_read_from_argv),
		cmocka_unit_test(a_child_starts_with_clean_signals_and_our_log_level),
		cmocka_unit_test(a_child_gets_no_environment_but_ours),
		cmocka_unit_test(a_sender_has_what_says_how_the_network_is_reached),
		cmocka_unit_test(a_child_inherits_its_channel_alone),
		cmocka_unit_test(our_own_descriptors_do_not_leak),
		cmocka_unit_test(the_end_of_a_child_is_told),
		cmocka_unit_test(crashes_are_told_from_outside_kills),
		cmocka_unit_test(a_child_dies_with_its_parent),
	};
	enum role role = role_from_argv(argc, argv);

	if (role != ROLE_COLLECTOR)
		return serve_child(role);
	return cmocka_run_group_tests_name("child", tests, NULL, NULL);
}
