/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/text.h"

/* A message is cut: it is one line for one reader, and up to PIPE_BUF the lines of several processes stay apart. */
#define LOG_MAX_MESSAGE 2048
#define LOG_MAX_LINE 4096
#define LOG_MAX_ESCAPED (LOG_MAX_LINE - 256) /* leaves room for module and errno around it */
#define LOG_LIMIT_WINDOW_NS (60 * NSEC_PER_SEC)

static enum log_level max_level = LOG_WARN;
static const char *role_name = "";
static void (*before_line_hook)(void);
/* Set by log_limit_passes() for the line that follows it. */
static uint32_t held_back_to_tell;

void log_set_level(enum log_level level)
{
	max_level = level;
}

enum log_level log_level(void)
{
	return max_level;
}

void log_set_role(const char *role)
{
	role_name = role ? role : "";
}

void log_set_before_line(void (*before_line)(void))
{
	before_line_hook = before_line;
}

struct line {
	size_t len;
	char bytes[LOG_MAX_LINE];
};

/* What does not fit (with the newline) is left out. */
static void line_add(struct line *line, const char *bytes, size_t n)
{
	if (n >= sizeof(line->bytes) - line->len)
		return;
	memcpy(line->bytes + line->len, bytes, n);
	line->len += n;
}

static void line_add_str(struct line *line, const char *str)
{
	line_add(line, str, strlen(str));
}

static void line_add_escaped(struct line *line, const char *text)
{
	size_t left = strlen(text), n;

	for (; left && line->len < LOG_MAX_ESCAPED; text += n, left -= n) {
		uint32_t point;
		char escaped[5];

		n = text_utf8_sequence(text, left, &point);
		if (n && point >= 0x20 && (point < 0x7f || point >= 0xa0)) {
			line_add(line, text, n);
			continue;
		}
		/* C0, DEL, and byte by byte C1 and what is no UTF-8: a terminal may take 0x9b for ESC [. */
		n = 1;
		snprintf(escaped, sizeof(escaped), "\\x%02x", (unsigned int)(uint8_t)*text);
		line_add_str(line, escaped);
	}
}

static void write_line(enum log_level level, const char *module, const char *err, const char *format, va_list args)
{
	static const char *const level_names[] = {"error", "warn", "info", "debug"};
	int saved_errno = errno;
	char message[LOG_MAX_MESSAGE];
	struct line line = {.len = 0};
	ssize_t done;

	assert(level <= LOG_DEBUG);
	if (level > max_level)
		goto out;
	if (vsnprintf(message, sizeof(message), format, args) < 0)
		message[0] = 0;
	if (max_level >= LOG_DEBUG && *role_name) {
		line_add_str(&line, role_name);
		line_add_str(&line, ": ");
	}
	line_add_str(&line, level_names[level]);
	line_add_str(&line, " ");
	line_add_str(&line, module);
	line_add_str(&line, ": ");
	line_add_escaped(&line, message);
	if (err) {
		line_add_str(&line, ": ");
		line_add_str(&line, err);
	}
	if (held_back_to_tell) {
		char told[48];

		snprintf(told, sizeof(told), " (%u more held back)", held_back_to_tell);
		line_add_str(&line, told);
	}
	line.bytes[line.len++] = '\n';
	if (before_line_hook)
		before_line_hook();
	/* One call a line, so that lines of our processes do not mix. A log that cannot be written has no one to tell.
	 */
	do {
		done = write(STDERR_FILENO, line.bytes, line.len);
	} while (done < 0 && errno == EINTR);
out:
	held_back_to_tell = 0;
	errno = saved_errno;
}

void log_writev(enum log_level level, const char *module, const char *format, va_list args)
{
	write_line(level, module, NULL, format, args);
}

void log_write(enum log_level level, const char *module, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	write_line(level, module, NULL, format, args);
	va_end(args);
}

int log_errno(int err, const char *module, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	write_line(LOG_ERROR, module, err_name(err), format, args);
	va_end(args);
	return err;
}

bool log_limit_passes(struct log_limit *limit, uint64_t mono_ns)
{
	if (!limit->seen || mono_ns - limit->window_start_ns >= LOG_LIMIT_WINDOW_NS) {
		limit->window_start_ns = mono_ns;
		limit->seen = 0;
	}
	if (limit->seen >= limit->burst) {
		limit->held_back++;
		return false;
	}
	limit->seen++;
	held_back_to_tell = limit->held_back;
	limit->held_back = 0;
	return true;
}
