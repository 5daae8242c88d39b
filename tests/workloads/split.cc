// SPDX-License-Identifier: Apache-2.0
// split.c in C++, with names that hold template arguments, a space and commas:
//     main -> work::drive -> work::descend<work::heavy, 3> -> <…, 2> -> <…, 1> -> work::spin<unsigned long>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <utility>

#define KEEP_FRAME __attribute__((noipa))

namespace work
{

struct heavy;
struct medium;
struct light;

template <typename T> KEEP_FRAME T spin(T x)
{
	volatile T last = x; // a leaf without locals would have no frame

	for (unsigned i = 0; i < 600000; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
	}
	last = x;
	return last;
}

template <typename Path, int Depth> struct step {
	static KEEP_FRAME unsigned long descend(unsigned long x)
	{
		return step<Path, Depth - 1>::descend(x) + 1;
	}
};

template <typename Path> struct step<Path, 1> {
	static KEEP_FRAME unsigned long descend(unsigned long x)
	{
		return spin(x) + 1;
	}
};

double cpu_seconds()
{
	timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return double(now.tv_sec) + double(now.tv_nsec) / 1e9;
}

KEEP_FRAME unsigned long drive(double seconds, unsigned long x)
{
	char order[] = {'h', 'h', 'h', 'h', 'h', 'h', 'h', 'm', 'm', 'l'};
	uint64_t random = 88172645463325252ULL;

	while (cpu_seconds() < seconds) {
		for (unsigned i = sizeof(order) - 1; i > 0; i--) {
			random ^= random << 13;
			random ^= random >> 7;
			random ^= random << 17;
			std::swap(order[i], order[random % (i + 1)]);
		}
		for (char path : order) {
			if (path == 'h')
				x = step<heavy, 3>::descend(x);
			else if (path == 'm')
				x = step<medium, 3>::descend(x);
			else
				x = step<light, 3>::descend(x);
		}
	}
	return x;
}

} // namespace work

int main(int argc, char **argv)
{
	return work::drive(argc > 1 ? std::strtod(argv[1], nullptr) : 1, 1) == 0;
}
