/* SPDX-License-Identifier: Apache-2.0 */
/* Unwind tables built in this process, as the resolver does it, but without its confinement. */
#pragma once

#include <elf.h>
#include <errno.h>
#include <unistd.h>

#include "elf/elf_file.h"
#include "ipc/memfd.h"
#include "table/unwind_table.h"
#include "unwind/table_build.h"

#if defined(__aarch64__)
#define HOST_MACHINE EM_AARCH64
#else
#define HOST_MACHINE EM_X86_64
#endif

struct built_table {
	struct unwind_table table; /* into `bytes` */
	struct memfd_map bytes;
	struct table_writer_stats stats;
	struct table_coverage coverage;
};

static inline void built_table_release(struct built_table *built)
{
	memfd_unmap(&built->bytes);
}

/* The table with the file's page; after a failure there is nothing to release. */
static inline int built_table_make(const struct elf_file *file, uint32_t page, struct built_table *ret)
{
	int fd, err = memfd_new("table", &fd);

	*ret = (struct built_table){0};
	if (err)
		return err;
	err = table_build(file, NULL, page, fd, &ret->stats, &ret->coverage);
	if (!err)
		err = memfd_seal(fd);
	if (!err)
		err = memfd_map(fd, UNWIND_TABLE_MAX_BYTES, &ret->bytes);
	close(fd);
	if (err)
		return err;
	err = unwind_table_read(ret->bytes.bytes, ret->bytes.len, HOST_MACHINE, &ret->table);
	if (err)
		built_table_release(ret);
	return err;
}
