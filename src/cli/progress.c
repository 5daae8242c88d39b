/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/progress.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/log.h"
#include "base/text.h"

#define SECONDS_BETWEEN 0.25
#define LINE_MAX_BYTES 512
#define DRAWN_MAX_BYTES 2048 /* a byte becomes three at most (U+FFFD) */
#define WIPE "\r\x1b[K"

struct progress {
	double duration_seconds;
	double next_seconds; /* not drawn before */
	bool is_shown;	     /* at all */
	bool is_on_screen;   /* now */
};

/* Whose line is on the screen; log_set_before_line() has no context. */
static struct progress *current;

/* A stopped terminal must not stop us. */
static bool terminal_takes_bytes(void)
{
	struct pollfd poll_fd = {.fd = STDERR_FILENO, .events = POLLOUT};

	return poll(&poll_fd, 1, 0) == 1 && poll_fd.revents & POLLOUT;
}

static void wipe(struct progress *progress)
{
	if (!progress->is_on_screen)
		return;
	progress->is_on_screen = false;
	if (terminal_takes_bytes())
		io_write_full(STDERR_FILENO, WIPE, sizeof(WIPE) - 1);
}

static void wipe_current(void)
{
	if (current)
		wipe(current);
}

static unsigned int terminal_width(void)
{
	struct winsize size;

	return !ioctl(STDERR_FILENO, TIOCGWINSZ, &size) && size.ws_col ? size.ws_col : 80;
}

/* Cut to the width, since a line that wraps cannot be wiped; one column stays free for the cursor. */
static size_t cut_to_width(const char *line, size_t len, unsigned int width)
{
	unsigned int columns = 0;

	for (size_t i = 0; i < len; i++)
		if (((uint8_t)line[i] & 0xc0) != 0x80 && ++columns >= width)
			return i;
	return len;
}

static void draw(struct progress *progress, const char *line)
{
	struct buf safe, out;

	if (!terminal_takes_bytes())
		return;
	buf_init(&safe, DRAWN_MAX_BYTES);
	buf_init(&out, DRAWN_MAX_BYTES);
	text_append_terminal(&safe, line, strlen(line));
	buf_append_str(&out, "\r");
	if (buf_cstr(&safe))
		buf_append(&out, safe.data, cut_to_width(buf_cstr(&safe), safe.len, terminal_width()));
	buf_append_str(&out, "\x1b[K");
	if (!out.err && !io_write_full(STDERR_FILENO, out.data, out.len))
		progress->is_on_screen = true;
	buf_release(&out);
	buf_release(&safe);
}

int progress_new(double duration_seconds, bool is_quiet, struct progress **ret)
{
	const char *term = getenv("TERM");
	struct progress *progress = calloc(1, sizeof(*progress));

	if (!progress)
		return -ENOMEM;
	progress->duration_seconds = duration_seconds;
	progress->is_shown = !is_quiet && isatty(STDERR_FILENO) && term && strcmp(term, "dumb");
	if (progress->is_shown) {
		current = progress;
		log_set_before_line(wipe_current);
	}
	*ret = progress;
	return 0;
}

void progress_free(struct progress *progress)
{
	if (!progress)
		return;
	wipe(progress);
	if (current == progress) {
		log_set_before_line(NULL);
		current = NULL;
	}
	free(progress);
}

void progress_update(struct progress *progress, double elapsed_seconds, uint64_t samples, uint64_t processes,
		     uint64_t lost)
{
	char line[LINE_MAX_BYTES], time[64];

	if (!progress->is_shown || elapsed_seconds < progress->next_seconds)
		return;
	progress->next_seconds = elapsed_seconds + SECONDS_BETWEEN;
	if (progress->duration_seconds > 0)
		snprintf(time, sizeof(time), "%.1f of %.10g s", elapsed_seconds, progress->duration_seconds);
	else
		snprintf(time, sizeof(time), "%.1f s, Ctrl-C ends", elapsed_seconds);
	snprintf(line, sizeof(line), "profiling: %s; %" PRIu64 " samples of %" PRIu64 " processes, %" PRIu64 " lost",
		 time, samples, processes, lost);
	draw(progress, line);
}

void progress_note(struct progress *progress, const char *text)
{
	char line[LINE_MAX_BYTES];

	if (!progress->is_shown)
		return;
	text_copy(line, sizeof(line), text);
	draw(progress, line);
}
