/* SPDX-License-Identifier: Apache-2.0 */
/* A stack of known depth that stays as it is: usage: frames DEPTH. Sixteen functions call each other in turn; what they
 * keep in registers over the call (0 to 6 of them) and on the stack (8 to 300 bytes) differs, so that their frames and
 * unwind rules do. The last one spins until the process is killed. */
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>

static volatile uint64_t work;
static volatile sig_atomic_t is_over; /* never */

static __attribute__((noinline)) uint64_t spin(uint64_t seed)
{
	while (!is_over)
		work += seed;
	return work;
}

/* Values that must survive the call: each takes a register that the function has to save. */
#define KEEP(name) uint64_t name = seed * sizeof(#name) + (uint64_t)depth;
#define HIDE(name) __asm__ volatile("" : "+r"(name));
#define EACH_0(what)
#define EACH_1(what) what(a)
#define EACH_2(what) EACH_1(what) what(b)
#define EACH_3(what) EACH_2(what) what(c)
#define EACH_4(what) EACH_3(what) what(d)
#define EACH_5(what) EACH_4(what) what(e)
#define EACH_6(what) EACH_5(what) what(f)
#define ADD(name) seed += name;

#define FUNCTION(number, next, kept, bytes)                                                                            \
	static uint64_t f##next(int depth, uint64_t seed);                                                             \
	static __attribute__((noinline)) uint64_t f##number(int depth, uint64_t seed)                                  \
	{                                                                                                              \
		uint8_t local[bytes];                                                                                  \
		uint8_t *on_stack = local;                                                                             \
		EACH_##kept(KEEP)                                                                                      \
                                                                                                                       \
			EACH_##kept(HIDE) __asm__ volatile(""                                                          \
							   : "+r"(on_stack)                                            \
							   :                                                           \
							   : "memory");                                                \
		seed = depth > 1 ? f##next(depth - 1, seed + number) : spin(seed);                                     \
		EACH_##kept(HIDE) __asm__ volatile("" : "+r"(seed) : : "memory");                                      \
		EACH_##kept(ADD) return seed;                                                                          \
	}

FUNCTION(0, 7, 0, 8)
FUNCTION(1, 8, 3, 40)
FUNCTION(2, 9, 6, 24)
FUNCTION(3, 10, 1, 300)
FUNCTION(4, 11, 2, 8)
FUNCTION(5, 12, 5, 120)
FUNCTION(6, 13, 4, 16)
FUNCTION(7, 14, 0, 72)
FUNCTION(8, 15, 6, 200)
FUNCTION(9, 0, 2, 48)
FUNCTION(10, 1, 3, 8)
FUNCTION(11, 2, 1, 136)
FUNCTION(12, 3, 4, 32)
FUNCTION(13, 4, 5, 8)
FUNCTION(14, 5, 0, 256)
FUNCTION(15, 6, 2, 88)

int main(int argc, char **argv)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	return argc == 2 ? (int)f0(atoi(argv[1]), 1) : 2;
}
