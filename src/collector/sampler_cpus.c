/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/cursor.h"
#include "base/io.h"
#include "collector/sampler_internal.h"

/* A list of SAMPLER_MAX_CPUS with every other CPU missing is shorter. */
#define MAX_LIST_BYTES 32768

int sampler_parse_cpu_list(const char *text, size_t len, uint32_t *cpus, size_t max, size_t *ret_n)
{
	struct cursor cursor;
	size_t n = 0;
	uint64_t next = 0; /* lowest number that may follow */

	cursor_init(&cursor, text, len);
	if (len && text[len - 1] == '\n')
		cursor = cursor_sub(&cursor, len - 1);
	while (!cursor_at_end(&cursor)) {
		uint64_t first = cursor_dec(&cursor), last = first;

		if (cursor_left(&cursor) && *cursor.pos == '-') {
			cursor_expect(&cursor, '-');
			last = cursor_dec(&cursor);
		}
		if (cursor_left(&cursor)) {
			cursor_expect(&cursor, ',');
			if (!cursor_left(&cursor))
				return -EBADMSG; /* a comma and nothing behind it */
		}
		if (!cursor_ok(&cursor) || first < next || last < first || last >= UINT32_MAX)
			return -EBADMSG;
		if (last - first >= max - n)
			return -E2BIG;
		for (uint64_t cpu = first; cpu <= last; cpu++)
			cpus[n++] = (uint32_t)cpu;
		next = last + 1;
	}
	if (!cursor_ok(&cursor))
		return -EBADMSG;
	*ret_n = n;
	return 0;
}

int cpus_open_online(void)
{
	return open("/sys/devices/system/cpu/online", O_RDONLY | O_CLOEXEC);
}

static int read_list(int fd, uint32_t *cpus, size_t max, size_t *ret_n)
{
	auto_free char *text = malloc(MAX_LIST_BYTES);
	ssize_t len;

	if (!text)
		return -ENOMEM;
	len = io_pread_full(fd, text, MAX_LIST_BYTES, 0);
	if (len < 0)
		return (int)len;
	return sampler_parse_cpu_list(text, (size_t)len, cpus, max, ret_n);
}

int cpus_read_online(int fd, uint32_t *cpus, size_t *ret_n)
{
	long n;

	if (fd >= 0)
		return read_list(fd, cpus, SAMPLER_MAX_CPUS, ret_n);
	n = sysconf(_SC_NPROCESSORS_CONF);
	if (n < 1)
		n = 1;
	if (n > SAMPLER_MAX_CPUS)
		n = SAMPLER_MAX_CPUS;
	for (long i = 0; i < n; i++)
		cpus[i] = (uint32_t)i;
	*ret_n = (size_t)n;
	return 0;
}

uint32_t cpus_possible(void)
{
	auto_free uint32_t *cpus = calloc(SAMPLER_MAX_CPUS, sizeof(*cpus));
	auto_close int fd = open("/sys/devices/system/cpu/possible", O_RDONLY | O_CLOEXEC);
	size_t n = 0;
	long configured;

	if (cpus && fd >= 0 && !read_list(fd, cpus, SAMPLER_MAX_CPUS, &n) && n && cpus[n - 1] < SAMPLER_MAX_CPUS)
		return cpus[n - 1] + 1;
	configured = sysconf(_SC_NPROCESSORS_CONF);
	return configured < 1 ? 1 : configured > SAMPLER_MAX_CPUS ? SAMPLER_MAX_CPUS : (uint32_t)configured;
}
