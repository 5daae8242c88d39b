#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Programs whose CPU is split 70/20/10 over known call paths, in several languages and kinds of linking.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

seconds=8
# What the Go runtime does beside the program is not what is measured here.
export GOMAXPROCS=1 GOGC=off GODEBUG=asyncpreemptoff=1

for kind in pie nopie static static-pie cxx rust go; do
	name=split-$kind
	if [ ! -x "$WORKLOADS/$name" ]; then
		skip "live_${name//-/_}" "its compiler is not here"
		continue
	fi
	if ! record -q -F 999 --folded "$T/$name.folded" -- "$WORKLOADS/$name" $seconds; then
		not_ok "live_${name//-/_}_is_recorded" "exit status $status"
		continue
	fi
	check "live_${name//-/_}_accounts_balance" "$(cat "$T/json")" accounts_balance
	verdicts python3 "$here/ground_truth.py" "$name" "$T/$name.folded"
done
finish
