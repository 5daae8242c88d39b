/* SPDX-License-Identifier: Apache-2.0 */
/* Children that work on the stack of their parent, which waits: vfork.
 *
 *      main drive starts spins spin        (in the children)
 *      main drive starts [libc]            (in both) */
#include "chain.h"
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static LINK uint64_t spins(uint64_t x)
{
	for (unsigned int i = 0; i < 200000; i++)
		x += spin(x);
	return x;
}

static LINK uint64_t starts(uint64_t x)
{
	pid_t child = vfork();

	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(spins(x) == 0);
	}
	waitpid(child, NULL, 0);
	return x + 1;
}

static LINK uint64_t drive(uint64_t x)
{
	while (is_alive())
		x += starts(x);
	return x;
}

int main(int argc, char **argv)
{
	end_after(argc, argv);
	return drive(1) == 0;
}
