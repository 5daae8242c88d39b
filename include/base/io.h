/* SPDX-License-Identifier: Apache-2.0 */
/* Whole reads and writes that survive EINTR. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct buf;

/* Reads up to n bytes at offset until n are there or the file ends; the number read, or -errno. */
ssize_t io_pread_full(int fd, void *to, size_t n, uint64_t offset);
/* 0 or -errno; -EIO when the file ends before n bytes. */
int io_pread_exact(int fd, void *to, size_t n, uint64_t offset);
/* Appends all of a file that cannot tell its size (/proc), bounded by the buffer's maximum (-E2BIG). */
int io_read_all(int fd, struct buf *buf);
int io_write_full(int fd, const void *from, size_t n);
