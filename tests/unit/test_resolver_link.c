/* SPDX-License-Identifier: Apache-2.0 */
/* The test program executes itself as the resolver, which spends its life with the file called "slow". */
#include "test.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/counters.h"
#include "collector/resolver_link.h"
#include "ipc/channel.h"
#include "ipc/child.h"

#define FILE_CPU_NS (50 * NSEC_PER_MSEC)
#define WAIT_NS (20 * NSEC_PER_SEC)

/* --- in the child --- */

static void say(struct channel *channel, uint16_t type, const void *payload, size_t len)
{
	channel_send(channel, type, 0, payload, len, -1);
}

static void read_object(struct channel *channel, const struct message_object *object)
{
	const struct message_parsing parsing = {.object = object->object, .is_debug = !(object->flags & OBJECT_LONE)};
	const struct message_parsed parsed = {.object = object->object};
	bool is_slow = object->path_len == 5 && !memcmp(object + 1, "/slow", 5);

	if (object->flags & OBJECT_QUARANTINED)
		return;
	say(channel, MESSAGE_PARSING, &parsing, sizeof(parsing));
	while (is_slow)
		;
	say(channel, MESSAGE_PARSED, &parsed, sizeof(parsed));
}

static int serve_child(enum role role)
{
	const struct message_ready ready = {.capabilities = "none"};
	struct channel *channel;
	struct message message;

	child_set_up(role);
	if (channel_new(CHILD_CHANNEL_FD, true, 0, &channel))
		return 99;
	while (channel_receive(channel, &message) == 1) {
		if (message.type == MESSAGE_START)
			say(channel, MESSAGE_READY, &ready, sizeof(ready));
		else if (message.type == MESSAGE_OBJECT)
			read_object(channel, message.payload);
		message_release(&message);
	}
	channel_free(channel);
	return 0;
}

/* --- in the test --- */

static int started_anew;

static void on_started_anew(void *ctx)
{
	(void)ctx;
	started_anew++;
}

static void on_nothing(void *ctx)
{
	(void)ctx;
}

static struct object *add(struct object_table *objects, const char *path, uint64_t ino)
{
	struct object *object = object_table_get(
		objects, object_table_add(objects, &(struct object_identity){.path = path, .ino = ino}));

	assert_non_null(object);
	object->state = OBJECT_OPEN;
	object->fd = dup(STDIN_FILENO);
	return object;
}

/* The debug file is done without first, then the file; what is read well is not blamed, however often. */
static void file_that_takes_too_long_is_read_no_more(void **state)
{
	const struct resolver_events events = {.started_anew = on_started_anew, .table_lost = on_nothing};
	struct worker_options worker = {.role = ROLE_RESOLVER, .epoll_fd = epoll_create1(EPOLL_CLOEXEC)};
	uint64_t until_ns = clock_mono_ns(&clock_system) + WAIT_NS, now_ns = 0;
	struct object *quick, *slow;
	struct resolver_link *link;
	struct object_table *objects;
	struct epoll_event event;

	(void)state;
	assert_int_equal(object_table_new(10, &objects), 0);
	quick = add(objects, "/quick", 1);
	slow = add(objects, "/slow", 2);
	assert_int_equal(resolver_link_new(&worker, &events, objects, clock_mono_ns(&clock_system), &link), 0);
	resolver_link_set_file_cpu(link, FILE_CPU_NS);
	resolver_link_object(link, quick);
	resolver_link_object(link, slow);
	while (!(slow->flags & OBJECT_QUARANTINED) && now_ns < until_ns) {
		assert_false(slow->flags & OBJECT_LONE && started_anew < 1);
		epoll_wait(worker.epoll_fd, &event, 1, 5);
		now_ns = clock_mono_ns(&clock_system);
		resolver_link_serve(link, now_ns, false);
		resolver_link_tick(link, now_ns);
	}
	assert_int_equal(slow->flags & (OBJECT_LONE | OBJECT_QUARANTINED), OBJECT_LONE | OBJECT_QUARANTINED);
	assert_int_equal(slow->err, -ETIME);
	assert_int_equal(counters[COUNTER_objects_too_slow], 1);
	assert_int_equal(counters[COUNTER_objects_quarantined], 0);
	assert_int_equal(started_anew, 2);
	assert_int_equal(quick->flags, 0);
	assert_int_equal(quick->err, 0);
	resolver_link_free(link);
	object_table_free(objects);
	close(worker.epoll_fd);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(file_that_takes_too_long_is_read_no_more),
	};
	enum role role = role_from_argv(argc, argv);

	if (role != ROLE_COLLECTOR)
		return serve_child(role);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
