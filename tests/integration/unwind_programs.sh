#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Programs as distributions build them, without frame pointers, and a Rust program with a static musl: of their chains
# nothing is known but that they reach the root of their thread, and in 99.9 % of the samples they do.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

biome=@biomejs/cli-linux-x64-musl@2.6.6
npm_folder=$WORKLOADS/../npm
if [ ! -x "$npm_folder/package/biome" ]; then
	mkdir -p "$npm_folder"
	(cd "$npm_folder" && npm pack --silent $biome && tar xzf ./*.tgz && rm ./*.tgz) >"$T/npm" 2>&1 || cat "$T/npm" >&2
fi

cat >"$T/load.py" <<'PYTHON'
import decimal, hashlib, json, re


def nest(depth):
    return sorted([str(depth), *nest(depth - 1)], key=lambda text: text[::-1]) if depth else []


while True:
    text = json.dumps([{"n": i, "words": nest(20)} for i in range(20)])
    re.findall(r"(\d+)[^,]*,", text), json.loads(text), hashlib.sha256(text.encode()), decimal.Decimal(len(text)).sqrt()
PYTHON
cat >"$T/load.pl" <<'PERL'
sub nest { my $depth = shift; return $depth ? sort { $b cmp $a } ($depth, nest($depth - 1)) : () }
while (1) { my $text = join ",", map { sprintf "%s:%.3f", $_, sqrt $_ } nest(30); $text =~ s/(\d+):(\d)/$2-$1/g; }
PERL
cat >"$T/load.bash" <<'BASH'
nest() { local depth=$1 text=$2; [ "$depth" -eq 0 ] || nest $((depth - 1)) "${text//a/ab}"; }
while :; do
	nest 9 a
	for word in {1..200}; do text=${text:0:40}$word; done
	part=$(nest 3 b)
done
BASH
for i in $(seq 3000); do
	echo "function f$i(a, b) { return a.map((x) => x + b * $i).filter(y => y > $i ? b : [1, {c: $i}]) }"
done >"$T/load.js"
cat >"$T/load" <<'LOAD'
#!/bin/bash
# usage: load SECONDS FOLDER SOURCES NPM_FOLDER
export folder=$2 sources=$3
for_a_while() { timeout "$seconds" "$@" & }
repeat() { timeout "$seconds" bash -c 'while "$@"; do :; done' repeat "$@" & }
seconds=$1
for_a_while "$(python3 -c 'import sys; print(sys.executable)')" "$folder/load.py"
for_a_while perl "$folder/load.pl"
for_a_while bash "$folder/load.bash"
repeat gcc -O2 -S "$sources/chain.c" -o /dev/null
repeat g++ -O2 -std=c++17 -S "$sources/templates.cc" -o /dev/null
repeat clang++ -O2 -std=c++17 -S "$sources/templates.cc" -o /dev/null
repeat bash -c "'$4/package/biome' format --stdin-file-path=load.js <'$folder/load.js' >/dev/null"
wait
LOAD
chmod +x "$T/load"

# At twenty times the usual rate, of stacks of which hardly one comes twice: this is about unwinding, memory.sh about --mem.
record -q -F 1999 --mem 768M -o "$T/out" -- "$T/load" "${UNWIND_SECONDS:-12}" "$T" "$tree/tests/workloads" "$npm_folder"
check live_unwind_programs_accounts_balance "$(cat "$T/json")" accounts_balance
equal live_unwind_programs_lose_none 0 "$(lost)"
for program in python perl bash cc1 cc1plus clang biome; do
	echo "$program $program"
done | sed 's/^clang.*/clang clang*/; s/^python.*/python python*/' >"$T/programs"
verdicts python3 "$here/unwind_chains.py" "$T/out" "$T/programs"
finish
