/* SPDX-License-Identifier: Apache-2.0 */
/* The walk over copies of stacks: what of a copy is the stack's, and what is told where it ends. */
#include "test.h"

#include <elf.h>
#include <unistd.h>

#include "ipc/memfd.h"
#include "table/host_walk.h"
#include "table/table_writer.h"

#define TEXT 0x400000ULL
#define TEXT_OFF 0x1000ULL
#define TEXT_BYTES 0x10000ULL
#define STACK 0x7ffc00000000ULL
#define TASK_SIZE 0x7ffffffff000ULL
#define CHUNKS 4
#define WORDS (CHUNKS * STACK_CHUNK_BYTES / 8)

/* Functions of the text: one with a frame of 24 bytes, the first of its thread, and one of which nothing is known. */
#define FRAME 0x000
#define START 0x100
#define UNKNOWN 0x200

struct fixture {
	struct row_store_memory memory;
	struct row_store *store;
	struct host_walk *walk;
	struct stack_copy_record *copy;
	uint64_t *words;
	void *segment;
	struct unwind_mapping mapping;
};

static int add_segment(void *ctx, uint32_t index, void **ret)
{
	struct fixture *f = ctx;

	assert_int_equal(index, 0);
	*ret = f->segment = calloc(1, UNWIND_SEGMENT_BYTES + UNWIND_SEGMENT_SLACK);
	return 0;
}

static void publish_table(struct fixture *f, uint32_t slot)
{
	const struct table_writer_range range = {TEXT_OFF, TEXT_OFF + TEXT_BYTES, TEXT_OFF, TEXT_OFF + TEXT_BYTES};
	const struct unwind_rule frame = {.cfa = UNWIND_CFA_SP, .cfa_off = 24, .ra_off = -8};
	const struct unwind_rule stop = {.cfa = UNWIND_CFA_STOP}, none = {.cfa = UNWIND_CFA_NONE};
	struct table_writer_stats stats;
	struct table_writer *writer;
	struct unwind_table table;
	struct memfd_map map;
	int fd;

	assert_int_equal(table_writer_new(EM_X86_64, &range, &writer), 0);
	assert_int_equal(table_writer_row(writer, TEXT_OFF + FRAME, &frame), 0);
	assert_int_equal(table_writer_row(writer, TEXT_OFF + START, &stop), 0);
	assert_int_equal(table_writer_row(writer, TEXT_OFF + UNKNOWN, &none), 0);
	assert_int_equal(memfd_new("table", &fd), 0);
	assert_int_equal(table_writer_finish(writer, fd, &stats), 0);
	assert_int_equal(memfd_seal(fd), 0);
	assert_int_equal(memfd_map(fd, UNWIND_TABLE_MAX_BYTES, &map), 0);
	assert_int_equal(unwind_table_read(map.bytes, map.len, EM_X86_64, &table), 0);
	assert_int_equal(row_store_publish(f->store, slot, &table, 0), 0);
	memfd_unmap(&map);
	table_writer_free(writer);
	close(fd);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->memory.rules = calloc(UNWIND_MAX_RULES, sizeof(*f->memory.rules));
	f->memory.objects = calloc(UNWIND_MAX_OBJECTS, sizeof(*f->memory.objects));
	f->memory.processes = calloc(UNWIND_MAX_PROCESSES, sizeof(*f->memory.processes));
	f->memory.add_segment = add_segment;
	f->memory.ctx = f;
	assert_int_equal(row_store_new(&f->memory, UNWIND_SEGMENT_BYTES, EM_X86_64, &f->store), 0);
	f->mapping = (struct unwind_mapping){.start = TEXT, .bias = TEXT - TEXT_OFF, .pages = TEXT_BYTES >> 12};
	assert_int_equal(row_store_add_object(f->store, &f->mapping.object, &f->mapping.generation), 0);
	assert_int_equal(host_walk_new(f->store, &f->memory, &f->walk), 0);
	f->copy = calloc(1, sizeof(*f->copy) + CHUNKS * STACK_CHUNK_BYTES);
	*f->copy = (struct stack_copy_record){.kind = RECORD_STACK_COPY,
					      .chunks = CHUNKS,
					      .readable = {(1u << CHUNKS) - 1},
					      .ip = TEXT + FRAME + 4,
					      .is_exact = 1,
					      .task_size = TASK_SIZE,
					      .base = STACK};
	f->copy->registers[UNWIND_X86_RSP] = STACK;
	f->words = (uint64_t *)(f->copy + 1);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	host_walk_free(f->walk);
	row_store_free(f->store);
	free(f->memory.rules);
	free(f->memory.objects);
	free(f->memory.processes);
	free(f->segment);
	free(f->copy);
	free(f);
	return 0;
}

static void check_walk(struct fixture *f, uint32_t frames, uint32_t end)
{
	struct host_walk_result result;

	host_walk_run(f->walk, f->copy, &f->mapping, 1, 0, &result);
	assert_int_equal(result.end, end);
	assert_int_equal(result.n, frames);
}

/* Frames of three words from word 0, the last one called from START. */
static void fill(struct fixture *f, size_t frames)
{
	for (size_t i = 0; i < frames; i++)
		f->words[3 * i + 2] = TEXT + (i + 1 < frames ? FRAME : START) + 8;
}

static void a_copy_is_walked_to_its_root(void **state)
{
	struct fixture *f = *state;

	publish_table(f, f->mapping.object);
	fill(f, 500);
	check_walk(f, 501, UNWIND_END_ROOT);
}

static void a_missing_table_is_named(void **state)
{
	struct host_walk_result result;
	struct fixture *f = *state;

	f->copy->ip += 3 << UNWIND_PAGE_SHIFT;
	f->mapping.pages <<= 4;
	host_walk_run(f->walk, f->copy, &f->mapping, 1, 0, &result);
	assert_int_equal(result.end, UNWIND_END_TABLE_UNLOADED);
	assert_int_equal(result.lacking_slot, f->mapping.object);
	assert_int_equal(result.lacking_page, 3);
}

static void a_stack_behind_the_copys_end_was_too_deep(void **state)
{
	struct fixture *f = *state;

	publish_table(f, f->mapping.object);
	fill(f, 500);
	f->copy->chunks = 1;
	/* 512 words hold 170 frames and two words of the next. */
	check_walk(f, 171, UNWIND_END_COPY_TOO_SHORT);
	f->copy->chunks = 0;
	check_walk(f, 1, UNWIND_END_COPY_TOO_SHORT);
}

static void a_chunk_that_was_not_readable_is_not_read(void **state)
{
	struct fixture *f = *state;

	publish_table(f, f->mapping.object);
	fill(f, 500);
	f->copy->readable[0] &= ~2ull;
	check_walk(f, 171, UNWIND_END_UNREADABLE_STACK);
}

static void a_caller_outside_every_mapping_is_none(void **state)
{
	struct fixture *f = *state;

	publish_table(f, f->mapping.object);
	fill(f, 3);
	f->words[5] = TEXT + TEXT_BYTES + 1;
	check_walk(f, 2, UNWIND_END_NOT_CODE);
}

/* push rbp at ip: the frame pointer is the caller's still. The bytes travel with the copy. */
static void the_instruction_at_ip_is_known(void **state)
{
	struct fixture *f = *state;

	publish_table(f, f->mapping.object);
	f->copy->ip = TEXT + UNKNOWN;
	f->copy->code = 0xe5894855;
	f->copy->registers[UNWIND_X86_RBP] = STACK + 64;
	f->words[0] = TEXT + UNKNOWN + 40;
	f->words[8] = 0;
	f->words[9] = TEXT + START + 8;
	check_walk(f, 3, UNWIND_END_ROOT);
	f->copy->code = 0x90909090;
	check_walk(f, 2, UNWIND_END_ROOT);
}

static void registers_of_the_program_before_an_exec_are_no_frame(void **state)
{
	struct host_walk_result result;
	struct fixture *f = *state;

	publish_table(f, f->mapping.object);
	f->copy->is_in_exec = 1;
	f->copy->ip = TEXT / 2;
	check_walk(f, 0, UNWIND_END_EXECUTING);
	host_walk_run(f->walk, f->copy, NULL, 0, 0, &result);
	assert_int_equal(result.end, UNWIND_END_EXECUTING);
	/* Before the point of no return the stack is that of execve's caller. */
	f->copy->ip = TEXT + FRAME + 4;
	fill(f, 2);
	check_walk(f, 3, UNWIND_END_ROOT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_copy_is_walked_to_its_root),
		TEST(a_missing_table_is_named),
		TEST(a_stack_behind_the_copys_end_was_too_deep),
		TEST(a_chunk_that_was_not_readable_is_not_read),
		TEST(a_caller_outside_every_mapping_is_none),
		TEST(the_instruction_at_ip_is_known),
		TEST(registers_of_the_program_before_an_exec_are_no_frame),
	};

	return cmocka_run_group_tests_name("host_walk", tests, NULL, NULL);
}
