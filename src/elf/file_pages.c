/* SPDX-License-Identifier: Apache-2.0 */
#include "elf/file_pages.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/io.h"

#define WAYS 4
#define NO_PAGE UINT64_MAX

struct slot {
	int fd;
	uint64_t page; /* its number in the file, or NO_PAGE */
	uint64_t used; /* when, in reads */
	size_t len;    /* the last page of a file is shorter */
};

struct file_pages {
	int fd;
	size_t sets;
	uint64_t reads;
	struct slot *slots; /* sets times WAYS */
	uint8_t *bytes;
};

int file_pages_new(int fd, size_t pages, struct file_pages **ret)
{
	struct file_pages *made = calloc(1, sizeof(*made));

	if (!made)
		return -ENOMEM;
	made->fd = fd;
	made->sets = (pages + WAYS - 1) / WAYS;
	made->slots = calloc(made->sets * WAYS, sizeof(*made->slots));
	made->bytes = malloc(made->sets * WAYS * FILE_PAGE_BYTES);
	if (!made->slots || !made->bytes) {
		file_pages_free(made);
		return -ENOMEM;
	}
	for (size_t i = 0; i < made->sets * WAYS; i++)
		made->slots[i].page = NO_PAGE;
	*ret = made;
	return 0;
}

void file_pages_free(struct file_pages *pages)
{
	if (!pages)
		return;
	free(pages->slots);
	free(pages->bytes);
	free(pages);
}

/* The slot of the page, read if need be. */
static int find_page(struct file_pages *pages, int fd, uint64_t page, size_t *ret)
{
	size_t first = (page + (unsigned int)fd) % pages->sets * WAYS, oldest = first;
	struct slot *slot;
	ssize_t got;

	for (size_t i = first; i < first + WAYS; i++) {
		if (pages->slots[i].page == page && pages->slots[i].fd == fd) {
			pages->slots[i].used = ++pages->reads;
			*ret = i;
			return 0;
		}
		if (pages->slots[i].used < pages->slots[oldest].used)
			oldest = i;
	}
	slot = &pages->slots[oldest];
	slot->page = NO_PAGE;
	got = io_pread_full(fd, pages->bytes + oldest * FILE_PAGE_BYTES, FILE_PAGE_BYTES, page * FILE_PAGE_BYTES);
	if (got < 0)
		return (int)got;
	*slot = (struct slot){.fd = fd, .page = page, .used = ++pages->reads, .len = (size_t)got};
	*ret = oldest;
	return 0;
}

int file_pages_read_of(struct file_pages *pages, int fd, uint64_t offset, void *to, size_t n)
{
	uint64_t end;

	if (!checked_add(offset, n, &end) || end > INT64_MAX)
		return -EIO;
	while (n) {
		size_t at = offset % FILE_PAGE_BYTES, slot = 0, part;
		int err = find_page(pages, fd, offset / FILE_PAGE_BYTES, &slot);

		if (err)
			return err;
		if (at >= pages->slots[slot].len)
			return -EIO;
		part = pages->slots[slot].len - at;
		if (part > n)
			part = n;
		memcpy(to, pages->bytes + slot * FILE_PAGE_BYTES + at, part);
		to = (uint8_t *)to + part;
		offset += part;
		n -= part;
	}
	return 0;
}

int file_pages_read(struct file_pages *pages, uint64_t offset, void *to, size_t n)
{
	return file_pages_read_of(pages, pages->fd, offset, to, n);
}

size_t file_pages_memory_bytes(const struct file_pages *pages)
{
	return sizeof(*pages) + pages->sets * WAYS * (sizeof(*pages->slots) + FILE_PAGE_BYTES);
}
