/* SPDX-License-Identifier: Apache-2.0 */
/* The BPF object: features are probed once and become constants of the programs; when the kernel refuses, the reason is
 * found out only then. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/cursor.h"
#include "base/io.h"
#include "base/log.h"
#include "base/text.h"
#include "collector/sampler_internal.h"
#include "ipc/confine.h"
#include "profiler.skel.h"

/* The inode number of the initial pid namespace: PROC_PID_INIT_INO of include/linux/proc_ns.h, the same for ever. */
#define INITIAL_PID_NS_INO 0xeffffffcULL
/* What a stack that shares nothing with others takes in the ring: some 60 frames and three headers. */
#define RING_BYTES_PER_SAMPLE 614
#define RING_SECONDS 2
#define RING_MIN_BYTES (1u << 20)
#define RING_MAX_BYTES (256u << 20)
#define RING_LEAST_BYTES (256u << 10) /* whatever the memory that is given */
/* Copies of stacks: what comes within two drains, were each sample one of a usual size. */
#define COPIES_DRAINS_PER_SECOND 10
#define COPIES_USUAL_BYTES (20u << 10)
#define COPIES_MIN_BYTES (1u << 20)
#define COPIES_MAX_BYTES (16u << 20)
/* So many are read at once, or what is a quarter of the ring: their processes are published by it. */
#define COPIES_WAKE_BYTES (512u << 10)
/* Room in the pid filter for children, and those that died lately. */
#define MAX_CHILDREN 8192
/* Kernel stacks are 16 KiB, or a page where that is larger (arm64 with 64 KiB pages). */
#define KERNEL_STACK_BYTES 16384
#define MAX_PROC_TEXT_BYTES 65536
#define MAX_PRINTED_LINES 40

/* libbpf's words go to our log, line by line. The verifier's tale of a refused program can be of any length: its end
 * says what was wrong. */
static int print_to_log(enum libbpf_print_level level, const char *format, va_list args)
{
	char *text, *line;
	size_t n_lines = 0;

	(void)level;
	if (log_level() < LOG_DEBUG || vasprintf(&text, format, args) < 0)
		return 0;
	for (const char *at = text; *at; at++)
		n_lines += *at == '\n';
	line = text;
	for (size_t i = 0; *line; i++) {
		char *end = strchrnul(line, '\n'), *next = *end ? end + 1 : end;

		*end = 0;
		if (!strncmp(line, "libbpf: ", 8))
			line += 8;
		if (*line && i + MAX_PRINTED_LINES >= n_lines)
			log_write(LOG_DEBUG, "libbpf", "%s", line);
		line = next;
	}
	free(text);
	return 0;
}

/* A small file of /proc or /sys whole; the buffer stays empty when it cannot be read. */
static int read_text(const char *path, struct buf *buf)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return io_read_all(fd, buf);
}

/* --- what is there ------------------------------------------------------------------------------------------------ */

static bool has_helper(enum bpf_func_id helper)
{
	return libbpf_probe_bpf_helper(BPF_PROG_TYPE_PERF_EVENT, helper, NULL) == 1;
}

/* "4:memory:/path": does a v1 hierarchy have the controller? "0::/path" is v2. */
static bool has_v1_controller(const struct buf *text, const char *name)
{
	struct cursor cursor, line;

	cursor_init(&cursor, text->data, text->len);
	while (cursor_line(&cursor, &line)) {
		size_t len = strlen(name);

		if (cursor_dec(&line) == 0 || !cursor_ok(&line))
			continue;
		cursor_expect(&line, ':');
		/* Controllers of one hierarchy are separated by commas. */
		while (cursor_ok(&line) && cursor_left(&line) > len) {
			if (!memcmp(line.pos, name, len) && (line.pos[len] == ',' || line.pos[len] == ':'))
				return true;
			while (cursor_left(&line) && *line.pos != ',' && *line.pos != ':')
				cursor_skip(&line, 1);
			if (cursor_u8(&line) == ':')
				break;
		}
	}
	return false;
}

static uint8_t cgroup_hierarchy(void)
{
	uint8_t hierarchy = SAMPLER_CGROUP_V2;
	struct buf text;

	buf_init(&text, MAX_PROC_TEXT_BYTES);
	if (!read_text("/proc/self/cgroup", &text)) {
		if (has_v1_controller(&text, "memory"))
			hierarchy = SAMPLER_CGROUP_V1_MEMORY;
		else if (has_v1_controller(&text, "pids"))
			hierarchy = SAMPLER_CGROUP_V1_PIDS;
	}
	buf_release(&text);
	return hierarchy;
}

/* kernel.perf_event_max_stack bounds bpf_get_stack() as well. */
static uint32_t kernel_frames(void)
{
	uint32_t frames = MAX_KERNEL_FRAMES;
	struct buf text;

	buf_init(&text, MAX_PROC_TEXT_BYTES);
	if (!read_text("/proc/sys/kernel/perf_event_max_stack", &text)) {
		struct cursor cursor;
		uint64_t max;

		cursor_init(&cursor, text.data, text.len);
		max = cursor_dec(&cursor);
		if (cursor_ok(&cursor) && max && max < frames)
			frames = (uint32_t)max;
	}
	buf_release(&text);
	return frames;
}

static bool is_in_initial_pid_ns(void)
{
	struct stat st;

	return !stat("/proc/self/ns/pid", &st) && st.st_ino == INITIAL_PID_NS_INO;
}

/* --- why it was refused ------------------------------------------------------------------------------------------- */

static bool file_holds(const char *path, const char *word)
{
	struct buf text;
	bool holds;

	buf_init(&text, MAX_PROC_TEXT_BYTES);
	holds = !read_text(path, &text) && text.len && memmem(text.data, text.len, word, strlen(word));
	buf_release(&text);
	return holds;
}

/* Is our uid 0 the machine's? In a user namespace capabilities do not reach to BPF. */
static bool is_in_user_ns(void)
{
	return access("/proc/self/uid_map", R_OK) == 0 && !file_holds("/proc/self/uid_map", "4294967295");
}

static const char *mend_of_denial(void)
{
	struct rlimit limit;

	if (!confine_has_capability("cap_sys_admin") &&
	    !(confine_has_capability("cap_bpf") && confine_has_capability("cap_perfmon")))
		return "run as root or give CAP_BPF and CAP_PERFMON";
	if (is_in_user_ns())
		return "a user namespace's capabilities do not reach to BPF: run in the initial user namespace";
	if (libbpf_probe_bpf_helper(BPF_PROG_TYPE_PERF_EVENT, BPF_FUNC_get_current_task_btf, NULL) != 1 &&
	    !getrlimit(RLIMIT_MEMLOCK, &limit) && limit.rlim_cur != RLIM_INFINITY)
		return "before Linux 5.11 BPF memory counts as locked memory: raise it (ulimit -l unlimited, "
		       "LimitMEMLOCK=infinity in a systemd unit, --ulimit memlock=-1 for a container) or give "
		       "CAP_SYS_RESOURCE";
	return "a security module or the container's seccomp profile refuses bpf(2)";
}

static int load_problem(struct problem *problem, int err)
{
	const char *mend;

	if (access("/sys/kernel/btf/vmlinux", R_OK) && (err == -ESRCH || err == -ENOENT || err == -EINVAL))
		return problem_set(problem, err, "use a kernel built with CONFIG_DEBUG_INFO_BTF=y (and mount /sys)",
				   "the kernel has no type information at /sys/kernel/btf/vmlinux");
	if (err == -EPERM || err == -EACCES) {
		/* -EACCES is the verifier's word, too: only with no right to load is it a denial. */
		if (err == -EPERM || !confine_has_capability("cap_sys_admin"))
			return problem_set(problem, err, mend_of_denial(), "cannot load the sampling program");
	} else if (err == -ENOSYS) {
		return problem_set(problem, err, "use a kernel built with CONFIG_BPF_SYSCALL=y",
				   "the kernel has no BPF");
	} else if (err == -ENOMEM) {
		return problem_set(problem, err, "free some memory, or lower the rate", "cannot make the BPF maps");
	}
	if (libbpf_probe_bpf_map_type(BPF_MAP_TYPE_RINGBUF, NULL) == 0)
		mend = "use Linux 5.10 or newer: this one has no BPF ring buffer";
	else if (file_holds("/sys/kernel/security/lockdown", "[confidentiality]"))
		mend = "kernel lockdown is at \"confidentiality\", which forbids programs that read memory: use "
		       "\"integrity\"";
	else
		mend = "the verifier's reasons are in the output of -v";
	return problem_set(problem, err, mend, "the kernel does not accept the sampling program");
}

/* --- loading ------------------------------------------------------------------------------------------------------ */

struct map_sizes {
	uint32_t cpus, ring, copies, segments;
};

static uint32_t ring_bytes(const struct sampler_options *options, uint32_t n_cpus)
{
	uint64_t wanted = options->ring_bytes, bytes = (uint64_t)sysconf(_SC_PAGESIZE);

	if (!wanted) {
		wanted = (uint64_t)n_cpus * options->rate_hz * RING_SECONDS * RING_BYTES_PER_SAMPLE;
		if (wanted < RING_MIN_BYTES)
			wanted = RING_MIN_BYTES;
	}
	while (bytes < wanted && bytes < RING_MAX_BYTES)
		bytes *= 2;
	return (uint32_t)bytes;
}

/* Halves what is larger until both fit: samples wait less long then, and stacks that are not copied have only a leaf.
 */
static void fit_rings(const struct sampler_options *options, struct map_sizes *sizes)
{
	while (options->ring_limit && (size_t)sizes->ring + sizes->copies > options->ring_limit) {
		uint32_t *larger = sizes->copies >= sizes->ring ? &sizes->copies : &sizes->ring;

		if (*larger / 2 < RING_LEAST_BYTES)
			return;
		*larger /= 2;
	}
}

static uint32_t copies_bytes(const struct sampler_options *options, uint32_t n_cpus)
{
	uint64_t wanted = (uint64_t)n_cpus * options->rate_hz * COPIES_USUAL_BYTES / COPIES_DRAINS_PER_SECOND;
	uint32_t bytes = COPIES_MIN_BYTES;

	if (options->kernel_only)
		return (uint32_t)sysconf(_SC_PAGESIZE);
	while (bytes < wanted && bytes < COPIES_MAX_BYTES)
		bytes *= 2;
	return bytes;
}

static int settings_fill(const struct sampler_options *options, const struct map_sizes *sizes,
			 struct sampler_settings *settings)
{
	size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);

	if (getrandom(settings->hash_seed, sizeof(settings->hash_seed), 0) != sizeof(settings->hash_seed))
		return -EIO;
	settings->wake_bytes = sizes->ring / 4;
	settings->copies_wake_bytes = sizes->copies / 4 < COPIES_WAKE_BYTES ? sizes->copies / 4 : COPIES_WAKE_BYTES;
	settings->kernel_frames = kernel_frames();
	settings->kernel_stack_bytes = page_bytes > KERNEL_STACK_BYTES ? (uint32_t)page_bytes : KERNEL_STACK_BYTES;
	settings->cgroup_hierarchy = cgroup_hierarchy();
	settings->has_task_btf = has_helper(BPF_FUNC_get_current_task_btf);
	settings->has_task_regs = settings->has_task_btf && has_helper(BPF_FUNC_task_pt_regs);
	settings->in_initial_pid_ns = is_in_initial_pid_ns();
	settings->cgroup_id = options->cgroup_id;
	settings->cgroup_filter_hierarchy =
		options->cgroup_hierarchy ? options->cgroup_hierarchy : settings->cgroup_hierarchy;
	settings->filter_tgids = options->tgids || options->follow_children;
	settings->exclude_self = options->exclude_self;
	settings->kernel_only = options->kernel_only;
	settings->user_only = options->user_only;
	settings->with_threads = options->with_threads;
	settings->with_cpu = options->with_cpu;
	settings->n_comms = (uint32_t)options->n_comms;
	for (size_t i = 0; i < options->n_comms; i++)
		text_copy((char *)settings->comms[i], sizeof(settings->comms[i]), options->comms[i]);
	return 0;
}

/* Before 5.11 the memory of maps counts against this limit, and whoever has CAP_SYS_RESOURCE may lift it. */
static void lift_memlock_limit(void)
{
	const struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};

	setrlimit(RLIMIT_MEMLOCK, &unlimited);
}

static int size_maps(struct profiler *programs, const struct sampler_options *options, const struct map_sizes *sizes)
{
	size_t followed = options->n_tgids + (options->follow_children ? MAX_CHILDREN : 16);
	int err = bpf_map__set_max_entries(programs->maps.ring, sizes->ring);

	if (!err)
		err = bpf_map__set_max_entries(programs->maps.copies, sizes->copies);
	if (!err)
		err = bpf_map__set_max_entries(programs->maps.unwind_segments, sizes->segments);
	if (!err)
		err = bpf_map__set_max_entries(programs->maps.cpu_stats, sizes->cpus);
	if (!err && (options->tgids || options->follow_children))
		err = bpf_map__set_max_entries(programs->maps.followed, (uint32_t)followed);
	return err;
}

/* One attempt with the settings as they are. */
static int load_with(const struct sampler_options *options, const struct sampler_settings *settings,
		     const struct map_sizes *sizes, struct profiler **ret)
{
	struct profiler *programs = profiler__open();
	int err;

	if (!programs)
		return errno ? -errno : -EINVAL;
	memcpy((void *)programs->rodata, settings, sizeof(*settings));
	err = size_maps(programs, options, sizes);
	if (err)
		goto fail;
	bpf_program__set_autoload(programs->progs.inherit_mappings, !options->kernel_only);
	bpf_program__set_autoload(programs->progs.follow_fork, options->follow_children);
	bpf_program__set_autoload(programs->progs.follow_exit, options->follow_children);
	bpf_program__set_autoload(programs->progs.find_pid_ns, !settings->in_initial_pid_ns);
	err = profiler__load(programs);
	if (err)
		goto fail;
	*ret = programs;
	return 0;
fail:
	profiler__destroy(programs);
	return err;
}

int programs_load(const struct sampler_options *options, uint32_t n_possible, struct sampler_settings *settings,
		  struct profiler **ret, struct problem *problem)
{
	struct map_sizes sizes = {.cpus = n_possible,
				  .ring = ring_bytes(options, n_possible),
				  .copies = copies_bytes(options, n_possible),
				  .segments = sampler_table_segments(options)};
	int err;

	fit_rings(options, &sizes);
	libbpf_set_print(print_to_log);
	err = settings_fill(options, &sizes, settings);
	if (err)
		return problem_set(problem, err, "", "cannot read random numbers");
	lift_memlock_limit();
	err = load_with(options, settings, &sizes, ret);
	if ((err == -EINVAL || err == -EACCES) && settings->has_task_btf) {
		/* Kernels differ in what they allow with typed pointers; what 5.10 takes, all take. */
		settings->has_task_btf = settings->has_task_regs = 0;
		err = load_with(options, settings, &sizes, ret);
	}
	return err ? load_problem(problem, err) : 0;
}

/* "memlock:	1052672" of the descriptor's fdinfo. */
static uint64_t fd_memory_bytes(int fd)
{
	uint64_t bytes = 0;
	char path[64];
	struct buf text;
	struct cursor cursor, line, word;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	buf_init(&text, MAX_PROC_TEXT_BYTES);
	if (!read_text(path, &text)) {
		cursor_init(&cursor, text.data, text.len);
		while (cursor_line(&cursor, &line)) {
			if (!cursor_word(&line, &word) || !cursor_equals(&word, "memlock:"))
				continue;
			cursor_skip_blanks(&line);
			bytes = cursor_dec(&line);
		}
	}
	buf_release(&text);
	return bytes;
}

uint64_t programs_map_bytes(const struct profiler *programs)
{
	uint64_t bytes = 0;
	struct bpf_map *map;

	bpf_object__for_each_map(map, programs->obj) if (bpf_map__fd(map) >= 0) bytes +=
		fd_memory_bytes(bpf_map__fd(map));
	return bytes;
}

uint64_t programs_mapped_bytes(const struct profiler *programs)
{
	return fd_memory_bytes(bpf_map__fd(programs->maps.unwind_rules)) +
	       fd_memory_bytes(bpf_map__fd(programs->maps.unwind_objects)) +
	       fd_memory_bytes(bpf_map__fd(programs->maps.unwind_processes)) +
	       fd_memory_bytes(bpf_map__fd(programs->maps.cpu_stats));
}
