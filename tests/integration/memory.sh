#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# --mem holds for all of hostprof together, seen from outside, on a load that would take many times as much: stacks of which
# hardly one comes twice, many libraries, and one with much DWARF. And what the recording tells of itself is what is seen.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

LIBRARIES=120
FUNCTIONS=3000 # of the library with DWARF

# A library with a symbol table and DWARF of its own each.
make_libraries()
{
	local i

	for i in $(seq "$1"); do
		printf 'int own_%d; ' "$i"
		# shellcheck disable=SC2016 # for awk
		awk -v n="$2" -v id="$i" 'BEGIN {
			for (f = 0; f < n; f++)
				printf "struct s%d { int a, b; struct s%d *next; }; int function_%d_%d(struct s%d *s, int x) { int local_%d = x * %d; if (x > %d) { int inner = local_%d + s->a; return inner; } return local_%d + s->b; }\n", f, f, id, f, f, f, f + 1, f, f, f
			print "unsigned int leaf(unsigned int seed) { for (volatile unsigned int i = 0; i < 20000; i++) seed = seed * 1664525u + 1013904223u; return seed; }"
		}'
	done >"$T/library.c"
}
build_libraries()
{
	local i

	make_libraries 1 40
	gcc -g -O1 -fPIC -c -o "$T/small.o" "$T/library.c" || return 1
	for i in $(seq $LIBRARIES); do
		gcc -shared -Wl,-soname,"lib$i.so" -o "$T/lib$i.so" "$T/small.o" || return 1
	done
	make_libraries 1 $FUNCTIONS
	gcc -g -O1 -fPIC -shared -o "$T/large.so" "$T/library.c"
}
measured() # MEM OPTIONS...: records under it; what was seen is in $T/seen
{
	status=0
	python3 "$here/memory_peak.py" "$HOSTPROF" record --json --force --mem "$@" 3>"$T/seen" >"$T/json" 2>"$T/err" || status=$?
}
seen()
{
	jq -r "$1" "$T/seen"
}

if ! build_libraries 2>"$T/err"; then
	skip live_memory "no libraries can be built: $(head -n 1 "$T/err")"
	finish
fi
for _ in $(seq "$(nproc)"); do
	in_background "$WORKLOADS/many_stacks" 300 "$T"/lib*.so "$T/large.so"
done

for mem in 48 96; do
	measured ${mem}M -F 4999 -d 12 -o "$T/profiles" --folded "$T/folded"
	told=$(json .memory_peak.bytes)
	echo "--mem ${mem}M: seen $(cat "$T/seen"), told $(json '.memory_peak | tostring')" >&2
	equal "live_memory_${mem}_is_recorded" 0 "$status"
	check "live_memory_${mem}_is_not_exceeded" "seen $(cat "$T/seen")" test "$(seen .bytes)" -le $((mem << 20))
	check "live_memory_${mem}_is_told_as_seen" "seen $(cat "$T/seen"), told $told" \
		awk -v s="$(seen .bytes)" -v t="$told" 'BEGIN { exit !(t > 0.8 * s && t < 1.25 * s) }'
	equal "live_memory_${mem}_parts_are_the_sum" true "$(json '.memory_peak | .bytes == ([.collector_bytes, .opener_bytes,
		.resolver_bytes, .sender_bytes, .bpf_bytes, .ring_bytes, .memfd_bytes] | add) and .limit_bytes == '$((mem << 20)))"
	check "live_memory_${mem}_accounts_balance" "$(cat "$T/json")" accounts_balance
	# A ring that overflows on a busy machine is another matter.
	equal "live_memory_${mem}_loses_no_sample_for_want_of_memory" "0 0" "$(json '.lost | "\(.store_full) \(.process_table_full)"')"
	equal "live_memory_${mem}_folded_sums_to_delivered" "$(json .delivered)" "$(awk '{n += $NF} END {print n}' "$T/folded")"
	equal "live_memory_${mem}_ends_sum_to_delivered" true \
		"$(json '.delivered == .stacks.complete + ([.stacks.truncated[]] | add // 0)')"
	check "live_memory_${mem}_folds_stacks" "$(json .stacks.truncated.over_budget)" \
		test "$(json .stacks.truncated.over_budget)" -gt 0
	# What the collector folded, and what was too much for the file itself.
	folded=$(awk '/\[truncated: over the memory budget\]/ {n += $NF} END {print n + 0}' "$T/folded")
	check "live_memory_${mem}_shows_what_was_folded" "$folded of $(json .stacks.truncated.over_budget)" \
		test "$folded" -ge "$(json .stacks.truncated.over_budget)"
	check "live_memory_${mem}_names_what_is_left" "$(grep -m 3 many_stacks "$T/folded")" \
		grep -qE '^many_stacks;.*main;(go;)?caller_[0-7];.*;leaf [0-9]+$' "$T/folded"
done
finish
