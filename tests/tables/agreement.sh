#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `hostprof symbols` beside llvm-symbolizer, addr2line and eu-addr2line on random addresses: functions, files and lines
# of all frames, of libc with Debian's debug file, of C++ (DWARF 4 and 5, with link-time optimization), of Rust, of what
# dwz shares, and of split units; of Go, stripped or not, beside `go tool addr2line`. Prints "ok NAME" lines, and "note"
# lines that count the disagreements by kind and say what they are (see agreement.py).
#
#   AGREEMENT_PLACES   how many addresses of each program (500); from 20000 on of larger programs
#   JVM_ROOT           where openjdk-17-dbg and what it needs are unpacked: libjvm too
#   EXAMPLES=1         shows one of each kind
set -u
export LC_ALL=C PYTHONDONTWRITEBYTECODE=1

here=$(cd "$(dirname "$0")" && pwd)
tree=$(cd "$here/../.." && pwd)
export HOSTPROF=${HOSTPROF:-$tree/build/hostprof}
TABLE_PROGRAMS=${TABLE_PROGRAMS:-$tree/build/tests/tables}
places=${AGREEMENT_PLACES:-500}
failures=0

for tool in llvm-symbolizer addr2line eu-addr2line; do
	command -v $tool >/dev/null && continue
	echo "skip live_agreement: no $tool"
	exit 0
done
T=$(mktemp -d) || exit 1
trap 'rm -rf "$T"' EXIT
cd "$T" || exit 1

# compare NAME FILE [OPTION...]
compare()
{
	"$TABLE_PROGRAMS/dwarf_frames" -r "$places" "$2" | python3 "$here/agreement.py" "${@:3}" "agreement_$1" "$2" ||
		failures=$((failures + 1))
}
# built NAME COMMAND...
built()
{
	local name=$1

	shift
	command -v "$1" >/dev/null || {
		echo "skip live_agreement_$name: no $1"
		return 1
	}
	"$@" 2>log && return
	head log >&2
	echo "not ok agreement_$name: it cannot be built"
	failures=$((failures + 1))
	return 1
}
# The code of both is the same.
same_code()
{
	objcopy -O binary --only-section=.text "$1" one.text && objcopy -O binary --only-section=.text "$2" other.text &&
		cmp one.text other.text
}

# --- libc: a debug file, found by its build id ---
libc=$(ldd /bin/ls | awk '$1 == "libc.so.6" { print $3 }')
id=$(readelf -n "$libc" 2>/dev/null | sed -n 's/.*Build ID: //p')
if [ -e "/usr/lib/debug/.build-id/${id:0:2}/${id:2}.debug" ]; then
	compare libc "$libc"
else
	echo "skip agreement_libc: no debug file of $libc (libc6-dbg)"
fi

# --- a large library of C++ ---
if [ -n "${JVM_ROOT:-}" ]; then
	jvm=$(find "$JVM_ROOT" -name libjvm.so)
	id=$(readelf -n "$jvm" | sed -n 's/.*Build ID: //p')
	# The others look into /usr/lib/debug alone, so they are given the debug file itself.
	compare libjvm "$jvm" --debug-dir "$JVM_ROOT/usr/lib/debug" --first eu-addr2line 1000 \
		--reference "$JVM_ROOT/usr/lib/debug/.build-id/${id:0:2}/${id:2}.debug"
fi

# --- C++ and Rust ---
source=$tree/tests/workloads/templates.cc
cc=(-std=c++17 -O2)
libraries=(-lm -lpthread)
# libdw walks the whole unit for each address, and these are of one unit.
few=(--first eu-addr2line 100)
if [ "$places" -ge 20000 ]; then
	source=$tree/tests/bench/compiled.cc
	few=(--first eu-addr2line 1000)
fi
for version in 4 5; do
	built cc_$version g++ -gdwarf-$version "${cc[@]}" -o cc_$version "$source" "${libraries[@]}" &&
		compare cc_$version cc_$version "${few[@]}"
done
if [ "$places" -ge 20000 ]; then
	built cc_clang clang++ -gdwarf-5 "${cc[@]}" -o cc_clang "$source" "${libraries[@]}" && compare cc_clang cc_clang "${few[@]}"
fi
built cc_lto g++ -g -flto "${cc[@]}" -o cc_lto "$source" "${libraries[@]}" && compare cc_lto cc_lto "${few[@]}"
built rust rustc -g -O -o rust "$tree/tests/workloads/split.rs" && compare rust rust

# --- Go ---
if command -v go >/dev/null; then
	export GOCACHE=$T/cache GO111MODULE=off GOENV=off GOTOOLCHAIN=local
	built go go build -o go-whole "$here/go_program.go" && compare go go-whole --go
	built go_stripped go build -ldflags '-s -w' -o go-stripped "$here/go_program.go" && compare go_stripped go-stripped --go
else
	echo "skip live_agreement_go: no go"
fi

# --- what dwz shares: the others are asked about the files as they were ---
if command -v dwz >/dev/null && cp cc_4 whole; then
	cp cc_4 one
	built dwz g++ -gdwarf-4 -std=c++17 -o two "$source" "${libraries[@]}" &&
		built dwz dwz -m common.debug -M common.debug one two && {
		if ! readelf -SW one | grep -q gnu_debugaltlink; then
			echo "not ok agreement_dwz_shares: nothing is shared"
			failures=$((failures + 1))
		fi
		compare dwz one --reference whole --debug-dir . "${few[@]}"
	}
else
	echo "skip agreement_dwz: no dwz"
fi

# --- split units: .dwo files beside the program, and a package of them ---
for version in 4 5; do
	packer=$([ $version = 4 ] && echo dwp || echo llvm-dwp)
	mkdir "split$version"
	built split_$version g++ -gdwarf-$version -gsplit-dwarf "${cc[@]}" -c -o "split$version/split.o" "$source" || continue
	built split_$version g++ -o "split$version/split" "split$version/split.o" "${libraries[@]}" || continue
	if ! same_code "split$version/split" cc_$version; then
		echo "not ok agreement_split_$version: the whole program has other code"
		failures=$((failures + 1))
		continue
	fi
	compare split_$version "split$version/split" --reference cc_$version "${few[@]}"
	built split_package_$version "$packer" -o "split$version/split.dwp" "split$version/split.dwo" && rm "split$version/split.dwo" &&
		compare split_package_$version "split$version/split" --reference cc_$version "${few[@]}"
done
[ $failures -eq 0 ]
