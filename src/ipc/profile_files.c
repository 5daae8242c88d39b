/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/profile_files.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/unnamed.h"

#define MAX_BYTES (512u << 20)
#define FIXED_BYTES offsetof(struct profile_file, path)

void profile_files_put(struct buf *list, const struct profile_file *file)
{
	buf_append(list, file, FIXED_BYTES);
	buf_append(list, file->path, strlen(file->path) + 1);
}

int profile_files_open(int fd, struct profile_files *ret)
{
	int err = memfd_map(fd, MAX_BYTES, &ret->map);

	ret->last = 0;
	if (!err)
		cursor_init(&ret->cursor, ret->map.bytes, ret->map.len);
	return err;
}

void profile_files_release(struct profile_files *files)
{
	memfd_unmap(&files->map);
}

int profile_files_next(struct profile_files *files, struct profile_file *ret)
{
	if (cursor_at_end(&files->cursor))
		return 0;
	cursor_copy(&files->cursor, ret, FIXED_BYTES);
	ret->path = cursor_cstr(&files->cursor, NULL);
	if (!cursor_ok(&files->cursor) || ret->object != ++files->last || ret->object > PROFILE_FILES_MAX ||
	    ret->why >= UNNAMED_COUNT || ret->is_read > 1 || ret->err > 0 || ret->build_id_len > DEBUG_ID_MAX)
		return -EBADMSG;
	return 1;
}
