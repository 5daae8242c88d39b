/* SPDX-License-Identifier: Apache-2.0 */
/* Small reads all over a large file: a few pages of it are kept (four ways, the one longest unused gives way), so that
 * a table which is larger than we want to hold costs one pread a page and not one an item. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define FILE_PAGE_BYTES 4096u

struct file_pages;

/* Keeps at most `pages` pages (rounded up to a multiple of four). The descriptor is borrowed. */
int file_pages_new(int fd, size_t pages, struct file_pages **ret);
void file_pages_free(struct file_pages *pages);
/* -EIO: the file ends before that. */
int file_pages_read(struct file_pages *pages, uint64_t offset, void *to, size_t n);
/* Of another file, whose pages are kept among the same ones. It must not be closed before the pages are freed. */
int file_pages_read_of(struct file_pages *pages, int fd, uint64_t offset, void *to, size_t n);
size_t file_pages_memory_bytes(const struct file_pages *pages);
