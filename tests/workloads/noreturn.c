/* SPDX-License-Identifier: Apache-2.0 */
/* `falls` ends with a call of what never returns: its return address belongs to the function behind it.
 *
 *      main drive falls ends spin
 *      main drive falls ends [libc]
 *      main drive [libc] */
#include "chain.h"
#include <setjmp.h>

static jmp_buf back;

/* Behind longjmp's last steps no walk can follow: they are to be a small share. */
static __attribute__((noreturn)) LINK void ends(uint64_t x)
{
	for (unsigned int i = 0; i < 30; i++)
		x += spin(x);
	longjmp(back, x ? 1 : 2);
}

static LINK void falls(uint64_t x)
{
	ends(x * 3);
}

static LINK uint64_t drive(uint64_t x)
{
	volatile uint64_t turn = x;

	setjmp(back);
	turn++;
	if (is_alive())
		falls(turn);
	return turn;
}

int main(int argc, char **argv)
{
	end_after(argc, argv);
	return drive(1) == 0;
}
