#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Names that come later: profiles of a stripped program get by `symbolize` what a recording has with the debug file at
# hand; files that are not the ones, and profiles of other tools.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

if ! have g++ objcopy strip readelf go; then
	skip live_symbolize "no g++, objcopy, strip, readelf, go"
	finish
fi
cat >"$T/work.c" <<'C'
static volatile unsigned long sink;

static inline __attribute__((always_inline)) void inlined_work(int n)
{
	for (int i = 0; i < n; i++)
		sink = sink * 17 + i;
}

void exported_work(int n);
void exported_work(int n)
{
	inlined_work(n);
	sink++;
}
C
cat >"$T/spin.cc" <<'CC'
#include <stdlib.h>
#include <time.h>

extern "C" void exported_work(int n);
static volatile unsigned long sink;

template <typename T> static inline __attribute__((always_inline)) void innermost(T n)
{
	for (T i = 0; i < n; i++)
		sink = sink * 31 + i;
}

template <typename T> static inline __attribute__((always_inline)) void middle(T n)
{
	innermost(n);
	innermost(n / 2);
}

static __attribute__((noinline)) void hidden_worker(int n)
{
	middle(n);
	sink++;
}

static int by_address(const void *a, const void *b)
{
	hidden_worker(1000);
	return (a > b) - (a < b);
}

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? atof(argv[1]) : 60;
	struct timespec began, now;
	char bytes[64] = "";

	clock_gettime(CLOCK_MONOTONIC, &began);
	do {
		hidden_worker(100000);
		exported_work(100000);
		qsort(bytes, sizeof(bytes), 1, by_address); /* libc lies between */
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec - began.tv_sec + (now.tv_nsec - began.tv_nsec) / 1e9 < seconds);
	return 0;
}
CC
mkdir "$T/bin" "$T/dirs" "$T/stale"
id_of()
{
	readelf -n "$1" | sed -n 's/.*Build ID: //p'
}
# by_id DIR FILE ID: the file where DIR keeps that of the id
by_id()
{
	mkdir -p "$1/.build-id/${3:0:2}" && cp "$2" "$1/.build-id/${3:0:2}/${3:2}.debug"
}
gcc -O2 -g -shared -fPIC -o "$T/libwork.full" "$T/work.c" -Wl,--build-id -Wl,-soname,libwork.so
objcopy --only-keep-debug "$T/libwork.full" "$T/libwork.debug"
strip -o "$T/bin/libwork.so" "$T/libwork.full"
by_id "$T/dirs" "$T/libwork.debug" "$(id_of "$T/bin/libwork.so")"
libraries=(-L"$T/bin" -lwork "-Wl,-rpath,$T/bin")
g++ -O2 -g -fno-plt -o "$T/full" "$T/spin.cc" "${libraries[@]}" -Wl,--build-id
objcopy --only-keep-debug "$T/full" "$T/debug"
strip -o "$T/bin/spin" "$T/full"
id=$(id_of "$T/bin/spin")
by_id "$T/dirs" "$T/debug" "$id"

# recorded FILE OPTIONS...: a profile of the program. Its addresses are the same each time.
recorded()
{
	local pid

	setarch -R "$T/bin/spin" &
	pid=$!
	"$HOSTPROF" record -q -F 499 -d 1 -p $pid -f -o "$@" 2>"$T/err" || cat "$T/err" >&2
	kill $pid
	wait $pid 2>/dev/null
}
# raw FILE: all of it as text, and nothing that pprof would find out itself
raw()
{
	go tool pprof -symbolize=none -raw "$1" 2>"$T/pprof.err" || cat "$T/pprof.err" >&2
}
# names FILE: "ADDRESS NAMES", a location a line, sorted; calls that were inlined are part of their location's
names()
{
	raw "$1" | awk '
	/^Locations/ { on = 1; next }
	/^Mappings/ { on = 0 }
	on && /^ *[0-9]+: / { if (location) print location; $1 = ""; location = $0; next }
	on { $1 = $1; location = location " < " $0 }
	END { if (location) print location }' | sed 's/ M=[0-9]*//' | sort -u
}
# flags FILE: what each mapping says that it has
flags()
{
	raw "$1" | sed -n '/^Mappings/,$p' | grep -o '/spin .*' | sort -u
}
# samples FILE: all but locations and mappings
samples()
{
	raw "$1" | sed '/^Locations/,$d'
}
# agree FILE FILE: what both have an address of is called the same in both; at least 8 of them
# shellcheck disable=SC2317,SC2329 # by check
agree()
{
	join <(names "$1" | sed 's/^ //' | sort -k 1b,1) <(names "$2" | sed 's/^ //' | sort -k 1b,1) -o 1.1 | sort -u >"$T/both"
	for file in "$1" "$2"; do
		names "$file" | sed 's/^ //' | grep -F -f "$T/both" >"$T/names.$(basename "$file")"
	done
	diff "$T/names.$(basename "$1")" "$T/names.$(basename "$2")" >&2 && [ "$(wc -l <"$T/both")" -ge 8 ]
}
# same_names FILE FILE PATTERN: the locations that match are the same ones
# shellcheck disable=SC2317,SC2329 # by check
same_names()
{
	diff <(names "$1" | grep "$3") <(names "$2" | grep "$3") >&2
}
# reason FILE: why its frames have no names, by the last report
reason()
{
	jq -r --arg path "$1" '.files[] | select(.path == $path) | .reason' "$T/report"
}
# symbolized OPTIONS... FILE: the last report in $T/report
symbolized()
{
	"$HOSTPROF" symbolize -f --json "$@" >"$T/report" 2>"$T/err" || {
		cat "$T/err" >&2
		return 1
	}
}

# --- what a recording would have had ---
recorded "$T/bare.pb.gz"
recorded "$T/there.pb.gz" --debug-dir "$T/dirs"
names "$T/bare.pb.gz" >"$T/bare.names"
matches live_symbolize_begins_without_names '\[stripped spin\+0x' "$T/bare.names"
check live_symbolize_is_done "$(cat "$T/err")" symbolized -o "$T/named.pb.gz" --debug-dir "$T/dirs" "$T/bare.pb.gz"
equal live_symbolize_names_all_of_the_program 0 \
	"$(jq --arg path "$T/bin/spin" '.files[] | select(.path == $path) | .unnamed' "$T/report")"
names "$T/named.pb.gz" >"$T/named.names"
matches live_symbolize_has_lines_and_inlined_calls 'innermost.*spin\.cc.* < middle.*spin\.cc.* < hidden_worker' \
	"$T/named.names"
matches live_symbolize_begins_with_exported_names 'exported_work :0:0' "$T/bare.names"
matches live_symbolize_gives_them_lines 'inlined_work .*work\.c:[1-9].* < exported_work .*work\.c:[1-9]' "$T/named.names"
check live_symbolize_equals_a_recording "$(head -n 3 "$T/named.names")" agree "$T/named.pb.gz" "$T/there.pb.gz"
equal live_symbolize_flags_equal_a_recording "$(flags "$T/there.pb.gz")" "$(flags "$T/named.pb.gz")"
equal live_symbolize_keeps_samples "$(samples "$T/bare.pb.gz")" "$(samples "$T/named.pb.gz")"
go tool pprof -symbolize=none -traces "$T/named.pb.gz" >"$T/traces" 2>"$T/err"
matches live_symbolize_traces_show_it 'hidden_worker' "$T/traces"
check live_symbolize_has_no_stand_in_left "$(grep stripped "$T/traces")" \
	sh -c "! grep -q '\\[stripped spin' '$T/traces'"

# --- of a program that is gone, by its debug file alone; and in place ---
cp "$T/bare.pb.gz" "$T/gone.pb.gz"
mv "$T/bin/spin" "$T/spin.away"
check live_symbolize_of_a_program_that_is_gone "$(cat "$T/err")" symbolized -o "$T/gone.pb.gz" --debug-dir "$T/dirs" \
	"$T/gone.pb.gz"
check live_symbolize_by_the_debug_file_alone "other names" cmp "$T/gone.pb.gz" "$T/named.pb.gz"
symbolized -o "$T/none.pb.gz" "$T/bare.pb.gz"
equal live_symbolize_says_that_it_is_gone "no file of its build id was found" "$(reason "$T/bin/spin")"

# --- what is not it ---
cp "$T/full" "$T/other"
g++ -O2 -g -fno-plt -DOTHER -o "$T/bin/spin" "$T/spin.cc" "${libraries[@]}" -Wl,--build-id=0x0123456789abcdef
symbolized -o "$T/none.pb.gz" "$T/bare.pb.gz"
equal live_symbolize_refuses_another_build "the file that is there now has another build id" "$(reason "$T/bin/spin")"
check live_symbolize_and_changes_nothing "names of another build" \
	same_names "$T/none.pb.gz" "$T/bare.pb.gz" .
by_id "$T/stale" "$T/bin/spin" "$id"
symbolized -o "$T/none.pb.gz" --debug-dir "$T/stale" "$T/bare.pb.gz"
check live_symbolize_refuses_a_stale_debug_file "names of another build" \
	same_names "$T/none.pb.gz" "$T/bare.pb.gz" .
# What only looks like a file: none of it is waited for.
rm "$T/bin/spin" "$T/stale/.build-id/${id:0:2}/${id:2}.debug"
mkfifo "$T/bin/spin" "$T/stale/.build-id/${id:0:2}/${id:2}.debug"
check live_symbolize_waits_for_no_fifo "$(cat "$T/err")" timeout 20 "$HOSTPROF" symbolize -q -f -o "$T/none.pb.gz" \
	--debug-dir "$T/stale" "$T/bare.pb.gz"
rm "$T/bin/spin"
ln -s /proc/self/exe "$T/bin/spin"
symbolized -o "$T/none.pb.gz" "$T/bare.pb.gz"
equal live_symbolize_follows_no_magic "no file of its build id was found" "$(reason "$T/bin/spin")"
rm "$T/bin/spin"
# A debug file of the right build id whose sections are nonsense: the others have their names, and the command ends.
cp "$T/debug" "$T/stale.debug"
python3 - "$T/stale.debug" <<'PYTHON'
import struct, sys
data = bytearray(open(sys.argv[1], "rb").read())
offset, size, count = struct.unpack_from("<Q", data, 40)[0], *struct.unpack_from("<HH", data, 58)
for index in range(count):  # all but notes, which have the build id
    at = offset + index * size
    kind, = struct.unpack_from("<I", data, at + 4)
    if kind in (1, 2):  # progbits, symtab
        start, length = struct.unpack_from("<QQ", data, at + 24)
        data[start:start + length] = bytes((7 * i + 255) & 255 for i in range(length))
open(sys.argv[1], "wb").write(data)
PYTHON
rm "$T/stale/.build-id/${id:0:2}/${id:2}.debug"
by_id "$T/stale" "$T/stale.debug" "$id"
check live_symbolize_survives_a_broken_debug_file "$(cat "$T/err")" symbolized -o "$T/none.pb.gz" --debug-dir "$T/stale" \
	"$T/bare.pb.gz"
mv "$T/spin.away" "$T/bin/spin"

# --- a resolver that breaks ---
# breaking_at FILE WHEN: the resolver dies of the WHENth read of the file
breaking_at()
{
	strace -f -qq -o "$T/strace" -P "$1" -e trace=pread64 -e "inject=pread64:signal=SIGSEGV:when=$2" \
		"$HOSTPROF" symbolize -f --json -o "$T/broken.pb.gz" --debug-dir "$T/dirs" "$T/bare.pb.gz" >"$T/report" 2>"$T/err"
}
if have strace && strace -o /dev/null true 2>/dev/null; then
	check live_symbolize_does_without_a_debug_file_that_breaks_it "$(cat "$T/err")" \
		breaking_at "$T/dirs/.build-id/${id:0:2}/${id:2}.debug" 2
	equal live_symbolize_tells_of_the_debug_file "its debug file made a resolver fail, so it is done without" \
		"$(reason "$T/bin/spin")"
	check live_symbolize_does_without_a_file_that_breaks_it "$(cat "$T/err")" breaking_at "$T/bin/spin" 3
	matches live_symbolize_tells_of_the_file "reading the file made a resolver fail" <(reason "$T/bin/spin")
	breaking_at "$T/bare.pb.gz" 1
	equal live_symbolize_fails_where_the_profile_breaks_it 1 $?
	matches live_symbolize_tells_of_the_profile "the process that read it ended: killed by SIGSEGV" "$T/err"
else
	skip live_symbolize_does_without_a_file_that_breaks_it "no strace"
fi

# --- profiles of other tools ---
mkdir "$T/go"
cat >"$T/go/main.go" <<'GO'
package main

import (
	"os"
	"runtime/pprof"
	"time"
)

func work() (sum int) {
	for i := 0; i < 1000000; i++ {
		sum += i * i
	}
	return sum
}

func main() {
	file, _ := os.Create(os.Args[1])
	pprof.StartCPUProfile(file)
	for began := time.Now(); time.Since(began) < 500*time.Millisecond; {
		work()
	}
	pprof.StopCPUProfile()
	file.Close()
}
GO
if (cd "$T/go" && GOFLAGS=-mod=mod HOME=$T go run main.go "$T/go.pb.gz") 2>"$T/err"; then
	check live_symbolize_takes_a_profile_of_go "$(cat "$T/err")" symbolized -o "$T/go.named.pb.gz" "$T/go.pb.gz"
	equal live_symbolize_keeps_a_profile_of_go "$(raw "$T/go.pb.gz")" \
		"$(raw "$T/go.named.pb.gz")"
else
	skip live_symbolize_keeps_a_profile_of_go "go run: $(tail -n 1 "$T/err")"
fi
# Addresses and build ids alone, as collectors store them: our own profile without its functions.
python3 - "$T/bare.pb.gz" "$T/addresses.pb.gz" <<'PYTHON'
import gzip, sys

def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at

def fields(data):
    at = 0
    while at < len(data):
        start = at
        key, at = varint(data, at)
        if key & 7 == 0:
            value, at = varint(data, at)
        else:
            length, at = varint(data, at)
            value = data[at:at + length]
            at += length
        yield key >> 3, value, data[start:at]

def packed(n):
    out = b""
    while True:
        out += bytes([n & 127 | (128 if n > 127 else 0)])
        n >>= 7
        if not n:
            return out

out = b""
for number, value, raw in fields(gzip.open(sys.argv[1]).read()):
    if number == 4:  # a location: no lines
        body = b"".join(r for n, v, r in fields(value) if n != 4)
        out += packed(4 << 3 | 2) + packed(len(body)) + body
    elif number != 5:  # no functions
        out += raw
gzip.open(sys.argv[2], "wb").write(out)
PYTHON
check live_symbolize_takes_addresses_alone "$(cat "$T/err")" symbolized -o "$T/addresses.named.pb.gz" --debug-dir "$T/dirs" \
	"$T/addresses.pb.gz"
check live_symbolize_names_addresses_alone "other names" same_names "$T/named.pb.gz" "$T/addresses.named.pb.gz" 'spin\.cc'

# --- whose it is ---
if id nobody >/dev/null 2>&1 && chmod 777 "$T" && cp "$T/bare.pb.gz" "$T/readable.pb.gz" && chmod 644 "$T/readable.pb.gz"; then
	SUDO_UID=$(id -u nobody) SUDO_GID=$(id -g nobody) "$HOSTPROF" symbolize -q -o "$T/owned.pb.gz" "$T/readable.pb.gz"
	equal live_symbolize_writes_as_who_called nobody "$(stat -c %U "$T/owned.pb.gz")"
	check live_symbolize_needs_no_root "$(cat "$T/err")" setpriv --reuid nobody --regid "$(id -g nobody)" --clear-groups \
		"$HOSTPROF" symbolize -q -o "$T/by_nobody.pb.gz" --debug-dir "$T/dirs" "$T/readable.pb.gz"
	check live_symbolize_without_root_names_the_same "other names" cmp "$T/by_nobody.pb.gz" "$T/named.pb.gz"
else
	skip live_symbolize_needs_no_root "no user nobody"
fi
finish
