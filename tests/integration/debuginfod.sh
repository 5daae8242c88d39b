#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Debug files from a real debuginfod, and from servers that are wrong, slow, endless or gone.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

if ! have gcc objcopy strip readelf curl python3; then
	skip live_debuginfod "no gcc, objcopy, strip, readelf, curl, python3"
	finish
fi
unset DEBUGINFOD_URLS DEBUGINFOD_TIMEOUT DEBUGINFOD_MAXTIME DEBUGINFOD_MAXSIZE XDG_CACHE_HOME http_proxy https_proxy all_proxy
unset ALL_PROXY HTTPS_PROXY SSL_CERT_FILE
mkdir "$T/bin" "$T/served"
cat >"$T/spin.c" <<'C'
#include <time.h>
static volatile unsigned long sink;
static __attribute__((noinline)) void hidden_worker(void)
{
	for (int i = 0; i < 1000000; i++)
		sink += i;
}
int main(void)
{
	struct timespec began, now;

	clock_gettime(CLOCK_MONOTONIC, &began);
	do {
		hidden_worker();
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec - began.tv_sec < 300);
	return 0;
}
C
# Static: there is one file, and so one build id, to ask for.
for name in spin other; do
	gcc -O1 -g -static -o "$T/$name.full" "$T/spin.c" -Wl,--build-id=0x"$(echo "$name" | sha1sum | cut -c1-40)" &&
		objcopy --only-keep-debug "$T/$name.full" "$T/$name.debug" && strip -o "$T/bin/$name" "$T/$name.full"
done
cp "$T/spin.debug" "$T/served/"
id=$(readelf -n "$T/bin/spin" | sed -n 's/.*Build ID: //p')
address=0x$(nm "$T/spin.full" | awk '$3 == "hidden_worker" { print $1 }')
line=$(grep -n 'i < 1000000' "$T/spin.c" | cut -d: -f1)

for name in spin other; do
	in_background "$T/bin/$name"
	printf -v "${name}_pid" %s $!
done
: "${spin_pid:?}" "${other_pid:?}"
# recorded NAME OPTIONS...: the stacks of one of our programs in $T/folded, what was said in $T/err
recorded()
{
	local pid=${1}_pid

	"$HOSTPROF" record -v -d 1 -p "${!pid}" --folded "$T/folded" --force "${@:2}" 2>"$T/err"
}
# cache NAME: an empty one
cache()
{
	export DEBUGINFOD_CACHE_PATH="$T/cache-$1"
}
# shellcheck disable=SC2317,SC2329 # by check
is_named()
{
	grep -q 'main;hidden_worker' "$T/folded"
}
# shellcheck disable=SC2317,SC2329 # by check
is_unnamed()
{
	grep -q "\[stripped $1+0x" "$T/folded" && ! grep -q hidden_worker "$T/folded"
}
# shellcheck disable=SC2317,SC2329 # by check
is_cached()
{
	cmp -s "$T/spin.debug" "$DEBUGINFOD_CACHE_PATH/$id/debuginfo"
}
# shellcheck disable=SC2317,SC2329 # by check
is_not_cached()
{
	[ -z "$(find "$DEBUGINFOD_CACHE_PATH" -mindepth 1)" ]
}
# --- whom to ask ---
recorded spin --debuginfod
equal live_debuginfod_without_a_server_it_ends 1 $?
matches live_debuginfod_says_how_to_name_one 'give --debuginfod=URL, or set DEBUGINFOD_URLS' "$T/err"
"$HOSTPROF" record --debuginfod=ftp://x 2>"$T/err"
equal live_debuginfod_wants_urls 2 $?
matches live_debuginfod_names_what_is_none "'ftp://x' is not http://HOST" "$T/err"

# --- a real server ---
if have debuginfod; then
	port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
	in_background debuginfod -d :memory: -p "$port" -t 3600 -F "$T/served" >"$T/debuginfod.log" 2>&1
	real=$!
	if ! wait_for 30 curl -sf -o "$T/got" "http://127.0.0.1:$port/buildid/$id/debuginfo"; then
		not_ok live_debuginfod_is_up "$(tail -n 5 "$T/debuginfod.log")"
	fi
	cache real
	recorded spin
	check live_debuginfod_is_off_by_default "$(head -n 5 "$T/folded")" is_unnamed spin
	recorded spin --debuginfod="http://127.0.0.1:$port"
	check live_debuginfod_names "$(head -n 5 "$T/folded"; cat "$T/err")" is_named
	check live_debuginfod_is_kept "$(find "$DEBUGINFOD_CACHE_PATH" -ls)" is_cached
	equal live_debuginfod_is_kept_as_elfutils_does "400 1" "$(stat -c '%a %h' "$DEBUGINFOD_CACHE_PATH/$id/debuginfo")"
	matches live_debuginfod_is_counted 'debuginfod_files: 1$' "$T/err"
	recorded other --debuginfod="http://127.0.0.1:$port"
	check live_debuginfod_has_not_all "$(head -n 5 "$T/folded")" is_unnamed other
	matches live_debuginfod_says_not_found 'debuginfod: not found \(404\)' "$T/err"
	matches live_debuginfod_counts_not_found 'debuginfod_not_found: 1$' "$T/err"
	cache symbols
	DEBUGINFOD_URLS="http://127.0.0.1:$port" "$HOSTPROF" symbols --debuginfod "$T/bin/spin" "$address" >"$T/out" 2>"$T/err"
	matches live_debuginfod_symbols_names '^hidden_worker$' "$T/out"
	matches live_debuginfod_symbols_has_lines "/spin\\.c:($((line - 1))|$((line - 2)))\$" "$T/out"
	check live_debuginfod_symbols_keeps "$(cat "$T/err")" is_cached
	if have debuginfod-find; then
		equal live_debuginfod_find_shares_the_cache "$DEBUGINFOD_CACHE_PATH/$id/debuginfo" \
			"$(DEBUGINFOD_URLS=http://127.0.0.1:9 debuginfod-find debuginfo "$id")"
	fi
	kill "$real"
	wait "$real" 2>/dev/null
	cache real
	recorded spin --debuginfod="http://127.0.0.1:$port"
	check live_debuginfod_cache_needs_no_server "$(cat "$T/err")" is_named
	"$HOSTPROF" symbols --debuginfod="http://127.0.0.1:$port" "$T/bin/spin" "$address" >"$T/out" 2>"$T/err"
	matches live_debuginfod_symbols_uses_the_cache '^hidden_worker$' "$T/out"
	cache gone
	recorded spin --debuginfod="http://127.0.0.1:$port"
	check live_debuginfod_gone_is_survived "$(cat "$T/err")" is_unnamed spin
	matches live_debuginfod_says_gone 'debuginfod: server not reached' "$T/err"
else
	skip live_debuginfod_names "no debuginfod"
fi

# --- servers that misbehave ---
in_background "$here/debuginfod_server.py" "$T/spin.debug" "$T/other.debug" >"$T/port" 2>"$T/server.log"
wait_for 10 test -s "$T/port"
server=http://127.0.0.1:$(cat "$T/port")

# refused BEHAVIOUR SAID COUNTED: stays unnamed, says why, counts it, and keeps nothing
refused()
{
	cache "$1"
	recorded spin --debuginfod="$server/$1"
	check "live_debuginfod_${1}_is_survived" "$(cat "$T/err")" is_unnamed spin
	matches "live_debuginfod_${1}_is_told" "debuginfod: $2" "$T/err"
	matches "live_debuginfod_${1}_is_counted" "$3: 1\$" "$T/err"
	check "live_debuginfod_${1}_is_not_kept" "$(find "$DEBUGINFOD_CACHE_PATH")" is_not_cached
}
refused wrong 'build id differs' debug_files_failed
refused page 'no debug file' debug_files_failed
refused absent 'not found \(404\)' debuginfod_not_found
refused broken 'failed: -EREMOTEIO' debuginfod_failed
refused loop 'failed: -ELOOP' debuginfod_failed
refused tofile 'failed: -EPROTO' debuginfod_failed
export DEBUGINFOD_MAXSIZE=1000000
refused endless 'over the limit of size' debuginfod_failed
unset DEBUGINFOD_MAXSIZE
export DEBUGINFOD_TIMEOUT=1
refused stall 'timed out' debuginfod_failed
unset DEBUGINFOD_TIMEOUT
export DEBUGINFOD_MAXTIME=1
cache total
recorded spin --debuginfod="$server/stall"
matches live_debuginfod_takes_so_long_and_no_longer 'debuginfod: timed out' "$T/err"
unset DEBUGINFOD_MAXTIME
cache once
recorded spin --debuginfod="$server/once"
check live_debuginfod_redirects_are_followed "$(cat "$T/err")" is_named
cache localhost
recorded spin --debuginfod="http://localhost:${server##*:}/good"
check live_debuginfod_names_are_resolved "$(cat "$T/err")" is_named

# --- what no sample is in is nobody's business ---
# Their unwind tables are made before the first sample, since they are several.
printf '#include <unistd.h>\nint main(void) { for (;;) pause(); }\n' >"$T/sleeper.c"
gcc -O1 -static -o "$T/bin/sleeper" "$T/sleeper.c" -Wl,--build-id=0x51ee9e25 && strip "$T/bin/sleeper"
for _ in 1 2 3 4; do
	in_background "$T/bin/sleeper"
done
cache sleeper
: >"$T/server.log"
"$HOSTPROF" record -q -d 1 --folded "$T/folded" --force --debuginfod="$server/absent" 2>"$T/err"
matches live_debuginfod_what_is_sampled_is_asked_for "/buildid/$id/debuginfo" "$T/server.log"
equal live_debuginfod_what_is_only_mapped_is_not 0 "$(grep -c 51ee9e25 "$T/server.log")"

# --- names afterwards, of a program that is not here ---
cache symbolize
"$HOSTPROF" record -q -d 1 -p "$spin_pid" -o "$T/before.pb.gz" 2>"$T/err"
mv "$T/bin/spin" "$T/spin.away"
"$HOSTPROF" symbolize -q --debuginfod="$server/wrong,$server/good" -o "$T/after.pb.gz" "$T/before.pb.gz" 2>"$T/err"
check live_debuginfod_names_a_profile "$(cat "$T/err")" sh -c "zcat '$T/after.pb.gz' | grep -qa hidden_worker"
check live_debuginfod_symbolize_keeps "$(find "$DEBUGINFOD_CACHE_PATH")" is_cached
"$HOSTPROF" symbolize -q --debuginfod="$server/absent" -o "$T/cached.pb.gz" "$T/before.pb.gz" 2>"$T/err"
check live_debuginfod_symbolize_uses_the_cache "$(cat "$T/err")" sh -c "zcat '$T/cached.pb.gz' | grep -qa hidden_worker"
mv "$T/spin.away" "$T/bin/spin"
"$HOSTPROF" symbolize -q --debuginfod="$server/good" -o "$T/beside.pb.gz" "$T/before.pb.gz" 2>"$T/err"
check live_debuginfod_names_a_profile_of_a_file_that_is_here "$(cat "$T/err")" \
	sh -c "zcat '$T/beside.pb.gz' | grep -qa hidden_worker"

# --- several servers ---
cache second
recorded spin --debuginfod="http://127.0.0.1:9,$server/absent $server/wrong,$server/good"
check live_debuginfod_the_first_that_is_right_serves "$(cat "$T/err")" is_named
check live_debuginfod_the_right_one_is_kept "$(find "$DEBUGINFOD_CACHE_PATH")" is_cached

# --- a bad file in the cache ---
cache bad
mkdir -p "$DEBUGINFOD_CACHE_PATH/$id"
cp "$T/other.debug" "$DEBUGINFOD_CACHE_PATH/$id/debuginfo"
recorded spin --debuginfod="$server/good"
check live_debuginfod_a_bad_cached_file_is_replaced "$(cat "$T/err")" is_cached

# --- the user's cache ---
cache user
mkdir "$DEBUGINFOD_CACHE_PATH"
chown 12345:12345 "$DEBUGINFOD_CACHE_PATH"
SUDO_UID=12345 SUDO_GID=12345 "$HOSTPROF" record -q -d 1 -p "${spin_pid:?}" --debuginfod="$server/good" \
	-o "$DEBUGINFOD_CACHE_PATH/profile.pb.gz" 2>"$T/err"
check live_debuginfod_is_kept_for_the_user "$(cat "$T/err")" is_cached
equal live_debuginfod_is_the_user_s 12345 "$(stat -c %u "$DEBUGINFOD_CACHE_PATH/$id/debuginfo")"

# --- what the sender may ---
cache rights
"$HOSTPROF" record -q -d 1 -p "$spin_pid" --folded "$T/folded" --force 2>"$T/err" &
recording=$!
wait_for 5 sh -c "[ \$(wc -w </proc/$recording/task/$recording/children) -ge 2 ]"
equal live_debuginfod_no_sender_unless_asked_for "" "$(roles sender "$recording")"
wait $recording
"$HOSTPROF" record -v -d 1 -p "$spin_pid" --folded "$T/folded" --force --debuginfod="$server/stallonce" 2>"$T/err" &
recording=$!
# shellcheck disable=SC2317,SC2329 # by wait_for
is_stalled()
{
	grep -q stallonce "$T/server.log" && [ -n "$(roles sender "$recording")" ]
}
wait_for 10 is_stalled
sender=$(roles sender "$recording")
status=$(cat "/proc/$sender/status")
for row in Uid:65534 NoNewPrivs:1 CapPrm:0000000000000000 CapEff:0000000000000000 Seccomp:2; do
	equal "live_debuginfod_sender_has_${row%%:*}" "${row#*:}" "$(awk -v key="${row%%:*}:" '$1 == key { print $2 }' <<<"$status")"
done
equal live_debuginfod_libcurl_is_the_sender_s_alone "$sender" "$(for pid in $recording $(roles opener $recording) \
	$(roles resolver $recording) $sender; do
	grep -q libcurl "/proc/$pid/maps" && echo "$pid"
done)"
# Killed, it is started anew and asks again.
kill -9 "$sender"
wait $recording
check live_debuginfod_a_killed_sender_costs_nothing "$(cat "$T/err")" is_named
matches live_debuginfod_a_killed_sender_is_counted 'child_restarts: 1$' "$T/err"

# --- patience ---
cache patience
: >"$T/server.log"
"$HOSTPROF" record -v -d 1 -p "$spin_pid" --folded "$T/folded" --force --debuginfod="$server/stall" 2>"$T/err" &
recording=$!
wait_for 10 grep -q stall "$T/server.log"
# The first may end sampling, and then one ends the download.
# shellcheck disable=SC2317,SC2329 # by wait_for
is_interrupted()
{
	kill -INT "$recording"
	grep -q 'State:.*Z' /proc/"$recording"/status
}
wait_for 10 is_interrupted
wait $recording
equal live_debuginfod_an_interrupt_ends_waiting 0 $?
matches live_debuginfod_what_is_late_is_counted 'debuginfod_late: 1$' "$T/err"
check live_debuginfod_what_is_late_is_unnamed "$(head -n 5 "$T/folded")" is_unnamed spin
if have script; then
	cache slow
	TERM=xterm script -qec "$HOSTPROF record -d 1 -p $spin_pid -o $T/slow.pb.gz --debuginfod=$server/slow" "$T/typescript" >/dev/null
	matches live_debuginfod_shows_progress 'downloading debug files.*: spin [0-9.]+ of [0-9.]+ MB' "$T/typescript"
else
	skip live_debuginfod_shows_progress "no script"
fi

# --- over TLS ---
if have openssl && openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost \
	-keyout "$T/key.pem" -out "$T/cert.pem" 2>/dev/null; then
	cat "$T/key.pem" "$T/cert.pem" >"$T/both.pem"
	in_background "$here/debuginfod_server.py" "$T/spin.debug" "$T/other.debug" "$T/both.pem" >"$T/tls-port" 2>/dev/null
	wait_for 10 test -s "$T/tls-port"
	cache tls
	recorded spin --debuginfod="https://localhost:$(cat "$T/tls-port")/good"
	check live_debuginfod_tls_is_verified "$(cat "$T/err")" is_unnamed spin
	matches live_debuginfod_tls_says_so 'debuginfod: certificate refused' "$T/err"
	chmod 644 "$T/cert.pem"
	SSL_CERT_FILE=$T/cert.pem recorded spin --debuginfod="https://localhost:$(cat "$T/tls-port")/good"
	check live_debuginfod_tls_with_a_trusted_certificate "$(cat "$T/err")" is_named
	SSL_CERT_FILE=$T/cert.pem recorded other --debuginfod="https://127.0.0.1:$(cat "$T/tls-port")/good"
	matches live_debuginfod_tls_wants_the_right_name 'debuginfod: certificate refused' "$T/err"
else
	skip live_debuginfod_tls_is_verified "no openssl"
fi
finish
