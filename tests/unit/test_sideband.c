/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/counters.h"
#include "collector/sideband.h"
#include "sideband_records.h"

static uint8_t record_bytes[RECORDS_MAX];

static struct records records_new(void)
{
	return (struct records){.bytes = record_bytes, .mono_ns = 1000};
}

static int parse_last(const struct records *records, struct sideband_record *ret)
{
	return sideband_parse(records->bytes + records->start, records->len - records->start, ret);
}

static void mmap2_tells_range_file_and_inode(void **state)
{
	struct records records = records_new();
	struct sideband_record record;

	(void)state;
	records.cpu = 3;
	records_mmap(&records, 42, 0x1000, 0x2000, 0x3000, 99, "/usr/bin/true");
	assert_int_equal(parse_last(&records, &record), 1);
	assert_int_equal(record.type, SIDEBAND_MMAP);
	assert_int_equal(record.mono_ns, 1000);
	assert_int_equal(record.cpu, 3);
	assert_int_equal(record.tgid, 42);
	assert_int_equal(record.mmap.start, 0x1000);
	assert_int_equal(record.mmap.len, 0x2000);
	assert_int_equal(record.mmap.file_off, 0x3000);
	assert_int_equal(record.mmap.dev_major, 8);
	assert_int_equal(record.mmap.dev_minor, 1);
	assert_int_equal(record.mmap.ino, 99);
	assert_int_equal(record.mmap.ino_generation, 77);
	assert_int_equal(record.mmap.build_id_len, 0);
	assert_false(record.mmap.is_kernel);
	assert_string_equal(record.mmap.path, "/usr/bin/true");
}

static void mmap2_tells_the_build_id_instead_of_the_inode(void **state)
{
	struct records records = records_new();
	struct sideband_record record;
	uint8_t expected[20];

	(void)state;
	memset(expected, 0xab, sizeof(expected));
	records_mmap_build_id(&records, 42, 0x1000, 0x2000, 0, 0xab, 20, "/lib/libc.so.6");
	assert_int_equal(parse_last(&records, &record), 1);
	assert_int_equal(record.mmap.build_id_len, 20);
	assert_memory_equal(record.mmap.build_id, expected, 20);
	assert_int_equal(record.mmap.ino, 0);
	assert_int_equal(record.mmap.dev_major, 0);
	assert_int_equal(record.mmap.prot, PROT_READ | PROT_EXEC);
	assert_string_equal(record.mmap.path, "/lib/libc.so.6");
}

static void build_id_longer_than_its_field_does_not_parse(void **state)
{
	struct records records = records_new();
	struct sideband_record record;

	(void)state;
	records_mmap_build_id(&records, 42, 0x1000, 0x2000, 0, 0xab, 21, "/lib/libc.so.6");
	assert_int_equal(parse_last(&records, &record), -EBADMSG);
}

static void data_mappings_are_not_used(void **state)
{
	struct records records = records_new();
	struct sideband_record record;
	struct perf_event_header header;

	(void)state;
	records_mmap(&records, 42, 0x1000, 0x2000, 0, 99, "/usr/bin/true");
	memcpy(&header, records.bytes, sizeof(header));
	header.misc |= PERF_RECORD_MISC_MMAP_DATA;
	memcpy(records.bytes, &header, sizeof(header));
	assert_int_equal(parse_last(&records, &record), 0);
}

static void kernel_mappings_say_so(void **state)
{
	struct records records = records_new();
	struct sideband_record record;

	(void)state;
	records_mmap(&records, UINT32_MAX, 0xffffffff81000000, 0x1000, 0, 0, "[kernel.kallsyms]_text");
	assert_int_equal(parse_last(&records, &record), 1);
	assert_true(record.mmap.is_kernel);
}

static void task_and_name_records_tell_who(void **state)
{
	struct records records = records_new();
	struct sideband_record record;

	(void)state;
	records_task(&records, PERF_RECORD_FORK, 10, 11, 9);
	assert_int_equal(parse_last(&records, &record), 1);
	assert_int_equal(record.type, SIDEBAND_FORK);
	assert_int_equal(record.tgid, 10);
	assert_int_equal(record.tid, 11);
	assert_int_equal(record.task.parent_tgid, 9);

	records_exit(&records, 10, 11);
	assert_int_equal(parse_last(&records, &record), 1);
	assert_int_equal(record.type, SIDEBAND_EXIT);
	assert_int_equal(record.tid, 11);

	records_exec(&records, 10, "cc1plus");
	assert_int_equal(parse_last(&records, &record), 1);
	assert_int_equal(record.type, SIDEBAND_COMM);
	assert_true(record.comm.is_exec);
	assert_string_equal(record.comm.comm, "cc1plus");

	records_comm(&records, 10, "renamed");
	assert_int_equal(parse_last(&records, &record), 1);
	assert_false(record.comm.is_exec);
}

static void namespaces_record_tells_mount_and_pid_namespace(void **state)
{
	struct records records = records_new();
	struct sideband_record record;

	(void)state;
	records_namespaces(&records, 10, 12, 4026532001u, 4026532002u);
	assert_int_equal(parse_last(&records, &record), 1);
	assert_int_equal(record.type, SIDEBAND_NAMESPACES);
	assert_int_equal(record.tid, 12);
	assert_int_equal(record.namespaces.mnt_ns, 4026532001u);
	assert_int_equal(record.namespaces.pid_ns, 4026532002u);
}

static void namespaces_count_beyond_the_record_does_not_parse(void **state)
{
	static const uint64_t counts[] = {8, 64, 65, 1ULL << 60, UINT64_MAX};

	(void)state;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct records records = records_new();
		struct sideband_record record;

		records_namespaces(&records, 10, 10, 1, 2);
		memcpy(records.bytes + 16, &counts[i], sizeof(counts[i]));
		assert_int_equal(parse_last(&records, &record), -EBADMSG);
	}
}

static void cgroup_ksymbol_and_lost_records_parse(void **state)
{
	struct records records = records_new();
	struct sideband_record record;

	(void)state;
	records_cgroup(&records, 555, "/system.slice/a.service");
	assert_int_equal(parse_last(&records, &record), 1);
	assert_int_equal(record.type, SIDEBAND_CGROUP);
	assert_int_equal(record.cgroup.id, 555);
	assert_string_equal(record.cgroup.path, "/system.slice/a.service");

	records_ksymbol(&records, 0xffffffffc0001000, 77, true, "bpf_prog_0123456789abcdef_main");
	assert_int_equal(parse_last(&records, &record), 1);
	assert_int_equal(record.type, SIDEBAND_KSYMBOL);
	assert_int_equal(record.ksymbol.address, 0xffffffffc0001000);
	assert_int_equal(record.ksymbol.len, 77);
	assert_int_equal(record.ksymbol.type, PERF_RECORD_KSYMBOL_TYPE_BPF);
	assert_true(record.ksymbol.is_unregister);
	assert_string_equal(record.ksymbol.name, "bpf_prog_0123456789abcdef_main");

	records_lost(&records, 12);
	assert_int_equal(parse_last(&records, &record), 1);
	assert_int_equal(record.type, SIDEBAND_LOST);
	assert_int_equal(record.lost.records, 12);
}

static void other_kinds_are_passed_over(void **state)
{
	struct records records = records_new();
	struct sideband_record record;

	(void)state;
	records_begin(&records, PERF_RECORD_THROTTLE, 0);
	records_u64(&records, 1);
	records_u64(&records, 2);
	records_u64(&records, 3);
	records_end(&records, 0, 0);
	assert_int_equal(parse_last(&records, &record), 0);
}

/* Each record at each shorter length, the header telling it: never more than the bytes are read (the copy is flush
 * with its allocation, for sanitizers), and a string without its end is refused. */
static void cut_records_never_parse_as_something(void **state)
{
	struct records records = records_new();
	struct sideband_record record;
	size_t next;

	(void)state;
	records_mmap(&records, 42, 0x1000, 0x2000, 0x3000, 99, "/usr/bin/true");
	records_exec(&records, 10, "sixteen bytes..");
	records_fork(&records, 10, 9);
	records_namespaces(&records, 10, 10, 1, 2);
	records_cgroup(&records, 555, "/a");
	records_ksymbol(&records, 1, 2, false, "name");
	records_lost(&records, 12);
	for (size_t at = 0; at < records.len; at = next) {
		struct perf_event_header header;

		memcpy(&header, records.bytes + at, sizeof(header));
		next = at + header.size;
		for (uint16_t len = 0; len < header.size; len++) {
			struct perf_event_header cut = header;
			uint8_t *copy = malloc(len ? len : 1);

			assert_non_null(copy);
			cut.size = len;
			memcpy(copy, records.bytes + at, len);
			memcpy(copy, &cut, len < sizeof(cut) ? len : sizeof(cut));
			if (sideband_parse(copy, len, &record) == 1)
				assert_true(header.size - len < 8); /* the padding of a string */
			free(copy);
		}
	}
}

static void string_without_end_does_not_parse(void **state)
{
	struct records records = records_new();
	struct sideband_record record;

	(void)state;
	records_begin(&records, PERF_RECORD_COMM, 0);
	records_u32(&records, 1);
	records_u32(&records, 1);
	records_put(&records, "eight by", 8);
	records_end(&records, 1, 1);
	/* The trailer has zeros, which must not serve as the end. */
	assert_int_equal(parse_last(&records, &record), -EBADMSG);
}

static void result_is_untouched_when_a_record_does_not_parse(void **state)
{
	struct sideband_record record = {.tgid = 4711};
	const uint8_t bytes[4] = {0};

	(void)state;
	assert_int_equal(sideband_parse(bytes, sizeof(bytes), &record), -EBADMSG);
	assert_int_equal(record.tgid, 4711);
}

static void feed_comm(struct sideband *sideband, uint32_t cpu, uint64_t mono_ns, uint32_t tgid)
{
	struct records records = records_new();

	records.mono_ns = mono_ns;
	records.cpu = cpu;
	records_comm(&records, tgid, "x");
	assert_int_equal(sideband_feed(sideband, cpu, records.bytes, records.len), 0);
}

static void records_of_all_cpus_come_in_time_order(void **state)
{
	enum { CPUS = 7, EACH = 50 };
	struct sideband *sideband;
	struct sideband_record record;
	uint64_t last_ns = 0;
	size_t n = 0;

	(void)state;
	assert_int_equal(sideband_new_detached(CPUS, &sideband), 0);
	for (uint32_t i = 0; i < EACH; i++) {
		for (uint32_t cpu = 0; cpu < CPUS; cpu++)
			feed_comm(sideband, cpu, 100 + i * (cpu + 1) * 3 + cpu, cpu);
	}
	while (sideband_next(sideband, UINT64_MAX, &record)) {
		assert_true(record.mono_ns >= last_ns);
		last_ns = record.mono_ns;
		n++;
	}
	assert_int_equal(n, CPUS * EACH);
	sideband_free(sideband);
}

static void records_after_the_asked_time_wait(void **state)
{
	struct sideband *sideband;
	struct sideband_record record;

	(void)state;
	assert_int_equal(sideband_new_detached(2, &sideband), 0);
	feed_comm(sideband, 0, 100, 1);
	feed_comm(sideband, 1, 200, 2);
	assert_false(sideband_next(sideband, 99, &record));
	assert_true(sideband_next(sideband, 100, &record));
	assert_int_equal(record.tgid, 1);
	assert_false(sideband_next(sideband, 199, &record));
	feed_comm(sideband, 0, 150, 3); /* later in arrival, earlier in time */
	assert_true(sideband_next(sideband, UINT64_MAX, &record));
	assert_int_equal(record.tgid, 3);
	assert_true(sideband_next(sideband, UINT64_MAX, &record));
	assert_int_equal(record.tgid, 2);
	assert_false(sideband_next(sideband, UINT64_MAX, &record));
	assert_int_equal(sideband_feed(sideband, 2, "", 0), -EINVAL);
	sideband_free(sideband);
}

static void unread_records_survive_reads_and_feeds(void **state)
{
	struct sideband *sideband;
	struct sideband_record record;
	uint32_t returned = 0, fed = 0;

	(void)state;
	assert_int_equal(sideband_new_detached(1, &sideband), 0);
	for (int round = 0; round < 200; round++) {
		for (int i = 0; i < 7; i++, fed++)
			feed_comm(sideband, 0, 1000 + fed, fed);
		assert_int_equal(sideband_read(sideband), 0);
		for (int i = 0; i < 6; i++) {
			assert_true(sideband_next(sideband, UINT64_MAX, &record));
			assert_int_equal(record.tgid, returned++);
			assert_string_equal(record.comm.comm, "x");
		}
	}
	while (sideband_next(sideband, UINT64_MAX, &record))
		assert_int_equal(record.tgid, returned++);
	assert_int_equal(returned, fed);
	sideband_free(sideband);
}

static void bad_records_are_counted_and_passed_over(void **state)
{
	struct records records = records_new();
	struct sideband *sideband;
	struct sideband_record record;
	uint64_t bad = counters[COUNTER_sideband_bad_records], read = counters[COUNTER_sideband_records];

	(void)state;
	assert_int_equal(sideband_new_detached(1, &sideband), 0);
	records_comm(&records, 1, "one");
	records_mmap_build_id(&records, 42, 0x1000, 0x2000, 0, 0xab, 255, "/lib/libc.so.6");
	records_comm(&records, 2, "two");
	records_put(&records, "\xff\xff\xff\xff\xff\xff\x03\x00 garbage whose size leads nowhere", 42);
	assert_int_equal(sideband_feed(sideband, 0, records.bytes, records.len), 0);
	assert_true(sideband_next(sideband, UINT64_MAX, &record));
	assert_true(sideband_next(sideband, UINT64_MAX, &record));
	assert_string_equal(record.comm.comm, "two");
	assert_false(sideband_next(sideband, UINT64_MAX, &record));
	assert_int_equal(counters[COUNTER_sideband_bad_records] - bad, 2);
	assert_int_equal(counters[COUNTER_sideband_records] - read, 2);
	sideband_free(sideband);
}

static void records_lost_by_the_kernel_are_counted(void **state)
{
	struct records records = records_new();
	struct sideband *sideband;
	struct sideband_record record;
	uint64_t lost = counters[COUNTER_sideband_lost_records];

	(void)state;
	assert_int_equal(sideband_new_detached(1, &sideband), 0);
	records_lost(&records, 12);
	assert_int_equal(sideband_feed(sideband, 0, records.bytes, records.len), 0);
	assert_true(sideband_next(sideband, UINT64_MAX, &record));
	assert_int_equal(record.type, SIDEBAND_LOST);
	assert_int_equal(record.lost.records, 12);
	assert_int_equal(counters[COUNTER_sideband_lost_records] - lost, 12);
	sideband_free(sideband);
}

static void what_does_not_fit_is_one_lost_record_in_its_place(void **state)
{
	struct sideband *sideband;
	struct sideband_record record;
	struct records records = records_new();
	uint64_t fed = 0, returned = 0, lost = 0, lost_records = 0, rounds;
	bool was_lost = false;

	(void)state;
	while (records.len < RECORDS_MAX - 4096)
		records_comm(&records, 1, "many");
	rounds = SIDEBAND_MAX_UNREAD_BYTES / records.len + 3;
	assert_int_equal(sideband_new_detached(2, &sideband), 0);
	for (uint64_t i = 0; i < rounds; i++, fed += records.n)
		assert_int_equal(sideband_feed(sideband, i % 2, records.bytes, records.len), 0);
	while (sideband_next(sideband, UINT64_MAX, &record)) {
		if (record.type == SIDEBAND_LOST) {
			assert_int_equal(record.mono_ns, 1000);
			assert_true(returned > 0); /* those before it came first */
			lost += record.lost.records;
			lost_records++;
			was_lost = true;
		} else {
			returned++;
		}
	}
	assert_true(was_lost);
	assert_true(lost_records <= 2); /* one a CPU */
	assert_int_equal(returned + lost, fed);
	assert_true(lost < 8 * records.n);
	/* And there is room again. */
	feed_comm(sideband, 0, 2000, 77);
	assert_true(sideband_next(sideband, UINT64_MAX, &record));
	assert_int_equal(record.tgid, 77);
	sideband_free(sideband);
}

/* --- with the kernel ------------------------------------------------------------------------------------------- */

static uint64_t mono_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static size_t online_cpus(uint32_t *cpus, size_t max)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);
	size_t i;

	for (i = 0; i < max && i < (size_t)n; i++)
		cpus[i] = (uint32_t)i;
	return i;
}

static struct sideband *open_or_skip(size_t ring_bytes)
{
	const struct sideband_options options = {.ring_bytes = ring_bytes};
	struct sideband *sideband = NULL;
	struct problem problem = {0};
	uint32_t cpus[64];
	size_t n_cpus = online_cpus(cpus, 64);
	int err;

	err = sideband_open(&options, cpus, n_cpus, &sideband, &problem);
	if (err == -EACCES || err == -EPERM || err == -ENOSYS || err == -ENOENT) {
		assert_true(problem.what[0] && problem.mend[0]);
		skip();
	}
	assert_int_equal(err, 0);
	assert_true(sideband_epoll_fd(sideband) >= 0);
	assert_true(sideband_ring_bytes(sideband) > 0);
	return sideband;
}

static void live_process_is_told_from_fork_to_exit(void **state)
{
	struct sideband *sideband = open_or_skip(0);
	struct sideband_record record;
	bool forked = false, executed = false, mapped = false, ended = false, in_order = true;
	uint64_t before, after, last_ns = 0;
	int status;
	pid_t pid;

	(void)state;
	assert_int_equal(sideband_start(sideband), 0);
	before = mono_ns();
	pid = fork();
	if (!pid) {
		execl("/bin/true", "true", (char *)NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	after = mono_ns();
	assert_int_equal(sideband_stop(sideband), 0);
	assert_int_equal(sideband_read(sideband), 0);
	while (sideband_next(sideband, UINT64_MAX, &record)) {
		if (record.type == SIDEBAND_LOST)
			continue;
		in_order &= record.mono_ns >= last_ns;
		last_ns = record.mono_ns;
		if (record.tgid != (uint32_t)pid || record.mono_ns < before || record.mono_ns > after)
			continue;
		forked |= record.type == SIDEBAND_FORK && record.task.parent_tgid == (uint32_t)getpid();
		executed |= forked && record.type == SIDEBAND_COMM && record.comm.is_exec;
		mapped |= executed && record.type == SIDEBAND_MMAP && strstr(record.mmap.path, "/true") &&
			  (record.mmap.build_id_len || record.mmap.ino);
		ended |= mapped && record.type == SIDEBAND_EXIT;
	}
	assert_true(in_order);
	assert_true(forked);
	assert_true(executed);
	assert_true(mapped);
	assert_true(ended);
	sideband_free(sideband);
}

static void live_rings_wake_the_reader_and_wrap_without_harm(void **state)
{
	struct sideband *sideband = open_or_skip((size_t)sysconf(_SC_PAGESIZE));
	struct sideband_record record;
	uint64_t bad = counters[COUNTER_sideband_bad_records], records = 0;
	struct pollfd poll_fd = {.fd = sideband_epoll_fd(sideband), .events = POLLIN};
	bool is_readable = false;

	(void)state;
	assert_int_equal(sideband_start(sideband), 0);
	/* One page a CPU holds a few dozen records: these wrap many times. */
	for (int round = 0; round < 100; round++) {
		pid_t pid = fork();

		if (!pid)
			_exit(0);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		if (round % 3 == 0) {
			assert_int_equal(sideband_read(sideband), 0);
			while (sideband_next(sideband, UINT64_MAX, &record))
				records++;
		}
	}
	/* Each CPU's ring was just emptied: whichever the next ones go to, it passes its watermark soon. Polling takes
	 * the news away. */
	assert_int_equal(sideband_read(sideband), 0);
	for (int i = 0; i < 400 && !is_readable; i++) {
		pid_t pid = fork();

		if (!pid)
			_exit(0);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		is_readable = poll(&poll_fd, 1, 0) == 1;
	}
	assert_true(is_readable);
	assert_true(records >= 100);
	assert_int_equal(counters[COUNTER_sideband_bad_records], bad);
	sideband_free(sideband);
}

static void live_cpus_come_and_go(void **state)
{
	struct sideband *sideband = open_or_skip(0);
	struct sideband_record record;
	uint64_t all = sideband_ring_bytes(sideband);
	uint32_t cpus[64];
	size_t n_cpus = online_cpus(cpus, 64), records = 0;
	pid_t pid;

	(void)state;
	assert_int_equal(sideband_start(sideband), 0);
	pid = fork();
	if (!pid)
		_exit(0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	/* All gone: what their rings held is there still. */
	assert_int_equal(sideband_set_cpus(sideband, cpus, 0), 0);
	assert_int_equal(sideband_ring_bytes(sideband), 0);
	while (sideband_next(sideband, UINT64_MAX, &record))
		records++;
	assert_true(records >= 2);
	/* And back, at work at once. */
	assert_int_equal(sideband_set_cpus(sideband, cpus, n_cpus), 0);
	assert_int_equal(sideband_ring_bytes(sideband), all);
	pid = fork();
	if (!pid)
		_exit(0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(sideband_read(sideband), 0);
	assert_true(sideband_next(sideband, UINT64_MAX, &record));
	sideband_free(sideband);
}

static void ring_size_that_is_no_power_of_two_is_refused(void **state)
{
	const struct sideband_options options = {.ring_bytes = 100000};
	struct sideband *sideband = NULL;
	struct problem problem = {0};
	uint32_t cpu = 0;

	(void)state;
	assert_int_equal(sideband_open(&options, &cpu, 1, &sideband, &problem), -EINVAL);
	assert_null(sideband);
	assert_int_equal(problem.err, -EINVAL);
	assert_int_equal(sideband_open(&options, &cpu, 1, &sideband, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mmap2_tells_range_file_and_inode),
		cmocka_unit_test(mmap2_tells_the_build_id_instead_of_the_inode),
		cmocka_unit_test(build_id_longer_than_its_field_does_not_parse),
		cmocka_unit_test(data_mappings_are_not_used),
		cmocka_unit_test(kernel_mappings_say_so),
		cmocka_unit_test(task_and_name_records_tell_who),
		cmocka_unit_test(namespaces_record_tells_mount_and_pid_namespace),
		cmocka_unit_test(namespaces_count_beyond_the_record_does_not_parse),
		cmocka_unit_test(cgroup_ksymbol_and_lost_records_parse),
		cmocka_unit_test(other_kinds_are_passed_over),
		cmocka_unit_test(cut_records_never_parse_as_something),
		cmocka_unit_test(string_without_end_does_not_parse),
		cmocka_unit_test(result_is_untouched_when_a_record_does_not_parse),
		cmocka_unit_test(records_of_all_cpus_come_in_time_order),
		cmocka_unit_test(records_after_the_asked_time_wait),
		cmocka_unit_test(unread_records_survive_reads_and_feeds),
		cmocka_unit_test(bad_records_are_counted_and_passed_over),
		cmocka_unit_test(records_lost_by_the_kernel_are_counted),
		cmocka_unit_test(what_does_not_fit_is_one_lost_record_in_its_place),
		cmocka_unit_test(live_process_is_told_from_fork_to_exit),
		cmocka_unit_test(live_rings_wake_the_reader_and_wrap_without_harm),
		cmocka_unit_test(live_cpus_come_and_go),
		cmocka_unit_test(ring_size_that_is_no_power_of_two_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
