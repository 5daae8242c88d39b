/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

/* stderr is a packet pipe while a test speaks: each write(2) is one packet, so reads show how many there were. */
static int pipe_fds[2], saved_stderr;

static int capture_begin(void **state)
{
	(void)state;
	if (pipe2(pipe_fds, O_CLOEXEC | O_DIRECT | O_NONBLOCK))
		return -1;
	saved_stderr = dup(STDERR_FILENO);
	return 0;
}

static int capture_end(void **state)
{
	(void)state;
	log_set_level(LOG_WARN);
	log_set_role(NULL);
	log_set_before_line(NULL);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	close(saved_stderr);
	return 0;
}

/* What the expression wrote, one line; "" when nothing. */
#define SAID(expression)                                                                                               \
	(dup2(pipe_fds[1], STDERR_FILENO), (void)(expression), dup2(saved_stderr, STDERR_FILENO), next_line())

static const char *next_line(void)
{
	static char line[PIPE_BUF + 1];
	ssize_t n = read(pipe_fds[0], line, PIPE_BUF);

	line[n > 0 ? n : 0] = 0;
	return line;
}

static void line_names_level_and_module(void **state)
{
	(void)state;
	assert_string_equal(SAID(log_write(LOG_WARN, "registry", "maps of %d", 4711)), "warn registry: maps of 4711\n");
	assert_string_equal(SAID(log_write(LOG_ERROR, "sampler", "no")), "error sampler: no\n");
	assert_string_equal(next_line(), "");
}

static void levels_above_the_chosen_one_are_dropped(void **state)
{
	(void)state;
	assert_int_equal(log_level(), LOG_WARN);
	assert_string_equal(SAID(log_write(LOG_INFO, "m", "x")), "");
	log_set_level(LOG_INFO);
	assert_string_equal(SAID(log_write(LOG_INFO, "m", "x")), "info m: x\n");
	assert_string_equal(SAID(log_write(LOG_DEBUG, "m", "x")), "");
	log_set_level(LOG_ERROR);
	assert_string_equal(SAID(log_write(LOG_WARN, "m", "x")), "");
}

static void errno_is_named_and_returned(void **state)
{
	int err = 0;

	(void)state;
	assert_string_equal(SAID(err = log_errno(-EPERM, "sampler", "cannot open %s", "x")),
			    "error sampler: cannot open x: -EPERM\n");
	assert_int_equal(err, -EPERM);
}

static void errno_of_the_caller_is_kept(void **state)
{
	int err;

	(void)state;
	dup2(pipe_fds[0], STDERR_FILENO); /* refuses writes: -EBADF */
	errno = ENOTTY;
	log_write(LOG_WARN, "m", "lost");
	err = errno;
	dup2(saved_stderr, STDERR_FILENO);
	assert_int_equal(err, ENOTTY);
}

static void control_bytes_are_escaped(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{"a\nb", "a\\x0ab"},
		{"\x1b[2J", "\\x1b[2J"},
		{"\x7f\t", "\\x7f\\x09"},
		{"\xc3\xbc", "\xc3\xbc"},
		{"\xc2\x9b"
		 "2J",
		 "\\xc2\\x9b"
		 "2J"},
		{"\x9b"
		 "2J",
		 "\\x9b"
		 "2J"},
		{"\xff\xc3", "\\xff\\xc3"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char want[64];

		snprintf(want, sizeof(want), "warn m: %s\n", cases[i].want);
		assert_string_equal(SAID(log_write(LOG_WARN, "m", "%s", cases[i].text)), want);
	}
}

static void endless_message_is_cut_and_keeps_its_errno(void **state)
{
	static char text[100000];
	const char *line;

	(void)state;
	memset(text, 1, sizeof(text) - 1); /* four bytes each when escaped */
	line = SAID(log_errno(-EIO, "m", "%s", text));
	assert_in_range(strlen(line), 2000, PIPE_BUF);
	assert_string_equal(line + strlen(line) - 7, ": -EIO\n");
	assert_string_equal(next_line(), "");
}

static void role_is_shown_at_debug_only(void **state)
{
	(void)state;
	log_set_role("opener");
	assert_string_equal(SAID(log_write(LOG_WARN, "m", "x")), "warn m: x\n");
	log_set_level(LOG_DEBUG);
	assert_string_equal(SAID(log_write(LOG_WARN, "m", "x")), "opener: warn m: x\n");
	assert_string_equal(SAID(log_write(LOG_DEBUG, "m", "x")), "opener: debug m: x\n");
}

static unsigned int wiped;

static void wipe(void)
{
	wiped++;
}

static void hook_runs_before_written_lines_only(void **state)
{
	(void)state;
	wiped = 0;
	log_set_before_line(wipe);
	SAID(log_write(LOG_DEBUG, "m", "x"));
	assert_int_equal(wiped, 0);
	SAID(log_write(LOG_WARN, "m", "x"));
	assert_int_equal(wiped, 1);
}

static void limit_passes_a_burst_a_minute_and_tells_of_the_rest(void **state)
{
	struct log_limit limit = {.burst = 2};
	uint64_t start = 5 * NSEC_PER_SEC;

	(void)state;
	assert_true(log_limit_passes(&limit, start));
	assert_true(log_limit_passes(&limit, start + 1));
	assert_false(log_limit_passes(&limit, start + 2));
	assert_false(log_limit_passes(&limit, start + 60 * NSEC_PER_SEC - 1));
	assert_true(log_limit_passes(&limit, start + 60 * NSEC_PER_SEC));
	assert_string_equal(SAID(log_write(LOG_WARN, "m", "x")), "warn m: x (2 more held back)\n");
	assert_true(log_limit_passes(&limit, start + 61 * NSEC_PER_SEC));
	assert_string_equal(SAID(log_write(LOG_WARN, "m", "x")), "warn m: x\n");
}

static void limit_of_no_burst_passes_nothing(void **state)
{
	struct log_limit limit = {.burst = 0};

	(void)state;
	assert_false(log_limit_passes(&limit, 0));
	assert_false(log_limit_passes(&limit, 100 * NSEC_PER_SEC));
}

static void clocks_advance(void **state)
{
	uint64_t mono = clock_mono_ns(&clock_system), wall = clock_wall_ns(&clock_system);

	(void)state;
	assert_true(mono > 0);
	assert_true(clock_mono_ns(&clock_system) >= mono);
	assert_true(wall > 1700000000 * NSEC_PER_SEC); /* 2023 */
}

#define captured(test) cmocka_unit_test_setup_teardown(test, capture_begin, capture_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		captured(line_names_level_and_module),
		captured(levels_above_the_chosen_one_are_dropped),
		captured(errno_is_named_and_returned),
		captured(errno_of_the_caller_is_kept),
		captured(control_bytes_are_escaped),
		captured(endless_message_is_cut_and_keeps_its_errno),
		captured(role_is_shown_at_debug_only),
		captured(hook_runs_before_written_lines_only),
		captured(limit_passes_a_burst_a_minute_and_tells_of_the_rest),
		cmocka_unit_test(limit_of_no_burst_passes_nothing),
		cmocka_unit_test(clocks_advance),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
