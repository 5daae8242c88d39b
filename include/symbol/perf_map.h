/* SPDX-License-Identifier: Apache-2.0 */
/* What a runtime calls the code that it makes, as text: lines "START SIZE NAME" in /tmp/perf-PID.map, numbers in
 * hexadecimal with or without 0x, a name up to the end of its line (Linux, tools/perf/Documentation/jit-interface.txt).
 * The file grows while the runtime runs; a later line goes before an earlier one about the same addresses. No line
 * tells a time: code that was overwritten has the name of what overwrote it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of one file, all that is read of it; longer names are cut, longer lines are none. */
#define PERF_MAP_MAX_FILE_BYTES (1ull << 30)
#define PERF_MAP_MAX_LINES 10000000
#define PERF_MAP_MAX_LINE 65536
#define PERF_MAP_MAX_NAME 4096

struct perf_map;

/* Keeps at most about max_bytes. */
int perf_map_new(size_t max_bytes, struct perf_map **ret);
void perf_map_free(struct perf_map *map);

/* Reads what was appended since the last call, and all of it where the file is another now. A last line without its
 * newline is being written: it waits. -E2BIG: more than is read or kept, what is left of the file has no names;
 * -EINVAL: no regular file; -EIO; -ENOMEM. What was read before an error counts. */
int perf_map_update(struct perf_map *map, int fd);

/* The name of the code that holds the address, or NULL. Valid until the next update. */
const char *perf_map_find(const struct perf_map *map, uint64_t address);
/* Of the file as it is now: lines read, and those among them that make no sense. */
uint64_t perf_map_lines(const struct perf_map *map);
uint64_t perf_map_bad_lines(const struct perf_map *map);
size_t perf_map_memory_bytes(const struct perf_map *map);
