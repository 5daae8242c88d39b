#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Names of this machine's C++ and Rust libraries, demangled by us, by c++filt and by llvm-cxxfilt.
# Prints "ok NAME" lines.
#
#   TABLE_PROGRAMS   the folder of the built programs
set -u
export LC_ALL=C

here=$(cd "$(dirname "$0")" && pwd)
TABLE_PROGRAMS=${TABLE_PROGRAMS:-$here/../../build/tests/tables}
NAMES=50000
failures=0
T=$(mktemp -d) || exit 1
trap 'rm -rf "$T"' EXIT

# names PATTERN FILE...: defined symbols that match, each once, NAMES of them spread over all
names()
{
	local pattern=$1

	shift
	for file in "$@"; do
		nm -D --defined-only "$file" 2>/dev/null
		nm --defined-only "$file" 2>/dev/null
	done | awk '{ sub(/@.*/, "", $NF); print $NF }' | grep -E "$pattern" | sort -u |
		awk -v n=$NAMES '{ name[NR] = $0 } END { for (i = 1; i <= NR; i += NR > n ? NR / n : 1) print name[int(i)] }'
}

# compare NAME ALLOWED: lines of "name, theirs, ours" on stdin, of which ALLOWED in a thousand may differ
compare()
{
	if awk -F'\t' -v name="$1" -v allowed="$2" '
		$2 != $3 { bad++; if (bad < 4) print $1 "\n  theirs " $2 "\n  ours   " $3 >"/dev/stderr" }
		END { print name ": " NR - bad " of " NR " are as theirs"; exit !(NR && bad * 1000 <= allowed * NR) }' >"$T/said"
	then
		echo "ok $(cat "$T/said")"
	else
		echo "not ok $(cat "$T/said")"
		failures=$((failures + 1))
	fi
}

# What the two write differently: "> >", the expanded std::string of c++filt's verbose form, Rust's crate hashes and the
# types of its constants.
plain()
{
	sed -E 's/> >/>>/g; s/> >/>>/g; s/\[(0|[0-9a-f]{5,})\]//g; s/: ([iu](8|16|32|64|128|size)|bool|char)([],>;])/\3/g'
}

mapfile -t cpp < <(find /usr/lib /usr/lib64 \( -name 'libstdc++.so.6' -o -name 'libLLVM-*.so.1' -o -name 'libclang-cpp.so.*' \) \
	-size +100k -o -type l \( -name 'libstdc++.so.6' -o -name 'libLLVM-*.so.1' \) 2>/dev/null)
names '^_Z' "${cpp[@]}" >"$T/cpp"
if [ -s "$T/cpp" ]; then
	"$TABLE_PROGRAMS/demangled" full <"$T/cpp" | plain >"$T/ours"
	# shellcheck disable=SC2094 # read twice, not written
	c++filt <"$T/cpp" | plain | paste "$T/cpp" - "$T/ours" | grep -vE '^[^	]*S[sabiod]' | compare live_demangle_as_cxxfilt 0
	"$TABLE_PROGRAMS/demangled" simple <"$T/cpp" | grep -cE '^_Z|<[^.=< -]' >"$T/left"
	if [ "$(cat "$T/left")" -eq 0 ]; then
		echo "ok live_demangle_simple_leaves_no_arguments: $(cat "$T/left") of $(wc -l <"$T/cpp") have some"
	else
		echo "not ok live_demangle_simple_leaves_no_arguments: $(cat "$T/left") of $(wc -l <"$T/cpp") have some"
		failures=$((failures + 1))
	fi
	if filt=$(command -v llvm-cxxfilt || command -v llvm-cxxfilt-14); then
		# Which do not agree: transaction clones, which it does not know.
		# shellcheck disable=SC2094 # read twice, not written
		"$filt" <"$T/cpp" | plain | paste "$T/cpp" - "$T/ours" | grep -v '^_ZGT' | compare live_demangle_as_llvm 10
	fi
fi
sysroot=$(rustc --print sysroot 2>/dev/null) || sysroot=
mapfile -t rust < <(find ${sysroot:+"$sysroot/lib"} /usr/lib -name 'libstd-*.so' -o -name 'librustc_driver-*.so' 2>/dev/null)
names '^_R|^_ZN.*17h' "${rust[@]}" >"$T/rust"
if [ -s "$T/rust" ]; then
	"$TABLE_PROGRAMS/demangled" full <"$T/rust" | plain >"$T/ours"
	# Those too long to be shown in full are shown short.
	# shellcheck disable=SC2094 # read twice, not written
	c++filt -s rust <"$T/rust" | plain | paste "$T/rust" - "$T/ours" | awk 'length($0) < 4096' | compare live_demangle_as_cxxfilt_rust 0
else
	echo "skip live_demangle_as_cxxfilt_rust: no library of Rust's is here"
fi
exit $((failures > 0))
