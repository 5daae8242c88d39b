/* SPDX-License-Identifier: Apache-2.0 */
/* A library that is opened by hand and calls back.
 *
 *      main drive library_calls library_inner called_back spin
 *      main drive library_calls library_inner spin         (the library's own) */
#include "chain.h"
#include <dlfcn.h>
#include <stdio.h>

typedef uint64_t callback(uint64_t x);

#ifdef LIBRARY
static LINK uint64_t library_inner(callback *call, uint64_t x)
{
	return spin(call(x)) + 1;
}

uint64_t library_calls(callback *call, uint64_t x);
LINK uint64_t library_calls(callback *call, uint64_t x)
{
	volatile char room[500];

	room[x % sizeof(room)] = 1;
	return library_inner(call, x) + (uint64_t)room[x % sizeof(room)];
}
#else
static LINK uint64_t called_back(uint64_t x)
{
	return spin(x) + 1;
}

static LINK uint64_t drive(uint64_t (*library_calls)(callback *, uint64_t), uint64_t x)
{
	while (is_alive())
		x += library_calls(called_back, x);
	return x;
}

/* The library lies beside the program, under its name with .so behind it. */
int main(int argc, char **argv)
{
	char path[4096];
	void *library, *function = NULL;

	end_after(argc, argv);
	snprintf(path, sizeof(path), "%s.so", argv[0]);
	library = dlopen(path, RTLD_NOW);
	if (library)
		function = dlsym(library, "library_calls");
	if (!function) {
		fprintf(stderr, "%s\n", dlerror());
		return 1;
	}
	return drive((uint64_t(*)(callback *, uint64_t))function, 1) == 0;
}
#endif
