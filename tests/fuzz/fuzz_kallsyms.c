/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as the text of kallsyms, read twice, half of it a third time, with records in between. Seeds: pieces of
 * /proc/kallsyms, as by grep -nE '_stext|_etext|bpf' /proc/kallsyms; sed -n 1,40p /proc/kallsyms */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "symbol/ksyms.h"

static void look_around(const struct ksyms *ksyms, uint64_t address)
{
	for (uint64_t distance = 1; distance < 1ull << 40; distance <<= 3) {
		struct ksym sym;

		if (!ksyms_find(ksyms, address + distance, &sym) &&
		    (sym.address > address + distance || strlen(sym.name) > 511 || !sym.module))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_close int fd = memfd_create("fuzz", MFD_CLOEXEC);
	uint64_t address, len;
	struct ksyms *ksyms;
	bool restricted;
	size_t bad;

	if (fd < 0 || io_write_full(fd, data, size) || ksyms_new(&ksyms))
		abort();
	for (int round = 0; round < 2; round++) {
		if (!ksyms_read(ksyms, fd, &restricted, &bad) && bad > size)
			abort();
		if (size > 64 && !ftruncate(fd, (off_t)size / 2))
			ksyms_read_again(ksyms, fd);
		look_around(ksyms, 0);
		look_around(ksyms, 0xffffffff81000000);
		for (size_t at = 0; at + 16 < size && at < 512; at += 16) {
			memcpy(&address, data + at, sizeof(address));
			memcpy(&len, data + at + 8, sizeof(len));
			ksyms_add(ksyms, address, len >> (len & 63), "bpf_prog_0123456789abcdef_name");
			look_around(ksyms, address - 1);
		}
	}
	ksyms_free(ksyms);
	return 0;
}
