/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "wire/frame.h"
#include "wire/sample.h"

static void an_address_survives_the_frame_word(void **state)
{
	static const uint64_t addresses[] = {
		0,
		1,
		0x401000,
		0x7fffffffefff,
		0xffffffffffffff,   /* five-level page tables */
		0xffffffffff600000, /* vsyscall */
		0xffff800000000000,
		0x0fffffffffffffff, /* the largest that fits */
		0xf000000000000000, /* the smallest negative one */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(addresses) / sizeof(*addresses); i++)
		for (int is_return = 0; is_return <= 1; is_return++) {
			uint64_t word = frame_from_address(addresses[i], is_return);

			assert_int_equal(frame_kind(word), FRAME_ADDRESS);
			assert_int_equal(frame_is_return(word), is_return);
			assert_int_equal(frame_address(word), addresses[i]);
		}
}

static void object_and_offset_survive_the_frame_word(void **state)
{
	static const uint64_t kinds[] = {FRAME_OBJECT, FRAME_INTERPRETED, FRAME_FILE};
	static const uint64_t objects[] = {0, 1, 4711, FRAME_OBJECT_MAX};
	static const uint64_t offsets[] = {0, 1, 0x12345678, FRAME_OFFSET_MAX};

	(void)state;
	for (size_t k = 0; k < 3; k++)
		for (size_t i = 0; i < 4; i++)
			for (size_t o = 0; o < 4; o++)
				for (int is_return = 0; is_return <= 1; is_return++) {
					uint64_t word = frame_from_object(kinds[k], objects[i], offsets[o], is_return);

					assert_int_equal(frame_kind(word), kinds[k]);
					assert_int_equal(frame_is_return(word), is_return);
					assert_int_equal(frame_object_id(word), objects[i]);
					assert_int_equal(frame_offset(word), offsets[o]);
				}
}

static void numbers_on_the_wire_stay(void **state)
{
	(void)state;
	assert_int_equal(UNWIND_END_ROOT, 0);
	assert_int_equal(UNWIND_END_KERNEL_THREAD, 1);
	assert_int_equal(UNWIND_END_FRAME_LIMIT, 6);
	assert_int_equal(UNWIND_END_COMPAT_TASK, 9);
	assert_int_equal(UNWIND_END_EXITED, 10);
	assert_int_equal(UNWIND_END_COPY_TOO_SHORT, 17);
	assert_int_equal(LOSS_ring_full_process, 0);
	assert_int_equal(LOSS_ring_full_sample, 2);
	assert_int_equal(offsetof(struct stack_record, hash), 8);
	assert_int_equal(offsetof(struct stack_record, frames), 16);
	assert_int_equal(offsetof(struct sample_record, process), 8);
	assert_int_equal(offsetof(struct sample_record, mono_ns), 40);
	assert_int_equal(offsetof(struct process_record, comm), 72);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_survives_the_frame_word),
		cmocka_unit_test(object_and_offset_survive_the_frame_word),
		cmocka_unit_test(numbers_on_the_wire_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
