/* SPDX-License-Identifier: Apache-2.0 */
/* Sealed memory: what is larger than a message. The writer seals it against every change, the reader checks the seals
 * before it maps, so that nothing changes under a parser. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* A sealed memfd (F_SEAL_WRITE | SHRINK | GROW | SEAL) with these bytes. */
int memfd_from_bytes(const char *name, const void *bytes, size_t n, int *ret_fd);

struct memfd_map {
	const uint8_t *bytes;
	size_t len;
};

/* Maps read-only and private after checking the seals. -EPERM: a seal is missing; -E2BIG: over max_bytes. The
 * descriptor may be closed afterwards. An empty memfd maps to {NULL, 0}. */
int memfd_map(int fd, size_t max_bytes, struct memfd_map *ret);
void memfd_unmap(struct memfd_map *map);
/* An empty memfd to be filled and then sealed. */
int memfd_new(const char *name, int *ret_fd);
/* Seals a memfd that was filled by other means (a streaming writer). */
int memfd_seal(int fd);
