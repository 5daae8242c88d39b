#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# perf record --call-graph dwarf beside us, on a compiler without frame pointers that translates a C++ file full of
# templates: the call paths that the one has, the other has.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

if ! perf_works; then
	skip live_versus_perf_dwarf "perf does not work here"
	exit 0
fi
# A recording of perf for each process: of several in one, perf 6.1 unwinds some not at all.
cat >"$T/load" <<'LOAD'
#!/bin/sh
# usage: load FOLDER SOURCE
translate()
{
	for i in 1 2 3; do
		perf record -q --buildid-mmap -e cpu-clock -F 299 --call-graph dwarf,65528 -o "$1/perf.$3.$i" -- \
			clang++ -std=c++17 -O2 -S "$2" -o /dev/null || exit 1
	done
}
translate "$1" "$2" a & translate "$1" "$2" b
wait $!
LOAD
chmod +x "$T/load"
if ! record -q -F 1999 -o "$T/out" -- "$T/load" "$T" "$tree/tests/workloads/templates.cc"; then
	not_ok live_versus_perf_dwarf_is_recorded "$(tail -n 5 "$T/err")"
	finish
fi
for data in "$T"/perf.*; do
	perf script -i "$data" --no-inline --max-stack 600 -F comm,pid,ip,sym,dso >>"$T/script" 2>"$T/perf.err" || cat "$T/perf.err" >&2
	rm "$data"
done
check live_versus_perf_dwarf_accounts_balance "$(cat "$T/json")" accounts_balance
verdicts python3 "$here/versus_perf_dwarf.py" "$T/script" "$T/out" 'clang*'
finish
