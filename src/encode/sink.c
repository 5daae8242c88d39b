/* SPDX-License-Identifier: Apache-2.0 */
#include "encode/sink.h"

#include "base/io.h"

static int write_to_fd(void *ctx, const void *bytes, size_t n)
{
	const int *fd = ctx;

	return io_write_full(*fd, bytes, n);
}

struct sink sink_to_fd(const int *fd)
{
	return (struct sink){.write = write_to_fd, .ctx = (void *)fd};
}
