/* SPDX-License-Identifier: Apache-2.0 */
#include "base/vec.h"

#include <errno.h>

#define VEC_FIRST_CAP 8

int vec_grow(void **items, size_t *cap, size_t max, size_t need, size_t item_size)
{
	size_t new_cap = *cap ? *cap : VEC_FIRST_CAP;
	void *grown;

	if (need <= *cap)
		return 0;
	if (need > max)
		return -E2BIG;
	while (new_cap < need)
		new_cap = new_cap <= SIZE_MAX / 2 ? new_cap * 2 : need;
	if (new_cap > max)
		new_cap = max;
	grown = reallocarray(*items, new_cap, item_size);
	if (!grown)
		return -ENOMEM;
	*items = grown;
	*cap = new_cap;
	return 0;
}
