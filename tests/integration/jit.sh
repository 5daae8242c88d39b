#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Generated code: of a small runtime that tells its names in either way, of Node.js, Java and Python, in namespaces and roots of
# their own, and of processes that are gone; and perf maps that somebody else has put there.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

seconds=${JIT_SECONDS:-6}
cd "$T" || exit 1 # V8 leaves files where it is started
jit=$WORKLOADS/jit_code
: >"$T/expected"
maps=()
# shellcheck disable=SC2317,SC2329 # at the end
remove_maps()
{
	rm -f ${maps[@]+"${maps[@]}"}
}
at_end+=(remove_maps)
# The first process of a pid namespace, and the unshare that waits for it, heed no other signal.
enclosed=()
# shellcheck disable=SC2317,SC2329 # at the end
end_enclosed()
{
	kill -KILL ${enclosed[@]+"${enclosed[@]}"} 2>/dev/null
}
at_end+=(end_enclosed)

expect() # NAME PID SHARE FUNCTION... [@FILE:LINE]
{
	(IFS=$'\t' && echo "$*") >>"$T/expected"
}
chain=('jit outer \[a b\]' 'jit middle' 'jit leaf')
# Whatever is started here ends with the script.
lasting=600

# --- what takes a while ---
cat >"$T/hot.js" <<'JS'
function hotLeaf(n) {
	let sum = 0;
	for (let i = 0; i < n; i++) sum = (sum * 31 + i) | 0;
	return sum;
}
function hotMiddle(n) {
	let sum = 0;
	for (let i = 0; i < 50; i++) sum += hotLeaf(n + i);
	return sum;
}
function hotOuter(n) { return hotMiddle(n) + 1; }
const until = Date.now() + 1000 * Number(process.argv[2]);
let sum = 0;
while (Date.now() < until) sum += hotOuter(20000);
JS
cat >"$T/Hot.java" <<'JAVA'
public class Hot {
	static int leaf(int n) {
		int sum = 0;
		for (int i = 0; i < n; i++)
			sum = sum * 31 + (i ^ sum >> 3);
		return sum;
	}
	static int middle(int n) {
		int sum = 0;
		for (int i = 0; i < 50; i++)
			sum += leaf(n + i);
		return sum;
	}
	public static void main(String[] arguments) {
		long until = System.currentTimeMillis() + 1000 * Long.parseLong(arguments[0]);
		int sum = 0;
		while (System.currentTimeMillis() < until)
			sum += middle(20000);
		System.out.println(sum & 1);
	}
}
JAVA
cat >"$T/hot.py" <<'PYTHON'
import sys
import time


def hot_leaf(n):
    total = 0
    for i in range(n):
        total = (total * 31 + i) & 0xFFFFFF
    return total


def hot_middle(n):
    return sum(hot_leaf(n + i) for i in range(50))


def hot_outer(n):
    return hot_middle(n) + 1


until = time.monotonic() + float(sys.argv[1])
while time.monotonic() < until:
    hot_outer(2000)
PYTHON

# Python 3.13 in a root of its own.
python_root=$WORKLOADS/../python-root
has_python_root()
{
	"$tree/tests/kernels/debian.sh" root trixie "$(dpkg --print-architecture)" "$python_root" python3-minimal libpython3-stdlib &&
		{ [ -e "$python_root/lib64" ] || ln -s usr/lib64 "$python_root/lib64"; } && mkdir -p "$python_root/tmp"
}
have dpkg && has_python_root >"$T/root" 2>&1 && cp "$T/hot.py" "$python_root/tmp/hot.py"
python_status=$?
have javac && javac -d "$T" "$T/Hot.java"
seq 10000000 | awk '{ printf "%x 10 function number %d\n", 4096 + $1 * 16, $1 }' >"$T/millions"

# --- the small runtime ---
# A little of the machine is enough: there are many of them.
export JIT_CODE_REST_US=4000
in_background "$jit" map $lasting
maps+=("/tmp/perf-$!.map" /tmp/perf-1.map)
expect live_jit_perf_map $! 90 "${chain[@]}"
in_background "$jit" dump $lasting "$T"
expect live_jit_jitdump $! 90 "${chain[@]}" "@/srv/leaf.jit:0"
in_background "$jit" none $lasting
nameless=$!
expect live_jit_code_without_a_name_says_so $! 90 '\[jit\+0x[0-9a-f]+\]' '\[jit\+0x[0-9a-f]+\]' '\[jit\+0x[0-9a-f]+\]'
# Its own mounts and pids: pid 1 in there, with a /tmp that nobody else sees.
cat >"$T/enclosed" <<'ENCLOSED'
exec 9<"$1"
shift
mount -t tmpfs none /tmp && exec /proc/self/fd/9 "$@"
ENCLOSED
in_background unshare --mount --pid --fork --mount-proc sh "$T/enclosed" "$jit" map $lasting
child_of()
{
	pgrep -P "$1"
}
wait_for 5 child_of $!
enclosed+=("$(child_of $!)")
expect live_jit_in_namespaces "${enclosed[0]}" 90 "${chain[@]}"
# The pids alone are its own: /tmp is ours.
in_background unshare --pid --fork "$jit" map $lasting
wait_for 5 child_of $!
enclosed+=("$(child_of $!)")
expect live_jit_in_a_pid_namespace "${enclosed[1]}" 90 "${chain[@]}"
in_background setpriv --reuid 65534 --regid 65534 --clear-groups "$jit" map $lasting
maps+=("/tmp/perf-$!.map")
expect live_jit_of_another_user $! 90 "${chain[@]}"

# --- perf maps that are not the process' ---
code_of() # PID: where its code begins
{
	awk '$2 ~ /x/ && NF == 5 && $1 !~ /^ff/ { sub("-.*", "", $1); print $1; exit }' "/proc/$1/maps"
}
# shellcheck disable=SC2317,SC2329 # called by name
mapping_of()
{
	[ -n "$(code_of "$1")" ]
}
# foreign NAME RUN...: a process without a map of its own; sets $pid, $map and $line, which would name its code
foreign()
{
	name=$1
	shift
	in_background "$@" "$jit" none $lasting
	pid=$!
	map=/tmp/perf-$pid.map
	maps+=("$map")
	rm -rf "$map"
	wait_for 5 mapping_of $pid
	line="$(code_of $pid) 10000 forged"
	expect "$name" $pid 0 forged
}
foreign live_jit_map_by_symlink_is_refused env
echo "$line" >"$T/elsewhere"
ln -s "$T/elsewhere" "$map"
foreign live_jit_map_by_hard_link_is_refused env
echo "$line" >"$map.other"
maps+=("$map.other")
ln "$map.other" "$map"
foreign live_jit_map_that_is_a_fifo_is_refused env
mkfifo "$map"
foreign live_jit_map_of_another_owner_is_refused env
echo "$line" >"$map"
chown 65534 "$map"
foreign live_jit_map_of_an_earlier_process_is_refused env
echo "$line" >"$map"
touch -d '-1 hour' "$map"
foreign live_jit_map_of_huge_lines_and_sizes env
{
	echo "$(code_of $pid) 8000000000000000 forged"
	echo "ffffffffffffff00 200 forged"
	head -c 3000000 /dev/zero | tr '\0' x
	echo
	echo "$(code_of $pid) 10000 true name"
} >"$map"
expect live_jit_lines_behind_a_huge_one_count $pid 90 'true name' 'true name' 'true name'
foreign live_jit_map_of_ten_million_lines env
mv "$T/millions" "$map"
# As root's: it may be that of a tool that runs as root.
foreign live_jit_map_of_root_counts setpriv --reuid 65534 --regid 65534 --clear-groups
sed -i '$d' "$T/expected"
echo "${line/forged/of root}" >"$map"
expect live_jit_map_of_root_counts $pid 90 'of root' 'of root' 'of root'

# --- runtimes ---
runtimes=()
if have node; then
	no_inlining=(--max-inlined-bytecode-size=0 --max-inlined-bytecode-size-small=0)
	# Functions that are interpreted have code of their own too.
	in_background node --perf-basic-prof --interpreted-frames-native-stack "${no_inlining[@]}" "$T/hot.js" $lasting
	runtimes+=($!)
	maps+=("/tmp/perf-$!.map")
	expect live_jit_node $! 80 '.*:[*^~]hotOuter .*' '.*:[*^~]hotMiddle .*' '.*:[*^~]hotLeaf .*' "@$T/hot.js:1"
	in_background node "$T/hot.js" $lasting
	runtimes+=($!)
	expect live_jit_node_without_a_map $! 50 '\[jit node\+0x[0-9a-f]+\]'
else
	not_ok live_jit_node "no node"
fi
if have javac jcmd; then
	in_background java -XX:+PreserveFramePointer -cp "$T" Hot $lasting
	java=$!
	runtimes+=($!)
	maps+=("/tmp/perf-$java.map")
	expect live_jit_java $java 80 '.*\bHot\b.*\b(middle|leaf)\b.*'
else
	java=
	not_ok live_jit_java "no javac or jcmd"
fi
if ! have dpkg; then
	skip live_jit_python "needs dpkg to unpack Debian's Python 3.13"
elif [ $python_status -eq 0 ]; then
	in_background chroot "$python_root" /usr/bin/python3 -X perf /tmp/hot.py $lasting
	runtimes+=($!)
	maps+=("$python_root/tmp/perf-$!.map")
	# Its trampolines keep no frame pointer, so that the innermost function is all there is.
	expect live_jit_python $! 60 'py::hot_leaf:/tmp/hot.py' '.*' "@/tmp/hot.py:0"
else
	not_ok live_jit_python "no root with Python: $(tail -n 2 "$T/root")"
fi

# --- watched ---
# What starts and compiles itself is of no interest: seconds of CPU time that a process has had, in clock ticks.
# shellcheck disable=SC2317,SC2329 # called by name
has_run()
{
	[ "$(awk -v hz="$(getconf CLK_TCK)" '{ sub(".*\\) ", ""); print int(($12 + $13) / hz) }' "/proc/$1/stat")" -ge 2 ]
}
for pid in "${runtimes[@]}"; do
	wait_for 60 has_run "$pid" || echo "pid $pid has not run for 2 s" >&2
done
record_until() # COMMAND: while it runs
{
	env --default-signal=INT "$HOSTPROF" record --json -F 999 -o "$T/out" >"$T/json" 2>"$T/err" &
	background+=($!)
	wait_for 30 grep -q 'profiling all processes' "$T/err" || sed 's/^/    /' "$T/err" >&2
	"$@"
	kill -INT "${background[-1]}"
	wait "${background[-1]}" || sed 's/^/    /' "$T/err" >&2
}
# Processes that begin while we record, end with their map, and are gone.
# shellcheck disable=SC2317,SC2329 # called by name
run_brief() # FILE COMMAND...
{
	nice -n -10 "${@:2}" &
	echo $! >"$T/$1"
	wait $!
}
# shellcheck disable=SC2317,SC2329 # called by name
watch_them()
{
	sleep "$seconds"
	(
		unset JIT_CODE_REST_US
		run_brief brief "$jit" map 0.5
		run_brief brief_dump "$jit" dump 0.5 "$T"
	)
	# V8 writes its JITDUMP in pieces of 2 MiB, and what is left at its end.
	have node && run_brief node_dump node --perf-prof "${no_inlining[@]}" "$T/hot.js" 4
	# The JVM tells its names when it is asked to.
	[ -z "$java" ] || nice -n -10 jcmd "$java" Compiler.perfmap >/dev/null
}
record_until watch_them
expect live_jit_of_a_process_that_is_gone "$(cat "$T/brief")" 80 'jit leaf'
expect live_jit_jitdump_of_a_process_that_is_gone "$(cat "$T/brief_dump")" 80 'jit leaf'
[ ! -s "$T/node_dump" ] || expect live_jit_node_jitdump "$(cat "$T/node_dump")" 40 '.*:[*^~]hotLeaf .*'
check live_jit_accounts_balance "$(cat "$T/json")" accounts_balance
equal live_jit_lose_none 0 "$(lost)"
# The table of ten million lines is one of those that were read: it would take more than twice as much.
check live_jit_memory_is_bounded "$(json .cost.peak_rss_bytes) bytes" test "$(json .cost.peak_rss_bytes)" -lt 200000000
verdicts python3 "$here/jit_chains.py" "$T/out/all.pb.gz" "$T/expected"
# The kernel's view of the nameless one is its own file's too.
check live_jit_file_of_a_process_has_its_module "no [jit] mapping" \
	sh -c "gzip -dc '$T/out/jit_code-$nameless.pb.gz' | grep -aq '\[jit\]'"
finish
