/* SPDX-License-Identifier: Apache-2.0 */
/* Own functions, libc's with a function of ours below, libc's hand-written ones, and those with large frames. Built in
 * all ways of linking, with glibc and musl.
 *
 *      main drive one two three spin
 *      main drive sorts [libc] compare spin
 *      main drive copies [libc]
 *      main drive prints [libc] */
#include "chain.h"
#include <stdio.h>
#include <string.h>

static LINK uint64_t three(uint64_t x)
{
	return spin(x) + 3;
}

static LINK uint64_t two(uint64_t x)
{
	uint64_t before = x * 5;

	return three(x) + before;
}

static LINK uint64_t one(uint64_t x)
{
	volatile char room[100];

	room[x % sizeof(room)] = 1;
	return two(x) + (uint64_t)room[(x + 1) % sizeof(room)];
}

static LINK int compare(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	spin(left);
	return (left > right) - (left < right);
}

static LINK uint64_t sorts(uint64_t x)
{
	uint64_t values[16];

	for (unsigned int i = 0; i < 16; i++)
		values[i] = x = x * 6364136223846793005ULL + 1;
	qsort(values, 16, sizeof(values[0]), compare);
	return values[7];
}

static LINK uint64_t copies(uint64_t x)
{
	static char from[8000], to[8000];

	memset(from, (int)(x % 255) + 1, sizeof(from) - 1);
	memcpy(to, from, sizeof(to));
	memmove(to + 1, to, sizeof(to) - 2);
	return strlen(to) + (strchr(to, 0) - to) + (uint64_t)memcmp(from, to, sizeof(to));
}

static LINK uint64_t prints(uint64_t x)
{
	char text[400];

	return (uint64_t)snprintf(text, sizeof(text), "%.30f %s %lx", (double)x, "text", (unsigned long)x);
}

static LINK uint64_t drive(uint64_t x)
{
	while (is_alive()) {
		for (unsigned int i = 0; i < 20; i++)
			x += one(x);
		x += sorts(x);
		for (unsigned int i = 0; i < 20; i++)
			x += copies(x);
		for (unsigned int i = 0; i < 20; i++)
			x += prints(x);
	}
	return x;
}

int main(int argc, char **argv)
{
	end_after(argc, argv);
	return drive(1) == 0;
}
