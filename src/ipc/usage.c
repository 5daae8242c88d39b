/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/usage.h"

#include <fcntl.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/cursor.h"
#include "base/io.h"

#define ROLLUP_BYTES 4096
#define KIB 1024ULL

int usage_open(void)
{
	return open("/proc/self/smaps_rollup", O_RDONLY | O_CLOEXEC);
}

/* "Pss:                1234 kB" */
static uint64_t pss_bytes(int fd)
{
	char text[ROLLUP_BYTES];
	ssize_t n = fd < 0 ? -1 : io_pread_full(fd, text, sizeof(text), 0);
	struct cursor all, line, word;

	if (n <= 0)
		return 0;
	cursor_init(&all, text, (size_t)n);
	while (cursor_line(&all, &line)) {
		if (!cursor_word(&line, &word) || !cursor_equals(&word, "Pss:"))
			continue;
		cursor_skip_blanks(&line);
		return cursor_dec(&line) * KIB;
	}
	return 0;
}

static uint64_t timeval_ns(const struct timeval *tv)
{
	return (uint64_t)tv->tv_sec * NSEC_PER_SEC + (uint64_t)tv->tv_usec * NSEC_PER_USEC;
}

void usage_read(int fd, struct message_pong *ret)
{
	struct rusage usage = {0};

	getrusage(RUSAGE_SELF, &usage);
	ret->cpu_ns = timeval_ns(&usage.ru_utime) + timeval_ns(&usage.ru_stime);
	ret->peak_bytes = (uint64_t)usage.ru_maxrss * KIB;
	ret->pss_bytes = pss_bytes(fd);
}
