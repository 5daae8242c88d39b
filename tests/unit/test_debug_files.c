/* SPDX-License-Identifier: Apache-2.0 */
/* The collector between a resolver that asks and an opener that answers, both played by the test. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "collector/debug_files.h"
#include "collector/object_table.h"

struct fixture {
	struct object_table *objects;
	struct debug_files *files;
	uint32_t object;
	/* What the opener was asked for last. */
	unsigned opens;
	struct message_open_debug open;
	char path[MESSAGE_MAX_PATH + 1];
	int open_err;
	/* What servers were asked for last. */
	unsigned fetches;
	uint32_t fetch_number, fetch_server;
	int fetch_err;
	/* What the resolver was told last. */
	unsigned answers;
	struct message_debug_opened answer;
	char answer_path[64];
	int answer_fd, send_err;
};

static int open_debug(void *ctx, struct message_open_debug *request, uint32_t object, const char *path)
{
	struct fixture *f = ctx;

	assert_int_equal(object, request->kind == DEBUG_TEMPORARY || request->kind == DEBUG_REMOTE ? 0 : f->object);
	f->opens++;
	f->open = *request;
	snprintf(f->path, sizeof(f->path), "%s", path);
	return f->open_err;
}

static int fetch(void *ctx, uint32_t number, const struct message_want_debug *want, uint32_t server,
		 const struct object *object)
{
	struct fixture *f = ctx;

	assert_int_equal(want->id_len, 4);
	assert_memory_equal(want->id, "\x01\x02\x03\x04", 4);
	assert_string_equal(object->path, "/opt/bin/prog");
	f->fetches++;
	f->fetch_number = number;
	f->fetch_server = server;
	return f->fetch_err;
}

static int send_answer(void *ctx, const struct message_debug_opened *answer, const char *path, int fd)
{
	struct fixture *f = ctx;

	if (f->send_err)
		return f->send_err;
	f->answers++;
	f->answer = *answer;
	f->answer_fd = fd;
	snprintf(f->answer_path, sizeof(f->answer_path), "%s", path);
	return 0;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct debug_files_options options = {.open = open_debug, .fetch = fetch, .send = send_answer, .ctx = f};

	if (object_table_new(10, &f->objects))
		return -1;
	f->object = object_table_add(f->objects, &(struct object_identity){.path = "/opt/bin/prog", .mnt_ns = 5});
	options.objects = f->objects;
	*state = f;
	return debug_files_new(&options, &f->files);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	debug_files_free(f->files);
	object_table_free(f->objects);
	free(f);
	return 0;
}

static struct message_want_debug by_name(const struct fixture *f, uint32_t request, const char *name)
{
	return (struct message_want_debug){
		.request = request, .object = f->object, .kind = DEBUG_LINK, .name_len = (uint32_t)strlen(name)};
}

static void want(struct fixture *f, uint32_t request, const char *name)
{
	const struct message_want_debug wanted = by_name(f, request, name);

	debug_files_want(f->files, &wanted, name);
}

static void opened(struct fixture *f, int err)
{
	const struct message_debug_opened answer = {
		.request = f->open.request, .err = err, .place = 9, .origin = DEBUG_ORIGIN_HOST};

	debug_files_opened(f->files, &answer, err ? "" : "/where", err ? -1 : open("/dev/null", O_RDONLY | O_CLOEXEC));
}

static void a_file_is_asked_for_beside_its_program(void **state)
{
	struct fixture *f = *state;

	want(f, 3, "x.debug");
	assert_int_equal(f->opens, 1);
	assert_string_equal(f->path, "/opt/bin/x.debug");
	assert_int_equal(f->open.mnt_ns, 5);
	assert_int_equal(f->answers, 0);
	opened(f, 0);
	assert_int_equal(f->answers, 1);
	assert_int_equal(f->answer.request, 3);
	assert_int_equal(f->answer.err, 0);
	assert_int_equal(f->answer.place, 9);
	assert_int_equal(f->answer.origin, DEBUG_ORIGIN_HOST);
	assert_string_equal(f->answer_path, "/where");
	assert_true(f->answer_fd >= 0);
}

static void what_was_found_is_kept(void **state)
{
	struct fixture *f = *state;
	int fd;

	want(f, 3, "x.debug");
	opened(f, 0);
	fd = f->answer_fd;
	debug_files_forget_requests(f->files); /* another resolver */
	want(f, 1, "x.debug");
	assert_int_equal(f->opens, 1);
	assert_int_equal(f->answers, 2);
	assert_int_equal(f->answer.request, 1);
	assert_int_equal(f->answer_fd, fd);
	want(f, 2, "y.debug");
	assert_int_equal(f->opens, 2);
	opened(f, -ENOENT);
	want(f, 4, "y.debug"); /* and so is what was not */
	assert_int_equal(f->opens, 2);
	assert_int_equal(f->answer.err, -ENOENT);
}

static void an_answer_for_a_resolver_that_is_gone_goes_to_the_next(void **state)
{
	struct fixture *f = *state;

	want(f, 3, "x.debug");
	debug_files_forget_requests(f->files);
	want(f, 1, "x.debug");
	assert_int_equal(f->opens, 1);
	opened(f, 0);
	assert_int_equal(f->answers, 1);
	assert_int_equal(f->answer.request, 1);
	opened(f, 0); /* once more, which closes its descriptor */
	assert_int_equal(f->answers, 1);
}

static void a_full_channel_is_tried_again(void **state)
{
	struct fixture *f = *state;

	want(f, 3, "x.debug");
	f->send_err = -ENOBUFS;
	opened(f, 0);
	assert_int_equal(f->answers, 0);
	f->send_err = 0;
	debug_files_flush(f->files);
	debug_files_flush(f->files);
	assert_int_equal(f->answers, 1);
}

static void each_request_has_an_answer(void **state)
{
	struct fixture *f = *state;
	struct message_want_debug wanted = by_name(f, 8, "x");

	f->open_err = -ENOBUFS;
	want(f, 3, "x.debug");
	assert_int_equal(f->answer.err, -ENOBUFS);
	wanted.object = 99;
	debug_files_want(f->files, &wanted, "x");
	assert_int_equal(f->answer.request, 8);
	assert_int_equal(f->answer.err, -ENOENT);
}

static void temporary_files_are_each_their_own_and_few(void **state)
{
	const struct message_want_debug wanted = {.request = 5, .kind = DEBUG_TEMPORARY};
	struct fixture *f = *state;

	for (unsigned i = 0; i < DEBUG_FILES_TEMPORARY; i++) {
		debug_files_want(f->files, &wanted, "");
		assert_int_equal(f->opens, i + 1);
		opened(f, 0);
		assert_int_equal(f->answer.err, 0);
		/* Ours would keep what the resolver has written. */
		assert_true(fcntl(f->answer_fd, F_GETFD) < 0 && errno == EBADF);
	}
	debug_files_want(f->files, &wanted, "");
	assert_int_equal(f->opens, DEBUG_FILES_TEMPORARY);
	assert_int_equal(f->answer.err, -ENOSPC);
}

static struct message_want_debug remote(const struct fixture *f, uint32_t request, uint32_t place)
{
	return (struct message_want_debug){.request = request,
					   .object = f->object,
					   .kind = DEBUG_REMOTE,
					   .place = place,
					   .id_len = 4,
					   .id = {1, 2, 3, 4}};
}

static void fetched(struct fixture *f, int err)
{
	const struct message_debug_opened answer = {.request = f->fetch_number,
						    .err = err,
						    .place = DEBUG_SERVER_PLACE + f->fetch_server,
						    .origin = DEBUG_ORIGIN_SERVER};

	debug_files_opened(f->files, &answer, "", err ? -1 : open("/dev/null", O_RDONLY | O_CLOEXEC));
}

static void what_is_not_in_the_cache_is_fetched(void **state)
{
	struct fixture *f = *state;
	struct message_want_debug wanted = remote(f, 3, 0);
	uint32_t number;

	debug_files_want(f->files, &wanted, "");
	assert_int_equal(f->opens, 1);
	assert_int_equal(f->open.kind, DEBUG_REMOTE);
	assert_memory_equal(f->open.id, "\x01\x02\x03\x04", 4);
	opened(f, -ENOENT);
	assert_int_equal(f->fetches, 1);
	assert_int_equal(f->fetch_server, 0);
	assert_int_equal(f->answers, 0);
	assert_false(debug_files_find_answer(f->files, f->object, 3, &number));
	fetched(f, 0);
	assert_int_equal(f->answer.request, 3);
	assert_int_equal(f->answer.err, 0);
	assert_int_equal(f->answer.origin, DEBUG_ORIGIN_SERVER);
	assert_true(debug_files_find_answer(f->files, f->object, 3, &number));
	assert_int_equal(number, f->fetch_number);
	assert_false(debug_files_find_answer(f->files, f->object + 1, 3, &number));
	/* It was not the one: of the servers behind it. */
	wanted = remote(f, 4, f->answer.place + 1);
	debug_files_want(f->files, &wanted, "");
	assert_int_equal(f->opens, 1);
	assert_int_equal(f->fetches, 2);
	assert_int_equal(f->fetch_server, 1);
	fetched(f, -ENOENT);
	assert_int_equal(f->answer.request, 4);
	assert_int_equal(f->answer.err, -ENOENT);
	assert_int_equal(f->answer.origin, DEBUG_ORIGIN_SERVER);
}

static void what_is_in_the_cache_is_not_fetched(void **state)
{
	struct fixture *f = *state;
	const struct message_want_debug wanted = remote(f, 3, 0);

	debug_files_want(f->files, &wanted, "");
	opened(f, 0);
	assert_int_equal(f->fetches, 0);
	assert_int_equal(f->answer.err, 0);
}

static void what_cannot_be_fetched_is_answered(void **state)
{
	struct fixture *f = *state;
	struct message_want_debug wanted = remote(f, 3, 0);

	f->fetch_err = -ENOBUFS;
	debug_files_want(f->files, &wanted, "");
	opened(f, -ETIMEDOUT);
	assert_int_equal(f->answer.request, 3);
	assert_int_equal(f->answer.err, -ENOBUFS);
	wanted = remote(f, 4, DEBUG_SERVER_PLACE + 9);
	debug_files_want(f->files, &wanted, "");
	assert_int_equal(f->answer.request, 4);
	assert_int_equal(f->answer.err, -ENOBUFS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_file_is_asked_for_beside_its_program),
		TEST(what_was_found_is_kept),
		TEST(an_answer_for_a_resolver_that_is_gone_goes_to_the_next),
		TEST(a_full_channel_is_tried_again),
		TEST(each_request_has_an_answer),
		TEST(temporary_files_are_each_their_own_and_few),
		TEST(what_is_not_in_the_cache_is_fetched),
		TEST(what_is_in_the_cache_is_not_fetched),
		TEST(what_cannot_be_fetched_is_answered),
	};

	return cmocka_run_group_tests_name("debug_files", tests, NULL, NULL);
}
