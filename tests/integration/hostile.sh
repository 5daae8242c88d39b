#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Processes that run code in files made to harm whoever reads them (tests/hostile/make.py): the recording ends as any other, all
# samples are there, other processes have their names, and the memory stays within --mem.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

SECONDS_RUN=90
mkdir "$T/files" "$T/bin" "$T/replaced"
libc=$(ldd /bin/sh | awk '/libc\.so/ {print $3; exit}')
if ! python3 "$tree/tests/hostile/make.py" "$T/files" "$libc" 2>"$T/err"; then
	skip live_hostile "the files cannot be made: $(tail -n 1 "$T/err")"
	finish
fi

# A process of its own for each, called as the file.
for file in "$T/files"/*; do
	name=$(basename "$file")
	cp "$WORKLOADS/map_and_run" "$T/bin/$name"
	in_background "$T/bin/$name" "$file" $SECONDS_RUN
done

# Files that are something else by the time when they are asked for, also with their processes gone.
for kind in fifo device directory; do
	cp "$WORKLOADS/split-static" "$T/replaced/$kind"
	in_background "$T/replaced/$kind" $SECONDS_RUN
done
sleep 0.2 # they have begun
rm "$T/replaced"/*
mkfifo "$T/replaced/fifo"
mknod "$T/replaced/device" c 1 5
mkdir "$T/replaced/directory"

# A perf map that is a link to a file of somebody else's, and one that is a FIFO.
in_background "$WORKLOADS/jit_code" none $SECONDS_RUN
linked=$!
in_background "$WORKLOADS/jit_code" none $SECONDS_RUN
piped=$!
printf '0 ffffffffffff stolen_by_link\n' >"$T/map"
ln -sf "$T/map" "/tmp/perf-$linked.map"
mkfifo "/tmp/perf-$piped.map" 2>/dev/null
# shellcheck disable=SC2317,SC2329 # at the end
remove_maps()
{
	rm -f "/tmp/perf-$linked.map" "/tmp/perf-$piped.map"
}
at_end+=(remove_maps)

# Who is not to suffer.
in_background "$WORKLOADS/split-pie" $SECONDS_RUN
printf '#include <stdlib.h>\nint main(void) { for (;;) for (int i = 0; i < 1000000; i++) rand(); }\n' >"$T/victim.c"
gcc -O1 -o "$T/bin/victim" "$T/victim.c" && in_background "$T/bin/victim"

status=0
python3 "$here/memory_peak.py" "$HOSTPROF" record -vv --json --mem 48M -F 999 -d 10 -o "$T/profile.pb.gz" --folded "$T/folded" \
	3>"$T/seen" >"$T/json" 2>"$T/err" || status=$?
grep -E ' (warn|error) ' "$T/err" | grep -v 'perf map' >&2
echo "seen $(cat "$T/seen"), told $(json '.memory_peak | tostring')" >&2
equal live_hostile_is_recorded 0 "$status"
check live_hostile_accounts_balance "$(cat "$T/json")" accounts_balance
equal live_hostile_loses_no_sample 0 "$(lost)"
equal live_hostile_folded_sums_to_delivered "$(json .delivered)" "$(awk '{n += $NF} END {print n}' "$T/folded")"
check live_hostile_memory_is_within_its_limit "seen $(cat "$T/seen")" test "$(jq .bytes "$T/seen")" -le $((48 << 20))

# NAME REGEX: what the code of the file is called, at the leaf.
leaves()
{
	grep -E "^$1;" "$T/folded" | awk '{count = $NF; sub(/ [0-9]+$/, ""); n = split($0, frames, ";"); sum[frames[n]] += count}
		END {for (leaf in sum) print sum[leaf], leaf}' | sort -rn
}
leaf_is()
{
	local top

	top=$(leaves "$1" | head -n 1)
	if [[ $top =~ $2 ]]; then
		ok "live_hostile_$1_has_its_samples"
	else
		not_ok "live_hostile_$1_has_its_samples" "wanted $2, got '$top'"
	fi
}
leaf_is plain ' plain_function$'
leaf_is truncated '\[(unreadable|no ELF|replaced|stripped) truncated\+0x'
leaf_is head_only '\[(unreadable|no ELF|replaced|stripped) head_only\+0x'
leaf_is huge_sizes '\[(unreadable|stripped|no symbol) huge_sizes\+0x'
leaf_is cyclic_origin '\[(unreadable|stripped|no symbol) cyclic_origin\+0x'
leaf_is deep_tree '\[(unreadable|stripped|no symbol) deep_tree\+0x'
leaf_is cyclic_abbrev '\[(unreadable|stripped|no symbol) cyclic_abbrev\+0x'
leaf_is bomb_zlib ' beside_zlib$'
leaf_is bomb_zstd ' beside_zstd$'
leaf_is bomb_lie ' beside_lie$'
leaf_is bomb_xz '\[(stripped|no symbol|too large) bomb_xz\+0x'
leaf_is nested '\[(stripped|no symbol) nested\+0x'
leaf_is many_symbols '\[too large many_symbols\+0x'
leaf_is many_fdes '\[stripped many_fdes\+0x'
leaf_is jit-1.dump '\[.*\+0x'
leaf_is libc_id ' (stolen_name|\[replaced libc_id\+0x.*)$'

equal live_hostile_names_are_not_lent 0 "$(grep -v '^libc_id;' "$T/folded" | grep -c stolen)"
check live_hostile_victims_have_their_names "$(grep -m 3 '^split-pie;' "$T/folded")" grep -qE '^split-pie;.*;spin [0-9]+$' "$T/folded"
check live_hostile_libc_has_its_names "$(grep -m 3 '^victim;' "$T/folded")" grep -qE '^victim;.*;(rand|random|random_r) [0-9]+$' "$T/folded"
for kind in fifo device directory; do
	check "live_hostile_${kind}_in_place_of_a_file" "$(grep -m 3 "^$kind;" "$T/folded")" grep -qE "^$kind;.*(spin|\[.*\+0x)" "$T/folded"
done
check live_hostile_jit_has_its_samples "$(leaves jit_code | head -n 3)" grep -q '^jit_code;' "$T/folded"
check live_hostile_failures_are_told "$(grep ': no names' "$T/err")" grep -q 'no names from .*/many_symbols: -E2BIG' "$T/err"
finish
