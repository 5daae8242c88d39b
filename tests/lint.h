/* SPDX-License-Identifier: Apache-2.0 */
/* Included first by `make lint` alone. The analyzer knows nothing of errno and takes "return -errno;" for a possible 0,
 * hence for success without its output. Here errno has a few values that it can tell apart, none of them 0. */
#pragma once

#include <errno.h>

static inline int *lint_errno(void)
{
	int *location = __errno_location();

	switch (*location) {
	case EINTR:
		*location = EINTR;
		break;
	case ENOENT:
		*location = ENOENT;
		break;
	case EAGAIN:
		*location = EAGAIN;
		break;
	default:
		*location = EIO;
	}
	return location;
}

#undef errno
#define errno (*lint_errno())
