// SPDX-License-Identifier: Apache-2.0
// Exceptions that pass three frames, one with a destructor to run, and templates that are inlined.
//
//      main drive attempt one two three spin
//      main drive attempt one two three [runtime]          (libstdc++, libgcc_s, libc: throwing)
//      main drive attempt one two guard::~guard spin
//      main drive attempt one two [runtime]                (goes on throwing)
//      main drive attempt [runtime]                        (catching)
#include "chain.h"
#include <stdexcept>

namespace
{

uint64_t ended;

struct guard {
	uint64_t x;
	LINK ~guard()
	{
		ended += spin(x);
	}
};

template <unsigned N> inline uint64_t mix(uint64_t x)
{
	return mix<N - 1>(x * 31 + N) ^ x;
}

template <> inline uint64_t mix<0>(uint64_t x)
{
	return x;
}

LINK uint64_t three(uint64_t x)
{
	x = mix<20>(spin(x));
	if (x != 1)
		throw std::runtime_error("as always");
	return x;
}

LINK uint64_t two(uint64_t x)
{
	guard at_end{x};

	return three(mix<5>(x)) + 2;
}

LINK uint64_t one(uint64_t x)
{
	return two(mix<7>(x)) + 1;
}

LINK uint64_t attempt(uint64_t x)
{
	try {
		return one(x);
	} catch (const std::exception &error) {
		return x + uint64_t(error.what()[0]);
	}
}

LINK uint64_t drive(uint64_t x)
{
	while (is_alive())
		x += attempt(x);
	return x;
}

} // namespace

int main(int argc, char **argv)
{
	end_after(argc, argv);
	return drive(1) + ended == 0;
}
