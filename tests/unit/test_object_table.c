/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/counters.h"
#include "collector/object_table.h"
#include "oom.h"
#include "wire/frame.h"

static struct object_table *table_new(size_t max)
{
	struct object_table *table = NULL;

	assert_int_equal(object_table_new(max, &table), 0);
	return table;
}

static void kinds_follow_from_what_the_kernel_calls_a_mapping(void **state)
{
	static const struct {
		const char *path, *expected_path;
		enum object_kind kind;
		uint32_t flags;
	} cases[] = {
		{"/usr/bin/true", "/usr/bin/true", OBJECT_FILE, 0},
		{"/usr/lib/libfoo.so (deleted)", "/usr/lib/libfoo.so", OBJECT_FILE, OBJECT_DELETED},
		{"/memfd:jit (deleted)", "/memfd:jit", OBJECT_FILE, OBJECT_DELETED},
		{"/memfd:doublemapper (deleted)", "/memfd:doublemapper", OBJECT_ANONYMOUS, OBJECT_DELETED},
		{"/root/.debug/jit/a/jit-17.dump", "/root/.debug/jit/a/jit-17.dump", OBJECT_JITDUMP, 0},
		{"/jit-1.dump (deleted)", "/jit-1.dump", OBJECT_JITDUMP, OBJECT_DELETED},
		{"/jit-.dump", "/jit-.dump", OBJECT_FILE, 0},
		{"/jit-1a.dump", "/jit-1a.dump", OBJECT_FILE, 0},
		{"/jit-1.dumped", "/jit-1.dumped", OBJECT_FILE, 0},
		{"/a-jit-1.dump", "/a-jit-1.dump", OBJECT_FILE, 0},
		{"/jit-1.dump/so", "/jit-1.dump/so", OBJECT_FILE, 0},
		{"//toolong", "//toolong", OBJECT_FILE, 0},
		{"/SYSVexe", "/SYSVexe", OBJECT_FILE, 0},
		{"[vdso]", "[vdso]", OBJECT_VDSO, 0},
		{"", "//anon", OBJECT_ANONYMOUS, 0},
		{"//anon", "//anon", OBJECT_ANONYMOUS, 0},
		{"[heap]", "[heap]", OBJECT_ANONYMOUS, 0},
		{"[stack]", "[stack]", OBJECT_ANONYMOUS, 0},
		{"[anon:jit code]", "[anon:jit code]", OBJECT_ANONYMOUS, 0},
		{"[vsyscall]", "[vsyscall]", OBJECT_ANONYMOUS, 0},
		{"[uprobes]", "[uprobes]", OBJECT_ANONYMOUS, 0},
		{"anon_inode:[perf_event]", "anon_inode:[perf_event]", OBJECT_ANONYMOUS, 0},
		{"/dev/zero", "/dev/zero", OBJECT_ANONYMOUS, 0},
		{"/dev/zero (deleted)", "/dev/zero", OBJECT_ANONYMOUS, OBJECT_DELETED},
		{"/dev/zeroes", "/dev/zeroes", OBJECT_FILE, 0},
		{"/SYSV00000000 (deleted)", "/SYSV00000000", OBJECT_ANONYMOUS, OBJECT_DELETED},
		{"/anon_hugepage (deleted)", "/anon_hugepage", OBJECT_ANONYMOUS, OBJECT_DELETED},
		{"/[aio] (deleted)", "/[aio]", OBJECT_ANONYMOUS, OBJECT_DELETED},
		{" (deleted)", " (deleted)", OBJECT_ANONYMOUS, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct object_table *table = table_new(10);
		const struct object_identity identity = {.path = cases[i].path, .mnt_ns = 7, .ino = 5};
		const struct object *object = object_table_get(table, object_table_add(table, &identity));

		assert_non_null(object);
		assert_int_equal(object->id, 1);
		assert_int_equal(object->kind, cases[i].kind);
		assert_int_equal(object->flags, cases[i].flags);
		assert_string_equal(object->path, cases[i].expected_path);
		assert_int_equal(object->fd, -1);
		assert_int_equal(object->state, OBJECT_UNSEEN);
		object_table_free(table);
	}
}

static void an_object_of_its_own_is_never_another(void **state)
{
	struct object_table *table = table_new(2);
	uint32_t first = object_table_add_own(table, OBJECT_JIT, "[jit node]", NULL, 1ull << 40);
	uint32_t second = object_table_add_own(table, OBJECT_JIT, "[jit node]", NULL, 0);

	(void)state;
	assert_int_equal(first, 1);
	assert_int_equal(second, 2);
	assert_int_equal(object_table_add_own(table, OBJECT_JIT, "[jit node]", NULL, 0), 0); /* full */
	assert_int_equal(object_table_get(table, first)->base, 1ull << 40);
	assert_int_equal(object_table_get(table, first)->kind, OBJECT_JIT);
	assert_string_equal(object_table_get(table, first)->path, "[jit node]");
	assert_int_equal(object_table_get(table, first)->fd, -1);
	object_table_free(table);
}

static void each_part_of_the_identity_tells_files_apart(void **state)
{
	static const uint8_t id_a[20] = {1}, id_b[20] = {2};
	static const struct object_identity identities[] = {
		{.path = "/a", .mnt_ns = 1, .dev = 1, .ino = 1},
		{.path = "/b", .mnt_ns = 1, .dev = 1, .ino = 1},
		{.path = "/a", .mnt_ns = 2, .dev = 1, .ino = 1},
		{.path = "/a", .mnt_ns = 1, .dev = 2, .ino = 1},
		{.path = "/a", .mnt_ns = 1, .dev = 1, .ino = 2},
		{.path = "/a", .mnt_ns = 1, .dev = 1, .ino = 1, .ino_generation = 1},
		{.path = "/a", .mnt_ns = 1, .build_id = id_a, .build_id_len = 20},
		{.path = "/a", .mnt_ns = 1, .build_id = id_b, .build_id_len = 20},
		{.path = "/a", .mnt_ns = 1, .build_id = id_b, .build_id_len = 8},
	};
	enum { COUNT = sizeof(identities) / sizeof(identities[0]) };
	struct object_table *table = table_new(100);

	(void)state;
	for (int round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < COUNT; i++)
			assert_int_equal(object_table_add(table, &identities[i]), i + 1);
	}
	assert_int_equal(object_table_count(table), COUNT);
	assert_memory_equal(object_table_get(table, 8)->build_id, id_b, 20);
	assert_int_equal(object_table_get(table, 9)->build_id_len, 8);
	object_table_free(table);
}

static void vdso_and_anonymous_memory_are_one_for_the_machine(void **state)
{
	static const char *const paths[] = {"[vdso]", "//anon"};
	struct object_table *table = table_new(100);

	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		for (uint32_t mnt_ns = 0; mnt_ns < 5; mnt_ns++) {
			const struct object_identity identity = {.path = paths[i], .mnt_ns = mnt_ns, .ino = mnt_ns};

			assert_int_equal(object_table_add(table, &identity), i + 1);
		}
	}
	/* /proc gives anonymous memory no name at all. */
	assert_int_equal(object_table_add(table, &(struct object_identity){.path = ""}), 2);
	object_table_free(table);
}

static void deletion_is_learned_later(void **state)
{
	struct object_table *table = table_new(10);
	uint32_t id = object_table_add(table, &(struct object_identity){.path = "/a", .ino = 3});

	(void)state;
	assert_int_equal(object_table_get(table, id)->flags, 0);
	assert_int_equal(object_table_add(table, &(struct object_identity){.path = "/a (deleted)", .ino = 3}), id);
	assert_int_equal(object_table_get(table, id)->flags, OBJECT_DELETED);
	object_table_free(table);
}

static void full_table_refuses_and_counts_but_knows_what_it_has(void **state)
{
	struct object_table *table = table_new(3);
	uint64_t failed = counters[COUNTER_objects_failed];
	char path[16];

	(void)state;
	for (uint32_t i = 1; i <= 5; i++) {
		snprintf(path, sizeof(path), "/%u", i);
		assert_int_equal(object_table_add(table, &(struct object_identity){.path = path}), i <= 3 ? i : 0);
	}
	assert_int_equal(counters[COUNTER_objects_failed] - failed, 2);
	assert_int_equal(object_table_count(table), 3);
	assert_int_equal(object_table_add(table, &(struct object_identity){.path = "/2"}), 2);
	object_table_free(table);
}

static void pointers_stay_while_the_table_grows(void **state)
{
	struct object_table *table = table_new(FRAME_OBJECT_MAX + 5);
	const struct object *first;
	char path[32];

	(void)state;
	object_table_add(table, &(struct object_identity){.path = "/first"});
	first = object_table_get(table, 1);
	for (uint32_t i = 0; i < 20000; i++) {
		snprintf(path, sizeof(path), "/%u", i);
		assert_int_equal(object_table_add(table, &(struct object_identity){.path = path}), i + 2);
	}
	assert_ptr_equal(object_table_get(table, 1), first);
	assert_string_equal(first->path, "/first");
	assert_null(object_table_get(table, 0));
	assert_null(object_table_get(table, 20002));
	assert_true(object_table_memory_bytes(table) > 20000 * sizeof(struct object));
	object_table_free(table);
}

static void descriptors_are_closed_with_the_table(void **state)
{
	struct object_table *table = table_new(3);
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_true(fd >= 0);
	object_table_get(table, object_table_add(table, &(struct object_identity){.path = "/a"}))->fd = fd;
	object_table_free(table);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static void failing_allocations_refuse_the_object_only(void **state)
{
	(void)state;
	for (unsigned long nth = 1; nth <= 12; nth++) {
		struct object_table *table = NULL;
		uint32_t id;

		oom_fail_at(nth);
		if (!object_table_new(10, &table)) {
			id = object_table_add(table, &(struct object_identity){.path = "/a"});
			oom_fail_at(0);
			assert_int_equal(object_table_count(table), id ? 1 : 0);
			assert_int_equal(object_table_add(table, &(struct object_identity){.path = "/a"}), 1);
			object_table_free(table);
		}
		oom_fail_at(0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds_follow_from_what_the_kernel_calls_a_mapping),
		cmocka_unit_test(an_object_of_its_own_is_never_another),
		cmocka_unit_test(each_part_of_the_identity_tells_files_apart),
		cmocka_unit_test(vdso_and_anonymous_memory_are_one_for_the_machine),
		cmocka_unit_test(deletion_is_learned_later),
		cmocka_unit_test(full_table_refuses_and_counts_but_knows_what_it_has),
		cmocka_unit_test(pointers_stay_while_the_table_grows),
		cmocka_unit_test(descriptors_are_closed_with_the_table),
		cmocka_unit_test(failing_allocations_refuse_the_object_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
