/* SPDX-License-Identifier: Apache-2.0 */
/* The user's own command, run under the profiler: started behind a gate, so that it can be followed from its first
 * instruction, as the invoking user, with the profiler's own stdin, stdout and stderr. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/problem.h"
#include "ipc/confine.h"

struct command {
	pid_t pid;   /* -1: none */
	int gate;    /* a byte lets it go */
	int failure; /* reads an errno when it could not be executed; end of file when it could */
	bool has_ended;
	int wait_status;
};

/* Forks it; it waits. To be called before this process gives up rights. `nice` is its priority, as setpriority(2). */
int command_prepare(struct command *command, char *const *argv, struct invoker invoker, int nice);
/* Lets it go. -errno with the problem filled when it cannot be executed. */
int command_go(struct command *command, const char *name, struct problem *problem);
/* Reaps it when it has ended; true then and ever after. */
bool command_has_ended(struct command *command);
/* Asks it to end (SIGTERM) and waits for it; a SIGINT or SIGTERM to us (both blocked, as SIGCHLD) kills it meanwhile.
 */
void command_finish(struct command *command);
/* As a shell tells it: 128 + signal for a killed one. */
int command_exit_status(const struct command *command);
