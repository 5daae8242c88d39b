/* SPDX-License-Identifier: Apache-2.0 */
/* Many processes that each work a little all the time. usage: many_processes COUNT SECONDS */
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static __attribute__((noipa)) uint64_t work_a_little(uint64_t x)
{
	volatile uint64_t last = x;

	for (unsigned int i = 0; i < 25000; i++)
		last = last * 6364136223846793005ULL + 1;
	return last;
}

static int worker(double until)
{
	struct timespec now;
	uint64_t x = 1;

	do {
		x = work_a_little(x);
		usleep(50000);
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while ((double)now.tv_sec < until);
	return x == 0;
}

int main(int argc, char **argv)
{
	int count = argc > 1 ? atoi(argv[1]) : 500;
	double seconds = argc > 2 ? strtod(argv[2], NULL) : 10;
	struct timespec now;
	pid_t parent = getpid();

	clock_gettime(CLOCK_MONOTONIC, &now);
	for (int i = 0; i < count; i++) {
		pid_t child = fork();

		if (child < 0)
			return 1;
		if (child == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			_exit(getppid() != parent || worker((double)now.tv_sec + seconds));
		}
	}
	while (wait(NULL) > 0)
		;
	return 0;
}
