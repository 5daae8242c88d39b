/* SPDX-License-Identifier: Apache-2.0 */
/* The hash that names stacks and processes on the wire, and the cache of what was sent. */
#include "test.h"

#include <stdbool.h>

#include "../../bpf/cache.h"
#include "../../bpf/hash.h"

static struct scratch scratch;
static uint64_t seed[4];
static __u64 cache[SAMPLER_CACHE_SLOTS];
static bool ring_is_full;
static unsigned records_sent;

SHIM struct scratch *shim_scratch(void)
{
	return &scratch;
}

SHIM volatile __u64 *shim_cache_slot(__u32 index)
{
	assert_true(index < SAMPLER_CACHE_SLOTS);
	return &cache[index];
}

SHIM long shim_ring_output(void *record, __u64 size)
{
	(void)record, (void)size;
	if (ring_is_full)
		return -11;
	records_sent++;
	return 0;
}

SHIM __u64 shim_hash_seed(__u32 index)
{
	return seed[index];
}

static int begin(void **state)
{
	static const uint64_t some_seed[4] = {0x243f6a8885a308d3, 0x13198a2e03707344, 0xa4093822299f31d0,
					      0x082efa98ec4e6c89};

	(void)state;
	memcpy(seed, some_seed, sizeof(seed));
	memset(&scratch, 0, sizeof(scratch));
	memset(cache, 0, sizeof(cache));
	ring_is_full = false;
	records_sent = 0;
	for (size_t i = 0; i < MAX_USER_FRAMES; i++)
		scratch.user_frames[i] = frame_from_address(0x401000 + 16 * i, i > 0);
	for (size_t i = 0; i < MAX_KERNEL_FRAMES; i++)
		scratch.kernel_frames[i] = 0xffffffff81000000 + 16 * i;
	return 0;
}

static void a_hash_depends_on_each_frame_and_its_place(void **state)
{
	uint64_t hash = hash_user_stack(101, UNWIND_END_ROOT);

	(void)state;
	for (size_t i = 0; i < 101; i++) {
		scratch.user_frames[i] ^= 1ULL << (i % 61);
		assert_true(hash_user_stack(101, UNWIND_END_ROOT) != hash);
		scratch.user_frames[i] ^= 1ULL << (i % 61);
	}
	for (size_t i = 0; i < 98; i++) {
		for (size_t k = 1; k <= 2; k++) { /* neighbours are of the other lane, the next but one of the same */
			uint64_t swapped = scratch.user_frames[i];

			scratch.user_frames[i] = scratch.user_frames[i + k];
			scratch.user_frames[i + k] = swapped;
			assert_true(hash_user_stack(101, UNWIND_END_ROOT) != hash);
			scratch.user_frames[i + k] = scratch.user_frames[i];
			scratch.user_frames[i] = swapped;
		}
	}
	assert_int_equal(hash_user_stack(101, UNWIND_END_ROOT), hash);
}

static void a_hash_depends_on_length_end_and_kind(void **state)
{
	uint64_t hash = hash_user_stack(6, UNWIND_END_ROOT);

	(void)state;
	assert_true(hash_user_stack(6, UNWIND_END_NOT_CODE) != hash);
	assert_true(hash_user_stack(5, UNWIND_END_ROOT) != hash);
	scratch.user_frames[6] = scratch.user_frames[7] = 0;
	assert_true(hash_user_stack(7, UNWIND_END_ROOT) != hash);
	assert_true(hash_user_stack(0, UNWIND_END_ROOT) != hash_user_stack(0, UNWIND_END_KERNEL_THREAD));
	memcpy(scratch.kernel_frames, scratch.user_frames, 6 * sizeof(uint64_t));
	assert_true(hash_kernel_stack(6, UNWIND_END_ROOT) != hash);
}

static void what_lies_behind_the_last_frame_does_not_matter(void **state)
{
	(void)state;
	for (uint32_t n = 0; n < 20; n++) {
		uint64_t hash = hash_user_stack(n, UNWIND_END_ROOT), kernel = hash_kernel_stack(n, UNWIND_END_ROOT);

		scratch.user_frames[n] = scratch.kernel_frames[n] = 0x1234;
		assert_int_equal(hash_user_stack(n, UNWIND_END_ROOT), hash);
		assert_int_equal(hash_kernel_stack(n, UNWIND_END_ROOT), kernel);
		begin(NULL);
	}
}

static void each_seed_changes_the_hash(void **state)
{
	uint64_t hash = hash_user_stack(9, UNWIND_END_ROOT);

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		seed[i] ^= 1ULL << 40;
		assert_true(hash_user_stack(9, UNWIND_END_ROOT) != hash);
		seed[i] ^= 1ULL << 40;
	}
}

static int compare_hashes(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void close_stacks_have_distinct_hashes_in_all_parts_of_the_cache(void **state)
{
	enum { N = 100000 };
	uint64_t *hashes = test_malloc(N * sizeof(*hashes));
	static uint32_t slot_use[SAMPLER_CACHE_SLOTS];
	uint32_t used = 0;

	(void)state;
	memset(slot_use, 0, sizeof(slot_use));
	for (size_t i = 0; i < N; i++) {
		scratch.user_frames[1] = frame_from_address(0x401000 + i, 1);
		hashes[i] = hash_user_stack(5, UNWIND_END_ROOT);
		used += !slot_use[hashes[i] & (SAMPLER_CACHE_SLOTS - 1)]++;
	}
	/* 1 - e^(-N / slots) = 95.3 % of the slots are hit by chance. */
	assert_in_range(used, SAMPLER_CACHE_SLOTS * 94 / 100, SAMPLER_CACHE_SLOTS * 97 / 100);
	qsort(hashes, N, sizeof(*hashes), compare_hashes);
	for (size_t i = 1; i < N; i++)
		assert_true(hashes[i] != hashes[i - 1]);
	test_free(hashes);
}

static void a_process_is_its_tgid_start_exec_cgroup_and_thread(void **state)
{
	static const __u64 no_name[2], name[2] = {0, 1};
	uint64_t hash = hash_process(100, 5000, 3, 77, 0, no_name);

	(void)state;
	assert_int_equal(hash_process(100, 5000, 3, 77, 0, no_name), hash);
	assert_true(hash_process(101, 5000, 3, 77, 0, no_name) != hash);
	assert_true(hash_process(100, 5001, 3, 77, 0, no_name) != hash);
	assert_true(hash_process(100, 5000, 4, 77, 0, no_name) != hash);
	assert_true(hash_process(100, 5000, 3, 78, 0, no_name) != hash);
	assert_true(hash_process(100, 5000, 3, 77, 100, no_name) != hash);
	assert_true(hash_process(3, 5000, 100, 77, 0, no_name) != hash);
	assert_true(hash_process(100, 5000, 3, 77, 0, name) != hash);
}

static void a_record_is_remembered_only_once_it_is_in_the_ring(void **state)
{
	uint64_t record = 0, hash = 0xfeedfacecafebeef;
	volatile __u64 *slot = cache_slot(hash);

	(void)state;
	assert_false(cache_has(slot, hash, 0));
	ring_is_full = true;
	assert_true(cache_send(slot, &record, 8, hash, 0) < 0);
	assert_false(cache_has(slot, hash, 0));
	ring_is_full = false;
	assert_int_equal(cache_send(slot, &record, 8, hash, 0), 0);
	assert_int_equal(records_sent, 1);
	assert_true(cache_has(slot, hash, 0));
}

static void a_new_epoch_and_another_hash_in_the_slot_forget(void **state)
{
	uint64_t record = 0, hash = 0xfeedfacecafebeef, other = hash ^ 1ULL << 60;
	volatile __u64 *slot = cache_slot(hash);

	(void)state;
	assert_ptr_equal((void *)slot, (void *)cache_slot(other));
	assert_int_equal(cache_send(slot, &record, 8, hash, 7), 0);
	assert_true(cache_has(slot, hash, 7));
	assert_false(cache_has(slot, hash, 8));
	assert_false(cache_has(slot, other, 7));
	assert_int_equal(cache_send(slot, &record, 8, other, 7), 0);
	assert_true(cache_has(slot, other, 7));
	assert_false(cache_has(slot, hash, 7));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_hash_depends_on_each_frame_and_its_place, begin),
		cmocka_unit_test_setup(a_hash_depends_on_length_end_and_kind, begin),
		cmocka_unit_test_setup(what_lies_behind_the_last_frame_does_not_matter, begin),
		cmocka_unit_test_setup(each_seed_changes_the_hash, begin),
		cmocka_unit_test_setup(close_stacks_have_distinct_hashes_in_all_parts_of_the_cache, begin),
		cmocka_unit_test_setup(a_process_is_its_tgid_start_exec_cgroup_and_thread, begin),
		cmocka_unit_test_setup(a_record_is_remembered_only_once_it_is_in_the_ring, begin),
		cmocka_unit_test_setup(a_new_epoch_and_another_hash_in_the_slot_forget, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
