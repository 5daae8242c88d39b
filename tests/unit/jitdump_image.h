/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces of a JITDUMP file, as tools/perf/Documentation/jitdump-specification.txt describes them. */
#pragma once

#include <stdint.h>
#include <string.h>

#include "base/buf.h"

struct jitdump_header {
	uint32_t magic, version, bytes, machine, pad, pid;
	uint64_t time, flags;
};

static inline void jitdump_begin(struct buf *file, uint64_t flags)
{
	const struct jitdump_header header = {0x4A695444, 1, sizeof(header), 62, 0, 7, 1, flags};

	buf_append(file, &header, sizeof(header));
}

static inline void jitdump_record(struct buf *file, uint32_t type, uint64_t time, const void *bytes, size_t n)
{
	const uint32_t head[] = {type, (uint32_t)(16 + n)};

	buf_append(file, head, sizeof(head));
	buf_append(file, &time, sizeof(time));
	buf_append(file, bytes, n);
}

/* The code itself is zeros. */
static inline void jitdump_load(struct buf *file, uint64_t time, uint64_t start, uint64_t size, uint64_t index,
				const char *name)
{
	const uint64_t fixed[] = {7ull << 32 | 7, start, start, size, index};
	struct buf body;

	buf_init(&body, 1u << 20);
	buf_append(&body, fixed, sizeof(fixed));
	buf_append(&body, name, strlen(name) + 1);
	buf_append_zero(&body, size < 4096 ? size : 0);
	jitdump_record(file, 0, time, body.data, body.len);
	buf_release(&body);
}

static inline void jitdump_move(struct buf *file, uint64_t time, uint64_t from, uint64_t to, uint64_t size,
				uint64_t index)
{
	const uint64_t fixed[] = {7ull << 32 | 7, to, from, to, size, index};

	jitdump_record(file, 1, time, fixed, sizeof(fixed));
}

struct jitdump_line {
	uint64_t address;
	uint32_t line;
	const char *file;
};

static inline void jitdump_lines(struct buf *file, uint64_t time, uint64_t start, const struct jitdump_line *lines,
				 size_t n)
{
	const uint64_t fixed[] = {start, n};
	struct buf body;

	buf_init(&body, 1u << 20);
	buf_append(&body, fixed, sizeof(fixed));
	for (size_t i = 0; i < n; i++) {
		const uint32_t numbers[] = {lines[i].line, 0};

		buf_append(&body, &lines[i].address, sizeof(lines[i].address));
		buf_append(&body, numbers, sizeof(numbers));
		buf_append(&body, lines[i].file, strlen(lines[i].file) + 1);
	}
	jitdump_record(file, 2, time, body.data, body.len);
	buf_release(&body);
}
