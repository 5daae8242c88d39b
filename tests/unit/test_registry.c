/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <sys/sysmacros.h>

#include "base/counters.h"
#include "collector/registry.h"
#include "oom.h"
#include "sideband_records.h"

#define MSEC 1000000ull
#define SEC 1000000000ull

/* A registry with its surroundings: records are built as bytes and go through sideband, as they do at work. */
struct world {
	struct object_table *objects;
	struct registry *registry;
	struct sideband *sideband;
	struct records records;
};

static uint8_t record_bytes[RECORDS_MAX];

static struct world world_new(size_t max_processes)
{
	struct world world = {.records = {.bytes = record_bytes, .mono_ns = 10 * SEC}};
	struct registry_options options = {.max_processes = max_processes};

	assert_int_equal(object_table_new(10000, &world.objects), 0);
	options.objects = world.objects;
	assert_int_equal(registry_new(&options, &world.registry), 0);
	assert_int_equal(sideband_new_detached(1, &world.sideband), 0);
	return world;
}

static void world_free(struct world *world)
{
	registry_free(world->registry);
	object_table_free(world->objects);
	sideband_free(world->sideband);
}

/* Applies what was built since; time goes on. */
static void apply(struct world *world)
{
	struct sideband_record record;
	uint64_t n = world->records.n;

	assert_int_equal(sideband_feed(world->sideband, 0, world->records.bytes, world->records.len), 0);
	while (sideband_next(world->sideband, UINT64_MAX, &record)) {
		registry_apply(world->registry, &record);
		n--;
	}
	assert_int_equal(n, 0);
	world->records.len = 0;
	world->records.n = 0;
	world->records.mono_ns += 10 * MSEC;
}

#define DO(world, record_call)                                                                                         \
	do {                                                                                                           \
		record_call;                                                                                           \
		apply(world);                                                                                          \
	} while (0)

static struct process_record sampled(uint32_t tgid, uint64_t start, uint32_t exec_id)
{
	return (struct process_record){
		.kind = RECORD_PROCESS,
		.tgid = tgid,
		.inner_tgid = tgid,
		.start_boottime_ns = start,
		.exec_id = exec_id,
		.mnt_ns = 100,
		.pid_ns = 200,
		.uid = 1000,
		.cgroup_id = 300,
		.comm = "sampled",
	};
}

static struct process *attribute(struct world *world, uint32_t tgid, uint64_t start, uint32_t exec_id, uint64_t mono_ns)
{
	const struct process_record record = sampled(tgid, start, exec_id);

	return registry_attribute(world->registry, &record, mono_ns);
}

static const char *path_of(struct world *world, const struct process *process, uint64_t ip)
{
	const struct mapping *mapping = process_find_mapping(process, ip);

	return mapping ? object_table_get(world->objects, mapping->object)->path : "";
}

static const char *executable_of(struct world *world, const struct process *process)
{
	const struct object *object = object_table_get(world->objects, process->executable);

	return object ? object->path : "";
}

/* As the opener tells of a process: its description, then its mappings. */
struct scanned_mapping {
	uint64_t start, limit;
	const char *path;
};

static void scan_process(struct world *world, uint32_t tgid, uint64_t start, uint64_t mono_ns, const char *comm)
{
	struct message_process message = {
		.start_boottime_ns = start,
		.scanned_mono_ns = mono_ns,
		.cgroup_id = 300,
		.tgid = tgid,
		.parent_tgid = 1,
		.inner_tgid = 7,
		.uid = 500,
		.mnt_ns = 100,
		.pid_ns = 200,
	};

	memcpy(message.comm, comm, strlen(comm));
	assert_int_equal(registry_add_scanned(world->registry, &message, "/scanned.slice"), 0);
}

static void scan_mappings(struct world *world, uint32_t tgid, uint64_t start, uint64_t mono_ns,
			  const struct scanned_mapping *mappings, uint32_t n, bool is_last)
{
	struct message_mappings *message = calloc(1, sizeof(*message) + n * sizeof(message->mappings[0]));
	char paths[1024] = "";
	size_t len = 0;

	assert_non_null(message);
	*message = (struct message_mappings){
		.start_boottime_ns = start, .scanned_mono_ns = mono_ns, .tgid = tgid, .is_last = is_last, .n = n};
	for (uint32_t i = 0; i < n; i++) {
		message->mappings[i] = (struct message_mapping){
			.start = mappings[i].start,
			.limit = mappings[i].limit,
			.ino = 5,
			.dev_major = 8,
			.dev_minor = 1,
			.path_len = (uint32_t)strlen(mappings[i].path),
		};
		memcpy(paths + len, mappings[i].path, strlen(mappings[i].path));
		len += strlen(mappings[i].path);
	}
	assert_int_equal(registry_add_scanned_mappings(world->registry, message, paths), 0);
	free(message);
}

static void scan(struct world *world, uint32_t tgid, uint64_t start, uint64_t mono_ns, const char *comm,
		 const struct scanned_mapping *mappings, uint32_t n)
{
	scan_process(world, tgid, start, mono_ns, comm);
	scan_mappings(world, tgid, start, mono_ns, mappings, n, true);
}

static const struct scanned_mapping shell[] = {
	{0x1000, 0x2000, ""},
	{0x400000, 0x500000, "/bin/sh"},
	{0x7f0000000000, 0x7f0000100000, "/lib/libc.so.6"},
	{0x7f0000200000, 0x7f0000300000, "/lib/ld-linux-x86-64.so.2"},
	{0x7f0000400000, 0x7f0000401000, "[vdso]"},
};

/* --- records --------------------------------------------------------------------------------------------------- */

static void fork_and_exec_make_generations(void **state)
{
	struct world world = world_new(100);
	struct process *process;
	uint64_t forked, executed;

	(void)state;
	scan(&world, 50, 1 * SEC, 9 * SEC, "sh", shell, 5);
	forked = world.records.mono_ns;
	DO(&world, records_fork(&world.records, 60, 50));
	process = registry_find(world.registry, 60);
	assert_non_null(process);
	assert_string_equal(process->comm, "sh");
	assert_int_equal(process->parent_tgid, 50);
	assert_int_equal(process->generation, 0);
	assert_int_equal(process->from_ns, forked);
	assert_int_equal(process->uid, 500);
	assert_int_equal(process->mnt_ns, 100);
	assert_string_equal(process->cgroup, "/scanned.slice");
	assert_string_equal(path_of(&world, process, 0x400000), "/bin/sh");
	assert_string_equal(executable_of(&world, process), "/bin/sh");
	assert_false(process->needs_scan);

	executed = world.records.mono_ns;
	DO(&world, records_exec(&world.records, 60, "true"));
	DO(&world, records_mmap_build_id(&world.records, 60, 0x560000, 0x1000, 0x2000, 0xaa, 20, "/bin/true"));
	DO(&world, records_mmap_build_id(&world.records, 60, 0x7f0000000000, 0x1000, 0, 0xbb, 20, "/lib/ld.so"));
	process = registry_find(world.registry, 60);
	assert_string_equal(process->comm, "true");
	assert_int_equal(process->generation, 1);
	assert_int_equal(process->from_ns, executed);
	assert_int_equal(process->until_ns, UINT64_MAX);
	assert_int_equal(process->older->until_ns, executed);
	assert_false(process->older->is_alive);
	assert_string_equal(process->older->comm, "sh");
	assert_string_equal(path_of(&world, process, 0x400000), "");
	assert_string_equal(path_of(&world, process, 0x560fff), "/bin/true");
	assert_string_equal(executable_of(&world, process), "/bin/true");
	assert_false(process->needs_scan);

	/* Each sample finds the image that ran at its time. */
	assert_string_equal(attribute(&world, 60, 2 * SEC, 9, forked + 1)->comm, "sh");
	assert_string_equal(attribute(&world, 60, 2 * SEC, 10, executed + 5 * MSEC)->comm, "true");
	/* The parent is as it was. */
	assert_string_equal(path_of(&world, registry_find(world.registry, 50), 0x400000), "/bin/sh");
	world_free(&world);
}

static void executable_is_the_first_file_mapped_after_an_exec(void **state)
{
	struct world world = world_new(100);

	(void)state;
	DO(&world, records_exec(&world.records, 60, "a"));
	DO(&world, records_mmap(&world.records, 60, 0x1000, 0x1000, 0, 0, "[vdso]"));
	DO(&world, records_mmap(&world.records, 60, 0x3000, 0x1000, 0, 0, "//anon"));
	assert_int_equal(registry_find(world.registry, 60)->executable, 0);
	DO(&world, records_mmap(&world.records, 60, 0x5000, 0x1000, 0, 9, "/opt/libtool.so"));
	DO(&world, records_mmap(&world.records, 60, 0x2000, 0x1000, 0, 9, "/opt/b"));
	assert_string_equal(executable_of(&world, registry_find(world.registry, 60)), "/opt/libtool.so");
	world_free(&world);
}

static void threads_neither_make_nor_end_processes(void **state)
{
	struct world world = world_new(100);
	struct process *process;

	(void)state;
	DO(&world, records_exec(&world.records, 60, "main"));
	DO(&world, records_thread(&world.records, 60, 61));
	DO(&world, records_comm_of(&world.records, 60, 61, "worker", false));
	DO(&world, records_namespaces(&world.records, 60, 61, 999, 999));
	DO(&world, records_exit(&world.records, 60, 61));
	assert_null(registry_find(world.registry, 61));
	process = registry_find(world.registry, 60);
	assert_true(process->is_alive);
	assert_int_equal(process->generation, 0);
	assert_string_equal(process->comm, "main");
	assert_int_equal(process->mnt_ns, 0);
	DO(&world, records_comm(&world.records, 60, "renamed"));
	assert_string_equal(process->comm, "renamed");
	world_free(&world);
}

static void ended_process_is_attributable_until_its_pid_is_used_again(void **state)
{
	struct world world = world_new(100);
	struct process *first, *second;
	uint64_t ended, reused;

	(void)state;
	DO(&world, records_fork(&world.records, 60, 50));
	DO(&world, records_exec(&world.records, 60, "first"));
	ended = world.records.mono_ns;
	DO(&world, records_exit(&world.records, 60, 60));
	first = registry_find(world.registry, 60);
	assert_false(first->is_alive);
	assert_int_equal(first->until_ns, ended);
	/* Another thread of it may go on. */
	assert_ptr_equal(attribute(&world, 60, 2 * SEC, 1, ended + 5 * MSEC), first);
	reused = world.records.mono_ns;
	DO(&world, records_fork(&world.records, 60, 50));
	second = registry_find(world.registry, 60);
	assert_ptr_not_equal(second, first);
	assert_ptr_equal(second->older, first);
	assert_int_equal(second->generation, 0);
	assert_ptr_equal(attribute(&world, 60, 3 * SEC, 1, reused + 5 * MSEC), second);
	assert_ptr_equal(attribute(&world, 60, 2 * SEC, 1, ended - MSEC), first);
	world_free(&world);
}

static void fork_onto_a_living_pid_ends_it(void **state)
{
	struct world world = world_new(100);
	struct process *first;
	uint64_t reused;

	(void)state;
	DO(&world, records_fork(&world.records, 60, 50));
	first = registry_find(world.registry, 60);
	reused = world.records.mono_ns;
	DO(&world, records_fork(&world.records, 60, 50));
	assert_false(first->is_alive);
	assert_int_equal(first->until_ns, reused);
	assert_ptr_equal(registry_find(world.registry, 60)->older, first);
	world_free(&world);
}

static void exec_by_another_thread_continues_the_process(void **state)
{
	struct world world = world_new(100);
	struct process *process;

	(void)state;
	DO(&world, records_fork(&world.records, 60, 50));
	process = attribute(&world, 60, 2 * SEC, 4, world.records.mono_ns);
	DO(&world, records_thread(&world.records, 60, 61));
	DO(&world, records_exit(&world.records, 60, 60)); /* the leader, killed by the exec */
	DO(&world, records_exec(&world.records, 60, "image"));
	assert_ptr_equal(registry_find(world.registry, 60)->older, process);
	process = registry_find(world.registry, 60);
	assert_true(process->is_alive);
	assert_int_equal(process->generation, 1);
	assert_int_equal(process->start_boottime_ns, 2 * SEC);
	assert_int_equal(process->exec_id, 5);
	world_free(&world);
}

static void exec_long_after_the_end_is_another_process(void **state)
{
	struct world world = world_new(100);

	(void)state;
	DO(&world, records_fork(&world.records, 60, 50));
	attribute(&world, 60, 2 * SEC, 4, world.records.mono_ns);
	DO(&world, records_exit(&world.records, 60, 60));
	world.records.mono_ns += 30 * SEC;
	DO(&world, records_exec(&world.records, 60, "image"));
	assert_int_equal(registry_find(world.registry, 60)->generation, 0);
	assert_int_equal(registry_find(world.registry, 60)->start_boottime_ns, 0);
	world_free(&world);
}

static void new_mappings_replace_old_ones(void **state)
{
	struct world world = world_new(100);
	const struct process *process;
	const struct mapping *mapping;
	size_t n;

	(void)state;
	DO(&world, records_exec(&world.records, 60, "a"));
	DO(&world, records_mmap(&world.records, 60, 0x10000, 0x4000, 0, 9, "/a"));
	DO(&world, records_mmap(&world.records, 60, 0x11000, 0x1000, 0, 10, "/b"));
	process = registry_find(world.registry, 60);
	process_mappings(process, &n);
	assert_int_equal(n, 3);
	mapping = process_find_mapping(process, 0x12000);
	assert_int_equal(mapping->file_off, 0x2000);
	assert_ptr_equal(process_find_object(process, mapping->object), process_mappings(process, &n));
	assert_null(process_find_object(process, 77));
	world_free(&world);
}

static void mappings_of_child_and_parent_go_apart(void **state)
{
	struct world world = world_new(100);

	(void)state;
	DO(&world, records_exec(&world.records, 60, "a"));
	DO(&world, records_mmap(&world.records, 60, 0x10000, 0x1000, 0, 9, "/a"));
	DO(&world, records_fork(&world.records, 61, 60));
	DO(&world, records_mmap(&world.records, 61, 0x10000, 0x1000, 0, 9, "/child"));
	DO(&world, records_mmap(&world.records, 60, 0x20000, 0x1000, 0, 9, "/parent"));
	assert_string_equal(path_of(&world, registry_find(world.registry, 60), 0x10000), "/a");
	assert_string_equal(path_of(&world, registry_find(world.registry, 61), 0x10000), "/child");
	assert_string_equal(path_of(&world, registry_find(world.registry, 61), 0x20000), "");
	world_free(&world);
}

static void hostile_ranges_and_the_kernels_own_are_ignored(void **state)
{
	struct world world = world_new(100);
	size_t n;

	(void)state;
	DO(&world, records_exec(&world.records, 60, "a"));
	DO(&world, records_mmap(&world.records, 60, 0x10000, 0, 0, 9, "/empty"));
	DO(&world, records_mmap(&world.records, 60, UINT64_MAX - 5, 6, 0, 9, "/wraps"));
	DO(&world, records_mmap(&world.records, 60, 5, UINT64_MAX, 0, 9, "/wraps"));
	DO(&world, records_mmap(&world.records, UINT32_MAX, 0x10000, 0x1000, 0, 0, "[kernel.kallsyms]"));
	DO(&world, records_mmap(&world.records, 0, 0x10000, 0x1000, 0, 9, "/outside our namespace"));
	DO(&world, records_fork(&world.records, 0, 60));
	DO(&world, records_fork(&world.records, UINT32_MAX, 60));
	DO(&world, records_exit(&world.records, 0, 0));
	process_mappings(registry_find(world.registry, 60), &n);
	assert_int_equal(n, 0);
	assert_false(process_has_mappings(registry_find(world.registry, 60)));
	assert_null(registry_find(world.registry, 0));
	assert_null(registry_find(world.registry, UINT32_MAX));
	world_free(&world);
}

static void mapping_of_an_unknown_process_makes_it_known_and_asks_for_the_rest(void **state)
{
	struct world world = world_new(100);
	struct process *process;

	(void)state;
	DO(&world, records_mmap(&world.records, 60, 0x600000, 0x1000, 0, 9, "/lib/plugin.so"));
	process = registry_find(world.registry, 60);
	assert_true(process->needs_scan);
	assert_int_equal(process->from_ns, 0);
	scan(&world, 60, 1 * SEC, world.records.mono_ns, "sh", shell, 5);
	assert_ptr_equal(registry_find(world.registry, 60), process);
	assert_false(process->needs_scan);
	assert_string_equal(path_of(&world, process, 0x600000), "/lib/plugin.so");
	assert_string_equal(path_of(&world, process, 0x400000), "/bin/sh");
	assert_string_equal(executable_of(&world, process), "/bin/sh");
	assert_string_equal(process->comm, "sh");
	/* The record came before the mount namespace was known. */
	assert_int_equal(object_table_get(world.objects, process_find_mapping(process, 0x600000)->object)->mnt_ns, 100);
	world_free(&world);
}

/* --- scans ----------------------------------------------------------------------------------------------------- */

static void records_are_newer_knowledge_than_scans(void **state)
{
	struct world world = world_new(100);
	const struct process *process;

	(void)state;
	DO(&world, records_mmap(&world.records, 60, 0x400000, 0x1000, 0, 9, "/newer"));
	DO(&world, records_comm(&world.records, 60, "newer"));
	scan(&world, 60, 1 * SEC, world.records.mono_ns, "sh", shell, 5);
	process = registry_find(world.registry, 60);
	assert_string_equal(process->comm, "newer");
	assert_string_equal(path_of(&world, process, 0x400000), "/newer");
	assert_string_equal(path_of(&world, process, 0x401000), "/bin/sh");
	world_free(&world);
}

static void scan_of_the_parent_completes_a_child_forked_before_it(void **state)
{
	struct world world = world_new(100);
	struct process *child;
	uint64_t forked;

	(void)state;
	forked = world.records.mono_ns;
	DO(&world, records_fork(&world.records, 61, 60));
	DO(&world, records_exit(&world.records, 61, 61));
	scan(&world, 60, 1 * SEC, world.records.mono_ns, "sh", shell, 5);
	child = attribute(&world, 61, 2 * SEC, 1, forked + MSEC);
	assert_string_equal(path_of(&world, child, 0x400000), "/bin/sh");
	assert_string_equal(executable_of(&world, child), "/bin/sh");
	assert_false(child->needs_scan); /* it is gone: nothing more to be had */
	world_free(&world);
}

static void scan_fills_the_generation_of_its_time_only(void **state)
{
	struct world world = world_new(100);
	struct process *process;
	uint64_t scanned;

	(void)state;
	DO(&world, records_comm(&world.records, 60, "old"));
	scanned = world.records.mono_ns;
	world.records.mono_ns += SEC;
	DO(&world, records_exec(&world.records, 60, "new"));
	scan(&world, 60, 1 * SEC, scanned, "old", shell, 5);
	process = registry_find(world.registry, 60);
	assert_string_equal(process->comm, "new");
	assert_false(process_has_mappings(process));
	assert_int_equal(process->start_boottime_ns, 1 * SEC); /* is that of all its executions */
	assert_int_equal(process->uid, 500);
	assert_string_equal(path_of(&world, process->older, 0x400000), "/bin/sh");
	world_free(&world);
}

static void scan_that_an_exec_may_have_overtaken_gives_no_mappings(void **state)
{
	struct world world = world_new(100);
	uint64_t scanned;

	(void)state;
	DO(&world, records_comm(&world.records, 60, "old"));
	scanned = world.records.mono_ns;
	world.records.mono_ns += MSEC;
	DO(&world, records_exec(&world.records, 60, "new"));
	scan(&world, 60, 1 * SEC, scanned, "old", shell, 5);
	assert_false(process_has_mappings(registry_find(world.registry, 60)));
	assert_false(process_has_mappings(registry_find(world.registry, 60)->older));
	world_free(&world);
}

static void scan_of_a_pid_that_was_used_again_is_ignored(void **state)
{
	struct world world = world_new(100);
	struct process *process;
	uint64_t scanned = world.records.mono_ns - MSEC;

	(void)state;
	DO(&world, records_fork(&world.records, 60, 50));
	DO(&world, records_exec(&world.records, 60, "new"));
	scan(&world, 60, 1 * SEC, scanned, "old", shell, 5);
	process = registry_find(world.registry, 60);
	assert_string_equal(process->comm, "new");
	assert_int_equal(process->start_boottime_ns, 0);
	assert_false(process_has_mappings(process));
	world_free(&world);
}

static void scan_shows_a_pid_used_again_unseen(void **state)
{
	struct world world = world_new(100);
	struct process *first;

	(void)state;
	DO(&world, records_comm(&world.records, 60, "old"));
	first = attribute(&world, 60, 1 * SEC, 1, world.records.mono_ns);
	scan(&world, 60, 5 * SEC, world.records.mono_ns, "sh", shell, 5);
	assert_ptr_not_equal(registry_find(world.registry, 60), first);
	assert_ptr_equal(registry_find(world.registry, 60)->older, first);
	assert_false(process_has_mappings(first));
	assert_string_equal(path_of(&world, registry_find(world.registry, 60), 0x400000), "/bin/sh");
	world_free(&world);
}

static void executable_of_a_scan_is_the_first_file_that_is_no_library(void **state)
{
	static const struct scanned_mapping loader_first[] = {
		{0x1000, 0x2000, "/lib64/ld-linux-x86-64.so.2"},
		{0x3000, 0x4000, "/usr/lib/libc.so.6"},
		{0x5000, 0x6000, "/opt/so.exe (deleted)"},
	};
	static const struct scanned_mapping libraries[] = {
		{0x1000, 0x2000, "//anon"},
		{0x3000, 0x4000, "/usr/lib/libsystemd-shared.so"},
		{0x5000, 0x6000, "/usr/lib/libc.so.6"},
	};
	struct world world = world_new(100);

	(void)state;
	scan(&world, 60, 1 * SEC, 9 * SEC, "a", loader_first, 3);
	scan(&world, 61, 1 * SEC, 9 * SEC, "b", libraries, 3);
	assert_string_equal(executable_of(&world, registry_find(world.registry, 60)), "/opt/so.exe");
	assert_string_equal(executable_of(&world, registry_find(world.registry, 61)), "/usr/lib/libsystemd-shared.so");
	world_free(&world);
}

static void mappings_may_come_in_several_messages(void **state)
{
	struct world world = world_new(100);
	struct process *process;

	(void)state;
	process = attribute(&world, 60, 1 * SEC + 7, 1, world.records.mono_ns);
	assert_true(process->needs_scan);
	scan_process(&world, 60, 1 * SEC, world.records.mono_ns, "sh");
	scan_mappings(&world, 60, 1 * SEC, world.records.mono_ns, shell, 2, false);
	assert_true(process->needs_scan);
	scan_mappings(&world, 60, 1 * SEC, world.records.mono_ns, shell + 2, 3, true);
	assert_false(process->needs_scan);
	assert_int_equal(process->start_boottime_ns, 1 * SEC + 7); /* the sampler's is exact */
	assert_string_equal(path_of(&world, process, 0x400000), "/bin/sh");
	assert_string_equal(path_of(&world, process, 0x7f0000400000), "[vdso]");
	world_free(&world);
}

static void kernel_threads_need_no_scan(void **state)
{
	struct world world = world_new(100);
	struct process_record record = sampled(2, 1 * SEC, 0);
	struct process *process;

	(void)state;
	record.flags = PROCESS_KERNEL_THREAD;
	process = registry_attribute(world.registry, &record, world.records.mono_ns);
	assert_true(process->is_kernel_thread);
	assert_false(process->needs_scan);
	/* Its children are kernel threads until they execute something. */
	DO(&world, records_fork(&world.records, 70, 2));
	assert_true(registry_find(world.registry, 70)->is_kernel_thread);
	assert_false(registry_find(world.registry, 70)->needs_scan);
	DO(&world, records_exec(&world.records, 70, "modprobe"));
	assert_false(registry_find(world.registry, 70)->is_kernel_thread);
	world_free(&world);
}

/* --- samples --------------------------------------------------------------------------------------------------- */

static void sample_completes_its_process(void **state)
{
	struct world world = world_new(100);
	struct process *process;

	(void)state;
	DO(&world, records_cgroup(&world.records, 300, "/app.slice"));
	DO(&world, records_fork(&world.records, 60, 50));
	process = attribute(&world, 60, 2 * SEC, 9, world.records.mono_ns);
	assert_ptr_equal(process, registry_find(world.registry, 60));
	assert_true(process->has_samples);
	assert_int_equal(process->start_boottime_ns, 2 * SEC);
	assert_true(process->has_exec_id);
	assert_int_equal(process->exec_id, 9);
	assert_int_equal(process->inner_tgid, 60);
	assert_int_equal(process->uid, 1000);
	assert_int_equal(process->mnt_ns, 100);
	assert_int_equal(process->pid_ns, 200);
	assert_int_equal(process->cgroup_id, 300);
	assert_string_equal(process->cgroup, "/app.slice");
	assert_string_equal(process->comm, "sampled");
	world_free(&world);
}

static void unknown_process_is_made_from_its_sample(void **state)
{
	struct world world = world_new(100);
	uint64_t forgotten = counters[COUNTER_registry_forgotten_execs];
	struct process *process;

	(void)state;
	process = attribute(&world, 60, 1 * SEC, 1, world.records.mono_ns);
	assert_non_null(process);
	assert_true(process->needs_scan);
	assert_true(process->is_alive);
	assert_ptr_equal(attribute(&world, 60, 1 * SEC, 1, world.records.mono_ns - 5 * SEC), process);
	assert_int_equal(counters[COUNTER_registry_forgotten_execs], forgotten);
	world_free(&world);
}

static void forgotten_exec_is_learned_from_a_sample(void **state)
{
	struct world world = world_new(100);
	uint64_t forgotten = counters[COUNTER_registry_forgotten_execs];
	struct process *first, *second;

	(void)state;
	scan(&world, 60, 1 * SEC, 9 * SEC, "sh", shell, 5);
	first = attribute(&world, 60, 1 * SEC + 3, 7, 10 * SEC);
	second = attribute(&world, 60, 1 * SEC + 3, 8, 11 * SEC);
	assert_ptr_not_equal(first, second);
	assert_ptr_equal(second->older, first);
	assert_int_equal(second->generation, 1);
	assert_true(second->needs_scan);
	assert_false(process_has_mappings(second));
	assert_string_equal(second->comm, "sampled");
	assert_int_equal(first->until_ns, 11 * SEC);
	assert_int_equal(counters[COUNTER_registry_forgotten_execs] - forgotten, 1);
	/* Once is enough; and a late sample of the first image finds it. */
	assert_ptr_equal(attribute(&world, 60, 1 * SEC + 3, 8, 12 * SEC), second);
	assert_ptr_equal(attribute(&world, 60, 1 * SEC + 3, 7, 12 * SEC), first);
	assert_int_equal(counters[COUNTER_registry_forgotten_execs] - forgotten, 1);
	world_free(&world);
}

static void exec_id_is_inherited_so_that_a_lost_exec_shows_in_the_first_sample(void **state)
{
	struct world world = world_new(100);
	struct process *process;

	(void)state;
	scan(&world, 60, 1 * SEC, 9 * SEC, "sh", shell, 5);
	attribute(&world, 60, 1 * SEC, 7, world.records.mono_ns);
	DO(&world, records_fork(&world.records, 61, 60));
	/* The exec of 61 is lost: nothing of the shell's mappings may name its samples. */
	process = attribute(&world, 61, 2 * SEC, 8, world.records.mono_ns);
	assert_int_equal(process->generation, 1);
	assert_true(process->needs_scan);
	assert_false(process_has_mappings(process));
	world_free(&world);
}

static void exec_id_that_lags_behind_its_record_is_no_contradiction(void **state)
{
	struct world world = world_new(100);
	uint64_t forgotten = counters[COUNTER_registry_forgotten_execs], executed;
	struct process *process;

	(void)state;
	DO(&world, records_fork(&world.records, 60, 50));
	attribute(&world, 60, 2 * SEC, 7, world.records.mono_ns);
	executed = world.records.mono_ns;
	DO(&world, records_exec(&world.records, 60, "image"));
	process = attribute(&world, 60, 2 * SEC, 7, executed + 1000);
	assert_string_equal(process->comm, "image");
	/* The task lost its CPU in between. */
	assert_ptr_equal(attribute(&world, 60, 2 * SEC, 7, executed + 60 * MSEC), process);
	assert_ptr_equal(attribute(&world, 60, 2 * SEC, 8, executed + 200 * MSEC), process);
	assert_int_equal(counters[COUNTER_registry_forgotten_execs], forgotten);
	world_free(&world);
}

static void start_time_that_differs_is_another_process(void **state)
{
	struct world world = world_new(100);
	struct process *first, *second;

	(void)state;
	scan(&world, 60, 1 * SEC, 9 * SEC, "sh", shell, 5);
	first = registry_find(world.registry, 60);
	/* /proc rounds to clock ticks: this is the same one. */
	assert_ptr_equal(attribute(&world, 60, 1 * SEC + 9 * MSEC, 7, 10 * SEC), first);
	second = attribute(&world, 60, 5 * SEC, 7, 11 * SEC);
	assert_ptr_not_equal(second, first);
	assert_int_equal(second->generation, 0);
	assert_true(second->needs_scan);
	assert_false(first->is_alive);
	assert_ptr_equal(attribute(&world, 60, 1 * SEC + 9 * MSEC, 7, 12 * SEC), first);
	assert_ptr_equal(attribute(&world, 60, 5 * SEC, 7, 12 * SEC), second);
	world_free(&world);
}

static void sample_from_before_the_first_record_has_a_generation_of_its_own(void **state)
{
	struct world world = world_new(100);
	struct process *before, *after;

	(void)state;
	DO(&world, records_exec(&world.records, 60, "new"));
	before = attribute(&world, 60, 1 * SEC, 7, 5 * SEC);
	after = registry_find(world.registry, 60);
	assert_ptr_not_equal(before, after);
	assert_ptr_equal(after->older, before);
	assert_int_equal(before->generation, 0);
	assert_int_equal(after->generation, 1);
	assert_false(before->is_alive);
	assert_int_equal(before->until_ns, after->from_ns);
	assert_false(before->needs_scan); /* /proc shows the new image by now */
	world_free(&world);
}

static void processes_outside_our_pid_namespace_are_told_apart_by_start_time(void **state)
{
	struct world world = world_new(100);
	struct process *processes[90];

	(void)state;
	for (uint64_t i = 0; i < 90; i++) {
		processes[i] = attribute(&world, 0, (i + 1) * SEC, 7, 10 * SEC);
		assert_non_null(processes[i]);
		assert_false(processes[i]->needs_scan);
	}
	for (uint64_t i = 0; i < 90; i++)
		assert_ptr_equal(attribute(&world, 0, (i + 1) * SEC, 7, (11 + i) * SEC), processes[i]);
	assert_ptr_not_equal(processes[0], processes[89]);
	world_free(&world);
}

static void cgroup_follows_the_sampler_and_never_shows_a_stale_path(void **state)
{
	struct world world = world_new(100);
	struct process_record record = sampled(60, 1 * SEC, 7);
	struct process *process;

	(void)state;
	scan(&world, 60, 1 * SEC, 9 * SEC, "sh", shell, 5); /* cgroup 300 */
	process = registry_attribute(world.registry, &record, 10 * SEC);
	assert_string_equal(process->cgroup, "/scanned.slice");
	record.cgroup_id = 301; /* moved, nobody told where that is */
	registry_attribute(world.registry, &record, 11 * SEC);
	assert_int_equal(process->cgroup_id, 301);
	assert_null(process->cgroup);
	DO(&world, records_cgroup(&world.records, 301, "/new.slice"));
	registry_attribute(world.registry, &record, 12 * SEC);
	assert_string_equal(process->cgroup, "/new.slice");
	DO(&world, records_fork(&world.records, 61, 60));
	assert_string_equal(registry_find(world.registry, 61)->cgroup, "/new.slice");
	world_free(&world);
}

static void cgroup_table_is_bounded_and_processes_keep_their_path(void **state)
{
	struct world world = world_new(100);
	struct process *process;

	(void)state;
	DO(&world, records_cgroup(&world.records, 300, "/first"));
	process = attribute(&world, 60, 1 * SEC, 7, 10 * SEC);
	for (uint32_t i = 0; i < 10000; i++)
		DO(&world, records_cgroup(&world.records, 1000 + i, "/many"));
	assert_string_equal(process->cgroup, "/first");
	assert_null(attribute(&world, 61, 1 * SEC, 7, 10 * SEC)->cgroup);
	assert_true(registry_memory_bytes(world.registry) < 4 << 20);
	world_free(&world);
}

/* --- mount namespaces ------------------------------------------------------------------------------------------ */

static void new_mount_namespaces_are_told_once_while_somebody_lives_there(void **state)
{
	struct world world = world_new(100);
	uint32_t tgid = 0, mnt_ns = 0;

	(void)state;
	assert_false(registry_next_new_mount_namespace(world.registry, &tgid, &mnt_ns));
	scan(&world, 60, 1 * SEC, 9 * SEC, "sh", shell, 5);
	assert_true(registry_next_new_mount_namespace(world.registry, &tgid, &mnt_ns));
	assert_int_equal(tgid, 60);
	assert_int_equal(mnt_ns, 100);
	DO(&world, records_fork(&world.records, 61, 60));
	assert_false(registry_next_new_mount_namespace(world.registry, &tgid, &mnt_ns));
	/* A container starts: its first process moves and executes. */
	DO(&world, records_namespaces(&world.records, 61, 61, 101, 201));
	DO(&world, records_exec(&world.records, 61, "init"));
	DO(&world, records_mmap(&world.records, 61, 0x1000, 0x1000, 0, 9, "/init"));
	assert_true(registry_next_new_mount_namespace(world.registry, &tgid, &mnt_ns));
	assert_int_equal(tgid, 61);
	assert_int_equal(mnt_ns, 101);
	assert_int_equal(object_table_get(world.objects, registry_find(world.registry, 61)->executable)->mnt_ns, 101);
	/* Another is gone before anyone asks. */
	DO(&world, records_fork(&world.records, 62, 60));
	DO(&world, records_namespaces(&world.records, 62, 62, 102, 202));
	DO(&world, records_exit(&world.records, 62, 62));
	assert_false(registry_next_new_mount_namespace(world.registry, &tgid, &mnt_ns));
	world_free(&world);
}

static void processes_of_a_mount_namespace_come_newest_first(void **state)
{
	struct world world = world_new(100);
	struct process *found[4];

	(void)state;
	scan(&world, 60, 1 * SEC, 9 * SEC, "sh", shell, 5);
	for (uint32_t tgid = 61; tgid < 67; tgid++)
		DO(&world, records_fork(&world.records, tgid, 60));
	DO(&world, records_exit(&world.records, 66, 66));
	DO(&world, records_namespaces(&world.records, 65, 65, 101, 200));
	DO(&world, records_exec(&world.records, 62, "again"));
	assert_int_equal(registry_in_mount_namespace(world.registry, 100, found, 4), 4);
	assert_int_equal(found[0]->tgid, 62);
	assert_int_equal(found[0]->generation, 1);
	assert_int_equal(found[1]->tgid, 64);
	assert_int_equal(found[2]->tgid, 63);
	assert_int_equal(found[3]->tgid, 61);
	assert_int_equal(registry_in_mount_namespace(world.registry, 101, found, 4), 1);
	assert_int_equal(found[0]->tgid, 65);
	assert_int_equal(registry_in_mount_namespace(world.registry, 999, found, 4), 0);
	world_free(&world);
}

/* --- limits ---------------------------------------------------------------------------------------------------- */

static void ended_processes_without_samples_leave_first(void **state)
{
	struct world world = world_new(4);
	uint64_t dropped = counters[COUNTER_registry_processes_dropped];
	struct process *with_samples;
	size_t n = 0;

	(void)state;
	DO(&world, records_exec(&world.records, 50, "alive"));
	DO(&world, records_fork(&world.records, 60, 50));
	with_samples = attribute(&world, 60, 1 * SEC, 1, world.records.mono_ns);
	DO(&world, records_exit(&world.records, 60, 60));
	for (uint32_t tgid = 61; tgid < 200; tgid++) {
		DO(&world, records_fork(&world.records, tgid, 50));
		DO(&world, records_exit(&world.records, tgid, tgid));
	}
	assert_ptr_equal(registry_find(world.registry, 60), with_samples);
	assert_non_null(registry_find(world.registry, 50));
	assert_non_null(registry_find(world.registry, 199));
	assert_non_null(registry_find(world.registry, 198));
	assert_null(registry_find(world.registry, 197));
	for (struct process *each = registry_each(world.registry, NULL); each;
	     each = registry_each(world.registry, each))
		n++;
	assert_int_equal(n, 4);
	assert_int_equal(counters[COUNTER_registry_processes_dropped], dropped);
	world_free(&world);
}

static void older_generations_leave_out_of_the_middle_of_their_chain(void **state)
{
	struct world world = world_new(5);
	struct process *first, *newest;

	(void)state;
	DO(&world, records_fork(&world.records, 60, 50));
	first = attribute(&world, 60, 1 * SEC, 1, world.records.mono_ns);
	for (int i = 0; i < 20; i++)
		DO(&world, records_exec(&world.records, 60, "again"));
	newest = registry_find(world.registry, 60);
	assert_int_equal(newest->generation, 20);
	assert_int_equal(newest->older->generation, 19);
	assert_true(newest->older->older == first || newest->older->older->older == first);
	assert_null(first->older);
	world_free(&world);
}

static void full_of_samples_means_no_room(void **state)
{
	struct world world = world_new(3);
	uint64_t dropped = counters[COUNTER_registry_processes_dropped];

	(void)state;
	for (uint32_t tgid = 60; tgid < 63; tgid++)
		assert_non_null(attribute(&world, tgid, 1 * SEC, 1, 10 * SEC));
	assert_null(attribute(&world, 63, 1 * SEC, 1, 10 * SEC));
	assert_true(counters[COUNTER_registry_processes_dropped] > dropped);
	assert_non_null(attribute(&world, 61, 1 * SEC, 1, 10 * SEC));
	DO(&world, records_fork(&world.records, 70, 61));
	assert_null(registry_find(world.registry, 70));
	DO(&world, records_exec(&world.records, 61, "no room"));
	DO(&world, records_mmap(&world.records, 71, 0x1000, 0x1000, 0, 9, "/a"));
	DO(&world, records_exit(&world.records, 60, 60));
	world_free(&world);
}

static void living_processes_without_samples_make_room_for_new_ones(void **state)
{
	struct world world = world_new(3);
	uint64_t dropped = counters[COUNTER_registry_processes_dropped];

	(void)state;
	for (uint32_t tgid = 60; tgid < 70; tgid++) {
		DO(&world, records_exec(&world.records, tgid, "a"));
		assert_non_null(registry_find(world.registry, tgid));
	}
	assert_int_equal(counters[COUNTER_registry_processes_dropped] - dropped, 7);
	/* A fork keeps its parent, though that is the first in line. */
	DO(&world, records_fork(&world.records, 80, 67));
	assert_non_null(registry_find(world.registry, 67));
	assert_string_equal(registry_find(world.registry, 80)->comm, "a");
	world_free(&world);
}

static void kept_process_stays_as_if_it_had_samples(void **state)
{
	struct world world = world_new(3);
	struct process *kept;

	(void)state;
	scan(&world, 50, 2 * SEC, 10 * SEC, "kept", NULL, 0);
	assert_null(registry_keep(world.registry, 51, 2 * SEC));
	assert_null(registry_keep(world.registry, 50, 3 * SEC)); /* another process of that number */
	/* /proc is rounded down to clock ticks, the program is not. */
	kept = registry_keep(world.registry, 50, 2 * SEC + 9 * MSEC);
	assert_ptr_equal(kept, registry_find(world.registry, 50));
	for (uint32_t pid = 60; pid < 66; pid++)
		DO(&world, records_fork(&world.records, pid, 1));
	assert_ptr_equal(registry_find(world.registry, 50), kept);
	assert_ptr_equal(attribute(&world, 50, 2 * SEC + 9 * MSEC, 1, world.records.mono_ns), kept);
	DO(&world, records_exit(&world.records, 50, 50));
	assert_null(registry_keep(world.registry, 50, 2 * SEC + 9 * MSEC));
	world_free(&world);
}

static void mappings_of_all_processes_together_are_bounded(void **state)
{
	enum { FORKS = 120, MAPPINGS = 60000 };
	struct world world = world_new(10000);
	uint64_t dropped = counters[COUNTER_registry_mappings_dropped];

	(void)state;
	DO(&world, records_exec(&world.records, 60, "parent"));
	for (uint64_t i = 0; i < MAPPINGS; i++) {
		records_mmap(&world.records, 60, i * 0x2000, 0x1000, 0, 9, "/a");
		if (i % 1000 == 999)
			apply(&world);
	}
	/* Each child has all of it and writes: copies. */
	for (uint32_t i = 0; i < FORKS; i++) {
		DO(&world, records_fork(&world.records, 100 + i, 60));
		DO(&world, records_mmap(&world.records, 100 + i, 0, 0x1000, 0, 9, "/b"));
	}
	assert_true(registry_memory_bytes(world.registry) < REGISTRY_MAX_MAPPING_BYTES + (8 << 20));
	assert_true(counters[COUNTER_registry_mappings_dropped] > dropped);
	/* Those that end make room. */
	for (uint32_t i = 0; i < FORKS; i++)
		DO(&world, records_exit(&world.records, 100 + i, 100 + i));
	dropped = counters[COUNTER_registry_mappings_dropped];
	DO(&world, records_fork(&world.records, 500, 60));
	DO(&world, records_mmap(&world.records, 500, 0, 0x1000, 0, 9, "/b"));
	assert_string_equal(path_of(&world, registry_find(world.registry, 500), 0), "/b");
	assert_int_equal(counters[COUNTER_registry_mappings_dropped], dropped);
	world_free(&world);
}

/* Without the queue between. */
static void apply_directly(struct world *world)
{
	struct sideband_record record;
	struct perf_event_header header;

	for (size_t at = 0; at < world->records.len; at += header.size) {
		memcpy(&header, world->records.bytes + at, sizeof(header));
		assert_int_equal(sideband_parse(world->records.bytes + at, header.size, &record), 1);
		registry_apply(world->registry, &record);
	}
	world->records.len = 0;
	world->records.mono_ns += 10 * MSEC;
}

/* Any one allocation fails, at any point of a life: nothing but knowledge is lost. */
static void failing_allocations_do_no_harm(void **state)
{
	(void)state;
	for (unsigned long nth = 1; nth <= 80; nth++) {
		struct world world = world_new(100);
		struct process *process;

		records_cgroup(&world.records, 300, "/a");
		records_fork(&world.records, 60, 50);
		records_namespaces(&world.records, 60, 60, 101, 201);
		records_mmap(&world.records, 60, 0x1000, 0x1000, 0, 9, "/a");
		records_exec(&world.records, 60, "b");
		records_mmap(&world.records, 60, 0x1000, 0x1000, 0, 9, "/b");
		records_mmap(&world.records, 61, 0x1000, 0x1000, 0, 9, "/c");
		oom_fail_at(nth);
		apply_directly(&world);
		process = attribute(&world, 60, 1 * SEC, 7, world.records.mono_ns);
		records_exit(&world.records, 60, 60);
		apply_directly(&world);
		oom_fail_at(0);
		assert_true(!process || process->tgid == 60);
		world_free(&world);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fork_and_exec_make_generations),
		cmocka_unit_test(executable_is_the_first_file_mapped_after_an_exec),
		cmocka_unit_test(threads_neither_make_nor_end_processes),
		cmocka_unit_test(ended_process_is_attributable_until_its_pid_is_used_again),
		cmocka_unit_test(fork_onto_a_living_pid_ends_it),
		cmocka_unit_test(exec_by_another_thread_continues_the_process),
		cmocka_unit_test(exec_long_after_the_end_is_another_process),
		cmocka_unit_test(new_mappings_replace_old_ones),
		cmocka_unit_test(mappings_of_child_and_parent_go_apart),
		cmocka_unit_test(hostile_ranges_and_the_kernels_own_are_ignored),
		cmocka_unit_test(mapping_of_an_unknown_process_makes_it_known_and_asks_for_the_rest),
		cmocka_unit_test(records_are_newer_knowledge_than_scans),
		cmocka_unit_test(scan_of_the_parent_completes_a_child_forked_before_it),
		cmocka_unit_test(scan_fills_the_generation_of_its_time_only),
		cmocka_unit_test(scan_that_an_exec_may_have_overtaken_gives_no_mappings),
		cmocka_unit_test(scan_of_a_pid_that_was_used_again_is_ignored),
		cmocka_unit_test(scan_shows_a_pid_used_again_unseen),
		cmocka_unit_test(executable_of_a_scan_is_the_first_file_that_is_no_library),
		cmocka_unit_test(mappings_may_come_in_several_messages),
		cmocka_unit_test(kernel_threads_need_no_scan),
		cmocka_unit_test(sample_completes_its_process),
		cmocka_unit_test(unknown_process_is_made_from_its_sample),
		cmocka_unit_test(forgotten_exec_is_learned_from_a_sample),
		cmocka_unit_test(exec_id_is_inherited_so_that_a_lost_exec_shows_in_the_first_sample),
		cmocka_unit_test(exec_id_that_lags_behind_its_record_is_no_contradiction),
		cmocka_unit_test(start_time_that_differs_is_another_process),
		cmocka_unit_test(sample_from_before_the_first_record_has_a_generation_of_its_own),
		cmocka_unit_test(processes_outside_our_pid_namespace_are_told_apart_by_start_time),
		cmocka_unit_test(cgroup_follows_the_sampler_and_never_shows_a_stale_path),
		cmocka_unit_test(cgroup_table_is_bounded_and_processes_keep_their_path),
		cmocka_unit_test(new_mount_namespaces_are_told_once_while_somebody_lives_there),
		cmocka_unit_test(processes_of_a_mount_namespace_come_newest_first),
		cmocka_unit_test(ended_processes_without_samples_leave_first),
		cmocka_unit_test(older_generations_leave_out_of_the_middle_of_their_chain),
		cmocka_unit_test(full_of_samples_means_no_room),
		cmocka_unit_test(living_processes_without_samples_make_room_for_new_ones),
		cmocka_unit_test(kept_process_stays_as_if_it_had_samples),
		cmocka_unit_test(mappings_of_all_processes_together_are_bounded),
		cmocka_unit_test(failing_allocations_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
