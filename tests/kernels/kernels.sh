#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Debian's kernels 5.10, 6.1 and 6.12 under QEMU: what guest_record.sh checks. Prints "ok NAME" lines.
set -u

here=$(cd "$(dirname "$0")" && pwd)
tree=$(cd "$here/../.." && pwd)
HOSTPROF=${HOSTPROF:-$tree/build/hostprof}
WORKLOADS=${WORKLOADS:-$tree/build/tests/workloads}
KERNEL_IMAGES=${KERNEL_IMAGES:-$tree/build/kernels}

if [ "$(uname -m)" != x86_64 ]; then
	echo "skip kernels: only x86-64 guests are set up, and this machine is $(uname -m)"
	exit 0
fi
for tool in qemu-system-x86_64 busybox cpio apt-get dpkg; do
	if ! command -v "$tool" >/dev/null; then
		echo "skip live_kernels: no $tool here"
		exit 0
	fi
done

failures=0
for suite in bullseye bookworm trixie; do
	if ! image=$("$here/boot.sh" fetch $suite amd64 "$KERNEL_IMAGES"); then
		echo "skip live_kernel_of_$suite: cannot be downloaded"
		continue
	fi
	# Emulation is not perfect: now and then a kernel dies while it boots, before our script begins.
	for attempt in 1 2 3; do
		console=$("$here/boot.sh" run -c 2 -m 1024 -t 300 "$image" "$here/guest_record.sh" \
			"$HOSTPROF=/bin/hostprof" "$WORKLOADS/split-static" "$WORKLOADS/comm_name" "$(command -v setpriv)=/opt/setpriv")
		status=$?
		if printf '%s\n' "$console" | grep -q 'guest begins'; then
			break
		fi
		echo "--- $suite: attempt $attempt did not boot, status $status" >&2
	done
	echo "--- $suite, status $status:" >&2
	printf '%s\n' "$console" >&2
	printf '%s\n' "$console" | grep -E '^(ok|not ok) live_' || {
		echo "not ok live_kernel_of_${suite}_boots"
		failures=$((failures + 1))
	}
	if printf '%s\n' "$console" | grep -q '^not ok ' || [ "$status" -ne 0 ]; then
		failures=$((failures + 1))
	fi
done
[ $failures -eq 0 ]
