#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What can be wrong with the machine, the rights and the names: one line that says what and how to mend it.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

# fails NAME STATUS REGEX COMMAND...: ends with the status, and its one line on stderr matches.
fails()
{
	local name=$1 wanted=$2 regex=$3 got=0

	shift 3
	timeout 60 "$@" >"$T/out" 2>"$T/talk" </dev/null || got=$?
	# What it set out to do is no error.
	grep -v '^hostprof: profiling ' "$T/talk" >"$T/err"
	equal "${name}_exit_status" "$wanted" "$got"
	matches "${name}_is_explained" "$regex" "$T/err"
	equal "${name}_in_one_line" 1 "$(wc -l <"$T/err")"
}
# The program where everyone may execute it, whatever the rights of the tree's folders.
chmod 755 "$T"
cp "$HOSTPROF" "$T/hostprof"
record=("$T/hostprof" record -d 0.3 -o "$T/none.pb.gz")
unprivileged=(setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all --bounding-set=-all)

# --- rights ---
cd /
paranoid=$(cat /proc/sys/kernel/perf_event_paranoid) no_bpf=$(cat /proc/sys/kernel/unprivileged_bpf_disabled)
if [ "$no_bpf" -ge 1 ] && [ "$paranoid" -ge 1 ]; then
	fails live_not_root 1 'root|CAP_BPF|CAP_PERFMON|sudo' "${unprivileged[@]}" "${record[@]}"
else
	skip live_not_root "this machine lets everyone"
fi
fails live_bpf_denied 1 'BPF' setpriv --bounding-set=-bpf,-sys_admin --inh-caps=-bpf,-sys_admin "${record[@]}"
if [ "$paranoid" -ge 1 ]; then
	fails live_perf_denied 1 'PERFMON|perf_event_paranoid' \
		setpriv --bounding-set=-perfmon,-sys_admin --inh-caps=-perfmon,-sys_admin "${record[@]}"
fi
mkdir "$T/empty"
# shellcheck disable=SC2016 # for the inner shell
fails live_no_btf 1 'BTF' unshare --mount sh -c 'mount --bind "$1" /sys/kernel/btf && shift && exec "$@"' sh "$T/empty" "${record[@]}"
equal live_nothing_is_left_by_failures "" "$(find "$T" -name '*.pb.gz*')"

# Neither tracefs nor debugfs is needed, nor a memlock limit, nor CAP_SYS_RESOURCE (5.11 and newer).
status=0
# shellcheck disable=SC2016 # for the inner shell
unshare --mount sh -c 'mount -t tmpfs none /sys/kernel/tracing 2>/dev/null; mount -t tmpfs none /sys/kernel/debug 2>/dev/null
	ulimit -l 64 && exec "$@"' sh \
	setpriv --bounding-set=-sys_resource --inh-caps=-sys_resource "$T/hostprof" record -q -d 0.5 -o "$T/limited.pb.gz" 2>"$T/err" || status=$?
equal live_locked_memlock_limit_and_no_tracefs "0 " "$status $(cat "$T/err")"

# --- outputs ---
mkdir "$T/full"
mount -t tmpfs -o size=16k,nr_inodes=64 full "$T/full"
# shellcheck disable=SC2317,SC2329 # at the end
leave_full()
{
	umount -l "$T/full"
}
at_end+=(leave_full)
in_background "$WORKLOADS/split-pie" 600
fails live_disk_full 1 'ENOSPC|No space' "$T/hostprof" record -F 999 -d 1 -o "$T/full/out" -o "$T/full/one.html" --folded "$T/full/f"
"$HOSTPROF" record --json -F 999 -d 1 -o "$T/full/none.html" -- "$WORKLOADS/split-pie" 1 >"$T/json" 2>/dev/null
equal live_disk_full_samples_are_lost_by_cause true \
	"$(jq '.taken > 0 and .delivered == 0 and .lost.output_failed > 0 and .taken == .delivered + ([.lost[]] | add)' "$T/json")"
equal live_disk_full_leaves_no_torn_file "" "$(find "$T/full" -name '.*' -type f; find "$T/full" -name '*.gz' -exec gzip -t {} \; 2>&1)"

echo precious >"$T/precious"
ln -s "$T/precious" "$T/link.pb.gz"
fails live_output_is_a_symlink 1 'link.pb.gz' "$T/hostprof" record -d 0.3 --force -o "$T/link.pb.gz"
equal live_symlink_target_is_untouched precious "$(cat "$T/precious")"
echo precious >"$T/there.pb.gz"
fails live_output_exists 1 'there.pb.gz.*--force|--force.*there.pb.gz' "$T/hostprof" record -d 0.3 -o "$T/there.pb.gz"
equal live_existing_output_is_untouched precious "$(cat "$T/there.pb.gz")"
fails live_output_folder_is_missing 1 'no/such' "$T/hostprof" record -d 0.3 -o "$T/no/such/file.pb.gz"
begin=$SECONDS
"$T/hostprof" record -d 30 -o "$T/there.pb.gz" 2>/dev/null
check live_output_is_checked_before_the_work "took $((SECONDS - begin)) s" test $((SECONDS - begin)) -lt 10

# --- what is asked for is not there ---
true &
gone=$!
wait "$gone"
fails live_process_is_gone 1 "$gone" "$T/hostprof" record -d 0.3 -o "$T/none.pb.gz" -p "$gone"
fails live_cgroup_is_missing 1 'no-such-cgroup' "$T/hostprof" record -d 0.3 -o "$T/none.pb.gz" --cgroup /no-such-cgroup
fails live_unknown_option 2 'no-such-option.*--help' "$T/hostprof" record --no-such-option
fails live_bad_rate 2 '10000' "$T/hostprof" record -F 1000000
fails live_bad_duration 2 'duration' "$T/hostprof" record -d never
fails live_unknown_command 2 'recrod' "$T/hostprof" recrod
# A process that ends meanwhile is no failure.
"$WORKLOADS/split-static" 1 &
record -F 499 -d 2 -p $! --folded "$T/ended"
equal live_process_may_end_meanwhile 0 "$status"
matches live_process_that_ended_is_there '^split-static;.*;main;drive;' "$T/ended"

# --- hostile names ---
in_background "$WORKLOADS/comm_name" 600 $'\e[31m</i>\a\n"'
in_background "$WORKLOADS/comm_name" 600 '<b>&;../x'
in_background "$WORKLOADS/comm_name" 600 $'\xff\xfe/\x80'
in_background "$WORKLOADS/comm_name" 600 '..'
cp "$WORKLOADS/comm_name" "$T/<img src=x onerror=alert(1)>;"$'\n\e[2J'
in_background "$T"/*onerror* 600
"$HOSTPROF" record -F 499 -d 2 -o "$T/names" --folded "$T/names.folded" >"$T/out" 2>"$T/err"
equal live_hostile_names_are_recorded 0 $?
equal live_terminal_gets_no_control_characters 0 "$(LC_ALL=C grep -c $'[\x01-\x08\x0b-\x1f\x7f]' "$T/err")"
equal live_folded_gets_no_control_characters 0 "$(LC_ALL=C grep -c $'[\x01-\x09\x0b-\x1f\x7f]' "$T/names.folded")"
equal live_folded_lines_stay_whole 0 "$(grep -avcE '^[^;]+(;[^;]+)+ [0-9]+$' "$T/names.folded")"
equal live_file_names_are_safe "" "$(cd "$T/names" && find . -mindepth 1 | LC_ALL=C grep -vE '^\./[A-Za-z0-9_+-][A-Za-z0-9._+-]*$')"
equal live_page_holds_no_foreign_element 0 "$(grep -cE '<img src=x|</i>|<b>&' "$T/names/flame.html")"
check live_profiles_of_hostile_names_are_valid "not readable" python3 -c '
import glob, sys
sys.path.insert(0, sys.argv[1])
from pprof_read import Profile
files = glob.glob(sys.argv[2] + "/*.pb.gz")
assert len(files) >= 6, files
for path in files:
    Profile(path)' "$here" "$T/names"
finish
