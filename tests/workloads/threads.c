/* SPDX-License-Identifier: Apache-2.0 */
/* Threads: of pthread_create, and one of clone with a stack of our own.
 *
 *      [libc] worker one two spin          ([libc]: clone3 or clone, start_thread)
 *      [libc] cloned one two spin          ([libc]: clone alone) */
#include "chain.h"
#include <pthread.h>
#include <sched.h>

static LINK uint64_t two(uint64_t x)
{
	return spin(x) + 2;
}

static LINK uint64_t one(uint64_t x)
{
	return two(x) + 1;
}

static LINK void *worker(void *x)
{
	uint64_t sum = 1;

	while (is_alive())
		sum += one(sum);
	return sum ? x : NULL;
}

static LINK int cloned(void *x)
{
	uint64_t sum = 1;

	while (is_alive())
		sum += one(sum);
	return sum && x;
}

int main(int argc, char **argv)
{
	static char room[65536] __attribute__((aligned(16)));
	pthread_t thread;

	end_after(argc, argv);
	for (unsigned int i = 0; i < 2; i++)
		if (pthread_create(&thread, NULL, worker, NULL))
			return 1;
	if (clone(cloned, room + sizeof(room), CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD, NULL) <
	    0)
		return 1;
	return pthread_join(thread, NULL);
}
