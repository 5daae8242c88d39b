/* SPDX-License-Identifier: Apache-2.0 */
#include "base/io.h"

#include <errno.h>
#include <limits.h>
#include <unistd.h>

#include "base/buf.h"

#define IO_READ_STEP 4096

ssize_t io_pread_full(int fd, void *to, size_t n, uint64_t offset)
{
	size_t done = 0;

	if (n > SSIZE_MAX || offset > (uint64_t)INT64_MAX - n)
		return -EOVERFLOW;
	while (done < n) {
		ssize_t got = pread(fd, (char *)to + done, n - done, (off_t)(offset + done));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (!got)
			break;
		done += (size_t)got;
	}
	return (ssize_t)done;
}

int io_pread_exact(int fd, void *to, size_t n, uint64_t offset)
{
	ssize_t got = io_pread_full(fd, to, n, offset);

	if (got < 0)
		return (int)got;
	return (size_t)got == n ? 0 : -EIO;
}

static ssize_t read_some(int fd, void *to, size_t n)
{
	ssize_t got;

	do {
		got = read(fd, to, n);
	} while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : got;
}

int io_read_all(int fd, struct buf *buf)
{
	size_t start = buf->len;
	ssize_t got;
	char more;

	for (;;) {
		size_t step = buf->max - buf->len < IO_READ_STEP ? buf->max - buf->len : IO_READ_STEP;
		uint8_t *to = buf_reserve(buf, step);

		if (!to) {
			got = buf->err;
			break;
		}
		if (!step) {
			/* Full: only the end of the file is welcome now. */
			got = read_some(fd, &more, sizeof(more));
			if (got > 0)
				got = buf->err = -E2BIG;
			break;
		}
		if (buf->cap - buf->len > step) /* what doubling gave beyond the step, the maximum respected */
			step = buf->cap - buf->len < buf->max - buf->len ? buf->cap - buf->len : buf->max - buf->len;
		got = read_some(fd, to, step);
		if (got <= 0)
			break;
		buf->len += (size_t)got;
	}
	if (got < 0)
		buf->len = start;
	return (int)got;
}

int io_write_full(int fd, const void *from, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t put = write(fd, (const char *)from + done, n - done);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -errno;
		done += (size_t)put;
	}
	return 0;
}
