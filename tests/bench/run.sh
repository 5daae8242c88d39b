#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every figure with a target: "name target measured ok|MISS" a line; exit status 1 on a MISS. Needs root.
# usage: run.sh [SECONDS of the mixed load]
set -u

here=$(cd "$(dirname "$0")" && pwd)
tree=$(cd "$here/../.." && pwd)
HOSTPROF=${HOSTPROF:-$tree/build/hostprof}
export WORKLOADS=${WORKLOADS:-$tree/build/tests/workloads}
BENCH_BIN=${BENCH_BIN:-$tree/build/tests/bench}
export TABLE_PROGRAMS=${TABLE_PROGRAMS:-$tree/build/tests/tables}
export PYTHONDONTWRITEBYTECODE=1
unset SUDO_UID SUDO_GID SUDO_USER

if [ "$(id -u)" -ne 0 ]; then
	echo "bench needs root: sudo make bench" >&2
	exit 1
fi
T=$(mktemp -d) || exit 1
children=()
# shellcheck disable=SC2317,SC2329
clean_up()
{
	[ ${#children[@]} -eq 0 ] || kill "${children[@]}" 2>/dev/null
	wait
	rm -rf "$T"
}
trap clean_up EXIT
missed=0

# at_most NAME TARGET MEASURED UNIT
at_most()
{
	local verdict=MISS

	if awk -v t="$2" -v m="$3" 'BEGIN { exit !(m != "" && m + 0 <= t + 0) }'; then
		verdict=ok
	else
		missed=1
	fi
	echo "$1 <=$2$4 ${3:-none}$4 $verdict"
}

# --- start to first delivered sample, kallsyms read included ---
"$WORKLOADS/split-pie" 600 &
children+=($!)
for i in $(seq 10); do
	"$HOSTPROF" record -q --json -d 1 -o "$T/$i.pb.gz" 2>>"$T/err" | jq .first_sample_ms
done | sort -n >"$T/first"
at_most start_to_first_sample 300 "$(sed -n 5,6p "$T/first" | awk '{s += $1} END {if (NR) print s / NR}')" ms
kill "${children[@]}"
wait
children=()

# --- 500 processes for 10 s: from the end of the recording to the last file ---
"$WORKLOADS/many_processes" 500 120 &
children+=($!)
sleep 1
"$HOSTPROF" record -q -d 10 -o "$T/500" 2>>"$T/err"
at_most end_to_written_of_500_processes 1000 "$(python3 - "$tree/tests/integration" "$T/500" <<'PYTHON'
import os
import sys

sys.path.insert(0, sys.argv[1])
from pprof_read import Profile

folder = sys.argv[2]
everything = Profile(os.path.join(folder, "all.pb.gz"))
last = max(entry.stat().st_mtime_ns for entry in os.scandir(folder))
processes = {labels["pid"] for _, _, labels in everything.samples if labels["comm"] == "many_processes"[:15]}
print(f"# {len(processes)} of 500 processes came into a sample", file=sys.stderr)
if len(processes) >= 300:
    print(round((last - everything.time_nanos - everything.duration_nanos) / 1e6))
PYTHON
)" ms
kill "${children[@]}"
wait
children=()

# --- what a run of the sampling program and a frame cost, tables made, symbols indexed, records replayed ---
for bench in "$BENCH_BIN"/{bpf_cost,unwind_cost,tables,symbol_index,registry_replay}; do
	"$bench" || missed=1
done
if command -v clang++ >/dev/null; then
	"$BENCH_BIN/compile_cost" "$here/compiled.cc" || missed=1
	python3 "$here/meter.py" compile "$HOSTPROF" "$here/compiled.cc" "$T" || missed=1
else
	echo "# no clang++: nothing measured on a compiler"
fi

# --- names: of a large program, of a file of 1 GB, of Go; then whether they are those of others, at 20,000 addresses each ---
JVM_ROOT=$tree/build/bench-jvm
# shellcheck disable=SC2016 # VERSION_CODENAME is the sourced file's
"$tree/tests/kernels/debian.sh" root "$(sh -c '. /etc/os-release && echo $VERSION_CODENAME')" amd64 "$JVM_ROOT" openjdk-17-dbg >&2 ||
	JVM_ROOT=
mkdir "$T/names"
python3 "$here/names.py" "$HOSTPROF" "$TABLE_PROGRAMS/dwarf_frames" "${JVM_ROOT:-none}" "$T/names" || missed=1
rm -rf "$T/names"
AGREEMENT_PLACES=20000 JVM_ROOT=$JVM_ROOT "$tree/tests/tables/agreement.sh" || missed=1

# --- memory, CPU, delivery and stacks on a mixed load ---
python3 "$here/meter.py" load "$HOSTPROF" "$here/load.sh" "${1:-60}" "$T/load" || missed=1

[ $missed -eq 0 ] || [ ! -s "$T/err" ] || cat "$T/err" >&2
exit $missed
