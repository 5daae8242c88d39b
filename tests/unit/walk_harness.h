/* SPDX-License-Identifier: Apache-2.0 */
/* A made-up process for the walk of bpf/walk.h: readable memory at STACK_BASE and CODE_BASE, tables published by a row
 * store. Included by one test a machine, which defines __TARGET_ARCH_… and MACHINE first. */
#pragma once

#include "test.h"

#include <sys/mman.h>
#include <unistd.h>

#include "../../bpf/walk.h"
#include "base/io.h"
#include "ipc/memfd.h"
#include "table/page_blob.h"
#include "table/row_store.h"
#include "table/table_writer.h"

#define STACK_BASE 0x7ffd00000000ULL
#define STACK_WORDS 16384
#define TASK_SIZE 0x800000000000ULL
/* An executable's text; its offsets in the file begin at 0x1000. */
#define CODE_BASE 0x401000ULL
#define CODE_OFF 0x1000ULL
#define CODE_BYTES 0x40000ULL
#define JIT_BASE 0x7f0000000000ULL
#define PROCESS 0x1122334455667788ULL

static uint64_t stack[STACK_WORDS];
static uint8_t code[CODE_BYTES];
static size_t readable; /* words */
static unsigned reads;
static struct scratch scratch;
static struct unwind_rule rules[UNWIND_MAX_RULES];
static struct unwind_object objects[UNWIND_MAX_OBJECTS];
static struct call_site call_sites[1 << CALL_SITE_BITS];
static struct unwind_process processes[UNWIND_MAX_PROCESSES];
static struct unwind_inherited inherited[UNWIND_INHERITED_SLOTS];
static struct row_store *store;
static void *segments[4];
static uint32_t slot, generation;

SHIM struct scratch *shim_scratch(void)
{
	return &scratch;
}

SHIM long shim_read_user(void *to, __u32 size, __u64 address)
{
	memset(to, 0, size);
	if (address - CODE_BASE < CODE_BYTES && size <= CODE_BYTES - (address - CODE_BASE)) {
		memcpy(to, code + (address - CODE_BASE), size);
		return 0;
	}
	reads++;
	if (address < STACK_BASE || address - STACK_BASE > readable * 8 || size > readable * 8 - (address - STACK_BASE))
		return -14;
	memcpy(to, (const uint8_t *)stack + (address - STACK_BASE), size);
	return 0;
}

SHIM __u8 *shim_segment(__u32 index)
{
	return row_store_segment(store, index);
}

SHIM const struct unwind_rule *shim_unwind_rule(__u32 index)
{
	return index < UNWIND_MAX_RULES ? &rules[index] : NULL;
}

SHIM volatile struct call_site *shim_call_site(__u32 index)
{
	return &call_sites[index];
}

SHIM struct unwind_object *shim_unwind_object(__u32 index)
{
	return index < UNWIND_MAX_OBJECTS ? &objects[index] : NULL;
}

SHIM const struct unwind_process *shim_unwind_process(__u32 index)
{
	return index < UNWIND_MAX_PROCESSES ? &processes[index] : NULL;
}

SHIM struct unwind_inherited *shim_unwind_inherited(__u32 index)
{
	return index < UNWIND_INHERITED_SLOTS ? &inherited[index] : NULL;
}

SHIM __u32 shim_unwind_epoch(void)
{
	return row_store_epoch(store);
}

static int add_segment(void *ctx, uint32_t index, void **ret)
{
	(void)ctx;
	assert_true(index < sizeof(segments) / sizeof(segments[0]));
	segments[index] = calloc(1, UNWIND_SEGMENT_BYTES + UNWIND_SEGMENT_SLACK);
	assert_non_null(segments[index]);
	*ret = segments[index];
	return 0;
}

static uint64_t at(size_t word)
{
	return STACK_BASE + word * 8;
}

/* A row from an offset into the text on. */
struct text_row {
	uint64_t at;
	struct unwind_rule rule;
};

/* Publishes the rows as the table of the text; n 0: the file has none. */
static void publish_rows(const struct text_row *rows, size_t n)
{
	const struct table_writer_range range = {.file_first = CODE_OFF,
						 .file_limit = CODE_OFF + CODE_BYTES,
						 .first = CODE_OFF,
						 .limit = CODE_OFF + CODE_BYTES};
	struct table_writer_stats stats;
	struct table_writer *writer;
	struct unwind_table table;
	struct memfd_map map;
	int fd;

	if (!n) {
		row_store_publish_none(store, slot, 0);
		return;
	}
	assert_int_equal(table_writer_new(MACHINE, &range, &writer), 0);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(table_writer_row(writer, CODE_OFF + rows[i].at, &rows[i].rule), 0);
	assert_int_equal(memfd_new("rows", &fd), 0);
	assert_int_equal(table_writer_finish(writer, fd, &stats), 0);
	table_writer_free(writer);
	assert_int_equal(memfd_seal(fd), 0);
	assert_int_equal(memfd_map(fd, UNWIND_TABLE_MAX_BYTES, &map), 0);
	close(fd);
	assert_int_equal(unwind_table_read(map.bytes, map.len, MACHINE, &table), 0);
	assert_int_equal(row_store_publish(store, slot, &table, 0), 0);
	memfd_unmap(&map);
}

/* The process maps the text, and generated code without a file. */
static void publish_process(void)
{
	const struct unwind_mapping mappings[] = {
		{.start = CODE_BASE,
		 .bias = CODE_BASE - CODE_OFF,
		 .pages = CODE_BYTES >> 12,
		 .object = slot,
		 .generation = generation},
		{.start = JIT_BASE, .bias = JIT_BASE, .pages = 16, .object = UNWIND_NO_OBJECT},
	};

	assert_int_equal(row_store_publish_process(store, PROCESS, mappings, 2, false, 0), 0);
}

static int set_up(void **state)
{
	const struct row_store_memory memory = {
		.rules = rules, .objects = objects, .processes = processes, .add_segment = add_segment};

	(void)state;
	memset(stack, 0, sizeof(stack));
	memset(code, 0x90, sizeof(code));
	memset(&scratch, 0x5a, sizeof(scratch));
	memset(rules, 0, sizeof(rules));
	memset(objects, 0, sizeof(objects));
	memset(processes, 0, sizeof(processes));
	memset(inherited, 0, sizeof(inherited));
	memset(call_sites, 0, sizeof(call_sites));
	readable = STACK_WORDS;
	assert_int_equal(
		row_store_new(&memory, sizeof(segments) / sizeof(segments[0]) * UNWIND_SEGMENT_BYTES, MACHINE, &store),
		0);
	assert_int_equal(row_store_add_object(store, &slot, &generation), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	row_store_free(store);
	for (size_t i = 0; i < sizeof(segments) / sizeof(segments[0]); i++) {
		free(segments[i]);
		segments[i] = NULL;
	}
	return 0;
}

static void walk_in(uint64_t process, uint64_t ip, uint64_t sp, uint64_t fp)
{
	reads = 0;
	scratch.registers[REGISTER_SP] = sp;
	scratch.registers[REGISTER_FP] = fp;
	walk_begin(&scratch, ip, 1, TASK_SIZE);
	walk_find_process(&scratch.walk, process);
	walk_run();
}

static inline void walk_from(uint64_t ip, uint64_t sp, uint64_t fp)
{
	walk_in(PROCESS, ip, sp, fp);
}

static void assert_frames(const uint64_t *frames, size_t n, uint32_t end)
{
	assert_int_equal(scratch.walk.end, end);
	assert_int_equal(scratch.walk.n, n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(frame_address(scratch.user_frames[i]), frames[i]);
}

#define WALK_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
