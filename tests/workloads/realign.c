/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of no fixed size, and such whose stack pointer is rounded down.
 *
 *      main drive takes_alloca aligned_64 aligned_256 takes_array forced both spin
 *      and [libc] below takes_alloca (memset) */
#include "chain.h"
#include <alloca.h>
#include <string.h>

/* The empty assembly seems to use the room. */
static inline void use(void *room)
{
	__asm__ volatile("" : : "r"(room) : "memory");
}

static LINK uint64_t both(uint64_t x)
{
	__attribute__((aligned(128))) char aligned[128];
	char *room = alloca(16 + x % 1000);

	use(aligned);
	use(room);
	return spin(x) + (uint64_t)(aligned[3] = 1);
}

__attribute__((force_align_arg_pointer)) static LINK uint64_t forced(uint64_t x)
{
	char room[40];

	use(room);
	return both(x) + 1;
}

static LINK uint64_t takes_array(uint64_t x)
{
	char room[1 + x % 3000];

	use(room);
	return forced(x) + 1;
}

static LINK uint64_t aligned_256(uint64_t x)
{
	__attribute__((aligned(256))) char room[1000];

	use(room);
	return takes_array(x) + 1;
}

static LINK uint64_t aligned_64(uint64_t x)
{
	__attribute__((aligned(64))) char room[64];

	use(room);
	return aligned_256(x) + 1;
}

static LINK uint64_t takes_alloca(uint64_t x)
{
	char *room = alloca(x % 500 + 1);

	memset(room, 1, x % 500 + 1);
	use(room);
	return aligned_64(x) + 1;
}

static LINK uint64_t drive(uint64_t x)
{
	while (is_alive())
		x += takes_alloca(x);
	return x;
}

int main(int argc, char **argv)
{
	end_after(argc, argv);
	return drive(1) == 0;
}
