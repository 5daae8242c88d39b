/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/usage.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/cursor.h"
#include "base/io.h"

#define ROLLUP_BYTES 4096
#define KIB 1024ULL

struct usage usage_open(void)
{
	return (struct usage){.fd = open("/proc/self/smaps_rollup", O_RDONLY | O_CLOEXEC)};
}

struct rollup {
	uint64_t rss, pss, pss_shmem;
};

/* "Pss:                1234 kB" and so on; false: it could not be read. */
static bool read_rollup(int fd, struct rollup *ret)
{
	const struct {
		const char *name;
		uint64_t *bytes;
	} lines[] = {{"Rss:", &ret->rss}, {"Pss:", &ret->pss}, {"Pss_Shmem:", &ret->pss_shmem}};
	char text[ROLLUP_BYTES];
	ssize_t n = fd < 0 ? -1 : io_pread_full(fd, text, sizeof(text), 0);
	struct cursor all, line, word;

	if (n <= 0)
		return false;
	cursor_init(&all, text, (size_t)n);
	while (cursor_line(&all, &line)) {
		if (!cursor_word(&line, &word))
			continue;
		cursor_skip_blanks(&line);
		for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
			if (cursor_equals(&word, lines[i].name))
				*lines[i].bytes = cursor_dec(&line) * KIB;
	}
	return true;
}

static uint64_t timeval_ns(const struct timeval *tv)
{
	return (uint64_t)tv->tv_sec * NSEC_PER_SEC + (uint64_t)tv->tv_usec * NSEC_PER_USEC;
}

void usage_read(struct usage *usage, struct message_pong *ret)
{
	struct rusage resources = {0};
	struct rollup now = {0};

	getrusage(RUSAGE_SELF, &resources);
	ret->cpu_ns = timeval_ns(&resources.ru_utime) + timeval_ns(&resources.ru_stime);
	ret->peak_bytes = (uint64_t)resources.ru_maxrss * KIB;
	ret->pss_bytes = 0;
	if (!read_rollup(usage->fd, &now))
		return;
	ret->pss_bytes = now.pss - now.pss_shmem;
	/* A new peak was reached since, and left again. */
	if (ret->peak_bytes > usage->peak_bytes && ret->peak_bytes > now.rss)
		ret->pss_bytes += ret->peak_bytes - now.rss;
	usage->peak_bytes = ret->peak_bytes;
}
