/* SPDX-License-Identifier: Apache-2.0 */
/* The frame-pointer walk of the sampling program, run on made-up stacks. */
#include "test.h"

#include "../../bpf/frame_pointer.h"

#define STACK_BASE 0x7ffd00000000ULL
#define STACK_WORDS 8192
#define TASK_SIZE 0x7ffffffff000ULL
#define CODE 0x401000ULL

/* Readable memory: words [0, readable) from STACK_BASE. */
static uint64_t stack[STACK_WORDS];
static size_t readable;
static unsigned reads;
static struct scratch scratch;

SHIM struct scratch *shim_scratch(void)
{
	return &scratch;
}

SHIM long shim_read_user(void *to, __u32 size, __u64 address)
{
	reads++;
	memset(to, 0, size);
	if (address < STACK_BASE || address - STACK_BASE > readable * 8 || size > readable * 8 - (address - STACK_BASE))
		return -14;
	memcpy(to, (const uint8_t *)stack + (address - STACK_BASE), size);
	return 0;
}

static uint64_t at(size_t word)
{
	return STACK_BASE + word * 8;
}

static void frame(size_t word, uint64_t caller_fp, uint64_t return_address)
{
	stack[word] = caller_fp;
	stack[word + 1] = return_address;
}

static void walk_from(uint64_t sp, uint64_t fp)
{
	reads = 0;
	scratch.user_frames[0] = frame_from_address(CODE, 0);
	fp_walk_begin(&scratch, sp, fp, TASK_SIZE);
	fp_walk();
}

/* n frames of `words` each from word 0; the last one has caller_fp. Return addresses are CODE + 16 * number. */
static void chain(size_t n, size_t words, uint64_t caller_fp)
{
	for (size_t i = 0; i < n; i++)
		frame(i * words, i + 1 < n ? at((i + 1) * words) : caller_fp, CODE + 16 * (i + 1));
}

static int clear(void **state)
{
	(void)state;
	memset(stack, 0, sizeof(stack));
	memset(&scratch, 0x5a, sizeof(scratch));
	readable = STACK_WORDS;
	return 0;
}

static void a_chain_is_walked_to_its_root(void **state)
{
	static const struct {
		size_t frames, words;
	} cases[] = {{1, 2},  {2, 2},	 {3, 4},    {7, 5},    {8, 2},	{9, 3},
		     {30, 6}, {100, 16}, {63, 128}, {40, 130}, {511, 3}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		clear(NULL);
		chain(cases[i].frames, cases[i].words, 0);
		walk_from(at(0), at(0));
		assert_int_equal(scratch.walk.end, UNWIND_END_ROOT);
		assert_int_equal(scratch.walk.n, cases[i].frames + 1);
		assert_int_equal(scratch.user_frames[0], CODE);
		for (size_t k = 1; k <= cases[i].frames; k++) {
			assert_true(frame_is_return(scratch.user_frames[k]));
			assert_int_equal(frame_address(scratch.user_frames[k]), CODE + 16 * k);
		}
	}
}

static void more_frames_than_fit_end_at_the_limit(void **state)
{
	(void)state;
	chain(512, 2, 0);
	walk_from(at(0), at(0));
	assert_int_equal(scratch.walk.end, UNWIND_END_FRAME_LIMIT);
	assert_int_equal(scratch.walk.n, MAX_USER_FRAMES);
	chain(4000, 2, 0);
	walk_from(at(0), at(0));
	assert_int_equal(scratch.walk.end, UNWIND_END_FRAME_LIMIT);
	assert_int_equal(scratch.walk.n, MAX_USER_FRAMES);
}

static void a_window_serves_many_frames(void **state)
{
	(void)state;
	chain(100, 4, 0);
	walk_from(at(0), at(0));
	assert_int_equal(scratch.walk.n, 101);
	assert_in_range(reads, 4, 5); /* 3,200 bytes */
}

static void a_stack_that_ends_within_the_window_is_read_frame_by_frame(void **state)
{
	(void)state;
	chain(20, 2, 0);
	readable = 40; /* not a byte more than the frames */
	walk_from(at(0), at(0));
	assert_int_equal(scratch.walk.end, UNWIND_END_ROOT);
	assert_int_equal(scratch.walk.n, 21);
}

static void a_step_is_believed_only_if_it_may_be_a_frame(void **state)
{
	static const struct {
		const char *name;
		uint64_t sp_word, fp, caller_fp, return_address;
		uint32_t n, end;
	} cases[] = {
		{"register is 0", 0, 0, 0, CODE, 1, UNWIND_END_NO_FRAME_POINTER},
		{"register not aligned", 0, STACK_BASE + 4, 0, CODE, 1, UNWIND_END_NO_FRAME_POINTER},
		{"register below sp", 4, STACK_BASE + 16, 0, CODE, 1, UNWIND_END_NO_FRAME_POINTER},
		{"register at sp", 4, STACK_BASE + 32, 0, CODE, 2, UNWIND_END_ROOT},
		{"register far above sp", 0, STACK_BASE + FP_MAX_FRAME_BYTES, 0, CODE, 1, UNWIND_END_NO_FRAME_POINTER},
		{"register leads out of the stack", 0, STACK_BASE + 8 * STACK_WORDS, 0, CODE, 1,
		 UNWIND_END_UNREADABLE_STACK},
		{"register leads to zeros", 4, STACK_BASE + 32, 0, 0, 1, UNWIND_END_NO_FRAME_POINTER},
		{"caller's is this frame", 4, STACK_BASE + 32, STACK_BASE + 32, CODE, 2, UNWIND_END_BAD_FRAME_POINTER},
		{"caller's overlaps this frame", 4, STACK_BASE + 32, STACK_BASE + 40, CODE, 2,
		 UNWIND_END_BAD_FRAME_POINTER},
		{"caller's is below", 4, STACK_BASE + 32, STACK_BASE, CODE, 2, UNWIND_END_BAD_FRAME_POINTER},
		{"caller's is not aligned", 4, STACK_BASE + 32, STACK_BASE + 100, CODE, 2,
		 UNWIND_END_BAD_FRAME_POINTER},
		{"caller's is 1", 4, STACK_BASE + 32, 1, CODE, 2, UNWIND_END_BAD_FRAME_POINTER},
		{"caller's is far above", 4, STACK_BASE + 32, STACK_BASE + 48 + FP_MAX_FRAME_BYTES, CODE, 2,
		 UNWIND_END_BAD_FRAME_POINTER},
		{"caller's is not readable", 4, STACK_BASE + 32, STACK_BASE + 8 * STACK_WORDS, CODE, 2,
		 UNWIND_END_UNREADABLE_STACK},
		{"caller's is an empty frame", 4, STACK_BASE + 32, STACK_BASE + 80, CODE, 2, UNWIND_END_ROOT},
		{"return address 0", 4, STACK_BASE + 32, STACK_BASE + 80, 0, 1, UNWIND_END_NOT_CODE},
		{"return address in the first page", 4, STACK_BASE + 32, STACK_BASE + 80, 4095, 1, UNWIND_END_NOT_CODE},
		{"lowest return address", 4, STACK_BASE + 32, 0, 4096, 2, UNWIND_END_ROOT},
		{"highest return address", 4, STACK_BASE + 32, 0, TASK_SIZE - 1, 2, UNWIND_END_ROOT},
		{"return address in the kernel's half", 4, STACK_BASE + 32, 0, TASK_SIZE, 1, UNWIND_END_NOT_CODE},
		{"return address -1", 4, STACK_BASE + 32, 0, UINT64_MAX, 1, UNWIND_END_NOT_CODE},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		clear(NULL);
		frame(4, cases[i].caller_fp, cases[i].return_address);
		walk_from(at(cases[i].sp_word), cases[i].fp);
		if (scratch.walk.end != cases[i].end || scratch.walk.n != cases[i].n)
			fail_msg("%s: %u frames, end %u", cases[i].name, scratch.walk.n, scratch.walk.end);
	}
}

static void any_registers_and_stack_end_within_the_bound(void **state)
{
	uint64_t random = 88172645463325252ULL;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		for (size_t i = 0; i < 512; i++) {
			random ^= random << 13;
			random ^= random >> 7;
			random ^= random << 17;
			/* Mostly plausible: pointers into the stack and code. */
			stack[i] = random & 1	? STACK_BASE + (random >> 20) % (512 * 8) / 8 * 8
				   : random & 2 ? CODE + (random >> 30)
						: random;
		}
		readable = 512;
		walk_from(at(random % 16), at(random % 512));
		assert_in_range(scratch.walk.n, 1, MAX_USER_FRAMES);
		assert_in_range(scratch.walk.end, 0, UNWIND_END_COUNT - 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_chain_is_walked_to_its_root, clear),
		cmocka_unit_test_setup(more_frames_than_fit_end_at_the_limit, clear),
		cmocka_unit_test_setup(a_window_serves_many_frames, clear),
		cmocka_unit_test_setup(a_stack_that_ends_within_the_window_is_read_frame_by_frame, clear),
		cmocka_unit_test_setup(a_step_is_believed_only_if_it_may_be_a_frame, clear),
		cmocka_unit_test_setup(any_registers_and_stack_end_within_the_bound, clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
