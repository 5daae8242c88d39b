#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What our DWARF reader and llvm-symbolizer say of random addresses of one program: functions, base names of files, lines
# and columns of all frames. Programs in C and C++, of gcc and clang, DWARF 2 to 5, and hostprof itself. Prints "ok NAME" lines.
#
#   TABLE_PROGRAMS   the folder of the built programs      DWARF_PLACES   how many addresses of each program (2000)
#   dwarf_frames.sh FILE...                                these files instead
set -u

here=$(cd "$(dirname "$0")" && pwd)
tree=$(cd "$here/../.." && pwd)
TABLE_PROGRAMS=${TABLE_PROGRAMS:-$tree/build/tests/tables}
places=${DWARF_PLACES:-2000}
symbolizer=$(command -v llvm-symbolizer || compgen -c llvm-symbolizer- | sort -V | tail -n 1)
failures=0

if [ -z "$symbolizer" ]; then
	echo "skip dwarf_frames: no llvm-symbolizer"
	exit 0
fi
T=$(mktemp -d) || exit 1
trap 'rm -rf "$T"' EXIT

# One line an address: "function file:line:column" of each frame, tabs between. Without $1 the name of the last frame is left
# out, and a place without a line: with linkage names llvm-symbolizer takes these from the symbol table.
lines()
{
	awk -v last="$1" '
		function flush() {
			if (!n)
				return
			if (!last) {
				names[n] = ""
				sub(/^.*:0:0$/, "", places[n])
			}
			out = ""
			for (i = 1; i <= n; i++)
				out = out names[i] " " places[i] "\t"
			print out
			n = is_place = 0
		}
		$0 == "" { flush(); next }
		!is_place { names[++n] = $0; is_place = 1; next }
		{ sub(/^.*\//, ""); places[n] = $0; is_place = 0 }
		END { flush() }'
}

# compare NAME FILE
compare()
{
	local name=$1 file=$2 least total same named

	"$TABLE_PROGRAMS/dwarf_frames" -r "$places" "$file" >"$T/addresses" || { failures=$((failures + 1)); return; }
	"$symbolizer" --inlines --no-demangle --functions=short --obj="$file" <"$T/addresses" 2>/dev/null | lines 1 >"$T/theirs"
	"$TABLE_PROGRAMS/dwarf_frames" "$file" <"$T/addresses" | lines 1 >"$T/ours"
	"$symbolizer" --inlines --no-demangle --functions=linkage --obj="$file" <"$T/addresses" 2>/dev/null | lines '' >>"$T/theirs"
	"$TABLE_PROGRAMS/dwarf_frames" -l "$file" <"$T/addresses" | lines '' >>"$T/ours"
	total=$(wc -l <"$T/theirs")
	same=$(paste -d '\n' "$T/ours" "$T/theirs" | awk 'NR % 2 { ours = $0; next } { n += ours == $0 } END { print n + 0 }')
	named=$(head -n "$places" "$T/ours" | grep -cv '^?? ')
	least=$((total * 999 / 1000))
	if [ "$same" -ge "$least" ] && [ "$total" -eq $((2 * places)) ] && [ "$named" -gt $((places / 4)) ]; then
		echo "ok dwarf_frames_$name: $same of $total agree, $named of $places have a name"
	else
		echo "not ok dwarf_frames_$name: $same of $total agree, $named of $places have a name"
		paste -d '\n' "$T/ours" "$T/theirs" "$T/addresses" | head -n $((3 * places)) |
			awk 'NR % 3 == 1 { ours = $0 } NR % 3 == 2 { theirs = $0 } NR % 3 == 0 && ours != theirs {
				print $0 "\n  ours   " ours "\n  theirs " theirs; if (++n == 5) exit }' >&2
		failures=$((failures + 1))
	fi
}

# build NAME COMPILER FLAGS SOURCE...
build()
{
	local name=$1 compiler=$2

	shift 2
	if ! command -v "$compiler" >/dev/null; then
		echo "skip dwarf_frames_$name: no $compiler"
	elif "$compiler" "$@" -o "$T/$name" 2>"$T/log"; then
		compare "$name" "$T/$name"
	else
		head "$T/log" >&2
		echo "not ok dwarf_frames_$name: it cannot be built"
		failures=$((failures + 1))
	fi
}

if [ $# -gt 0 ]; then
	for file; do
		compare "$(basename "$file")" "$file"
	done
	[ $failures -eq 0 ]
	exit
fi

workloads=$tree/tests/workloads
library=("$tree"/src/{base,unwind,table}/*.c)
c=(-std=gnu11 -D_GNU_SOURCE "-I$tree/include" "-I$tree/src" "-I$tree/bpf" -D__TARGET_ARCH_x86 -w -fPIC -shared)
for version in 5 4 3 2; do
	for compiler in gcc clang; do
		build "c_${compiler}_$version" "$compiler" "-gdwarf-$version" -O2 "${c[@]}" "${library[@]}"
		[ $version -ge 4 ] || continue
		build "cc_${compiler}_$version" "${compiler/gcc/g}++" "-gdwarf-$version" -std=c++17 -O2 -fPIC "$workloads/templates.cc" -lm -lpthread
	done
done
build "c_gcc_lto" gcc -g -flto -O2 "${c[@]}" "${library[@]}"
build "c_gcc_sections" gcc -g -O2 -ffunction-sections -Wl,--gc-sections "${c[@]}" "${library[@]}"
build "c_gcc_64" gcc -g -gdwarf64 -O2 "${c[@]}" "${library[@]}"
[ ! -f "${HOSTPROF:-$tree/build/hostprof}" ] || compare hostprof "${HOSTPROF:-$tree/build/hostprof}"
[ $failures -eq 0 ]
