#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# scan_agreement over compiled x86-64 binaries of this machine, and over arm64 ones from Debian packages. Prints "ok NAME"
# lines.
#
#   TABLE_PROGRAMS   the folder of the built programs      ARM64_ROOT   where the packages are unpacked, or will be
#
# Fewer than 99 % need agree where much of the code is landing pads, to which no instruction leads; of libcrypto's, much is
# written by hand and has its CFA in other registers or in memory, and its CFI does not tell that some of it overwrites rbp.
# By symbols alone git is the hard one: it exports next to none. LLVM before 15 wrote for arm64 no CFI that holds in
# prologues and epilogues.
set -u

here=$(cd "$(dirname "$0")" && pwd)
tree=$(cd "$here/../.." && pwd)
TABLE_PROGRAMS=${TABLE_PROGRAMS:-$tree/build/tests/tables}
ARM64_ROOT=${ARM64_ROOT:-$tree/build/tables-arm64}
# One list for all programs: who comes first unpacks them.
arm64_packages="libc6 libssl3 libstdc++6 perl-base bash git libpython3.11-minimal libllvm14 g++-12 postgresql-15"

failures=0
# agree OPTIONS... -- FILE...: those that are there
agree()
{
	local options=() files=() file

	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	while read -r file; do
		files+=("$file")
	done < <(for file; do [ ! -f "$file" ] || realpath "$file"; done | sort -u)
	[ ${#files[@]} -eq 0 ] || "$TABLE_PROGRAMS/scan_agreement" ${options[@]+"${options[@]}"} "${files[@]}" ||
		failures=$((failures + 1))
}

if [ "$(uname -m)" = x86_64 ]; then
	libraries=/usr/lib/x86_64-linux-gnu
	[ -d "$libraries" ] || libraries=/usr/lib64
	compiled=("$libraries"/{libc.so.6,libglib-2.0.so.0,libpython3.1*.so.1.0,libperl.so.5.*,libdw.so.1} /usr/bin/{bash,git})
	agree -- "${compiled[@]}" "$libraries"/libLLVM-1*.so.1 /usr/lib/gcc/x86_64-linux-gnu/*/cc1plus
	agree -l 90 -- "$libraries"/libstdc++.so.6
	agree -l 90 -m 1 -- "$libraries"/libcrypto.so.3
	agree -d -l 95 -m 0.1 -- "${compiled[@]}"
else
	echo "skip scan_agreement_x86_64: this machine is $(uname -m)"
fi

# shellcheck disable=SC2086 # a list of words
if "$tree/tests/kernels/debian.sh" root bookworm arm64 "$ARM64_ROOT" $arm64_packages >&2; then
	libraries=$ARM64_ROOT/usr/lib/aarch64-linux-gnu
	compiled=("$ARM64_ROOT"/lib/aarch64-linux-gnu/libc.so.6 "$libraries"/libcrypto.so.3 "$ARM64_ROOT"/bin/bash
		"$ARM64_ROOT"/usr/bin/git "$ARM64_ROOT"/usr/lib/postgresql/15/bin/postgres)
	agree -- "${compiled[@]}" "$ARM64_ROOT"/usr/lib/gcc/aarch64-linux-gnu/12/cc1plus
	agree -l 90 -- "$libraries"/libstdc++.so.6
	agree -d -l 95 -m 0.1 -- "${compiled[@]}"
else
	echo "skip live_scan_agreement_arm64: the packages cannot be downloaded"
fi
[ $failures -eq 0 ]
