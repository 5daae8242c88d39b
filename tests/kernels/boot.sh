#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Other kernels, in QEMU. Needs apt (a Debian machine), qemu-system-*, busybox-static and cpio.
#
#   boot.sh fetch SUITE ARCH DIRECTORY
#       Downloads the newest Debian cloud kernel of the suite (bullseye: 5.10, bookworm: 6.1, trixie: 6.12; ARCH amd64 or
#       arm64) from the mirror that this machine's apt already uses, without touching the system's apt state.
#       Prints the path of the kernel image, which stays in DIRECTORY for the next time.
#
#   boot.sh run [-c CPUS] [-m MEGABYTES] [-t SECONDS] KERNEL SCRIPT [FILE[=GUEST_PATH] ...]
#       Boots the kernel with an initramfs of busybox, SCRIPT and the files (with the libraries that dynamic programs
#       need); SCRIPT runs under busybox sh with /proc, /sys, /dev and /tmp mounted. Prints what the guest printed; the
#       exit status is SCRIPT's, or 124 when the guest did not end in time. For a kernel of another architecture
#       (told by "arm64" in its name) the files must be static, and BUSYBOX names a busybox for it.
set -eu

die() {
	echo "boot.sh: $*" >&2
	exit 1
}

# The archive mirror of the installed base-files package: the source that the machine itself was made from.
mirror() {
	apt-cache policy base-files | awk '$2 ~ /^(https?|file|copy|mirror):/ && $3 !~ /security/ {print $2; exit}'
}

fetch() {
	suite=$1 arch=$2 directory=$3
	image=$directory/vmlinuz-$suite-$arch
	if [ -s "$image" ]; then
		echo "$image"
		return
	fi
	from=$(mirror)
	[ -n "$from" ] || die "apt knows no mirror"
	work=$directory/apt-$suite-$arch
	mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/root"
	: >"$work/status"
	echo "deb [trusted=yes arch=$arch] $from $suite main" >"$work/sources.list"
	set -- -q -o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=- \
		-o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work/cache" -o "Dir::State::status=$work/status" \
		-o "APT::Architecture=$arch" -o "APT::Architectures=$arch" -o Acquire::Languages=none \
		-o APT::Sandbox::User=root
	apt-get "$@" update >"$work/log" 2>&1 || die "apt-get update failed, see $work/log"
	package=$(apt-cache "$@" depends "linux-image-cloud-$arch" | awk '/Depends: linux-image-/ {print $2; exit}')
	[ -n "$package" ] || die "$suite has no cloud kernel for $arch"
	(cd "$work" && apt-get "$@" download "$package" >>log 2>&1) || die "cannot download $package, see $work/log"
	dpkg -x "$work/$package"_*.deb "$work/root"
	cp "$work"/root/boot/vmlinuz-* "$image.tmp"
	cp "$work"/root/boot/config-* "$directory/config-$suite-$arch"
	rm -rf "$work"
	mv "$image.tmp" "$image"
	echo "$image"
}

# add ROOT FILE GUEST_PATH: the file and, when it is dynamic, its loader and libraries
add() {
	mkdir -p "$1$(dirname "$3")"
	cp -L "$2" "$1$3"
	ldd "$2" 2>/dev/null | grep -o '/[^ ]*' | while read -r library; do
		[ -e "$1$library" ] || { mkdir -p "$1$(dirname "$library")" && cp -L "$library" "$1$library"; }
	done || :
}

run() {
	cpus=2 memory=1024 seconds=180
	while getopts c:m:t: option; do
		case $option in
		c) cpus=$OPTARG ;;
		m) memory=$OPTARG ;;
		t) seconds=$OPTARG ;;
		*) exit 2 ;;
		esac
	done
	shift $((OPTIND - 1))
	[ $# -ge 2 ] || die "run needs a kernel and a script"
	kernel=$1 script=$2
	shift 2
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	root=$work/root
	mkdir -p "$root/bin" "$root/proc" "$root/sys" "$root/dev" "$root/tmp" "$root/etc"
	busybox=$(command -v busybox) || die "busybox-static is missing"
	"$busybox" --list | while read -r applet; do ln -sf busybox "$root/bin/$applet"; done
	rm -f "$root/bin/busybox"
	cp "${BUSYBOX:-$busybox}" "$root/bin/busybox"
	cp "$script" "$root/script"
	for file in "$@"; do
		case $file in
		*=*) add "$root" "${file%%=*}" "${file#*=}" ;;
		*) add "$root" "$file" "/bin/$(basename "$file")" ;;
		esac
	done
	cat >"$root/init" <<'INIT'
#!/bin/busybox sh
export PATH=/bin HOME=/tmp
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev; mount -t tmpfs tmp /tmp
hostname guest
ip link set lo up
cd /tmp
sh /script </dev/null 2>&1
echo "guest-exit: $?"
poweroff -f
INIT
	chmod 755 "$root/init" "$root/script"
	(cd "$root" && find . | cpio -o -H newc --quiet | gzip -1) >"$work/initrd"
	case $kernel in
	*arm64*) set -- qemu-system-aarch64 -M virt -cpu cortex-a72 && console=ttyAMA0 ;;
	*) set -- qemu-system-x86_64 -cpu max && console=ttyS0 ;;
	esac
	# panic=-1 and -no-reboot: a panic ends the guest. The console adds carriage returns.
	status=0
	timeout "$seconds" "$@" -accel tcg,thread=multi -m "$memory" -smp "$cpus" -nographic -no-reboot -net none \
		-kernel "$kernel" -initrd "$work/initrd" -append "console=$console quiet panic=-1" </dev/null \
		>"$work/console" 2>&1 || status=$?
	tr -d '\r' <"$work/console" | sed -e '/guest-exit: /d' -e '/SeaBIOS/d' -e 's/^.*Booting from ROM\.*//'
	[ "$status" -ne 124 ] || exit 124
	code=$(tr -d '\r' <"$work/console" | sed -n 's/^guest-exit: //p' | tail -n 1)
	exit "${code:-1}"
}

[ $# -ge 1 ] || die "usage: boot.sh fetch|run …; the top of the file explains"
command=$1
shift
case $command in
fetch)
	[ $# -eq 3 ] || die "fetch SUITE ARCH DIRECTORY"
	mkdir -p "$3"
	fetch "$@"
	;;
run) run "$@" ;;
*) die "unknown command $command" ;;
esac
