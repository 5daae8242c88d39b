#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs unit test programs again and again, each time with another of their allocations failing (tests/unit/oom.c).
# Tests may fail then, but the program must end by itself: no signal, no sanitizer report, no hang.
#
#     tests/check-oom.sh [PROGRAM...]
#
# OOM_PROGRAMS: the programs when none are given. OOM_CAP: at most so many runs of a program (default 150).
#
# Every allocation fails once where there are no more than the cap; else the first half of the runs take the first
# ones, and the other half spreads over the rest.
set -u

cap=${OOM_CAP:-150}
dir=$(mktemp -d "${TMPDIR:-/tmp}/hostprof-oom.XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT
# A failed test may leak what it held: that is no finding here.
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0:allocator_may_return_null=1:handle_segv=2:exitcode=99"

# shellcheck disable=SC2086 # make hands the list in the environment, as tests/run gives no arguments
[ $# -gt 0 ] || set -- ${OOM_PROGRAMS:-}

bad=0
for program in "$@"; do
	name=$(basename "$program")
	if ! OOM_COUNT_FILE=$dir/count timeout 120 "$program" >"$dir/out" 2>&1 </dev/null; then
		echo "not ok oom_$name: fails with all the memory it wants"
		bad=1
		continue
	fi
	read -r count <"$dir/count"
	runs=0 failures=0
	nth=1
	while [ "$nth" -le "$count" ]; do
		OOM_AT=$nth timeout 60 "$program" >"$dir/out" 2>&1 </dev/null
		status=$?
		# cmocka turns a SIGSEGV into a failed test.
		if [ $status -ge 99 ] || grep -q 'Test failed with exception\|runtime error:\|AddressSanitizer' "$dir/out"; then
			failures=$((failures + 1))
			{
				echo "$name, allocation $nth of $count: status $status"
				grep -v '^\[ RUN \|^\[       OK ' "$dir/out" | tail -n 20
			} >&2
			[ $failures -lt 5 ] || break
		fi
		runs=$((runs + 1))
		if [ "$count" -le "$cap" ] || [ $runs -lt $((cap / 2)) ]; then
			nth=$((nth + 1))
		else
			nth=$((nth + (count - cap / 2) / (cap / 2) + 1))
		fi
	done
	if [ "$count" -eq 0 ]; then
		echo "not ok oom_$name: allocates nothing, so it need not be here"
		bad=1
	elif [ $failures -eq 0 ]; then
		echo "ok oom_$name: $runs of $count allocations failed"
	else
		echo "not ok oom_$name: $failures crashes"
		bad=1
	fi
done
exit $bad
