/* SPDX-License-Identifier: Apache-2.0 */
/* Which tables are asked for, when, and what becomes of the stacks that wait for them. */
#include "test.h"

#include <elf.h>
#include <errno.h>
#include <unistd.h>

#include "base/clock.h"
#include "collector/mapping_set.h"
#include "collector/unwinding.h"
#include "ipc/memfd.h"
#include "table/table_writer.h"

#define IMAGE 0x123456789abcdef0ULL
#define TEXT 0x400000ULL
#define TEXT_OFF 0x1000ULL
#define TEXT_BYTES 0x10000ULL
#define STACK 0x7ffc00000000ULL
#define TASK_SIZE 0x7ffffffff000ULL

struct fixture {
	struct object_table *objects;
	struct unwinding *unwinding;
	struct mapping_budget budget;
	struct process process;
	struct unwind_rule *rules;
	struct unwind_object *unwind_objects;
	struct unwind_process *processes;
	void *segments[8];
	size_t n_segments;
	uint64_t now_ns;
	/* What was asked of us last. */
	unsigned objects_wanted, tables_wanted;
	uint32_t object, page;
	bool is_busy;
};

static int add_segment(void *ctx, uint32_t index, void **ret)
{
	struct fixture *f = ctx;

	assert_int_equal(index, f->n_segments);
	assert_true(index < sizeof(f->segments) / sizeof(f->segments[0]));
	*ret = f->segments[f->n_segments++] = calloc(1, UNWIND_SEGMENT_BYTES + UNWIND_SEGMENT_SLACK);
	assert_non_null(*ret);
	return 0;
}

static void set_epoch(void *ctx, uint32_t epoch)
{
	(void)ctx;
	(void)epoch;
}

static void want_object(void *ctx, struct object *object, struct process *process, const struct mapping *mapping)
{
	struct fixture *f = ctx;

	assert_ptr_equal(process, &f->process);
	assert_int_equal(mapping->object, object->id);
	object->state = OBJECT_WANTED;
	f->objects_wanted++;
}

static int make_table(void *ctx, const struct object *object, uint32_t page)
{
	struct fixture *f = ctx;

	if (f->is_busy)
		return -EAGAIN;
	f->tables_wanted++;
	f->object = object->id;
	f->page = page;
	return 0;
}

static uint32_t add_object(struct fixture *f, const char *path)
{
	return object_table_add(f->objects, &(struct object_identity){.path = path, .mnt_ns = 1, .dev = 1, .ino = 7});
}

static void add_mapping(struct fixture *f, uint64_t start, uint32_t object)
{
	const struct mapping mapping = {
		.start = start, .limit = start + TEXT_BYTES, .file_off = TEXT_OFF, .object = object};

	assert_int_equal(mapping_set_insert(&f->process.mappings, &mapping), 0);
}

static void begin(struct fixture *f, size_t table_bytes)
{
	struct unwinding_options options = {.objects = f->objects,
					    .memory = {.rules = f->rules,
						       .objects = f->unwind_objects,
						       .processes = f->processes,
						       .add_segment = add_segment,
						       .ctx = f},
					    .table_bytes = table_bytes,
					    .machine = EM_X86_64,
					    .set_epoch = set_epoch,
					    .want_object = want_object,
					    .make_table = make_table,
					    .ctx = f};

	assert_int_equal(unwinding_new(&options, &f->unwinding), 0);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->rules = calloc(UNWIND_MAX_RULES, sizeof(*f->rules));
	f->unwind_objects = calloc(UNWIND_MAX_OBJECTS, sizeof(*f->unwind_objects));
	f->processes = calloc(UNWIND_MAX_PROCESSES, sizeof(*f->processes));
	f->budget.limit_bytes = 1 << 24;
	f->now_ns = NSEC_PER_SEC;
	f->process = (struct process){.tgid = 100, .until_ns = UINT64_MAX};
	assert_int_equal(object_table_new(1000, &f->objects), 0);
	assert_int_equal(mapping_set_new(&f->budget, &f->process.mappings), 0);
	begin(f, 4 << 20);
	add_mapping(f, TEXT, add_object(f, "/bin/program"));
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	unwinding_free(f->unwinding);
	mapping_set_unref(f->process.mappings);
	object_table_free(f->objects);
	for (size_t i = 0; i < f->n_segments; i++)
		free(f->segments[i]);
	free(f->rules);
	free(f->unwind_objects);
	free(f->processes);
	free(f);
	return 0;
}

/* A stack of two frames: the leaf, called from 0x100 behind the text's start, whose rule is STOP from there on. */
static struct stack_copy_record *new_copy(void)
{
	struct stack_copy_record *copy = calloc(1, sizeof(*copy) + STACK_CHUNK_BYTES);
	uint64_t *words = (uint64_t *)(copy + 1);

	copy->kind = RECORD_STACK_COPY;
	copy->chunks = 1;
	copy->readable[0] = 1;
	copy->id = 1;
	copy->image = IMAGE;
	copy->ip = TEXT + 4;
	copy->is_exact = 1;
	copy->task_size = TASK_SIZE;
	copy->base = STACK;
	copy->registers[UNWIND_X86_RSP] = STACK + 64;
	words[8 + 2] = TEXT + 0x104;
	return copy;
}

static int walk(struct fixture *f, bool is_last, struct host_walk_result *ret)
{
	struct stack_copy_record *copy = new_copy();
	int err = unwinding_walk(f->unwinding, &f->process, f->process.mappings, copy, is_last, f->now_ns, ret);

	free(copy);
	return err;
}

static int new_table(void)
{
	const struct table_writer_range range = {TEXT_OFF, TEXT_OFF + TEXT_BYTES, TEXT_OFF, TEXT_OFF + TEXT_BYTES};
	const struct unwind_rule leaf = {.cfa = UNWIND_CFA_SP, .cfa_off = 24, .ra_off = -8};
	const struct unwind_rule stop = {.cfa = UNWIND_CFA_STOP};
	struct table_writer_stats stats;
	struct table_writer *writer;
	int fd;

	assert_int_equal(table_writer_new(EM_X86_64, &range, &writer), 0);
	assert_int_equal(table_writer_row(writer, TEXT_OFF, &leaf), 0);
	assert_int_equal(table_writer_row(writer, TEXT_OFF + 0x100, &stop), 0);
	assert_int_equal(memfd_new("table", &fd), 0);
	assert_int_equal(table_writer_finish(writer, fd, &stats), 0);
	assert_int_equal(memfd_seal(fd), 0);
	table_writer_free(writer);
	return fd;
}

static void answer(struct fixture *f, struct message_table table)
{
	int fd = table.err || table.same_as ? -1 : new_table();

	table.object = table.object ? table.object : f->object;
	unwinding_table(f->unwinding, &table, fd, f->now_ns);
	if (fd >= 0)
		close(fd);
}

static void pass(struct fixture *f, uint64_t ns)
{
	f->now_ns += ns;
	unwinding_tick(f->unwinding, f->now_ns);
}

static void open_object(struct fixture *f, uint32_t id)
{
	object_table_get(f->objects, id)->state = OBJECT_OPEN;
}

static void a_copy_waits_for_its_table_and_is_walked_then(void **state)
{
	struct host_walk_result result;
	struct fixture *f = *state;
	uint64_t version;

	assert_int_equal(walk(f, false, &result), -EAGAIN);
	assert_int_equal(f->objects_wanted, 1);
	pass(f, NSEC_PER_MSEC);
	assert_int_equal(f->tables_wanted, 0); /* the file is not open yet */
	open_object(f, 1);
	pass(f, NSEC_PER_MSEC);
	assert_int_equal(f->tables_wanted, 1);
	assert_int_equal(f->object, 1);
	version = unwinding_version(f->unwinding);
	answer(f, (struct message_table){.cpu_ns = 1000});
	assert_true(unwinding_version(f->unwinding) != version);
	assert_int_equal(walk(f, false, &result), 0);
	assert_int_equal(result.end, UNWIND_END_ROOT);
	assert_int_equal(result.n, 2);
	assert_int_equal(frame_address(result.frames[1]), TEXT + 0x104);
}

static void the_last_walk_takes_what_there_is(void **state)
{
	struct host_walk_result result;
	struct fixture *f = *state;

	assert_int_equal(walk(f, true, &result), 0);
	assert_int_equal(result.end, UNWIND_END_TABLE_UNLOADED);
	assert_int_equal(result.n, 1);
}

static void a_file_that_cannot_be_opened_has_no_table(void **state)
{
	struct host_walk_result result;
	struct fixture *f = *state;
	struct object *object = object_table_get(f->objects, 1);

	assert_int_equal(walk(f, false, &result), -EAGAIN);
	object->state = OBJECT_FAILED;
	unwinding_object_changed(f->unwinding, object, f->now_ns);
	assert_int_equal(walk(f, false, &result), 0);
	assert_int_equal(result.end, UNWIND_END_NO_FRAME_POINTER);
	pass(f, NSEC_PER_SEC);
	assert_int_equal(f->tables_wanted, 0);
}

static void a_file_in_quarantine_is_not_asked_for(void **state)
{
	struct host_walk_result result;
	struct fixture *f = *state;

	assert_int_equal(walk(f, false, &result), -EAGAIN);
	open_object(f, 1);
	object_table_get(f->objects, 1)->flags |= OBJECT_QUARANTINED;
	pass(f, NSEC_PER_MSEC);
	assert_int_equal(f->tables_wanted, 0);
	assert_int_equal(walk(f, false, &result), 0);
}

static void a_file_without_rules_is_walked_by_frame_pointer(void **state)
{
	struct host_walk_result result;
	struct fixture *f = *state;

	open_object(f, 1);
	assert_int_equal(walk(f, false, &result), -EAGAIN);
	pass(f, NSEC_PER_MSEC);
	answer(f, (struct message_table){.err = -ENOENT});
	assert_int_equal(walk(f, false, &result), 0);
	assert_int_equal(result.end, UNWIND_END_NO_FRAME_POINTER);
}

/* What the resolver sends is read as if it were foreign. */
static void a_broken_table_is_none(void **state)
{
	struct message_table table = {.object = 1};
	struct unwinding_stats stats;
	struct host_walk_result result;
	struct fixture *f = *state;
	int fd;

	open_object(f, 1);
	assert_int_equal(walk(f, false, &result), -EAGAIN);
	pass(f, NSEC_PER_MSEC);
	assert_int_equal(memfd_from_bytes("rubbish", "rubbish, and not even short", 27, &fd), 0);
	unwinding_table(f->unwinding, &table, fd, f->now_ns);
	close(fd);
	unwinding_get_stats(f->unwinding, &stats);
	assert_int_equal(stats.tables_failed, 1);
	assert_int_equal(walk(f, false, &result), 0);
	assert_int_equal(result.end, UNWIND_END_NO_FRAME_POINTER);
}

static void a_table_is_asked_for_again_when_its_resolver_is_gone(void **state)
{
	struct host_walk_result result;
	struct fixture *f = *state;

	open_object(f, 1);
	walk(f, false, &result);
	pass(f, NSEC_PER_MSEC);
	pass(f, NSEC_PER_MSEC);
	assert_int_equal(f->tables_wanted, 1); /* once */
	unwinding_ask_again(f->unwinding);
	pass(f, NSEC_PER_MSEC);
	assert_int_equal(f->tables_wanted, 2);
	answer(f, (struct message_table){.object = 1});
	assert_int_equal(walk(f, false, &result), 0);
}

static void a_busy_resolver_is_asked_later(void **state)
{
	struct host_walk_result result;
	struct fixture *f = *state;

	open_object(f, 1);
	walk(f, false, &result);
	f->is_busy = true;
	pass(f, NSEC_PER_MSEC);
	f->is_busy = false;
	pass(f, NSEC_PER_MSEC);
	assert_int_equal(f->tables_wanted, 1);
}

static void making_tables_is_paced(void **state)
{
	struct host_walk_result result;
	struct fixture *f = *state;

	add_mapping(f, TEXT + 2 * TEXT_BYTES, add_object(f, "/lib/other.so"));
	open_object(f, 1);
	open_object(f, 2);
	walk(f, false, &result);
	pass(f, NSEC_PER_MSEC);
	answer(f, (struct message_table){.cpu_ns = UNWINDING_BURST_NS + 20 * NSEC_PER_MSEC});
	/* The next is paid back at UNWINDING_SHARE of a CPU: 20 ms in a second. */
	__atomic_store_n(&f->unwind_objects[1].misses, 1, __ATOMIC_RELAXED);
	unwinding_publish(f->unwinding, &f->process, IMAGE, f->now_ns);
	for (unsigned i = 0; i < 9; i++)
		pass(f, 100 * NSEC_PER_MSEC);
	assert_int_equal(f->tables_wanted, 1);
	for (unsigned i = 0; i < 9; i++)
		pass(f, 100 * NSEC_PER_MSEC);
	assert_int_equal(f->tables_wanted, 2);
	assert_int_equal(f->object, 2);
}

static void at_the_end_nothing_is_paced(void **state)
{
	struct host_walk_result result;
	struct fixture *f = *state;

	open_object(f, 1);
	walk(f, false, &result);
	pass(f, NSEC_PER_MSEC);
	unwinding_ask_again(f->unwinding);
	f->object = 0;
	unwinding_hurry(f->unwinding);
	pass(f, 1);
	assert_int_equal(f->object, 1);
}

static bool is_published(const struct fixture *f, uint64_t image)
{
	for (uint32_t i = 0; i < UNWIND_MAX_PROCESSES; i++)
		if (f->processes[i].key == image && f->processes[i].place)
			return true;
	return false;
}

static void a_process_is_published_until_a_while_after_its_end(void **state)
{
	struct fixture *f = *state;

	assert_false(is_published(f, IMAGE));
	unwinding_publish(f->unwinding, &f->process, IMAGE, f->now_ns);
	assert_true(is_published(f, IMAGE));
	f->process.until_ns = f->now_ns;
	pass(f, NSEC_PER_SEC / 2);
	assert_true(is_published(f, IMAGE));
	pass(f, 2 * NSEC_PER_SEC);
	assert_false(is_published(f, IMAGE));
}

static void a_process_is_published_anew_when_its_mappings_change(void **state)
{
	struct unwinding_stats before, after;
	struct fixture *f = *state;

	unwinding_publish(f->unwinding, &f->process, IMAGE, f->now_ns);
	unwinding_get_stats(f->unwinding, &before);
	unwinding_publish(f->unwinding, &f->process, IMAGE, f->now_ns);
	add_mapping(f, TEXT + 2 * TEXT_BYTES, add_object(f, "/lib/other.so"));
	unwinding_publish(f->unwinding, &f->process, IMAGE, f->now_ns);
	unwinding_get_stats(f->unwinding, &after);
	assert_int_equal(after.store.processes, 1);
	assert_int_equal(after.store.objects, before.store.objects + 1);
}

/* Of a container that runs the same program: its processes get the other's slot. */
static void two_objects_that_are_one_file_share_a_table(void **state)
{
	struct process other = {.tgid = 200, .until_ns = UINT64_MAX};
	struct host_walk_result result;
	struct unwinding_stats stats;
	struct fixture *f = *state;
	struct mapping_set *own = f->process.mappings;

	open_object(f, 1);
	walk(f, false, &result);
	pass(f, NSEC_PER_MSEC);
	answer(f, (struct message_table){.object = 1});
	assert_int_equal(mapping_set_new(&f->budget, &other.mappings), 0);
	f->process.mappings = other.mappings;
	add_mapping(f, TEXT, add_object(f, "/container/bin/program"));
	open_object(f, 2);
	assert_int_equal(walk(f, false, &result), -EAGAIN);
	pass(f, NSEC_PER_MSEC);
	assert_int_equal(f->object, 2);
	answer(f, (struct message_table){.object = 2, .same_as = 1});
	assert_int_equal(walk(f, false, &result), 0);
	assert_int_equal(result.end, UNWIND_END_ROOT);
	unwinding_get_stats(f->unwinding, &stats);
	assert_int_equal(stats.store.tables, 1);
	mapping_set_unref(f->process.mappings);
	f->process.mappings = own;
}

static void a_table_is_made_again_when_its_debug_file_is_found(void **state)
{
	struct host_walk_result result;
	struct fixture *f = *state;

	open_object(f, 1);
	walk(f, false, &result);
	pass(f, NSEC_PER_MSEC);
	answer(f, (struct message_table){.object = 1, .awaits_debug = 1});
	/* What there is serves for the time being. */
	assert_int_equal(walk(f, false, &result), 0);
	assert_int_equal(result.end, UNWIND_END_ROOT);
	pass(f, NSEC_PER_MSEC);
	assert_int_equal(f->tables_wanted, 1);
	unwinding_table_is_stale(f->unwinding, 1);
	pass(f, NSEC_PER_MSEC);
	assert_int_equal(f->tables_wanted, 2);
	assert_int_equal(walk(f, false, &result), 0);
	answer(f, (struct message_table){.object = 1});
	assert_int_equal(walk(f, false, &result), 0);
	assert_int_equal(result.end, UNWIND_END_ROOT);
	pass(f, NSEC_PER_MSEC);
	assert_int_equal(f->tables_wanted, 2);
}

/* It is found while the table is being made without it. */
static void a_table_that_comes_too_late_is_made_again(void **state)
{
	struct host_walk_result result;
	struct fixture *f = *state;

	open_object(f, 1);
	walk(f, false, &result);
	pass(f, NSEC_PER_MSEC);
	unwinding_table_is_stale(f->unwinding, 1);
	pass(f, NSEC_PER_MSEC);
	assert_int_equal(f->tables_wanted, 1);
	answer(f, (struct message_table){.object = 1});
	pass(f, NSEC_PER_MSEC);
	assert_int_equal(f->tables_wanted, 2);
	/* One that cannot be made leaves what there is. */
	unwinding_table(f->unwinding, &(struct message_table){.object = 1, .err = -ENOMEM}, -1, f->now_ns);
	assert_int_equal(walk(f, false, &result), 0);
	assert_int_equal(result.end, UNWIND_END_ROOT);
}

static void of_too_many_mappings_those_of_files_are_published(void **state)
{
	struct unwinding_stats stats;
	struct host_walk_result result;
	struct fixture *f = *state;
	uint32_t anonymous = add_object(f, "//anon");

	for (unsigned i = 0; i < 2 * UNWIND_MAX_MAPPINGS; i++)
		add_mapping(f, STACK / 2 + i * 2 * TEXT_BYTES, anonymous);
	open_object(f, 1);
	unwinding_publish(f->unwinding, &f->process, IMAGE, f->now_ns);
	unwinding_get_stats(f->unwinding, &stats);
	assert_int_equal(stats.mappings_unpublished, 1);
	assert_int_equal(walk(f, false, &result), -EAGAIN); /* the program's table, not its mapping, is missing */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_copy_waits_for_its_table_and_is_walked_then),
		TEST(the_last_walk_takes_what_there_is),
		TEST(a_file_that_cannot_be_opened_has_no_table),
		TEST(a_file_in_quarantine_is_not_asked_for),
		TEST(a_file_without_rules_is_walked_by_frame_pointer),
		TEST(a_broken_table_is_none),
		TEST(a_table_is_asked_for_again_when_its_resolver_is_gone),
		TEST(a_busy_resolver_is_asked_later),
		TEST(making_tables_is_paced),
		TEST(at_the_end_nothing_is_paced),
		TEST(a_process_is_published_until_a_while_after_its_end),
		TEST(a_process_is_published_anew_when_its_mappings_change),
		TEST(two_objects_that_are_one_file_share_a_table),
		TEST(a_table_is_made_again_when_its_debug_file_is_found),
		TEST(a_table_that_comes_too_late_is_made_again),
		TEST(of_too_many_mappings_those_of_files_are_published),
	};

	return cmocka_run_group_tests_name("unwinding", tests, NULL, NULL);
}
