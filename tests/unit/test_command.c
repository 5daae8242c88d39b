/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collector/command.h"

static struct invoker self(void)
{
	return (struct invoker){.uid = getuid(), .gid = getgid()};
}

/* As the collector does: its signals are blocked and taken by hand. */
static int block_signals(void **state)
{
	sigset_t signals;

	(void)state;
	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	return sigprocmask(SIG_BLOCK, &signals, NULL);
}

static void wait_for_end(struct command *command)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	while (!command_has_ended(command))
		sigwaitinfo(&signals, NULL);
}

static struct command start(const char *const *argv)
{
	struct command command;

	assert_int_equal(command_prepare(&command, (char *const *)(uintptr_t)argv, self(), 0), 0);
	assert_true(command.pid > 0);
	return command;
}

static void its_exit_status_is_told(void **state)
{
	static const char *const argv[] = {"sh", "-c", "exit 7", NULL};
	struct command command = start(argv);

	(void)state;
	assert_int_equal(command_go(&command, argv[0], NULL), 0);
	wait_for_end(&command);
	assert_int_equal(command_exit_status(&command), 7);
	command_finish(&command);
}

static void a_signal_counts_as_a_shell_counts_it(void **state)
{
	static const char *const argv[] = {"sh", "-c", "kill -9 $$", NULL};
	struct command command = start(argv);

	(void)state;
	assert_int_equal(command_go(&command, argv[0], NULL), 0);
	wait_for_end(&command);
	assert_int_equal(command_exit_status(&command), 128 + SIGKILL);
}

static void one_that_cannot_be_executed_is_named(void **state)
{
	static const char *const argv[] = {"/nonexistent/program", NULL};
	struct command command = start(argv);
	struct problem problem;

	(void)state;
	assert_int_equal(command_go(&command, argv[0], &problem), -ENOENT);
	assert_non_null(strstr(problem.what, "/nonexistent/program"));
	wait_for_end(&command);
}

static void it_waits_behind_its_gate(void **state)
{
	static const char *const argv[] = {"sh", "-c", "exit 3", NULL};
	struct command command = start(argv);

	(void)state;
	assert_false(command_has_ended(&command));
	command_finish(&command); /* never let go: it leaves by itself, or by the signal */
	assert_true(command.has_ended);
	assert_int_not_equal(command_exit_status(&command), 3);
}

static void one_that_goes_on_is_asked_to_end(void **state)
{
	static const char *const argv[] = {"sleep", "1000", NULL};
	struct command command = start(argv);

	(void)state;
	assert_int_equal(command_go(&command, argv[0], NULL), 0);
	command_finish(&command);
	assert_int_equal(command_exit_status(&command), 128 + SIGTERM);
}

static void impatience_kills_one_that_does_not_listen(void **state)
{
	static const char *const argv[] = {"sh", "-c", "trap '' TERM; while :; do :; done", NULL};
	struct command command = start(argv);

	(void)state;
	assert_int_equal(command_go(&command, argv[0], NULL), 0);
	raise(SIGINT); /* stays pending: the user pressed Ctrl-C again */
	command_finish(&command);
	assert_true(WIFSIGNALED(command.wait_status));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(its_exit_status_is_told),
		cmocka_unit_test(a_signal_counts_as_a_shell_counts_it),
		cmocka_unit_test(one_that_cannot_be_executed_is_named),
		cmocka_unit_test(it_waits_behind_its_gate),
		cmocka_unit_test(one_that_goes_on_is_asked_to_end),
		cmocka_unit_test(impatience_kills_one_that_does_not_listen),
	};

	return cmocka_run_group_tests_name("command", tests, block_signals, NULL);
}
