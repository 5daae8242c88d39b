/* SPDX-License-Identifier: Apache-2.0 */
/* A batch as a resolver might get it: whatever it holds, reading it either fails or yields references that hold. The
 * seeds are an empty batch, one of a process with one sample, and the same cut. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/batch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint64_t sum;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = aligned_alloc(8, (size + 8) & ~(size_t)7);
	struct batch batch;

	if (!copy)
		return 0;
	memcpy(copy, data, size);
	if (!batch_read_bytes(copy, size, &batch)) {
		for (uint32_t i = 0; i < batch.n_objects; i++)
			sum += strlen(batch_string(&batch, batch.objects[i].path));
		for (uint32_t i = 0; i < batch.n_samples; i++) {
			const struct batch_sample *sample = &batch.samples[i];
			const struct batch_process *process = &batch.processes[sample->process];

			for (uint32_t m = 0; m < process->mappings; m++)
				sum += batch.mappings[process->first_mapping + m].object;
			if (sample->user_stack != BATCH_NONE)
				for (uint32_t w = 0; w < batch.stacks[sample->user_stack].words; w++)
					sum += batch.words[batch.stacks[sample->user_stack].first_word + w];
		}
	}
	free(copy);
	return 0;
}
