/* SPDX-License-Identifier: Apache-2.0 */
/* What records, scans and samples mean for the processes; how those are stored is in process_table.h.
 *
 * Three sources tell of one process, at different moments and with different reach:
 *
 *     perf records   exact in time, from when we listened on; can be lost under load
 *     /proc scan     everything that was there before, at clock-tick resolution, a moment late
 *     samples        (start time, exec id) to the point: they show when a record was lost
 *
 * A generation spans [from_ns, until_ns). Records make and end generations. A scan fills what nobody told. A sample
 * whose start time or exec id contradicts its generation makes the one that the lost record would have made. */
#include "collector/registry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/clock.h"
#include "base/counters.h"
#include "base/cursor.h"
#include "base/text.h"
#include "collector/cgroup_table.h"
#include "collector/mapping_set.h"
#include "collector/process_table.h"

/* /proc gives start times in clock ticks, rounded down; one tick of slack on both sides. */
#define START_TICK_NS (10 * NSEC_PER_MSEC)
/* The kernel emits the COMM record of an exec a little before it raises the task's exec id; on a busy machine the task
 * may lose its CPU in between, and is often sampled just as it gets it back. */
#define EXEC_SETTLE_NS (100 * NSEC_PER_MSEC)
/* An exec this long after the end of its process is another process whose FORK was lost. (When another thread than the
 * leader executes, the leader's EXIT comes first.) */
#define EXEC_AFTER_EXIT_NS NSEC_PER_SEC
/* A scan takes a moment: an exec this soon after its beginning may have come before the maps were read. */
#define SCAN_DOUBT_NS (100 * NSEC_PER_MSEC)
/* Generations of a pid that are searched for one that fits a sample which contradicts its time. */
#define MATCH_MAX 64
#define EVICTIONS_PER_MAPPING 16

struct registry {
	struct object_table *objects;
	struct process_table processes;
	struct cgroup_table cgroups;
};

int registry_new(const struct registry_options *options, struct registry **ret)
{
	struct registry *registry = calloc(1, sizeof(*registry));

	if (!registry)
		return -ENOMEM;
	registry->objects = options->objects;
	process_table_init(&registry->processes, options->max_processes);
	if (options->max_mapping_bytes)
		registry->processes.budget.limit_bytes = options->max_mapping_bytes;
	cgroup_table_init(&registry->cgroups);
	*ret = registry;
	return 0;
}

void registry_free(struct registry *registry)
{
	if (!registry)
		return;
	process_table_release(&registry->processes);
	cgroup_table_release(&registry->cgroups);
	free(registry);
}

/* Neither the kernel's own nor a process that our pid namespace does not show. */
static bool is_process(uint32_t tgid)
{
	return tgid && tgid != UINT32_MAX;
}

static struct generation *newest_of(const struct registry *registry, uint32_t tgid)
{
	return process_table_newest(&registry->processes, process_table_key(tgid, 0));
}

/* --- executables and mapped objects ---------------------------------------------------------------------------- */

static bool is_file(const struct registry *registry, uint32_t object)
{
	const struct object *known = object_table_get(registry->objects, object);

	return known && known->kind == OBJECT_FILE;
}

static bool is_jitdump(const struct registry *registry, uint32_t object)
{
	const struct object *known = object_table_get(registry->objects, object);

	return known && known->kind == OBJECT_JITDUMP;
}

/* "libc.so.6", "ld-linux-x86-64.so.2", "ld-musl-x86_64.so.1" */
static bool is_library_name(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	const char *so = strstr(name, ".so");

	return !strncmp(name, "ld-", 3) || (so && (so[3] == 0 || so[3] == '.'));
}

/* /proc does not say which of the mapped files was executed. It lies below its libraries, in front of them. */
static void seek_executable(struct registry *registry, struct process *process)
{
	struct generation *generation = (struct generation *)process;
	uint32_t first_file = 0;
	const struct mapping *mappings;
	size_t n;

	if (process->executable || generation->awaits_executable || generation->executable_sought)
		return;
	generation->executable_sought = true;
	mappings = process_mappings(process, &n);
	for (size_t i = 0; i < n; i++) {
		if (!is_file(registry, mappings[i].object))
			continue;
		if (!is_library_name(object_table_get(registry->objects, mappings[i].object)->path)) {
			process->executable = mappings[i].object;
			return;
		}
		if (!first_file)
			first_file = mappings[i].object;
	}
	process->executable = first_file;
}

struct namespace_lesson {
	struct registry *registry;
	uint32_t mnt_ns;
};

static uint32_t object_in_namespace(void *ctx, uint32_t id)
{
	const struct namespace_lesson *lesson = ctx;
	const struct object *object = object_table_get(lesson->registry->objects, id);
	uint32_t placed;

	if (!object || (object->kind != OBJECT_FILE && object->kind != OBJECT_JITDUMP) || object->mnt_ns)
		return id;
	placed = object_table_add(lesson->registry->objects, &(struct object_identity){
								     .path = object->path,
								     .mnt_ns = lesson->mnt_ns,
								     .dev = object->dev,
								     .ino = object->ino,
								     .ino_generation = object->ino_generation,
								     .build_id = object->build_id,
								     .build_id_len = object->build_id_len,
							     });
	if (!placed)
		return id;
	object_table_get(lesson->registry->objects, placed)->flags |= object->flags & OBJECT_DELETED;
	return placed;
}

/* Mappings that were recorded before the mount namespace of their process was known. */
static void learn_mount_namespace(struct registry *registry, struct generation *generation, uint32_t mnt_ns)
{
	struct process *process = &generation->process;
	struct namespace_lesson lesson = {.registry = registry, .mnt_ns = mnt_ns};

	if (process->mnt_ns || !mnt_ns)
		return;
	process_table_set_mount_namespace(&registry->processes, generation, mnt_ns);
	if (process->mappings)
		mapping_set_replace_objects(process->mappings, object_in_namespace, &lesson);
	process->executable = object_in_namespace(&lesson, process->executable);
	process->jitdump = object_in_namespace(&lesson, process->jitdump);
}

/* --- new generations ------------------------------------------------------------------------------------------- */

static int add_generation(struct registry *registry, uint32_t tgid, uint64_t from_ns, struct generation *older,
			  const struct generation *keep, struct generation **ret)
{
	struct generation *generation;
	int err;

	err = process_table_insert(&registry->processes, process_table_key(tgid, 0), older, keep, &generation);
	if (err)
		return err;
	generation->process.tgid = tgid;
	generation->process.from_ns = from_ns;
	*ret = generation;
	return 0;
}

/* A process that lived before we heard of it. */
static int add_unknown(struct registry *registry, uint32_t tgid, struct generation **ret)
{
	int err = add_generation(registry, tgid, 0, NULL, NULL, ret);

	if (!err)
		(*ret)->process.needs_scan = true;
	return err;
}

static int find_or_add(struct registry *registry, uint32_t tgid, struct generation **ret)
{
	*ret = newest_of(registry, tgid);
	return *ret ? 0 : add_unknown(registry, tgid, ret);
}

/* What a child has of its parent and an execution of the one before. */
static void inherit(struct registry *registry, struct generation *heir, const struct generation *from)
{
	heir->process.uid = from->process.uid;
	heir->has_uid = from->has_uid;
	heir->process.pid_ns = from->process.pid_ns;
	memcpy(heir->process.comm, from->process.comm, sizeof(heir->process.comm));
	generation_set_cgroup(heir, from->process.cgroup_id, cgroup_path_ref(from->cgroup_path));
	process_table_set_mount_namespace(&registry->processes, heir, from->process.mnt_ns);
}

/* A further execution of the process behind `older`, which ends. Generations behind it move up by one. */
static int add_execution(struct registry *registry, struct generation *older, uint64_t from_ns, struct generation **ret)
{
	struct process *before = &older->process;
	bool is_alive = before->is_alive;
	uint64_t until_ns = is_alive ? UINT64_MAX : before->until_ns;
	struct generation *execution;
	int err;

	err = process_table_insert(&registry->processes, older->key, older, NULL, &execution);
	if (err)
		return err;
	execution->process.tgid = before->tgid;
	execution->process.from_ns = from_ns;
	process_table_end(&registry->processes, older, from_ns);
	inherit(registry, execution, older);
	execution->process.inner_tgid = before->inner_tgid;
	execution->process.parent_tgid = before->parent_tgid;
	execution->process.start_boottime_ns = before->start_boottime_ns;
	execution->start_is_exact = older->start_is_exact;
	execution->process.generation = before->generation + 1;
	for (struct generation *newer = execution->newer; newer && newer->process.generation; newer = newer->newer)
		newer->process.generation++;
	if (!is_alive && until_ns > from_ns)
		process_table_end(&registry->processes, execution, until_ns);
	*ret = execution;
	return 0;
}

/* --- records --------------------------------------------------------------------------------------------------- */

static int apply_fork(struct registry *registry, const struct sideband_record *record)
{
	struct generation *parent, *child, *earlier;
	int err;

	/* A thread changes nothing. */
	if (record->tgid == record->task.parent_tgid || record->tid != record->tgid || !is_process(record->tgid))
		return 0;
	parent = NULL;
	if (is_process(record->task.parent_tgid))
		find_or_add(registry, record->task.parent_tgid, &parent);
	earlier = newest_of(registry, record->tgid);
	err = add_generation(registry, record->tgid, record->mono_ns, earlier, parent, &child);
	if (err)
		return err;
	if (earlier && earlier->process.is_alive)
		process_table_end(&registry->processes, earlier, record->mono_ns);
	child->is_born_seen = true;
	child->process.parent_tgid = record->task.parent_tgid;
	if (!parent) {
		child->process.needs_scan = true;
		return 0;
	}
	inherit(registry, child, parent);
	child->process.is_kernel_thread = parent->process.is_kernel_thread;
	child->process.exec_id = parent->process.exec_id;
	child->process.has_exec_id = parent->process.has_exec_id;
	child->process.executable = parent->process.executable;
	child->process.jitdump = parent->process.jitdump;
	child->awaits_executable = parent->awaits_executable;
	child->process.needs_scan = parent->process.needs_scan;
	/* Shared even when empty: a scan of one will fill in what both have from before. */
	if (!parent->process.mappings && parent->process.needs_scan)
		mapping_set_new(&registry->processes.budget, &parent->process.mappings);
	if (parent->process.mappings)
		child->process.mappings = mapping_set_ref(parent->process.mappings);
	return 0;
}

static int apply_exec(struct registry *registry, const struct sideband_record *record)
{
	struct generation *older = newest_of(registry, record->tgid), *execution;
	bool is_same =
		older && (older->process.is_alive || record->mono_ns - older->process.until_ns < EXEC_AFTER_EXIT_NS);
	int err;

	if (is_same)
		err = add_execution(registry, older, record->mono_ns, &execution);
	else
		err = add_generation(registry, record->tgid, record->mono_ns, older, NULL, &execution);
	if (err)
		return err;
	execution->began_by_exec = true;
	execution->awaits_executable = true; /* and all else that it maps will be told */
	if (is_same && older->process.has_exec_id) {
		execution->process.exec_id = older->process.exec_id + 1;
		execution->process.has_exec_id = true;
	}
	text_copy(execution->process.comm, sizeof(execution->process.comm), record->comm.comm);
	return 0;
}

static int apply_comm(struct registry *registry, const struct sideband_record *record)
{
	struct generation *generation;
	int err;

	/* Names of other threads are the sampler's to tell. */
	if (record->tid != record->tgid || !is_process(record->tgid))
		return 0;
	if (record->comm.is_exec)
		return apply_exec(registry, record);
	err = find_or_add(registry, record->tgid, &generation);
	if (err)
		return err;
	text_copy(generation->process.comm, sizeof(generation->process.comm), record->comm.comm);
	return 0;
}

static int apply_exit(struct registry *registry, const struct sideband_record *record)
{
	struct generation *generation;
	int err;

	/* The leader stands for the process: without it /proc shows neither maps nor files. Its other threads may go
	 * on, so samples are still attributed to what ended last until the pid is used again. */
	if (record->tid != record->tgid || !is_process(record->tgid))
		return 0;
	err = find_or_add(registry, record->tgid, &generation);
	if (err)
		return err;
	if (!generation->process.is_alive)
		return 0;
	/* What was not scanned cannot be any more. Who waits for an answer gets one from the scan that was asked for.
	 */
	if (!generation->process.has_samples)
		generation->process.needs_scan = false;
	process_table_end(&registry->processes, generation, record->mono_ns);
	return 0;
}

static int insert_mapping(struct registry *registry, struct generation *generation, const struct mapping *mapping,
			  bool fill)
{
	struct process *process = &generation->process;
	struct mapping_budget *budget = &registry->processes.budget;
	int err = process->mappings ? 0 : mapping_set_new(budget, &process->mappings);

	for (int evictions = 0; !err; evictions++) {
		err = fill ? mapping_set_fill(process->mappings, mapping)
			   : mapping_set_insert(&process->mappings, mapping);
		if (err != -ENOBUFS || evictions == EVICTIONS_PER_MAPPING ||
		    !process_table_evict_ended(&registry->processes, generation))
			break;
		err = 0;
	}
	if (err)
		count(COUNTER_registry_mappings_dropped);
	else if (is_jitdump(registry, mapping->object))
		process->jitdump = mapping->object;
	return err;
}

static int apply_mmap(struct registry *registry, const struct sideband_record *record)
{
	struct mapping mapping = {.start = record->mmap.start, .file_off = record->mmap.file_off};
	struct generation *generation;
	int err;

	if (record->mmap.is_kernel || !is_process(record->tgid))
		return 0;
	if (!record->mmap.len || !checked_add(record->mmap.start, record->mmap.len, &mapping.limit))
		return 0;
	err = find_or_add(registry, record->tgid, &generation);
	if (err)
		return err;
	mapping.object = object_table_add(registry->objects,
					  &(struct object_identity){
						  .path = record->mmap.path,
						  .mnt_ns = generation->process.mnt_ns,
						  .dev = makedev(record->mmap.dev_major, record->mmap.dev_minor),
						  .ino = record->mmap.ino,
						  .ino_generation = record->mmap.ino_generation,
						  .build_id = record->mmap.build_id,
						  .build_id_len = record->mmap.build_id_len,
					  });
	if (generation->awaits_executable && is_file(registry, mapping.object)) {
		generation->process.executable = mapping.object;
		generation->awaits_executable = false;
	}
	return insert_mapping(registry, generation, &mapping, false);
}

static int apply_namespaces(struct registry *registry, const struct sideband_record *record)
{
	struct generation *generation = newest_of(registry, record->tgid);

	/* A thread may have a mount namespace of its own; the process is where its leader is. */
	if (record->tid != record->tgid || !is_process(record->tgid) || !generation)
		return 0;
	if (record->namespaces.mnt_ns)
		process_table_set_mount_namespace(&registry->processes, generation, record->namespaces.mnt_ns);
	if (record->namespaces.pid_ns)
		generation->process.pid_ns = record->namespaces.pid_ns;
	return 0;
}

static int apply_cgroup(struct registry *registry, const struct sideband_record *record)
{
	struct cgroup_path *path = cgroup_path_new(record->cgroup.path);

	if (!path)
		return -ENOMEM;
	cgroup_table_put(&registry->cgroups, record->cgroup.id, path);
	cgroup_path_unref(path);
	return 0;
}

int registry_apply(struct registry *registry, const struct sideband_record *record)
{
	switch (record->type) {
	case SIDEBAND_MMAP:
		return apply_mmap(registry, record);
	case SIDEBAND_COMM:
		return apply_comm(registry, record);
	case SIDEBAND_FORK:
		return apply_fork(registry, record);
	case SIDEBAND_EXIT:
		return apply_exit(registry, record);
	case SIDEBAND_NAMESPACES:
		return apply_namespaces(registry, record);
	case SIDEBAND_CGROUP:
		return apply_cgroup(registry, record);
	case SIDEBAND_KSYMBOL:
	case SIDEBAND_LOST:
		return 0;
	}
	return -EINVAL;
}

/* --- scans ----------------------------------------------------------------------------------------------------- */

/* Start times that cannot be those of one process. Unknown ones can. */
static bool starts_differ(const struct generation *generation, uint64_t start_boottime_ns, bool is_exact)
{
	uint64_t known = generation->process.start_boottime_ns;
	uint64_t slack = generation->start_is_exact && is_exact ? 0 : 2 * START_TICK_NS;

	if (!known || !start_boottime_ns)
		return false;
	return known > start_boottime_ns ? known - start_boottime_ns > slack : start_boottime_ns - known > slack;
}

/* The generation that lived at the time; NULL when all began later. */
static struct generation *living_at(struct generation *newest, uint64_t mono_ns)
{
	while (newest && newest->process.from_ns > mono_ns)
		newest = generation_older(newest);
	return newest;
}

/* What nobody told yet; a cgroup that is known already may have another path by now. */
static void fill_from_scan(struct registry *registry, struct generation *generation,
			   const struct message_process *scanned, struct cgroup_path *cgroup)
{
	struct process *process = &generation->process;

	if (!process->start_boottime_ns)
		process->start_boottime_ns = scanned->start_boottime_ns;
	if (!process->parent_tgid)
		process->parent_tgid = scanned->parent_tgid;
	if (!process->inner_tgid)
		process->inner_tgid = scanned->inner_tgid;
	if (!process->pid_ns)
		process->pid_ns = scanned->pid_ns;
	if (!generation->has_uid)
		process->uid = scanned->uid;
	generation->has_uid = true;
	if (!process->comm[0])
		memcpy(process->comm, scanned->comm, sizeof(process->comm) - 1);
	process->was_running = scanned->flags & PROCESS_RUNNING;
	if (scanned->flags & PROCESS_KERNEL_THREAD) {
		process->is_kernel_thread = true;
		process->needs_scan = false;
	}
	if (cgroup && !process->cgroup &&
	    (!process->cgroup_id || !scanned->cgroup_id || process->cgroup_id == scanned->cgroup_id))
		generation_set_cgroup(generation, process->cgroup_id ? process->cgroup_id : scanned->cgroup_id,
				      cgroup_path_ref(cgroup));
	learn_mount_namespace(registry, generation, scanned->mnt_ns);
}

/* The oldest generation that the scan tells of, made when nobody told of it; *ret NULL: none, the pid belongs to
 * another by now. */
static int find_scanned(struct registry *registry, const struct message_process *scanned, struct generation **ret)
{
	struct generation *newest = newest_of(registry, scanned->tgid), *seen, *added;
	int err;

	/* Here and below: what a scan adds does not need one, its mappings are on the way. */
	if (!newest)
		return add_generation(registry, scanned->tgid, 0, NULL, NULL, ret);
	seen = living_at(newest, scanned->scanned_mono_ns);
	if (!seen) {
		for (seen = newest; generation_older(seen); seen = generation_older(seen))
			;
		/* All that we know of began later: with an execution of what was scanned, or with another process. */
		*ret = seen->is_born_seen ? NULL : seen;
		return 0;
	}
	if (!starts_differ(seen, scanned->start_boottime_ns, false)) {
		*ret = seen;
		return 0;
	}
	*ret = NULL;
	if (seen != newest || scanned->start_boottime_ns < seen->process.start_boottime_ns)
		return 0;
	err = add_generation(registry, scanned->tgid, scanned->scanned_mono_ns, newest, NULL, &added);
	if (err)
		return err;
	if (newest->process.is_alive)
		process_table_end(&registry->processes, newest, scanned->scanned_mono_ns);
	*ret = added;
	return 0;
}

int registry_add_scanned(struct registry *registry, const struct message_process *scanned, const char *cgroup)
{
	struct generation *seen = NULL, *generation;
	struct cgroup_path *path = NULL;
	int err;

	if (!is_process(scanned->tgid))
		return 0;
	err = find_scanned(registry, scanned, &seen);
	if (err)
		return err;
	if (cgroup && cgroup[0]) {
		path = cgroup_path_new(cgroup);
		if (path && scanned->cgroup_id)
			cgroup_table_put(&registry->cgroups, scanned->cgroup_id, path);
	}
	/* Executions since then are of the same process: they know as little of where it came from. */
	for (generation = seen; generation && !starts_differ(generation, scanned->start_boottime_ns, false);
	     generation = generation->newer) {
		if (generation != seen && !generation->process.generation)
			break;
		fill_from_scan(registry, generation, scanned, path);
	}
	cgroup_path_unref(path);
	return 0;
}

static int add_scanned_mapping(struct registry *registry, struct generation *generation,
			       const struct message_mapping *scanned, const char *path)
{
	char name[MESSAGE_MAX_PATH + 1];
	struct mapping mapping = {
		.start = scanned->start,
		.limit = scanned->limit,
		.file_off = scanned->file_off,
	};

	if (scanned->path_len > MESSAGE_MAX_PATH || scanned->start >= scanned->limit)
		return 0;
	memcpy(name, path, scanned->path_len);
	name[scanned->path_len] = 0;
	mapping.object =
		object_table_add(registry->objects, &(struct object_identity){
							    .path = name,
							    .mnt_ns = generation->process.mnt_ns,
							    .dev = makedev(scanned->dev_major, scanned->dev_minor),
							    .ino = scanned->ino,
						    });
	return insert_mapping(registry, generation, &mapping, true);
}

int registry_add_scanned_mappings(struct registry *registry, const struct message_mappings *scanned, const char *paths)
{
	struct generation *generation, *newer;
	uint64_t limit = 0;
	int err = 0;

	if (!is_process(scanned->tgid))
		return 0;
	generation = living_at(newest_of(registry, scanned->tgid), scanned->scanned_mono_ns);
	if (!generation || starts_differ(generation, scanned->start_boottime_ns, false))
		return 0;
	newer = generation->newer;
	if (!newer || newer->is_born_seen || newer->process.from_ns - scanned->scanned_mono_ns > SCAN_DOUBT_NS) {
		for (uint32_t i = 0; i < scanned->n; i++) {
			const struct message_mapping *mapping = &scanned->mappings[i];

			/* The kernel lists them in order; nothing else is worth the search for gaps. */
			if (mapping->start >= limit)
				err = add_scanned_mapping(registry, generation, mapping, paths);
			if (err)
				break;
			limit = mapping->limit;
			paths += mapping->path_len;
		}
	}
	if (scanned->is_last) {
		generation->process.needs_scan = false;
		seek_executable(registry, &generation->process);
	}
	return err;
}

/* --- samples --------------------------------------------------------------------------------------------------- */

/* The one generation of the pid that is exactly what the sampler saw, whatever the times say. */
static struct generation *find_match(struct generation *newest, const struct process_record *record)
{
	struct generation *generation = newest;

	for (int i = 0; generation && i < MATCH_MAX; i++, generation = generation_older(generation)) {
		if (generation->start_is_exact && generation->process.has_exec_id &&
		    generation->process.start_boottime_ns == record->start_boottime_ns &&
		    generation->process.exec_id == record->exec_id)
			return generation;
	}
	return NULL;
}

static bool exec_is_settled(const struct generation *generation, uint64_t mono_ns)
{
	return !generation->began_by_exec || mono_ns - generation->process.from_ns >= EXEC_SETTLE_NS;
}

/* A process that no record told of, behind `older` in time. */
static struct generation *add_sampled(struct registry *registry, const struct process_record *record,
				      struct generation *older, uint64_t from_ns)
{
	uint64_t key = process_table_key(record->tgid, record->start_boottime_ns);
	struct generation *generation, *newer;

	if (process_table_insert(&registry->processes, key, older, NULL, &generation))
		return NULL;
	generation->process.tgid = record->tgid;
	generation->process.from_ns = from_ns;
	if (older && older->process.until_ns > from_ns)
		process_table_end(&registry->processes, older, from_ns);
	if (generation->newer)
		process_table_end(&registry->processes, generation, generation->newer->process.from_ns);
	/* Executions of it that were seen first. */
	for (newer = generation->newer; !older && newer && !newer->is_born_seen; newer = newer->newer)
		newer->process.generation++;
	/* The scan of a pid tells of its newest user only; one that is not visible has no pid to scan. */
	generation->process.needs_scan = !generation->newer && record->tgid && !(record->flags & PROCESS_KERNEL_THREAD);
	return generation;
}

/* An execution whose record was lost. */
static struct generation *add_forgotten_exec(struct registry *registry, struct generation *older, uint64_t mono_ns)
{
	struct generation *execution;

	if (add_execution(registry, older, mono_ns, &execution))
		return NULL;
	count(COUNTER_registry_forgotten_execs);
	execution->process.comm[0] = 0; /* the sampler knows better */
	execution->process.needs_scan = !execution->newer && execution->process.tgid;
	return execution;
}

static struct generation *find_sampled(struct registry *registry, const struct process_record *record, uint64_t mono_ns)
{
	uint64_t key = process_table_key(record->tgid, record->start_boottime_ns);
	struct generation *newest = process_table_newest(&registry->processes, key);
	struct generation *found = living_at(newest, mono_ns), *match;
	struct process *process;

	if (!found)
		return add_sampled(registry, record, NULL, 0);
	process = &found->process;
	if (starts_differ(found, record->start_boottime_ns, true)) {
		match = find_match(newest, record);
		return match ? match : add_sampled(registry, record, found, mono_ns);
	}
	if (!process->has_exec_id || process->exec_id == record->exec_id || !exec_is_settled(found, mono_ns))
		return found;
	match = find_match(newest, record);
	if (match)
		return match;
	return (int32_t)(record->exec_id - process->exec_id) > 0 ? add_forgotten_exec(registry, found, mono_ns) : found;
}

static void learn_cgroup(struct registry *registry, struct generation *generation, uint64_t id)
{
	struct process *process = &generation->process;
	struct cgroup_path *path;

	if (!id || (process->cgroup_id == id && process->cgroup))
		return;
	path = cgroup_path_ref(cgroup_table_find(&registry->cgroups, id));
	/* A path that came without an id is that of the scan, and the cgroup is still the same as far as we know. */
	if (!path && !process->cgroup_id)
		path = cgroup_path_ref(generation->cgroup_path);
	generation_set_cgroup(generation, id, path);
}

static void learn_from_sample(struct registry *registry, struct generation *generation,
			      const struct process_record *record, uint64_t mono_ns)
{
	struct process *process = &generation->process;

	if (record->start_boottime_ns) {
		process->start_boottime_ns = record->start_boottime_ns;
		generation->start_is_exact = true;
	}
	if (!process->has_exec_id && exec_is_settled(generation, mono_ns)) {
		process->exec_id = record->exec_id;
		process->has_exec_id = true;
	}
	if (record->flags & PROCESS_KERNEL_THREAD) {
		process->is_kernel_thread = true;
		process->needs_scan = false;
	}
	process->uid = record->uid;
	generation->has_uid = true;
	if (!process->inner_tgid)
		process->inner_tgid = record->inner_tgid;
	if (!process->pid_ns)
		process->pid_ns = record->pid_ns;
	if (!process->comm[0])
		memcpy(process->comm, record->comm, sizeof(process->comm) - 1);
	learn_cgroup(registry, generation, record->cgroup_id);
	learn_mount_namespace(registry, generation, record->mnt_ns);
	if (!process->needs_scan && process_has_mappings(process))
		seek_executable(registry, process);
}

struct process *registry_attribute(struct registry *registry, const struct process_record *record, uint64_t mono_ns)
{
	struct generation *generation = find_sampled(registry, record, mono_ns);

	if (!generation)
		return NULL;
	process_table_set_sampled(generation);
	learn_from_sample(registry, generation, record, mono_ns);
	return &generation->process;
}

/* --- questions ------------------------------------------------------------------------------------------------- */

struct process *registry_find(struct registry *registry, uint32_t tgid)
{
	struct generation *newest = newest_of(registry, tgid);

	return newest ? &newest->process : NULL;
}

struct process *registry_keep(struct registry *registry, uint32_t tgid, uint64_t start_boottime_ns)
{
	struct generation *newest = newest_of(registry, tgid);

	if (!newest || !newest->process.is_alive || starts_differ(newest, start_boottime_ns, false))
		return NULL;
	process_table_set_sampled(newest);
	return &newest->process;
}

size_t registry_in_mount_namespace(const struct registry *registry, uint32_t mnt_ns, struct process **to, size_t n)
{
	return process_table_in_namespace(&registry->processes, mnt_ns, to, n);
}

bool registry_next_new_mount_namespace(struct registry *registry, uint32_t *tgid, uint32_t *mnt_ns)
{
	return process_table_next_new_namespace(&registry->processes, tgid, mnt_ns);
}

const struct mapping *process_find_mapping(const struct process *process, uint64_t ip)
{
	return process->mappings ? mapping_set_find(process->mappings, ip) : NULL;
}

bool process_has_mappings(const struct process *process)
{
	return process->mappings && !mapping_set_is_empty(process->mappings);
}

const struct mapping *process_find_object(const struct process *process, uint32_t object)
{
	const struct mapping *mappings;
	size_t n;

	mappings = process_mappings(process, &n);
	for (size_t i = 0; i < n; i++) {
		if (mappings[i].object == object)
			return &mappings[i];
	}
	return NULL;
}

const struct mapping *process_mappings(const struct process *process, size_t *n)
{
	*n = 0;
	return process->mappings ? mapping_set_all(process->mappings, n) : NULL;
}

struct process *registry_each(struct registry *registry, struct process *previous)
{
	struct generation *next = process_table_each(&registry->processes, (struct generation *)previous);

	return next ? &next->process : NULL;
}

size_t registry_memory_bytes(const struct registry *registry)
{
	return sizeof(*registry) + process_table_memory_bytes(&registry->processes) +
	       cgroup_table_memory_bytes(&registry->cgroups);
}
