#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Processes that live for milliseconds: their samples carry a name and a file, and none are missing; on the host, and in
# a mount and pid namespace with a root of its own that is gone right after.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

mkdir "$T/load"
for i in $(seq 200); do
	printf '#include <stdio.h>\nint main(void)\n{\n\treturn printf("%%d", %d) < 0;\n}\n' "$i" >"$T/load/$i.c"
done
cat >"$T/load/build" <<'LOAD'
#!/bin/sh
# usage: build FOLDER
for i in $(seq 200); do gcc -O1 "$1/$i.c" -o "$1/$i.out" || exit 1; done
LOAD
# A root as containers have it: an overlay over the host's, pivoted into, /proc of its own pid namespace.
cat >"$T/load/container" <<'LOAD'
#!/bin/sh
# usage: container FOLDER (of the load)
exec unshare --mount --pid --fork --kill-child sh -ec '
load=$1
mount --make-rprivate /
mount -t tmpfs container /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay container -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root
mkdir -p /mnt/root/container /mnt/root/old
cp "$load"/* /mnt/root/container
mount -t proc proc /mnt/root/proc
mount --rbind /dev /mnt/root/dev
cd /mnt/root
pivot_root . old
umount -l /old
exec /container/build /container' container "$1"
LOAD
chmod +x "$T/load/build" "$T/load/container"

# shellcheck disable=SC2016 # for the inner shell
record -F 1999 -o "$T/true" -- sh -c 'for i in $(seq 200); do /bin/true; done'
equal live_200_times_true_is_recorded 0 "$status"
verdicts python3 "$here/short_lived.py" live_200_times_true "$T/true/all.pb.gz" "$T/json"

# compare_with_perf NAME COMMAND...
compare_with_perf()
{
	local name=$1 counts=

	shift
	if ! perf_works; then
		skip "${name}_are_not_fewer_than_perf_has" "perf does not work here"
		record -F 1999 -o "$T/$name" -- "$@" || true
	elif ! perf_beside comm "$T/perf.lines" -F 1999 -- \
		"$HOSTPROF" record -F 1999 --json --force -o "$T/$name" -- "$@"; then
		not_ok "${name}_is_recorded" "$(tail -n 5 "$T/err")"
		return
	else
		sort "$T/perf.lines" | uniq -c >"$T/perf.comms"
		counts=$T/perf.comms
	fi
	check "${name}_accounts_balance" "$(cat "$T/json")" accounts_balance
	verdicts python3 "$here/short_lived.py" "$name" "$T/$name/all.pb.gz" "$T/json" ${counts:+"$counts"}
}
compare_with_perf live_tiny_compilations "$T/load/build" "$T/load"
if "$T/load/container" "$T/load" >/dev/null 2>"$T/err"; then
	compare_with_perf live_compilations_in_a_container_that_is_gone "$T/load/container" "$T/load"
else
	skip live_compilations_in_a_container_that_is_gone "no overlay or namespaces: $(tail -n 1 "$T/err")"
fi
finish
