/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a JITDUMP file that grows in two steps. Seeds: what tests/fuzz/jitdump_seeds.sh assembles. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "symbol/jitdump.h"

#define ROOM 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_around(const struct jitdump *dump, size_t size)
{
	if (jitdump_records(dump) > size / 16 || jitdump_bad_records(dump) > jitdump_records(dump) ||
	    jitdump_memory_bytes(dump) > 8ull * ROOM)
		abort();
	for (uint64_t address = 1; address < 1ull << 63; address <<= 1) {
		for (uint64_t near = address - 1; near <= address + 1; near++) {
			struct jitdump_code code;

			if (jitdump_find(dump, near, &code))
				continue;
			if (!*code.name || strlen(code.name) >= JITDUMP_MAX_NAME ||
			    strlen(code.file) >= JITDUMP_MAX_NAME)
				abort();
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_close int fd = memfd_create("fuzz", MFD_CLOEXEC);
	struct jitdump *dump;

	if (fd < 0 || jitdump_new(ROOM, &dump))
		abort();
	if (io_write_full(fd, data, size / 2))
		abort();
	jitdump_update(dump, fd, 1u << 20);
	look_around(dump, size);
	if (io_write_full(fd, data + size / 2, size - size / 2))
		abort();
	jitdump_update(dump, fd, 1u << 20);
	jitdump_update(dump, fd, UINT64_MAX);
	look_around(dump, size);
	jitdump_free(dump);
	return 0;
}
