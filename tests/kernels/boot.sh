#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Another kernel, in QEMU. Needs qemu-system-*, busybox-static and cpio; debian.sh fetches kernels and roots.
#
#   boot.sh [-c CPUS] [-m MEGABYTES] [-t SECONDS] [-r ROOT] [-o DIRECTORY] KERNEL SCRIPT [FILE[=GUEST_PATH] ...]
#
# Boots the kernel with an initramfs of busybox, SCRIPT and the files, with the libraries that dynamic programs need:
# this machine's, or those under ROOT, which also holds the busybox then. SCRIPT runs under busybox sh with /proc, /sys
# and /dev mounted. Prints what the guest printed; the exit status is SCRIPT's, or 124 when the guest did not end in
# time. What SCRIPT left in /tmp/out lies in DIRECTORY afterwards. A kernel whose file name has "arm64" in it is one for arm64.
set -eu

die() {
	echo "boot.sh: $*" >&2
	exit 1
}

# needed_here FILE: the loader and libraries of a program of this machine
needed_here() {
	ldd "$1" 2>/dev/null | grep -o '/[^ ]*' || :
}

# needed_below FILE: the same of a program for another machine, whose libraries lie below $from. Names that libraries
# ask for in turn are looked up too, as the loader would.
needed_below() {
	interpreter=$(readelf -lW "$1" 2>/dev/null | sed -n 's/.*program interpreter: \(.*\)]/\1/p')
	[ -n "$interpreter" ] || return 0
	echo "$interpreter"
	wanted=$(library_names "$1") seen=' '
	while [ -n "$wanted" ]; do
		name=${wanted%% *} wanted=${wanted#* }
		case $seen in *" $name "*) continue ;; esac
		seen="$seen$name "
		for directory in "$from"/lib/*-linux-gnu "$from"/usr/lib/*-linux-gnu; do
			[ -e "$directory/$name" ] || continue
			echo "${directory#"$from"}/$name"
			wanted="$wanted$(library_names "$directory/$name")"
			break
		done
	done
}

# "libc.so.6 libm.so.6 "
library_names() {
	readelf -dW "$1" 2>/dev/null | sed -n 's/.*(NEEDED).*\[\(.*\)]/\1/p' | tr '\n' ' '
}

# add FILE GUEST_PATH: the file and, when it is dynamic, its loader and libraries
add() {
	mkdir -p "$root$(dirname "$2")"
	cp -L "$1" "$root$2"
	if [ -n "$from" ]; then needed_below "$1"; else needed_here "$1"; fi | while read -r library; do
		[ -e "$root$library" ] || { mkdir -p "$root$(dirname "$library")" && cp -L "$from$library" "$root$library"; }
	done
}

cpus=2 memory=1024 seconds=180 from='' out=''
while getopts c:m:t:r:o: option; do
	case $option in
	c) cpus=$OPTARG ;;
	m) memory=$OPTARG ;;
	t) seconds=$OPTARG ;;
	r) from=$OPTARG ;;
	o) out=$OPTARG ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
[ $# -ge 2 ] || die "a kernel and a script are needed; the top of the file explains"
kernel=$1 script=$2
shift 2

work=$(mktemp -d)
qemu=
trap '[ -z "$qemu" ] || kill "$qemu"; rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
root=$work/root
mkdir -p "$root/bin" "$root/proc" "$root/sys" "$root/dev" "$root/tmp" "$root/etc"
busybox=$(command -v busybox) || die "busybox-static is missing"
"$busybox" --list | while read -r applet; do ln -sf busybox "$root/bin/$applet"; done
rm -f "$root/bin/busybox"
[ -z "$from" ] || busybox=$from/bin/busybox
cp "$busybox" "$root/bin/busybox"
cp "$script" "$root/script"
for file in "$@"; do
	case $file in
	*=*) add "${file%%=*}" "${file#*=}" ;;
	*) add "$file" "/bin/$(basename "$file")" ;;
	esac
done
cat >"$root/init" <<'INIT'
#!/bin/busybox sh
export PATH=/bin HOME=/tmp
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
hostname guest
ip link set lo up
cd /tmp
sh /script </dev/null 2>&1
echo "guest-exit: $?"
if [ -d /tmp/out ]; then
	dmesg -n 1 # the kernel says nothing in between
	echo guest-files-begin
	tar -C /tmp/out -c . | gzip -1 | base64
	echo guest-files-end
fi
poweroff -f
INIT
chmod 755 "$root/init" "$root/script"
(cd "$root" && find . | cpio -o -H newc --quiet | gzip -1) >"$work/initrd"

# Pointer authentication by QEMU's own cipher: the architecture's takes most of the time.
case ${kernel##*/} in
*arm64*) set -- qemu-system-aarch64 -M virt -cpu max,pauth-impdef=on && console=ttyAMA0 ;;
*) set -- qemu-system-x86_64 -cpu max && console=ttyS0 ;;
esac
# panic=-1 and -no-reboot: a panic ends the guest. The console adds carriage returns.
status=0
timeout "$seconds" "$@" -accel tcg,thread=multi -m "$memory" -smp "$cpus" -nographic -no-reboot -net none \
	-kernel "$kernel" -initrd "$work/initrd" -append "console=$console quiet panic=-1" </dev/null \
	>"$work/console.raw" 2>&1 &
qemu=$!
wait "$qemu" || status=$?
qemu=
tr -d '\r' <"$work/console.raw" >"$work/console"
sed -e '/guest-exit: /d' -e '/^guest-files-begin/,/^guest-files-end/d' -e '/SeaBIOS/d' -e 's/^.*Booting from ROM\.*//' \
	"$work/console"
[ "$status" -ne 124 ] || exit 124
if [ -n "$out" ] && grep -q '^guest-files-end' "$work/console"; then
	mkdir -p "$out"
	sed -n '/^guest-files-begin/,/^guest-files-end/p' "$work/console" | grep -v '^guest-files' | base64 -d |
		tar -C "$out" --no-same-owner -xz
fi
code=$(sed -n 's/^guest-exit: //p' "$work/console" | tail -n 1)
exit "${code:-1}"
