/* SPDX-License-Identifier: Apache-2.0 */
/* One line a message on stderr: "warn registry: maps of tgid 4711 unreadable: -EACCES".
 * Modules log nothing above debug; the four loops and the commands in cli/ do, once, with what was tried.
 * Control characters in a message are written as \xNN, so that names from hostile processes do no harm. */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* Messages above the level are dropped. Default LOG_WARN. */
void log_set_level(enum log_level level);
enum log_level log_level(void);

/* Which process speaks ("collector", "opener" …): shown at LOG_DEBUG only. The string is borrowed for ever. */
void log_set_role(const char *role);

/* Called before each line is written, so that a progress line on the terminal can be wiped. May be NULL. */
void log_set_before_line(void (*before_line)(void));

void log_write(enum log_level level, const char *module, const char *format, ...) __attribute__((format(printf, 3, 4)));
void log_writev(enum log_level level, const char *module, const char *format, va_list args)
	__attribute__((format(printf, 3, 0)));

/* Writes "error MODULE: <message>: -ENAME" and returns err, so that message and code are one expression:
 *     return log_errno(err, "sampler", "cannot open %s", path); */
int log_errno(int err, const char *module, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* At most `burst` lines a minute of one kind; what was held back is told with the next line that passes. */
struct log_limit {
	uint64_t window_start_ns;
	uint32_t burst, seen, held_back;
};
bool log_limit_passes(struct log_limit *limit, uint64_t mono_ns);
