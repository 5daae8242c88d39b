/* SPDX-License-Identifier: Apache-2.0 */
/* Calls through a lazy PLT: of functions so short that the stubs count, and of such that are looked up each time anew,
 * because what the lookup left in the table is overwritten.
 *
 *      main drive hops [plt]
 *      main drive hops hop_N
 *      main drive looks_up [plt] [ld]
 *      main drive looks_up hop_N
 *      main drive [libc] */
#include "chain.h"
#include <string.h>

#define HOPS(x)                                                                                                        \
	x(0) x(1) x(2) x(3) x(4) x(5) x(6) x(7) x(8) x(9) x(10) x(11) x(12) x(13) x(14) x(15) x(16) x(17) x(18) x(19)
#define DECLARE(n) uint64_t hop_##n(uint64_t x);
#define DEFINE(n)                                                                                                      \
	LINK uint64_t hop_##n(uint64_t x)                                                                              \
	{                                                                                                              \
		return x + n;                                                                                          \
	}
#define CALL(n) x = hop_##n(x) + 1;

HOPS(DECLARE)
#ifdef LIBRARY
HOPS(DEFINE)
#else
/* The linker's table: three words of its own, then one for each function in the PLT, alarm and strtol among them. */
extern void *const table[] __asm__("_GLOBAL_OFFSET_TABLE_") __attribute__((visibility("hidden")));
#define WORDS (3 + 20 + 2)

static LINK uint64_t hops(uint64_t x)
{
	for (unsigned int i = 0; i < 100; i++) {
		HOPS(CALL)
	}
	return x;
}

static LINK uint64_t looks_up(uint64_t x)
{
	HOPS(CALL)
	return x;
}

static LINK uint64_t drive(uint64_t x)
{
	void *fresh[WORDS];

	memcpy(fresh, table, sizeof(fresh));
	while (is_alive()) {
		x = hops(x);
		memcpy((void *)table, fresh, sizeof(fresh));
		x = looks_up(x);
	}
	return x;
}

int main(int argc, char **argv)
{
	end_after(argc, argv);
	return drive(1) == 0;
}
#endif
