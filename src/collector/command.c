/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"

#define EXIT_NOT_EXECUTED 127

/* The child: nothing of ours but its three standard descriptors, default signals, the invoking user's rights. */
static void run_child(char *const *argv, struct invoker invoker, int nice, int gate, int failure)
{
	sigset_t none;
	char byte;
	int err;

	/* Not let go: the profiler could not start. */
	if (read(gate, &byte, 1) != 1)
		_exit(EXIT_NOT_EXECUTED);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (int signal_number = 1; signal_number < NSIG; signal_number++)
		signal(signal_number, SIG_DFL);
	setpriority(PRIO_PROCESS, 0, nice);
	err = confine_command(invoker);
	if (!err) {
		execvp(argv[0], argv);
		err = -errno;
	}
	if (write(failure, &err, sizeof(err)) != sizeof(err))
		_exit(EXIT_NOT_EXECUTED);
	_exit(EXIT_NOT_EXECUTED);
}

int command_prepare(struct command *command, char *const *argv, struct invoker invoker, int nice)
{
	int gate[2] = {-1, -1}, failure[2] = {-1, -1};
	pid_t pid;
	int err;

	*command = (struct command){.pid = -1, .gate = -1, .failure = -1};
	if (pipe2(gate, O_CLOEXEC) || pipe2(failure, O_CLOEXEC)) {
		err = -errno;
		goto fail;
	}
	pid = fork();
	if (pid < 0) {
		err = -errno;
		goto fail;
	}
	if (!pid) {
		close(gate[1]);
		close(failure[0]);
		run_child(argv, invoker, nice, gate[0], failure[1]);
	}
	close(gate[0]);
	close(failure[1]);
	*command = (struct command){.pid = pid, .gate = gate[1], .failure = failure[0]};
	return 0;
fail:
	cleanup_close(&gate[0]);
	cleanup_close(&gate[1]);
	cleanup_close(&failure[0]);
	cleanup_close(&failure[1]);
	return err;
}

int command_go(struct command *command, const char *name, struct problem *problem)
{
	int err = 0;

	if (write(command->gate, "", 1) != 1)
		err = -errno;
	close(take_fd(&command->gate));
	/* End of file: the descriptor closed at exec. */
	if (!err && read(command->failure, &err, sizeof(err)) != sizeof(err))
		err = 0;
	close(take_fd(&command->failure));
	if (err)
		return problem_set(problem, err, "check the command's path and the invoking user's rights",
				   "cannot run '%s'", name);
	return 0;
}

bool command_has_ended(struct command *command)
{
	if (command->pid < 0 || command->has_ended)
		return command->has_ended;
	if (waitpid(command->pid, &command->wait_status, WNOHANG) == command->pid)
		command->has_ended = true;
	return command->has_ended;
}

void command_finish(struct command *command)
{
	const struct timespec patience = {.tv_sec = 1};
	sigset_t signals;

	if (command->gate >= 0)
		close(take_fd(&command->gate)); /* it never ran: it leaves */
	if (command->failure >= 0)
		close(take_fd(&command->failure));
	if (command->pid < 0 || command_has_ended(command))
		return;
	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	kill(command->pid, SIGTERM);
	while (!command_has_ended(command)) {
		int got = sigtimedwait(&signals, NULL, &patience);

		/* The user's patience has ended. */
		if (got == SIGINT || got == SIGTERM)
			kill(command->pid, SIGKILL);
	}
}

int command_exit_status(const struct command *command)
{
	if (WIFSIGNALED(command->wait_status))
		return 128 + WTERMSIG(command->wait_status);
	return WEXITSTATUS(command->wait_status);
}
