/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of one page as the walk searches them: a block index, then the rows (wire/unwind.h). */
#pragma once

#include <stdint.h>

#include "wire/unwind.h"

struct page_blob {
	uint32_t rows; /* in the blob */
	uint32_t block_shift;
	uint32_t units;
};

/* Of n ≥ 1 rows with rising offsets, the first at 0: the blob with the largest blocks that have few enough rows. 32
 * bytes in which every byte has a row have one too many: such a block loses its last but one. */
struct page_blob page_blob_layout(const uint32_t *rows, uint32_t n);

/* Writes the blob of that layout (`to` is 4-byte aligned). Where a row was lost, the one before is given the rule
 * `unsupported`. */
void page_blob_write(const struct page_blob *blob, const uint32_t *rows, uint32_t n, uint16_t unsupported, void *to);
