/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/PID/stat and /proc/PID/status.
 * Seeds: cat /proc/self/stat >corpus/proc_stat/self; cat /proc/2/stat >corpus/proc_stat/kernel;
 *        cat /proc/self/status >corpus/proc_stat/status; odd is written by hand. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "opener/procfs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proc_status status;
	struct proc_stat stat;

	if (!proc_stat_parse((const char *)data, size, &stat)) {
		/* Goes into a message as it is: terminated, and nothing behind the end. */
		size_t len = strnlen(stat.comm, sizeof(stat.comm));

		for (size_t i = len; i < sizeof(stat.comm); i++)
			if (stat.comm[i])
				abort();
		if (len == sizeof(stat.comm))
			abort();
	}
	proc_status_parse((const char *)data, size, &status);
	return 0;
}
