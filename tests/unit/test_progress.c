/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/progress.h"
#include "oom.h"

/* A terminal that is our stderr during a test. */
struct terminal {
	int pty, slave, saved_stderr;
	char text[8192];
};

static struct terminal terminal;

static int set_up(void **state)
{
	struct winsize size = {.ws_row = 25, .ws_col = 80};

	(void)state;
	setenv("TERM", "xterm", 1);
	terminal = (struct terminal){.saved_stderr = -1, .slave = -1};
	terminal.pty = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	if (terminal.pty < 0 || grantpt(terminal.pty) || unlockpt(terminal.pty))
		return 0;
	terminal.slave = open(ptsname(terminal.pty), O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (terminal.slave < 0)
		return 0;
	ioctl(terminal.slave, TIOCSWINSZ, &size);
	terminal.saved_stderr = dup(STDERR_FILENO);
	return dup2(terminal.slave, STDERR_FILENO) < 0;
}

static int tear_down(void **state)
{
	(void)state;
	if (terminal.saved_stderr >= 0) {
		dup2(terminal.saved_stderr, STDERR_FILENO);
		close(terminal.saved_stderr);
	}
	if (terminal.slave >= 0)
		close(terminal.slave);
	if (terminal.pty >= 0)
		close(terminal.pty);
	return 0;
}

/* What was written since the last call. */
static const char *shown(void)
{
	ssize_t n = read(terminal.pty, terminal.text, sizeof(terminal.text) - 1);

	terminal.text[n > 0 ? n : 0] = 0;
	return terminal.text;
}

static struct progress *progress_started(double duration_seconds, bool is_quiet)
{
	struct progress *progress;

	if (terminal.slave < 0)
		skip();
	assert_int_equal(progress_new(duration_seconds, is_quiet, &progress), 0);
	return progress;
}

static void line_tells_time_samples_processes_and_loss(void **state)
{
	struct progress *progress = progress_started(10, false);

	(void)state;
	progress_update(progress, 3.21, 1234, 87, 5);
	assert_string_equal(shown(), "\rprofiling: 3.2 of 10 s; 1234 samples of 87 processes, 5 lost\x1b[K");
	progress_free(progress);
	assert_string_equal(shown(), "\r\x1b[K");
}

static void open_end_says_how_to_end(void **state)
{
	struct progress *progress = progress_started(0, false);

	(void)state;
	progress_update(progress, 0, 0, 0, 0);
	assert_string_equal(shown(), "\rprofiling: 0.0 s, Ctrl-C ends; 0 samples of 0 processes, 0 lost\x1b[K");
	progress_free(progress);
}

static void line_is_drawn_four_times_a_second_at_most(void **state)
{
	struct progress *progress = progress_started(10, false);
	int draws = 0;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		progress_update(progress, i * 0.001, (uint64_t)i, 1, 0);
		draws += shown()[0] != 0;
	}
	assert_int_equal(draws, 4);
	progress_free(progress);
}

static void log_line_wipes_it_first(void **state)
{
	struct progress *progress = progress_started(10, false);
	const char *text;

	(void)state;
	progress_update(progress, 1, 1, 1, 0);
	shown();
	log_write(LOG_WARN, "test", "something happened");
	text = shown();
	assert_memory_equal(text, "\r\x1b[K", 4);
	assert_non_null(strstr(text + 4, "something happened"));
	log_write(LOG_WARN, "test", "and again");
	assert_null(strstr(shown(), "\x1b")); /* nothing there to wipe */
	progress_free(progress);
	assert_string_equal(shown(), "");
	log_write(LOG_WARN, "test", "after the end");
	assert_null(strstr(shown(), "\x1b"));
}

static void note_replaces_the_line_at_once_and_is_made_safe(void **state)
{
	struct progress *progress = progress_started(10, false);

	(void)state;
	progress_update(progress, 1, 1, 1, 0);
	shown();
	progress_note(progress, "naming \x1b[31m frames …");
	assert_string_equal(shown(), "\rnaming \xef\xbf\xbd[31m frames …\x1b[K");
	progress_free(progress);
}

static void line_is_cut_to_the_terminal(void **state)
{
	struct winsize size = {.ws_row = 25, .ws_col = 20};
	struct progress *progress = progress_started(10, false);

	(void)state;
	assert_int_equal(ioctl(terminal.pty, TIOCSWINSZ, &size), 0);
	progress_update(progress, 1, 1, 1, 0);
	assert_string_equal(shown(), "\rprofiling: 1.0 of 1\x1b[K");
	progress_note(progress, "…………………………………………………………………");
	assert_string_equal(shown(), "\r…………………………………………………\x1b[K");
	progress_free(progress);
}

static void quiet_shows_nothing(void **state)
{
	struct progress *progress = progress_started(10, true);

	(void)state;
	progress_update(progress, 1, 1, 1, 0);
	progress_note(progress, "naming");
	progress_free(progress);
	assert_string_equal(shown(), "");
}

static void what_is_no_terminal_gets_nothing(void **state)
{
	struct progress *progress;
	char byte;
	int ends[2];

	(void)state;
	if (terminal.slave < 0)
		skip();
	assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	dup2(ends[1], STDERR_FILENO);
	assert_int_equal(progress_new(10, false, &progress), 0);
	progress_update(progress, 1, 1, 1, 0);
	progress_note(progress, "naming");
	progress_free(progress);
	assert_int_equal(read(ends[0], &byte, 1), -1);
	close(ends[0]);
	close(ends[1]);
}

static void stopped_terminal_is_not_waited_for(void **state)
{
	struct progress *progress = progress_started(10, false);

	(void)state;
	assert_int_equal(tcflow(terminal.slave, TCOOFF), 0); /* as Ctrl-S */
	alarm(10);					     /* a write would wait for ever */
	progress_update(progress, 1, 1, 1, 0);
	progress_note(progress, "naming");
	alarm(0);
	assert_string_equal(shown(), "");
	assert_int_equal(tcflow(terminal.slave, TCOON), 0);
	progress_update(progress, 2, 2, 1, 0);
	assert_non_null(strstr(shown(), "2.0 of 10 s"));
	progress_free(progress);
}

static void lack_of_memory_is_told_or_leaves_the_line_as_it_is(void **state)
{
	struct progress *progress = progress_started(10, false), *untouched = NULL;

	(void)state;
	for (unsigned long nth = 1; nth <= 2; nth++) {
		oom_fail_at(nth);
		progress_note(progress, "naming");
		oom_fail_at(0);
		assert_null(strstr(shown(), "naming"));
	}
	progress_free(progress);
	oom_fail_at(1);
	assert_int_equal(progress_new(10, false, &untouched), -ENOMEM);
	assert_null(untouched);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(line_tells_time_samples_processes_and_loss, set_up, tear_down),
		cmocka_unit_test_setup_teardown(open_end_says_how_to_end, set_up, tear_down),
		cmocka_unit_test_setup_teardown(line_is_drawn_four_times_a_second_at_most, set_up, tear_down),
		cmocka_unit_test_setup_teardown(log_line_wipes_it_first, set_up, tear_down),
		cmocka_unit_test_setup_teardown(note_replaces_the_line_at_once_and_is_made_safe, set_up, tear_down),
		cmocka_unit_test_setup_teardown(line_is_cut_to_the_terminal, set_up, tear_down),
		cmocka_unit_test_setup_teardown(quiet_shows_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_no_terminal_gets_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(stopped_terminal_is_not_waited_for, set_up, tear_down),
		cmocka_unit_test_setup_teardown(lack_of_memory_is_told_or_leaves_the_line_as_it_is, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
