/* SPDX-License-Identifier: Apache-2.0 */
/* Binary search, written once. */
#pragma once

#include <stddef.h>

/* Of n things in order, of which the first ones meet the condition and the others do not: how many meet it. The
 * condition is told in terms of the index `i`:
 *
 *     size_t n = partition_point(vec->len, i, vec->items[i].start <= address);     // the last that does is n - 1
 */
#define partition_point(n, i, condition)                                                                               \
	({                                                                                                             \
		size_t meeting_ = 0, unknown_limit_ = (n);                                                             \
		while (meeting_ < unknown_limit_) {                                                                    \
			size_t i = meeting_ + (unknown_limit_ - meeting_) / 2;                                         \
			if (condition)                                                                                 \
				meeting_ = i + 1;                                                                      \
			else                                                                                           \
				unknown_limit_ = i;                                                                    \
		}                                                                                                      \
		meeting_;                                                                                              \
	})
