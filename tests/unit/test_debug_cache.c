/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "opener/debug_cache.h"

static const uint8_t id[] = {0x12, 0x34, 0xab, 0xcd};
#define HEX "1234abcd"

struct fixture {
	char dir[64], path[128];
	struct debug_cache cache;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	snprintf(f->dir, sizeof(f->dir), "/tmp/hostprof-cache-XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/.cache/debuginfod_client", f->dir);
	debug_cache_init(&f->cache);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	char command[128];

	debug_cache_release(&f->cache);
	snprintf(command, sizeof(command), "rm -rf %s", f->dir);
	if (system(command))
		return -1;
	free(f);
	return 0;
}

static void at(const struct fixture *f, const char *name, char to[256])
{
	snprintf(to, 256, "%s/%s", f->path, name);
}

static int find(struct fixture *f, char *ret_byte)
{
	char found[256];
	int fd = -1, err = debug_cache_find(&f->cache, id, sizeof(id), found, sizeof(found), &fd);

	if (err)
		return err;
	assert_string_equal(found, HEX "/debuginfo");
	assert_int_equal(read(fd, ret_byte, 1), 1);
	close(fd);
	return 0;
}

static int keep(struct fixture *f, const char *content)
{
	int fd, err = debug_cache_temporary(&f->cache, &fd);

	if (err)
		return err;
	assert_int_equal(write(fd, content, strlen(content)), strlen(content));
	return debug_cache_keep(&f->cache, id, sizeof(id), fd);
}

static void what_is_kept_is_found_where_elfutils_looks(void **state)
{
	struct fixture *f = *state;
	struct stat status;
	char path[256], byte;

	assert_int_equal(debug_cache_open(&f->cache, f->path), 0);
	assert_int_equal(find(f, &byte), -ENOENT);
	assert_int_equal(keep(f, "elf"), 0);
	assert_int_equal(find(f, &byte), 0);
	assert_int_equal(byte, 'e');
	at(f, HEX "/debuginfo", path);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode, S_IFREG | 0400);
	assert_int_equal(status.st_size, 3);
	assert_int_equal(status.st_nlink, 1);
	assert_int_equal(keep(f, "newer"), 0); /* in place of the old one */
	assert_int_equal(find(f, &byte), 0);
	assert_int_equal(byte, 'n');
}

static void nothing_is_left_of_what_is_not_kept(void **state)
{
	struct fixture *f = *state;
	char command[256];
	int fd;

	assert_int_equal(debug_cache_open(&f->cache, f->path), 0);
	assert_int_equal(debug_cache_temporary(&f->cache, &fd), 0);
	assert_int_equal(write(fd, "x", 1), 1);
	close(fd);
	assert_int_equal(keep(f, ""), -EINVAL);
	debug_cache_release(&f->cache);
	snprintf(command, sizeof(command), "test -z \"$(find %s -mindepth 1)\"", f->path);
	assert_int_equal(system(command), 0);
}

static void a_temporary_with_a_name_is_kept_and_removed_by_it(void **state)
{
	struct fixture *f = *state;
	struct stat status;
	char path[256], byte;
	int fd;

	assert_int_equal(debug_cache_open(&f->cache, f->path), 0);
	/* As a file system without O_TMPFILE has it. */
	for (int i = 0; i < 2; i++) {
		at(f, i ? ".hostprof-b" : ".hostprof-a", path);
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		assert_int_equal(write(fd, "n", 1), 1);
		assert_int_equal(fstat(fd, &status), 0);
		f->cache.temporaries[i] = (struct debug_cache_temporary){.dev = status.st_dev, .ino = status.st_ino};
		snprintf(f->cache.temporaries[i].name, 32, "%s", i ? ".hostprof-b" : ".hostprof-a");
		if (i)
			close(fd);
		else
			assert_int_equal(debug_cache_keep(&f->cache, id, sizeof(id), fd), 0);
	}
	assert_int_equal(find(f, &byte), 0);
	assert_int_equal(byte, 'n');
	at(f, ".hostprof-a", path);
	assert_int_not_equal(access(path, F_OK), 0);
	debug_cache_release(&f->cache);
	at(f, ".hostprof-b", path);
	assert_int_not_equal(access(path, F_OK), 0);
}

static void links_are_not_followed(void **state)
{
	struct fixture *f = *state;
	char path[256], outside[128], byte;

	assert_int_equal(debug_cache_open(&f->cache, f->path), 0);
	snprintf(outside, sizeof(outside), "%s/outside", f->dir);
	assert_int_equal(mkdir(outside, 0700), 0);
	at(f, HEX, path);
	assert_int_equal(symlink(outside, path), 0);
	assert_int_equal(keep(f, "elf"), -ELOOP);
	assert_int_equal(find(f, &byte), -ELOOP);
	assert_int_equal(rmdir(outside), 0); /* empty still */
	assert_int_equal(unlink(path), 0);
	/* The file itself, which is replaced and not followed. */
	assert_int_equal(mkdir(path, 0700), 0);
	at(f, HEX "/debuginfo", path);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	assert_int_equal(find(f, &byte), -ELOOP);
	assert_int_equal(keep(f, "elf"), 0);
	assert_int_equal(find(f, &byte), 0);
	assert_int_equal(byte, 'e');
}

static void what_is_no_file_or_empty_is_not_there(void **state)
{
	struct fixture *f = *state;
	char path[256], byte;

	assert_int_equal(debug_cache_open(&f->cache, f->path), 0);
	at(f, HEX, path);
	assert_int_equal(mkdir(path, 0700), 0);
	at(f, HEX "/debuginfo", path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(find(f, &byte), -EINVAL);
	assert_int_equal(unlink(path), 0);
	/* elfutils' client remembers so that no server has it. */
	close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0400));
	assert_int_equal(find(f, &byte), -ENOENT);
}

static void without_a_directory_nothing_is_kept(void **state)
{
	struct fixture *f = *state;
	char byte;
	int fd;

	assert_int_equal(find(f, &byte), -ENOENT);
	assert_int_equal(debug_cache_temporary(&f->cache, &fd), -ENOENT);
	assert_int_equal(debug_cache_open(&f->cache, "/dev/null/x"), -ENOTDIR);
	assert_int_equal(find(f, &byte), -ENOENT);
}

static void another_s_directory_is_read_alone(void **state)
{
	struct fixture *f = *state;
	int fd;

	if (geteuid())
		skip();
	assert_int_equal(debug_cache_open(&f->cache, f->path), 0);
	assert_int_equal(keep(f, "elf"), 0);
	debug_cache_release(&f->cache);
	assert_int_equal(chown(f->path, 12345, 12345), 0);
	assert_int_equal(debug_cache_open(&f->cache, f->path), 0);
	assert_int_equal(debug_cache_temporary(&f->cache, &fd), -EACCES);
	assert_int_equal(find(f, &(char){0}), 0);
}

static void an_id_of_no_length_is_none(void **state)
{
	struct fixture *f = *state;
	uint8_t long_id[65] = {0};
	char found[256];
	int fd;

	assert_int_equal(debug_cache_open(&f->cache, f->path), 0);
	assert_int_equal(debug_cache_find(&f->cache, id, 3, found, sizeof(found), &fd), -EBADMSG);
	assert_int_equal(debug_cache_find(&f->cache, long_id, 65, found, sizeof(found), &fd), -EBADMSG);
	assert_int_equal(debug_cache_find(&f->cache, long_id, 64, found, sizeof(found), &fd), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_kept_is_found_where_elfutils_looks, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nothing_is_left_of_what_is_not_kept, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_temporary_with_a_name_is_kept_and_removed_by_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(links_are_not_followed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_no_file_or_empty_is_not_there, set_up, tear_down),
		cmocka_unit_test_setup_teardown(without_a_directory_nothing_is_kept, set_up, tear_down),
		cmocka_unit_test_setup_teardown(another_s_directory_is_read_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_id_of_no_length_is_none, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("debug_cache", tests, NULL, NULL);
}
