/* SPDX-License-Identifier: Apache-2.0 */
#include "call_filter.h"

#ifdef HOSTPROF_SANITIZED
int call_filter_resolver(void)
{
	return 0;
}

int call_filter_sender(void)
{
	return 0;
}

int call_filter_name_service(void)
{
	return 0;
}
#else
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define COUNT(calls) (sizeof(calls) / sizeof((calls)[0]))

/* Allowed with any arguments. No call here opens, makes a socket, starts a process or maps executable memory. */
static const int worker_calls[] = {
	/* descriptors that we were given */
	SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(pread64), SCMP_SYS(preadv), SCMP_SYS(write), SCMP_SYS(writev),
	SCMP_SYS(pwrite64), SCMP_SYS(lseek), SCMP_SYS(fstat), SCMP_SYS(close), SCMP_SYS(dup), SCMP_SYS(fcntl),
	SCMP_SYS(ftruncate), SCMP_SYS(memfd_create),
	/* the channel */
	SCMP_SYS(sendmsg), SCMP_SYS(recvmsg), SCMP_SYS(sendto), SCMP_SYS(recvfrom), SCMP_SYS(poll), SCMP_SYS(ppoll),
	SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait),
	/* memory */
	SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(brk), SCMP_SYS(madvise),
	/* time, cost, identity; sysinfo is asked by libc's qsort, capget by confine_describe() */
	SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday), SCMP_SYS(getrusage), SCMP_SYS(sysinfo), SCMP_SYS(getpid),
	SCMP_SYS(gettid), SCMP_SYS(getrandom), SCMP_SYS(capget),
	/* libc's own needs, abort() among them */
	SCMP_SYS(futex), SCMP_SYS(sched_yield), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn), SCMP_SYS(restart_syscall), SCMP_SYS(exit), SCMP_SYS(exit_group)};

/* Calls that this architecture never had (poll on arm64) resolve to negative pseudo numbers. */
static int add_calls(scmp_filter_ctx filter, uint32_t action, const int *calls, size_t n)
{
	int err = 0;

	for (size_t i = 0; !err && i < n; i++)
		if (calls[i] >= 0)
			err = seccomp_rule_add(filter, action, calls[i], 0);
	return err;
}

static int add_worker_rules(scmp_filter_ctx filter)
{
	int err = add_calls(filter, SCMP_ACT_ALLOW, worker_calls, COUNT(worker_calls));

	if (!err)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
				       SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (!err)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
				       SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	/* libc's fstat(): of a descriptor. A path would be looked at as well, but by nobody and for its status alone.
	 */
	if (!err)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(newfstatat), 1,
				       SCMP_A3(SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH, AT_EMPTY_PATH));
	if (!err)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(statx), 1,
				       SCMP_A2(SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH, AT_EMPTY_PATH));
	/* Signals to ourselves. */
	if (!err)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
				       SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0));
	/* Limits are read, not set. */
	if (!err)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 1, SCMP_A2(SCMP_CMP_EQ, 0, 0));
	/* Its own, within RLIMIT_NICE. */
	if (!err)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(setpriority), 2,
				       SCMP_A0(SCMP_CMP_EQ, PRIO_PROCESS), SCMP_A1(SCMP_CMP_EQ, 0));
	return err;
}

static const int network_calls[] = {
	SCMP_SYS(connect),	   SCMP_SYS(getsockopt), SCMP_SYS(setsockopt), SCMP_SYS(getsockname),
	SCMP_SYS(getpeername),	   SCMP_SYS(shutdown),	 SCMP_SYS(getuid),     SCMP_SYS(geteuid),
	SCMP_SYS(getgid),	   SCMP_SYS(getegid),	 SCMP_SYS(uname),      SCMP_SYS(nanosleep),
	SCMP_SYS(clock_nanosleep),
};

/* What libraries try: configuration files, and a thread for the resolution of a name. */
static const int refused_paths[] = {SCMP_SYS(open),	  SCMP_SYS(openat),    SCMP_SYS(openat2),   SCMP_SYS(creat),
				    SCMP_SYS(access),	  SCMP_SYS(faccessat), SCMP_SYS(stat),	    SCMP_SYS(lstat),
				    SCMP_SYS(faccessat2), SCMP_SYS(readlink),  SCMP_SYS(readlinkat)};
static const int refused_starts[] = {SCMP_SYS(clone), SCMP_SYS(clone3)};

static int add_sender_rules(scmp_filter_ctx filter)
{
	static const int domains[] = {AF_INET, AF_INET6};
	static const scmp_datum_t socket_requests[] = {FIONBIO, FIONREAD};
	int err = add_worker_rules(filter);

	if (!err)
		err = add_calls(filter, SCMP_ACT_ALLOW, network_calls, COUNT(network_calls));
	for (size_t i = 0; !err && i < COUNT(domains); i++)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
				       SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)domains[i]));
	/* Not of the terminal that may be its stderr (TIOCSTI). */
	for (size_t i = 0; !err && i < COUNT(socket_requests); i++)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
				       SCMP_A1(SCMP_CMP_EQ, socket_requests[i]));
	if (!err)
		err = add_calls(filter, SCMP_ACT_ERRNO(EACCES), refused_paths, COUNT(refused_paths));
	if (!err)
		err = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(newfstatat), 1,
				       SCMP_A3(SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH, 0));
	if (!err)
		err = add_calls(filter, SCMP_ACT_ERRNO(EPERM), refused_starts, COUNT(refused_starts));
	return err;
}

static const int harmful_calls[] = {
	SCMP_SYS(execve),
	SCMP_SYS(execveat),
	SCMP_SYS(fork),
	SCMP_SYS(vfork),
	SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(kill),
	SCMP_SYS(tkill),
	SCMP_SYS(bpf),
	SCMP_SYS(perf_event_open),
	SCMP_SYS(mount),
	SCMP_SYS(umount2),
	SCMP_SYS(unshare),
	SCMP_SYS(setns),
	SCMP_SYS(io_uring_setup),
	SCMP_SYS(userfaultfd),
	SCMP_SYS(keyctl),
	SCMP_SYS(add_key),
	SCMP_SYS(request_key),
	SCMP_SYS(unlink),
	SCMP_SYS(unlinkat),
	SCMP_SYS(rename),
	SCMP_SYS(renameat),
	SCMP_SYS(renameat2),
	SCMP_SYS(mkdir),
	SCMP_SYS(mkdirat),
	SCMP_SYS(rmdir),
	SCMP_SYS(link),
	SCMP_SYS(linkat),
	SCMP_SYS(symlink),
	SCMP_SYS(symlinkat),
	SCMP_SYS(mknod),
	SCMP_SYS(mknodat),
	SCMP_SYS(truncate),
	SCMP_SYS(chmod),
	SCMP_SYS(fchmodat),
	SCMP_SYS(chown),
	SCMP_SYS(lchown),
	SCMP_SYS(fchownat),
};

/* The flags of these calls cannot be looked at, or are no more than those of openat. */
static const int refused_opens[] = {SCMP_SYS(openat2), SCMP_SYS(creat)};

static int refuse_writing(scmp_filter_ctx filter, int call, unsigned int flags_at)
{
	static const struct {
		scmp_datum_t mask, value;
	} writing[] = {{O_ACCMODE, O_WRONLY}, {O_ACCMODE, O_RDWR}, {O_CREAT, O_CREAT}, {O_TRUNC, O_TRUNC}};
	int err = 0;

	for (size_t i = 0; !err && call >= 0 && i < COUNT(writing); i++)
		err = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EACCES), call, 1,
				       SCMP_CMP(flags_at, SCMP_CMP_MASKED_EQ, writing[i].mask, writing[i].value));
	return err;
}

static int add_name_service_rules(scmp_filter_ctx filter)
{
	int err = add_calls(filter, SCMP_ACT_KILL_PROCESS, harmful_calls, COUNT(harmful_calls));

	if (!err)
		err = add_calls(filter, SCMP_ACT_ERRNO(ENOSYS), refused_opens, COUNT(refused_opens));
	if (!err)
		err = refuse_writing(filter, SCMP_SYS(open), 1);
	return err ? err : refuse_writing(filter, SCMP_SYS(openat), 2);
}

static int load(uint32_t otherwise, int (*add_rules)(scmp_filter_ctx filter))
{
	scmp_filter_ctx filter = seccomp_init(otherwise);
	int err;

	if (!filter)
		return -ENOMEM;
	err = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (!err)
		err = add_rules(filter);
	if (!err)
		err = seccomp_load(filter);
	seccomp_release(filter);
	return err;
}

int call_filter_resolver(void)
{
	return load(SCMP_ACT_KILL_PROCESS, add_worker_rules);
}

int call_filter_sender(void)
{
	return load(SCMP_ACT_KILL_PROCESS, add_sender_rules);
}

int call_filter_name_service(void)
{
	return load(SCMP_ACT_ALLOW, add_name_service_rules);
}
#endif
