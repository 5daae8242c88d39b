/* SPDX-License-Identifier: Apache-2.0 */
/* Coroutines: their stacks begin at libc's __start_context.
 *
 *      [libc] coroutine one spin
 *      [libc] coroutine [libc]             (switching)
 *      main drive [libc]                   (switching) */
#include "chain.h"
#include <ucontext.h>

static ucontext_t home, away[4];
static volatile uint64_t sum = 1;

static LINK uint64_t one(uint64_t x)
{
	return spin(x) + 1;
}

static LINK void coroutine(int i)
{
	while (is_alive()) {
		sum += one(sum);
		swapcontext(&away[i], &home);
	}
}

static LINK uint64_t drive(uint64_t x)
{
	static char rooms[4][65536];

	for (int i = 0; i < 4; i++) {
		getcontext(&away[i]);
		away[i].uc_stack.ss_sp = rooms[i];
		away[i].uc_stack.ss_size = sizeof(rooms[i]);
		away[i].uc_link = &home;
		makecontext(&away[i], (void (*)(void))coroutine, 1, i);
	}
	while (is_alive())
		for (int i = 0; i < 4; i++)
			swapcontext(&home, &away[i]);
	return x + sum;
}

int main(int argc, char **argv)
{
	end_after(argc, argv);
	return drive(1) == 0;
}
