#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What strangers make of our files: go tool pprof reads each of them, and a reader of the wire format by hand finds in
# them what they must hold.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

# Newer releases of Go build the tool at its first use: the first call may take long.
export GOTOOLCHAIN=local GOPROXY=off GOFLAGS='' PPROF_TMPDIR=$T/pprof GOCACHE=$WORKLOADS/../gocache
if ! have go || ! go tool pprof -h 2>&1 | grep -q http; then
	skip live_pprof_tools "no go tool pprof"
	exit 0
fi

in_background "$WORKLOADS/split-pie" 30
in_background "$WORKLOADS/split-cxx" 30
if ! record -F 499 -d 4 --threads -o "$T/out" -o "$T/one.pb.gz"; then
	not_ok live_files_are_written "exit status $status"
	finish
fi

files=0
refused=
for file in "$T"/out/*.pb.gz "$T/one.pb.gz"; do
	files=$((files + 1))
	for report in -top -raw -traces -comments; do
		if ! timeout 60 go tool pprof -symbolize=none "$report" "$file" >"$T/report" 2>"$T/report.err" || [ ! -s "$T/report" ]; then
			refused="$refused $report $(basename "$file"): $(head -n 1 "$T/report.err");"
		fi
	done
done
check live_files_are_several "only $files files" test $files -ge 4
equal live_pprof_accepts_every_file "" "$refused"

go tool pprof -symbolize=none -top "$T/out/all.pb.gz" >"$T/top" 2>/dev/null
matches live_pprof_top_shows_real_names ' spin( |$)' "$T/top"
go tool pprof -symbolize=none -tags "$T/out/all.pb.gz" >"$T/tags" 2>/dev/null
matches live_pprof_tags_hold_comm '^ *comm:' "$T/tags"
matches live_pprof_tags_hold_pid '^ *pid:' "$T/tags"
matches live_pprof_tags_hold_tid '^ *tid:' "$T/tags"
# Addresses, mappings and build ids let pprof find names of its own where it has the file.
go tool pprof -symbolize=none -comments "$T/out/all.pb.gz" >"$T/comments" 2>/dev/null
for key in taken delivered hz.wanted hz.achieved frames.named cost.cpu_seconds; do
	matches "live_comment_holds_${key//./_}" "^hostprof\\.$key: [0-9]" "$T/comments"
done
equal live_comment_and_report_agree "hostprof.taken: $(json .taken)" "$(grep '^hostprof\.taken:' "$T/comments")"

# The web pages of pprof itself.
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
in_background go tool pprof -symbolize=none -no_browser -http "127.0.0.1:$port" "$T/out/all.pb.gz" >"$T/http.log" 2>&1
web=$!
# shellcheck disable=SC2317,SC2329
page()
{
	curl -sf --noproxy '*' "http://127.0.0.1:$port/ui/$1" -o "$T/page"
}
if wait_for 30 page top; then
	ok live_pprof_http_serves
	matches live_pprof_http_top_names_the_leaf 'spin' "$T/page"
	check live_pprof_http_flame_graph "no flame graph page" page flamegraph
else
	not_ok live_pprof_http_serves "$(cat "$T/http.log")"
fi
kill "$web" 2>/dev/null

verdicts python3 "$here/pprof_tools.py" "$T/out" "$T/json"
finish
