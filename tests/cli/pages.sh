#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# --help, --version and --man: on stdout, with nothing on stderr, needing no rights. RECORD=1 writes help.out anew.
set -u

here=$(cd "$(dirname "$0")" && pwd)
dir=${TEST_TMPDIR:-$(mktemp -d)}

# judge NAME COMMAND...: the command's status is the verdict.
judge()
{
	local name=$1

	shift
	if "$@" >&2; then
		echo "ok $name"
	else
		echo "not ok $name"
	fi
}

# page FILE ARGUMENT...: stdout to the file; fails on another status than 0 and on anything on stderr.
page()
{
	local file=$1

	shift
	"$HOSTPROF" "$@" >"$dir/$file" 2>"$dir/err" </dev/null && [ ! -s "$dir/err" ]
}

[ -z "${RECORD:-}" ] || "$HOSTPROF" --help >"$here/help.out"

judge help_is_printed page help --help
judge help_is_as_expected diff -u "$here/help.out" "$dir/help"
judge help_has_45_lines_at_most test "$(wc -l <"$dir/help")" -le 45
judge help_has_80_columns_at_most test -z "$(awk 'length > 80' "$dir/help")"
for arguments in -h 'record --help' 'record -h' '-F 9 --help' '--help -d 0'; do
	# shellcheck disable=SC2086 # a list of words
	page other $arguments
	judge "help_is_the_same_by_${arguments//[^a-zA-Z0-9]/_}" cmp "$dir/help" "$dir/other"
done

judge help_of_symbols_is_printed page symbols symbols --help
judge help_of_symbols_is_its_own grep -q '^Usage: hostprof symbols' "$dir/symbols"
judge help_of_symbols_has_80_columns_at_most test -z "$(awk 'length > 80' "$dir/symbols")"

judge version_is_printed page version --version
judge version_is_that_of_the_source test "$(cat "$dir/version")" = "hostprof $(cat "$here/../../VERSION")"

judge man_page_is_printed page hostprof.1 --man
if groff -man -Tascii </dev/null >/dev/null 2>&1; then
	groff -ww -man -Tascii "$dir/hostprof.1" >"$dir/man.txt" 2>"$dir/err"
	judge man_page_formats_without_a_warning test ! -s "$dir/err"
	judge man_page_has_text grep -q 'samples a second on each CPU' "$dir/man.txt"
else
	echo 'skip man_page_formats_without_a_warning: no groff'
fi

if [ -e /dev/full ]; then
	"$HOSTPROF" --help >/dev/full 2>"$dir/err"
	judge page_on_a_full_disk_is_a_failure test $? -eq 1
	judge page_on_a_full_disk_is_told grep -q '^hostprof: cannot write to stdout: -ENOSPC$' "$dir/err"
fi
