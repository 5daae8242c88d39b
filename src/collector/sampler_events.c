/* SPDX-License-Identifier: Apache-2.0 */
/* One perf event a CPU, each with the sampling program. The program is attached by ioctl, which every kernel has; a BPF
 * link (5.15) would add nothing here, and libbpf's call enables the event at once. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "collector/sampler_internal.h"

static void attr_for(enum sampler_event kind, uint32_t rate_hz, struct perf_event_attr *ret)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.disabled = 1,
		/* For events_update(): an event that lives is enabled for longer each time one looks. */
		.read_format = PERF_FORMAT_TOTAL_TIME_ENABLED,
	};

	if (kind == SAMPLER_CYCLES) {
		/* A fixed period would need the clock rate, which changes from moment to moment; with a frequency the
		 * kernel adapts the period, and each sample's weight is the period that made it. */
		attr.type = PERF_TYPE_HARDWARE;
		attr.config = PERF_COUNT_HW_CPU_CYCLES;
		attr.freq = 1;
		attr.sample_freq = rate_hz;
	} else {
		attr.type = PERF_TYPE_SOFTWARE;
		attr.config = PERF_COUNT_SW_CPU_CLOCK;
		attr.sample_period = NSEC_PER_SEC / rate_hz;
	}
	*ret = attr;
}

/* Is there no such counter here (rather than: we may not, or the CPU just left)? */
static bool is_unsupported(int err)
{
	return err == -ENOENT || err == -EOPNOTSUPP || err == -EINVAL || err == -ENOSYS;
}

int events_init(struct events *events)
{
	memset(events, 0, sizeof(*events));
	vec_init(&events->list, SAMPLER_MAX_CPUS);
	events->prog_fd = -1;
	events->online_fd = cpus_open_online();
	events->online = calloc(SAMPLER_MAX_CPUS, sizeof(*events->online));
	events->cpus = calloc(SAMPLER_MAX_CPUS, sizeof(*events->cpus));
	return events->online && events->cpus ? 0 : -ENOMEM;
}

static void close_all(struct events *events)
{
	vec_for_each (&events->list, event)
		if (event->fd >= 0)
			close(event->fd);
	vec_clear(&events->list);
}

void events_release(struct events *events)
{
	close_all(events);
	vec_release(&events->list);
	if (events->online_fd >= 0)
		close(events->online_fd);
	events->online_fd = -1;
	free(events->online);
	free(events->cpus);
	events->online = events->cpus = NULL;
}

/* Opens one CPU's event. 0, or -errno; -ENODEV: the CPU is not there (any more). */
static int open_cpu(const struct events *events, uint32_t cpu, int *ret_fd)
{
	auto_close int fd = (int)syscall(SYS_perf_event_open, &events->attr, -1, (int)cpu, -1, PERF_FLAG_FD_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (ioctl(fd, PERF_EVENT_IOC_SET_BPF, events->prog_fd))
		return -errno;
	if (events->is_enabled && ioctl(fd, PERF_EVENT_IOC_ENABLE, 0))
		return -errno;
	*ret_fd = take_fd(&fd);
	return 0;
}

static int open_all(struct events *events)
{
	size_t n;
	int err = cpus_read_online(events->online_fd, events->online, &n);

	for (size_t i = 0; !err && i < n; i++) {
		struct cpu_event *event;
		int fd;

		err = open_cpu(events, events->online[i], &fd);
		if (err == -ENODEV) {
			err = 0;
			continue;
		}
		if (err)
			break;
		event = vec_push(&events->list);
		if (!event) {
			close(fd);
			return -ENOMEM;
		}
		event->cpu = events->online[i];
		event->fd = fd;
	}
	if (!err && !events->list.len)
		err = -ENODEV;
	return err;
}

static int open_problem(struct problem *problem, int err)
{
	const char *mend = "";

	switch (err) {
	case -EPERM:
	case -EACCES:
		mend = "run as root or give CAP_PERFMON; where that is not enough, set the sysctl "
		       "kernel.perf_event_paranoid to 2 or lower (Debian's 3 asks for CAP_SYS_ADMIN) and allow "
		       "perf_event_open in the container's seccomp profile";
		break;
	case -EMFILE:
		mend = "raise the limit of open files (ulimit -n): each CPU needs two";
		break;
	case -ENOSYS:
		mend = "the kernel was built without perf events (CONFIG_PERF_EVENTS)";
		break;
	default:
		break;
	}
	return problem_set(problem, err, mend, "cannot open the sampling perf events");
}

int events_open(struct events *events, enum sampler_event kind, uint32_t rate_hz, int prog_fd, struct problem *problem)
{
	int err;

	events->prog_fd = prog_fd;
	attr_for(kind, rate_hz, &events->attr);
	err = open_all(events);
	if (kind == SAMPLER_CYCLES && is_unsupported(err)) {
		close_all(events);
		snprintf(events->fell_back, sizeof(events->fell_back), "no hardware cycle counter here: %s",
			 err_name(err));
		attr_for(SAMPLER_CPU_CLOCK, rate_hz, &events->attr);
		err = open_all(events);
	}
	return err ? open_problem(problem, err) : 0;
}

int events_enable(struct events *events)
{
	int err = 0;

	events->is_enabled = true;
	vec_for_each (&events->list, event)
		if (ioctl(event->fd, PERF_EVENT_IOC_ENABLE, 0) && !err)
			err = -errno;
	return err;
}

int events_disable(struct events *events)
{
	int err = 0;

	events->is_enabled = false;
	vec_for_each (&events->list, event)
		if (ioctl(event->fd, PERF_EVENT_IOC_DISABLE, 0) && !err)
			err = -errno;
	return err;
}

/* A CPU that went offline takes its event along for ever, also when it is back by the time one looks. The program's
 * count tells for free that an event lives; only for CPUs that slept all the while the kernel is asked. */
static bool is_dead(struct cpu_event *event, const struct sampler_cpu_stats *stats, uint32_t n_stats)
{
	uint64_t ran = event->cpu < n_stats ? __atomic_load_n(&stats[event->cpu].ran, __ATOMIC_RELAXED) : 0;
	struct {
		uint64_t value, enabled_ns;
	} counts;

	if (ran != event->ran) {
		event->ran = ran;
		return false;
	}
	if (read(event->fd, &counts, sizeof(counts)) != sizeof(counts))
		return true;
	if (counts.enabled_ns == event->enabled_ns)
		return true;
	event->enabled_ns = counts.enabled_ns;
	return false;
}

int events_update(struct events *events, const struct sampler_cpu_stats *stats, uint32_t n_stats)
{
	struct cpu_event_vec old = events->list;
	size_t n, i = 0, o = 0;
	bool changed = false;
	int err = cpus_read_online(events->online_fd, events->online, &n);

	if (err)
		return err;
	/* Both lists are in order of CPUs: merged into a new one. */
	vec_init(&events->list, SAMPLER_MAX_CPUS);
	err = vec_reserve(&events->list, n ? n : 1);
	if (err) {
		events->list = old;
		return err;
	}
	while (i < n || o < old.len) {
		struct cpu_event *known = o < old.len ? &old.items[o] : NULL, *event;
		uint32_t cpu = i < n ? events->online[i] : UINT32_MAX;
		int fd, failed;

		if (known && known->cpu < cpu) {
			close(known->fd); /* offline */
			changed = true;
			o++;
			continue;
		}
		i++;
		if (known && known->cpu == cpu) {
			o++;
			if (!events->is_enabled || !is_dead(known, stats, n_stats)) {
				event = vec_push(&events->list);
				if (event) /* always: reserved above */
					*event = *known;
				continue;
			}
			close(known->fd);
			changed = true;
		}
		failed = open_cpu(events, cpu, &fd);
		if (failed) {
			if (failed != -ENODEV && !err)
				err = failed;
			continue;
		}
		event = vec_push(&events->list);
		if (!event) {
			close(fd);
			continue;
		}
		event->cpu = cpu;
		event->fd = fd;
		event->ran = cpu < n_stats ? __atomic_load_n(&stats[cpu].ran, __ATOMIC_RELAXED) : 0;
		changed = true;
	}
	vec_release(&old);
	return err ? err : changed;
}
