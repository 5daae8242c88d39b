#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Programs without frame pointers whose call chains are known: in 99.9 % of the samples the whole chain is there, and in
# none is a caller that cannot be one.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

rate=1999
seconds=${UNWIND_SECONDS:-8}

# start NAME PROGRAM ARGUMENTS...: a workload; $T/started tells unwind_chains.py which process is which.
pids=()
start()
{
	local name=$1 program=$2

	shift 2
	if [ ! -x "$WORKLOADS/$program" ]; then
		skip "live_unwind_${name//-/_}" "its compiler is not here"
		return
	fi
	# It uses two minutes of CPU at most, should we be killed.
	in_background bash -c 'ulimit -t 120 && exec nice "$@"' start "$WORKLOADS/$program" "$@"
	pids+=($!)
	echo "$name $!" >>"$T/started"
}
# work PID...: all have used the CPU, or have children that do.
# shellcheck disable=SC2317,SC2329
work()
{
	local pid

	for pid; do
		grep -q . "/proc/$pid/task/$pid/children" && continue
		awk '{ sub(/.*\) /, ""); exit $12 + $13 < 2 }' "/proc/$pid/stat" || return 1
	done
}
# few_copies TAKEN COPIES: less than one stack in a hundred was not walked where it was sampled.
# shellcheck disable=SC2317,SC2329
few_copies()
{
	[ $(($2 * 100)) -lt "$1" ]
}
# judge NAME: what unwind_chains.py says of the recording in $T/NAME.
judge()
{
	check "live_unwind_$1_accounts_balance" "$(cat "$T/json")" accounts_balance
	equal "live_unwind_$1_loses_none" 0 "$(lost)"
	verdicts python3 "$here/unwind_chains.py" "$T/$1" "$T/started"
	: >"$T/started"
}
# record_group NAME: the started workloads, for some seconds; then it ends them.
record_group()
{
	wait_for 20 work "${pids[@]}" || echo "not all of $1 work" >&2
	record -q -F $rate -d "$seconds" -p "$(IFS=,; echo "${pids[*]}")" --children -o "$T/$1"
	kill "${pids[@]}"
	wait "${pids[@]}" 2>/dev/null
	pids=()
	# They ran before: their mappings, and most tables, were there before the first sample.
	check "live_unwind_$1_is_ready_at_its_first_sample" "$(jq -c "{taken, unwind}" "$T/json")" \
		few_copies "$(jq .taken "$T/json")" "$(jq .unwind.copies "$T/json")"
	judge "$1"
}

for kind in pie nopie static static-pie debug-frame clang musl musl-static rust go go-stripped; do
	start chain-$kind chain-$kind
done
for name in calls contexts crypto dlopen noreturn plt realign realign-clang; do
	start $name $name
done
record_group languages

for compiler in gcc clang; do
	start deep-$compiler-400 deep-$compiler 400
	for depth in 10 50 120; do
		start wide-$compiler-$depth wide-$compiler $depth
	done
done
for name in compat signals threads threads-musl throw; do
	start $name $name
done
start signals-alternate signals 300 alternate
start vforks vforks
# It is its children that work.
sed -i 's/^vforks .*/vforks vforks/' "$T/started"
record_group shapes

# Processes of 5 ms: one program again and again, linked dynamically and statically, and programs that nobody has seen
# before, each with a build id of its own.
cp "$WORKLOADS/brief" "$T/spawner"
python3 - "$WORKLOADS/brief" "$T" <<'UNSEEN'
import os
import struct
import sys

program, folder = sys.argv[1:]
with open(program, "rb") as file:
    data = file.read()
note = data.index(struct.pack("<III", 4, 20, 3) + b"GNU\0") + 16
for i in range(200):
    path = os.path.join(folder, f"unseen-{i}")
    with open(path, "wb") as file:
        file.write(data[:note] + os.urandom(20) + data[note + 20 :])
    os.chmod(path, 0o755)
UNSEEN
briefs=()
for unseen in "$T"/unseen-*; do
	briefs+=("$WORKLOADS/brief" "$WORKLOADS/brief-static" "$unseen")
done
record -q -F $rate -o "$T/brief" -- "$T/spawner" "$seconds" "${briefs[@]}"
printf '%s\n' 'brief brief' 'brief-static brief-static' 'brief-unseen unseen-*' >"$T/started"
judge brief
finish
