#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# hostprof symbolize on a profile made by hand, of a library whose build id and symbols are known.
# RECORD=1 writes symbolize.out and symbolize.err anew.
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

# run STATUS ARGUMENT...: adds to out and err; sizes, which hang on zlib's version, are cut.
run()
{
	local want=$1 status

	shift
	"$HOSTPROF" symbolize "$@" >now.out 2>now.err </dev/null
	status=$?
	sed 's/"bytes":[0-9]*/"bytes":N/' now.out >>out
	sed 's/^ *[0-9.]* k*B  /      SIZE  /' now.err >>err
	[ $status -eq "$want" ]
}

if ! command -v python3 >/dev/null; then
	echo 'skip symbolize_gives_names: no python3'
	exit 0
fi
# profile.proto by hand: two frames in libknown.so ("two" is inlined nowhere), one in a file that is gone, one in the
# kernel, one that has a name; and a field that nobody knows.
python3 - <<'PYTHON'
import gzip

def varint(n):
    out = b""
    while True:
        out += bytes([n & 127 | (128 if n > 127 else 0)])
        n >>= 7
        if not n:
            return out

def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value

def message(*fields):
    return b"".join(field(number, value) for number, value in fields if value != 0)

strings = ["", "samples", "count", "/nowhere/libknown.so", "0123456789abcdef", "/bin/gone", "76543210",
           "[kernel.kallsyms]", "named", "[stripped libknown.so+0x1000]"]
profile = [(1, message((1, 1), (2, 2))), (2, message((1, b"\1\2\3\4\5"), (2, b"\1")))]
for number, (start, limit, offset, name, build_id) in enumerate(
        [(0x7f0000001000, 0x7f0000002000, 0x1000, 3, 4), (0x400000, 0x500000, 0, 5, 6),
         (0xffffffff80000000, 0xffffffff81000000, 0, 7, 0)], 1):
    profile.append((3, message((1, number), (2, start), (3, limit), (4, offset), (5, name), (6, build_id))))
stand_in, named = message((1, 2)), message((1, 1))
for number, (mapping, address, line) in enumerate(
        [(1, 0x7f0000001000, stand_in), (1, 0x7f000000107f, None), (2, 0x401234, None), (3, 0xffffffff80000010, None),
         (1, 0x7f0000001001, named)], 1):
    lines = [] if line is None else [(4, line)]
    profile.append((4, message((1, number), (2, mapping), (3, address), *lines)))
profile.append((5, message((1, 1), (2, 8), (3, 8))))
profile.append((5, message((1, 2), (2, 9))))
profile += [(6, text.encode()) for text in strings]
profile.append((99, b"unknown to us"))
data = message(*profile)
open("plain.pb", "wb").write(data)
gzip.GzipFile("p.pb.gz", "wb", mtime=0).write(data)
open("cut.pb.gz", "wb").write(open("p.pb.gz", "rb").read()[:-20])
open("more.pb.gz", "wb").write(open("p.pb.gz", "rb").read() + b"garbage")
gzip.GzipFile("bomb.pb.gz", "wb", mtime=0).write(bytes(300 << 20))
open("index.pb", "wb").write(message((2, message((1, b"\77"), (2, b"\1"))), (6, b"")))
PYTHON
# Each function is 64 bytes; the build id is that in the profile.
mkdir -p symbols pool/.build-id/01 stale
if ! "${CC:-gcc}" -x assembler -nostdlib -shared -Wl,--build-id=0x0123456789abcdef -Wl,-z,separate-code \
	-Wl,-z,max-page-size=0x1000 -o symbols/libknown.so - 2>cc.err <<'ASSEMBLY'; then
	.text
	.globl one, two
	.type one, %function
	.type two, %function
one:
	.skip 64
	.size one, 64
two:
	.skip 64
	.size two, 64
ASSEMBLY
	cat cc.err >&2
	echo 'skip symbolize_gives_names: no assembler'
	exit 0
fi
objcopy --only-keep-debug symbols/libknown.so pool/.build-id/01/23456789abcdef.debug
cp "$HOSTPROF" stale/libknown.so
mkfifo pipe
mkdir directory
ln -s elsewhere link.pb.gz

judge a_library_in_a_directory_gives_names run 0 --debug-dir symbols --json p.pb.gz
judge its_debug_file_alone_does_too run 0 --debug-dir pool -o by_debug.pb.gz -q plain.pb
judge equal_names_give_equal_files cmp p.named.pb.gz by_debug.pb.gz
gzip -dc p.named.pb.gz >named.pb
for name in one two named 'unknown to us'; do
	judge "the_profile_has_${name//[^a-z]/_}" grep -qa "$name" named.pb
done
judge the_stand_in_is_no_function_any_more run 0 -q --json p.named.pb.gz -o again.pb.gz
judge what_has_names_keeps_them cmp p.named.pb.gz again.pb.gz
judge a_library_of_another_build_is_told run 0 --debug-dir stale --debug-dir directory -f p.pb.gz
judge without_names_nothing_is_lost cmp plain.pb <(gzip -dc p.named.pb.gz)
judge what_is_there_is_not_replaced run 1 p.pb.gz
cp p.pb.gz self.pb.gz
judge but_the_profile_itself_is_when_named_twice run 0 -q --debug-dir symbols -o ./self.pb.gz self.pb.gz
judge with_the_same_result cmp self.pb.gz again.pb.gz
judge raw_names_are_shown_when_asked_for run 0 -q --demangle=none --debug-dir symbols -o none.pb.gz p.pb.gz
judge no_link_is_written_through run 1 -f -o link.pb.gz p.pb.gz
judge no_folder_is_made run 1 -o nowhere/p.pb.gz p.pb.gz
judge a_directory_must_be_there run 1 --debug-dir nowhere -f p.pb.gz
for file in cut.pb.gz more.pb.gz bomb.pb.gz index.pb symbols/libknown.so pipe directory gone; do
	judge "no_profile_${file//[^a-z]/_}" run 1 -o never.pb.gz "$file"
done
judge nothing_was_written test ! -e never.pb.gz
if [ -e /dev/full ]; then
	"$HOSTPROF" symbolize --json -f p.pb.gz >/dev/full 2>full.err
	judge symbolize_to_a_full_disk_is_a_failure test $? -eq 1
fi
if [ -n "${RECORD:-}" ]; then
	cp out "$here/symbolize.out"
	cp err "$here/symbolize.err"
fi
judge symbolize_tells_programs_what_became_of_it diff -u "$here/symbolize.out" out
judge symbolize_tells_people_what_became_of_it diff -u "$here/symbolize.err" err
