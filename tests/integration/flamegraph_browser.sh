#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The flame graph page in a real browser: zoom, search, filter, keys, speed with 50,000 nodes, hostile names.
# With SHOTS=DIRECTORY it leaves pictures and pages there instead, to be looked at.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tree=$(cd "$here/../.." && pwd)
library=$(dirname "${HOSTPROF:-$tree/build/hostprof}")/libhostprof.a

browser=
for name in chromium chromium-browser google-chrome; do
	browser=$(command -v $name) && break
done
if [ -z "$browser" ] || ! command -v python3 >/dev/null; then
	echo "skip flamegraph_browser: no chromium or no python3"
	exit 0
fi
if [ -n "${SHOTS:-}" ]; then
	mkdir -p "$SHOTS" || exit 1
	pages=$SHOTS
else
	pages=$(mktemp -d "${TEST_TMPDIR:-${TMPDIR:-/tmp}}/pages.XXXXXX") || exit 1
	trap 'rm -rf --one-file-system "$pages"' EXIT
fi

# shellcheck disable=SC2046
if ! "${CC:-gcc}" -std=gnu11 -D_GNU_SOURCE -O2 -I"$tree/include" "$here/flamegraph_browser.c" "$library" -o "$pages/generate" \
	$(pkg-config --libs zlib libprotobuf-c); then
	echo "not ok page_generator_is_built"
	exit 1
fi
for kind in machine large huge hostile empty; do
	if ! "$pages/generate" $kind >"$pages/$kind.html"; then
		echo "not ok ${kind}_page_is_made"
		exit 1
	fi
done
PYTHONDONTWRITEBYTECODE=1 python3 "$here/flamegraph_browser.py" ${SHOTS:+--shots} "$browser" "$pages"
