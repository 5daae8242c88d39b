/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <stdio.h>
#include <string.h>

/* Linux' numbers end at 133 (EHWPOISON). */
#define ERR_NAMED 134
/* The kernel's own, never meant for user space, yet bpf(2) and perf_event_open(2) return it. */
#define ERR_KERNEL_ENOTSUPP 524

const char *err_name(int err)
{
	/* libc has the names without the sign that every message wants. Filled on demand: writing the same bytes twice
	 * does no harm. */
	static char named[ERR_NAMED][20];
	static __thread char number[16];
	unsigned int positive = err < 0 ? 0u - (unsigned int)err : (unsigned int)err;
	const char *name;

	if (!positive)
		return "0";
	if (positive == ERR_KERNEL_ENOTSUPP)
		return "-ENOTSUPP";
	if (positive < ERR_NAMED) {
		if (named[positive][0])
			return named[positive];
		name = strerrorname_np((int)positive);
		if (name) {
			snprintf(named[positive], sizeof(named[positive]), "-%s", name);
			return named[positive];
		}
	}
	snprintf(number, sizeof(number), "-%u", positive);
	return number;
}
