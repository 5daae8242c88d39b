/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that end flush against a page nobody may touch: a parser that reads one byte too many dies at once, with or
 * without sanitizers. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct guarded {
	uint8_t *bytes;
	void *pages;
	size_t pages_len;
};

/* A copy of the n bytes (0 is allowed); for guarded_release(). */
static inline struct guarded guarded_copy(const void *bytes, size_t n)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), data_len = (n + page - 1) / page * page;
	struct guarded guarded = {.pages_len = data_len + page};

	guarded.pages = mmap(NULL, guarded.pages_len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (guarded.pages == MAP_FAILED || mprotect((uint8_t *)guarded.pages + data_len, page, PROT_NONE))
		abort();
	guarded.bytes = (uint8_t *)guarded.pages + data_len - n;
	if (n)
		memcpy(guarded.bytes, bytes, n);
	return guarded;
}

static inline void guarded_release(struct guarded *guarded)
{
	munmap(guarded->pages, guarded->pages_len);
	*guarded = (struct guarded){.bytes = NULL};
}
