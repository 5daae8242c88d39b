/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>

#include "base/cleanup.h"
#include "base/unnamed.h"
#include "ipc/profile_files.h"

#define MAX_BYTES (1u << 20)

static struct profile_file some_file(uint32_t object, const char *path)
{
	return (struct profile_file){
		.object = object, .unnamed = 7, .named = 3, .build_id_len = 2, .build_id = {1, 2}, .path = path};
}

/* What reading the n bytes comes to. */
static int read_bytes(const void *bytes, size_t n, size_t *ret_files)
{
	struct profile_files files;
	struct profile_file file;
	auto_close int fd = -1;
	int err;

	assert_int_equal(memfd_from_bytes("test", bytes, n, &fd), 0);
	assert_int_equal(profile_files_open(fd, &files), 0);
	*ret_files = 0;
	while ((err = profile_files_next(&files, &file)) > 0)
		++*ret_files;
	profile_files_release(&files);
	return err;
}

static void files_come_back_as_they_were_put(void **state)
{
	static const char *const paths[] = {"/bin/a", "", "[kernel.kallsyms]"};
	struct profile_files files;
	struct profile_file file;
	auto_close int fd = -1;
	struct buf list;

	(void)state;
	buf_init(&list, MAX_BYTES);
	for (uint32_t i = 0; i < 3; i++) {
		file = some_file(i + 1, paths[i]);
		profile_files_put(&list, &file);
	}
	assert_int_equal(memfd_from_bytes("test", list.data, list.len, &fd), 0);
	assert_int_equal(profile_files_open(fd, &files), 0);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(profile_files_next(&files, &file), 1);
		assert_int_equal(file.object, i + 1);
		assert_int_equal(file.unnamed, 7);
		assert_int_equal(file.named, 3);
		assert_int_equal(file.build_id_len, 2);
		assert_int_equal(file.build_id[1], 2);
		assert_string_equal(file.path, paths[i]);
	}
	assert_int_equal(profile_files_next(&files, &file), 0);
	profile_files_release(&files);
	buf_release(&list);
}

static void a_list_that_does_not_check_is_refused(void **state)
{
	static const struct {
		const char *what;
		struct profile_file file;
	} cases[] = {
		{"numbers that do not count up", {.object = 2, .path = ""}},
		{"no number", {.object = 0, .path = ""}},
		{"a reason that is none", {.object = 1, .why = UNNAMED_COUNT, .path = ""}},
		{"an error that is none", {.object = 1, .err = 1, .path = ""}},
		{"an id that is too long", {.object = 1, .build_id_len = DEBUG_ID_MAX + 1, .path = ""}},
		{"read, and how", {.object = 1, .is_read = 2, .path = ""}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf list;
		size_t n;
		int err;

		buf_init(&list, MAX_BYTES);
		profile_files_put(&list, &cases[i].file);
		err = read_bytes(list.data, list.len, &n);
		if (err != -EBADMSG || n)
			fail_msg("%s: %d", cases[i].what, err);
		buf_release(&list);
	}
}

static void a_list_cut_anywhere_is_refused(void **state)
{
	const struct profile_file first = some_file(1, "/bin/a"), second = some_file(2, "/bin/b");
	size_t n, whole;
	struct buf list;

	(void)state;
	buf_init(&list, MAX_BYTES);
	profile_files_put(&list, &first);
	whole = list.len;
	profile_files_put(&list, &second);
	for (size_t cut = 0; cut <= list.len; cut++) {
		bool is_right = !cut || cut == whole || cut == list.len;

		assert_int_equal(read_bytes(list.data, cut, &n), is_right ? 0 : -EBADMSG);
		assert_int_equal(n, (cut >= whole) + (cut == list.len));
	}
	buf_release(&list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_come_back_as_they_were_put),
		cmocka_unit_test(a_list_that_does_not_check_is_refused),
		cmocka_unit_test(a_list_cut_anywhere_is_refused),
	};

	return cmocka_run_group_tests_name("profile_files", tests, NULL, NULL);
}
