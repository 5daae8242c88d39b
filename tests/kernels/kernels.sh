#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Debian's kernels under QEMU, x86-64 and arm64: what guest_record.sh checks. Prints "ok NAME" lines.
#
#   HOSTPROF, WORKLOADS   the program and the folder of the workloads, for this machine
#   ARM64_BUILD           the same for arm64: "hostprof" and "tests/workloads" below it
#   ARM64_ROOT            their libraries
#   KERNEL_IMAGES         where the kernels are kept for the next time
#   GUESTS                which: "bookworm-amd64 bookworm-arm64"; the default is all
#   CHAINS                "no" leaves out the workloads with known call chains, and what unwind_chains.py says of them
set -u

here=$(cd "$(dirname "$0")" && pwd)
tree=$(cd "$here/../.." && pwd)
HOSTPROF=${HOSTPROF:-$tree/build/hostprof}
WORKLOADS=${WORKLOADS:-$tree/build/tests/workloads}
ARM64_BUILD=${ARM64_BUILD:-$tree/build/arm64}
KERNEL_IMAGES=${KERNEL_IMAGES:-$tree/build/kernels}
ARM64_ROOT=${ARM64_ROOT:-$KERNEL_IMAGES/root-arm64}
CHAINS=${CHAINS:-yes}
export PYTHONDONTWRITEBYTECODE=1
GUESTS=${GUESTS:-bullseye-amd64 bookworm-amd64 trixie-amd64 bullseye-arm64 bookworm-arm64}

if [ "$(uname -m)" != x86_64 ]; then
	echo "skip kernels: the guests are set up on x86-64 only, and this machine is $(uname -m)"
	exit 0
fi
for tool in qemu-system-x86_64 qemu-system-aarch64 busybox cpio apt-get dpkg readelf python3; do
	if ! command -v "$tool" >/dev/null; then
		echo "skip live_kernels: no $tool here"
		exit 0
	fi
done

work=$(mktemp -d "${TMPDIR:-/tmp}/hostprof-kernels.XXXXXX") || exit 1
# shellcheck disable=SC2317,SC2329
clean_up()
{
	local pid

	for pid in $(jobs -p); do
		kill -- "-$pid" 2>/dev/null
	done
	wait
	rm -rf --one-file-system "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# only_on ARCH: lines of chains(). The CFI of arm64's _dl_runtime_resolve in glibc misses 16 bytes of its caller's stack.
only_on()
{
	case $1 in
	amd64) echo plt plt ;;
	arm64) printf '%s\n' 'realign realign' 'chain-pac chain-pac' 'deep-pac-50 deep-pac 50' ;;
	esac
}

# chains SUITE ARCH FOLDER: a line "NAME PROGRAM ARGUMENTS" for each workload with known call chains; what is not there
# is told on file descriptor 3.
chains()
{
	local name program arguments

	while read -r name program arguments; do
		[ -n "$name" ] || continue
		if [ -x "$3/$program" ]; then
			echo "$name $3/$program $arguments"
		else
			echo "skip live_kernel_of_$1_$2_unwind_$name: its compiler is not here" >&3
		fi
	done <<-CHAINS
		chain-pie chain-pie
		chain-static chain-static
		calls calls
		dlopen dlopen
		noreturn noreturn
		signals signals
		signals-alternate signals 1000 alternate
		threads threads
		deep-gcc-10 deep-gcc 10
		deep-gcc-50 deep-gcc 50
		deep-gcc-120 deep-gcc 120
		deep-gcc-400 deep-gcc 400
		chain-go chain-go
		chain-go-stripped chain-go-stripped
		$(only_on "$2")
	CHAINS
}

# boot_guest SUITE ARCH IMAGE: prints what the guest printed; $work/SUITE-ARCH has what it handed out.
boot_guest()
{
	local out=$work/$1-$2 options files programs program

	rm -rf "$out"
	options=(-c 2 -m 1024 -t 300 -o "$out")
	if [ "$2" = arm64 ]; then
		options+=(-r "$ARM64_ROOT")
		programs=$ARM64_BUILD/tests/workloads
		files=("$ARM64_BUILD/hostprof=/bin/hostprof" "$ARM64_ROOT/usr/bin/setpriv=/opt/setpriv")
	else
		programs=$WORKLOADS
		files=("$HOSTPROF=/bin/hostprof" "$(command -v setpriv)=/opt/setpriv")
	fi
	files+=("$programs/split-static" "$programs/comm_name" "$KERNEL_IMAGES/overlay-$1-$2.ko=/opt/overlay.ko")
	# At the same paths as here, so that what looks into the profiles finds the files.
	: >"$out.chains"
	[ "$CHAINS" = no ] || chains "$1" "$2" "$programs" >"$out.chains" 3>"$out.skipped"
	files+=("$out.chains=/etc/chains")
	while read -r program; do
		files+=("$program=$program")
		[ ! -e "$program.so" ] || files+=("$program.so=$program.so")
	done < <(cut -d ' ' -f 2 "$out.chains" | sort -u)
	"$here/boot.sh" "${options[@]}" "$3" "$here/guest_record.sh" "${files[@]}"
}

# test_guest SUITE ARCH: its verdicts on stdout, what it said on stderr; fails when a check did.
test_guest()
{
	local image console name='' status attempt failed=no began=$SECONDS

	if [ "$2" = arm64 ] && { [ ! -x "$ARM64_BUILD/hostprof" ] || [ ! -e "$ARM64_ROOT/packages" ]; }; then
		echo "skip live_kernel_of_$1_$2: no $ARM64_BUILD/hostprof, or nothing in $ARM64_ROOT"
		return
	fi
	if ! image=$("$here/debian.sh" kernel "$1" "$2" "$KERNEL_IMAGES"); then
		echo "skip live_kernel_of_$1_$2: cannot be downloaded"
		return
	fi
	# Emulation is not perfect: now and then a kernel dies while it boots, before our script begins.
	for attempt in 1 2 3; do
		console=$(boot_guest "$1" "$2" "$image")
		status=$?
		name=$(sed -n 's/.*guest begins: //p' <<<"$console")
		[ -z "$name" ] || break
		echo "--- $1 $2: attempt $attempt did not boot, status $status" >&2
	done
	printf -- '--- %s %s, status %s, %s s:\n%s\n' "$1" "$2" "$status" $((SECONDS - began)) "$console" >&2
	if [ -z "$name" ]; then
		echo "not ok live_kernel_of_$1_$2_boots"
		return 1
	fi
	cat "$work/$1-$2.skipped" 2>/dev/null
	grep -E '^(ok|not ok) live_' <<<"$console"
	if [ "$status" -ne 0 ] || grep -q '^not ok ' <<<"$console"; then
		failed=yes
	fi
	python3 "$here/guest_profiles.py" "$name" "$work/$1-$2" || failed=yes
	if [ -s "$work/$1-$2.chains" ]; then
		python3 "$here/../integration/unwind_chains.py" --guest "$name" "$work/$1-$2/chains" "$work/$1-$2/started" ||
			failed=yes
	fi
	[ $failed = no ]
}

# As many at a time as there are CPUs; told in the order of the list. Each is a process group, so that all of it can be
# ended.
set -m
for guest in $GUESTS; do
	while [ "$(jobs -pr | wc -l)" -ge "$(nproc)" ]; do
		wait -n
	done
	{
		test_guest "${guest%-*}" "${guest##*-}" && : >"$work/$guest.passed"
	} >"$work/$guest.out" 2>"$work/$guest.err" </dev/null &
done
wait
failures=0
for guest in $GUESTS; do
	cat "$work/$guest.out"
	cat "$work/$guest.err" >&2
	[ -e "$work/$guest.passed" ] || failures=$((failures + 1))
done
[ $failures -eq 0 ]
