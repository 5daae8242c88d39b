/* SPDX-License-Identifier: Apache-2.0 */
/* The walk on tables, registers and a stack that mean nothing: whatever they hold, it ends within its bound, gives
 * frames that may be addresses of code, and touches nothing but its tables and what it asks to read. Tables are not
 * even valid ones: the kernel's verifier does not know that they were checked.
 *
 *    input: flags | ip | 32 registers | head of segment 0 (mappings, directory, blobs) | rules | objects | stack
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "../../bpf/walk.h"

#define MAPPINGS 4
#define TABLE_BYTES 4096
#define RULES 64
#define OBJECTS 4
#define STACK_BYTES 4096
#define DIRECTORY_PLACE 9 /* behind the mapping */
#define TAME_BYTES (1u << 24)
#define MAX_READS (3 * MAX_USER_FRAMES * 4)

static struct scratch scratch;
static uint8_t *segment;
static struct unwind_rule rules[RULES];
static struct unwind_object objects[OBJECTS];
static struct call_site call_sites[1 << CALL_SITE_BITS];
static uint8_t stack[STACK_BYTES];
static uint64_t stack_base;
static bool is_tame;
static unsigned reads;

SHIM struct scratch *shim_scratch(void)
{
	return &scratch;
}

/* Memory goes round: every address can be read but for one in eight pages. */
SHIM long shim_read_user(void *to, __u32 size, __u64 address)
{
	if (++reads > MAX_READS)
		abort();
	if (!((address >> 12) & 7) || !(((address + size - 1) >> 12) & 7))
		return -14;
	for (__u32 i = 0; i < size; i++) {
		uint64_t at = address + i - stack_base;

		/* Words below TAME_BYTES are often addresses of code. */
		((uint8_t *)to)[i] = is_tame && at % 8 > 2 ? 0 : stack[at % STACK_BYTES];
	}
	return 0;
}

SHIM __u8 *shim_segment(__u32 index)
{
	return index < 2 ? segment : NULL;
}

SHIM const struct unwind_rule *shim_unwind_rule(__u32 index)
{
	return index < UNWIND_MAX_RULES ? &rules[index % RULES] : NULL;
}

SHIM volatile struct call_site *shim_call_site(__u32 index)
{
	return index < 1 << CALL_SITE_BITS ? &call_sites[index] : NULL;
}

SHIM struct unwind_object *shim_unwind_object(__u32 slot)
{
	return slot < UNWIND_MAX_OBJECTS ? &objects[slot % OBJECTS] : NULL;
}

SHIM const struct unwind_process *shim_unwind_process(__u32 index)
{
	static struct unwind_process process;

	process = (struct unwind_process){.key = 7, .place = index % 128};
	return index < UNWIND_MAX_PROCESSES ? &process : NULL;
}

SHIM struct unwind_inherited *shim_unwind_inherited(__u32 index)
{
	static struct unwind_inherited inherited;

	inherited = (struct unwind_inherited){.key = 7, .word = ((const uint64_t *)segment)[index % 128]};
	return index < UNWIND_INHERITED_SLOTS ? &inherited : NULL;
}

SHIM __u32 shim_unwind_epoch(void)
{
	return 3;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *at;
	size_t left;
};

/* Bytes of the input, zeros behind its end. */
static void take(struct input *input, void *to, size_t n)
{
	size_t have = n < input->left ? n : input->left;

	memset(to, 0, n);
	memcpy(to, input->at, have);
	input->at += have;
	input->left -= have;
}

/* Half of the inputs get one mapping whose object has a table, so that rules are reached: which they are, and the
 * pages' words and rows, is the input's. */
static void tame(uint64_t *ip)
{
	const struct unwind_mapping mapping = {.pages = TAME_BYTES >> 12};

	memset(segment + sizeof(struct unwind_mappings), 0, sizeof(uint64_t));
	memcpy(segment + sizeof(struct unwind_mappings) + sizeof(uint64_t), &mapping, sizeof(mapping));
	objects[0].word = unwind_object_word(0, UNWIND_OBJECT_LOADED, DIRECTORY_PLACE);
	objects[0].first_page = 0;
	objects[0].pages = TAME_BYTES >> UNWIND_PAGE_SHIFT;
	*ip %= TAME_BYTES;
}

/* The walk that the input tells of, into scratch. */
static void walk_input(struct input input)
{
	uint64_t task_size = 1ULL << 47, ip;
	uint8_t flags;

	memset(&scratch, 0, sizeof(scratch));
	take(&input, &flags, sizeof(flags));
	take(&input, &ip, sizeof(ip));
	take(&input, scratch.registers, WALK_REGISTERS * sizeof(uint64_t));
	take(&input, segment, TABLE_BYTES);
	take(&input, rules, sizeof(rules));
	take(&input, objects, sizeof(objects));
	take(&input, stack, sizeof(stack));
	for (uint32_t i = 0; i < OBJECTS; i++)
		objects[i].serial = i + 1;
	is_tame = flags & 1;
	if (is_tame)
		tame(&ip);
	stack_base = scratch.registers[REGISTER_SP];
	reads = 0;
	walk_begin(&scratch, ip, flags & 2, task_size);
	if (flags & 4) {
		walk_find_process(&scratch.walk, 7);
	} else {
		scratch.walk.mappings = sizeof(struct unwind_mappings) >> UNWIND_UNIT_SHIFT;
		scratch.walk.n_mappings = is_tame ? 1 : MAPPINGS;
	}
	walk_run();
	if (scratch.walk.n < 1 || scratch.walk.n > MAX_USER_FRAMES || scratch.walk.end >= UNWIND_END_COUNT)
		abort();
	for (uint32_t i = 1; i < scratch.walk.n; i++) {
		uint64_t address = frame_address(scratch.user_frames[i]);

		if (address < MIN_CODE_ADDRESS || address >= task_size)
			abort();
	}
}

/* What the first walk keeps of the tables must lead the second one the same way. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint64_t frames[MAX_USER_FRAMES];
	uint32_t n, end;

	if (!segment)
		segment = calloc(1, UNWIND_SEGMENT_BYTES + UNWIND_SEGMENT_SLACK);
	memset(call_sites, 0, sizeof(call_sites));
	walk_input((struct input){data, size});
	n = scratch.walk.n;
	end = scratch.walk.end;
	memcpy(frames, scratch.user_frames, n * sizeof(*frames));
	walk_input((struct input){data, size});
	if (scratch.walk.n != n || scratch.walk.end != end || memcmp(scratch.user_frames, frames, n * sizeof(*frames)))
		abort();
	return 0;
}
