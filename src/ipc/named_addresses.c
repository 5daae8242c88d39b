/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/named_addresses.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ANSWER_BYTES (1u << 30)

int addresses_write(const uint64_t *addresses, size_t n, int *ret_fd)
{
	return n > NAMED_ADDRESSES_MAX ? -E2BIG
				       : memfd_from_bytes("addresses", addresses, n * sizeof(*addresses), ret_fd);
}

int addresses_read(int fd, uint64_t **ret, size_t *ret_n)
{
	struct memfd_map map;
	int err = memfd_map(fd, NAMED_ADDRESSES_MAX * sizeof(**ret), &map);

	if (err)
		return err == -E2BIG ? -EBADMSG : err;
	*ret_n = map.len / sizeof(**ret);
	*ret = malloc(map.len + 1);
	err = map.len % sizeof(**ret) ? -EBADMSG : 0;
	if (!*ret)
		err = -ENOMEM;
	if (!err && map.len)
		memcpy(*ret, map.bytes, map.len);
	if (err)
		free(*ret);
	memfd_unmap(&map);
	return err;
}

void named_addresses_put(struct buf *answer, uint32_t n_lines)
{
	buf_append(answer, &n_lines, sizeof(n_lines));
}

static void put_text(struct buf *answer, const char *text)
{
	buf_append(answer, text, strlen(text) + 1);
}

void named_addresses_put_line(struct buf *answer, const struct named_line *line)
{
	buf_append(answer, &line->line, sizeof(line->line));
	put_text(answer, line->name);
	put_text(answer, line->system_name);
	put_text(answer, line->file);
}

int named_addresses_open(int fd, struct named_addresses *ret)
{
	int err = memfd_map(fd, MAX_ANSWER_BYTES, &ret->map);

	if (!err)
		cursor_init(&ret->cursor, ret->map.bytes, ret->map.len);
	return err;
}

void named_addresses_release(struct named_addresses *named)
{
	memfd_unmap(&named->map);
}

int named_addresses_next(struct named_addresses *named, uint32_t *ret_lines)
{
	*ret_lines = cursor_u32(&named->cursor);
	return cursor_ok(&named->cursor) && *ret_lines <= NAMED_ADDRESSES_MAX_LINES ? 0 : -EBADMSG;
}

int named_addresses_next_line(struct named_addresses *named, struct named_line *ret)
{
	ret->line = cursor_u32(&named->cursor);
	ret->name = cursor_cstr(&named->cursor, NULL);
	ret->system_name = cursor_cstr(&named->cursor, NULL);
	ret->file = cursor_cstr(&named->cursor, NULL);
	return cursor_ok(&named->cursor) && *ret->name ? 0 : -EBADMSG;
}

int named_addresses_skip(struct named_addresses *named)
{
	struct named_line line;
	uint32_t n_lines;
	int err = named_addresses_next(named, &n_lines);

	for (uint32_t i = 0; !err && i < n_lines; i++)
		err = named_addresses_next_line(named, &line);
	return err;
}

size_t named_addresses_tell(const struct named_addresses *named)
{
	return cursor_offset(&named->cursor);
}

void named_addresses_seek(struct named_addresses *named, size_t place)
{
	cursor_seek(&named->cursor, place);
}
