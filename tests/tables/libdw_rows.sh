#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# libdw_rows over what this machine has of large and of odd x86-64 binaries, over arm64 ones from Debian packages, and over
# a library of our own that has .debug_frame alone. Prints "ok NAME" lines.
#
#   TABLE_PROGRAMS   the folder of the built programs      ARM64_ROOT   where the packages are unpacked, or will be
set -u

here=$(cd "$(dirname "$0")" && pwd)
tree=$(cd "$here/../.." && pwd)
TABLE_PROGRAMS=${TABLE_PROGRAMS:-$tree/build/tests/tables}
ARM64_ROOT=${ARM64_ROOT:-$tree/build/tables-arm64}
arm64_packages="libc6 libssl3 libstdc++6 perl-base bash git libpython3.11-minimal libllvm14 g++-12 postgresql-15"

failures=0
# compare MACHINE LEAST PATTERN...: the files that match; fewer than LEAST are a failure of their own
compare()
{
	local machine=$1 least=$2 files=() file

	shift 2
	# Each once, whatever links lead to it; a script may stand in for a program.
	while read -r file; do
		[ "$(head -c 4 "$file" | tail -c 3)" != ELF ] || files+=("$file")
	done < <(for file; do [ ! -f "$file" ] || realpath "$file"; done | sort -u)
	if [ ${#files[@]} -lt "$least" ]; then
		echo "not ok libdw_rows_$machine: only ${#files[@]} files of $least"
		failures=$((failures + 1))
	fi
	[ ${#files[@]} -eq 0 ] || "$TABLE_PROGRAMS/libdw_rows" -n "${ROW_PCS:-20000}" "${files[@]}" || failures=$((failures + 1))
}

if [ "$(uname -m)" = x86_64 ]; then
	libraries=/usr/lib/x86_64-linux-gnu
	[ -d "$libraries" ] || libraries=/usr/lib64
	compare x86_64 12 "$libraries"/{ld-linux-x86-64.so.2,libc.so.6,libm.so.6,libstdc++.so.6,libgcc_s.so.1} \
		"$libraries"/{libcrypto.so.3,libssl.so.3,libgcrypt.so.20,libglib-2.0.so.0,libgmp.so.10,libpython3.1*.so.1.0,libdw.so.1,libelf.so.1} \
		"$libraries"/lib{LLVM-1*.so.1,clang-cpp.so.1*,aom.so.3,x265.so.1*} /usr/lib/gcc/x86_64-linux-gnu/*/cc1plus \
		/usr/bin/{bash,perl,python3,git,gdb,jq,node,qemu-system-x86_64} /usr/lib/chromium/chromium
else
	echo "skip libdw_rows_x86_64: this machine is $(uname -m)"
fi

# shellcheck disable=SC2086 # a list of words
if "$tree/tests/kernels/debian.sh" root bookworm arm64 "$ARM64_ROOT" $arm64_packages >&2; then
	libraries=$ARM64_ROOT/usr/lib/aarch64-linux-gnu
	compare arm64 6 "$ARM64_ROOT"/lib/aarch64-linux-gnu/{ld-linux-aarch64.so.1,libc.so.6,libm.so.6,libgcc_s.so.1} \
		"$libraries"/{libcrypto.so.3,libssl.so.3,libgcrypt.so.20,libstdc++.so.6,libLLVM-14.so.1} \
		"$ARM64_ROOT"/bin/bash "$ARM64_ROOT"/usr/bin/{perl,git} "$ARM64_ROOT"/usr/lib/gcc/aarch64-linux-gnu/12/cc1plus \
		"$ARM64_ROOT"/usr/lib/postgresql/15/bin/postgres
else
	echo "skip live_libdw_rows_arm64: the packages cannot be downloaded"
fi
T=$(mktemp -d) || exit 1
trap 'rm -rf "$T"' EXIT
if ${CC:-cc} -std=gnu11 -D_GNU_SOURCE -I"$tree/include" -I"$tree/src" -O2 -g -fno-asynchronous-unwind-tables -fno-unwind-tables \
	-fPIC -shared -o "$T/debug_frame.so" "$tree"/src/{base,unwind}/*.c; then
	"$TABLE_PROGRAMS/libdw_rows" -d "$T/debug_frame.so" || failures=$((failures + 1))
else
	echo "not ok libdw_rows_debug_frame.so: it cannot be built"
	failures=$((failures + 1))
fi
[ $failures -eq 0 ]
