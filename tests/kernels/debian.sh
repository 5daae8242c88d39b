#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Kernels and libraries of any Debian suite and architecture, from the mirror that this machine's apt already uses and
# without touching the system's own apt state. What is there already is not downloaded again.
#
#   debian.sh kernel SUITE ARCH DIRECTORY
#       The newest cloud kernel of the suite (bullseye: 5.10, bookworm: 6.1, trixie: 6.12; ARCH amd64 or arm64) as
#       DIRECTORY/vmlinuz-SUITE-ARCH, whose path is printed, with its config and its overlay.ko (a module that depends
#       on no other) beside it.
#
#   debian.sh root SUITE ARCH DIRECTORY PACKAGE...
#       The packages and all that they depend on, unpacked (not installed) in DIRECTORY: a sysroot for a cross
#       compiler, and the loader and the libraries of a guest.
set -eu

die() {
	echo "debian.sh: $*" >&2
	exit 1
}

[ $# -ge 4 ] || die "usage: debian.sh kernel|root SUITE ARCH DIRECTORY [PACKAGE...]; the top of the file explains"
what=$1 suite=$2 arch=$3 directory=$4
shift 4

# The archive mirror of the installed base-files package: the source that the machine itself was made from.
mirror() {
	apt-cache policy base-files | awk '$2 ~ /^(https?|file|copy|mirror):/ && $3 !~ /security/ {print $2; exit}'
}

# apt COMMAND ARGUMENTS...: apt-get or apt-cache with a state of our own
apt() {
	tool=$1
	shift
	"$tool" -q -o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=- \
		-o "Dir::State=$work/state" -o "Dir::State::status=$work/status" -o "Dir::Cache=$work/cache" \
		-o "APT::Architecture=$arch" -o "APT::Architectures=$arch" -o APT::Install-Recommends=false \
		-o Acquire::Languages=none -o APT::Sandbox::User=root "$@"
}

open_archive() {
	from=$(mirror)
	[ -n "$from" ] || die "apt knows no mirror"
	rm -rf "$work"
	mkdir -p "$work/state/lists/partial" "$work/cache/archives/partial" "$work/root"
	: >"$work/status"
	echo "deb [trusted=yes arch=$arch] $from $suite main" >"$work/sources.list"
	apt apt-get update >"$work/log" 2>&1 || die "apt-get update failed, see $work/log"
}

kernel() {
	image=$directory/vmlinuz-$suite-$arch
	module=$directory/overlay-$suite-$arch.ko
	if [ ! -s "$image" ] || [ ! -s "$module" ]; then
		open_archive
		package=$(apt apt-cache depends "linux-image-cloud-$arch" | awk '/Depends: linux-image-/ {print $2; exit}')
		[ -n "$package" ] || die "$suite has no cloud kernel for $arch"
		(cd "$work" && apt apt-get download "$package" >>log 2>&1) || die "cannot download $package, see $work/log"
		dpkg -x "$work/$package"_*.deb "$work/root"
		cp "$work"/root/boot/config-* "$directory/config-$suite-$arch"
		cp "$work"/root/boot/vmlinuz-* "$image.tmp"
		find "$work/root" -name 'overlay.ko*' -exec cp {} "$work" \;
		[ ! -e "$work/overlay.ko.xz" ] || xz -d "$work/overlay.ko.xz"
		mv "$work/overlay.ko" "$module"
		rm -rf "$work"
		mv "$image.tmp" "$image"
	fi
	echo "$image"
}

# Complete only with the list of what was asked for, which comes last.
root() {
	if [ "$(cat "$directory/packages" 2>/dev/null)" != "$suite $arch $*" ]; then
		open_archive
		apt apt-get -y --download-only install "$@" >>"$work/log" 2>&1 || die "cannot download $*, see $work/log"
		for file in "$work"/cache/archives/*.deb; do
			dpkg -x "$file" "$work/root"
		done
		# Newer suites rely on base-files, which is no dependency of anything.
		[ -e "$work/root/lib" ] || ln -s usr/lib "$work/root/lib"
		rm -rf "$directory"
		mv "$work/root" "$directory"
		rm -rf "$work"
		echo "$suite $arch $*" >"$directory/packages"
	fi
}

mkdir -p "$directory"
directory=$(cd "$directory" && pwd)
case $what in
kernel)
	[ $# -eq 0 ] || die "kernel SUITE ARCH DIRECTORY"
	work=$directory/apt-$suite-$arch
	kernel
	;;
root)
	[ $# -ge 1 ] || die "which packages?"
	work=$directory.apt
	root "$@"
	;;
*) die "unknown command $what" ;;
esac
