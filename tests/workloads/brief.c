/* SPDX-License-Identifier: Apache-2.0 */
/* Works for about 5 ms. usage: brief; brief SECONDS FILE... (starts the files in turn until then, each when the one
 * before has ended)
 *
 *      main drive one two spin             (without arguments) */
#include "chain.h"
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>

static LINK uint64_t two(uint64_t x)
{
	return spin(x) + 2;
}

static LINK uint64_t one(uint64_t x)
{
	return two(x) + 1;
}

static LINK uint64_t drive(uint64_t x)
{
	for (unsigned int i = 0; i < 10000; i++)
		x += one(x);
	return x;
}

static int start_all(time_t seconds, char **files)
{
	const time_t until = time(NULL) + seconds;

	for (char **file = files; time(NULL) < until; file = file[1] ? file + 1 : files) {
		char *arguments[] = {*file, NULL}, *environment[] = {NULL};
		pid_t child;

		if (posix_spawn(&child, *file, NULL, NULL, arguments, environment) || waitpid(child, NULL, 0) < 0) {
			perror(*file);
			return 1;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	return argc > 2 ? start_all(atoi(argv[1]), argv + 2) : drive(1) == 0;
}
