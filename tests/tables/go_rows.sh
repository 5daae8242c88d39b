#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The rows of real Go programs, against .debug_frame and against what they are seen to do; names against debug/gosym;
# lines and inlined calls against their DWARF.
# Prints "ok NAME" lines.
#
#   TABLE_PROGRAMS   the folder of the built programs
#   GO_TOOLCHAINS    more versions of Go than the installed one, which it then downloads: "go1.18.10 go1.20.14"
set -u

here=$(cd "$(dirname "$0")" && pwd)
tree=$(cd "$here/../.." && pwd)
TABLE_PROGRAMS=${TABLE_PROGRAMS:-$tree/build/tests/tables}
PCS=20000
STEPS=400000
failures=0

# verdict NAME COMMAND...: what it prints on stdout is said with the verdict
verdict()
{
	local name=$1 said

	shift
	if said=$("$@"); then
		echo "ok $name${said:+: $said}"
	else
		echo "not ok $name${said:+: $said}"
		failures=$((failures + 1))
	fi
}

if ! command -v go >/dev/null; then
	echo "skip live_go_rows: no go"
	exit 0
fi
T=$(mktemp -d) || exit 1
trap 'rm -rf "$T"' EXIT
# Nothing is fetched but toolchains that were asked for (and they only with modules).
export GOCACHE=$T/cache GO111MODULE=on GOENV=off GOTOOLCHAIN=local
cd "$T" || exit 1

# build TO SOURCE ARGUMENT...: in the environment that it is called in
build()
{
	local to=$1 source=$2

	shift 2
	go build -o "$to" "$@" "$here/$source"
}
same_rows()
{
	"$TABLE_PROGRAMS/go_rows" rows "$1" >"$T/rows.a" && "$TABLE_PROGRAMS/go_rows" rows "$2" >"$T/rows.b" &&
		cmp "$T/rows.a" "$T/rows.b" >&2 && wc -l <"$T/rows.a"
}
same_names()
{
	"$TABLE_PROGRAMS/go_rows" names "$1" >"$T/names.a" && "$T/go_names" "$1" >"$T/names.b" &&
		diff "$T/names.a" "$T/names.b" >&2 && wc -l <"$T/names.a"
}

same_lines()
{
	"$TABLE_PROGRAMS/go_lines" "$1" $PCS >"$T/lines.a" && "$TABLE_PROGRAMS/go_lines" "$2" $PCS >"$T/lines.b" &&
		cmp "$T/lines.a" "$T/lines.b" >&2 && wc -l <"$T/lines.a"
}
# 99.9 % of the places that DWARF knows. (Of what is inlined into a package's init Go's table does not know where.)
agreeing_lines()
{
	"$TABLE_PROGRAMS/go_lines" "$1" $PCS >"$T/lines.a" && cut -f 1 "$T/lines.a" | "$T/go_lines" "$1" >"$T/lines.b" &&
		paste -d '|' "$T/lines.a" "$T/lines.b" | awk -F '|' '
			index($2, "\t") == 0 { unknown++; next }
			$1 == $2 { same++; inlined += gsub("\t", "", $1) > 1; next }
			++different < 20 { print >"/dev/stderr" }
			END {
				printf "%d same, %d of them with inlined calls, %d different, %d unknown to DWARF\n", same, inlined,
					different, unknown
				exit different * 1000 > same || inlined < 1000
			}'
}

# check VERSION: all the ways in which a program can be built
check()
{
	local version=$1 arch

	for arch in amd64 arm64; do
		export GOARCH=$arch CGO_ENABLED=0
		build plain go_program.go || return 1
		if [ "$(go version plain)" != "plain: $version" ]; then
			echo "not ok go_rows_${version}_$arch: it was built by $(go version plain)"
			failures=$((failures + 1))
		fi
		verdict "go_rows_${version}_$arch" "$TABLE_PROGRAMS/go_rows" compare plain $PCS
		verdict "go_names_${version}_$arch" same_names plain
		verdict "go_lines_${version}_$arch" agreeing_lines plain
		build stripped go_program.go -ldflags '-s -w' || return 1
		verdict "go_rows_${version}_${arch}_stripped" same_rows plain stripped
		verdict "go_lines_${version}_${arch}_stripped" same_lines plain stripped
		build pie go_program.go -buildmode=pie || return 1
		verdict "go_rows_${version}_${arch}_pie" "$TABLE_PROGRAMS/go_rows" compare pie $PCS
		verdict "go_names_${version}_${arch}_pie" same_names pie
		verdict "go_lines_${version}_${arch}_pie" agreeing_lines pie
		[ $arch = amd64 ] && cp plain plain-amd64
	done
	unset GOARCH
	[ "$(uname -m)" = x86_64 ] || return 0
	export CGO_ENABLED=1
	build cgo go_callback.go || return 1
	verdict "go_rows_${version}_cgo" "$TABLE_PROGRAMS/go_rows" compare cgo $PCS
	build cgo-pie go_callback.go -buildmode=pie -ldflags -linkmode=external || return 1
	verdict "go_rows_${version}_cgo_pie" "$TABLE_PROGRAMS/go_rows" compare cgo-pie $PCS
	build cgo-stripped go_callback.go -buildmode=pie -ldflags '-linkmode=external -s -w' || return 1
	verdict "go_rows_${version}_cgo_stripped" same_rows cgo-pie cgo-stripped
	verdict "go_step_${version}" "$TABLE_PROGRAMS/go_step" $STEPS ./plain-amd64
	verdict "go_step_${version}_cgo" "$TABLE_PROGRAMS/go_step" 1000000 ./cgo
}

GOARCH='' build go_names go_names.go || exit 1
GOARCH='' build go_lines go_lines.go || exit 1
check "$(go env GOVERSION)" || {
	echo "not ok go_rows: the programs cannot be built"
	failures=$((failures + 1))
}
for version in ${GO_TOOLCHAINS:-}; do
	export GOTOOLCHAIN=$version
	check "$version" || {
		echo "not ok go_rows_$version: the programs cannot be built"
		failures=$((failures + 1))
	}
done
[ $failures -eq 0 ]
