# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the live tests share. A test is one line on stdout, "ok NAME", "not ok NAME" or "skip NAME: reason"; what went
# wrong goes to stderr, which tests/run shows for a script with a failure.
#
#   HOSTPROF    the program            WORKLOADS   the folder of the built workloads
#   T           a folder of this script's own, removed at the end
set -u

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tree=$(cd "$here/../.." && pwd)
HOSTPROF=${HOSTPROF:-$tree/build/hostprof}
WORKLOADS=${WORKLOADS:-$tree/build/tests/workloads}
export PYTHONDONTWRITEBYTECODE=1

# Who typed "sudo make test" must not matter here; the tests that are about it set these themselves.
unset SUDO_UID SUDO_GID SUDO_USER

failures=0
ok()
{
	echo "ok $1"
}
not_ok() # NAME WHY...
{
	echo "not ok $1"
	echo "$1: ${*:2}" >&2
	failures=$((failures + 1))
}
skip() # NAME WHY...
{
	echo "skip $1: ${*:2}"
}
# check NAME WHY COMMAND...: ok when the command succeeds. Its stderr is kept, its stdout is not.
check()
{
	local name=$1 why=$2

	shift 2
	if "$@" >/dev/null; then
		ok "$name"
	else
		not_ok "$name" "$why"
	fi
}
# equal NAME WANTED GOT
equal()
{
	if [ "$2" = "$3" ]; then
		ok "$1"
	else
		not_ok "$1" "wanted '$2', got '$3'"
	fi
}
# matches NAME REGEX FILE
matches()
{
	if grep -qE -- "$2" "$3"; then
		ok "$1"
	else
		not_ok "$1" "no line matches $2 in:"
		sed 's/^/    /' "$3" | head -n 20 >&2
	fi
}
# verdicts COMMAND...: a helper that prints lines of the above kind itself.
verdicts()
{
	"$@" || failures=$((failures + 1))
}
have() # COMMAND...
{
	local command

	for command; do
		command -v "$command" >/dev/null || return 1
	done
}

if [ ! -x "$HOSTPROF" ]; then
	not_ok "live_program_is_built" "no $HOSTPROF"
	exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
	skip "live_$(basename "$0" .sh)" "needs root"
	exit 0
fi

# Not in TEST_TMPDIR, which other users may not enter: some tests become one.
T=$(mktemp -d "${TMPDIR:-/tmp}/hostprof-live.XXXXXX") || exit 1
chmod 755 "$T"
background=()
# Only what this script started is ended; sub-scripts add to at_end.
at_end=()
# shellcheck disable=SC2317,SC2329
clean_up()
{
	local pid action

	for pid in ${background[@]+"${background[@]}"}; do
		kill -CONT "$pid" 2>/dev/null
		kill "$pid" 2>/dev/null
	done
	for action in ${at_end[@]+"${at_end[@]}"}; do
		$action
	done
	wait
	rm -rf --one-file-system "$T"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# in_background COMMAND...: its pid is in $!, and it does not outlive the script.
in_background()
{
	"$@" &
	background+=($!)
}
# wait_for SECONDS COMMAND...: true as soon as the command is.
wait_for()
{
	local until=$((SECONDS + $1))

	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $until ] || return 1
		sleep 0.05
	done
}
# record ARGUMENTS...: a quiet recording with the report as JSON in $T/json, talk in $T/err; sets $status.
record()
{
	status=0
	"$HOSTPROF" record --json "$@" >"$T/json" 2>"$T/err" || status=$?
	if [ $status -ne 0 ]; then
		echo "hostprof record --json $* ended with $status:" >&2
		sed 's/^/    /' "$T/err" >&2
	fi
	return $status
}
# json FILTER: a value of the last report
json()
{
	jq -r "$1" "$T/json" 2>/dev/null || echo "no-json"
}
# Two rules that hold for every report: taken = delivered + lost by cause.
accounts_balance()
{
	[ "$(json '.taken == .delivered + ([.lost[]] | add)')" = true ]
}
lost()
{
	json '[.lost[]] | add'
}
# roles NAME PID: pids of hostprof's children in this role, e.g. resolver
roles()
{
	local child

	for child in $(cat "/proc/$2/task/$2/children" 2>/dev/null || ps -o pid= --ppid "$2"); do
		tr '\0' ' ' <"/proc/$child/cmdline" 2>/dev/null | grep -q -- "--role=$1" && echo "$child"
	done
	true
}
# perf_beside FIELDS FILE OPTIONS... -- COMMAND...: the command (us, recording) under perf record -a, and what perf script
# says of it in FILE; the command's stdout is in $T/json. Status 2: perf cannot read what it wrote, tried three times.
#
# perf takes build ids into its mmap records as we do: kernels up to (at least) 6.18 mark the records of an event that did
# not ask for build ids as holding one when another event did, and perf dies of reading them. And perf 6.1 sometimes
# stumbles over BPF programs that others load and unload meanwhile.
perf_beside()
{
	local fields=$1 to=$2

	shift 2
	for _ in 1 2 3; do
		perf record -q -a --buildid-mmap -e cpu-clock -o "$T/perf.data" "$@" >"$T/json" 2>"$T/err" || return 1
		perf script -i "$T/perf.data" -F "$fields" --no-inline >"$to" 2>"$T/perf.err" && return 0
		echo "perf cannot read its own file: $(head -n 1 "$T/perf.err")" >&2
	done
	return 2
}
perf_works()
{
	have perf && perf record -q -a --buildid-mmap -e cpu-clock -o "$T/perf.data" -F 99 -- true >/dev/null 2>&1
}

# The exit status of a script: its failures.
finish()
{
	[ "$failures" -eq 0 ]
	exit
}
