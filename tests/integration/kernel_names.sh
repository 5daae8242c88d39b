#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Names of what the kernel runs beside its own text, and a kernel that hides its symbols.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

# share REGEX FILE: per cent of the samples of bpf_burn whose line matches
share()
{
	awk -v wanted="$1" '/^bpf_burn;/ {all += $NF; if ($0 ~ wanted) n += $NF} END {print all ? int(100 * n / all) : 0}' "$2"
}

if "$WORKLOADS/bpf_burn" 0; then
	# Loaded while we record: a KSYMBOL record tells of it.
	record -F 499 --folded "$T/loaded" -o "$T/loaded.pb.gz" -- "$WORKLOADS/bpf_burn" 1
	check live_bpf_program_loaded_meanwhile_is_named "of bpf_burn, $(share ';burn_\[k\] ' "$T/loaded") % is in burn" \
		test "$(share ';burn_\[k\] ' "$T/loaded")" -gt 50
	gzip -dc "$T/loaded.pb.gz" | grep -aoE 'bpf_prog_[0-9a-f]{16}_burn' >"$T/raw"
	check live_bpf_program_keeps_its_tag_in_the_system_name "no such name in the profile" test -s "$T/raw"

	# Loaded before: kallsyms does.
	in_background "$WORKLOADS/bpf_burn" 600
	burner=$!
	# shellcheck disable=SC2317,SC2329 # called by name
	is_burning() { grep -q 'bpf_prog_[0-9a-f]*_burn' /proc/kallsyms; }
	wait_for 10 is_burning
	record -F 499 -d 1 -p "$burner" --folded "$T/before"
	check live_bpf_program_of_before_is_named "of bpf_burn, $(share ';burn_\[k\] ' "$T/before") % is in burn" \
		test "$(share ';burn_\[k\] ' "$T/before")" -gt 50

	# Without CAP_SYSLOG, where that is what the kernel asks for.
	if have setpriv && [ "$(cat /proc/sys/kernel/perf_event_paranoid)" -gt 1 ]; then
		status=0
		setpriv --bounding-set=-syslog --inh-caps=-syslog "$HOSTPROF" record --json -F 499 -d 1 -p "$burner" \
			--folded "$T/hidden" >"$T/json" 2>"$T/err" || status=$?
		equal live_hidden_symbols_are_no_failure 0 "$status"
		matches live_hidden_symbols_are_told 'give CAP_SYSLOG or set kernel.kptr_restrict' "$T/err"
		check live_hidden_symbols_lose_no_sample "$(cat "$T/json")" python3 -c '
import json, sys
truth = json.load(open(sys.argv[1]))
assert truth["taken"] == truth["delivered"] > 100, truth' "$T/json"
		check live_hidden_symbols_are_restricted_frames "$(head -n 3 "$T/hidden")" \
			test "$(share ';\[kernel restricted\]_\[k\] ' "$T/hidden")" -gt 50
		equal live_hidden_symbols_are_not_guessed "" "$(grep -oE '[^;]*_\[k\]' "$T/hidden" | grep -v '^\[kernel restricted\]_' | head -n 3)"
	else
		skip live_hidden_symbols "no setpriv, or the kernel shows its symbols to all"
	fi
else
	skip live_bpf_program_is_named "this kernel runs no BPF program for a test"
fi
finish
