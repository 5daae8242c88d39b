/* SPDX-License-Identifier: Apache-2.0 */
/* Where an encoder's bytes go: a descriptor, written in pieces, so that the whole image is never held. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct sink {
	int (*write)(void *ctx, const void *bytes, size_t n); /* 0 or -errno */
	void *ctx;
};

/* The descriptor stays the caller's, and so does the int it is read from at each write. */
struct sink sink_to_fd(const int *fd);
