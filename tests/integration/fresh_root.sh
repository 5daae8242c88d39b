#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A fresh Debian root, a clone of this tree in it, and there, as an ordinary user, "sudo make run": what a person sees who
# meets the project on a bare machine. Needs root, debootstrap and the network; takes minutes.
# usage: fresh_root.sh SUITE [test]      (bookworm, trixie; with "test" also "sudo make test" in it)
#
#   FRESH_CHANGES=1   take the working tree as it is instead of the last commit
#   FRESH_KEEP=1      keep the root and say where it is
set -eu

suite=${1:?usage: fresh_root.sh SUITE [test]}
also_test=${2:-}
here=$(cd "$(dirname "$0")" && pwd)
tree=$(cd "$here/../.." && pwd)
if [ "$(id -u)" -ne 0 ]; then
	echo "check-fresh needs root: sudo make check-fresh SUITE=$suite" >&2
	exit 1
fi
if ! command -v debootstrap >/dev/null; then
	echo "check-fresh needs debootstrap: apt-get install debootstrap" >&2
	exit 1
fi
if [ -z "${FRESH_PRIVATE:-}" ]; then
	# Mounts of our own, which end with us.
	exec env FRESH_PRIVATE=1 unshare --mount --propagation private "$0" "$@"
fi

# The mirror that this machine itself was made from, whatever else apt lists.
mirror=$(apt-cache policy base-files | awk '$2 ~ /^(https?|file|copy):/ && $3 !~ /security/ {print $2; exit}')
root=$(mktemp -d "${TMPDIR:-/var/tmp}/fresh-$suite.XXXXXX")
chmod 755 "$root"
compiler=
clean_up()
{
	[ -z "$compiler" ] || kill "$compiler" 2>/dev/null || true
	for place in dev sys proc; do
		umount -R "$root/$place" 2>/dev/null || umount -l "$root/$place" 2>/dev/null || true
	done
	if [ -n "${FRESH_KEEP:-}" ]; then
		echo "kept: $root"
	else
		rm -rf --one-file-system "$root"
	fi
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

echo "== $suite root"
debootstrap --variant=minbase --include=git,make,sudo,ca-certificates "$suite" "$root" "$mirror" >"$root.log" 2>&1 || {
	tail -n 20 "$root.log" >&2
	exit 1
}
rm -f "$root.log"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
chroot "$root" useradd --create-home --shell /bin/bash builder
echo 'builder ALL=(ALL) NOPASSWD: ALL' >"$root/etc/sudoers.d/builder"

echo "== clone"
place=$root/home/builder/hostprof
if [ -n "${FRESH_CHANGES:-}" ]; then
	mkdir "$place"
	# shellcheck disable=SC2016 # for the inner shell
	(cd "$tree" && git ls-files -z --cached --others --exclude-standard | xargs -0 sh -c '
		for file; do [ -e "$file" ] && printf "%s\0" "$file"; done' sh | tar -c --null -T -) | tar -x -C "$place"
else
	git -c safe.directory='*' clone -q --no-hardlinks "$tree" "$place"
fi
chroot "$root" chown -R builder:builder /home/builder

in_root() # COMMAND: as the user, in the clone
{
	chroot "$root" su - builder -c "cd hostprof && $1"
}

# A compiler beside it, in the other root, so that there is something to see.
cat >"$root/tmp/beside.sh" <<'BESIDE'
while :; do
	for i in $(seq 3000); do printf 'int f%d(int x)\n{\n\tint s = 0;\n\n\tfor (int i = 0; i < x; i++)\n\t\ts += i * x / (i + %d);\n\treturn s;\n}\n' "$i" "$i"; done |
		gcc -O2 -x c -c -o /dev/null -
done
BESIDE
if command -v gcc >/dev/null; then
	bash "$root/tmp/beside.sh" &
	compiler=$!
fi

failures=0
check() # NAME COMMAND...
{
	local name=$1

	shift
	if "$@" >/dev/null; then
		echo "ok fresh_${suite}_$name"
	else
		echo "not ok fresh_${suite}_$name"
		failures=$((failures + 1))
	fi
}

echo "== make run"
status=0
in_root 'sudo make run' >"$root/tmp/run.out" 2>&1 || status=$?
cat "$root/tmp/run.out"
folder=$(find "$place" -maxdepth 1 -name 'hostprof-*' -type d)
check run_exits_0 test "$status" -eq 0
check top_table_names_the_compiler grep -q 'cc1' "$root/tmp/run.out"
check truth_line_is_there grep -qi 'taken' "$root/tmp/run.out"
check next_step_is_named grep -q 'go tool pprof -http=:' "$root/tmp/run.out"
check files_are_there test -s "$folder/all.pb.gz" -a -s "$folder/flame.html"
check files_belong_to_the_user test "$(stat -c %U "$folder/all.pb.gz" 2>/dev/null)" = "$(stat -c %U "$place")"
check files_are_valid python3 - "$here" "$folder" <<'PYTHON'
import glob
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
from pprof_read import Profile

files = glob.glob(sys.argv[2] + "/*.pb.gz")
assert len(files) >= 2, files
for path in files:
    Profile(path)
everything = Profile(sys.argv[2] + "/all.pb.gz")
named = {name for _, stack, labels in everything.samples if labels["comm"] == "cc1" for names, _, _ in stack
         for name in names if "+0x" not in name and not name.startswith("[")}
print(len(named), "function names in cc1")
assert len(named) > 10, named
PYTHON
if command -v go >/dev/null; then
	for file in "$folder"/*.pb.gz; do
		check "pprof_reads_$(basename "$file" .pb.gz)" go tool pprof -symbolize=none -top "$file"
	done
fi
# Nothing is missing any more: no root is needed, and nothing is said.
in_root 'make deps' >"$root/tmp/deps.out" 2>&1 || echo "make deps ended with $?" >>"$root/tmp/deps.out"
check second_run_installs_nothing test ! -s "$root/tmp/deps.out"
check make_as_the_user_afterwards in_root 'make'
check install in_root 'make install DESTDIR=/tmp/installed prefix=/usr && test -x /tmp/installed/usr/bin/hostprof -a -s /tmp/installed/usr/share/man/man1/hostprof.1'

if [ "$also_test" = test ]; then
	echo "== make test"
	[ -z "$compiler" ] || kill "$compiler"
	compiler=
	status=0
	in_root 'sudo make test' || status=$?
	check test_exits_0 test "$status" -eq 0
fi
[ $failures -eq 0 ]
