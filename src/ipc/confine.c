/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/cursor.h"
#include "base/io.h"
#include "base/text.h"
#include "call_filter.h"

#define NOBODY 65534
#define PASSWD_MAX_BYTES 65536
#define MAX_GROUPS 65536 /* NGROUPS_MAX */
#define FIRST_GROUPS 64

/* Debian 12's headers have them all; the numbers are for older ones (linux/capability.h). */
#ifndef CAP_PERFMON
#define CAP_PERFMON 38
#define CAP_BPF 39
#endif
#ifndef CAP_CHECKPOINT_RESTORE
#define CAP_CHECKPOINT_RESTORE 40
#endif

/* A set of capabilities as a mask: bit n is capability n. */
#define CAP(name) (1ULL << (CAP_##name))
#define CAPS_NONE 0ULL
#define CAPS_ALL (~0ULL)
#define CAPS_PARENT (CAP(SETUID) | CAP(SETGID) | CAP(KILL))
#define CAPS_OPENER (CAP(SYS_PTRACE) | CAP(DAC_READ_SEARCH) | CAP(CHECKPOINT_RESTORE) | CAP(SYSLOG))
/* map_files asks for SYS_ADMIN where CHECKPOINT_RESTORE is not known (before 5.9); we do without it there and take the
 * path. */
#define CAPS_ROOT_OUTPUT (CAP(DAC_OVERRIDE) | CAP(DAC_READ_SEARCH))

static bool kernel_knows(int cap)
{
	return prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0;
}

/* Debian's kernels know a level 3, their default, at which perf events are for CAP_SYS_ADMIN alone. */
static bool perf_asks_for_sys_admin(void)
{
	auto_close int fd = open("/proc/sys/kernel/perf_event_paranoid", O_RDONLY | O_CLOEXEC);
	char level[16];
	struct cursor cursor;
	ssize_t n = fd < 0 ? -1 : io_pread_full(fd, level, sizeof(level), 0);

	if (n <= 0 || level[0] == '-')
		return false;
	cursor_init(&cursor, level, (size_t)n);
	return cursor_dec(&cursor) > 2;
}

/* After the start perf events are opened only for CPUs that come online, but that must go on to work. */
static uint64_t collector_caps(void)
{
	uint64_t caps = CAPS_PARENT | (kernel_knows(CAP_BPF) ? CAP(BPF) | CAP(PERFMON) : CAP(SYS_ADMIN));

	return perf_asks_for_sys_admin() ? caps | CAP(SYS_ADMIN) : caps;
}

static bool parse_id(const char *text, uint32_t *ret)
{
	struct cursor cursor;
	uint64_t id;

	if (!text)
		return false;
	cursor_init(&cursor, text, strlen(text));
	id = cursor_dec(&cursor);
	/* The largest value means "no change" to the kernel. */
	if (!cursor_ok(&cursor) || !cursor_at_end(&cursor) || id >= UINT32_MAX)
		return false;
	*ret = (uint32_t)id;
	return true;
}

struct invoker invoker_from_environment(void)
{
	struct invoker invoker = {.uid = getuid(), .gid = getgid()};
	uint32_t uid, gid;

	if (!invoker.uid && parse_id(getenv("SUDO_UID"), &uid) && parse_id(getenv("SUDO_GID"), &gid))
		invoker = (struct invoker){.uid = uid, .gid = gid};
	return invoker;
}

/* Sets permitted and effective to those of `permitted` and `effective` that are permitted now; the inheritable set is
 * emptied, and with it the kernel empties the ambient set. */
static int set_caps(uint64_t permitted, uint64_t effective)
{
	cap_t now = cap_get_proc(), next = cap_init();
	int err = 0;

	if (!now || !next) {
		err = -errno;
		goto out;
	}
	for (cap_value_t cap = 0; cap < (cap_value_t)cap_max_bits(); cap++) {
		cap_flag_value_t has = CAP_CLEAR;

		if (!(permitted >> cap & 1) || cap_get_flag(now, cap, CAP_PERMITTED, &has) || has != CAP_SET)
			continue;
		if (cap_set_flag(next, CAP_PERMITTED, 1, &cap, CAP_SET) ||
		    ((effective >> cap & 1) && cap_set_flag(next, CAP_EFFECTIVE, 1, &cap, CAP_SET))) {
			err = -errno;
			goto out;
		}
	}
	if (cap_set_proc(next))
		err = -errno;
out:
	cap_free(now);
	cap_free(next);
	return err;
}

/* Best effort: without SETPCAP the bounding set stays, and with it what the rest of the system allows us anyway. */
static void limit_bounding_set(uint64_t keep)
{
	for (int cap = 0; kernel_knows(cap); cap++)
		if (!(keep >> cap & 1))
			prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
}

/* The groups that a login of this user would have, or its primary group where the user is not known. */
static int set_groups(struct invoker invoker)
{
	auto_free char *text = malloc(PASSWD_MAX_BYTES);
	auto_free gid_t *groups = NULL;
	struct passwd entry, *found = NULL;
	int n = FIRST_GROUPS;

	if (!text)
		return -ENOMEM;
	if (getpwuid_r(invoker.uid, &entry, text, PASSWD_MAX_BYTES, &found) || !found)
		return setgroups(1, &invoker.gid) ? -errno : 0;
	for (;;) {
		int room = n;
		gid_t *more = realloc(groups, (size_t)room * sizeof(*groups));

		if (!more)
			return -ENOMEM;
		groups = more;
		if (getgrouplist(found->pw_name, invoker.gid, groups, &n) >= 0)
			break;
		if (n <= room || n > MAX_GROUPS)
			return -E2BIG;
	}
	return setgroups((size_t)n, groups) ? -errno : 0;
}

static bool is_already(struct invoker invoker)
{
	uid_t real_uid, effective_uid, saved_uid;
	gid_t real_gid, effective_gid, saved_gid;

	if (getresuid(&real_uid, &effective_uid, &saved_uid) || getresgid(&real_gid, &effective_gid, &saved_gid))
		return false;
	return real_uid == invoker.uid && effective_uid == invoker.uid && saved_uid == invoker.uid &&
	       real_gid == invoker.gid && effective_gid == invoker.gid && saved_gid == invoker.gid;
}

static int set_ids(struct invoker invoker)
{
	if (setresgid(invoker.gid, invoker.gid, invoker.gid) || setresuid(invoker.uid, invoker.uid, invoker.uid))
		return -errno;
	return is_already(invoker) ? 0 : -EPERM;
}

static int become(struct invoker invoker)
{
	int err;

	if (is_already(invoker))
		return 0;
	err = set_groups(invoker);
	return err ? err : set_ids(invoker);
}

#ifdef HOSTPROF_SANITIZED
#define IS_DUMPABLE 1 /* the leak check at exit attaches to its own process */
#else
#define IS_DUMPABLE 0
#endif

/* What all children share. The kernel forgot the death signal when ids or capabilities changed. */
static int seal_child(void)
{
	/* No core file with foreign bytes in it, no ptrace by others of the same user. */
	if (prctl(PR_SET_DUMPABLE, IS_DUMPABLE, 0, 0, 0) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0))
		return -errno;
	return 0;
}

int confine_collector(void)
{
	uint64_t caps = collector_caps();

	limit_bounding_set(caps | CAPS_OPENER | CAP(DAC_OVERRIDE)); /* of any role, CAPS_ROOT_OUTPUT included */
	return set_caps(caps, caps);
}

int confine_opener(struct invoker invoker)
{
	uint64_t caps = CAPS_OPENER | (invoker.uid ? CAPS_NONE : CAPS_ROOT_OUTPUT);
	int err;

	limit_bounding_set(CAPS_NONE); /* while SETPCAP is effective */
	/* Permitted capabilities outlive the change of user; the flag ends with the next exec, and there is none. */
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0))
		return -errno;
	err = become(invoker);
	if (err)
		return err;
	/* The change of user emptied the effective set. */
	err = set_caps(caps, caps);
	return err ? err : seal_child();
}

int confine_lower(struct invoker invoker)
{
	return set_caps(CAPS_ALL, invoker.uid ? CAPS_NONE : CAPS_ROOT_OUTPUT);
}

int confine_raise(void)
{
	return set_caps(CAPS_ALL, CAPS_ALL);
}

int confine_command(struct invoker invoker)
{
	int err;

	if (!invoker.uid)
		return become(invoker);
	err = become(invoker);
	/* Leaving uid 0 emptied the sets already; a program file with capabilities never was uid 0. The bounding set
	 * stays: the command may well be sudo. */
	return err ? err : set_caps(CAPS_NONE, CAPS_NONE);
}

void confine_describe(char *to, size_t size)
{
	cap_t now = cap_get_proc();
	size_t len = 0;
	bool has_all = true;

	if (!size)
		return;
	to[0] = 0;
	for (cap_value_t cap = 0; now && cap < (cap_value_t)cap_max_bits(); cap++) {
		cap_flag_value_t has = CAP_CLEAR;
		char *name;

		if (cap_get_flag(now, cap, CAP_EFFECTIVE, &has) || has != CAP_SET) {
			has_all = false;
			continue;
		}
		name = cap_to_name(cap);
		if (!name)
			continue;
		if (len)
			len += text_copy(to + len, size - len, ",");
		len += text_copy(to + len, size - len, strncmp(name, "cap_", 4) ? name : name + 4);
		cap_free(name);
	}
	if (!len)
		text_copy(to, size, "none");
	else if (has_all)
		text_copy(to, size, "all");
	cap_free(now);
}

static int set_limits(size_t memory_bytes)
{
	const struct rlimit address_space = {.rlim_cur = memory_bytes, .rlim_max = memory_bytes};

#ifdef HOSTPROF_SANITIZED
	return 0;
#endif
	return memory_bytes && setrlimit(RLIMIT_AS, &address_space) ? -errno : 0;
}

/* Nobody, where we may; an ordinary user's resolver stays that user, with the filter around it. */
static int become_nobody(void)
{
	const struct invoker nobody = {.uid = NOBODY, .gid = NOBODY};
	int err;

	if (setgroups(0, NULL))
		return errno == EPERM ? 0 : -errno;
	err = set_ids(nobody);
	/* EINVAL: a user namespace without such an id. */
	return err == -EPERM || err == -EINVAL ? 0 : err;
}

/* What resolver and sender share: nobody with nothing, within limits. */
static int confine_to_nothing(size_t memory_bytes, uint64_t file_bytes)
{
	const struct rlimit no_core = {0}, file_size = {file_bytes, file_bytes};
	int err;

	limit_bounding_set(CAPS_NONE);
	signal(SIGXFSZ, SIG_IGN); /* it is told as an error */
	err = become_nobody();
	if (!err)
		err = set_caps(CAPS_NONE, CAPS_NONE);
	if (!err)
		err = seal_child();
	if (!err && (setrlimit(RLIMIT_CORE, &no_core) || setrlimit(RLIMIT_FSIZE, &file_size)))
		err = -errno;
	return err ? err : set_limits(memory_bytes);
}

int confine_resolver(size_t memory_bytes)
{
	int err = confine_to_nothing(memory_bytes, RESOLVER_FILE_BYTES);

	return err ? err : call_filter_resolver();
}

int confine_sender(size_t memory_bytes)
{
	return confine_to_nothing(memory_bytes, SENDER_FILE_BYTES);
}

int confine_sender_calls(void)
{
	return call_filter_sender();
}

int confine_name_service(void)
{
	/* The parent's death was asked of the kernel for the parent alone. */
	return prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) ? -errno : call_filter_name_service();
}

bool confine_has_capability(const char *name)
{
	cap_flag_value_t is_set = CAP_CLEAR;
	cap_value_t capability;
	cap_t caps;

	if (cap_from_name(name, &capability))
		return false;
	caps = cap_get_proc();
	if (!caps)
		return false;
	if (cap_get_flag(caps, capability, CAP_EFFECTIVE, &is_set))
		is_set = CAP_CLEAR;
	cap_free(caps);
	return is_set == CAP_SET;
}
