#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# hostprof symbols on files whose content is known: what it tells of them, by the resolver that parses with no rights.
# RECORD=1 writes symbols.out and symbols.err anew.
set -u

here=$(cd "$(dirname "$0")" && pwd)
dir=${TEST_TMPDIR:-$(mktemp -d)}
cd "$dir" || exit 1
: >out
: >err

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

# show STATUS ARGUMENT...: adds to out and err; what changes from run to run is cut.
show()
{
	local want=$1 status

	shift
	"$HOSTPROF" symbols "$@" >now.out 2>now.err </dev/null
	status=$?
	sed 's/made in [0-9.]* ms/made in T ms/; s/"seconds":[0-9.e-]*/"seconds":T/' now.out >>out
	cat now.err >>err
	[ $status -eq "$want" ]
}

# Bytes and no instructions, so that every machine's assembler makes the same of it.
assemble()
{
	"${CC:-gcc}" -x assembler -nostdlib -shared -Wl,--build-id=0x0123456789abcdef -Wl,-z,separate-code \
		-Wl,-z,max-page-size=0x1000 -o "$1" - 2>"$dir/cc.err"
}

if ! assemble known.so <<'EOF'; then
	.text
	.globl one, two
one:
	.cfi_startproc
	.skip 1
	.cfi_def_cfa_offset 32
	.skip 63
	.cfi_endproc
two:
	.cfi_startproc
	.skip 32
	.cfi_escape 0x0f, 0x02, 0x30, 0x06	/* the CFA is what stands at address 0 */
	.skip 32
	.cfi_endproc
EOF
	cat cc.err >&2
	echo 'skip symbols_tells_what_a_known_file_has: no assembler'
	exit 0
fi
assemble no_code.so </dev/null
# shellcheck disable=SC2317,SC2329 # by judge
no_line_is_too_long()
{
	local file

	for file in known.so stripped.so no_code.so "$HOSTPROF"; do
		"$HOSTPROF" symbols "$file" | tail -n +2 | awk 'length > 80 { print; exit 1 }' || return 1
	done
}
printf '\177ELF and no more' >broken
strip -o stripped.so known.so
head -c 900 known.so >cut.so
mkdir directory
mkfifo pipe

if [ "$(uname -m)" = x86_64 ]; then
	judge a_known_file_is_shown show 0 --unwind known.so
	judge a_known_file_is_shown_as_json show 0 --unwind --json ./known.so
	judge a_page_tells_of_the_file show 0 known.so
	judge a_page_of_a_file_that_was_stripped show 0 --debug-dir directory stripped.so
	judge a_page_as_json show 0 --json stripped.so
	[ -z "${RECORD:-}" ] || cp out "$here/symbols.out"
	judge symbols_tells_what_a_known_file_has diff -u "$here/symbols.out" out
else
	echo 'skip symbols_tells_what_a_known_file_has: the numbers are those of x86-64'
fi

judge what_cannot_be_shown_fails show 1 --unwind no_code.so broken directory pipe gone $'\e[31mred'
judge what_can_be_shown_is_shown_nevertheless show 1 --unwind gone known.so
judge the_file_that_can_be_shown_is_there grep -q '^known.so$' now.out
judge no_page_of_a_fifo show 1 pipe
judge no_page_of_what_is_no_elf_file show 1 broken
judge no_page_of_a_file_that_was_cut show 1 cut.so
judge a_page_of_a_file_without_code show 0 no_code.so
judge a_page_has_80_columns_at_most no_line_is_too_long
[ -z "${RECORD:-}" ] || cp err "$here/symbols.err"
judge reasons_are_as_expected diff -u "$here/symbols.err" err

# As an ordinary user, who cannot become nobody: the resolver stays confined and the file is shown.
if [ "$(id -u)" -ne 0 ]; then
	echo 'skip nobody_is_shown_a_file: not root, so all of this ran as an ordinary user'
elif ! chmod 755 . || ! setpriv --reuid 65534 --regid 65534 --clear-groups test -x "$HOSTPROF" -a -r known.so; then
	echo 'skip nobody_is_shown_a_file: nobody cannot come here'
else
	judge nobody_is_shown_a_file setpriv --reuid 65534 --regid 65534 --clear-groups \
		"$HOSTPROF" symbols --unwind --json known.so
fi

# Names, beside addr2line: two lines a function, what was inlined first. The compiler has no say in it: each address of
# the code is asked for.
cat >inlined.c <<'EOF'
volatile int sink;
static inline __attribute__((always_inline)) void inner(int i)
{
	sink += i;
}
static inline __attribute__((always_inline)) void middle(int i)
{
	inner(i);
	sink++;
}
__attribute__((noinline)) void outer(int i)
{
	middle(i);
	inner(2 * i);
}
int main(void)
{
	outer(1);
	return 0;
}
EOF
"${CC:-gcc}" -g -O1 -o inlined inlined.c
nm inlined | awk '$3 == "outer" || $3 == "main" { print $1 }' >starts
while read -r start; do
	for ((i = 0; i < 8; i++)); do
		printf '0x%x\n' $((16#$start + i))
	done
done <starts >addresses
addr2line -fiCa -e inlined <addresses | sed 's/ (discriminator [0-9]*)//' >named.expected
"$HOSTPROF" symbols -a inlined - <addresses >named.out
judge addresses_are_named_as_addr2line_does diff -u named.expected named.out
judge inlined_calls_are_among_them grep -qx middle named.out
mapfile -t words <addresses
"$HOSTPROF" symbols -a inlined "${words[@]}" >named.out
judge addresses_may_be_arguments diff -u named.expected named.out
{ tac addresses; shuf --random-source=inlined.c addresses; } >mixed
addr2line -fiCa -e inlined <mixed | sed 's/ (discriminator [0-9]*)//' >mixed.expected
"$HOSTPROF" symbols -a inlined - <mixed >mixed.out
judge addresses_are_answered_in_the_order_of_the_question diff -u mixed.expected mixed.out
"$HOSTPROF" symbols --json inlined "$(head -n 1 starts)" >named.json
judge addresses_have_json jq -e '.path == "inlined" and (.frames | length) >= 1 and
	(.frames[-1] | .function | IN("outer", "main")) and (.frames[-1].line > 0)' named.json
judge what_has_no_name_is_two_question_marks test "$("$HOSTPROF" symbols inlined 0 | tr '\n' ' ')" = '?? ??:0 '
# Longer than one question to the resolver, over a pipe.
yes "$(head -n 1 starts)" | head -n 70000 | "$HOSTPROF" symbols -a inlined - | grep -c ^0x >n
judge many_addresses_are_all_answered test "$(cat n)" -eq 70000
printf '%s\n' "$(head -n 1 starts)" 'zz' | "$HOSTPROF" symbols inlined - >named.out 2>named.err
judge a_word_that_is_no_address_fails test $? -eq 1
judge it_is_told grep -qx "hostprof: inlined: 'zz' is no address: hexadecimal digits, 0x before them or not" named.err
judge what_stands_before_it_is_shown test -s named.out
"$HOSTPROF" symbols broken 10 >named.out 2>named.err
judge names_of_no_elf_file_fail test $? -eq 1 -a ! -s named.out
judge and_say_why grep -qx 'hostprof: broken: no ELF file of a 64-bit little-endian machine' named.err

if [ -e /dev/full ]; then
	"$HOSTPROF" symbols --unwind known.so >/dev/full 2>full.err
	judge a_full_disk_is_a_failure test $? -eq 1
	judge a_full_disk_is_told grep -q '^hostprof: cannot write to stdout: -ENOSPC$' full.err
fi
