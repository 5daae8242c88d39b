/* SPDX-License-Identifier: Apache-2.0 */
/* The attribution with a registry and a side-band of its own, fed with records as the kernel writes them. */
#include "test.h"

#include <elf.h>
#include <errno.h>
#include <linux/perf_event.h>

#include "base/counters.h"
#include "collector/attribution.h"
#include "collector/jit_code.h"
#include "collector/unwinding.h"

#define TGID 100
#define TEXT 0x400000ULL
#define TEXT_BYTES 0x10000ULL

struct fixture {
	struct object_table *objects;
	struct registry *registry;
	struct stack_store *store;
	struct sideband *sideband;
	struct attribution *attribution;
	struct sampler_sink sink;
	struct jit_code *jit;
	unsigned objects_wanted, scans_wanted, losses_told, perf_maps_wanted;
};

static void want_object(void *ctx, struct object *object, struct process *process, const struct mapping *mapping)
{
	struct fixture *f = ctx;

	(void)process;
	(void)mapping;
	object->state = OBJECT_WANTED;
	f->objects_wanted++;
}

static void want_perf_map(void *ctx, struct object *perf_map)
{
	struct fixture *f = ctx;

	assert_int_equal(perf_map->state, OBJECT_WANTED);
	perf_map->state = OBJECT_FAILED;
	f->perf_maps_wanted++;
}

static void want_scan(void *ctx, struct process *process)
{
	struct fixture *f = ctx;

	(void)process;
	f->scans_wanted++;
}

static void on_ksymbol(void *ctx, const struct sideband_record *record)
{
	(void)ctx;
	(void)record;
}

static void on_records_lost(void *ctx)
{
	struct fixture *f = ctx;

	f->losses_told++;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct registry_options registry = {.max_processes = 1000};
	struct jit_code_options jit = {.want_perf_map = want_perf_map, .ctx = f};
	struct attribution_options options = {.copy_bytes = sizeof(struct stack_copy_record) + STACK_CHUNK_BYTES + 256,
					      .want_object = want_object,
					      .want_scan = want_scan,
					      .on_ksymbol = on_ksymbol,
					      .on_records_lost = on_records_lost,
					      .ctx = f};

	assert_int_equal(object_table_new(1000, &f->objects), 0);
	registry.objects = jit.objects = f->objects;
	assert_int_equal(jit_code_new(&jit, &f->jit), 0);
	options.jit = f->jit;
	assert_int_equal(registry_new(&registry, &f->registry), 0);
	assert_int_equal(stack_store_new(1 << 22, &f->store), 0);
	assert_int_equal(sideband_new_detached(1, &f->sideband), 0);
	options.registry = f->registry;
	options.objects = f->objects;
	options.store = f->store;
	assert_int_equal(attribution_new(&options, &f->attribution), 0);
	f->sink = attribution_sink(f->attribution);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	attribution_free(f->attribution);
	jit_code_free(f->jit);
	sideband_free(f->sideband);
	stack_store_free(f->store);
	registry_free(f->registry);
	object_table_free(f->objects);
	free(f);
	return 0;
}

/* What sample_id_all appends: IDENTIFIER comes last. */
struct id_tail {
	uint32_t tgid, tid;
	uint64_t time;
	uint32_t cpu, res;
	uint64_t identifier;
};

static void feed(struct fixture *f, const void *record, size_t len)
{
	assert_int_equal(sideband_feed(f->sideband, 0, record, len), 0);
}

static void feed_fork(struct fixture *f, uint64_t time)
{
	struct {
		struct perf_event_header header;
		uint32_t tgid, parent_tgid, tid, parent_tid;
		uint64_t time;
		struct id_tail tail;
	} record = {.header = {.type = PERF_RECORD_FORK, .size = sizeof(record)},
		    .tgid = TGID,
		    .parent_tgid = 1,
		    .tid = TGID,
		    .parent_tid = 1,
		    .time = time,
		    .tail = {.tgid = 1, .tid = 1, .time = time}};

	feed(f, &record, sizeof(record));
}

static void feed_exec(struct fixture *f, uint64_t time, const char *comm)
{
	struct {
		struct perf_event_header header;
		uint32_t tgid, tid;
		char comm[16];
		struct id_tail tail;
	} record = {.header = {.type = PERF_RECORD_COMM, .misc = PERF_RECORD_MISC_COMM_EXEC, .size = sizeof(record)},
		    .tgid = TGID,
		    .tid = TGID,
		    .tail = {.tgid = TGID, .tid = TGID, .time = time}};

	strcpy(record.comm, comm);
	feed(f, &record, sizeof(record));
}

static void feed_mmap(struct fixture *f, uint64_t time, const char *path, uint64_t ino)
{
	struct {
		struct perf_event_header header;
		uint32_t tgid, tid;
		uint64_t start, len, pgoff;
		uint32_t major, minor;
		uint64_t ino, generation;
		uint32_t prot, flags;
		char path[32];
		struct id_tail tail;
	} record = {.header = {.type = PERF_RECORD_MMAP2, .misc = PERF_RECORD_MISC_USER, .size = sizeof(record)},
		    .tgid = TGID,
		    .tid = TGID,
		    .start = TEXT,
		    .len = TEXT_BYTES,
		    .pgoff = 0x1000,
		    .major = 8,
		    .ino = ino,
		    .prot = 5,
		    .tail = {.tgid = TGID, .tid = TGID, .time = time}};

	strcpy(record.path, path);
	feed(f, &record, sizeof(record));
}

static void send_process(struct fixture *f, uint64_t hash, uint32_t exec_id)
{
	struct process_record record = {.kind = RECORD_PROCESS,
					.hash = hash,
					.image = hash,
					.tgid = TGID,
					.start_boottime_ns = 5,
					.exec_id = exec_id};

	strcpy(record.comm, "task");
	f->sink.process(f->sink.ctx, &record);
}

static void send_ended_stack(struct fixture *f, uint64_t hash, const uint64_t *words, uint16_t n, enum unwind_end end)
{
	struct stack_record *record = calloc(1, sizeof(*record) + n * sizeof(*words));

	record->kind = RECORD_USER_STACK;
	record->hash = hash;
	record->words = n;
	record->end = (uint8_t)end;
	if (n)
		memcpy(record->frames, words, n * sizeof(*words));
	f->sink.stack(f->sink.ctx, record);
	free(record);
}

static void send_stack(struct fixture *f, uint64_t hash, const uint64_t *words, uint16_t n)
{
	send_ended_stack(f, hash, words, n, UNWIND_END_ROOT);
}

static void send_sample(struct fixture *f, uint64_t process, uint64_t user, uint64_t time)
{
	const struct sample_record record = {
		.kind = RECORD_SAMPLE, .process = process, .user = user, .weight = 10, .mono_ns = time};

	f->sink.sample(f->sink.ctx, &record);
}

static void step(struct fixture *f)
{
	assert_int_equal(sideband_read(f->sideband), 0);
	attribution_step(f->attribution, f->sideband, UINT64_MAX, 1000);
}

static struct attribution_stats stats_of(const struct fixture *f)
{
	struct attribution_stats stats;

	attribution_get_stats(f->attribution, &stats);
	return stats;
}

static void start_task(struct fixture *f)
{
	feed_fork(f, 10);
	feed_exec(f, 20, "task");
	feed_mmap(f, 30, "/bin/task", 77);
	send_process(f, 1, 1);
}

static void a_frame_becomes_file_and_offset(void **state)
{
	const uint64_t words[] = {frame_from_address(TEXT + 0x10, 0), frame_from_address(TEXT + 0x20, 1)};
	struct fixture *f = *state;
	struct stored_stack stack;

	start_task(f);
	send_stack(f, 2, words, 2);
	send_sample(f, 1, 2, 40);
	step(f);
	assert_int_equal(stats_of(f).stored, 1);
	assert_int_equal(f->objects_wanted, 1);
	stack = stack_store_stack(f->store, 1);
	assert_int_equal(stack.n, 2);
	assert_int_equal(stack.end, UNWIND_END_ROOT);
	assert_int_equal(frame_kind(stack.words[0]), FRAME_FILE);
	assert_int_equal(frame_offset(stack.words[0]), 0x1010);
	assert_false(frame_is_return(stack.words[0]));
	assert_true(frame_is_return(stack.words[1]));
	assert_string_equal(object_table_get(f->objects, (uint32_t)frame_object_id(stack.words[1]))->path, "/bin/task");
}

/* Two processes have code at one address: their stacks are two. */
static void generated_code_is_an_object_of_its_process(void **state)
{
	const uint64_t words[] = {frame_from_address(TEXT + 0x10, 0), frame_from_address(TEXT + 0x20, 1)};
	struct fixture *f = *state;
	struct stored_stack first, second;
	const struct object *object;

	feed_fork(f, 10);
	feed_exec(f, 20, "node");
	feed_mmap(f, 30, "//anon", 0);
	send_process(f, 1, 1);
	send_stack(f, 2, words, 2);
	send_sample(f, 1, 2, 40);
	feed_exec(f, 50, "node");
	feed_mmap(f, 60, "//anon", 0);
	send_process(f, 3, 2);
	send_sample(f, 3, 2, 80);
	step(f);
	assert_int_equal(stats_of(f).stored, 2);
	assert_int_equal(f->objects_wanted, 0);
	assert_int_equal(f->perf_maps_wanted, 2);
	first = stack_store_stack(f->store, 1);
	second = stack_store_stack(f->store, 2);
	assert_int_equal(frame_kind(first.words[0]), FRAME_FILE);
	assert_int_equal(frame_offset(first.words[0]), TEXT + 0x10);
	assert_true(frame_is_return(first.words[1]));
	assert_int_equal(frame_object_id(first.words[0]), frame_object_id(first.words[1]));
	assert_int_not_equal(frame_object_id(first.words[0]), frame_object_id(second.words[0]));
	object = object_table_get(f->objects, (uint32_t)frame_object_id(first.words[0]));
	assert_int_equal(object->kind, OBJECT_JIT);
	assert_int_equal(object->process->generation, 1); /* behind the fork */
	assert_string_equal(object_table_get(f->objects, object->process->perf_map)->path, "/tmp/perf-100.map");
}

static void the_kernel_s_own_pages_are_no_generated_code(void **state)
{
	const uint64_t words[] = {frame_from_address(TEXT + 0x10, 0)};
	struct fixture *f = *state;

	feed_fork(f, 10);
	feed_exec(f, 20, "task");
	feed_mmap(f, 30, "[uprobes]", 0);
	send_process(f, 1, 1);
	send_stack(f, 2, words, 1);
	send_sample(f, 1, 2, 40);
	step(f);
	assert_int_equal(f->perf_maps_wanted, 0);
	assert_int_equal(stack_store_stack(f->store, 1).words[0], words[0]);
}

/* What is in a JITDUMP is found by its mapping. */
static void a_jitdump_is_wanted_with_the_first_generated_code(void **state)
{
	const uint64_t words[] = {frame_from_address(TEXT + 0x10, 0)};
	struct fixture *f = *state;
	const struct stored_sample *samples;
	size_t n;

	start_task(f);
	feed_mmap(f, 31, "/tmp/jit-100.dump", 79);
	feed_mmap(f, 32, "[heap]", 0);
	send_stack(f, 2, words, 1);
	send_sample(f, 1, 2, 40);
	step(f);
	samples = stack_store_samples(f->store, &n);
	assert_int_equal(n, 1);
	assert_string_equal(object_table_get(f->objects, samples[0].key.process->jitdump)->path, "/tmp/jit-100.dump");
}

static void a_caller_outside_code_ends_the_stack_with_its_reason(void **state)
{
	const uint64_t words[] = {frame_from_address(TEXT, 0), frame_from_address(0x1234, 1),
				  frame_from_address(TEXT + 8, 1)};
	struct fixture *f = *state;
	struct stored_stack stack;

	start_task(f);
	send_stack(f, 2, words, 3);
	send_sample(f, 1, 2, 40);
	step(f);
	stack = stack_store_stack(f->store, 1);
	assert_int_equal(stack.n, 1);
	assert_int_equal(stack.end, UNWIND_END_NOT_CODE);
	assert_int_equal(stats_of(f).by_end[UNWIND_END_NOT_CODE], 1);
}

static void one_frame_stands_for_the_code_of_a_32_bit_process(void **state)
{
	struct fixture *f = *state;
	struct stored_stack stack;

	start_task(f);
	send_ended_stack(f, 2, NULL, 0, UNWIND_END_COMPAT_TASK);
	send_ended_stack(f, 3, NULL, 0, UNWIND_END_UNREADABLE_STACK);
	send_sample(f, 1, 2, 40);
	send_sample(f, 1, 3, 41);
	step(f);
	stack = stack_store_stack(f->store, 1);
	assert_int_equal(stack.n, 1);
	assert_int_equal(stack.words[0], frame_from_address(0, 0));
	assert_int_equal(stack.end, UNWIND_END_COMPAT_TASK);
	assert_int_equal(stack_store_stack(f->store, 2).n, 0);
}

static void a_sample_meets_the_mappings_of_its_own_moment(void **state)
{
	const uint64_t words[] = {frame_from_address(TEXT, 0)};
	uint64_t first, second;
	struct fixture *f = *state;

	start_task(f);
	send_stack(f, 2, words, 1);
	send_process(f, 3, 2);
	/* The later sample comes first, and all come before any record was worked off. */
	send_sample(f, 3, 2, 80);
	send_sample(f, 1, 2, 40);
	feed_exec(f, 50, "other");
	feed_mmap(f, 60, "/bin/other", 78);
	step(f);
	assert_int_equal(stats_of(f).stored, 2);
	assert_int_equal(stats_of(f).processes, 2);
	first = stack_store_stack(f->store, 1).words[0];
	second = stack_store_stack(f->store, 2).words[0];
	assert_string_equal(object_table_get(f->objects, (uint32_t)frame_object_id(first))->path, "/bin/task");
	assert_string_equal(object_table_get(f->objects, (uint32_t)frame_object_id(second))->path, "/bin/other");
}

static void equal_samples_are_counted_together(void **state)
{
	const uint64_t words[] = {frame_from_address(TEXT, 0)};
	const struct stored_sample *samples;
	struct fixture *f = *state;
	size_t n;

	start_task(f);
	send_stack(f, 2, words, 1);
	for (uint64_t i = 0; i < 100; i++)
		send_sample(f, 1, 2, 40 + i);
	step(f);
	samples = stack_store_samples(f->store, &n);
	assert_int_equal(n, 1);
	assert_int_equal(samples[0].count, 100);
	assert_int_equal(samples[0].weight, 1000);
}

static void a_header_without_its_frames_is_an_orphan(void **state)
{
	struct fixture *f = *state;

	start_task(f);
	send_sample(f, 1, 99, 40);
	send_sample(f, 98, 0, 41);
	step(f);
	assert_int_equal(stats_of(f).stored, 0);
	assert_int_equal(stats_of(f).lost[LOSS_orphan], 2);
	assert_int_equal(stats_of(f).received, 2);
}

static void a_sample_waits_for_the_mappings_of_an_older_process(void **state)
{
	const uint64_t words[] = {frame_from_address(TEXT, 0)};
	struct fixture *f = *state;

	send_process(f, 1, 1);
	send_stack(f, 2, words, 1);
	send_sample(f, 1, 2, 40);
	send_sample(f, 1, 2, 41);
	step(f);
	assert_int_equal(f->scans_wanted, 1);
	assert_int_equal(attribution_waiting(f->attribution), 2);
	assert_int_equal(stats_of(f).stored, 0);
	assert_int_equal(attribution_scan_done(f->attribution, TGID, 500), 0);
	step(f);
	assert_int_equal(attribution_waiting(f->attribution), 0);
	assert_int_equal(stats_of(f).stored, 2);
}

/* The opener reads /proc while the collector is still behind with the records. */
static void a_scan_does_not_overtake_the_records_of_its_moment(void **state)
{
	const uint64_t words[] = {frame_from_address(TEXT, 0)};
	const struct message_process scanned = {.tgid = TGID, .scanned_mono_ns = 35, .comm = "task"};
	struct fixture *f = *state;
	struct process *process;

	assert_int_equal(attribution_scan_process(f->attribution, &scanned, ""), 0);
	assert_int_equal(attribution_scan_done(f->attribution, TGID, 36), 0);
	attribution_step(f->attribution, f->sideband, 34, 1000);
	assert_null(registry_find(f->registry, TGID));
	start_task(f);
	send_stack(f, 2, words, 1);
	send_sample(f, 1, 2, 40);
	step(f);
	process = registry_find(f->registry, TGID);
	assert_non_null(process);
	assert_int_equal(process->generation, 1); /* the fork, then the exec: the scan added none */
	assert_int_equal(frame_kind(stack_store_stack(f->store, 1).words[0]), FRAME_FILE);
}

static void a_scan_that_never_answers_costs_no_sample(void **state)
{
	const uint64_t words[] = {frame_from_address(TEXT, 0)};
	struct fixture *f = *state;

	send_process(f, 1, 1);
	send_stack(f, 2, words, 1);
	send_sample(f, 1, 2, 40);
	step(f);
	attribution_flush(f->attribution);
	assert_int_equal(stats_of(f).stored, 1);
	/* Nothing is known of its mappings, so its address stays as it is. */
	assert_int_equal(stack_store_stack(f->store, 1).words[0], words[0]);
}

/* --- copied stacks ------------------------------------------------------------------------------------------------ */

static void send_copied_sample(struct fixture *f, uint64_t process, uint64_t copy, uint64_t time)
{
	const struct sample_record record = {.kind = RECORD_SAMPLE,
					     .process = process,
					     .user = copy,
					     .weight = 1000,
					     .mono_ns = time,
					     .flags = SAMPLE_STACK_COPY};

	f->sink.sample(f->sink.ctx, &record);
}

static void send_copy(struct fixture *f, uint64_t id)
{
	const struct stack_copy_record record = {.kind = RECORD_STACK_COPY,
						 .id = id,
						 .ip = TEXT + 0x10,
						 .is_exact = 1,
						 .task_size = 1ULL << 47,
						 .registers = {[UNWIND_X86_RBP] = 3}}; /* no frame pointer */

	f->sink.copy(f->sink.ctx, &record);
}

static void of_a_copy_the_leaf_is_known_at_least(void **state)
{
	struct fixture *f = *state;
	struct stored_stack stack;

	start_task(f);
	send_copied_sample(f, 1, 99, 40);
	send_copy(f, 99);
	step(f);
	assert_int_equal(stats_of(f).stored, 1);
	stack = stack_store_stack(f->store, 1);
	assert_int_equal(stack.n, 1);
	assert_int_equal(frame_offset(stack.words[0]), 0x1010);
	assert_int_equal(stack.end, UNWIND_END_PROCESS_UNKNOWN);
}

static void a_sample_whose_copy_did_not_come_is_an_orphan(void **state)
{
	struct fixture *f = *state;

	start_task(f);
	send_copied_sample(f, 1, 99, 40);
	step(f);
	assert_int_equal(stats_of(f).stored, 0);
	assert_int_equal(stats_of(f).lost[LOSS_orphan], 1);
}

static void send_copy_of_a_chunk(struct fixture *f, uint64_t id)
{
	struct stack_copy_record *copy = calloc(1, sizeof(*copy) + STACK_CHUNK_BYTES);

	copy->kind = RECORD_STACK_COPY;
	copy->chunks = copy->readable[0] = 1;
	copy->id = id;
	copy->ip = TEXT + 0x10;
	copy->is_exact = 1;
	for (uint64_t i = 0; i < STACK_CHUNK_BYTES / sizeof(uint64_t); i++)
		((uint64_t *)(copy + 1))[i] = id << 32 | i;
	f->sink.copy(f->sink.ctx, copy);
	free(copy);
}

static void copies_beyond_the_limit_keep_their_leaf(void **state)
{
	uint64_t before = counters[COUNTER_stack_copies_cut];
	struct fixture *f = *state;

	start_task(f);
	send_copied_sample(f, 1, 1, 40);
	send_copied_sample(f, 1, 2, 41);
	send_copy_of_a_chunk(f, 1);
	assert_int_equal(counters[COUNTER_stack_copies_cut] - before, 0);
	send_copy_of_a_chunk(f, 2);
	assert_int_equal(counters[COUNTER_stack_copies_cut] - before, 1);
	step(f);
	assert_int_equal(stats_of(f).stored, 2);
	assert_int_equal(frame_offset(stack_store_stack(f->store, 1).words[0]), 0x1010);
	send_copy_of_a_chunk(f, 3); /* the first two are gone */
	assert_int_equal(counters[COUNTER_stack_copies_cut] - before, 1);
}

static struct unwind_rule unwind_rules[UNWIND_MAX_RULES];
static struct unwind_object unwind_objects[UNWIND_MAX_OBJECTS];
static struct unwind_process unwind_processes[UNWIND_MAX_PROCESSES];
static void *segment;

static int add_segment(void *ctx, uint32_t index, void **ret)
{
	(void)ctx;
	assert_int_equal(index, 0);
	*ret = segment = calloc(1, UNWIND_SEGMENT_BYTES + UNWIND_SEGMENT_SLACK);
	return 0;
}

static void set_epoch(void *ctx, uint32_t epoch)
{
	(void)ctx;
	(void)epoch;
}

static int make_table(void *ctx, const struct object *object, uint32_t page)
{
	(void)ctx, (void)object, (void)page;
	return 0;
}

static struct unwinding *new_unwinding(struct fixture *f)
{
	const struct unwinding_options options = {.objects = f->objects,
						  .memory = {.rules = unwind_rules,
							     .objects = unwind_objects,
							     .processes = unwind_processes,
							     .add_segment = add_segment},
						  .table_bytes = UNWIND_SEGMENT_BYTES,
						  .machine = EM_X86_64,
						  .set_epoch = set_epoch,
						  .want_object = want_object,
						  .make_table = make_table,
						  .ctx = f};
	struct unwinding *unwinding;

	memset(unwind_objects, 0, sizeof(unwind_objects));
	memset(unwind_processes, 0, sizeof(unwind_processes));
	assert_int_equal(unwinding_new(&options, &unwinding), 0);
	attribution_use_unwinding(f->attribution, unwinding);
	return unwinding;
}

static void a_copied_stack_waits_for_its_table_and_counts_once(void **state)
{
	const struct message_table no_table = {.object = 1, .err = -ENOENT};
	struct fixture *f = *state;
	struct unwinding *unwinding = new_unwinding(f);

	start_task(f);
	send_copied_sample(f, 1, 99, 40);
	send_copy(f, 99);
	step(f);
	assert_int_equal(stats_of(f).stored, 0);
	assert_int_equal(attribution_waiting(f->attribution), 1);
	/* Long after what the dictionary held is gone. */
	attribution_next_epoch(f->attribution);
	attribution_next_epoch(f->attribution);
	attribution_next_epoch(f->attribution);
	object_table_get(f->objects, 1)->state = OBJECT_OPEN;
	unwinding_tick(unwinding, 2000);
	unwinding_table(unwinding, &no_table, -1, 2000);
	step(f);
	step(f);
	assert_int_equal(attribution_waiting(f->attribution), 0);
	assert_int_equal(stats_of(f).stored, 1);
	assert_int_equal(stats_of(f).by_end[UNWIND_END_NO_FRAME_POINTER], 1);
	unwinding_free(unwinding);
	free(segment);
}

static void at_the_end_a_copied_stack_is_told_as_far_as_it_goes(void **state)
{
	struct fixture *f = *state;
	struct unwinding *unwinding = new_unwinding(f);

	start_task(f);
	send_copied_sample(f, 1, 99, 40);
	send_copy(f, 99);
	step(f);
	attribution_flush(f->attribution);
	assert_int_equal(stats_of(f).stored, 1);
	assert_int_equal(stats_of(f).by_end[UNWIND_END_TABLE_UNLOADED], 1);
	unwinding_free(unwinding);
	free(segment);
}

static void lost_records_are_told(void **state)
{
	struct {
		struct perf_event_header header;
		uint64_t id, lost;
		struct id_tail tail;
	} record = {.header = {.type = PERF_RECORD_LOST, .size = sizeof(record)}, .lost = 7, .tail = {.time = 30}};
	struct fixture *f = *state;

	feed(f, &record, sizeof(record));
	step(f);
	assert_int_equal(f->losses_told, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_frame_becomes_file_and_offset),
		TEST(generated_code_is_an_object_of_its_process),
		TEST(the_kernel_s_own_pages_are_no_generated_code),
		TEST(a_jitdump_is_wanted_with_the_first_generated_code),
		TEST(a_caller_outside_code_ends_the_stack_with_its_reason),
		TEST(one_frame_stands_for_the_code_of_a_32_bit_process),
		TEST(a_sample_meets_the_mappings_of_its_own_moment),
		TEST(equal_samples_are_counted_together),
		TEST(a_header_without_its_frames_is_an_orphan),
		TEST(a_sample_waits_for_the_mappings_of_an_older_process),
		TEST(a_scan_does_not_overtake_the_records_of_its_moment),
		TEST(a_scan_that_never_answers_costs_no_sample),
		TEST(of_a_copy_the_leaf_is_known_at_least),
		TEST(a_sample_whose_copy_did_not_come_is_an_orphan),
		TEST(copies_beyond_the_limit_keep_their_leaf),
		TEST(a_copied_stack_waits_for_its_table_and_counts_once),
		TEST(at_the_end_a_copied_stack_is_told_as_far_as_it_goes),
		TEST(lost_records_are_told),
	};

	return cmocka_run_group_tests_name("attribution", tests, NULL, NULL);
}
