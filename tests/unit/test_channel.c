/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/counters.h"
#include "ipc/channel.h"
#include "ipc/memfd.h"
#include "ipc/message.h"

#define QUEUE_BYTES (1u << 20)

/* Two channels over one pair, non-blocking. */
struct pair {
	struct channel *left, *right;
};

static int pair_set_up(void **state)
{
	struct pair *pair = calloc(1, sizeof(*pair));
	int left, right;

	if (channel_pair(&left, &right) || channel_new(left, false, QUEUE_BYTES, &pair->left) ||
	    channel_new(right, false, QUEUE_BYTES, &pair->right))
		return -1;
	*state = pair;
	return 0;
}

static int pair_tear_down(void **state)
{
	struct pair *pair = *state;

	channel_free(pair->left);
	channel_free(pair->right);
	free(pair);
	return 0;
}

static size_t open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void a_message_arrives_whole(void **state)
{
	struct pair *pair = *state;
	const struct message_scan scan = {.tgid = 4711};
	struct message message;

	assert_int_equal(channel_receive(pair->right, &message), 0);
	assert_int_equal(channel_send(pair->left, MESSAGE_SCAN, 42, &scan, sizeof(scan), -1), 0);
	assert_int_equal(channel_receive(pair->right, &message), 1);
	assert_int_equal(message.type, MESSAGE_SCAN);
	assert_int_equal(message.id, 42);
	assert_int_equal(message.len, sizeof(scan));
	assert_memory_equal(message.payload, &scan, sizeof(scan));
	assert_int_equal((uintptr_t)message.payload % 8, 0);
	assert_int_equal(message.fd, -1);
	message_release(&message);
	assert_int_equal(channel_receive(pair->right, &message), 0);
}

static void a_message_without_payload_arrives(void **state)
{
	struct pair *pair = *state;
	struct message message;

	assert_int_equal(channel_send(pair->left, MESSAGE_PING, 1, NULL, 0, -1), 0);
	assert_int_equal(channel_receive(pair->right, &message), 1);
	assert_int_equal(message.type, MESSAGE_PING);
	assert_int_equal(message.len, 0);
}

static void a_descriptor_travels_and_closes_on_exec(void **state)
{
	struct pair *pair = *state;
	const struct message_batch batch = {.batch = 3};
	struct memfd_map map;
	struct message message;
	int fd;
	size_t before = open_descriptors();

	assert_int_equal(memfd_from_bytes("test", "hello", 5, &fd), 0);
	assert_int_equal(channel_send(pair->left, MESSAGE_BATCH, 0, &batch, sizeof(batch), fd), 0);
	close(fd);
	assert_int_equal(channel_receive(pair->right, &message), 1);
	assert_true(message.fd >= 0);
	assert_true(fcntl(message.fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(memfd_map(message.fd, 5, &map), 0);
	assert_memory_equal(map.bytes, "hello", 5);
	memfd_unmap(&map);
	message_release(&message);
	assert_int_equal(message.fd, -1);
	assert_int_equal(open_descriptors(), before);
}

static void what_does_not_check_is_not_sent(void **state)
{
	struct pair *pair = *state;
	static uint8_t large[CHANNEL_MAX_MESSAGE];
	struct message message;

	assert_int_equal(channel_send(pair->left, MESSAGE_SCAN, 0, large, 3, -1), -EBADMSG);
	assert_int_equal(channel_send(pair->left, MESSAGE_TYPE_COUNT, 0, NULL, 0, -1), -EBADMSG);
	assert_int_equal(channel_send(pair->left, MESSAGE_MAPPINGS, 0, large, sizeof(large), -1), -EMSGSIZE);
	assert_int_equal(channel_receive(pair->right, &message), 0);
}

/* Sends raw bytes with n descriptors. */
static void send_raw(const struct channel *channel, const void *bytes, size_t len, int n_fds)
{
	char control[CMSG_SPACE(16 * sizeof(int))] = {0};
	struct iovec part = {.iov_base = (void *)bytes, .iov_len = len};
	struct msghdr packet = {.msg_iov = &part, .msg_iovlen = 1};
	int fds[16];

	for (int i = 0; i < n_fds; i++)
		fds[i] = STDERR_FILENO;
	if (n_fds) {
		struct cmsghdr *rights;

		packet.msg_control = control;
		packet.msg_controllen = CMSG_SPACE((size_t)n_fds * sizeof(int));
		rights = CMSG_FIRSTHDR(&packet);
		rights->cmsg_level = SOL_SOCKET;
		rights->cmsg_type = SCM_RIGHTS;
		rights->cmsg_len = CMSG_LEN((size_t)n_fds * sizeof(int));
		memcpy(CMSG_DATA(rights), fds, (size_t)n_fds * sizeof(int));
	}
	assert_int_equal(sendmsg(channel_fd(channel), &packet, MSG_NOSIGNAL), len);
}

static struct message_header header_of(uint16_t type, uint32_t length)
{
	return (struct message_header){
		.magic = CHANNEL_MAGIC, .version = CHANNEL_VERSION, .type = type, .length = length};
}

/* A MESSAGE_MAPPINGS that fills a message to the last byte. */
static size_t fill_with_mappings(uint8_t *to)
{
	const size_t room = CHANNEL_MAX_MESSAGE - sizeof(struct message_header);
	struct message_mapping mapping = {.start = 1, .limit = 2};
	struct message_mappings head = {.tgid = 1};

	head.n = (uint32_t)((room - sizeof(head)) / sizeof(mapping));
	memcpy(to, &head, sizeof(head));
	memset(to + sizeof(head), 'p', room - sizeof(head));
	for (uint32_t i = 0; i < head.n; i++) {
		mapping.path_len = i ? 0 : (uint32_t)(room - sizeof(head) - head.n * sizeof(mapping));
		memcpy(to + sizeof(head) + i * sizeof(mapping), &mapping, sizeof(mapping));
	}
	return room;
}

static void hostile_datagrams_are_dropped_and_counted(void **state)
{
	struct pair *pair = *state;
	static uint8_t large[CHANNEL_MAX_MESSAGE + 1];
	struct message_header header;
	struct message message;
	uint64_t before = counters[COUNTER_bad_messages];
	size_t descriptors = open_descriptors();
	unsigned int sent = 0;

	send_raw(pair->left, "x", 1, 0);
	sent++;
	header = header_of(MESSAGE_PING, sizeof(header));
	header.magic++;
	send_raw(pair->left, &header, sizeof(header), 0);
	sent++;
	header = header_of(MESSAGE_PING, sizeof(header));
	header.version++;
	send_raw(pair->left, &header, sizeof(header), 0);
	sent++;
	header = header_of(MESSAGE_PING, sizeof(header) + 1);
	send_raw(pair->left, &header, sizeof(header), 0);
	sent++;
	header = header_of(MESSAGE_SCAN, sizeof(header));
	send_raw(pair->left, &header, sizeof(header), 0);
	sent++;
	/* A descriptor where none belongs; more than one; more than there is room for. */
	header = header_of(MESSAGE_PING, sizeof(header));
	send_raw(pair->left, &header, sizeof(header), 1);
	sent++;
	send_raw(pair->left, &header, sizeof(header), 2);
	sent++;
	send_raw(pair->left, &header, sizeof(header), 16);
	sent++;
	/* Two where one belongs. */
	header = header_of(MESSAGE_SUMMARY, sizeof(header) + sizeof(struct message_summary));
	memcpy(large, &header, sizeof(header));
	send_raw(pair->left, large, header.length, 2);
	sent++;
	/* A byte over the maximum, behind a message that is right. */
	header = header_of(MESSAGE_MAPPINGS, CHANNEL_MAX_MESSAGE);
	memcpy(large, &header, sizeof(header));
	fill_with_mappings(large + sizeof(header));
	send_raw(pair->left, large, sizeof(large), 0);
	sent++;

	for (unsigned int i = 0; i < sent; i++)
		assert_int_equal(channel_receive(pair->right, &message), -EBADMSG);
	assert_int_equal(channel_receive(pair->right, &message), 0);
	assert_int_equal(counters[COUNTER_bad_messages] - before, sent);
	assert_int_equal(open_descriptors(), descriptors);

	/* And the next good one passes. */
	assert_int_equal(channel_send(pair->left, MESSAGE_PING, 9, NULL, 0, -1), 0);
	assert_int_equal(channel_receive(pair->right, &message), 1);
	assert_int_equal(message.id, 9);
}

static void a_slow_peer_fills_a_bounded_queue(void **state)
{
	struct pair *pair = *state;
	static uint8_t large[CHANNEL_MAX_MESSAGE];
	size_t len = fill_with_mappings(large);
	uint32_t sent = 0, received = 0;
	struct message message;
	int err, got;

	while (!(err = channel_send(pair->left, MESSAGE_MAPPINGS, sent, large, len, -1)))
		sent++;
	assert_int_equal(err, -ENOBUFS);
	assert_true(channel_wants_write(pair->left));
	/* At least what the queue holds, and what the socket holds at most beside it. */
	assert_in_range(sent, QUEUE_BYTES / CHANNEL_MAX_MESSAGE - 1, QUEUE_BYTES / CHANNEL_MAX_MESSAGE + 32);
	do {
		while ((got = channel_receive(pair->right, &message)) == 1) {
			assert_int_equal(message.id, received);
			assert_int_equal(message.len, len);
			received++;
		}
		assert_int_equal(got, 0);
		assert_int_equal(channel_flush(pair->left), 0);
	} while (received < sent);
	assert_false(channel_wants_write(pair->left));
	assert_int_equal(channel_receive(pair->right, &message), 0);
}

static void messages_keep_their_order_through_the_queue(void **state)
{
	struct pair *pair = *state;
	static uint8_t large[CHANNEL_MAX_MESSAGE];
	size_t len = fill_with_mappings(large);
	uint32_t sent = 0, received = 0;
	struct message message;

	while (!channel_wants_write(pair->left))
		assert_int_equal(channel_send(pair->left, MESSAGE_MAPPINGS, sent++, large, len, -1), 0);
	/* They wait behind it, whatever room the socket has meanwhile. */
	for (int i = 0; i < 8; i++)
		assert_int_equal(channel_send(pair->left, MESSAGE_PING, sent++, NULL, 0, -1), 0);
	while (received < sent) {
		while (channel_receive(pair->right, &message) == 1)
			assert_int_equal(message.id, received++);
		assert_int_equal(channel_flush(pair->left), 0);
	}
}

static void queued_descriptors_are_bounded_and_freed(void **state)
{
	struct pair *pair = *state;
	const struct message_batch batch = {.batch = 1};
	static uint8_t large[CHANNEL_MAX_MESSAGE];
	const rlim_t few = 64;
	size_t len = fill_with_mappings(large), before, sent = 0;
	auto_close int fd = -1;
	struct rlimit files;
	int err;

	assert_int_equal(memfd_from_bytes("test", "x", 1, &fd), 0);
	while (!channel_wants_write(pair->left))
		assert_int_equal(channel_send(pair->left, MESSAGE_MAPPINGS, 0, large, len, -1), 0);
	before = open_descriptors();
	/* A table of 64 descriptors is full long before the queue is. */
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &(struct rlimit){.rlim_cur = few, .rlim_max = files.rlim_max}), 0);
	while (!(err = channel_send(pair->left, MESSAGE_BATCH, 0, &batch, sizeof(batch), fd)))
		sent++;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
	assert_int_equal(err, -ENOBUFS);
	assert_in_range(sent, 1, few);
	while (!(err = channel_send(pair->left, MESSAGE_BATCH, 0, &batch, sizeof(batch), fd)))
		sent++;
	assert_int_equal(err, -ENOBUFS);
	assert_int_equal(open_descriptors(), before + sent);
	channel_free(pair->left);
	pair->left = NULL;
	assert_int_equal(open_descriptors(), before - 1);
}

static void a_gone_peer_is_epipe_after_its_last_words(void **state)
{
	struct pair *pair = *state;
	const struct message_scan scan = {.tgid = 1};
	struct message message;

	/* Unread input at the peer makes the kernel report a reset first; it must not cost what the peer said. */
	assert_int_equal(channel_send(pair->left, MESSAGE_PING, 0, NULL, 0, -1), 0);
	assert_int_equal(channel_send(pair->right, MESSAGE_SCAN, 5, &scan, sizeof(scan), -1), 0);
	channel_free(pair->right);
	pair->right = NULL;
	assert_int_equal(channel_receive(pair->left, &message), 1);
	assert_int_equal(message.id, 5);
	assert_int_equal(channel_receive(pair->left, &message), -EPIPE);
	assert_int_equal(channel_send(pair->left, MESSAGE_PING, 0, NULL, 0, -1), -EPIPE);
	assert_int_equal(channel_flush(pair->left), -EPIPE);
	assert_false(channel_wants_write(pair->left));
}

static void blocking_ends_wait_for_each_other(void **state)
{
	static uint8_t large[CHANNEL_MAX_MESSAGE];
	const uint32_t rounds = 64; /* more than the socket holds */
	size_t len = fill_with_mappings(large);
	int ours, theirs, status;
	struct channel *channel;
	struct message message;
	pid_t child;

	(void)state;
	assert_int_equal(channel_pair(&ours, &theirs), 0);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		int failed = 0;

		close(ours);
		failed |= channel_new(theirs, true, 0, &channel);
		for (uint32_t i = 0; !failed && i < rounds; i++)
			failed |= channel_send(channel, MESSAGE_MAPPINGS, i, large, len, -1);
		_exit(failed ? 1 : 0);
	}
	close(theirs);
	assert_int_equal(channel_new(ours, true, 0, &channel), 0);
	for (uint32_t i = 0; i < rounds; i++) {
		assert_int_equal(channel_receive(channel, &message), 1);
		assert_int_equal(message.id, i);
	}
	assert_int_equal(channel_receive(channel, &message), -EPIPE);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	channel_free(channel);
}

static void only_seqpacket_sockets_are_taken(void **state)
{
	struct channel *channel;
	int stream[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, stream), 0);
	assert_int_equal(channel_new(stream[0], true, 0, &channel), -EPROTOTYPE);
	assert_int_equal(channel_new(-1, true, 0, &channel), -EBADF);
	close(stream[0]);
	close(stream[1]);
	channel_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_message_arrives_whole, pair_set_up, pair_tear_down),
		cmocka_unit_test_setup_teardown(a_message_without_payload_arrives, pair_set_up, pair_tear_down),
		cmocka_unit_test_setup_teardown(a_descriptor_travels_and_closes_on_exec, pair_set_up, pair_tear_down),
		cmocka_unit_test_setup_teardown(what_does_not_check_is_not_sent, pair_set_up, pair_tear_down),
		cmocka_unit_test_setup_teardown(hostile_datagrams_are_dropped_and_counted, pair_set_up, pair_tear_down),
		cmocka_unit_test_setup_teardown(a_slow_peer_fills_a_bounded_queue, pair_set_up, pair_tear_down),
		cmocka_unit_test_setup_teardown(messages_keep_their_order_through_the_queue, pair_set_up,
						pair_tear_down),
		cmocka_unit_test_setup_teardown(queued_descriptors_are_bounded_and_freed, pair_set_up, pair_tear_down),
		cmocka_unit_test_setup_teardown(a_gone_peer_is_epipe_after_its_last_words, pair_set_up, pair_tear_down),
		cmocka_unit_test(blocking_ends_wait_for_each_other),
		cmocka_unit_test(only_seqpacket_sockets_are_taken),
	};

	return cmocka_run_group_tests_name("channel", tests, NULL, NULL);
}
