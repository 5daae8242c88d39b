/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of a distinct file. Two files are one image when they are one inode in one state, or when build id,
 * size and digest agree: a build id alone is copied easily. The digest means reading much of both files, so it is taken
 * only when another image of the same build id and size is there. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/vec.h"
#include "elf/elf_file.h"

struct build_id {
	uint8_t bytes[ELF_BUILD_ID_MAX];
	size_t len; /* 0: none */
};

bool build_id_is_same(const struct build_id *a, const struct build_id *b);

struct image {
	unsigned int refs;
	uint64_t serial; /* of no other image, ever */
	struct elf_file *file;
	struct build_id build_id;
	uint64_t dev, ino, size;
	struct timespec mtime;
	bool has_digest;
	uint8_t digest[ELF_DIGEST_BYTES];
	bool has_checksum;
	uint32_t checksum;
	/* The first object whose table was made of it; and of it as the debug file of the other image. */
	uint32_t table_owner;
	uint64_t helped; /* serial; 0: none */
	uint32_t helped_owner;
};

struct image_vec VEC(struct image *);

struct image_table {
	struct image_vec images;
	uint64_t last_serial;
};

void image_table_init(struct image_table *table, size_t max);
/* All images were given back. */
void image_table_release(struct image_table *table);

/* Takes over the descriptor, reads headers only. The image is nobody else's yet: give it to image_intern() or
 * image_free(). Errors of elf_file_open(). */
int image_open(int fd, struct image **ret);
void image_free(struct image *image);

/* Takes over the image, of which *ret is the one to use from now on, a reference of the caller's. On failure it stays
 * the caller's. */
int image_intern(struct image_table *table, struct image *image, struct image **ret);
struct image *image_ref(struct image *image);
void image_unref(struct image_table *table, struct image *image); /* NULL is allowed */

/* The CRC-32 of the file, taken once. Errors of debug_link_checksum(). */
int image_checksum(struct image *image, uint32_t *ret);
size_t image_table_memory_bytes(const struct image_table *table);
