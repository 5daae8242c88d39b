#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Installs the packages that are missing and nothing else: a second run does nothing and needs no root.
# usage: tests/deps.sh build|test
#
# Tested on Debian 12 and 13. Ubuntu 24.04 and Fedora are provided for, their package names looked up, and untested.
# "package/command" is not asked for where the command is there already (a toolchain of one's own).
set -eu

usage() {
	echo "usage: $0 build|test" >&2
	exit 2
}
[ $# -eq 1 ] || usage

apt_build="gcc libc6-dev make clang libbpf-dev libelf-dev zlib1g-dev liblzma-dev libzstd-dev libprotobuf-c-dev
	protobuf-c-compiler libcap-dev libseccomp-dev libiberty-dev libmd-dev libjansson-dev libcurl4-openssl-dev pkg-config"
apt_test="g++ golang-go/go rustc/rustc libcmocka-dev libdw-dev libfuse3-dev fuse3 clang-tidy/clang-tidy
	clang-format/clang-format llvm/llvm-symbolizer shellcheck jq python3 curl debuginfod openssl strace libcap2-bin qemu-system-x86 qemu-system-arm busybox-static cpio
	gcc-aarch64-linux-gnu musl-tools libssl-dev xz-utils/xz npm/npm nodejs/node default-jdk-headless/jcmd libc6-dbg dwz elfutils/eu-addr2line"
dnf_build="gcc glibc-devel make clang bpftool libbpf-devel elfutils-libelf-devel zlib-devel xz-devel libzstd-devel
	protobuf-c-devel protobuf-c-compiler libcap-devel libseccomp-devel binutils-devel libmd-devel jansson-devel libcurl-devel pkgconf-pkg-config"
dnf_test="gcc-c++ glibc-static golang/go rust/rustc libcmocka-devel elfutils-devel fuse3-devel fuse3
	clang-tools-extra llvm/llvm-symbolizer ShellCheck jq python3 curl elfutils-debuginfod openssl strace libcap libasan libubsan perf chromium qemu-system-x86-core
	busybox cpio musl-gcc openssl-devel nodejs-npm/npm nodejs/node java-latest-openjdk-devel/jcmd dwz elfutils/eu-addr2line"

distribution=$(sed -n 's/^ID=//p' /etc/os-release 2>/dev/null || true)
case $distribution in
ubuntu) # bpftool and perf live in the kernel's tools; chromium is a snap there and its tests are skipped
	apt_build="$apt_build linux-tools-generic"
	;;
*)
	apt_build="$apt_build bpftool"
	apt_test="$apt_test linux-perf chromium/chromium"
	;;
esac

if command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; then
	manager=apt
	rows=$apt_build
	[ "$1" = build ] || rows="$apt_build $apt_test"
elif command -v dnf >/dev/null; then
	manager=dnf
	rows=$dnf_build
	[ "$1" = build ] || rows="$dnf_build $dnf_test"
else
	echo "$0: neither apt nor dnf here; install what these Debian packages hold: $apt_build" >&2
	exit 1
fi
case $1 in
build | test) ;;
*) usage ;;
esac

is_installed() {
	case $manager in
	apt) [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ] ;;
	dnf) rpm -q --quiet --whatprovides "$1" ;;
	esac
}

missing=
for row in $rows; do
	package=${row%%/*}
	if [ "$package" != "$row" ] && command -v "${row#*/}" >/dev/null; then
		continue
	fi
	is_installed "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
	echo "$0: missing packages:$missing; install them, or run 'sudo make deps' (for the tests 'sudo make deps-test')" >&2
	exit 1
fi

echo "  DEPS  $missing"
# shellcheck disable=SC2086 # a list of words
case $manager in
apt)
	export DEBIAN_FRONTEND=noninteractive
	# One broken third-party source must not stop us: what matters is whether the packages are found.
	apt-get -qq -o DPkg::Lock::Timeout=300 update || echo "$0: apt-get update complained; going on" >&2
	apt-get -qq -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 --no-install-recommends install $missing >/dev/null
	;;
dnf)
	dnf -q -y --setopt=install_weak_deps=False install $missing
	;;
esac
