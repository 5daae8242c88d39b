/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as code of either machine: rows rise, the first is at the region's start, and their rules are valid. The
 * first byte of the input chooses the machine and what is done, the second how far apart known starts are. Seeds are
 * the first bytes of .text and .plt, with these two before them:
 *     objcopy -O binary -j .text /lib/x86_64-linux-gnu/libm.so.6 text; tail -c +60000 text | head -c 2000
 *     aarch64-linux-gnu-objcopy -O binary -j .text libm.so.6 text; tail -c +60001 text | head -c 2000 */
#include <elf.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "table/unwind_table.h"
#include "unwind/code_scan.h"

#define VA 0x400000u
#define MAX_STARTS 64

struct seen {
	const struct code_scan_region *region;
	uint64_t va;
	size_t n;
};

static int check_row(void *ctx, uint64_t va, const struct unwind_rule *rule)
{
	struct seen *seen = ctx;

	if (seen->n++ ? va < seen->va : va != VA)
		abort();
	if (va >= VA + seen->region->n || !unwind_rule_is_valid(rule, seen->region->machine))
		abort();
	seen->va = va;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t starts[MAX_STARTS];
	struct code_scan_region region = {.va = VA, .starts = starts};
	struct seen seen = {.region = &region};
	struct row_sink sink = {check_row, &seen};

	if (size < 2)
		return 0;
	region.machine = data[0] & 1 ? EM_AARCH64 : EM_X86_64;
	region.bytes = data + 2;
	region.n = size - 2;
	while (data[1] && region.n_starts < MAX_STARTS && region.n_starts * data[1] < region.n) {
		starts[region.n_starts] = VA + region.n_starts * data[1];
		region.n_starts++;
	}
	if (data[0] & 2)
		(void)code_keeps_frame_pointers(region.machine, region.bytes, region.n);
	else if ((data[0] & 4 ? code_scan_plt : code_scan)(&region, &sink))
		abort();
	return 0;
}
