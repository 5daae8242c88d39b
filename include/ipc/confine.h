/* SPDX-License-Identifier: Apache-2.0 */
/* Giving up rights. Each role calls its function once, before it reads the first message from anyone (children: the
 * first after START).
 *
 *   collector  BPF PERFMON SETUID SETGID KILL (SYS_ADMIN in place of the first two where the kernel has no CAP_BPF:
 *              before 5.8)
 *              and SYS_ADMIN beside them where kernel.perf_event_paranoid is above 2, a level of Debian's kernels at
 * which perf_event_open asks for it: a CPU that comes online later needs events opener     SYS_PTRACE DAC_READ_SEARCH
 * CHECKPOINT_RESTORE SYSLOG, as the invoking user resolver   nothing: nobody's uid, empty sets, no_new_privs, seccomp
 * allow-list, memory limit sender     the same, with a list that has internet sockets and no way to open a file
 *
 * Capabilities that the process does not have to begin with are not missed here; who needs one finds out and says so.
 *
 * How a child gets what its parent has given up: the collector stays uid 0 (or the program file carries capabilities),
 * and its bounding set keeps what any role needs, so that executing the program again gives that back and no more.
 * Hence also the order of things: the user's command is forked before confine_collector(), or root's command would lack
 * the capabilities that left the bounding set. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct invoker {
	uid_t uid;
	gid_t gid;
};

/* Who typed the command: SUDO_UID and SUDO_GID when we are root and they are numbers, else the real ids. */
struct invoker invoker_from_environment(void);

/* Call after BPF and perf are set up as far as they need more, and after the user's command was forked. 0 or -errno. */
int confine_collector(void);
/* Becomes the invoking user (with its supplementary groups; with the group alone where the user is not known) and keeps
 * the opener's capabilities; when that user is root, DAC_OVERRIDE too, so that output goes where root's output would.
 * SIGKILL at the parent's death. -EPERM: we are someone else and may not change that. */
int confine_opener(struct invoker invoker);
/* memory_bytes limits the address space; 0 for none (sanitizers need that; a sanitized build sets neither this limit
 * nor the seccomp filter). SIGKILL at the parent's death. After this no file can be opened: what is not on the list
 * kills the process with SIGSYS. */
int confine_resolver(size_t memory_bytes);
/* A sender gives up its rights in two steps, since its libraries open files until they are set up: nobody with nothing,
 * within limits; then the filter. After that no file can be opened (-EACCES: libraries look for this and that), no
 * program be executed, no process be started, and no socket be made but of the internet. */
int confine_sender(size_t memory_bytes);
int confine_sender_calls(void);
/* In a process that the sender forked between the two, for name resolution: it reads files (resolv.conf, hosts, nss)
 * and has sockets, but writes to nothing that it opens, executes nothing, and dies with the sender. */
int confine_name_service(void);
/* Text of the effective capabilities of this process for -v: "bpf,perfmon" (libcap's spelling), "none" or "all". */
void confine_describe(char *to, size_t size);

/* Is the capability ("cap_bpf", libcap's spelling) effective in this process? false also when libcap does not know it.
 */
bool confine_has_capability(const char *name);

/* Lowers the effective set to nothing (a root invoker keeps DAC_OVERRIDE and DAC_READ_SEARCH), or raises it to what is
 * permitted: the opener touches the user's paths with the user's rights alone. 0 or -errno. */
int confine_lower(struct invoker invoker);
int confine_raise(void);

/* In a forked child, before it executes the user's command: drops every right that the invoking user would not have and
 * becomes that user. Root keeps what root has. */
int confine_command(struct invoker invoker);

/* Of what the resolver writes into a descriptor. */
#define RESOLVER_FILE_BYTES (4ULL << 30)
/* Address space of the resolver: a bound for what hostile files can make of it, where its own account fails. Beside a
 * budget it is so many times that, and what programs and their libraries have. */
#define RESOLVER_SPACE_BYTES (128ULL << 20)
#define RESOLVER_SPACE_TIMES 3
#define RESOLVER_MEMORY_BYTES (4ULL << 30)
/* Of a file that is downloaded, and the sender's address space: libcurl and its libraries take a tenth. */
#define SENDER_FILE_BYTES (4ULL << 30)
#define SENDER_MEMORY_BYTES (512ULL << 20)
