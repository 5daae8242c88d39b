/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/cpu_time.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cursor.h"
#include "base/io.h"

#define FIRST_LINE_BYTES 512

/* "cpu  user nice system idle iowait irq softirq steal guest guest_nice" in clock ticks */
enum { USER, NICE, SYSTEM, IDLE, IOWAIT, IRQ, SOFTIRQ, FIELDS };

int cpu_time_open(void)
{
	return open("/proc/stat", O_RDONLY | O_CLOEXEC);
}

uint64_t cpu_time_busy_ns(int fd)
{
	char text[FIRST_LINE_BYTES];
	ssize_t n = fd < 0 ? -1 : io_pread_full(fd, text, sizeof(text), 0);
	uint64_t ticks[FIELDS], tick_ns = NSEC_PER_SEC / (uint64_t)sysconf(_SC_CLK_TCK);
	struct cursor all, line, word;

	if (n <= 0)
		return 0;
	cursor_init(&all, text, (size_t)n);
	if (!cursor_line(&all, &line) || !cursor_word(&line, &word) || !cursor_equals(&word, "cpu"))
		return 0;
	for (int i = 0; i < FIELDS; i++) {
		cursor_skip_blanks(&line);
		ticks[i] = cursor_dec(&line);
	}
	if (!cursor_ok(&line))
		return 0;
	return (ticks[USER] + ticks[NICE] + ticks[SYSTEM] + ticks[IRQ] + ticks[SOFTIRQ]) * tick_ns;
}
