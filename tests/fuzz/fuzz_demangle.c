/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a mangled name, in each mode. Seeds: names of each language, one a file, as
 *     printf _ZN3foo3barEi >tests/fuzz/corpus/demangle/cpp */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "symbol/demangle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t sizes[] = {1, 16, DEMANGLE_MAX_OUTPUT};
	char *mangled = malloc(size + 1);

	if (!mangled)
		abort();
	if (size)
		memcpy(mangled, data, size);
	mangled[size] = '\0';
	for (size_t i = 0; i < DEMANGLE_MODE_COUNT * sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t room = sizes[i / DEMANGLE_MODE_COUNT];
		char *to = malloc(room);

		if (!to)
			abort();
		if (!demangle(mangled, i % DEMANGLE_MODE_COUNT, to, room) && strncmp(to, mangled, strlen(to)) != 0)
			abort();
		if (strnlen(to, room) == room)
			abort();
		free(to);
	}
	free(mangled);
	return 0;
}
