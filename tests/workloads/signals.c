/* SPDX-License-Identifier: Apache-2.0 */
/* Handlers that work, on the normal or on an alternate stack, and interrupt code anywhere. usage: signals [SECONDS
 * [alternate]]
 *
 *      main drive work spin
 *      main drive work spin [libc] handler handled spin       ([libc]: the trampoline)
 *      main drive work [libc] handler handled spin
 *      main drive [libc] handler handled spin
 *      main drive raises [libc]+ handler handled spin         (raise, and the trampoline) */
#include "chain.h"
#include <signal.h>
#include <string.h>
#include <sys/time.h>

static volatile uint64_t sum;

static LINK uint64_t handled(uint64_t x)
{
	return spin(x) + 1;
}

static LINK void handler(int number)
{
	for (unsigned int i = 0; i < 1000; i++)
		sum += handled((uint64_t)number);
}

static LINK uint64_t work(uint64_t x)
{
	for (unsigned int i = 0; i < 100; i++)
		x += spin(x);
	return x;
}

static LINK uint64_t raises(uint64_t x)
{
	return (uint64_t)raise(SIGUSR1) + x;
}

static LINK uint64_t drive(uint64_t x)
{
	while (is_alive()) {
		for (unsigned int i = 0; i < 50; i++)
			x += work(x);
		x += raises(x);
	}
	return x;
}

int main(int argc, char **argv)
{
	static char room[65536];
	const stack_t alternate = {.ss_sp = room, .ss_size = sizeof(room)};
	const struct itimerval often = {.it_interval.tv_usec = 1000, .it_value.tv_usec = 1000};
	struct sigaction action = {.sa_handler = handler};

	end_after(argc, argv);
	if (argc > 2 && !strcmp(argv[2], "alternate")) {
		sigaltstack(&alternate, NULL);
		action.sa_flags = SA_ONSTACK;
	}
	sigfillset(&action.sa_mask);
	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGPROF, &action, NULL);
	setitimer(ITIMER_PROF, &often, NULL);
	return drive(1) == 0;
}
