/* SPDX-License-Identifier: Apache-2.0 */
/* A role run as a process of its own: the program executes itself again, so that the child inherits neither memory nor
 * descriptors: only its channel (descriptor CHILD_CHANNEL_FD), stderr, and /dev/null as stdin and stdout. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define CHILD_CHANNEL_FD 3

enum role { ROLE_COLLECTOR, ROLE_OPENER, ROLE_RESOLVER, ROLE_SENDER, ROLE_COUNT };

/* "opener" */
const char *role_name(enum role role);
/* The role that argv asks for when the program executed itself ("hostprof --role=opener"); ROLE_COLLECTOR otherwise. */
enum role role_from_argv(int argc, char *const *argv);

/* Remembers the running file, for the case that /proc/self/exe cannot be used at a later child_spawn() (/proc gone or
 * hidden by then). Optional; call it at start. */
void child_remember_program(void);

/* Starts this program anew in the role. *ret_fd is our end of its channel. Returns once the child has executed; a
 * failure of any step before is the result. What the child gets:
 *   - argv "hostprof --role=NAME", and an environment of the log level and the sanitizers' options alone; a sender has
 *     also what says through which proxy the network is reached, and where the trusted certificates are
 *   - /dev/null as stdin and stdout, our stderr, its channel; nothing else is open
 *   - a process group of its own, so that a terminal's Ctrl-C is ours alone
 *   - no blocked signals, default dispositions; SIGPIPE and SIGTTOU ignored (a log line must not end or stop it)
 *   - SIGKILL when we die. The kernel forgets this when the child changes its user or capabilities: confine_opener()
 * and the others of ipc/confine.h ask for it again. The caller waits for the pid and closes the descriptor. */
int child_spawn(enum role role, pid_t *ret_pid, int *ret_fd);

/* First of all in main(): names the role in the log and, for a child, the process after it; a child takes over the log
 * level from the environment. */
void child_set_up(enum role role);

/* How a child ended, from waitpid status: "killed by SIGSEGV", "exit status 1". Static buffer. */
const char *child_end_text(int wait_status);
/* true when the end is the child's own fault (SEGV, BUS, ABRT, ILL, FPE, SYS, XCPU, TRAP) and not an outside kill. */
bool child_end_is_crash(int wait_status);
