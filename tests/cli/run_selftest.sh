#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# tests/run judges all other tests; here it judges made-up programs.
set -u

run=$(dirname "$0")/../run
dir=$TEST_TMPDIR
unset CI

# program NAME: makes an executable script of stdin.
program()
{
	{
		echo '#!/bin/sh'
		cat
	} >"$dir/$1"
	chmod +x "$dir/$1"
}

# expect NAME STATUS LAST-LINE ARGUMENT...: runs tests/run in $dir.
expect()
{
	local name=$1 want_status=$2 want_last=$3 out status last

	shift 3
	out=$(cd "$dir" && "$run" "$@" 2>&1)
	status=$?
	last=$(tail -n 1 <<<"$out")
	if [ $status -eq "$want_status" ] && [ "$last" = "$want_last" ]; then
		echo "ok $name"
	else
		echo "not ok $name"
		printf 'status %s, want %s; last line "%s", want "%s"\n%s\n' $status "$want_status" "$last" "$want_last" "$out" >&2
	fi
}

run=$(cd "$(dirname "$run")" && pwd)/run

program noted <<'S'
echo 'ok a'
echo 'note of a: not ok is no verdict here'
S
program good <<'S'
echo '[==========] Running 2 test(s).'
echo '[ RUN      ] a'
echo '[       OK ] a'
echo '[ RUN      ] b'
echo '[       OK ] b'
echo '[==========] 2 test(s) run.'
echo '[  PASSED  ] 2 test(s).' >&2
S
program mixed <<'S'
echo '[ RUN      ] a'
echo '[       OK ] a'
echo '[ RUN      ] b'
echo '[  FAILED  ] b'
echo '[ RUN      ] c'
echo '[  SKIPPED ] c'
echo '[ RUN      ] d'
echo '[  ERROR   ] --- x.c:7: error: Failure!' >&2
echo '[  ERROR   ] d' >&2
echo '[  SKIPPED ] 1 test(s), listed below:' >&2
echo '[  SKIPPED ] c' >&2
echo '[  FAILED  ] 1 test(s), listed below:' >&2
echo '[  FAILED  ] b' >&2
exit 2
S
program dies_within <<'S'
echo '[ RUN      ] a'
echo '[       OK ] a'
echo '[ RUN      ] b'
kill -SEGV $$
S
program leaks <<'S'
echo '[ RUN      ] a'
echo '[       OK ] a'
exit 23
S
program ends_early <<'S'
echo '[ RUN      ] a'
exit 0
S
program silent </dev/null
program quiet_failure <<'S'
exit 1
S
program shell.sh <<'S'
echo 'ok one'
echo 'skip two: no fuse here'
echo 'not okay, just talk'
S
program shell_failing.sh <<'S'
echo 'ok one'
echo 'not ok two'
exit 1
S
program skips_live.sh <<'S'
echo 'ok one'
echo 'skip live_two: no BTF'
S
program only_skips.sh <<'S'
echo 'skip one: nothing here'
S
program hangs <<'S'
echo 'ok one'
sleep 100
S
program uses_tmp.sh <<'S'
touch "$TEST_TMPDIR/file" && [ "$(ls "$TEST_TMPDIR")" = file ] && echo 'ok tmp is empty'
S

expect passed_tests_are_counted 0 '2 passed, 0 failed, 0 skipped' ./good
expect notes_are_no_tests 0 '1 passed, 0 failed, 0 skipped' ./noted
expect programs_add_up 0 '3 passed, 0 failed, 1 skipped' ./good ./shell.sh
expect failed_skipped_and_set_up_errors_are_counted_once 1 '1 passed, 2 failed, 1 skipped' ./mixed
expect death_within_a_test_is_one_failure 1 '1 passed, 1 failed, 0 skipped' ./dies_within
expect error_status_after_good_tests_is_one_failure 1 '1 passed, 1 failed, 0 skipped' ./leaks
expect test_without_an_end_is_a_failure 1 '0 passed, 1 failed, 0 skipped' ./ends_early
expect program_without_tests_is_a_failure 1 '2 passed, 1 failed, 0 skipped' ./good ./silent
expect silent_error_is_a_failure 1 '0 passed, 1 failed, 0 skipped' ./quiet_failure
expect missing_program_is_a_failure 1 '2 passed, 1 failed, 0 skipped' ./good ./none
expect shell_failure_is_counted_once 1 '1 passed, 1 failed, 0 skipped' ./shell_failing.sh
expect skips_alone_are_not_success 1 '0 passed, 0 failed, 1 skipped' ./only_skips.sh
expect reached_floor_is_success 0 '2 passed, 0 failed, 0 skipped' --floor 2 ./good
expect missed_floor_is_an_error 1 '2 passed, 0 failed, 0 skipped' --floor 3 ./good
expect hang_is_a_failure 1 '1 passed, 1 failed, 0 skipped' --timeout 1 ./hangs
expect skipped_live_test_is_a_skip 0 '1 passed, 0 failed, 1 skipped' ./skips_live.sh
CI=true expect skipped_live_test_fails_in_ci 1 '1 passed, 1 failed, 0 skipped' ./skips_live.sh
CI=true expect other_skips_pass_in_ci 0 '1 passed, 0 failed, 1 skipped' ./shell.sh
expect each_program_has_an_empty_directory 0 '2 passed, 0 failed, 0 skipped' ./uses_tmp.sh ./uses_tmp.sh

expect phase_ends_with_its_own_total 0 '2 passed, 0 failed, 0 skipped' --summary-file sum --phase one ./good
expect second_phase_counts_alone 1 '1 passed, 1 failed, 0 skipped' --summary-file sum --phase two ./shell_failing.sh
expect total_adds_the_phases 1 '3 passed, 1 failed, 0 skipped' --summary-file sum --total
expect good_phase_is_a_good_total 0 '2 passed, 0 failed, 0 skipped' --summary-file good_sum --phase one ./good
expect total_of_a_good_phase_is_good 0 '2 passed, 0 failed, 0 skipped' --floor 2 --summary-file good_sum --total
expect floor_holds_for_the_total 1 '2 passed, 0 failed, 0 skipped' --floor 3 --summary-file good_sum --total
echo 'begin broken' >>"$dir/good_sum"
expect unfinished_phase_is_a_failure 1 '2 passed, 1 failed, 0 skipped' --summary-file good_sum --total
expect phase_without_programs_is_a_failure 1 '0 passed, 1 failed, 0 skipped' --summary-file empty_sum --phase nothing
expect total_of_nothing_is_a_failure 1 '0 passed, 0 failed, 0 skipped' --summary-file none --total
if (cd "$dir" && "$run" ./mixed 2>&1) | grep -q 'x.c:7: error: Failure!'; then
	echo 'ok what_a_failing_program_said_is_shown'
else
	echo 'not ok what_a_failing_program_said_is_shown'
fi
