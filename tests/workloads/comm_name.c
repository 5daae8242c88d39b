/* SPDX-License-Identifier: Apache-2.0 */
/* Burns CPU under any name: usage: comm_name SECONDS NAME (15 bytes count) */
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

static __attribute__((noipa)) uint64_t burn_named(uint64_t x)
{
	volatile uint64_t last = x;

	for (unsigned int i = 0; i < 100000; i++)
		last = last * 6364136223846793005ULL + 1;
	return last;
}

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? strtod(argv[1], NULL) : 1;
	uint64_t x = 1;

	if (argc > 2 && prctl(PR_SET_NAME, argv[2]))
		return 1;
	while ((double)clock() / CLOCKS_PER_SEC < seconds)
		x = burn_named(x);
	return x == 0;
}
