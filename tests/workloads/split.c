/* SPDX-License-Identifier: Apache-2.0 */
/* Burns CPU over three known call paths: 70 % heavy, 20 % medium, 10 % light. usage: split SECONDS (of CPU)
 *
 *      main -> drive -> heavy_one  -> heavy_two  -> heavy_three  -> spin
 *                    -> medium_one -> medium_two -> medium_three -> spin
 *                    -> light_one  -> light_two  -> light_three  -> spin
 *
 * The work is counted, not clocked: ten calls of the one leaf in a round, in an order drawn anew for each round, so
 * that no sampling period falls in step with it. A call lasts about a millisecond, so the instants at which a stack is
 * between two shapes (a prologue) are far below a thousandth of all. The other languages' versions do the same. */
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#define SPIN_STEPS 600000
#define ROUND 10

/* The compiler may know nothing about one function in another: each keeps its frame and its call. */
#define KEEP_FRAME __attribute__((noipa))

/* The local on the stack makes gcc set up a frame here too; without one it leaves that out in a leaf, whatever the
 * options say. */
static KEEP_FRAME uint64_t spin(uint64_t x)
{
	volatile uint64_t last = x;

	for (unsigned int i = 0; i < SPIN_STEPS; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
	}
	last = x;
	return last;
}

#define PATH(name)                                                                                                     \
	static KEEP_FRAME uint64_t name##_three(uint64_t x)                                                            \
	{                                                                                                              \
		return spin(x) + 1;                                                                                    \
	}                                                                                                              \
	static KEEP_FRAME uint64_t name##_two(uint64_t x)                                                              \
	{                                                                                                              \
		return name##_three(x) + 1;                                                                            \
	}                                                                                                              \
	static KEEP_FRAME uint64_t name##_one(uint64_t x)                                                              \
	{                                                                                                              \
		return name##_two(x) + 1;                                                                              \
	}
PATH(heavy)
PATH(medium)
PATH(light)

static double cpu_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static KEEP_FRAME uint64_t drive(double seconds, uint64_t x)
{
	char order[ROUND] = {'h', 'h', 'h', 'h', 'h', 'h', 'h', 'm', 'm', 'l'};
	uint64_t random = 88172645463325252ULL;

	while (cpu_seconds() < seconds) {
		for (unsigned int i = ROUND - 1; i > 0; i--) {
			random ^= random << 13;
			random ^= random >> 7;
			random ^= random << 17;
			unsigned int j = (unsigned int)(random % (i + 1));
			char held = order[i];

			order[i] = order[j];
			order[j] = held;
		}
		for (unsigned int i = 0; i < ROUND; i++) {
			if (order[i] == 'h')
				x = heavy_one(x);
			else if (order[i] == 'm')
				x = medium_one(x);
			else
				x = light_one(x);
		}
	}
	return x;
}

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? strtod(argv[1], NULL) : 1;

	return drive(seconds, 1) == 0;
}
