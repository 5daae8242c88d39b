#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The checks of the source itself as tests: "ok NAME", "not ok NAME" or "skip NAME: reason" a line.
set -u
cd "$(dirname "$0")/.." || exit 1

failures=0
for target in check-layers check-headers check-format lint; do
	name=source_${target//-/_}
	# The tree is formatted by one version; others differ in small things.
	if [ $target = check-format ] && ! "${CLANG_FORMAT:-clang-format}" --version 2>/dev/null | grep -q 'version 14\.'; then
		echo "skip $name: needs clang-format 14"
		continue
	fi
	if output=$(${MAKE:-make} --no-print-directory "$target" 2>&1); then
		echo "ok $name"
	else
		echo "not ok $name"
		printf '%s\n' "$output" | tail -n 100 >&2
		failures=$((failures + 1))
	fi
done
[ $failures -eq 0 ]
