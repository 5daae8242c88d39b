/* SPDX-License-Identifier: Apache-2.0 */
#include "symbol/growing_file.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"

static bool has_same_tail(const struct growing_file *file, int fd)
{
	uint8_t now[GROWING_FILE_TAIL];

	return !io_pread_exact(fd, now, file->tail_len, file->offset - file->tail_len) &&
	       !memcmp(now, file->tail, file->tail_len);
}

int growing_file_look(struct growing_file *file, int fd, bool *ret_is_new, uint64_t *ret_size)
{
	struct stat status;

	if (fstat(fd, &status))
		return -EIO;
	if (!S_ISREG(status.st_mode) || status.st_size < 0)
		return -EINVAL;
	*ret_size = (uint64_t)status.st_size;
	*ret_is_new = !file->offset || file->dev != status.st_dev || file->ino != status.st_ino ||
		      file->offset > *ret_size || !has_same_tail(file, fd);
	if (*ret_is_new)
		*file = (struct growing_file){.dev = status.st_dev, .ino = status.st_ino};
	return 0;
}

void growing_file_advance(struct growing_file *file, const void *bytes, size_t n)
{
	size_t new = n < sizeof(file->tail) ? n : sizeof(file->tail);
	size_t kept = file->tail_len + new > sizeof(file->tail) ? sizeof(file->tail) - new : file->tail_len;

	memmove(file->tail, file->tail + file->tail_len - kept, kept);
	memcpy(file->tail + kept, (const uint8_t *)bytes + n - new, new);
	file->tail_len = kept + new;
	file->offset += n;
}

int growing_file_skip(struct growing_file *file, int fd, uint64_t n)
{
	uint8_t last[GROWING_FILE_TAIL];
	size_t some = n < sizeof(last) ? (size_t)n : sizeof(last);
	int err = io_pread_exact(fd, last, some, file->offset + n - some);

	if (err)
		return err;
	file->offset += n - some;
	growing_file_advance(file, last, some);
	return 0;
}
