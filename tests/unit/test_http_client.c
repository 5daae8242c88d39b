/* SPDX-License-Identifier: Apache-2.0 */
/* A client before a server of the test's own on the loopback interface, which says what a path asks it to. */
#include "test.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/http_client.h"
#include "net/name_service.h"

struct fixture {
	struct name_service *names;
	struct http_client *client;
	pid_t server;
	int port;
	/* What came. */
	struct http_reply reply;
	size_t taken;
	int done, body_err;
	char body[256];
};

/* --- the server: one connection after the other ------------------------------------------------------------------- */

static void say(int fd, const char *text)
{
	if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
		_exit(0);
}

static void say_for_ever(int fd)
{
	char block[4096];

	memset(block, 'x', sizeof(block));
	while (send(fd, block, sizeof(block), MSG_NOSIGNAL) > 0)
		;
}

static void redirect_to(int fd, const char *to)
{
	char text[256];

	snprintf(text, sizeof(text), "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n", to);
	say(fd, text);
}

static bool asks_for(const char *request, const char *path)
{
	size_t len = strlen(path);

	return (!strncmp(request, "GET ", 4) && !strncmp(request + 4, path, len) && request[4 + len] == ' ') ||
	       (!strncmp(request, "POST ", 5) && !strncmp(request + 5, path, len) && request[5 + len] == ' ');
}

static void answer(int fd, const char *request, int port)
{
	char text[256];

	if (asks_for(request, "/ok")) {
		say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
	} else if (asks_for(request, "/echo")) { /* what the last header was, and the body */
		const char *header = strstr(request, "X-Test:"), *body = strstr(request, "\r\n\r\n");

		snprintf(text, sizeof(text), "HTTP/1.0 200 OK\r\n\r\n%.13s|%s", header ? header : "",
			 body ? body + 4 : "");
		say(fd, text);
	} else if (asks_for(request, "/zipped")) {
		say(fd, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nbytes");
	} else if (asks_for(request, "/gone")) {
		say(fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 8\r\n\r\nnot here");
	} else if (asks_for(request, "/forbidden")) {
		say(fd, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
	} else if (asks_for(request, "/broken")) {
		say(fd, "HTTP/1.1 500 Oh\r\n\r\n");
		say_for_ever(fd);
	} else if (asks_for(request, "/endless")) {
		say(fd, "HTTP/1.1 200 OK\r\n\r\n");
		say_for_ever(fd);
	} else if (asks_for(request, "/announced")) {
		say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\nx");
	} else if (asks_for(request, "/short")) {
		say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhello");
	} else if (asks_for(request, "/silent")) {
		say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhello");
		poll(NULL, 0, 20000);
	} else if (asks_for(request, "/once")) {
		redirect_to(fd, "/ok");
	} else if (asks_for(request, "/named")) {
		snprintf(text, sizeof(text), "http://localhost:%d/ok", port);
		redirect_to(fd, text);
	} else if (asks_for(request, "/loop")) {
		redirect_to(fd, "/loop");
	} else if (asks_for(request, "/file")) {
		redirect_to(fd, "file:///etc/passwd");
	} else if (asks_for(request, "/ftp")) {
		redirect_to(fd, "ftp://127.0.0.1/x");
	} else {
		say(fd, "no HTTP at all\r\n\r\n");
	}
}

static void serve(int listener, int port)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		char request[4096];
		ssize_t n = recv(fd, request, sizeof(request) - 1, 0);

		if (n > 0) {
			request[n] = '\0';
			answer(fd, request, port);
		}
		close(fd);
	}
}

/* --- the client --------------------------------------------------------------------------------------------------- */

static int set_up(void **state)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct fixture *f = calloc(1, sizeof(*f));
	struct http_client_options options = {.user_agent = "test"};
	socklen_t len = sizeof(address);

	*state = f;
	if (bind(listener, (struct sockaddr *)&address, len) || listen(listener, 8) ||
	    getsockname(listener, (struct sockaddr *)&address, &len))
		return -1;
	f->port = ntohs(address.sin_port);
	f->server = fork();
	if (!f->server) {
		serve(listener, f->port);
		_exit(0);
	}
	close(listener);
	if (name_service_start(&f->names))
		return -1;
	options.names = f->names;
	return http_client_new(&options, &f->client);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	http_client_free(f->client);
	name_service_free(f->names);
	kill(f->server, SIGKILL);
	waitpid(f->server, NULL, 0);
	free(f);
	return 0;
}

static int on_body(void *ctx, const void *bytes, size_t n)
{
	struct fixture *f = ctx;
	size_t room = sizeof(f->body) - 1 - f->taken % sizeof(f->body);

	if (f->taken + n < sizeof(f->body) && n <= room)
		memcpy(f->body + f->taken, bytes, n);
	f->taken += n;
	return f->body_err;
}

static void on_done(void *ctx, const struct http_reply *reply)
{
	struct fixture *f = ctx;

	f->reply = *reply;
	f->done++;
}

static void wait_for(struct fixture *f, int done)
{
	for (int i = 0; f->done < done && i < 1000; i++)
		assert_int_equal(http_client_wait(f->client, NULL, 0, 100), 0);
	assert_int_equal(f->done, done);
}

static struct http_request request_of(struct fixture *f)
{
	return (struct http_request){.max_bytes = 100000,
				     .connect_ms = 5000,
				     .stall_seconds = 10,
				     .stall_bytes = 1000,
				     .total_seconds = 20,
				     .max_redirects = 3,
				     .on_body = on_body,
				     .on_done = on_done,
				     .ctx = f};
}

static int start(struct fixture *f, struct http_request *request, const char *host, const char *path)
{
	static char url[128];
	struct http_transfer *transfer;

	snprintf(url, sizeof(url), "http://%s:%d%s", host, f->port, path);
	request->url = url;
	f->taken = 0;
	f->done = 0;
	memset(f->body, 0, sizeof(f->body));
	return http_client_start(f->client, request, &transfer);
}

static int get(struct fixture *f, const char *path)
{
	struct http_request request = request_of(f);

	assert_int_equal(start(f, &request, "127.0.0.1", path), 0);
	wait_for(f, 1);
	return f->reply.err;
}

static void a_body_is_received(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 3; i++) {
		assert_int_equal(get(f, "/ok"), 0);
		assert_int_equal(f->reply.status, 200);
		assert_int_equal(f->reply.body_bytes, 5);
		assert_string_equal(f->body, "hello");
	}
}

static void a_name_is_resolved_by_the_service(void **state)
{
	struct fixture *f = *state;
	struct http_request request = request_of(f);

	assert_int_equal(start(f, &request, "localhost", "/ok"), 0);
	wait_for(f, 1);
	assert_int_equal(f->reply.err, 0);
	assert_string_equal(f->body, "hello");
	assert_int_equal(start(f, &request, "no-such-host.invalid", "/ok"), 0);
	wait_for(f, 1);
	assert_int_equal(f->reply.err, -EHOSTUNREACH);
}

static void headers_and_a_body_are_sent(void **state)
{
	static const char *const headers[] = {"X-Test: yes"};
	struct fixture *f = *state;
	struct http_request request = request_of(f);

	request.headers = headers;
	request.n_headers = 1;
	request.body = "posted";
	request.body_bytes = 6;
	assert_int_equal(start(f, &request, "127.0.0.1", "/echo"), 0);
	wait_for(f, 1);
	assert_int_equal(f->reply.err, 0);
	assert_string_equal(f->body, "X-Test: yes\r\n|posted");
}

static void a_status_is_an_error(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(get(f, "/gone"), -ENOENT);
	assert_int_equal(f->reply.status, 404);
	assert_int_equal(f->reply.body_bytes, 0);
	assert_string_equal(f->reply.text, "not here");
	assert_int_equal(f->taken, 0);
	assert_int_equal(get(f, "/forbidden"), -EACCES);
	assert_int_equal(get(f, "/broken"), -EREMOTEIO); /* its body does not end */
	assert_int_equal(f->reply.status, 500);
	assert_int_equal(strlen(f->reply.text), HTTP_TEXT_BYTES - 1);
}

static void more_than_was_asked_for_is_not_taken(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(get(f, "/endless"), -EFBIG);
	assert_true(f->taken <= 100000);
	assert_int_equal(get(f, "/announced"), -EFBIG);
	assert_true(f->taken <= 1);
}

static void bytes_are_taken_as_they_come(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(get(f, "/zipped"), 0);
	assert_string_equal(f->body, "bytes");
}

static void what_ends_early_is_no_success(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(get(f, "/short"), -ECONNRESET);
	assert_int_equal(get(f, "/nonsense"), -EPROTO);
}

static void silence_ends_it(void **state)
{
	struct fixture *f = *state;
	struct http_request request = request_of(f);

	request.stall_seconds = 1;
	assert_int_equal(start(f, &request, "127.0.0.1", "/silent"), 0);
	wait_for(f, 1);
	assert_int_equal(f->reply.err, -ETIMEDOUT);
}

static void it_does_not_take_for_ever(void **state)
{
	struct fixture *f = *state;
	struct http_request request = request_of(f);

	request.total_seconds = 1;
	assert_int_equal(start(f, &request, "127.0.0.1", "/silent"), 0);
	wait_for(f, 1);
	assert_int_equal(f->reply.err, -ETIMEDOUT);
}

static void redirects_are_followed_and_checked(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(get(f, "/once"), 0);
	assert_string_equal(f->body, "hello");
	assert_int_equal(get(f, "/named"), 0);
	assert_string_equal(f->body, "hello");
	assert_int_equal(get(f, "/loop"), -ELOOP);
	assert_int_equal(get(f, "/file"), -EPROTO);
	assert_int_equal(get(f, "/ftp"), -EPROTO);
	assert_int_equal(f->taken, 0);
}

static void a_taker_may_refuse(void **state)
{
	struct fixture *f = *state;

	f->body_err = -ENOSPC;
	assert_int_equal(get(f, "/ok"), -ENOSPC);
}

static void nobody_there_is_told(void **state)
{
	struct fixture *f = *state;

	kill(f->server, SIGKILL);
	waitpid(f->server, NULL, 0);
	assert_int_equal(get(f, "/ok"), -ECONNREFUSED);
	assert_int_equal(f->reply.status, 0);
	assert_true(f->reply.text[0] != '\0');
}

static void what_is_no_url_does_not_start(void **state)
{
	static const char *const urls[] = {"",	     "http://",	   "file:///etc/passwd", "ftp://127.0.0.1/",
					   "no url", "http://a b/"};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		struct http_request request = request_of(f);
		struct http_transfer *transfer;
		int err;

		request.url = urls[i];
		err = http_client_start(f->client, &request, &transfer);
		if (err != -EINVAL && err != -EPROTO)
			fail_msg("'%s': %d", urls[i], err);
	}
}

static void many_go_on_at_a_time_and_may_be_cancelled(void **state)
{
	struct fixture *f = *state;
	struct http_request request = request_of(f);
	struct http_transfer *transfer;
	uint64_t bytes, total;
	char url[128];

	snprintf(url, sizeof(url), "http://127.0.0.1:%d/ok", f->port);
	request.url = url;
	f->done = 0;
	for (int i = 0; i < 8; i++)
		assert_int_equal(http_client_start(f->client, &request, &transfer), 0);
	http_client_progress(f->client, transfer, &bytes, &total);
	assert_int_equal(bytes, 0);
	http_client_cancel(f->client, transfer);
	wait_for(f, 7);
	assert_int_equal(f->taken, 35);
	/* Under way when the client goes. */
	assert_int_equal(http_client_start(f->client, &request, &transfer), 0);
}

static void others_are_waited_for_too(void **state)
{
	struct fixture *f = *state;
	struct pollfd other = {.events = POLLIN};
	int pipes[2];

	assert_int_equal(pipe(pipes), 0);
	other.fd = pipes[0];
	assert_int_equal(http_client_wait(f->client, &other, 1, 0), 0);
	assert_int_equal(other.revents, 0);
	assert_int_equal(write(pipes[1], "x", 1), 1);
	assert_int_equal(http_client_wait(f->client, &other, 1, 60000), 0);
	assert_int_equal(other.revents, POLLIN);
	close(pipes[0]);
	close(pipes[1]);
}

#define WITH_SERVER(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SERVER(a_body_is_received),
		WITH_SERVER(a_name_is_resolved_by_the_service),
		WITH_SERVER(headers_and_a_body_are_sent),
		WITH_SERVER(a_status_is_an_error),
		WITH_SERVER(more_than_was_asked_for_is_not_taken),
		WITH_SERVER(bytes_are_taken_as_they_come),
		WITH_SERVER(what_ends_early_is_no_success),
		WITH_SERVER(silence_ends_it),
		WITH_SERVER(it_does_not_take_for_ever),
		WITH_SERVER(redirects_are_followed_and_checked),
		WITH_SERVER(a_taker_may_refuse),
		WITH_SERVER(nobody_there_is_told),
		WITH_SERVER(what_is_no_url_does_not_start),
		WITH_SERVER(many_go_on_at_a_time_and_may_be_cancelled),
		WITH_SERVER(others_are_waited_for_too),
	};

	/* The machine's own way to the network has no part in this. */
	unsetenv("http_proxy");
	unsetenv("all_proxy");
	unsetenv("ALL_PROXY");
	return cmocka_run_group_tests_name("http_client", tests, NULL, NULL);
}
