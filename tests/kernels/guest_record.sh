# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh disable=SC3045 # busybox has ulimit -l
# Runs in the guest, under busybox sh: records and prints "ok NAME" lines, which the host reads from the console.
name=kernel_$(uname -r | cut -d . -f 1,2 | tr . _)
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

echo "guest begins"
ulimit -l 8192
hostprof record -F 99 --json --folded /tmp/folded -o /tmp/p.pb.gz -- split-static 6 >/tmp/json 2>/tmp/err
status=$?
cat /tmp/err /tmp/json
head -n 5 /tmp/folded
check records test $status -eq 0
check loses_nothing test "$(lost)" -eq 0
check accounts_balance test "$(number taken)" -eq $(($(number delivered) + $(lost)))
all=$(samples '^split-static;' /tmp/folded)
chain=$(samples '^split-static;.*;main;drive;(heavy_one;heavy_two;heavy_three|medium_one;medium_two;medium_three|light_one;light_two;light_three);spin' /tmp/folded)
check has_samples test "$all" -gt 300
# Under emulation the timer's kernel work has a share of its own.
check chains_are_whole test $((chain * 100)) -ge $((all * 90))
check profile_is_gzip gzip -t /tmp/p.pb.gz
check kernel_names_are_there grep -q '_\[k\]' /tmp/folded

# The whole machine, with a processor that leaves and comes back.
(
	sleep 6
	echo 0 >/sys/devices/system/cpu/cpu1/online
	sleep 2
	echo 1 >/sys/devices/system/cpu/cpu1/online
	sleep 2
	taskset 2 comm_name 3 after
) &
taskset 2 comm_name 3 before &
hostprof record -F 99 -d 18 --json --folded /tmp/folded --force >/tmp/json 2>/tmp/err
status=$?
wait
cat /tmp/err /tmp/json
check hotplug_records test $status -eq 0
check hotplug_samples_before test "$(samples '^before;' /tmp/folded)" -gt 30
check hotplug_samples_of_the_cpu_that_came_back test "$(samples '^after;' /tmp/folded)" -gt 200
check hotplug_accounts_balance test "$(number taken)" -eq $(($(number delivered) + $(lost)))
check hotplug_loses_nothing test "$(lost)" -eq 0

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
