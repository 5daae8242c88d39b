/* SPDX-License-Identifier: Apache-2.0 */
/* A file that may be a profile: what is read as one is named throughout, and what is then written is read again.
 * Corpus: profiles of test_pprof_edit, packed and not, of which some are broken; that of tests/cli/symbolize.sh. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "encode/pprof_edit.h"
#include "encode/sink.h"
#include "ipc/memfd.h"

#define MAX_BYTES (32u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int write_to_buf(void *ctx, const void *bytes, size_t n)
{
	return buf_append(ctx, bytes, n);
}

/* Some bytes have no name, some one line, some two. One of those with a name is called as in the corpus. */
static int name(void *ctx, const struct pprof_edit_place *place, struct pprof_edit_line *lines, size_t max,
		size_t *ret_n)
{
	(void)ctx;
	if (max < 2)
		abort();
	lines[0] = (struct pprof_edit_line){.name = place->mapping & 1 ? "a" : "b",
					    .system_name = "c",
					    .file = "",
					    .line = (int64_t)place->address};
	lines[1] = (struct pprof_edit_line){
		.name = "d", .system_name = place->is_named ? "named" : "e", .file = "f", .start_line = 1};
	*ret_n = place->address % 3;
	return 0;
}

struct sums {
	size_t unnamed, lineless;
};

static struct sums sums_of(const struct pprof_edit *edit)
{
	struct pprof_edit_mapping mapping;
	struct sums sums = {0};

	for (size_t i = 0; i < pprof_edit_mappings(edit); i++) {
		pprof_edit_mapping(edit, i, &mapping);
		sums.unnamed += mapping.unnamed;
		sums.lineless += mapping.lineless;
	}
	return sums;
}

static struct pprof_edit *read_bytes(const uint8_t *data, size_t size)
{
	struct pprof_edit *edit = NULL;
	int fd;

	if (memfd_from_bytes("fuzz", data, size, &fd))
		return NULL;
	if (pprof_edit_read(fd, MAX_BYTES, &edit))
		edit = NULL;
	close(fd);
	return edit;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pprof_edit *edit = read_bytes(data, size), *again;
	struct pprof_edit_result result;
	struct buf bytes;
	const struct sink sink = {.write = write_to_buf, .ctx = &bytes};
	struct sums before, after;

	if (!edit)
		return 0;
	before = sums_of(edit);
	buf_init(&bytes, MAX_BYTES);
	if (!pprof_edit_name(edit, name, NULL, &result) && !pprof_edit_write(edit, &sink)) {
		after = sums_of(edit);
		if (before.unnamed - result.named != after.unnamed || before.lineless - result.lined != after.lineless)
			abort();
		again = read_bytes(bytes.data, bytes.len);
		if (again && sums_of(again).unnamed != after.unnamed)
			abort();
		pprof_edit_free(again);
	}
	buf_release(&bytes);
	pprof_edit_free(edit);
	return 0;
}
