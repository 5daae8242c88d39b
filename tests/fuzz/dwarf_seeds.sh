#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Writes the seeds of fuzz_dwarf anew: a program of two units with functions that are inlined, in several versions of DWARF.
# Needs gcc and clang.
#
#     tests/fuzz/dwarf_seeds.sh
set -eu

here=$(cd "$(dirname "$0")" && pwd)
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
corpus=$here/corpus/dwarf
mkdir -p "$corpus"
cd "$T"

cat >one.c <<'C'
extern int two(int);
static inline __attribute__((always_inline)) int leaf(int x) { return x * two(x); }
static inline __attribute__((always_inline)) int middle(int x) { return x < 3 ? leaf(x) : two(x + 1); }
int one(int x) { return __builtin_expect(x == 7, 0) ? two(middle(x)) : middle(x) + leaf(x + 2); }
__attribute__((section(".text.far"))) int far(int x) { return middle(x); }
C
cat >two.cc <<'C'
namespace n { template <typename T> struct box { T t; __attribute__((noinline)) int get(int x); }; }
template <typename T> int n::box<T>::get(int x) { return x + t; }
extern "C" int two(int x) { n::box<long> b{x}; return b.get(x); }
C

# seed NAME COMPILER FLAGS...
seed()
{
	local name=$1 compiler=$2 section size

	shift 2
	"$compiler" -O2 "$@" -c one.c -o one.o
	"${compiler/gcc/g}++" -O2 "$@" -c two.cc -o two.o
	ld -e 0 -Ttext=0x401000 -o program one.o two.o
	for section in info abbrev line str line_str ranges rnglists addr str_offsets aranges; do
		: >bytes
		objcopy --dump-section ".debug_$section=bytes" program 2>/dev/null || :
		size=$(stat -c %s bytes)
		# shellcheck disable=SC2059 # the format is made here
		printf "$(printf '\\x%02x\\x%02x' $((size & 255)) $((size >> 8)))"
		cat bytes
	done >"$corpus/$name"
}

seed gcc_5 gcc -gdwarf-5
seed gcc_4 gcc -gdwarf-4
seed gcc_2_64 gcc -gdwarf-2 -gdwarf64
seed clang_5 clang -gdwarf-5
seed clang_4 clang -gdwarf-4
