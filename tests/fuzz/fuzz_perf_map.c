/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a perf map that grows in two steps, and is then written anew without its first part. Seeds: maps as
 * runtimes write them, and hostile lines. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "symbol/jit_name.h"
#include "symbol/perf_map.h"

#define ROOM 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_around(struct perf_map *map, int fd, size_t size)
{
	perf_map_update(map, fd);
	if (perf_map_lines(map) > size || perf_map_bad_lines(map) > perf_map_lines(map) ||
	    perf_map_memory_bytes(map) > 8ull * ROOM)
		abort();
	for (uint64_t address = 1; address < 1ull << 63; address <<= 1) {
		for (uint64_t near = address - 1; near <= address + 1; near++) {
			const char *name = perf_map_find(map, near);
			struct jit_source source;

			if (!name)
				continue;
			jit_name_source(name, &source);
			if (!*name || strlen(name) >= PERF_MAP_MAX_NAME || source.file + source.file_len > strlen(name))
				abort();
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_close int fd = memfd_create("fuzz", MFD_CLOEXEC);
	struct perf_map *map;

	if (fd < 0 || perf_map_new(ROOM, &map))
		abort();
	if (io_write_full(fd, data, size / 2))
		abort();
	look_around(map, fd, size);
	if (io_write_full(fd, data + size / 2, size - size / 2))
		abort();
	look_around(map, fd, size);
	if (lseek(fd, 0, SEEK_SET) || io_write_full(fd, data + size / 3, size - size / 3))
		abort();
	look_around(map, fd, 2 * size);
	perf_map_free(map);
	return 0;
}
