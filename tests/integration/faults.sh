#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# One of our processes dies, hangs or stops: it costs time or names, never a sample.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

for _ in $(seq "$(nproc)"); do
	in_background "$WORKLOADS/split-pie" 600
done

# start ARGUMENTS...: a recording in the background; its pid is in $recorder.
start()
{
	in_background "$HOSTPROF" record --json --force "$@" >"$T/json" 2>"$T/err"
	recorder=$!
}
# Both by wait_for.
# shellcheck disable=SC2317,SC2329
has_ended()
{
	! kill -0 "$recorder"
}
# shellcheck disable=SC2317,SC2329
is_sampling() # the opener is there
{
	[ -n "$(roles opener "$recorder")" ]
}
# end SECONDS: waits that long at most; sets $status.
end()
{
	wait_for "$1" has_ended || {
		kill -KILL "$recorder"
		echo "hostprof did not end within $1 s" >&2
	}
	wait "$recorder"
	status=$?
	[ $status -eq 0 ] || sed 's/^/    /' "$T/err" >&2
}

# --- the resolver is killed every second ---
start -F 499 -d 6 --folded "$T/folded"
kills=0
while kill -0 "$recorder" 2>/dev/null; do
	for pid in $(roles resolver "$recorder"); do
		kill -KILL "$pid" 2>/dev/null && kills=$((kills + 1))
	done
	# A second, or the end of the recording.
	timeout 1 tail --pid="$recorder" -f /dev/null
	[ $kills -lt 60 ] || break
done
end 30
equal live_resolver_killed_run_ends_well 0 "$status"
check live_resolver_was_killed "never seen" test $kills -ge 1
equal live_resolver_killed_loses_nothing 0 "$(lost)"
check live_resolver_killed_accounts_balance "$(cat "$T/json")" accounts_balance
matches live_resolver_killed_names_are_there '^split-pie;.*main;drive;heavy_one;heavy_two;heavy_three;spin ' "$T/folded"

# --- the resolver is killed while it names ---
start -F 499 -d 2 --folded "$T/folded"
sleep 2
killed=no
for _ in $(seq 400); do
	kill -0 "$recorder" 2>/dev/null || break
	for pid in $(roles resolver "$recorder"); do
		# Only what works right now: the time when the batch is there.
		if [ $killed = no ] && grep -q '^State:.R' "/proc/$pid/status" 2>/dev/null; then
			kill -KILL "$pid" && killed=yes
		fi
	done
done
end 30
equal live_resolver_killed_at_the_end_run_ends_well 0 "$status"
equal live_resolver_killed_at_the_end_loses_nothing 0 "$(lost)"
matches live_resolver_killed_at_the_end_names_are_there ';main;drive;heavy_one;heavy_two;heavy_three;spin ' "$T/folded"

# --- the opener is stopped ---
start -F 499 -d 4 --folded "$T/folded"
wait_for 10 is_sampling
for pid in $(roles opener "$recorder"); do
	kill -STOP "$pid"
done
end 60
equal live_opener_stopped_run_ends_well 0 "$status"
equal live_opener_stopped_loses_nothing 0 "$(lost)"
check live_opener_stopped_accounts_balance "$(cat "$T/json")" accounts_balance
matches live_opener_stopped_samples_are_there '^split-pie;' "$T/folded"

# --- the opener is killed, again and again ---
start -F 499 -d 4 --folded "$T/folded"
for _ in 1 2 3; do
	for pid in $(roles opener "$recorder"); do
		kill -KILL "$pid" 2>/dev/null
	done
	timeout 1 tail --pid="$recorder" -f /dev/null
done
end 60
equal live_opener_killed_run_ends_well 0 "$status"
equal live_opener_killed_loses_nothing 0 "$(lost)"
matches live_opener_killed_names_are_there '^split-pie;.*main;drive;heavy_one;heavy_two;heavy_three;spin ' "$T/folded"

# --- a file system that never answers an open ---
if [ -x "$WORKLOADS/stuck_fuse" ] && [ -e /dev/fuse ] && mkdir "$T/fuse"; then
	in_background "$WORKLOADS/stuck_fuse" "$T/fuse" "$WORKLOADS/split-static" "$T/stuck" 2>"$T/fuse.err"
	server=$!
	# Whoever waits for the server can only end when it is gone.
	leave_fuse()
	{
		kill -KILL "$server" 2>/dev/null
		umount -l "$T/fuse" 2>/dev/null
	}
	at_end+=(leave_fuse)
	if wait_for 10 test -x "$T/fuse/program"; then
		in_background "$T/fuse/program" 600
		program=$!
		wait_for 10 grep -q "$T/fuse/program" "/proc/$program/maps"
		touch "$T/stuck"
		start -F 499 -d 4 --folded "$T/folded"
		end 60
		equal live_stuck_file_run_ends_well 0 "$status"
		equal live_stuck_file_loses_nothing 0 "$(lost)"
		check live_stuck_file_accounts_balance "$(cat "$T/json")" accounts_balance
		matches live_stuck_file_samples_are_there '^program;.*\[unreadable program\+0x' "$T/folded"
		matches live_stuck_file_costs_the_others_no_names '^split-pie;.*main;drive;heavy_one;heavy_two;heavy_three;spin ' "$T/folded"
		kill -KILL "$program"
	else
		not_ok live_stuck_file_is_served "$(cat "$T/fuse.err")"
	fi
	leave_fuse
else
	skip live_stuck_file "no FUSE here"
fi

# --- the collector is stopped for two seconds ---
start -F 99 -d 6 --folded "$T/folded"
wait_for 10 is_sampling
sleep 1
kill -STOP "$recorder"
sleep 2
kill -CONT "$recorder"
end 30
equal live_collector_stopped_run_ends_well 0 "$status"
check live_collector_stopped_accounts_balance "$(cat "$T/json")" accounts_balance
equal live_collector_stopped_ring_holds_two_seconds 0 "$(lost)"
check live_collector_stopped_samples_of_the_stop_are_there "$(cat "$T/json")" \
	awk -v n="$(json .taken)" -v cpus="$(nproc)" 'BEGIN { exit !(n > 0.9 * 6 * 99 * cpus) }'

# --- longer than the ring lasts: what is lost is counted ---
start -F 9999 -d 8 --folded "$T/folded"
wait_for 10 is_sampling
sleep 1
kill -STOP "$recorder"
sleep 5
kill -CONT "$recorder"
end 60
equal live_ring_overflow_run_ends_well 0 "$status"
check live_ring_overflow_accounts_balance "$(cat "$T/json")" accounts_balance
equal live_ring_overflow_folded_sums_to_delivered "$(json .delivered)" "$(awk '{n += $NF} END {print n}' "$T/folded")"
echo "ring overflow: taken $(json .taken), lost $(lost)" >&2
finish
