#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The files: modes, owners, names, no torn or left-over ones.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

in_background "$WORKLOADS/split-pie" 600
in_background "$WORKLOADS/comm_name" 600 same
in_background "$WORKLOADS/comm_name" 600 same

umask 000
mkdir "$T/cwd"
cd "$T/cwd" || exit 1
record -d 1
equal live_default_folder_is_written 0 "$status"
folder=$(find "$T/cwd" -mindepth 1 -maxdepth 1)
matches live_default_folder_name '/hostprof-[A-Za-z0-9._+-]+-[0-9T:_-]*[0-9]Z?$' <(echo "$folder")
matches live_folder_mode_and_owner '^7[05][05] 0:0$' <(stat -c '%a %u:%g' "$folder")
equal live_file_modes_and_owners "600 0:0" "$(find "$folder" -type f -printf '%m %U:%G\n' | sort -u)"
equal live_nothing_unexpected "" "$(cd "$folder" && find . -type f | grep -vE '^\./([A-Za-z0-9._+-]+-[0-9]+(-[0-9]+)?|all)\.pb\.gz$|^\./flame\.html$')"
check live_page_and_merged_profile_are_there "$(ls -la "$folder")" test -s "$folder/flame.html" -a -s "$folder/all.pb.gz"
equal live_processes_of_one_name_have_files_of_their_own 2 "$(find "$folder" -name 'same-*.pb.gz' | wc -l)"
equal live_report_lists_every_file "$(cd "$folder" && find . -type f | wc -l)" "$(json '.files | length')"
equal live_page_fetches_nothing "" \
	"$(grep -oE '(src|href)="?(https?:)?//.{40}|@import.{40}|fetch\(.{40}|XMLHttpRequest' "$folder/flame.html" | head -n 3)"

# A second run into the same folder replaces nothing unless told to.
record -d 0.3 -o "$folder" 2>/dev/null
equal live_folder_is_not_overwritten 1 "$status"
before=$(stat -c '%i %Y' "$folder/all.pb.gz")
sleep 0.01
record -d 0.3 -o "$folder" --force
equal live_folder_is_overwritten_when_forced 0 "$status"
check live_forced_files_are_new "$before" test "$before" != "$(stat -c '%i %Y' "$folder/all.pb.gz")"

# A reader never sees half a file: what a name stands for is replaced whole.
record -d 0.3 -o "$T/atomic.pb.gz"
exec 9<"$T/atomic.pb.gz"
first=$(sha256sum <"$T/atomic.pb.gz")
record -d 0.5 -o "$T/atomic.pb.gz" --force
equal live_old_file_stays_whole_for_its_reader "$first" "$(sha256sum <&9)"
exec 9<&-

# An exec makes a new generation with a file of its own.
cat >"$T/generations" <<SCRIPT
#!/bin/sh
end=\$((\$(date +%s) + 2))
while [ \$(date +%s) -lt \$end ]; do :; done
exec "$WORKLOADS/split-pie" 1
SCRIPT
chmod 755 "$T/generations"
record -F 499 -o "$T/gen" -- "$T/generations"
pid=$(find "$T/gen" -name 'split-pie-*.pb.gz' | sed -n 's/.*split-pie-\([0-9]*\).*/\1/p' | head -n 1)
check live_generations_of_one_process_have_files_of_their_own "$(ls "$T/gen")" \
	test "$(find "$T/gen" -name "*-$pid*.pb.gz" | wc -l)" -ge 2

# Killed at any moment: whole files or none, and none with a temporary name.
# alive PID...: those of them
alive()
{
	local pid

	for pid; do
		! kill -0 "$pid" 2>/dev/null || echo "$pid"
	done
}
# shellcheck disable=SC2317,SC2329
none_alive()
{
	[ -z "$(alive "$@")" ]
}
children=()
for wait in 0.6 0.8 1.0 1.1; do
	in_background "$HOSTPROF" record -q -F 999 -d 0.7 -o "$T/killed-$wait" --folded "$T/killed-$wait.folded" 2>/dev/null
	recorder=$!
	sleep "$wait"
	mapfile -t -O ${#children[@]} children < <(roles opener "$recorder" && roles resolver "$recorder")
	kill -KILL "$recorder" 2>/dev/null
	wait "$recorder" 2>/dev/null
done
# What they were at they may end.
wait_for 20 none_alive "${children[@]}"
equal live_children_of_killed_runs_are_gone "" "$(alive "${children[@]}")"
torn=$(find "$T" -name '*.pb.gz' -exec gzip -t {} \; 2>&1)
equal live_killed_runs_leave_no_torn_file "" "$torn"
finish
