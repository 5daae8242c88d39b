#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Writes the seeds of fuzz_dwarf anew: a program of two units with functions that are inlined, in several versions of DWARF.
# Needs gcc, clang, llvm-dwp and dwz.
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

sections=(info abbrev line str line_str ranges rnglists addr str_offsets aranges)

# image FILE SUFFIX PACKED: its sections, a length before each; those behind .debug_aranges too.
image()
{
	local names=() name size

	for name in "${sections[@]}"; do
		names+=(".debug_$name$2")
	done
	for name in "${names[@]}" .gnu_debugaltlink .debug_sup .debug_cu_index; do
		: >bytes
		[ -z "$1" ] || objcopy --dump-section "$name=bytes" "$1" 2>/dev/null || :
		# One flag is of all sections: what is empty or not packed has none.
		size=$(stat -c %s bytes)
		# shellcheck disable=SC2059 # the format is made here
		printf "$(printf '\\x%02x\\x%02x' $((size & 255)) $((size >> 8)))"
		cat bytes
	done
}

# build COMPILER FLAGS...: makes one.o, two.o and the program.
build()
{
	local compiler=$1

	shift
	"$compiler" -O2 "$@" -c one.c -o one.o
	"${compiler/gcc/g}++" -O2 "$@" -c two.cc -o two.o
	ld -e 0 -Ttext=0x401000 -o program one.o two.o
}

# seed NAME COMPILER FLAGS...
seed()
{
	local name=$1

	shift
	build "$@"
	image program '' >"$corpus/$name"
}

# As a .dwo file, and, where the packer can do it, as a package.
split_seed()
{
	local name=$1

	shift
	build "$@" -gsplit-dwarf
	{ image program ''; image one.dwo .dwo; } >"$corpus/$name"
	[ "$name" = split_gcc_5 ] || llvm-dwp -e program -o package.dwp
	[ "$name" = split_gcc_5 ] || { image program ''; image package.dwp .dwo; } >"$corpus/${name}_package"
}

# What dwz shares between two programs.
shared_seed()
{
	local name=$1 options=$2

	shift 2
	build "$@"
	cp program other
	# shellcheck disable=SC2086 # several words
	dwz $options -m common program other
	{ image program ''; image common ''; } >"$corpus/$name"
}

seed gcc_5 gcc -gdwarf-5
seed gcc_4 gcc -gdwarf-4
seed gcc_2_64 gcc -gdwarf-2 -gdwarf64
seed clang_5 clang -gdwarf-5
seed clang_4 clang -gdwarf-4
split_seed split_gcc_5 gcc -gdwarf-5
split_seed split_gcc_4 gcc -gdwarf-4
split_seed split_clang_5 clang -gdwarf-5
split_seed split_clang_4 clang -gdwarf-4
shared_seed shared_4 '' gcc -gdwarf-4
shared_seed shared_5 -5 gcc -gdwarf-5
build gcc -gdwarf-5
objcopy --compress-debug-sections=zlib program
{ image program ''; image '' ''; printf '\001'; } >"$corpus/packed"
