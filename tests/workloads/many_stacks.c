/* SPDX-License-Identifier: Apache-2.0 */
/* many_stacks SECONDS [LIBRARY...]: burns CPU in stacks of 40 frames, hardly one of which comes twice: each caller is
 * one of eight at random. At the bottom is the function `leaf` of one of the libraries, at random too. */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define DEPTH 40
#define MAX_LIBRARIES 4096

typedef unsigned int leaf_function(unsigned int seed);

static leaf_function *leaves[MAX_LIBRARIES];
static size_t n_leaves;
static uint64_t state = 88172645463325252ULL;

/* xorshift64 (Marsaglia, "Xorshift RNGs") */
static uint64_t random_number(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static unsigned int own_leaf(unsigned int seed)
{
	for (volatile unsigned int i = 0; i < 20000; i++)
		seed = seed * 1664525u + 1013904223u;
	return seed;
}

static unsigned int go(unsigned int depth, uint64_t choices);

#define CALLER(n)                                                                                                      \
	__attribute__((noinline)) static unsigned int caller_##n(unsigned int depth, uint64_t choices)                 \
	{                                                                                                              \
		volatile unsigned int result = go(depth - 1, choices >> 3);                                            \
                                                                                                                       \
		return result + (n);                                                                                   \
	}
CALLER(0)
CALLER(1)
CALLER(2)
CALLER(3)
CALLER(4)
CALLER(5)
CALLER(6)
CALLER(7)

__attribute__((noinline)) static unsigned int go(unsigned int depth, uint64_t choices)
{
	static unsigned int (*const callers[])(unsigned int, uint64_t) = {caller_0, caller_1, caller_2, caller_3,
									  caller_4, caller_5, caller_6, caller_7};

	if (!depth)
		return n_leaves ? leaves[random_number() % n_leaves](depth) : own_leaf(depth);
	if (depth % 20 == 0)
		choices = random_number();
	return callers[choices & 7](depth, choices);
}

int main(int argc, char **argv)
{
	time_t until = time(NULL) + (argc > 1 ? atoi(argv[1]) : 5);
	unsigned int sum = 0;

	for (int i = 2; i < argc && n_leaves < MAX_LIBRARIES; i++) {
		void *library = dlopen(argv[i], RTLD_NOW | RTLD_LOCAL);
		leaf_function *leaf = library ? (leaf_function *)dlsym(library, "leaf") : NULL;

		if (!leaf) {
			fprintf(stderr, "no leaf in %s: %s\n", argv[i], dlerror());
			return 1;
		}
		leaves[n_leaves++] = leaf;
	}
	while (time(NULL) < until)
		sum += go(DEPTH, random_number());
	return sum == 1;
}
