/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "base/io.h"
#include "unwind/cfi_internal.h"

/* Windows start at multiples of this, so that going backwards does not read every byte anew for each entry. */
#define WINDOW_STEP (16u << 10)

void cfi_section_release(struct cfi_section *section)
{
	for (size_t i = 0; i < CFI_WINDOWS; i++)
		free(section->windows[i].bytes);
	*section = (struct cfi_section){.fd = -1};
}

static struct cfi_window *find_window(struct cfi_section *section, uint64_t at, uint64_t n)
{
	for (size_t i = 0; i < CFI_WINDOWS; i++) {
		struct cfi_window *window = &section->windows[i];

		if (at >= window->start && at - window->start < window->len && n <= window->len - (at - window->start))
			return window;
	}
	return NULL;
}

static struct cfi_window *oldest_window(struct cfi_section *section)
{
	struct cfi_window *oldest = section->windows;

	for (size_t i = 1; i < CFI_WINDOWS; i++)
		if (section->windows[i].used < oldest->used)
			oldest = &section->windows[i];
	return oldest;
}

static int fill_window(const struct cfi_section *section, struct cfi_window *window, uint64_t at, uint64_t n)
{
	uint64_t start = at - at % WINDOW_STEP, len = at - start + n;
	int err;

	if (len < CFI_WINDOW_BYTES)
		len = CFI_WINDOW_BYTES;
	if (len > section->size - start)
		len = section->size - start;
	window->len = 0;
	if (len > window->cap) {
		free(window->bytes);
		window->cap = 0;
		window->bytes = malloc(len);
		if (!window->bytes)
			return -ENOMEM;
		window->cap = len;
	}
	err = io_pread_exact(section->fd, window->bytes, len, section->offset + start);
	if (err)
		return err;
	window->start = start;
	window->len = len;
	return 0;
}

int cfi_section_read(struct cfi_section *section, uint64_t at, uint64_t n, struct cursor *ret)
{
	struct cfi_window *window;

	if (!n || n > CFI_MAX_READ || at > section->size || n > section->size - at)
		return -EBADMSG;
	window = find_window(section, at, n);
	if (!window) {
		int err;

		window = oldest_window(section);
		err = fill_window(section, window, at, n);
		if (err)
			return err;
	}
	window->used = ++section->uses;
	cursor_init(ret, window->bytes + (at - window->start), window->len - (at - window->start));
	return 0;
}

size_t cfi_section_memory_bytes(const struct cfi_section *section)
{
	size_t bytes = 0;

	for (size_t i = 0; i < CFI_WINDOWS; i++)
		bytes += section->windows[i].cap;
	return bytes;
}
