/* SPDX-License-Identifier: Apache-2.0 */
#include "resolver/image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "elf/debug_link.h"

bool build_id_is_same(const struct build_id *a, const struct build_id *b)
{
	return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

void image_table_init(struct image_table *table, size_t max)
{
	vec_init(&table->images, max);
	table->last_serial = 0;
}

void image_table_release(struct image_table *table)
{
	vec_release(&table->images);
}

void image_free(struct image *image)
{
	if (!image)
		return;
	elf_file_free(image->file);
	free(image);
}

int image_open(int fd, struct image **ret)
{
	struct image *image = calloc(1, sizeof(*image));
	struct stat st;
	int err;

	if (!image) {
		close(fd);
		return -ENOMEM;
	}
	err = elf_file_open(fd, &image->file);
	if (err)
		goto fail;
	err = -EIO;
	if (fstat(elf_file_fd(image->file), &st))
		goto fail;
	image->build_id.len = elf_file_build_id(image->file, image->build_id.bytes);
	image->dev = st.st_dev;
	image->ino = st.st_ino;
	image->size = (uint64_t)st.st_size;
	image->mtime = st.st_mtim;
	*ret = image;
	return 0;
fail:
	image_free(image);
	return err;
}

static int take_digest(struct image *image)
{
	int err;

	if (image->has_digest)
		return 0;
	err = elf_file_digest(image->file, image->digest);
	image->has_digest = !err;
	return err;
}

static bool is_same_inode(const struct image *a, const struct image *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size && a->mtime.tv_sec == b->mtime.tv_sec &&
	       a->mtime.tv_nsec == b->mtime.tv_nsec;
}

/* An image that serves for the new one as well, or NULL. Whatever cannot be shown to be equal is not. */
static struct image *find_equal(struct image_table *table, struct image *image)
{
	vec_for_each (&table->images, slot) {
		struct image *other = *slot;

		if (is_same_inode(other, image))
			return other;
		if (image->build_id.len && build_id_is_same(&other->build_id, &image->build_id) &&
		    other->size == image->size && !take_digest(other) && !take_digest(image) &&
		    memcmp(other->digest, image->digest, ELF_DIGEST_BYTES) == 0)
			return other;
	}
	return NULL;
}

int image_intern(struct image_table *table, struct image *image, struct image **ret)
{
	struct image *equal = find_equal(table, image), **slot;

	if (equal) {
		image_free(image);
		*ret = image_ref(equal);
		return 0;
	}
	slot = vec_push(&table->images);
	if (!slot)
		return -ENOMEM;
	image->refs = 1;
	image->serial = ++table->last_serial;
	*slot = *ret = image;
	return 0;
}

struct image *image_ref(struct image *image)
{
	image->refs++;
	return image;
}

void image_unref(struct image_table *table, struct image *image)
{
	if (!image || --image->refs)
		return;
	vec_for_each (&table->images, slot) {
		if (*slot != image)
			continue;
		*slot = table->images.items[--table->images.len];
		break;
	}
	image_free(image);
}

int image_checksum(struct image *image, uint32_t *ret)
{
	int err = image->has_checksum ? 0 : debug_link_checksum(image->file, &image->checksum);

	if (err)
		return err;
	image->has_checksum = true;
	*ret = image->checksum;
	return 0;
}

size_t image_table_memory_bytes(const struct image_table *table)
{
	size_t bytes = table->images.cap * sizeof(*table->images.items);

	for (size_t i = 0; i < table->images.len; i++)
		bytes += sizeof(struct image) + elf_file_memory_bytes(table->images.items[i]->file);
	return bytes;
}
