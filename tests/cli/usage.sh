#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Wrong usage ends with status 2 and one line on stderr, which lies in usage.err; nothing is on stdout.
# RECORD=1 writes usage.err anew.
set -u

here=$(cd "$(dirname "$0")" && pwd)
expected=$here/usage.err
dir=${TEST_TMPDIR:-$(mktemp -d)}
[ -z "${RECORD:-}" ] || : >"$expected"

# wrong NAME ARGUMENT...
wrong()
{
	local name=$1 status

	shift
	"$HOSTPROF" "$@" >"$dir/out" 2>"$dir/err" </dev/null
	status=$?
	if [ -n "${RECORD:-}" ]; then
		printf '%s: %s\n' "$name" "$(cat "$dir/err")" >>"$expected"
	fi
	if [ $status -eq 2 ] && [ ! -s "$dir/out" ] && [ "$(wc -l <"$dir/err")" -eq 1 ] &&
		[ "$(sed -n "s/^$name: //p" "$expected")" = "$(cat "$dir/err")" ]; then
		echo "ok $name"
	else
		echo "not ok $name"
		echo "status $status, want 2; out: $(cat "$dir/out"); err:" >&2
		cat "$dir/err" >&2
	fi
}

wrong unknown_command_lists_the_commands foo
wrong command_without_dashes_is_refused record make
wrong two_dashes_want_a_command record --
wrong unknown_long_option --frequenzy 9
wrong unknown_letter -vX
wrong flag_takes_no_argument --json=yes
wrong argument_is_missing -o
wrong argument_is_not_two_dashes --frequency -- true
wrong argument_is_empty --cgroup=
wrong frequency_is_too_low --frequency 0
wrong frequency_is_too_high -F10001
wrong frequency_has_garbage_behind -F 99hz
wrong frequency_overflows -F 18446744073709551715
wrong duration_is_zero -d 0
wrong duration_is_no_number -d 10s
wrong duration_is_negative -d -1
wrong pid_is_no_number -p 1,two
wrong pid_list_has_a_gap --pid 1,,2
wrong event_is_unknown --event instructions
wrong exclude_self_is_yes_or_no --exclude-self=perhaps
wrong name_is_too_long --comm a-name-of-17-byte
wrong names_are_too_many --comm a,b,c,d,e --comm f,g,h,i
wrong output_is_not_stdout -o -
wrong output_is_given_twice -o a.html -o a.html
wrong json_and_folded_want_stdout --json --folded -
wrong kernel_only_excludes_user_only -K -U
wrong pid_excludes_a_command -p 1 -- true
wrong pid_excludes_all_processes -p 1 -a
wrong children_need_a_pid --children
wrong memory_is_too_little --mem 15M
wrong memory_is_no_size --mem 64MB
wrong symbols_wants_a_file symbols --unwind
wrong symbols_has_options_of_its_own symbols --duration 9
wrong escape_sequences_are_not_echoed $'--\e[31m\e]0;title\a'
wrong invalid_utf8_is_not_echoed $'-F\xff\xc2\x9b'
wrong long_arguments_are_cut -F "$(printf "%05000d" 0 | tr 0 9)"

# A line that no test asked for would be an expectation that nobody checks.
if [ "$(wc -l <"$expected")" -eq "$(grep -c '^wrong ' "$0")" ]; then
	echo 'ok each_expected_line_has_its_test'
else
	echo 'not ok each_expected_line_has_its_test'
fi
