# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh disable=SC3045 # busybox has ulimit -l
# Runs in the guest, under busybox sh: records and prints "ok NAME" lines, which the host reads from the console. The
# profiles go out through /tmp/out, to guest_profiles.py and unwind_chains.py.
#
# /etc/chains is a list, a line each, of programs with known call chains: NAME PROGRAM ARGUMENTS...
name=kernel_$(uname -r | cut -d . -f 1,2 | tr . _)
[ "$(uname -m)" = x86_64 ] || name=${name}_arm64
check() # NAME COMMAND...
{
	check=$1
	shift
	if "$@"; then echo "ok live_${name}_$check"; else echo "not ok live_${name}_$check"; fi
}
samples() # REGEX FILE
{
	awk -v wanted="$1" '$0 ~ wanted {n += $NF} END {print n + 0}' "$2"
}
number() # KEY: of the one-line report
{
	sed -n "s/.*\"$1\": *\\([0-9]*\\).*/\\1/p" /tmp/json
}
lost()
{
	sed -n 's/.*"lost": *{\([^}]*\)}.*/\1/p' /tmp/json | tr ',' '\n' | awk -F : '{n += $2} END {print n + 0}'
}
# record NAME ARGUMENTS...: with checks that hold for each recording; the report is in /tmp/json.
record()
{
	what=$1
	shift
	hostprof record --json "$@" >/tmp/json 2>/tmp/err
	status=$?
	cat /tmp/err /tmp/json
	check "${what}records" test $status -eq 0
	check "${what}loses_nothing" test "$(lost)" -eq 0
	check "${what}accounts_balance" test "$(number taken)" -eq $(($(number delivered) + $(lost)))
}

echo "guest begins: $name"
ulimit -l 8192
mkdir /tmp/out /tmp/out/split
record '' -F 99 --folded /tmp/folded -o /tmp/out/split/ -- split-static 6
cp /tmp/json /tmp/out/split.json
# Samples are fewer where the emulation is starved.
check has_samples test "$(samples '^split-static;' /tmp/folded)" -gt 150

# The whole machine, with a processor that leaves and comes back.
cat >/tmp/hotplug <<'HOTPLUG'
taskset 2 comm_name 2 before
echo 0 >/sys/devices/system/cpu/cpu1/online
sleep 2
echo 1 >/sys/devices/system/cpu/cpu1/online
sleep 2
taskset 2 comm_name 3 after
HOTPLUG
record hotplug_ -F 99 -a --folded /tmp/folded --force -- sh /tmp/hotplug
# Not of the program above: it spins in user mode, and may be met nowhere else.
check kernel_names_are_there grep -q '_\[k\]' /tmp/folded
check hotplug_samples_before test "$(samples '^before;' /tmp/folded)" -gt 30
check hotplug_samples_of_the_cpu_that_came_back test "$(samples '^after;' /tmp/folded)" -gt 60

# A module that is loaded after its kernel's symbols were read.
cat >/tmp/load_module <<'OVERLAY'
sleep 1
insmod /opt/overlay.ko
mkdir /tmp/merged
mount -t overlay -o lowerdir=/bin:/opt none /tmp/merged
timeout 4 sh -c 'while :; do ls -lR /tmp/merged; done' >/dev/null 2>&1
umount -l /tmp/merged
OVERLAY
record module_ -F 99 --folded /tmp/folded --force -- sh /tmp/load_module
check module_loaded_meanwhile_is_named test "$(samples ';ovl_[a-z_]*_\\[k\\]' /tmp/folded)" -gt 10
# Of its init code, which is gone by then, there may be some.
check module_has_names test "$(samples '\\[kernel\\+0x' /tmp/folded)" -lt 5

# A kernel that hides its symbols from root too costs names alone.
restrict=$(cat /proc/sys/kernel/kptr_restrict)
echo 2 >/proc/sys/kernel/kptr_restrict
record restricted_ -F 99 --folded /tmp/folded --force -- sh -c 'timeout 4 dd if=/dev/urandom of=/dev/null bs=64k 2>/dev/null; exit 0'
echo "$restrict" >/proc/sys/kernel/kptr_restrict
check restricted_kernel_frames_are_there grep -q ';\[kernel restricted\]_\[k\] ' /tmp/folded
check restricted_kernel_names_are_not_guessed test "$(grep -o '[^;]*_\[k\]' /tmp/folded | grep -vc '^\[kernel restricted\]_')" = 0

# A locked memlock limit that cannot be raised counts before 5.11; there the error names it.
(
	ulimit -l 64
	exec /opt/setpriv --bounding-set=-sys_resource --inh-caps=-sys_resource \
		hostprof record -F 99 -d 1 -q --folded /tmp/limited >/dev/null 2>/tmp/err
)
status=$?
cat /tmp/err
case $(uname -r) in
5.10.*)
	check memlock_limit_fails test $status -eq 1
	check memlock_limit_is_named grep -qi memlock /tmp/err
	;;
*) check memlock_limit_does_not_matter test $status -eq 0 ;;
esac

# All have used the CPU: what loads them is behind them.
work() # PID...
{
	for pid; do
		awk '{ sub(/.*\) /, ""); exit $12 < 20 }' "/proc/$pid/stat" || return 1
	done
}
# In the background of hostprof, as it would be on a machine that is not ten times slower.
if [ -s /etc/chains ]; then
	mkdir /tmp/out/chains
	started=''
	while read -r chain program arguments; do
		# shellcheck disable=SC2086,SC2016 # a list of words; of the inner shell
		sh -c 'renice -n 19 -p $$; exec "$@"' sh "$program" $arguments &
		started="$started $!"
		echo "$chain $!" >>/tmp/out/started
	done </etc/chains
	# shellcheck disable=SC2086 # a list of numbers
	until work $started || [ "$(cut -d . -f 1 /proc/uptime)" -gt 200 ]; do
		sleep 1
	done
	record chains_ -q -F 499 -d 15 -o /tmp/out/chains/
	# shellcheck disable=SC2086 # a list of numbers
	kill $started
fi
exit 0
