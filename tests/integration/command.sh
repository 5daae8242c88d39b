#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The command line, live: a command's life and rights, Ctrl-C, and each filter.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

# total REGEX FILE: samples of the folded lines that match
total()
{
	awk -v wanted="$1" '$0 ~ wanted {n += $NF} END {print n + 0}' "$2"
}
comms() # FILE
{
	sed 's/;.*//' "$1" | sort -u | tr '\n' ' '
}
greater() # NAME A B
{
	check "$1" "$2 is not greater than $3" test "$2" -gt "$3"
}

# --- -- COMMAND ---
record --folded "$T/f" -- sh -c 'exit 7' 2>/dev/null
equal live_exit_status_is_the_commands 7 "$status"
record --folded "$T/f" --force -- sh -c 'kill -TERM $$' 2>/dev/null
equal live_exit_status_of_a_killed_command 143 "$status"
"$HOSTPROF" record -o "$T/none.pb.gz" -- /no/such/program >/dev/null 2>"$T/err"
equal live_missing_command_is_a_failure 1 $?
matches live_missing_command_is_named '/no/such/program' "$T/err"

echo "from stdin" | "$HOSTPROF" record -q -o "$T/pipe.pb.gz" -- sed s/stdin/stdout/ >"$T/out" 2>"$T/err"
equal live_stdin_and_stdout_pass_through "from stdout" "$(cat "$T/out")"
equal live_quiet_says_nothing "" "$(cat "$T/err")"

cd "$T" || exit 1
mkdir here
"$HOSTPROF" record -q -o "$T/cwd.pb.gz" -- sh -c 'cd here && pwd' >"$T/out"
equal live_command_runs_in_our_folder "$T/here" "$(cat "$T/out")"

record -F 499 --folded "$T/forks" -- sh -c "sh -c 'sh -c \"$WORKLOADS/split-pie 1\"' & $WORKLOADS/split-static 1; wait"
greater live_grandchildren_are_followed "$(total '^split-pie;.*;main;drive;' "$T/forks")" 300
greater live_children_are_followed "$(total '^split-static;.*;main;drive;' "$T/forks")" 300

# What runs beside the command is no part of it, unless it is asked for.
in_background "$WORKLOADS/comm_name" 600 beside
beside=$!
record -F 499 --folded "$T/alone" -- "$WORKLOADS/split-pie" 1
equal live_command_is_profiled_alone 0 "$(total '^beside;' "$T/alone")"
record -F 499 -a --folded "$T/all" -- "$WORKLOADS/split-pie" 1
greater live_all_processes_with_a_command "$(total '^beside;' "$T/all")" 100

# --- the invoking user ---
if user=$(getent passwd nobody); then
	uid=$(cut -d: -f3 <<<"$user") gid=$(cut -d: -f4 <<<"$user")
	mkdir "$T/theirs"
	chown "$uid:$gid" "$T/theirs"
	SUDO_UID=$uid SUDO_GID=$gid SUDO_USER=nobody "$HOSTPROF" record -q -o "$T/theirs/p.pb.gz" -- \
		sh -c 'id -u; id -g; id -G; grep -E "^(CapEff|CapPrm|CapAmb)" /proc/self/status | cut -f2 | sort -u' >"$T/out" 2>"$T/err"
	equal live_command_runs_as_the_invoking_user "$uid $gid $(id -G nobody) 0000000000000000" "$(tr '\n' ' ' <"$T/out" | sed 's/ $//')"
	equal live_file_belongs_to_the_invoking_user "$uid:$gid 600" "$(stat -c '%u:%g %a' "$T/theirs/p.pb.gz")"
	SUDO_UID=$uid SUDO_GID=$gid "$HOSTPROF" record -q -d 0.2 -o "$T/not-theirs.pb.gz" >/dev/null 2>"$T/err"
	equal live_invoking_users_rights_decide_where_files_go 1 $?
	matches live_refused_file_is_named 'not-theirs.pb.gz' "$T/err"
else
	skip live_invoking_user "no user nobody"
fi

# --- when it ends ---
begin=$(date +%s%N)
record -d 1.5 --folded "$T/short"
took=$((($(date +%s%N) - begin) / 1000000))
check live_duration_is_kept "took $took ms" test $took -ge 1500 -a $took -lt 4500
equal live_duration_is_reported true "$(json '.seconds > 1.4 and .seconds < 1.9')"

in_background env --default-signal=INT "$HOSTPROF" record --json -F 499 -o "$T/interrupted" >"$T/json" 2>"$T/err"
recorder=$!
# The folder appears only at the end: the opener is there as soon as samples can be.
# shellcheck disable=SC2317,SC2329 # by wait_for
is_sampling()
{
	[ -n "$(roles opener "$recorder")" ]
}
wait_for 10 is_sampling
sleep 1
kill -INT "$recorder"
wait "$recorder"
equal live_interrupt_is_a_normal_end 0 $?
check live_interrupt_saves_everything "no profile" test -s "$T/interrupted/all.pb.gz" -a -s "$T/interrupted/flame.html"
check live_interrupt_accounts_balance "$(cat "$T/json")" accounts_balance

# The terminal sends the signal to both: the command decides, and what is there is saved.
in_background env --default-signal=INT "$HOSTPROF" record --json -o "$T/both.pb.gz" -- \
	env --default-signal=INT "$WORKLOADS/split-pie" 60 >"$T/json" 2>"$T/err"
recorder=$!
# shellcheck disable=SC2317,SC2329 # by wait_for
is_running()
{
	burner=$(pgrep -P "$recorder" -x split-pie)
}
wait_for 10 is_running
sleep 0.5
kill -INT "$burner" "$recorder" 2>/dev/null
wait "$recorder"
equal live_interrupted_command_gives_its_status 130 $?
check live_interrupted_command_is_saved "no profile" test -s "$T/both.pb.gz"

# --- outputs ---
record -d 0.5 -o "$T/many" -o "$T/many.pb.gz" -o "$T/many.html" --folded "$T/many.folded"
equal live_several_outputs 0 "$status"
check live_all_outputs_are_there "some are missing" test -s "$T/many/all.pb.gz" -a -s "$T/many.pb.gz" -a -s "$T/many.html" -a -s "$T/many.folded"
equal live_report_keys "$(printf '%s\n' cost delivered files first_sample_ms frames hz lost stacks taken)" \
	"$(json '[keys[] | select(IN("taken","delivered","lost","stacks","frames","hz","first_sample_ms","cost","files"))] | sort[]')"
equal live_report_is_one_line 1 "$(wc -l <"$T/json")"
"$HOSTPROF" record -d 0.5 -F 499 --folded - >"$T/stdout" 2>"$T/err"
equal live_folded_on_stdout 0 $?
equal live_folded_stdout_holds_stacks_alone 0 "$(grep -vcE '^[^;]+(;[^;]+)+ [0-9]+$' "$T/stdout")"
matches live_folded_stdout_has_the_load '^beside;.*burn_named ' "$T/stdout"
"$HOSTPROF" record -d 0.5 --json --folded - >"$T/stdout" 2>"$T/err"
equal live_stdout_is_for_one 2 $?
mkdir "$T/cwd"
(cd "$T/cwd" && "$HOSTPROF" -d 0.5 >"$T/stdout" 2>"$T/err")
equal live_record_is_the_default_command 0 $?
equal live_default_folder_has_its_name 1 "$(find "$T/cwd" -maxdepth 1 -name "hostprof-$(hostname | tr -c 'A-Za-z0-9._+\n-' _)-*" | wc -l)"
equal live_stdout_is_left_alone "" "$(cat "$T/stdout")"
matches live_report_names_the_next_step 'go tool pprof -http=: ' "$T/err"
matches live_report_has_the_top_table 'burn_named' "$T/err"
equal live_no_progress_line_without_a_terminal 0 "$(grep -c $'\r' "$T/err")"

# --- filters ---
in_background "$WORKLOADS/comm_name" 600 'other name'
record -F 499 -d 1 -p "$beside" --folded "$T/pid"
equal live_pid_filter "beside " "$(comms "$T/pid")"
greater live_pid_filter_has_samples "$(total . "$T/pid")" 100
record -F 499 -d 1 --comm 'other name' --folded "$T/comm"
equal live_comm_filter "other name " "$(comms "$T/comm")"
record -F 499 -d 1 -U --folded "$T/user"
equal live_user_only_has_no_kernel_frame 0 "$(grep -c '_\[k\]' "$T/user")"
greater live_user_only_has_samples "$(total '^beside;' "$T/user")" 50
in_background dd if=/dev/zero of=/dev/null bs=1M
reader=$!
record -F 499 -d 1 -K --folded "$T/kernel"
equal live_kernel_only_has_kernel_frames_alone 0 \
	"$(awk -F ';' '{sub(/ [0-9]+$/, ""); for (i = 2; i <= NF; i++) if ($i !~ /_\[k\]$/) n++} END {print n + 0}' "$T/kernel")"
greater live_kernel_only_has_samples "$(total '^dd;' "$T/kernel")" 50
kill "$reader"

in_background sh -c "sleep 1; $WORKLOADS/split-pie 2; :"
parent=$!
record -F 499 -d 3 -p "$parent" --children --folded "$T/children"
greater live_children_filter_follows_forks "$(total '^split-pie;.*;main;drive;' "$T/children")" 300
equal live_children_filter_leaves_the_rest_out 0 "$(total '^(beside|other name);' "$T/children")"

# In the hierarchies that there are: v2, wherever it is mounted, and v1's memory, else pids.
cgroups=()
# shellcheck disable=SC2317,SC2329 # at the end
leave_cgroups()
{
	local cgroup pid

	for cgroup in ${cgroups[@]+"${cgroups[@]}"}; do
		while read -r pid; do
			kill -KILL "$pid"
		done <"$cgroup/cgroup.procs" 2>/dev/null
		wait_for 5 rmdir "$cgroup"
	done
}
at_end+=(leave_cgroups)
for root in /sys/fs/cgroup /sys/fs/cgroup/unified /sys/fs/cgroup/memory /sys/fs/cgroup/pids; do
	cgroup=$root/hostprof-test-$$
	if [ ! -e "$root/cgroup.procs" ] || ! mkdir "$cgroup" 2>/dev/null; then
		continue
	fi
	cgroups+=("$cgroup")
	mkdir "$cgroup/below"
	cgroups=("$cgroup/below" "${cgroups[@]}")
	in_background sh -c "echo \$\$ >$cgroup/below/cgroup.procs && exec $WORKLOADS/comm_name 600 inside"
	if ! wait_for 5 grep -q . "$cgroup/below/cgroup.procs"; then
		skip "cgroup_filter_${root##*/}" "no process can be moved there"
		continue
	fi
	record -F 499 -d 1 --cgroup "$cgroup" --folded "$T/${root##*/}.folded"
	# pids counts only where there is no memory hierarchy: then it is refused, or right.
	if [ "$root" = /sys/fs/cgroup/pids ] && [ $status -ne 0 ]; then
		ok live_cgroup_filter_of_another_hierarchy_is_refused
		continue
	fi
	equal "live_cgroup_filter_${root##*/}" "inside " "$(comms "$T/${root##*/}.folded")"
done
[ ${#cgroups[@]} -gt 0 ] || skip cgroup_filter "no cgroup can be made"

# Threads have names of their own.
if have python3; then
	in_background python3 -c '
import ctypes, threading
libc = ctypes.CDLL(None)
def burn(name):
    libc.prctl(15, name, 0, 0, 0)
    while True:
        sum(range(10000))
for name in (b"thread one", b"thread two"):
    threading.Thread(target=burn, args=(name,), daemon=True).start()
threading.Event().wait()'
	record -F 499 -d 2 --threads -p $! -o "$T/threads.pb.gz"
	python3 - "$here" "$T/threads.pb.gz" >"$T/labels" <<'PYTHON'
import sys
sys.path.insert(0, sys.argv[1])
from pprof_read import Profile
for _, _, labels in Profile(sys.argv[2]).samples:
    print(sorted(map(str, labels.items())))
PYTHON
	matches live_threads_label_one 'thread one' "$T/labels"
	matches live_threads_label_two 'thread two' "$T/labels"
fi

record -F 499 -d 0.5 --event cycles --folded "$T/cycles"
equal live_cycles_or_their_fall_back 0 "$status"
if [ -e /sys/bus/event_source/devices/cpu ]; then
	skip cycles_are_refused_aloud "this machine has the counter"
else
	matches live_missing_cycles_are_said 'cycles' "$T/err"
fi
finish
