/* SPDX-License-Identifier: Apache-2.0 */
/* The clock of the vDSO, and system calls: most samples are in the kernel.
 *
 *      main drive clocks [libc] [vdso]
 *      main drive reads [libc]
 *      main drive asks [libc] */
#include "chain.h"
#include <fcntl.h>
#include <stdio.h>
#include <time.h>

static LINK uint64_t clocks(uint64_t x)
{
	struct timespec now;

	for (unsigned int i = 0; i < 100; i++) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		x += (uint64_t)now.tv_nsec;
	}
	return x;
}

static LINK uint64_t reads(int file, uint64_t x)
{
	char room[4096];

	for (unsigned int i = 0; i < 10; i++)
		x += (uint64_t)pread(file, room, sizeof(room), 0);
	return x + (uint64_t)room[0];
}

static LINK uint64_t asks(uint64_t x)
{
	for (unsigned int i = 0; i < 10; i++)
		x += (uint64_t)getppid();
	return x;
}

static LINK uint64_t drive(int file, uint64_t x)
{
	while (is_alive()) {
		x += clocks(x);
		x += reads(file, x);
		x += asks(x);
	}
	return x;
}

int main(int argc, char **argv)
{
	int file = open(argv[0], O_RDONLY | O_CLOEXEC);

	end_after(argc, argv);
	if (file < 0) {
		perror(argv[0]);
		return 1;
	}
	return drive(file, 1) == 0;
}
