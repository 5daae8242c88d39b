/* SPDX-License-Identifier: Apache-2.0 */
/* Which system calls are left (seccomp). What is not allowed kills the process, unless a filter says otherwise. A
 * sanitized build loads none: the sanitizers have needs of their own. 0 or -errno. */
#pragma once

/* No call that opens, makes a socket, starts a process or maps executable memory. */
int call_filter_resolver(void);
/* The same and internet sockets. To open or to look at a file by its path fails with EACCES and to start a thread or a
 * process with EPERM, since libraries try and do without. */
int call_filter_sender(void);
/* All but what writes to the file system, executes, or reaches other processes. */
int call_filter_name_service(void);
