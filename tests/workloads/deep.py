# SPDX-License-Identifier: Apache-2.0
"""Writes a C program of 16 functions that call each other to a given depth, with all sorts of frames: zero to six pushed
registers, and locals of 8 bytes to LIMIT (two pages at most), of which nothing is touched.
usage: deep.py LIMIT >deep.c; deep DEPTH [SECONDS]

    main drive f0 ... (DEPTH functions, see chain) leaf"""
import random
import sys

FUNCTIONS = 16
SIZES = [8, 16, 24, 40, 64, 100, 160, 200, 300, 8, 24, 40, 100, 300, 4096, 8200]

HEAD = """#include "chain.h"

typedef uint64_t link_function(long depth, uint64_t x, uint64_t y);
static link_function *const table[16];
static long wanted;

static LINK uint64_t leaf(long depth, uint64_t x)
{
	for (long i = 0; i < 4 * depth; i++)
		x = x * 6364136223846793005ULL + 1;
	return x;
}
"""
# The empty assembly hides where a value comes from, and seems to use the room: both must be kept over the call.
LINK = """
static LINK uint64_t f{i}(long depth, uint64_t x, uint64_t y)
{{
	char room[{size}];
	uint64_t {kept}sum;

	__asm__ volatile("" : "=m"(room));
{hide}	sum = depth <= 1 ? leaf(wanted, x) : table[(7 * depth + {i}) % {functions}](depth - 1, x + {i}, y ^ x);
{use}	__asm__ volatile("" : : "m"(room));
	return sum + {i};
}}
"""
TAIL = """
static link_function *const table[] = {{{names}}};

static LINK uint64_t drive(uint64_t x)
{{
	while (is_alive())
		x += f0(wanted, x, 2);
	return x;
}}

int main(int argc, char **argv)
{{
	wanted = argc > 1 ? atol(argv[1]) : 10;
	end_after(argc - 1, argv + 1);
	return drive(1) == 0;
}}
"""


def chain(depth):
    """the functions between drive and leaf"""
    names, i = [], 0
    for left in range(depth, 0, -1):
        names.append(f"f{i}")
        i = (7 * left + i) % FUNCTIONS
    return names


def main():
    choose = random.Random(5)
    sizes = [min(size, int(sys.argv[1])) for size in SIZES]
    choose.shuffle(sizes)
    print(HEAD, end="")
    for i, size in enumerate(sizes):
        values = [f"v{n}" for n in range(i % 7)]
        print(LINK.format(
            i=i, size=size, functions=FUNCTIONS, kept="".join(v + ", " for v in values),
            hide="".join(f"\t{v} = x * {n + 3} + y;\n\t__asm__ volatile(\"\" : \"+r\"({v}));\n" for n, v in enumerate(values)),
            use="".join(f"\tsum += {v};\n" for v in values)), end="")
    print(TAIL.format(names=", ".join(f"f{i}" for i in range(FUNCTIONS))), end="")


if __name__ == "__main__":
    main()
