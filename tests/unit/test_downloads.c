/* SPDX-License-Identifier: Apache-2.0 */
/* Downloads through a sender that is this program in that role: it does what the first byte of an id tells it to. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/counters.h"
#include "collector/downloads.h"
#include "ipc/channel.h"
#include "ipc/child.h"
#include "ipc/memfd.h"

enum order { GIVE = 1, REFUSE, CRASH, HANG, CRASH_ONCE, LIE, GIVE_SECOND };

/* --- the sender --------------------------------------------------------------------------------------------------- */

static void obey(struct channel *channel, const struct message_fetch_debug *fetch, int fd)
{
	struct message_debug_fetched fetched = {.request = fetch->request, .server = fetch->server};
	struct message_fetch_progress progress = {.request = fetch->request, .bytes = 1500000, .total = 3000000};

	switch (fetch->id[0]) {
	case CRASH_ONCE: /* the file tells that it was tried before */
		if (lseek(fd, 0, SEEK_END) > 0)
			break;
		(void)!write(fd, "x", 1);
		abort();
	case CRASH:
		abort();
	case HANG:
		channel_send(channel, MESSAGE_FETCH_PROGRESS, 0, &progress, sizeof(progress), -1);
		return;
	case LIE: /* of another request, which is nobody's */
		fetched.request = 4711;
		break;
	case REFUSE:
		fetched.err = -ENOENT;
		break;
	case GIVE_SECOND:
		fetched.server = 1;
		break;
	}
	if (!fetched.err) {
		fetched.bytes = 5;
		if (pwrite(fd, "bytes", 5, 0) != 5)
			fetched.err = -EIO;
	}
	channel_send(channel, MESSAGE_DEBUG_FETCHED, 0, &fetched, sizeof(fetched), -1);
}

static int serve_as_sender(void)
{
	struct channel *channel;
	struct message message;
	unsigned int servers = 0;

	child_set_up(ROLE_SENDER);
	if (channel_new(CHILD_CHANNEL_FD, true, 0, &channel))
		return 1;
	while (channel_receive(channel, &message) == 1) {
		servers += message.type == MESSAGE_DEBUG_SERVER;
		if (message.type == MESSAGE_FETCH_DEBUG && servers == 2)
			obey(channel, message.payload, message.fd);
		message_release(&message);
	}
	return 0;
}

/* --- who wants ---------------------------------------------------------------------------------------------------- */

#define MAX_SETTLED 256

struct fixture {
	struct downloads *downloads;
	struct downloads_settings settings;
	int epoll_fd;
	uint64_t shift_ns; /* of the clock */
	uint32_t wanted[MAX_SETTLED];
	size_t n_wanted;
	int want_err;
	struct {
		bool is_settled;
		int err;
		uint32_t server;
		char where[64];
		char byte;
	} settled[MAX_SETTLED];
	unsigned int n_settled, kept;
	struct message_keep_debug keep;
};

static int want_file(void *ctx, uint32_t download)
{
	struct fixture *f = ctx;

	if (f->want_err)
		return f->want_err;
	assert_true(f->n_wanted < MAX_SETTLED);
	f->wanted[f->n_wanted++] = download;
	return 0;
}

static void on_settled(void *ctx, uint32_t number, int err, uint32_t server, const char *where, int fd)
{
	struct fixture *f = ctx;

	assert_true(number < MAX_SETTLED && !f->settled[number].is_settled);
	f->settled[number].is_settled = true;
	f->settled[number].err = err;
	f->settled[number].server = server;
	snprintf(f->settled[number].where, 64, "%s", where);
	assert_int_equal(fd >= 0, !err);
	if (!err)
		assert_int_equal(pread(fd, &f->settled[number].byte, 1, 0), 1);
	f->n_settled++;
}

static void on_keep(void *ctx, const struct message_keep_debug *keep, int fd)
{
	struct fixture *f = ctx;

	assert_true(fd >= 0);
	f->keep = *keep;
	f->kept++;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct downloads_options options = {.settings = &f->settings,
					    .sender = {.role = ROLE_SENDER, .memory_bytes = 1},
					    .want_file = want_file,
					    .settled = on_settled,
					    .keep = on_keep,
					    .ctx = f};

	f->settings = (struct downloads_settings){
		.servers = {"http://first", "http://second"}, .n_servers = 2, .cache = "/cache", .max_bytes = 1000};
	f->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	options.sender.epoll_fd = f->epoll_fd;
	*state = f;
	memset(counters, 0, sizeof(counters));
	return downloads_new(&options, &f->downloads);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	downloads_free(f->downloads);
	close(f->epoll_fd);
	free(f);
	return 0;
}

static int want(struct fixture *f, uint32_t number, enum order order, uint8_t which, uint32_t server)
{
	const uint8_t id[] = {(uint8_t)order, which, 3, 4};

	return downloads_want(f->downloads, number, id, sizeof(id), server, "libfoo.so");
}

static void give_files(struct fixture *f)
{
	while (f->n_wanted) {
		int fd;

		assert_int_equal(memfd_new("test", &fd), 0);
		downloads_file(f->downloads, f->wanted[--f->n_wanted], 0, fd);
	}
}

static uint64_t now(const struct fixture *f)
{
	return clock_mono_ns(&clock_system) + f->shift_ns;
}

/* Until so many are settled. Seconds pass for them while nothing happens, so that pauses and deadlines end. */
static void run(struct fixture *f, unsigned int settled)
{
	for (int i = 0; f->n_settled < settled && i < 200; i++) {
		struct epoll_event event;
		int n;

		give_files(f);
		downloads_tick(f->downloads, now(f));
		n = epoll_wait(f->epoll_fd, &event, 1, downloads_worker(f->downloads)->pid > 0 ? 300 : 0);
		if (n == 1)
			downloads_serve(f->downloads, now(f), event.events & EPOLLOUT);
		else
			f->shift_ns += 3 * NSEC_PER_SEC;
	}
	assert_int_equal(f->n_settled, settled);
}

static void a_file_is_downloaded_once_for_all_who_want_it(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(want(f, 1, GIVE, 0, 0), 0);
	assert_int_equal(want(f, 2, GIVE, 0, 0), 0);
	assert_int_equal(f->n_wanted, 1);
	assert_int_equal(downloads_outstanding(f->downloads), 1);
	assert_int_equal(downloads_worker(f->downloads)->pid, -1); /* not before there is something to do */
	run(f, 2);
	for (int i = 1; i <= 2; i++) {
		assert_int_equal(f->settled[i].err, 0);
		assert_int_equal(f->settled[i].byte, 'b');
		assert_string_equal(f->settled[i].where, "http://first");
	}
	assert_int_equal(downloads_outstanding(f->downloads), 0);
	assert_int_equal(want(f, 3, GIVE, 0, 0), 0); /* later: at once */
	assert_int_equal(f->n_settled, 3);
	assert_int_equal(counters[COUNTER_debuginfod_files], 1);
}

static void that_there_is_none_is_remembered(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(want(f, 1, REFUSE, 0, 0), 0);
	run(f, 1);
	assert_int_equal(f->settled[1].err, -ENOENT);
	assert_int_equal(want(f, 2, REFUSE, 0, 0), 0);
	assert_int_equal(f->settled[2].err, -ENOENT);
	assert_int_equal(f->n_wanted, 0);
	assert_int_equal(counters[COUNTER_debuginfod_not_found], 1);
}

static void which_server_had_it_is_told(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(want(f, 1, GIVE_SECOND, 0, 0), 0);
	assert_int_equal(want(f, 2, GIVE, 0, 1), 0);
	assert_int_equal(want(f, 3, GIVE, 0, 2), -ENOENT); /* behind the last */
	run(f, 2);
	assert_int_equal(f->settled[1].server, 1);
	assert_string_equal(f->settled[1].where, "http://second");
	assert_int_equal(f->settled[2].server, 1);
}

static void what_was_accepted_is_kept_once(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(want(f, 1, GIVE, 9, 0), 0);
	assert_int_equal(want(f, 2, GIVE, 9, 0), 0);
	run(f, 2);
	assert_int_equal(f->kept, 0);
	downloads_accepted(f->downloads, 2);
	downloads_accepted(f->downloads, 1);
	downloads_accepted(f->downloads, 7); /* nobody's */
	assert_int_equal(f->kept, 1);
	assert_int_equal(f->keep.id_len, 4);
	assert_memory_equal(f->keep.id, "\x01\x09\x03\x04", 4);
}

static void a_sender_that_crashes_costs_that_file_alone(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(want(f, 1, CRASH, 0, 0), 0);
	for (uint32_t i = 2; i < 20; i++)
		assert_int_equal(want(f, i, GIVE, (uint8_t)i, 0), 0);
	run(f, 19);
	assert_int_equal(f->settled[1].err, -EPIPE);
	/* A few may have been with it twice. */
	for (uint32_t i = 6; i < 20; i++)
		assert_int_equal(f->settled[i].err, 0);
	assert_true(counters[COUNTER_child_restarts] >= 2);
}

static void what_crashed_it_once_is_tried_again(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(want(f, 1, CRASH_ONCE, 0, 0), 0);
	run(f, 1);
	assert_int_equal(f->settled[1].err, 0);
	assert_int_equal(f->settled[1].byte, 'b');
}

static void a_sender_that_hangs_is_replaced(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(want(f, 1, HANG, 0, 0), 0);
	assert_int_equal(want(f, 2, GIVE, 0, 0), 0);
	run(f, 2);
	assert_int_equal(f->settled[1].err, -ETIMEDOUT);
	assert_int_equal(f->settled[2].err, 0);
}

static void a_sender_is_not_started_for_ever(void **state)
{
	struct fixture *f = *state;

	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(want(f, i, CRASH, (uint8_t)i, 0), 0);
	run(f, 100);
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(f->settled[i].err, -EPIPE);
	assert_true(counters[COUNTER_child_restarts] <= 8);
	assert_int_equal(want(f, 100, GIVE, 0, 0), 0);
	run(f, 101);
	assert_int_equal(f->settled[100].err, -EPIPE);
}

static void an_answer_that_was_not_asked_for_is_nobody_s(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(want(f, 1, LIE, 0, 0), 0);
	assert_int_equal(want(f, 2, GIVE, 0, 0), 0);
	run(f, 2);
	assert_int_equal(f->settled[1].err, -ETIMEDOUT);
	assert_int_equal(f->settled[2].err, 0);
}

static void what_takes_too_long_is_given_up(void **state)
{
	struct fixture *f = *state;
	char text[128];

	assert_false(downloads_describe(f->downloads, text, sizeof(text)));
	assert_int_equal(want(f, 1, HANG, 0, 0), 0);
	assert_int_equal(want(f, 2, HANG, 1, 0), 0);
	assert_true(downloads_describe(f->downloads, text, sizeof(text)));
	assert_string_equal(text, "libfoo.so 0.0 MB, and 1 more");
	give_files(f);
	for (int i = 0; i < 100 && !strstr(text, "1.5 of 3.0 MB"); i++) {
		struct epoll_event event;

		downloads_tick(f->downloads, now(f));
		if (epoll_wait(f->epoll_fd, &event, 1, 1000) == 1)
			downloads_serve(f->downloads, now(f), event.events & EPOLLOUT);
		downloads_describe(f->downloads, text, sizeof(text));
	}
	assert_string_equal(text, "libfoo.so 1.5 of 3.0 MB, and 1 more");
	downloads_give_up(f->downloads);
	assert_int_equal(f->n_settled, 2);
	assert_int_equal(f->settled[1].err, -ETIMEDOUT);
	assert_int_equal(counters[COUNTER_debuginfod_late], 2);
	assert_int_equal(downloads_worker(f->downloads)->pid, -1);
	assert_int_equal(want(f, 3, GIVE, 0, 0), 0); /* nor is anything begun */
	assert_int_equal(f->settled[3].err, -ETIMEDOUT);
}

static void without_a_file_to_write_to_it_fails(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(want(f, 1, GIVE, 0, 0), 0);
	downloads_file(f->downloads, f->wanted[0], -ENOSPC, -1);
	assert_int_equal(f->settled[1].err, -ENOSPC);
	downloads_file(f->downloads, f->wanted[0], 0, open("/dev/null", O_RDONLY | O_CLOEXEC)); /* nobody's */
	downloads_file(f->downloads, 4711, 0, -1);
	f->want_err = -EPIPE;
	assert_int_equal(want(f, 2, GIVE, 1, 0), 0);
	assert_int_equal(f->settled[2].err, -EPIPE);
}

#define WITH_SENDER(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		WITH_SENDER(a_file_is_downloaded_once_for_all_who_want_it),
		WITH_SENDER(that_there_is_none_is_remembered),
		WITH_SENDER(which_server_had_it_is_told),
		WITH_SENDER(what_was_accepted_is_kept_once),
		WITH_SENDER(a_sender_that_crashes_costs_that_file_alone),
		WITH_SENDER(what_crashed_it_once_is_tried_again),
		WITH_SENDER(a_sender_that_hangs_is_replaced),
		WITH_SENDER(a_sender_is_not_started_for_ever),
		WITH_SENDER(an_answer_that_was_not_asked_for_is_nobody_s),
		WITH_SENDER(what_takes_too_long_is_given_up),
		WITH_SENDER(without_a_file_to_write_to_it_fails),
	};

	signal(SIGPIPE, SIG_IGN);
	if (role_from_argv(argc, argv) == ROLE_SENDER)
		return serve_as_sender();
	return cmocka_run_group_tests_name("downloads", tests, NULL, NULL);
}
